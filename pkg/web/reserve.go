package web

import (
	"context"
	"log/slog"
	"time"
)

// Limit is one counter that an attempt at a secret has to pass, and how many attempts it admits within a window.
type Limit struct {
	Name  string // for alarms
	Key   string
	Limit int
	// Gives is true for a counter that takes its count back when a later one refuses: a network that is shut must not use up
	// what a name has left.
	Gives bool
}

// Reservations counts attempts in a store that all nodes share; Counter is one.
type Reservations interface {
	// Reserve adds one by one atomic command and returns the count within the window and the time until it ends.
	Reserve(ctx context.Context, key string, window time.Duration) (count int, wait time.Duration, err error)
	// Release takes one back.
	Release(ctx context.Context, key string) error
}

// Overrun is a limit that an attempt did not pass. While the shared store is away it is LimitLocal, without a count.
type Overrun struct {
	Limit Limit
	Count int           // with this attempt
	Wait  time.Duration // until the window ends, 1 s at least
}

// LimitLocal names the overrun of what one process may admit while the shared store is away.
const LimitLocal = "local"

// Attempts counts attempts at secrets that people choose: in the store that all nodes share, and while that is away in this
// process alone, more strictly, so that logins go on. It is safe for concurrent use.
type Attempts struct {
	shared Reservations
	local  *buckets
	window time.Duration
	log    *slog.Logger
}

// NewAttempts counts within windows of that length. share divides the limits while the shared store is away.
func NewAttempts(shared Reservations, window time.Duration, share int, log *slog.Logger) *Attempts {
	return &Attempts{shared: shared, local: newBuckets(window, share), window: window, log: log}
}

// Counted is where an attempt was counted.
type Counted struct {
	shared []string
	local  []string // in this process alone
}

// Reserve counts an attempt at every limit, in their order, before the secret is looked at, and adds to counted what Release
// takes back. It returns the limit that refuses the attempt, nil when it may go on. What the shared store counted before it
// failed stays counted until the attempt turns out to be right.
func (a *Attempts) Reserve(ctx context.Context, counted *Counted, limits []Limit, now time.Time) *Overrun {
	shared, over, err := reserveAll(ctx, a.shared, limits, a.window)
	counted.shared = append(counted.shared, shared...)
	if err == nil {
		return over
	}
	Note(ctx, "throttle", LimitLocal)
	a.log.WarnContext(ctx, "shared counters did not answer, counting here alone", "request_id", RequestID(ctx), "error", err)
	if wait := a.local.take(limits, now); wait > 0 {
		return &Overrun{Limit: Limit{Name: LimitLocal}, Wait: wait}
	}
	for _, limit := range limits {
		counted.local = append(counted.local, limit.Key)
	}
	return nil
}

// Release takes an attempt back: it was right, or it was never looked at.
func (a *Attempts) Release(ctx context.Context, counted *Counted) {
	a.local.give(counted.local)
	releaseAll(ctx, a.shared, counted.shared)
}

// reserveAll counts an attempt at every limit, in their order: by atomic commands, so that parallel attempts cannot pass
// together (ENU-05). counted is what releaseAll takes back when the attempt was right or never looked at. over says which limit refused; then only the limits that do not give stay counted. err is the store's:
// counted then names what it has counted, and what it may have counted although its answer did not come; it stays counted
// unless the caller takes it back, so that a slow store does not count a right secret for the whole window.
func reserveAll(ctx context.Context, store Reservations, limits []Limit, window time.Duration) (counted []string, over *Overrun, err error) {
	var giveBack []string
	for _, limit := range limits {
		count, wait, err := store.Reserve(ctx, limit.Key, window)
		if err != nil {
			return append(counted, limit.Key), nil, err
		}
		if count > limit.Limit {
			releaseAll(ctx, store, giveBack)
			return nil, &Overrun{Limit: limit, Count: count, Wait: max(wait, time.Second)}, nil
		}
		counted = append(counted, limit.Key)
		if limit.Gives {
			giveBack = append(giveBack, limit.Key)
		}
	}
	return counted, nil, nil
}

// releaseWithin is what taking an attempt back may cost beyond the request's own time.
const releaseWithin = 250 * time.Millisecond

// releaseAll takes an attempt back. That the request ran out of time, or that its caller has gone, is no reason to count
// it.
func releaseAll(ctx context.Context, store Reservations, counted []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	for _, key := range counted {
		if err := store.Release(ctx, key); err != nil {
			Note(ctx, "throttle", "not_released")
			return
		}
	}
}
