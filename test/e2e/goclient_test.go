package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// relyingParty is one client as golang.org/x/oauth2 and coreos/go-oidc make it.
type relyingParty struct {
	t        *testing.T
	ctx      context.Context
	issuer   string
	provider *oidc.Provider
	config   oauth2.Config
	client   Client
}

func newRelyingParty(t *testing.T, issuer string, client Client) *relyingParty {
	t.Helper()
	return newRelyingPartyBy(t, http.DefaultClient, issuer, client)
}

// newRelyingPartyBy calls the server by that HTTP client.
func newRelyingPartyBy(t *testing.T, caller *http.Client, issuer string, client Client) *relyingParty {
	t.Helper()
	ctx, cancel := context.WithTimeout(oidc.ClientContext(context.Background(), caller), 60*time.Second)
	t.Cleanup(cancel)
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		t.Fatal(err)
	}
	return &relyingParty{t: t, ctx: ctx, issuer: issuer, provider: provider, client: client, config: oauth2.Config{
		ClientID: client.ClientID, ClientSecret: client.ClientSecret, Endpoint: provider.Endpoint(),
		RedirectURL: client.RedirectURIs[0], Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
	}}
}

// login walks the pages and redeems the code at tokenURL ("" for the provider's).
func (rp *relyingParty) login(browser *Browser, user User, tokenURL string, extra ...oauth2.AuthCodeOption) (*oauth2.Token, *oidc.IDToken) {
	rp.t.Helper()
	state, nonce, verifier := random(), random(), oauth2.GenerateVerifier()
	options := append([]oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce)}, extra...)
	callback := browser.LogIn(rp.config.AuthCodeURL(state, options...), user)
	query := callback.Query()
	if got := query.Get("error"); got != "" {
		rp.t.Fatalf("the callback has error %s: %s", got, query.Get("error_description"))
	}
	if query.Get("state") != state || query.Get("iss") != rp.issuer {
		rp.t.Fatalf("the callback is %s, want state %s and iss %s", callback, state, rp.issuer)
	}
	config := rp.config
	if tokenURL != "" {
		config.Endpoint.TokenURL = tokenURL
	}
	token, err := config.Exchange(rp.ctx, query.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		rp.t.Fatal(err)
	}
	idToken := rp.verify(token)
	if idToken.Nonce != nonce {
		rp.t.Errorf("nonce %q, want %q", idToken.Nonce, nonce)
	}
	return token, idToken
}

func (rp *relyingParty) verify(token *oauth2.Token) *oidc.IDToken {
	rp.t.Helper()
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		rp.t.Fatal("no id_token")
	}
	idToken, err := rp.provider.Verifier(&oidc.Config{ClientID: rp.client.ClientID}).Verify(rp.ctx, raw)
	if err != nil {
		rp.t.Fatal(err)
	}
	return idToken
}

// refresh asks for new tokens with the refresh token alone.
func (rp *relyingParty) refresh(token *oauth2.Token) (*oauth2.Token, error) {
	return rp.config.TokenSource(rp.ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
}

func TestGoClient(t *testing.T) {
	t.Parallel()
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		goClients(t, StartDev(t), http.DefaultClient, func(*Browser) {})
	})
	t.Run("https", func(t *testing.T) {
		t.Parallel()
		dev := StartDev(t, "--tls")
		roots := dev.Roots(t)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		goClients(t, dev, &http.Client{Transport: transport, Timeout: readyWithin}, func(b *Browser) { b.Trust(roots) })
	})
}

func goClients(t *testing.T, dev *Dev, caller *http.Client, prepare func(*Browser)) {
	t.Helper()
	for name, client := range map[string]Client{"spa": dev.Card.Clients.SPA, "web": dev.Card.Clients.Web, "mobile": dev.Card.Clients.Mobile} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user := dev.Card.Users[0]
			rp := newRelyingPartyBy(t, caller, dev.Card.Issuer, client)
			browser := NewBrowser(t)
			prepare(browser)
			token, idToken := rp.login(browser, user, "")
			if idToken.Subject != user.Sub {
				t.Errorf("sub %q, want %q", idToken.Subject, user.Sub)
			}

			info, err := rp.provider.UserInfo(rp.ctx, oauth2.StaticTokenSource(token))
			if err != nil {
				t.Fatal(err)
			}
			if info.Subject != user.Sub || info.Email != user.Email {
				t.Errorf("userinfo %+v, want %s and %s", info, user.Sub, user.Email)
			}

			fresh, err := rp.refresh(token)
			if err != nil {
				t.Fatal(err)
			}
			if fresh.AccessToken == token.AccessToken || fresh.RefreshToken == "" || fresh.RefreshToken == token.RefreshToken {
				t.Error("refresh gives the same tokens")
			}
			if again := rp.verify(fresh); again.Subject != user.Sub {
				t.Errorf("sub after refresh %q", again.Subject)
			}

			rp.logout(browser, fresh)
			// The session is gone: a silent login is refused, the pages ask again.
			callback := browser.Get(rp.config.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()), oauth2.SetAuthURLParam("prompt", "none")))
			if callback.Location == nil || callback.Location.Query().Get("error") != "login_required" {
				t.Errorf("prompt=none after logout gives %v", callback.Location)
			}
		})
	}
}

// logout ends the session by RP-initiated logout and follows to the client's own address.
func (rp *relyingParty) logout(browser *Browser, token *oauth2.Token) {
	rp.t.Helper()
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := rp.provider.Claims(&metadata); err != nil {
		rp.t.Fatal(err)
	}
	page := browser.Get(metadata.EndSession + "?" + url.Values{
		"id_token_hint": {token.Extra("id_token").(string)}, "state": {"bye"},
		"post_logout_redirect_uri": {rp.client.PostLogoutRedirectURIs[0]},
	}.Encode())
	if page.Has("logout-confirm") {
		page = page.Click("logout-confirm", nil)
	}
	want := rp.client.PostLogoutRedirectURIs[0] + "?state=bye"
	if page.Location == nil || page.Location.String() != want {
		rp.t.Fatalf("logout leads to %v (%d %s), want %s", page.Location, page.Status, page.Text(""), want)
	}
}

// The second login of one browser needs no password, and the wrong password never logs in.
func TestPages(t *testing.T) {
	t.Parallel()
	dev := StartDev(t)
	rp := newRelyingParty(t, dev.Card.Issuer, dev.Card.Clients.Web)
	user := dev.Card.Users[0]
	start := rp.config.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))

	browser := NewBrowser(t)
	page := browser.Get(start)
	refused := page.Click("login", map[string]string{"username": user.Username, "password": "wrong"})
	unknown := page.Click("login", map[string]string{"username": "nobody@example.com", "password": "wrong"})
	if !refused.Has("password") || refused.Text("error") == "" || refused.Text("error") != unknown.Text("error") {
		t.Errorf("a wrong password says %q, an unknown user %q", refused.Text("error"), unknown.Text("error"))
	}

	rp.login(browser, user, "")
	again := browser.Get(start)
	for again.Location == nil && again.Has("consent-allow") {
		again = again.Click("consent-allow", nil)
	}
	if again.Location == nil || again.Location.Query().Get("code") == "" {
		t.Errorf("the second login is not silent: %s", again.Text(""))
	}

	other := NewBrowser(t)
	denied := other.Get(start).Click("login", map[string]string{"username": user.Username, "password": user.Password})
	if !denied.Has("consent-deny") {
		// consent was given by this user before: ask for it
		denied = other.Get(start + "&prompt=consent")
	}
	denied = denied.Click("consent-deny", nil)
	if denied.Location == nil || denied.Location.Query().Get("error") != "access_denied" {
		t.Errorf("Deny leads to %v", denied.Location)
	}

	bad := NewBrowser(t).Get(strings.Replace(start, url.QueryEscape(rp.config.RedirectURL), url.QueryEscape("https://evil.test/cb"), 1))
	if bad.Location != nil || !bad.Has("error") || bad.Status != http.StatusBadRequest {
		t.Errorf("a foreign redirect URI gives %d, location %v", bad.Status, bad.Location)
	}
}

// TestServeTwoNodes: one database, two nodes: what one issues the other redeems, refreshes, introspects and revokes.
func TestServeTwoNodes(t *testing.T) {
	t.Parallel()
	cluster := NewCluster(t)
	one := cluster.StartNode()
	two := cluster.StartNode()

	var created struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}
	redirect := "https://rp.test/cb"
	cluster.adminPost(one, "/clients", map[string]any{
		"client_name": "Shop", "redirect_uris": []string{redirect}, "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
		"scope": "openid profile email offline_access", "introspect": true,
	}, &created)
	var person struct {
		Sub string `json:"sub"`
	}
	user := User{Username: "ada", Password: "correct horse battery staple"}
	cluster.adminPost(two, "/users", map[string]any{
		"username": user.Username, "password": user.Password,
		"email": "ada@example.com", "given_name": "Ada",
	}, &person)

	client := Client{ClientID: created.ClientID, ClientSecret: created.ClientSecret, RedirectURIs: []string{redirect}}
	rp := newRelyingParty(t, cluster.Issuer, client)
	token, idToken := rp.login(NewBrowser(t), user, two.URL+"/token")
	if person.Sub == "" || idToken.Subject != person.Sub {
		t.Errorf("sub %q, want %q", idToken.Subject, person.Sub)
	}
	fresh, err := rp.refresh(token)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range cluster.Nodes {
		if !rp.active(node, fresh.AccessToken) {
			t.Errorf("%s does not know the token", node.URL)
		}
	}
	rp.post(two.URL+"/revoke", url.Values{"token": {fresh.RefreshToken}}, nil)
	for _, node := range cluster.Nodes {
		if rp.active(node, fresh.AccessToken) {
			t.Errorf("%s takes a token whose family was revoked", node.URL)
		}
	}
	for _, node := range cluster.Nodes {
		if code := node.Stop(); code != 0 {
			t.Errorf("SIGTERM ends a node with %d", code)
		}
	}
}

func (c *Cluster) adminPost(n *Node, path string, in, out any) {
	c.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, n.AdminURL+"/admin/v1"+path, strings.NewReader(string(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+c.AdminKey)
	if err := answer(request, out); err != nil {
		c.t.Fatal(err)
	}
}

func (rp *relyingParty) active(node *Node, token string) bool {
	rp.t.Helper()
	var state struct {
		Active bool `json:"active"`
	}
	rp.post(node.URL+"/introspect", url.Values{"token": {token}}, &state)
	return state.Active
}

func (rp *relyingParty) post(address string, form url.Values, out any) {
	rp.t.Helper()
	request, err := http.NewRequestWithContext(rp.ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		rp.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(rp.client.ClientID), url.QueryEscape(rp.client.ClientSecret))
	if err := answer(request, out); err != nil {
		rp.t.Fatal(err)
	}
}

// answer sends a request, wants success, and decodes the body into out unless that is nil.
func answer(request *http.Request, out any) error {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= 300 {
		var problem json.RawMessage
		_ = json.NewDecoder(response.Body).Decode(&problem)
		return fmt.Errorf("%s %s: %s %s", request.Method, request.URL, response.Status, problem)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(out)
}
