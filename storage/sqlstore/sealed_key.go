package sqlstore

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// sealedKeyRow is a row of sealed_keys. Its private part is sealed.
type sealedKeyRow struct {
	Owner     string `gorm:"primaryKey"`
	ID        string `gorm:"primaryKey"`
	KeyUse    string
	Alg       string
	Sealed    []byte
	KEKID     string `gorm:"column:kek_id"`
	CreatedAt time.Time
	ExpiresAt *time.Time
}

// TableName is gorm's name of the table.
func (sealedKeyRow) TableName() string { return "sealed_keys" }

const sealedKeyColumns = "owner, id, key_use, alg, sealed, kek_id, created_at, expires_at"

func (r *sealedKeyRow) key() signet.SealedKey {
	return signet.SealedKey{
		ID: signet.KeyID(r.ID), Owner: r.Owner, Use: signet.KeyUse(r.KeyUse), Alg: r.Alg, Sealed: r.Sealed, KEKID: r.KEKID,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: utcPtr(r.ExpiresAt),
	}
}

// keyOwner is a kind of record that has sealed keys.
type keyOwner struct {
	prefix string // of SealedKey.Owner
	table  string
	// record is the column by which changes name the record, as changed.
	record, changed string
	// live is the most live keys it may have; 0: any number.
	live int
}

// ownerKind finds whose key it is, and the id of its record.
func ownerKind(owner string) (kind keyOwner, id string, ok bool) {
	for _, kind := range []keyOwner{
		{signet.OwnerBiller, "billers", "id", changedBillers, 2},
		{signet.OwnerAccount, "accounts", "id", changedAccounts, 0},
		{signet.OwnerPINApplication, "pin_applications", "username", changedPINApplications, 2},
		{signet.OwnerResourceServer, "resource_servers", "id", changedResourceServers, 0},
	} {
		if id, ok := strings.CutPrefix(owner, kind.prefix); ok && findable(id) {
			return kind, id, true
		}
	}
	return keyOwner{}, "", false
}

// keyedRow is a row of a record that sealed keys belong to.
type keyedRow[T any] interface {
	rowID() string
	record(keys []signet.SealedKey) (*T, error)
}

// sealedJoin is a sealed key in a join, or none.
type sealedJoin struct {
	Owner, ID, KeyUse, Alg *string
	Sealed                 []byte
	KEKID                  *string `gorm:"column:kek_id"`
	CreatedAt, ExpiresAt   *time.Time
}

func (j *sealedJoin) key() signet.SealedKey {
	return signet.SealedKey{
		ID: orEmpty[signet.KeyID](j.ID), Owner: orEmpty[string](j.Owner), Use: orEmpty[signet.KeyUse](j.KeyUse),
		Alg: orEmpty[string](j.Alg), Sealed: j.Sealed, KEKID: orEmpty[string](j.KEKID),
		CreatedAt: orZero(j.CreatedAt), ExpiresAt: utcPtr(j.ExpiresAt),
	}
}

// queryKeyed reads records with their sealed keys in one statement, so that both are of one moment.
func queryKeyed[R any, T any, P interface {
	*R
	keyedRow[T]
}](ctx context.Context, s *Store, prefix, table, columns, where, arg string, limit int) ([]T, error) {
	var rows []struct {
		R R          `gorm:"embedded;embeddedPrefix:r_"`
		K sealedJoin `gorm:"embedded;embeddedPrefix:k_"`
	}
	err := s.all(ctx, &rows, "SELECT "+aliases("r", columns)+", "+aliases("k", sealedKeyColumns)+
		" FROM (SELECT "+columns+" FROM "+table+" r WHERE "+where+" ORDER BY id LIMIT ?) r LEFT JOIN sealed_keys k ON k.owner = '"+
		prefix+"' || r.id ORDER BY r.id, k.created_at, k.id", arg, limit)
	if err != nil {
		return nil, err
	}
	var out []T
	for i := 0; i < len(rows); {
		var keys []signet.SealedKey
		first := P(&rows[i].R)
		for ; i < len(rows) && P(&rows[i].R).rowID() == first.rowID(); i++ {
			if rows[i].K.ID != nil {
				keys = append(keys, rows[i].K.key())
			}
		}
		record, err := first.record(keys)
		if err != nil {
			return nil, err
		}
		out = append(out, *record)
	}
	return out, nil
}

// first is the only one of a query's records. Error: CodeNotFound when there is none.
func first[T any](records []T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, signet.ErrNotFound
	}
	return &records[0], nil
}

// aliases writes "t.a AS t_a, t.b AS t_b" for "a, b".
func aliases(table, columns string) string {
	names := strings.Split(columns, ", ")
	for i, name := range names {
		names[i] = table + "." + name + " AS " + table + "_" + name
	}
	return strings.Join(names, ", ")
}

// metadataText encodes what nothing searches and an operator has written. Error: CodeInvalidRequest.
func metadataText(metadata any) (string, error) {
	raw, err := json.Marshal(metadata)
	if err != nil {
		return "", signet.NewError(signet.CodeInvalidRequest, "The metadata is not valid JSON.", "metadata")
	}
	return string(raw), nil
}

// PutSealedKey writes a new key of a record; CreatedAt is now when it is not given. Errors: CodeConflict when the owner
// has a key of that id, live or not, or may have no more live ones (Reason "live_keys"); CodeNotFound when there is no
// such owner; CodeInvalidRequest, CodeUnavailable.
func (s *Store) PutSealedKey(ctx context.Context, key *signet.SealedKey, event signet.Event) error {
	written := *key
	err := s.act(ctx, func(ctx context.Context, t *transaction) error {
		written = *key
		if err := s.putSealedKey(ctx, t, &written); err != nil {
			return err
		}
		t.note(event)
		return nil
	})
	if err == nil {
		*key = written
	}
	return err
}

// putSealedKeys gives a new record its keys.
func (s *Store) putSealedKeys(ctx context.Context, t *transaction, owner string, keys []signet.SealedKey) error {
	for i := range keys {
		key := keys[i]
		if key.Owner == "" {
			key.Owner = owner
		}
		if key.Owner != owner {
			return signet.NewError(signet.CodeInvalidRequest, "The key belongs to another record.", "key_owner")
		}
		if err := s.putSealedKey(ctx, t, &key); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) putSealedKey(ctx context.Context, t *transaction, key *signet.SealedKey) error {
	kind, id, ok := ownerKind(key.Owner)
	if !ok || !findable(string(key.ID)) || len(key.Sealed) == 0 {
		return signet.NewError(signet.CodeInvalidRequest, "The key cannot be used.", "sealed_key")
	}
	if err := storable(key.Alg, key.KEKID); err != nil {
		return err
	}
	if err := s.holdOwner(ctx, t, kind, id); err != nil {
		return err
	}
	key.CreatedAt, key.ExpiresAt = createdAt(key.CreatedAt, t.now), utcPtr(key.ExpiresAt)
	if kind.live > 0 && key.Live(t.now) {
		var live int
		err := s.one(ctx, &live, "SELECT COUNT(*) FROM sealed_keys WHERE owner = ? AND (expires_at IS NULL OR expires_at > ?)", key.Owner, t.now)
		if err != nil {
			return err
		}
		if live >= kind.live {
			return &signet.Error{Code: signet.CodeConflict, Message: "There are two live keys already.", Reason: "live_keys"}
		}
	}
	return s.insert(ctx, &sealedKeyRow{
		Owner: key.Owner, ID: string(key.ID), KeyUse: string(key.Use), Alg: key.Alg, Sealed: key.Sealed, KEKID: key.KEKID,
		CreatedAt: key.CreatedAt, ExpiresAt: key.ExpiresAt,
	})
}

// holdOwner holds the owner's row until commit, so that two who add a key count one after the other, and numbers the
// change of the record that its keys ride in.
func (s *Store) holdOwner(ctx context.Context, t *transaction, kind keyOwner, id string) error {
	var record string
	if err := s.one(ctx, &record, "SELECT "+kind.record+" FROM "+kind.table+" WHERE id = ?"+s.forUpdate(), id); err != nil {
		return err
	}
	t.change(kind.changed, record)
	return nil
}

// EndSealedKey lets a live key end at a time, now when it is past or zero. Ended now, it also takes back what it has
// proven, even when it had ended by itself before. Errors: CodeNotFound, CodeConflict when it has ended already and at is
// to come, CodeUnavailable.
func (s *Store) EndSealedKey(ctx context.Context, owner string, id signet.KeyID, at time.Time, event signet.Event) error {
	kind, recordID, ok := ownerKind(owner)
	if !ok || !findable(string(id)) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		if err := s.holdOwner(ctx, t, kind, recordID); err != nil {
			return err
		}
		end := utc(at)
		if end.Before(t.now) {
			end = t.now
		}
		n, err := s.exec(ctx, "UPDATE sealed_keys SET expires_at = ? WHERE owner = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)",
			end, owner, string(id), t.now)
		if err != nil {
			return err
		}
		now := !end.After(t.now)
		if n == 0 {
			var found string
			if err := s.one(ctx, &found, "SELECT id FROM sealed_keys WHERE owner = ? AND id = ?", owner, string(id)); err != nil {
				return err
			}
			if !now {
				return &signet.Error{Code: signet.CodeConflict, Message: "The key has ended already.", Reason: "key_ended"}
			}
		}
		if now {
			s.revokeAll(t, signet.RevokedCredential, signet.CredentialName(owner, string(id)), time.Time{}, "credential_ended")
		}
		t.note(event)
		return nil
	})
}

// SealedKeys returns every key of every record, ended ones too, for a change of the key-encryption key.
// Error: CodeUnavailable.
func (s *Store) SealedKeys(ctx context.Context) ([]signet.SealedKey, error) {
	var rows []sealedKeyRow
	if err := s.all(ctx, &rows, "SELECT "+sealedKeyColumns+" FROM sealed_keys ORDER BY owner, created_at, id"); err != nil {
		return nil, err
	}
	keys := make([]signet.SealedKey, len(rows))
	for i := range rows {
		keys[i] = rows[i].key()
	}
	return keys, nil
}

// ResealRecord replaces the sealed bytes and the KEK id of a record's key where the old KEK id still stands.
// Errors: CodeConflict when it does not, CodeNotFound, CodeUnavailable.
func (s *Store) ResealRecord(ctx context.Context, owner string, id signet.KeyID, oldKEK string, sealed []byte, newKEK string) error {
	kind, recordID, ok := ownerKind(owner)
	if !ok || !findable(string(id)) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		if err := s.holdOwner(ctx, t, kind, recordID); err != nil {
			return err
		}
		n, err := s.exec(ctx, "UPDATE sealed_keys SET sealed = ?, kek_id = ? WHERE owner = ? AND id = ? AND kek_id = ?",
			sealed, newKEK, owner, string(id), oldKEK)
		if err != nil || n == 1 {
			return err
		}
		var found string
		if err := s.one(ctx, &found, "SELECT id FROM sealed_keys WHERE owner = ? AND id = ?", owner, string(id)); err != nil {
			return err
		}
		return signet.ErrConflict
	})
}
