package clientauth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// assertCase is one assertion and its answer; code "" is success.
type assertCase struct {
	name   string
	token  string
	code   signet.Code
	reason string
}

func runAsserts(t *testing.T, w *world, cases []assertCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			marks := len(w.marks.seen)
			result, err := w.assert(c.token)
			want(t, result, err, c.code, c.reason)
			if c.code != "" && len(w.marks.seen) != marks {
				t.Error("a refused assertion used up its jti")
			}
		})
	}
}

func TestAST01AlgNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	cases := []assertCase{{name: "HP", token: key.sign(t, key.header(), with(nil))}}
	for _, alg := range []string{`"none"`, `"None"`, `"nOnE"`, `""`, `null`, `1`, `["ES256"]`} {
		header := `{"alg":` + alg + `,"kid":"k1"}`
		bare := b64([]byte(header)) + "." + b64([]byte(with(nil))) + "."
		cases = append(cases,
			assertCase{name: alg + " unsigned", token: bare, code: signet.CodeInvalidClient},
			assertCase{name: alg + " two parts", token: strings.TrimSuffix(bare, "."), code: signet.CodeInvalidClient},
			assertCase{name: alg + " signed", token: key.sign(t, header, with(nil)), code: signet.CodeInvalidClient})
	}
	cases = append(cases, assertCase{name: "missing", token: key.sign(t, `{"kid":"k1"}`, with(nil)), code: signet.CodeInvalidClient, reason: "assertion_alg"})
	runAsserts(t, w, cases)
}

func TestAST02KeyConfusion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "RS256")
	w.keyClient(t, "pk", key)
	der, err := x509.MarshalPKIXPublicKey(key.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "DER": der, "JWK": key.jwk(t),
		"null": []byte("null"), "client secret": []byte("s3cret"), "empty": {},
	}
	cases := []assertCase{{name: "HP", token: key.sign(t, key.header(), with(nil))}}
	for name, secret := range secrets {
		input := b64([]byte(`{"alg":"HS256","kid":"k1"}`)) + "." + b64([]byte(with(nil)))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		cases = append(cases, assertCase{name: name, token: input + "." + b64(mac.Sum(nil)), code: signet.CodeInvalidClient, reason: "assertion_alg"})
	}
	runAsserts(t, w, cases)
}

// The client's registration and key decide the algorithm, the header only repeats it.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key := newKey(t, "k1", alg)
			client := w.keyClient(t, "pk", key)
			result, err := w.assert(key.sign(t, key.header(), with(nil)))
			want(t, result, err, "", "")
			client.TokenEndpointAuthAlg = alg
			result, err = w.assert(key.sign(t, key.header(), with(nil)))
			want(t, result, err, "", "")
			client.TokenEndpointAuthAlg = "ES512"
			result, err = w.assert(key.sign(t, key.header(), with(nil)))
			want(t, result, err, signet.CodeInvalidClient, "assertion_alg_not_registered")
		})
	}
	t.Run("crossed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		rsaKey, ecKey, p384 := newKey(t, "rsa", "RS256"), newKey(t, "ec", "ES256"), newKey(t, "p384", "ES384")
		labelled := newKey(t, "labelled", "PS256")
		labelled.jwkAlg = "RS256"
		w.keyClient(t, "pk", rsaKey, ecKey, p384, labelled)
		runAsserts(t, w, []assertCase{
			{name: "HP", token: rsaKey.sign(t, rsaKey.header(), with(nil))},
			{name: "ES256 with an RSA kid", token: ecKey.sign(t, `{"alg":"ES256","kid":"rsa"}`, with(nil)), code: signet.CodeInvalidClient, reason: "assertion_key_unknown"},
			{name: "another curve", token: p384.sign(t, `{"alg":"ES256","kid":"p384"}`, with(nil)), code: signet.CodeInvalidClient, reason: "assertion_key_unknown"},
			{name: "RS256 signature called PS256", token: rsaKey.sign(t, `{"alg":"PS256","kid":"rsa"}`, with(nil)), code: signet.CodeInvalidClient, reason: "assertion_signature"},
			{name: "alg other than the key's", token: labelled.sign(t, labelled.header(), with(nil)), code: signet.CodeInvalidClient, reason: "assertion_key_unknown"},
			{name: "ES384", token: p384.sign(t, p384.header(), with(nil)), code: signet.CodeInvalidClient, reason: "assertion_alg"},
		})
	})
}

func TestAST04Kid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two, foreign, enc := newKey(t, "k1", "ES256"), newKey(t, "k2", "ES256"), newKey(t, "x1", "ES256"), newKey(t, "e1", "RS256")
	enc.use, enc.jwkAlg = "enc", "RS256" // document 004's appendix: an encryption key that says RS256
	w.keyClient(t, "pk", one, two, enc)
	w.keyClient(t, "other", foreign)
	kid := func(raw string) string { return one.sign(t, `{"alg":"ES256","kid":`+raw+`}`, with(nil)) }
	no := signet.CodeInvalidClient
	runAsserts(t, w, []assertCase{
		{name: "HP", token: one.sign(t, one.header(), with(nil))},
		{name: "HP second key", token: two.sign(t, two.header(), with(nil))},
		{name: "unknown", token: kid(`"zz"`), code: no, reason: "assertion_key_unknown"},
		{name: "missing with two keys", token: one.sign(t, `{"alg":"ES256"}`, with(nil)), code: no, reason: "assertion_key_ambiguous"},
		{name: "of another client", token: foreign.sign(t, foreign.header(), with(nil)), code: no, reason: "assertion_key_unknown"},
		{name: "of the wrong key", token: one.sign(t, two.header(), with(nil)), code: no, reason: "assertion_signature"},
		{name: "path", token: kid(`"../../../etc/passwd"`), code: no},
		{name: "SQL", token: kid(`"' OR 1=1--"`), code: no},
		{name: "URL", token: kid(`"http://evil/"`), code: no},
		{name: "10 KiB", token: kid(`"` + strings.Repeat("k", 10<<10) + `"`), code: no},
		{name: "array", token: kid(`["k1"]`), code: no, reason: "assertion_header_kid"},
		{name: "null", token: kid(`null`), code: no, reason: "assertion_header_kid"},
		{name: "NUL", token: kid(`"k1\u0000"`), code: no},
		{name: "encryption key", token: enc.sign(t, enc.header(), with(nil)), code: no, reason: "assertion_key_unknown"},
	})
	t.Run("missing with exactly one usable key", func(t *testing.T) {
		w.keyClient(t, "pk", one, enc).Version = 2
		result, err := w.assert(one.sign(t, `{"alg":"ES256"}`, with(nil)))
		want(t, result, err, "", "")
	})
}

func TestAST05KeysInTheHeader(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(server.Close)
	w := newWorld(t)
	key, evil := newKey(t, "k1", "ES256"), newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	header := func(member string) string { return `{"alg":"ES256","kid":"k1",` + member + `}` }
	jwk := `"jwk":` + string(evil.jwk(t))
	no := signet.CodeInvalidClient
	runAsserts(t, w, []assertCase{
		{name: "HP", token: key.sign(t, key.header(), with(nil))},
		// Present but never used: a good assertion is not refused for them.
		{name: "HP with a jwk", token: key.sign(t, header(jwk), with(nil))},
		{name: "jwk", token: evil.sign(t, header(jwk), with(nil)), code: no, reason: "assertion_signature"},
		{name: "jwk without kid", token: evil.sign(t, `{"alg":"ES256",`+jwk+`}`, with(nil)), code: no, reason: "assertion_signature"},
		{name: "jku", token: evil.sign(t, header(`"jku":"`+server.URL+`/jwks"`), with(nil)), code: no, reason: "assertion_signature"},
		{name: "x5u", token: evil.sign(t, header(`"x5u":"`+server.URL+`/x"`), with(nil)), code: no, reason: "assertion_signature"},
		{name: "x5c", token: evil.sign(t, header(`"x5c":["AAAA"]`), with(nil)), code: no, reason: "assertion_signature"},
		{name: "crit", token: key.sign(t, header(`"crit":["exp"],"exp":1`), with(nil)), code: no, reason: "assertion_header_crit"},
		{name: "empty crit", token: key.sign(t, header(`"crit":[]`), with(nil)), code: no, reason: "assertion_header_crit"},
		{name: "b64", token: key.sign(t, header(`"b64":false`), with(nil)), code: no, reason: "assertion_header_b64"},
	})
	if n := hits.Load(); n != 0 {
		t.Errorf("%d outbound connections", n)
	}
}

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

func TestAST17Ambiguity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	add := func(members string) string {
		return key.sign(t, key.header(), strings.TrimSuffix(with(nil), "}")+","+members+"}")
	}
	no := signet.CodeInvalidClient
	runAsserts(t, w, []assertCase{
		{name: "HP", token: key.sign(t, key.header(), with(nil))},
		{name: "HP unknown claims", token: add(`"scope":"admin","x":{"aud":"a","aud":["}",{"y":"\""}]}`)},
		{name: "aud twice", token: add(`"aud":"https://evil"`), code: no, reason: "assertion_claims_repeated"},
		{name: "aud twice alike", token: add(`"aud":"` + issuer + `"`), code: no, reason: "assertion_claims_repeated"},
		{name: "aud twice, escaped", token: add(`"\u0061ud":"https://evil"`), code: no, reason: "assertion_claims_repeated"},
		{name: "sub twice", token: add(`"sub":"other"`), code: no},
		{name: "jti twice", token: add(`"jti":"b"`), code: no, reason: "assertion_claims_repeated"},
		{name: "unknown claim twice", token: add(`"z":1,"z":2`), code: no, reason: "assertion_claims_repeated"},
		{name: "AUD", token: add(`"AUD":"https://evil"`), code: no, reason: "assertion_claims_case"},
		{name: "Exp", token: add(`"Exp":1`), code: no, reason: "assertion_claims_case"},
		{name: "ſub with a long s", token: add(`"ſub":"other"`), code: no, reason: "assertion_claims_case"},
		{name: "header alg twice", token: key.sign(t, `{"alg":"ES256","kid":"k1","alg":"none"}`, with(nil)), code: no, reason: "assertion_header_repeated"},
		{name: "header ALG", token: key.sign(t, `{"alg":"ES256","kid":"k1","ALG":"none"}`, with(nil)), code: no, reason: "assertion_header_case"},
		{name: "header Crit", token: key.sign(t, `{"alg":"ES256","kid":"k1","Crit":["x"]}`, with(nil)), code: no, reason: "assertion_header_case"},
		{name: "text after the claims", token: key.sign(t, key.header(), with(nil)+"{}"), code: no},
		{name: "claims are an array", token: key.sign(t, key.header(), "["+with(nil)+"]"), code: no},
		{name: "invalid UTF-8", token: add("\"x\":\"\xff\""), code: no},
		{name: "65 members and more", token: add(`"a":1` + strings.Repeat(`,"b":1`, 70)), code: no},
		{name: "deep nesting", token: add(`"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), code: ""},
	})
}

func TestAST19Nesting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	good := key.sign(t, key.header(), with(nil))
	parts := strings.Split(key.sign(t, key.header(), with(nil)), ".")
	general := `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"},{"protected":"` + parts[0] + `","signature":"AA"}]}`
	no := signet.CodeInvalidClient
	runAsserts(t, w, []assertCase{
		{name: "HP", token: good},
		{name: "JWS in JWS with cty", token: key.sign(t, `{"alg":"ES256","kid":"k1","cty":"JWT"}`, good), code: no},
		{name: "JWS in JWS", token: key.sign(t, key.header(), good), code: no},
		{name: "cty over good claims", token: key.sign(t, `{"alg":"ES256","kid":"k1","cty":"JWT"}`, with(nil)), code: no, reason: "assertion_header_cty"},
		{name: "JWE of five parts", token: b64([]byte(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`)) + ".AA.AA.AA.AA", code: no, reason: "assertion_form"},
		{name: "general JSON", token: general, code: no, reason: "assertion_form"},
		{name: "flattened JSON", token: `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, code: no, reason: "assertion_form"},
		{name: "trailing part", token: strings.Join(parts, ".") + ".AA", code: no, reason: "assertion_form"},
		{name: "padding", token: strings.Join(parts, ".") + "=", code: no, reason: "assertion_form"},
		{name: "line end", token: strings.Join(parts, ".") + "\n", code: no, reason: "assertion_form"},
		{name: "empty", token: "..", code: no},
	})
}

func TestAST20Type(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	typ := func(value string) string {
		return key.sign(t, `{"alg":"ES256","kid":"k1","typ":`+value+`}`, with(nil))
	}
	cases := []assertCase{
		{name: "HP absent", token: key.sign(t, key.header(), with(nil))},
		{name: "HP JWT", token: typ(`"JWT"`)},
		{name: "HP client-authentication+jwt", token: typ(`"client-authentication+jwt"`)},
		{name: "HP as media type", token: typ(`"application/client-authentication+jwt"`)},
	}
	for _, value := range []string{"at+jwt", "application/at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "oauth-authz-req+jwt", "JOSE"} {
		cases = append(cases, assertCase{name: value, token: typ(`"` + value + `"`), code: signet.CodeInvalidClient, reason: "assertion_typ"})
	}
	for _, value := range []string{`""`, `null`, `1`, `["JWT"]`} {
		cases = append(cases, assertCase{name: value, token: typ(value), code: signet.CodeInvalidClient, reason: "assertion_header_typ"})
	}
	runAsserts(t, w, cases)
}

func TestAST22Parameters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	w.keyClient(t, "other", newKey(t, "o1", "ES256"))
	token := func() string { return key.sign(t, key.header(), with(nil)) }
	bad, no := signet.CodeInvalidRequest, signet.CodeInvalidClient
	for _, c := range []struct {
		name   string
		params url.Values
		code   signet.Code
	}{
		{"HP", url.Values{"client_assertion": {token()}, "client_assertion_type": {jwtType}}, ""},
		{"HP with client_id", url.Values{"client_assertion": {token()}, "client_assertion_type": {jwtType}, "client_id": {"pk"}}, ""},
		{"type absent", url.Values{"client_assertion": {token()}}, bad},
		{"wrong type", url.Values{"client_assertion": {token()}, "client_assertion_type": {"urn:example:jwt"}}, bad},
		{"saml2", url.Values{"client_assertion": {token()}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}}, bad},
		{"two types", url.Values{"client_assertion": {token()}, "client_assertion_type": {jwtType, jwtType}}, bad},
		{"assertion absent", url.Values{"client_assertion_type": {jwtType}}, bad},
		{"assertion absent, public client", url.Values{"client_assertion_type": {jwtType}, "client_id": {"pk"}}, bad},
		{"two assertions", url.Values{"client_assertion": {token(), token()}, "client_assertion_type": {jwtType}}, bad},
		{"another client_id", url.Values{"client_assertion": {token()}, "client_assertion_type": {jwtType}, "client_id": {"other"}}, no},
	} {
		t.Run(c.name, func(t *testing.T) {
			result, err := w.authenticate(c.params)
			want(t, result, err, c.code, "")
		})
	}
}

// wire.md, 2: clients of document 004 read more than invalid_client, the others do not.
func TestErrorStyles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, evil := newKey(t, "k1", "RS256"), newKey(t, "k1", "RS256")
	client := w.keyClient(t, "pk", key)
	signed := func(changes map[string]any) func() string {
		return func() string { return key.sign(t, key.header(), with(changes)) }
	}
	spent := key.sign(t, key.header(), with(nil))
	_, _ = w.assert(spent)
	for _, c := range []struct {
		name     string
		token    func() string
		document signet.Code
	}{
		{"HP", signed(nil), ""},
		{"unknown client", signed(map[string]any{"sub": "nobody"}), signet.CodeInvalidClient},
		{"unknown key", func() string { return key.sign(t, `{"alg":"RS256","kid":"zz"}`, with(nil)) }, signet.CodeUnauthorizedClient},
		{"bad signature", func() string { return evil.sign(t, key.header(), with(nil)) }, signet.CodeUnauthorizedClient},
		{"bad signature and expired", func() string { return evil.sign(t, key.header(), with(map[string]any{"exp": 1})) }, signet.CodeUnauthorizedClient},
		{"alg none", func() string { return b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(with(nil))) + "." }, signet.CodeUnauthorizedClient},
		{"iss", signed(map[string]any{"iss": "other"}), signet.CodeInvalidGrant},
		{"aud", signed(map[string]any{"aud": "https://evil"}), signet.CodeInvalidGrant},
		{"expired", signed(map[string]any{"iat": 1, "exp": 60}), signet.CodeInvalidGrant},
		{"no jti", signed(map[string]any{"jti": nil}), signet.CodeInvalidGrant},
		{"repeated claim", func() string {
			return key.sign(t, key.header(), strings.TrimSuffix(with(nil), "}")+`,"aud":"x"}`)
		}, signet.CodeInvalidGrant},
		{"used jti", func() string { return spent }, signet.CodeInvalidGrant},
	} {
		t.Run(c.name, func(t *testing.T) {
			client.AssertionError = "document"
			result, err := w.assert(c.token())
			want(t, result, err, c.document, "")
			client.AssertionError = ""
			strict := signet.CodeInvalidClient
			if c.document == "" {
				strict = ""
			}
			result, err = w.assert(c.token())
			want(t, result, err, strict, "")
		})
	}
	t.Run("disabled", func(t *testing.T) {
		client.AssertionError = "document"
		at := start
		client.DisabledAt = &at
		result, err := w.assert(key.sign(t, key.header(), with(nil)))
		want(t, result, err, signet.CodeInvalidClient, "client_disabled")
	})
}

// The record decides which keys count, from the next request on.
func TestKeysFollowTheRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, next := newKey(t, "k1", "ES256"), newKey(t, "k2", "ES256")
	w.keyClient(t, "pk", old)
	steps := []struct {
		name string
		keys []*testKey
		code map[string]signet.Code
	}{
		{"HP", []*testKey{old}, map[string]signet.Code{"k1": "", "k2": signet.CodeInvalidClient}},
		{"both", []*testKey{old, next}, map[string]signet.Code{"k1": "", "k2": ""}},
		{"old dropped", []*testKey{next}, map[string]signet.Code{"k1": signet.CodeInvalidClient, "k2": ""}},
	}
	for i, step := range steps {
		w.keyClient(t, "pk", step.keys...).Version = int64(i + 1)
		for _, key := range []*testKey{old, next} {
			result, err := w.assert(key.sign(t, key.header(), with(nil)))
			want(t, result, err, step.code[key.kid], "")
		}
	}
}

func TestUnusableKeys(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1", "ES256")
	good := string(key.jwk(t))
	for _, c := range []struct {
		name, jwk string
		code      signet.Code
	}{
		{"HP", good, ""},
		{"HP broken x5c is not looked at", strings.TrimSuffix(good, "}") + `,"x5c":["AAAA"],"x5t":"x"}`, ""},
		{"HP key_ops verify", strings.TrimSuffix(good, "}") + `,"key_ops":["verify"]}`, ""},
		{"private key published", strings.TrimSuffix(good, "}") + `,"d":"AAAA"}`, signet.CodeInvalidClient},
		{"key_ops sign", strings.TrimSuffix(good, "}") + `,"key_ops":["sign"]}`, signet.CodeInvalidClient},
		{"point not on the curve", `{"kty":"EC","crv":"P-256","kid":"k1","x":"` + b64(make([]byte, 32)) + `","y":"` + b64(make([]byte, 32)) + `"}`, signet.CodeInvalidClient},
		{"unknown kty beside a good one", `{"kty":"XY","kid":"k9"},` + good, ""},
		{"the same kid twice", good + "," + good, signet.CodeInvalidClient},
		{"no JSON", `{`, signet.CodeInvalidClient},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.keyClient(t, "pk").JWKS = json.RawMessage(`{"keys":[` + c.jwk + `]}`)
			result, err := w.assert(key.sign(t, key.header(), with(nil)))
			want(t, result, err, c.code, "")
		})
	}
}
