package storagetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestSpent(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		spend := func(space, key string, expires *time.Time) error {
			return w.Spend(t.Context(), space, key, "pin_application:1#k", expires)
		}
		// PIN-02
		t.Run("64 at once: one wins", func(t *testing.T) {
			later := w.clock.Now().Add(time.Hour)
			for _, expires := range []*time.Time{nil, &later} {
				key := signet.NewUUID()
				won := 0
				for _, err := range together(64, func() error { return spend("s", key, expires) }) {
					switch {
					case err == nil:
						won++
					case !errors.Is(err, signet.ErrUsed):
						t.Fatalf("Spend: %v", err)
					}
				}
				if won != 1 {
					t.Fatalf("%d won", won)
				}
			}
		})
		t.Run("space and key cannot be shifted into each other", func(t *testing.T) {
			for _, pair := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"", "abc"}, {"abc", ""}, {"a\x00", "b"}, {"a", "\x00b"}, {"\xff", "\xfe"}} {
				want(t, pair[0]+" "+pair[1], spend(pair[0], pair[1], nil), "")
				want(t, pair[0]+" "+pair[1], spend(pair[0], pair[1], nil), signet.CodeUsed)
			}
		})
		t.Run("what has a time is free after it, what has none never is", func(t *testing.T) {
			at := w.clock.Now().Add(time.Minute)
			want(t, "timed", spend("s", "timed", &at), "")
			want(t, "untimed", spend("s", "untimed", nil), "")
			w.clock.Advance(time.Minute - time.Microsecond)
			want(t, "timed", spend("s", "timed", &at), signet.CodeUsed)
			w.clock.Advance(time.Microsecond)
			want(t, "timed, when it is over", spend("s", "timed", &at), signet.CodeUsed)
			next := w.clock.Now().Add(time.Minute)
			want(t, "timed anew", spend("s", "timed", &next), "")
			want(t, "timed anew", spend("s", "timed", &next), signet.CodeUsed)
			w.clock.Advance(400 * day)
			later := w.clock.Now().Add(time.Minute)
			want(t, "untimed", spend("s", "untimed", nil), signet.CodeUsed)
			want(t, "untimed", spend("s", "untimed", &later), signet.CodeUsed)
			var zero time.Time
			want(t, "the zero time is no time", spend("s", "zero", &zero), signet.CodeUsed)
		})
		t.Run("a transaction that fails spends nothing", func(t *testing.T) {
			_ = w.InTx(t.Context(), func(ctx context.Context) error {
				want(t, "Spend", w.Spend(ctx, "s", "rolled", "o", nil), "")
				return errors.New("no")
			})
			want(t, "Spend", spend("s", "rolled", nil), "")
		})
	})
}

// PIN nonces go when the key that opens them ended long ago, and not before.
func TestRetentionOfSpent(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		app, single := w.pinApplication(t), w.pinApplication(t)
		old := app.Keys[0]
		young := newSealedKey(old.Owner, signet.KeyPIN)
		want(t, "PutSealedKey", w.PutSealedKey(t.Context(), &young, event(signet.EventCredentialAdded)), "")
		soon := w.clock.Now().Add(time.Minute)
		for key, owner := range map[string]string{
			"old": old.Credential(), "young": young.Credential(), "of the owner": old.Owner, "single": single.Keys[0].Owner, "nobody's": "account:1",
		} {
			want(t, key, w.Spend(t.Context(), "pin", key, owner, nil), "")
		}
		want(t, "timed", w.Spend(t.Context(), "intent", "timed", "account:1", &soon), "")
		left := func(after time.Duration, n int) {
			t.Helper()
			w.clock.Advance(after)
			_, err := w.Sweep(t.Context())
			want(t, "Sweep", err, "")
			if got := w.count(t, "SELECT COUNT(*) FROM spent"); got != n {
				t.Fatalf("%d rows after %v, want %d", got, after, n)
			}
		}
		left(time.Hour, 6)
		left(2*time.Minute, 5) // the timed one
		for _, key := range []signet.SealedKey{old, single.Keys[0]} {
			want(t, "EndSealedKey", w.EndSealedKey(t.Context(), key.Owner, key.ID, time.Time{}, event(signet.EventCredentialEnded)), "")
		}
		left(29*day, 5)
		left(2*day, 3) // old and single
		for key, owner := range map[string]string{"young": young.Credential(), "of the owner": old.Owner, "nobody's": "account:1"} {
			want(t, key, w.Spend(t.Context(), "pin", key, owner, nil), signet.CodeUsed)
		}
	})
}
