package account_test

import (
	"context"
	"sync"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// On a warm node the proof of a key, of a person's accounts, and a permission check ask the database nothing: they
// answer when it is gone.
func TestWarmCallsNeedNoDatabase(t *testing.T) {
	t.Parallel()
	w := standard(t)
	key := w.key("acme", "till", "merchant-terminal")
	polled := make(chan struct{})
	var once sync.Once
	w.store.OnChange(func(string, string) { once.Do(func() { close(polled) }) }) // the first poll tells of everything
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.store.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	<-polled
	const check = `{"permission":"accounts:read","accountId":"acme"}`
	calls := func() {
		t.Helper()
		w.want(200, "GET", probe, "", "X-Api-Key", key)
		w.want(200, "POST", "/api/permissions/check", check, "X-Api-Key", key)
		w.want(200, "POST", "/api/permissions/check", check, as("alice")...)
		if _, err := w.room.ProveAPIKey(t.Context(), signet.APIKeyRequest{Key: key, Resources: []string{resource}}); err != nil {
			t.Error(err)
		}
	}
	calls()
	calls() // the first poll may still have been dropping records
	// The clock stands still, so that the last poll stays recent although no other one can succeed.
	must(t, w.store.Close())
	calls()
	// What is not warm cannot be answered: 503, never a refusal of who may be right.
	w.want(503, "GET", probe, "", "X-Api-Key", signet.NewSecret(signet.SecretAPIKey).Reveal())
	w.want(503, "GET", "/api/accounts/acme/members", "", as("alice")...)
}
