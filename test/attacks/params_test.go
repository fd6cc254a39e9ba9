package attacks

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-auth/signet/test/e2e"
)

// endpoint is one that takes forms, with a request that works. Codes and refresh tokens are used up, so build makes a
// new one each time.
type endpoint struct {
	name  string
	path  string
	as    e2e.Client
	build func() url.Values
	extra []string // parameters that may be added, beside those of build
}

func (w *world) endpoints(browser *e2e.Browser) []endpoint {
	web, service := w.Card.Clients.Web, w.Card.Clients.Service
	return []endpoint{
		{"token code", "/token", web, func() url.Values { return w.code(browser, web) }, []string{"scope", "client_id"}},
		{"token refresh", "/token", web, func() url.Values {
			return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.tokens(browser, web).text("refresh_token")}, "scope": {"openid"}}
		}, nil},
		{"token service", "/token", service, func() url.Values { return url.Values{"grant_type": {"client_credentials"}, "scope": {"orders:read"}} }, []string{"audience"}},
		{"token assertion", "/token", e2e.Client{}, func() url.Values {
			return url.Values{"grant_type": {"client_credentials"}, "client_assertion": {w.assertion(w.Card.Clients.PartnerES256, nil)},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_id": {w.Card.Clients.PartnerES256.ClientID}}
		}, nil},
		{"introspect", "/introspect", w.Card.Clients.ResourceServer, func() url.Values {
			return url.Values{"token": {w.serviceToken()}, "token_type_hint": {"access_token"}}
		}, nil},
		{"revoke", "/revoke", service, func() url.Values {
			return url.Values{"token": {w.serviceToken()}, "token_type_hint": {"access_token"}}
		}, nil},
		{"userinfo", "/userinfo", e2e.Client{}, func() url.Values {
			return url.Values{"access_token": {w.tokens(browser, web).text("access_token")}}
		}, nil},
	}
}

// A parameter that comes twice is refused, whether the values are the same or not.
func TestPRS01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, e := range w.endpoints(e2e.NewBrowser(t)) {
		t.Run(e.name, func(t *testing.T) {
			good := e.build()
			if a := w.post(e.path, e.as, good); a.status != http.StatusOK {
				t.Fatalf("happy path: %d %s", a.status, a.body)
			}
			names := e.extra
			for name := range good {
				names = append(names, name)
			}
			for _, name := range names {
				for _, second := range []string{"same", "", "other"} {
					form := e.build()
					first := form.Get(name)
					if first == "" {
						first = "openid"
					}
					if second == "same" {
						second = first
					}
					form[name] = []string{first, second}
					if a := w.post(e.path, e.as, form); a.status != http.StatusBadRequest || a.text("error") != "invalid_request" {
						t.Errorf("%s twice (%.10q): %d %s", name, second, a.status, a.body)
					}
				}
			}
		})
	}
	t.Run("authorize", func(t *testing.T) {
		client := w.Card.Clients.Web
		good := authorization(client, random()+random())
		if a := w.get("/authorize?" + good.Encode()); a.status != http.StatusSeeOther {
			t.Fatalf("happy path: %d %s", a.status, a.body)
		}
		for _, name := range []string{"client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
			"prompt", "max_age", "login_hint", "id_token_hint", "claims", "response_mode", "ui_locales", "acr_values", "display", "request", "request_uri", "flow"} {
			for _, second := range []string{"same", "other"} {
				first := good.Get(name)
				if first == "" {
					first = "x"
				}
				if second == "same" {
					second = first
				}
				query := w.get("/authorize?" + good.Encode() + "&" + url.Values{name: {first, second}}.Encode())
				location, _ := url.Parse(query.header.Get("Location"))
				told := location.Query().Get("error") == "invalid_request" && strings.HasPrefix(location.String(), client.RedirectURIs[0]+"?")
				if query.status != http.StatusBadRequest && !told {
					t.Errorf("%s twice: %d, Location %q", name, query.status, location)
				}
				if (name == "client_id" || name == "redirect_uri") && location.String() != "" {
					t.Errorf("%s twice redirects to %s", name, location)
				}
			}
		}
	})
}

// A token request stands in the body: query strings are in logs and histories.
func TestPRS02(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, e := range w.endpoints(e2e.NewBrowser(t)) {
		if e.path == "/userinfo" {
			continue
		}
		good := e.build()
		if a := w.post(e.path, e.as, good); a.status != http.StatusOK {
			t.Fatalf("%s: happy path: %d %s", e.name, a.status, a.body)
		}
		for name := range good {
			form := e.build()
			moved := url.Values{name: form[name]}
			form.Del(name)
			if a := w.post(e.path+"?"+moved.Encode(), e.as, form); a.status != http.StatusBadRequest || a.text("error") != "invalid_request" {
				t.Errorf("%s: %s in the query: %d %s", e.name, name, a.status, a.body)
			}
		}
		if a := w.post(e.path+"?"+e.build().Encode(), e.as, url.Values{}); a.status != http.StatusBadRequest {
			t.Errorf("%s: all in the query: %d %s", e.name, a.status, a.body)
		}
	}
}

// malformed are values that stores, logs and headers choke on.
func malformed() map[string]string {
	return map[string]string{"nul": "a\x00b", "invalid utf-8": "a\xff\xfe", "overlong": "\xc0\xaf", "surrogate": "\xed\xa0\x80", "override": "a\u202eb",
		"zero width": "a\u200bb", "line": "a\r\nX-Evil: 1", "escape": "\x1b[31m", "separator": "a\u2028b", "long": strings.Repeat("a", 9000)}
}

// Whatever bytes stand in a parameter, the answer is a refusal or a page, never a fault and never a header.
func TestPRS07(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := func(t *testing.T, what string, a answer) {
		t.Helper()
		if a.status >= 500 || a.status < 300 || a.header.Get("X-Evil") != "" {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	browser := e2e.NewBrowser(t)
	for _, e := range w.endpoints(browser) {
		if a := w.post(e.path, e.as, e.build()); a.status != http.StatusOK {
			t.Fatalf("%s: happy path: %d %s", e.name, a.status, a.body)
		}
		if e.name == "token refresh" || e.name == "revoke" {
			continue // the same parser as the others, and revocation may answer 200 to any token
		}
		for kind, value := range malformed() {
			for name := range e.build() {
				if name == "token_type_hint" {
					continue // what is unknown is ignored (RFC 7009 §2.1)
				}
				form := e.build()
				form.Set(name, value)
				a := w.post(e.path, e.as, form)
				if e.path == "/introspect" && a.status == http.StatusOK && !a.active() {
					continue
				}
				check(t, e.name+": "+kind+" in "+name, a)
			}
		}
	}
	good := authorization(w.Card.Clients.Web, random()+random())
	for kind, value := range malformed() {
		for name := range good {
			query := url.Values{}
			for n, v := range good {
				query[n] = v
			}
			query.Set(name, value)
			check(t, "authorize: "+kind+" in "+name, w.get("/authorize?"+query.Encode()))
		}
		for _, path := range []string{"/login", "/consent", "/logout"} {
			a := w.get(path + "?" + url.Values{"flow": {value}, "id_token_hint": {value}, "state": {value}}.Encode())
			check(t, path+": "+kind, a)
		}
		for _, path := range []string{"/clients/", "/users/", "/keys/"} {
			a := w.admin(http.MethodGet, path+url.PathEscape(value), nil)
			check(t, "admin "+path+kind, a)
		}
		page := e2e.NewBrowser(t).Get(w.Card.Issuer + "/authorize?" + good.Encode())
		if after := page.Click("login", map[string]string{"username": value, "password": value}); after.Status >= 500 || after.Location != nil {
			t.Errorf("login: %s: %d", kind, after.Status)
		}
		created := w.admin(http.MethodPost, "/users", map[string]any{"username": value, "email": "e@example.com", "password": random() + random()})
		if created.status >= 500 {
			t.Errorf("create a user: %s: %d %s", kind, created.status, created.body)
		}
	}
}

// CR and LF are data: they reach neither a header nor a line of the log.
func TestPRS10(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--verbose")
	const evil = "x\r\nX-Evil: 1\r\n\r\n<h1>evil</h1>"
	good := authorization(w.Card.Clients.Web, random()+random())
	good.Set("prompt", "none")
	if a := w.get("/authorize?" + good.Encode()); a.status != http.StatusSeeOther || !strings.Contains(a.header.Get("Location"), good.Get("state")) {
		t.Fatalf("happy path: %d %v", a.status, a.header)
	}
	host := strings.TrimPrefix(w.Card.Issuer, "http://")
	for _, name := range []string{"state", "redirect_uri", "ui_locales", "login_hint", "scope", "client_id", "nonce", "error_description"} {
		query := url.Values{}
		for n, v := range good {
			query[n] = v
		}
		query.Set(name, evil)
		text := raw(t, w.Card.Issuer, "GET /authorize?"+query.Encode()+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		head, _, _ := strings.Cut(text, "\r\n\r\n")
		if s := statusOf(text); s != http.StatusSeeOther && s != http.StatusBadRequest || strings.Contains(head, "\nX-Evil") || strings.Contains(text, "<h1>evil") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if strings.Contains(w.Output(), "\nX-Evil") {
		t.Error("a line of the log is forged")
	}
}
