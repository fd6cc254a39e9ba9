package login

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Turn is where a password waits for a worker. The zero Turn is the line of everybody who has no better one.
type Turn struct {
	// Known is true at a browser where this user has logged in before. Such passwords and those of strangers are looked at
	// by turns, so that neither crowd keeps the other from its logins.
	Known bool
	// Line is who stands one behind the other, a network or a browser. Lines are served by turns.
	Line string
}

// turns gives a few places to many who want one: credential stuffing must not keep everybody else from logging in (ENU-04).
//
//	known:     browser ▸ ▸      ┐ one from here,
//	                            ├ one from there ──▶ a place
//	strangers: network ▸ ▸ ▸ ▸  │ of each the lines
//	           network ▸        ┘ by turns
//
// When all may wait who may, the longest line gives its last place to whoever stands in a shorter one. It is safe for
// concurrent use.
type turns struct {
	mu      sync.Mutex
	free    int // places; above 0 only while nobody waits
	room    int // how many may wait
	waiting int
	lanes   [2]lane // strangers, known
	last    int     // the lane that was served last
}

// lane is the lines of one kind, in the order of their turns. No line is empty.
type lane struct {
	lines map[string][]*waiter
	order []string
}

// waiter stands in a line. ready tells once: true, a place is theirs; false, the line was cut.
type waiter struct {
	turn  Turn
	ready chan bool
}

func newTurns(places, room int) *turns {
	return &turns{free: places, room: room, lanes: [2]lane{{lines: map[string][]*waiter{}}, {lines: map[string][]*waiter{}}}}
}

// errQueueFull refuses who finds no room in a line, or is cut from one.
var errQueueFull = errors.New("password pool: queue is full")

// take waits for a place: until it is refused one, for poolWait, or until the caller has gone. Error: CodeUnavailable.
func (t *turns) take(ctx context.Context, turn Turn) error {
	w, err := t.enter(turn)
	if w == nil {
		return err
	}
	timer := time.NewTimer(poolWait)
	defer timer.Stop()
	select {
	case mine := <-w.ready:
		if !mine {
			return signet.Unavailable(errQueueFull)
		}
		return nil
	case <-timer.C:
		err = errors.New("password pool: no worker in time")
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.leave(w)
	return signet.Unavailable(err)
}

// enter takes a free place, or a place in a line: then the waiter is not nil. Error: CodeUnavailable.
func (t *turns) enter(turn Turn) (*waiter, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free > 0 {
		t.free--
		return nil, nil
	}
	if t.waiting >= t.room && !t.cut(turn) {
		return nil, signet.Unavailable(errQueueFull)
	}
	w := &waiter{turn: turn, ready: make(chan bool, 1)}
	l := t.lane(turn)
	if len(l.lines[turn.Line]) == 0 {
		l.order = append(l.order, turn.Line)
	}
	l.lines[turn.Line] = append(l.lines[turn.Line], w)
	t.waiting++
	return w, nil
}

// leave takes a waiter out who does not wait any more, or passes on the place that came too late.
func (t *turns) leave(w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.remove(w) {
		return
	}
	if mine := <-w.ready; mine {
		t.pass()
	}
}

// give frees a place.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass()
}

// pass hands a place to whose turn it is. The caller holds mu.
func (t *turns) pass() {
	next := 1 - t.last
	if len(t.lanes[next].order) == 0 {
		next = t.last
	}
	l := &t.lanes[next]
	if len(l.order) == 0 {
		t.free++
		return
	}
	line := l.order[0]
	w := l.lines[line][0]
	t.remove(w)
	if len(l.lines[line]) > 0 {
		l.order = append(l.order[1:], line)
	}
	t.last = next
	w.ready <- true
}

// cut makes room for one more in the line of turn, at the cost of the last in the longest line, and reports whether it
// did. The caller holds mu.
func (t *turns) cut(turn Turn) bool {
	l := t.lane(turn)
	least := len(l.lines[turn.Line]) + 2 // so that nobody is cut who stands no better
	if turn.Known && len(t.lanes[0].order) > 0 {
		l, least = &t.lanes[0], 1
	}
	var longest []*waiter
	for _, name := range l.order {
		if line := l.lines[name]; len(line) >= len(longest) {
			longest = line // of those alike the one whose turn comes last
		}
	}
	if len(longest) < least {
		return false
	}
	w := longest[len(longest)-1]
	t.remove(w)
	w.ready <- false
	return true
}

// remove takes a waiter out of its line, and reports whether it stood there. The caller holds mu.
func (t *turns) remove(w *waiter) bool {
	l := t.lane(w.turn)
	line := l.lines[w.turn.Line]
	at := slices.Index(line, w)
	if at < 0 {
		return false
	}
	t.waiting--
	if len(line) > 1 {
		l.lines[w.turn.Line] = slices.Delete(line, at, at+1)
		return true
	}
	delete(l.lines, w.turn.Line)
	l.order = slices.DeleteFunc(l.order, func(name string) bool { return name == w.turn.Line })
	return true
}

func (t *turns) lane(turn Turn) *lane {
	if turn.Known {
		return &t.lanes[1]
	}
	return &t.lanes[0]
}

// inLine is how many wait.
func (t *turns) inLine() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waiting
}
