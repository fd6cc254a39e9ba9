package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// userRow is a row of users. username_key and email_key are what a login name is compared with.
type userRow struct {
	ID                string `gorm:"primaryKey"`
	Username          string
	UsernameKey       string
	EmailKey          *string
	Profile           string
	PasswordHash      string
	PasswordChangedAt *time.Time
	NotBefore         *time.Time
	DisabledAt        *time.Time
	CreatedAt         time.Time
	UpdatedAt         time.Time
	Version           int64
}

// TableName is gorm's name of the table.
func (userRow) TableName() string { return "users" }

const userColumns = "id, username, username_key, email_key, profile, password_hash, password_changed_at, not_before, disabled_at, created_at, updated_at, version"

func (r *userRow) user() (*signet.User, error) {
	u := &signet.User{
		ID: signet.UserID(r.ID), Username: r.Username, PasswordHash: r.PasswordHash,
		PasswordChangedAt: orZero(r.PasswordChangedAt), NotBefore: orZero(r.NotBefore), DisabledAt: utcPtr(r.DisabledAt),
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), Version: r.Version,
	}
	return u, fromJSON(r.Profile, &u.Profile)
}

// loginKey is the form in which login names and e-mail addresses are compared: without letter case.
func loginKey(name string) string { return strings.ToLower(name) }

// User finds a user, at most 1 s stale. The record is shared: read only. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) User(ctx context.Context, id signet.UserID) (*signet.User, error) {
	if u := warm(ctx, s, s.users, id); u != nil {
		return u, nil
	}
	return through(ctx, s, s.users, id, s.loadUser)
}

func (s *Store) loadUser(ctx context.Context, id signet.UserID) (*signet.User, error) {
	var row userRow
	if err := s.one(ctx, &row, "SELECT "+userColumns+" FROM users WHERE id = ?", string(id)); err != nil {
		return nil, err
	}
	return row.user()
}

// aPerson is the condition on a user that is no PIN application (signet.ApplicationPrefix).
const aPerson = "substr(id, 1, 4) <> 'app:'"

// UserByLogin finds a user by login name or e-mail address, without letter case; it always reads the database. A login
// name goes before an address, and an address that several users share finds none of them: nobody can take over
// another's login by writing the other's address into a profile. A PIN application's row is none that logs in, nor does
// it stand in anybody's way. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) UserByLogin(ctx context.Context, name string) (*signet.User, error) {
	key := loginKey(name)
	if !findable(key) {
		return nil, signet.ErrNotFound
	}
	var rows []userRow
	err := s.all(ctx, &rows, "SELECT "+userColumns+" FROM users WHERE username_key = ? AND "+aPerson+" UNION ALL SELECT "+userColumns+
		" FROM (SELECT "+userColumns+" FROM users WHERE email_key = ? AND username_key <> ? AND "+aPerson+" LIMIT 2) u", key, key, key)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if rows[i].UsernameKey == key {
			return rows[i].user()
		}
	}
	if len(rows) != 1 {
		return nil, signet.ErrNotFound
	}
	return rows[0].user()
}

// ListUsers returns users by id, without PIN applications; after is the last id of the page before. Error: CodeUnavailable.
func (s *Store) ListUsers(ctx context.Context, after string, limit int) ([]signet.User, error) {
	if after != "" && !findable(after) {
		return nil, nil
	}
	var rows []userRow
	if err := s.all(ctx, &rows, "SELECT "+userColumns+" FROM users WHERE id > ? AND "+aPerson+" ORDER BY id LIMIT ?", after, limit); err != nil {
		return nil, err
	}
	out := make([]signet.User, 0, len(rows))
	for i := range rows {
		u, err := rows[i].user()
		if err != nil {
			return nil, err
		}
		out = append(out, *u)
	}
	return out, nil
}

func checkUser(user *signet.User) error {
	if err := storable(string(user.ID), user.Username, user.Profile.Email, user.PasswordHash); err != nil {
		return err
	}
	if !findable(string(user.ID)) || !findable(loginKey(user.Username)) {
		return signet.NewError(signet.CodeInvalidRequest, "The user name cannot be used.", "username")
	}
	return nil
}

// InsertUser writes a user at version 1 and sets Version and the times of the given one.
// Errors: CodeConflict when the id or the login name is taken, CodeInvalidRequest, CodeUnavailable.
func (s *Store) InsertUser(ctx context.Context, user *signet.User, event signet.Event) error {
	written := *user
	err := s.act(ctx, func(ctx context.Context, t *transaction) error {
		written = *user
		if err := s.insertUser(ctx, t, &written); err != nil {
			return err
		}
		t.note(event)
		return nil
	})
	if err == nil {
		*user = written
	}
	return err
}

// insertUser is InsertUser without the event, in a transaction.
func (s *Store) insertUser(ctx context.Context, t *transaction, user *signet.User) error {
	if err := checkUser(user); err != nil {
		return err
	}
	created, passwordChanged := createdAt(user.CreatedAt, t.now), user.PasswordChangedAt
	if user.PasswordHash != "" && passwordChanged.IsZero() {
		passwordChanged = created
	}
	row := &userRow{
		ID: string(user.ID), Username: user.Username, UsernameKey: loginKey(user.Username),
		EmailKey: orNil(loginKey(user.Profile.Email)), Profile: toJSON(user.Profile), PasswordHash: user.PasswordHash,
		PasswordChangedAt: utcOrNil(passwordChanged), NotBefore: utcOrNil(user.NotBefore),
		DisabledAt: utcPtr(user.DisabledAt), CreatedAt: created, UpdatedAt: created, Version: 1,
	}
	if err := s.insert(ctx, row); err != nil {
		return err
	}
	t.change(changedUsers, string(user.ID))
	user.CreatedAt, user.UpdatedAt, user.PasswordChangedAt, user.Version = created, created, passwordChanged, 1
	return nil
}

// UpdateUser writes login name and profile where Version still stands, and moves Version and UpdatedAt of the given one.
// Errors: CodeConflict when it is stale or the login name is taken, CodeNotFound, CodeInvalidRequest, CodeUnavailable.
func (s *Store) UpdateUser(ctx context.Context, user *signet.User, event signet.Event) error {
	if err := checkUser(user); err != nil {
		return err
	}
	var updated time.Time
	err := s.act(ctx, func(ctx context.Context, t *transaction) error {
		n, err := s.exec(ctx, `UPDATE users SET username = ?, username_key = ?, email_key = ?, profile = ?, updated_at = ?,
			version = version + 1 WHERE id = ? AND version = ?`,
			user.Username, loginKey(user.Username), orNil(loginKey(user.Profile.Email)), toJSON(user.Profile), t.now, string(user.ID), user.Version)
		if err != nil {
			return err
		}
		if n == 0 {
			return s.staleOr(ctx, "SELECT version FROM users WHERE id = ?", string(user.ID))
		}
		updated = t.now
		t.change(changedUsers, string(user.ID))
		t.note(event)
		return nil
	})
	if err == nil {
		user.Version, user.UpdatedAt = user.Version+1, updated
	}
	return err
}

// SetUserDisabled disables a user and ends everything the user has, or enables, which lifts the disabling only. What is
// already so: nil, nothing written. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) SetUserDisabled(ctx context.Context, id signet.UserID, disabled bool, event signet.Event) error {
	act := userAct{
		set:    func(_, _ time.Time) (string, []any) { return "disabled_at = NULL", nil },
		unless: func(row *heldUser) bool { return row.DisabledAt == nil },
	}
	if disabled {
		act = userAct{
			set: func(now, limit time.Time) (string, []any) {
				return "disabled_at = ?, not_before = ?", []any{now, limit}
			},
			unless: func(row *heldUser) bool { return row.DisabledAt != nil }, ends: "user_disabled",
		}
	}
	return s.actOnUser(ctx, id, act, event)
}

// SetPassword replaces the password's hash and ends everything the user has. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) SetPassword(ctx context.Context, id signet.UserID, phc string, event signet.Event) error {
	if err := storable(phc); err != nil {
		return err
	}
	return s.actOnUser(ctx, id, userAct{
		set: func(now, limit time.Time) (string, []any) {
			return "password_hash = ?, password_changed_at = ?, not_before = ?", []any{phc, now, limit}
		}, ends: "password_changed",
	}, event)
}

// RevokeUserGrants ends everything the user has, sessions included. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) RevokeUserGrants(ctx context.Context, id signet.UserID, reason string, event signet.Event) error {
	if reason == "" {
		reason = "revoked"
	}
	return s.actOnUser(ctx, id, userAct{
		set: func(_, limit time.Time) (string, []any) { return "not_before = ?", []any{limit} }, ends: reason,
	}, event)
}

// userAct is one UPDATE of a user's row: what it sets, at the time of the act and with the limit of what it takes back,
// unless it is already so. ends, when not "", is the reason for which sessions and grants end too, with a journal row that
// takes back whatever was issued up to the limit.
type userAct struct {
	set    func(now, limit time.Time) (columns string, args []any)
	unless func(row *heldUser) bool
	ends   string
}

// heldUser is what an act needs to know of the row that it holds.
type heldUser struct{ DisabledAt, NotBefore *time.Time }

func (s *Store) actOnUser(ctx context.Context, id signet.UserID, act userAct, event signet.Event) error {
	if !findable(string(id)) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		done, err := s.reviseUser(ctx, t, id, act)
		if done {
			t.note(event)
		}
		return err
	})
}

// reviseUser is actOnUser without the event, in a transaction.
func (s *Store) reviseUser(ctx context.Context, t *transaction, id signet.UserID, act userAct) (done bool, err error) {
	var row heldUser
	if err := s.one(ctx, &row, "SELECT disabled_at, not_before FROM users WHERE id = ?"+s.forUpdate(), string(id)); err != nil {
		return false, err
	}
	if act.unless != nil && act.unless(&row) {
		return false, nil
	}
	if act.ends != "" {
		if err := s.endUser(ctx, t, id, act.ends); err != nil {
			return false, err
		}
	}
	// Only now: the statements above may have waited for rows, and what was minted meanwhile must be covered, too.
	now := s.now()
	carried, err := s.lastMembershipChange(ctx, "= ?", string(id))
	if err != nil {
		return false, err
	}
	// A token that carries memberships was dated by their limit as well.
	limit := signet.NextLimit(now, latest(orZero(row.NotBefore), carried))
	set, args := act.set(now, limit)
	if _, err := s.exec(ctx, "UPDATE users SET "+set+", updated_at = ?, version = version + 1 WHERE id = ?", append(args, now, string(id))...); err != nil {
		return false, err
	}
	if act.ends != "" {
		s.revokeAll(t, signet.RevokedUser, string(id), limit, act.ends)
	}
	t.change(changedUsers, string(id))
	return true, nil
}

// endUser ends the user's sessions and revokes the user's grants, offline ones too. The user's row is held.
func (s *Store) endUser(ctx context.Context, t *transaction, id signet.UserID, reason string) error {
	if _, err := s.exec(ctx, "UPDATE sessions SET ended_at = ?, ended_reason = ? WHERE user_id = ? AND ended_at IS NULL",
		t.now, cleanText(reason), string(id)); err != nil {
		return err
	}
	_, err := s.exec(ctx, "UPDATE grants SET revoked_at = ?, revoked_reason = ? WHERE user_id = ? AND revoked_at IS NULL",
		t.now, cleanText(reason), string(id))
	return err
}
