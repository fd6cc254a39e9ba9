package web

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Counter counts in a store that all nodes share. Errors: CodeUnavailable.
type Counter interface {
	// Reserve adds one and returns the count within the window and the time until the window ends.
	Reserve(ctx context.Context, key string, window time.Duration) (count int, wait time.Duration, err error)
	// Release takes one back.
	Release(ctx context.Context, key string) error
	// Count returns the count and the time until the window ends, without adding.
	Count(ctx context.Context, key string) (count int, wait time.Duration, err error)
}

// FailuresOptions is what NewFailures needs. Shared may be nil: then this node counts alone.
type FailuresOptions struct {
	Shared Counter
	// Limit is how many failures a key may have within Window before it is refused.
	Limit  int
	Window time.Duration
	Now    func() time.Time
}

// Failures counts failed credentials of machines by key (who and from which network). A caller who never failed here
// costs no store call: the shared count is asked only for keys that this node saw fail. When the shared store fails,
// this node's own count still refuses.
//
// A failure is written after the refusal, so that attempts made at the same moment pass together: they are as many as the
// connections of one network. That is enough for what machines hold, secrets and keys of 256 bits, where the count keeps noise
// and cost down and no guess ever succeeds. What people choose is counted before it is looked at: Reservations.
type Failures struct {
	opts  FailuresOptions
	mu    sync.Mutex
	young map[string]failure
	old   map[string]failure
}

type failure struct {
	count int
	ends  time.Time
}

const (
	maxFailures    = 1 << 15
	counterTimeout = 250 * time.Millisecond
)

// NewFailures checks the options. Limit, Window and Now are required.
func NewFailures(opts FailuresOptions) (*Failures, error) {
	if opts.Limit < 1 || opts.Window <= 0 || opts.Now == nil {
		return nil, errors.New("web: Failures needs Limit, Window and Now")
	}
	return &Failures{opts: opts, young: map[string]failure{}}, nil
}

// Refused reports whether the key has used up its failures, and after how many seconds it may try again.
func (f *Failures) Refused(ctx context.Context, key string) (retryAfterSeconds int, refused bool) {
	now := f.opts.Now()
	f.mu.Lock()
	local := f.find(key, now)
	f.mu.Unlock()
	if local.count == 0 {
		return 0, false
	}
	wait := local.ends.Sub(now)
	if local.count >= f.opts.Limit {
		return wholeSeconds(wait), true
	}
	if f.opts.Shared == nil {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, counterTimeout)
	defer cancel()
	count, sharedWait, err := f.opts.Shared.Count(ctx, key)
	if err != nil || count < f.opts.Limit {
		return 0, false // the store's failure must not refuse a caller whom this node would let try
	}
	return wholeSeconds(sharedWait), true
}

// Failed counts one failure, after the caller was refused: it goes on when the request's context has ended.
func (f *Failures) Failed(ctx context.Context, key string) {
	now := f.opts.Now()
	f.mu.Lock()
	entry := f.find(key, now)
	if entry.count == 0 {
		entry.ends = now.Add(f.opts.Window)
	}
	entry.count++
	if _, there := f.young[key]; !there && len(f.young) >= maxFailures {
		f.old, f.young = f.young, map[string]failure{}
	}
	f.young[key] = entry
	f.mu.Unlock()
	if f.opts.Shared == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), counterTimeout)
	defer cancel()
	if _, _, err := f.opts.Shared.Reserve(ctx, key, f.opts.Window); err != nil {
		Note(ctx, "failure_counter", "unavailable")
	}
}

// find returns the live entry of a key, the zero failure when there is none. The caller holds mu.
func (f *Failures) find(key string, now time.Time) failure {
	entry, ok := f.young[key]
	if !ok {
		entry = f.old[key]
	}
	if !now.Before(entry.ends) {
		return failure{}
	}
	return entry
}

func wholeSeconds(wait time.Duration) int {
	return max(1, int((wait+time.Second-1)/time.Second))
}
