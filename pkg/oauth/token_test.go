package oauth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// TestClientCredentials: a client for itself. No transaction and no read, a sub that no person can have, no refresh
// token.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	h.store.reads.Store(0)
	h.store.transactions.Store(0)
	a := h.post("/token", service, "grant_type", "client_credentials", "scope", "read")
	h.want(a, http.StatusOK, "")
	if a.text("scope") != "read" || a.m["expires_in"] != 1800.0 || len(a.m) != 4 {
		t.Errorf("%s", a.body)
	}
	if h.store.reads.Load() != 0 || h.store.transactions.Load() != 0 {
		t.Error("client_credentials asked the database")
	}
	_, claims := claimsOf(t, a.text("access_token"))
	if claims["sub"] != "client:service" || claims["gid"] != nil || claims["sid"] != nil || claims["auth_time"] != nil {
		t.Errorf("%v", claims)
	}
	h.want(h.post("/token", service, "grant_type", "client_credentials", "scope", "read admin"), http.StatusBadRequest, "invalid_scope")
}

// TestSCO05Client: a client has no scope of a person for itself, however it is registered.
func TestSCO05Client(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a := h.post("/token", service, "grant_type", "client_credentials", "scope", "read write")
	h.want(a, http.StatusOK, "")
	for _, scope := range []string{"openid", "profile", "email", "phone", "address", "offline_access", "read email", `re"ad`} {
		h.want(h.post("/token", service, "grant_type", "client_credentials", "scope", scope), http.StatusBadRequest, "invalid_scope")
	}
	// Without scope: all that the client may have for itself.
	a = h.post("/token", service, "grant_type", "client_credentials")
	if a.text("scope") != "read write" || a.text("id_token") != "" {
		t.Errorf("%s", a.body)
	}
}

// TestCLA10 a client uses only the grants it is registered for.
func TestCLA10(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	for _, grant := range []string{"client_credentials", "refresh_token"} {
		h.want(h.post("/token", codes, "grant_type", grant, "refresh_token", "x"), http.StatusBadRequest, "unauthorized_client")
	}
	for _, id := range []signet.ClientID{codes, conf, service, pub} {
		for _, grant := range []string{
			"password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:device_code",
			"Authorization_Code", "authorization_code refresh_token", " client_credentials", "<script>",
		} {
			a := h.post("/token", id, "grant_type", grant)
			h.want(a, http.StatusBadRequest, "unsupported_grant_type")
			if strings.Contains(a.body, "script>") || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%q %s", a.header.Get("Content-Type"), a.body)
			}
		}
	}
	// A public client has nothing that proves it, whatever its record says.
	h.client("odd", signet.AuthNone, func(c *signet.Client) { c.GrantTypes = []string{signet.GrantClientCredentials} })
	h.want(h.post("/token", "odd", "grant_type", "client_credentials"), http.StatusBadRequest, "unauthorized_client")
	h.want(h.redeem(service, h.code(conf, "openid")), http.StatusBadRequest, "unauthorized_client")
}

// TestResource is RFC 8707 at the token endpoint.
func TestResource(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	both := []string{"https://a.test", "https://b.test"}
	h.client("res", signet.AuthSecretPost, func(c *signet.Client) {
		c.Audiences, c.GrantTypes = both, append(c.GrantTypes, signet.GrantClientCredentials)
	})
	ask := func(resources ...string) answerOf {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"res"}, "client_secret": {h.secrets["res"]}, "resource": resources}
		return h.send(formRequest("/token", form.Encode()))
	}
	aud := func(a answerOf) any {
		h.want(a, http.StatusOK, "")
		_, claims := claimsOf(t, a.text("access_token"))
		return claims["aud"]
	}
	if got := aud(ask()); got != "https://a.test" {
		t.Errorf("default aud %v", got)
	}
	if got := aud(ask("https://b.test")); got != "https://b.test" {
		t.Errorf("aud %v", got)
	}
	if got, _ := aud(ask(both...)).([]any); !slices.Equal(got, []any{"https://a.test", "https://b.test"}) {
		t.Errorf("aud %v", got)
	}
	for _, bad := range []string{"https://c.test", "https://a.test/", "HTTPS://a.test", "https://a.test#x", "x"} {
		h.want(ask(bad), http.StatusBadRequest, "invalid_target")
		h.want(ask("https://a.test", bad), http.StatusBadRequest, "invalid_target")
	}
	// Within the grant: a code for a gives no token for b, and the refusal does not spend it.
	code := h.code("res", "openid offline_access", func(s *session) { s.Grant.Audience = both[:1] })
	h.want(h.redeem("res", code, "resource", "https://b.test"), http.StatusBadRequest, "invalid_target")
	a := h.redeem("res", code)
	if got := aud(a); got != "https://a.test" {
		t.Errorf("aud %v", got)
	}
	h.want(h.refresh("res", a.text("refresh_token"), "resource", "https://b.test"), http.StatusBadRequest, "invalid_target")
	h.want(h.refresh("res", a.text("refresh_token"), "resource", "https://a.test"), http.StatusOK, "")
	own := h.redeem("res", h.code("res", "openid", func(s *session) { s.Grant.Audience = []string{tokenIssuer} }))
	if got := aud(own); got != tokenIssuer {
		t.Errorf("aud %v", got)
	}
	h.want(ask(tokenIssuer), http.StatusBadRequest, "invalid_target")
}

// TestTokenRequestForm: one flat form, or an error of the protocol.
func TestTokenRequestForm(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	secret := url.QueryEscape(h.secrets[service])
	good := "grant_type=client_credentials&client_id=service&client_secret=" + secret
	for _, tc := range []struct {
		name, body, media string
		status            int
		code              string
	}{
		{"good", good, "", http.StatusOK, ""},
		{"no grant type", "client_id=service&client_secret=" + secret, "", http.StatusBadRequest, "invalid_request"},
		{"empty", "", "", http.StatusBadRequest, "invalid_request"},
		{"PRS-01 grant type twice", good + "&grant_type=client_credentials", "", http.StatusBadRequest, "invalid_request"},
		{"PRS-01 scope twice", good + "&scope=read&scope=write", "", http.StatusBadRequest, "invalid_request"},
		{"JSON is not yet served", `{"username":"u","password":"p"}`, "application/json", http.StatusUnsupportedMediaType, "invalid_request"},
		{"multipart", good, "multipart/form-data; boundary=x", http.StatusUnsupportedMediaType, "invalid_request"},
		{"broken escape", good + "&scope=%zz", "", http.StatusBadRequest, "invalid_request"},
		{"NUL", good + "&scope=a%00b", "", http.StatusBadRequest, "invalid_request"},
		{"not UTF-8", good + "&scope=%ff", "", http.StatusBadRequest, "invalid_request"},
		{"too large", good + "&x=" + strings.Repeat("a", 70000), "", http.StatusRequestEntityTooLarge, "invalid_request"},
		{"two methods", good + "&client_assertion=x&client_assertion_type=y", "", http.StatusBadRequest, "invalid_request"},
		{"unknown client", "grant_type=client_credentials&client_id=nobody&client_secret=x", "", http.StatusUnauthorized, "invalid_client"},
		{"no code", "grant_type=authorization_code&client_id=pub", "", http.StatusBadRequest, "invalid_request"},
		{"no refresh token", "grant_type=refresh_token&client_id=pub", "", http.StatusBadRequest, "invalid_request"},
	} {
		r := formRequest("/token", tc.body)
		if tc.media != "" {
			r.Header.Set("Content-Type", tc.media)
		}
		a := h.send(r)
		if a.status != tc.status || a.text("error") != tc.code {
			t.Errorf("%s: %d %s", tc.name, a.status, a.body)
		}
		if text := a.text("error_description"); text != printable(text) || tc.code != "" && text == "" {
			t.Errorf("%s: description %q", tc.name, text)
		}
	}
	r := formRequest("/token?scope=read", good)
	h.want(h.send(r), http.StatusBadRequest, "invalid_request")
	r = formRequest("/token", "grant_type=client_credentials")
	r.SetBasicAuth("service", "wrong")
	a := h.send(r)
	h.want(a, http.StatusUnauthorized, "invalid_client")
	if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic realm=") {
		t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
	}
}

// TestDocumentPartner is what document 004's partners are answered (wire.md 2).
func TestDocumentPartner(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	h.client("partner", signet.AuthSecretPost, func(c *signet.Client) {
		c.GrantTypes, c.Scope = []string{signet.GrantClientCredentials}, "payments"
		c.Partner, c.TokenType, c.TokenResponseJTI, c.AssertionError, c.AccessTokenAlg = true, "bearer", "issued", "document", "RS256"
	})
	a := h.post("/token", "partner", "grant_type", "client_credentials")
	h.want(a, http.StatusOK, "")
	header, claims := claimsOf(t, a.text("access_token"))
	if a.text("token_type") != "bearer" || a.m["expires_in"] != 1800.0 || a.text("jti") != claims["jti"] || a.m["scope"] != nil || header["alg"] != "RS256" {
		t.Errorf("%s", a.body)
	}
	a = h.post("/token", "partner", "grant_type", "client_credentials", "scope", "payments")
	if a.text("scope") != "payments" {
		t.Errorf("%s", a.body)
	}
	h.want(h.post("/token", "partner", "grant_type", "client_credentials", "scope", "other"), http.StatusBadRequest, "invalid_request")
}

// TestTokenCORS the answer is for an origin of that client, on refusals too.
func TestTokenCORS(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	for _, tc := range []struct {
		id     signet.ClientID
		origin string
		want   string
	}{
		{conf, "https://rp.test", "https://rp.test"},
		{other, "https://rp.test", ""}, // registered, but not by this client
		{conf, "https://evil.test", ""},
		{conf, "null", ""},
	} {
		r := formRequest("/token", url.Values{
			"grant_type": {"authorization_code"}, "code": {"x"}, "client_id": {string(tc.id)}, "client_secret": {h.secrets[tc.id]},
		}.Encode())
		r.Header.Set("Origin", tc.origin)
		a := h.send(r)
		h.want(a, http.StatusBadRequest, "invalid_grant")
		if got := a.header.Get("Access-Control-Allow-Origin"); got != tc.want || a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s from %s: %q", tc.id, tc.origin, got)
		}
	}
}

// TestNothingSecretInLogs: neither what callers send nor what they get.
func TestNothingSecretInLogs(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	code := h.code(conf, "openid offline_access")
	a := h.redeem(conf, code)
	h.want(a, http.StatusOK, "")
	h.redeem(conf, code)
	h.refresh(conf, a.text("refresh_token"))
	h.introspect(a.text("access_token"))
	h.userinfo(a.text("access_token"))
	log := h.log.String()
	if !strings.Contains(log, `"client_id":"conf"`) {
		t.Errorf("the requests are not in the log at all: %s", log)
	}
	for name, secret := range map[string]string{
		"code": code, "access token": a.text("access_token"), "refresh token": a.text("refresh_token"), "ID token": a.text("id_token"),
		"secret": h.secrets[conf], "verifier": pairVerifier,
	} {
		if strings.Contains(log, secret) {
			t.Errorf("the %s is in the log", name)
		}
	}
}

// TestIDTokenForm: algorithm and claims by the client, and the claims parameter.
func TestIDTokenForm(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	h.client("all", signet.AuthNone, func(c *signet.Client) { c.IDTokenClaims, c.RefreshToken, c.IDTokenSignedAlg = "all", "always", "ES256" })
	a := h.family("all", "openid")
	header, claims := claimsOf(t, a.text("id_token"))
	if header["alg"] != "ES256" || a.text("refresh_token") == "" {
		t.Errorf("%v %s", header, a.body)
	}
	for name, want := range map[string]any{
		"email": "alice@users.test", "email_verified": true, "phone_number": "+431234567", "phone_number_verified": false,
		"given_name": "Alice", "family_name": "Adams", "preferred_username": "alice", "nickname": nil, "address": nil,
	} {
		if claims[name] != want {
			t.Errorf("%s %v, want %v", name, claims[name], want)
		}
	}
	asked := func(text string) func(*session) { return func(s *session) { s.Grant.Claims = text } }
	code := h.code(pub, "openid", asked(`{"id_token":{"email":{"essential":true},"password":null},"userinfo":{"name":null,"password_hash":null}}`))
	a = h.redeem(pub, code)
	h.want(a, http.StatusOK, "")
	_, claims = claimsOf(t, a.text("id_token"))
	if claims["email"] != "alice@users.test" || claims["name"] != nil || claims["password"] != nil {
		t.Errorf("%v", claims)
	}
	info := h.userinfo(a.text("access_token"))
	h.want(info, http.StatusOK, "")
	if info.text("name") != "Alice A. Adams" || len(info.m) != 2 {
		t.Errorf("%s", info.body)
	}
}
