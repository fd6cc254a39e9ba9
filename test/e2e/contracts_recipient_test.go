package e2e

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// exchangeAlgorithms: each resource server has what its stack can read; RSA1_5 none.
func exchangeAlgorithms(t *testing.T, s *stand) {
	elliptic := newECKey(t)
	for _, c := range []struct {
		alg     jose.KeyAlgorithm
		enc     jose.ContentEncryption
		private any
	}{
		{jose.RSA_OAEP, jose.A128CBC_HS256, s.sharedKey(t)},
		{jose.RSA_OAEP_256, jose.A256CBC_HS512, s.sharedKey(t)},
		{jose.ECDH_ES_A256KW, jose.A256GCM, elliptic},
	} {
		key := jose.JSONWebKey{Key: c.private}
		public := key.Public()
		id, audience := "rs-"+random(), "https://rs-"+random()+".example.com"
		server := map[string]any{"id": id, "name": "Recipient of a test", "audience": audience, "scope": "payments:write", "jwk": public, "alg": c.alg, "enc": c.enc}
		s.admin(t, http.MethodPost, "/resource-servers", server, nil)
		b := s.biller(t, map[string]any{"default_resource_server": id, "resource_servers": []string{}, "scope": "payments:write"})
		token := s.send(t, http.MethodPost, "/api/v1/payertokens", nil, Payer(t, b)).want(http.StatusOK).text("token")
		if claims, _ := s.openedWith(t, token, audience, c.alg, c.enc, c.private); claims["biller_guid"] != b.ID || claims["scope"] != "payments:write" {
			t.Errorf("%s %s: claims %v", c.alg, c.enc, claims)
		}
		server["id"], server["audience"], server["alg"] = "rs-"+random(), audience+".other", "RSA1_5"
		if status, body := Post(t, s.card.Admin.APIURL+"/resource-servers", withToken(s.card.Admin.APIKey), server); status != http.StatusBadRequest {
			t.Errorf("RSA1_5: %d %s", status, body)
		}
	}
}

// exchangeRate: whoever captured a link cannot make tokens of it without end.
func exchangeRate(t *testing.T, s *stand) {
	metadata := v1()
	metadata["invoice_per_minute"] = 2
	b := s.biller(t, metadata)
	for range 2 {
		s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, b)).want(http.StatusOK)
	}
	r := s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, b)).want(http.StatusTooManyRequests).golden(s, "exchange-429")
	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
	}
}
