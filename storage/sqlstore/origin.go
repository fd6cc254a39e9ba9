package sqlstore

import (
	"context"
	"sync"
)

// originSet is the union of the live clients' origins, as of one generation of the client cache.
type originSet struct {
	mu         sync.RWMutex
	origins    map[string]struct{}
	generation uint64
	loading    slot
}

// AnyOrigin reports whether a live client has registered the origin; at most 1 s stale, false when it cannot be known.
func (s *Store) AnyOrigin(ctx context.Context, origin string) bool {
	if origins := s.currentOrigins(); origins != nil {
		_, ok := origins[origin]
		return ok
	}
	// One reader at a time; the others find its result, or give up with their own deadline when it has none.
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if s.origins.loading.take(ctx) != nil {
		return false
	}
	defer s.origins.loading.leave()
	origins := s.currentOrigins()
	if origins == nil {
		var err error
		if origins, err = s.loadOrigins(ctx); err != nil {
			return false
		}
	}
	_, ok := origins[origin]
	return ok
}

func (s *Store) currentOrigins() map[string]struct{} {
	s.origins.mu.RLock()
	defer s.origins.mu.RUnlock()
	if s.origins.origins == nil || s.origins.generation != s.clients.generation.Load() || !s.fresh() {
		return nil
	}
	return s.origins.origins
}

func (s *Store) loadOrigins(ctx context.Context) (map[string]struct{}, error) {
	generation := s.clients.generation.Load()
	var rows []string
	err := s.all(ctx, &rows, `SELECT DISTINCT o.origin FROM client_origins o JOIN clients c ON c.id = o.client_id
		WHERE c.disabled_at IS NULL`)
	if err != nil {
		return nil, err
	}
	origins := make(map[string]struct{}, len(rows))
	for _, origin := range rows {
		origins[origin] = struct{}{}
	}
	s.origins.mu.Lock()
	s.origins.origins, s.origins.generation = origins, generation
	s.origins.mu.Unlock()
	return origins, nil
}
