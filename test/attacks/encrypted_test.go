package attacks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/test/e2e"
)

// resource is the invoice API, whose private key signet holds: its public key is everybody's.
type resource struct {
	w       *world
	key     *rsa.PrivateKey
	kid     string
	good    string // a bill's token, encrypted to it
	inner   string // what is inside
	invoice string
}

func (w *world) resource() *resource {
	w.t.Helper()
	content, err := os.ReadFile(w.Card.RSPrivateKeyFile)
	if err != nil {
		w.t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	biller := w.Card.Billers[1]
	r := &resource{w: w, key: key.(*rsa.PrivateKey), kid: w.Card.ResourceServers[0].KID, invoice: biller.Invoices[0].InvoiceGUID}
	r.good = w.json("/api/v1/tokens", bill(w.t, biller)).text("token")
	parsed, err := jose.ParseEncryptedCompact(r.good, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		w.t.Fatal(err)
	}
	plain, err := parsed.Decrypt(r.key)
	if err != nil {
		w.t.Fatal(err)
	}
	r.inner = string(plain)
	return r
}

// wrap encrypts as a stranger can.
func (r *resource) wrap(alg jose.KeyAlgorithm, enc jose.ContentEncryption, key any, text string, change ...func(*jose.EncrypterOptions)) string {
	r.w.t.Helper()
	options := (&jose.EncrypterOptions{}).WithContentType("JWT")
	for _, f := range change {
		f(options)
	}
	encrypter, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: key, KeyID: r.kid}, options)
	if err != nil {
		r.w.t.Fatal(err)
	}
	sealed, err := encrypter.Encrypt([]byte(text))
	if err != nil {
		r.w.t.Fatal(err)
	}
	compact, err := sealed.CompactSerialize()
	if err != nil {
		r.w.t.Fatal(err)
	}
	return compact
}

// headed puts another header on the good token.
func (r *resource) headed(header any) string {
	_, rest, _ := strings.Cut(r.good, ".")
	return part(header) + "." + rest
}

// takes wants a token taken at both places that open one: the invoice API and introspection.
func (r *resource) takes(name, token string) {
	r.w.t.Helper()
	if a := r.w.get("/api/v1/invoices/"+r.invoice, "Authorization", "Bearer "+token); a.status != http.StatusOK {
		r.w.t.Fatalf("%s at the invoices: %d %s", name, a.status, a.body)
	}
	if a := r.w.introspect(token); !a.active() {
		r.w.t.Fatalf("%s is not active: %s", name, a.body)
	}
}

// fails wants one answer for whatever is wrong, at all places, soon.
func (r *resource) fails(name, token string) {
	r.w.t.Helper()
	begun := time.Now()
	a, state, intent := r.w.get("/api/v1/invoices/"+r.invoice, "Authorization", "Bearer "+token), r.w.introspect(token), r.w.validate(token)
	if took := time.Since(begun); took > 2*time.Second {
		r.w.t.Errorf("%s: %s", name, took)
	}
	if len(token) > 60<<10 {
		if a.status < 400 || a.status >= 500 || state.active() {
			r.w.t.Errorf("%s: %d, %d", name, a.status, state.status)
		}
		return
	}
	r.w.denied(name+" at the invoices", a)
	if state.body != `{"active":false}` {
		r.w.t.Errorf("%s introspected: %d %s", name, state.status, state.body)
	}
	if intent.body != invalid(token) {
		r.w.t.Errorf("%s as an intent: %d %s", name, intent.status, intent.body)
	}
}

// The algorithms are the record's, never the token's choice, and what iterates is never begun (JWE-02).
func TestJWE01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.resource()
	r.takes("happy path", r.good)
	r.takes("the same by a stranger's hand", r.wrap(jose.RSA_OAEP_256, jose.A256GCM, &r.key.PublicKey, r.inner))
	for name, token := range map[string]string{
		"RSA1_5": r.wrap(jose.RSA1_5, jose.A256GCM, &r.key.PublicKey, r.inner), "RSA-OAEP": r.wrap(jose.RSA_OAEP, jose.A256GCM, &r.key.PublicKey, r.inner), "dir": r.wrap(jose.DIRECT, jose.A256GCM, make([]byte, 32), r.inner),
		"A128KW": r.wrap(jose.A128KW, jose.A256GCM, make([]byte, 16), r.inner), "A256GCMKW": r.wrap(jose.A256GCMKW, jose.A256GCM, make([]byte, 32), r.inner), "PBES2": r.wrap(jose.PBES2_HS256_A128KW, jose.A256GCM, "password", r.inner),
		"none": r.headed(map[string]any{"alg": "none", "enc": "A256GCM", "kid": r.kid, "cty": "JWT"}), "another enc": r.wrap(jose.RSA_OAEP_256, jose.A128CBC_HS256, &r.key.PublicKey, r.inner),
		"compressed": r.wrap(jose.RSA_OAEP_256, jose.A256GCM, &r.key.PublicKey, r.inner, func(o *jose.EncrypterOptions) { o.Compression = jose.DEFLATE }), "another kid": r.headed(map[string]any{"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "x", "cty": "JWT"}),
		"no kid": r.headed(map[string]any{"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}), "crit": r.headed(map[string]any{"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": r.kid, "cty": "JWT", "crit": []string{"x"}, "x": 1}),
		"a path as kid":           r.headed(map[string]any{"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "../" + r.kid, "cty": "JWT"}),
		"JWE-02: 2^31-1":          r.headed(map[string]any{"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "kid": r.kid, "cty": "JWT", "p2c": 2147483647, "p2s": "AAAA"}),
		"JWE-02: 1e7":             r.headed(map[string]any{"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "kid": r.kid, "cty": "JWT", "p2c": 10000000, "p2s": "AAAA"}),
		"JWE-02: in our alg":      r.headed(map[string]any{"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": r.kid, "cty": "JWT", "p2c": 2147483647, "p2s": "AAAA"}),
		"JWE-02: a salt of 8 KiB": r.headed(map[string]any{"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "kid": r.kid, "cty": "JWT", "p2c": 1, "p2s": strings.Repeat("A", 8<<10)}),
		"JWE-02: a salt of 1 MiB": r.headed(map[string]any{"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "kid": r.kid, "cty": "JWT", "p2c": 1, "p2s": strings.Repeat("A", 1<<20)}),
	} {
		if strings.HasSuffix(name, "1 MiB") {
			// Longer than any header or form: refused before it is a token.
			if a := w.introspect(token); a.active() || a.status >= 500 {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
			continue
		}
		r.fails(name, token)
	}
}

// Padding, tag or contents: nothing tells which of them was wrong. Its time is `make timing`'s.
func TestJWE04(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.resource()
	r.takes("happy path", r.good)
	parts := strings.Split(r.good, ".")
	noise := func(size int) string {
		b := make([]byte, size)
		_, _ = rand.Read(b)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	with := func(at int, text string) string {
		changed := append([]string{}, parts...)
		changed[at] = text
		return strings.Join(changed, ".")
	}
	flip := func(at int) string {
		raw, err := base64.RawURLEncoding.DecodeString(parts[at])
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)/2] ^= 1
		return with(at, base64.RawURLEncoding.EncodeToString(raw))
	}
	for range 20 {
		r.fails("a random encrypted key", with(1, noise(256)))
	}
	for name, token := range map[string]string{"a flipped encrypted key": flip(1), "a flipped nonce": flip(2), "a flipped text": flip(3), "a flipped tag": flip(4), "a short key": with(1, noise(128)), "a long key": with(1, noise(512)), "a short nonce": with(2, noise(8)),
		"a short tag": with(4, noise(8)), "no text": with(3, noise(1)), "another's right padding": r.wrap(jose.RSA_OAEP_256, jose.A256GCM, &r.key.PublicKey, "x"), "the modulus as key": with(1, base64.RawURLEncoding.EncodeToString(r.key.N.Bytes())),
		"one as key": with(1, base64.RawURLEncoding.EncodeToString(big.NewInt(1).FillBytes(make([]byte, 256)))), "a sixth part": r.good + ".AAAA", "a line end": parts[0] + "\n." + strings.Join(parts[1:], ".")} {
		if strings.Contains(token, "\n") {
			if a := w.introspect(token); a.active() {
				t.Errorf("%s: %s", name, a.body)
			}
			continue
		}
		r.fails(name, token)
	}
}

// Where a resource server has an EC key, an ephemeral key is a point of its curve.
func TestJWE05(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	made := w.admin(http.MethodPost, "/resource-servers", map[string]any{"id": "curves", "name": "Curves", "audience": "https://curves.example.com", "scope": "pay", "alg": "ECDH-ES+A256KW",
		"private_key_pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	if made.status != http.StatusCreated {
		t.Fatalf("%d %s", made.status, made.body)
	}
	biller := w.Card.Billers[0]
	w.edit("/billers/"+biller.ID, map[string]any{"resource_servers": []string{"invoices", "curves"}, "scope": "invoices:read payments:write pay"})
	good := w.happy("a token for it", w.post("/token", e2e.Client{}, withResource(payer(t, biller, 0), "https://curves.example.com"))).text("access_token")
	if a := w.introspect(good); !a.active() {
		t.Fatalf("happy path: %s", a.body)
	}
	first, rest, _ := strings.Cut(good, ".")
	raw, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	p := elliptic.P256().Params()
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, 32))) }
	point := func(x, y *big.Int) map[string]any {
		return map[string]any{"kty": "EC", "crv": "P-256", "x": number(x), "y": number(y)}
	}
	for name, epk := range map[string]any{"missing": nil, "off the curve": point(p.Gx, new(big.Int).Add(p.Gy, big.NewInt(1))), "infinity": point(new(big.Int), new(big.Int)), "of the field's size": point(p.P, p.Gy), "another curve": changed(point(p.Gx, p.Gy), []any{"crv", "P-384"}),
		"with d": changed(point(p.Gx, p.Gy), []any{"d", number(big.NewInt(1))}), "OKP": changed(point(p.Gx, p.Gy), []any{"kty", "OKP"}), "text": "x", "its own key": point(key.X, key.Y)} {
		header := map[string]any{}
		if err := json.Unmarshal(raw, &header); err != nil {
			t.Fatal(err)
		}
		token := part(changed(header, []any{"epk", epk})) + "." + rest
		if a := w.introspect(token); a.body != `{"active":false}` {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func withResource(form url.Values, resource string) url.Values {
	return with(form, "resource", resource)
}

// Whoever knows a public key can encrypt: only the signature inside is a proof.
func TestJWE07(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.resource()
	r.takes("happy path", r.good)
	c := claims(t, r.inner)
	c["invoice_guid"], c["jti"] = w.Card.Billers[1].Invoices[1].InvoiceGUID, "x"
	parts := strings.Split(r.inner, ".")
	p := w.partner(nil)
	idToken := w.tokens(e2e.NewBrowser(t), w.Card.Clients.Web).text("id_token")
	for name, text := range map[string]string{"bare claims": string(mustJSON(t, c)), "alg none": part(`{"alg":"none","typ":"at+jwt"}`) + "." + part(c) + ".", "alg none with a signature": part(`{"alg":"none","typ":"at+jwt"}`) + "." + part(c) + "." + parts[2],
		"a changed payload": parts[0] + "." + part(c) + "." + parts[2], "another's signature": p.sign(map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": kidOf(t, r.inner)}, c), "an ID token": idToken, "itself": r.good, "nothing": "x"} {
		token := r.wrap(jose.RSA_OAEP_256, jose.A256GCM, &r.key.PublicKey, text)
		r.fails(name, token)
	}
	r.takes("the signed one, encrypted anew", r.wrap(jose.RSA_OAEP_256, jose.A256GCM, &r.key.PublicKey, r.inner))
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A token is one biller's, for one resource server, for as long as both are there.
func TestJWE08(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.resource()
	r.takes("happy path", r.good)
	one, two := w.Card.Billers[0], w.Card.Billers[1]
	at := func(guid, token string) int {
		return w.get("/api/v1/invoices/"+guid, "Authorization", "Bearer "+token).status
	}
	for name, guid := range map[string]string{"another biller's invoice": one.Invoices[0].InvoiceGUID, "the biller's next invoice": two.Invoices[1].InvoiceGUID, "no invoice": "11111111-2222-4333-8444-555555555555"} {
		if got := at(guid, r.good); got != http.StatusForbidden {
			t.Errorf("%s: %d", name, got)
		}
	}
	payments := w.happy("for the other server", w.post("/token", e2e.Client{}, payer(t, one, 0))).text("access_token")
	if got := at(one.Invoices[0].InvoiceGUID, payments); got != http.StatusUnauthorized {
		t.Errorf("another server's token: %d", got)
	}
	// Its clients: who may revoke it, and who learns of it.
	own, stranger := e2e.Client{ClientID: two.ClientID, ClientSecret: two.ClientSecret}, e2e.Client{ClientID: one.ClientID, ClientSecret: one.ClientSecret}
	for name, client := range map[string]e2e.Client{"another biller's client": stranger, "its own client": own} {
		if a := w.post("/introspect", client, url.Values{"token": {r.good}}); a.active() {
			t.Errorf("%s introspects: %s", name, a.body)
		}
	}
	w.post("/revoke", stranger, url.Values{"token": {r.good}})
	r.takes("after a stranger's revocation", r.good)
	for what, act := range map[string]string{"a disabled resource server": "/resource-servers/invoices", "a disabled biller": "/billers/" + two.ID} {
		if a := w.admin(http.MethodPost, act+"/disable", map[string]any{}); a.status >= 300 {
			t.Fatalf("%s: %d %s", what, a.status, a.body)
		}
		if got := at(r.invoice, r.good); got != http.StatusUnauthorized {
			t.Errorf("%s: %d", what, got)
		}
		if a := w.json("/api/v1/tokens", bill(t, two)); a.status != http.StatusUnauthorized {
			t.Errorf("%s gets a token: %d", what, a.status)
		}
		if a := w.admin(http.MethodPost, act+"/enable", map[string]any{}); a.status >= 300 {
			t.Fatalf("%s: %d %s", what, a.status, a.body)
		}
	}
}
