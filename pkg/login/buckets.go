package login

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// bucketsMax bounds a generation: at most twice as many names and networks are remembered.
const bucketsMax = 8192

// buckets are the limits of this process alone, for the time that the shared counters are away. Keys that are used
// move to the young generation; when it is full the old one is forgotten.
type buckets struct {
	mu         sync.Mutex
	young, old map[string]*rate.Limiter
}

func newBuckets() *buckets { return &buckets{young: map[string]*rate.Limiter{}} }

// take counts a guess at every counter and returns how long to wait, 0 when it may go on.
func (b *buckets) take(counters []counter, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range counters {
		if !b.bucket(c).AllowN(now, 1) {
			return window / localShare
		}
	}
	return 0
}

func (b *buckets) bucket(c counter) *rate.Limiter {
	if limiter, ok := b.young[c.key]; ok {
		return limiter
	}
	limiter, ok := b.old[c.key]
	if !ok {
		burst := max(1, c.limit/localShare)
		limiter = rate.NewLimiter(rate.Limit(float64(burst)/window.Seconds()), burst)
	}
	if len(b.young) >= bucketsMax {
		b.old, b.young = b.young, map[string]*rate.Limiter{}
	}
	b.young[c.key] = limiter
	return limiter
}
