package login

import (
	"sync"
	"time"
)

// bucketsMax bounds a generation: at most twice as many names and networks are remembered.
const bucketsMax = 8192

// buckets are the limits of this process alone, for the time that the shared counters are away. Keys that are used
// move to the young generation; when it is full the old one is forgotten.
type buckets struct {
	mu         sync.Mutex
	young, old map[string]*bucket
}

// bucket refills at once when its window ends.
type bucket struct {
	left int
	ends time.Time
}

func newBuckets() *buckets { return &buckets{young: map[string]*bucket{}} }

// take counts a guess at every counter and returns how long to wait, 0 when it may go on.
func (b *buckets) take(counters []counter, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range counters {
		found := b.find(c.key)
		if !now.Before(found.ends) {
			found.left, found.ends = max(1, c.limit/localShare), now.Add(window)
		}
		if found.left == 0 {
			return found.ends.Sub(now)
		}
		found.left--
	}
	return 0
}

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
