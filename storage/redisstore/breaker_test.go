package redisstore

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestBreaker(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) int64 { return int64(d) }
	var b breaker
	for i := range breakerLimit {
		if !b.allow(0) {
			t.Fatalf("refused call %d while closed", i)
		}
		if opened := b.failed(0); opened != (i == breakerLimit-1) {
			t.Fatalf("failure %d: opened %v", i, opened)
		}
	}
	if b.allow(at(499 * time.Millisecond)) {
		t.Fatal("allowed a call during the pause")
	}
	allowed := 0
	for range 64 {
		if b.allow(at(500 * time.Millisecond)) {
			allowed++
		}
	}
	if allowed != 1 {
		t.Fatalf("%d probes after one pause, want 1", allowed)
	}
	b.failed(at(750 * time.Millisecond))
	if b.allow(at(1200 * time.Millisecond)) {
		t.Fatal("the pause after a failed probe is too short")
	}
	if !b.allow(at(1250 * time.Millisecond)) {
		t.Fatal("no probe after the second pause")
	}
	b.succeeded()
	for range breakerLimit - 1 {
		b.failed(at(2 * time.Second))
	}
	if !b.allow(at(2 * time.Second)) {
		t.Fatal("failures before a success were counted")
	}
}

// timed returns how long a call took.
func timed(call func()) time.Duration {
	start := time.Now()
	call()
	return time.Since(start)
}

// FLT-02: a Redis that hangs. Nobody waits longer than the deadline, soon nobody waits at all, nothing is accepted.
func TestHangingRedis(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := openAt(t, srv.addr, time.Now)
	use := func(key string) error { return s.Marks().Use(t.Context(), freshMark(time.Now(), key, time.Minute)) }
	wantCode(t, use("before"), "", "")
	srv.signal(syscall.SIGSTOP)

	// 64 at once: one has an open connection, the others must dial a listener that accepts and says nothing.
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			took := timed(func() {
				if err := use("burst"); signet.CodeOf(err) != signet.CodeUnavailable {
					t.Errorf("a hanging Redis: got %v, want CodeUnavailable", err)
				}
			})
			if took > 300*time.Millisecond {
				t.Errorf("a call took %v, want at most 300ms", took)
			}
		})
	}
	all.Wait()
	slow := 0
	for range 200 {
		var err error
		if took := timed(func() { err = use("open") }); took > 50*time.Millisecond {
			slow++
		}
		wantCode(t, err, signet.CodeUnavailable, "")
	}
	// 200 refusals take some milliseconds: at most one probe falls into them.
	if slow > 1 {
		t.Errorf("%d of 200 calls waited, the breaker is not open", slow)
	}

	srv.signal(syscall.SIGCONT)
	waitUntil(t, "the breaker closes again", func() bool { return s.Ready(t.Context()) == nil })
	wantCode(t, use("before"), signet.CodeUsed, "")
	wantCode(t, use("after"), "", "")
}

// Callers that hang up say nothing of Redis: five of them must not cut everybody off.
func TestImpatientCallersDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := openAt(t, srv.addr, time.Now)
	srv.signal(syscall.SIGSTOP)
	for range 3 * breakerLimit {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		// Which of the two reasons depends on whether the time was over before the call began.
		err := s.Ready(ctx)
		if reason := signet.ReasonOf(err); reason != "redis_not_awaited" && reason != "redis_not_asked" {
			t.Fatalf("an impatient caller: got %v", err)
		}
		cancel()
	}
	srv.signal(syscall.SIGCONT)
	if err := s.Ready(t.Context()); err != nil {
		t.Fatalf("the breaker opened: %v", err)
	}
}

// FLT-01: kill -9; refusals are quick, and the store comes back by itself.
func TestDeadRedis(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := openAt(t, srv.addr, time.Now)
	srv.kill()
	for range 2 * breakerLimit {
		took := timed(func() { wantCode(t, s.Ready(t.Context()), signet.CodeUnavailable, "") })
		if took > 300*time.Millisecond {
			t.Errorf("a call took %v, want at most 300ms", took)
		}
	}
	_, _, err := s.Revocations().Look(t.Context(), nil)
	wantCode(t, err, signet.CodeUnavailable, "redis_breaker_open")
	srv.start()
	waitUntil(t, "the store is back", func() bool { return s.Ready(t.Context()) == nil })
}

// The budget of the hot paths: one write of ours, one read of Redis.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := openAt(t, srv.addr, time.Now)
	load := func(context.Context) ([]signet.Revocation, error) { return nil, nil }
	if err := s.Revocations().Rebuild(t.Context(), load); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Attempts().Reserve(t.Context(), "k", time.Minute); err != nil {
		t.Fatal(err)
	}
	keys := []string{"token:a", "grant:b", "session:c", "client:d", "user:e", "key:f"}
	for _, c := range []struct {
		name string
		call func(i int) error
	}{
		{"mark", func(i int) error {
			return s.Marks().Use(t.Context(), freshMark(time.Now(), itoa(i), time.Minute))
		}},
		{"look", func(int) error {
			_, _, err := s.Revocations().Look(t.Context(), keys)
			return err
		}},
		{"put", func(int) error {
			entry := signet.Revocation{Kind: signet.RevokedToken, Subject: "a", ExpiresAt: time.Now().Add(time.Hour)}
			return s.Revocations().Put(t.Context(), []signet.Revocation{entry})
		}},
		{"attempt", func(int) error {
			_, _, err := s.Attempts().Reserve(t.Context(), "k", time.Minute)
			return err
		}},
		{"count", func(int) error {
			_, _, err := s.Attempts().Count(t.Context(), "k")
			return err
		}},
	} {
		if err := c.call(-1); err != nil { // scripts are known from here on
			t.Fatalf("%s: %v", c.name, err)
		}
		before := srv.info("total_reads_processed")
		for i := range 100 {
			if err := c.call(i); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		after := srv.info("total_reads_processed")
		if trips := atoi(t, after) - atoi(t, before) - 1; trips != 100 {
			t.Errorf("%s: %d round trips for 100 calls", c.name, trips)
		}
	}
}
