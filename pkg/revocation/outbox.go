package revocation

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	drainEvery = 400 * time.Millisecond
	drainBatch = 200
	pushTime   = 2 * time.Second
	// After a failed rebuild the next one waits, twice as long each time: each reads the whole journal.
	rebuildPauseMin = drainEvery
	rebuildPauseMax = 5 * time.Second
)

// Push carries entries that were just committed to the fast home and notes it in the journal. The store calls it after
// the commit and before the act is answered. Best effort: what fails here, the outbox of any node repeats.
func (s *Service) Push(ctx context.Context, entries []signet.Revocation) {
	if s.fast == nil || len(entries) == 0 {
		return
	}
	// The act is done, whether or not its caller still waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushTime)
	defer cancel()
	if err := s.put(ctx, entries); err != nil {
		s.doubt()
		s.log.WarnContext(ctx, "a revocation was not pushed; the outbox repeats it", "error", err)
	}
}

// put writes entries to the fast home and then, never before, notes them as pushed.
func (s *Service) put(ctx context.Context, entries []signet.Revocation) error {
	if err := s.fast.Put(ctx, entries); err != nil {
		return err
	}
	positions := make([]int64, 0, len(entries))
	for _, entry := range entries {
		if entry.Position > 0 {
			positions = append(positions, entry.Position)
		}
	}
	if len(positions) == 0 {
		return nil
	}
	return s.journal.MarkPushed(ctx, positions)
}

// Run drains the outbox every 400 ms and rebuilds the fast home when it has lost its memory, until ctx ends; it returns
// the context's error. Every node runs it: what one could not push, another does.
func (s *Service) Run(ctx context.Context) error {
	if s.fast == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	round := rounds{s: s}
	for {
		round.once(ctx)
		wake := s.rebuild
		if s.elapsed() < round.nextRebuild {
			wake = nil // every check would wake us, and no rebuild is due
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case <-wake:
		}
	}
}

// rounds is what Run remembers from one round to the next.
type rounds struct {
	s           *Service
	failing     bool          // the last round failed, and it was said
	pause       time.Duration // before the next rebuild, after one failed
	nextRebuild int64
}

// once drains and, where needed, rebuilds. Failures are logged when they begin and when they end, not every 400 ms.
func (r *rounds) once(ctx context.Context) {
	err := r.s.drain(ctx)
	if err == nil {
		err = r.restore(ctx)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil && !r.failing:
		r.failing = true
		r.s.log.ErrorContext(ctx, "revocations cannot be pushed; checks ask the journal", "error", err)
	case err == nil && r.failing:
		r.failing = false
		r.s.log.InfoContext(ctx, "revocations are pushed again")
	}
}

// restore rebuilds the fast home when it has no epoch.
func (r *rounds) restore(ctx context.Context) error {
	_, known, err := r.s.fast.Look(ctx, nil)
	if err != nil || known {
		return err
	}
	if r.s.elapsed() < r.nextRebuild {
		return nil
	}
	count := 0
	err = r.s.fast.Rebuild(ctx, func(ctx context.Context) ([]signet.Revocation, error) {
		entries, err := r.s.journal.LiveRevocations(ctx, r.s.now())
		count = len(entries)
		return entries, err
	})
	if err != nil {
		r.pause = min(max(2*r.pause, rebuildPauseMin), rebuildPauseMax)
		r.nextRebuild = r.s.elapsed() + int64(r.pause)
		return err
	}
	r.pause, r.nextRebuild = 0, 0
	r.s.log.InfoContext(ctx, "the fast home of revocations was rebuilt from the journal", "entries", count)
	return nil
}

// drain puts what no node has put yet, and whatever this node has not put itself. Only a look that began now and left
// nothing vouches for the fast home.
func (s *Service) drain(ctx context.Context) error {
	began := s.elapsed()
	for {
		entries, err := s.journal.Unpushed(ctx, s.carried, drainBatch)
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			if err := s.put(ctx, entries); err != nil {
				return err
			}
			s.carried = max(s.carried, entries[len(entries)-1].Position)
		}
		if len(entries) < drainBatch {
			s.drained.Store(began)
			return nil
		}
	}
}
