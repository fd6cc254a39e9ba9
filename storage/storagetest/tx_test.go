package storagetest

import (
	"context"
	"errors"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

func TestTransactions(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		failed := errors.New("failed")
		state := func(t *testing.T) [5]int {
			t.Helper()
			return [5]int{
				w.count(t, "SELECT COUNT(*) FROM users"), w.count(t, "SELECT COUNT(*) FROM audit_events"), w.count(t, "SELECT n FROM change_head"),
				w.count(t, "SELECT COUNT(*) FROM changes"), w.count(t, "SELECT COUNT(*) FROM revocations"),
			}
		}
		act := func(ctx context.Context) error {
			u := &signet.User{ID: signet.NewUserID(), Username: signet.NewUUID()}
			if err := w.InsertUser(ctx, u, event(signet.EventUserCreated)); err != nil {
				return err
			}
			return w.SetPassword(ctx, u.ID, "x", event(signet.EventPasswordChanged))
		}
		t.Run("nested calls are one transaction", func(t *testing.T) {
			before := state(t)
			want(t, "InTx", w.InTx(t.Context(), func(ctx context.Context) error {
				return w.InTx(ctx, func(ctx context.Context) error {
					if err := act(ctx); err != nil {
						return err
					}
					return act(ctx)
				})
			}), "")
			after := state(t)
			// Two users and two journal rows are four changed things.
			if after[0]-before[0] != 2 || after[1]-before[1] != 4 || after[2]-before[2] != 4 || after[3]-before[3] != 4 || after[4]-before[4] != 2 {
				t.Fatalf("from %v to %v", before, after)
			}
		})
		t.Run("rollback leaves nothing", func(t *testing.T) {
			before := state(t)
			err := w.InTx(t.Context(), func(ctx context.Context) error {
				want(t, "act", act(ctx), "")
				return failed
			})
			if !errors.Is(err, failed) || state(t) != before {
				t.Fatalf("InTx: %v; from %v to %v", err, before, state(t))
			}
		})
		t.Run("a nested failure cannot be swallowed", func(t *testing.T) {
			before := state(t)
			err := w.InTx(t.Context(), func(ctx context.Context) error {
				_ = w.InTx(ctx, func(ctx context.Context) error {
					want(t, "act", act(ctx), "")
					return failed
				})
				return nil
			})
			if !errors.Is(err, failed) || state(t) != before {
				t.Fatalf("InTx: %v; from %v to %v", err, before, state(t))
			}
		})
		t.Run("a panic rolls back and gives the connection back", func(t *testing.T) {
			before := state(t)
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the panic was swallowed")
					}
				}()
				_ = w.InTx(t.Context(), func(ctx context.Context) error {
					want(t, "act", act(ctx), "")
					panic("at the disco")
				})
			}()
			if after := state(t); after != before {
				t.Fatalf("from %v to %v", before, after)
			}
			want(t, "InTx", w.InTx(t.Context(), act), "")
		})
		t.Run("nothing inside asks the pool for another connection", func(t *testing.T) {
			s := w.open(t, sqlstore.Options{MaxOpen: 1})
			f := w.newFamily(t)
			want(t, "InTx", s.InTx(t.Context(), func(ctx context.Context) error {
				_, err := s.Client(ctx, f.client.ID)
				want(t, "Client", err, "")
				_, err = s.User(ctx, f.user.ID)
				want(t, "User", err, "")
				_, _, err = s.Code(ctx, hashes(f.code.Hash))
				want(t, "Code", err, "")
				want(t, "UseCode", s.UseCode(ctx, f.code.Hash, w.clock.Now()), "")
				rotated, err := s.RotateRefreshToken(ctx, f.refresh.Hash, w.successor(f.refresh), w.clock.Now())
				want(t, "RotateRefreshToken", err, "")
				if !rotated {
					t.Error("not rotated")
				}
				want(t, "Record", s.Record(ctx, event(signet.EventLoginFailed)), "")
				want(t, "Marks", s.Marks().Use(ctx, signet.Mark{Key: "k", ExpiresAt: w.clock.Now().Add(1e9)}), "")
				want(t, "RevokeGrant", s.RevokeGrant(ctx, f.grant.ID, "test", event(signet.EventGrantRevoked)), "")
				return s.EndSession(ctx, f.session.ID, "logout", event(signet.EventSessionEnded))
			}), "")
		})
		t.Run("many more transactions than connections", func(t *testing.T) {
			s := w.open(t, sqlstore.Options{MaxOpen: 2})
			for _, err := range together(100, func() error {
				return s.InTx(t.Context(), func(ctx context.Context) error { return s.Record(ctx, event(signet.EventLoginSucceeded)) })
			}) {
				want(t, "InTx", err, "")
			}
		})
	})
}

// Two acts that lock the same rows in different orders deadlock on PostgreSQL; the store repeats its own acts.
func TestDeadlocksAreRepeated(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		f := w.newFamily(t)
		for range 20 {
			w.issue(t, f, true)
		}
		turns := make(chan int, 24)
		for i := range 24 {
			turns <- i
		}
		for _, err := range together(24, func() error {
			switch <-turns % 3 {
			case 0:
				return w.SetClientDisabled(t.Context(), f.client.ID, true, event(signet.EventClientDisabled))
			case 1:
				return w.RevokeUserGrants(t.Context(), f.user.ID, "test", event(signet.EventGrantRevoked))
			default:
				return w.EndSession(t.Context(), f.session.ID, "logout", event(signet.EventSessionEnded))
			}
		}) {
			want(t, "act", err, "")
		}
		_, err := w.VerifyAudit(t.Context())
		want(t, "VerifyAudit", err, "")
	})
}
