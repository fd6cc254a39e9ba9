package sqlstore

import (
	"context"
	"sync"
)

// Run polls the changes, tells the listeners, reads the billers beforehand, writes traffic events and removes what is over, until ctx ends; then it
// writes the events that are still queued and returns nil. Without it cached records are never used, and every read
// goes to the database.
func (s *Store) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { s.runPoller(ctx) })
	all.Go(func() { s.notices.run(ctx) })
	all.Go(func() { s.runTraffic(ctx) })
	all.Go(func() { s.runRetention(ctx) })
	all.Go(func() { s.runPreload(ctx) })
	all.Wait()
	s.polledAt.Store(-1)
	return nil
}
