package storagetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func newKey(use signet.KeyUse, alg string, now time.Time) signet.Key {
	now = kept(now)
	return signet.Key{
		ID: signet.NewKeyID(), Use: use, Alg: alg, Sealed: []byte{0, 1, 255}, KEKID: "kek-1", CreatedAt: now, PublishAt: now, ActivateAt: now,
	}
}

func TestKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		now := w.clock.Now()
		first := []signet.Key{newKey(signet.KeyHash, "", now), newKey(signet.KeySigning, "ES256", now), newKey(signet.KeySigning, "RS256", now)}
		insert := func(keys ...signet.Key) error {
			return w.InsertKeys(t.Context(), keys, true, event(signet.EventKeyCreated))
		}

		t.Run("16 nodes start at once and make one set", func(t *testing.T) {
			won := 0
			for _, err := range together(16, func() error {
				set := []signet.Key{newKey(signet.KeyHash, "", now), newKey(signet.KeySigning, "ES256", now), newKey(signet.KeySigning, "RS256", now)}
				return insert(set...)
			}) {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, signet.ErrConflict):
					t.Fatalf("InsertKeys: %v", err)
				}
			}
			keys, err := w.Keys(t.Context())
			want(t, "Keys", err, "")
			if won != 1 || len(keys) != 3 {
				t.Fatalf("%d sets, %d keys", won, len(keys))
			}
			first = keys
		})
		t.Run("one that is there keeps all from being written", func(t *testing.T) {
			want(t, "InsertKeys", insert(newKey(signet.KeySigning, "EdDSA", now), newKey(signet.KeySigning, "ES256", now)), signet.CodeConflict)
			keys, err := w.Keys(t.Context())
			want(t, "Keys", err, "")
			if !reflect.DeepEqual(keys, first) {
				t.Fatalf("keys: %+v", keys)
			}
		})
		t.Run("one of 16 rotations wins", func(t *testing.T) {
			old := signing(t, first, "ES256")
			retire, remove := kept(now.Add(time.Hour)), kept(now.Add(2*time.Hour))
			old.RetireAt, old.RemoveAt = &retire, &remove
			won := 0
			for _, err := range together(16, func() error {
				return w.RotateKey(t.Context(), old, newKey(signet.KeySigning, "ES256", now), event(signet.EventKeyRotated))
			}) {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, signet.ErrConflict):
					t.Fatalf("RotateKey: %v", err)
				}
			}
			keys, err := w.Keys(t.Context())
			want(t, "Keys", err, "")
			if won != 1 || len(keys) != 4 {
				t.Fatalf("%d rotations, %d keys", won, len(keys))
			}
			for _, key := range keys {
				if key.ID == old.ID && !reflect.DeepEqual(key, old) {
					t.Fatalf("got %+v, want %+v", key, old)
				}
			}
			gone := newKey(signet.KeySigning, "ES256", now)
			want(t, "RotateKey of nothing", w.RotateKey(t.Context(), gone, gone, event(signet.EventKeyRotated)), signet.CodeNotFound)
		})
		t.Run("revoked at once, with a successor and a journal row", func(t *testing.T) {
			lost, next := signing(t, first, "RS256"), newKey(signet.KeySigning, "RS256", now)
			w.clock.Advance(time.Second)
			rev := signet.Revocation{Kind: signet.RevokedKey, Subject: string(lost.ID), ExpiresAt: w.clock.Now().Add(time.Hour), Reason: "lost"}
			want(t, "RevokeKey", w.RevokeKey(t.Context(), lost.ID, &next, rev, event(signet.EventKeyRevoked)), "")
			other := newKey(signet.KeySigning, "RS256", now)
			want(t, "RevokeKey again", w.RevokeKey(t.Context(), lost.ID, &other, rev, event(signet.EventKeyRevoked)), signet.CodeConflict)
			want(t, "RevokeKey of nothing", w.RevokeKey(t.Context(), "nothing", nil, rev, event(signet.EventKeyRevoked)), signet.CodeNotFound)
			keys, err := w.Keys(t.Context())
			want(t, "Keys", err, "")
			seen := 0
			for _, key := range keys {
				if key.ID == next.ID || (key.ID == lost.ID && key.State(w.clock.Now()) == signet.KeyRevoked) {
					seen++
				}
				if key.ID == other.ID {
					t.Fatal("a revocation that came too late left a key")
				}
			}
			entries, err := w.RevocationsOf(t.Context(), signet.TokenFacts{KeyID: lost.ID})
			want(t, "RevocationsOf", err, "")
			if seen != 2 || len(entries) != 1 || !entries[0].At.Equal(kept(w.clock.Now())) {
				t.Fatalf("%d keys, journal %+v", seen, entries)
			}
		})
		t.Run("resealed only from the KEK that stands", func(t *testing.T) {
			id := first[0].ID
			want(t, "ResealKey", w.ResealKey(t.Context(), id, "kek-1", []byte("new"), "kek-2"), "")
			want(t, "ResealKey", w.ResealKey(t.Context(), id, "kek-1", []byte("newer"), "kek-3"), signet.CodeConflict)
			want(t, "ResealKey", w.ResealKey(t.Context(), "nothing", "kek-1", nil, "kek-3"), signet.CodeNotFound)
		})
		t.Run("kept for hints after they are gone", func(t *testing.T) {
			w.clock.Advance(2*time.Hour + signet.KeyRetention - time.Minute)
			before, err := w.Keys(t.Context())
			want(t, "Keys", err, "")
			w.clock.Advance(time.Minute)
			after, err := w.Keys(t.Context())
			want(t, "Keys", err, "")
			if len(after) != len(before)-1 {
				t.Fatalf("%d keys before, %d after", len(before), len(after))
			}
		})
	})
}

func signing(t *testing.T, keys []signet.Key, alg string) signet.Key {
	t.Helper()
	for _, key := range keys {
		if key.Alg == alg {
			return key
		}
	}
	t.Fatalf("no %s key", alg)
	return signet.Key{}
}

func TestAdminKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		newAdminKey := func() *signet.AdminKey {
			return &signet.AdminKey{ID: signet.NewID(), Name: "ops", Hash: newHash(), CreatedAt: kept(w.clock.Now())}
		}
		// One that looks while another has written and not yet committed.
		beside := make(chan error, 1)
		err := w.InTx(t.Context(), func(ctx context.Context) error {
			want(t, "InsertAdminKey", w.InsertAdminKey(ctx, newAdminKey(), true, event(signet.EventAdminKeyCreated)), "")
			done := make(chan struct{})
			go func() {
				defer close(done)
				beside <- w.InsertAdminKey(t.Context(), newAdminKey(), true, event(signet.EventAdminKeyCreated))
			}()
			select {
			case <-done:
			case <-time.After(300 * time.Millisecond): // it waits for us
			}
			return nil
		})
		want(t, "InTx", err, "")
		want(t, "InsertAdminKey beside", <-beside, signet.CodeConflict)
		w.change(t, "DELETE FROM admin_keys")
		// One that was not asked to be the first is there, too.
		want(t, "InsertAdminKey", w.InsertAdminKey(t.Context(), newAdminKey(), false, event(signet.EventAdminKeyCreated)), "")
		want(t, "InsertAdminKey after another", w.InsertAdminKey(t.Context(), newAdminKey(), true, event(signet.EventAdminKeyCreated)), signet.CodeConflict)
		w.change(t, "DELETE FROM admin_keys")

		var first *signet.AdminKey
		keys := make(chan *signet.AdminKey, 16)
		for _, err := range together(16, func() error {
			key := newAdminKey()
			err := w.InsertAdminKey(t.Context(), key, true, event(signet.EventAdminKeyCreated))
			if err == nil {
				keys <- key
			}
			return err
		}) {
			if err != nil && !errors.Is(err, signet.ErrConflict) {
				t.Fatalf("InsertAdminKey: %v", err)
			}
		}
		if len(keys) != 1 {
			t.Fatalf("%d nodes made the first key", len(keys))
		}
		first = <-keys
		got, err := w.AdminKey(t.Context(), hashes(newHash(), first.Hash))
		want(t, "AdminKey", err, "")
		if !reflect.DeepEqual(got, first) {
			t.Fatalf("got %+v, want %+v", got, first)
		}
		second := newAdminKey()
		want(t, "InsertAdminKey", w.InsertAdminKey(t.Context(), second, false, event(signet.EventAdminKeyCreated)), "")
		want(t, "InsertAdminKey", w.InsertAdminKey(t.Context(), newAdminKey(), true, event(signet.EventAdminKeyCreated)), signet.CodeConflict)
		w.change(t, "UPDATE admin_keys SET disabled_at = created_at WHERE id = '"+second.ID+"'")
		_, err = w.AdminKey(t.Context(), hashes(second.Hash))
		want(t, "AdminKey, disabled", err, signet.CodeNotFound)
	})
}

// A key ends once; the last one never, also when all are ended at once.
func TestDisableAdminKey(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const many = 8
		var keys []*signet.AdminKey
		for range many {
			key := &signet.AdminKey{ID: signet.NewID(), Name: "ops", Hash: newHash(), CreatedAt: kept(w.clock.Now())}
			want(t, "InsertAdminKey", w.InsertAdminKey(t.Context(), key, false, event(signet.EventAdminKeyCreated)), "")
			keys = append(keys, key)
			w.clock.Advance(time.Second)
		}
		listed, err := w.ListAdminKeys(t.Context())
		want(t, "ListAdminKeys", err, "")
		if len(listed) != many || !reflect.DeepEqual(&listed[0], keys[0]) || listed[many-1].ID != keys[many-1].ID {
			t.Fatalf("listed %+v", listed)
		}
		want(t, "unknown", w.DisableAdminKey(t.Context(), signet.NewID(), event(signet.EventAdminKeyDisabled)), signet.CodeNotFound)
		want(t, "DisableAdminKey", w.DisableAdminKey(t.Context(), keys[0].ID, event(signet.EventAdminKeyDisabled)), "")
		want(t, "once more", w.DisableAdminKey(t.Context(), keys[0].ID, event(signet.EventAdminKeyDisabled)), "")
		_, err = w.AdminKey(t.Context(), hashes(keys[0].Hash))
		want(t, "AdminKey, disabled", err, signet.CodeNotFound)
		next := make(chan *signet.AdminKey, many)
		for _, key := range keys[1:] {
			next <- key
		}
		refused := 0
		for _, err := range together(many-1, func() error {
			key := <-next
			return w.DisableAdminKey(t.Context(), key.ID, event(signet.EventAdminKeyDisabled))
		}) {
			if err != nil {
				want(t, "DisableAdminKey of all", err, signet.CodeConflict)
				refused++
			}
		}
		if refused != 1 {
			t.Errorf("%d keys were kept, want the last one", refused)
		}
	})
}
