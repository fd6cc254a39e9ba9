package storagetest

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestUsers(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		t.Run("comes back as it was written", func(t *testing.T) {
			u := w.user(t)
			got, err := w.User(t.Context(), u.ID)
			want(t, "User", err, "")
			if !reflect.DeepEqual(got, u) {
				t.Fatalf("got %+v\nwant %+v", got, u)
			}
		})
		t.Run("found by login name or address, without letter case", func(t *testing.T) {
			u := w.user(t)
			for _, name := range []string{u.Username, strings.ToUpper(u.Username), strings.ToLower(u.Profile.Email)} {
				got, err := w.UserByLogin(t.Context(), name)
				want(t, "UserByLogin", err, "")
				if got.ID != u.ID {
					t.Fatalf("%q found %q", name, got.ID)
				}
			}
			for _, name := range []string{"", "nobody", "' OR '1'='1", "%", "a\x00", "\xff"} {
				_, err := w.UserByLogin(t.Context(), name)
				want(t, "UserByLogin", err, signet.CodeNotFound)
			}
		})
		t.Run("login names are unique without letter case", func(t *testing.T) {
			u := w.user(t)
			again := &signet.User{ID: signet.NewUserID(), Username: strings.ToUpper(u.Username)}
			want(t, "InsertUser", w.InsertUser(t.Context(), again, event(signet.EventUserCreated)), signet.CodeConflict)
			other := w.user(t)
			other.Username = strings.ToLower(u.Username)
			want(t, "UpdateUser", w.UpdateUser(t.Context(), other, event(signet.EventUserCreated)), signet.CodeConflict)
		})
		t.Run("a shared address finds nobody, a login name goes first", func(t *testing.T) {
			// Taking over somebody's login by writing the other's address into one's own profile.
			a, b, c := w.user(t), w.user(t), w.user(t)
			b.Profile.Email = a.Profile.Email
			want(t, "UpdateUser", w.UpdateUser(t.Context(), b, event(signet.EventUserCreated)), "")
			_, err := w.UserByLogin(t.Context(), a.Profile.Email)
			want(t, "UserByLogin", err, signet.CodeNotFound)
			c.Profile.Email = a.Username
			want(t, "UpdateUser", w.UpdateUser(t.Context(), c, event(signet.EventUserCreated)), "")
			got, err := w.UserByLogin(t.Context(), a.Username)
			want(t, "UserByLogin", err, "")
			if got.ID != a.ID {
				t.Fatal("an address went before a login name")
			}
		})
		t.Run("an update wants the version that stands and leaves the password", func(t *testing.T) {
			u := w.user(t)
			stale := *u
			u.Profile.Name, u.PasswordHash = "Anna", "ignored"
			want(t, "UpdateUser", w.UpdateUser(t.Context(), u, event(signet.EventUserCreated)), "")
			want(t, "UpdateUser with an old version", w.UpdateUser(t.Context(), &stale, event(signet.EventUserCreated)), signet.CodeConflict)
			got, err := w.User(t.Context(), u.ID)
			want(t, "User", err, "")
			if got.Profile.Name != "Anna" || got.PasswordHash != "$argon2id$first" || got.Version != 2 {
				t.Fatalf("got %+v", got)
			}
		})
		t.Run("text that no column can hold", func(t *testing.T) {
			for _, name := range []string{"a\x00b", "\xff", ""} {
				u := &signet.User{ID: signet.NewUserID(), Username: name}
				want(t, "InsertUser", w.InsertUser(t.Context(), u, event(signet.EventUserCreated)), signet.CodeInvalidRequest)
			}
		})
		t.Run("pages by id", func(t *testing.T) {
			all, err := w.ListUsers(t.Context(), "", 200)
			want(t, "ListUsers", err, "")
			rest, err := w.ListUsers(t.Context(), string(all[1].ID), 200)
			want(t, "ListUsers", err, "")
			if len(all) < 3 || !reflect.DeepEqual(rest, all[2:]) {
				t.Fatalf("%d users, %d after the second", len(all), len(rest))
			}
		})
	})
}

// REF-05, COD-05, ENU-14: what ends a user ends sessions and grants, offline ones too, with a journal row and one event.
func TestUserActs(t *testing.T) {
	acts := []struct {
		name     string
		act      func(w *world, t *testing.T, id signet.UserID) error
		disables bool
	}{
		{"disabled", func(w *world, t *testing.T, id signet.UserID) error {
			return w.SetUserDisabled(t.Context(), id, true, event(signet.EventUserDisabled))
		}, true},
		{"password changed", func(w *world, t *testing.T, id signet.UserID) error {
			return w.SetPassword(t.Context(), id, "$argon2id$second", event(signet.EventPasswordChanged))
		}, false},
		{"grants revoked", func(w *world, t *testing.T, id signet.UserID) error {
			return w.RevokeUserGrants(t.Context(), id, "by_operator", event(signet.EventGrantRevoked))
		}, false},
	}
	onBoth(t, func(t *testing.T, w *world) {
		for _, c := range acts {
			t.Run(c.name, func(t *testing.T) {
				f, other := w.newFamily(t), w.newFamily(t)
				online := *f
				w.issue(t, f, true)
				before := w.clock.Now()
				w.clock.Advance(time.Second)
				events := w.count(t, "SELECT COUNT(*) FROM audit_events")
				want(t, c.name, c.act(w, t, f.user.ID), "")
				if n := w.count(t, "SELECT COUNT(*) FROM audit_events") - events; n != 1 {
					t.Fatalf("%d audit events for one act", n)
				}
				for _, lost := range []*family{&online, f} {
					want(t, "UseCode", w.UseCode(t.Context(), lost.code.Hash, w.clock.Now()), signet.CodeRevoked)
					_, err := w.RotateRefreshToken(t.Context(), lost.refresh.Hash, w.successor(lost.refresh), w.clock.Now())
					want(t, "RotateRefreshToken", err, signet.CodeRevoked)
				}
				session, err := w.FindSession(t.Context(), hashes(f.session.Hash))
				want(t, "FindSession", err, "")
				if session.Live(w.clock.Now()) {
					t.Fatal("the session lives")
				}
				entries, err := w.RevocationsOf(t.Context(), signet.TokenFacts{UserID: f.user.ID})
				want(t, "RevocationsOf", err, "")
				if len(entries) != 1 || entries[0].Kind != signet.RevokedUser || !entries[0].Before.Equal(kept(w.clock.Now())) {
					t.Fatalf("journal: %+v", entries)
				}
				u, err := w.User(t.Context(), f.user.ID)
				want(t, "User", err, "")
				if u.Disabled() != c.disables || u.Version != 2 || !u.NotBefore.Equal(kept(w.clock.Now())) {
					t.Fatalf("user: %+v", u)
				}
				want(t, "UseCode of another user", w.UseCode(t.Context(), other.code.Hash, w.clock.Now()), "")

				// A login that was under way when the act came must not survive it.
				late := w.newSession(f.user.ID)
				late.AuthTime = before
				want(t, "CreateSession", w.CreateSession(t.Context(), late, "", event(signet.EventLoginSucceeded)), signet.CodeRevoked)
				if c.disables {
					want(t, "IssueCode", w.IssueCode(t.Context(), newGrantLike(f), newCodeLike(f)), signet.CodeRevoked)
					want(t, "enable", w.SetUserDisabled(t.Context(), f.user.ID, false, event(signet.EventUserEnabled)), "")
				}
				w.session(t, f.user.ID)
			})
		}
		t.Run("unknown user", func(t *testing.T) {
			for _, c := range acts {
				want(t, c.name, c.act(w, t, "nobody"), signet.CodeNotFound)
				want(t, c.name, c.act(w, t, "\xff"), signet.CodeNotFound)
			}
		})
	})
}
