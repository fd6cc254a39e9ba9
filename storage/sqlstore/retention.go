package sqlstore

import (
	"context"
	"math/rand/v2"
	"slices"
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
	// where is the condition; its one ? is now - keep.
	where string
	keep  time.Duration
}

// retentions lists every table whose rows end. Those that are not here hold the truth about something that lives until
// an operator ends it (clients, client_origins, users, consents, admin_keys), or have one row (change_head).
//
// The order matters inside a family: tokens and codes before the grant that they refer to. A spent refresh token is kept
// as long as its grant, and a code a day, because finding it is how a replay is noticed.
func retentions() []retention {
	return []retention{
		{"authorization_codes", "hash", "expires_at < ?", day},
		{"refresh_tokens", "hash", `grant_id IN (SELECT g.id FROM grants g WHERE g.expires_at < ?
			AND EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.grant_id = g.id) ORDER BY g.expires_at LIMIT 100)`, day},
		{"access_tokens", "hash", "expires_at < ?", day},
		{"grants", "id", `expires_at < ? AND NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.grant_id = grants.id)
			AND NOT EXISTS (SELECT 1 FROM authorization_codes c WHERE c.grant_id = grants.id)`, day},
		{"sessions", "id", "expires_at < ?", day},
		{"client_secrets", "client_id, id", "expires_at < ?", 30 * day},
		{"keys", "id", "remove_at < ?", signet.KeyRetention},
		{"keys", "id", "revoked_at < ?", 400 * day},
		{"revocations", "position", "expires_at < ?", time.Hour},
		{"changes", "n", "at < ? AND n < (SELECT h.n FROM change_head h WHERE h.id = 1)", day},
		{"audit_events", "id", "at < ?", 400 * day},
		{"traffic_events", "id", "at < ?", 30 * day},
		// An hour more than their own end, so that a node whose clock is ahead removes nothing that still counts.
		{"replay_marks", "hash", "expires_at < ?", time.Hour},
		{"attempts", "hash", "expires_at < ?", time.Hour},
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

// Sweep removes all rows that are over, in small batches, and returns their number. Run does it by itself.
// Error: CodeUnavailable.
func (s *Store) Sweep(ctx context.Context) (removed int64, err error) {
	list := retentions()
	first := rand.IntN(len(list))
	for i := range list {
		r := list[(first+i)%len(list)]
		for {
			n, err := s.exec(ctx, "DELETE FROM "+r.table+" WHERE ("+r.key+") IN (SELECT "+r.key+" FROM "+r.table+" WHERE "+r.where+" LIMIT ?)",
				s.now().Add(-r.keep), sweepBatch)
			if err != nil {
				return removed, err
			}
			if n == 0 {
				break
			}
			removed += n
			if !pause(ctx, sweepPause) {
				return removed, signet.Unavailable(ctx.Err())
			}
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
