package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// billerRow is a row of billers. Its HMAC keys are rows of sealed_keys.
type billerRow struct {
	ID         string `gorm:"primaryKey"`
	Metadata   string
	NotBefore  *time.Time
	DisabledAt *time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Version    int64
}

// TableName is gorm's name of the table.
func (billerRow) TableName() string { return "billers" }

const billerColumns = "id, metadata, not_before, disabled_at, created_at, updated_at, version"

func (r *billerRow) rowID() string { return r.ID }

func (r *billerRow) record(keys []signet.SealedKey) (*signet.Biller, error) {
	b := &signet.Biller{
		ID: signet.BillerID(r.ID), Keys: keys, NotBefore: orZero(r.NotBefore), DisabledAt: utcPtr(r.DisabledAt),
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), Version: r.Version,
	}
	return b, fromJSON(r.Metadata, &b.BillerMetadata)
}

// Biller finds a biller with its keys, at most 1 s stale. An unknown id costs no statement either (known.go). The record is
// shared: read only.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) Biller(ctx context.Context, id signet.BillerID) (*signet.Biller, error) {
	if b := warm(ctx, s, s.billers, id); b != nil {
		return b, nil
	}
	if s.nobody(ctx, s.knownBillers, string(id)) {
		return nil, signet.ErrNotFound
	}
	return through(ctx, s, s.billers, id, func(ctx context.Context, id signet.BillerID) (*signet.Biller, error) {
		return first(s.queryBillers(ctx, "id = ?", string(id), 1))
	})
}

// ListBillers returns billers by id; after is the last id of the page before. Error: CodeUnavailable.
func (s *Store) ListBillers(ctx context.Context, after string, limit int) ([]signet.Biller, error) {
	if after != "" && !findable(after) {
		return nil, nil
	}
	return s.queryBillers(ctx, "id > ?", after, limit)
}

func (s *Store) queryBillers(ctx context.Context, where, arg string, limit int) ([]signet.Biller, error) {
	return queryKeyed[billerRow, signet.Biller](ctx, s, signet.OwnerBiller, "billers", billerColumns, where, arg, limit)
}

// InsertBiller writes a biller at version 1, with its keys, and sets Version and the times of the given one.
// Errors: CodeConflict when the id is taken, CodeInvalidRequest, CodeUnavailable.
func (s *Store) InsertBiller(ctx context.Context, biller *signet.Biller, event signet.Event) error {
	metadata, err := metadataText(biller.BillerMetadata)
	if err != nil {
		return err
	}
	if !pathSafe(string(biller.ID)) {
		return signet.NewError(signet.CodeInvalidRequest, "The biller's id cannot be used.", "biller_id")
	}
	var created time.Time
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		created = createdAt(biller.CreatedAt, t.now)
		row := &billerRow{
			ID: string(biller.ID), Metadata: metadata, NotBefore: utcOrNil(biller.NotBefore),
			DisabledAt: utcPtr(biller.DisabledAt), CreatedAt: created, UpdatedAt: created, Version: 1,
		}
		if err := s.insert(ctx, row); err != nil {
			return err
		}
		if err := s.putSealedKeys(ctx, t, signet.OwnerBiller+string(biller.ID), biller.Keys); err != nil {
			return err
		}
		t.change(changedBillers, string(biller.ID))
		t.note(event)
		return nil
	})
	if err == nil {
		biller.CreatedAt, biller.UpdatedAt, biller.Version = created, created, 1
	}
	return err
}

// UpdateBiller writes the metadata where Version still stands, and moves Version and UpdatedAt of the given one; keys are
// changed by PutSealedKey and EndSealedKey. Errors: CodeConflict when it is stale, CodeNotFound, CodeInvalidRequest,
// CodeUnavailable.
func (s *Store) UpdateBiller(ctx context.Context, biller *signet.Biller, event signet.Event) error {
	metadata, err := metadataText(biller.BillerMetadata)
	if err != nil {
		return err
	}
	if !findable(string(biller.ID)) {
		return signet.ErrNotFound
	}
	var updated time.Time
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		n, err := s.exec(ctx, "UPDATE billers SET metadata = ?, updated_at = ?, version = version + 1 WHERE id = ? AND version = ?",
			metadata, t.now, string(biller.ID), biller.Version)
		if err != nil {
			return err
		}
		if n == 0 {
			return s.staleOr(ctx, "SELECT version FROM billers WHERE id = ?", string(biller.ID))
		}
		updated = t.now
		t.change(changedBillers, string(biller.ID))
		t.note(event)
		return nil
	})
	if err == nil {
		biller.Version, biller.UpdatedAt = biller.Version+1, updated
	}
	return err
}

// SetBillerDisabled disables a biller: not_before is now, or beyond the limit before, and a journal row takes back what was
// issued for it up to then.
// What is already so: nil, nothing written. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) SetBillerDisabled(ctx context.Context, id signet.BillerID, disabled bool, event signet.Event) error {
	if !findable(string(id)) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		limit, done, err := s.disable(ctx, t, disabling{
			table: "billers", where: "id = ?", args: []any{string(id)}, disabled: disabled, notBefore: true, updatedAt: true,
		})
		if err != nil || !done {
			return err
		}
		if disabled {
			s.revokeAll(t, signet.RevokedPrincipal, signet.PrincipalBiller+string(id), limit, "biller_disabled")
		}
		t.change(changedBillers, string(id))
		t.note(event)
		return nil
	})
}
