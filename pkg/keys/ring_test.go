package keys_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
)

// The default set: ready within a second, RSA included.
func TestFirstSet(t *testing.T) {
	t.Parallel()
	ring, _ := started(t, func(o *keys.Options) { o.SigningAlgs = nil })
	if algs := strings.Join(ring.SigningAlgs(), " "); algs != "ES256 RS256" {
		t.Errorf("algorithms %s", algs)
	}
	body := ring.JWKS().Body
	for _, secret := range []string{`"d":`, `"p":`, `"q":`, `"k":`, `"dp":`, `"oct"`} {
		if bytes.Contains(body, []byte(secret)) {
			t.Errorf("the public set has %s", secret)
		}
	}
	list, err := ring.List(context.Background())
	must(t, err)
	if len(list) != 6 {
		t.Errorf("%d keys, want 2 signing and 4 symmetric", len(list))
	}
	for _, info := range list {
		if info.State != signet.KeyActive {
			t.Errorf("%s %s is %s at the first start", info.Use, info.Alg, info.State)
		}
	}
}

// Nodes that start at once on an empty database make one set.
func TestConcurrentStart(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	open := database(t, c)
	const nodes = 4
	rings := make([]*keys.Ring, nodes)
	for i := range rings {
		rings[i] = newRing(t, options(open(), c))
	}
	var group sync.WaitGroup
	for _, ring := range rings {
		group.Go(func() {
			if err := ring.Start(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	token, _ := sign(t, rings[0], "ES256")
	sealed, err := rings[0].Seal("x", []byte("y"))
	must(t, err)
	for i, ring := range rings {
		if _, _, _, err := ring.Verify(token); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
		if _, err := ring.Open("x", sealed); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
		if ring.JWKS().ETag != rings[0].JWKS().ETag {
			t.Errorf("node %d publishes another set", i)
		}
	}
	list, err := rings[0].List(context.Background())
	must(t, err)
	if len(list) != 5 {
		t.Errorf("%d keys, want one set of 5", len(list))
	}
}

// A restart finds its keys; an algorithm configured since is published before it signs.
func TestRestart(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	open := database(t, c)
	ctx := context.Background()
	first := newRing(t, options(open(), c))
	must(t, first.Start(ctx))
	token, _ := sign(t, first, "ES256")
	o := options(open(), c)
	o.SigningAlgs = []string{"ES256", "EdDSA"}
	second := newRing(t, o)
	must(t, second.Start(ctx))
	_, _, _, err := second.Verify(token)
	must(t, err)
	if n := len(published(t, second)); n != 2 {
		t.Errorf("%d keys published", n)
	}
	_, _, err = second.Sign("EdDSA", "JWT", nil)
	wantCode(t, err, signet.CodeUnavailable)
	c.advance(signLead)
	_, _, err = second.Sign("EdDSA", "JWT", nil)
	must(t, err)
}

// failing wraps a real store and fails on demand.
type failing struct {
	keys.Store
	err    error
	tamper func([]signet.Key)
}

func (f *failing) Keys(ctx context.Context) ([]signet.Key, error) {
	if f.err != nil {
		return nil, f.err
	}
	rows, err := f.Store.Keys(ctx)
	if f.tamper != nil {
		f.tamper(rows)
	}
	return rows, err
}

func TestFLT17StoreFails(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	store := &failing{Store: database(t, c)(), err: signet.Unavailable(errors.New("down"))}
	ring := newRing(t, options(store, c))
	ctx := context.Background()
	wantCode(t, ring.Start(ctx), signet.CodeUnavailable)

	store.err = nil
	must(t, ring.Start(ctx))
	token, kid := sign(t, ring, "ES256")
	store.err = signet.Unavailable(errors.New("down"))
	wantCode(t, ring.Reload(ctx), signet.CodeUnavailable)
	// At run time the last good keys stay.
	if _, again := sign(t, ring, "ES256"); again != kid {
		t.Error("another key signs")
	}
	_, _, _, err := ring.Verify(token)
	must(t, err)
	if n := len(published(t, ring)); n != 1 {
		t.Errorf("%d keys published", n)
	}
	// Run's next turn reports the outage, and recovers by itself.
	wantCode(t, keys.KeepUp(ring, ctx), signet.CodeUnavailable)
	store.err = nil
	must(t, keys.KeepUp(ring, ctx))
}

// A ring whose keys have all retired signs nothing: no old key, no other algorithm.
func TestFLT17RetiredWithoutSuccessor(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	store := &failing{Store: database(t, c)()}
	ring := newRing(t, options(store, c))
	must(t, ring.Start(context.Background()))
	ends := start.Add(time.Hour)
	store.tamper = func(rows []signet.Key) {
		for i := range rows {
			rows[i].RetireAt = &ends
		}
	}
	must(t, ring.Reload(context.Background()))
	_, _, err := ring.Sign("ES256", "at+jwt", nil)
	must(t, err)
	c.advance(time.Hour)
	_, _, err = ring.Sign("ES256", "at+jwt", nil)
	wantCode(t, err, signet.CodeUnavailable)
	_, err = ring.Seal("x", nil)
	wantCode(t, err, signet.CodeUnavailable)
}

// Sealed bytes are bound to their row: a start on altered rows fails, a running node keeps what it opened.
func TestAlteredRows(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func([]signet.Key){
		"HP untouched":    nil,
		"byte changed":    func(rows []signet.Key) { rows[0].Sealed[20] ^= 1 },
		"cut":             func(rows []signet.Key) { rows[0].Sealed = rows[0].Sealed[:8] },
		"empty":           func(rows []signet.Key) { rows[0].Sealed = nil },
		"version":         func(rows []signet.Key) { rows[0].Sealed[0] = 9 },
		"rows exchanged":  func(rows []signet.Key) { rows[0].Sealed, rows[1].Sealed = rows[1].Sealed, rows[0].Sealed },
		"row renamed":     func(rows []signet.Key) { rows[0].ID = "renamed" },
		"use changed":     func(rows []signet.Key) { swapUse(rows) },
		"alg changed":     func(rows []signet.Key) { signing(rows).Alg = "EdDSA" },
		"unknown KEK":     func(rows []signet.Key) { rows[0].KEKID = "other" },
		"KEK name":        func(rows []signet.Key) { rows[0].KEKID = "two" },
		"id with a quote": func(rows []signet.Key) { rows[0].ID += `"` },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &clock{now: start}
			store := &failing{Store: database(t, c)()}
			o := options(store, c)
			o.KEKs["two"] = kek(2)
			running := newRing(t, o)
			ctx := context.Background()
			must(t, running.Start(ctx))
			store.tamper = tamper
			err := newRing(t, o).Start(ctx)
			if (err == nil) != (tamper == nil) {
				t.Errorf("start: %v", err)
			}
			_ = running.Reload(ctx)
			if _, _, err := running.Sign("ES256", "at+jwt", nil); err != nil {
				t.Errorf("the running node lost its key: %v", err)
			}
		})
	}
}

func signing(rows []signet.Key) *signet.Key {
	for i := range rows {
		if rows[i].Use == signet.KeySigning {
			return &rows[i]
		}
	}
	return nil
}

func swapUse(rows []signet.Key) {
	for i := range rows {
		switch rows[i].Use {
		case signet.KeyFlow:
			rows[i].Use = signet.KeyCode
		case signet.KeyCode:
			rows[i].Use = signet.KeyFlow
		}
	}
}

func TestRewrap(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	open := database(t, c)
	ctx := context.Background()
	old := newRing(t, options(open(), c))
	must(t, old.Start(ctx))
	token, _ := sign(t, old, "ES256")

	both := options(open(), c)
	both.KEKs, both.CurrentKEK = map[string][]byte{"one": kek(1), "two": kek(2)}, "two"
	ring := newRing(t, both)
	must(t, ring.Start(ctx))
	n, err := ring.Rewrap(ctx)
	must(t, err)
	if n != 5 {
		t.Errorf("%d rows sealed anew, want 5", n)
	}
	n, err = ring.Rewrap(ctx)
	must(t, err)
	if n != 0 {
		t.Errorf("%d rows sealed anew a second time", n)
	}
	// The old key-encryption key may go now, a node that knows it alone cannot start, one that runs goes on.
	only := options(open(), c)
	only.KEKs, only.CurrentKEK = map[string][]byte{"two": kek(2)}, "two"
	fresh := newRing(t, only)
	must(t, fresh.Start(ctx))
	_, _, _, err = fresh.Verify(token)
	must(t, err)
	if err := newRing(t, options(open(), c)).Start(ctx); err == nil {
		t.Error("a start without the key-encryption key succeeded")
	}
	must(t, old.Reload(ctx))
	_, _, _, err = old.Verify(token)
	must(t, err)
}

// Snapshots change under readers: no reader may see a ring without a signer or a verifier. Run with -race.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	ctx, cancel := context.WithCancel(context.Background())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				jws, _, err := ring.Sign("ES256", "at+jwt", []byte("{}"))
				if err != nil {
					t.Error(err)
					return
				}
				if _, _, _, err := ring.Verify(jws); err != nil {
					t.Error(err)
					return
				}
				_ = ring.JWKS()
			}
		})
	}
	for range 5 {
		_, err := ring.Rotate(ctx, "ES256", event(signet.EventKeyRotated))
		if err != nil {
			t.Error(err)
		}
		c.advance(signLead)
		if err := ring.Reload(ctx); err != nil {
			t.Error(err)
		}
	}
	cancel()
	readers.Wait()
}

func TestNewRefusesBadOptions(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	store := database(t, c)()
	for name, spoil := range map[string]func(*keys.Options){
		"no store":         func(o *keys.Options) { o.Store = nil },
		"no clock":         func(o *keys.Options) { o.Now = nil },
		"no KEK":           func(o *keys.Options) { o.KEKs = nil },
		"short KEK":        func(o *keys.Options) { o.KEKs["one"] = o.KEKs["one"][:16] },
		"other current":    func(o *keys.Options) { o.CurrentKEK = "zwei" },
		"KEK id with bar":  func(o *keys.Options) { o.KEKs["a|b"] = kek(3) },
		"HMAC":             func(o *keys.Options) { o.SigningAlgs = []string{"HS256"} },
		"max-age 0":        func(o *keys.Options) { o.Plan.JWKSMaxAge = 0 },
		"max-age 901 s":    func(o *keys.Options) { o.Plan.JWKSMaxAge = 901 * time.Second },
		"no token life":    func(o *keys.Options) { o.Plan.LongestToken = 0 },
		"hints for ever":   func(o *keys.Options) { o.Plan.HintRetention = signet.KeyRetention + 1 },
		"negative leeway":  func(o *keys.Options) { o.Plan.Leeway = -1 },
		"negative rotates": func(o *keys.Options) { o.Plan.RotateEvery = -1 },
	} {
		o := options(store, c)
		spoil(&o)
		if _, err := keys.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := keys.New(options(store, c)); err != nil {
		t.Errorf("HP: %v", err)
	}
}
