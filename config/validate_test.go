package config

import (
	"errors"
	"strings"
	"testing"
)

// TestEveryRule breaks each rule alone: exactly that problem is named. What lies just inside a bound is taken.
func TestEveryRule(t *testing.T) {
	t.Parallel()
	const mtls = "mtls: {url: https://m.example, listen: ':2', cert_file: a, key_file: b}\n"
	for _, tc := range []struct {
		yaml string
		env  string
		want string // "": taken
	}{
		{"tls: {cert_file: a}", "", "tls: cert_file and key_file belong together"},
		{"tls: {key_file: a}", "", "tls: cert_file and key_file belong together"},
		{"rate_limits: maybe", "", "rate_limits: must be one of on, off"},
		{"replay_marks: memory", "", "replay_marks: must be one of redis, postgres"},
		{"log: {level: loud}", "", "log.level: must be one of"},
		{"log: {format: xml}", "", "log.format: must be one of json, text"},
		{"passwords: {workers: -1}", "", "passwords.workers: must be 0 to 256"},
		{"passwords: {workers: 257}", "", "passwords.workers: must be 0 to 256"},
		{"passwords: {workers: 256}", "", ""},
		{"passwords: {queue: 0}", "", "passwords.queue: must be 1 to 10000"},
		{"passwords: {queue: 10001}", "", "passwords.queue: must be 1 to 10000"},
		{"listen: '8443'", "", "listen: \"8443\" is no address"},
		{"listen: ''", "", "listen: \"\" is no address"},
		{"admin: {listen: ''}", "", "admin.listen: \"\" is no address"},
		{"ops: {listen: nowhere}", "", "ops.listen: \"nowhere\" is no address"},
		{"ops: {listen: ''}", "", ""},
		{"admin: {listen: '0.0.0.0:1'}\ntls: {cert_file: a, key_file: b}", "", ""},
		{"postgres: {max_open: 1}", "", "postgres.max_open: must be 2 to 1000"},
		{"postgres: {max_open: 1001}", "", "postgres.max_open: must be 2 to 1000"},
		{"redis: {mode: ring}", "", "redis.mode: must be one of single, sentinel, cluster"},
		{"redis: {addrs: [nowhere]}", "", "redis.addrs: \"nowhere\" is no address"},
		{"redis: {mode: sentinel, addrs: ['a:1']}", "", "redis.master_name: is needed"},
		{"redis: {mode: sentinel, addrs: ['a:1', 'b:1'], master_name: m}", "", ""},
		{"redis: {addrs: ['a:1', 'b:1']}", "", "redis.addrs: mode single takes one address"},
		{"redis: {db: -1}", "", "redis.db: must not be negative"},
		{"redis: {mode: cluster, db: 1}", "", "redis.db: must not be negative, and 0 with mode cluster"},
		{"redis: {db: 1}", "", ""},
		{"redis: {tls_ca_file: a}", "", "redis.tls_ca_file: is given, but tls is off"},
		{"keys: {jwks_max_age: 500ms, rotate_every: 0s}", "", "keys.jwks_max_age: must be 1s to 15m"},
		{"keys: {jwks_max_age: 15m1s}", "", "keys.jwks_max_age: must be 1s to 15m"},
		{"keys: {rotate_every: 59m}", "", "keys.rotate_every: must be 0s, or at least four times jwks_max_age"},
		{"keys: {rotate_every: 1h}", "", ""},
		{"keys: {rotate_every: 0s}", "", ""},
		{"lifetimes: {code: 4s}", "", "lifetimes.code: must be 5s to 1m"},
		{"lifetimes: {code: 61s}", "", "lifetimes.code: must be 5s to 1m"},
		{"lifetimes: {access_token: 25h}", "", "lifetimes.access_token: must be 1m to 24h"},
		{"lifetimes: {client_credentials: 25h}", "", "lifetimes.client_credentials: must be 1m to 24h"},
		{"lifetimes: {id_token: 25h}", "", "lifetimes.id_token: must be 1m to 24h"},
		{"lifetimes: {refresh_token: 59s}", "", "lifetimes.refresh_token: must be 1m to"},
		{"drain_notice: 61s", "", "drain_notice: must be 0s to 1m"},
		{"sessions: {idle: 30s}", "", "sessions.idle: must be 1m to"},
		{"sessions: {idle: 25h}", "", "sessions.idle: must not be longer than max"},
		{"", "SIGNET_KEYS__KEK=bad name=" + strings.TrimPrefix(kek("a", 'x'), "a="), `keys.kek: entry 1 is not "name=base64"`},
		{"", "SIGNET_KEYS__KEK=#", "keys.kek: holds no key"},
		{"keys: {current: b}", "SIGNET_KEYS__KEK=" + kek("a", 'x'), "keys.current: names no key of kek"},
		{"issuer: 'https://u@a.example'", "", "issuer: must have no user"},
		{"issuer: 'https://a.example#x'", "", "issuer: must have no user, query or fragment"},
		{"issuer: 'https://A.example'", "", "issuer: must have its host in lower case"},
		{"issuer: 'https:a.example'", "", "issuer: is no absolute URL"},
		{"issuer: 'http://[::1]:8080'", "", ""},
		{"exchange: {mounts: [payer]}", "", `exchange.mounts: "payer" is no path prefix`},
		{"intents: {mounts: [/v3/]}", "", `intents.mounts: "/v3/" is no path prefix`},
		{"pin: {mounts: ['/a/../b']}", "", `pin.mounts: "/a/../b" is no path prefix`},
		{"accounts: {mounts: ['/{x}']}", "", `accounts.mounts: "/{x}" is no path prefix`},
		{"intents: {issuer: ''}", "", "intents: issuer and audiences must not be empty"},
		{"intents: {audiences: []}", "", "intents: issuer and audiences must not be empty"},
		{"mtls: {url: https://m.example}", "", "mtls: url belongs to listen or header_from"},
		{"mtls: {header_from: [10.0.0.7/32]}", "", "mtls: url belongs to listen or header_from"},
		{mtls, "", ""},
		{strings.Replace(mtls, ", key_file: b", "", 1), "", "mtls: cert_file and key_file belong together"},
		{strings.Replace(mtls, "':2'", "'2'", 1), "", `mtls.listen: "2" is no address`},
		{strings.Replace(mtls, "':2'", "':8443'", 1), "", "mtls.listen: must not be the public listener"},
		{"issuer: https://m.example\n" + mtls, "", "mtls.url: must be another host name or port"},
	} {
		var env []string
		if tc.env != "" {
			env = []string{tc.env}
		}
		_, err := Load(write(t, "signet.yaml", tc.yaml), env)
		var problems Problems
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.yaml, err)
		case tc.want != "" && (!errors.As(err, &problems) || len(problems) != 1 || !strings.HasPrefix(problems[0], tc.want)):
			t.Errorf("%s %s: problems %q, want %q alone", tc.yaml, tc.env, problems, tc.want)
		}
	}
}

// TestStoresNeeds: the commands that work on the stores ask for what they need, and for no listener.
func TestStoresNeeds(t *testing.T) {
	t.Parallel()
	dsn, key := "SIGNET_POSTGRES__DSN=postgres://x", "SIGNET_KEYS__KEK="+kek("a", 'x')
	for _, tc := range []struct {
		name string
		env  []string
		want string
	}{
		{"both", []string{dsn, key}, ""},
		{"no database", []string{key}, "postgres.dsn: is needed"},
		{"no key", []string{dsn}, "keys.kek_file: is needed"},
	} {
		cfg, err := Load("", tc.env)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := cfg.Stores(); err != nil {
			got = err.Error()
		}
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
