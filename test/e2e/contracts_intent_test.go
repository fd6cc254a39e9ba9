package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	pathCreate   = "/payment/api/jwt/create"
	pathValidate = "/payment/api/jwt/validate"
)

// intentRows is wire.md, 4.
func intentRows() []row {
	return []row{
		{"POST create and validate: API key", intentByKey},
		{"POST create and validate: access token with the scope intents", intentByToken},
		{"POST create and validate: device credential in three forms", intentByDevice},
		{"POST create: 400 names the field", intentBadOrder},
		{"intents: 401 in the envelope", intentUnauthorized},
		{"POST validate: expired, invalid, other account", intentInvalid},
		{"POST validate: intents:validate-any", intentValidateAny},
		{"intents: the document's tokens, signed again", intentDocument},
		{"intents: single_use", intentSingleUse},
		{"intents: ES256", intentES256},
	}
}

// merchant is an account of its own with a key, a device and its intent key.
type merchant struct {
	id, instance, key string
	intentKey         []byte
	device            Device
}

func (s *stand) merchant(t *testing.T, settings map[string]any) merchant {
	t.Helper()
	var account struct{ ID, Instance string }
	s.admin(t, http.MethodPost, "/accounts", map[string]any{"name": "Shop of a test", "type": "org", "owner": s.card.Users[0].Sub, "settings": settings}, &account)
	var key, made struct{ Secret string }
	s.admin(t, http.MethodPost, "/accounts/"+account.ID+"/intent-keys", map[string]any{}, &key)
	s.admin(t, http.MethodPost, "/accounts/"+account.ID+"/api-keys", map[string]any{"name": "Till", "role": "merchant-terminal"}, &made)
	m := merchant{id: account.ID, instance: account.Instance, key: made.Secret, intentKey: decodeHex(t, key.Secret)}
	s.admin(t, http.MethodPost, "/accounts/"+account.ID+"/devices", map[string]any{"dcn": "17", "name": "Till"}, &m.device)
	return m
}

func apiKey(key string) http.Header { return http.Header{"X-Api-Key": {key}} }

// documentMethods are those of document 002's sample, its identifiers changed.
func documentMethods() []any {
	return []any{
		map[string]any{"type": "CreditCard", "src": "URL", "attributes": nil},
		map[string]any{"type": "ECheck", "src": "URL", "attributes": nil},
		map[string]any{"type": "PAYPAL", "src": "https://pay.example.com/sdk/js?client-id=A&currency=USD",
			"attributes": []any{map[string]any{"key": "data-partner-attribution-id", "value": "Example_SP"}}},
	}
}

func order() map[string]any {
	return map[string]any{"Audience": "PaymentPage", "Subject": "HPP21040500682801"}
}

// roundTrip creates and validates with one credential and returns the token.
func (s *stand) roundTrip(t *testing.T, header http.Header, name string) string {
	t.Helper()
	r := s.send(t, http.MethodPost, pathCreate, header, order()).want(http.StatusOK)
	token := r.text("Token")
	valid := s.send(t, http.MethodPost, pathValidate, header, map[string]any{"Token": token}).want(http.StatusOK)
	if name != "" {
		r.golden(s, name+"-create-200")
		valid.golden(s, name+"-validate-200")
	}
	if got := valid.object(); got["Valid"] != true || got["Token"] != token || got["Message"] != nil {
		t.Errorf("validate: %s", valid.body)
	}
	return token
}

func intentByKey(t *testing.T, s *stand) {
	m := s.merchant(t, map[string]any{"supported_payment_methods": documentMethods()})
	token := s.roundTrip(t, apiKey(m.key), "intent-key")
	head, claims, _ := strings.Cut(token, ".")
	if got := decode64(t, head); got != `{"typ":"JWT","alg":"HS256"}` {
		t.Errorf("header %s", got)
	}
	claims, _, _ = strings.Cut(claims, ".")
	// The members stand in the document's order.
	at := 0
	for _, name := range []string{`"iss":"signet"`, `"iat":"`, `"exp":"`, `"aud":`, `"sub":`, `"inst":"` + m.instance, `"device":`, `"dcn":""`, `"supportedPaymentMethods":[{"type":"CreditCard","src":"URL","attributes":null}`} {
		next := strings.Index(decode64(t, claims), name)
		if next < at {
			t.Errorf("%s is not in its place: %s", name, decode64(t, claims))
		}
		at = next
	}
	for _, audience := range []string{"CreateWalletPage", "EditWalletPage"} {
		s.send(t, http.MethodPost, pathCreate, apiKey(m.key), with(order(), "Audience", audience)).want(http.StatusOK)
	}
}

func decode64(t *testing.T, text string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func intentByToken(t *testing.T, s *stand) {
	s.roundTrip(t, withToken(s.machine(t, s.card.Clients.Merchant, "intents")), "intent-token")
	// Without the scope, and of a client that acts for no account.
	other := s.client(t, map[string]any{"client_name": "No scope", "token_endpoint_auth_method": "client_secret_basic", "grant_types": []string{"client_credentials"}, "scope": "other"})
	s.send(t, http.MethodPost, pathCreate, withToken(s.machine(t, other, "other")), order()).want(http.StatusUnauthorized).golden(s, "intent-create-401")
	s.send(t, http.MethodPost, pathCreate, withToken(s.machine(t, s.card.Clients.PaymentPage, "intents")), order()).want(http.StatusBadRequest)
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func intentByDevice(t *testing.T, s *stand) {
	m := s.merchant(t, nil)
	d := m.device
	for i, value := range []string{d.DCN + ":" + d.ID + "|" + d.Password, d.ID + "|" + d.Password, basic(d.DCN+d.ID, d.Password)} {
		token := s.roundTrip(t, http.Header{"Authorization": {value}}, "intent-device")
		claims := decode64(t, strings.Split(token, ".")[1])
		if !strings.Contains(claims, `"device":"`+d.ID+`","dcn":"17"`) {
			t.Errorf("form %d: %s", i, claims)
		}
	}
	refused := s.send(t, http.MethodPost, pathCreate, http.Header{"Authorization": {d.DCN + ":" + d.ID + "|wrong"}}, order()).want(http.StatusUnauthorized).golden(s, "intent-create-401")
	refused.same(s.send(t, http.MethodPost, pathCreate, http.Header{"Authorization": {"18:" + d.ID + "|" + d.Password}}, order()))
	refused.same(s.send(t, http.MethodPost, pathCreate, http.Header{"Authorization": {basic(newUUID(), d.Password)}}, order()))
	s.admin(t, http.MethodPost, "/accounts/"+m.id+"/devices/"+d.DCN+"/"+d.ID+"/disable", nil, nil)
	refused.same(s.send(t, http.MethodPost, pathCreate, http.Header{"Authorization": {d.ID + "|" + d.Password}}, order()))
}

func intentBadOrder(t *testing.T, s *stand) {
	key := apiKey(s.card.APIKeys[1].Key)
	for name, body := range map[string]any{
		"audience": with(order(), "Audience", "AdminPage"), "audience-empty": without(order(), "Audience"), "subject-empty": with(order(), "Subject", ""),
		"member": with(order(), "iss", "me"), "json": "x",
	} {
		r := s.send(t, http.MethodPost, pathCreate, key, body).want(http.StatusBadRequest).golden(s, "intent-create-400-"+name)
		if field, _, _ := strings.Cut(name, "-"); field != "member" && field != "json" && !strings.Contains(strings.ToLower(r.text("Message")), field) {
			t.Errorf("%s is not named: %s", field, r.body)
		}
	}
	s.send(t, http.MethodPost, pathValidate, key, "{}").want(http.StatusBadRequest).golden(s, "intent-validate-400")
	s.send(t, http.MethodPost, pathCreate, http.Header{"X-Api-Key": key["X-Api-Key"], "Content-Type": {"text/plain"}}, order()).want(http.StatusUnsupportedMediaType).golden(s, "intent-create-415")
	s.send(t, http.MethodPost, pathCreate, key, `{"Audience":"`+strings.Repeat("a", 70<<10)+`"}`).want(http.StatusRequestEntityTooLarge).golden(s, "intent-create-413")
	s.send(t, http.MethodPost, pathCreate, http.Header{"X-Api-Key": key["X-Api-Key"], "Authorization": {"Bearer x"}}, order()).want(http.StatusBadRequest).golden(s, "intent-create-400-two")
}

func intentUnauthorized(t *testing.T, s *stand) {
	refused := s.send(t, http.MethodPost, pathCreate, nil, order()).want(http.StatusUnauthorized).golden(s, "intent-create-401")
	refused.same(s.send(t, http.MethodPost, pathCreate, apiKey("sgt_ak_unknown"), order()))
	refused.same(s.send(t, http.MethodPost, pathCreate, withToken("x"), order()))
	s.send(t, http.MethodPost, pathValidate, nil, map[string]any{"Token": "x"}).want(http.StatusUnauthorized).golden(s, "intent-validate-401")
}

// resigned makes a token of claims under the merchant's key.
func (m *merchant) resigned(claims string) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, m.intentKey)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (m *merchant) claims(issued, expires string) string {
	return fmt.Sprintf(`{"iss":"signet","iat":%s,"exp":%s,"aud":"PaymentPage","sub":"HPP1","inst":%q,"device":"72972a2b-8a71-4e29-aeab-1c418b136869","dcn":"1","supportedPaymentMethods":[]}`,
		issued, expires, m.instance)
}

func unix(after time.Duration, quote string) string {
	return fmt.Sprintf("%s%d%s", quote, time.Now().Add(after).Unix(), quote)
}

func intentInvalid(t *testing.T, s *stand) {
	m, other := s.merchant(t, nil), s.merchant(t, nil)
	validate := func(token string) *reply {
		return s.send(t, http.MethodPost, pathValidate, apiKey(m.key), map[string]any{"Token": token}).want(http.StatusOK)
	}
	good := m.resigned(m.claims(unix(0, `"`), unix(time.Minute, `"`)))
	if r := validate(good); r.object()["Valid"] != true {
		t.Fatalf("a token made by hand: %s", r.body)
	}
	// Numbers do for dates, too.
	if r := validate(m.resigned(m.claims(unix(0, ""), unix(time.Minute, "")))); r.object()["Valid"] != true {
		t.Errorf("numeric dates: %s", r.body)
	}
	expired := validate(m.resigned(m.claims(unix(-time.Hour, `"`), unix(-time.Minute, `"`)))).golden(s, "intent-validate-expired")
	if expired.text("Message") != "JWT token has expired." {
		t.Errorf("expired: %s", expired.body)
	}
	stranger := merchant{instance: m.instance, intentKey: other.intentKey}
	for name, token := range map[string]string{
		"forged":             stranger.resigned(m.claims(unix(0, `"`), unix(time.Minute, `"`))),
		"forged and expired": stranger.resigned(m.claims(unix(-time.Hour, `"`), unix(-time.Minute, `"`))),
		"of another account": s.send(t, http.MethodPost, pathCreate, apiKey(other.key), order()).want(http.StatusOK).text("Token"),
		"another, expired":   other.resigned(other.claims(unix(-time.Hour, `"`), unix(-time.Minute, `"`))),
		"another issuer":     m.resigned(strings.Replace(m.claims(unix(0, `"`), unix(time.Minute, `"`)), `"signet"`, `"x"`, 1)),
	} {
		if r := validate(token).golden(s, "intent-validate-invalid"); r.object()["Valid"] != false {
			t.Errorf("%s is valid", name)
		}
	}
	if r := validate("no token"); r.text("Message") != "JWT token is invalid." || r.object()["Valid"] != false {
		t.Errorf("no token: %s", r.body)
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"none"}`)) + "." + strings.Split(good, ".")[1] + "."
	if r := validate(none); r.object()["Valid"] != false {
		t.Error("alg none is valid")
	}
}

func intentValidateAny(t *testing.T, s *stand) {
	m := s.merchant(t, nil)
	token := s.send(t, http.MethodPost, pathCreate, apiKey(m.key), order()).want(http.StatusOK).text("Token")
	page := withToken(s.machine(t, s.card.Clients.PaymentPage, "intents intents:validate-any"))
	if r := s.send(t, http.MethodPost, pathValidate, page, map[string]any{"Token": token}).want(http.StatusOK); r.object()["Valid"] != true {
		t.Errorf("validate-any: %s", r.body)
	}
}

// intentDocument: the document's sample token, its identifiers changed and signed again with the account's own key, gives
// the document's payload.
func intentDocument(t *testing.T, s *stand) {
	m := s.merchant(t, map[string]any{"supported_payment_methods": documentMethods()})
	methods := `[{"type":"CreditCard","src":"URL","attributes":null},{"type":"ECheck","src":"URL","attributes":null},` +
		`{"type":"PAYPAL","src":"https://pay.example.com/sdk/js?client-id=A&currency=USD","attributes":[{"key":"data-partner-attribution-id","value":"Example_SP"}]}]`
	sample := strings.Replace(m.claims(unix(-time.Second, `"`), unix(10*time.Minute, `"`)), `"supportedPaymentMethods":[]`, `"supportedPaymentMethods":`+methods, 1)
	s.send(t, http.MethodPost, pathValidate, apiKey(m.key), map[string]any{"Token": m.resigned(sample)}).want(http.StatusOK).golden(s, "intent-validate-document")
	old := strings.Replace(strings.Replace(sample, unix(-time.Second, `"`), `"1617687257"`, 1), unix(10*time.Minute, `"`), `"1617688157"`, 1)
	s.send(t, http.MethodPost, pathValidate, apiKey(m.key), map[string]any{"Token": m.resigned(old)}).want(http.StatusOK)
}

func intentSingleUse(t *testing.T, s *stand) {
	m := s.merchant(t, map[string]any{"single_use": true})
	token := s.roundTrip(t, apiKey(m.key), "")
	for _, node := range s.nodes {
		if r := s.send(t, http.MethodPost, node+pathValidate, apiKey(m.key), map[string]any{"Token": token}).want(http.StatusOK); r.object()["Valid"] != false || r.text("Message") != "JWT token is invalid." {
			t.Errorf("used twice at %s: %s", node, r.body)
		}
	}
}

func intentES256(t *testing.T, s *stand) {
	m := s.merchant(t, map[string]any{"intent_alg": "ES256"})
	token := s.roundTrip(t, apiKey(m.key), "")
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(s.send(t, http.MethodGet, "/.well-known/jwks.json", nil, nil).want(http.StatusOK).body, &keys); err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if found := keys.Key(signed.Signatures[0].Protected.KeyID); len(found) != 1 {
		t.Fatal("the key of the intent is not in JWKS")
	} else if _, err := signed.Verify(found[0]); err != nil {
		t.Error(err)
	}
	hs := m.resigned(m.claims(unix(0, `"`), unix(time.Minute, `"`)))
	if r := s.send(t, http.MethodPost, pathValidate, apiKey(m.key), map[string]any{"Token": hs}).want(http.StatusOK); r.object()["Valid"] != false {
		t.Error("an HS256 token of an ES256 account is valid")
	}
}
