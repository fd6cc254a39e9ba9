package sqlstore

import (
	"context"
	"slices"
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
	key := row.adminKey()
	return &key, nil
}

func (r *adminKeyRow) adminKey() signet.AdminKey {
	return signet.AdminKey{
		ID: r.ID, Name: r.Name, Hash: secretHash(r.HashKey, r.Hash), CreatedAt: r.CreatedAt.UTC(), DisabledAt: utcPtr(r.DisabledAt),
	}
}

// ListAdminKeys returns all keys, disabled ones too, oldest first. Error: CodeUnavailable.
func (s *Store) ListAdminKeys(ctx context.Context) ([]signet.AdminKey, error) {
	var rows []adminKeyRow
	if err := s.all(ctx, &rows, "SELECT id, name, hash, hash_key, created_at, disabled_at FROM admin_keys ORDER BY created_at, id"); err != nil {
		return nil, err
	}
	keys := make([]signet.AdminKey, len(rows))
	for i := range rows {
		keys[i] = rows[i].adminKey()
	}
	return keys, nil
}

// DisableAdminKey ends a key. Disabled before: nil, nothing written. Errors: CodeConflict when it is the last live one,
// CodeNotFound, CodeUnavailable.
func (s *Store) DisableAdminKey(ctx context.Context, id string, event signet.Event) error {
	if !findable(id) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		// All live keys are held: two that end each other at once would otherwise leave none.
		var live []string
		if err := s.all(ctx, &live, "SELECT k.id FROM admin_keys k WHERE k.disabled_at IS NULL ORDER BY k.id"+s.forUpdate()); err != nil {
			return err
		}
		if !slices.Contains(live, id) {
			var known string
			return s.one(ctx, &known, "SELECT id FROM admin_keys WHERE id = ?", id)
		}
		if len(live) == 1 {
			return signet.NewError(signet.CodeConflict, "This is the last admin key that works: make another one first.", "last_admin_key")
		}
		if _, err := s.exec(ctx, "UPDATE admin_keys SET disabled_at = ? WHERE id = ? AND disabled_at IS NULL", t.now, id); err != nil {
			return err
		}
		t.note(event)
		return nil
	})
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
