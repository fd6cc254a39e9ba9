package storagetest

import (
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// An application and its client are written together: whichever is stale, neither moves.
func TestPINApplicationWithItsClient(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		app := w.pinApplication(t)
		before, err := w.Client(t.Context(), app.ID) // warm
		want(t, "Client", err, "")
		update := func(app *signet.PINApplication, m signet.ClientMetadata) error {
			return w.UpdatePINApplicationWithClient(t.Context(), app, m, event(signet.EventPINApplicationUpdated), event(signet.EventClientUpdated))
		}
		state := func(what string, appVersion, clientVersion int64, networks int) {
			t.Helper()
			got, err := w.PINApplicationByID(t.Context(), app.ID)
			want(t, what, err, "")
			client, err := w.Client(t.Context(), app.ID)
			want(t, what, err, "")
			if got.Version != appVersion || client.Version != clientVersion || len(client.AllowedNetworks) != networks {
				t.Fatalf("%s: application %d, client %+v", what, got.Version, client)
			}
		}
		events := func() int { return w.count(t, "SELECT COUNT(*) FROM audit_events WHERE kind = 'client.updated'") }
		stale, same, fenced, none := *app, before.ClientMetadata, before.ClientMetadata, events()
		fenced.AllowedNetworks = []string{"192.0.2.0/24"}

		want(t, "what the client has already", update(app, same), "")
		state("what the client has already", 2, 1, 0)
		if n := events(); n != none {
			t.Errorf("%d events of a client that did not change", n-none)
		}
		want(t, "stale", update(&stale, fenced), signet.CodeConflict)
		state("stale", 2, 1, 0)
		if stale.Version != 1 {
			t.Errorf("what was not written has version %d", stale.Version)
		}
		want(t, "both", update(app, fenced), "")
		state("both", 3, 2, 1)
		if app.Version != 3 || events() != none+1 {
			t.Errorf("version %d, %d events", app.Version, events()-none)
		}
		// The client fails last: the application does not stay ahead of it.
		unwritable := fenced
		unwritable.JWKS = []byte("{")
		want(t, "metadata that is no JSON", update(app, unwritable), signet.CodeInvalidRequest)
		state("metadata that is no JSON", 3, 2, 1)
		gone, _, _ := newPINApplication()
		want(t, "nobody", update(gone, same), signet.CodeNotFound)
	})
}
