package sqlstore

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// apiKeyRow is a row of api_keys.
type apiKeyRow struct {
	ID        string `gorm:"primaryKey"`
	AccountID string
	Name      string
	Role      string
	Hash      []byte
	HashKey   string
	Enabled   bool
	Detail    string
	ExpiresAt *time.Time
	NotBefore *time.Time
	CreatedAt time.Time
	CreatedBy string
	UpdatedAt time.Time
	UpdatedBy string
	Version   int64
}

// TableName is gorm's name of the table.
func (apiKeyRow) TableName() string { return "api_keys" }

const apiKeyColumns = "id, account_id, name, role, hash, hash_key, enabled, detail, expires_at, not_before, created_at, created_by, updated_at, updated_by, version"

// apiKeyDetail is what nothing searches.
type apiKeyDetail struct {
	MayManage       bool     `json:"may_manage,omitempty"`
	AllowedNetworks []string `json:"allowed_networks,omitempty"`
	Imported        bool     `json:"imported,omitempty"`
}

func (r *apiKeyRow) apiKey() (*signet.APIKey, error) {
	var d apiKeyDetail
	if err := fromJSON(r.Detail, &d); err != nil {
		return nil, err
	}
	return &signet.APIKey{
		ID: r.ID, AccountID: r.AccountID, Name: r.Name, Role: r.Role, Hash: secretHash(r.HashKey, r.Hash), Enabled: r.Enabled,
		MayManage: d.MayManage, AllowedNetworks: d.AllowedNetworks, ExpiresAt: utcPtr(r.ExpiresAt), Imported: d.Imported,
		NotBefore: orZero(r.NotBefore), CreatedAt: r.CreatedAt.UTC(), CreatedBy: r.CreatedBy, UpdatedAt: r.UpdatedAt.UTC(),
		UpdatedBy: r.UpdatedBy, Version: r.Version,
	}, nil
}

// APIKeyByHash finds an API key by any of the hashes of one text, at most 1 s stale. The record is shared: read only.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) APIKeyByHash(ctx context.Context, hashes []signet.SecretHash) (*signet.APIKey, error) {
	if len(hashes) == 0 {
		return nil, signet.ErrNotFound
	}
	// Whose hash it is never changes: the cached id stays true, and the record behind it follows its own changes.
	name := hex.EncodeToString(hashes[0].Sum[:])
	id := warm(ctx, s, s.apiKeyHashes, name)
	if id == nil {
		var err error
		id, err = through(ctx, s, s.apiKeyHashes, name, func(ctx context.Context, _ string) (*string, error) {
			var id string
			return &id, s.one(ctx, &id, "SELECT id FROM api_keys WHERE hash IN ? LIMIT 1", sums(hashes))
		})
		if err != nil {
			return nil, err
		}
	}
	return s.APIKeyByID(ctx, *id)
}

// APIKeyByID finds an API key, at most 1 s stale. The record is shared: read only. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) APIKeyByID(ctx context.Context, id string) (*signet.APIKey, error) {
	if k := warm(ctx, s, s.apiKeys, id); k != nil {
		return k, nil
	}
	return through(ctx, s, s.apiKeys, id, func(ctx context.Context, id string) (*signet.APIKey, error) {
		return first(s.queryAPIKeys(ctx, "id = ?", id))
	})
}

// APIKey finds an account's API key by its name; it always reads the database. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) APIKey(ctx context.Context, account, name string) (*signet.APIKey, error) {
	if !findable(account) || !findable(name) {
		return nil, signet.ErrNotFound
	}
	return first(s.queryAPIKeys(ctx, "account_id = ? AND name = ?", account, name))
}

// ListAPIKeys returns an account's API keys by name; it always reads the database. Error: CodeUnavailable.
func (s *Store) ListAPIKeys(ctx context.Context, account string) ([]signet.APIKey, error) {
	if !findable(account) {
		return nil, nil
	}
	return s.queryAPIKeys(ctx, "account_id = ?", account)
}

func (s *Store) queryAPIKeys(ctx context.Context, where string, args ...any) ([]signet.APIKey, error) {
	var rows []apiKeyRow
	if err := s.all(ctx, &rows, "SELECT "+apiKeyColumns+" FROM api_keys WHERE "+where+" ORDER BY name", args...); err != nil {
		return nil, err
	}
	out := make([]signet.APIKey, 0, len(rows))
	for i := range rows {
		k, err := rows[i].apiKey()
		if err != nil {
			return nil, err
		}
		out = append(out, *k)
	}
	return out, nil
}

func apiKeyText(k *signet.APIKey) (detail string, err error) {
	if !findable(k.ID) || !findable(k.AccountID) || !findable(k.Name) {
		return "", signet.NewError(signet.CodeInvalidRequest, "The API key's name cannot be used.", "api_key")
	}
	if err := storable(k.Role, k.CreatedBy, k.UpdatedBy); err != nil {
		return "", err
	}
	return toJSON(apiKeyDetail{MayManage: k.MayManage, AllowedNetworks: k.AllowedNetworks, Imported: k.Imported}), nil
}

// InsertAPIKey writes an API key at version 1 and sets Version and the times of the given one. Errors: CodeConflict when
// the account has a key of that name, or the id or the hash is taken; CodeNotFound when there is no such account;
// CodeInvalidRequest, CodeUnavailable.
func (s *Store) InsertAPIKey(ctx context.Context, k *signet.APIKey, event signet.Event) error {
	detail, err := apiKeyText(k)
	if err != nil {
		return err
	}
	var created time.Time
	updatedBy := k.UpdatedBy
	if updatedBy == "" {
		updatedBy = k.CreatedBy
	}
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		created = createdAt(k.CreatedAt, t.now)
		row := &apiKeyRow{
			ID: k.ID, AccountID: k.AccountID, Name: k.Name, Role: k.Role, Hash: k.Hash.Sum[:], HashKey: string(k.Hash.KeyID),
			Enabled: k.Enabled, Detail: detail, ExpiresAt: utcPtr(k.ExpiresAt), NotBefore: utcOrNil(k.NotBefore),
			CreatedAt: created, CreatedBy: k.CreatedBy, UpdatedAt: created, UpdatedBy: updatedBy, Version: 1,
		}
		if err := s.insert(ctx, row); err != nil {
			return err
		}
		t.change(changedAPIKeys, k.ID)
		t.change(changedAPIKeyHashes, hex.EncodeToString(k.Hash.Sum[:]))
		t.note(event)
		return nil
	})
	if err == nil {
		k.CreatedAt, k.UpdatedAt, k.UpdatedBy, k.Version = created, created, updatedBy, 1
	}
	return err
}

// UpdateAPIKey writes role, Enabled, MayManage, AllowedNetworks, ExpiresAt and UpdatedBy where Version still stands, and
// moves Version, UpdatedAt and NotBefore of the given one; name, account and hash of a key never change. Disabling a key,
// or changing its role, takes back what it was issued up to now.
// Errors: CodeConflict when it is stale, CodeNotFound, CodeInvalidRequest, CodeUnavailable.
func (s *Store) UpdateAPIKey(ctx context.Context, k *signet.APIKey, event signet.Event) error {
	detail, err := apiKeyText(k)
	if err != nil {
		return err
	}
	var updated time.Time
	var notBefore *time.Time
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		account, err := s.holdAccountOfKey(ctx, k.ID)
		if err != nil {
			return err
		}
		old, err := first(s.queryAPIKeys(ctx, "id = ?", k.ID))
		if err != nil {
			return err
		}
		now := s.now() // after the wait for the account's row
		// Where the version still stands below, this is the row that is replaced.
		notBefore = utcOrNil(old.NotBefore)
		ends := old.Enabled && !k.Enabled || old.Role != k.Role
		switch {
		case ends:
			limit := signet.NextLimit(now, latest(old.NotBefore, account))
			notBefore = &limit
		case k.Enabled && !old.Enabled:
			// Past what nodes with an old record may have issued since it was disabled.
			notBefore = utcOrNil(enabledAfter(old.NotBefore, old.NotBefore, now))
		}
		n, err := s.exec(ctx, `UPDATE api_keys SET role = ?, enabled = ?, detail = ?, expires_at = ?, not_before = ?, updated_at = ?, updated_by = ?,
			version = version + 1 WHERE id = ? AND version = ?`,
			k.Role, k.Enabled, detail, utcPtr(k.ExpiresAt), notBefore, now, k.UpdatedBy, k.ID, k.Version)
		if err != nil {
			return err
		}
		if n == 0 {
			return s.staleOr(ctx, "SELECT version FROM api_keys WHERE id = ?", k.ID)
		}
		if ends {
			s.revokeAll(t, signet.RevokedPrincipal, signet.PrincipalAPIKey+k.ID, *notBefore, "api_key_changed")
		}
		updated = now
		t.change(changedAPIKeys, k.ID)
		t.note(event)
		return nil
	})
	if err == nil {
		k.Version, k.UpdatedAt, k.NotBefore = k.Version+1, updated, orZero(notBefore)
	}
	return err
}

// holdAccountOfKey keeps the row of a key's account as it is until commit, and returns its not_before: a token of the key
// may have been dated by that limit, too. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) holdAccountOfKey(ctx context.Context, key string) (time.Time, error) {
	var row struct{ NotBefore *time.Time }
	err := s.one(ctx, &row, "SELECT a.not_before AS not_before FROM accounts a JOIN api_keys k ON k.account_id = a.id WHERE k.id = ?"+s.holding("a"), key)
	return orZero(row.NotBefore), err
}
