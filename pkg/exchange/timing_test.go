package exchange_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/exchange"
	"github.com/signet-auth/signet/pkg/signet"
)

// countedKeys counts how many keys are opened.
type countedKeys struct {
	exchange.Keys
	opened atomic.Int32
}

func (c *countedKeys) OpenRecord(key *signet.SealedKey) ([]byte, error) {
	c.opened.Add(1)
	return c.Keys.OpenRecord(key)
}

// cachedBillers answers from memory, as the store does on a warm node.
type cachedBillers map[signet.BillerID]*signet.Biller

func (c cachedBillers) Biller(_ context.Context, id signet.BillerID) (*signet.Biller, error) {
	if b := c[id]; b != nil {
		return b, nil
	}
	return nil, signet.ErrNotFound
}

// neverFailures keeps counting out of what is measured.
type neverFailures struct{}

func (neverFailures) Refused(context.Context, string) (int, bool) { return 0, false }
func (neverFailures) Failed(context.Context, string)              {}

// HMC-01, and equal time for an unknown biller, a disabled one, a wrong key and a wrong key id: each refusal opens two
// keys and computes as many HMACs. Without the decoys an unknown biller is answered in a fraction of the time. Not
// parallel: it measures.
func TestHMC01RefusalsCostAlike(t *testing.T) {
	const disabled, keyless = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	counted := &countedKeys{}
	billers := cachedBillers{}
	w := newWorld(t, func(o *exchange.Options) {
		counted.Keys, o.Keys, o.Billers, o.Failures = o.Keys, counted, billers, neverFailures{}
	})
	found, err := w.store.Biller(t.Context(), billerGUID)
	w.ok(err)
	billers[billerGUID] = found
	off, bare := *found, *found
	off.ID, off.DisabledAt = disabled, &start
	bare.ID, bare.Keys = keyless, nil
	billers[disabled], billers[keyless] = &off, &bare

	right := w.request(payer()).HMAC
	flip := func(i int) string {
		c := "0"
		if right[i] == '0' {
			c = "1"
		}
		return right[:i] + c + right[i+1:]
	}
	cases := map[string]signet.IdentityRequest{
		"first nibble": {BillerID: billerGUID, HMAC: flip(0)}, "last nibble": {BillerID: billerGUID, HMAC: flip(63)},
		"no hmac": {BillerID: billerGUID}, "short hmac": {BillerID: billerGUID, HMAC: right[:63]}, "long hmac": {BillerID: billerGUID, HMAC: strings.Repeat("a", 4000)},
		"unknown biller": {BillerID: unknownGUID, HMAC: right}, "disabled biller": {BillerID: disabled, HMAC: right}, "biller without keys": {BillerID: keyless, HMAC: right},
		"unknown key id": {BillerID: billerGUID, HMAC: right, HMACKeyID: "k9"},
	}
	for _, legacy := range []bool{false, true} {
		for name, req := range cases {
			req.UserID, req.Timestamp, req.Legacy = userGUID, stamp, legacy
			cases[name] = req
			before := counted.opened.Load()
			w.refuses(name, req, signet.CodeInvalidGrant, "")
			if n := counted.opened.Load() - before; n != 2 {
				t.Errorf("%s: %d keys were opened, want 2", name, n)
			}
		}
		best := fastest(300, cases, func(req signet.IdentityRequest) { _, _ = w.room.ProveIdentity(t.Context(), req) })
		for name, took := range best {
			if known := best["last nibble"]; took < known/2 || took > 2*known {
				t.Errorf("legacy %v: %s is refused after %s, a wrong last nibble after %s", legacy, name, took, known)
			}
		}
	}
}

// fastest returns the shortest of many rounds of each case: what the work itself takes, whatever else the machine does.
// The cases take turns, so that a busy moment meets all of them.
func fastest[T any](rounds int, cases map[string]T, run func(T)) map[string]time.Duration {
	best := map[string]time.Duration{}
	for range rounds {
		for name, c := range cases {
			began := time.Now()
			run(c)
			if took := time.Since(began); best[name] == 0 || took < best[name] {
				best[name] = took
			}
		}
	}
	return best
}

// TestAwayStores: a store that fails is 503 and no refusal, and a sealed key that does not open is our fault.
func TestAwayStores(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invoice(invoiceGUID, nil)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, f := range map[string]exchange.Fields{"payer": payer(), "invoice": invoice()} {
		if _, err := w.room.ProveIdentity(gone, w.request(f)); signet.CodeOf(err) != signet.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	key := &signet.SealedKey{ID: "k2", Owner: signet.OwnerBiller + billerGUID, Use: signet.KeyHMAC, Alg: "HS256", CreatedAt: w.now()}
	w.ring.SealRecord(key, []byte(otherKey))
	key.Sealed[len(key.Sealed)-1] ^= 1
	w.ok(w.store.PutSealedKey(t.Context(), key, w.event(signet.EventCredentialAdded)))
	w.refuses("the altered key", w.signed(payer(), signet.HMACScheme{}, otherKey), signet.CodeUnavailable, "hmac_key_sealed")
	w.refuses("the other key goes on", w.request(payer()), "", "")
}

// failingCounter is a shared counter that is away.
type failingCounter struct{}

func (failingCounter) Reserve(context.Context, string, time.Duration) (int, time.Duration, error) {
	return 0, 0, signet.Unavailable(context.DeadlineExceeded)
}

// While the shared counter is away, invoices go on being exchanged, under a stricter limit of this node's own.
func TestInvoiceRateAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *exchange.Options) { o.Counter = failingCounter{} })
	w.invoice(invoiceGUID, nil)
	req := w.request(invoice())
	for range 10 {
		w.refuses("within the share", req, "", "")
	}
	w.refuses("beyond it", req, signet.CodeTooMany, "invoice_rate")
}

// countedMarks and countedCounter count the round trips to the store of short-lived records.
type countedMarks struct {
	exchange.Marks
	calls *atomic.Int32
}

func (c countedMarks) Use(ctx context.Context, mark signet.Mark) error {
	c.calls.Add(1)
	return c.Marks.Use(ctx, mark)
}

type countedCounter struct {
	exchange.Counter
	calls *atomic.Int32
}

func (c countedCounter) Reserve(ctx context.Context, key string, window time.Duration) (int, time.Duration, error) {
	c.calls.Add(1)
	return c.Counter.Reserve(ctx, key, window)
}

// TestRoundTrips: a request that is right costs one round trip.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	w := newWorld(t, func(o *exchange.Options) {
		o.Marks, o.Counter = countedMarks{o.Marks, &calls}, countedCounter{o.Counter, &calls}
	})
	w.invoice(invoiceGUID, nil)
	for name, f := range map[string]exchange.Fields{"payer": payer(), "invoice": invoice()} {
		calls.Store(0)
		w.refuses(name, w.request(f), "", "")
		if n := calls.Load(); n != 1 {
			t.Errorf("%s: %d round trips", name, n)
		}
	}
}

// noMarks accepts everything.
type noMarks struct{}

func (noMarks) Use(context.Context, signet.Mark) error { return nil }

// BenchmarkProvePayer is what the room adds to the mint: two keys opened, four HMACs, no store.
func BenchmarkProvePayer(b *testing.B) {
	billers := cachedBillers{}
	servers := &cachedServer{}
	w := newWorld(b, func(o *exchange.Options) { o.Billers, o.ResourceServers, o.Marks = billers, servers, noMarks{} })
	found, err := w.store.Biller(b.Context(), billerGUID)
	w.ok(err)
	billers[billerGUID] = found
	servers.server, err = w.store.ResourceServer(b.Context(), "invoices")
	w.ok(err)
	req := w.request(payer())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.room.ProveIdentity(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}

type cachedServer struct{ server *signet.ResourceServer }

func (c *cachedServer) ResourceServer(context.Context, string) (*signet.ResourceServer, error) {
	return c.server, nil
}

func (c *cachedServer) ResourceServerByAudience(context.Context, string) (*signet.ResourceServer, error) {
	return c.server, nil
}
