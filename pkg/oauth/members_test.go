package oauth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// join makes the user a member of n accounts, by role, all accepted.
func (h *contracts) join(n int, role string) *signet.Memberships {
	h.t.Helper()
	m := &signet.Memberships{UserID: h.user, ChangedAt: h.clock.now()}
	for i := range n {
		accepted := h.clock.now()
		m.Members = append(m.Members, signet.Member{Membership: signet.Membership{
			AccountID: fmt.Sprintf("account-%02d", i), UserID: h.user, Role: role, AcceptedAt: &accepted,
		}})
	}
	h.desk.members[h.user] = m
	return m
}

func TestAccountsClaim(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	for _, tc := range []struct {
		name      string
		members   int
		role      string
		want      int
		truncated bool
	}{
		{"none", 0, "account-owner", 0, false},
		{"one", 1, "account-owner", 1, false},
		{"the most", maxAccounts, "account-owner", maxAccounts, false},
		{"one too many", maxAccounts + 1, "account-owner", 0, true},
		// A token that signet itself would not read any more helps nobody.
		{"long names of roles", 40, strings.Repeat("r", 200), 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h.join(tc.members, tc.role)
			h.clock.forward(2 * time.Second)
			_, claims := claimsOf(t, h.family(conf, "openid").text("access_token"))
			list, _ := claims["accounts"].([]any)
			if len(list) != tc.want || (claims["accounts"] == nil) != (tc.want == 0) {
				t.Errorf("%d accounts, want %d", len(list), tc.want)
			}
			if truncated, present := claims["accounts_truncated"]; present != tc.truncated || present && truncated != true {
				t.Errorf("accounts_truncated %v", truncated)
			}
		})
	}
	t.Run("only what counts", func(t *testing.T) {
		m := h.join(3, "account-owner")
		m.Members[0].AcceptedAt = nil
		m.Members[1].AccountDisabled = true
		h.clock.forward(2 * time.Second)
		_, claims := claimsOf(t, h.family(conf, "openid").text("access_token"))
		sameJSON(t, claims["accounts"], []any{map[string]any{"id": "account-02", "role": "account-owner"}})
		m.Members = m.Members[:2]
		_, claims = claimsOf(t, h.family(conf, "openid").text("access_token"))
		if claims["accounts"] != nil || claims["accounts_truncated"] != nil {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("an opaque token says nothing", func(t *testing.T) {
		h.join(1, "account-owner")
		h.desk.away = true // and asks nobody
		h.family(opaque, "openid")
		h.desk.away = false
	})
	t.Run("a store that is away", func(t *testing.T) {
		h.desk.away = true
		h.want(h.redeem(conf, h.code(conf, "openid")), http.StatusServiceUnavailable, "temporarily_unavailable")
		h.desk.away = false
	})
}

// A change of memberships ends the tokens that carry them, and no others.
func TestAccountsTakenBack(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		members int
		act     func(h *contracts, m *signet.Memberships)
		want    bool
	}{
		{"nothing happens", 1, func(*contracts, *signet.Memberships) {}, true},
		{"changed", 1, func(h *contracts, m *signet.Memberships) { m.ChangedAt = h.clock.now() }, false},
		{"changed, truncated", maxAccounts + 1, func(h *contracts, m *signet.Memberships) { m.ChangedAt = h.clock.now() }, false},
		{"changed, nothing carried", 0, func(h *contracts, m *signet.Memberships) { m.ChangedAt = h.clock.now() }, true},
		{"by the journal", 1, func(h *contracts, _ *signet.Memberships) {
			h.takeBack(signet.RevokedPrincipal, signet.PrincipalAccounts+string(h.user), h.clock.now())
		}, false},
		{"by the journal, nothing carried", 0, func(h *contracts, _ *signet.Memberships) {
			h.takeBack(signet.RevokedPrincipal, signet.PrincipalAccounts+string(h.user), h.clock.now())
		}, true},
		{"another user's", 1, func(h *contracts, _ *signet.Memberships) {
			h.takeBack(signet.RevokedPrincipal, signet.PrincipalAccounts+"x", h.clock.now())
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newContracts(t)
			m := h.join(tc.members, "account-owner")
			h.clock.forward(2 * time.Second)
			a := h.family(conf, "openid offline_access")
			h.clock.forward(2 * time.Second)
			tc.act(h, m)
			if got := h.live(a.text("access_token")); got != tc.want {
				t.Errorf("live %t, want %t", got, tc.want)
			}
			if b, err := h.server.Bearer(t.Context(), a.text("access_token")); err == nil && b.Principal != "" {
				t.Errorf("Bearer names the principal %q", b.Principal)
			}
			// In that very second a new token lives: iat moves past the change.
			next := h.refresh(conf, a.text("refresh_token"))
			h.want(next, http.StatusOK, "")
			if strings.HasPrefix(tc.name, "changed") && !h.live(next.text("access_token")) {
				t.Error("a token made after the change is dead")
			}
		})
	}
}

// A node whose record is up to a second old may issue a token that carries what has just ended: no revocation covers it.
func TestAccountsOfAnOldRecord(t *testing.T) {
	t.Parallel()
	at := func(h *contracts) *time.Time { now := h.clock.now().Add(-time.Hour); return &now }
	ended := func(h *contracts, m *signet.Memberships) *signet.Memberships {
		return &signet.Memberships{UserID: h.user, ChangedAt: *at(h), Members: m.Members[1:]}
	}
	lesser := func(h *contracts, m *signet.Memberships) *signet.Memberships {
		out := &signet.Memberships{UserID: h.user, ChangedAt: *at(h), Members: slices.Clone(m.Members)}
		out.Members[0].Role = "anon-consumer"
		return out
	}
	more := func(h *contracts, m *signet.Memberships) *signet.Memberships {
		out := &signet.Memberships{UserID: h.user, ChangedAt: *at(h), Members: slices.Clone(m.Members)}
		out.Members = append(out.Members, signet.Member{Membership: signet.Membership{AccountID: "own", Role: "account-owner", AcceptedAt: at(h)}})
		return out
	}
	same := func(_ *contracts, m *signet.Memberships) *signet.Memberships { return m }
	for _, tc := range []struct {
		name        string
		here, truth func(*contracts, *signet.Memberships) *signet.Memberships
		want        bool
		asked       bool // the database
	}{
		{"nothing happened", same, same, true, false},
		{"ended", ended, ended, false, true},
		{"another role", lesser, lesser, false, true},
		{"an account that the person made since", more, more, true, false},
		{"this node is the old one", ended, same, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newContracts(t)
			m := h.join(2, "account-owner")
			h.clock.forward(2 * time.Second)
			token := h.family(conf, "openid").text("access_token")
			h.desk.members[h.user] = tc.here(h, m)
			h.desk.newest = map[signet.UserID]*signet.Memberships{h.user: tc.truth(h, m)}
			if got := h.live(token); got != tc.want || (h.desk.reads > 0) != tc.asked {
				t.Errorf("live %t, %d reads of the database", got, h.desk.reads)
			}
		})
	}
}
