package storagetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestAccounts(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		t.Run("comes back as it was written", func(t *testing.T) {
			a := newAccount(signet.AccountOrg)
			key := newSealedKey(signet.OwnerAccount+a.ID, signet.KeyIntent)
			key.CreatedAt = kept(w.clock.Now())
			a.Keys = []signet.SealedKey{key}
			w.audited(t, "InsertAccount", signet.EventAccountCreated, "", func(e signet.Event) error { return w.InsertAccount(t.Context(), a, nil, e) })
			for range 2 {
				got, err := w.Account(t.Context(), a.ID)
				want(t, "Account", err, "")
				byInstance, err := w.AccountByInstance(t.Context(), a.Instance)
				want(t, "AccountByInstance", err, "")
				if !reflect.DeepEqual(got, a) || !reflect.DeepEqual(byInstance, a) || got.UpdatedBy != "admin:1" {
					t.Fatalf("got %+v and %+v\nwant %+v", got, byInstance, a)
				}
			}
		})
		t.Run("taken and impossible", func(t *testing.T) {
			a, _ := w.account(t)
			again := newAccount(signet.AccountOrg)
			again.ID = a.ID
			want(t, "id", w.InsertAccount(t.Context(), again, nil, event(signet.EventAccountCreated)), signet.CodeConflict)
			again = newAccount(signet.AccountOrg)
			again.Instance = a.Instance
			want(t, "instance", w.InsertAccount(t.Context(), again, nil, event(signet.EventAccountCreated)), signet.CodeConflict)
			again = newAccount(signet.AccountOrg)
			nobody := &signet.Membership{UserID: "nobody", Role: "account-owner"}
			w.audited(t, "owner", signet.EventAccountCreated, signet.CodeNotFound, func(e signet.Event) error { return w.InsertAccount(t.Context(), again, nobody, e) })
			for _, id := range []string{again.ID, "", "\x00", "' OR 1=1--"} {
				_, err := w.Account(t.Context(), id)
				want(t, "Account", err, signet.CodeNotFound)
				_, err = w.AccountByInstance(t.Context(), id)
				want(t, "AccountByInstance", err, signet.CodeNotFound)
				want(t, "SetAccountDisabled", w.SetAccountDisabled(t.Context(), id, true, event(signet.EventAccountDisabled)), signet.CodeNotFound)
			}
		})
		t.Run("one individual account for a user, 32 at once", func(t *testing.T) {
			u := w.user(t)
			now := w.clock.Now()
			won := 0
			for _, err := range together(32, func() error {
				owner := &signet.Membership{UserID: u.ID, Role: "account-owner", AcceptedAt: &now}
				return w.InsertAccount(t.Context(), newAccount(signet.AccountIndividual), owner, event(signet.EventAccountCreated))
			}) {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, signet.ErrConflict):
					t.Fatalf("InsertAccount: %v", err)
				}
			}
			m, err := w.Memberships(t.Context(), u.ID)
			want(t, "Memberships", err, "")
			if won != 1 || len(m.Members) != 1 {
				t.Fatalf("%d accounts, %+v", won, m)
			}
			owner := &signet.Membership{UserID: u.ID, Role: "account-owner", AcceptedAt: &now}
			err = w.InsertAccount(t.Context(), newAccount(signet.AccountIndividual), owner, event(signet.EventAccountCreated))
			if signet.ReasonOf(err) != "individual_exists" {
				t.Fatalf("got %v", err)
			}
			want(t, "an org besides", w.InsertAccount(t.Context(), newAccount(signet.AccountOrg), owner, event(signet.EventAccountCreated)), "")
		})
		t.Run("making an account leaves the maker's tokens alone", func(t *testing.T) {
			_, owner := w.account(t)
			w.revoked(t, signet.TokenFacts{Principal: signet.PrincipalAccounts + string(owner.ID)}, 0)
			m, err := w.Memberships(t.Context(), owner.ID)
			want(t, "Memberships", err, "")
			if !m.ChangedAt.IsZero() {
				t.Fatalf("changed at %v", m.ChangedAt)
			}
		})
		t.Run("an update wants the version that stands, and reaches the members' lists", func(t *testing.T) {
			a, owner := w.account(t)
			_, err := w.Memberships(t.Context(), owner.ID)
			want(t, "Memberships", err, "")
			stale := *a
			w.clock.Advance(time.Millisecond)
			a.Name, a.Settings.IntentAlg, a.UpdatedBy, a.Type, a.Instance = "New", "ES256", "user:2", "individual", "moved"
			w.audited(t, "UpdateAccount", signet.EventAccountUpdated, "", func(e signet.Event) error { return w.UpdateAccount(t.Context(), a, e) })
			w.audited(t, "stale", signet.EventAccountUpdated, signet.CodeConflict, func(e signet.Event) error { return w.UpdateAccount(t.Context(), &stale, e) })
			got, err := w.Account(t.Context(), a.ID)
			want(t, "Account", err, "")
			if got.Name != "New" || got.Settings.IntentAlg != "ES256" || got.UpdatedBy != "user:2" || got.Version != 2 || got.CreatedBy != "admin:1" ||
				!got.UpdatedAt.Equal(kept(w.clock.Now())) || got.Type != signet.AccountOrg || got.Instance != stale.Instance {
				t.Fatalf("got %+v", got)
			}
			m, err := w.Memberships(t.Context(), owner.ID)
			want(t, "Memberships", err, "")
			if m.Members[0].AccountName != "New" {
				t.Fatalf("got %+v", m)
			}
			gone := newAccount(signet.AccountOrg)
			want(t, "nobody", w.UpdateAccount(t.Context(), gone, event(signet.EventAccountUpdated)), signet.CodeNotFound)
		})
		t.Run("pages by id", func(t *testing.T) {
			all, err := w.ListAccounts(t.Context(), "", 200)
			want(t, "ListAccounts", err, "")
			page, err := w.ListAccounts(t.Context(), all[0].ID, 1)
			want(t, "ListAccounts", err, "")
			if len(page) != 1 || !reflect.DeepEqual(page[0], all[1]) {
				t.Fatalf("got %+v", page)
			}
		})
	})
}

func TestAccountDisabling(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		a, owner := w.account(t)
		b, _ := w.account(t)
		invited, left, elsewhere := w.member(t, a.ID, "merchant-terminal", false), w.member(t, a.ID, "merchant-terminal", true), w.member(t, b.ID, "merchant-terminal", true)
		want(t, "EndMembership", w.EndMembership(t.Context(), a.ID, left.ID, event(signet.EventMemberRemoved)), "")
		key, second, foreign := w.apiKey(t, a.ID), w.apiKey(t, a.ID), w.apiKey(t, b.ID)
		before := map[signet.UserID]int{}
		for _, u := range []*signet.User{owner, invited, left, elsewhere} {
			entries, err := w.RevocationsOf(t.Context(), signet.TokenFacts{Principal: signet.PrincipalAccounts + string(u.ID)})
			want(t, "RevocationsOf", err, "")
			before[u.ID] = len(entries)
		}
		w.clock.Advance(time.Second)
		now := kept(w.clock.Now())
		w.audited(t, "disable", signet.EventAccountDisabled, "", func(e signet.Event) error { return w.SetAccountDisabled(t.Context(), a.ID, true, e) })
		for u, more := range map[*signet.User]int{owner: 1, invited: 0, left: 0, elsewhere: 0} {
			w.revoked(t, signet.TokenFacts{Principal: signet.PrincipalAccounts + string(u.ID)}, before[u.ID]+more)
		}
		// Who verifies tokens offline has the journal alone, and in it a key's subject, not its account's.
		for k, more := range map[*signet.APIKey]int{key: 1, second: 1, foreign: 0} {
			for _, entry := range w.revoked(t, signet.TokenFacts{Principal: k.Principal()}, more) {
				if !entry.Before.Equal(now) {
					t.Errorf("before %s, want %s", entry.Before, now)
				}
			}
		}
		m, err := w.Memberships(t.Context(), owner.ID)
		want(t, "Memberships", err, "")
		if !m.Members[0].AccountDisabled || !m.ChangedAt.Equal(now) {
			t.Fatalf("got %+v", m)
		}
		p, err := w.Principal(t.Context(), key.Principal())
		want(t, "Principal", err, "")
		if !p.Disabled || !p.NotBefore.Equal(now) {
			t.Fatalf("got %+v", p)
		}
		w.clock.Advance(time.Minute)
		want(t, "enable", w.SetAccountDisabled(t.Context(), a.ID, false, event(signet.EventAccountEnabled)), "")
		p, err = w.Principal(t.Context(), key.Principal())
		want(t, "Principal", err, "")
		if p.Disabled || !p.NotBefore.After(now) {
			t.Fatalf("what was issued before lives again: %+v", p)
		}
	})
}

// Thousands of members must not keep an account from being disabled: it is one act within one deadline.
func TestAccountOfManyMembersIsDisabled(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		a, _ := w.account(t)
		w.change(t, `WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 3000)
			INSERT INTO users (id, username, username_key, profile, password_hash, created_at, updated_at, version)
			SELECT 'many-' || n, 'many-' || n, 'many-' || n, '{}', '', '2020-01-01 00:00:00', '2020-01-01 00:00:00', 1 FROM i`)
		w.change(t, `INSERT INTO memberships (account_id, user_id, role, accepted_at, created_at, created_by)
			SELECT '`+a.ID+`', id, 'merchant-terminal', created_at, created_at, '' FROM users WHERE id LIKE 'many-%'`)
		want(t, "disable", w.SetAccountDisabled(t.Context(), a.ID, true, event(signet.EventAccountDisabled)), "")
		if n := w.count(t, "SELECT COUNT(*) FROM revocations WHERE kind = 'principal'"); n != 3001 {
			t.Fatalf("%d journal entries", n)
		}
		w.revoked(t, signet.TokenFacts{Principal: "accounts:many-2999"}, 1)
	})
}
