package attacks

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-auth/signet/test/e2e"
)

const bearerAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func machine(scope ...string) url.Values {
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(scope) > 0 {
		form.Set("scope", strings.Join(scope, " "))
	}
	return form
}

// asserted is a token request by an assertion of the card's modern partner.
func (w *world) asserted(changes map[string]any) url.Values {
	w.t.Helper()
	return with(machine(), "client_assertion_type", bearerAssertion, "client_assertion", w.assertion(w.Card.Clients.PartnerES256, changes))
}

// basic sends a form with an Authorization header as it is.
func (w *world) basic(header string, form url.Values) answer {
	w.t.Helper()
	return w.post("/token", e2e.Client{}, form, "Authorization", header)
}

func basicOf(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// One method a request: whoever sends two gets nothing for either.
func TestCLA01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.Card.Clients.Service
	two := w.register(map[string]any{"redirect_uris": nil, "grant_types": []string{"client_credentials"}, "scope": "read", "token_endpoint_auth_method": "client_secret_post"})
	w.happy("by Basic", w.post("/token", one, machine()))
	posted := with(machine(), "client_id", two.ClientID, "client_secret", two.ClientSecret)
	w.happy("by the body", w.post("/token", e2e.Client{}, posted))
	header := basicOf(one.ClientID, one.ClientSecret)
	for name, form := range map[string]url.Values{"another client in the body": posted, "the same client and secret in the body": with(machine(), "client_id", one.ClientID, "client_secret", one.ClientSecret),
		"a secret alone in the body": with(machine(), "client_secret", one.ClientSecret), "an empty secret in the body": {"grant_type": {"client_credentials"}, "client_secret": {""}, "client_id": {one.ClientID}}} {
		a := w.basic(header, form)
		if a.status == http.StatusOK && name == "an empty secret in the body" {
			continue // an empty parameter is none (RFC 6749 §3.2)
		}
		w.refused(name, a, http.StatusBadRequest, "invalid_request")
	}
	w.refused("another client's name in the body", w.basic(header, with(machine(), "client_id", two.ClientID)), http.StatusBadRequest, "invalid_request")
}

// An assertion beside a secret is two methods, wherever the secret stands.
func TestCLA02(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.Card.Clients.Service
	w.happy("by assertion", w.post("/token", e2e.Client{}, w.asserted(nil)))
	for name, a := range map[string]answer{
		"another's Basic":       w.basic(basicOf(one.ClientID, one.ClientSecret), w.asserted(nil)),
		"its own name in Basic": w.basic(basicOf(w.Card.Clients.PartnerES256.ClientID, "x"), w.asserted(nil)),
		"a secret in the body":  w.post("/token", e2e.Client{}, with(w.asserted(nil), "client_secret", "x")),
		"another's secret and name in the body": w.post("/token", e2e.Client{}, with(w.asserted(nil), "client_id", one.ClientID,
			"client_secret", one.ClientSecret)),
	} {
		w.refused(name, a, http.StatusBadRequest, "invalid_request")
	}
	// None of them used an assertion up.
	form := w.asserted(nil)
	w.refused("with a secret", w.post("/token", e2e.Client{}, with(form, "client_secret", "x")), http.StatusBadRequest, "invalid_request")
	w.happy("the same without", w.post("/token", e2e.Client{}, form))
}

// A client proves itself by the method of its record alone, and never in the address.
func TestCLA04(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--verbose")
	basic, from := w.Card.Clients.Service, &networks{}
	post := w.register(map[string]any{"redirect_uris": nil, "grant_types": []string{"client_credentials"}, "scope": "read", "token_endpoint_auth_method": "client_secret_post"})
	w.happy("by Basic", w.post("/token", basic, machine()))
	w.happy("by the body", w.post("/token", e2e.Client{}, with(machine(), "client_id", post.ClientID, "client_secret", post.ClientSecret)))
	w.http = from.next()
	w.refused("Basic's by the body", w.post("/token", e2e.Client{}, with(machine(), "client_id", basic.ClientID, "client_secret", basic.ClientSecret)), http.StatusUnauthorized, "invalid_client")
	w.refused("the body's by Basic", w.basic(basicOf(post.ClientID, post.ClientSecret), machine()), http.StatusUnauthorized, "invalid_client")
	for _, query := range []url.Values{{"client_id": {basic.ClientID}, "client_secret": {basic.ClientSecret}}, {"client_id": {post.ClientID}, "client_secret": {post.ClientSecret}}} {
		w.refused("in the address", w.post("/token?"+query.Encode(), e2e.Client{}, machine()), http.StatusBadRequest, "invalid_request")
	}
	w.refused("by no method", w.post("/token", e2e.Client{ClientID: basic.ClientID}, machine()), http.StatusUnauthorized, "invalid_client")
	w.refused("a partner by secret", w.basic(basicOf(w.Card.Clients.PartnerES256.ClientID, basic.ClientSecret), machine()), http.StatusUnauthorized, "invalid_client")
	log := w.Output()[strings.Index(w.Output(), "docs/clients.md"):]
	canaries{"a secret in the address": post.ClientSecret}.hunt(t, "the log", []byte(log))
}

// Malformed Basic is a failed client with a challenge, never a fault of ours.
func TestCLA05(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client, from := w.Card.Clients.Service, &networks{}
	w.happy("happy path", w.basic(basicOf(client.ClientID, client.ClientSecret), machine()))
	encode := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for name, header := range map[string]string{
		"no colon": encode(client.ClientID), "no base64": "Basic %%%", "url-safe alphabet": "Basic " + base64.RawURLEncoding.EncodeToString([]byte("a>>?:"+client.ClientSecret)),
		"no UTF-8": encode("\xff\xfe:x"), "an escaped letter": encode("s%65rvice:" + client.ClientSecret), "an upper-case name": encode("Service:" + client.ClientSecret),
		"a plus": encode("ser+vice:" + client.ClientSecret), "a blank": encode("service :" + client.ClientSecret), "an empty name": encode(":" + client.ClientSecret), "NUL": encode("ser\x00vice:" + client.ClientSecret),
		"an empty secret": encode("service:"), "half an escape": encode("service:%2"), "nothing": "Basic",
		"trailing data": encode("service:"+client.ClientSecret) + "=", "a list": encode("service:"+client.ClientSecret) + ", Basic x", "a long secret": encode("service:" + strings.Repeat("a", 24<<10)),
	} {
		w.http = from.next()
		a := w.basic(header, machine())
		if a.status != http.StatusUnauthorized || a.text("error") != "invalid_client" || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic realm=") {
			t.Errorf("%s: %d %s %q", name, a.status, a.body, a.header.Get("WWW-Authenticate"))
		}
	}
	for _, size := range []int{64 << 10, 1 << 20} {
		w.http = from.next()
		a, err := send(w.http, w.form("/token", e2e.Client{}, machine(), "Authorization", encode("service:"+strings.Repeat("a", size))))
		if err == nil && a.status != http.StatusRequestHeaderFieldsTooLarge && a.status != http.StatusUnauthorized {
			t.Errorf("a secret of %d bytes: %d %s", size, a.status, a.body)
		}
	}
	// Spellings of one name fill one count.
	w.http = from.next()
	last := 0
	for range 40 {
		last = w.basic(encode("service:wrong"), machine()).status
	}
	if last != http.StatusTooManyRequests {
		t.Fatalf("40 wrong secrets: %d", last)
	}
	for name, header := range map[string]string{"escaped": encode("s%65rvice:x"), "plain": encode("service:x")} {
		if a := w.basic(header, machine()); a.status == http.StatusOK || name == "plain" && a.status != http.StatusTooManyRequests {
			t.Errorf("%s: %d", name, a.status)
		}
	}
}

// Guesses are throttled by client and network; the client itself goes on from where it always was.
func TestCLA07(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client, from, home := w.Card.Clients.Service, &networks{}, newClient()
	w.http = home
	w.happy("happy path", w.post("/token", client, machine()))
	wrong := e2e.Client{ClientID: client.ClientID, ClientSecret: "wrong-" + random()}
	w.http = newClientFrom(251)
	codes := map[int]int{}
	for range 1000 {
		a := w.post("/token", wrong, machine())
		codes[a.status]++
		if a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") == "" {
			t.Fatal("429 without Retry-After")
		}
	}
	if codes[401] != 20 || codes[429] != 980 {
		t.Errorf("from one network: %v", codes)
	}
	if a := w.post("/token", client, machine()); a.status != http.StatusTooManyRequests {
		t.Errorf("the right secret from there: %d", a.status)
	}
	codes = map[int]int{}
	for range 50 {
		w.http = from.next()
		for range 2 {
			codes[w.post("/token", wrong, machine()).status]++
		}
		w.http = home
		w.happy("the client beside them", w.post("/token", client, machine()))
	}
	if codes[401] != 100 {
		t.Errorf("from 50 networks, 2 each: %v", codes)
	}
}

// A disabled client is nobody, whatever it still holds.
func TestCLA08(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client, partner := w.register(nil), w.Card.Clients.PartnerES256
	tokens := w.tokens(e2e.NewBrowser(t), client)
	signed := w.happy("by assertion", w.post("/token", e2e.Client{}, w.asserted(nil)))
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.text("refresh_token")}}
	for _, id := range []string{client.ClientID, partner.ClientID} {
		if a := w.admin(http.MethodPost, "/clients/"+id+"/disable", map[string]any{}); a.status >= 300 {
			t.Fatalf("disable: %d %s", a.status, a.body)
		}
	}
	w.refused("its refresh token", w.post("/token", client, refresh), http.StatusUnauthorized, "invalid_client")
	w.refused("its assertion", w.post("/token", e2e.Client{}, w.asserted(nil)), http.StatusUnauthorized, "invalid_client")
	for name, token := range map[string]string{"access token": tokens.text("access_token"), "refresh token": tokens.text("refresh_token"), "machine token": signed.text("access_token")} {
		if a := w.introspect(token); a.active() {
			t.Errorf("its %s is active: %s", name, a.body)
		}
	}
	if a := w.get("/userinfo", "Authorization", "Bearer "+tokens.text("access_token")); a.status != http.StatusUnauthorized {
		t.Errorf("userinfo: %d", a.status)
	}
	if a := w.admin(http.MethodPost, "/clients/"+client.ClientID+"/enable", map[string]any{}); a.status >= 300 {
		t.Fatalf("enable: %d %s", a.status, a.body)
	}
	w.refused("its refresh token, when it is back", w.post("/token", client, refresh), http.StatusBadRequest, "invalid_grant")
}

// A client uses the grants of its record; those that signet does not have, nobody (AST-25, AST-26 among them).
func TestCLA10(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	codes := w.register(map[string]any{"grant_types": []string{"authorization_code"}})
	form := w.code(e2e.NewBrowser(t), codes)
	w.happy("its own grant", w.post("/token", codes, form))
	biller := w.Card.Billers[0]
	for name, form := range map[string]url.Values{"client_credentials": machine(), "refresh_token": {"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, "hmac": payer(t, biller, 0),
		"token exchange": {"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {w.Card.APIKeys[0].Key}}} {
		w.refused(name, w.post("/token", codes, form), http.StatusBadRequest, "unauthorized_client")
	}
	for _, client := range []e2e.Client{codes, w.Card.Clients.Service, w.Card.Clients.SPA} {
		for _, grant := range []string{"password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "urn:signet:params:oauth:grant-type:pin", "Client_Credentials", ""} {
			want := "unsupported_grant_type"
			if grant == "" {
				want = "invalid_request"
			}
			w.refused(grant, w.post("/token", client, url.Values{"grant_type": {grant}, "username": {"alice"}, "password": {"x"}}), http.StatusBadRequest, want)
		}
	}
	for _, kind := range []string{"token", "id_token token", "code token", "none"} {
		query := authorization(w.Card.Clients.Web, random()+random())
		query.Set("response_type", kind)
		if location := w.get("/authorize?" + query.Encode()).header.Get("Location"); !strings.Contains(location, "error=") || strings.Contains(location, "#") {
			t.Errorf("response_type %s leads to %q", kind, location)
		}
	}
}

// The jwt-bearer grant does not exist: no assertion buys a token for whom it names, with whatever audience.
func TestAST25(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.happy("happy path", w.post("/token", e2e.Client{}, w.asserted(nil)))
	for name, audience := range map[string]any{"sole": w.Card.Issuer, "two": []string{w.Card.Issuer, "https://payments-api.test"}} {
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "scope": {"profile-search"},
			"assertion": {w.assertion(w.Card.Clients.PartnerES256, map[string]any{"aud": audience, "sub": w.Card.Users[0].Sub})}}
		w.refused(name, w.post("/token", w.Card.Clients.Service, form), http.StatusBadRequest, "unsupported_grant_type")
		maps := with(w.asserted(nil), "grant_type", form.Get("grant_type"), "assertion", form.Get("assertion"))
		w.refused(name+" with its client", w.post("/token", e2e.Client{}, maps), http.StatusBadRequest, "unsupported_grant_type")
	}
}
