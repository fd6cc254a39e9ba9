package sqlstore

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm/clause"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	// sweepEvery is about how often each table is looked at.
	sweepEvery = 5 * time.Minute
	// sweepBatch bounds one DELETE: it holds its row locks for milliseconds.
	sweepBatch = 500
	// sweepPause leaves the database to others between two batches.
	sweepPause = 50 * time.Millisecond
)

const day = 24 * time.Hour

// retention says which rows of a table are over.
type retention struct {
	table string
	// key is what DELETE finds a row by: the columns of a key.
	key string
	// where is the condition; each ? is now - keep.
	where string
	keep  time.Duration
}

// retentions lists every table whose rows end. Those that are not here hold the truth about something that lives until
// an operator ends it (clients, client_origins, users, consents, admin_keys, and the records of the contracts with their
// sealed keys, whose ids must never be given out again), or have one row (change_head).
//
// The order matters inside a family: tokens and codes before the grant that they refer to. A spent refresh token is kept
// as long as its grant, and a code a day, because finding it is how a replay is noticed.
func retentions() []retention {
	return []retention{
		{"authorization_codes", "hash", "expires_at < ?", day},
		{"refresh_tokens", "hash", `grant_id IN (SELECT g.id FROM grants g WHERE g.expires_at < ?
			AND EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.grant_id = g.id) ORDER BY g.expires_at LIMIT 100)`, day},
		{"access_tokens", "hash", "expires_at < ?", day},
		// The oldest ones alone are looked at, or PostgreSQL reads all tokens to find those that have none.
		{"grants", "id", `id IN (SELECT g.id FROM grants g WHERE g.expires_at < ? ORDER BY g.expires_at LIMIT 500)
			AND NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.grant_id = grants.id)
			AND NOT EXISTS (SELECT 1 FROM authorization_codes c WHERE c.grant_id = grants.id)`, day},
		{"sessions", "id", "expires_at < ?", day},
		{"client_secrets", "client_id, id", "expires_at < ?", 30 * day},
		{"keys", "id", "remove_at < ?", signet.KeyRetention},
		{"keys", "id", "revoked_at < ?", 400 * day},
		{"revocations", "position", "expires_at < ?", time.Hour},
		{"changes", "n", "at < ? AND n < (SELECT h.n FROM change_head h WHERE h.id = 1)", day},
		{auditTable, "node, seq", "at < ?", 400 * day}, // by sweepChains
		{"traffic_events", "id", "at < ?", 30 * day},
		// An hour more than their own end, so that a node whose clock is ahead removes nothing that still counts.
		{"replay_marks", "hash", "expires_at < ?", time.Hour},
		{"attempts", "hash", "expires_at < ?", time.Hour},
		{"spent", "hash", "expires_at < ?", time.Hour},
		// What has no time of its own goes when nothing can be decrypted any more with which it could be sent again.
		{"spent", "hash", `expires_at IS NULL AND owner IN (
			SELECT k.owner || '#' || k.id FROM sealed_keys k WHERE k.expires_at < ?
			UNION ALL SELECT k.owner FROM sealed_keys k GROUP BY k.owner HAVING COUNT(*) = COUNT(k.expires_at) AND MAX(k.expires_at) < ?)`, 30 * day},
	}
}

// runRetention removes what is over until ctx ends. Nodes begin at a random moment and table, so that they seldom meet.
func (s *Store) runRetention(ctx context.Context) {
	if !pause(ctx, rand.N(sweepEvery)) {
		return
	}
	for {
		if _, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.opts.Log.Error("retention", "error", err)
		}
		if !pause(ctx, sweepEvery/2+rand.N(sweepEvery)) {
			return
		}
	}
}

// statement deletes one batch; its last ? is the size of the batch, the others are now - keep.
func (r *retention) statement() string {
	return "DELETE FROM " + r.table + " WHERE (" + r.key + ") IN (SELECT " + r.key + " FROM " + r.table + " WHERE " + r.where + " LIMIT ?)"
}

// Sweep removes all rows that are over, in small batches, and returns their number. Run does it by itself. A table that
// fails does not keep the others from being swept. Error: CodeUnavailable, the first.
func (s *Store) Sweep(ctx context.Context) (removed int64, failure error) {
	list := retentions()
	first := rand.IntN(len(list))
	for i := range list {
		r := list[(first+i)%len(list)]
		var n int64
		var err error
		if r.table == auditTable {
			n, err = s.sweepChains(ctx, s.now().Add(-r.keep))
		} else {
			n, err = s.inBatches(ctx, func() (int64, error) {
				var args []any
				for range strings.Count(r.where, "?") {
					args = append(args, s.now().Add(-r.keep))
				}
				return s.exec(ctx, r.statement(), append(args, sweepBatch)...)
			})
		}
		removed += n
		if failure == nil {
			failure = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return removed, failure
}

// inBatches repeats a DELETE until it finds nothing.
func (s *Store) inBatches(ctx context.Context, batch func() (int64, error)) (removed int64, err error) {
	for {
		n, err := batch()
		if err != nil || n == 0 {
			return removed, err
		}
		removed += n
		if !pause(ctx, sweepPause) {
			return removed, signet.Unavailable(ctx.Err())
		}
	}
}

const auditTable = "audit_events"

// sweepChains removes the beginning of each node's audit chain, up to the first event that must be kept, oldest first.
// The links are in the order of commits and times are those of the acts: to remove every old row would leave gaps, and
// VerifyAudit could not tell them from tampering.
func (s *Store) sweepChains(ctx context.Context, cut time.Time) (removed int64, err error) {
	var nodes []string
	if err := s.all(ctx, &nodes, "SELECT DISTINCT node FROM audit_events WHERE at < ?", cut); err != nil {
		return 0, err
	}
	for _, node := range nodes {
		kept := int64(math.MaxInt64) // the first link to keep; no link: the whole chain is over
		err := s.one(ctx, &kept, "SELECT seq FROM audit_events WHERE node = ? AND at >= ? ORDER BY seq LIMIT 1", node, cut)
		if err != nil && signet.CodeOf(err) != signet.CodeNotFound {
			return removed, err
		}
		n, err := s.inBatches(ctx, func() (int64, error) {
			return s.exec(ctx, "DELETE FROM audit_events WHERE node = ? AND seq IN (SELECT seq FROM audit_events WHERE node = ? AND seq < ? ORDER BY seq LIMIT ?)",
				node, node, kept, sweepBatch)
		})
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func doNothing() clause.OnConflict { return clause.OnConflict{DoNothing: true} }

// SweptTables lists the tables that Sweep removes rows from.
func (s *Store) SweptTables() []string {
	var tables []string
	for _, r := range retentions() {
		if !slices.Contains(tables, r.table) {
			tables = append(tables, r.table)
		}
	}
	return tables
}
