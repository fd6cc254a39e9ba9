package attacks

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-auth/signet/test/e2e"
)

// A scope is registered, in its spelling, or refused; the same twice is once.
func TestSCO01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.register(map[string]any{"redirect_uris": nil, "grant_types": []string{"client_credentials"}, "scope": "a b"})
	a := w.happy("happy path", w.post("/token", client, machine("a")))
	if a.text("scope") != "a" || claims(t, a.text("access_token"))["scope"] != "a" {
		t.Fatal(a.body)
	}
	many := make([]string, 5000)
	for i := range many {
		many[i] = fmt.Sprintf("s%d", i)
	}
	for name, scope := range map[string]string{"admin": "admin", "openid": "openid", "tab": "a\tb", "star": "*", "prefix": "a*", "upper case": "A", "5,000": strings.Join(many, " "),
		"not ASCII": "\u00e9", "one too many": "a c", "quote": `a"`, "backslash": `a\`, "line end": "a\nb", "comma": "a,b", "plus": "a+b", "no-break space": "a\u00a0b"} {
		a := w.post("/token", client, machine(scope))
		// Control characters, and what is longer than any list, are malformed before they are a scope.
		if a.text("error") == "invalid_request" && (name == "tab" || name == "line end" || name == "5,000") {
			w.refused(name, a, http.StatusBadRequest, "invalid_request")
			continue
		}
		w.refused(name, a, http.StatusBadRequest, "invalid_scope")
	}
	for _, scope := range []string{"a a", "a  a", " a", "a "} {
		if a := w.happy(scope, w.post("/token", client, machine(scope))); a.text("scope") != "a" {
			t.Errorf("%q gives %q", scope, a.text("scope"))
		}
	}
}

// The scope of a code is what the person agreed to: a token request does not change it.
func TestSCO02(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.register(map[string]any{"scope": "openid profile email offline_access"})
	browser := e2e.NewBrowser(t)
	form := w.code(browser, client) // openid profile offline_access
	form.Set("scope", "openid email")
	a := w.post("/token", client, form)
	if a.status == http.StatusOK && strings.Contains(fmt.Sprint(claims(t, a.text("access_token"))["scope"]), "email") {
		t.Errorf("a scope of the token request: %s", a.body)
	}
	tokens := w.tokens(browser, client)
	refresh := func(token, scope string) answer {
		return w.post("/token", client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "scope": {scope}})
	}
	w.refused("more at a refresh", refresh(tokens.text("refresh_token"), "openid email"), http.StatusBadRequest, "invalid_scope")
	less := w.happy("less at a refresh", refresh(tokens.text("refresh_token"), "openid"))
	if got := claims(t, less.text("access_token"))["scope"]; got != "openid" {
		t.Errorf("scope %v, want openid", got)
	}
}

// A token for one resource server is worth nothing at another, nor at signet's own APIs.
func TestSCO04(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	biller := w.Card.Billers[1]
	guid := biller.Invoices[0].InvoiceGUID
	bill := w.json("/api/v1/tokens", bill(t, biller)).text("token")
	if a := w.get("/api/v1/invoices/"+guid, "Authorization", bill); a.status != http.StatusOK {
		t.Fatalf("happy path: %d %s", a.status, a.body)
	}
	elsewhere := w.happy("for the other server", w.post("/token", e2e.Client{}, with(payer(t, w.Card.Billers[0], 0), "resource", w.Card.ResourceServers[1].Audience))).text("access_token")
	service := w.serviceToken()
	exchanged := w.happy("a key exchanged", w.post("/token", e2e.Client{}, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {w.Card.APIKeys[0].Key},
		"subject_token_type": {"urn:signet:params:oauth:token-type:api-key"}, "resource": {"https://api.example.com"}})).text("access_token")
	for name, token := range map[string]string{"another resource server's": elsewhere, "a service's": service, "an exchanged key's": exchanged} {
		if a := w.get("/api/v1/invoices/"+guid, "Authorization", "Bearer "+token); a.status != http.StatusUnauthorized {
			t.Errorf("%s at the invoices: %d %s", name, a.status, a.body)
		}
	}
	for name, token := range map[string]string{"a bill's": bill, "another resource server's": elsewhere, "a service's": service, "an exchanged key's": exchanged} {
		if a := w.get("/api/account-memberships", "Authorization", "Bearer "+token); a.status != http.StatusUnauthorized {
			t.Errorf("%s at the accounts: %d %s", name, a.status, a.body)
		}
		if a := w.admin(http.MethodGet, "/me", nil, "Authorization", "Bearer "+token); a.status != http.StatusUnauthorized {
			t.Errorf("%s at the admin API: %d %s", name, a.status, a.body)
		}
		if a := w.json("/payment/api/jwt/create", map[string]any{"Audience": "PaymentPage", "Subject": "x"}, "Authorization", "Bearer "+token); a.status != http.StatusUnauthorized {
			t.Errorf("%s at the intents: %d %s", name, a.status, a.body)
		}
		if a := w.get("/userinfo", "Authorization", "Bearer "+token); a.status != http.StatusUnauthorized && a.status != http.StatusForbidden {
			t.Errorf("%s at userinfo: %d %s", name, a.status, a.body)
		}
	}
}

// No machine has a scope of a person, and so no ID token.
func TestSCO05(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	both := w.register(map[string]any{"grant_types": []string{"authorization_code", "client_credentials"}, "scope": "openid profile email phone address offline_access read"})
	a := w.happy("happy path", w.post("/token", both, machine()))
	if a.text("scope") != "read" || a.text("id_token") != "" || a.text("refresh_token") != "" {
		t.Errorf("without scope: %s", a.body)
	}
	w.happy("identity", w.post("/token", e2e.Client{}, payer(t, w.Card.Billers[0], 0)))
	key := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {w.Card.APIKeys[0].Key},
		"subject_token_type": {"urn:signet:params:oauth:token-type:api-key"}, "resource": {"https://api.example.com"}}
	w.happy("key", w.post("/token", e2e.Client{}, key))
	identity := payer(t, w.Card.Billers[0], 1)
	for _, scope := range []string{"openid", "profile", "email", "phone", "address", "offline_access", "read openid"} {
		w.refused(scope+" of a client", w.post("/token", both, machine(scope)), http.StatusBadRequest, "invalid_scope")
		w.refused(scope+" of a payer", w.post("/token", e2e.Client{}, with(identity, "scope", scope)), http.StatusBadRequest, "invalid_scope")
		w.refused(scope+" of a key", w.post("/token", e2e.Client{}, with(key, "scope", scope)), http.StatusBadRequest, "invalid_scope")
	}
}

// What an operator takes away is away from the next token on, and with it what was issued before.
func TestSCO07(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.register(map[string]any{"grant_types": []string{"authorization_code", "refresh_token", "client_credentials"}, "scope": "openid profile offline_access read write"})
	tokens := w.tokens(e2e.NewBrowser(t), client)
	before := w.happy("happy path", w.post("/token", client, machine("read", "write"))).text("access_token")
	if !w.introspect(before).active() || !w.introspect(tokens.text("access_token")).active() {
		t.Fatal("a fresh token is not active")
	}
	w.edit("/clients/"+client.ClientID, map[string]any{"scope": "openid offline_access read"})
	w.refused("the old scope", w.post("/token", client, machine("read", "write")), http.StatusBadRequest, "invalid_scope")
	if a := w.happy("the default", w.post("/token", client, machine())); a.text("scope") != "read" {
		t.Errorf("the default is %q", a.text("scope"))
	}
	for name, token := range map[string]string{"machine": before, "person": tokens.text("access_token"), "refresh": tokens.text("refresh_token")} {
		a := w.introspect(token)
		if a.active() && (strings.Contains(a.text("scope"), "write") || strings.Contains(a.text("scope"), "profile")) {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	again := w.post("/token", client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.text("refresh_token")}})
	if again.status == http.StatusOK && strings.Contains(fmt.Sprint(claims(t, again.text("access_token"))["scope"]), "profile") {
		t.Errorf("the old scope comes back by a refresh: %s", again.body)
	}
	if a := w.get("/userinfo", "Authorization", "Bearer "+tokens.text("access_token")); a.status == http.StatusOK && strings.Contains(a.body, "given_name") {
		t.Errorf("userinfo tells what was taken away: %s", a.body)
	}
}

// A client may be called like a person; its tokens are never the person's.
func TestSCO08(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.Card.Users[0]
	person := w.tokens(e2e.NewBrowser(t), w.Card.Clients.Web).text("access_token")
	if a := w.get("/userinfo", "Authorization", "Bearer "+person); a.status != http.StatusOK {
		t.Fatalf("happy path: %d", a.status)
	}
	for _, id := range []string{user.Sub, user.Username, "app", "biller", w.Card.Billers[0].ID, w.Card.PINApplications[0].ID} {
		a := w.admin(http.MethodPost, "/clients", map[string]any{"client_id": id, "grant_types": []string{"client_credentials"}, "scope": "read"})
		if a.status != http.StatusCreated {
			continue // refused: as good
		}
		client := e2e.Client{ClientID: id, ClientSecret: a.text("client_secret")}
		token := w.happy(id, w.post("/token", client, machine())).text("access_token")
		if sub := claims(t, token)["sub"]; sub != "client:"+id {
			t.Errorf("%s: sub %v", id, sub)
		}
		if a := w.get("/userinfo", "Authorization", "Bearer "+token); a.status != http.StatusForbidden {
			t.Errorf("%s at userinfo: %d %s", id, a.status, a.body)
		}
		if a := w.admin(http.MethodGet, "/me", nil, "Authorization", "Bearer "+token); a.status != http.StatusUnauthorized {
			t.Errorf("%s at the admin API: %d", id, a.status)
		}
		if a := w.get("/api/account-memberships", "Authorization", "Bearer "+token); strings.Contains(a.body, w.Card.Accounts[0].ID) {
			t.Errorf("%s has the person's accounts: %s", id, a.body)
		}
		if a := w.get("/api/accounts/"+w.Card.Accounts[0].ID, "Authorization", "Bearer "+token); a.status != http.StatusNotFound {
			t.Errorf("%s reads the person's account: %d %s", id, a.status, a.body)
		}
	}
	for _, id := range []string{"client:web", "biller:" + w.Card.Billers[0].ID, "app:" + w.Card.PINApplications[0].ID, "key:1", "a/b", "a b", "\u0430lice", ""} {
		a := w.admin(http.MethodPost, "/clients", map[string]any{"client_id": id, "grant_types": []string{"client_credentials"}})
		if id != "" && a.status != http.StatusBadRequest {
			t.Errorf("a client is called %q: %d %s", id, a.status, a.body)
		}
	}
}
