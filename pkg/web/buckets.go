package web

import (
	"sync"
	"time"
)

// maxBuckets bounds a generation: at most twice as many keys are remembered.
const maxBuckets = 8192

// buckets are limits of this process alone, for the time that the shared counters (Counter) are away. Keys that are used
// move to the young generation; when it is full the old one is forgotten.
type buckets struct {
	window     time.Duration
	share      int
	mu         sync.Mutex
	young, old map[string]*bucket
}

// bucket counts until its window ends.
type bucket struct {
	count int
	ends  time.Time
}

// newBuckets returns buckets whose windows have that length, and which admit one share-th of every limit, once at least:
// every node then counts alone.
func newBuckets(window time.Duration, share int) *buckets {
	return &buckets{window: window, share: share, young: map[string]*bucket{}}
}

// take counts an attempt at every limit and returns how long to wait, 0 when it may go on. An attempt that one limit
// refuses counts at none.
func (b *buckets) take(limits []Limit, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, limit := range limits {
		found := b.find(limit.Key)
		if !now.Before(found.ends) {
			found.count, found.ends = 0, now.Add(b.window)
		}
		if found.count >= max(1, limit.Limit/b.share) {
			for _, before := range limits[:i] {
				b.find(before.Key).count--
			}
			return found.ends.Sub(now)
		}
		found.count++
	}
	return 0
}

// give takes an attempt back.
func (b *buckets) give(keys []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range keys {
		if found := b.find(key); found.count > 0 {
			found.count--
		}
	}
}

// find returns the bucket of a key. The caller holds mu.
func (b *buckets) find(key string) *bucket {
	if found, ok := b.young[key]; ok {
		return found
	}
	found, ok := b.old[key]
	if !ok {
		found = &bucket{}
	}
	if len(b.young) >= maxBuckets {
		b.old, b.young = b.young, map[string]*bucket{}
	}
	b.young[key] = found
	return found
}
