package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// file writes a file for a flag.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// publicPEM is a new RSA public key, and modulus its n as a JWK has it.
func publicPEM(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func modulus(t *testing.T, text string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(key.(*rsa.PublicKey).N.Bytes())
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestContractCommandsOverTheAPI(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	account := d.card.Accounts[0].ID
	biller := "2b8e1d7a-0000-4000-8000-00000000000a"
	key := file(t, "key.txt", strings.Repeat("ab", 32)+"\n")
	device := d.card.Devices[0].ID
	theirs, next := publicPEM(t), publicPEM(t)
	for _, step := range []struct {
		name  string
		stdin string
		args  []string
		code  int
		says  string
	}{
		{"servers", "", []string{"resource-server", "list"}, exitOK, "signet's"},
		{"server", "", []string{"resource-server", "create", "--id", "till", "--name", "Till", "--audience", "https://till.example", "--generate", "--alg", "ECDH-ES+A256KW"}, exitOK, "public key"},
		{"server again", "", []string{"resource-server", "create", "--id", "till", "--name", "Till", "--audience", "https://till2.example", "--generate", "--alg", "ECDH-ES+A256KW"}, exitConflict, "Conflict"},
		{"server without key", "", []string{"resource-server", "create", "--name", "Till", "--audience", "https://till3.example"}, exitUsage, "exactly one way"},
		{"server show", "", []string{"resource-server", "show", "till"}, exitOK, "https://till.example"},
		{"server update", `{"scope": "till:read"}`, []string{"resource-server", "update", "till", "--from", "-"}, exitOK, `"scope": "till:read"`},
		{"server update of its id", `{"id": "tills"}`, []string{"resource-server", "update", "till", "--from", "-"}, exitUsage, "id"},
		{"server of others", "", []string{"resource-server", "create", "--id", "theirs", "--name", "Theirs", "--audience", "https://theirs.example", "--pem-file", file(t, "theirs.pem", theirs)}, exitOK, "theirs"},
		{"server update of its key", string(encode(t, body{"pem": next})), []string{"resource-server", "update", "theirs", "--from", "-"}, exitOK, `"n": "` + modulus(t, next)},
		{"server disable", "", []string{"resource-server", "disable", "till"}, exitOK, "disabled"},
		{"server enable", "", []string{"resource-server", "enable", "till"}, exitOK, "enabled"},

		{"biller", "", []string{"biller", "create", "--id", biller, "--name", "Water", "--resource-server", "till"}, exitOK, "hmac_key (hex)"},
		{"biller without server", "", []string{"biller", "create", "--name", "Water"}, exitUsage, "default_resource_server"},
		{"biller list", "", []string{"biller", "list"}, exitOK, "Legacy biller demo"},
		{"biller show", "", []string{"biller", "show", biller}, exitOK, "Water"},
		{"biller update", `{"token_lifetime": 600}`, []string{"biller", "update", biller, "--from", "-"}, exitOK, `"token_lifetime": 600`},
		{"biller update, and the rest stays", `{"name": "Water Works"}`, []string{"biller", "update", biller, "--from", "-"}, exitOK, `"token_lifetime": 600`},
		{"biller update to the default", `{"token_lifetime": null}`, []string{"biller", "update", biller, "--from", "-"}, exitOK, "Water Works"},
		{"biller update wrong", `{"default_resource_server": "none"}`, []string{"biller", "update", biller, "--from", "-"}, exitUsage, "no such resource server"},
		{"biller update of nothing", "", []string{"biller", "update", biller}, exitUsage, "nothing to change"},
		{"biller update, no object", `[]`, []string{"biller", "update", biller, "--from", "-"}, exitUsage, "JSON object"},
		{"biller update of nobody", `{"name": "a"}`, []string{"biller", "update", "2b8e1d7a-0000-4000-8000-00000000000b", "--from", "-"}, exitNotFound, ""},
		{"biller rotate", "", []string{"biller", "rotate-key", biller, "--kid", "next", "--key-file", key, "--encoding", "hex", "--overlap", "1h"}, exitOK, "next"},
		{"biller rotate, a third", "", []string{"biller", "rotate-key", biller}, exitConflict, "Two keys are live"},
		{"biller end", "", []string{"biller", "end-key", biller, "next"}, exitOK, "ended"},
		{"biller end nothing", "", []string{"biller", "end-key", biller, "none"}, exitNotFound, ""},
		{"biller disable", "", []string{"biller", "disable", biller}, exitOK, "disabled"},
		{"biller enable", "", []string{"biller", "enable", biller}, exitOK, "enabled"},
		{"biller a path", "", []string{"biller", "show", "../clients"}, exitNotFound, ""},

		{"account", "", []string{"account", "create", "--name", "Bakery", "--owner", "bob"}, exitOK, "instance"},
		{"account of nobody", "", []string{"account", "create", "--name", "Bakery", "--owner", "nobody"}, exitNotFound, ""},
		{"accounts", "", []string{"account", "list"}, exitOK, "Bakery"},
		{"account show", "", []string{"account", "show", account}, exitOK, "Corner Shop demo"},
		{"settings", `{"single_use": true}`, []string{"account", "settings", account, "--from", "-", "--name", "Corner Shop"}, exitOK, `"single_use": true`},
		{"settings wrong", `[]`, []string{"account", "settings", account, "--from", "-"}, exitUsage, "JSON object"},
		{"settings of nothing", "", []string{"account", "settings", account}, exitUsage, "--from"},
		{"member", "", []string{"account", "member", "set", account, "bob", "--role", "merchant-terminal"}, exitOK, "merchant-terminal"},
		{"member role", "", []string{"account", "member", "set", account, "bob", "--role", "emperor"}, exitUsage, "role"},
		{"members", "", []string{"account", "member", "list", account}, exitOK, "pending"},
		{"member remove", "", []string{"account", "member", "remove", account, "bob"}, exitOK, "no member"},
		{"last owner", "", []string{"account", "member", "remove", account, "alice"}, exitConflict, "owner"},
		{"intent key", "", []string{"account", "intent-key", account}, exitOK, "secret (hex)"},
		{"account disable", "", []string{"account", "disable", account}, exitOK, "disabled"},
		{"account enable", "", []string{"account", "enable", account}, exitOK, "enabled"},

		{"key", "", []string{"apikey", "create", "--account", account, "--name", "Till 9", "--role", "merchant-terminal", "--network", "192.0.2.0/24", "--expires-in", "1h"}, exitOK, "sgt_ak_"},
		{"key of no account", "", []string{"apikey", "create", "--name", "a", "--role", "merchant-terminal"}, exitUsage, "--account"},
		{"import", "an-old-key-of-forty-characters-or-so-123\n", []string{"apikey", "import", "--account", account, "--name", "Old", "--role", "merchant-terminal"}, exitOK, "Old"},
		{"keys", "", []string{"apikey", "list", "--account", account}, exitOK, "192.0.2.0/24"},
		{"key disable", "", []string{"apikey", "disable", "--account", account, "Till 9"}, exitOK, "disabled"},
		{"key enable", "", []string{"apikey", "enable", "--account", account, "Till 9"}, exitOK, "enabled"},
		{"key unknown", "", []string{"apikey", "disable", "--account", account, "none"}, exitNotFound, ""},

		{"device", "", []string{"device", "create", "--account", account, "--dcn", "7"}, exitOK, "password"},
		{"device wrong", "", []string{"device", "create", "--account", account, "--dcn", "a|b"}, exitUsage, "dcn"},
		{"devices", "", []string{"device", "list", "--account", account}, exitOK, device},
		{"device disable", "", []string{"device", "disable", "--account", account, "1", device}, exitOK, "disabled"},
		{"device enable", "", []string{"device", "enable", "--account", account, "1", device}, exitOK, "enabled"},

		{"application", "4711\n", []string{"pin-application", "create", "--id", "loans", "--username", "loans", "--pin-file", "-"}, exitOK, "key (hex)"},
		{"application ECB", "", []string{"pin-application", "create", "--username", "ecb", "--mode", "aes-128-ecb"}, exitUsage, "allowed_networks"},
		{"applications", "", []string{"pin-application", "list"}, exitOK, "lending-legacy"},
		{"application show", "", []string{"pin-application", "show", "loans"}, exitOK, "pin-v2"},
		{"application update", `{"allowed_networks": ["192.0.2.0/24"]}`, []string{"pin-application", "update", "loans", "--from", "-"}, exitOK, "192.0.2.0/24"},
		{"application update of its name", `{"username": "others"}`, []string{"pin-application", "update", "loans", "--from", "-"}, exitUsage, "username"},
		{"application rotate", "", []string{"pin-application", "rotate-key", "loans", "--kid", "k2"}, exitOK, "k2"},
		{"application end key", "", []string{"pin-application", "end-key", "loans", "k2"}, exitOK, "ended"},
		{"application pin", "", []string{"pin-application", "set-pin", "loans"}, exitOK, "pin"},
		{"application disable", "", []string{"pin-application", "disable", "loans"}, exitOK, "disabled"},
		{"application enable", "", []string{"pin-application", "enable", "loans"}, exitOK, "enabled"},
	} {
		code, out, errs := command(t, d.env, step.stdin, step.args...)
		if code != step.code || !strings.Contains(out+errs, step.says) {
			t.Errorf("%s: exit %d, want %d: %s%s", step.name, code, step.code, out, errs)
		}
		if code == exitOK && !strings.Contains(out, "Next:") {
			t.Errorf("%s names no next step: %s", step.name, out)
		}
		if code == exitOK && strings.Contains(out, strings.Repeat("ab", 32)) {
			t.Errorf("%s repeats a key that was given: %s", step.name, out)
		}
	}
	for _, args := range [][]string{{"biller", "list"}, {"biller", "show", biller}, {"resource-server", "list"}, {"account", "list"},
		{"account", "member", "list", account}, {"apikey", "list", "--account", account}, {"device", "list", "--account", account},
		{"pin-application", "list"}, {"pin-application", "disable", "loans"}} {
		code, out, errs := command(t, d.env, "", append(args, "--json")...)
		if code != exitOK || !json.Valid([]byte(out)) {
			t.Errorf("%v: exit %d, %s%s", args, code, out, errs)
		}
	}
}

// TestDevCardOfTheContracts: what the card says can be used, and a restart on the same folder keeps it.
func TestDevCardOfTheContracts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startDev(t, "--data", dir)
	c := first.card
	if len(c.ResourceServers) != 2 || len(c.Billers) != 2 || len(c.Accounts) != 1 || len(c.APIKeys) != 3 || len(c.Devices) != 1 || len(c.PINApplications) != 2 {
		t.Fatalf("card %+v", c)
	}
	if c.Billers[0].Scheme != "v2" || c.Billers[1].Scheme != "v1" || !c.Billers[1].InvoiceExchange || c.Billers[0].InvoiceExchange || len(c.Billers[1].Invoices) == 0 {
		t.Errorf("billers %+v", c.Billers)
	}
	if c.Accounts[0].OwnerSub != c.Users[0].Sub || c.APIKeys[2].Key != demoPublishedKey {
		t.Errorf("accounts %+v, keys %+v", c.Accounts, c.APIKeys)
	}
	// The card for people says how to go on with what the other one holds.
	if said := first.out.String(); !strings.Contains(said, "Try next") || !strings.Contains(said, "try hmac --card ") {
		t.Errorf("the card does not name signet try: %s", said)
	}
	info, err := os.Stat(c.RSPrivateKeyFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the resource servers' key: %v, %v", info, err)
	}
	if code := first.stop(); code != exitOK {
		t.Fatalf("exit code %d: %s", code, first.out)
	}
	second := startDev(t, "--data", dir)
	if second.card.Billers[0].HMACKey != c.Billers[0].HMACKey || second.card.RSPrivateKeyFile != c.RSPrivateKeyFile {
		t.Errorf("the card changed over a restart: %+v", second.card.Billers)
	}
	second.stop()
}

// TestDevCatchesUp: the data folder of a server that knew nothing of the contracts gets their demo, once.
func TestDevCatchesUp(t *testing.T) {
	t.Parallel()
	const issuer = "http://127.0.0.1:1"
	h, err := openHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n, err := wire(t.Context(), devDeployment(issuer, h, &devFlags{jwksMaxAge: time.Minute}, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	s := &seeder{ctx: t.Context(), api: localAPI(n.admin), home: h, card: &card{Issuer: issuer}}
	for _, p := range people() {
		s.user(p)
	}
	if err := errors.Join(s.err, writeCard(h.cardFile(), s.card)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := seed(t.Context(), n, h, nil, issuer)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Billers) != 2 || c.RSPrivateKeyFile == "" || len(c.PINApplications) != 2 || c.Accounts[0].OwnerSub != c.Users[0].Sub {
			t.Errorf("card %+v", c)
		}
	}
}

func TestUpdateChangesWhatIsNamed(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	for _, step := range []struct {
		name  string
		stdin string
		args  []string
		code  int
		says  string
	}{
		{"scope", "", []string{"client", "update", "web", "--scope", "openid"}, exitOK, `"scope": "openid"`},
		{"name, and the scope stays", "", []string{"client", "update", "web", "--client-name", "New"}, exitOK, `"scope": "openid"`},
		{"members from a file", `{"access_token_lifetime": 600}`, []string{"client", "update", "web", "--from", "-"}, exitOK, `"access_token_lifetime": 600`},
		{"one back to its default", `{"access_token_lifetime": null}`, []string{"client", "update", "web", "--from", "-"}, exitOK, "http://127.0.0.1:3000/callback"},
		{"what is wrong", "", []string{"client", "update", "web", "--redirect-uri", "http://a.example/"}, exitUsage, "redirect_uris"},
		{"unknown member", `{"x": 1}`, []string{"client", "update", "web", "--from", "-"}, exitUsage, "unknown"},
		{"nothing", "", []string{"client", "update", "web"}, exitUsage, "nothing to change"},
		{"nobody", "", []string{"client", "update", "nobody", "--scope", "a"}, exitNotFound, ""},
		{"user", "", []string{"user", "update", "bob", "--email", "bob@example.net"}, exitOK, `"phone_number": "+441632960002"`},
		{"user without a phone", `{"phone_number": null, "phone_number_verified": null}`, []string{"user", "update", "bob", "--from", "-"}, exitOK, "bob@example.net"},
		{"user without anything", `{"email": null, "email_verified": null}`, []string{"user", "update", "bob", "--from", "-"}, exitUsage, "email"},
	} {
		code, out, errs := command(t, d.env, step.stdin, step.args...)
		if code != step.code || !strings.Contains(out+errs, step.says) {
			t.Errorf("%s: exit %d, want %d: %s%s", step.name, code, step.code, out, errs)
		}
		if code == exitOK && (!strings.Contains(out, "Next:") || strings.Contains(out, "access_token_lifetime") != (step.name == "members from a file")) {
			t.Errorf("%s: %s", step.name, out)
		}
	}
	if _, out, _ := command(t, d.env, "", "user", "list"); strings.Contains(out, "+441632960002") || !strings.Contains(out, "bob@example.net") {
		t.Errorf("users: %s", out)
	}
}
