package oauth

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// twice is a subject of revocations by time. revoke takes back what it has and leaves it able to get more.
type twice struct {
	name   string
	revoke func(h *contracts)
	mint   func(h *contracts) string // "": refused for now
}

func (h *contracts) token(a answerOf) string {
	h.t.Helper()
	switch a.status {
	case http.StatusServiceUnavailable, http.StatusBadRequest:
	default:
		h.want(a, http.StatusOK, "")
	}
	return a.text("access_token")
}

// begun is when a session or grant begins, as pkg/login and the authorization endpoint date it.
func (h *contracts) begun(client signet.ClientID, user signet.UserID) time.Time {
	h.t.Helper()
	c, err := h.store.Client(h.t.Context(), client)
	ok(h.t, err)
	u, err := h.store.User(h.t.Context(), user)
	ok(h.t, err)
	return signet.Begin(h.server.stamp(), c.NotBefore, u.NotBefore)
}

// person logs in and has a token of a fresh code.
func personToken(h *contracts) string {
	h.t.Helper()
	h.clock.forward(time.Millisecond)
	at := h.begun(conf, h.user)
	if u, err := h.store.User(h.t.Context(), h.user); err != nil || !after(at, u.NotBefore) {
		return "" // no session begins
	}
	h.session = h.loginAt(h.user, at)
	return h.token(h.redeem(conf, h.code(conf, "openid", func(s *session) { s.Grant.CreatedAt, s.Grant.AuthTime = at, at })))
}

// clientToken is of a client for itself.
func clientToken(id signet.ClientID) func(h *contracts) string {
	return func(h *contracts) string {
		return h.token(h.post("/token", id, "grant_type", signet.GrantClientCredentials))
	}
}

func subjects() []twice {
	toggle := func(set func(h *contracts, off bool) error) func(h *contracts) {
		return func(h *contracts) { ok(h.t, set(h, true)); ok(h.t, set(h, false)) }
	}
	client := func(id signet.ClientID) func(h *contracts) {
		return toggle(func(h *contracts, off bool) error {
			return h.store.SetClientDisabled(h.t.Context(), id, off, h.event(signet.EventClientDisabled))
		})
	}
	key := func(h *contracts) string { return h.token(h.exchange(signet.GrantTokenExchange, "")) }
	account := toggle(func(h *contracts, off bool) error {
		return h.store.SetAccountDisabled(h.t.Context(), "a1", off, h.event(signet.EventAccountDisabled))
	})
	apiKey := toggle(func(h *contracts, off bool) error {
		k, err := h.store.APIKey(h.t.Context(), "a1", "till")
		ok(h.t, err)
		k.Enabled = !off
		return h.store.UpdateAPIKey(h.t.Context(), k, h.event(signet.EventAPIKeyUpdated))
	})
	application := func(h *contracts) signet.UserID { return signet.UserID(signet.ApplicationPrefix + string(pinApp)) }
	turn, change := 0, 3
	return []twice{
		{"client, for itself", client(service), clientToken(service)},
		{"client, opaque", client(opaque), clientToken(opaque)},
		{"client of people", client(conf), personToken},
		{"password", func(h *contracts) {
			ok(h.t, h.store.SetPassword(h.t.Context(), h.user, "$argon2id$next", h.event(signet.EventPasswordChanged)))
		}, personToken},
		{"grants of a user", func(h *contracts) {
			ok(h.t, h.store.RevokeUserGrants(h.t.Context(), h.user, "test", h.event(signet.EventPasswordChanged)))
		}, personToken},
		{"user", toggle(func(h *contracts, off bool) error {
			return h.store.SetUserDisabled(h.t.Context(), h.user, off, h.event(signet.EventUserDisabled))
		}), personToken},
		{"PIN application", func(h *contracts) {
			ok(h.t, h.store.RevokeUserGrants(h.t.Context(), application(h), "pin_changed", h.event(signet.EventPasswordChanged)))
		}, func(h *contracts) string {
			h.clock.forward(time.Millisecond)
			g, err := h.start()
			if code := signet.CodeOf(err); code == signet.CodeUnavailable || code == signet.CodeInvalidGrant {
				return ""
			}
			ok(h.t, err)
			return g.AccessToken
		}},
		{"biller", toggle(func(h *contracts, off bool) error {
			return h.store.SetBillerDisabled(h.t.Context(), deskBiller, off, h.event(signet.EventBillerDisabled))
		}), func(h *contracts) string { return h.token(h.exchange(signet.GrantHMACIdentity, "")) }},
		{"API key", apiKey, key},
		{"account of an API key", account, key},
		// Two records limit one subject, in turn.
		{"account, then API key", func(h *contracts) {
			if turn++; turn%2 == 1 {
				account(h)
			} else {
				apiKey(h)
			}
		}, key},
		{"account of members", account, personToken},
		// In another account each time: the token carries both.
		{"memberships", func(h *contracts) {
			change++
			id, role, now := []string{"a1", "a2"}[change%2], []string{"merchant-terminal", "account-owner"}[change/2%2], h.clock.now()
			put := func(user signet.UserID, role string) {
				ok(h.t, h.store.PutMembership(h.t.Context(), &signet.Membership{
					AccountID: id, UserID: user, Role: role, AcceptedAt: &now, CreatedBy: "test",
				}, h.event(signet.EventMemberAdded)))
			}
			put(h.person(signet.NewID()), "account-owner")
			put(h.user, role)
		}, personToken},
	}
}

// What was made between two revocations within a second is dated past the first one, ahead of the clock. The second one
// takes it back all the same, at once and for good, and what is made after it is alive at once and stays so.
func TestRevokedTwiceWithinASecond(t *testing.T) {
	t.Parallel()
	for _, tc := range subjects() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newRegistry(t)
			h.application()
			h.clock.forward(300 * time.Millisecond)
			tc.revoke(h)
			first := tc.mint(h)
			if !h.live(first) {
				t.Error("what is made after one revocation is dead")
			}
			h.clock.forward(100 * time.Millisecond)
			tc.revoke(h)
			if h.live(first) {
				t.Error("the second revocation does not reach what was made after the first")
			}
			second := tc.mint(h)
			for range 8 {
				if h.live(first) {
					t.Errorf("alive again at %s", h.clock.now())
				}
				if !h.live(second) {
					t.Errorf("what is made after the second revocation is dead at %s", h.clock.now())
				}
				h.clock.forward(500 * time.Millisecond)
			}
		})
	}
}

// More often than MaxAhead has seconds: nothing is made for a moment, and nothing that was made survives.
func TestRevokedManyTimesWithinASecond(t *testing.T) {
	t.Parallel()
	for _, tc := range subjects() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newRegistry(t)
			h.application()
			h.clock.forward(300 * time.Millisecond)
			var made []string
			refused := 0
			for range 9 {
				tc.revoke(h)
				if token := tc.mint(h); token == "" {
					refused++
				} else {
					made = append(made, token)
				}
				h.clock.forward(10 * time.Millisecond)
			}
			tc.revoke(h)
			if refused == 0 || len(made) < 3 {
				t.Errorf("%d made, %d refused", len(made), refused)
			}
			for range 16 {
				for i, token := range made {
					if h.live(token) {
						t.Fatalf("number %d of %d lives at %s", i, len(made), h.clock.now())
					}
				}
				h.clock.forward(500 * time.Millisecond)
			}
			if token := tc.mint(h); !h.live(token) {
				t.Error("nothing lives any more")
			}
		})
	}
}

// A grant of the authorization endpoint begins after a limit that lies a little ahead, and not after an operator's wish.
func TestGrantBeginsAfterTheLimit(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	now := h.server.stamp()
	for ahead, want := range map[time.Duration]time.Duration{
		-time.Second: 0, 0: 0, 1500 * time.Millisecond: 1500*time.Millisecond + time.Microsecond, time.Hour: 0,
	} {
		for _, limits := range [][2]time.Time{{now.Add(ahead), {}}, {{}, now.Add(ahead)}} {
			g := h.server.newGrant(&authorizeRequest{Client: &signet.Client{NotBefore: limits[0]}},
				&facts{Session: &signet.Session{}, User: &signet.User{NotBefore: limits[1]}})
			if got := g.CreatedAt.Sub(now); got != want || !g.ExpiresAt.After(g.CreatedAt) {
				t.Errorf("limit %s ahead: the grant begins %s ahead", ahead, got)
			}
		}
	}
}

// A token that one revocation dated ahead is reached by a revocation of anything else that it speaks for.
func TestRevokedBySomethingElseWithinASecond(t *testing.T) {
	t.Parallel()
	people := []string{"client of people", "password", "grants of a user", "user", "account of members", "memberships"}
	named := func(name string) twice {
		all := subjects()
		return all[slices.IndexFunc(all, func(s twice) bool { return s.name == name })]
	}
	for _, first := range people {
		for _, second := range people {
			if first == second {
				continue
			}
			t.Run(first+", then "+second, func(t *testing.T) {
				t.Parallel()
				h := newRegistry(t)
				h.application()
				h.clock.forward(300 * time.Millisecond)
				named(first).revoke(h)
				token := personToken(h)
				if !h.live(token) {
					t.Fatal("what is made after one revocation is dead")
				}
				h.clock.forward(100 * time.Millisecond)
				named(second).revoke(h)
				for range 8 {
					if h.live(token) {
						t.Fatalf("it lives at %s", h.clock.now())
					}
					h.clock.forward(500 * time.Millisecond)
				}
				if token := personToken(h); !h.live(token) {
					t.Error("what is made after both is dead")
				}
			})
		}
	}
}
