package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/signet-auth/signet/config"
	"github.com/signet-auth/signet/pkg/signet"
)

// TestRefusalsNameWhatIsWrong: each names what is missing or wrong, and what to do, in words of the command line.
func TestRefusalsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	for _, tc := range []struct {
		call, stdin string
		code        int
		says        []string
	}{
		{"client show", "", exitUsage, []string{"CLIENT_ID is missing, as in: signet client show CLIENT_ID", "signet client list"}},
		{"client show a b", "", exitUsage, []string{`what is "b"?`}},
		{"client list x", "", exitUsage, []string{"takes flags alone", `"x"`}},
		{"client refuse-kid a", "", exitUsage, []string{"KID is missing, as in: signet client refuse-kid CLIENT_ID KID"}},
		{"client creat", "", exitUsage, []string{"did you mean create?"}},
		{"account member", "", exitUsage, []string{"signet account member --help"}},
		{"client create --nam x", "", exitUsage, []string{"did you mean --name?"}},
		{"client create --name X", "", exitUsage, []string{"redirect_uris is needed", "By flags: --redirect-uri", "signet client create --help"}},
		{"client create --from nowhere.json", "", exitUsage, []string{"nowhere.json: no such file"}},
		{"client show nobody", "", exitNotFound, []string{"There is no such client.", "See: signet client list"}},
		{"client create --id spa --redirect-uri https://a.example/", "", exitConflict, []string{"The client_id is taken"}},
		{"user create --username alice --email a@example.com", "", exitConflict, []string{"The username is taken"}},
		{"user update bob --username alice", "", exitConflict, []string{"The username is taken"}},
		{"user disable nobody", "", exitNotFound, []string{"no user has that login name", "signet user list"}},
		{"user set-password alice", "", exitUsage, []string{"no password came by standard input"}},
		{"user set-password alice --password-file /dev/null", "", exitUsage, []string{"/dev/null holds no password"}},
		{"pin-application create --username x --pin-file -", "1\n2\n", exitUsage, []string{"the pin must be one line"}},
		{"account show x", "", exitNotFound, []string{"There is no such account.", "signet account list"}},
		{"apikey list --account x", "", exitNotFound, []string{"There is no such account."}},
		{"biller show x", "", exitNotFound, []string{"There is no such biller."}},
		{"key revoke x", "", exitNotFound, []string{"There is no such key.", "signet key list"}},
		{"user show bob", "", exitOK, []string{"bob@example.org", "signet user update bob"}},
		{"key rewrap", "", exitOK, []string{"already", "put another first in keys.kek_file"}},
	} {
		code, out, errs := command(t, d.env, tc.stdin, strings.Fields(tc.call)...)
		if code != tc.code {
			t.Errorf("%s: exit %d, want %d: %s%s", tc.call, code, tc.code, out, errs)
		}
		for _, want := range tc.says {
			if !strings.Contains(out+errs, want) {
				t.Errorf("%s: does not say %q: %s%s", tc.call, want, out, errs)
			}
		}
		for _, jargon := range []string{"not_found", "accepts ", "_unknown", "record of that name"} {
			if strings.Contains(errs, jargon) {
				t.Errorf("%s: %q is no word for people: %s", tc.call, jargon, errs)
			}
		}
	}
}

// TestStartsSayWhatToDo: what a server cannot start with is said in words of its settings, and is no reason to try again.
func TestStartsSayWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty := file("empty.pem", "")
	if code, _, errs := command(t, nil, "", "dev", "--listen", taken.Addr().String()); code != exitUsage || !strings.Contains(errs, "is taken by another process") {
		t.Errorf("a taken port: exit %d, %s", code, errs)
	}
	if code, _, errs := command(t, nil, "", "dev", "--listen", "127.0.0.1:0", "--admin-listen", taken.Addr().String()); code != exitUsage ||
		!strings.Contains(errs, "admin listener: "+taken.Addr().String()+" is taken") {
		t.Errorf("a taken admin port: exit %d, %s", code, errs)
	}
	base := map[string]string{"SIGNET_ISSUER": "https://a.example", "SIGNET_LISTEN": "127.0.0.1:0", "SIGNET_REDIS__ADDRS": "127.0.0.1:1",
		"SIGNET_KEYS__KEK": "a=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "SIGNET_POSTGRES__DSN": "postgres://u:geheim@127.0.0.1:1/db?connect_timeout=2",
		"SIGNET_BEHIND_PROXY__TRUSTED_PROXIES": "10.0.0.0/8"}
	for _, tc := range []struct {
		name string
		env  map[string]string
		code int
		says string
	}{
		{"postgres away", nil, exitUnavailable, "Is PostgreSQL running, and is postgres.dsn right?"},
		{"no certificate", map[string]string{"SIGNET_BEHIND_PROXY__TRUSTED_PROXIES": "", "SIGNET_TLS__CERT_FILE": "nowhere", "SIGNET_TLS__KEY_FILE": empty},
			exitUsage, "tls.cert_file: nowhere: no such file"},
		{"empty certificate", map[string]string{"SIGNET_BEHIND_PROXY__TRUSTED_PROXIES": "", "SIGNET_TLS__CERT_FILE": empty, "SIGNET_TLS__KEY_FILE": empty},
			exitUsage, "tls.cert_file: " + empty + " holds no PEM certificate"},
		{"no roots", map[string]string{"SIGNET_PARTNER__ROOTS_FILE": empty}, exitUsage, "partner.roots_file: " + empty},
	} {
		env := map[string]string{}
		for _, from := range []map[string]string{base, tc.env} {
			for name, value := range from {
				env[name] = value
			}
		}
		code, _, errs := command(t, env, "", "serve")
		if code != tc.code || !strings.Contains(errs, tc.says) || strings.Contains(errs, "geheim") || strings.Contains(errs, `\x`) {
			t.Errorf("%s: exit %d, want %d and %q: %s", tc.name, code, tc.code, tc.says, errs)
		}
	}
}

// TestWords: codes and reasons are for logs; causes and sentences are for people.
func TestWords(t *testing.T) {
	t.Parallel()
	policy := &signet.Error{Code: signet.CodeUnavailable, Reason: "redis_failed", Cause: errors.New(`maxmemory-policy is "allkeys-lru", it must be noeviction`)}
	seal := signet.Internal(errors.Join(errors.New(`keys: key x does not open under key-encryption key "a"`), errors.New("cipher: message authentication failed")))
	d := &deployment{}
	d.sql.Driver = "postgres"
	for _, tc := range []struct {
		name string
		err  error
		code int
		says string
	}{
		{"message", fmt.Errorf("x: %w", signet.NewError(signet.CodeConflict, "It is taken.", "taken")), exitConflict, "x: It is taken."},
		{"cause", fmt.Errorf("x: %w", signet.Unavailable(errors.New("refused"))), exitUnavailable, "x: refused"},
		{"evicting redis", redisError(policy), exitUsage, "redis-cli CONFIG SET maxmemory-policy noeviction"},
		{"wrong key-encryption key", d.keysError(seal), exitUsage, "Put the key-encryption key that this database was sealed with back into keys.kek_file"},
		{"database is not there", databaseError(signet.Unavailable(errors.New("SQLSTATE 3D000 "))), exitUsage, "create it first"},
		{"wrong password", databaseError(signet.Unavailable(errors.New("SQLSTATE 28P01 "))), exitUsage, "password of postgres.dsn"},
		{"away", databaseError(signet.Unavailable(errors.New("a:\n\tdial\n\tdial"))), exitUnavailable, "database: a: dial. Is PostgreSQL running"},
		{"a low port", listenError("public listener", ":443", &os.SyscallError{Syscall: "bind", Err: syscall.EACCES}), exitUsage, "CAP_NET_BIND_SERVICE"},
	} {
		if got := words(tc.err); !strings.Contains(got, tc.says) || strings.Contains(got, "temporarily_unavailable") || strings.Contains(got, "cipher") {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.says)
		}
		if got := exitCode(tc.err); got != tc.code {
			t.Errorf("%s: exit %d, want %d", tc.name, got, tc.code)
		}
	}
}

// TestNextStepsGoToTheSameTarget: a next step that leaves out --config would speak to another server, or to none.
func TestNextStepsGoToTheSameTarget(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		app  app
		want string
	}{
		{"by environment", app{}, "signet client show x, or signet apikey list (signet try pin --help)"},
		{"by configuration", app{config: "a b.yaml"},
			"signet client --config 'a b.yaml' show x, or signet apikey --config 'a b.yaml' list (signet try pin --help)"},
		{"by address", app{server: "https://[::1]:1", keyFile: "k", caFile: "c"},
			"signet client --server 'https://[::1]:1' --admin-key-file k --ca-file c show x, or signet apikey --server 'https://[::1]:1' --admin-key-file k --ca-file c list (signet try pin --help)"},
	} {
		if got := tc.app.aimed("signet client show x, or signet apikey list (signet try pin --help)"); got != tc.want {
			t.Errorf("%s: %q", tc.name, got)
		}
	}
	d := startDev(t)
	env := map[string]string{config.EnvAdminKey: d.env[config.EnvAdminKey]}
	server := d.env[config.EnvServer]
	code, out, errs := command(t, env, "", "client", "list", "--server", server)
	_, next, _ := strings.Cut(out, "Next: signet ")
	next = strings.TrimSpace(strings.Replace(next, "CLIENT_ID", "spa", 1))
	if code != exitOK || !strings.Contains(next, "--server "+server) {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	if code, _, errs := command(t, env, "", strings.Fields(next)...); code != exitOK {
		t.Errorf("the next step as printed, %q: exit %d, %s", next, code, errs)
	}
}

// TestCardNamesWhatIsThere: every line to copy calls this binary as it was called, with the card that was written.
func TestCardNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	c := &card{}
	c.Clients.Service.Scope = "a"
	for _, tc := range []struct{ called, file, program, says string }{
		{"/tmp/go-build1/b001/exe/signet", "", "go run ./cmd/signet", "Start it again with --card card.json"},
		{"./signet", "/tmp/a b/card.json", "./signet", "try hmac --card '/tmp/a b/card.json'"},
		{"signet", "data/card.json", "signet", "       signet try hmac --card data/card.json\n"},
	} {
		text := c.text(programOf(tc.called), tc.file)
		if !strings.Contains(text, "       "+tc.program+" client create") || !strings.Contains(text, tc.says) {
			t.Errorf("%s %s:\n%s", tc.called, tc.file, text)
		}
	}
}

// TestEveryTargetIsAimed: a command with the flags of a target is one whose next steps name it.
func TestEveryTargetIsAimed(t *testing.T) {
	t.Parallel()
	found := 0
	for _, child := range (&app{}).root().Commands() {
		if child.PersistentFlags().Lookup("admin-key-file") == nil {
			continue
		}
		found++
		if line := child.CommandPath(); aimable.FindString(line) != line {
			t.Errorf("%s is not aimed", line)
		}
	}
	if found < 9 {
		t.Errorf("%d commands have a target", found)
	}
}
