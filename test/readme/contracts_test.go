package readme

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// update writes what the examples print into the pages: go test ./test/readme -run TestContractExamples -update.
var update = flag.Bool("update", false, "write the outputs of the examples into docs/contracts")

const exampleWithin = 3 * time.Minute // a Go program is built first

// settings are the variables that the examples of a page read.
type settings map[string]string

// contractPages has every page of docs/contracts with what its examples read.
var contractPages = map[string]func(t *testing.T, dev *e2e.Dev) settings{
	"accounts.md": func(t *testing.T, dev *e2e.Dev) settings {
		return settings{"API_KEY": dev.Card.APIKeys[1].Key, "ACCOUNT": dev.Card.Accounts[0].ID, "TOKEN": personToken(t, dev)}
	},
	"identity-exchange.md": func(_ *testing.T, dev *e2e.Dev) settings {
		biller, old, server := dev.Card.Billers[0], dev.Card.Billers[1], dev.Card.Clients.ResourceServer
		at := slices.IndexFunc(dev.Card.ResourceServers, func(s e2e.ResourceServer) bool { return s.ID == biller.DefaultResourceServer })
		return settings{"BILLER": biller.ID, "KEY": biller.HMACKey, "PAYER": biller.Invoices[0].CustomerGUID,
			"CLIENT_ID": biller.ClientID, "CLIENT_SECRET": biller.ClientSecret,
			"OLD_BILLER": old.ID, "OLD_KEY": old.HMACKey, "INVOICE": old.Invoices[0].InvoiceGUID,
			"RS_KEY": dev.Card.RSPrivateKeyFile, "AUDIENCE": dev.Card.ResourceServers[at].Audience,
			"RS_ID": server.ClientID, "RS_SECRET": server.ClientSecret}
	},
	"partner-access.md": func(_ *testing.T, dev *e2e.Dev) settings {
		partner := dev.Card.Clients.Partner
		return settings{"CLIENT_ID": partner.ClientID, "KID": partner.KID, "KEY": partner.PrivateKeyFile, "SCOPE": partner.Scope}
	},
	"payment-intents.md": func(_ *testing.T, dev *e2e.Dev) settings {
		device := dev.Card.Devices[0]
		return settings{"API_KEY": dev.Card.APIKeys[1].Key, "DCN": device.DCN, "DEVICE": device.ID, "DEVICE_PASSWORD": device.Password}
	},
	"pin-login.md": func(t *testing.T, dev *e2e.Dev) settings {
		app := dev.Card.PINApplications[0]
		return settings{"USERNAME": app.Username, "PIN": app.PIN, "KEY": app.Key, "PASSWORD": encryptPIN(t, app)}
	},
}

// TestContractExamples runs what the pages for callers show: sh blocks of a page one after another in one bash, then its
// Go and JavaScript programs, which see the variables that bash ended with. What they print is what the page says.
func TestContractExamples(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob(filepath.Join(root, "docs/contracts/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	dev := e2e.StartDev(t)
	for _, path := range found {
		name := filepath.Base(path)
		if name == "README.md" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			set := contractPages[name]
			if set == nil {
				t.Fatalf("contractPages has no %s", name)
			}
			runPage(t, dev, readPage(t, "docs/contracts/"+name), set(t, dev))
		})
	}
	if len(found) < len(contractPages) {
		t.Errorf("docs/contracts has %d pages, want %d at least", len(found), len(contractPages))
	}
}

func runPage(t *testing.T, dev *e2e.Dev, p *page, set settings) {
	t.Helper()
	set["SIGNET"] = dev.Card.Issuer
	env := environment(t, set)
	examples := p.examples(t)
	for _, lang := range []string{"sh", "go", "js"} {
		if !slices.ContainsFunc(examples, func(e example) bool { return e.run.lang == lang && e.output != nil }) {
			t.Errorf("no example in %s is run and compared", lang)
		}
	}
	printed := make([]string, len(examples))
	env = runShell(t, p, examples, env, printed)
	for i, e := range examples {
		switch e.run.lang {
		case "sh":
		case "go":
			printed[i] = runGo(t, p, e, env)
		case "js":
			printed[i] = runJS(t, p, e, env)
		default:
			t.Errorf("%s:%d: nobody here runs %q", p.path, e.run.line, e.run.lang)
		}
	}
	if t.Failed() {
		return
	}
	if *update {
		rewrite(t, p, examples, printed)
		return
	}
	for i, e := range examples {
		if e.output == nil {
			continue
		}
		if got, want := normal(printed[i]), normal(e.output.body); got != want {
			t.Errorf("%s:%d: the page says\n%s\nand the example printed\n%s", p.path, e.output.line, want, got)
		}
	}
}

// environment is ours without what would steer signet, with the binary and the page's variables.
func environment(t *testing.T, set settings) []string {
	t.Helper()
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "SIGNET_") && !strings.HasPrefix(entry, "PATH=") {
			env = append(env, entry)
		}
	}
	env = append(env, "PATH="+filepath.Dir(e2e.Binary(t))+string(os.PathListSeparator)+os.Getenv("PATH"))
	for name, value := range set {
		env = append(env, name+"="+value)
	}
	return env
}

// separator stands between the outputs of two blocks.
const separator = "\x1e"

// runShell runs the sh blocks in their order, fills printed, and returns the variables that they left.
func runShell(t *testing.T, p *page, examples []example, env, printed []string) []string {
	t.Helper()
	left := filepath.Join(t.TempDir(), "environment")
	var script strings.Builder
	script.WriteString("set -aeuo pipefail\n")
	var order []int
	for i, e := range examples {
		if e.run.lang == "sh" {
			order = append(order, i)
			fmt.Fprintf(&script, "echo %s:%d >&2\n%s\nprintf '\\x1e'\n", p.path, e.run.line, e.run.body)
		}
	}
	fmt.Fprintf(&script, "env -0 > '%s'\n", left)
	out := output(t, p.path, root, env, "bash", "-c", script.String())
	parts := strings.Split(out, separator)
	if len(parts) != len(order)+1 {
		t.Fatalf("%s: %d sh blocks printed %d parts", p.path, len(order), len(parts)-1)
	}
	for n, i := range order {
		printed[i] = parts[n]
	}
	content, err := os.ReadFile(left)
	if err != nil {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(content), func(r rune) bool { return r == 0 })
}

// runGo runs a program in this module, so that it finds the packages it imports.
func runGo(t *testing.T, p *page, e example, env []string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(e.run.body), 0o600); err != nil {
		t.Fatal(err)
	}
	return output(t, fmt.Sprintf("%s:%d", p.path, e.run.line), root, env, "go", "run", file)
}

// runJS runs a module with the packages of test/e2e/js.
func runJS(t *testing.T, p *page, e example, env []string) string {
	t.Helper()
	modules, err := filepath.Abs(filepath.Join(root, "test/e2e/js/node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(modules); err != nil {
		t.Fatal("test/e2e/js/node_modules is missing: run make test")
	}
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "example.mjs"), []byte(e.run.body), 0o600); err != nil {
		t.Fatal(err)
	}
	return output(t, fmt.Sprintf("%s:%d", p.path, e.run.line), dir, env, "node", "example.mjs")
}

func output(t *testing.T, where, dir string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), exampleWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, env, 5*time.Second
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s\n%s", where, err, &out, &faults)
	}
	return out.String()
}

// rewrite puts what was printed into the page, from its end to its start.
func rewrite(t *testing.T, p *page, examples []example, printed []string) {
	t.Helper()
	text := p.text
	for i, e := range slices.Backward(examples) {
		if e.output != nil && normal(printed[i]) != normal(e.output.body) {
			text = text[:e.output.start] + shown(printed[i]) + text[e.output.end:]
		}
	}
	if err := os.WriteFile(filepath.Join(root, p.path), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// personToken logs the owner of the demo account in and returns an access token for signet itself.
func personToken(t *testing.T, dev *e2e.Dev) string {
	t.Helper()
	client := dev.Card.Clients.SPA
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	callback := e2e.NewBrowser(t).LogIn(dev.Card.Issuer+"/authorize?"+url.Values{"response_type": {"code"}, "client_id": {client.ClientID},
		"redirect_uri": {client.RedirectURIs[0]}, "scope": {"openid"}, "state": {rand.Text()}, "nonce": {rand.Text()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}.Encode(), dev.Card.Users[0])
	answer, err := http.PostForm(dev.Card.Issuer+"/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {client.ClientID},
		"code": {callback.Query().Get("code")}, "code_verifier": {verifier}, "redirect_uri": {client.RedirectURIs[0]}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || body.AccessToken == "" {
		t.Fatalf("no token: %d, %v", answer.StatusCode, err)
	}
	return body.AccessToken
}

// encryptPIN makes a password in the mode pin-v2.
func encryptPIN(t *testing.T, app e2e.PINApplication) string {
	t.Helper()
	key, err := hex.DecodeString(app.Key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	plain := fmt.Sprintf("%d|%s", time.Now().Unix(), app.PIN)
	return base64.StdEncoding.EncodeToString(gcm.Seal(nil, nil, []byte(plain), []byte(app.Username)))
}
