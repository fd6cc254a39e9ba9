package redisstore

import (
	"sync/atomic"
	"time"
)

const (
	breakerLimit = 5
	breakerPause = 500 * time.Millisecond
)

// breaker stops calls to a Redis that does not answer, so that callers fail at once and no queue builds up.
//
//	closed ──5 failures in a row──▶ open ──every 500 ms one probe──▶ closed (it succeeded) or open (it failed)
//
// Times are nanoseconds since the store was opened. The zero breaker is closed.
type breaker struct {
	failures  atomic.Int64
	nextProbe atomic.Int64
}

// allow reports whether a call may be made now. While open it says yes to one caller per pause.
func (b *breaker) allow(now int64) bool {
	if b.failures.Load() < breakerLimit {
		return true
	}
	next := b.nextProbe.Load()
	return now >= next && b.nextProbe.CompareAndSwap(next, now+int64(breakerPause))
}

// succeeded closes the breaker: the server answered.
func (b *breaker) succeeded() {
	// The usual case writes nothing: a shared counter written by every call would bounce between processors.
	if b.failures.Load() != 0 {
		b.failures.Store(0)
	}
}

// failed counts a call that got no answer, and reports whether it opened the breaker.
func (b *breaker) failed(now int64) bool {
	b.nextProbe.Store(now + int64(breakerPause))
	return b.failures.Add(1) == breakerLimit
}
