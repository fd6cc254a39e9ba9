package storagetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestResourceServers(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		t.Run("comes back as it was written", func(t *testing.T) {
			id := "rs-" + signet.NewUUID()
			key := newSealedKey(signet.OwnerResourceServer+id, signet.KeyDecrypt)
			key.CreatedAt = kept(w.clock.Now())
			rs := &signet.ResourceServer{
				ID: id, Keys: []signet.SealedKey{key},
				ResourceServerMetadata: signet.ResourceServerMetadata{
					Name: "N", Audience: "https://" + id, JWK: []byte(`{"kid":"1"}`), Alg: signet.AlgRSAOAEP, Enc: signet.EncA128CBCHS256, Scope: "a b",
				},
			}
			w.audited(t, "InsertResourceServer", signet.EventResourceServerCreated, "", func(e signet.Event) error {
				return w.InsertResourceServer(t.Context(), rs, e)
			})
			got, err := w.ResourceServer(t.Context(), id)
			want(t, "ResourceServer", err, "")
			if !reflect.DeepEqual(got, rs) {
				t.Fatalf("got %+v\nwant %+v", got, rs)
			}
			byAudience, err := w.ResourceServerByAudience(t.Context(), rs.Audience)
			want(t, "ResourceServerByAudience", err, "")
			if !reflect.DeepEqual(byAudience, rs) {
				t.Fatalf("got %+v\nwant %+v", byAudience, rs)
			}
		})
		t.Run("taken id, taken audience, no audience", func(t *testing.T) {
			rs, other := w.resourceServer(t), w.resourceServer(t)
			for _, c := range []struct {
				id, audience string
				code         signet.Code
			}{
				{rs.ID, "https://free.test", signet.CodeConflict},
				{"free", rs.Audience, signet.CodeConflict},
				{"free", "", signet.CodeInvalidRequest},
				{"", "https://free.test", signet.CodeInvalidRequest},
			} {
				again := &signet.ResourceServer{ID: c.id, ResourceServerMetadata: signet.ResourceServerMetadata{Audience: c.audience}}
				w.audited(t, c.id+" "+c.audience, signet.EventResourceServerCreated, c.code, func(e signet.Event) error {
					return w.InsertResourceServer(t.Context(), again, e)
				})
			}
			mine := *other
			mine.Audience = rs.Audience
			want(t, "UpdateResourceServer", w.UpdateResourceServer(t.Context(), &mine, event(signet.EventResourceServerUpdated)), signet.CodeConflict)
		})
		t.Run("bad JSON is refused", func(t *testing.T) {
			rs := &signet.ResourceServer{ID: "bad", ResourceServerMetadata: signet.ResourceServerMetadata{Audience: "bad", JWK: []byte(`{`)}}
			want(t, "InsertResourceServer", w.InsertResourceServer(t.Context(), rs, event(signet.EventResourceServerCreated)), signet.CodeInvalidRequest)
		})
		t.Run("an audience that moves is never answered by the old server", func(t *testing.T) {
			first, second := w.resourceServer(t), w.resourceServer(t)
			moved := first.Audience
			_, err := w.ResourceServerByAudience(t.Context(), moved) // warm
			want(t, "ResourceServerByAudience", err, "")
			first.Audience = "https://" + signet.NewUUID() + ".test"
			stale := *first
			want(t, "UpdateResourceServer", w.UpdateResourceServer(t.Context(), first, event(signet.EventResourceServerUpdated)), "")
			want(t, "stale", w.UpdateResourceServer(t.Context(), &stale, event(signet.EventResourceServerUpdated)), signet.CodeConflict)
			_, err = w.ResourceServerByAudience(t.Context(), moved)
			want(t, "the old audience", err, signet.CodeNotFound)
			second.Audience = moved
			want(t, "UpdateResourceServer", w.UpdateResourceServer(t.Context(), second, event(signet.EventResourceServerUpdated)), "")
			got, err := w.ResourceServerByAudience(t.Context(), moved)
			want(t, "ResourceServerByAudience", err, "")
			if got.ID != second.ID {
				t.Fatalf("the audience leads to %s", got.ID)
			}
		})
		t.Run("disabling", func(t *testing.T) {
			rs := w.resourceServer(t)
			w.clock.Advance(time.Millisecond)
			w.audited(t, "disable", signet.EventResourceServerDisabled, "", func(e signet.Event) error {
				return w.SetResourceServerDisabled(t.Context(), rs.ID, true, e)
			})
			got, err := w.ResourceServerByAudience(t.Context(), rs.Audience)
			want(t, "ResourceServerByAudience", err, "")
			if !got.Disabled() || got.Version != 2 {
				t.Fatalf("got %+v", got)
			}
			want(t, "enable", w.SetResourceServerDisabled(t.Context(), rs.ID, false, event(signet.EventResourceServerEnabled)), "")
			got, err = w.ResourceServer(t.Context(), rs.ID)
			want(t, "ResourceServer", err, "")
			if got.Disabled() {
				t.Fatal("disabled")
			}
			want(t, "nobody", w.SetResourceServerDisabled(t.Context(), "nobody", true, event(signet.EventResourceServerDisabled)), signet.CodeNotFound)
			_, err = w.ResourceServer(t.Context(), "nobody")
			want(t, "nobody", err, signet.CodeNotFound)
			all, err := w.ListResourceServers(t.Context(), "", 100)
			want(t, "ListResourceServers", err, "")
			if len(all) < 4 {
				t.Fatalf("%d servers", len(all))
			}
		})
	})
}
