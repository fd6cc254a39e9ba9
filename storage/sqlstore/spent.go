package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Spend accepts a key of a space once, by one conditional statement. With expiresAt nil it is spent until owner, the
// credential that it came with (signet.CredentialName), ended long ago; else until that time, and what is over by then
// is refused: nothing may be accepted whose row could be gone. Errors: CodeUsed, CodeUnavailable.
func (s *Store) Spend(ctx context.Context, space, key, owner string, expiresAt *time.Time) error {
	now := s.at(ctx)
	expires := utcPtr(expiresAt)
	if expiresAt != nil && (expires == nil || !now.Before(*expires)) {
		return &signet.Error{Code: signet.CodeUsed, Reason: "spent_expired"}
	}
	if err := storable(owner); err != nil {
		return err
	}
	hash := spentHash(space, key)
	n, err := s.exec(ctx, `INSERT INTO spent (owner, hash, spent_at, expires_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (hash) DO UPDATE SET owner = excluded.owner, spent_at = excluded.spent_at, expires_at = excluded.expires_at
		WHERE spent.expires_at <= ?`, owner, hash, now, expires, now)
	if err == nil && n == 0 {
		return signet.ErrUsed
	}
	return err
}

// spentHash is SHA-256 over space and key, each with its length in front: no two pairs write the same bytes.
func spentHash(space, key string) []byte {
	h := sha256.New()
	for _, text := range []string{space, key} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(text)))
		h.Write(size[:])
		h.Write([]byte(text))
	}
	return h.Sum(nil)
}
