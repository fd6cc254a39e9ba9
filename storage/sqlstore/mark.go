package sqlstore

import (
	"context"
	"crypto/sha256"

	"github.com/signet-auth/signet/pkg/signet"
)

// Marks is the SQL home of replay marks. Its memory is durable, so it needs no epoch.
type Marks struct{ store *Store }

// Marks returns the home of replay marks.
func (s *Store) Marks() *Marks { return &Marks{s} }

// Use accepts a mark once until it expires, by one statement that looks and writes. A mark that is over is refused: what
// it guards cannot be presented any more, and its row may be gone. An expired row left by retention blocks nothing.
// Errors: CodeUsed, CodeUnavailable.
func (m *Marks) Use(ctx context.Context, mark signet.Mark) error {
	s := m.store
	now, expires := s.at(ctx), utc(mark.ExpiresAt)
	if !now.Before(expires) {
		return &signet.Error{Code: signet.CodeUsed, Reason: "mark_expired"}
	}
	space, key := sha256.Sum256([]byte(mark.Space)), sha256.Sum256([]byte(mark.Key))
	hash := sha256.Sum256(append(space[:], key[:]...))
	// The hash is not bound first: gorm spreads a slice that follows an opening parenthesis.
	n, err := s.exec(ctx, `INSERT INTO replay_marks (issued_at, hash, expires_at) VALUES (?, ?, ?)
		ON CONFLICT (hash) DO UPDATE SET issued_at = excluded.issued_at, expires_at = excluded.expires_at
		WHERE replay_marks.expires_at <= ?`, utc(mark.IssuedAt), hash[:], expires, now)
	if err == nil && n == 0 {
		return signet.ErrUsed
	}
	return err
}
