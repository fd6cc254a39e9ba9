package oauth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// TestErrorPages: until client and redirect URI are proven, nobody is redirected (RDR-01 to RDR-13, PRS-01, OPR-04).
func TestErrorPages(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	raw := func(query string) string { return hp(idC1).Encode() + "&" + query }
	cases := map[string]string{
		"no parameters":                      "",
		"no client_id":                       hp(idC1, "client_id", "").Encode(),
		"unknown client":                     hp("nobody", "redirect_uri", "https://evil.test/").Encode(),
		"OPR-04 unknown client, bogus scope": hp("nobody", "redirect_uri", "https://evil.test/", "scope", "bogus").Encode(),
		"disabled client":                    hp(idOff).Encode(),
		"PRS-07 client_id with a control":    hp("c1\x01").Encode(),
		"PRS-07 client_id beyond ASCII":      hp("c1\u202e", "redirect_uri", "https://rp.test/cb").Encode(),
		"RDR-13 no redirect_uri":             hp(idC2, "redirect_uri", "").Encode(),
		"another client's redirect_uri":      hp(idC1, "redirect_uri", "https://rp2.test/cb").Encode(),
		"RDR-01":                             hp(idC1, "redirect_uri", "https://rp.test/cb/").Encode(),
		"RDR-08":                             hp(idPub, "redirect_uri", "http://127.0.0.1:0/cb").Encode(),
		"RDR-10":                             hp(idC1, "redirect_uri", "http://127.0.0.1:5000/cb").Encode(),
		"RDR-11":                             hp(idPub, "redirect_uri", "com.example.app://cb").Encode(),
		"redirect wrong beside prompt=none":  hp(idC1, "redirect_uri", "https://rp.test/cb?x=1", "prompt", "none").Encode(),
		"OIDC 36 request object inside":      hp(idC1, "redirect_uri", "https://evil.test/cb", "request", "eyJhbGciOiJub25lIn0.e30.").Encode(),
		"PRS-01 client_id twice":             raw("client_id=c1"),
		"PRS-01 redirect_uri twice":          raw("redirect_uri=https://rp.test/cb"),
		"PRS-01 state twice":                 raw("state=x"),
		"PRS-01 scope twice, one empty":      raw("scope="),
		"PKC-02 method twice":                raw("code_challenge_method=plain"),
		"PRS-01 unknown parameter twice":     raw("foo=1&foo=2"),
		"OID-02 prompt twice":                raw("prompt=none&prompt=login"),
		"PRS-07 NUL":                         raw("login_hint=a%00b"),
		"PRS-07 invalid UTF-8":               raw("login_hint=%ff%fe"),
		"PRS-07 overlong UTF-8":              raw("login_hint=%c0%af"),
		"PRS-07 surrogate":                   raw("login_hint=%ed%a0%80"),
		"PRS-10 broken escape":               raw("login_hint=%zz"),
		"PRS-10 CRLF in redirect_uri":        hp(idC1, "redirect_uri", "https://rp.test/cb\r\nX: y").Encode(),
		"a flow of nobody":                   "flow=abc",
	}
	for name, query := range cases {
		t.Run(name, func(t *testing.T) {
			before := h.issued.codes.Load()
			h.page(h.get("a", "/authorize?"+query), http.StatusBadRequest)
			if h.issued.codes.Load() != before {
				t.Error("a code was written")
			}
		})
	}
	t.Run("unknown and disabled clients look alike", func(t *testing.T) {
		strip := func(w *httptest.ResponseRecorder) string {
			return strings.ReplaceAll(w.Body.String(), w.Header().Get("X-Request-Id"), "")
		}
		a, b := h.authorize("a", hp("nobody", "redirect_uri", "https://off.test/cb")), h.authorize("a", hp(idOff))
		if x, y := withoutIDs(strip(a)), withoutIDs(strip(b)); x != y {
			t.Errorf("%s\n---\n%s", x, y)
		}
	})
}

// withoutIDs drops the error id, the one thing that may differ.
func withoutIDs(page string) string {
	var out []string
	for line := range strings.Lines(page) {
		if !strings.Contains(line, "error-id") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// TestErrorRedirects: once both are proven, the client is told, with state and iss.
func TestErrorRedirects(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	long := strings.Repeat("x", 4100)
	access := h.idToken("at+jwt", map[string]any{"iss": houseIssuer, "sub": string(userU1), "aud": string(idC1), "iat": 1})
	cases := []struct {
		name   string
		params url.Values
		code   string
	}{
		{"OIDC 2 no response_type", hp(idC1, "response_type", ""), "invalid_request"},
		{"response_type token", hp(idC1, "response_type", "token"), "unsupported_response_type"},
		{"response_type code id_token", hp(idC1, "response_type", "code id_token"), "unsupported_response_type"},
		{"response_mode fragment", hp(idC1, "response_mode", "fragment"), "invalid_request"},
		{"PKC-01 no challenge", hp(idC1, "code_challenge", "", "code_challenge_method", ""), "invalid_request"},
		{"PKC-02 plain", hp(idC1, "code_challenge_method", "plain"), "invalid_request"},
		{"PKC-02 absent", hp(idC1, "code_challenge_method", ""), "invalid_request"},
		{"PKC-02 s256", hp(idC1, "code_challenge_method", "s256"), "invalid_request"},
		{"PKC-02 S512", hp(idC1, "code_challenge_method", "S512"), "invalid_request"},
		{"PKC-02 trailing space", hp(idC1, "code_challenge_method", "S256 "), "invalid_request"},
		{"method without challenge", hp(idC1, "code_challenge", ""), "invalid_request"},
		{"challenge too short", hp(idC1, "code_challenge", challenge[1:]), "invalid_request"},
		{"challenge too long", hp(idC1, "code_challenge", challenge+"A"), "invalid_request"},
		{"challenge padded", hp(idC1, "code_challenge", challenge[:42]+"="), "invalid_request"},
		{"challenge with stray bits", hp(idC1, "code_challenge", challenge[:42]+"N"), "invalid_request"},
		{"scope missing", hp(idC1, "scope", ""), "invalid_scope"},
		{"scope unknown", hp(idC1, "scope", "openid bogus"), "invalid_scope"},
		{"scope charset", hp(idC1, "scope", `openid "`), "invalid_scope"},
		{"resource of another", hp(idC1, "resource", "https://evil.test"), "invalid_target"},
		{"request object", hp(idC1, "request", "eyJhbGciOiJub25lIn0.e30."), "request_not_supported"},
		{"request_uri", hp(idC1, "request_uri", "https://rp.test/ro"), "request_uri_not_supported"},
		{"registration", hp(idC1, "registration", "{}"), "registration_not_supported"},
		{"OID-02 none login", hp(idC1, "prompt", "none login"), "invalid_request"},
		{"OID-02 LOGIN", hp(idC1, "prompt", "LOGIN"), "invalid_request"},
		{"OID-02 unknown", hp(idC1, "prompt", "create"), "invalid_request"},
		{"OID-04 max_age -1", hp(idC1, "max_age", "-1"), "invalid_request"},
		{"OID-04 max_age abc", hp(idC1, "max_age", "abc"), "invalid_request"},
		{"OID-04 max_age 1e9", hp(idC1, "max_age", "1e9"), "invalid_request"},
		{"OID-04 max_age too large", hp(idC1, "max_age", "4294967296"), "invalid_request"},
		{"OID-04 max_age huge", hp(idC1, "max_age", strings.Repeat("9", 100)), "invalid_request"},
		{"EXH-01 longer than 4 KiB", hp(idC1, "login_hint", long), "invalid_request"},
		{"OID-07 claims no JSON", hp(idC1, "claims", "{"), "invalid_request"},
		{"OID-07 claims too deep", hp(idC1, "claims", strings.Repeat(`{"a":`, 200)+"1"+strings.Repeat("}", 200)), "invalid_request"},
		{"OIDC 5.5.1.1 essential acr", hp(idC1, "claims", `{"id_token":{"acr":{"essential":true,"values":["urn:x"]}}}`), "access_denied"},
		{"OID-05 hint garbage", hp(idC1, "id_token_hint", "abc"), "invalid_request"},
		{"OID-05 hint is an access token", hp(idC1, "id_token_hint", access), "invalid_request"},
		{"OID-05 hint is a JWE", hp(idC1, "id_token_hint", "a.b.c.d.e"), "invalid_request"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := h.issued.codes.Load()
			w := h.authorize("a", c.params)
			h.refused(w, "https://rp.test/cb?", c.code)
			description := h.answer(w, "https://rp.test/cb?").Get("error_description")
			if description == "" || strings.ContainsAny(description, "\"\\\r\n\t") {
				t.Errorf("description %q", description)
			}
			if h.issued.codes.Load() != before {
				t.Error("a code was written")
			}
		})
	}
	t.Run("unregistered grant", func(t *testing.T) {
		only := &signet.Client{ID: "cc", Version: 1, CreatedAt: h.clock.now(), ClientMetadata: signet.ClientMetadata{
			RedirectURIs: []string{"https://cc.test/cb"}, GrantTypes: []string{signet.GrantClientCredentials}, Scope: "openid email",
			TokenEndpointAuthMethod: signet.AuthSecretBasic,
		}}
		must(t, h.store.InsertClient(t.Context(), only, h.event(signet.EventClientCreated)))
		h.refused(h.authorize("a", hp("cc", "redirect_uri", "https://cc.test/cb")), "https://cc.test/cb?", "unauthorized_client")
	})
}

// TestMethods is HTT-01 for this side.
func TestMethods(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	public := []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"}
	for _, method := range []string{"HEAD", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "FOO"} {
		for _, path := range append(public, "/authorize") {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Method = method
			r.Header.Set("X-HTTP-Method-Override", "GET")
			w := h.send("", r)
			if method == http.MethodHead && path != "/authorize" {
				if w.Code != http.StatusOK {
					t.Errorf("HEAD %s: %d", path, w.Code)
				}
				continue
			}
			if w.Code != http.StatusMethodNotAllowed || method != http.MethodConnect && w.Header().Get("Allow") == "" {
				t.Errorf("%s %s: %d %v", method, path, w.Code, w.Header())
			}
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/authorize?"+hp(idC1).Encode(), nil)
	r.Header.Set("Origin", "https://evil.test")
	if w := h.send("", r); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("HTT-02: CORS at /authorize")
	}
}

// TestNoStoreForNonsense: what cannot be a client_id is refused without asking a store, which might choke on it.
func TestNoStoreForNonsense(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.records.client.Store(true)
	for _, id := range []signet.ClientID{"c1\x01", "c1\u202e", signet.ClientID(strings.Repeat("c", 256))} {
		h.page(h.authorize("", hp(id)), http.StatusBadRequest)
	}
	h.page(h.authorize("", hp(idC1)), http.StatusServiceUnavailable)
}

// TestEXH01Sealed: a flow that would not fit into the address of the next page is refused here, not there.
func TestEXH01Sealed(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.flow(h.authorize("", hp(idC1, "login_hint", strings.Repeat("x", 3500))), "/login")
	// Each of these takes six bytes once it is sealed as JSON.
	h.refused(h.authorize("", hp(idC1, "login_hint", strings.Repeat("<", 2000))), "https://rp.test/cb?", "invalid_request")
}
