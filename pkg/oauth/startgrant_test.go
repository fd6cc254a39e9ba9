package oauth

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// application inserts the user row of the PIN application and starts a grant of it.
func (h *contracts) application() signet.UserID {
	h.t.Helper()
	now := h.clock.now()
	id := signet.UserID(signet.ApplicationPrefix + string(pinApp))
	ok(h.t, h.store.InsertUser(h.t.Context(), &signet.User{ID: id, Username: string(id), CreatedAt: now, UpdatedAt: now, Version: 1}, h.event(signet.EventUserCreated)))
	h.clock.forward(2 * time.Second)
	return id
}

func (h *contracts) start(change ...func(*signet.GrantOrder)) (*signet.IssuedGrant, error) {
	h.t.Helper()
	order := &signet.GrantOrder{
		ClientID: pinApp, UserID: signet.UserID(signet.ApplicationPrefix + string(pinApp)), Scope: signet.Scope{"loans"},
		ACR: signet.ACRPIN, AMR: []string{signet.AMRPIN}, Lifetime: signet.PINGrantLife,
	}
	for _, f := range change {
		f(order)
	}
	return h.server.StartGrant(h.t.Context(), order)
}

func (h *contracts) mustStart() *signet.IssuedGrant {
	h.t.Helper()
	g, err := h.start()
	ok(h.t, err)
	return g
}

func TestStartGrant(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	user := h.application()
	before := h.store.transactions.Load()
	g := h.mustStart()
	if n := h.store.transactions.Load() - before; n != 1 {
		t.Errorf("%d transactions", n)
	}
	if !strings.HasPrefix(g.AccessToken, "sgt_at_") || g.ExpiresAt.Sub(g.IssuedAt) != signet.PINAccess || g.UserID != user || g.ClientID != pinApp ||
		g.RefreshExpiresAt != h.server.stamp().Add(signet.PINIdle) || g.Scope.String() != "loans" {
		t.Errorf("issued %+v", g)
	}
	if ev := h.desk.last(t); ev.Kind != signet.EventTokenIssued || ev.ClientID != pinApp || ev.UserID != user || ev.Reason != signet.GrantPIN {
		t.Errorf("event %+v", ev)
	}
	a := h.introspect(g.AccessToken)
	if a.m["active"] != true || a.text("sub") != string(user) || a.text("client_id") != string(pinApp) || a.text("scope") != "loans" {
		t.Errorf("introspection %s", a.body)
	}
	r := h.introspect(g.RefreshToken.Reveal())
	if r.m["active"] != true || r.m["exp"] != float64(g.RefreshExpiresAt.Unix()) {
		t.Errorf("introspection of the refresh token %s", r.body)
	}
	b, err := h.server.Bearer(t.Context(), g.AccessToken)
	if err != nil || b.Machine || b.UserID != user || b.Principal != "" {
		t.Errorf("Bearer: %+v, %v", b, err)
	}
	if a := h.userinfo(g.AccessToken); a.status != http.StatusForbidden {
		t.Errorf("userinfo: %d %s", a.status, a.body)
	}
	// Nor when somebody gave the application a scope of people.
	personal, err := h.start(func(o *signet.GrantOrder) { o.Scope = signet.Scope{signet.ScopeOpenID} })
	ok(t, err)
	if a := h.userinfo(personal.AccessToken); a.status != http.StatusForbidden {
		t.Errorf("userinfo: %d %s", a.status, a.body)
	}
	// No caller of /token reaches it: the grant has no name there, and its refresh tokens have no client that could come.
	for _, change := range [][]string{
		{"grant_type", signet.GrantPIN}, {"grant_type", signet.GrantRefreshToken, "refresh_token", g.RefreshToken.Reveal()},
	} {
		if a := h.post("/token", pinApp, change...); a.status != http.StatusBadRequest {
			t.Errorf("%v: %d %s", change, a.status, a.body)
		}
	}
	if a := h.refresh(other, g.RefreshToken.Reveal()); a.text("error") != "invalid_grant" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if !h.live(g.AccessToken) {
		t.Error("a stranger ended it")
	}
	// PIN login at /revoke, by the application's client.
	h.want(h.post("/revoke", pinApp, "token", g.RefreshToken.Reveal()), http.StatusOK, "")
	if h.live(g.AccessToken) {
		t.Error("the family lives on")
	}
}

// Client × user: whoever may not, gets invalid_grant, whatever it is, at the start and at each refresh.
func TestPINGrid(t *testing.T) {
	t.Parallel()
	app := signet.UserID(signet.ApplicationPrefix + string(pinApp))
	for _, tc := range []struct {
		name string
		act  func(h *contracts)
		code signet.Code
	}{
		{"active", func(*contracts) {}, ""},
		{"client disabled", func(h *contracts) { h.disable(pinApp) }, signet.CodeInvalidGrant},
		{"user disabled", func(h *contracts) {
			ok(h.t, h.store.SetUserDisabled(h.t.Context(), app, true, h.event(signet.EventUserDisabled)))
		}, signet.CodeInvalidGrant},
		{"no PIN application any more", func(h *contracts) { h.regrant(pinApp, signet.GrantClientCredentials) }, signet.CodeInvalidGrant},
		{"user cannot be read", func(h *contracts) { h.store.user.Store(true) }, signet.CodeUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newContracts(t)
			h.application()
			g := h.mustStart()
			h.clock.forward(2 * time.Second)
			tc.act(h)
			if _, err := h.start(); signet.CodeOf(err) != tc.code {
				t.Errorf("StartGrant: %v, want %q", err, tc.code)
			}
			if _, err := h.server.RefreshGrant(t.Context(), g.RefreshToken.Reveal()); signet.CodeOf(err) != tc.code {
				t.Errorf("RefreshGrant: %v, want %q", err, tc.code)
			}
		})
	}
	t.Run("another client's login", func(t *testing.T) {
		t.Parallel()
		h := newContracts(t)
		h.application()
		for _, f := range []func(*signet.GrantOrder){
			func(o *signet.GrantOrder) { o.ClientID = conf }, func(o *signet.GrantOrder) { o.ClientID = "nobody" },
			func(o *signet.GrantOrder) { o.UserID = "app:nobody" }, func(o *signet.GrantOrder) { o.Scope = signet.Scope{"admin"} },
		} {
			if _, err := h.start(f); signet.CodeOf(err) != signet.CodeInvalidGrant {
				t.Errorf("StartGrant: %v", err)
			}
		}
		// A confidential client's refresh token needs that client's proof: not here.
		token := h.family(conf, "openid offline_access").text("refresh_token")
		if _, err := h.server.RefreshGrant(t.Context(), token); signet.CodeOf(err) != signet.CodeInvalidGrant {
			t.Errorf("RefreshGrant: %v", err)
		}
		h.want(h.refresh(conf, token), http.StatusOK, "")
	})
}

// regrant gives a client other grant types.
func (h *tokenHouse) regrant(id signet.ClientID, grants ...string) {
	h.t.Helper()
	record, err := h.store.Client(h.t.Context(), id)
	ok(h.t, err)
	changed := *record
	changed.GrantTypes = grants
	ok(h.t, h.store.UpdateClient(h.t.Context(), &changed, h.event(signet.EventClientUpdated)))
}

// RefreshGrant is the rotation of /token: grace, reuse, the end of the grant, and the end of a token left alone.
func TestRefreshGrant(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	h.application()
	next := func(g *signet.IssuedGrant) (*signet.IssuedGrant, error) {
		return h.server.RefreshGrant(t.Context(), g.RefreshToken.Reveal())
	}
	refused := func(g *signet.IssuedGrant, reason string) {
		t.Helper()
		if _, err := next(g); signet.CodeOf(err) != signet.CodeInvalidGrant || signet.ReasonOf(err) != reason {
			t.Errorf("got %v, want invalid_grant (%s)", err, reason)
		}
		if ev := h.desk.last(t); ev.Kind != signet.EventTokenRefused || ev.Reason != reason {
			t.Errorf("event %+v", ev)
		}
	}
	first := h.mustStart()
	h.clock.forward(10 * time.Minute)
	second, err := next(first)
	ok(t, err)
	if second.GrantID != first.GrantID || second.RefreshToken == first.RefreshToken || second.RefreshExpiresAt != h.server.stamp().Add(signet.PINIdle) || !h.live(second.AccessToken) {
		t.Errorf("second %+v", second)
	}
	h.clock.forward(5 * time.Second)
	if again, err := next(first); err != nil || again.RefreshToken != second.RefreshToken || again.RefreshExpiresAt != second.RefreshExpiresAt {
		t.Errorf("in the grace: %+v, %v", again, err)
	}
	h.clock.forward(time.Minute)
	refused(first, "refresh_token_reused")
	if h.live(second.AccessToken) {
		t.Error("reuse did not end the family")
	}
	if n := h.events(signet.EventRefreshReused); n != 1 {
		t.Errorf("%d events of reuse", n)
	}
	refused(second, "grant_ended")

	idle := h.mustStart()
	h.clock.forward(signet.PINIdle - time.Second)
	if !h.active(idle.RefreshToken.Reveal()) {
		t.Error("introspection ends it too early")
	}
	h.clock.forward(time.Second)
	refused(idle, "refresh_token_idle")
	if h.active(idle.RefreshToken.Reveal()) {
		t.Error("introspection calls an idle token active")
	}

	// The grant's own end counts, however often it is refreshed.
	g := h.mustStart()
	for range 47 {
		h.clock.forward(30*time.Minute - time.Second)
		g, err = next(g)
		ok(t, err)
	}
	h.clock.forward(20 * time.Minute)
	if g, err = next(g); err != nil || g.RefreshExpiresAt.Sub(h.server.stamp()) > 11*time.Minute {
		t.Fatalf("%+v, %v", g, err)
	}
	h.clock.forward(11 * time.Minute)
	refused(g, "grant_ended")
	for _, raw := range []string{"", "x", "sgt_rt_x", idle.AccessToken, signet.NewSecret(signet.SecretRefresh).Reveal()} {
		if _, err := h.server.RefreshGrant(t.Context(), raw); signet.CodeOf(err) != signet.CodeInvalidGrant {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// refresh_token_idle of a client's record, at /token and at introspection alike.
func TestRefreshTokenIdle(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	const idle signet.ClientID = "idle"
	h.client(idle, signet.AuthSecretPost, func(c *signet.Client) { c.RefreshTokenIdle = 600 })
	h.clock.forward(2 * time.Second)
	a := h.family(idle, "openid offline_access")
	h.clock.forward(9 * time.Minute)
	b := h.refresh(idle, a.text("refresh_token"))
	h.want(b, http.StatusOK, "")
	h.clock.forward(10*time.Minute - time.Second)
	if !h.active(b.text("refresh_token")) {
		t.Error("inactive too early")
	}
	h.clock.forward(time.Second)
	if h.active(b.text("refresh_token")) {
		t.Error("active too long")
	}
	h.want(h.refresh(idle, b.text("refresh_token")), http.StatusBadRequest, "invalid_grant")
	// Nobody stole it: no alarm.
	if n := h.events(signet.EventRefreshReused); n != 0 {
		t.Errorf("%d events of reuse", n)
	}
}
