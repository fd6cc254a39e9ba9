package oauth

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// The edge checks before fosite does, and must hold without it: these ask each check alone.

func TestCodeMismatch(t *testing.T) {
	t.Parallel()
	no := false
	strict := &signet.Client{ClientMetadata: signet.ClientMetadata{TokenEndpointAuthMethod: signet.AuthSecretPost}}
	relaxed := &signet.Client{ClientMetadata: signet.ClientMetadata{TokenEndpointAuthMethod: signet.AuthSecretPost, RequirePKCE: &no}}
	for _, tc := range []struct {
		name                          string
		client                        *signet.Client
		challenge, verifier, redirect string
		want                          string
	}{
		{"right", strict, pairChallenge, pairVerifier, tokenRedirect, ""},
		{"right, relaxed client", relaxed, pairChallenge, pairVerifier, tokenRedirect, ""},
		{"no PKCE, relaxed client", relaxed, "", "", tokenRedirect, ""},
		{"no PKCE, strict client", strict, "", "", tokenRedirect, "code_challenge_missing"},
		{"verifier without challenge", relaxed, "", pairVerifier, tokenRedirect, "code_verifier_without_challenge"},
		{"challenge without verifier", relaxed, pairChallenge, "", tokenRedirect, "code_verifier_wrong"},
		{"challenge as verifier", relaxed, pairChallenge, pairChallenge, tokenRedirect, "code_verifier_wrong"},
		{"no redirect_uri", strict, pairChallenge, pairVerifier, "", "redirect_uri_differs"},
		{"another redirect_uri", strict, pairChallenge, pairVerifier, tokenRedirect + "/", "redirect_uri_differs"},
	} {
		x := &exchange{client: tc.client, params: url.Values{"redirect_uri": {tc.redirect}, "code_verifier": {tc.verifier}}}
		if got := codeMismatch(&signet.AuthorizationCode{RedirectURI: tokenRedirect, CodeChallenge: tc.challenge}, x); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	// A short verifier that hashes right is still no verifier (RFC 7636 §4.1).
	if verifies("short", "-bAHi131ltLqGQEMABu9AJ5lHeLFfo-341XzHrnT9zk") {
		t.Error("a verifier of 5 characters")
	}
}

func TestWellFormedCode(t *testing.T) {
	t.Parallel()
	half := strings.Repeat("A", codeHalf)
	for text, want := range map[string]bool{
		codePrefix + half + "." + half:                  true,
		codePrefix + half + "." + half[1:] + "B":        false, // stray bits: another spelling of the same bytes
		codePrefix + half[1:] + "\n." + half:            false,
		codePrefix + half + half + ".":                  false,
		"sgt_rt_" + half + "." + half:                   false,
		codePrefix + half + "." + half + "A":            false,
		codePrefix + half[:20] + "." + half + half[:23]: false,
	} {
		if got := wellFormedCode(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestReadJWT tokens that our own keys signed, but that are no access token of this server.
func TestReadJWT(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	now := h.clock.now()
	good := accessClaims{
		Issuer: tokenIssuer, Subject: string(h.user), Audience: audience{tokenIssuer}, ClientID: pub, Scope: "openid",
		IssuedAt: now.Unix(), ExpiresAt: now.Add(time.Hour).Unix(), ID: "j", GrantID: "g",
	}
	for _, tc := range []struct {
		name, typ string
		change    func(c *accessClaims)
		status    int
	}{
		{"right", typAccess, func(*accessClaims) {}, http.StatusOK},
		{"typ of an ID token", typID, func(*accessClaims) {}, http.StatusUnauthorized},
		{"typ in capitals", "AT+JWT", func(*accessClaims) {}, http.StatusUnauthorized},
		{"another issuer", typAccess, func(c *accessClaims) { c.Issuer = tokenIssuer + "/" }, http.StatusUnauthorized},
		{"no client", typAccess, func(c *accessClaims) { c.ClientID = "" }, http.StatusUnauthorized},
		{"unknown client", typAccess, func(c *accessClaims) { c.ClientID = "nobody" }, http.StatusUnauthorized},
		{"no jti", typAccess, func(c *accessClaims) { c.ID = "" }, http.StatusUnauthorized},
		{"unknown person", typAccess, func(c *accessClaims) { c.Subject = signet.NewUUID() }, http.StatusUnauthorized},
		{"no person", typAccess, func(c *accessClaims) { c.GrantID = "" }, http.StatusForbidden},
		{"expired this second", typAccess, func(c *accessClaims) { c.ExpiresAt = now.Unix() }, http.StatusUnauthorized},
	} {
		c := good
		tc.change(&c)
		payload, err := json.Marshal(&c)
		ok(t, err)
		jws, _, err := h.ring.Sign("ES256", tc.typ, payload)
		ok(t, err)
		if a := h.userinfo(jws); a.status != tc.status {
			t.Errorf("%s: %d %s", tc.name, a.status, a.body)
		}
	}
}

// TestClientNotBefore: what was issued to a client up to a time is taken back, by the record alone too.
func TestClientNotBefore(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a := h.family(conf, "openid offline_access")
	h.clock.forward(2 * time.Second)
	ok(t, h.store.SetClientDisabled(t.Context(), conf, true, h.event(signet.EventClientDisabled)))
	ok(t, h.store.SetClientDisabled(t.Context(), conf, false, h.event(signet.EventClientEnabled)))
	h.clock.forward(2 * time.Second)
	if h.active(a.text("access_token")) || h.active(a.text("refresh_token")) {
		t.Error("a token from before lives on")
	}
	h.want(h.refresh(conf, a.text("refresh_token")), http.StatusBadRequest, "invalid_grant")
	h.family(conf, "openid")
}

// TestPrincipals is the grid by the records alone, with a grant that no store has revoked.
func TestPrincipals(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	now := h.server.stamp()
	gone := h.person("gone")
	ok(t, h.store.SetUserDisabled(t.Context(), gone, true, h.event(signet.EventUserDisabled)))
	for _, tc := range []struct {
		name   string
		change func(c *signet.Client, g *signet.Grant)
		want   signet.Code
	}{
		{"everybody is there", func(*signet.Client, *signet.Grant) {}, ""},
		{"client disabled", func(c *signet.Client, _ *signet.Grant) { c.DisabledAt = &now }, signet.CodeInvalidClient},
		{"client not before", func(c *signet.Client, g *signet.Grant) { c.NotBefore = g.CreatedAt }, signet.CodeInvalidGrant},
		{"scope lost", func(c *signet.Client, _ *signet.Grant) { c.Scope = "read" }, signet.CodeInvalidGrant},
		{"grant revoked", func(_ *signet.Client, g *signet.Grant) { g.RevokedAt = &now }, signet.CodeInvalidGrant},
		{"grant over", func(_ *signet.Client, g *signet.Grant) { g.ExpiresAt = now }, signet.CodeInvalidGrant},
		{"user disabled", func(_ *signet.Client, g *signet.Grant) { g.UserID = gone }, signet.CodeInvalidGrant},
		{"user unknown", func(_ *signet.Client, g *signet.Grant) { g.UserID = signet.NewUserID() }, signet.CodeInvalidGrant},
		{"no grant", func(*signet.Client, *signet.Grant) {}, ""},
	} {
		client := &signet.Client{ID: conf, ClientMetadata: signet.ClientMetadata{Scope: "openid read"}}
		grant := &signet.Grant{ID: "g", ClientID: conf, UserID: h.user, Scope: signet.Scope{"openid"}, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
		tc.change(client, grant)
		x := &exchange{now: now, client: client, grant: grant}
		if tc.name == "no grant" {
			x.grant = nil
		}
		if got := signet.CodeOf(h.server.principals(t.Context(), x)); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	begun := now
	for name, u := range map[string]*signet.User{
		"user_not_before": {NotBefore: begun}, "password_changed": {PasswordChangedAt: begun}, "user_disabled": {DisabledAt: &now},
		"": {NotBefore: begun.Add(-time.Second), PasswordChangedAt: begun.Add(-time.Second)},
	} {
		if got := userFault(u, begun); got != name {
			t.Errorf("%q, want %q", got, name)
		}
	}
}

// TestAccessTokenEndsWithGrant: no access token outlives the 60 days of its grant.
func TestAccessTokenEndsWithGrant(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	code := h.code(pub, "openid", func(s *session) { s.Grant.ExpiresAt = s.Grant.CreatedAt.Add(10 * time.Minute) })
	a := h.redeem(pub, code)
	h.want(a, http.StatusOK, "")
	if a.m["expires_in"] != 600.0 {
		t.Errorf("expires_in %v", a.m["expires_in"])
	}
}

// TestClaimsParameter: OID-07, and what a client may never reach by it.
func TestClaimsParameter(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"100 KiB": `{"userinfo":{"name":null,"x":"` + strings.Repeat("a", 100<<10) + `"}}`, "depth 1000": strings.Repeat(`{"userinfo":`, 1000) + "1" + strings.Repeat("}", 1000),
		"array": `[]`, "text": `"x"`, "null": `null`, "member is no object": `{"userinfo":[]}`, "claim is no object": `{"userinfo":{"name":1}}`, "cut off": `{"userinfo":{`,
		"trailing text": `{} {}`,
	} {
		if _, err := parseClaimsParameter(text); signet.CodeOf(err) != signet.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	parsed, err := parseClaimsParameter(`{"userinfo":{"name":null,"email":{"essential":true},"password":null},"id_token":{"sub":{"value":"a"},"acr":{"values":["x","y"]}},"other":7}`)
	ok(t, err)
	client := &signet.Client{ClientMetadata: signet.ClientMetadata{Scope: "openid profile"}}
	if got := userInfoNames(client, parsed); len(got) != 1 || got[0] != "name" {
		// email is not registered for this client, password is no claim
		t.Errorf("%v", got)
	}
	if got := parsed.IDToken["acr"].Values; len(got) != 2 || parsed.IDToken["sub"].Values[0] != "a" {
		t.Errorf("%v", parsed)
	}
	user := &signet.User{Profile: signet.Profile{Name: "N", Email: "e@x.test"}}
	asked := &claimsRequest{IDToken: map[string]claimRequest{"name": {}, "email": {}}}
	if got := idTokenClaims(client, user, signet.Scope{"openid"}, asked); got.Name != "N" || got.Email != "" {
		t.Errorf("%+v", got)
	}
}

// A token that is bound to a certificate is worth nothing where none is shown (RFC 8705 §3).
func TestBoundTokenShownBare(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	now := h.clock.now()
	for _, thumbprint := range []string{"", "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"} {
		payload, err := json.Marshal(&accessClaims{
			Issuer: tokenIssuer, Subject: clientSubject(service), Audience: audience{tokenIssuer}, ClientID: service,
			IssuedAt: now.Unix(), ExpiresAt: now.Add(time.Hour).Unix(), ID: "j", Confirmation: confirmationOf(thumbprint),
		})
		ok(t, err)
		jws, _, err := h.ring.Sign("ES256", typAccess, payload)
		ok(t, err)
		want := signet.Code("")
		if thumbprint != "" {
			want = signet.CodeInvalidToken
		}
		if _, err := h.server.MachineToken(t.Context(), jws, tokenIssuer); signet.CodeOf(err) != want {
			t.Errorf("MachineToken: %v, want %q", err, want)
		}
		if _, err := h.server.Bearer(t.Context(), jws); signet.CodeOf(err) != want {
			t.Errorf("Bearer: %v, want %q", err, want)
		}
	}
}

// claimsOf decodes header and payload of a JWT without looking at the signature.
func claimsOf(t testing.TB, jwt string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", jwt)
	}
	for i, target := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		ok(t, err)
		ok(t, json.Unmarshal(raw, target))
	}
	return header, claims
}
