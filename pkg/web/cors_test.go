package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// HTT-02: who may read what. No answer ever allows credentials.
func TestHTT02CORS(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) {
		o.Routes = append(o.Routes, Route{
			Name: "revoke", Methods: []string{"POST"}, Path: "/revoke", Class: ClassToken, CORS: CORSClient,
			Handler: func(w http.ResponseWriter, r *http.Request) {
				RestrictOrigin(w, r, []string{"https://rp.test"})
				WriteJSON(w, http.StatusBadRequest, nil)
			},
		})
	})
	const known, other = "https://rp.test", "https://rp2.test"
	cases := []struct {
		name, method, path, origin string
		want                       string // Access-Control-Allow-Origin
	}{
		{"registered", "POST", "/token", known, known},
		{"another client's, before the client is known", "POST", "/token", other, other},
		{"the client's own, on an error", "POST", "/revoke", known, known},
		{"another client's, once the client is known", "POST", "/revoke", other, ""},
		{"stranger", "POST", "/token", "https://evil.test", ""},
		{"null", "POST", "/token", "null", ""},
		{"longer host", "POST", "/token", "https://rp.test.evil", ""},
		{"other scheme", "POST", "/token", "http://rp.test", ""},
		{"other port", "POST", "/token", "https://rp.test:444", ""},
		{"other case", "POST", "/token", "https://RP.test", ""},
		{"userinfo", "GET", "/userinfo", known, known},
		{"keys", "GET", "/.well-known/jwks.json", "https://evil.test", "*"},
		{"keys for null", "GET", "/.well-known/jwks.json", "null", "*"},
		{"introspection", "POST", "/introspect", known, ""},
		{"authorize", "GET", "/authorize", known, ""},
		{"login", "GET", "/login", known, ""},
		{"admin", "GET", "/admin/v1/clients/a", known, ""},
		{"unknown path", "GET", "/nowhere", known, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			response := f.do(t, tc.method, tc.path, "", "Origin", tc.origin)
			if got := response.Header.Get(allowOrigin); got != tc.want {
				t.Errorf("allowed %q, want %q", got, tc.want)
			}
			if got := response.Header.Get("Access-Control-Allow-Credentials"); got != "" {
				t.Errorf("credentials %q", got)
			}
			preflight := f.do(t, http.MethodOptions, tc.path, "", "Origin", tc.origin, "Access-Control-Request-Method", tc.method)
			want := tc.want
			if tc.path == "/revoke" {
				want = tc.origin // the client is not known at a preflight: the union
			}
			if got := preflight.Header.Get(allowOrigin); got != want {
				t.Errorf("preflight allows %q, want %q", got, want)
			}
		})
	}
	stranger := f.do(t, http.MethodOptions, "/token", "", "Origin", "https://evil.test", "Access-Control-Request-Method", "POST")
	if stranger.Header.Get("Access-Control-Allow-Methods") != "" || stranger.Header.Get("Access-Control-Allow-Headers") != "" {
		t.Error("a preflight tells a stranger what is allowed")
	}
	if got := f.do(t, "POST", "/token", "").Header.Get("Vary"); got != "Origin" {
		t.Errorf("without Origin, Vary is %q", got)
	}
	if got := f.do(t, "POST", "/token", "", "Origin", known, "Origin", other).Header.Get(allowOrigin); got != "" {
		t.Errorf("two origins allow %q", got)
	}
}

func TestPreflightHeaders(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	cases := []struct {
		name, path, wanted string
		status             int
		headers, methods   string
	}{
		{"token", "/token", "POST", 204, "Authorization, DPoP", "POST"},
		// Content-Type is not among them: a page must not be able to send JSON to the token endpoint
		{"api", "/api/accounts", "POST", 204, "Authorization, DPoP, X-Api-Key, Content-Type, If-Match", "POST"},
		{"keys", "/.well-known/jwks.json", "GET", 204, "", "GET, HEAD"},
		{"a method that is not served", "/token", "PUT", 405, "", ""},
		{"a page", "/login", "POST", 405, "", ""},
		{"no preflight", "/token", "", 405, "", ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			response := f.do(t, http.MethodOptions, tc.path, "", "Origin", "https://rp.test", "Access-Control-Request-Method", tc.wanted,
				"Access-Control-Request-Headers", "content-type,x-evil")
			if response.StatusCode != tc.status {
				t.Fatalf("status %d, want %d", response.StatusCode, tc.status)
			}
			if got := response.Header.Get("Access-Control-Allow-Headers"); got != tc.headers {
				t.Errorf("headers %q, want %q", got, tc.headers)
			}
			if got := response.Header.Get("Access-Control-Allow-Methods"); got != tc.methods {
				t.Errorf("methods %q, want %q", got, tc.methods)
			}
		})
	}
}

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	const ours = "https://op.test"
	cases := []struct {
		name   string
		site   []string
		origin []string
		want   bool
	}{
		{"no page", nil, nil, true},
		{"our form, current browser, no-referrer page", []string{"same-origin"}, []string{"null"}, true},
		{"our form", []string{"same-origin"}, []string{ours}, true},
		{"typed or restored", []string{"none"}, nil, true},
		{"our form, old browser", nil, []string{ours}, true},
		{"letter case of the host", nil, []string{"https://OP.test"}, true},
		{"cross-site", []string{"cross-site"}, []string{"https://evil.test"}, false},
		{"cross-site without Origin", []string{"cross-site"}, nil, false},
		{"cross-site with our Origin", []string{"cross-site"}, []string{ours}, false},
		{"sibling subdomain", []string{"same-site"}, nil, false},
		{"opaque origin, old browser", nil, []string{"null"}, false},
		{"foreign origin, old browser", nil, []string{"https://evil.test"}, false},
		{"our origin over http", nil, []string{"http://op.test"}, false},
		{"another port", nil, []string{"https://op.test:444"}, false},
		{"foreign origin in spite of same-origin", []string{"same-origin"}, []string{"https://evil.test"}, false},
		{"unknown word", []string{"SAME-ORIGIN"}, nil, false},
		{"two answers", []string{"same-origin", "cross-site"}, nil, false},
		{"two origins", nil, []string{ours, ours}, false},
		{"no scheme", nil, []string{"op.test"}, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got bool
			f := newFixture(t, func(o *Options) {
				o.HTTPS = true
				o.Routes = []Route{{Name: "post", Methods: []string{"POST"}, Path: "/post", Class: ClassPage,
					Handler: func(_ http.ResponseWriter, r *http.Request) { got = SameOrigin(r) }}}
			})
			r := httptest.NewRequest(http.MethodPost, "/post", nil)
			r.Host = "op.test"
			r.Header["Sec-Fetch-Site"], r.Header["Origin"] = tc.site, tc.origin
			f.handler.ServeHTTP(httptest.NewRecorder(), r)
			if got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}
