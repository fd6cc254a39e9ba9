package storagetest

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func text(value any) string {
	out, _ := json.Marshal(value)
	return string(out)
}

func sameText(a, b any) bool { return text(a) == text(b) }

func TestBillers(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		t.Run("comes back as it was written", func(t *testing.T) {
			until := kept(w.clock.Now().Add(time.Hour))
			id := signet.BillerID(signet.NewUUID())
			ended := kept(w.clock.Now().Add(time.Minute))
			key := newSealedKey(signet.OwnerBiller+string(id), signet.KeyHMAC)
			key.CreatedAt, key.ExpiresAt = kept(w.clock.Now()), &ended
			b := &signet.Biller{
				ID: id, Keys: []signet.SealedKey{key},
				BillerMetadata: signet.BillerMetadata{
					Name: "<b>\x00☃", ClientID: "c", DefaultResourceServer: "rs", ResourceServers: []string{"a", "b"}, Scope: "pay",
					Scheme: signet.HMACScheme{Name: "custom", PayerFields: []string{"biller", "user"}, Separator: "|"}, TokenLifetime: 60,
					PayerRepeatsUntil: &until, InvoiceExchange: true, InvoicePerMinute: 3, LenientJSON: true, LiveSource: "https://b.test/{invoiceGuid}",
				},
			}
			w.audited(t, "InsertBiller", signet.EventBillerCreated, "", func(e signet.Event) error { return w.InsertBiller(t.Context(), b, e) })
			got, err := w.Biller(t.Context(), id)
			want(t, "Biller", err, "")
			if !reflect.DeepEqual(got, b) {
				t.Fatalf("got %+v\nwant %+v", got, b)
			}
			if got.Version != 1 || !got.CreatedAt.Equal(kept(w.clock.Now())) || got.CreatedAt.Location() != time.UTC {
				t.Fatalf("version %d, created at %v", got.Version, got.CreatedAt)
			}
		})
		t.Run("taken id", func(t *testing.T) {
			again := &signet.Biller{ID: w.biller(t).ID}
			w.audited(t, "InsertBiller", signet.EventBillerCreated, signet.CodeConflict, func(e signet.Event) error { return w.InsertBiller(t.Context(), again, e) })
		})
		t.Run("unknown and impossible ids name nothing", func(t *testing.T) {
			for _, id := range []signet.BillerID{"", "nobody", "' OR 1=1--", "a\x00b", "\xff\xfe", signet.BillerID(make([]byte, 5000))} {
				_, err := w.Biller(t.Context(), id)
				want(t, "Biller", err, signet.CodeNotFound)
				want(t, "SetBillerDisabled", w.SetBillerDisabled(t.Context(), id, true, event(signet.EventBillerDisabled)), signet.CodeNotFound)
				want(t, "UpdateBiller", w.UpdateBiller(t.Context(), &signet.Biller{ID: id, Version: 1}, event(signet.EventBillerUpdated)), signet.CodeNotFound)
			}
		})
		t.Run("64 updates of one version: one wins", func(t *testing.T) {
			b := w.biller(t)
			won := 0
			for _, err := range together(64, func() error {
				mine := *b
				mine.Name = "New"
				return w.UpdateBiller(t.Context(), &mine, event(signet.EventBillerUpdated))
			}) {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, signet.ErrConflict):
					t.Fatalf("UpdateBiller: %v", err)
				}
			}
			got, err := w.Biller(t.Context(), b.ID)
			want(t, "Biller", err, "")
			if won != 1 || got.Version != 2 || got.Name != "New" {
				t.Fatalf("%d updates won; %+v", won, got)
			}
		})
		t.Run("an update leaves the keys", func(t *testing.T) {
			b := w.biller(t)
			key := newSealedKey(signet.OwnerBiller+string(b.ID), signet.KeyHMAC)
			want(t, "PutSealedKey", w.PutSealedKey(t.Context(), &key, event(signet.EventCredentialAdded)), "")
			want(t, "UpdateBiller", w.UpdateBiller(t.Context(), b, event(signet.EventBillerUpdated)), "")
			got, err := w.Biller(t.Context(), b.ID)
			want(t, "Biller", err, "")
			if len(got.Keys) != 1 {
				t.Fatalf("got %+v", got)
			}
		})
		t.Run("pages by id, each with its keys", func(t *testing.T) {
			all, err := w.ListBillers(t.Context(), "", 200)
			want(t, "ListBillers", err, "")
			var paged []signet.Biller
			for after := ""; ; after = string(paged[len(paged)-1].ID) {
				page, err := w.ListBillers(t.Context(), after, 1)
				want(t, "ListBillers", err, "")
				if len(page) == 0 {
					break
				}
				paged = append(paged, page...)
			}
			if len(all) < 4 || !reflect.DeepEqual(paged, all) {
				t.Fatalf("pages give %d billers, one page %d", len(paged), len(all))
			}
		})
	})
}

func TestBillerDisabling(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		b, other := w.biller(t), w.biller(t)
		w.clock.Advance(time.Second)
		now := kept(w.clock.Now())
		w.audited(t, "disable", signet.EventBillerDisabled, "", func(e signet.Event) error { return w.SetBillerDisabled(t.Context(), b.ID, true, e) })
		before := w.count(t, "SELECT COUNT(*) FROM audit_events")
		want(t, "disable again", w.SetBillerDisabled(t.Context(), b.ID, true, event(signet.EventBillerDisabled)), "")
		if w.count(t, "SELECT COUNT(*) FROM audit_events") != before {
			t.Fatal("what was so already was written")
		}
		got, err := w.Biller(t.Context(), b.ID)
		want(t, "Biller", err, "")
		if !got.Disabled() || !got.DisabledAt.Equal(now) || !got.NotBefore.Equal(now) || got.Version != 2 {
			t.Fatalf("got %+v", got)
		}
		entry := w.revoked(t, signet.TokenFacts{Principal: b.Principal()}, 1)[0]
		if entry.Kind != signet.RevokedPrincipal || !entry.Before.Equal(now) {
			t.Fatalf("journal: %+v", entry)
		}
		w.revoked(t, signet.TokenFacts{Principal: other.Principal()}, 0)
		w.clock.Advance(time.Minute)
		want(t, "enable", w.SetBillerDisabled(t.Context(), b.ID, false, event(signet.EventBillerEnabled)), "")
		got, err = w.Biller(t.Context(), b.ID)
		want(t, "Biller", err, "")
		// What a node with an old record issued after the act stays taken back.
		if got.Disabled() || !got.NotBefore.After(now.Add(time.Second)) || got.NotBefore.After(now.Add(10*time.Second)) {
			t.Fatalf("enabled: %+v", got)
		}
	})
}
