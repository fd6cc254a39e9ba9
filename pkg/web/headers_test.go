package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// HTT-04, HTT-05: every answer, also those of the kit itself.
func TestHTT04HTT05Headers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, method, path string
		status             int
		cache, csp         string
	}{
		{"page", "GET", "/login", 200, "no-store", pageCSP},
		{"token", "POST", "/token", 200, "no-store", dataCSP},
		{"api", "GET", "/admin/v1/clients/a", 200, "no-store", dataCSP},
		{"keys", "GET", "/.well-known/jwks.json", 200, "public, max-age=300, must-revalidate", dataCSP},
		{"unknown path", "GET", "/nowhere", 404, "no-store", dataCSP},
		{"wrong method", "DELETE", "/token", 405, "no-store", dataCSP},
		{"wrong method at a cacheable path", "DELETE", "/.well-known/jwks.json", 405, "no-store", dataCSP},
		{"connect", "CONNECT", "/token", 405, "no-store", dataCSP},
		{"panic", "GET", "/panic", 500, "no-store", dataCSP},
		{"failure of a cacheable route", "GET", "/fails", 503, "no-store", dataCSP},
	}
	f := newFixture(t, func(o *Options) {
		o.HTTPS = true
		get := []string{http.MethodGet}
		o.Routes = append(o.Routes,
			Route{Name: "panic", Methods: get, Path: "/panic", Class: ClassPublicJSON, Handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Set-Cookie", "a=b")
				w.Header().Set("Location", "/elsewhere")
				panic("secret")
			}},
			Route{Name: "fails", Methods: get, Path: "/fails", Class: ClassPublicJSON, Handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("ETag", `"x"`)
				WriteJSON(w, http.StatusServiceUnavailable, nil)
			}})
	})
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			response := f.do(t, tc.method, tc.path, "")
			if response.StatusCode != tc.status {
				t.Fatalf("status %d, want %d", response.StatusCode, tc.status)
			}
			for name, want := range map[string]string{
				"Cache-Control": tc.cache, "Content-Security-Policy": tc.csp, "X-Content-Type-Options": "nosniff",
				"Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
				"Strict-Transport-Security": headerHSTS[0], "Server": "", "X-Powered-By": "", "Set-Cookie": "", "Location": "",
			} {
				if got := response.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if !strings.Contains(response.Header.Get("Permissions-Policy"), "geolocation=()") {
				t.Error("no Permissions-Policy")
			}
			if tc.status >= 400 && response.Header.Get("ETag") != "" {
				t.Error("a failure has an ETag")
			}
		})
	}
	if got := f.do(t, "POST", "/token", "").Header.Get("Pragma"); got != "no-cache" {
		t.Errorf("Pragma at /token is %q", got)
	}
	plain := newFixture(t, nil)
	if got := plain.do(t, "GET", "/login", "").Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS over http: %q", got)
	}
}

// HTT-08: nothing that a cache does not key on changes an answer.
func TestHTT08SameBodyForAllHeaders(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	plain := f.do(t, "GET", "/.well-known/jwks.json", "")
	want := bodyOf(t, plain)
	for _, header := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-URL", "X-Rewrite-URL", "Forwarded", "X-Forwarded-Prefix", "Origin", "Accept-Language"} {
		response := f.do(t, "GET", "/.well-known/jwks.json?cb=1", "", header, "https://evil.test")
		if got := bodyOf(t, response); got != want || response.StatusCode != 200 {
			t.Errorf("%s changes the answer to %q", header, got)
		}
		for name := range response.Header {
			if name != "X-Request-Id" && response.Header.Get(name) != plain.Header.Get(name) {
				t.Errorf("%s changes %s to %q", header, name, response.Header.Get(name))
			}
		}
	}
}

func TestFormAction(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		sources []string
		want    string
	}{
		{"none", nil, "form-action 'self'"},
		{"origin", []string{"https://rp.test"}, "form-action 'self' https://rp.test"},
		{"whole redirect URI", []string{"https://rp.test:8443/cb?a=b"}, "form-action 'self' https://rp.test:8443"},
		{"loopback", []string{"http://127.0.0.1:4711/cb"}, "form-action 'self' http://127.0.0.1:4711"},
		{"IPv6 has no grammar in CSP", []string{"http://[::1]:4711/cb"}, "form-action 'self' http:"},
		{"private-use scheme", []string{"com.example.app://oidc-callback"}, "form-action 'self' com.example.app:"},
		{"two", []string{"https://a.test", "https://b.test"}, "form-action 'self' https://a.test https://b.test"},
		{"script", []string{"javascript:alert(1)"}, "form-action 'self'"},
		{"data", []string{"data:text/html,x"}, "form-action 'self'"},
		{"no scheme", []string{"rp.test"}, "form-action 'self'"},
		{"no host", []string{"https:///x"}, "form-action 'self'"},
		{"end of the directive", []string{"https://rp.test;script-src *"}, "form-action 'self'"},
		{"second source", []string{"https://rp.test *"}, "form-action 'self'"},
		{"line break", []string{"https://rp.test\r\nX: y"}, "form-action 'self'"},
		{"wildcard", []string{"https://*"}, "form-action 'self'"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			w.Header()["Content-Security-Policy"] = headerPageCSP
			FormAction(w, tc.sources...)
			got := w.Header().Get("Content-Security-Policy")
			if want := strings.Replace(pageCSP, "form-action 'self'", tc.want, 1); got != want {
				t.Errorf("policy %q, want %q", got, want)
			}
		})
	}
	if headerPageCSP[0] != pageCSP {
		t.Error("the shared header value was changed")
	}
}
