package attacks

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-auth/signet/test/e2e"
)

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
