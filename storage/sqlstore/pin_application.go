package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// pinApplicationRow is a row of pin_applications. Its AES keys are rows of sealed_keys.
type pinApplicationRow struct {
	ID        string `gorm:"primaryKey"`
	Username  string
	Metadata  string
	PINHash   string `gorm:"column:pin_hash"`
	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64
}

// TableName is gorm's name of the table.
func (pinApplicationRow) TableName() string { return "pin_applications" }

const pinApplicationColumns = "id, username, metadata, pin_hash, created_at, updated_at, version"

func (r *pinApplicationRow) rowID() string { return r.ID }

func (r *pinApplicationRow) record(keys []signet.SealedKey) (*signet.PINApplication, error) {
	a := &signet.PINApplication{
		ID: signet.ClientID(r.ID), PINHash: r.PINHash, Keys: keys, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
		Version: r.Version,
	}
	err := fromJSON(r.Metadata, &a.PINApplicationMetadata)
	a.Username = r.Username
	return a, err
}

// PINApplication finds a PIN application with its keys by the exact user name. It is not cached: names that exist and names
// that do not cost the same statement, and a PIN that was just changed counts at once. Beside the hash of a login it is
// nothing. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) PINApplication(ctx context.Context, username string) (*signet.PINApplication, error) {
	if !findable(username) {
		return nil, signet.ErrNotFound
	}
	return first(s.queryPINApplications(ctx, "username = ?", username, 1))
}

// PINApplicationByID finds a PIN application with its keys; it always reads the database.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) PINApplicationByID(ctx context.Context, id signet.ClientID) (*signet.PINApplication, error) {
	if !findable(string(id)) {
		return nil, signet.ErrNotFound
	}
	return first(s.queryPINApplications(ctx, "id = ?", string(id), 1))
}

// ListPINApplications returns PIN applications by id; after is the last id of the page before. Error: CodeUnavailable.
func (s *Store) ListPINApplications(ctx context.Context, after string, limit int) ([]signet.PINApplication, error) {
	if after != "" && !findable(after) {
		return nil, nil
	}
	return s.queryPINApplications(ctx, "id > ?", after, limit)
}

func (s *Store) queryPINApplications(ctx context.Context, where, arg string, limit int) ([]signet.PINApplication, error) {
	return queryKeyed[pinApplicationRow, signet.PINApplication](ctx, s, signet.OwnerPINApplication, "pin_applications",
		pinApplicationColumns, where, arg, limit)
}

func pinApplicationText(a *signet.PINApplication) (metadata string, err error) {
	if !findable(string(a.ID)) || !findable(a.Username) {
		return "", signet.NewError(signet.CodeInvalidRequest, "The user name cannot be used.", "username")
	}
	if err := storable(a.PINHash); err != nil {
		return "", err
	}
	return metadataText(a.PINApplicationMetadata)
}

// InsertPINApplication writes the application, its client, its user and its keys in one transaction, and sets Version and
// the times of the given ones. The client's id is the application's, and the user's is app.UserID().
// Errors: CodeConflict when an id or the user name is taken, CodeInvalidRequest, CodeUnavailable.
func (s *Store) InsertPINApplication(ctx context.Context, app *signet.PINApplication, client *signet.Client, user *signet.User,
	keys []signet.SealedKey, event signet.Event,
) error {
	metadata, err := pinApplicationText(app)
	if err != nil {
		return err
	}
	if client.ID != app.ID || user.ID != app.UserID() {
		return signet.NewError(signet.CodeInvalidRequest, "Client and user are not the application's.", "pin_application")
	}
	var created time.Time
	writtenClient, writtenUser := *client, *user
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		created, writtenClient, writtenUser = createdAt(app.CreatedAt, t.now), *client, *user
		if err := s.insertClient(ctx, t, &writtenClient); err != nil {
			return err
		}
		if err := s.insertUser(ctx, t, &writtenUser); err != nil {
			return err
		}
		row := &pinApplicationRow{
			ID: string(app.ID), Username: app.Username, Metadata: metadata, PINHash: app.PINHash,
			CreatedAt: created, UpdatedAt: created, Version: 1,
		}
		if err := s.insert(ctx, row); err != nil {
			return err
		}
		if err := s.putSealedKeys(ctx, t, signet.OwnerPINApplication+string(app.ID), keys); err != nil {
			return err
		}
		t.change(changedPINApplications, app.Username)
		t.note(event)
		return nil
	})
	if err == nil {
		*client, *user = writtenClient, writtenUser
		app.CreatedAt, app.UpdatedAt, app.Version = created, created, 1
	}
	return err
}

// UpdatePINApplication writes metadata and PIN hash where Version still stands, and moves Version and UpdatedAt of the
// given one. Another hash also ends everything the application has, as SetPassword does.
// Errors: CodeConflict when it is stale or the user name is taken, CodeNotFound, CodeInvalidRequest, CodeUnavailable.
func (s *Store) UpdatePINApplication(ctx context.Context, app *signet.PINApplication, event signet.Event) error {
	metadata, err := pinApplicationText(app)
	if err != nil {
		return err
	}
	var updated time.Time
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		var old pinApplicationRow
		if err := s.one(ctx, &old, "SELECT "+pinApplicationColumns+" FROM pin_applications WHERE id = ?", string(app.ID)); err != nil {
			return err
		}
		// Where the version still stands, this is the row that is replaced.
		n, err := s.exec(ctx, `UPDATE pin_applications SET username = ?, metadata = ?, pin_hash = ?, updated_at = ?, version = version + 1
			WHERE id = ? AND version = ?`, app.Username, metadata, app.PINHash, t.now, string(app.ID), app.Version)
		if err != nil {
			return err
		}
		if n == 0 {
			return s.staleOr(ctx, "SELECT version FROM pin_applications WHERE id = ?", string(app.ID))
		}
		if old.PINHash != app.PINHash {
			act := userAct{set: func(now, limit time.Time) (string, []any) {
				return "password_changed_at = ?, not_before = ?", []any{now, limit}
			}, ends: "pin_changed"}
			if _, err := s.reviseUser(ctx, t, app.UserID(), act); err != nil {
				return err
			}
		}
		updated = t.now
		t.change(changedPINApplications, old.Username)
		t.change(changedPINApplications, app.Username)
		t.note(event)
		return nil
	})
	if err == nil {
		app.Version, app.UpdatedAt = app.Version+1, updated
	}
	return err
}
