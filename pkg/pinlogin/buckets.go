package pinlogin

import (
	"sync"
	"time"
)

// bucketsMax bounds a generation: at most twice as many counters are remembered.
const bucketsMax = 8192

// buckets are the limits of this process alone, for the time that the shared counters are away. Keys that are used move
// to the young generation; when it is full the old one is forgotten.
type buckets struct {
	mu         sync.Mutex
	young, old map[string]*bucket
}

// bucket counts until its window ends.
type bucket struct {
	count int
	ends  time.Time
}

func newBuckets() *buckets { return &buckets{young: map[string]*bucket{}} }

// take counts an attempt at every counter and returns how long to wait, 0 when it may go on.
func (b *buckets) take(counters []counter, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, c := range counters {
		found := b.find(c.key)
		if !now.Before(found.ends) {
			found.count, found.ends = 0, now.Add(window)
		}
		if found.count >= max(1, c.limit/localShare) {
			for _, before := range counters[:i] {
				b.find(before.key).count--
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
	if len(b.young) >= bucketsMax {
		b.old, b.young = b.young, map[string]*bucket{}
	}
	b.young[key] = found
	return found
}
