package revocation_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// FLT-01, FLT-02: whatever happens to Redis, a token that was taken back is never active, and one that was not is.
func TestRedisFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		harm, heal func(s *server)
	}{
		{"FLUSHALL", func(s *server) { s.do("FLUSHALL") }, func(*server) {}},
		{"killed, restarted empty", func(s *server) { s.kill() }, (*server).start},
		{"hangs", func(s *server) { _ = s.cmd.Process.Signal(syscall.SIGSTOP) },
			func(s *server) { _ = s.cmd.Process.Signal(syscall.SIGCONT) }},
		{"out of memory", func(s *server) { s.do("CONFIG SET maxmemory 1mb") }, func(s *server) { s.do("CONFIG SET maxmemory 0") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			redis := startServer(t)
			w := newWorld(t, redis)
			a, b := w.node(true), w.node(true)
			early := a.take(t, "early")
			alive := signet.TokenFacts{TokenID: "alive"}
			a.revoked(t, early, true)
			b.revoked(t, early, true)
			b.revoked(t, alive, false)

			c.harm(redis)
			for range 20 {
				a.revoked(t, early, true)
				b.revoked(t, early, true)
			}
			late := a.take(t, "late")
			// The other node may have been told nothing yet: it has a second.
			deadline := time.Now().Add(time.Second)
			until(t, "the other node refuses", func() bool {
				revoked, err := b.Revoked(t.Context(), late)
				return err == nil && revoked
			})
			if over := time.Since(deadline); over > 250*time.Millisecond { // the call that saw it may have waited for Redis
				t.Errorf("the other node refused %v too late", over)
			}
			b.revoked(t, alive, false)

			c.heal(redis)
			a.waitKnown(t)
			for _, n := range []*node{a, b} {
				n.revoked(t, early, true)
				n.revoked(t, late, true)
				n.revoked(t, alive, false)
			}
			until(t, "Redis itself knows both", func() bool {
				found, known, err := a.wire.Look(t.Context(), []string{"token:early", "token:late", "token:alive"})
				return err == nil && known && len(found) == 2
			})
		})
	}
}

// The node that revokes is cut off from Redis: any other drains what it could not push.
func TestRevokingNodeCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, startServer(t))
	cut, other := w.node(true), w.node(true)
	cut.wire.cut.Store(true)
	facts := cut.take(t, "a")
	cut.revoked(t, facts, true)
	start := time.Now()
	until(t, "the other node refuses", func() bool {
		revoked, err := other.Revoked(t.Context(), facts)
		return err == nil && revoked
	})
	if took := time.Since(start); took > time.Second {
		t.Errorf("the other node refused after %v, want at most 1s", took)
	}
	left, err := other.journal.Unpushed(t.Context(), math.MaxInt64, 10)
	until(t, "the outbox is empty", func() bool {
		left, err = other.journal.Unpushed(t.Context(), math.MaxInt64, 10)
		return err == nil && len(left) == 0
	})
}

// Nobody drains: then nobody believes Redis.
func TestWithoutDrainRedisIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, startServer(t))
	running, idle := w.node(true), w.node(false)
	running.wire.cut.Store(true)
	facts := running.take(t, "a")
	idle.revoked(t, facts, true)
}

// Rebuilds race with acts: Redis is emptied again and again while tokens are taken back. A token is refused at once by
// the node that took it back, and in the end Redis knows every one.
func TestRebuildRacesWithRevocations(t *testing.T) {
	t.Parallel()
	redis := startServer(t)
	w := newWorld(t, redis)
	nodes := []*node{w.node(true), w.node(true)}

	const writers, each = 4, 20
	var taken [writers][each]atomic.Pointer[signet.TokenFacts]
	var all sync.WaitGroup
	done := make(chan struct{})
	for i := range writers {
		all.Go(func() {
			n := nodes[i%len(nodes)]
			for j := range each {
				// Two pools write to one SQLite file, which starves one of them at times. What was not written was not
				// acknowledged: it is tried again.
				facts, err := n.tryTake(t.Context(), fmt.Sprintf("%d-%d", i, j))
				for errors.Is(err, signet.ErrUnavailable) && t.Context().Err() == nil {
					facts, err = n.tryTake(t.Context(), fmt.Sprintf("%d-%d", i, j))
				}
				if err != nil {
					t.Errorf("RevokeToken: %v", err)
					return
				}
				taken[i][j].Store(&facts)
				if revoked, err := n.Revoked(t.Context(), facts); err != nil || !revoked {
					t.Errorf("%s right after it was taken back: %v, %v", facts.TokenID, revoked, err)
				}
				old := taken[i][rand.IntN(j+1)].Load()
				if revoked, err := n.Revoked(t.Context(), *old); err != nil || !revoked {
					t.Errorf("%s later: %v, %v", old.TokenID, revoked, err)
				}
			}
		})
	}
	go func() {
		all.Wait()
		close(done)
	}()
	flush := time.NewTicker(20 * time.Millisecond)
	defer flush.Stop()
	flushes := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-flush.C:
			redis.do("FLUSHALL")
			flushes++
		}
	}
	t.Logf("%d flushes", flushes)
	if flushes < 3 {
		t.Error("the load proved nothing")
	}
	nodes[0].waitKnown(t)
	var keys []string
	for i := range writers {
		for j := range each {
			keys = append(keys, fmt.Sprintf("token:%d-%d", i, j))
		}
	}
	until(t, "Redis knows every entry", func() bool {
		found, known, err := nodes[0].wire.Look(t.Context(), keys)
		return err == nil && known && len(found) == len(keys)
	})
}
