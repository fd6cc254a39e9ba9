package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// What can be done to one token family: a code and what follows from it.
const (
	opRedeem     = "redeem"     // the code
	opRefresh    = "refresh"    // token number arg
	opRevoke     = "revoke"     // the family, or its user is disabled
	opIntrospect = "introspect" // an access token of the family
)

// What came of it.
const (
	outNothing = "nothing" // no answer, or one that says that it may be tried again: done or not, now or later
	outRefused = "refused"
	outDone    = "done" // for a refresh and the code: gave token number got
	outActive  = "active"
	outDead    = "not active"
)

// op is one act with the interval in which it took effect.
type op struct {
	kind     string
	arg, got int
	out      string
	from, to time.Duration
}

func (o op) String() string {
	return fmt.Sprintf("%s %d → %s %d (%s–%s)", o.kind, o.arg, o.out, o.got, o.from.Round(time.Millisecond), o.to.Round(time.Millisecond))
}

// state is a family as one thread would see it: the number of its unspent refresh token, 0 while the code is not redeemed.
type state struct {
	unspent int
	revoked bool
}

// step is the sequential model, within the grace: what state follows when the act has that outcome, and whether it can.
//
//	redeem      the first gives token 1; a second one takes everything back (RFC 6749 §4.1.2)
//	refresh n   spends n and gives n+1, again and again until n+1 is spent; then it is refused
//	revoke      nothing is given any more, nothing is active
func (s state) step(o op) (state, bool) {
	switch o.kind {
	case opRedeem:
		if s.unspent == 0 && !s.revoked {
			return state{unspent: 1}, o.out == outDone && o.got == 1
		}
		return state{unspent: s.unspent, revoked: true}, o.out == outRefused
	case opRefresh:
		if !s.revoked && (o.arg == s.unspent || o.arg == s.unspent-1) && s.unspent > 0 {
			return state{unspent: o.arg + 1}, o.out == outDone && o.got == o.arg+1
		}
		return s, o.out == outRefused
	case opRevoke:
		return state{unspent: s.unspent, revoked: true}, o.out == outDone
	default:
		return s, (o.out == outActive) == !s.revoked
	}
}

// quiet is 1 for what cannot change a state, whatever came of it.
func (o op) quiet() int {
	if o.kind == opIntrospect || o.kind == opRefresh && o.out == outRefused {
		return 1
	}
	return 0
}

// outcomes are what an act without an answer may have come to.
func (o op) outcomes() []op {
	if o.out != outNothing {
		return []op{o}
	}
	done, refused := o, o
	done.out, refused.out = outDone, outRefused
	done.got = o.arg + 1
	return []op{done, refused}
}

// never is later than everything.
const never = time.Duration(1<<63 - 1)

// linearizable reports whether the acts can be put in an order that the model allows and that agrees with the clock: one
// that had ended before another began stands before it. Acts without an answer may stand anywhere after their beginning,
// or nowhere. It searches depth first and never looks twice at the same rest in the same state (Wing and Gong, Lowe).
func linearizable(ops []op) bool {
	if len(ops) > 64 {
		panic("too long a history")
	}
	type rest struct {
		left  uint64
		state state
	}
	// What holds now and changes nothing goes first, so that no other order is tried before it.
	ops = slices.SortedStableFunc(slices.Values(ops), func(a, b op) int { return b.quiet() - a.quiet() })
	seen := map[rest]bool{}
	var search func(at rest) bool
	search = func(at rest) bool {
		if seen[at] {
			return false
		}
		seen[at] = true
		end, open := never, false // the next act must begin before any that is left has ended
		for i, o := range ops {
			if at.left&(1<<i) != 0 && o.out != outNothing {
				end, open = min(end, o.to), true
			}
		}
		if !open {
			return true
		}
		for i, o := range ops {
			if at.left&(1<<i) == 0 || o.from > end {
				continue
			}
			after := at.left &^ (1 << i)
			for _, outcome := range o.outcomes() {
				next, can := at.state.step(outcome)
				switch {
				case can && next != at.state:
					if search(rest{after, next}) {
						return true
					}
				case can && o.out != outNothing:
					// It changes nothing and holds now: to put it here can only make room for others.
					return search(rest{after, next})
				}
			}
		}
		return false
	}
	return search(rest{left: 1<<len(ops) - 1})
}

// tell writes a history down in the order of the answers.
func tell(ops []op) string {
	ops = slices.SortedFunc(slices.Values(ops), func(a, b op) int { return int(a.from - b.from) })
	lines := make([]string, len(ops))
	for i, o := range ops {
		lines[i] = o.String()
	}
	return strings.Join(lines, "\n")
}

// The model itself: it takes what the promises allow, and nothing else.
func TestModel(t *testing.T) {
	t.Parallel()
	redeem := op{kind: opRedeem, out: outDone, got: 1, from: 0, to: 1}
	refused := op{kind: opRedeem, out: outRefused, from: 0, to: 10}
	refresh := func(arg, got int, from, to time.Duration) op {
		return op{kind: opRefresh, arg: arg, got: got, out: outDone, from: from, to: to}
	}
	look := func(out string, from, to time.Duration) op {
		return op{kind: opIntrospect, out: out, from: from, to: to}
	}
	revoke := op{kind: opRevoke, out: outDone, from: 20, to: 30}
	for _, c := range []struct {
		name string
		ops  []op
		want bool
	}{
		{"a life", []op{redeem, refresh(1, 2, 2, 3), refresh(2, 3, 4, 5), look(outActive, 6, 7), revoke, look(outDead, 31, 32)}, true},
		{"the same again within the grace", []op{redeem, refresh(1, 2, 2, 3), refresh(1, 2, 4, 5), refresh(2, 3, 6, 7)}, true},
		{"a code twice", []op{redeem, {kind: opRedeem, out: outDone, got: 1, from: 2, to: 3}}, false},
		{"a code twice at once", []op{{kind: opRedeem, out: outDone, got: 1, from: 0, to: 9}, {kind: opRedeem, out: outDone, got: 1, from: 0, to: 9}}, false},
		{"alive after a replay", []op{redeem, {kind: opRedeem, out: outRefused, from: 2, to: 3}, look(outActive, 4, 5)}, false},
		{"dead after a replay", []op{redeem, {kind: opRedeem, out: outRefused, from: 2, to: 3}, look(outDead, 4, 5)}, true},
		{"refused and nothing had been", []op{refused}, false},
		{"a replay beside the first", []op{refused, {kind: opRedeem, out: outDone, got: 1, from: 0, to: 10}}, true},
		{"a spent token after its successor", []op{redeem, refresh(1, 2, 2, 3), refresh(2, 3, 4, 5), refresh(1, 2, 6, 7)}, false},
		{"active after the revocation was answered", []op{redeem, revoke, look(outActive, 31, 32)}, false},
		{"active beside the revocation", []op{redeem, revoke, look(outActive, 25, 32)}, true},
		{"active again", []op{redeem, revoke, look(outDead, 21, 22), look(outActive, 23, 24)}, false},
		{"a refresh after the revocation was answered", []op{redeem, revoke, refresh(1, 2, 31, 32)}, false},
		{"dead without a reason", []op{redeem, look(outDead, 2, 3)}, false},
		{"a revocation without an answer", []op{redeem, {kind: opRevoke, out: outNothing, from: 2, to: 3}, look(outActive, 4, 5), look(outDead, 6, 7)}, true},
		{"a refresh without an answer", []op{redeem, {kind: opRefresh, arg: 1, out: outNothing, from: 2, to: 3}, refresh(1, 2, 4, 5), refresh(2, 3, 6, 7)}, true},
		{"an unanswered refresh that nothing stands for", []op{redeem, {kind: opRefresh, arg: 1, out: outNothing, from: 2, to: 3}, refresh(2, 3, 6, 7)}, true},
		{"a token that nobody gave", []op{redeem, refresh(2, 3, 6, 7)}, false},
	} {
		if got := linearizable(c.ops); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
