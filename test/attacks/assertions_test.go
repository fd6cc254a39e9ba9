package attacks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/test/e2e"
)

// partner is a client with a key of ours, so that assertions can be written byte by byte.
type partner struct {
	w   *world
	id  string
	key *ecdsa.PrivateKey
	networks
}

func (w *world) partner(changes map[string]any) *partner {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	record := map[string]any{"redirect_uris": nil, "grant_types": []string{"client_credentials"}, "scope": "read", "token_endpoint_auth_method": "private_key_jwt",
		"token_endpoint_auth_signing_alg": "ES256", "jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Use: "sig", Algorithm: "ES256"}}}}
	for name, value := range changes {
		record[name] = value
	}
	return &partner{w: w, id: w.register(record).ClientID, key: key}
}

func part(v any) string {
	raw, isText := v.(string)
	if !isText {
		encoded, _ := json.Marshal(v) // maps of texts and numbers
		raw = string(encoded)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(raw))
}

// sign makes a JWS by ES256, whatever its header says; header and payload are JSON texts or maps.
func (p *partner) sign(header, payload any) string {
	p.w.t.Helper()
	input := part(header) + "." + part(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		p.w.t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func header(changes ...any) map[string]any {
	h := map[string]any{"alg": "ES256", "kid": "k1"}
	return changed(h, changes)
}

// changed sets members: name, value, name, value; nil takes one out.
func changed(m map[string]any, changes []any) map[string]any {
	for i := 0; i+1 < len(changes); i += 2 {
		if m[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
			delete(m, changes[i].(string))
		}
	}
	return m
}

func (p *partner) claims(changes ...any) map[string]any {
	now := time.Now()
	return changed(map[string]any{"iss": p.id, "sub": p.id, "aud": p.w.Card.Issuer, "jti": random() + random(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}, changes)
}

// try sends an assertion from a network that nobody has failed in.
func (p *partner) try(assertion string) answer {
	p.w.t.Helper()
	p.w.http = p.next()
	return p.w.post("/token", e2e.Client{}, with(machine("read"), "client_assertion_type", bearerAssertion, "client_assertion", assertion))
}

// fails wants the one answer to every bad assertion.
func (p *partner) fails(name, assertion string) {
	p.w.t.Helper()
	p.w.refused(name, p.try(assertion), http.StatusUnauthorized, "invalid_client")
}

func (p *partner) passes(name, assertion string) {
	p.w.t.Helper()
	p.w.happy(name, p.try(assertion))
}

// No algorithm but the registered one: neither none, nor HMAC with what is public (AST-02).
func TestAST01(t *testing.T) {
	t.Parallel()
	p := newWorld(t).partner(nil)
	p.passes("happy path", p.sign(header(), p.claims()))
	for _, alg := range []any{"none", "None", "nOnE", "NONE", "", json.RawMessage("null"), nil, "es256", "ES256 ", "ES384", []string{"ES256"}, 256} {
		signed := p.sign(header("alg", alg), p.claims())
		name, _ := json.Marshal(alg)
		p.fails("alg "+string(name), signed)
		p.fails("alg "+string(name)+", no signature", signed[:strings.LastIndexByte(signed, '.')+1])
	}
	der, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := (&jose.JSONWebKey{Key: p.key.Public(), KeyID: "k1", Use: "sig", Algorithm: "ES256"}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string][]byte{"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "DER": der, "JWK": jwk, "null": []byte("null"), "empty": nil, "kid": []byte("k1")} {
		input := part(header("alg", "HS256")) + "." + part(p.claims())
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		p.fails("AST-02: HMAC with the "+name, input+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
	}
}

// The kid is looked up in the client's keys and nowhere else; keys in the header are not keys (AST-05).
func TestAST04(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, other := w.partner(nil), w.partner(nil)
	p.passes("happy path", p.sign(header(), p.claims()))
	for name, kid := range map[string]any{"unknown": "k2", "path": "../../../etc/passwd", "SQL": "' OR 1=1--", "URL": "http://127.0.0.1/", "long": strings.Repeat("k", 10<<10), "array": []string{"k1"},
		"NUL": "k1\x00", "empty": "", "null": json.RawMessage("null"), "number": 1, "another client's": w.Card.Clients.PartnerES256.KID} {
		p.fails("kid "+name, p.sign(header("kid", kid), p.claims()))
	}
	stolen := &partner{w: w, id: p.id, key: other.key}
	p.fails("signed by another client's key", stolen.sign(header(), p.claims()))

	var hits atomic.Int32
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(listener.Close)
	public := jose.JSONWebKey{Key: other.key.Public(), KeyID: "k1", Use: "sig", Algorithm: "ES256"}
	for name, members := range map[string][]any{"jwk": {"jwk", public}, "jku": {"jku", listener.URL + "/jwks"}, "x5u": {"x5u", listener.URL + "/cert"}, "x5c": {"x5c", []string{"AAAA"}}} {
		p.fails("AST-05: "+name+" of another key", stolen.sign(header(members...), p.claims()))
		p.fails("AST-05: "+name+" and no kid", stolen.sign(header(append(members, "kid", nil)...), p.claims()))
	}
	if hits.Load() != 0 {
		t.Errorf("the server called out %d times", hits.Load())
	}
}

// Times have bounds and one form (AST-08: a clock that is a few seconds ahead is no fault).
func TestAST07(t *testing.T) {
	t.Parallel()
	p := newWorld(t).partner(nil)
	p.passes("happy path", p.sign(header(), p.claims()))
	now := time.Now().Unix()
	for name, exp := range map[string]any{"an hour ago": now - 3600, "61 s ago": now - 61, "12 s ago": now - 12, "none": nil, "text": "9999999999", "1e30": json.RawMessage("1e30"), "negative": -1,
		"2^63": json.RawMessage("9223372036854775808"), "an hour ahead": now + 3601, "six minutes ahead": now + 360, "20 years": now + 630720000, "null": json.RawMessage("null"), "array": []int64{now + 60}} {
		p.fails("exp "+name, p.sign(header(), p.claims("exp", exp)))
	}
	for name, iat := range map[string]any{"none": nil, "text": "1", "a minute ahead": now + 60, "an hour ago": now - 3600} {
		p.fails("iat "+name, p.sign(header(), p.claims("iat", iat)))
	}
	p.fails("nbf a minute ahead", p.sign(header(), p.claims("nbf", now+60)))
	p.passes("AST-08: iat 8 s ahead", p.sign(header(), p.claims("iat", time.Now().Unix()+8)))
	p.passes("AST-08: nbf 8 s ahead", p.sign(header(), p.claims("nbf", time.Now().Unix()+8)))
}

// The audience is this issuer, alone and as one text (AST-11: another issuer's assertion is worth nothing here).
func TestAST10(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, array := w.partner(nil), w.partner(map[string]any{"assertion_audience_array": true})
	issuer := w.Card.Issuer
	p.passes("happy path", p.sign(header(), p.claims()))
	for name, aud := range map[string]any{"token endpoint": issuer + "/token", "PAR endpoint": issuer + "/par", "issuer and token endpoint": []string{issuer, issuer + "/token"}, "issuer and evil": []string{issuer, "https://evil.test"},
		"evil": []string{"https://evil.test"}, "slash": issuer + "/", "upper case": strings.ToUpper(issuer), "none": nil, "null": json.RawMessage("null"), "number": 1, "object": map[string]string{}, "an array of one": []string{issuer},
		"empty": "", "AST-11: another issuer": "https://as2.test", "blank": issuer + " ", "by name": strings.Replace(issuer, "127.0.0.1", "localhost", 1)} {
		p.fails("aud "+name, p.sign(header(), p.claims("aud", aud)))
	}
	array.passes("an array of one where the record allows it", array.sign(header(), array.claims("aud", []string{issuer})))
	array.fails("two there", array.sign(header(), array.claims("aud", []string{issuer, "https://evil.test"})))
	document := w.Card.Clients.Partner
	if a := w.post("/token", e2e.Client{}, with(machine(), "client_assertion_type", bearerAssertion, "client_assertion", w.assertion(document, map[string]any{"aud": issuer + "/token"}))); a.status != http.StatusOK {
		t.Errorf("the document's partner and its audience: %d %s", a.status, a.body)
	}
}

// A jti is a text of sensible length, and one client's is not another's.
func TestAST13(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, other := w.partner(nil), w.partner(nil)
	jti := random() + random()
	p.passes("happy path", p.sign(header(), p.claims("jti", jti)))
	p.fails("again", p.sign(header(), p.claims("jti", jti)))
	other.passes("another client's", other.sign(header(), other.claims("jti", jti)))
	for name, value := range map[string]any{"none": nil, "empty": "", "number": 1, "long": strings.Repeat("j", 20<<10), "array": []string{"x"}, "null": json.RawMessage("null")} {
		p.fails("jti "+name, p.sign(header(), p.claims("jti", value)))
	}
	p.w.http = p.next()
	huge := p.sign(header(), p.claims("jti", strings.Repeat("j", 1<<20)))
	if a := p.try(huge); a.status != http.StatusRequestEntityTooLarge && a.status != http.StatusUnauthorized && a.status != http.StatusBadRequest {
		t.Errorf("1 MiB: %d %s", a.status, a.body)
	}
}

// What can be read in two ways is refused: repeated members, nesting (AST-19), types of other tokens (AST-20).
func TestAST17(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.partner(nil)
	text := func() string {
		raw, _ := json.Marshal(p.claims()) // a map of texts and numbers
		return string(raw)
	}
	p.passes("happy path", p.sign(`{"alg":"ES256","kid":"k1"}`, text()))
	for name, payload := range map[string]string{"aud twice": strings.Replace(text(), `{`, `{"aud":"https://evil.test",`, 1), "sub twice": strings.Replace(text(), `{`, `{"sub":"web",`, 1),
		"AUD beside aud": strings.Replace(text(), `{`, `{"AUD":"`+w.Card.Issuer+`",`, 1), "AUD alone": strings.Replace(text(), `"aud"`, `"AUD"`, 1), "an escaped twin": strings.Replace(text(), `{`, `{"\u0073ub":"web",`, 1),
		"trailing data": text() + "{}", "array": "[" + text() + "]", "iss of another": strings.Replace(text(), `"iss":"`+p.id, `"iss":"web`, 1), "no JSON": "x"} {
		p.fails(name, p.sign(header(), payload))
	}
	for name, head := range map[string]string{"alg twice": `{"alg":"none","alg":"ES256","kid":"k1"}`, "ALG beside it": `{"alg":"ES256","ALG":"none","kid":"k1"}`, "crit": `{"alg":"ES256","kid":"k1","crit":["x"],"x":1}`,
		"b64 false": `{"alg":"ES256","kid":"k1","crit":["b64"],"b64":false}`, "zip": `{"alg":"ES256","kid":"k1","zip":"DEF"}`} {
		p.fails(name, p.sign(head, text()))
	}
	inner := p.sign(header(), p.claims())
	p.fails("AST-19: a JWS in a JWS", p.sign(header("cty", "JWT"), inner))
	parts := strings.Split(p.sign(header(), p.claims()), ".")
	p.fails("AST-19: JSON serialisation", `{"payload":"`+parts[1]+`","signatures":[{"protected":"`+parts[0]+`","signature":"AAAA"},{"protected":"`+parts[0]+`","signature":"`+parts[2]+`"}]}`)
	p.fails("AST-19: flattened", `{"payload":"`+parts[1]+`","protected":"`+parts[0]+`","signature":"`+parts[2]+`"}`)
	p.fails("AST-19: a JWE", part(`{"alg":"dir","enc":"A256GCM","cty":"JWT"}`)+"..AAAA.AAAA.AAAA")
	for _, typ := range []any{"at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "oauth-authz-req+jwt", "application/at+jwt", "AT+JWT", 1} {
		p.fails("AST-20", p.sign(header("typ", typ), p.claims()))
	}
	for _, typ := range []any{"client-authentication+jwt", "JWT", nil} {
		p.passes("AST-20", p.sign(header("typ", typ), p.claims()))
	}
}

// The two parameters of an assertion stand there once each, and say what it is.
func TestAST22(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.partner(nil)
	p.passes("happy path", p.sign(header(), p.claims()))
	send := func(change func(url.Values)) answer {
		form := with(machine("read"), "client_assertion_type", bearerAssertion, "client_assertion", p.sign(header(), p.claims()))
		change(form)
		w.http = p.next()
		return w.post("/token", e2e.Client{}, form)
	}
	for name, change := range map[string]func(url.Values){
		"no type": func(f url.Values) { f.Del("client_assertion_type") }, "another type": func(f url.Values) { f.Set("client_assertion_type", bearerAssertion+"x") },
		"SAML": func(f url.Values) {
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
		},
		"two types":    func(f url.Values) { f.Add("client_assertion_type", bearerAssertion) },
		"no assertion": func(f url.Values) { f.Del("client_assertion") }, "two assertions": func(f url.Values) { f.Add("client_assertion", p.sign(header(), p.claims())) },
		"an empty one": func(f url.Values) { f.Set("client_assertion", "") }, "another client's name": func(f url.Values) { f.Set("client_id", "service") },
	} {
		a := send(change)
		if a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized || a.text("error") != "invalid_request" && a.text("error") != "invalid_client" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	w.happy("its own name beside it", send(func(f url.Values) { f.Set("client_id", p.id) }))
}

// A partner's host of keys may do what it likes: the answer comes within seconds, and nothing else is called.
func TestAST23(t *testing.T) {
	t.Parallel()
	var answerWith atomic.Pointer[http.HandlerFunc]
	host := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*answerWith.Load())(w, r) }))
	t.Cleanup(host.Close)
	roots := t.TempDir() + "/roots.pem"
	writeFile(t, roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: host.Certificate().Raw}))
	w := newWorldThatTrusts(t, roots)
	var inside atomic.Int32
	internal := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	t.Cleanup(internal.Close)

	set := func(p *partner, more ...jose.JSONWebKey) []byte {
		raw, err := json.Marshal(jose.JSONWebKeySet{Keys: append([]jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k1", Use: "sig", Algorithm: "ES256"}}, more...)})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	try := func(name string, serve func(*partner) http.HandlerFunc) answer {
		t.Helper()
		p := w.partner(map[string]any{"jwks": nil, "jwks_uri": host.URL + "/jwks/" + url.PathEscape(name)})
		handler := serve(p)
		answerWith.Store(&handler)
		begun := time.Now()
		a := p.try(p.sign(header(), p.claims()))
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("%s: %s", name, took)
		}
		return a
	}
	write := func(body []byte) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(body) }
	}
	w.happy("happy path", try("good", func(p *partner) http.HandlerFunc { return write(set(p)) }))
	for name, serve := range map[string]func(*partner) http.HandlerFunc{
		"redirect to this machine": func(*partner) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, internal.URL, http.StatusFound) }
		},
		"redirect to the metadata service": func(*partner) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, "https://169.254.169.254/", http.StatusFound)
			}
		},
		"10 MB": func(p *partner) http.HandlerFunc {
			return write(append(bytes.Repeat([]byte(" "), 10<<20), set(p)...))
		},
		"a byte a second": func(p *partner) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) {
				for _, b := range set(p) {
					_, _ = rw.Write([]byte{b})
					rw.(http.Flusher).Flush()
					select {
					case <-r.Context().Done():
						return
					case <-time.After(time.Second):
					}
				}
			}
		},
		"500": func(p *partner) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500); _, _ = rw.Write(set(p)) }
		},
		"HTML":    func(*partner) http.HandlerFunc { return write([]byte("<html><body>keys</body></html>")) },
		"empty":   func(*partner) http.HandlerFunc { return write(nil) },
		"no keys": func(*partner) http.HandlerFunc { return write([]byte(`{"keys":[]}`)) },
		"too many keys": func(p *partner) http.HandlerFunc {
			var more []jose.JSONWebKey
			for i := range 200 {
				more = append(more, jose.JSONWebKey{Key: p.key.Public(), KeyID: string(rune('a'+i%26)) + random(), Use: "sig", Algorithm: "ES256"})
			}
			return write(set(p, more...))
		},
		"its private key": func(p *partner) http.HandlerFunc {
			raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key, KeyID: "k1", Use: "sig", Algorithm: "ES256"}}})
			if err != nil {
				t.Fatal(err)
			}
			return write(raw)
		},
		"hangs up": func(*partner) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		},
	} {
		w.refused(name, try(name, serve), http.StatusUnauthorized, "invalid_client")
	}
	if inside.Load() != 0 {
		t.Errorf("a redirect was followed %d times", inside.Load())
	}
	// Who does not trust the host, or calls it by a private address, gets no keys: dev alone lets loopback in.
	other := newWorld(t)
	p := other.partner(map[string]any{"jwks": nil, "jwks_uri": host.URL + "/jwks"})
	good := write(set(p))
	answerWith.Store(&good)
	p.fails("a certificate that nobody signed", p.sign(header(), p.claims()))
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for name, address := range map[string]string{"link-local": "https://169.254.169.254/jwks", "private": "https://10.0.0.1/jwks", "closed": "https://127.0.0.1:1/jwks", "silent": "https://" + silent.Addr().String() + "/jwks"} {
		p := w.partner(map[string]any{"jwks": nil, "jwks_uri": address})
		begun := time.Now()
		p.fails(name, p.sign(header(), p.claims()))
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("%s: %s", name, took)
		}
	}
}
