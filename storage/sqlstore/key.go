package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// keyRow is a row of keys. Its private part is sealed.
type keyRow struct {
	ID         string `gorm:"primaryKey"`
	KeyUse     string
	Alg        string
	Sealed     []byte
	KEKID      string `gorm:"column:kek_id"`
	CreatedAt  time.Time
	PublishAt  time.Time
	ActivateAt time.Time
	RetireAt   *time.Time
	RemoveAt   *time.Time
	RevokedAt  *time.Time
}

// TableName is gorm's name of the table.
func (keyRow) TableName() string { return "keys" }

const keyColumns = "id, key_use, alg, sealed, kek_id, created_at, publish_at, activate_at, retire_at, remove_at, revoked_at"

func newKeyRow(k *signet.Key) *keyRow {
	return &keyRow{
		ID: string(k.ID), KeyUse: string(k.Use), Alg: k.Alg, Sealed: k.Sealed, KEKID: k.KEKID, CreatedAt: utc(k.CreatedAt),
		PublishAt: utc(k.PublishAt), ActivateAt: utc(k.ActivateAt), RetireAt: utcPtr(k.RetireAt), RemoveAt: utcPtr(k.RemoveAt),
		RevokedAt: utcPtr(k.RevokedAt),
	}
}

func (r *keyRow) key() signet.Key {
	return signet.Key{
		ID: signet.KeyID(r.ID), Use: signet.KeyUse(r.KeyUse), Alg: r.Alg, Sealed: r.Sealed, KEKID: r.KEKID,
		CreatedAt: r.CreatedAt.UTC(), PublishAt: r.PublishAt.UTC(), ActivateAt: r.ActivateAt.UTC(),
		RetireAt: utcPtr(r.RetireAt), RemoveAt: utcPtr(r.RemoveAt), RevokedAt: utcPtr(r.RevokedAt),
	}
}

// Keys returns every key, oldest first, revoked ones too, and those that are gone for signet.KeyRetention after
// RemoveAt. Error: CodeUnavailable.
func (s *Store) Keys(ctx context.Context) ([]signet.Key, error) {
	var rows []keyRow
	err := s.all(ctx, &rows, "SELECT "+keyColumns+" FROM keys WHERE remove_at IS NULL OR remove_at > ? ORDER BY created_at, id",
		s.at(ctx).Add(-signet.KeyRetention))
	if err != nil {
		return nil, err
	}
	keys := make([]signet.Key, len(rows))
	for i := range rows {
		keys[i] = rows[i].key()
	}
	return keys, nil
}

// InsertKeys writes keys with the event and numbers the change. A key of a use and algorithm that already has one
// without a successor gives CodeConflict and nothing is written, by a unique index: so it is whatever onlyIfNone says,
// and two nodes that start at once on an empty database make one set. Error else: CodeUnavailable.
func (s *Store) InsertKeys(ctx context.Context, added []signet.Key, onlyIfNone bool, event signet.Event) error {
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		for i := range added {
			if onlyIfNone {
				// The index decides between two at once. Asking first also keeps the conflict from ending a
				// transaction that PostgreSQL would then refuse to go on with.
				var have int64
				err := s.one(ctx, &have, "SELECT COUNT(*) FROM keys WHERE key_use = ? AND alg = ? AND retire_at IS NULL AND revoked_at IS NULL",
					string(added[i].Use), added[i].Alg)
				if err != nil {
					return err
				}
				if have > 0 {
					return &signet.Error{Code: signet.CodeConflict, Reason: "key_exists"}
				}
			}
			if err := s.insert(ctx, newKeyRow(&added[i])); err != nil {
				return err
			}
			t.change(changedKeys, string(added[i].ID))
		}
		t.note(event)
		return nil
	})
}

// RotateKey retires old (RetireAt and RemoveAt as given in it) and inserts next, in one transaction.
// Errors: CodeConflict when old has been retired or revoked before, CodeNotFound, CodeUnavailable.
func (s *Store) RotateKey(ctx context.Context, old signet.Key, next signet.Key, event signet.Event) error {
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		n, err := s.exec(ctx, "UPDATE keys SET retire_at = ?, remove_at = ? WHERE id = ? AND retire_at IS NULL AND revoked_at IS NULL",
			utcPtr(old.RetireAt), utcPtr(old.RemoveAt), string(old.ID))
		if err != nil {
			return err
		}
		if n == 0 {
			return s.keyConflict(ctx, old.ID)
		}
		if err := s.insert(ctx, newKeyRow(&next)); err != nil {
			return err
		}
		t.change(changedKeys, string(old.ID))
		t.change(changedKeys, string(next.ID))
		t.note(event)
		return nil
	})
}

// RevokeKey takes a key back at once: RevokedAt, the journal row, and next as its successor when there is one.
// Errors: CodeConflict when it was revoked before, CodeNotFound, CodeUnavailable.
func (s *Store) RevokeKey(ctx context.Context, id signet.KeyID, next *signet.Key, rev signet.Revocation, event signet.Event) error {
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		n, err := s.exec(ctx, "UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", t.now, string(id))
		if err != nil {
			return err
		}
		if n == 0 {
			return s.keyConflict(ctx, id)
		}
		t.change(changedKeys, string(id))
		if next != nil {
			if err := s.insert(ctx, newKeyRow(next)); err != nil {
				return err
			}
			t.change(changedKeys, string(next.ID))
		}
		if rev.At.IsZero() {
			rev.At = t.now
		}
		t.revoke(rev)
		t.note(event)
		return nil
	})
}

// ResealKey replaces the sealed bytes and the KEK id where the old KEK id still stands. It numbers no change: the key is
// the same, and a node that does not have the new KEK yet goes on with what it has opened.
// Errors: CodeConflict, CodeNotFound, CodeUnavailable.
func (s *Store) ResealKey(ctx context.Context, id signet.KeyID, oldKEK string, sealed []byte, newKEK string) error {
	n, err := s.exec(ctx, "UPDATE keys SET sealed = ?, kek_id = ? WHERE id = ? AND kek_id = ?", sealed, newKEK, string(id), oldKEK)
	if err != nil || n == 1 {
		return err
	}
	return s.keyConflict(ctx, id)
}

// keyConflict tells a key that is not there from one that another node was faster with.
func (s *Store) keyConflict(ctx context.Context, id signet.KeyID) error {
	if !findable(string(id)) {
		return signet.ErrNotFound
	}
	var found string
	if err := s.one(ctx, &found, "SELECT id FROM keys WHERE id = ?", string(id)); err != nil {
		return err
	}
	return signet.ErrConflict
}
