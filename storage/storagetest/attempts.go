package storagetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Attempts is the home of shared counters under test (web.Counter; login.Attempts is a part of it).
type Attempts interface {
	Reserve(ctx context.Context, key string, window time.Duration) (count int, wait time.Duration, err error)
	Release(ctx context.Context, key string) error
	Count(ctx context.Context, key string) (count int, wait time.Duration, err error)
}

// RunAttempts proves a home of counters. open returns a home that reads the time from now.
func RunAttempts(t *testing.T, open func(t *testing.T, now func() time.Time) Attempts) {
	t.Helper()
	for _, start := range []time.Time{
		time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC),
		time.Now().Truncate(time.Millisecond),
		time.Date(2093, 3, 4, 5, 6, 7, 0, time.UTC),
	} {
		t.Run(start.Format("2006"), func(t *testing.T) {
			for _, c := range attemptsCases {
				t.Run(c.name, func(t *testing.T) {
					clock := NewClock(start)
					c.run(t, &attemptsTest{Attempts: open(t, clock.Now), clock: clock, key: signet.NewID()})
				})
			}
		})
	}
}

// attemptsTest is one case's home, time and key.
type attemptsTest struct {
	Attempts
	clock *Clock
	key   string
}

func (a *attemptsTest) reserve(t *testing.T, key string, wantCount int, wantWait time.Duration) {
	t.Helper()
	count, wait, err := a.Reserve(t.Context(), key, time.Minute)
	if err != nil || count != wantCount || wait != wantWait {
		t.Fatalf("Reserve: got %d, %v, %v; want %d, %v", count, wait, err, wantCount, wantWait)
	}
}

func (a *attemptsTest) count(t *testing.T, key string, wantCount int, wantWait time.Duration) {
	t.Helper()
	count, wait, err := a.Count(t.Context(), key)
	if err != nil || count != wantCount || wait != wantWait {
		t.Fatalf("Count: got %d, %v, %v; want %d, %v", count, wait, err, wantCount, wantWait)
	}
}

func (a *attemptsTest) release(t *testing.T, key string) {
	t.Helper()
	if err := a.Release(t.Context(), key); err != nil {
		t.Fatalf("Release: %v", err)
	}
}

var attemptsCases = []struct {
	name string
	run  func(t *testing.T, a *attemptsTest)
}{
	{"counts within the window, which does not move", func(t *testing.T, a *attemptsTest) {
		a.count(t, a.key, 0, 0)
		a.reserve(t, a.key, 1, time.Minute)
		a.clock.Advance(59 * time.Second)
		// An attacker who goes on must not keep the window open for ever, nor a patient one reset it.
		a.reserve(t, a.key, 2, time.Second)
		a.count(t, a.key, 2, time.Second)
		a.clock.Advance(999 * time.Millisecond)
		a.reserve(t, a.key, 3, time.Millisecond)
		a.clock.Advance(time.Millisecond)
		a.count(t, a.key, 0, 0)
		a.reserve(t, a.key, 1, time.Minute)
	}},
	{"keys are apart", func(t *testing.T, a *attemptsTest) {
		a.reserve(t, a.key+"a", 1, time.Minute)
		a.reserve(t, a.key+"b", 1, time.Minute)
		a.reserve(t, a.key+"a\x00\xff{}", 1, time.Minute)
		a.reserve(t, a.key+"a", 2, time.Minute)
	}},
	{"release takes one back", func(t *testing.T, a *attemptsTest) {
		a.reserve(t, a.key, 1, time.Minute)
		a.reserve(t, a.key, 2, time.Minute)
		a.clock.Advance(time.Second)
		a.release(t, a.key)
		a.count(t, a.key, 1, 59*time.Second)
		a.reserve(t, a.key, 2, 59*time.Second)
	}},
	{"release never goes below nothing", func(t *testing.T, a *attemptsTest) {
		a.release(t, a.key)
		a.reserve(t, a.key, 1, time.Minute)
		a.release(t, a.key)
		a.release(t, a.key)
		a.release(t, a.key)
		a.reserve(t, a.key, 1, time.Minute)
	}},
	{"release of a window that is over touches no new one", func(t *testing.T, a *attemptsTest) {
		a.reserve(t, a.key, 1, time.Minute)
		a.clock.Advance(time.Minute)
		a.release(t, a.key)
		a.reserve(t, a.key, 1, time.Minute)
		a.count(t, a.key, 1, time.Minute)
	}},
	{"64 at once get 64 numbers", func(t *testing.T, a *attemptsTest) {
		numbers := together(64, func() int {
			n, _, err := a.Reserve(t.Context(), a.key, time.Minute)
			if err != nil {
				t.Errorf("Reserve: %v", err)
			}
			return n
		})
		slices.Sort(numbers)
		for i, n := range numbers {
			if n != i+1 {
				t.Fatalf("number %d of 64 is %d; all: %v", i+1, n, numbers)
			}
		}
	}},
	{"64 releases at once of 64", func(t *testing.T, a *attemptsTest) {
		for i := range 65 {
			a.reserve(t, a.key, i+1, time.Minute)
		}
		for _, err := range together(64, func() error { return a.Release(t.Context(), a.key) }) {
			if err != nil {
				t.Fatalf("Release: %v", err)
			}
		}
		a.count(t, a.key, 1, time.Minute)
	}},
}
