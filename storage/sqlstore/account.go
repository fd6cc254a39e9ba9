package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// accountRow is a row of accounts. Its signing keys are rows of sealed_keys.
type accountRow struct {
	ID           string `gorm:"primaryKey"`
	Name         string
	AccountType  string
	Instance     string
	Settings     string
	IndividualOf *string
	NotBefore    *time.Time
	DisabledAt   *time.Time
	CreatedAt    time.Time
	CreatedBy    string
	UpdatedAt    time.Time
	UpdatedBy    string
	Version      int64
}

// TableName is gorm's name of the table.
func (accountRow) TableName() string { return "accounts" }

const accountColumns = "id, name, account_type, instance, settings, individual_of, not_before, disabled_at, created_at, created_by, updated_at, updated_by, version"

func (r *accountRow) rowID() string { return r.ID }

func (r *accountRow) record(keys []signet.SealedKey) (*signet.Account, error) {
	a := &signet.Account{
		ID: r.ID, Name: r.Name, Type: r.AccountType, Instance: r.Instance, Keys: keys, NotBefore: orZero(r.NotBefore),
		DisabledAt: utcPtr(r.DisabledAt), CreatedAt: r.CreatedAt.UTC(), CreatedBy: r.CreatedBy,
		UpdatedAt: r.UpdatedAt.UTC(), UpdatedBy: r.UpdatedBy, Version: r.Version,
	}
	return a, fromJSON(r.Settings, &a.Settings)
}

// Account finds an account with its keys, at most 1 s stale. The record is shared: read only.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) Account(ctx context.Context, id string) (*signet.Account, error) {
	if a := warm(ctx, s, s.accounts, id); a != nil {
		return a, nil
	}
	return through(ctx, s, s.accounts, id, func(ctx context.Context, id string) (*signet.Account, error) {
		return first(s.queryAccounts(ctx, "id = ?", id, 1))
	})
}

// AccountByInstance finds an account by its instance GUID, at most 1 s stale. The record is shared: read only.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) AccountByInstance(ctx context.Context, instance string) (*signet.Account, error) {
	id, err := s.byName(ctx, s.instances, instance, "SELECT id FROM accounts WHERE instance = ?")
	if err != nil {
		return nil, err
	}
	return s.Account(ctx, id)
}

// ListAccounts returns accounts by id; after is the last id of the page before. Error: CodeUnavailable.
func (s *Store) ListAccounts(ctx context.Context, after string, limit int) ([]signet.Account, error) {
	if after != "" && !findable(after) {
		return nil, nil
	}
	return s.queryAccounts(ctx, "id > ?", after, limit)
}

func (s *Store) queryAccounts(ctx context.Context, where, arg string, limit int) ([]signet.Account, error) {
	return queryKeyed[accountRow, signet.Account](ctx, s, signet.OwnerAccount, "accounts", accountColumns, where, arg, limit)
}

func accountText(a *signet.Account) (settings string, err error) {
	if !findable(a.ID) || !findable(a.Instance) {
		return "", signet.NewError(signet.CodeInvalidRequest, "The account's id or instance cannot be used.", "account_id")
	}
	if err := storable(a.Name, a.Type, a.CreatedBy, a.UpdatedBy); err != nil {
		return "", err
	}
	return metadataText(a.Settings)
}

// InsertAccount writes an account at version 1, with its keys and its owner when there is one, and sets Version and the
// times of the given ones. Errors: CodeConflict when id or instance is taken, or the owner of an individual account has
// one already (Reason "individual_exists"); CodeNotFound when there is no such user; CodeInvalidRequest, CodeUnavailable.
func (s *Store) InsertAccount(ctx context.Context, a *signet.Account, owner *signet.Membership, event signet.Event) error {
	settings, err := accountText(a)
	if err != nil {
		return err
	}
	var created time.Time
	var member signet.Membership
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		created = createdAt(a.CreatedAt, t.now)
		updatedBy := a.UpdatedBy
		if updatedBy == "" {
			updatedBy = a.CreatedBy
		}
		row := &accountRow{
			ID: a.ID, Name: a.Name, AccountType: a.Type, Instance: a.Instance, Settings: settings, NotBefore: utcOrNil(a.NotBefore),
			DisabledAt: utcPtr(a.DisabledAt), CreatedAt: created, CreatedBy: a.CreatedBy, UpdatedAt: created, UpdatedBy: updatedBy, Version: 1,
		}
		if owner != nil && a.Type == signet.AccountIndividual {
			row.IndividualOf = orNil(string(owner.UserID))
			if err := s.noIndividual(ctx, owner.UserID); err != nil {
				return err
			}
		}
		if err := s.insert(ctx, row); err != nil {
			return err
		}
		if err := s.putSealedKeys(ctx, t, signet.OwnerAccount+a.ID, a.Keys); err != nil {
			return err
		}
		if owner != nil {
			member = *owner
			member.AccountID = a.ID
			if err := s.insertOwner(ctx, t, &member); err != nil {
				return err
			}
		}
		t.change(changedAccounts, a.ID)
		t.change(changedInstances, a.Instance)
		t.note(event)
		return nil
	})
	if err == nil {
		a.CreatedAt, a.UpdatedAt, a.Version = created, created, 1
		if a.UpdatedBy == "" {
			a.UpdatedBy = a.CreatedBy
		}
		if owner != nil {
			*owner = member
		}
	}
	return err
}

// noIndividual gives the usual conflict its name; the unique column decides between two at once.
func (s *Store) noIndividual(ctx context.Context, user signet.UserID) error {
	var id string
	err := s.one(ctx, &id, "SELECT id FROM accounts WHERE individual_of = ?", string(user))
	switch {
	case err == nil:
		return &signet.Error{Code: signet.CodeConflict, Message: "The user has an individual account already.", Reason: "individual_exists"}
	case signet.CodeOf(err) == signet.CodeNotFound:
		return nil
	}
	return err
}

// insertOwner gives a new account its owner. Tokens that the person has say nothing untrue by it, so none is taken back:
// the one that made the account goes on to make its keys.
func (s *Store) insertOwner(ctx context.Context, t *transaction, m *signet.Membership) error {
	if !findable(string(m.UserID)) {
		return signet.ErrNotFound
	}
	if err := storable(m.Role, m.CreatedBy); err != nil {
		return err
	}
	row := &membershipRow{
		AccountID: m.AccountID, UserID: string(m.UserID), Role: m.Role, AcceptedAt: utcPtr(m.AcceptedAt),
		CreatedAt: createdAt(m.CreatedAt, t.now), CreatedBy: m.CreatedBy,
	}
	if err := s.insert(ctx, row); err != nil {
		return err
	}
	*m = row.membership()
	t.change(changedMemberships, row.UserID)
	return nil
}

// maxNamed is how many members' lists a change of their account names one by one; beyond it, it names all lists.
const maxNamed = 200

// accountChanged numbers the change of an account whose row is held, and of the lists of its members, which show it.
func (s *Store) accountChanged(ctx context.Context, t *transaction, id string) error {
	t.change(changedAccounts, id)
	var users []string
	err := s.all(ctx, &users, "SELECT user_id FROM memberships WHERE account_id = ? AND ended_at IS NULL LIMIT ?", id, maxNamed+1)
	if err != nil {
		return err
	}
	if len(users) > maxNamed {
		users = []string{""}
	}
	for _, user := range users {
		t.change(changedMemberships, user)
	}
	return nil
}

// UpdateAccount writes name, settings and UpdatedBy where Version still stands, and moves Version and UpdatedAt of the
// given one. Errors: CodeConflict when it is stale, CodeNotFound, CodeInvalidRequest, CodeUnavailable.
func (s *Store) UpdateAccount(ctx context.Context, a *signet.Account, event signet.Event) error {
	settings, err := accountText(a)
	if err != nil {
		return err
	}
	var updated time.Time
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		n, err := s.exec(ctx, "UPDATE accounts SET name = ?, settings = ?, updated_at = ?, updated_by = ?, version = version + 1 WHERE id = ? AND version = ?",
			a.Name, settings, t.now, a.UpdatedBy, a.ID, a.Version)
		if err != nil {
			return err
		}
		if n == 0 {
			return s.staleOr(ctx, "SELECT version FROM accounts WHERE id = ?", a.ID)
		}
		updated = t.now
		t.note(event)
		return s.accountChanged(ctx, t, a.ID)
	})
	if err == nil {
		a.Version, a.UpdatedAt = a.Version+1, updated
	}
	return err
}

// SetAccountDisabled disables an account: its API keys may not act from now on (Principal), and what was issued for them is
// taken back, in the journal too, by which those learn of it who have no record; so is what its members' tokens carry. What is already so: nil, nothing written. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) SetAccountDisabled(ctx context.Context, id string, disabled bool, event signet.Event) error {
	if !findable(id) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		keys, last, err := s.holdKeysOfAccount(ctx, id)
		if err != nil {
			return err
		}
		limit, done, err := s.disable(ctx, t, disabling{
			table: "accounts", where: "id = ?", args: []any{id}, disabled: disabled, notBefore: true, also: last, updatedAt: true,
		})
		if err != nil || !done {
			return err
		}
		if disabled {
			for _, key := range keys {
				s.revokeAll(t, signet.RevokedPrincipal, signet.PrincipalAPIKey+key, limit, "account_disabled")
			}
			if err := s.takeBackMembers(ctx, t, id); err != nil {
				return err
			}
		}
		t.note(event)
		return s.accountChanged(ctx, t, id)
	})
}

// holdKeysOfAccount holds the account's row until commit, so that no key of it changes, and returns the ids of its API keys
// and the last of their limits: their tokens were dated by it, too. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) holdKeysOfAccount(ctx context.Context, id string) (keys []string, last time.Time, err error) {
	var held string
	if err := s.one(ctx, &held, "SELECT id FROM accounts WHERE id = ?"+s.forUpdate(), id); err != nil {
		return nil, time.Time{}, err
	}
	var rows []struct {
		ID        string
		NotBefore *time.Time
	}
	if err := s.all(ctx, &rows, "SELECT id, not_before FROM api_keys WHERE account_id = ?", id); err != nil {
		return nil, time.Time{}, err
	}
	for _, row := range rows {
		keys, last = append(keys, row.ID), latest(last, orZero(row.NotBefore))
	}
	return keys, last, nil
}

// takeBackMembers takes back what the tokens of an account's members carry.
func (s *Store) takeBackMembers(ctx context.Context, t *transaction, account string) error {
	limit, err := s.membersLimit(ctx, "IN (SELECT user_id FROM memberships WHERE account_id = ? AND accepted_at IS NOT NULL AND ended_at IS NULL)", account)
	if signet.CodeOf(err) == signet.CodeNotFound {
		return nil // it has none
	}
	if err != nil {
		return err
	}
	var users []string
	err = s.all(ctx, &users, "UPDATE memberships SET changed_at = ? WHERE account_id = ? AND accepted_at IS NOT NULL AND ended_at IS NULL RETURNING user_id",
		limit, account)
	if err != nil {
		return err
	}
	for _, user := range users {
		s.revokeAll(t, signet.RevokedPrincipal, signet.PrincipalAccounts+user, limit, "account_disabled")
	}
	return nil
}
