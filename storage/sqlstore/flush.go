package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// chain is the head of this node's audit chain. It is guarded by Store.flush.
type chain struct {
	known bool
	seq   int64
	hash  []byte
}

// note collects an audit event.
func (t *transaction) note(event signet.Event) { t.events = append(t.events, event) }

// change collects a changed record; the same one is numbered once.
func (t *transaction) change(kind, record string) {
	c := change{kind: kind, record: record}
	for _, have := range t.changes {
		if have == c {
			return
		}
	}
	t.changes = append(t.changes, c)
}

// revoke collects a journal entry.
func (t *transaction) revoke(entry signet.Revocation) { t.revocations = append(t.revocations, entry) }

// alters reports whether the transaction has changed a cached record, so that caches must not be read in it.
func (t *transaction) alters() bool { return len(t.changes) > 0 || len(t.revocations) > 0 }

// commit writes what the transaction has collected and commits.
//
// All of it happens under the store's mutex and after every other statement of the transaction. So whoever holds the
// mutex waits for no row lock of ours any more except that of change_head; and whoever holds change_head waits for
// nothing at all but its own commit. No circle can form, in one process or between nodes. The audit chain of a node has
// no gap, because a sequence number is taken over only once its transaction has committed. And because change_head is
// held until commit, numbers become visible in the order of commits: a poller that has seen n never misses a lower one.
func (s *Store) commit(ctx context.Context, t *transaction) error {
	if len(t.events) == 0 && !t.alters() {
		return translate(t.db.Commit().Error)
	}
	var err error
	t.head, err = s.flushAndCommit(ctx, t)
	return err
}

// settle tells of a committed transaction: the own cache and the other nodes first, then the fast store.
func (s *Store) settle(ctx context.Context, t *transaction) {
	if t.alters() {
		s.announce(t.changes, t.head)
	}
	if len(t.revocations) > 0 && s.opts.OnRevoked != nil {
		// The entries must reach the fast store although the caller hangs up.
		s.opts.OnRevoked(context.WithoutCancel(ctx), t.revocations)
	}
}

func (s *Store) flushAndCommit(ctx context.Context, t *transaction) (head int64, err error) {
	committed := false
	defer func() {
		if !committed {
			t.db.Rollback()
		}
	}()
	if err := s.flush.take(ctx); err != nil {
		return 0, err
	}
	defer s.flush.leave()
	next, err := s.writeAudit(ctx, t)
	if err == nil && t.alters() {
		head, err = s.writeChanges(ctx, t)
	}
	if err == nil {
		err = translate(t.db.Commit().Error)
		committed = err == nil
	}
	if err != nil {
		// Whether a failed commit reached the disk is not known: the next flush reads the chain's head again.
		s.chain.known = false
		if signet.CodeOf(err) == signet.CodeConflict {
			// Only a commit whose answer was lost can have taken our number in the chain.
			err = signet.Unavailable(&retryable{err})
		}
		return 0, err
	}
	if len(t.events) > 0 {
		s.chain = next
	}
	return head, nil
}

// writeAudit writes the collected events as the next links of this node's chain and returns its new head.
func (s *Store) writeAudit(ctx context.Context, t *transaction) (chain, error) {
	if len(t.events) == 0 {
		return s.chain, nil
	}
	head := s.chain
	db := t.db.WithContext(ctx)
	if !head.known {
		var last auditRow
		result := db.Raw("SELECT seq, hash FROM audit_events WHERE node = ? ORDER BY seq DESC LIMIT 1", string(s.opts.Node)).Scan(&last)
		if result.Error != nil {
			return chain{}, translate(result.Error)
		}
		head = chain{known: true, seq: last.Seq, hash: last.Hash}
	}
	for _, event := range t.events {
		row := newAuditRow(s.opts.Node, event, t.now)
		row.link(head)
		if err := db.Create(&row).Error; err != nil {
			return chain{}, translate(err)
		}
		head = chain{known: true, seq: row.Seq, hash: row.Hash}
	}
	return head, nil
}

// changedRow is a row of changes.
type changedRow struct {
	N      int64 `gorm:"primaryKey;autoIncrement:false"`
	Kind   string
	Record string
	At     time.Time
}

// TableName is gorm's name of the table.
func (changedRow) TableName() string { return "changes" }

// rowsAtOnce bounds one INSERT: SQLite binds 32766 values at most. An account that is disabled may have a journal entry
// for each of some thousand members, while change_head is held.
const rowsAtOnce = 1000

// writeChanges takes one number for each changed record and each journal entry, in one statement, and writes the rows.
func (s *Store) writeChanges(ctx context.Context, t *transaction) (head int64, err error) {
	db := t.db.WithContext(ctx)
	count := int64(len(t.changes) + len(t.revocations))
	if err := db.Raw("UPDATE change_head SET n = n + ? WHERE id = 1 RETURNING n", count).Scan(&head).Error; err != nil {
		return 0, translate(err)
	}
	n := head - count
	numbered := make([]changedRow, 0, count)
	for _, c := range t.changes {
		n++
		numbered = append(numbered, changedRow{N: n, Kind: c.kind, Record: c.record, At: t.now})
	}
	journal := make([]revocationRow, len(t.revocations))
	for i := range t.revocations {
		n++
		entry := &t.revocations[i]
		entry.Position = n
		journal[i] = newRevocationRow(entry)
		numbered = append(numbered, changedRow{N: n, Kind: changedRevocations, Record: string(entry.Kind), At: t.now})
	}
	if err := db.CreateInBatches(numbered, rowsAtOnce).Error; err != nil {
		return 0, translate(err)
	}
	if len(journal) == 0 {
		return head, nil
	}
	return head, translate(db.CreateInBatches(journal, rowsAtOnce).Error)
}
