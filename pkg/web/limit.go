package web

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is a token bucket. PerSecond below 0 means no limit; the zero Rate means the class's default.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Limits bounds how much one network may ask of this process, by class. It protects the process, not a secret: guesses
// are counted by Failures and by login, on all nodes together.
type Limits struct {
	// Off switches all rate limits off, for a load test.
	Off bool
	// Rates replace the defaults of classes.
	Rates map[Class]Rate
	// Networks is how many are remembered for a class at a time; default 32,768.
	Networks int
}

// limiter has one bucket a class and network. Memory is bounded by two generations: when the young one is full it
// becomes the old one and what was in the old one is forgotten; whoever is still active has moved to the young one.
type limiter struct {
	shards [int(ClassOps) + 1]shard
}

type shard struct {
	rate  Rate
	max   int
	mu    sync.Mutex
	young map[netip.Addr]*rate.Limiter
	old   map[netip.Addr]*rate.Limiter
}

func newLimiter(limits Limits) (*limiter, error) {
	if limits.Networks < 0 {
		return nil, fmt.Errorf("web: Limits.Networks is negative")
	}
	if limits.Networks == 0 {
		limits.Networks = 1 << 15
	}
	l := &limiter{}
	for class := ClassPage; class <= ClassOps; class++ {
		chosen := policies[class].rate
		if custom, ok := limits.Rates[class]; ok && custom != (Rate{}) {
			chosen = custom
		}
		if limits.Off {
			chosen.PerSecond = -1
		}
		if chosen.PerSecond >= 0 && chosen.Burst < 1 {
			return nil, fmt.Errorf("web: the rate of class %s has no burst", class)
		}
		s := &l.shards[class]
		s.rate, s.max, s.young = chosen, limits.Networks, map[netip.Addr]*rate.Limiter{}
	}
	return l, nil
}

// take spends one token; a positive wait means that there was none.
func (l *limiter) take(class Class, address netip.Addr, now time.Time) time.Duration {
	s := &l.shards[class]
	if s.rate.PerSecond < 0 {
		return 0
	}
	bucket := s.bucket(network(address))
	if bucket.AllowN(now, 1) {
		return 0
	}
	reservation := bucket.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	reservation.CancelAt(now)
	return max(wait, time.Millisecond)
}

func (s *shard) bucket(key netip.Addr) *rate.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bucket := s.young[key]; bucket != nil {
		return bucket
	}
	bucket := s.old[key]
	if bucket == nil {
		bucket = rate.NewLimiter(rate.Limit(s.rate.PerSecond), s.rate.Burst)
	}
	if len(s.young) >= s.max {
		s.old, s.young = s.young, make(map[netip.Addr]*rate.Limiter)
	}
	s.young[key] = bucket
	return bucket
}
