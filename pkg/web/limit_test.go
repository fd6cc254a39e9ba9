package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"
)

func TestRateLimit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := newFixture(t, func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Limits.Rates = map[Class]Rate{ClassToken: {PerSecond: 0.5, Burst: 2}}
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	})
	from := func(path, address string) *http.Response {
		return f.do(t, "POST", path, "", "X-Forwarded-For", address, "Origin", "https://rp.test")
	}
	for i := range 2 {
		if got := from("/token", "198.51.100.1").StatusCode; got != 200 {
			t.Fatalf("request %d answers %d", i, got)
		}
	}
	response := from("/token", "198.51.100.1")
	if response.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("the third answers %d", response.StatusCode)
	}
	if after, err := strconv.Atoi(response.Header.Get("Retry-After")); err != nil || after != 2 {
		t.Errorf("Retry-After %q, want 2", response.Header.Get("Retry-After"))
	}
	if got := response.Header.Get(allowOrigin); got != "https://rp.test" {
		t.Errorf("a browser client cannot read the refusal: %q", got)
	}
	if got := from("/token", "198.51.100.2").StatusCode; got != 200 {
		t.Errorf("another network answers %d", got)
	}
	if got := from("/login", "198.51.100.1").StatusCode; got != 200 {
		t.Errorf("another class answers %d", got)
	}
	// One IPv6 host has a /64 to choose from.
	from("/token", "2001:db8::1")
	from("/token", "2001:db8::2")
	if got := from("/token", "2001:db8::3").StatusCode; got != http.StatusTooManyRequests {
		t.Errorf("a third address of one /64 answers %d", got)
	}
	now = now.Add(2 * time.Second)
	if got := from("/token", "198.51.100.1").StatusCode; got != 200 {
		t.Errorf("after Retry-After it answers %d", got)
	}
}

func TestRateLimitBounds(t *testing.T) {
	t.Parallel()
	l, err := newLimiter(Limits{Networks: 100, Rates: map[Class]Rate{ClassPage: {PerSecond: 1, Burst: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	busy := netip.MustParseAddr("192.0.2.1")
	l.take(ClassPage, busy, now)
	for i := range 10_000 {
		l.take(ClassPage, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
		if i%50 == 0 && l.take(ClassPage, busy, now) == 0 {
			t.Fatalf("after %d other networks an active one is forgotten", i)
		}
	}
	s := &l.shards[ClassPage]
	if len(s.young)+len(s.old) > 200 {
		t.Errorf("%d networks are remembered", len(s.young)+len(s.old))
	}
	if _, err := newLimiter(Limits{Rates: map[Class]Rate{ClassPage: {PerSecond: 1}}}); err == nil {
		t.Error("a rate without burst is accepted")
	}
	off, err := newLimiter(Limits{Off: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 {
		if off.take(ClassToken, busy, now) != 0 {
			t.Fatal("limits that are off refuse")
		}
	}
}

// sharedCounter is a store that several nodes use; it counts its calls.
type sharedCounter struct {
	mu     sync.Mutex
	counts map[string]int
	reads  int
	fail   error
}

func (c *sharedCounter) Reserve(ctx context.Context, key string, window time.Duration) (int, time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := errors.Join(c.fail, ctx.Err()); err != nil {
		return 0, 0, err
	}
	c.counts[key]++
	return c.counts[key], window, nil
}

func (c *sharedCounter) Release(context.Context, string) error { return nil }

func (c *sharedCounter) Count(_ context.Context, key string) (int, time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	return c.counts[key], 90 * time.Second, c.fail
}

func TestFailures(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	shared := &sharedCounter{counts: map[string]int{}}
	node := func() *Failures {
		f, err := NewFailures(FailuresOptions{Shared: shared, Limit: 5, Window: 15 * time.Minute, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	one, two := node(), node()
	ctx := context.Background()
	if _, refused := one.Refused(ctx, "a"); refused || shared.reads != 0 {
		t.Fatalf("without a failure: refused %v, %d store calls", refused, shared.reads)
	}
	for range 4 {
		one.Failed(ctx, "a")
	}
	if _, refused := one.Refused(ctx, "a"); refused {
		t.Fatal("refused after four of five")
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	two.Failed(cancelled, "a") // the fifth, on another node, for a caller who has hung up
	if wait, refused := one.Refused(ctx, "a"); !refused || wait != 90 {
		t.Errorf("after five on two nodes: refused %v, wait %d", refused, wait)
	}
	if _, refused := one.Refused(ctx, "b"); refused {
		t.Error("another key is refused")
	}
	shared.fail = errors.New("away")
	for range 4 {
		two.Failed(ctx, "a")
	}
	if wait, refused := two.Refused(ctx, "a"); !refused || wait != 15*60 {
		t.Errorf("with the store away the node's own five: refused %v, wait %d", refused, wait)
	}
	now = now.Add(15 * time.Minute)
	if _, refused := two.Refused(ctx, "a"); refused {
		t.Error("refused after the window")
	}
}

func TestFailuresBound(t *testing.T) {
	t.Parallel()
	f, err := NewFailures(FailuresOptions{Limit: 2, Window: time.Hour, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxFailures {
		f.Failed(context.Background(), fmt.Sprint("key", i))
	}
	if got := len(f.young) + len(f.old); got > 2*maxFailures {
		t.Errorf("%d keys are remembered", got)
	}
	if _, err := NewFailures(FailuresOptions{}); err == nil {
		t.Error("Failures without a limit is accepted")
	}
}
