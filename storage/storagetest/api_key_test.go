package storagetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestAPIKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		a, _ := w.account(t)
		t.Run("comes back as it was written, by every name", func(t *testing.T) {
			expires := w.clock.Now().Add(time.Hour)
			k := &signet.APIKey{
				ID: signet.NewID(), AccountID: a.ID, Name: "<b>☃", Role: "merchant-terminal", Hash: newHash(), Enabled: true, MayManage: true,
				AllowedNetworks: []string{"10.0.0.0/8"}, ExpiresAt: &expires, Imported: true, CreatedBy: "user:1",
			}
			w.audited(t, "InsertAPIKey", signet.EventAPIKeyCreated, "", func(e signet.Event) error { return w.InsertAPIKey(t.Context(), k, e) })
			expires = kept(expires)
			for range 2 { // cold, warm
				byID, err := w.APIKeyByID(t.Context(), k.ID)
				want(t, "APIKeyByID", err, "")
				// Hashed under another key first, as after a change of the hashing key.
				byHash, err := w.APIKeyByHash(t.Context(), hashes(newHash(), k.Hash))
				want(t, "APIKeyByHash", err, "")
				byName, err := w.APIKey(t.Context(), a.ID, k.Name)
				want(t, "APIKey", err, "")
				for _, got := range []*signet.APIKey{byID, byHash, byName} {
					if !reflect.DeepEqual(got, k) {
						t.Fatalf("got %+v\nwant %+v", got, k)
					}
				}
			}
		})
		t.Run("taken name, hash and id", func(t *testing.T) {
			k := w.apiKey(t, a.ID)
			b, _ := w.account(t)
			for what, again := range map[string]*signet.APIKey{
				"name": {ID: signet.NewID(), AccountID: a.ID, Name: k.Name, Hash: newHash()},
				"hash": {ID: signet.NewID(), AccountID: a.ID, Name: "x", Hash: k.Hash},
				"id":   {ID: k.ID, AccountID: a.ID, Name: "x", Hash: newHash()},
			} {
				w.audited(t, what, signet.EventAPIKeyCreated, signet.CodeConflict, func(e signet.Event) error { return w.InsertAPIKey(t.Context(), again, e) })
			}
			same := &signet.APIKey{ID: signet.NewID(), AccountID: b.ID, Name: k.Name, Hash: newHash()}
			want(t, "the name in another account", w.InsertAPIKey(t.Context(), same, event(signet.EventAPIKeyCreated)), "")
			nowhere := &signet.APIKey{ID: signet.NewID(), AccountID: "nowhere", Name: "x", Hash: newHash()}
			want(t, "no account", w.InsertAPIKey(t.Context(), nowhere, event(signet.EventAPIKeyCreated)), signet.CodeNotFound)
		})
		t.Run("unknown and impossible names name nothing", func(t *testing.T) {
			for _, id := range []string{"", "nobody", "' OR 1=1--", "\x00"} {
				_, err := w.APIKeyByID(t.Context(), id)
				want(t, "APIKeyByID", err, signet.CodeNotFound)
				_, err = w.APIKey(t.Context(), a.ID, id)
				want(t, "APIKey", err, signet.CodeNotFound)
				_, err = w.APIKey(t.Context(), id, "till")
				want(t, "APIKey", err, signet.CodeNotFound)
				want(t, "UpdateAPIKey", w.UpdateAPIKey(t.Context(), &signet.APIKey{ID: "nobody", AccountID: a.ID, Name: "x"}, event(signet.EventAPIKeyUpdated)), signet.CodeNotFound)
			}
			_, err := w.APIKeyByHash(t.Context(), hashes(newHash()))
			want(t, "APIKeyByHash", err, signet.CodeNotFound)
			_, err = w.APIKeyByHash(t.Context(), nil)
			want(t, "APIKeyByHash", err, signet.CodeNotFound)
		})
		t.Run("a key that is made after somebody tried its text is found", func(t *testing.T) {
			hash := newHash()
			_, err := w.APIKeyByHash(t.Context(), hashes(hash))
			want(t, "APIKeyByHash", err, signet.CodeNotFound)
			k := &signet.APIKey{ID: signet.NewID(), AccountID: a.ID, Name: "later", Hash: hash, Enabled: true}
			want(t, "InsertAPIKey", w.InsertAPIKey(t.Context(), k, event(signet.EventAPIKeyCreated)), "")
			_, err = w.APIKeyByHash(t.Context(), hashes(hash))
			want(t, "APIKeyByHash", err, "")
		})
		t.Run("64 updates of one version: one wins", func(t *testing.T) {
			k := w.apiKey(t, a.ID)
			won := 0
			for _, err := range together(64, func() error {
				mine := *k
				mine.Enabled = false
				return w.UpdateAPIKey(t.Context(), &mine, event(signet.EventAPIKeyUpdated))
			}) {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, signet.ErrConflict):
					t.Fatalf("UpdateAPIKey: %v", err)
				}
			}
			if won != 1 {
				t.Fatalf("%d updates won", won)
			}
			w.revoked(t, signet.TokenFacts{Principal: k.Principal()}, 1)
		})
		t.Run("lists by name", func(t *testing.T) {
			list, err := w.ListAPIKeys(t.Context(), a.ID)
			want(t, "ListAPIKeys", err, "")
			b, _ := w.account(t)
			none, err := w.ListAPIKeys(t.Context(), b.ID)
			want(t, "ListAPIKeys", err, "")
			if len(list) != 4 || len(none) != 0 {
				t.Fatalf("%d and %d keys", len(list), len(none))
			}
		})
	})
}

// KEY-02: what ends a key ends what it was issued, whichever way the key is found.
func TestKEY02DisabledAPIKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		a, _ := w.account(t)
		k := w.apiKey(t, a.ID)
		read := func() *signet.APIKey {
			t.Helper()
			byID, err := w.APIKeyByID(t.Context(), k.ID)
			want(t, "APIKeyByID", err, "")
			byHash, err := w.APIKeyByHash(t.Context(), hashes(k.Hash))
			want(t, "APIKeyByHash", err, "")
			if !reflect.DeepEqual(byID, byHash) || !reflect.DeepEqual(byID, k) {
				t.Fatalf("got %+v and %+v\nwant %+v", byID, byHash, k)
			}
			return byID
		}
		update := func() {
			t.Helper()
			w.clock.Advance(time.Minute)
			w.audited(t, "UpdateAPIKey", signet.EventAPIKeyUpdated, "", func(e signet.Event) error { return w.UpdateAPIKey(t.Context(), k, e) })
		}
		facts := signet.TokenFacts{Principal: k.Principal()}
		read()
		expires := kept(w.clock.Now().Add(time.Hour))
		k.ExpiresAt, k.MayManage, k.UpdatedBy = &expires, true, "user:2"
		update()
		if got := read(); !got.NotBefore.IsZero() || got.UpdatedBy != "user:2" {
			t.Fatalf("got %+v", got)
		}
		w.revoked(t, facts, 0) // nothing that was issued became untrue

		k.Enabled = false
		update()
		disabled := kept(w.clock.Now())
		if got := read(); got.Enabled || !got.NotBefore.Equal(disabled) {
			t.Fatalf("got %+v", got)
		}
		if entry := w.revoked(t, facts, 1)[0]; !entry.Before.Equal(disabled) || entry.Kind != signet.RevokedPrincipal {
			t.Fatalf("journal: %+v", entry)
		}
		update() // disabled as before
		if got := read(); !got.NotBefore.Equal(disabled) {
			t.Fatalf("got %+v", got)
		}
		w.revoked(t, facts, 1)

		k.Enabled = true
		update()
		// What a node with an old record issued after the act stays taken back.
		if got := read(); !got.Enabled || !got.NotBefore.After(disabled.Add(time.Second)) || got.NotBefore.After(disabled.Add(10*time.Second)) {
			t.Fatalf("got %+v", got)
		}
		k.Role = "account-owner" // tokens carry the old one
		update()
		if got := read(); !got.NotBefore.Equal(kept(w.clock.Now())) {
			t.Fatalf("got %+v", got)
		}
		w.revoked(t, facts, 2)
	})
}

func TestPrincipals(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		a, _ := w.account(t)
		k, b := w.apiKey(t, a.ID), w.biller(t)
		expires := w.clock.Now().Add(time.Hour)
		k.ExpiresAt = &expires
		want(t, "UpdateAPIKey", w.UpdateAPIKey(t.Context(), k, event(signet.EventAPIKeyUpdated)), "")
		state := func(id string, disabled bool) *signet.Principal {
			t.Helper()
			p, err := w.Principal(t.Context(), id)
			want(t, id, err, "")
			if p.ID != id || p.Disabled != disabled {
				t.Fatalf("got %+v, want disabled %v", p, disabled)
			}
			return p
		}
		state(k.Principal(), false)
		state(b.Principal(), false)
		for _, id := range []string{"", "key:", "biller:", "key:nobody", "biller:nobody", "client:1", "accounts:1", string(b.ID), "key:\x00", "KEY:" + k.ID} {
			_, err := w.Principal(t.Context(), id)
			want(t, id, err, signet.CodeNotFound)
		}
		w.clock.Advance(time.Second)
		want(t, "disable the account", w.SetAccountDisabled(t.Context(), a.ID, true, event(signet.EventAccountDisabled)), "")
		if p := state(k.Principal(), true); !p.NotBefore.Equal(kept(w.clock.Now())) {
			t.Fatalf("got %+v", p)
		}
		want(t, "enable the account", w.SetAccountDisabled(t.Context(), a.ID, false, event(signet.EventAccountEnabled)), "")
		state(k.Principal(), false)
		k.Enabled = false
		want(t, "disable the key", w.UpdateAPIKey(t.Context(), k, event(signet.EventAPIKeyUpdated)), "")
		state(k.Principal(), true)
		k.Enabled = true
		want(t, "enable the key", w.UpdateAPIKey(t.Context(), k, event(signet.EventAPIKeyUpdated)), "")
		state(k.Principal(), false)
		want(t, "disable the biller", w.SetBillerDisabled(t.Context(), b.ID, true, event(signet.EventBillerDisabled)), "")
		state(b.Principal(), true)
		// KEY-05: nobody has to tell that a key is over.
		other := w.open(t, optionsAt(w.clock.Now().Add(time.Hour)))
		p, err := other.Principal(t.Context(), k.Principal())
		want(t, "Principal", err, "")
		if !p.Disabled {
			t.Fatalf("an expired key: %+v", p)
		}
	})
}
