package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/config"
)

func TestCommandsOverTheAPI(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	for _, step := range []struct {
		name  string
		stdin string
		args  []string
		code  int
		says  string
	}{
		{"list", "", []string{"client", "list"}, exitOK, "Signet demo"},
		{"create", "", []string{"client", "create", "--id", "shop", "--name", "Shop", "--redirect-uri", "https://shop.example/cb", "--scope", "openid email"}, exitOK, "client_secret"},
		{"create again", "", []string{"client", "create", "--id", "shop", "--redirect-uri", "https://shop.example/cb"}, exitConflict, "Conflict"},
		{"create wrong", "", []string{"client", "create", "--redirect-uri", "http://shop.example/cb"}, exitUsage, "redirect_uris"},
		{"public with a method", "", []string{"client", "create", "--public", "--auth-method", "client_secret_post"}, exitUsage, "--public"},
		{"show", "", []string{"client", "show", "shop"}, exitOK, "https://shop.example/cb"},
		{"show nobody", "", []string{"client", "show", "nobody"}, exitNotFound, "Not found"},
		{"show a path", "", []string{"client", "show", "../users"}, exitNotFound, ""},
		{"rotate", "", []string{"client", "rotate-secret", "shop", "--overlap", "1m"}, exitOK, "client_secret"},
		{"disable", "", []string{"client", "disable", "shop"}, exitOK, "disabled"},
		{"enable", "", []string{"client", "enable", "shop"}, exitOK, "enabled"},
		{"user", "correct horse\n", []string{"user", "create", "--username", "carol", "--email", "carol@example.com", "--password-file", "-"}, exitOK, "sub"},
		{"user without name", "", []string{"user", "create"}, exitUsage, "--username"},
		{"password", "battery staple\n", []string{"user", "set-password", "carol"}, exitOK, "password set"},
		{"password by mail", "battery staple\n", []string{"user", "set-password", "carol@example.com"}, exitOK, "password set"},
		{"password of two lines", "a\nb\n", []string{"user", "set-password", "carol"}, exitUsage, "one line"},
		{"password too short", "abc", []string{"user", "set-password", "carol"}, exitUsage, "password"},
		{"user unknown", "", []string{"user", "disable", "nobody"}, exitNotFound, ""},
		{"user disable", "", []string{"user", "disable", "carol"}, exitOK, "disabled"},
		{"users", "", []string{"user", "list"}, exitOK, "carol@example.com"},
		{"rotate keys", "", []string{"key", "rotate", "--alg", "ES256"}, exitOK, "published"},
		{"rotate nothing", "", []string{"key", "rotate", "--alg", "none"}, exitUsage, "alg"},
		{"revoke nothing", "", []string{"key", "revoke", "nobody"}, exitNotFound, ""},
		{"rewrap", "", []string{"key", "rewrap"}, exitOK, "keys sealed anew"},
		{"keys", "", []string{"key", "list"}, exitOK, "ES256"},
		{"admin key", "", []string{"admin", "key", "create", "--name", "Night shift"}, exitOK, "sgt_adm_"},
		{"admin key without name", "", []string{"admin", "key", "create"}, exitUsage, "name"},
		{"admin keys", "", []string{"admin", "key", "list"}, exitOK, "Night shift"},
		{"end no admin key", "", []string{"admin", "key", "disable", "nobody"}, exitNotFound, ""},
		{"no such command", "", []string{"clint"}, exitUsage, "did you mean client?"},
		{"group alone", "", []string{"client"}, exitUsage, "choose a command"},
	} {
		code, out, errs := command(t, d.env, step.stdin, step.args...)
		if code != step.code || !strings.Contains(out+errs, step.says) {
			t.Errorf("%s: exit %d, want %d: %s%s", step.name, code, step.code, out, errs)
		}
		if code == exitOK && !strings.Contains(out, "Next:") {
			t.Errorf("%s names no next step: %s", step.name, out)
		}
	}
}

// TestJSONOutput: every command has --json; its output is one JSON value and nothing else, errors too.
func TestJSONOutput(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	for _, args := range [][]string{{"client", "list"}, {"client", "show", "spa"}, {"client", "disable", "web"}, {"user", "list"}, {"key", "list"},
		{"admin", "key", "list"}, {"admin", "key", "create", "--name", "Ops"}, {"key", "rotate"}, {"client", "rotate-secret", "service"}} {
		code, out, errs := command(t, d.env, "", append(args, "--json")...)
		if code != exitOK || !json.Valid([]byte(out)) {
			t.Errorf("%v: exit %d, %s%s", args, code, out, errs)
		}
	}
	code, _, errs := command(t, d.env, "", "client", "show", "nobody", "--json")
	var problem struct {
		Error    string `json:"error"`
		ExitCode int    `json:"exit_code"`
	}
	if err := json.Unmarshal([]byte(errs), &problem); err != nil || code != exitNotFound || problem.ExitCode != exitNotFound || problem.Error == "" {
		t.Errorf("exit %d, %s", code, errs)
	}
}

// TestADM08NoSecretInArguments: no flag takes a secret itself; what is named like one names a file.
func TestADM08NoSecretInArguments(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile(`--[a-z-]+`)
	secrets := regexp.MustCompile(`password|secret|key|token|dsn`)
	seen := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Flags().FlagUsages() + cmd.PersistentFlags().FlagUsages()) {
			name := names.FindString(line)
			seen++
			if secrets.MatchString(name) && !strings.HasSuffix(name, "-file") {
				t.Errorf("%s %s takes a secret on the command line", cmd.CommandPath(), name)
			}
		}
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk((&app{}).root())
	if seen < 30 {
		t.Errorf("only %d flags were seen", seen)
	}
}

// TestEveryCommandIsDescribed: --help is the manual.
func TestEveryCommandIsDescribed(t *testing.T) {
	t.Parallel()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Short == "" {
			t.Errorf("%s has no description", cmd.CommandPath())
		}
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk((&app{}).root())
}

func TestWhereTheAdminAPIIs(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte("sgt_adm_x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := map[string]string{config.EnvAdminKey: "sgt_adm_x"}
	for _, tc := range []struct {
		name string
		env  map[string]string
		args []string
		code int
		says string
	}{
		{"nowhere", key, nil, exitUsage, config.EnvServer},
		{"no key", nil, []string{"--server", "http://127.0.0.1:1"}, exitUsage, config.EnvAdminKey},
		// The key must not cross a network in the clear.
		{"http beyond loopback", key, []string{"--server", "http://admin.example"}, exitUsage, "https"},
		{"http beyond loopback by name", key, []string{"--server", "http://localhost.evil:80"}, exitUsage, "https"},
		{"no URL", key, []string{"--server", "admin.example"}, exitUsage, "URL"},
		{"file", key, []string{"--server", "file:///etc/passwd"}, exitUsage, "URL"},
		{"two ways", key, []string{"--server", "http://127.0.0.1:1", "--config", "x.yaml"}, exitUsage, "not both"},
		{"nobody listens", key, []string{"--server", "http://127.0.0.1:1"}, exitUnavailable, "refused"},
		{"key by file", nil, []string{"--server", "http://127.0.0.1:1", "--admin-key-file", keyFile}, exitUnavailable, "refused"},
	} {
		code, out, errs := command(t, tc.env, "", append([]string{"client", "list"}, tc.args...)...)
		if code != tc.code || !strings.Contains(errs, tc.says) {
			t.Errorf("%s: exit %d, want %d: %s%s", tc.name, code, tc.code, out, errs)
		}
	}
}

func TestServeAsksForEverythingAtOnce(t *testing.T) {
	t.Parallel()
	code, _, errs := command(t, nil, "", "serve")
	for _, want := range []string{"issuer", "postgres.dsn", "redis.addrs", "keys.kek_file", "tls"} {
		if code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("exit %d, does not ask for %s: %s", code, want, errs)
		}
	}
}
