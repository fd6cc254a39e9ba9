package faults

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// maxRounds bounds a worker that no test stopped.
const maxRounds = 20000

// worker repeats one act until the load is stopped. Its act answers an error when what was promised did not hold.
type worker struct {
	name   string
	act    func() error
	rounds atomic.Int64 // without error
	mu     sync.Mutex
	failed []string
}

// failures returns what went wrong so far.
func (k *worker) failures() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.failed)
}

// load is workers side by side.
type load struct {
	t       testing.TB
	workers []*worker
	cancel  context.CancelFunc
	wait    sync.WaitGroup
}

// startLoad runs the workers, each with a pause between its rounds so that two processors serve them all.
func startLoad(t testing.TB, workers ...*worker) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{t: t, workers: workers, cancel: cancel}
	for _, k := range workers {
		l.wait.Go(func() {
			pace := time.NewTicker(10 * time.Millisecond)
			defer pace.Stop()
			for range maxRounds {
				if err := k.act(); err == nil {
					k.rounds.Add(1)
				} else {
					k.mu.Lock()
					k.failed = append(k.failed, fmt.Sprintf("%s: %v", time.Now().UTC().Format("15:04:05.000"), err))
					k.mu.Unlock()
				}
				select {
				case <-ctx.Done():
					return
				case <-pace.C:
				}
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

// stop lets every worker finish its round.
func (l *load) stop() {
	l.cancel()
	l.wait.Wait()
}

// goesOn waits until every worker has made so many more rounds without an error.
func (l *load) goesOn(within time.Duration, rounds int64) {
	l.t.Helper()
	for _, k := range l.workers {
		from := k.rounds.Load()
		deadline := time.Now().Add(within)
		ticker := time.NewTicker(pollEvery)
		for k.rounds.Load() < from+rounds && time.Now().Before(deadline) {
			<-ticker.C
		}
		ticker.Stop()
		if k.rounds.Load() < from+rounds {
			l.t.Fatalf("%s made %d rounds of %d within %s: %s", k.name, k.rounds.Load()-from, rounds, within, last(k.failures()))
		}
	}
}

// clean wants no failure at all.
func (l *load) clean() {
	l.t.Helper()
	for _, k := range l.workers {
		if failed := k.failures(); len(failed) > 0 {
			l.t.Errorf("%s failed %d times beside %d rounds, first %s, last %s", k.name, len(failed), k.rounds.Load(), failed[0], last(failed))
		}
		l.t.Logf("%s: %d rounds", k.name, k.rounds.Load())
	}
}

func last(texts []string) string {
	if len(texts) == 0 {
		return "no failure"
	}
	return texts[len(texts)-1]
}
