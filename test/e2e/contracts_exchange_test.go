package e2e

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	grantIdentity    = "urn:signet:params:oauth:grant-type:hmac-identity"
	invoicesAudience = "https://invoices.example.com"
	paymentsAudience = "https://payments.example.com"
)

// exchangeRows is wire.md, 3, without the invoices. Every failed identity is counted by network, 20 in 5 minutes: the
// rows together stay below.
func exchangeRows() []row {
	return []row{
		{"POST /api/v1/tokens: 200, v1", invoiceTokens},
		{"POST /api/v1/payertokens: 200, v1 and v2", payerTokens},
		{"exchange: content types and 415", exchangeTypes},
		{"exchange: Accept", exchangeAccept},
		{"exchange: null and absent members 401", exchangeAbsent},
		{"exchange: what is not the described JSON 400", exchangeMalformed},
		{"exchange: replay across grant and legacy form", exchangeReplay},
		{"exchange: grant by invoice_id, scope and resource", exchangeGrant},
		{"POST /test, POST /payertest", exchangeDemo},
		{"GET /health, GET /healthdetails", exchangeHealth},
		{"exchange: introspect and revoke the inner JWS", exchangeInner},
		{"exchange: lenient_json", exchangeLenient},
		{"exchange: two live HMAC keys", exchangeRotation},
		{"exchange: a biller's own scheme", exchangeOwnScheme},
		{"exchange: a disabled biller", exchangeDisabled},
		{"exchange: algorithms by resource server", exchangeAlgorithms},
		{"exchange: rate by invoice", exchangeRate},
	}
}

// biller registers a biller with a client that puts one invoice in.
func (s *stand) biller(t *testing.T, metadata map[string]any) Biller {
	t.Helper()
	system := s.client(t, map[string]any{"client_name": "Billing system of a test", "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"client_credentials", grantIdentity}, "scope": "invoices:write", "audiences": []string{invoicesAudience}})
	record := map[string]any{"name": "Biller of a test", "client_id": system.ClientID, "default_resource_server": "invoices",
		"resource_servers": []string{"payments"}, "scope": "invoices:read payments:write"}
	maps.Copy(record, metadata)
	var made struct {
		ID      string `json:"id"`
		KID     string `json:"kid"`
		HMACKey string `json:"hmac_key"`
	}
	s.admin(t, http.MethodPost, "/billers", record, &made)
	b := Biller{ID: made.ID, KID: made.KID, HMACKey: made.HMACKey, ClientID: system.ClientID, ClientSecret: system.ClientSecret, Scheme: "v2"}
	if scheme, ok := metadata["scheme"].(map[string]any); ok {
		b.Scheme, _ = scheme["name"].(string)
	}
	b.Invoices = []Invoice{{InvoiceGUID: newUUID(), CustomerGUID: newUUID()}}
	s.putInvoice(t, &b, invoiceOf(&b)).want(http.StatusOK)
	return b
}

func v1() map[string]any {
	return map[string]any{"scheme": map[string]any{"name": "v1"}, "invoice_exchange": true}
}

// invoiceBody is a body of POST /api/v1/tokens.
func invoiceBody(t *testing.T, b Biller) map[string]any {
	t.Helper()
	guid := b.Invoices[0].InvoiceGUID
	mac := ""
	if b.Scheme == "v1" {
		mac = SignV1(t, b, guid)
	} else {
		mac = SignIdentity(t, b, "invoice_id", guid, "")
	}
	return map[string]any{"billerGuid": b.ID, "invoiceGuid": guid, "hmac": mac}
}

func with(body map[string]any, name string, value any) map[string]any {
	out := maps.Clone(body)
	out[name] = value
	return out
}

func without(body map[string]any, name string) map[string]any {
	out := maps.Clone(body)
	delete(out, name)
	return out
}

// opened decrypts a token with the key that the resource servers share, verifies what is inside by JWKS, and returns both.
func (s *stand) opened(t *testing.T, token, audience string) (claims map[string]any, inner string) {
	t.Helper()
	return s.openedWith(t, token, audience, jose.RSA_OAEP_256, jose.A256GCM, s.sharedKey(t))
}

func (s *stand) openedWith(t *testing.T, token, audience string, alg jose.KeyAlgorithm, enc jose.ContentEncryption, private any) (claims map[string]any, inner string) {
	t.Helper()
	r := &recipient{issuer: s.card.Issuer, audience: audience, alg: alg, enc: enc, private: private}
	if err := json.Unmarshal(s.send(t, http.MethodGet, "/.well-known/jwks.json", nil, nil).want(http.StatusOK).body, &r.keys); err != nil {
		t.Fatal(err)
	}
	claims, err := r.open(token, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{alg}, []jose.ContentEncryption{enc})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := sealed.Decrypt(r.private)
	if err != nil {
		t.Fatal(err)
	}
	return claims, string(plain)
}

func (s *stand) sharedKey(t *testing.T) any {
	t.Helper()
	content, err := os.ReadFile(s.card.RSPrivateKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func invoiceTokens(t *testing.T, s *stand) {
	b := s.card.Billers[1]
	guid := b.Invoices[0].InvoiceGUID
	token := s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, b)).want(http.StatusOK).golden(s, "exchange-tokens-200").text("token")
	claims, _ := s.opened(t, token, invoicesAudience)
	if claims["sub"] != "biller:"+b.ID+":invoice:"+guid || claims["biller_guid"] != b.ID || claims["invoice_guid"] != guid {
		t.Errorf("claims %v", claims)
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 900 || claims["jti"] == "" || len(claims["amr"].([]any)) != 1 || claims["amr"].([]any)[0] != "hmac" {
		t.Errorf("exp, jti or amr: %v", claims)
	}
	// Links are reloaded; base64 and capitals are other spellings of the same.
	body := invoiceBody(t, b)
	raw := decodeHex(t, body["hmac"].(string))
	for _, again := range []map[string]any{body, with(body, "hmac", strings.ToUpper(body["hmac"].(string))),
		with(body, "hmac", base64.StdEncoding.EncodeToString(raw)), with(body, "billerGuid", "{"+strings.ToUpper(b.ID)+"}")} {
		s.send(t, http.MethodPost, "/api/v1/tokens", http.Header{"Authorization": {"Bearer ignored"}}, again).want(http.StatusOK)
	}
	// A biller that does not exchange invoices, an unknown invoice and a wrong signature are one refusal.
	refused := s.send(t, http.MethodPost, "/api/v1/tokens", nil, with(body, "hmac", strings.Repeat("0", 64))).want(http.StatusUnauthorized).golden(s, "exchange-tokens-401")
	refused.same(s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, s.card.Billers[0])))
	stranger := newUUID()
	refused.same(s.send(t, http.MethodPost, "/api/v1/tokens", nil, map[string]any{"billerGuid": b.ID, "invoiceGuid": stranger, "hmac": SignV1(t, b, stranger)}))
}

func payerTokens(t *testing.T, s *stand) {
	for i, scheme := range []string{"v2", "v1"} {
		b := s.card.Billers[i]
		token := s.send(t, http.MethodPost, "/api/v1/payertokens", nil, Payer(t, b)).want(http.StatusOK).golden(s, "exchange-payertokens-200").text("token")
		audience := map[string]string{"v1": invoicesAudience, "v2": paymentsAudience}[scheme]
		claims, _ := s.opened(t, token, audience)
		user := b.Invoices[0].CustomerGUID
		if claims["sub"] != "biller:"+b.ID+":user:"+user || claims["user_guid"] != user {
			t.Errorf("%s: claims %v", scheme, claims)
		}
	}
	b := s.card.Billers[0]
	refused := s.send(t, http.MethodPost, "/api/v1/payertokens", nil, with(Payer(t, b), "hmac", strings.Repeat("0", 64))).want(http.StatusUnauthorized).golden(s, "exchange-payertokens-401")
	refused.same(s.send(t, http.MethodPost, "/api/v1/payertokens", nil, with(Payer(t, b), "billerGuid", newUUID())))
	old := strconv.FormatInt(time.Now().Add(-6*time.Minute).Unix(), 10)
	user := b.Invoices[0].CustomerGUID
	refused.same(s.send(t, http.MethodPost, "/api/v1/payertokens", nil, map[string]any{"billerGuid": b.ID, "userGuid": user, "timestamp": old,
		"hmac": SignIdentity(t, b, "user_id", user, old)}))
}

func exchangeTypes(t *testing.T, s *stand) {
	b := s.card.Billers[1]
	for _, kind := range []string{"application/json", "text/json", "application/vnd.biller+json; charset=utf-8"} {
		s.send(t, http.MethodPost, "/api/v1/tokens", http.Header{"Content-Type": {kind}}, invoiceBody(t, b)).want(http.StatusOK)
		s.send(t, http.MethodPost, "/api/v1/payertokens", http.Header{"Content-Type": {kind}}, Payer(t, b)).want(http.StatusOK)
	}
	for _, kind := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json; charset=iso-8859-1"} {
		s.send(t, http.MethodPost, "/api/v1/tokens", http.Header{"Content-Type": {kind}}, invoiceBody(t, b)).want(http.StatusUnsupportedMediaType).golden(s, "exchange-415")
	}
	s.send(t, http.MethodPost, "/api/v1/tokens", nil, `{"billerGuid":"`+strings.Repeat("a", 64<<10)+`"}`).want(http.StatusRequestEntityTooLarge).golden(s, "exchange-413")
}

func exchangeAccept(t *testing.T, s *stand) {
	b := s.card.Billers[1]
	for accept, want := range map[string]string{"": "application/json", "application/json": "application/json", "text/json": "text/json", "text/plain": "text/plain",
		"image/png": "application/json", "text/plain;q=0.5, text/json": "text/json", "*/*": "application/json"} {
		r := s.send(t, http.MethodPost, "/api/v1/tokens", http.Header{"Accept": {accept}}, invoiceBody(t, b)).want(http.StatusOK)
		if got := r.header.Get("Content-Type"); got != want+"; charset=utf-8" {
			t.Errorf("Accept %q gives %q", accept, got)
		}
		if r.text("token") == "" {
			t.Errorf("Accept %q: another body", accept)
		}
	}
	// Errors too.
	for _, accept := range []string{"text/json", "text/plain"} {
		s.send(t, http.MethodPost, "/api/v1/tokens", http.Header{"Accept": {accept}}, "[]").want(http.StatusBadRequest).golden(s, "exchange-400-"+strings.TrimPrefix(accept, "text/"))
	}
}

func exchangeAbsent(t *testing.T, s *stand) {
	b := s.card.Billers[1]
	refused := s.send(t, http.MethodPost, "/api/v1/tokens", nil, with(invoiceBody(t, b), "hmac", nil)).want(http.StatusUnauthorized).golden(s, "exchange-tokens-401")
	refused.same(s.send(t, http.MethodPost, "/api/v1/tokens", nil, "{}"))
	refused.same(s.send(t, http.MethodPost, "/api/v1/payertokens", nil, without(Payer(t, b), "timestamp")))
	refused.same(s.send(t, http.MethodPost, "/api/v1/payertokens", nil, with(Payer(t, b), "billerGuid", nil)))
}

func exchangeMalformed(t *testing.T, s *stand) {
	b := s.card.Billers[1]
	id := b.ID
	for name, body := range map[string]any{
		"unknown member":        with(invoiceBody(t, b), "extra", 1),
		"differently cased":     `{"BillerGuid":"` + id + `"}`,
		"duplicate":             `{"billerGuid":"` + id + `","billerGuid":"` + id + `"}`,
		"duplicate by case":     `{"billerGuid":"` + id + `","billerguid":"` + id + `"}`,
		"number":                with(invoiceBody(t, b), "hmac", 7),
		"array":                 "[]",
		"trailing data":         `{}{}`,
		"nothing":               "",
		"no JSON":               "billerGuid=" + id,
		"invalid UTF-8":         "{\"billerGuid\":\"\xff\"}",
		"deep":                  strings.Repeat("[", 5000),
		"other endpoint's body": Payer(t, b),
	} {
		r := s.send(t, http.MethodPost, "/api/v1/tokens", nil, body)
		if r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, r.status, r.body)
			continue
		}
		r.golden(s, "exchange-tokens-400")
	}
	s.send(t, http.MethodPost, "/api/v1/payertokens", nil, with(Payer(t, b), "extra", 1)).want(http.StatusBadRequest).golden(s, "exchange-payertokens-400")
}

func grantForm(t *testing.T, b Biller, stamp string) url.Values {
	t.Helper()
	user := b.Invoices[0].CustomerGUID
	return url.Values{"grant_type": {grantIdentity}, "biller_id": {b.ID}, "user_id": {user}, "timestamp": {stamp},
		"hmac": {SignIdentity(t, b, "user_id", user, stamp)}, "hmac_kid": {b.KID}}
}

func exchangeReplay(t *testing.T, s *stand) {
	b := s.biller(t, nil)
	body := Payer(t, b)
	values := grantForm(t, b, body["timestamp"].(string))
	s.formPost(t, "/token", Client{}, values).want(http.StatusOK).golden(s, "exchange-grant-200")
	s.send(t, http.MethodPost, "/api/v1/payertokens", nil, body).want(http.StatusUnauthorized).golden(s, "exchange-payertokens-401")
	s.formPost(t, "/token", Client{}, values).want(http.StatusBadRequest).golden(s, "exchange-grant-400")

	other := s.biller(t, nil)
	body = Payer(t, other)
	s.send(t, http.MethodPost, "/api/v1/payertokens", nil, body).want(http.StatusOK)
	s.send(t, http.MethodPost, s.nodes[len(s.nodes)-1]+"/api/v1/payertokens", nil, body).want(http.StatusUnauthorized)
	s.formPost(t, "/token", Client{}, grantForm(t, other, body["timestamp"].(string))).want(http.StatusBadRequest)

	// payer_repeats_until, of a migrating biller: 5 more, and no sixth.
	migrating := s.biller(t, map[string]any{"payer_repeats_until": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	body = Payer(t, migrating)
	for range 6 {
		s.send(t, http.MethodPost, "/api/v1/payertokens", nil, body).want(http.StatusOK)
	}
	s.send(t, http.MethodPost, "/api/v1/payertokens", nil, body).want(http.StatusUnauthorized)
}

func exchangeGrant(t *testing.T, s *stand) {
	b := s.biller(t, map[string]any{"invoice_exchange": true})
	guid := b.Invoices[0].InvoiceGUID
	values := url.Values{"grant_type": {grantIdentity}, "biller_id": {b.ID}, "invoice_id": {guid}, "hmac": {SignIdentity(t, b, "invoice_id", guid, "")},
		"hmac_kid": {b.KID}, "scope": {"payments:write"}, "resource": {paymentsAudience}}
	r := s.formPost(t, "/token", Client{}, values).want(http.StatusOK)
	claims, _ := s.opened(t, r.text("access_token"), paymentsAudience)
	if claims["scope"] != "payments:write" || claims["invoice_guid"] != guid {
		t.Errorf("claims %v", claims)
	}
	// The biller's own client may prove itself beside it, another client not.
	s.formPost(t, "/token", Client{ClientID: b.ClientID, ClientSecret: b.ClientSecret}, values).want(http.StatusOK)
	s.formPost(t, "/token", s.card.Clients.Service, values).want(http.StatusBadRequest)
	s.amend(t, "/billers/"+b.ID, map[string]any{"require_client": true})
	s.formPost(t, "/token", Client{}, values).want(http.StatusUnauthorized).golden(s, "exchange-grant-401")
	// v1 is for the legacy form, unless the record says otherwise.
	legacy := s.biller(t, v1())
	guid = legacy.Invoices[0].InvoiceGUID
	values = url.Values{"grant_type": {grantIdentity}, "biller_id": {legacy.ID}, "invoice_id": {guid}, "hmac": {SignV1(t, legacy, guid)}}
	s.formPost(t, "/token", Client{}, values).want(http.StatusBadRequest)
	s.amend(t, "/billers/"+legacy.ID, map[string]any{"grant_scheme": true})
	s.formPost(t, "/token", Client{}, values).want(http.StatusOK)
}

func exchangeDemo(t *testing.T, s *stand) {
	b := s.card.Billers[1]
	body := without(invoiceBody(t, b), "hmac")
	payer := without(Payer(t, b), "hmac")
	if s.name != "dev" {
		s.ask(t, http.MethodPost, "/test", nil, body).want(http.StatusNotFound)
		s.ask(t, http.MethodPost, "/payertest", nil, payer).want(http.StatusNotFound)
		return
	}
	signed := s.send(t, http.MethodPost, "/test", nil, body).want(http.StatusOK).golden(s, "exchange-test-200").object()
	s.send(t, http.MethodPost, "/api/v1/tokens", nil, signed).want(http.StatusOK)
	signed = s.send(t, http.MethodPost, "/payertest", nil, payer).want(http.StatusOK).golden(s, "exchange-payertest-200").object()
	s.send(t, http.MethodPost, "/api/v1/payertokens", nil, signed).want(http.StatusOK)
}

func exchangeHealth(t *testing.T, s *stand) {
	header := http.Header{"Authorization": {"whatever a generated client sends"}}
	s.send(t, http.MethodGet, "/health", header, nil).want(http.StatusOK).golden(s, "health-200")
	s.send(t, http.MethodGet, "/healthdetails", header, nil).want(http.StatusOK).golden(s, "healthdetails-200-"+s.name)
}

func exchangeInner(t *testing.T, s *stand) {
	b := s.biller(t, v1())
	token := s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, b)).want(http.StatusOK).text("token")
	_, inner := s.opened(t, token, invoicesAudience)
	// A resource server of this audience asks; signet holds this recipient's key, so that the JWE is taken as well.
	asker := s.client(t, map[string]any{"client_name": "Invoice API of a test", "token_endpoint_auth_method": "client_secret_basic", "grant_types": []string{},
		"introspect": true, "audiences": []string{invoicesAudience}})
	for _, text := range []string{inner, token} {
		got := s.formPost(t, "/introspect", asker, url.Values{"token": {text}}).want(http.StatusOK).golden(s, "exchange-introspect-200").object()
		if got["active"] != true || got["sub"] != "biller:"+b.ID+":invoice:"+b.Invoices[0].InvoiceGUID {
			t.Errorf("introspection %v", got)
		}
	}
	mine := Client{ClientID: b.ClientID, ClientSecret: b.ClientSecret}
	s.formPost(t, "/revoke", mine, url.Values{"token": {inner}}).want(http.StatusOK)
	if got := s.formPost(t, "/introspect", asker, url.Values{"token": {inner}}).want(http.StatusOK).object(); got["active"] != false {
		t.Errorf("revoked and %v", got)
	}
	s.send(t, http.MethodGet, "/api/v1/invoices/"+b.Invoices[0].InvoiceGUID, withToken(token), nil).want(http.StatusUnauthorized)
}

func exchangeLenient(t *testing.T, s *stand) {
	b := s.biller(t, v1())
	body := invoiceBody(t, b)
	loose := map[string]any{"BILLERGUID": body["billerGuid"], "InvoiceGuid": body["invoiceGuid"], "Hmac": body["hmac"], "channel": "web"}
	s.send(t, http.MethodPost, "/api/v1/tokens", nil, loose).want(http.StatusBadRequest)
	s.amend(t, "/billers/"+b.ID, map[string]any{"lenient_json": true})
	s.send(t, http.MethodPost, "/api/v1/tokens", nil, loose).want(http.StatusOK)
	s.send(t, http.MethodPost, "/api/v1/tokens", nil, with(loose, "billerGuid", b.ID)).want(http.StatusBadRequest)
}

// exchangeRotation: by the admin API; the command is the same call.
func exchangeRotation(t *testing.T, s *stand) {
	b := s.biller(t, v1())
	var added struct {
		KID     string `json:"kid"`
		HMACKey string `json:"hmac_key"`
	}
	s.admin(t, http.MethodPost, "/billers/"+b.ID+"/keys", map[string]any{}, &added)
	fresh := b
	fresh.KID, fresh.HMACKey = added.KID, added.HMACKey
	for _, key := range []Biller{b, fresh} {
		s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, key)).want(http.StatusOK)
	}
	s.admin(t, http.MethodDelete, "/billers/"+b.ID+"/keys/"+b.KID, nil, nil)
	s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, b)).want(http.StatusUnauthorized)
	s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, fresh)).want(http.StatusOK)
	file := writeSecretFile(t, s.card.Admin.APIKey)
	out := Run(t, "biller", "rotate-key", b.ID, "--json", "--server", strings.TrimSuffix(s.card.Admin.APIURL, "/admin/v1"), "--admin-key-file", file)
	var printed struct {
		KID     string `json:"kid"`
		HMACKey string `json:"hmac_key"`
	}
	if err := json.Unmarshal([]byte(out), &printed); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	third := b
	third.KID, third.HMACKey = printed.KID, printed.HMACKey
	for _, key := range []Biller{fresh, third} {
		s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, key)).want(http.StatusOK)
	}
}

func exchangeOwnScheme(t *testing.T, s *stand) {
	b := s.biller(t, map[string]any{"scheme": map[string]any{"name": "custom", "invoice_fields": []string{"invoice", "biller"},
		"payer_fields": []string{"user", "timestamp", "biller"}, "separator": ":", "guid_form": "N", "guid_case": "upper", "prefix": "pay;"}})
	user, stamp := b.Invoices[0].CustomerGUID, strconv.FormatInt(time.Now().Unix(), 10)
	plain := func(guid string) string { return strings.ToUpper(strings.ReplaceAll(guid, "-", "")) }
	mac := signHMAC(t, b, "pay;"+plain(user)+":"+stamp+":"+plain(b.ID))
	s.send(t, http.MethodPost, "/api/v1/payertokens", nil, map[string]any{"billerGuid": b.ID, "userGuid": user, "timestamp": stamp, "hmac": mac}).want(http.StatusOK)
}

func exchangeDisabled(t *testing.T, s *stand) {
	b := s.biller(t, v1())
	token := s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, b)).want(http.StatusOK).text("token")
	s.admin(t, http.MethodPost, "/billers/"+b.ID+"/disable", nil, nil)
	s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, b)).want(http.StatusUnauthorized).golden(s, "exchange-tokens-401")
	s.send(t, http.MethodGet, "/api/v1/invoices/"+b.Invoices[0].InvoiceGUID, withToken(token), nil).want(http.StatusUnauthorized)
}
