package e2e

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	grantMachine  = "client_credentials"
)

// partnerRows is wire.md, 2.
func partnerRows() []row {
	return []row{
		{"POST /token: the document's assertion, jti, scope", partnerToken},
		{"partner: ES256, and the issuer as audience", partnerModern},
		{"partner: errors in the document's style", partnerErrors},
		{"partner: errors in RFC 6749's style", partnerErrorsRFC},
		{"partner: token_response_jti", partnerJTI},
		{"partner: departures by record", partnerDepartures},
		{"partner: jwks_uri", partnerJWKSURI},
		{"partner: a kid is dropped at once", partnerRefusedKID},
		{"signet jwks from-pem", partnerFromPEM},
		{"partner: mutual TLS on its own listener", partnerMTLS},
		{"partner: allowed_networks", partnerNetworks},
	}
}

// signer is a partner's key.
type signer struct {
	id, kid, audience string
	alg               jose.SignatureAlgorithm
	key               crypto.PrivateKey
}

func (s *stand) partner(t *testing.T, client Client) *signer {
	t.Helper()
	content, err := os.ReadFile(client.PrivateKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{client.ClientID, client.KID, s.card.Issuer + "/token", jose.SignatureAlgorithm(client.Alg), key}
}

// claims are the document's.
func (p *signer) claims() map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": p.id, "sub": p.id, "aud": p.audience, "exp": now + 1800, "nbf": now, "iat": now, "jti": newUUID(), "scope": "profile-search"}
}

func (p *signer) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	signing, err := jose.NewSigner(jose.SigningKey{Algorithm: p.alg, Key: jose.JSONWebKey{Key: p.key, KeyID: p.kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signing.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func assertionForm(assertion string) url.Values {
	return url.Values{"grant_type": {grantMachine}, "client_assertion_type": {assertionType}, "client_assertion": {assertion}}
}

func (s *stand) assert(t *testing.T, p *signer, change map[string]any) *reply {
	t.Helper()
	claims := p.claims()
	maps.Copy(claims, change)
	for name, value := range change {
		if value == nil {
			delete(claims, name)
		}
	}
	return s.formPost(t, "/token", Client{}, assertionForm(p.sign(t, claims)))
}

func partnerToken(t *testing.T, s *stand) {
	p := s.partner(t, s.card.Clients.Partner)
	claims := p.claims()
	values := assertionForm(p.sign(t, claims))
	values.Set("scope", "profile-search")
	r := s.formPost(t, "/token", Client{}, values).want(http.StatusOK).golden(s, "partner-200-scope")
	got := claimsOf(t, r.text("access_token"))
	if r.text("jti") != claims["jti"] || got["jti"] == claims["jti"] || got["sub"] != "client:"+p.id {
		t.Errorf("jti %s of %s, claims %v", r.text("jti"), claims["jti"], got)
	}
	if life := got["exp"].(float64) - got["iat"].(float64); life != 1800 {
		t.Errorf("lives %v s", life)
	}
	s.assert(t, p, nil).want(http.StatusOK).golden(s, "partner-200")
	// An assertion serves once, on all nodes.
	s.formPost(t, s.nodes[len(s.nodes)-1]+"/token", Client{}, values).want(http.StatusBadRequest).golden(s, "partner-400-grant")
}

func partnerModern(t *testing.T, s *stand) {
	p := s.partner(t, s.card.Clients.PartnerES256)
	p.audience = s.card.Issuer
	short := map[string]any{"exp": time.Now().Unix() + 240}
	s.assert(t, p, short).want(http.StatusOK).golden(s, "partner-200-modern")
	p.audience = s.card.Issuer + "/token"
	s.assert(t, p, short).want(http.StatusUnauthorized)
}

func partnerErrors(t *testing.T, s *stand) {
	p := s.partner(t, s.card.Clients.Partner)
	now := time.Now().Unix()
	for name, change := range map[string]map[string]any{
		"audience": {"aud": "https://other.example/token"}, "expired": {"exp": now - 60, "iat": now - 600, "nbf": now - 600}, "not yet": {"nbf": now + 600},
		"too long": {"exp": now + 7200}, "no jti": {"jti": nil}, "no iat": {"iat": nil}, "audience list": {"aud": []string{p.audience}}, "dates as strings": {"exp": "1999999999"},
	} {
		r := s.assert(t, p, change)
		if r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, r.status, r.body)
			continue
		}
		r.golden(s, "partner-400-grant")
	}
	unknown := *p
	unknown.id = newUUID()
	s.assert(t, &unknown, nil).want(http.StatusUnauthorized).golden(s, "partner-401-client")
	wrongKey, wrongKID := *p, *p
	wrongKey.key, wrongKID.kid = newRSAKey(t), newUUID()
	s.assert(t, &wrongKey, nil).want(http.StatusUnauthorized).golden(s, "partner-401-unauthorized")
	s.assert(t, &wrongKID, nil).want(http.StatusUnauthorized).golden(s, "partner-401-unauthorized")
	values := assertionForm(p.sign(t, p.claims()))
	values.Set("grant_type", "client_credential")
	s.formPost(t, "/token", Client{}, values).want(http.StatusBadRequest).golden(s, "partner-400-grant-type")
	values = assertionForm(p.sign(t, p.claims()))
	values.Set("scope", "everything")
	s.formPost(t, "/token", Client{}, values).want(http.StatusBadRequest).golden(s, "partner-400-scope")
	values = assertionForm(p.sign(t, p.claims()))
	values.Set("client_secret", "x")
	s.formPost(t, "/token", Client{}, values).want(http.StatusBadRequest).golden(s, "partner-400-two")
	values = assertionForm(p.sign(t, p.claims()))
	values.Del("grant_type")
	s.formPost(t, "/token", Client{}, values).want(http.StatusBadRequest).golden(s, "partner-400-request")
}

func partnerErrorsRFC(t *testing.T, s *stand) {
	p := s.partner(t, s.card.Clients.PartnerES256)
	p.audience = s.card.Issuer
	refused := s.assert(t, p, nil).want(http.StatusUnauthorized).golden(s, "partner-401-rfc") // 30 min, of 5 allowed
	wrong := *p
	wrong.key = newECKey(t)
	refused.same(s.assert(t, &wrong, map[string]any{"exp": time.Now().Unix() + 60}))
}

// registered makes a partner with a key set of its own.
func (s *stand) registered(t *testing.T, metadata map[string]any) *signer {
	t.Helper()
	key, kid := newECKey(t), newUUID()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: kid, Use: "sig", Algorithm: "ES256"}}}
	record := map[string]any{"client_name": "Partner of a test", "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
		"grant_types": []string{grantMachine}, "scope": "profile-search", "audiences": []string{apiAudience}, "assertion_audience": "token_endpoint",
		"assertion_max_lifetime": 3600, "assertion_error": "document"}
	if _, hosted := metadata["jwks_uri"]; !hosted {
		record["jwks"] = set
	}
	maps.Copy(record, metadata)
	made := s.client(t, record)
	return &signer{made.ClientID, kid, s.card.Issuer + "/token", jose.ES256, key}
}

func partnerJTI(t *testing.T, s *stand) {
	if got := s.assert(t, s.registered(t, nil), nil).want(http.StatusOK).object()["jti"]; got != nil {
		t.Errorf("jti %v without a word of it", got)
	}
	r := s.assert(t, s.registered(t, map[string]any{"token_response_jti": "issued"}), nil).want(http.StatusOK)
	if r.text("jti") != claimsOf(t, r.text("access_token"))["jti"] {
		t.Errorf("issued: %s", r.body)
	}
}

// partnerDepartures: what the document's own partners need, each off unless the record has it.
func partnerDepartures(t *testing.T, s *stand) {
	exp := strconv.FormatInt(time.Now().Unix()+600, 10)
	for name, c := range map[string]struct{ metadata, claims map[string]any }{
		"one-element audience": {map[string]any{"assertion_audience_array": true}, map[string]any{"aud": []string{s.card.Issuer + "/token"}}},
		"dates as strings":     {map[string]any{"assertion_string_dates": true}, map[string]any{"exp": exp}},
		"audience of a host of before": {map[string]any{"assertion_audiences": []any{map[string]any{"value": "https://auth.example.com/token",
			"until": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}}}, map[string]any{"aud": "https://auth.example.com/token"}},
	} {
		if r := s.assert(t, s.registered(t, nil), c.claims); r.status != http.StatusBadRequest || r.text("error") != "invalid_grant" {
			t.Errorf("%s, not registered: %d %s", name, r.status, r.body)
		}
		if r := s.assert(t, s.registered(t, c.metadata), c.claims); r.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

// partnerJWKSURI: dev lets a key set be on this machine; serve, which does not, refuses the very same.
func partnerJWKSURI(t *testing.T, s *stand) {
	var set atomic.Value
	var asked atomic.Int32
	set.Store([]byte(`{"keys":[]}`))
	host := s.ca.host(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set.Load().([]byte))
	})
	p := s.registered(t, map[string]any{"jwks_uri": host + "/jwks.json"})
	public := jose.JSONWebKey{Key: p.key, KeyID: p.kid, Use: "sig", Algorithm: "ES256"}
	content, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	set.Store(content)
	if s.name != "dev" {
		s.assert(t, p, nil).want(http.StatusUnauthorized).golden(s, "partner-401-unauthorized")
		if asked.Load() != 0 {
			t.Error("serve asked a private address")
		}
		return
	}
	s.assert(t, p, nil).want(http.StatusOK)
	stranger := *p
	stranger.kid = newUUID()
	for range 3 { // an unknown kid is no reason to ask within a minute
		s.assert(t, &stranger, nil).want(http.StatusUnauthorized).golden(s, "partner-401-unauthorized")
	}
	s.assert(t, p, nil).want(http.StatusOK)
	if asked.Load() != 1 {
		t.Errorf("the host was asked %d times", asked.Load())
	}
}

func partnerRefusedKID(t *testing.T, s *stand) {
	p := s.registered(t, nil)
	s.assert(t, p, nil).want(http.StatusOK)
	s.amend(t, "/clients/"+p.id, map[string]any{"jwks_refused_kids": []string{p.kid}})
	s.assert(t, p, nil).want(http.StatusUnauthorized).golden(s, "partner-401-unauthorized")
}

func partnerFromPEM(t *testing.T, s *stand) {
	sig, enc := newRSAKey(t), newRSAKey(t)
	der, err := x509.MarshalPKIXPublicKey(&enc.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	out := Run(t, "jwks", "from-pem", "--sig", writePEM(t, "sig.pem", "CERTIFICATE", s.ca.sign(t, "partner", &sig.PublicKey)), "--enc", writePEM(t, "enc.pem", "PUBLIC KEY", der))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(out), &set); err != nil || len(set.Keys) != 2 || set.Keys[0].Use != "sig" || set.Keys[1].Use != "enc" {
		t.Fatalf("%v: %s", err, out)
	}
	made := s.client(t, map[string]any{"client_name": "Partner of PEM", "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "RS256",
		"grant_types": []string{grantMachine}, "scope": "profile-search", "audiences": []string{apiAudience}, "partner": true, "assertion_audience": "token_endpoint",
		"assertion_max_lifetime": 3600, "assertion_error": "document", "token_response_jti": "assertion", "token_type": "bearer", "access_token_lifetime": 1800,
		"jwks": json.RawMessage(out)})
	p := &signer{made.ClientID, set.Keys[0].KeyID, s.card.Issuer + "/token", jose.RS256, sig}
	s.assert(t, p, nil).want(http.StatusOK).golden(s, "partner-200")
	// The key for encryption never verifies.
	p.key, p.kid = enc, set.Keys[1].KeyID
	s.assert(t, p, nil).want(http.StatusUnauthorized).golden(s, "partner-401-unauthorized")
}

// partnerMTLS: the certificate is transport; the assertion is the one method.
func partnerMTLS(t *testing.T, s *stand) {
	metadata := s.send(t, http.MethodGet, "/.well-known/openid-configuration", nil, nil).want(http.StatusOK).object()
	aliases, _ := metadata["mtls_endpoint_aliases"].(map[string]any)
	if s.mtls == "" {
		if aliases != nil {
			t.Errorf("aliases without a listener: %v", aliases)
		}
		return
	}
	if aliases["token_endpoint"] != s.mtls+"/token" {
		t.Errorf("aliases %v", aliases)
	}
	mine, other := s.ca.pair(t, "partner"), s.ca.pair(t, "somebody")
	p := s.registered(t, map[string]any{"tls_client_certificate": thumbprint(mine.Certificate[0]), "require_certificate": true,
		"tls_client_certificate_bound_access_tokens": true})
	// At the public listener, and without or with another certificate, it is not the client.
	s.assert(t, p, nil).want(http.StatusUnauthorized).golden(s, "partner-401-unauthorized")
	p.audience = s.mtls + "/token"
	for _, pair := range []*tls.Certificate{nil, &other} {
		status, body := postTLS(t, s.ca.showing(t, pair), p.audience, assertionForm(p.sign(t, p.claims())))
		if status != http.StatusUnauthorized || !strings.Contains(body, "unauthorized_client") {
			t.Errorf("certificate %v: %d %s", pair != nil, status, body)
		}
	}
	client := s.ca.showing(t, &mine)
	status, body := postTLS(t, client, p.audience, assertionForm(p.sign(t, p.claims())))
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	confirmation, _ := claimsOf(t, answer.AccessToken)["cnf"].(map[string]any)
	if confirmation["x5t#S256"] != thumbprint(mine.Certificate[0]) {
		t.Errorf("cnf %v", confirmation)
	}
	// No page is there, and no browser dialogue.
	res, err := client.Get(s.mtls + "/authorize")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("/authorize at the listener for certificates: %d", res.StatusCode)
	}
}

func postTLS(t *testing.T, client *http.Client, address string, values url.Values) (int, string) {
	t.Helper()
	res, err := client.PostForm(address, values)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(content)
}

func partnerNetworks(t *testing.T, s *stand) {
	s.assert(t, s.registered(t, map[string]any{"allowed_networks": []string{"127.0.0.0/8"}}), nil).want(http.StatusOK)
	r := s.assert(t, s.registered(t, map[string]any{"allowed_networks": []string{"192.0.2.0/24"}}), nil).want(http.StatusUnauthorized)
	if r.text("error") != "invalid_client" && r.text("error") != "unauthorized_client" {
		t.Errorf("%s", r.body)
	}
}
