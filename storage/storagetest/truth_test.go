package storagetest

import (
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// What another node has made or changed a moment ago is read at once where the truth is asked for; what this node remembers
// of it may be the record of before, or that there is none.
func TestTruth(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		other := w.open(t, sqlstore.Options{})
		settled(t, other)
		ctx := signet.FromTruth(t.Context())
		c := w.client(t)
		_, err := other.Client(t.Context(), c.ID) // warm
		want(t, "Client", err, "")
		for range 3 {
			stands, err := other.Client(ctx, c.ID)
			want(t, "Client", err, "")
			next := *stands
			next.ClientName = "Changed " + next.ClientName
			want(t, "UpdateClient", w.UpdateClient(t.Context(), &next, event(signet.EventClientUpdated)), "")
			told, err := other.Client(ctx, c.ID)
			want(t, "Client", err, "")
			if told.ClientName != next.ClientName || told.Version != stands.Version+1 {
				t.Fatalf("after a change: %q, version %d", told.ClientName, told.Version)
			}
		}
		for range 3 {
			b := w.biller(t) // no node that remembers all ids knows this one
			_, err = other.Biller(ctx, b.ID)
			want(t, "Biller", err, "")
			rs := w.resourceServer(t)
			_, err = other.ResourceServerByAudience(ctx, rs.Audience)
			want(t, "ResourceServerByAudience", err, "")
			a, _ := w.account(t)
			_, err = other.Account(ctx, a.ID)
			want(t, "Account", err, "")
		}
	})
}
