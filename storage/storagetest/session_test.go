package storagetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		t.Run("comes back as it was written", func(t *testing.T) {
			s := w.session(t, w.user(t).ID)
			got, err := w.FindSession(t.Context(), hashes(newHash(), s.Hash))
			want(t, "FindSession", err, "")
			expected := *s
			for _, at := range []*time.Time{&expected.AuthTime, &expected.LastSeenAt, &expected.CreatedAt, &expected.IdleExpiresAt, &expected.ExpiresAt} {
				*at = kept(*at)
			}
			if !reflect.DeepEqual(*got, expected) {
				t.Fatalf("got %+v\nwant %+v", *got, expected)
			}
			_, err = w.FindSession(t.Context(), hashes(newHash()))
			want(t, "FindSession", err, signet.CodeNotFound)
			_, err = w.FindSession(t.Context(), nil)
			want(t, "FindSession without a hash", err, signet.CodeNotFound)
		})
		t.Run("for nobody", func(t *testing.T) {
			want(t, "CreateSession", w.CreateSession(t.Context(), w.newSession("nobody"), "", event(signet.EventLoginSucceeded)), signet.CodeRevoked)
		})
		t.Run("ending ends online grants alone, once", func(t *testing.T) {
			f := w.newFamily(t)
			online := *f
			w.issue(t, f, true)
			events := w.count(t, "SELECT COUNT(*) FROM audit_events")
			for range 2 {
				want(t, "EndSession", w.EndSession(t.Context(), f.session.ID, "logout", event(signet.EventSessionEnded)), "")
			}
			if n := w.count(t, "SELECT COUNT(*) FROM audit_events") - events; n != 1 {
				t.Fatalf("%d audit events for one act", n)
			}
			want(t, "UseCode, online", w.UseCode(t.Context(), online.code.Hash, w.clock.Now()), signet.CodeRevoked)
			want(t, "UseCode, offline", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), "")
			want(t, "IssueCode", w.IssueCode(t.Context(), newGrantLike(f), newCodeLike(f)), signet.CodeRevoked)
			got, err := w.FindSession(t.Context(), hashes(f.session.Hash))
			want(t, "FindSession", err, "")
			if got.EndedAt == nil || !got.EndedAt.Equal(kept(w.clock.Now())) {
				t.Fatalf("ended at %v", got.EndedAt)
			}
			entries, err := w.RevocationsOf(t.Context(), signet.TokenFacts{SessionID: f.session.ID})
			want(t, "RevocationsOf", err, "")
			if len(entries) != 1 || entries[0].Kind != signet.RevokedSession || entries[0].Reason != "logout" {
				t.Fatalf("journal: %+v", entries)
			}
			entries, err = w.RevocationsOf(t.Context(), signet.TokenFacts{SessionID: f.session.ID, Offline: true})
			want(t, "RevocationsOf", err, "")
			if len(entries) != 0 {
				t.Fatalf("an offline token is named by its session: %+v", entries)
			}
		})
		t.Run("a new login ends the one before in the same transaction", func(t *testing.T) {
			f := w.newFamily(t)
			next := w.newSession(f.user.ID)
			want(t, "CreateSession", w.CreateSession(t.Context(), next, f.session.ID, event(signet.EventLoginSucceeded)), "")
			want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), signet.CodeRevoked)
			// It fails: the session before must live on.
			taken := w.newSession(f.user.ID)
			taken.Hash = next.Hash
			want(t, "CreateSession", w.CreateSession(t.Context(), taken, next.ID, event(signet.EventLoginSucceeded)), signet.CodeConflict)
			got, err := w.FindSession(t.Context(), hashes(next.Hash))
			want(t, "FindSession", err, "")
			if !got.Live(w.clock.Now()) {
				t.Fatal("a failed login ended the session before it")
			}
		})
		t.Run("renewing changes the cookie, and only of a live session of that user", func(t *testing.T) {
			s := w.session(t, w.user(t).ID)
			old := s.Hash
			s.Hash, s.ACR, s.AMR = newHash(), "2", []string{"pwd", "otp"}
			want(t, "RenewSession", w.RenewSession(t.Context(), s, event(signet.EventLoginSucceeded)), "")
			_, err := w.FindSession(t.Context(), hashes(old))
			want(t, "FindSession by the old cookie", err, signet.CodeNotFound)
			got, err := w.FindSession(t.Context(), hashes(s.Hash))
			want(t, "FindSession", err, "")
			if got.ACR != "2" || len(got.AMR) != 2 || got.ID != s.ID {
				t.Fatalf("got %+v", got)
			}
			foreign := *s
			foreign.UserID = w.user(t).ID
			want(t, "RenewSession for another user", w.RenewSession(t.Context(), &foreign, event(signet.EventLoginSucceeded)), signet.CodeRevoked)
			want(t, "EndSession", w.EndSession(t.Context(), s.ID, "logout", event(signet.EventSessionEnded)), "")
			events := w.count(t, "SELECT COUNT(*) FROM audit_events")
			want(t, "RenewSession of an ended one", w.RenewSession(t.Context(), s, event(signet.EventLoginSucceeded)), signet.CodeRevoked)
			if n := w.count(t, "SELECT COUNT(*) FROM audit_events"); n != events {
				t.Fatal("an act that failed left an event")
			}
		})
		t.Run("touching moves the idle end", func(t *testing.T) {
			s := w.session(t, w.user(t).ID)
			seen := w.clock.Now().Add(time.Minute)
			want(t, "TouchSession", w.TouchSession(t.Context(), s.ID, seen, seen.Add(time.Hour)), "")
			got, err := w.FindSession(t.Context(), hashes(s.Hash))
			want(t, "FindSession", err, "")
			if !got.LastSeenAt.Equal(kept(seen)) || !got.IdleExpiresAt.Equal(kept(seen.Add(time.Hour))) || !got.ExpiresAt.Equal(kept(s.ExpiresAt)) {
				t.Fatalf("got %+v", got)
			}
		})
	})
}

// A code must not be issued beside the end of what it stands on: whatever the order, no live grant is left.
func TestIssueBesideEnd(t *testing.T) {
	ends := []struct {
		name string
		end  func(w *world, t *testing.T, f *family) error
		lift func(w *world, t *testing.T, f *family) error
	}{
		{"session", func(w *world, t *testing.T, f *family) error {
			return w.EndSession(t.Context(), f.session.ID, "logout", event(signet.EventSessionEnded))
		}, nil},
		{"user", func(w *world, t *testing.T, f *family) error {
			return w.SetUserDisabled(t.Context(), f.user.ID, true, event(signet.EventUserDisabled))
		}, func(w *world, t *testing.T, f *family) error {
			return w.SetUserDisabled(t.Context(), f.user.ID, false, event(signet.EventUserEnabled))
		}},
		{"client", func(w *world, t *testing.T, f *family) error {
			return w.SetClientDisabled(t.Context(), f.client.ID, true, event(signet.EventClientDisabled))
		}, func(w *world, t *testing.T, f *family) error {
			return w.SetClientDisabled(t.Context(), f.client.ID, false, event(signet.EventClientEnabled))
		}},
	}
	onBoth(t, func(t *testing.T, w *world) {
		for _, c := range ends {
			t.Run(c.name, func(t *testing.T) {
				f := w.newFamily(t)
				issued := make(chan signet.SecretHash, 32)
				turns := make(chan int, 32)
				for i := range 32 {
					turns <- i
				}
				for _, err := range together(32, func() error {
					if <-turns == 16 {
						return c.end(w, t, f)
					}
					grant, code := newGrantLike(f), newCodeLike(f)
					code.GrantID, code.ExpiresAt = grant.ID, grant.ExpiresAt
					// Another node's clock, a little ahead, and its record of the client a little old.
					grant.CreatedAt = grant.CreatedAt.Add(2 * time.Second)
					err := w.IssueCode(t.Context(), grant, code)
					if err == nil {
						issued <- code.Hash
					}
					return err
				}) {
					if code := signet.CodeOf(err); code != "" && code != signet.CodeRevoked {
						t.Fatalf("got %v", err)
					}
				}
				alive := func(when string) {
					t.Helper()
					close(issued)
					var codes []signet.SecretHash
					for hash := range issued {
						codes = append(codes, hash)
						if code := signet.CodeOf(w.UseCode(t.Context(), hash, w.clock.Now())); code != signet.CodeRevoked {
							t.Fatalf("%s a code is worth %q", when, code)
						}
					}
					issued = make(chan signet.SecretHash, 32)
					for _, hash := range codes {
						issued <- hash
					}
				}
				alive("after the end")
				if c.lift != nil {
					w.clock.Advance(time.Minute)
					want(t, "enable", c.lift(w, t, f), "")
					alive("after enabling")
				}
			})
		}
	})
}
