package attacks

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// slow is far above what any single answer here takes, and far below a pg_sleep.
const slow = 4 * time.Second

func statements() []string {
	return []string{"' OR 1=1--", "1;SELECT pg_sleep(5)", "'||randomblob(900000000)||'", "\\'", "$1", "%27", `{"$gt":""}`, "id=1 OR 1=1", "1 OR 1=1",
		"\" OR \"\"=\"", "x'); DROP TABLE clients;--", "?", ":1", "@p1", "_", "%", "' UNION SELECT hash FROM admin_keys--"}
}

// A statement in an input is answered exactly as a random word is.
func TestSQL01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	web, service := w.Card.Clients.Web, w.Card.Clients.Service
	good := authorization(web, random()+random())
	if a := w.get("/authorize?" + good.Encode()); a.status != http.StatusSeeOther {
		t.Fatalf("happy path: %d", a.status)
	}
	changed := func(name, value string) string {
		query := url.Values{}
		for n, v := range good {
			query[n] = v
		}
		query.Set(name, value)
		return query.Encode()
	}
	inputs := map[string]func(value string) answer{
		"authorize client_id":    func(v string) answer { return w.get("/authorize?" + changed("client_id", v)) },
		"authorize redirect_uri": func(v string) answer { return w.get("/authorize?" + changed("redirect_uri", v)) },
		"authorize flow":         func(v string) answer { return w.get("/authorize?" + url.Values{"flow": {v}}.Encode()) },
		"login flow":             func(v string) answer { return w.get("/login?" + url.Values{"flow": {v}}.Encode()) },
		"token client": func(v string) answer {
			return w.post("/token", e2e.Client{ClientID: v, ClientSecret: v}, url.Values{"grant_type": {"client_credentials"}})
		},
		"token code": func(v string) answer {
			return w.post("/token", web, url.Values{"grant_type": {"authorization_code"}, "code": {v}, "code_verifier": {random() + random()}, "redirect_uri": good["redirect_uri"]})
		},
		"token refresh": func(v string) answer {
			return w.post("/token", web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {v}})
		},
		"token assertion issuer": func(v string) answer {
			return w.post("/token", e2e.Client{}, url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
				"client_assertion": {w.assertion(w.Card.Clients.PartnerES256, map[string]any{"iss": v, "sub": v})}})
		},
		"introspect":     func(v string) answer { return w.introspect(v) },
		"revoke":         func(v string) answer { return w.post("/revoke", service, url.Values{"token": {v}}) },
		"userinfo":       func(v string) answer { return w.get("/userinfo", "Authorization", "Bearer "+v) },
		"admin key":      func(v string) answer { return w.admin(http.MethodGet, "/me", nil, "Authorization", "Bearer "+v) },
		"admin client":   func(v string) answer { return w.admin(http.MethodGet, "/clients/"+url.PathEscape(v), nil) },
		"admin user":     func(v string) answer { return w.admin(http.MethodGet, "/users/"+url.PathEscape(v), nil) },
		"admin key id":   func(v string) answer { return w.admin(http.MethodPost, "/keys/"+url.PathEscape(v)+"/revoke", nil) },
		"admin username": func(v string) answer { return w.admin(http.MethodGet, "/users?username="+url.QueryEscape(v), nil) },
		"admin unknown":  func(v string) answer { return w.admin(http.MethodGet, "/clients?order="+url.QueryEscape(v), nil) },
		"admin events":   func(v string) answer { return w.admin(http.MethodGet, "/events?cursor="+url.QueryEscape(v), nil) },
		"cookie": func(v string) answer {
			return w.get("/authorize?"+good.Encode(), "Cookie", "signet_session="+url.QueryEscape(v))
		},
		"login user": func(v string) answer {
			page := e2e.NewBrowser(t).Get(w.Card.Issuer + "/authorize?" + good.Encode())
			after := page.Click("login", map[string]string{"username": v, "password": v})
			return answer{status: after.Status, header: after.Header, body: after.Text("error")}
		},
	}
	for name, ask := range inputs {
		plain := ask(random())
		if plain.status >= 500 {
			t.Errorf("%s: a random word gives %d %s", name, plain.status, plain.body)
		}
		for i, value := range statements() {
			w.http = newClientFrom(i) // failed proofs of unknown clients are counted by network
			begun := time.Now()
			a := ask(value)
			took := time.Since(begun)
			// Forms that are no id at all may be refused as such (400) where a random word is not found (404).
			same := a.status == plain.status || plain.status == http.StatusNotFound && a.status == http.StatusBadRequest
			if !same || took > slow || a.text("error") != plain.text("error") && a.status == plain.status {
				t.Errorf("%s %q: %d %s after %s, a random word gives %d %s", name, value, a.status, a.body, took, plain.status, plain.body)
			}
		}
	}
	w.serviceToken()
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

func scripts() []string {
	return []string{"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "'-alert(1)-'", "</title><svg onload=alert(1)>", "javascript:alert(1)",
		"{{7*7}}", "${7*7}", "\u2028alert(1)", `" autofocus onfocus="alert(1)`, "`+alert(1)+`"}
}

// Script in a parameter comes back as text or not at all. XSS-01 asks Chromium too: TestXSS01InChromium.
func TestXSS01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := authorization(w.Card.Clients.Web, random()+random())
	if page := e2e.NewBrowser(t).Get(w.Card.Issuer + "/authorize?" + good.Encode()); !page.Has("password") {
		t.Fatal("happy path: no login page")
	}
	for _, script := range scripts() {
		for _, name := range []string{"client_id", "redirect_uri", "scope", "state", "nonce", "prompt", "login_hint", "ui_locales", "acr_values", "claims",
			"resource", "request_uri", "unknown", "response_type", "response_mode", "code_challenge", "display"} {
			query := url.Values{}
			for n, v := range good {
				query[n] = v
			}
			query.Set(name, script)
			for _, mode := range []string{"", "form_post"} {
				if mode != "" && name != "response_mode" {
					query.Set("response_mode", mode)
				}
				a := w.get("/authorize?" + query.Encode())
				if location := a.header.Get("Location"); strings.HasPrefix(location, w.Card.Issuer) || strings.HasPrefix(location, "/") {
					a = w.get(strings.TrimPrefix(location, w.Card.Issuer), "Cookie", cookies(a))
				}
				judgePage(t, name+" = "+script, a, script)
			}
		}
		for _, path := range []string{"/login?flow=", "/consent?flow=", "/logout?id_token_hint=", "/logged-out?state=", "/nowhere?x=", "/logout?post_logout_redirect_uri="} {
			judgePage(t, path+script, w.get(path+url.QueryEscape(script)), script)
		}
	}
}

// cookies is what a browser would send back.
func cookies(a answer) string {
	var out []string
	for _, line := range a.header["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		out = append(out, pair)
	}
	return strings.Join(out, "; ")
}

func judgePage(t *testing.T, what string, a answer, script string) {
	t.Helper()
	if a.status >= 500 {
		t.Errorf("%s: %d", what, a.status)
	}
	if strings.ContainsAny(script, "<>\"'`") && strings.Contains(a.body, script) || strings.Contains(a.body, `href="javascript:`) || strings.Contains(a.body, `action="javascript:`) || strings.Contains(a.body, ">49<") {
		t.Errorf("%s: stands in the page unescaped:\n%s", what, a.body)
	}
	if kind := a.header.Get("Content-Type"); a.body != "" && kind != "text/html; charset=utf-8" && kind != "application/json" {
		t.Errorf("%s: Content-Type %q", what, kind)
	}
	if !strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'") || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: %v", what, a.header)
	}
}

// Chromium runs no script of a stranger and raises no dialog.
func TestXSS01InChromium(t *testing.T) {
	t.Parallel()
	e2e.Service(t, "SIGNET_TEST_CHROMIUM")
	e2e.RunScript(t, "xss.mjs", e2e.StartDev(t).CardFile)
}

// JSON answers are JSON, whatever the caller accepts, and carry no markup.
func TestXSS04(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if a := w.post("/token", w.Card.Clients.Service, url.Values{"grant_type": {"client_credentials"}}, "Accept", "text/html"); a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("happy path: %d %v", a.status, a.header)
	}
	for _, script := range scripts() {
		form := url.Values{"grant_type": {script}, "scope": {script}, "token": {script}, "code": {script}, "access_token": {script}}
		answers := map[string]answer{
			"userinfo": w.get("/userinfo", "Accept", "text/html", "Authorization", "Bearer "+url.QueryEscape(script)),
			"admin":    w.admin(http.MethodGet, "/clients/"+url.PathEscape(script), nil, "Accept", "text/html"),
			"create":   w.admin(http.MethodPost, "/clients", map[string]any{"client_name": script, "application_type": script, script: 1}, "Accept", "text/html"),
		}
		for _, path := range []string{"/token", "/introspect", "/revoke", "/userinfo"} {
			answers[path] = w.post(path, w.Card.Clients.Service, url.Values(form), "Accept", "text/html")
		}
		for what, a := range answers {
			kind := a.header.Get("Content-Type")
			if a.body != "" && kind != "application/json" && kind != "application/problem+json" || strings.ContainsAny(a.body, "<>&") || a.status >= 500 ||
				a.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s with %q: %d %s %s", what, script, a.status, kind, a.body)
			}
		}
	}
}
