package soak

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/test/e2e"
)

// adminActs change records, each its own, and read the lists that everybody's are in.
func adminActs() []act {
	return []act{
		{name: "admin: lists", share: 2, do: lists},
		{name: "admin: the victim", share: 4, do: switchVictim},
		{name: "admin: a client's life", share: 3, do: clientLife},
		{name: "admin: a user's life", share: 1, do: userLife, hashes: true},
		{name: "admin: a biller's life", share: 2, do: billerLife},
		{name: "admin: an account's life", share: 2, do: accountLife},
		{name: "admin: a PIN application's life", share: 1, do: applicationLife, hashes: true},
		{name: "admin: signing keys", share: 1, do: signingKeys},
		{name: "admin: admin keys", share: 1, do: adminKeys},
	}
}

// lastActs end what the others need.
func lastActs() []act { return []act{{name: "admin: a key is taken back", do: emergency}} }

func lists(c *caller) error {
	s := c.script()
	for _, path := range []string{"/me", "/clients", "/users", "/keys", "/admin-keys", "/events?limit=50", "/billers", "/resource-servers", "/accounts", "/pin-applications"} {
		s.do(http.MethodGet, path, nil)
	}
	return s.err
}

func switchVictim(c *caller) error {
	s := c.script()
	s.do(http.MethodPost, "/clients/"+c.victim.ClientID+"/disable", nil)
	s.do(http.MethodPost, "/clients/"+c.victim.ClientID+"/enable", nil)
	return s.err
}

func clientLife(c *caller) error {
	s := c.script()
	record := map[string]any{"client_name": "Short", "token_endpoint_auth_method": "client_secret_basic", "grant_types": []string{"client_credentials"}, "scope": "a b"}
	made := s.do(http.MethodPost, "/clients", record)
	client := e2e.Client{ClientID: made.text("client_id"), ClientSecret: made.text("client_secret")}
	path := "/clients/" + client.ClientID
	token := s.token(client, url.Values{"grant_type": {"client_credentials"}}).text("access_token")
	s.do(http.MethodGet, path, nil)
	s.do(http.MethodPut, path, map[string]any{"client_name": "Short, renamed"})
	newer := client
	newer.ClientSecret = s.do(http.MethodPost, path+"/secrets", map[string]any{"overlap": 60}).text("client_secret")
	s.token(newer, url.Values{"grant_type": {"client_credentials"}, "scope": {"b"}})
	s.do(http.MethodPost, path+"/disable", nil)
	s.active(token, false)
	s.do(http.MethodPost, path+"/enable", nil)
	if s.err != nil {
		return s.err
	}
	// A partner is made, and let in by an override; what an RSA key is worth shows the evidence, which production has not.
	partner, err := c.admin(http.MethodPost, "/clients", map[string]any{"client_name": "Partner", "partner": true, "token_endpoint_auth_method": "private_key_jwt",
		"grant_types": []string{"client_credentials"}, "scope": "a", "jwks": c.partnerKeys})
	if err != nil {
		return err
	}
	for _, call := range [][2]string{{http.MethodGet, "/evidence"}, {http.MethodPost, "/activate"}} {
		if _, err := c.want(is(200, 400, 409), call[0], c.node().AdminURL+"/admin/v1/clients/"+partner.text("client_id")+call[1],
			http.Header{"Authorization": {"Bearer " + c.card.Admin.APIKey}}, map[bool]any{true: map[string]any{"override": "soak"}}[call[0] == http.MethodPost]); err != nil {
			return err
		}
	}
	return nil
}

func userLife(c *caller) error {
	s := c.script()
	user := e2e.User{Username: "u-" + rand.Text(), Password: "correct horse battery staple"}
	sub := s.do(http.MethodPost, "/users", map[string]any{"username": user.Username, "password": user.Password, "email": user.Username + "@example.com"}).text("sub")
	path := "/users/" + sub
	s.do(http.MethodGet, path, nil)
	s.do(http.MethodPut, path, map[string]any{"given_name": "Ada"})
	if s.err != nil {
		return s.err
	}
	browser := e2e.NewBrowser(c.t)
	browser.From(c.from)
	redeem, err := c.authorize(browser, c.card.Clients.SPA, user)
	if err != nil {
		return err
	}
	token := s.token(c.card.Clients.SPA, redeem).text("access_token")
	s.do(http.MethodDelete, path+"/consents/"+c.card.Clients.SPA.ClientID, nil)
	s.then(is(401), http.MethodGet, "/userinfo", withToken(token), nil)
	s.do(http.MethodPut, path+"/password", map[string]any{"password": "another horse, another battery"})
	s.do(http.MethodPost, path+"/disable", nil)
	s.do(http.MethodPost, path+"/enable", nil)
	return s.err
}

func billerLife(c *caller) error {
	s := c.script()
	server := s.do(http.MethodPost, "/resource-servers", map[string]any{"name": "Payments", "audience": "https://payments.example.com/" + signet.NewUUID(),
		"scope": "payments:write", "alg": "ECDH-ES+A256KW", "generate": true}).text("id")
	system := s.do(http.MethodPost, "/clients", map[string]any{"client_name": "Biller's system", "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"client_credentials"}, "scope": "invoices:write", "audiences": []string{"https://invoices.example.com"}})
	made := s.do(http.MethodPost, "/billers", map[string]any{"name": "Water works", "client_id": system.text("client_id"), "default_resource_server": server,
		"resource_servers": []string{"invoices"}, "scope": "payments:write", "invoice_exchange": true, "invoice_per_minute": 1000})
	biller := "/billers/" + made.text("id")
	invoice := s.putInvoice(e2e.Biller{ID: made.text("id"), ClientID: system.text("client_id"), ClientSecret: system.text("client_secret")})
	exchange := func(key string) *answer {
		if s.err != nil {
			return &answer{}
		}
		mac := e2e.SignIdentity(c.t, e2e.Biller{ID: made.text("id"), HMACKey: key}, "invoice_id", invoice, "")
		return s.then(is(200), http.MethodPost, "/api/v1/tokens", nil, map[string]any{"billerGuid": made.text("id"), "invoiceGuid": invoice, "hmac": mac})
	}
	exchange(made.text("hmac_key"))
	s.do(http.MethodGet, biller, nil)
	s.do(http.MethodPut, biller, map[string]any{"name": "Water works, renamed"})
	second := s.do(http.MethodPost, biller+"/keys", map[string]any{"overlap": 60})
	exchange(second.text("hmac_key"))
	s.do(http.MethodDelete, biller+"/keys/"+made.text("kid"), nil)
	s.do(http.MethodPost, biller+"/disable", nil)
	s.do(http.MethodPost, biller+"/enable", nil)
	s.do(http.MethodGet, "/resource-servers/"+server, nil)
	s.do(http.MethodPut, "/resource-servers/"+server, map[string]any{"name": "Payments, renamed"})
	s.do(http.MethodPost, "/resource-servers/"+server+"/disable", nil)
	s.do(http.MethodPost, "/resource-servers/"+server+"/enable", nil)
	return s.err
}

func accountLife(c *caller) error {
	s := c.script()
	id := s.do(http.MethodPost, "/accounts", map[string]any{"name": "Corner shop", "type": "org", "owner": c.guest}).text("id")
	path := "/accounts/" + id
	s.do(http.MethodGet, path, nil)
	s.do(http.MethodPut, path, map[string]any{"name": "Corner shop, renamed"})
	first := s.do(http.MethodPost, path+"/intent-keys", map[string]any{}).text("kid")
	s.do(http.MethodPost, path+"/intent-keys", map[string]any{"overlap": 60})
	s.do(http.MethodDelete, path+"/intent-keys/"+first, nil)
	member := path + "/members/" + c.second
	s.do(http.MethodPut, member, map[string]any{"role": "merchant-terminal", "accepted": true})
	s.do(http.MethodDelete, member, nil)
	s.do(http.MethodGet, path+"/members", nil)
	key := s.do(http.MethodPost, path+"/api-keys", map[string]any{"name": "Till", "role": "account-owner"}).text("secret")
	s.do(http.MethodPost, path+"/api-key-imports", map[string]any{"name": "Old", "role": "merchant-terminal", "secret": "0123456789abcdef" + rand.Text()})
	s.do(http.MethodGet, path+"/api-keys", nil)
	s.do(http.MethodGet, path+"/api-keys/Till", nil)
	made := s.then(is(200), http.MethodPost, "/payment/api/jwt/create", apiKey(key), map[string]any{"Audience": "PaymentPage", "Subject": "S"})
	s.do(http.MethodPut, path+"/api-keys/Till", map[string]any{"enabled": false})
	s.do(http.MethodPut, path+"/api-keys/Till", map[string]any{"enabled": true})
	s.then(is(200), http.MethodPost, "/payment/api/jwt/validate", apiKey(c.card.APIKeys[0].Key), map[string]any{"Token": made.text("Token")})
	device := s.do(http.MethodPost, path+"/devices", map[string]any{"dcn": "7", "name": "Till"})
	s.do(http.MethodGet, path+"/devices", nil)
	for _, to := range []string{"disable", "enable"} {
		s.do(http.MethodPost, path+"/devices/"+device.text("dcn")+"/"+device.text("id")+"/"+to, nil)
	}
	s.do(http.MethodPost, path+"/disable", nil)
	s.do(http.MethodPost, path+"/enable", nil)
	return s.err
}

func applicationLife(c *caller) error {
	s := c.script()
	made := s.do(http.MethodPost, "/pin-applications", map[string]any{"username": "soak-" + rand.Text(), "mode": "pin-v2"})
	path := "/pin-applications/" + made.text("id")
	s.do(http.MethodGet, path, nil)
	s.do(http.MethodPut, path, map[string]any{})
	s.do(http.MethodPost, path+"/keys", map[string]any{"overlap": 60})
	s.do(http.MethodDelete, path+"/keys/"+made.text("kid"), nil)
	s.do(http.MethodPut, path+"/pin", map[string]any{})
	s.do(http.MethodPost, path+"/disable", nil)
	s.do(http.MethodPost, path+"/enable", nil)
	return s.err
}

// signingKeys rotates and seals anew while everybody signs.
func signingKeys(c *caller) error {
	s := c.script()
	s.do(http.MethodGet, "/keys", nil)
	s.do(http.MethodPost, "/keys/rotate", map[string]any{"alg": []string{"ES256", "RS256"}[c.turn()%2]})
	s.do(http.MethodPost, "/keys/rewrap", nil)
	return s.err
}

func adminKeys(c *caller) error {
	s := c.script()
	id := s.do(http.MethodPost, "/admin-keys", map[string]any{"name": "Night shift"}).text("key_id")
	s.do(http.MethodPost, "/admin-keys/"+id+"/disable", nil)
	return s.err
}

// emergency takes the key back that signs.
func emergency(c *caller) error {
	s := c.script()
	token := s.token(c.card.Clients.Service, url.Values{"grant_type": {"client_credentials"}}).text("access_token")
	if s.err != nil {
		return s.err
	}
	first, _, _ := strings.Cut(token, ".")
	head, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		return err
	}
	var header struct {
		KID string `json:"kid"`
	}
	if err := json.Unmarshal(head, &header); err != nil {
		return err
	}
	s.do(http.MethodPost, "/keys/"+header.KID+"/revoke", nil)
	s.active(token, false)
	s.token(c.card.Clients.Service, url.Values{"grant_type": {"client_credentials"}})
	return s.err
}
