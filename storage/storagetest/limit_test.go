package storagetest

import (
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// limited is a subject of revocations by time: what takes its tokens back, its record's limit, and its name in the journal.
type limited struct {
	name  string
	act   func() error
	lift  func() error // nil: nothing to lift
	limit func() time.Time
	facts signet.TokenFacts
}

// limitedSubjects are new ones of each kind.
func (w *world) limitedSubjects(t *testing.T) []limited {
	ctx := t.Context()
	ev := func() signet.Event { return event(signet.EventUserUpdated) }
	client, changed, ended, disabled, biller := w.client(t), w.user(t), w.user(t), w.user(t), w.biller(t)
	account, owner := w.account(t)
	elsewhere, _ := w.account(t)
	key, other, app := w.apiKey(t, account.ID), w.apiKey(t, elsewhere.ID), w.pinApplication(t)
	member := w.member(t, elsewhere.ID, "merchant-terminal", false)
	user := func(id signet.UserID) func() time.Time {
		return func() time.Time {
			u, err := w.User(ctx, id)
			want(t, "User", err, "")
			return u.NotBefore
		}
	}
	principal := func(id string) func() time.Time {
		return func() time.Time {
			p, err := w.Principal(ctx, id)
			want(t, "Principal", err, "")
			return p.NotBefore
		}
	}
	members := func(id signet.UserID) func() time.Time {
		return func() time.Time {
			m, err := w.Memberships(ctx, id)
			want(t, "Memberships", err, "")
			return m.ChangedAt
		}
	}
	enabled := func(on bool) func() error {
		return func() error {
			k, err := w.APIKey(ctx, elsewhere.ID, other.Name)
			want(t, "APIKey", err, "")
			k.Enabled = on
			return w.UpdateAPIKey(ctx, k, ev())
		}
	}
	role, pin, accounts := 0, 0, []string{elsewhere.ID, account.ID}
	return []limited{
		{"client", func() error { return w.SetClientDisabled(ctx, client.ID, true, ev()) },
			func() error { return w.SetClientDisabled(ctx, client.ID, false, ev()) }, func() time.Time {
				c, err := w.Client(ctx, client.ID)
				want(t, "Client", err, "")
				return c.NotBefore
			}, signet.TokenFacts{ClientID: client.ID}},
		{"password", func() error { return w.SetPassword(ctx, changed.ID, "$argon2id$next", ev()) }, nil, user(changed.ID), signet.TokenFacts{UserID: changed.ID}},
		{"grants", func() error { return w.RevokeUserGrants(ctx, ended.ID, "", ev()) }, nil, user(ended.ID), signet.TokenFacts{UserID: ended.ID}},
		{"user", func() error { return w.SetUserDisabled(ctx, disabled.ID, true, ev()) },
			func() error { return w.SetUserDisabled(ctx, disabled.ID, false, ev()) }, user(disabled.ID), signet.TokenFacts{UserID: disabled.ID}},
		{"PIN", func() error {
			pin++
			app.PINHash = "$argon2id$" + string(rune('a'+pin))
			return w.UpdatePINApplication(ctx, app, ev())
		}, nil, user(app.UserID()), signet.TokenFacts{UserID: app.UserID()}},
		{"biller", func() error { return w.SetBillerDisabled(ctx, biller.ID, true, ev()) },
			func() error { return w.SetBillerDisabled(ctx, biller.ID, false, ev()) },
			principal(signet.PrincipalBiller + string(biller.ID)), signet.TokenFacts{Principal: signet.PrincipalBiller + string(biller.ID)}},
		{"API key", enabled(false), enabled(true), principal(other.Principal()), signet.TokenFacts{Principal: other.Principal()}},
		{"account of a key", func() error { return w.SetAccountDisabled(ctx, account.ID, true, ev()) },
			func() error { return w.SetAccountDisabled(ctx, account.ID, false, ev()) }, principal(key.Principal()), signet.TokenFacts{Principal: key.Principal()}},
		{"account of a member", func() error { return w.SetAccountDisabled(ctx, account.ID, true, ev()) },
			func() error { return w.SetAccountDisabled(ctx, account.ID, false, ev()) }, members(owner.ID),
			signet.TokenFacts{Principal: signet.PrincipalAccounts + string(owner.ID)}},
		// Of one user in two accounts in turn.
		{"memberships", func() error {
			role++
			at := w.clock.Now()
			return w.PutMembership(ctx, &signet.Membership{
				AccountID: accounts[role%2], UserID: member.ID, Role: []string{"anon-consumer", "merchant-terminal"}[role/2%2], AcceptedAt: &at,
			}, ev())
		}, nil, members(member.ID), signet.TokenFacts{Principal: signet.PrincipalAccounts + string(member.ID)}},
	}
}

// Each limit covers the second in which what was made under the one before is dated; record and journal say the same; what
// lifts a disabling never moves it back; and none lies further ahead than LimitAhead.
func TestEachLimitReachesBeyondTheOneBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		for _, s := range w.limitedSubjects(t) {
			t.Run(s.name, func(t *testing.T) {
				w.clock.Advance(time.Minute)
				first := len(w.journal(t, s.facts))
				for i := range 8 {
					before := s.limit()
					want(t, "act", s.act(), "")
					entries := w.journal(t, s.facts)
					if len(entries) != first+i+1 {
						t.Fatalf("%d journal entries, want %d", len(entries), first+i+1)
					}
					limit, now := s.limit(), kept(w.clock.Now())
					if !limit.Equal(entries[first+i].Before) {
						t.Fatalf("act %d: the record says %s, the journal %s", i, limit, entries[first+i].Before)
					}
					if i == 0 && !limit.Equal(now) {
						t.Fatalf("a single one: %s, want %s", limit, now)
					}
					made, ok := signet.FirstSecond(now, before)
					if ok && made.Unix() > signet.LastSecond(limit) || limit.Before(before) || limit.After(now.Add(signet.LimitAhead)) {
						t.Fatalf("act %d: limit %s after %s", i, limit, before)
					}
					w.clock.Advance(10 * time.Millisecond)
					if s.lift != nil {
						want(t, "lift", s.lift(), "")
						if lifted := s.limit(); lifted.Before(limit) || lifted.After(limit) && lifted.After(w.clock.Now()) {
							t.Fatalf("lifted: %s after %s", lifted, limit)
						}
					}
				}
			})
		}
	})
}

// Two records limit what an API key has: its own and its account's.
func TestLimitsOfAPIKeyAndAccount(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		a, _ := w.account(t)
		k := w.apiKey(t, a.ID)
		facts, ev := signet.TokenFacts{Principal: k.Principal()}, event(signet.EventAPIKeyUpdated)
		w.clock.Advance(time.Second)
		disable := func(what string, act func(off bool) error) time.Time {
			w.clock.Advance(10 * time.Millisecond)
			want(t, what, act(true), "")
			entries := w.journal(t, facts)
			limit := entries[len(entries)-1].Before
			if p, err := w.Principal(t.Context(), k.Principal()); err != nil || !p.NotBefore.Equal(limit) || !p.Disabled {
				t.Fatalf("%s: %+v %v, the journal says %s", what, p, err, limit)
			}
			want(t, what, act(false), "")
			return limit
		}
		account := func(off bool) error { return w.SetAccountDisabled(t.Context(), a.ID, off, ev) }
		key := func(off bool) error { k.Enabled = !off; return w.UpdateAPIKey(t.Context(), k, ev) }
		last := int64(0)
		for _, limit := range []time.Time{disable("account", account), disable("key", key), disable("account", account)} {
			if last != 0 && signet.LastSecond(limit) < last+1 {
				t.Fatalf("limit %s does not reach beyond %d", limit, last)
			}
			last = signet.LastSecond(limit)
		}
	})
}

// Several at once, in different transactions and accounts: each sees the limit of the one before it.
func TestLimitsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		u, m := w.user(t), w.user(t)
		accounts := make(chan string, 4)
		for range cap(accounts) {
			a, _ := w.account(t)
			accounts <- a.ID
			want(t, "PutMembership", w.PutMembership(t.Context(), &signet.Membership{AccountID: a.ID, UserID: m.ID, Role: "merchant-terminal"},
				event(signet.EventMemberAdded)), "")
		}
		for _, c := range []struct {
			name  string
			act   func() error
			facts signet.TokenFacts
		}{
			{"password", func() error {
				return w.SetPassword(t.Context(), u.ID, "$argon2id$next", event(signet.EventPasswordChanged))
			}, signet.TokenFacts{UserID: u.ID}},
			{"memberships", func() error {
				return w.AcceptMembership(t.Context(), <-accounts, m.ID, event(signet.EventMemberAccepted))
			}, signet.TokenFacts{Principal: signet.PrincipalAccounts + string(m.ID)}},
		} {
			for _, err := range together(4, c.act) {
				want(t, c.name, err, "")
			}
			seconds := map[int64]bool{}
			for _, entry := range w.journal(t, c.facts) {
				seconds[signet.LastSecond(entry.Before)] = true
			}
			if len(seconds) != 4 {
				t.Errorf("%s: 4 revocations, limits in %d seconds", c.name, len(seconds))
			}
		}
	})
}

// journal returns the live entries that name the facts, oldest first.
func (w *world) journal(t *testing.T, facts signet.TokenFacts) []signet.Revocation {
	t.Helper()
	entries, err := w.RevocationsOf(t.Context(), facts)
	want(t, "RevocationsOf", err, "")
	return entries
}

// A token that carries memberships is dated by their limit and by its user's: what ends the one must reach what the other
// has dated ahead.
func TestLimitsOfOneUserReachEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		account, _ := w.account(t)
		guest := w.member(t, account.ID, "merchant-terminal", false).ID
		want(t, "AcceptMembership", w.AcceptMembership(ctx, account.ID, guest, event(signet.EventMemberAccepted)), "")
		members, err := w.Memberships(ctx, guest)
		want(t, "Memberships", err, "")
		want(t, "RevokeUserGrants", w.RevokeUserGrants(ctx, guest, "test", event(signet.EventUserUpdated)), "")
		user, err := w.User(ctx, guest)
		want(t, "User", err, "")
		if first := signet.LastSecond(members.ChangedAt) + 1; signet.LastSecond(user.NotBefore) < first {
			t.Errorf("the user's limit %s does not reach a token of second %d", user.NotBefore, first)
		}
		want(t, "EndMembership", w.EndMembership(ctx, account.ID, guest, event(signet.EventMemberRemoved)), "")
		if members, err = w.Memberships(ctx, guest); err != nil {
			t.Fatal(err)
		}
		if first := signet.LastSecond(user.NotBefore) + 1; signet.LastSecond(members.ChangedAt) < first {
			t.Errorf("the memberships' limit %s does not reach a token of second %d", members.ChangedAt, first)
		}
	})
}
