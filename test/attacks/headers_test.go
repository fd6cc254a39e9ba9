package attacks

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/signet-auth/signet/test/e2e"
)

// route is one path as a stranger sees it.
type route struct {
	path    string
	methods []string
	class   string // page, token, api, public, ops
	cors    string // "", public, client
}

func publicRoutes() []route {
	page, get := []string{"GET", "POST"}, []string{"GET"}
	return []route{
		{"/authorize", page, "page", ""}, {"/login", page, "page", ""}, {"/consent", page, "page", ""}, {"/logout", page, "page", ""},
		{"/logged-out", get, "page", ""}, {"/account", page, "page", ""},
		{"/token", []string{"POST"}, "token", "client"}, {"/introspect", []string{"POST"}, "token", ""},
		{"/revoke", []string{"POST"}, "token", "client"}, {"/userinfo", page, "token", "client"},
		{"/.well-known/openid-configuration", []string{"GET", "HEAD"}, "public", "public"},
		{"/.well-known/oauth-authorization-server", []string{"GET", "HEAD"}, "public", "public"},
		{"/.well-known/jwks.json", []string{"GET", "HEAD"}, "public", "public"},
	}
}

func adminRoutes() []route {
	get, post, put := []string{"GET"}, []string{"POST"}, []string{"PUT"}
	api := func(path string, methods []string) route { return route{"/admin/v1" + path, methods, "api", ""} }
	return []route{
		api("/me", get), api("/clients", []string{"GET", "POST"}), api("/clients/x", []string{"GET", "PUT"}), api("/clients/x/disable", post),
		api("/clients/x/enable", post), api("/clients/x/secrets", post), api("/users", []string{"GET", "POST"}), api("/users/x", []string{"GET", "PUT"}),
		api("/users/x/disable", post), api("/users/x/enable", post), api("/users/x/password", put), api("/keys", get),
		api("/keys/rotate", post), api("/keys/rewrap", post), api("/keys/x/revoke", post), api("/events", get),
	}
}

func opsRoutes() []route {
	get := []string{"GET", "HEAD"}
	return []route{{"/livez", get, "ops", ""}, {"/readyz", get, "ops", ""}, {"/metrics", get, "ops", ""}}
}

// listeners are the routes by the base URL that serves them.
func (w *world) listeners() map[string][]route {
	return map[string][]route{w.Card.Issuer: publicRoutes(), strings.TrimSuffix(w.Card.Admin.APIURL, "/admin/v1"): adminRoutes(), w.Card.Ops.URL: opsRoutes()}
}

// everyRoute calls the function for each route of each listener.
func (w *world) everyRoute(visit func(base string, r route)) {
	for base, routes := range w.listeners() {
		for _, r := range routes {
			visit(base, r)
		}
	}
}

func (w *world) visit(method, address string, headers ...string) answer {
	w.t.Helper()
	request := w.request(method, "", "", headers...)
	u, err := url.Parse(address)
	if err != nil {
		w.t.Fatal(err)
	}
	request.URL, request.Host = u, u.Host
	return w.do(request)
}

// Every method that a route does not serve gets 405 and the list of those it does; nothing overrides a method.
func TestHTT01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if a := w.get("/.well-known/jwks.json"); a.status != http.StatusOK {
		t.Fatalf("happy path: %d", a.status)
	}
	all := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "get", "PROPFIND"}
	w.everyRoute(func(base string, r route) {
		for _, method := range all {
			a := w.visit(method, base+r.path)
			if served := slices.Contains(r.methods, method); served == (a.status == http.StatusMethodNotAllowed) {
				t.Errorf("%s %s gives %d", method, r.path, a.status)
			} else if !served && a.header.Get("Allow") != strings.Join(r.methods, ", ") {
				t.Errorf("%s %s: Allow %q, want %q", method, r.path, a.header.Get("Allow"), r.methods)
			}
			if method == "TRACE" && strings.Contains(a.body, "TRACE") {
				t.Errorf("TRACE %s echoes", r.path)
			}
		}
		host := strings.TrimPrefix(base, "http://")
		for _, target := range []string{r.path, host} {
			text := raw(t, base, "CONNECT "+target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
			if s := statusOf(text); s != http.StatusMethodNotAllowed && s != http.StatusBadRequest && s != http.StatusNotFound {
				t.Errorf("CONNECT %s gives %.60q", target, text)
			}
		}
	})
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		if a := w.visit("GET", w.Card.Issuer+"/token", name, "POST"); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s is honoured: %d", name, a.status)
		}
		if a := w.visit("POST", w.Card.Issuer+"/.well-known/jwks.json?_method=GET", name, "GET"); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s is honoured: %d", name, a.status)
		}
	}
}

// A client's origin reads that client's answers, and nobody else's origin reads anything.
func TestHTT02(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const good = "https://rp.test"
	client := w.register(map[string]any{"origins": []string{good}})
	stranger := w.register(map[string]any{"origins": []string{"https://other.test"}})
	form := func(origin string, as e2e.Client) answer {
		return w.post("/token", as, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, "Origin", origin)
	}
	if got := form(good, client).header.Get("Access-Control-Allow-Origin"); got != good {
		t.Fatalf("the client's own origin may not read: %q", got)
	}
	if a := w.visit("OPTIONS", w.Card.Issuer+"/token", "Origin", good, "Access-Control-Request-Method", "POST"); a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Origin") != good {
		t.Fatalf("preflight: %d %v", a.status, a.header)
	}
	if got := form(good, stranger).header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("another client's origin reads the answer: %q", got)
	}
	bad := []string{"https://evil.test", "null", "https://rp.test.evil.test", "http://rp.test", "https://rp.test:444", "https://RP.TEST", "https://rp.test/", "https://xrp.test", "*", ""}
	for _, origin := range bad {
		if got := form(origin, client).header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("/token answers %q to the origin %q", got, origin)
		}
	}
	w.everyRoute(func(base string, r route) {
		for _, origin := range append(bad, good) {
			for _, headers := range [][]string{{"Origin", origin}, {"Origin", origin, "Access-Control-Request-Method", r.methods[0], "Access-Control-Request-Private-Network", "true"}} {
				method := r.methods[0]
				if len(headers) > 2 {
					method = "OPTIONS"
				}
				h := w.visit(method, base+r.path, headers...).header
				want := map[string]string{"public": "*"}[r.cors]
				if r.cors == "client" && origin == good {
					want = good
				}
				if got := h.Get("Access-Control-Allow-Origin"); got != want && !(r.cors == "client" && got == "") {
					t.Errorf("%s %s: Access-Control-Allow-Origin %q to %q, want %q", method, r.path, got, origin, want)
				}
				if h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Access-Control-Allow-Private-Network") != "" {
					t.Errorf("%s %s allows credentials or private networks: %v", method, r.path, h)
				}
			}
		}
	})
}

// situations are answers of every kind of every route: served, refused, not found, and both ends of a login.
func (w *world) situations() map[string]answer {
	w.t.Helper()
	out := map[string]answer{}
	w.everyRoute(func(base string, r route) {
		for _, method := range append(slices.Clone(r.methods), "DELETE") {
			out[method+" "+r.path] = w.visit(method, base+r.path)
		}
	})
	for base := range w.listeners() {
		out["404 at "+base] = w.visit("GET", base+"/nowhere")
	}
	client, verifier := w.Card.Clients.Web, random()+random()
	query := authorization(client, verifier)
	out["authorize, no login"] = w.get("/authorize?" + query.Encode())
	query.Set("prompt", "none")
	out["authorize, login_required"] = w.get("/authorize?" + query.Encode())
	query.Set("response_mode", "form_post")
	out["authorize, form_post"] = w.get("/authorize?" + query.Encode())
	query.Set("redirect_uri", "https://evil.test/cb")
	out["authorize, error page"] = w.get("/authorize?" + query.Encode())
	tokens := w.tokens(e2e.NewBrowser(w.t), client)
	out["token, 200"] = tokens
	out["token, 400"] = w.post("/token", client, url.Values{"grant_type": {"password"}})
	out["token, 401"] = w.post("/token", e2e.Client{ClientID: "web", ClientSecret: "wrong"}, url.Values{"grant_type": {"client_credentials"}})
	out["userinfo, 200"] = w.get("/userinfo", "Authorization", "Bearer "+tokens.text("access_token"))
	out["introspect, 200"] = w.introspect(w.serviceToken())
	out["revoke, 200"] = w.post("/revoke", client, url.Values{"token": {tokens.text("refresh_token")}})
	if out["userinfo, 200"].status != 200 || out["introspect, 200"].status != 200 || out["revoke, 200"].status != 200 || out["authorize, no login"].status != 303 {
		w.t.Fatalf("the happy path fails: %v", out)
	}
	return out
}

func public(what string) bool {
	return strings.Contains(what, ".well-known") && (strings.HasPrefix(what, "GET ") || strings.HasPrefix(what, "HEAD "))
}

// Nothing but discovery, keys and assets may stand in any cache.
func TestHTT04(t *testing.T) {
	t.Parallel()
	for what, a := range newWorld(t).situations() {
		cache := a.header.Get("Cache-Control")
		switch {
		case public(what):
			if !strings.Contains(cache, "max-age=") || !strings.Contains(cache, "must-revalidate") || strings.Contains(cache, "private") {
				t.Errorf("%s: Cache-Control %q", what, cache)
			}
		case !strings.Contains(cache, "no-store") || a.header.Get("ETag") != "" || a.header.Get("Last-Modified") != "":
			t.Errorf("%s (%d): Cache-Control %q, ETag %q", what, a.status, cache, a.header.Get("ETag"))
		}
	}
}

// Security headers stand on every answer, also on refusals of the kit and of the router.
func TestHTT05(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for what, a := range w.situations() {
		want := map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"}
		for name, value := range want {
			if got := a.header.Get(name); got != value {
				t.Errorf("%s (%d): %s %q, want %q", what, a.status, name, got, value)
			}
		}
		csp := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || a.header.Get("Permissions-Policy") == "" {
			t.Errorf("%s (%d): Content-Security-Policy %q, Permissions-Policy %q", what, a.status, csp, a.header.Get("Permissions-Policy"))
		}
		if got := a.header.Get("Server") + a.header.Get("X-Powered-By"); got != "" {
			t.Errorf("%s: says what it is: %q", what, got)
		}
	}
}

// No answer may be shown in a frame.
func TestCSR07(t *testing.T) {
	t.Parallel()
	for what, a := range newWorld(t).situations() {
		if a.header.Get("X-Frame-Options") != "DENY" || !strings.Contains(a.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s (%d): X-Frame-Options %q, %q", what, a.status, a.header.Get("X-Frame-Options"), a.header.Get("Content-Security-Policy"))
		}
	}
}

// What a header of a stranger says never changes what everybody else reads from a cache.
func TestHTT08(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"} {
		plain := w.get(path)
		if plain.status != http.StatusOK || plain.body == "" {
			t.Fatalf("%s: %d", path, plain.status)
		}
		for _, header := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Forwarded-Port", "X-Host", "X-Original-Url", "X-Rewrite-Url",
			"Forwarded", "Origin", "Accept-Language", "Accept", "X-Forwarded-Scheme"} {
			a := w.get(path, header, "evil.test")
			if a.status != plain.status || a.body != plain.body || a.header.Get("ETag") != plain.header.Get("ETag") {
				t.Errorf("%s with %s differs: %d %s", path, header, a.status, a.body)
			}
		}
		for _, query := range []string{"?cb=1", "?iss=https://evil.test", "?callback=x"} {
			if a := w.get(path + query); a.status == http.StatusOK && a.body != plain.body {
				t.Errorf("%s%s differs: %s", path, query, a.body)
			}
		}
		request := w.request(http.MethodGet, path, "")
		request.Host = "evil.test"
		if a := w.do(request); strings.Contains(a.body, "evil.test") || a.status == http.StatusOK && a.body != plain.body {
			t.Errorf("%s follows Host: %s", path, a.body)
		}
	}
}

// Cookies are out of reach of scripts, of other sites and of addresses. Over http they cannot be Secure: see
// TestCSR08OverTLS.
func TestCSR08(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	query := authorization(w.Card.Clients.Web, random()+random())
	browser := e2e.NewBrowser(t)
	page := browser.Get(w.Card.Issuer + "/authorize?" + query.Encode())
	seen := w.get("/authorize?" + query.Encode()).header["Set-Cookie"]
	after := page.Click("login", map[string]string{"username": w.Card.Users[0].Username, "password": w.Card.Users[0].Password})
	if len(seen) == 0 || after.Has("password") {
		t.Fatalf("no cookie, or no login: %v", seen)
	}
	for _, line := range seen {
		checkCookie(t, line)
	}
	values := map[string]string{}
	for _, cookie := range browser.Cookies(w.Card.Issuer) {
		if len(cookie.Value) < 22 { // 128 bits in base64url
			t.Errorf("%s has a value of %d characters", cookie.Name, len(cookie.Value))
		}
		values[cookie.Name] = cookie.Value
		for _, address := range []string{page.URL.String(), after.URL.String(), after.Header.Get("Location")} {
			if strings.Contains(address, cookie.Value) {
				t.Errorf("%s stands in an address", cookie.Name)
			}
		}
	}
	other := e2e.NewBrowser(t)
	other.LogIn(w.Card.Issuer+"/authorize?"+query.Encode(), w.Card.Users[0])
	for _, cookie := range other.Cookies(w.Card.Issuer) {
		if values[cookie.Name] == cookie.Value {
			t.Errorf("two browsers share the value of %s", cookie.Name)
		}
	}
}

func checkCookie(t *testing.T, line string) {
	t.Helper()
	cookie, err := http.ParseSetCookie(line)
	if err != nil {
		t.Fatal(err)
	}
	if !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" || (cookie.SameSite != http.SameSiteLaxMode && cookie.SameSite != http.SameSiteStrictMode) {
		t.Errorf("Set-Cookie: %s", line)
	}
}
