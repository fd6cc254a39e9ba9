package storagetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestRefreshTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		rotate := func(t *testing.T, old, next *signet.RefreshToken, rotated bool, code signet.Code) {
			t.Helper()
			got, err := w.RotateRefreshToken(t.Context(), old.Hash, next, w.clock.Now())
			want(t, "RotateRefreshToken", err, code)
			if got != rotated {
				t.Fatalf("rotated: %v", got)
			}
		}
		t.Run("one read tells token, grant and successor", func(t *testing.T) {
			f := w.newFamily(t)
			state, err := w.RefreshToken(t.Context(), hashes(newHash(), f.refresh.Hash))
			want(t, "RefreshToken", err, "")
			first := *f.refresh
			first.CreatedAt = kept(first.CreatedAt)
			if !reflect.DeepEqual(state.Token, first) || state.Grant.ID != f.grant.ID || state.Grant.Nonce != f.grant.Nonce || state.Successor != nil {
				t.Fatalf("got %+v", state)
			}
			next := w.successor(f.refresh)
			w.clock.Advance(time.Second)
			rotate(t, f.refresh, next, true, "")
			state, err = w.RefreshToken(t.Context(), hashes(f.refresh.Hash))
			want(t, "RefreshToken", err, "")
			expected := *next
			expected.CreatedAt = kept(expected.CreatedAt)
			if state.Successor == nil || !reflect.DeepEqual(*state.Successor, expected) {
				t.Fatalf("successor: %+v, want %+v", state.Successor, expected)
			}
			if state.Token.UsedAt == nil || !state.Token.UsedAt.Equal(kept(w.clock.Now())) {
				t.Fatalf("used at %v", state.Token.UsedAt)
			}
			state, err = w.RefreshToken(t.Context(), hashes(next.Hash))
			want(t, "RefreshToken", err, "")
			if !reflect.DeepEqual(state.Token, expected) {
				t.Fatalf("got %+v, want %+v", state.Token, expected)
			}
			_, err = w.RefreshToken(t.Context(), hashes(newHash()))
			want(t, "RefreshToken", err, signet.CodeNotFound)
		})
		t.Run("a second rotation writes nothing", func(t *testing.T) {
			f := w.newFamily(t)
			rotate(t, f.refresh, w.successor(f.refresh), true, "")
			other := w.successor(f.refresh)
			rotate(t, f.refresh, other, false, "")
			_, err := w.RefreshToken(t.Context(), hashes(other.Hash))
			want(t, "RefreshToken", err, signet.CodeNotFound)
		})
		t.Run("64 at once, one rotates", func(t *testing.T) {
			// REF-02
			f := w.newFamily(t)
			next := w.successor(f.refresh)
			won := 0
			for _, rotated := range together(64, func() bool {
				rotated, err := w.RotateRefreshToken(t.Context(), f.refresh.Hash, next, w.clock.Now())
				if err != nil {
					t.Errorf("RotateRefreshToken: %v", err)
				}
				return rotated
			}) {
				if rotated {
					won++
				}
			}
			if won != 1 {
				t.Fatalf("%d calls rotated one token", won)
			}
		})
		t.Run("not without a live grant", func(t *testing.T) {
			f := w.newFamily(t)
			got, err := w.RotateRefreshToken(t.Context(), f.refresh.Hash, w.successor(f.refresh), f.grant.ExpiresAt)
			if got {
				t.Fatal("rotated after the grant's end")
			}
			want(t, "RotateRefreshToken", err, signet.CodeRevoked)
			want(t, "RevokeGrant", w.RevokeGrant(t.Context(), f.grant.ID, "test", event(signet.EventGrantRevoked)), "")
			rotate(t, f.refresh, w.successor(f.refresh), false, signet.CodeRevoked)
		})
		t.Run("unknown", func(t *testing.T) {
			f := w.newFamily(t)
			rotate(t, &signet.RefreshToken{Hash: newHash()}, w.successor(f.refresh), false, signet.CodeNotFound)
			orphan := &signet.RefreshToken{Hash: newHash(), GrantID: "nothing", RotationKeyID: "k"}
			want(t, "InsertRefreshToken", w.InsertRefreshToken(t.Context(), orphan), signet.CodeNotFound)
			want(t, "InsertRefreshToken", w.InsertRefreshToken(t.Context(), f.refresh), signet.CodeConflict)
		})
		t.Run("the schema refuses a second successor", func(t *testing.T) {
			f := w.newFamily(t)
			first, second := w.successor(f.refresh), w.successor(f.refresh)
			want(t, "InsertRefreshToken", w.InsertRefreshToken(t.Context(), first), "")
			second.Generation = 2
			want(t, "InsertRefreshToken", w.InsertRefreshToken(t.Context(), second), signet.CodeConflict)
		})
	})
}

func TestAccessTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		now := kept(w.clock.Now())
		for _, token := range []*signet.AccessToken{
			{
				Hash: newHash(), ID: signet.NewTokenID(), GrantID: "g", ClientID: "c", UserID: "u", Scope: signet.Scope{"a", "b"},
				Audience: []string{"https://api.test"}, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
			},
			{Hash: newHash(), ID: signet.NewTokenID(), ClientID: "c", CreatedAt: now, ExpiresAt: now.Add(-time.Hour)},
		} {
			want(t, "InsertAccessToken", w.InsertAccessToken(t.Context(), token), "")
			want(t, "InsertAccessToken", w.InsertAccessToken(t.Context(), token), signet.CodeConflict)
			got, err := w.AccessToken(t.Context(), hashes(token.Hash, newHash()))
			want(t, "AccessToken", err, "")
			if !reflect.DeepEqual(got, token) {
				t.Fatalf("got %+v, want %+v", got, token)
			}
		}
		_, err := w.AccessToken(t.Context(), hashes(newHash()))
		want(t, "AccessToken", err, signet.CodeNotFound)
	})
}
