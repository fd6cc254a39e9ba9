package exchange

import (
	"sync"
	"time"
)

// meter counts by key within windows, on this node alone. Its memory is bounded by two generations: when the young one
// is full, what the old one held is forgotten.
type meter struct {
	mu         sync.Mutex
	young, old map[string]metered
}

type metered struct {
	count int
	ends  time.Time
}

const maxMetered = 1 << 14

func newMeter() *meter { return &meter{young: map[string]metered{}} }

// add counts one and returns the count within the window and the time until it ends.
func (m *meter) add(key string, window time.Duration, now time.Time) (count int, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	entry, there := m.young[key]
	if !there {
		entry = m.old[key]
	}
	if !now.Before(entry.ends) {
		entry = metered{ends: now.Add(window)}
	}
	entry.count++
	if !there && len(m.young) >= maxMetered {
		m.old, m.young = m.young, map[string]metered{}
	}
	m.young[key] = entry
	return entry.count, entry.ends.Sub(now)
}
