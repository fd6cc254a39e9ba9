package web

import (
	"strconv"
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b := newBuckets(time.Minute, 1)
	both := []Limit{{Key: "name", Limit: 3}, {Key: "network", Limit: 2}}
	for i := range 2 {
		if wait := b.take(both, now); wait != 0 {
			t.Fatalf("attempt %d waits %s", i, wait)
		}
	}
	// What the network refuses does not use up what the name has left.
	if wait := b.take(both, now.Add(20*time.Second)); wait != 40*time.Second {
		t.Errorf("the third waits %s, want until the window ends", wait)
	}
	if wait := b.take(both[:1], now); wait != 0 {
		t.Error("a refused attempt was counted for the name")
	}
	b.give([]string{"network", "network", "network"})
	if wait := b.take(both[1:], now); wait != 0 {
		t.Error("what was given back is still counted")
	}
	if wait := b.take(both, now.Add(time.Minute)); wait != 0 {
		t.Error("a window does not end")
	}
	for i := range 3 * maxBuckets {
		b.take([]Limit{{Key: strconv.Itoa(i), Limit: 5}}, now)
	}
	if n := len(b.young) + len(b.old); n > 2*maxBuckets {
		t.Errorf("%d buckets are remembered", n)
	}
}
