package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// clientRow is a row of clients. Its secrets are rows of client_secrets, its origins rows of client_origins.
type clientRow struct {
	ID         string `gorm:"primaryKey"`
	Metadata   string
	Admin      bool
	NotBefore  *time.Time
	DisabledAt *time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Version    int64
}

// TableName is gorm's name of the table.
func (clientRow) TableName() string { return "clients" }

const clientColumns = "id, metadata, admin, not_before, disabled_at, created_at, updated_at, version"

// secretRow is a row of client_secrets.
type secretRow struct {
	ClientID  string `gorm:"primaryKey"`
	ID        string `gorm:"primaryKey"`
	Hash      []byte
	HashKey   string
	CreatedAt time.Time
	ExpiresAt *time.Time
}

// TableName is gorm's name of the table.
func (secretRow) TableName() string { return "client_secrets" }

func (r *clientRow) client() (*signet.Client, error) {
	c := &signet.Client{
		ID: signet.ClientID(r.ID), Admin: r.Admin, NotBefore: orZero(r.NotBefore), DisabledAt: utcPtr(r.DisabledAt),
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), Version: r.Version,
	}
	return c, fromJSON(r.Metadata, &c.ClientMetadata)
}

// Client finds a client, at most 1 s stale. The record is shared: read only. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) Client(ctx context.Context, id signet.ClientID) (*signet.Client, error) {
	if c := warm(ctx, s, s.clients, id); c != nil {
		return c, nil
	}
	return through(ctx, s, s.clients, id, s.loadClient)
}

func (s *Store) loadClient(ctx context.Context, id signet.ClientID) (*signet.Client, error) {
	clients, err := s.queryClients(ctx, "c.id = ?", string(id), 1)
	if err != nil {
		return nil, err
	}
	if len(clients) == 0 {
		return nil, signet.ErrNotFound
	}
	return &clients[0], nil
}

// ListClients returns clients by id; after is the last id of the page before. Error: CodeUnavailable.
func (s *Store) ListClients(ctx context.Context, after string, limit int) ([]signet.Client, error) {
	if after != "" && !findable(after) {
		return nil, nil
	}
	return s.queryClients(ctx, "c.id > ?", after, limit)
}

// queryClients reads clients with their secrets in one statement, so that both are of one moment.
func (s *Store) queryClients(ctx context.Context, where, arg string, limit int) ([]signet.Client, error) {
	var rows []struct {
		C clientRow `gorm:"embedded;embeddedPrefix:c_"`
		S struct {
			ID        *string
			Hash      []byte
			HashKey   *string
			CreatedAt *time.Time
			ExpiresAt *time.Time
		} `gorm:"embedded;embeddedPrefix:s_"`
	}
	err := s.all(ctx, &rows, `SELECT c.id AS c_id, c.metadata AS c_metadata, c.admin AS c_admin, c.not_before AS c_not_before,
			c.disabled_at AS c_disabled_at, c.created_at AS c_created_at, c.updated_at AS c_updated_at, c.version AS c_version,
			s.id AS s_id, s.hash AS s_hash, s.hash_key AS s_hash_key, s.created_at AS s_created_at, s.expires_at AS s_expires_at
		FROM (SELECT `+clientColumns+` FROM clients c WHERE `+where+` ORDER BY id LIMIT ?) c
		LEFT JOIN client_secrets s ON s.client_id = c.id ORDER BY c.id, s.created_at, s.id`, arg, limit)
	if err != nil {
		return nil, err
	}
	var out []signet.Client
	for i := range rows {
		row := &rows[i]
		if len(out) == 0 || string(out[len(out)-1].ID) != row.C.ID {
			client, err := row.C.client()
			if err != nil {
				return nil, err
			}
			out = append(out, *client)
		}
		if row.S.ID != nil {
			last := &out[len(out)-1]
			last.Secrets = append(last.Secrets, signet.ClientSecret{
				ID: *row.S.ID, Hash: secretHash(orEmpty[string](row.S.HashKey), row.S.Hash),
				CreatedAt: orZero(row.S.CreatedAt), ExpiresAt: utcPtr(row.S.ExpiresAt),
			})
		}
	}
	return out, nil
}

// InsertClient writes a client at version 1 and sets Version and the times of the given one.
// Errors: CodeConflict when the id is taken, CodeInvalidRequest, CodeUnavailable.
func (s *Store) InsertClient(ctx context.Context, client *signet.Client, event signet.Event) error {
	written := *client
	err := s.act(ctx, func(ctx context.Context, t *transaction) error {
		written = *client
		if err := s.insertClient(ctx, t, &written); err != nil {
			return err
		}
		t.note(event)
		return nil
	})
	if err == nil {
		*client = written
	}
	return err
}

// insertClient is InsertClient without the event, in a transaction.
func (s *Store) insertClient(ctx context.Context, t *transaction, client *signet.Client) error {
	metadata, err := clientText(client)
	if err != nil {
		return err
	}
	created := createdAt(client.CreatedAt, t.now)
	row := &clientRow{
		ID: string(client.ID), Metadata: metadata, Admin: client.Admin, NotBefore: utcOrNil(client.NotBefore),
		DisabledAt: utcPtr(client.DisabledAt), CreatedAt: created, UpdatedAt: created, Version: 1,
	}
	if err := s.insert(ctx, row); err != nil {
		return err
	}
	if err := s.insertClientParts(ctx, client, t.now); err != nil {
		return err
	}
	t.change(changedClients, string(client.ID))
	client.CreatedAt, client.UpdatedAt, client.Version = created, created, 1
	return nil
}

// UpdateClient writes metadata, secrets and Admin where Version still stands, and moves Version and UpdatedAt of the
// given one. Errors: CodeConflict when it is stale, CodeNotFound, CodeInvalidRequest, CodeUnavailable.
func (s *Store) UpdateClient(ctx context.Context, client *signet.Client, event signet.Event) error {
	metadata, err := clientText(client)
	if err != nil {
		return err
	}
	var updated time.Time
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		id := string(client.ID)
		n, err := s.exec(ctx, "UPDATE clients SET metadata = ?, admin = ?, updated_at = ?, version = version + 1 WHERE id = ? AND version = ?",
			metadata, client.Admin, t.now, id, client.Version)
		if err != nil {
			return err
		}
		if n == 0 {
			return s.staleOr(ctx, "SELECT version FROM clients WHERE id = ?", id)
		}
		for _, table := range []string{"client_secrets", "client_origins"} {
			if _, err := s.exec(ctx, "DELETE FROM "+table+" WHERE client_id = ?", id); err != nil {
				return err
			}
		}
		if err := s.insertClientParts(ctx, client, t.now); err != nil {
			return err
		}
		updated = t.now
		t.change(changedClients, id)
		t.note(event)
		return nil
	})
	if err == nil {
		client.Version, client.UpdatedAt = client.Version+1, updated
	}
	return err
}

// clientText checks what goes into text columns and encodes the metadata.
func clientText(client *signet.Client) (metadata string, err error) {
	texts := append([]string{string(client.ID)}, client.Origins...)
	for _, secret := range client.Secrets {
		texts = append(texts, secret.ID)
	}
	if err := storable(texts...); err != nil {
		return "", err
	}
	if !findable(string(client.ID)) {
		return "", signet.NewError(signet.CodeInvalidRequest, "The client_id cannot be used.", "client_id")
	}
	raw, err := json.Marshal(client.ClientMetadata)
	if err != nil {
		return "", signet.NewError(signet.CodeInvalidRequest, "The client's metadata is not valid JSON.", "metadata")
	}
	return string(raw), nil
}

func (s *Store) insertClientParts(ctx context.Context, client *signet.Client, now time.Time) error {
	for _, secret := range client.Secrets {
		created := secret.CreatedAt
		if created.IsZero() {
			created = now
		}
		row := &secretRow{
			ClientID: string(client.ID), ID: secret.ID, Hash: secret.Hash.Sum[:], HashKey: string(secret.Hash.KeyID),
			CreatedAt: utc(created), ExpiresAt: utcPtr(secret.ExpiresAt),
		}
		if err := s.insert(ctx, row); err != nil {
			return err
		}
	}
	for _, origin := range client.Origins {
		if _, err := s.exec(ctx, "INSERT INTO client_origins (client_id, origin) VALUES (?, ?) ON CONFLICT DO NOTHING",
			string(client.ID), origin); err != nil {
			return err
		}
	}
	return nil
}

// staleOr tells a row that is not there (CodeNotFound) from one that has moved on (CodeConflict).
func (s *Store) staleOr(ctx context.Context, query, id string) error {
	var version int64
	if err := s.one(ctx, &version, query, id); err != nil {
		return err
	}
	return &signet.Error{Code: signet.CodeConflict, Reason: "stale_version"}
}

// SetClientDisabled disables a client: not_before is now, or beyond the limit before (signet.NextLimit), and a journal row
// takes back what was issued up to it. What is already so: nil, nothing written. Errors: CodeNotFound, CodeUnavailable.
//
// Its grants are revoked by that one row: none that was created at or before not_before can be used, nor any while the
// client is disabled (liveGrant). To write into each of them, a million perhaps, would outlast every deadline just when
// a client must be stopped. Enabling lifts the disabling, and moves not_before past what nodes with an old record may
// have issued after it.
func (s *Store) SetClientDisabled(ctx context.Context, id signet.ClientID, disabled bool, event signet.Event) error {
	if !findable(string(id)) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		limit, done, err := s.disable(ctx, t, disabling{
			table: "clients", where: "id = ?", args: []any{string(id)}, disabled: disabled, notBefore: true, updatedAt: true,
		})
		if err != nil || !done {
			return err
		}
		if disabled {
			s.revokeAll(t, signet.RevokedClient, string(id), limit, "client_disabled")
		}
		t.change(changedClients, string(id))
		t.note(event)
		return nil
	})
}
