package sqlstore

import (
	"context"
	"sync"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	// maxKnown bounds the ids that a node remembers; a table with more is asked, as without them.
	maxKnown = 200_000
	// preloadPage is how many records one statement of the preload reads.
	preloadPage = 500
	// preloadAgain is the pause after a preload that failed.
	preloadAgain = time.Second
)

// knownIDs are all ids of a table, so that one that is not there is refused without a statement, exactly as one that is
// there is found without: the time of an answer must not say whose GUID somebody guessed (HMC-01).
//
// They are only ever used to say no, and so may hold too much and never too little: a change adds the id that it names,
// and lost changes make all unknown until they are read again.
type knownIDs struct {
	mu  sync.RWMutex
	ids map[string]struct{} // nil: not known
	// named are the ids of changes since a read began, nil when none goes on or changes were lost meanwhile.
	named map[string]struct{}
	lost  chan struct{} // holds one token when they must be read
}

func newKnownIDs() *knownIDs { return &knownIDs{lost: make(chan struct{}, 1)} }

// rulesOut reports whether there is certainly no record of that id.
func (k *knownIDs) rulesOut(id string) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.ids == nil {
		return false
	}
	_, known := k.ids[id]
	return !known
}

// dropNamed takes a change: the record that it names may exist from now on; "" says that changes were lost.
func (k *knownIDs) dropNamed(record string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if record == "" {
		k.ids, k.named = nil, nil
		select {
		case k.lost <- struct{}{}:
		default:
		}
		return
	}
	for _, ids := range []map[string]struct{}{k.ids, k.named} {
		if ids != nil {
			ids[record] = struct{}{}
		}
	}
}

func (k *knownIDs) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.named = map[string]struct{}{}
}

// take keeps what was read since begin, and whatever a change has named meanwhile.
func (k *knownIDs) take(ids []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.named == nil {
		return // lost again: there is a token
	}
	k.ids = make(map[string]struct{}, len(ids))
	for _, id := range ids {
		k.ids[id] = struct{}{}
	}
	for id := range k.named {
		k.ids[id] = struct{}{}
	}
	k.named = nil
}

// nobody reports whether the cached ids say that there is no such record. A transaction, and whoever wants the truth, asks
// the database.
func (s *Store) nobody(ctx context.Context, known *knownIDs, id string) bool {
	return s.fresh() && s.current(ctx) == nil && !signet.WantsTruth(ctx) && known.rulesOut(id)
}

// runPreload reads the billers beforehand, at the start and whenever changes were lost, until ctx ends: a biller that was
// not asked for yet must cost no more than one that never was. Until then all are asked for alike.
func (s *Store) runPreload(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.knownBillers.lost:
		}
		for s.preloadBillers(ctx) != nil {
			if !pause(ctx, preloadAgain) {
				return
			}
		}
	}
}

// preloadBillers fills the cache at first and takes the ids last: as long as some billers are cold, unknown ones are.
// Error: CodeUnavailable.
func (s *Store) preloadBillers(ctx context.Context) error {
	s.knownBillers.begin()
	after := ""
	for range cacheSize / preloadPage {
		generation := s.billers.generation.Load()
		page, err := s.ListBillers(ctx, after, preloadPage)
		if err != nil {
			return err
		}
		for _, biller := range page {
			after = string(biller.ID)
			s.billers.put(biller.ID, &biller, generation)
		}
		if len(page) < preloadPage {
			break
		}
	}
	var ids []string
	if err := s.all(ctx, &ids, "SELECT id FROM billers LIMIT ?", maxKnown+1); err != nil {
		return err
	}
	if len(ids) > maxKnown {
		s.opts.Log.Warn("too many billers to remember: unknown ones are asked for", "remembered", maxKnown)
		return nil
	}
	s.knownBillers.take(ids)
	return nil
}

// droppers are several memories of one kind of record.
type droppers []interface{ dropNamed(record string) }

func (d droppers) dropNamed(record string) {
	for _, one := range d {
		one.dropNamed(record)
	}
}
