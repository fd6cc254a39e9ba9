package oauth

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// See alone_test.go: here the readers of tokens.

// signed is a JWS of ours over any payload.
func (h *tokenHouse) signed(typ string, payload any) string {
	h.t.Helper()
	raw, isText := payload.(string)
	if !isText {
		encoded, err := json.Marshal(payload)
		ok(h.t, err)
		raw = string(encoded)
	}
	jws, _, err := h.ring.Sign(signet.AlgES256, typ, []byte(raw))
	ok(h.t, err)
	return jws
}

// TestReadAccess: what our keys signed and what is no access token all the same, each by its reason.
func TestReadAccess(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	now := h.clock.now()
	claims := func(change func(*accessClaims)) *accessClaims {
		c := &accessClaims{
			Issuer: tokenIssuer, Subject: string(h.user), Audience: audience{tokenIssuer}, ClientID: pub, Scope: "openid",
			IssuedAt: now.Unix(), ExpiresAt: now.Add(time.Hour).Unix(), ID: "j", GrantID: "g",
		}
		change(c)
		return c
	}
	for _, tc := range []struct{ name, raw, want string }{
		{"right", h.signed(typAccess, claims(func(*accessClaims) {})), ""},
		{"nothing", "", "token_size"},
		{"too long", strings.Repeat("a", maxTokenBytes+1), "token_size"},
		{"as long as may be", strings.Repeat("a", maxTokenBytes), "token_signature"},
		{"no JSON", h.signed(typAccess, "{"), "token_claims"},
		{"JSON of another form", h.signed(typAccess, `{"iss":7}`), "token_claims"},
		{"no sub", h.signed(typAccess, claims(func(c *accessClaims) { c.Subject = "" })), "token_claims"},
		{"no client, and nobody vouched", h.signed(typAccess, claims(func(c *accessClaims) { c.ClientID = "" })), "token_claims"},
		{"a grant of a biller", h.signed(typAccess, claims(func(c *accessClaims) { c.Subject = billerPrincipal })), "token_claims"},
		{"a biller's", h.signed(typAccess, claims(func(c *accessClaims) { c.Subject, c.GrantID = billerPrincipal, "" })), ""},
		{"opaque, mistyped", signet.NewSecret(signet.SecretAccess).Reveal() + "x", "token_malformed"},
		{"opaque, in no table", signet.NewSecret(signet.SecretAccess).Reveal(), "token_unknown"},
		{"encrypted, and signet holds no key", "a.b.c.d.e", "token_encrypted"},
	} {
		if _, err := h.server.readAccess(t.Context(), tc.raw); signet.ReasonOf(err) != tc.want || (err == nil) != (tc.want == "") {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	made := now.Add(-1500 * time.Microsecond).Truncate(time.Microsecond)
	p, err := h.server.readAccess(t.Context(), h.signed(typAccess, claims(func(c *accessClaims) { c.MadeAt = micros{made} })))
	if err != nil || !p.made.Equal(made) {
		t.Errorf("made at %v, want %v: %v", p.made, made, err)
	}
	if _, err := h.server.readAccess(t.Context(), h.signed(typAccess, strings.TrimSuffix(mustJSON(t, claims(func(*accessClaims) {})), "}")+`,"made_at":"x"}`)); err == nil {
		t.Error("made_at is a text")
	}
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	ok(t, err)
	return string(raw)
}

// TestRecordsEndTokens: each record refuses by itself, whatever the journal knows.
func TestRecordsEndTokens(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	now := h.clock.now()
	disabled := now.Add(-time.Hour)
	h.client("off", signet.AuthNone, func(c *signet.Client) { c.DisabledAt = &disabled })
	h.client("not yet", signet.AuthNone, func(c *signet.Client) { c.NotBefore = now })
	person := func(name string, change func(*signet.User)) signet.UserID {
		u := &signet.User{ID: signet.NewUserID(), Username: name, CreatedAt: now, UpdatedAt: now, Version: 1}
		change(u)
		ok(t, h.store.InsertUser(t.Context(), u, h.event(signet.EventUserCreated)))
		return u.ID
	}
	off := person("off", func(u *signet.User) { u.DisabledAt = &disabled })
	late := person("late", func(u *signet.User) { u.NotBefore = now })
	h.desk.principals["key:off"] = &signet.Principal{ID: "key:off", Disabled: true}
	h.desk.principals["key:late"] = &signet.Principal{ID: "key:late", NotBefore: now}
	for _, tc := range []struct {
		name   string
		change func(*accessClaims)
		want   string
	}{
		{"everybody is there", func(*accessClaims) {}, ""},
		{"client unknown", func(c *accessClaims) { c.ClientID = "nobody" }, "client_gone"},
		{"client disabled", func(c *accessClaims) { c.ClientID = "off" }, "client_disabled"},
		{"client not before", func(c *accessClaims) { c.ClientID = "not yet" }, "client_disabled"},
		{"scope lost", func(c *accessClaims) { c.Scope = "openid admin" }, "scope_no_longer_allowed"},
		{"user unknown", func(c *accessClaims) { c.Subject = string(signet.NewUserID()) }, "user_gone"},
		{"user disabled", func(c *accessClaims) { c.Subject = string(off) }, "user_disabled"},
		{"user not before", func(c *accessClaims) { c.Subject = string(late) }, "user_disabled"},
		{"key", func(c *accessClaims) { c.Subject, c.GrantID, c.ClientID = deskKey, "", "" }, ""},
		{"key unknown", func(c *accessClaims) { c.Subject, c.GrantID, c.ClientID = "key:nobody", "", "" }, "principal_gone"},
		{"key disabled", func(c *accessClaims) { c.Subject, c.GrantID, c.ClientID = "key:off", "", "" }, "principal_disabled"},
		{"key not before", func(c *accessClaims) { c.Subject, c.GrantID, c.ClientID = "key:late", "", "" }, "principal_disabled"},
		{"a membership that is none", func(c *accessClaims) { c.Accounts = []accountClaim{{ID: "a", Role: "r"}} }, "memberships_changed"},
	} {
		c := &accessClaims{
			Issuer: tokenIssuer, Subject: string(h.user), Audience: audience{tokenIssuer}, ClientID: pub, Scope: "openid",
			IssuedAt: now.Unix(), ExpiresAt: now.Add(time.Hour).Unix(), ID: "j", GrantID: "g",
		}
		tc.change(c)
		if _, err := h.server.liveAccess(t.Context(), h.signed(typAccess, c)); signet.ReasonOf(err) != tc.want || (err == nil) != (tc.want == "") {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	key := h.signed(typAccess, &accessClaims{
		Issuer: tokenIssuer, Subject: deskKey, Audience: audience{"x"}, IssuedAt: now.Unix(), ExpiresAt: now.Add(time.Hour).Unix(), ID: "j",
	})
	h.server.Principals = nil
	if _, err := h.server.liveAccess(t.Context(), key); signet.ReasonOf(err) != "principal_unknown" {
		t.Errorf("nobody knows principals: %v", err)
	}
}

// TestHolds: only an accepted membership, in the same role, of an account that is not disabled, counts.
func TestHolds(t *testing.T) {
	t.Parallel()
	at := time.Unix(1, 0)
	member := func(accepted *time.Time, disabled bool) *signet.Memberships {
		return &signet.Memberships{Members: []signet.Member{{
			Membership: signet.Membership{AccountID: "a", Role: "r", AcceptedAt: accepted}, AccountDisabled: disabled,
		}}}
	}
	for _, tc := range []struct {
		name    string
		members *signet.Memberships
		claim   accountClaim
		want    bool
	}{
		{"right", member(&at, false), accountClaim{"a", "r"}, true},
		{"pending", member(nil, false), accountClaim{"a", "r"}, false},
		{"account disabled", member(&at, true), accountClaim{"a", "r"}, false},
		{"another role", member(&at, false), accountClaim{"a", "owner"}, false},
		{"another account", member(&at, false), accountClaim{"b", "r"}, false},
	} {
		if got := holds(tc.members, []accountClaim{tc.claim}); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
		if got := carried(tc.members); got.carries() != (tc.name != "pending" && tc.name != "account disabled") {
			t.Errorf("%s: carries %+v", tc.name, got)
		}
	}
}

// TestMachineToken: of a client for itself, for this audience; Bearer says of whom it is.
func TestMachineToken(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	machine := h.post("/token", service, "grant_type", "client_credentials").text("access_token")
	person := h.family(pub, "openid").text("access_token")
	vouched := h.exchange(signet.GrantTokenExchange, "").text("access_token")
	if c, err := h.server.MachineToken(t.Context(), machine, tokenIssuer); err != nil || c.ID != service {
		t.Errorf("%v %v", c, err)
	}
	for _, tc := range []struct{ name, raw, audience, want string }{
		{"a person's", person, tokenIssuer, "token_of_a_person"},
		{"an API key's", vouched, deskAudience, "token_of_a_person"},
		{"a person's, with the sub of a client", h.signed(typAccess, &accessClaims{
			Issuer: tokenIssuer, Subject: clientSubject(service), Audience: audience{tokenIssuer}, ClientID: service, GrantID: "g",
			IssuedAt: h.clock.now().Unix(), ExpiresAt: h.clock.now().Add(time.Hour).Unix(), ID: "j",
		}), tokenIssuer, "user_gone"},
		{"for another", machine, "https://admin.test", "token_audience"},
		{"for nobody", machine, "", "token_audience"},
		{"no token", "x", tokenIssuer, "token_signature"},
	} {
		if _, err := h.server.MachineToken(t.Context(), tc.raw, tc.audience); signet.ReasonOf(err) != tc.want {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	for _, tc := range []struct {
		raw       string
		machine   bool
		user      signet.UserID
		principal string
		client    signet.ClientID
	}{{machine, true, "", "", service}, {person, false, h.user, "", pub}, {vouched, false, "", deskKey, ""}} {
		b, err := h.server.Bearer(t.Context(), tc.raw)
		ok(t, err)
		if b.Machine != tc.machine || b.UserID != tc.user || b.Principal != tc.principal || b.ClientID != tc.client || b.TokenID == "" ||
			len(b.Audience) != 1 || len(b.Scope) == 0 || b.ExpiresAt.Sub(b.IssuedAt) <= 0 {
			t.Errorf("%+v", b)
		}
	}
}

// TestStoresAwayAtTheReaders: no answer, neither active nor inactive, neither done nor refused.
func TestStoresAwayAtTheReaders(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	a := h.family(opaque, "openid offline_access")
	access, refresh := a.text("access_token"), a.text("refresh_token")
	biller := h.exchange(signet.GrantHMACIdentity, billed).text("access_token")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	client, err := h.store.Client(t.Context(), opaque)
	ok(t, err)
	x := &exchange{now: h.server.stamp(), client: client}
	if _, err := h.server.introspectToken(gone, x, refresh); signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("introspection of a refresh token: %v", err)
	}
	if err := h.server.revokeToken(gone, x, refresh); signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("revocation of a refresh token: %v", err)
	}
	h.store.accessToken.Store(true)
	for _, path := range []string{"/introspect", "/revoke"} {
		h.want(h.post(path, opaque, "token", access), http.StatusServiceUnavailable, "temporarily_unavailable")
	}
	info := h.userinfo(access)
	h.want(info, http.StatusServiceUnavailable, "temporarily_unavailable")
	if info.header.Get("Retry-After") == "" || info.header.Get("WWW-Authenticate") != "" {
		t.Errorf("%v", info.header)
	}
	h.store.accessToken.Store(false)
	h.server.Records = &brittleRecords{Records: h.store}
	h.server.Records.(*brittleRecords).client.Store(true)
	if _, err := h.server.introspectToken(t.Context(), x, refresh); signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("introspection without records: %v", err)
	}
	h.server.Records = h.store
	other, err := h.store.Client(t.Context(), billless)
	ok(t, err)
	h.desk.away = true
	if err := h.server.revokeToken(t.Context(), &exchange{now: x.now, client: other}, biller); signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("revocation without billers: %v", err)
	}
	h.server.Billers = nil
	ok(t, h.server.revokeToken(t.Context(), &exchange{now: x.now, client: other}, biller))
	for _, fail := range []signet.Code{signet.CodeUnavailable, signet.CodeInternal, signet.CodeTooMany} {
		h.desk.fail = &signet.Error{Code: fail}
		if a := h.introspect(goodKey); a.status < http.StatusTooManyRequests {
			t.Errorf("%s: %d %s", fail, a.status, a.body)
		}
	}
}

// TestRefreshTokenIsOver: a refresh token that would be refused is inactive, and one that is mistyped costs no read.
func TestRefreshTokenIsOver(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	token := h.family(conf, "openid offline_access").text("refresh_token")
	if !h.active(token) {
		t.Fatal("inactive from the start")
	}
	h.store.reads.Store(0)
	if h.active(token[:len(token)-1]) || h.store.reads.Load() != 0 {
		t.Error("a mistyped token is looked up")
	}
	record, err := h.store.Client(t.Context(), conf)
	ok(t, err)
	record.GrantTypes = []string{signet.GrantAuthorizationCode}
	ok(t, h.store.UpdateClient(t.Context(), record, h.event(signet.EventClientUpdated)))
	if h.active(token) {
		t.Error("active, and its client may not refresh")
	}
	second := h.family(other, "openid offline_access").text("refresh_token")
	ok(t, h.store.SetClientDisabled(t.Context(), other, true, h.event(signet.EventClientDisabled)))
	if h.active(second) {
		t.Error("active, and its client is disabled")
	}
}

func TestMayBeAPIKey(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	for text, want := range map[string]bool{
		"sgt_ak_x": true, "sgt_at_x": false, "sgt_rt_x": false, "sgt_x": false, "an old key": true, "old.key.dots": true, "eyJ.a.b": false,
		"eyJ.a.b.c.d": false, "eyJ.a": true, "a.b.c": true, "a.b.c.d.e": true, strings.Repeat("a", maxTokenBytes): true, strings.Repeat("a", maxTokenBytes+1): false,
	} {
		if got := h.server.mayBeAPIKey(text); got != want {
			t.Errorf("%.20q: %t", text, got)
		}
	}
	h.desk.key.ExpiresAt = nil
	if a := h.introspect(goodKey); a.m["active"] != true || a.m["exp"] != nil {
		t.Errorf("a key without an end: %s", a.body)
	}
}

// TestReadersNote: introspection and revocation leave their events, with the reason.
func TestReadersNote(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	a := h.family(conf, "openid offline_access")
	id := func(raw string) string { _, claims := claimsOf(t, raw); return claims["jti"].(string) }
	for _, tc := range []struct{ token, reason, target string }{
		{a.text("access_token"), "active", id(a.text("access_token"))}, {"eyJ.x.y", "inactive", ""}, {"", "token_missing", ""},
	} {
		h.post("/introspect", rs, "token", tc.token)
		if ev := h.desk.last(t); ev.Kind != signet.EventTokenIntrospected || ev.Reason != tc.reason || ev.Target != tc.target {
			t.Errorf("%q: %+v", tc.reason, ev)
		}
	}
	h.want(h.post("/revoke", conf, "token", a.text("access_token")), http.StatusOK, "")
	h.want(h.post("/revoke", conf, "token", a.text("refresh_token")), http.StatusOK, "")
	for kind, target := range map[signet.EventKind]string{
		signet.EventTokenRevoked: id(a.text("access_token")), signet.EventGrantRevoked: "",
	} {
		list, err := h.store.ListEvents(t.Context(), "", 200)
		ok(t, err)
		if !slices.ContainsFunc(list, func(ev signet.Event) bool {
			return ev.Kind == kind && ev.Reason == "revoked_by_client" && ev.UserID == h.user && ev.Actor == clientSubject(conf) && (target == "" || ev.Target == target)
		}) {
			t.Errorf("no event %s", kind)
		}
	}
}

// TestUserInfoOnTheWire: the challenge and the origins (RFC 6750 §3.1).
func TestUserInfoOnTheWire(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	from := func(origin, token string) answerOf {
		r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Origin", origin)
		return h.send(r)
	}
	token := h.family(conf, "openid").text("access_token")
	for origin, want := range map[string]string{"https://rp.test": "https://rp.test", "https://evil.test": ""} {
		if got := from(origin, token).header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: %q", origin, got)
		}
	}
	if got := from("https://rp.test", h.family(other, "openid").text("access_token")).header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("another client's origin may read it: %q", got)
	}
	if got := from("https://rp.test", h.exchange(signet.GrantTokenExchange, "").text("access_token")).header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("an origin may read the answer to a token of no client: %q", got)
	}
	narrow := h.userinfo(h.family(conf, "read").text("access_token"))
	h.want(narrow, http.StatusForbidden, "insufficient_scope")
	for _, tc := range []struct {
		a     answerOf
		parts []string
		not   string
	}{
		{narrow, []string{`error="insufficient_scope"`, `scope="openid"`}, "\x00"},
		{h.userinfo("x"), []string{`error="invalid_token"`}, "scope="},
		{h.send(httptest.NewRequest(http.MethodGet, "/userinfo", nil)), []string{`Bearer realm="signet"`}, "error"},
	} {
		got := tc.a.header.Get("WWW-Authenticate")
		for _, part := range tc.parts {
			if !strings.Contains(got, part) {
				t.Errorf("%q lacks %q", got, part)
			}
		}
		if strings.Contains(got, tc.not) || tc.a.header.Get("Retry-After") != "" {
			t.Errorf("%q has %q", got, tc.not)
		}
	}
	r := formRequest("/userinfo", "access_token=%zz")
	h.want(h.send(r), http.StatusBadRequest, "invalid_request")
}
