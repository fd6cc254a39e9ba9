package keys

import (
	"context"
	"errors"
	"fmt"

	"github.com/signet-auth/signet/pkg/signet"
)

// Rewrap seals every row under the current key-encryption key, the keys of the ring and those that belong to records,
// and returns how many it changed. After it has returned without error the older key-encryption keys may be removed.
// Errors: CodeUnavailable, CodeInternal when a row cannot be opened.
func (r *Ring) Rewrap(ctx context.Context) (int, error) {
	ring, err := r.rewrapRing(ctx)
	if err != nil {
		return ring, err
	}
	records, err := r.rewrapRecords(ctx)
	if err != nil {
		return ring + records, err
	}
	return ring + records, r.Reload(ctx)
}

func (r *Ring) rewrapRing(ctx context.Context) (changed int, err error) {
	rows, err := r.store.Keys(ctx)
	if err != nil {
		return 0, fmt.Errorf("keys: rewrap: %w", err)
	}
	for i := range rows {
		key := &rows[i]
		if key.KEKID == r.vault.current {
			continue
		}
		plain, err := r.vault.openRing(key)
		if err != nil {
			return changed, signet.Internal(err)
		}
		sealed, kek := r.vault.seal(ringBinding(key), plain)
		clear(plain)
		done, err := resealed(r.store.ResealKey(ctx, key.ID, key.KEKID, sealed, kek))
		if err != nil {
			return changed, err
		}
		changed += done
	}
	return changed, nil
}

func (r *Ring) rewrapRecords(ctx context.Context) (changed int, err error) {
	if r.records == nil {
		return 0, nil
	}
	rows, err := r.records.SealedKeys(ctx)
	if err != nil {
		return 0, fmt.Errorf("keys: rewrap records: %w", err)
	}
	for i := range rows {
		key := &rows[i]
		if key.KEKID == r.vault.current {
			continue
		}
		plain, err := r.vault.openRecord(key)
		if err != nil {
			return changed, signet.Internal(err)
		}
		sealed, kek := r.vault.seal(recordBinding(key), plain)
		clear(plain)
		done, err := resealed(r.records.ResealRecord(ctx, key.Owner, key.ID, key.KEKID, sealed, kek))
		if err != nil {
			return changed, err
		}
		changed += done
	}
	return changed, nil
}

// resealed counts one row that was sealed anew. A row that another node sealed meanwhile, or that is gone, is none.
func resealed(err error) (int, error) {
	switch {
	case err == nil:
		return 1, nil
	case errors.Is(err, signet.ErrConflict), errors.Is(err, signet.ErrNotFound):
		return 0, nil
	default:
		return 0, fmt.Errorf("keys: rewrap: %w", err)
	}
}
