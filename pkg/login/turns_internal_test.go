package login

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// row makes turns with one place, taken, and lets names enter: "k:" before a name is a known browser's line. It returns
// the waiters by position, nil where one was refused.
func row(t *testing.T, room int, names string) (*turns, []*waiter) {
	t.Helper()
	q := newTurns(1, room)
	if w, err := q.enter(Turn{}); w != nil || err != nil {
		t.Fatalf("the free place: %v, %v", w, err)
	}
	var out []*waiter
	for _, name := range strings.Fields(names) {
		line, known := strings.CutPrefix(name, "k:")
		w, err := q.enter(Turn{Known: known, Line: line})
		if (w == nil) != (signet.CodeOf(err) == signet.CodeUnavailable) {
			t.Fatalf("%s: %v, %v", name, w, err)
		}
		out = append(out, w)
	}
	return q, out
}

// ENU-04: who is served in which order, and who is sent away when there is no room.
func TestTurns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		room   int
		enter  string
		served string // in this order
		cut    string // sent away, in this order
	}{
		{"one line is served as it stands", 9, "a a a", "0 1 2", ""},
		{"lines by turns", 9, "a a a a b b c", "0 4 6 1 5 2 3", ""},
		{"known and strangers by turns", 9, "a a a k:x k:x k:x", "3 0 4 1 5 2", ""},
		{"known lines by turns too", 9, "a k:x k:x k:y a", "1 0 3 4 2", ""},
		{"the longest line gives way", 4, "a a a a b", "0 4 1 2", "3"},
		{"until they are alike", 4, "a a a a b b b", "0 4 1 5", "3 2 6"},
		{"one's own long line does not", 3, "a a a a", "0 1 2", "3"},
		{"nobody is cut for one who stands no better", 3, "a b c d", "0 1 2", "3"},
		{"strangers give way to a known browser", 3, "a b c k:x", "3 0 1", "2"},
		{"a known browser does not give way to strangers", 2, "k:x k:x a", "0 1", "2"},
		{"a crowd of known browsers gives way to another", 3, "k:x k:x k:x k:y", "0 3 1", "2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			q, all := row(t, c.room, c.enter)
			var served, cut []string
			number := func(i int) string { return string(rune('0' + i)) }
			for i, w := range all {
				if w == nil {
					cut = append(cut, number(i))
					continue
				}
				select {
				case <-w.ready:
					cut = append(cut, number(i))
					all[i] = nil
				default:
				}
			}
			for q.inLine() > 0 {
				q.give()
				for i, w := range all {
					if w == nil {
						continue
					}
					select {
					case mine := <-w.ready:
						if !mine {
							t.Errorf("%d is cut while places are given", i)
						}
						served, all[i] = append(served, number(i)), nil
					default:
					}
				}
			}
			if strings.Join(served, " ") != c.served || len(cut) != len(strings.Fields(c.cut)) {
				t.Errorf("served %v, want %s; cut %v, want %s", served, c.served, cut, c.cut)
			}
			q.give()
			if q.free != 1 || len(q.lanes[0].lines)+len(q.lanes[1].lines)+len(q.lanes[0].order)+len(q.lanes[1].order) != 0 {
				t.Errorf("afterwards %+v", q)
			}
		})
	}
}

// Whoever goes away leaves the line, and a place that comes too late is passed on.
func TestTurnsAreLeft(t *testing.T) {
	t.Parallel()
	q, all := row(t, 9, "a b")
	gone, stop := context.WithCancel(t.Context())
	stop()
	if err := q.take(gone, Turn{Line: "a"}); signet.CodeOf(err) != signet.CodeUnavailable || !errors.Is(err, context.Canceled) || q.inLine() != 2 {
		t.Errorf("error %v, %d wait", err, q.inLine())
	}
	q.give() // it is a's, who has just stopped waiting
	q.leave(all[0])
	if mine := <-all[1].ready; !mine || q.inLine() != 0 || q.free != 0 {
		t.Errorf("b: %v, %d wait, %d free", mine, q.inLine(), q.free)
	}
	q.give()
	if q.free != 1 {
		t.Errorf("%d free", q.free)
	}
}

// No place is lost and none is held twice, whatever comes and goes.
func TestTurnsUnderLoad(t *testing.T) {
	t.Parallel()
	const places = 3
	q := newTurns(places, 8)
	var held, most, took atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for n := range 50 {
				ctx, stop := context.WithCancel(t.Context())
				if (i+n)%5 == 0 {
					go stop()
				}
				if q.take(ctx, Turn{Known: i%4 == 0, Line: string(rune('a' + i%7))}) == nil {
					now := held.Add(1)
					for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
					}
					took.Add(1)
					held.Add(-1)
					q.give()
				}
				stop()
			}
		})
	}
	wg.Wait()
	if most.Load() > places || took.Load() == 0 || q.free != places || q.inLine() != 0 {
		t.Errorf("%d at once, %d in all; then %d free, %d wait", most.Load(), took.Load(), q.free, q.inLine())
	}
}

// Crowd holds every worker of a pool and fills its queue, for tests from outside.
type Crowd struct {
	pool    *Passwords
	workers int
	waiters []*waiter
}

// NewCrowd takes the workers, and stands in the lines until there is no room.
func NewCrowd(pool *Passwords, workers, room int, line func(i int) string) *Crowd {
	c := &Crowd{pool: pool, workers: workers}
	for i := range workers + room {
		if w, err := pool.workers.enter(Turn{Line: line(i)}); w != nil && err == nil {
			c.waiters = append(c.waiters, w)
		}
	}
	return c
}

// Cut tells when the i-th of the queue is sent away.
func (c *Crowd) Cut(i int) <-chan bool { return c.waiters[i].ready }

// Leave ends the crowd, those who were cut too.
func (c *Crowd) Leave() {
	for _, w := range c.waiters {
		if c.pool.workers.stands(w) {
			c.pool.workers.leave(w)
		}
	}
	for range c.workers {
		c.pool.workers.give()
	}
}

// stands reports whether a waiter stands in its line.
func (t *turns) stands(w *waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Contains(t.lane(w.turn).lines[w.turn.Line], w)
}
