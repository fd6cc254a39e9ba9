package e2e

import (
	"net/http"
	"testing"
)

// mountRows is wire.md, Rules for all five: the documents' callers know signet by further names.
func mountRows() []row {
	return []row{
		{"mounts: /payer/auth, /payer-main/one-time-payment-api", mountExchange},
		{"mounts: intents, PIN, accounts", mountOthers},
		{"mounts: another host name", mountHost},
	}
}

func mountExchange(t *testing.T, s *stand) {
	for _, prefix := range []string{"/payer/auth", "/payer-main/one-time-payment-api"} {
		if s.mounts == nil { // dev has none
			s.ask(t, http.MethodPost, prefix+"/api/v1/tokens", nil, "{}").want(http.StatusNotFound)
			continue
		}
		b := s.biller(t, v1())
		token := s.send(t, http.MethodPost, prefix+"/api/v1/tokens", nil, invoiceBody(t, b)).want(http.StatusOK).golden(s, "exchange-tokens-200").text("token")
		if claims, _ := s.opened(t, token, invoicesAudience); claims["iss"] != s.card.Issuer {
			t.Errorf("iss %v", claims["iss"])
		}
		s.send(t, http.MethodGet, prefix+"/api/v1/invoices/"+b.Invoices[0].InvoiceGUID, withToken(token), nil).want(http.StatusOK).golden(s, "invoice-200")
		body := Payer(t, b)
		s.send(t, http.MethodPost, prefix+"/api/v1/payertokens", nil, body).want(http.StatusOK).golden(s, "exchange-payertokens-200")
		// One memory of replays, whatever the name.
		s.send(t, http.MethodPost, "/api/v1/payertokens", nil, body).want(http.StatusUnauthorized).golden(s, "exchange-payertokens-401")
		s.send(t, http.MethodGet, prefix+"/health", nil, nil).want(http.StatusOK).golden(s, "health-200")
		s.send(t, http.MethodGet, prefix+"/healthdetails", nil, nil).want(http.StatusOK)
		s.ask(t, http.MethodPost, prefix+"/test", nil, "{}").want(http.StatusNotFound)
	}
}

func mountOthers(t *testing.T, s *stand) {
	if s.mounts == nil {
		s.ask(t, http.MethodPost, "/lending/auth", nil, "{}").want(http.StatusNotFound)
		return
	}
	app := s.application(t, pinMode("pin-v2"))
	for _, path := range []string{"/lending/auth", "/lending/token"} {
		r := s.logIn(t, app, path).golden(s, "pin-200")
		s.send(t, http.MethodPost, path+"/refresh", nil, map[string]any{"refreshToken": r.text("data/refreshToken")}).want(http.StatusOK).golden(s, "pin-200")
	}
	key := apiKey(s.card.APIKeys[1].Key)
	r := s.send(t, http.MethodPost, "/v3"+pathCreate, key, order()).want(http.StatusOK)
	s.send(t, http.MethodPost, "/v3"+pathValidate, key, map[string]any{"Token": r.text("Token")}).want(http.StatusOK)
	s.send(t, http.MethodGet, "/service/api/account-memberships", key, nil).want(http.StatusOK).golden(s, "memberships-200-key")
}

// mountHost: signet answers to every name that reaches it, and the issuer does not change.
func mountHost(t *testing.T, s *stand) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.card.Issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "auth.example.com"
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	if err := answer(req, &metadata); err != nil {
		t.Fatal(err)
	}
	if metadata.Issuer != s.card.Issuer {
		t.Errorf("issuer %s", metadata.Issuer)
	}
}
