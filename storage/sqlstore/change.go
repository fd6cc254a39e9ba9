package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// What the changes table names: a cached record or a state that nodes keep in memory.
const (
	changedClients     = "clients"
	changedUsers       = "users"
	changedKeys        = "keys"
	changedRevocations = "revocations"

	changedBillers         = "billers"
	changedResourceServers = "resource_servers"
	changedAudiences       = "audiences" // which resource server has an audience
	changedInvoices        = "invoices"  // "{biller}/{guid}"
	changedAccounts        = "accounts"
	changedInstances       = "instances"   // which account has an instance
	changedMemberships     = "memberships" // by user
	changedAPIKeys         = "api_keys"
	changedAPIKeyHashes    = "api_key_hashes"   // which key has a hash, hex
	changedDevices         = "devices"          // "{dcn}/{id}"
	changedPINApplications = "pin_applications" // by user name
)

// changedKinds are all of them: what is unknown once changes are lost.
func changedKinds() []string {
	return []string{
		changedClients, changedUsers, changedKeys, changedRevocations, changedBillers, changedResourceServers, changedAudiences,
		changedInvoices, changedAccounts, changedInstances, changedMemberships, changedAPIKeys, changedAPIKeyHashes,
		changedDevices, changedPINApplications,
	}
}

// pollBatch bounds one read of the changes table.
const pollBatch = 1000

// change names one changed record. An empty record means all of its kind.
type change struct{ kind, record string }

type changeRow struct {
	Head   int64
	N      *int64
	Kind   *string
	Record *string
}

// OnChange registers fn, which is told of every change, of this node or another, within the poller's pace. id is ""
// when any record of the table may have changed. fn runs on one goroutine of Run; register before Run starts.
func (s *Store) OnChange(fn func(table string, id string)) {
	s.notices.mu.Lock()
	defer s.notices.mu.Unlock()
	s.notices.listeners = append(s.notices.listeners, fn)
}

// Wake makes the poller read now: another node has said that it numbered a change.
func (s *Store) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Changed gives the number of the newest change committed here, for publishing to other nodes. Numbers that nobody
// takes in time are replaced by later ones.
func (s *Store) Changed() <-chan int64 { return s.changed }

// announce applies changes committed here to the own cache at once and tells others.
func (s *Store) announce(changes []change, head int64) {
	for _, c := range changes {
		s.invalidate(c)
	}
	select {
	case <-s.changed:
	default:
	}
	select {
	case s.changed <- head:
	default:
	}
	s.Wake()
}

// invalidate drops what a change has made old.
func (s *Store) invalidate(c change) {
	if cached := s.cached[c.kind]; cached != nil {
		cached.dropNamed(c.record)
	}
}

// runPoller polls every pollEvery, and when woken, until ctx ends.
func (s *Store) runPoller(ctx context.Context) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	failing := false
	for {
		err := s.poll(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.opts.Log.Error("the changes cannot be read; cached records are not used", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.wake:
		}
	}
}

// poll reads all changes that are newer than the last one seen, drops what they name and notes when it began.
func (s *Store) poll(ctx context.Context) error {
	for {
		began := s.elapsed()
		var rows []changeRow
		limited, cancel := context.WithTimeout(ctx, callTimeout)
		err := s.pollsDB.WithContext(limited).Raw(`SELECT h.n AS head, c.n AS n, c.kind AS kind, c.record AS record
			FROM change_head h LEFT JOIN changes c ON c.n > ? WHERE h.id = 1 ORDER BY c.n LIMIT ?`, s.position, pollBatch).Scan(&rows).Error
		cancel()
		if err != nil {
			return translate(err)
		}
		if len(rows) == 0 {
			return signet.Unavailable(fmt.Errorf("change_head has no row"))
		}
		s.take(rows)
		if len(rows) < pollBatch {
			s.polledAt.Store(int64(began))
			return nil
		}
	}
}

// take applies one batch. Numbers have no gaps, so a gap means that this node was away longer than changes are kept; a
// head that went back means that the database was restored. Both make everything that is cached unknown.
func (s *Store) take(rows []changeRow) {
	head := rows[0].Head
	first := rows[0].N
	lost := s.polledAt.Load() < 0 || head < s.position || (first == nil && head != s.position) || (first != nil && *first != s.position+1)
	if lost {
		for _, kind := range changedKinds() {
			s.invalidate(change{kind: kind})
			s.notices.add(change{kind: kind})
		}
		s.position = head
		if last := rows[len(rows)-1].N; last != nil {
			s.position = max(head, *last)
		}
		return
	}
	for _, row := range rows {
		if row.N == nil {
			continue
		}
		c := change{kind: orEmpty[string](row.Kind), record: orEmpty[string](row.Record)}
		s.invalidate(c)
		s.notices.add(c)
		s.position = *row.N
	}
}

// notices carries changes to the listeners on a goroutine of their own, so that a slow one does not make polls late.
type notices struct {
	mu        sync.Mutex
	listeners []func(table, id string)
	pending   []change
	ready     chan struct{}
}

// maxNotices bounds what waits for a slow listener; beyond it single records become "all of the kind".
const maxNotices = 1000

func (n *notices) add(c change) {
	n.mu.Lock()
	if len(n.pending) >= maxNotices {
		kinds := map[string]bool{c.kind: true}
		for _, p := range n.pending {
			kinds[p.kind] = true
		}
		n.pending = n.pending[:0]
		for kind := range kinds {
			n.pending = append(n.pending, change{kind: kind})
		}
	} else {
		n.pending = append(n.pending, c)
	}
	n.mu.Unlock()
	select {
	case n.ready <- struct{}{}:
	default:
	}
}

func (n *notices) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.ready:
		}
		n.mu.Lock()
		pending, listeners := n.pending, n.listeners
		n.pending = nil
		n.mu.Unlock()
		for _, c := range pending {
			for _, fn := range listeners {
				fn(c.kind, c.record)
			}
		}
	}
}

func formatCount(n uint64) string { return strconv.FormatUint(n, 10) }
