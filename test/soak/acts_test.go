package soak

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-auth/signet/pkg/pinlogin"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/test/e2e"
)

const (
	apiAudience  = "https://api.example.com"
	typeAPIKey   = "urn:signet:params:oauth:token-type:api-key"
	invoicesPath = "/api/v1/invoices/"
)

// acts is everything that callers do, in this order at first, then by share.
func acts() []act {
	return append([]act{
		{name: "documents", share: 12, do: documents},
		{name: "machine", share: 20, do: machine},
		{name: "client assertion", share: 10, do: assertion, marks: true},
		{name: "person", share: 30, do: person},
		{name: "login, consent, account, logout", share: 2, do: pages, hashes: true},
		{name: "identity", share: 15, do: identity, marks: true},
		{name: "invoice", share: 10, do: invoice},
		{name: "API key", share: 15, do: keyHolder},
		{name: "account of a person", share: 4, do: accountHolder},
		{name: "intents", share: 12, do: intents},
		{name: "PIN", share: 2, do: pinHolder, hashes: true},
		{name: "nonsense", share: 10, do: nonsense},
		{name: "preflights", share: 3, do: preflights},
		{name: "a client that is switched off and on", share: 10, do: victim},
	}, adminActs()...)
}

var assetLink = regexp.MustCompile(`/assets/[a-z0-9.]+`)

// documents are what anybody reads.
func documents(c *caller) error {
	s := c.script()
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/openapi.json", "/health", "/healthdetails"} {
		s.then(is(200), http.MethodGet, path, nil, nil)
	}
	keys := s.then(is(200), http.MethodGet, "/.well-known/jwks.json", nil, nil)
	if s.err == nil {
		s.then(is(200, 304), http.MethodGet, "/.well-known/jwks.json", http.Header{"If-None-Match": {keys.header.Get("ETag")}}, nil)
	}
	page := s.then(is(200), http.MethodGet, "/logged-out", nil, nil)
	for _, path := range assetLink.FindAllString(page.body, -1) {
		s.then(is(200), http.MethodGet, path, nil, nil)
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		if s.err == nil {
			_, s.err = c.want(is(200), http.MethodGet, c.node().OpsURL+path, nil, nil)
		}
	}
	return s.err
}

// machine is client_credentials, introspection on either node, revocation.
func machine(c *caller) error {
	s := c.script()
	token := s.token(c.card.Clients.Service, url.Values{"grant_type": {"client_credentials"}}).text("access_token")
	s.active(token, true)
	s.then(is(200), http.MethodPost, "/revoke", basic(c.card.Clients.Service), url.Values{"token": {token}})
	s.active(token, false)
	return s.err
}

func assertion(c *caller) error {
	s := c.script()
	for _, client := range []e2e.Client{c.card.Clients.PartnerES256, c.card.Clients.Partner} {
		signed, err := c.sign(client)
		if err != nil {
			return err
		}
		form := func() url.Values {
			return url.Values{"grant_type": {"client_credentials"}, "client_assertion": {signed},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
		}
		s.token(e2e.Client{}, form())
		s.then(is(400, 401), http.MethodPost, "/token", nil, form()) // a replay, on whichever node
	}
	return s.err
}

// authorize walks to a code as a person; nothing but a login asks for the password.
func (c *caller) authorize(browser *e2e.Browser, client e2e.Client, user e2e.User, extra ...string) (url.Values, error) {
	<-c.pace
	c.sent.Add(1)
	verifier := oauth2.GenerateVerifier()
	query := url.Values{"response_type": {"code"}, "client_id": {client.ClientID}, "redirect_uri": {client.RedirectURIs[0]},
		"scope": {"openid profile email offline_access"}, "state": {rand.Text()}, "nonce": {rand.Text()},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(extra); i += 2 {
		query.Set(extra[i], extra[i+1])
	}
	page := browser.Get(c.node().URL + "/authorize?" + query.Encode())
	for range 4 {
		switch {
		case page.Status == http.StatusServiceUnavailable || page.Status == http.StatusTooManyRequests:
			return nil, errBusy // 429: attempts whose end the counters did not hear of, on a machine that is too slow
		case page.Location != nil:
			got := page.Location.Query()
			if got.Get("code") == "" || got.Get("state") != query.Get("state") {
				return nil, fmt.Errorf("the callback is %s", page.Location)
			}
			return url.Values{"grant_type": {"authorization_code"}, "code": {got.Get("code")}, "redirect_uri": {client.RedirectURIs[0]},
				"code_verifier": {verifier}}, nil
		case page.Has("password"):
			page = page.Click("login", map[string]string{"username": user.Username, "password": user.Password})
		case page.Has("consent-allow"):
			page = page.Click("consent-allow", nil)
		default:
			return nil, fmt.Errorf("%d at %s: %.300s", page.Status, page.URL, page.Text(""))
		}
		c.sent.Add(1)
	}
	return nil, fmt.Errorf("the pages do not end, at %s: %.300s", page.URL, page.Text(""))
}

// person is the code flow in a session, userinfo, refresh with a lost answer, revocation; sometimes a code used twice.
func person(c *caller) error {
	client, user := c.card.Clients.Web, c.card.Users[0]
	redeem, err := c.session(client, user)
	if err != nil {
		return err
	}
	s := c.script()
	first := s.token(client, redeem)
	access := first.text("access_token")
	s.then(is(200), http.MethodGet, "/userinfo", withToken(access), nil)
	s.then(is(200), http.MethodPost, "/userinfo", nil, url.Values{"access_token": {access}})
	refresh := func(token string) *answer {
		return s.token(client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	next, again := refresh(first.text("refresh_token")), refresh(first.text("refresh_token"))
	if s.err == nil && next.text("refresh_token") != again.text("refresh_token") {
		return errors.New("one refresh token has two successors")
	}
	c.bearer = next.text("access_token")
	if c.turn()%3 > 0 {
		return s.err
	}
	last := refresh(next.text("refresh_token"))
	if c.turn()%2 == 0 {
		s.then(is(400), http.MethodPost, "/token", basic(client), redeem) // the code again
	} else {
		s.then(is(200), http.MethodPost, "/revoke", basic(client), url.Values{"token": {last.text("refresh_token")}})
	}
	s.then(is(401), http.MethodGet, "/userinfo", withToken(last.text("access_token")), nil)
	c.bearer = ""
	return s.err
}

// session walks to a code in the browser where the person is logged in; the first time it logs in.
func (c *caller) session(client e2e.Client, user e2e.User) (url.Values, error) {
	if c.browser != nil {
		return c.authorize(c.browser, client, user)
	}
	defer c.takeTurn()()
	browser := e2e.NewBrowser(c.t)
	browser.From(c.from)
	redeem, err := c.authorize(browser, client, user)
	if err == nil {
		c.browser = browser
	}
	return redeem, err
}

// turn is a number that changes from time to time.
func (c *caller) turn() int64 { return c.sent.Load() / 7 }

// pages are a person's in a browser of its own: a wrong password, a login, consent, a no, the account page, logout.
func pages(c *caller) error {
	browser := e2e.NewBrowser(c.t)
	browser.From(fmt.Sprintf("10.77.%d.%d", c.number, c.turn()%250))
	user, client := c.card.Users[0], c.card.Clients.SPA
	c.sent.Add(8)
	redeem, err := c.authorize(browser, client, user, "prompt", "login consent", "response_mode", "query", "login_hint", user.Username)
	if err != nil {
		return err
	}
	s := c.script()
	idToken := s.token(client, redeem).text("id_token")
	if s.err != nil {
		return s.err
	}
	base := c.card.Issuer
	if page := browser.Get(base + "/account"); page.Status != http.StatusOK {
		return fmt.Errorf("/account: %d %.200s", page.Status, page.Text(""))
	}
	if page := browser.Post(base+"/account", url.Values{"page": {"x"}, "decision": {"accept"}}); page.Status >= 500 {
		return fmt.Errorf("POST /account: %d", page.Status)
	}
	if page := browser.Get(base + "/authorize?client_id=nobody"); page.Status != http.StatusBadRequest {
		return fmt.Errorf("an unknown client: %d", page.Status)
	}
	page := browser.Get(base + "/logout")
	if page.Has("logout-confirm") {
		page = page.Click("logout-confirm", nil)
	}
	if !page.Has("logged-out") {
		return fmt.Errorf("logout: %d %.200s", page.Status, page.Text(""))
	}
	browser.Get(base + "/logout?" + url.Values{"id_token_hint": {idToken}, "state": {"s"}, "post_logout_redirect_uri": {client.PostLogoutRedirectURIs[0]}}.Encode())
	return nil
}

// identity is a payer of the first biller, in both forms, and of the second.
func identity(c *caller) error {
	b, stamp := c.card.Billers[0], strconv.FormatInt(time.Now().UnixMilli(), 10)
	payer := signet.NewUUID()
	mac := e2e.SignIdentity(c.t, b, "user_id", payer, stamp)
	s := c.script()
	body := map[string]any{"billerGuid": b.ID, "userGuid": payer, "timestamp": stamp, "hmac": mac}
	s.then(is(200), http.MethodPost, "/api/v1/payertokens", nil, body)
	s.then(is(401), http.MethodPost, "/api/v1/payertokens", nil, body) // a replay
	other := signet.NewUUID()
	s.token(e2e.Client{}, url.Values{"grant_type": {signet.GrantHMACIdentity}, "biller_id": {b.ID}, "user_id": {other}, "timestamp": {stamp},
		"hmac": {e2e.SignIdentity(c.t, b, "user_id", other, stamp)}})
	return s.err
}

// invoice is put in by the biller's system, exchanged, and read.
func invoice(c *caller) error {
	b := c.card.Billers[1]
	s := c.script()
	guid := s.putInvoice(b)
	got := s.then(is(200), http.MethodPost, "/api/v1/tokens", nil, map[string]any{"billerGuid": b.ID, "invoiceGuid": guid, "hmac": e2e.SignV1(c.t, b, guid)})
	s.then(is(200), http.MethodGet, invoicesPath+guid, withToken(got.text("token")), nil)
	return s.err
}

// putInvoice makes an invoice of the biller, as its system.
func (s *script) putInvoice(b e2e.Biller) (guid string) {
	token := s.token(e2e.Client{ClientID: b.ClientID, ClientSecret: b.ClientSecret}, url.Values{"grant_type": {"client_credentials"}}).text("access_token")
	guid = signet.NewUUID()
	now := time.Now().UTC()
	s.then(is(200, 201, 204), http.MethodPut, invoicesPath+guid, withToken(token), map[string]any{"billerGuid": b.ID, "invoiceGuid": guid,
		"customerGuid": signet.NewUUID(), "allowPartialPayments": true, "balanceDue": json.Number("12.50"), "totalAmountDue": json.Number("12.50"),
		"minimumAmountDue": json.Number("5.00"), "pastDueAmount": json.Number("0.00"), "invoiceDate": now.Format(time.RFC3339),
		"invoiceDueDate": now.AddDate(0, 1, 0).Format(time.RFC3339)})
	return guid
}

// keyHolder is an account's till.
func keyHolder(c *caller) error {
	key, account := c.card.APIKeys[0], c.card.Accounts[0].ID
	s := c.script()
	s.then(is(200), http.MethodGet, "/api/account-memberships", apiKey(key.Key), nil)
	s.then(is(200), http.MethodPost, "/api/permissions/check", apiKey(key.Key), map[string]any{"permission": "accounts:read", "accountId": account})
	s.then(is(200), http.MethodGet, "/api/accounts/"+account, apiKey(key.Key), nil)
	s.then(is(200), http.MethodGet, "/api/accounts/"+account+"/members", apiKey(key.Key), nil)
	s.then(is(200), http.MethodGet, "/api/accounts/"+account+"/api-keys", apiKey(key.Key), nil)
	token := s.token(e2e.Client{}, url.Values{"grant_type": {signet.GrantTokenExchange}, "subject_token": {key.Key},
		"subject_token_type": {typeAPIKey}, "resource": {apiAudience}}).text("access_token")
	s.active(token, true)
	s.active(key.Key, true)
	return s.err
}

// accountHolder makes an account of its own with keys and members.
func accountHolder(c *caller) error {
	if c.bearer == "" {
		return person(c)
	}
	s, holder := c.script(), withToken(c.bearer)
	id := s.then(is(201), http.MethodPost, "/api/accounts", holder, map[string]any{"name": "Soak", "type": "org"}).text("id")
	path := "/api/accounts/" + id
	s.then(is(200), http.MethodPut, path, holder, map[string]any{"name": "Soak, renamed"})
	s.then(is(200, 201), http.MethodPost, path+"/members", holder, map[string]any{"userId": c.guest, "role": "merchant-terminal"})
	s.then(is(200), http.MethodGet, path+"/members", holder, nil)
	s.then(is(200, 204), http.MethodDelete, path+"/members/"+c.guest, holder, nil)
	secret := s.then(is(201), http.MethodPost, path+"/api-keys", holder, map[string]any{"name": "Till", "role": "merchant-terminal"}).text("secret")
	s.then(is(200), http.MethodGet, "/api/account-memberships", apiKey(secret), nil)
	s.then(is(200), http.MethodPut, path+"/api-keys/Till", holder, map[string]any{"enabled": false})
	s.then(is(200), http.MethodGet, path+"/api-keys", holder, nil)
	if s.err != nil && strings.Contains(s.err.Error(), "401") {
		c.bearer = "" // the family was ended by another act: as it should be
		return nil
	}
	return s.err
}

// intents are made and validated with every kind of credential.
func intents(c *caller) error {
	device := c.card.Devices[0]
	s := c.script()
	bearer := withToken(s.token(c.card.Clients.Merchant, url.Values{"grant_type": {"client_credentials"}, "scope": {"intents"}}).text("access_token"))
	bar := http.Header{"Authorization": {device.DCN + ":" + device.ID + "|" + device.Password}}
	for _, header := range []http.Header{apiKey(c.card.APIKeys[0].Key), bar, bearer} {
		made := s.then(is(200), http.MethodPost, "/payment/api/jwt/create", header, map[string]any{"Audience": "PaymentPage", "Subject": "HPP21040500682801"})
		got := s.then(is(200), http.MethodPost, "/payment/api/jwt/validate", header, map[string]any{"Token": made.text("Token")})
		if s.err == nil && got.members["Valid"] != true {
			return fmt.Errorf("a new intent is refused: %s", got.body)
		}
	}
	return s.err
}

// pinHolder logs in by PIN and refreshes.
func pinHolder(c *caller) error {
	app := c.card.PINApplications[0]
	key, err := hex.DecodeString(app.Key)
	if err != nil {
		return err
	}
	s := c.script()
	for _, at := range []string{"/auth", "/token"} {
		sealed, err := pinlogin.Encrypt(signet.PINv2, key, app.Username, app.PIN, time.Now())
		if err != nil {
			return err
		}
		got := s.then(is(200), http.MethodPost, at, nil, map[string]any{"username": app.Username, "password": sealed})
		s.then(is(200), http.MethodPost, at+"/refresh", nil, map[string]any{"refreshToken": got.text("data", "refreshToken")})
	}
	return s.err
}

// nonsense is refused everywhere, and nowhere by a 500.
func nonsense(c *caller) error {
	s, junk := c.script(), rand.Text()
	refused := is(400, 401, 403, 404, 405, 413, 415)
	for _, path := range []string{"/token", "/introspect", "/revoke", "/userinfo", "/authorize", "/login", "/consent", "/logout", "/auth", "/auth/refresh",
		"/api/v1/tokens", "/payment/api/jwt/create", "/api/permissions/check", "/none"} {
		s.then(refused, http.MethodPost, path, http.Header{"Authorization": {junk}}, []any{junk, url.Values{junk: {junk, "\x00"}}, `{"` + junk + `":[`}[int(c.turn())%3])
	}
	s.then(is(200, 303, 400), http.MethodGet, "/authorize?"+url.Values{"client_id": {c.card.Clients.Web.ClientID}, "state": {junk}}.Encode(), nil, nil)
	s.then(is(400), http.MethodGet, "/login?flow="+junk, nil, nil)
	s.then(is(400), http.MethodGet, "/consent?flow="+junk, nil, nil)
	return s.err
}

func preflights(c *caller) error {
	s := c.script()
	for path, method := range map[string]string{"/token": "POST", "/userinfo": "GET", "/api/account-memberships": "GET", "/.well-known/jwks.json": "GET"} {
		s.then(is(200, 204), http.MethodOptions, path, http.Header{"Origin": {c.card.Clients.SPA.Origins[0]}, "Access-Control-Request-Method": {method}}, nil)
	}
	return s.err
}

// victim asks for a token as a client that others switch off and on.
func victim(c *caller) error {
	_, err := c.call(is(200, 401), http.MethodPost, "/token", basic(c.victim), url.Values{"grant_type": {"client_credentials"}})
	return err
}
