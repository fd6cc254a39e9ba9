package clientauth_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestAST07And08Times(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	now := start.Unix()
	claims := func(changes map[string]any) string { return key.sign(t, key.header(), with(changes)) }
	raw := func(name, value string) string {
		text := strings.Replace(with(map[string]any{name: "@"}), `"@"`, value, 1)
		return key.sign(t, key.header(), text)
	}
	no := signet.CodeInvalidClient
	runAsserts(t, w, []assertCase{
		{name: "HP", token: claims(nil)},
		{name: "AST08 iat 8 s ahead", token: claims(map[string]any{"iat": now + 8})},
		{name: "AST08 nbf 8 s ahead", token: claims(map[string]any{"nbf": now + 8})},
		{name: "AST08 iat and nbf 10 s ahead", token: claims(map[string]any{"iat": now + 10, "nbf": now + 10})},
		{name: "exp 9 s ago, inside the leeway", token: claims(map[string]any{"iat": now - 60, "exp": now - 9})},
		{name: "exp 10 s ago", token: claims(map[string]any{"iat": now - 60, "exp": now - 10}), code: no, reason: "assertion_expired"},
		{name: "exp 61 s ago", token: claims(map[string]any{"iat": now - 100, "exp": now - 61}), code: no, reason: "assertion_expired"},
		{name: "exp missing", token: claims(map[string]any{"exp": nil}), code: no, reason: "assertion_exp_missing"},
		{name: "exp string", token: claims(map[string]any{"exp": "9999999999"}), code: no, reason: "assertion_exp_string"},
		{name: "exp 1e30", token: raw("exp", "1e30"), code: no, reason: "assertion_exp_form"},
		{name: "exp 1e400", token: raw("exp", "1e400"), code: no, reason: "assertion_exp_form"},
		{name: "exp negative", token: raw("exp", "-5"), code: no, reason: "assertion_exp_form"},
		{name: "exp 2^63", token: raw("exp", "9223372036854775808"), code: no, reason: "assertion_exp_form"},
		{name: "exp 2^63-1", token: raw("exp", "9223372036854775807"), code: no, reason: "assertion_exp_form"},
		{name: "exp null", token: raw("exp", "null"), code: no, reason: "assertion_exp_form"},
		{name: "exp true", token: raw("exp", "true"), code: no, reason: "assertion_exp_form"},
		{name: "exp array", token: raw("exp", "[1]"), code: no, reason: "assertion_exp_form"},
		{name: "lifetime 300 s", token: claims(map[string]any{"exp": now + 300})},
		{name: "lifetime 301 s", token: claims(map[string]any{"exp": now + 301}), code: no, reason: "assertion_lifetime"},
		{name: "exp in 3601 s", token: claims(map[string]any{"exp": now + 3601}), code: no, reason: "assertion_lifetime"},
		{name: "exp in 20 years", token: claims(map[string]any{"exp": now + 20*365*86400}), code: no, reason: "assertion_lifetime"},
		{name: "iat missing", token: claims(map[string]any{"iat": nil}), code: no, reason: "assertion_iat_missing"},
		{name: "iat 11 s ahead", token: claims(map[string]any{"iat": now + 11}), code: no, reason: "assertion_iat_future"},
		{name: "nbf 11 s ahead", token: claims(map[string]any{"nbf": now + 11}), code: no, reason: "assertion_nbf_future"},
		{name: "nbf string", token: claims(map[string]any{"nbf": "1"}), code: no, reason: "assertion_nbf_string"},
		{name: "fraction of a second", token: raw("exp", "1772366460.5")},
	})
	t.Run("longer by the client's record, never above 60 min", func(t *testing.T) {
		w.clients["pk"].AssertionMaxLifetime = 7200
		result, err := w.assert(claims(map[string]any{"exp": now + 3600}))
		want(t, result, err, "", "")
		if limit := start.Add(time.Hour + 20*time.Second); w.marks.last.ExpiresAt.After(limit) {
			t.Errorf("mark lives until %s", w.marks.last.ExpiresAt)
		}
		result, err = w.assert(claims(map[string]any{"exp": now + 3601}))
		want(t, result, err, no, "assertion_lifetime")
	})
	t.Run("string dates by the client's record", func(t *testing.T) {
		w.clients["pk"].AssertionStringDates = true
		result, err := w.assert(claims(map[string]any{"exp": "1772366460", "iat": "1772366400"}))
		want(t, result, err, "", "")
		for _, text := range []string{"", " 1772366460", "1e9", "0x10", "-1", "99999999999999999999"} {
			result, err = w.assert(claims(map[string]any{"exp": text}))
			want(t, result, err, no, "assertion_exp_form")
		}
	})
}

func TestAST10And11Audience(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	client := w.keyClient(t, "pk", key)
	aud := func(value any) string { return key.sign(t, key.header(), with(map[string]any{"aud": value})) }
	no := signet.CodeInvalidClient
	strict := []assertCase{
		{name: "HP issuer", token: aud(issuer)},
		{name: "issuer and endpoint", token: aud([]string{issuer, endpoint}), code: no, reason: "assertion_aud_several"},
		{name: "issuer and another server", token: aud([]string{issuer, "https://evil"}), code: no, reason: "assertion_aud_several"},
		{name: "another server in an array", token: aud([]string{"https://evil"}), code: no},
		{name: "slash", token: aud(issuer + "/"), code: no, reason: "assertion_aud"},
		{name: "upper case", token: aud(strings.ToUpper(issuer)), code: no, reason: "assertion_aud"},
		{name: "missing", token: key.sign(t, key.header(), with(map[string]any{"aud": nil})), code: no, reason: "assertion_aud_missing"},
		{name: "null", token: aud(json.RawMessage("null")), code: no, reason: "assertion_aud_form"},
		{name: "number", token: aud(1), code: no, reason: "assertion_aud_form"},
		{name: "object", token: aud(struct{}{}), code: no, reason: "assertion_aud_form"},
		{name: "empty array", token: aud([]string{}), code: no, reason: "assertion_aud_several"},
		{name: "array in an array", token: aud([][]string{{issuer}}), code: no, reason: "assertion_aud_form"},
		{name: "PAR endpoint", token: aud(issuer + "/par"), code: no, reason: "assertion_aud"},
		{name: "AST11 issuer of another environment", token: aud("https://as2.test"), code: no, reason: "assertion_aud"},
	}
	runAsserts(t, w, append(strict,
		assertCase{name: "endpoint", token: aud(endpoint), code: no, reason: "assertion_aud"},
		assertCase{name: "array of the issuer", token: aud([]string{issuer}), code: no, reason: "assertion_aud_array"}))

	t.Run("token_endpoint", func(t *testing.T) {
		client.AssertionAudience = "token_endpoint"
		client.AssertionAudiences = []signet.AssertionAudience{
			{Value: "https://old.test/auth", Until: start.Add(time.Hour)}, {Value: "https://past.test/auth", Until: start},
		}
		runAsserts(t, w, []assertCase{
			{name: "HP issuer", token: aud(issuer)},
			{name: "endpoint", token: aud(endpoint)},
			{name: "endpoint under another mount", token: aud("https://legacy.test/payer/auth/token")},
			{name: "listed", token: aud("https://old.test/auth")},
			{name: "listed until now", token: aud("https://past.test/auth"), code: no, reason: "assertion_aud"},
			{name: "PAR endpoint", token: aud(issuer + "/par"), code: no, reason: "assertion_aud"},
			{name: "endpoint in an array", token: aud([]string{endpoint}), code: no, reason: "assertion_aud_array"},
		})
	})
	t.Run("array by the client's record", func(t *testing.T) {
		client.AssertionAudienceArray = true
		runAsserts(t, w, []assertCase{
			{name: "HP one", token: aud([]string{issuer})},
			{name: "two", token: aud([]string{issuer, issuer}), code: no, reason: "assertion_aud_several"},
			{name: "foreign", token: aud([]string{"https://evil"}), code: no, reason: "assertion_aud"},
		})
	})
	t.Run("listed audiences need token_endpoint", func(t *testing.T) {
		client.AssertionAudience = ""
		result, err := w.assert(aud("https://old.test/auth"))
		want(t, result, err, no, "assertion_aud")
	})
}

func TestAST13JTI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, other := newKey(t, "k1", "ES256"), newKey(t, "o1", "ES256")
	w.keyClient(t, "pk", key)
	w.keyClient(t, "other", other)
	jti := func(value any) string { return key.sign(t, key.header(), with(map[string]any{"jti": value})) }
	no := signet.CodeInvalidClient
	runAsserts(t, w, []assertCase{
		{name: "HP", token: jti("a")},
		{name: "the same of another client", token: other.sign(t, other.header(), with(map[string]any{"iss": "other", "sub": "other", "jti": "a"}))},
		{name: "256 characters", token: jti(strings.Repeat("ü", 256))},
		{name: "257 characters", token: jti(strings.Repeat("j", 257)), code: no, reason: "assertion_jti_long"},
		{name: "missing", token: jti(nil), code: no, reason: "assertion_jti_missing"},
		{name: "empty", token: jti(""), code: no, reason: "assertion_jti_missing"},
		{name: "number", token: jti(7), code: no, reason: "assertion_jti_form"},
		{name: "null", token: jti(json.RawMessage("null")), code: no, reason: "assertion_jti_form"},
		{name: "1 MiB", token: jti(strings.Repeat("j", 1<<20)), code: no, reason: "assertion_form"},
	})
}

func TestAST14Replay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	token := key.sign(t, key.header(), with(map[string]any{"jti": "once"}))

	const callers = 64
	var group sync.WaitGroup
	var passed, refused atomic.Int32
	for range callers {
		group.Go(func() {
			switch _, err := w.assert(token); signet.CodeOf(err) {
			case "":
				passed.Add(1)
			case signet.CodeInvalidClient:
				refused.Add(1)
			}
		})
	}
	group.Wait()
	if passed.Load() != 1 || refused.Load() != callers-1 {
		t.Errorf("%d passed, %d refused, want 1 and %d", passed.Load(), refused.Load(), callers-1)
	}
	if n := len(w.alarms.events); n != callers-1 {
		t.Errorf("%d alarms, want %d", n, callers-1)
	}
	if event := w.alarms.events[0]; event.Kind != signet.EventAssertionReplay || event.ClientID != "pk" || event.Address != "192.0.2.7" {
		t.Errorf("alarm %+v", event)
	}
	// A replay is no guess: the owner of the key is not locked out.
	if len(w.failures.counts) != 0 {
		t.Errorf("replays counted as failures: %v", w.failures.counts)
	}
	// The whole time in which it could still pass, leeway included.
	for _, later := range []time.Duration{59 * time.Second, 60 * time.Second, 69 * time.Second} {
		w.now = start.Add(later)
		result, err := w.assert(token)
		want(t, result, err, signet.CodeInvalidClient, "assertion_replayed")
	}
	w.now = start.Add(70 * time.Second)
	result, err := w.assert(token)
	want(t, result, err, signet.CodeInvalidClient, "assertion_expired")
}

// A forged or otherwise refused assertion must not burn the jti of the real one.
func TestRefusedAssertionBurnsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, evil := newKey(t, "k1", "ES256"), newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	claims := with(map[string]any{"jti": "mine"})
	result, err := w.assert(evil.sign(t, key.header(), claims))
	want(t, result, err, signet.CodeInvalidClient, "assertion_signature")
	result, err = w.assert(key.sign(t, key.header(), with(map[string]any{"jti": "mine", "aud": "https://evil"})))
	want(t, result, err, signet.CodeInvalidClient, "assertion_aud")
	result, err = w.assert(key.sign(t, key.header(), claims))
	want(t, result, err, "", "")
	if result.AssertionJTI != "mine" || result.Method != signet.AuthPrivateKeyJWT {
		t.Errorf("result %+v", result)
	}
}

func TestAST16ReplayStoreFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	client := w.keyClient(t, "pk", key)
	result, err := w.assert(key.sign(t, key.header(), with(nil)))
	want(t, result, err, "", "")
	for _, style := range []string{"", "document"} {
		client.AssertionError = style
		for _, failure := range []error{signet.Unavailable(nil), http.ErrHandlerTimeout} {
			w.marks.err = failure
			result, err = w.assert(key.sign(t, key.header(), with(nil)))
			want(t, result, err, signet.CodeUnavailable, "replay_store")
		}
	}
}
