package revocation_test

import (
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// FLT-04: Redis comes back with what it had saved earlier, epoch included: what was taken back since is not in it.
func TestRedisComesBackWithAnOldState(t *testing.T) {
	t.Parallel()
	redis := startServer(t)
	w := newWorld(t, redis)
	a, b := w.node(true), w.node(true)
	early := a.take(t, "early")
	redis.do("SAVE")
	late := a.take(t, "late")
	a.revoked(t, late, true)
	b.revoked(t, late, true)
	redis.kill()
	for range 10 {
		a.revoked(t, late, true)
		b.revoked(t, late, true)
	}
	redis.start()
	deadline := time.Now().Add(1500 * time.Millisecond)
	for time.Now().Before(deadline) {
		for _, n := range []*node{a, b} {
			n.revoked(t, early, true)
			n.revoked(t, late, true)
		}
	}
	a.waitKnown(t)
	a.revoked(t, late, true)
	b.revoked(t, late, true)
	b.revoked(t, signet.TokenFacts{TokenID: "alive"}, false)
}

// A failover leaves one node with the old master, cut off from the others, who have the new one. Both answer, and both
// have an epoch of their own run.
func TestTwoMasters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, startServer(t))
	left := w.node(true)
	other := *w
	other.redis = startServer(t)
	moved := other.node(true)

	facts := moved.take(t, "a")
	moved.revoked(t, facts, true)
	start := time.Now()
	until(t, "the node with the old master refuses", func() bool {
		revoked, err := left.Revoked(t.Context(), facts)
		return err == nil && revoked
	})
	if took := time.Since(start); took > time.Second {
		t.Errorf("it refused after %v, want at most 1s", took)
	}
	// And one that is started there, when the outbox has long been empty.
	late := w.node(true)
	late.revoked(t, facts, true)
	until(t, "it believes its Redis", func() bool {
		found, known, err := late.wire.Look(t.Context(), []string{"token:a"})
		return err == nil && known && len(found) == 1
	})
	// The other way round.
	facts = left.take(t, "b")
	until(t, "the node with the new master refuses", func() bool {
		revoked, err := moved.Revoked(t.Context(), facts)
		return err == nil && revoked
	})
}
