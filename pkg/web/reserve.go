package web

import (
	"context"
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

// Overrun is a limit that an attempt did not pass.
type Overrun struct {
	Limit Limit
	Count int           // with this attempt
	Wait  time.Duration // until the window ends, 1 s at least
}

// ReserveAll counts an attempt at every limit, in their order, before the secret is looked at: by atomic commands, so that
// parallel attempts cannot pass together (ENU-05). counted is what ReleaseAll takes back when the attempt was right or
// never looked at. over says which limit refused; then only the limits that do not give stay counted. err is the store's:
// counted then names what it has counted, and what it may have counted although its answer did not come; it stays counted
// unless the caller takes it back, so that a slow store does not count a right secret for the whole window.
func ReserveAll(ctx context.Context, store Reservations, limits []Limit, window time.Duration) (counted []string, over *Overrun, err error) {
	var giveBack []string
	for _, limit := range limits {
		count, wait, err := store.Reserve(ctx, limit.Key, window)
		if err != nil {
			return append(counted, limit.Key), nil, err
		}
		if count > limit.Limit {
			ReleaseAll(ctx, store, giveBack)
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

// ReleaseAll takes an attempt back. That the request ran out of time, or that its caller has gone, is no reason to count
// it.
func ReleaseAll(ctx context.Context, store Reservations, counted []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	for _, key := range counted {
		if err := store.Release(ctx, key); err != nil {
			Note(ctx, "throttle", "not_released")
			return
		}
	}
}
