package clientauth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

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
