package e2e

import "testing"

// Every document's flow as its caller runs it, with every byte shown, on both deployments.
func TestTry(t *testing.T) {
	t.Parallel()
	for name, start := range stands() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, file := start(t)
			for _, flow := range []string{"hmac", "payer", "intent", "pin", "apikey", "partner"} {
				t.Run(flow, func(t *testing.T) { Run(t, "try", flow, "--card", file) })
			}
		})
	}
}

// stands are the two deployments that every contract must be served by: signet dev, and serve on PostgreSQL and Redis.
func stands() map[string]func(testing.TB) (Card, string) {
	return map[string]func(testing.TB) (Card, string){
		"dev": func(t testing.TB) (Card, string) {
			dev := StartDev(t)
			return dev.Card, dev.CardFile
		},
		"serve": func(t testing.TB) (Card, string) {
			c, card, file := StartSeeded(t)
			c.Settle(card)
			return card, file
		},
	}
}
