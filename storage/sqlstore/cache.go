package sqlstore

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/singleflight"

	"github.com/signet-auth/signet/pkg/signet"
)

// cache keeps records read through. It says nothing of freshness: Store.fresh does, before every use.
//
// The race to guard: a read sees the old record, the change commits and is polled, the record is dropped here, and only
// then the reader comes to store what it saw. So a reader takes the generation before it reads, every invalidation
// moves it, and what was read under an older generation is not stored.
type cache[K ~string, V any] struct {
	mu         sync.RWMutex
	records    map[K]*V
	limit      int
	generation atomic.Uint64
	flights    singleflight.Group
}

func newCache[K ~string, V any](limit int) *cache[K, V] {
	return &cache[K, V]{records: make(map[K]*V), limit: limit}
}

func (c *cache[K, V]) get(id K) *V {
	c.mu.RLock()
	record := c.records[id]
	c.mu.RUnlock()
	return record
}

func (c *cache[K, V]) put(id K, record *V, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation.Load() != generation {
		return
	}
	if _, have := c.records[id]; !have && len(c.records) >= c.limit {
		for victim := range c.records { // the order of a map is random
			delete(c.records, victim)
			break
		}
	}
	c.records[id] = record
}

func (c *cache[K, V]) drop(id K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation.Add(1)
	delete(c.records, id)
}

func (c *cache[K, V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation.Add(1)
	clear(c.records)
}

// dropNamed drops the record that a change names, all of them for "".
func (c *cache[K, V]) dropNamed(record string) {
	if record == "" {
		c.clear()
		return
	}
	c.drop(K(record))
}

// warm returns a cached record when it may be used in ctx. It allocates nothing.
func warm[K ~string, V any](ctx context.Context, s *Store, c *cache[K, V], id K) *V {
	if !s.fresh() {
		return nil
	}
	record := c.get(id)
	if record == nil {
		return nil
	}
	if t := s.current(ctx); t != nil && t.alters() || signet.WantsTruth(ctx) {
		return nil // a transaction must see its own writes
	}
	return record
}

// through reads a record that was not warm, and stores it. Many that miss the same record at once ask the database once.
func through[K ~string, V any](ctx context.Context, s *Store, c *cache[K, V], id K, load func(context.Context, K) (*V, error)) (*V, error) {
	if !findable(string(id)) {
		return nil, signet.ErrNotFound
	}
	if s.current(ctx) != nil {
		// On the transaction's own connection, and not stored: it may see what never commits. Nor does it wait for
		// another reader, who may be waiting for the connection held here.
		return load(ctx, id)
	}
	generation := c.generation.Load()
	if !s.fresh() || signet.WantsTruth(ctx) {
		// Without a poll nobody would tell a shared read from an outdated one; and one that has begun may miss what the truth
		// is asked for.
		record, err := load(ctx, id)
		if err == nil {
			c.put(id, record, generation)
		}
		return record, err
	}
	// The generation is part of the key: nobody joins a read that began before a change became known.
	key := string(id) + "\x00" + formatCount(generation)
	answer := c.flights.DoChan(key, func() (any, error) {
		// Whoever started it may hang up, the others still wait.
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		record, err := load(shared, id)
		if err == nil {
			c.put(id, record, generation)
		}
		return record, err
	})
	select {
	case result := <-answer:
		if result.Err != nil {
			return nil, result.Err
		}
		record, _ := result.Val.(*V)
		return record, nil
	case <-ctx.Done():
		return nil, signet.Unavailable(ctx.Err())
	}
}
