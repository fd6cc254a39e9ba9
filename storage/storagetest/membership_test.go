package storagetest

import (
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

func TestMemberships(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		list := func(t *testing.T, u signet.UserID) *signet.Memberships {
			t.Helper()
			m, err := w.Memberships(t.Context(), u)
			want(t, "Memberships", err, "")
			return m
		}
		facts := func(u signet.UserID) signet.TokenFacts {
			return signet.TokenFacts{Principal: signet.PrincipalAccounts + string(u)}
		}
		put := func(account string, u signet.UserID, role string) error {
			return w.PutMembership(t.Context(), &signet.Membership{AccountID: account, UserID: u, Role: role}, event(signet.EventMemberAdded))
		}
		t.Run("nobody's list is empty", func(t *testing.T) {
			for _, id := range []signet.UserID{"nobody", "", "\x00", "\xff", w.user(t).ID} {
				if m := list(t, id); len(m.Members) != 0 || !m.ChangedAt.IsZero() {
					t.Fatalf("got %+v", m)
				}
			}
			members, err := w.Members(t.Context(), "nobody")
			want(t, "Members", err, "")
			if len(members) != 0 {
				t.Fatalf("got %+v", members)
			}
		})
		t.Run("an invitation takes no token back and counts for nothing until it is accepted", func(t *testing.T) {
			a, _ := w.account(t)
			u := w.user(t)
			list(t, u.ID) // warm
			m := &signet.Membership{AccountID: a.ID, UserID: u.ID, Role: "merchant-terminal", CreatedBy: "user:1"}
			w.audited(t, "PutMembership", signet.EventMemberAdded, "", func(e signet.Event) error { return w.PutMembership(t.Context(), m, e) })
			want(t, "another role", put(a.ID, u.ID, "anon-consumer"), "")
			w.revoked(t, facts(u.ID), 0)
			got := list(t, u.ID)
			if len(got.Members) != 1 || got.Members[0].AcceptedAt != nil || got.Members[0].Role != "anon-consumer" || got.Members[0].CreatedBy != "user:1" ||
				got.Members[0].AccountName != a.Name || got.Members[0].AccountType != a.Type || !got.ChangedAt.IsZero() {
				t.Fatalf("got %+v", got)
			}
			w.clock.Advance(time.Second)
			w.audited(t, "AcceptMembership", signet.EventMemberAccepted, "", func(e signet.Event) error { return w.AcceptMembership(t.Context(), a.ID, u.ID, e) })
			now := kept(w.clock.Now())
			got = list(t, u.ID)
			if !got.Members[0].AcceptedAt.Equal(now) || !got.ChangedAt.Equal(now) {
				t.Fatalf("got %+v", got)
			}
			if entry := w.revoked(t, facts(u.ID), 1)[0]; !entry.Before.Equal(now) || entry.Kind != signet.RevokedPrincipal {
				t.Fatalf("journal: %+v", entry)
			}
			before := w.count(t, "SELECT COUNT(*) FROM audit_events")
			want(t, "AcceptMembership again", w.AcceptMembership(t.Context(), a.ID, u.ID, event(signet.EventMemberAccepted)), "")
			want(t, "the same role", put(a.ID, u.ID, "anon-consumer"), "")
			if w.count(t, "SELECT COUNT(*) FROM audit_events") != before {
				t.Fatal("what was so already was written")
			}
			w.revoked(t, facts(u.ID), 1)
		})
		t.Run("what another node did is read at once where the truth is asked for", func(t *testing.T) {
			a, _ := w.account(t)
			u := w.member(t, a.ID, "merchant-terminal", false)
			other := w.open(t, sqlstore.Options{})
			settled(t, other)
			now := func() *signet.Memberships {
				t.Helper()
				m, err := other.Memberships(signet.FromTruth(t.Context()), u.ID)
				want(t, "Memberships from the truth", err, "")
				return m
			}
			_, err := other.Memberships(t.Context(), u.ID) // warm
			want(t, "Memberships", err, "")
			if m := now(); len(m.Members) != 1 || m.Members[0].AcceptedAt != nil {
				t.Fatalf("got %+v", m)
			}
			want(t, "AcceptMembership", w.AcceptMembership(t.Context(), a.ID, u.ID, event(signet.EventMemberAccepted)), "")
			if m := now(); m.Members[0].AcceptedAt == nil {
				t.Fatalf("got %+v", m)
			}
			want(t, "EndMembership", w.EndMembership(t.Context(), a.ID, u.ID, event(signet.EventMemberRemoved)), "")
			if m := now(); len(m.Members) != 0 || m.UserID != u.ID {
				t.Fatalf("got %+v", m)
			}
			m, err := other.Memberships(signet.FromTruth(t.Context()), "\x00")
			want(t, "Memberships of nobody", err, "")
			if len(m.Members) != 0 {
				t.Fatalf("got %+v", m)
			}
		})
		t.Run("another role keeps the acceptance and takes back what tokens carry", func(t *testing.T) {
			a, _ := w.account(t)
			u := w.member(t, a.ID, "merchant-terminal", true)
			accepted := list(t, u.ID).Members[0].AcceptedAt
			w.clock.Advance(3 * time.Second)
			m := &signet.Membership{AccountID: a.ID, UserID: u.ID, Role: "anon-consumer"}
			want(t, "PutMembership", w.PutMembership(t.Context(), m, event(signet.EventMemberAdded)), "")
			got := list(t, u.ID)
			if got.Members[0].Role != "anon-consumer" || !got.Members[0].AcceptedAt.Equal(*accepted) || !got.ChangedAt.Equal(kept(w.clock.Now())) ||
				!m.AcceptedAt.Equal(*accepted) {
				t.Fatalf("got %+v and %+v", got, m)
			}
			w.revoked(t, facts(u.ID), 2)
		})
		t.Run("what has ended begins anew, and what it took back stays so", func(t *testing.T) {
			a, _ := w.account(t)
			u := w.member(t, a.ID, "merchant-terminal", true)
			w.clock.Advance(3 * time.Second)
			ended := kept(w.clock.Now())
			w.audited(t, "EndMembership", signet.EventMemberRemoved, "", func(e signet.Event) error { return w.EndMembership(t.Context(), a.ID, u.ID, e) })
			w.revoked(t, facts(u.ID), 2)
			if got := list(t, u.ID); len(got.Members) != 0 || !got.ChangedAt.Equal(ended) {
				t.Fatalf("got %+v", got)
			}
			members, err := w.Members(t.Context(), a.ID)
			want(t, "Members", err, "")
			if len(members) != 1 {
				t.Fatalf("got %+v", members)
			}
			want(t, "EndMembership again", w.EndMembership(t.Context(), a.ID, u.ID, event(signet.EventMemberRemoved)), signet.CodeNotFound)
			want(t, "AcceptMembership", w.AcceptMembership(t.Context(), a.ID, u.ID, event(signet.EventMemberAccepted)), signet.CodeNotFound)
			w.clock.Advance(time.Second)
			want(t, "invite again", put(a.ID, u.ID, "merchant-terminal"), "")
			got := list(t, u.ID)
			if len(got.Members) != 1 || got.Members[0].AcceptedAt != nil || !got.ChangedAt.Equal(ended) || !got.Members[0].CreatedAt.Equal(kept(w.clock.Now())) {
				t.Fatalf("got %+v", got)
			}
			want(t, "EndMembership of an invitation", w.EndMembership(t.Context(), a.ID, u.ID, event(signet.EventMemberRemoved)), "")
			w.revoked(t, facts(u.ID), 2)
			if got := list(t, u.ID); !got.ChangedAt.Equal(ended) {
				t.Fatalf("got %+v", got)
			}
		})
		t.Run("nobody and nothing", func(t *testing.T) {
			a, owner := w.account(t)
			for _, c := range [][2]string{{a.ID, "nobody"}, {"nobody", string(owner.ID)}, {"", ""}, {a.ID, "\x00"}} {
				want(t, "PutMembership", put(c[0], signet.UserID(c[1]), "r"), signet.CodeNotFound)
				want(t, "AcceptMembership", w.AcceptMembership(t.Context(), c[0], signet.UserID(c[1]), event(signet.EventMemberAccepted)), signet.CodeNotFound)
				want(t, "EndMembership", w.EndMembership(t.Context(), c[0], signet.UserID(c[1]), event(signet.EventMemberRemoved)), signet.CodeNotFound)
			}
		})
		t.Run("an operator's member is accepted at once", func(t *testing.T) {
			a, _ := w.account(t)
			u := w.user(t)
			now := w.clock.Now()
			m := &signet.Membership{AccountID: a.ID, UserID: u.ID, Role: "r", AcceptedAt: &now}
			want(t, "PutMembership", w.PutMembership(t.Context(), m, event(signet.EventMemberAdded)), "")
			if got := list(t, u.ID); !got.Members[0].AcceptedAt.Equal(kept(now)) || !got.ChangedAt.Equal(kept(now)) {
				t.Fatalf("got %+v", got)
			}
		})
		t.Run("the last owner", func(t *testing.T) {
			a, owner := w.account(t)
			pending := w.member(t, a.ID, "account-owner", false)
			lastOwner := func(what string, err error) {
				t.Helper()
				if signet.CodeOf(err) != signet.CodeConflict || signet.ReasonOf(err) != "last_owner" {
					t.Fatalf("%s: %v", what, err)
				}
			}
			lastOwner("EndMembership", w.EndMembership(t.Context(), a.ID, owner.ID, event(signet.EventMemberRemoved)))
			lastOwner("PutMembership", put(a.ID, owner.ID, "merchant-terminal"))
			w.revoked(t, facts(owner.ID), 0)
			if got := list(t, owner.ID); got.Members[0].Role != "account-owner" {
				t.Fatalf("got %+v", got)
			}
			want(t, "AcceptMembership", w.AcceptMembership(t.Context(), a.ID, pending.ID, event(signet.EventMemberAccepted)), "")
			want(t, "EndMembership of one of two", w.EndMembership(t.Context(), a.ID, owner.ID, event(signet.EventMemberRemoved)), "")
			lastOwner("EndMembership", w.EndMembership(t.Context(), a.ID, pending.ID, event(signet.EventMemberRemoved)))
		})
	})
}

// Owners who leave together, by whatever way, leave one behind. Without the account's row being held, two transactions
// each see the other owner.
func TestOneOwnerStays(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for range 5 {
			a, owner := w.account(t)
			owners := make(chan signet.UserID, 16)
			owners <- owner.ID
			for range 15 {
				owners <- w.member(t, a.ID, "account-owner", true).ID
			}
			ways := make(chan bool, 16)
			for i := range 16 {
				ways <- i%2 == 0
			}
			left := 0
			for _, err := range together(16, func() error {
				user := <-owners
				if <-ways {
					return w.EndMembership(t.Context(), a.ID, user, event(signet.EventMemberRemoved))
				}
				return w.PutMembership(t.Context(), &signet.Membership{AccountID: a.ID, UserID: user, Role: "merchant-terminal"}, event(signet.EventMemberAdded))
			}) {
				if err == nil {
					left++
					continue
				}
				if signet.ReasonOf(err) != "last_owner" {
					t.Fatalf("got %v", err)
				}
			}
			n := w.count(t, "SELECT COUNT(*) FROM memberships WHERE account_id = '"+a.ID+"' AND role = 'account-owner' AND ended_at IS NULL")
			if left != 15 || n != 1 {
				t.Fatalf("%d owners left, %d stayed", left, n)
			}
		}
	})
}
