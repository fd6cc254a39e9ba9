package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// adminKeyRow is a row of admin_keys.
type adminKeyRow struct {
	ID         string `gorm:"primaryKey"`
	Name       string
	Hash       []byte
	HashKey    string
	CreatedAt  time.Time
	DisabledAt *time.Time
}

// AdminKey finds a live key of the admin API by hash. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) AdminKey(ctx context.Context, hashes []signet.SecretHash) (*signet.AdminKey, error) {
	var row adminKeyRow
	err := s.one(ctx, &row, "SELECT id, name, hash, hash_key, created_at, disabled_at FROM admin_keys WHERE hash IN ? AND disabled_at IS NULL LIMIT 1",
		sums(hashes))
	if err != nil {
		return nil, err
	}
	return &signet.AdminKey{
		ID: row.ID, Name: row.Name, Hash: secretHash(row.HashKey, row.Hash), CreatedAt: row.CreatedAt.UTC(), DisabledAt: utcPtr(row.DisabledAt),
	}, nil
}

// InsertAdminKey writes a key; with onlyFirst, CodeConflict when any key exists: one statement looks and writes, and of
// two that look at once the unique column first lets one through. Errors else: CodeInvalidRequest, CodeUnavailable.
func (s *Store) InsertAdminKey(ctx context.Context, key *signet.AdminKey, onlyFirst bool, event signet.Event) error {
	if err := storable(key.ID, key.Name); err != nil {
		return err
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		created := key.CreatedAt
		if created.IsZero() {
			created = t.now
		}
		query := "INSERT INTO admin_keys (id, name, hash, hash_key, created_at, disabled_at, first) VALUES (?, ?, ?, ?, ?, ?, NULL)"
		if onlyFirst {
			query = "INSERT INTO admin_keys (id, name, hash, hash_key, created_at, disabled_at, first) SELECT ?, ?, ?, ?, ?, ?, TRUE WHERE NOT EXISTS (SELECT 1 FROM admin_keys)"
		}
		n, err := s.exec(ctx, query, key.ID, key.Name, key.Hash.Sum[:], string(key.Hash.KeyID), utc(created), utcPtr(key.DisabledAt))
		if err != nil {
			return err
		}
		if n == 0 {
			return &signet.Error{Code: signet.CodeConflict, Reason: "admin_key_exists"}
		}
		t.note(event)
		return nil
	})
}
