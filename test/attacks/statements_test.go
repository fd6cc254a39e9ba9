package attacks

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// later is how much longer than a random word a statement may take. Both are asked one after the other, so that a busy
// machine slows both; a pg_sleep(5) or the 900 MB of randomblob is later each time.
const (
	later = time.Second
	tries = 3
)

func statements() []string {
	return []string{"' OR 1=1--", "1;SELECT pg_sleep(5)", "'||pg_sleep(5)||'", "'||randomblob(900000000)||'", "\\'", "$1", "%27", `{"$gt":""}`, "id=1 OR 1=1", "1 OR 1=1",
		"\" OR \"\"=\"", "x'); DROP TABLE clients;--", "?", ":1", "@p1", "_", "%", "' UNION SELECT hash FROM admin_keys--"}
}

// A statement in an input is answered exactly as a random word is, and as fast, by either database.
func TestSQL01(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		newWorld(t).statementsEverywhere()
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		c, card, _ := e2e.StartSeeded(t, map[string]any{"replay_marks": "postgres"})
		w := &world{t: t, Dev: &e2e.Dev{Process: c.Nodes[0].Process, Card: card}, http: newClient()}
		w.statementsEverywhere()
	})
}

func (w *world) statementsEverywhere() {
	w.t.Helper()
	good := authorization(w.Card.Clients.Web, random()+random())
	if a := w.get("/authorize?" + good.Encode()); a.status != http.StatusSeeOther {
		w.t.Fatalf("happy path: %d", a.status)
	}
	from := &networks{}
	for _, inputs := range []map[string]func(string) answer{w.flowInputs(good), w.clientInputs(good), w.adminInputs(), w.exchangeInputs(), w.accountInputs()} {
		for name, ask := range inputs {
			for _, value := range statements() {
				w.sameAsRandom(from, name, value, ask)
			}
		}
	}
	for _, value := range statements() {
		// Where any text is welcome it is kept as it is.
		made := w.register(map[string]any{"client_name": value})
		if a := w.admin(http.MethodGet, "/clients/"+url.PathEscape(made.ClientID), nil); a.text("client_name") != value {
			w.t.Errorf("a client named %q: %d %s", value, a.status, a.body)
		}
	}
	w.http = newClient()
	w.serviceToken()
}

// sameAsRandom asks with a random word and then with the value. Failed proofs are counted by network, so that every
// question comes from another.
func (w *world) sameAsRandom(from *networks, name, value string, ask func(string) answer) {
	w.t.Helper()
	var late []time.Duration
	for range tries {
		word := random()
		w.http = from.next()
		begun := time.Now()
		plain := ask(word)
		allowed := time.Since(begun) + later
		w.http = from.next()
		begun = time.Now()
		a := ask(value)
		took := time.Since(begun)
		// A form that is no id at all may be refused as such (400) where a random word is not found (404).
		form := plain.status == http.StatusNotFound && a.status == http.StatusBadRequest
		if plain.status >= 500 || !form && (a.status != plain.status || told(a, word, value) != told(plain, word, value)) {
			w.t.Errorf("%s %q: %d %s, a random word gives %d %s", name, value, a.status, told(a, word, value), plain.status, told(plain, word, value))
			return
		}
		if took <= allowed {
			return
		}
		late = append(late, took)
	}
	w.t.Errorf("%s %q takes %s", name, value, late)
}

// told is an answer without what differs between any two: its id, and what was asked for.
func told(a answer, word, value string) string {
	text := a.body
	if id := a.header.Get("X-Request-Id"); id != "" {
		text = strings.ReplaceAll(text, id, "")
	}
	for _, form := range []string{signedNowhere(word), signedNowhere(value), mustQuote(value), url.QueryEscape(value), html.EscapeString(value), value, word} {
		text = strings.ReplaceAll(text, form, "")
	}
	if location, err := url.Parse(a.header.Get("Location")); err == nil {
		text += location.Path + location.Query().Get("error")
	}
	return text
}

func mustQuote(text string) string {
	quoted, _ := json.Marshal(text) // a string
	return string(quoted[1 : len(quoted)-1])
}

// signedNowhere is a token of the right form, with that key id and issuer, and no good signature.
func signedNowhere(kid string) string {
	encode := func(v any) string {
		text, _ := json.Marshal(v) // plain maps
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return encode(map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": kid}) + "." + encode(map[string]any{"iss": kid, "sub": kid, "jti": kid}) + "." +
		base64.RawURLEncoding.EncodeToString(make([]byte, 64))
}

func (w *world) flowInputs(good url.Values) map[string]func(string) answer {
	authorize := func(name string) func(string) answer {
		return func(v string) answer { return w.get("/authorize?" + with(good, name, v).Encode()) }
	}
	page := func(path string) func(string) answer {
		return func(v string) answer { return w.get(path + url.QueryEscape(v)) }
	}
	inputs := map[string]func(string) answer{
		"authorize flow": page("/authorize?flow="), "login flow": page("/login?flow="), "consent flow": page("/consent?flow="),
		"logout hint": page("/logout?id_token_hint="), "logout client": page("/logout?client_id="), "logout redirect": page("/logout?post_logout_redirect_uri="),
		"session": func(v string) answer {
			return w.get("/authorize?"+good.Encode(), "Cookie", "signet_session="+url.QueryEscape(v))
		},
		"session at the account": func(v string) answer { return w.get("/account", "Cookie", "signet_session="+url.QueryEscape(v)) },
		"login": func(v string) answer {
			after := e2e.NewBrowser(w.t).Get(w.Card.Issuer+"/authorize?"+good.Encode()).Click("login", map[string]string{"username": v, "password": v})
			return answer{status: after.Status, header: after.Header, body: after.Text("error")}
		},
	}
	for _, name := range []string{"client_id", "redirect_uri", "scope", "id_token_hint", "acr_values", "resource", "prompt"} {
		inputs["authorize "+name] = authorize(name)
	}
	return inputs
}

func (w *world) clientInputs(good url.Values) map[string]func(string) answer {
	web, service := w.Card.Clients.Web, w.Card.Clients.Service
	token := func(client e2e.Client, form ...string) answer { return w.post("/token", client, with(nil, form...)) }
	asserted := func(client e2e.Client, changes map[string]any) answer {
		return token(e2e.Client{}, "grant_type", "client_credentials", "client_assertion_type", bearerAssertion, "client_assertion", w.assertion(client, changes))
	}
	return map[string]func(string) answer{
		"token client": func(v string) answer {
			return w.post("/token", e2e.Client{ClientID: v, ClientSecret: v}, machine())
		},
		"token secret": func(v string) answer {
			return w.post("/token", e2e.Client{ClientID: service.ClientID, ClientSecret: v}, machine())
		},
		"token secret in the body": func(v string) answer {
			return token(e2e.Client{}, "grant_type", "client_credentials", "client_id", v, "client_secret", v)
		},
		"token code": func(v string) answer {
			return token(web, "grant_type", "authorization_code", "code", v, "code_verifier", random()+random(), "redirect_uri", good.Get("redirect_uri"))
		},
		"token refresh":    func(v string) answer { return token(web, "grant_type", "refresh_token", "refresh_token", v) },
		"token grant type": func(v string) answer { return token(web, "grant_type", v) },
		"token scope": func(v string) answer {
			// RFC 6749 §3.3 knows neither quotes nor backslashes.
			return token(service, "grant_type", "client_credentials", "scope", "orders:read "+strings.NewReplacer("\"", "", "\\", "").Replace(v))
		},
		"token resource": func(v string) answer { return token(service, "grant_type", "client_credentials", "resource", v) },
		"assertion issuer": func(v string) answer {
			return asserted(w.Card.Clients.PartnerES256, map[string]any{"iss": v, "sub": v})
		},
		"assertion audience": func(v string) answer { return asserted(w.Card.Clients.PartnerES256, map[string]any{"aud": v}) },
		"assertion key": func(v string) answer {
			client := w.Card.Clients.PartnerES256
			client.KID = v
			return asserted(client, nil)
		},
		"exchange subject": func(v string) answer {
			return token(service, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token", v,
				"subject_token_type", "urn:ietf:params:oauth:token-type:access_token")
		},
		"introspect":         func(v string) answer { return w.introspect(v) },
		"introspect key":     func(v string) answer { return w.introspect(signedNowhere(v)) },
		"introspect API key": func(v string) answer { return w.introspect("sgt_ak_" + v) },
		"introspect hint": func(v string) answer {
			return w.post("/introspect", w.Card.Clients.ResourceServer, url.Values{"token": {"x"}, "token_type_hint": {v}})
		},
		"revoke":              func(v string) answer { return w.post("/revoke", service, url.Values{"token": {v}}) },
		"revoke key":          func(v string) answer { return w.post("/revoke", service, url.Values{"token": {signedNowhere(v)}}) },
		"userinfo":            func(v string) answer { return w.get("/userinfo", "Authorization", "Bearer "+v) },
		"userinfo key":        func(v string) answer { return w.get("/userinfo", "Authorization", "Bearer "+signedNowhere(v)) },
		"origin at the token": func(v string) answer { return w.post("/token", web, url.Values{"grant_type": {"x"}}, "Origin", v) },
	}
}

func (w *world) adminInputs() map[string]func(string) answer {
	inputs := map[string]func(string) answer{
		"admin key": func(v string) answer { return w.admin(http.MethodGet, "/me", nil, "Authorization", "Bearer "+v) },
	}
	get := func(path string) { // the value goes where the star is
		inputs["admin "+path] = func(v string) answer {
			escaped := url.PathEscape(v)
			if strings.Contains(path, "?") {
				escaped = url.QueryEscape(v)
			}
			return w.admin(http.MethodGet, strings.Replace(path, "*", escaped, 1), nil)
		}
	}
	for _, path := range []string{"/clients/*", "/users/*", "/billers/*", "/resource-servers/*", "/accounts/*", "/pin-applications/*", "/users?username=*",
		"/clients?order=*", "/clients?limit=*", "/clients?after=*", "/clients?cursor=*", "/events?cursor=*", "/events?before=*", "/events?after=*", "/events?kind=*", "/billers?name=*"} {
		get(path)
	}
	for _, path := range []string{"/keys/*/revoke", "/clients/*/disable", "/users/*/disable", "/clients/*/secrets", "/billers/*/disable"} {
		inputs["admin POST "+path] = func(v string) answer {
			return w.admin(http.MethodPost, strings.Replace(path, "*", url.PathEscape(v), 1), map[string]any{})
		}
	}
	return inputs
}

func (w *world) exchangeInputs() map[string]func(string) answer {
	v2, v1 := w.Card.Billers[0], w.Card.Billers[1]
	app := w.Card.PINApplications[0]
	identity := func(name string) func(string) answer {
		return func(v string) answer { return w.post("/token", e2e.Client{}, with(payer(w.t, v2, 0), name, v)) }
	}
	legacy := func(path string, body map[string]any, name string) func(string) answer {
		return func(v string) answer {
			changed := map[string]any{name: v}
			for n, value := range body {
				if n != name {
					changed[n] = value
				}
			}
			return w.json(path, changed)
		}
	}
	inputs := map[string]func(string) answer{
		"pin username": func(v string) answer { return w.json("/auth", map[string]any{"username": v, "password": "AAAA"}) },
		"pin password": func(v string) answer { return w.json("/auth", map[string]any{"username": app.Username, "password": v}) },
		"pin refresh":  func(v string) answer { return w.json("/auth/refresh", map[string]any{"refreshToken": v}) },
		"invoice": func(v string) answer {
			return w.get("/api/v1/invoices/"+url.PathEscape(v), "Authorization", "Bearer "+signedNowhere(v))
		},
	}
	for _, name := range []string{"biller_id", "user_id", "timestamp", "hmac", "hmac_kid"} {
		inputs["identity "+name] = identity(name)
	}
	for _, name := range []string{"billerGuid", "invoiceGuid", "hmac"} {
		inputs["tokens "+name] = legacy("/api/v1/tokens", bill(w.t, v1), name)
	}
	for _, name := range []string{"billerGuid", "userGuid", "timestamp", "hmac"} {
		inputs["payertokens "+name] = legacy("/api/v1/payertokens", e2e.Payer(w.t, v2), name)
	}
	return inputs
}

func (w *world) accountInputs() map[string]func(string) answer {
	account, key := w.Card.Accounts[0].ID, w.Card.APIKeys[0].Key
	send := func(method, path, body string) answer {
		return w.do(w.request(method, path, body, "X-Api-Key", key, "Content-Type", "application/json"))
	}
	d := w.Card.Devices[0]
	return map[string]func(string) answer{
		"API key":          func(v string) answer { return w.get(probe, "X-Api-Key", v) },
		"API key's secret": func(v string) answer { return w.get(probe, "X-Api-Key", "sgt_ak_"+v) },
		"account":          func(v string) answer { return send(http.MethodGet, "/api/accounts/"+url.PathEscape(v), "") },
		"account of keys":  func(v string) answer { return send(http.MethodGet, "/api/accounts/"+url.PathEscape(v)+"/api-keys", "") },
		"member": func(v string) answer {
			return send(http.MethodDelete, "/api/accounts/"+account+"/members/"+url.PathEscape(v), "")
		},
		"key name": func(v string) answer {
			return send(http.MethodPut, "/api/accounts/"+account+"/api-keys/"+url.PathEscape(v), `{"enabled":false}`)
		},
		"new member": func(v string) answer {
			return send(http.MethodPost, "/api/accounts/"+account+"/members", fmt.Sprintf(`{"userId":"%s","role":"merchant-terminal"}`, mustQuote(v)))
		},
		"permission": func(v string) answer {
			return send(http.MethodPost, "/api/permissions/check", fmt.Sprintf(`{"permission":"%s","accountId":"%s"}`, mustQuote(v), mustQuote(v)))
		},
		"device":          func(v string) answer { return w.json(createIntent, order, "Authorization", d.DCN+":"+v+"|"+d.Password) },
		"device account":  func(v string) answer { return w.json(createIntent, order, "Authorization", v+":"+d.ID+"|"+d.Password) },
		"device password": func(v string) answer { return w.json(createIntent, order, "Authorization", d.DCN+":"+d.ID+"|"+v) },
		"intent":          func(v string) answer { return w.validate(v) },
		"intent key":      func(v string) answer { return w.validate(signedNowhere(v)) },
	}
}

// An id is compared, never spliced into a condition; there is no order to ask for.
func TestSQL02(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if a := w.admin(http.MethodGet, "/clients/web", nil); a.status != http.StatusOK {
		t.Fatalf("happy path: %d %s", a.status, a.body)
	}
	list := w.admin(http.MethodGet, "/clients", nil)
	for _, id := range statements() {
		for _, path := range []string{"/clients/", "/users/"} {
			if a := w.admin(http.MethodGet, path+url.PathEscape(id), nil); a.status != http.StatusNotFound && a.status != http.StatusBadRequest {
				t.Errorf("%s%s: %d %s", path, id, a.status, a.body)
			}
		}
	}
	for _, query := range []string{"order=name;drop table clients", "order=name%3Bdrop%20table%20clients", "sort=1", "limit=1;--", "where=1=1", "offset=' OR 1=1"} {
		if a := w.admin(http.MethodGet, "/clients?"+strings.ReplaceAll(query, " ", "%20"), nil); a.status != http.StatusBadRequest {
			t.Errorf("?%s: %d %s", query, a.status, a.body)
		}
	}
	if after := w.admin(http.MethodGet, "/clients", nil); after.body != list.body {
		t.Errorf("the clients changed: %s", after.body)
	}
}

// Wildcards are plain characters, and what is too large is refused before it reaches a statement.
func TestSQL04(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.Card.Users[0]
	one := w.admin(http.MethodGet, "/users?username="+url.QueryEscape(user.Username), nil)
	if one.status != http.StatusOK || !strings.Contains(one.body, user.Sub) {
		t.Fatalf("happy path: %d %s", one.status, one.body)
	}
	for _, name := range []string{"%", "_____", "ali%", "a_ice", "*", "ali*", "[a]lice"} {
		if a := w.admin(http.MethodGet, "/users?username="+url.QueryEscape(name), nil); strings.Contains(a.body, user.Sub) || a.status >= 500 {
			t.Errorf("username %q finds: %d %s", name, a.status, a.body)
		}
	}
	big := strings.Repeat("x", 10<<20)
	for what, a := range map[string]answer{
		"10 MB in a form": w.post("/introspect", w.Card.Clients.ResourceServer, url.Values{"token": {big}}),
		"10 MB in JSON":   w.admin(http.MethodPost, "/clients", map[string]any{"client_name": big}),
		"many members":    w.admin(http.MethodPost, "/clients", map[string]any{"client_name": "x", "redirect_uris": strings.Split(strings.Repeat("https://a.test/ ", 65536), " ")}),
	} {
		if a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d %.100s", what, a.status, a.body)
		}
	}
	fits := w.admin(http.MethodPost, "/clients", map[string]any{"client_name": "x", "token_endpoint_auth_method": "none",
		"grant_types": []string{"authorization_code"}, "redirect_uris": strings.Fields(strings.Repeat("https://a.test/ ", 10000))})
	if fits.status != http.StatusBadRequest {
		t.Errorf("10,000 redirect URIs: %d %.100s", fits.status, fits.body)
	}
}
