package oauth

import (
	"net/http"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	unspent, spent := &signet.RefreshToken{}, &signet.RefreshToken{UsedAt: &now}
	for _, tc := range []struct {
		name  string
		used  *time.Time
		next  *signet.RefreshToken
		grace time.Duration
		want  verdict
	}{
		{"unspent", nil, nil, 10 * time.Second, verdictFresh},
		{"spent, in the grace", ago(9 * time.Second), unspent, 10 * time.Second, verdictGrace},
		{"spent by a node whose clock is ahead", ago(-time.Second), unspent, 10 * time.Second, verdictGrace},
		{"spent, successor spent", ago(9 * time.Second), spent, 10 * time.Second, verdictOvertaken},
		{"spent, no successor", ago(time.Second), nil, 10 * time.Second, verdictOvertaken},
		{"at the end of the grace", ago(10 * time.Second), unspent, 10 * time.Second, verdictReused},
		{"long after", ago(time.Hour), spent, 10 * time.Second, verdictReused},
		{"no grace, the same instant", ago(0), unspent, 0, verdictReused},
		{"no grace, a clock ahead", ago(-time.Second), unspent, 0, verdictReused},
	} {
		state := &signet.RefreshTokenState{Token: signet.RefreshToken{UsedAt: tc.used}, Successor: tc.next}
		if got := judge(state, tc.grace, now); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

// TestRefresh is the main path: one read, one transaction, a new pair of tokens, the same person and time.
func TestRefresh(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a := h.family(conf, "openid offline_access read")
	h.clock.forward(time.Minute)
	h.store.reads.Store(0)
	h.store.transactions.Store(0)
	b := h.refresh(conf, a.text("refresh_token"))
	h.want(b, http.StatusOK, "")
	if reads, tx := h.store.reads.Load(), h.store.transactions.Load(); reads != 1 || tx != 1 {
		t.Errorf("%d reads and %d transactions, want 1 and 1", reads, tx)
	}
	if b.text("refresh_token") == a.text("refresh_token") || b.text("access_token") == a.text("access_token") {
		t.Error("nothing new")
	}
	_, first := claimsOf(t, a.text("id_token"))
	_, second := claimsOf(t, b.text("id_token"))
	for _, same := range []string{"iss", "sub", "aud", "auth_time", "sid"} {
		if first[same] != second[same] {
			t.Errorf("%s changed from %v to %v", same, first[same], second[same])
		}
	}
	if second["iat"] == first["iat"] || second["nonce"] != nil {
		t.Errorf("refreshed ID token %v", second)
	}
	h.want(h.refresh(conf, b.text("refresh_token")), http.StatusOK, "")
	// Absolute: 60 days from login, whatever was refreshed in between.
	h.clock.forward(60 * 24 * time.Hour)
	h.want(h.refresh(conf, b.text("refresh_token")), http.StatusBadRequest, "invalid_grant")
}

// TestREF01 inside the grace the same successor comes back; after it reuse ends the family, with one alarm.
func TestREF01(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a := h.family(pub, "openid offline_access")
	r0 := a.text("refresh_token")
	b := h.refresh(pub, r0)
	h.want(b, http.StatusOK, "")
	h.clock.forward(9 * time.Second)
	again := h.refresh(pub, r0)
	h.want(again, http.StatusOK, "")
	if again.text("refresh_token") != b.text("refresh_token") {
		t.Error("another successor inside the grace")
	}
	if again.text("access_token") == b.text("access_token") {
		t.Error("the same access token twice")
	}
	h.clock.forward(time.Second)
	h.want(h.refresh(pub, r0), http.StatusBadRequest, "invalid_grant")
	h.want(h.refresh(pub, r0), http.StatusBadRequest, "invalid_grant")
	h.want(h.refresh(pub, b.text("refresh_token")), http.StatusBadRequest, "invalid_grant")
	for _, token := range []string{a.text("access_token"), b.text("access_token"), again.text("access_token")} {
		if h.active(token) {
			t.Error("an access token of the family is active")
		}
	}
	if n := h.events(signet.EventRefreshReused); n != 1 {
		t.Errorf("%d alarms, want 1", n)
	}
}

// TestRefreshOvertaken inside the grace, with the successor spent: refused, and nobody's family ends.
func TestRefreshOvertaken(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	r0 := h.family(pub, "openid offline_access").text("refresh_token")
	r1 := h.refresh(pub, r0).text("refresh_token")
	r2 := h.refresh(pub, r1).text("refresh_token")
	h.want(h.refresh(pub, r0), http.StatusBadRequest, "invalid_grant")
	h.want(h.refresh(pub, r2), http.StatusOK, "")
	if n := h.events(signet.EventRefreshReused); n != 0 {
		t.Errorf("%d alarms, want 0", n)
	}
}

// TestREF02 64 at once: with a grace 64 × 200 with one successor and a live family; without exactly one 200 and a
// revoked family.
func TestREF02(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	none := signet.Seconds(0)
	h.client("strict", signet.AuthNone, func(c *signet.Client) { c.RefreshGrace = &none })
	r0 := h.family(pub, "openid offline_access").text("refresh_token")
	successors := map[string]bool{}
	for _, a := range parallel(64, func() answerOf { return h.refresh(pub, r0) }) {
		h.want(a, http.StatusOK, "")
		successors[a.text("refresh_token")] = true
	}
	if len(successors) != 1 {
		t.Fatalf("%d successors", len(successors))
	}
	for r1 := range successors {
		h.want(h.refresh(pub, r1), http.StatusOK, "")
	}
	strict := h.family("strict", "openid offline_access").text("refresh_token")
	wins := 0
	var r1 string
	for _, a := range parallel(64, func() answerOf { return h.refresh("strict", strict) }) {
		if a.status == http.StatusOK {
			wins++
			r1 = a.text("refresh_token")
			continue
		}
		h.want(a, http.StatusBadRequest, "invalid_grant")
	}
	if wins != 1 {
		t.Errorf("%d winners without grace", wins)
	}
	h.want(h.refresh("strict", r1), http.StatusBadRequest, "invalid_grant")
}

// TestREF04 a stranger gets nothing and ends nothing.
func TestREF04(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	r0 := h.family(conf, "openid offline_access").text("refresh_token")
	h.want(h.refresh(other, r0), http.StatusBadRequest, "invalid_grant")
	h.want(h.refresh(pub, r0), http.StatusBadRequest, "invalid_grant")
	h.want(h.refresh(conf, r0, "client_secret", ""), http.StatusUnauthorized, "invalid_client")
	h.want(h.refresh(conf, r0, "client_secret", h.secrets[other]), http.StatusUnauthorized, "invalid_client")
	if a := h.post("/token", "", "grant_type", "refresh_token", "refresh_token", r0); a.status != http.StatusUnauthorized {
		t.Errorf("no client at all: %d %s", a.status, a.body)
	}
	r1 := h.refresh(conf, r0)
	h.want(r1, http.StatusOK, "")
	h.clock.forward(time.Minute)
	h.want(h.refresh(other, r0), http.StatusBadRequest, "invalid_grant") // reuse by a stranger, long after
	h.want(h.refresh(conf, r1.text("refresh_token")), http.StatusOK, "")
}

// TestREF05 a principal that ended ends the refresh.
func TestREF05(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, h *tokenHouse, client *signet.Client){
		"user disabled": func(t *testing.T, h *tokenHouse, _ *signet.Client) {
			ok(t, h.store.SetUserDisabled(t.Context(), h.user, true, h.event(signet.EventUserDisabled)))
		},
		"password changed": func(t *testing.T, h *tokenHouse, _ *signet.Client) {
			ok(t, h.store.SetPassword(t.Context(), h.user, "$argon2id$x", h.event(signet.EventPasswordChanged)))
		},
		"everything of the user revoked": func(t *testing.T, h *tokenHouse, _ *signet.Client) {
			ok(t, h.store.RevokeUserGrants(t.Context(), h.user, "test", h.event(signet.EventGrantRevoked)))
		},
		"consent revoked": func(t *testing.T, h *tokenHouse, c *signet.Client) {
			ok(t, h.store.RevokeConsent(t.Context(), h.user, c.ID, h.event(signet.EventConsentRevoked)))
		},
		"client lost a scope": func(t *testing.T, h *tokenHouse, c *signet.Client) {
			c.Scope = "openid offline_access"
			ok(t, h.store.UpdateClient(t.Context(), c, h.event(signet.EventClientUpdated)))
		},
		"client lost the grant type": func(t *testing.T, h *tokenHouse, c *signet.Client) {
			c.GrantTypes = []string{signet.GrantAuthorizationCode}
			ok(t, h.store.UpdateClient(t.Context(), c, h.event(signet.EventClientUpdated)))
		},
		"client disabled": func(t *testing.T, h *tokenHouse, c *signet.Client) {
			ok(t, h.store.SetClientDisabled(t.Context(), c.ID, true, h.event(signet.EventClientDisabled)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newTokenHouse(t)
			a := h.family(conf, "openid offline_access read")
			h.clock.forward(2 * time.Second)
			client, err := h.store.Client(t.Context(), conf)
			ok(t, err)
			changed := *client
			end(t, h, &changed)
			h.clock.forward(2 * time.Second)
			b := h.refresh(conf, a.text("refresh_token"))
			if b.status == http.StatusOK || b.text("refresh_token") != "" {
				t.Fatalf("%d %s", b.status, b.body)
			}
			switch name {
			case "client disabled":
				h.want(b, http.StatusUnauthorized, "invalid_client")
			default:
				h.want(b, http.StatusBadRequest, "invalid_grant")
			}
		})
	}
}

// TestRefreshAfterLogout: an offline grant outlives its session, and its access tokens do.
func TestRefreshAfterLogout(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	online, offline := h.family(pub, "openid"), h.family(pub, "openid offline_access")
	h.clock.forward(time.Second)
	ok(t, h.store.EndSession(t.Context(), h.session, "logout", h.event(signet.EventSessionEnded)))
	if h.active(online.text("access_token")) || !h.active(offline.text("access_token")) {
		t.Error("logout ended the wrong tokens")
	}
	h.want(h.refresh(pub, offline.text("refresh_token")), http.StatusOK, "")
}

// TestREF08 scope narrows the access token and never widens it; fosite alone ignores it (TestStockFositeIgnoresScope).
func TestREF08(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	token := h.family(pub, "openid offline_access read").text("refresh_token")
	for _, scope := range []string{"openid write", "openid unknown", "admin", "re\"ad"} {
		h.want(h.refresh(pub, token, "scope", scope), http.StatusBadRequest, "invalid_scope")
	}
	narrow := h.refresh(pub, token, "scope", "read")
	h.want(narrow, http.StatusOK, "")
	_, claims := claimsOf(t, narrow.text("access_token"))
	if narrow.text("scope") != "read" || claims["scope"] != "read" || narrow.text("id_token") != "" {
		t.Errorf("%s with scope claim %v", narrow.body, claims["scope"])
	}
	full := h.refresh(pub, narrow.text("refresh_token"), "scope", "read openid offline_access")
	h.want(full, http.StatusOK, "")
	if full.text("scope") != "read openid offline_access" || full.text("id_token") == "" {
		t.Errorf("%s", full.body)
	}
}

// TestRefreshWithoutRotation: a confidential client with rotation off keeps its token, and nothing is written.
func TestRefreshWithoutRotation(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	h.client("still", signet.AuthSecretPost, func(c *signet.Client) { c.Rotation, c.RefreshToken = "off", "always" })
	token := h.family("still", "openid").text("refresh_token") // always: without offline_access
	h.store.transactions.Store(0)
	for range 3 {
		a := h.refresh("still", token)
		h.want(a, http.StatusOK, "")
		if a.text("refresh_token") != token {
			t.Error("it rotated")
		}
		h.clock.forward(time.Minute)
	}
	if n := h.store.transactions.Load(); n != 0 {
		t.Errorf("%d transactions", n)
	}
	// A client that cannot use the grant gets no refresh token at all.
	if a := h.family(codes, "openid offline_access"); a.text("refresh_token") != "" {
		t.Error("a refresh token that nobody can use")
	}
}

// TestRefreshOutage a store that cannot answer is 503 and changes nothing.
func TestRefreshOutage(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	r0 := h.family(pub, "openid offline_access").text("refresh_token")
	h.store.user.Store(true)
	h.want(h.refresh(pub, r0), http.StatusServiceUnavailable, "temporarily_unavailable")
	h.store.user.Store(false)
	h.want(h.refresh(pub, r0), http.StatusOK, "")
	h.clock.forward(time.Minute)
	h.store.revokeGrant.Store(true)
	h.want(h.refresh(pub, r0), http.StatusServiceUnavailable, "temporarily_unavailable")
}
