package config

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func kek(name string, fill byte) string {
	return name + "=" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(fill)), 32)))
}

func TestLoadPutsTheEnvironmentOverTheFile(t *testing.T) {
	t.Parallel()
	path := write(t, "signet.yaml", "issuer: https://a.example\nlifetimes:\n  code: 30s\nredis:\n  addrs: [a:1]\n  db: 3\n")
	cfg, err := Load(path, []string{"SIGNET_ISSUER=https://b.example", "SIGNET_REDIS__ADDRS=b:1, c:2", "SIGNET_REDIS__MODE=cluster",
		"SIGNET_REDIS__DB=0", "SIGNET_LIFETIMES__ACCESS_TOKEN=5m", "SIGNET_REDIS__TLS=true", "HOME=/x", "SIGNET_SERVER=http://x", "SIGNET_TEST_REDIS=x:1"})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Issuer != "https://b.example" || !cfg.Redis.TLS || cfg.Redis.DB != 0 {
		t.Errorf("environment did not win: %+v", cfg)
	}
	if want := []string{"b:1", "c:2"}; !reflect.DeepEqual(cfg.Redis.Addrs, want) {
		t.Errorf("addrs = %q, want %q", cfg.Redis.Addrs, want)
	}
	if cfg.Lifetimes.Code.Duration != 30*time.Second || cfg.Lifetimes.AccessToken.Duration != 5*time.Minute {
		t.Errorf("lifetimes = %+v", cfg.Lifetimes)
	}
	if cfg.Lifetimes.IDToken.Duration != time.Hour {
		t.Errorf("a default was lost: %+v", cfg.Lifetimes)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, yaml string
		env        []string
		want       []string // each must be named
	}{
		{"mtls without url", "mtls:\n  listen: ':8446'\n  cert_file: a\n  key_file: b\n", nil, []string{"mtls: url belongs to"}},
		{"mtls where the pages are", "issuer: https://a.example\nmtls:\n  url: https://a.example\n  listen: ':8443'\n", nil,
			[]string{"mtls.url: must be another", "mtls.listen: must not be the public", "mtls: listen needs cert_file"}},
		{"CAT without its keys", "partner:\n  cat_issuer: https://cat.example\n", nil, []string{"partner: cat_issuer and cat_jwks_file"}},
		{"CAT of its own", "issuer: https://a.example\npartner:\n  cat_issuer: https://a.example\n  cat_jwks_file: f\n", nil, []string{"partner.cat_issuer: must be another"}},
		{"CAT over http", "partner:\n  cat_issuer: http://cat.example\n  cat_jwks_file: f\n", nil, []string{"partner.cat_issuer: must be https"}},
		{"mtls over http", "mtls:\n  url: http://127.0.0.1:1\n  header_from: [10.0.0.7/32]\n", nil, []string{"mtls.url"}},
		{"everybody may vouch", "mtls:\n  url: https://m.example\n  header_from: [0.0.0.0/0, '::/0', x]\n", nil,
			[]string{`"0.0.0.0/0" is too wide`, `"::/0" is too wide`, `"x" is no network`}},
		{"unknown key", "isuer: https://a.example\n", nil, []string{"isuer: unknown key; did you mean issuer?"}},
		{"unknown nested key", "redis:\n  adress: [x:1]\n", nil, []string{"redis.adress: unknown key; did you mean redis.addrs?"}},
		{"unknown variable", "", []string{"SIGNET_REDIS__ADRS=x:1"}, []string{"SIGNET_REDIS__ADRS: unknown variable; did you mean SIGNET_REDIS__ADDRS?"}},
		{"repeated key", "listen: \":1\"\nlisten: \":2\"\n", nil, []string{"already defined"}},
		{"duration without unit", "lifetimes:\n  code: 60\n", nil, []string{`lifetimes.code: must be a duration with its unit, as "15m"`}},
		{"a text for a number", "redis:\n  db: first\n", nil, []string{"redis.db: must be a whole number"}},
		{"a text for a switch", "redis:\n  tls: perhaps\n", nil, []string{"redis.tls: must be true or false"}},
		{"a list for a text", "redis:\n  username: [a]\n", nil, []string{"redis.username: must be one text"}},
		{"negative duration", "lifetimes:\n  code: -60s\n", nil, []string{"unit"}},
		{"group as text", "tls: yes\n", nil, []string{"tls: is a group"}},
		{"no such file", "postgres: {dsn_file: nowhere}\n", nil, []string{"postgres.dsn_file: nowhere: no such file"}},
		{"issuer http", "issuer: http://login.example.com\n", nil, []string{"issuer: must be https"}},
		{"issuer with slash", "issuer: https://login.example.com/\n", nil, []string{"issuer: must have no path"}},
		{"issuer with query", "issuer: https://login.example.com?x\n", nil, []string{"issuer"}},
		{"issuer localhost.evil", "issuer: http://localhost.evil\n", nil, []string{"issuer: must be https"}},
		{"admin beyond loopback without tls", "admin:\n  listen: 0.0.0.0:8444\n", nil, []string{"admin.listen"}},
		{"admin on every interface", "admin:\n  listen: :8444\n", nil, []string{"admin.listen"}},
		{"tls and proxy", "tls: {cert_file: a, key_file: b}\nbehind_proxy: {trusted_proxies: [10.0.0.0/8]}\n", nil, []string{"not both"}},
		{"proxy without mask", "behind_proxy: {trusted_proxies: [10.0.0.1]}\n", nil, []string{"CIDR"}},
		{"jwks max age", "keys: {jwks_max_age: 16m}\n", nil, []string{"keys.jwks_max_age"}},
		{"lists without the defaults", "keys: {signing_algs: [EdDSA]}\n", nil, []string{"must have ES256", "must have RS256"}},
		{"a shorter list", "keys: {signing_algs: [ES256]}\n", nil, []string{"must have RS256"}},
		{"alg none", "keys: {signing_algs: [ES256, RS256, none]}\n", nil, []string{"keys.signing_algs"}},
		{"short kek", "", []string{"SIGNET_KEYS__KEK=a=AAAA"}, []string{"32 bytes"}},
		{"kek without name", "", []string{"SIGNET_KEYS__KEK=AAAA"}, []string{"keys.kek"}},
		{"kek twice", "", []string{"SIGNET_KEYS__KEK=" + kek("a", 'x') + "," + kek("a", 'y')}, []string{"repeats"}},
		{"unknown current", "keys: {current: b}\n", []string{"SIGNET_KEYS__KEK=" + kek("a", 'x')}, []string{"keys.current"}},
		{"missing file", "postgres: {dsn_file: /does/not/exist}\n", nil, []string{"postgres.dsn_file"}},
		{"secret twice", "redis: {password: a, password_file: /dev/null}\n", nil, []string{"redis.password"}},
		{"marks", "replay_marks: memory\n", nil, []string{"replay_marks"}},
		{"everything at once", "isuer: x\nreplay_marks: memory\nlog: {level: loud}\nlifetimes: {code: 1h}\n", nil,
			[]string{"isuer", "replay_marks", "log.level", "lifetimes.code"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(write(t, "signet.yaml", tc.yaml), tc.env)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("err = %v, want Problems", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not name %q:\n%s", want, err)
				}
			}
		})
	}
}

func TestServeNeeds(t *testing.T) {
	t.Parallel()
	cfg, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	err = cfg.Serve()
	for _, want := range []string{"issuer", "postgres.dsn", "redis.addrs", "keys.kek_file", "tls"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Serve does not ask for %s: %v", want, err)
		}
	}
	full := []string{"SIGNET_ISSUER=https://a.example", "SIGNET_POSTGRES__DSN=postgres://x", "SIGNET_REDIS__ADDRS=x:1", "SIGNET_KEYS__KEK=" + kek("a", 'x')}
	for _, tc := range []struct {
		name string
		env  []string
		ok   bool
	}{
		{"no tls", nil, false},
		{"no tls although on loopback", []string{"SIGNET_LISTEN=127.0.0.1:8443"}, false},
		{"proxy", []string{"SIGNET_BEHIND_PROXY__TRUSTED_PROXIES=10.0.0.0/8"}, true},
		{"tls", []string{"SIGNET_TLS__CERT_FILE=a", "SIGNET_TLS__KEY_FILE=b"}, true},
		{"plain http on loopback", []string{"SIGNET_ISSUER=http://127.0.0.1:8080", "SIGNET_LISTEN=127.0.0.1:8080"}, true},
		// A loopback issuer must not open the whole network to plain http.
		{"plain http beyond loopback", []string{"SIGNET_ISSUER=http://127.0.0.1:8080", "SIGNET_LISTEN=:8080"}, false},
	} {
		cfg, err := Load("", append(full[:len(full):len(full)], tc.env...))
		if err != nil {
			t.Fatal(err)
		}
		if err := cfg.Serve(); (err == nil) != tc.ok {
			t.Errorf("%s: Serve = %v", tc.name, err)
		}
	}
}

func TestKEKs(t *testing.T) {
	t.Parallel()
	path := write(t, "kek", "# made in May\n"+kek("new", 'n')+"\n"+kek("old", 'o')+" # until July\n")
	cfg, err := Load("", []string{"SIGNET_KEYS__KEK_FILE=" + path})
	if err != nil {
		t.Fatal(err)
	}
	keks, current, err := cfg.KEKs()
	if err != nil || current != "new" || len(keks) != 2 || string(keks["old"]) != strings.Repeat("o", 32) {
		t.Errorf("keks %d, current %q, err %v", len(keks), current, err)
	}
}

// TestSecretsRedactThemselves prints a configuration in every way that a log or an error could.
func TestSecretsRedactThemselves(t *testing.T) {
	t.Parallel()
	cfg, err := Load("", []string{"SIGNET_POSTGRES__DSN=postgres://u:hunter2@h/db", "SIGNET_REDIS__PASSWORD=hunter2", "SIGNET_KEYS__KEK=" + kek("a", 'x')})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "cfg", cfg, "dsn", cfg.Postgres.DSN)
	for name, text := range map[string]string{"%v": fmt.Sprintf("%v", cfg), "%+v": fmt.Sprintf("%+v", *cfg),
		"%#v": fmt.Sprintf("%#v", *cfg), "json": string(encoded), "slog": logged.String()} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "eHh4") {
			t.Errorf("%s shows a secret: %s", name, text)
		}
	}
	_, err = Load("", []string{"SIGNET_KEYS__KEK=a=hunter2"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows the key: %v", err)
	}
}

// TestConfigurationErrorsRepeatNoSecret: YAML takes a password that begins with * or ! for an anchor or a tag, and the
// parser names it in its complaint.
func TestConfigurationErrorsRepeatNoSecret(t *testing.T) {
	t.Parallel()
	for _, yaml := range []string{"password: *hunter2", "password: !!int hunter2", "password: [hunter2]", "password: {a: hunter2}", "password: {hunter2",
		"db: hunter2", "tls: hunter2", "password: \"hunter2\"x"} {
		_, err := Load(write(t, "signet.yaml", "redis:\n  "+yaml+"\n"), nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error repeats it, or there is none: %v", yaml, err)
		}
	}
}

// TestWarnings: a key-encryption key that everybody can read protects nothing.
func TestWarnings(t *testing.T) {
	t.Parallel()
	open, closed := write(t, "kek", kek("a", 'x')), write(t, "dsn", "postgres://x")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load("", []string{"SIGNET_KEYS__KEK_FILE=" + open, "SIGNET_POSTGRES__DSN_FILE=" + closed})
	if err != nil {
		t.Fatal(err)
	}
	warnings := cfg.Warnings()
	if len(warnings) != 1 || !strings.Contains(warnings[0], "keys.kek_file: ") || !strings.Contains(warnings[0], "chmod o-r "+open) {
		t.Errorf("warnings %q", warnings)
	}
}

func TestSettingsIgnoresWhatIsNoSetting(t *testing.T) {
	t.Parallel()
	got := Settings([]string{"SIGNET_SERVER=x", "SIGNET_ADMIN_KEY=x", "SIGNET_TEST_POSTGRES=x", "PATH=x", "SIGNET_ISSUER=x"})
	if want := []string{"SIGNET_ISSUER"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"15m": "15m", "1h0m0s": "1h", "720h": "720h", "90s": "1m30s", "0s": "0s", "10s": "10s", "1h30m": "1h30m", "20m": "20m"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != want {
			t.Errorf("%s reads as %s (%v), want %s", text, d, err, want)
		}
	}
}

// FuzzLoad: whatever stands in the file and the environment, it is a configuration that can be served, or a list of
// problems; loading it again gives the same.
func FuzzLoad(f *testing.F) {
	f.Add("issuer: https://a.example\n", "SIGNET_REDIS__ADDRS=b:1")
	f.Add("a: &a [*a]\n", "SIGNET_=x")
	complete := "issuer: https://a.example\nredis:\n  addrs: [a:1]\npostgres:\n  dsn: postgres://h/d\nkeys:\n  kek: " + kek("a", 'a') + "\n"
	f.Add(complete, "SIGNET_LISTEN=127.0.0.1:1")
	f.Add(complete+"rate_limits: off\n", "SIGNET_ISSUER=http://a.example")
	f.Add(complete, "SIGNET_ISSUER__X=")
	f.Fuzz(func(t *testing.T, text, variable string) {
		path := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		loaded, err := Load(path, []string{variable})
		var problems Problems
		if err != nil && (!errors.As(err, &problems) || len(problems) == 0) {
			t.Fatalf("%v is no Problems", err)
		}
		again, errAgain := Load(path, []string{variable})
		if (err == nil) != (errAgain == nil) || !reflect.DeepEqual(loaded, again) {
			t.Fatalf("%+v, %v and then %+v, %v", loaded, err, again, errAgain)
		}
		if err != nil {
			return
		}
		if err := loaded.Serve(); err != nil && !errors.As(err, &problems) {
			t.Fatalf("%v is no Problems", err)
		}
		// What is printed or logged of it shows none of its secrets.
		if said := fmt.Sprintf("%v %+v %#v", loaded, loaded, loaded); len(loaded.Keys.KEK) > 8 && strings.Contains(said, string(loaded.Keys.KEK)) {
			t.Fatalf("the key-encryption key is shown: %s", said)
		}
	})
}
