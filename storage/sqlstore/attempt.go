package sqlstore

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Attempts is the SQL home of shared counters. Keys are stored hashed: they hold login names and addresses.
type Attempts struct{ store *Store }

// Attempts returns the home of shared counters.
func (s *Store) Attempts() *Attempts { return &Attempts{s} }

type attemptRow struct {
	Counted   int64
	ExpiresAt time.Time
}

// Reserve counts one attempt and returns the count within the window and the time until it ends. One statement: calls at
// once get different numbers. The window begins with its first attempt and does not move. Error: CodeUnavailable.
func (a *Attempts) Reserve(ctx context.Context, key string, window time.Duration) (count int, wait time.Duration, err error) {
	s := a.store
	now, hash := s.at(ctx), sha256.Sum256([]byte(key))
	var row attemptRow
	err = s.write(ctx, &row, `INSERT INTO attempts (counted, hash, expires_at) VALUES (1, ?, ?)
		ON CONFLICT (hash) DO UPDATE SET
			counted = CASE WHEN attempts.expires_at <= ? THEN 1 ELSE attempts.counted + 1 END,
			expires_at = CASE WHEN attempts.expires_at <= ? THEN excluded.expires_at ELSE attempts.expires_at END
		RETURNING counted, expires_at`, hash[:], utc(now.Add(window)), now, now)
	if err != nil {
		return 0, 0, err
	}
	return int(row.Counted), row.ExpiresAt.Sub(now), nil
}

// Release takes one attempt of the current window back. Error: CodeUnavailable.
func (a *Attempts) Release(ctx context.Context, key string) error {
	hash := sha256.Sum256([]byte(key))
	_, err := a.store.exec(ctx, "UPDATE attempts SET counted = counted - 1 WHERE hash = ? AND counted > 0 AND expires_at > ?",
		hash[:], a.store.at(ctx))
	return err
}

// Count returns the count within the window and the time until it ends, both 0 when there is none.
// Error: CodeUnavailable.
func (a *Attempts) Count(ctx context.Context, key string) (count int, wait time.Duration, err error) {
	now, hash := a.store.at(ctx), sha256.Sum256([]byte(key))
	var row attemptRow
	err = a.store.one(ctx, &row, "SELECT counted, expires_at FROM attempts WHERE hash = ? AND expires_at > ?", hash[:], now)
	switch {
	case signet.CodeOf(err) == signet.CodeNotFound:
		return 0, 0, nil
	case err != nil:
		return 0, 0, err
	}
	return int(row.Counted), row.ExpiresAt.Sub(now), nil
}
