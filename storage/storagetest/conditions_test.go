package storagetest

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Each part of a condition counts by itself, also where another part says the same most of the time.
func TestConditions(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		t.Run("a grant of the very moment of its client's limit", func(t *testing.T) {
			f := w.newFamily(t)
			w.change(t, "UPDATE clients SET not_before = (SELECT g.created_at FROM grants g WHERE g.id = '"+string(f.grant.ID)+"') WHERE id = '"+string(f.client.ID)+"'")
			_, grant, err := w.Code(t.Context(), hashes(f.code.Hash))
			want(t, "Code", err, "")
			if grant.RevokedAt == nil {
				t.Error("the grant is read as alive")
			}
			want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), signet.CodeRevoked)
			_, err = w.RotateRefreshToken(t.Context(), f.refresh.Hash, w.successor(f.refresh), w.clock.Now())
			want(t, "RotateRefreshToken", err, signet.CodeRevoked)
		})
		t.Run("a disabled user whose session goes on", func(t *testing.T) {
			f := w.newFamily(t)
			w.change(t, "UPDATE users SET disabled_at = created_at WHERE id = '"+string(f.user.ID)+"'")
			grant, code := newGrantLike(f), newCodeLike(f)
			code.GrantID = grant.ID
			want(t, "IssueCode", w.IssueCode(t.Context(), grant, code), signet.CodeRevoked)
			want(t, "CreateSession", w.CreateSession(t.Context(), w.newSession(f.user.ID), "", event(signet.EventLoginSucceeded)), signet.CodeRevoked)
		})
		t.Run("what has ended is not touched again", func(t *testing.T) {
			f := w.newFamily(t)
			first := kept(w.clock.Now())
			want(t, "RevokeGrant", w.RevokeGrant(t.Context(), f.grant.ID, "first", event(signet.EventGrantRevoked)), "")
			w.clock.Advance(time.Second)
			want(t, "EndSession", w.EndSession(t.Context(), f.session.ID, "logout", event(signet.EventSessionEnded)), "")
			ended := kept(w.clock.Now())
			w.clock.Advance(time.Second)
			want(t, "TouchSession", w.TouchSession(t.Context(), f.session.ID, w.clock.Now(), w.clock.Now().Add(time.Hour)), "")
			want(t, "RevokeUserGrants", w.RevokeUserGrants(t.Context(), f.user.ID, "last", event(signet.EventGrantRevoked)), "")
			_, grant, err := w.Code(t.Context(), hashes(f.code.Hash))
			want(t, "Code", err, "")
			if grant.RevokedAt == nil || !grant.RevokedAt.Equal(first) {
				t.Errorf("the grant was revoked at %v, not %v", grant.RevokedAt, first)
			}
			session, err := w.FindSession(t.Context(), hashes(f.session.Hash))
			want(t, "FindSession", err, "")
			if session.EndedAt == nil || !session.EndedAt.Equal(ended) || !session.LastSeenAt.Equal(kept(f.session.LastSeenAt)) {
				t.Errorf("the session ended at %v, not %v, and was seen at %v", session.EndedAt, ended, session.LastSeenAt)
			}
		})
		t.Run("a live grant is enough to revoke a consent, one that is over is not", func(t *testing.T) {
			f := w.newFamily(t)
			revoke := func() error {
				return w.RevokeConsent(t.Context(), f.user.ID, f.client.ID, event(signet.EventConsentRevoked))
			}
			want(t, "RevokeConsent", revoke(), "")
			w.issue(t, f, false)
			w.clock.Advance(f.grant.ExpiresAt.Sub(w.clock.Now()))
			want(t, "RevokeConsent of a grant that is over", revoke(), signet.CodeNotFound)
		})
		t.Run("a consent leaves its event", func(t *testing.T) {
			f := w.newFamily(t)
			now := w.clock.Now()
			want(t, "GrantConsent", w.GrantConsent(t.Context(), &signet.Consent{UserID: f.user.ID, ClientID: f.client.ID, Scope: signet.Scope{"openid"}, ConfirmedAt: now},
				signet.Event{Kind: signet.EventConsentGranted, Actor: "system", UserID: f.user.ID}), "")
			if n := w.count(t, "SELECT count(*) FROM audit_events WHERE kind = 'consent.granted' AND user_id = '"+string(f.user.ID)+"'"); n != 1 {
				t.Errorf("%d events", n)
			}
		})
	})
}

// A key that has a successor, or was taken back, gets none, although there is none that it would collide with.
func TestKeyConditions(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		now := w.clock.Now()
		first, second, third := newKey(signet.KeySigning, "ES256", now), newKey(signet.KeySigning, "ES256", now), newKey(signet.KeySigning, "ES256", now)
		changed := func(act func() error, code signet.Code, ids ...signet.KeyID) {
			t.Helper()
			before := w.count(t, "SELECT n FROM change_head")
			want(t, "act", act(), code)
			got := w.texts(t, "SELECT record FROM changes WHERE kind = 'keys' AND n > "+strconv.Itoa(before))
			wanted := make([]string, len(ids))
			for i := range ids {
				wanted[i] = string(ids[i])
			}
			slices.Sort(got)
			slices.Sort(wanted)
			if !slices.Equal(got, wanted) {
				t.Errorf("changed %v, want %v", got, wanted)
			}
		}
		rev := func(id signet.KeyID) signet.Revocation {
			return signet.Revocation{Kind: signet.RevokedKey, Subject: string(id), ExpiresAt: now.Add(time.Hour), Reason: "lost"}
		}
		rotate := func(old, next signet.Key) error {
			retire := kept(w.clock.Now().Add(time.Hour))
			old.RetireAt, old.RemoveAt = &retire, &retire
			return w.RotateKey(t.Context(), old, next, event(signet.EventKeyRotated))
		}
		changed(func() error {
			return w.InsertKeys(t.Context(), []signet.Key{first}, false, event(signet.EventKeyCreated))
		}, "", first.ID)
		changed(func() error { return rotate(first, second) }, "", first.ID, second.ID)
		changed(func() error {
			return w.RevokeKey(t.Context(), second.ID, nil, rev(second.ID), event(signet.EventKeyRevoked))
		}, "", second.ID)
		// No key of this use and algorithm is open now: the unique index would let everything pass.
		w.clock.Advance(time.Second)
		changed(func() error { return rotate(first, third) }, signet.CodeConflict)
		changed(func() error { return rotate(second, third) }, signet.CodeConflict)
		changed(func() error {
			return w.RevokeKey(t.Context(), second.ID, nil, rev(second.ID), event(signet.EventKeyRevoked))
		}, signet.CodeConflict)
		if n := w.count(t, "SELECT count(*) FROM revocations"); n != 1 {
			t.Errorf("%d journal rows", n)
		}
		changed(func() error {
			return w.RevokeKey(t.Context(), first.ID, &third, rev(first.ID), event(signet.EventKeyRevoked))
		}, "", first.ID, third.ID)
	})
}

// What an act stands on is held until it commits: whoever ends it meanwhile waits, and then finds what the act has made.
func TestEndsWaitForWhatIsBeingMade(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for _, c := range []struct {
			name  string
			make  func(ctx context.Context, f *family) error
			ended func(t *testing.T, f *family) bool
		}{
			{"a grant without a session", func(ctx context.Context, f *family) error {
				grant := newGrantLike(f)
				grant.SessionID = ""
				f.code = newCodeLike(f)
				f.code.GrantID = grant.ID
				return w.IssueCode(ctx, grant, f.code)
			}, func(t *testing.T, f *family) bool {
				_, grant, err := w.Code(t.Context(), hashes(f.code.Hash))
				want(t, "Code", err, "")
				return grant.RevokedAt != nil
			}},
			{"a session", func(ctx context.Context, f *family) error {
				f.session = w.newSession(f.user.ID)
				return w.CreateSession(ctx, f.session, "", event(signet.EventLoginSucceeded))
			}, func(t *testing.T, f *family) bool {
				session, err := w.FindSession(t.Context(), hashes(f.session.Hash))
				want(t, "FindSession", err, "")
				return session.EndedAt != nil
			}},
		} {
			t.Run(c.name, func(t *testing.T) {
				f := w.newFamily(t)
				disabled := make(chan error, 1)
				want(t, "InTx", w.InTx(t.Context(), func(ctx context.Context) error {
					if err := c.make(ctx, f); err != nil {
						return err
					}
					go func() {
						disabled <- w.RevokeUserGrants(t.Context(), f.user.ID, "test", event(signet.EventGrantRevoked))
					}()
					return w.untilWaiting(ctx, disabled)
				}), "")
				want(t, "RevokeUserGrants", <-disabled, "")
				if !c.ended(t, f) {
					t.Error("it outlives its user's end")
				}
			})
		}
	})
}

// untilWaiting returns when somebody waits for a lock, or when the act has ended without waiting, which it may not have.
// SQLite's writers wait in the process, where nobody can look.
func (w *world) untilWaiting(ctx context.Context, ended chan error) error {
	if w.db.Driver != "postgres" {
		return nil
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		var waiting int
		if err := w.raw.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting); err != nil {
			return err
		}
		select {
		case err := <-ended:
			ended <- err
			return nil
		case <-ticker.C:
			if waiting > 0 {
				return nil
			}
		}
	}
}
