package storagetest

import (
	"bytes"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestSealedKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		billerKeys := func(t *testing.T, id signet.BillerID) []signet.SealedKey {
			t.Helper()
			b, err := w.Biller(t.Context(), id)
			want(t, "Biller", err, "")
			return b.Keys
		}
		put := func(key signet.SealedKey) error {
			return w.PutSealedKey(t.Context(), &key, event(signet.EventCredentialAdded))
		}
		t.Run("rides in its owner's record", func(t *testing.T) {
			b := w.biller(t)
			owner := signet.OwnerBiller + string(b.ID)
			if len(billerKeys(t, b.ID)) != 0 { // warm, and without keys
				t.Fatal("keys from nowhere")
			}
			key := newSealedKey(owner, signet.KeyHMAC)
			w.audited(t, "PutSealedKey", signet.EventCredentialAdded, "", func(e signet.Event) error { return w.PutSealedKey(t.Context(), &key, e) })
			keys := billerKeys(t, b.ID)
			if len(keys) != 1 || keys[0].ID != key.ID || !bytes.Equal(keys[0].Sealed, key.Sealed) || keys[0].Use != signet.KeyHMAC ||
				!keys[0].CreatedAt.Equal(kept(w.clock.Now())) || !key.CreatedAt.Equal(keys[0].CreatedAt) {
				t.Fatalf("got %+v", keys)
			}
			w.audited(t, "the same id", signet.EventCredentialAdded, signet.CodeConflict, func(e signet.Event) error { return w.PutSealedKey(t.Context(), &key, e) })
		})
		t.Run("owners that are none", func(t *testing.T) {
			for owner, code := range map[string]signet.Code{
				"": signet.CodeInvalidRequest, "biller:": signet.CodeInvalidRequest, "client:1": signet.CodeInvalidRequest, "biller:\x00": signet.CodeInvalidRequest,
				"biller:nobody": signet.CodeNotFound, "account:nobody": signet.CodeNotFound, "pin_application:nobody": signet.CodeNotFound,
				"resource_server:nobody": signet.CodeNotFound,
			} {
				want(t, owner, put(newSealedKey(owner, signet.KeyHMAC)), code)
				want(t, owner, w.EndSealedKey(t.Context(), owner, "k", w.clock.Now(), event(signet.EventCredentialEnded)), signet.CodeNotFound)
				want(t, owner, w.ResealRecord(t.Context(), owner, "k", "kek", []byte{1}, "kek2"), signet.CodeNotFound)
			}
		})
		t.Run("an end to come, then now", func(t *testing.T) {
			b := w.biller(t)
			owner := signet.OwnerBiller + string(b.ID)
			key := newSealedKey(owner, signet.KeyHMAC)
			want(t, "PutSealedKey", put(key), "")
			facts := signet.TokenFacts{Credential: key.Credential()}
			later := w.clock.Now().Add(time.Hour)
			want(t, "EndSealedKey later", w.EndSealedKey(t.Context(), owner, key.ID, later, event(signet.EventCredentialEnded)), "")
			if keys := billerKeys(t, b.ID); !keys[0].Live(w.clock.Now()) || !keys[0].ExpiresAt.Equal(kept(later)) {
				t.Fatalf("got %+v", keys)
			}
			w.revoked(t, facts, 0) // what it proves until then stays
			w.audited(t, "EndSealedKey now", signet.EventCredentialEnded, "", func(e signet.Event) error {
				return w.EndSealedKey(t.Context(), owner, key.ID, time.Time{}, e)
			})
			if keys := billerKeys(t, b.ID); keys[0].Live(w.clock.Now()) || !keys[0].ExpiresAt.Equal(kept(w.clock.Now())) {
				t.Fatalf("got %+v", keys)
			}
			w.revoked(t, facts, 1)
			// A key that has ended never lives again.
			want(t, "EndSealedKey later", w.EndSealedKey(t.Context(), owner, key.ID, later, event(signet.EventCredentialEnded)), signet.CodeConflict)
			if keys := billerKeys(t, b.ID); keys[0].Live(w.clock.Now()) {
				t.Fatalf("got %+v", keys)
			}
			want(t, "nobody's", w.EndSealedKey(t.Context(), owner, "nobody", later, event(signet.EventCredentialEnded)), signet.CodeNotFound)
		})
		t.Run("what a key proved can be taken back after its own end", func(t *testing.T) {
			b := w.biller(t)
			key := newSealedKey(signet.OwnerBiller+string(b.ID), signet.KeyHMAC)
			ended := w.clock.Now().Add(time.Minute)
			key.ExpiresAt = &ended
			want(t, "PutSealedKey", put(key), "")
			w.clock.Advance(time.Hour)
			want(t, "EndSealedKey", w.EndSealedKey(t.Context(), key.Owner, key.ID, w.clock.Now(), event(signet.EventCredentialEnded)), "")
			w.revoked(t, signet.TokenFacts{Credential: key.Credential()}, 1)
			if keys := billerKeys(t, b.ID); !keys[0].ExpiresAt.Equal(kept(ended)) {
				t.Fatalf("the end was moved: %+v", keys)
			}
		})
		// PIN-05, HMC-07
		t.Run("two live keys at most, 32 at once", func(t *testing.T) {
			b, app := w.biller(t), w.pinApplication(t)
			for owner, room := range map[string]int{signet.OwnerBiller + string(b.ID): 2, signet.OwnerPINApplication + string(app.ID): 1} {
				won := 0
				for _, err := range together(32, func() error { return put(newSealedKey(owner, signet.KeyHMAC)) }) {
					if err == nil {
						won++
						continue
					}
					if signet.CodeOf(err) != signet.CodeConflict || signet.ReasonOf(err) != "live_keys" {
						t.Fatalf("PutSealedKey: %v", err)
					}
				}
				if won != room {
					t.Fatalf("%s: %d keys were added, want %d", owner, won, room)
				}
			}
			keys := billerKeys(t, b.ID)
			want(t, "EndSealedKey", w.EndSealedKey(t.Context(), keys[0].Owner, keys[0].ID, w.clock.Now(), event(signet.EventCredentialEnded)), "")
			want(t, "PutSealedKey after one ended", put(newSealedKey(keys[0].Owner, signet.KeyHMAC)), "")
			over := newSealedKey(keys[0].Owner, signet.KeyHMAC)
			past := w.clock.Now()
			over.ExpiresAt = &past
			want(t, "one that is over counts for nothing", put(over), "")
		})
		t.Run("reseal", func(t *testing.T) {
			rs := w.resourceServer(t)
			key := newSealedKey(signet.OwnerResourceServer+rs.ID, signet.KeyDecrypt)
			want(t, "PutSealedKey", put(key), "")
			won := 0
			for _, err := range together(16, func() error {
				return w.ResealRecord(t.Context(), key.Owner, key.ID, "kek-1", []byte("new"), "kek-2")
			}) {
				if err == nil {
					won++
					continue
				}
				want(t, "ResealRecord", err, signet.CodeConflict)
			}
			if won != 1 {
				t.Fatalf("%d won", won)
			}
			all, err := w.SealedKeys(t.Context())
			want(t, "SealedKeys", err, "")
			found := 0
			for _, k := range all {
				if k.Owner == key.Owner && k.ID == key.ID && k.KEKID == "kek-2" && string(k.Sealed) == "new" && k.Alg == key.Alg {
					found++
				}
			}
			if found != 1 {
				t.Fatalf("got %+v", all)
			}
		})
	})
}
