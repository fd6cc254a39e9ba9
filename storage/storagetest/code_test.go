package storagetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestCodes(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		t.Run("comes back with its grant as it was written", func(t *testing.T) {
			f := w.newFamily(t)
			code, grant, err := w.Code(t.Context(), hashes(newHash(), f.code.Hash))
			want(t, "Code", err, "")
			wantCode, wantGrant := *f.code, *f.grant
			wantCode.CreatedAt, wantCode.ExpiresAt = kept(wantCode.CreatedAt), kept(wantCode.ExpiresAt)
			wantGrant.CreatedAt, wantGrant.ExpiresAt, wantGrant.AuthTime = kept(wantGrant.CreatedAt), kept(wantGrant.ExpiresAt), kept(wantGrant.AuthTime)
			if !reflect.DeepEqual(*code, wantCode) || !reflect.DeepEqual(*grant, wantGrant) {
				t.Fatalf("got %+v\n%+v\nwant %+v\n%+v", *code, *grant, wantCode, wantGrant)
			}
			_, _, err = w.Code(t.Context(), hashes(newHash()))
			want(t, "Code", err, signet.CodeNotFound)
		})
		t.Run("is spent once and still found", func(t *testing.T) {
			f := w.newFamily(t)
			w.clock.Advance(time.Second)
			want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), "")
			want(t, "UseCode again", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), signet.CodeUsed)
			code, _, err := w.Code(t.Context(), hashes(f.code.Hash))
			want(t, "Code", err, "")
			if code.UsedAt == nil || !code.UsedAt.Equal(kept(w.clock.Now())) {
				t.Fatalf("used at %v", code.UsedAt)
			}
			want(t, "UseCode of nothing", w.UseCode(t.Context(), newHash(), w.clock.Now()), signet.CodeNotFound)
		})
		t.Run("is over at its end", func(t *testing.T) {
			// COD-04
			f := w.newFamily(t)
			want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, f.code.ExpiresAt), signet.CodeExpired)
			want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, f.code.ExpiresAt.Add(-time.Microsecond)), "")
		})
		t.Run("is worth nothing without a live grant", func(t *testing.T) {
			f := w.newFamily(t)
			want(t, "RevokeGrant", w.RevokeGrant(t.Context(), f.grant.ID, "test", event(signet.EventGrantRevoked)), "")
			want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), signet.CodeRevoked)
		})
		t.Run("64 at once, one spends it", func(t *testing.T) {
			// COD-02
			f := w.newFamily(t)
			won := 0
			for _, err := range together(64, func() error {
				return w.InTx(t.Context(), func(ctx context.Context) error {
					if err := w.UseCode(ctx, f.code.Hash, w.clock.Now()); err != nil {
						return err
					}
					token := w.successor(f.refresh)
					token.Generation = 1
					return w.InsertRefreshToken(ctx, token)
				})
			}) {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, signet.ErrUsed):
					t.Fatalf("got %v", err)
				}
			}
			if won != 1 {
				t.Fatalf("%d calls spent one code", won)
			}
		})
		t.Run("a failed redemption does not spend it", func(t *testing.T) {
			f := w.newFamily(t)
			failed := errors.New("later step")
			err := w.InTx(t.Context(), func(ctx context.Context) error {
				want(t, "UseCode", w.UseCode(ctx, f.code.Hash, w.clock.Now()), "")
				return failed
			})
			if !errors.Is(err, failed) {
				t.Fatalf("InTx: %v", err)
			}
			want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), "")
		})
		t.Run("a conflict leaves no grant behind", func(t *testing.T) {
			f := w.newFamily(t)
			grant, code := newGrantLike(f), newCodeLike(f)
			code.Hash = f.code.Hash
			want(t, "IssueCode", w.IssueCode(t.Context(), grant, code), signet.CodeConflict)
			if n := w.count(t, "SELECT COUNT(*) FROM grants WHERE id = '"+string(grant.ID)+"'"); n != 0 {
				t.Fatal("a grant without a code is left")
			}
		})
		t.Run("without a session", func(t *testing.T) {
			f := w.newFamily(t)
			grant, code := newGrantLike(f), newCodeLike(f)
			grant.SessionID, code.GrantID = "", grant.ID
			want(t, "IssueCode", w.IssueCode(t.Context(), grant, code), "")
			want(t, "UseCode", w.UseCode(t.Context(), code.Hash, w.clock.Now()), "")
		})
	})
}

func TestRevokeGrant(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		revoke := func(ctx context.Context, f *family) error {
			return w.RevokeGrant(ctx, f.grant.ID, "code_replayed", event(signet.EventGrantRevoked))
		}
		t.Run("once", func(t *testing.T) {
			f := w.newFamily(t)
			events := w.count(t, "SELECT COUNT(*) FROM audit_events")
			for _, err := range together(16, func() error { return revoke(t.Context(), f) }) {
				want(t, "RevokeGrant", err, "")
			}
			if n := w.count(t, "SELECT COUNT(*) FROM audit_events") - events; n != 1 {
				t.Fatalf("%d audit events", n)
			}
			entries, err := w.RevocationsOf(t.Context(), signet.TokenFacts{GrantID: f.grant.ID})
			want(t, "RevocationsOf", err, "")
			if len(entries) != 1 || !entries[0].Before.IsZero() || entries[0].Reason != "code_replayed" {
				t.Fatalf("journal: %+v", entries)
			}
			want(t, "RevokeGrant of nothing", w.RevokeGrant(t.Context(), "nothing", "x", event(signet.EventGrantRevoked)), "")
			want(t, "RevokeGrant of no text", w.RevokeGrant(t.Context(), "a\x00", "x", event(signet.EventGrantRevoked)), "")
		})
		t.Run("stands although the transaction around it fails", func(t *testing.T) {
			// COD-01: the failure that a replay causes must not undo the answer to the replay.
			f := w.newFamily(t)
			err := w.InTx(t.Context(), func(ctx context.Context) error {
				want(t, "RevokeGrant", revoke(ctx, f), "")
				return signet.ErrUsed
			})
			want(t, "InTx", err, signet.CodeUsed)
			want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), signet.CodeRevoked)
		})
		t.Run("is not stopped by a caller that hangs up", func(t *testing.T) {
			f := w.newFamily(t)
			ctx, hangUp := context.WithCancel(t.Context())
			hangUp()
			want(t, "RevokeGrant", revoke(ctx, f), "")
			want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), signet.CodeRevoked)
		})
	})
}
