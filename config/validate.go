package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

var kekNames = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// KEKs are the key-encryption keys by name, 32 bytes each.
type KEKs map[string][]byte

// validate checks what was said. What was not said but is needed by the server is asked by Serve, so that the
// commands that work on the stores need no listener and no Redis.
func (c *Config) validate() Problems {
	var out Problems
	add := func(key, format string, args ...any) { out = append(out, key+": "+fmt.Sprintf(format, args...)) }
	if c.Issuer != "" {
		if text := issuerProblem(c.Issuer); text != "" {
			add("issuer", "%s", text)
		}
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		add("tls", "cert_file and key_file belong together")
	}
	if c.TLS.CertFile != "" && len(c.BehindProxy.TrustedProxies) > 0 {
		add("behind_proxy", "give tls or behind_proxy, not both")
	}
	for _, entry := range c.BehindProxy.TrustedProxies {
		if _, err := netip.ParsePrefix(entry); err != nil {
			add("behind_proxy.trusted_proxies", "%q is no network in CIDR form", entry)
		}
	}
	c.validateListeners(add)
	c.validateMTLS(add)
	c.validatePartner(add)
	c.validateStores(add)
	c.validateKeys(add)
	c.validateTimes(add)
	c.validateContracts(add)
	oneOf(add, "replay_marks", c.ReplayMarks, "redis", "postgres")
	oneOf(add, "rate_limits", c.RateLimits, "on", "off")
	oneOf(add, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(add, "log.format", c.Log.Format, "json", "text")
	if c.Passwords.Workers < 0 || c.Passwords.Workers > 256 {
		add("passwords.workers", "must be 0 to 256")
	}
	if c.Passwords.Queue < 1 || c.Passwords.Queue > 10000 {
		add("passwords.queue", "must be 1 to 10000")
	}
	return out
}

type adder func(key, format string, args ...any)

func (c *Config) validateListeners(add adder) {
	for _, entry := range []struct {
		key, value string
		optional   bool
	}{{"listen", c.Listen, false}, {"admin.listen", c.Admin.Listen, false}, {"ops.listen", c.Ops.Listen, true}} {
		if entry.value == "" && entry.optional {
			continue
		}
		if _, _, err := net.SplitHostPort(entry.value); err != nil {
			add(entry.key, "%q is no address as host:port", entry.value)
		}
	}
	if c.Admin.Listen != "" && !Loopback(c.Admin.Listen) && c.TLS.CertFile == "" {
		add("admin.listen", "beyond loopback the admin API needs tls")
	}
}

func (c *Config) validateStores(add adder) {
	if c.Postgres.MaxOpen < 2 || c.Postgres.MaxOpen > 1000 {
		add("postgres.max_open", "must be 2 to 1000")
	}
	oneOf(add, "redis.mode", c.Redis.Mode, "single", "sentinel", "cluster")
	for _, addr := range c.Redis.Addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			add("redis.addrs", "%q is no address as host:port", addr)
		}
	}
	if c.Redis.Mode == "sentinel" && c.Redis.MasterName == "" {
		add("redis.master_name", "is needed with mode sentinel")
	}
	if c.Redis.Mode == "single" && len(c.Redis.Addrs) > 1 {
		add("redis.addrs", "mode single takes one address")
	}
	if c.Redis.DB < 0 || c.Redis.Mode == "cluster" && c.Redis.DB != 0 {
		add("redis.db", "must not be negative, and 0 with mode cluster")
	}
	if c.Redis.TLSCAFile != "" && !c.Redis.TLS {
		add("redis.tls_ca_file", "is given, but tls is off")
	}
}

func (c *Config) validateKeys(add adder) {
	if c.Keys.KEK != "" {
		keks, first, err := c.parseKEKs()
		if err != nil {
			add("keys.kek", "%s", err)
		} else {
			if c.Keys.Current == "" {
				c.Keys.Current = first
			}
			if _, ok := keks[c.Keys.Current]; !ok {
				add("keys.current", "names no key of kek")
			}
		}
	}
	for _, alg := range []string{"ES256", "RS256"} {
		if !slices.Contains(c.Keys.SigningAlgs, alg) {
			add("keys.signing_algs", "must have %s: it is what tokens are signed with by default", alg)
		}
	}
	for _, alg := range c.Keys.SigningAlgs {
		oneOf(add, "keys.signing_algs", alg, "ES256", "RS256", "PS256", "EdDSA")
	}
	if c.Keys.JWKSMaxAge.Duration < time.Second || c.Keys.JWKSMaxAge.Duration > 900*time.Second {
		add("keys.jwks_max_age", "must be 1s to 15m")
	}
	if every := c.Keys.RotateEvery.Duration; every != 0 && every < 4*c.Keys.JWKSMaxAge.Duration {
		add("keys.rotate_every", "must be 0s, or at least four times jwks_max_age")
	}
}

func (c *Config) validateTimes(add adder) {
	day := 24 * time.Hour
	for _, entry := range []struct {
		key      string
		value    Duration
		min, max time.Duration
	}{
		{"lifetimes.code", c.Lifetimes.Code, 5 * time.Second, time.Minute},
		{"lifetimes.access_token", c.Lifetimes.AccessToken, time.Minute, day},
		{"lifetimes.client_credentials", c.Lifetimes.ClientCredentials, time.Minute, day},
		{"lifetimes.id_token", c.Lifetimes.IDToken, time.Minute, day},
		{"lifetimes.refresh_token", c.Lifetimes.RefreshToken, time.Minute, 3660 * day},
		{"drain_notice", c.DrainNotice, 0, time.Minute},
		{"sessions.idle", c.Sessions.Idle, time.Minute, 400 * day},
		{"sessions.max", c.Sessions.Max, time.Minute, 400 * day},
	} {
		if entry.value.Duration < entry.min || entry.value.Duration > entry.max {
			add(entry.key, "must be %s to %s", Duration{entry.min}, Duration{entry.max})
		}
	}
	if c.Sessions.Idle.Duration > c.Sessions.Max.Duration {
		add("sessions.idle", "must not be longer than max")
	}
}

// Serve asks for what the server needs beyond what the commands need: PostgreSQL, Redis, a key-encryption key, an
// issuer, and TLS or a proxy that ends it. The error is a Problems.
func (c *Config) Serve() error {
	var out Problems
	need := func(ok bool, text string) {
		if !ok {
			out = append(out, text)
		}
	}
	need(c.Issuer != "", "issuer: is needed: the public https URL of this server")
	need(c.Postgres.DSN != "", "postgres.dsn: is needed (or dsn_file)")
	need(len(c.Redis.Addrs) > 0, "redis.addrs: is needed")
	need(c.Keys.KEK != "", "keys.kek_file: is needed (or kek): keys are never stored unsealed")
	need(c.TLS.CertFile != "" || len(c.BehindProxy.TrustedProxies) > 0 || c.loopbackOnly(),
		"tls: give tls {cert_file, key_file}, or behind_proxy {trusted_proxies}")
	if len(out) > 0 {
		return out
	}
	return nil
}

// loopbackOnly allows plain http for a trial on one machine: issuer and listener both on loopback.
func (c *Config) loopbackOnly() bool {
	return strings.HasPrefix(c.Issuer, "http://") && Loopback(c.Listen)
}

// Stores asks for what the commands need that work on the stores directly. The error is a Problems.
func (c *Config) Stores() error {
	var out Problems
	if c.Postgres.DSN == "" {
		out = append(out, "postgres.dsn: is needed (or dsn_file)")
	}
	if c.Keys.KEK == "" {
		out = append(out, "keys.kek_file: is needed (or kek)")
	}
	if len(out) > 0 {
		return out
	}
	return nil
}

// KEKs returns the key-encryption keys and the name of the current one.
func (c *Config) KEKs() (keks KEKs, current string, err error) {
	keks, first, err := c.parseKEKs()
	if err != nil {
		return nil, "", err
	}
	if c.Keys.Current != "" {
		return keks, c.Keys.Current, nil
	}
	return keks, first, nil
}

// parseKEKs never puts a part of the text into its error: a mistyped key is still a key.
func (c *Config) parseKEKs() (KEKs, string, error) {
	keks, first := KEKs{}, ""
	lines := strings.FieldsFunc(c.Keys.KEK.Reveal(), func(r rune) bool { return r == '\n' || r == ',' })
	for i, line := range lines {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, encoded, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || !kekNames.MatchString(name) {
			return nil, "", fmt.Errorf(`entry %d is not "name=base64"`, i+1)
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil || len(key) != 32 {
			return nil, "", fmt.Errorf("entry %d does not hold 32 bytes in base64", i+1)
		}
		if _, twice := keks[name]; twice {
			return nil, "", fmt.Errorf("entry %d repeats a name", i+1)
		}
		if keks[name] = key; first == "" {
			first = name
		}
	}
	if first == "" {
		return nil, "", errors.New("holds no key")
	}
	return keks, first, nil
}

func oneOf(add adder, key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		add(key, "must be one of %s", strings.Join(allowed, ", "))
	}
}

// issuerProblem says what is wrong with an issuer (RFC 8414 §2: https, no query, no fragment), "" when nothing is.
func issuerProblem(issuer string) string {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return "is no absolute URL"
	case u.User != nil, u.RawQuery != "" || u.ForceQuery, u.Fragment != "":
		return "must have no user, query or fragment"
	case u.Path != "":
		return "must have no path and no trailing slash"
	case u.Host != strings.ToLower(u.Host):
		return "must have its host in lower case"
	case u.Scheme == "https", u.Scheme == "http" && loopbackHost(u.Hostname()):
		return ""
	default:
		return "must be https (http for a loopback host only)"
	}
}

// Loopback reports whether an address host:port can be reached from this machine alone.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

var mountPrefixes = regexp.MustCompile(`^(/[A-Za-z0-9][A-Za-z0-9._-]*)+$`)

func (c *Config) validateContracts(add adder) {
	for _, entry := range []struct {
		key    string
		mounts []string
	}{{"exchange.mounts", c.Exchange.Mounts}, {"intents.mounts", c.Intents.Mounts}, {"pin.mounts", c.PIN.Mounts},
		{"accounts.mounts", c.Accounts.Mounts}} {
		for _, mount := range entry.mounts {
			if !mountPrefixes.MatchString(mount) {
				add(entry.key, "%q is no path prefix like /payer/auth", mount)
			}
		}
	}
	if c.Intents.Issuer == "" || len(c.Intents.Audiences) == 0 {
		add("intents", "issuer and audiences must not be empty")
	}
}
