package web

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func parseTarget(target string) (*url.URL, error) { return url.ParseRequestURI(target) }

// TestTable is golden: a change of class is a change of cache, CORS, body and deadline, and should be read.
func TestTable(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "routes.golden")
	got := Table(routes())
	if os.Getenv("SIGNET_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the route table differs from %s:\n%s", golden, got)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := func() Route {
		return Route{Name: "a", Methods: []string{"GET"}, Path: "/a", Class: ClassPage, Handler: sayOK}
	}
	with := func(change func(*Route)) []Route {
		r := good()
		change(&r)
		return []Route{r}
	}
	cases := []struct {
		name   string
		routes []Route
		want   string
	}{
		{"no class", with(func(r *Route) { r.Class = 0 }), "no class"},
		{"unknown class", with(func(r *Route) { r.Class = 99 }), "no class"},
		{"no handler", with(func(r *Route) { r.Handler = nil }), "no handler"},
		{"no name", with(func(r *Route) { r.Name = "" }), "no name"},
		{"no methods", with(func(r *Route) { r.Methods = nil }), "no methods"},
		{"trace", with(func(r *Route) { r.Methods = []string{"TRACE"} }), `"TRACE" is not served`},
		{"options", with(func(r *Route) { r.Methods = []string{"OPTIONS"} }), `"OPTIONS" is not served`},
		{"relative path", with(func(r *Route) { r.Path = "a" }), "not canonical"},
		{"trailing slash", with(func(r *Route) { r.Path = "/a/" }), "not canonical"},
		{"unescaped path", with(func(r *Route) { r.Path = "/a b" }), "canonical encoding"},
		{"page with CORS", with(func(r *Route) { r.CORS = CORSClient }), "CORS client"},
		{"page for everybody", with(func(r *Route) { r.CORS = CORSPublic }), "CORS public"},
		{"token for everybody", with(func(r *Route) { r.Class, r.CORS = ClassToken, CORSPublic }), "CORS public"},
		{"origins missing", with(func(r *Route) { r.Class, r.CORS = ClassToken, CORSClient }), "needs Origins"},
		{"same name", []Route{good(), func() Route { r := good(); r.Path = "/b"; return r }()}, "name is taken"},
		{"same method and path", []Route{good(), func() Route { r := good(); r.Name = "b"; return r }()}, "GET /a is taken"},
	}
	base := newFixture(t, nil).opts
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(Options{Routes: tc.routes, Log: base.Log, Now: base.Now})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
	if _, err := New(Options{Routes: []Route{good()}, Log: base.Log, Now: base.Now}); err != nil {
		t.Errorf("the good route is refused: %v", err)
	}
}

// PRS-13: a path is served only as it is registered. A second spelling is a way around a proxy's rules and a key under
// which a cache keeps somebody's answer.
func TestPRS13PathTricks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	if got := f.do(t, "POST", "/token", "").StatusCode; got != http.StatusOK {
		t.Fatalf("the happy path answers %d", got)
	}
	for _, path := range []string{
		"//token", "/token/", "/token%00", "/token;a=b", "/TOKEN", "/./token", "/token/x.js", "/x/../token", "/%74oken",
		"/token%2f", "/token%20", "/token.", "/token%3F", "/.//token", "/login/", "/Login", "/login/style.css",
		"/.well-known/jwks.json/", "/.well-known//jwks.json", "/admin/v1/clients", "/admin/v1/clients/", "/admin/v1/clients/a/b",
		"/admin/v1/clients/a%2Fb", "/admin/v1/clients/a%00", "/admin/v1/clients/%ff", "/admin/v1//clients/a",
	} {
		for _, method := range []string{"GET", "POST", "PUT"} {
			response := f.do(t, method, path, "")
			if response.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s answers %d, want 404", method, path, response.StatusCode)
			}
			if location := response.Header.Get("Location"); location != "" {
				t.Errorf("%s %s redirects to %s", method, path, location)
			}
		}
	}
	// A query cannot give the endpoint another name: /token?.css stays /token, and refuses the query.
	if got := f.do(t, "POST", "/token?.css", "").StatusCode; got == http.StatusOK {
		t.Errorf("POST /token?.css answers %d", got)
	}
	response := f.do(t, "GET", "/admin/v1/clients/a%20b", "")
	if got := bodyOf(t, response); got != `{"id":"a b"}` {
		t.Errorf("the path variable arrives as %s", got)
	}
}

// HTT-01: every method on every endpoint.
func TestHTT01Methods(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	table := map[string]string{ // Allow by path
		"/authorize": "GET, POST", "/login": "GET, POST", "/token": "POST", "/userinfo": "GET, POST", "/introspect": "POST",
		"/.well-known/jwks.json": "GET, HEAD", "/admin/v1/clients/x": "GET, PUT", "/api/accounts": "POST", "/assets/style.css": "GET, HEAD",
	}
	for path, allow := range table {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "get", "PROPFIND"} {
			response := f.do(t, method, path, "")
			want := http.StatusMethodNotAllowed
			if strings.Contains(", "+allow+",", ", "+method+",") {
				want = http.StatusOK
			}
			if response.StatusCode != want {
				t.Errorf("%s %s answers %d, want %d", method, path, response.StatusCode, want)
			}
			if got := response.Header.Get("Allow"); want == http.StatusMethodNotAllowed && got != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, path, got, allow)
			}
		}
		// No header and no parameter turns one method into another.
		for _, override := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
			if strings.Contains(allow, "DELETE") {
				continue
			}
			response := f.do(t, "DELETE", path, "", override, strings.Split(allow, ",")[0])
			if response.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("DELETE %s with %s answers %d", path, override, response.StatusCode)
			}
		}
	}
	if got := f.do(t, "GET", "/token?_method=POST", "").StatusCode; got != http.StatusMethodNotAllowed {
		t.Errorf("GET /token?_method=POST answers %d", got)
	}
	if got := f.do(t, "TRACE", "/nowhere", "").StatusCode; got != http.StatusMethodNotAllowed {
		t.Errorf("TRACE /nowhere answers %d", got)
	}
}

func TestNotFoundPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) {
		o.NotFound = func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(RequestID(r.Context())))
		}
	})
	response := f.do(t, "GET", "/nowhere", "")
	if response.StatusCode != http.StatusNotFound || bodyOf(t, response) != response.Header.Get("X-Request-Id") {
		t.Errorf("status %d", response.StatusCode)
	}
	if got := response.Header.Get("Content-Security-Policy"); got != pageCSP {
		t.Errorf("the page for unknown paths has policy %q", got)
	}
}
