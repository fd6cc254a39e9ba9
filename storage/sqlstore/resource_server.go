package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// resourceServerRow is a row of resource_servers. Private keys that signet holds are rows of sealed_keys.
type resourceServerRow struct {
	ID         string `gorm:"primaryKey"`
	Audience   string
	Metadata   string
	DisabledAt *time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Version    int64
}

// TableName is gorm's name of the table.
func (resourceServerRow) TableName() string { return "resource_servers" }

const resourceServerColumns = "id, audience, metadata, disabled_at, created_at, updated_at, version"

func (r *resourceServerRow) rowID() string { return r.ID }

func (r *resourceServerRow) record(keys []signet.SealedKey) (*signet.ResourceServer, error) {
	rs := &signet.ResourceServer{
		ID: r.ID, Keys: keys, DisabledAt: utcPtr(r.DisabledAt), CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
		Version: r.Version,
	}
	err := fromJSON(r.Metadata, &rs.ResourceServerMetadata)
	rs.Audience = r.Audience
	return rs, err
}

// ResourceServer finds a resource server with its keys, at most 1 s stale. The record is shared: read only.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) ResourceServer(ctx context.Context, id string) (*signet.ResourceServer, error) {
	if rs := warm(ctx, s, s.resourceServers, id); rs != nil {
		return rs, nil
	}
	return through(ctx, s, s.resourceServers, id, func(ctx context.Context, id string) (*signet.ResourceServer, error) {
		return first(s.queryResourceServers(ctx, "id = ?", id, 1))
	})
}

// ResourceServerByAudience finds a resource server by the exact audience, at most 1 s stale. The record is shared: read
// only. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) ResourceServerByAudience(ctx context.Context, audience string) (*signet.ResourceServer, error) {
	id, err := s.byName(ctx, s.audiences, audience, "SELECT id FROM resource_servers WHERE audience = ?")
	if err != nil {
		return nil, err
	}
	rs, err := s.ResourceServer(ctx, id)
	if err == nil && rs.Audience != audience { // moved between the two reads
		return nil, signet.ErrNotFound
	}
	return rs, err
}

// byName finds the id of a record by its second name, at most 1 s stale. query has one ? and gives the id.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) byName(ctx context.Context, names *cache[string, string], name, query string) (string, error) {
	if id := warm(ctx, s, names, name); id != nil {
		return *id, nil
	}
	id, err := through(ctx, s, names, name, func(ctx context.Context, name string) (*string, error) {
		var id string
		return &id, s.one(ctx, &id, query, name)
	})
	if err != nil {
		return "", err
	}
	return *id, nil
}

// ListResourceServers returns resource servers by id; after is the last id of the page before. Error: CodeUnavailable.
func (s *Store) ListResourceServers(ctx context.Context, after string, limit int) ([]signet.ResourceServer, error) {
	if after != "" && !findable(after) {
		return nil, nil
	}
	return s.queryResourceServers(ctx, "id > ?", after, limit)
}

func (s *Store) queryResourceServers(ctx context.Context, where, arg string, limit int) ([]signet.ResourceServer, error) {
	return queryKeyed[resourceServerRow, signet.ResourceServer](ctx, s, signet.OwnerResourceServer, "resource_servers",
		resourceServerColumns, where, arg, limit)
}

func resourceServerText(rs *signet.ResourceServer) (metadata string, err error) {
	if !findable(rs.ID) || !findable(rs.Audience) {
		return "", signet.NewError(signet.CodeInvalidRequest, "The resource server's id or audience cannot be used.", "resource_server")
	}
	return metadataText(rs.ResourceServerMetadata)
}

// InsertResourceServer writes a resource server at version 1, with its keys, and sets Version and the times of the given
// one. Errors: CodeConflict when id or audience is taken, CodeInvalidRequest, CodeUnavailable.
func (s *Store) InsertResourceServer(ctx context.Context, rs *signet.ResourceServer, event signet.Event) error {
	metadata, err := resourceServerText(rs)
	if err != nil {
		return err
	}
	var created time.Time
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		created = createdAt(rs.CreatedAt, t.now)
		row := &resourceServerRow{
			ID: rs.ID, Audience: rs.Audience, Metadata: metadata, DisabledAt: utcPtr(rs.DisabledAt),
			CreatedAt: created, UpdatedAt: created, Version: 1,
		}
		if err := s.insert(ctx, row); err != nil {
			return err
		}
		if err := s.putSealedKeys(ctx, t, signet.OwnerResourceServer+rs.ID, rs.Keys); err != nil {
			return err
		}
		t.change(changedResourceServers, rs.ID)
		t.change(changedAudiences, rs.Audience)
		t.note(event)
		return nil
	})
	if err == nil {
		rs.CreatedAt, rs.UpdatedAt, rs.Version = created, created, 1
	}
	return err
}

// UpdateResourceServer writes the metadata where Version still stands, and moves Version and UpdatedAt of the given one.
// Errors: CodeConflict when it is stale or the audience is taken, CodeNotFound, CodeInvalidRequest, CodeUnavailable.
func (s *Store) UpdateResourceServer(ctx context.Context, rs *signet.ResourceServer, event signet.Event) error {
	metadata, err := resourceServerText(rs)
	if err != nil {
		return err
	}
	var updated time.Time
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		var old string
		if err := s.one(ctx, &old, "SELECT audience FROM resource_servers WHERE id = ?", rs.ID); err != nil {
			return err
		}
		// Where the version still stands, the audience read before is the one that it replaces.
		n, err := s.exec(ctx, "UPDATE resource_servers SET audience = ?, metadata = ?, updated_at = ?, version = version + 1 WHERE id = ? AND version = ?",
			rs.Audience, metadata, t.now, rs.ID, rs.Version)
		if err != nil {
			return err
		}
		if n == 0 {
			return s.staleOr(ctx, "SELECT version FROM resource_servers WHERE id = ?", rs.ID)
		}
		updated = t.now
		t.change(changedResourceServers, rs.ID)
		if old != rs.Audience {
			t.change(changedAudiences, old)
			t.change(changedAudiences, rs.Audience)
		}
		t.note(event)
		return nil
	})
	if err == nil {
		rs.Version, rs.UpdatedAt = rs.Version+1, updated
	}
	return err
}

// SetResourceServerDisabled stops or resumes issuing for a resource server. What is already so: nil, nothing written.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) SetResourceServerDisabled(ctx context.Context, id string, disabled bool, event signet.Event) error {
	if !findable(id) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		_, done, err := s.disable(ctx, t, disabling{
			table: "resource_servers", where: "id = ?", args: []any{id}, disabled: disabled, updatedAt: true,
		})
		if err != nil || !done {
			return err
		}
		t.change(changedResourceServers, id)
		t.note(event)
		return nil
	})
}
