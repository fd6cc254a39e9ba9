package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// membershipRow is a row of memberships.
type membershipRow struct {
	AccountID  string `gorm:"primaryKey"`
	UserID     string `gorm:"primaryKey"`
	Role       string
	AcceptedAt *time.Time
	ChangedAt  *time.Time
	EndedAt    *time.Time
	CreatedAt  time.Time
	CreatedBy  string
}

// TableName is gorm's name of the table.
func (membershipRow) TableName() string { return "memberships" }

const membershipColumns = "account_id, user_id, role, accepted_at, changed_at, ended_at, created_at, created_by"

// roleOwner is the role that an account is never left without.
const roleOwner = "account-owner"

func (r *membershipRow) membership() signet.Membership {
	return signet.Membership{
		AccountID: r.AccountID, UserID: signet.UserID(r.UserID), Role: r.Role, AcceptedAt: utcPtr(r.AcceptedAt),
		CreatedAt: r.CreatedAt.UTC(), CreatedBy: r.CreatedBy,
	}
}

// counts reports whether the membership is one that tokens carry.
func (r *membershipRow) counts() bool { return r.EndedAt == nil && r.AcceptedAt != nil }

// Memberships returns all that a user is a member of, by account id; empty for one without any; at most 1 s stale. The
// record is shared: read only. Error: CodeUnavailable.
func (s *Store) Memberships(ctx context.Context, user signet.UserID) (*signet.Memberships, error) {
	if m := warm(ctx, s, s.memberships, user); m != nil {
		return m, nil
	}
	m, err := through(ctx, s, s.memberships, user, s.loadMemberships)
	if signet.CodeOf(err) == signet.CodeNotFound { // no text that could be a user's id
		return &signet.Memberships{UserID: user}, nil
	}
	return m, err
}

func (s *Store) loadMemberships(ctx context.Context, user signet.UserID) (*signet.Memberships, error) {
	var rows []struct {
		M           membershipRow `gorm:"embedded;embeddedPrefix:m_"`
		AccountName string
		AccountType string
		DisabledAt  *time.Time
	}
	err := s.all(ctx, &rows, "SELECT "+aliases("m", membershipColumns)+`, a.name AS account_name, a.account_type AS account_type,
		a.disabled_at AS disabled_at FROM memberships m JOIN accounts a ON a.id = m.account_id WHERE m.user_id = ? ORDER BY m.account_id`, string(user))
	if err != nil {
		return nil, err
	}
	out := &signet.Memberships{UserID: user}
	for i := range rows {
		row := &rows[i]
		if changed := orZero(row.M.ChangedAt); changed.After(out.ChangedAt) {
			out.ChangedAt = changed
		}
		if row.M.EndedAt == nil {
			out.Members = append(out.Members, signet.Member{
				Membership: row.M.membership(), AccountName: row.AccountName, AccountType: row.AccountType, AccountDisabled: row.DisabledAt != nil,
			})
		}
	}
	return out, nil
}

// Members returns an account's memberships, pending ones too, by user id; it always reads the database.
// Error: CodeUnavailable.
func (s *Store) Members(ctx context.Context, account string) ([]signet.Membership, error) {
	if !findable(account) {
		return nil, nil
	}
	var rows []membershipRow
	err := s.all(ctx, &rows, "SELECT "+membershipColumns+" FROM memberships WHERE account_id = ? AND ended_at IS NULL ORDER BY user_id", account)
	out := make([]signet.Membership, len(rows))
	for i := range rows {
		out[i] = rows[i].membership()
	}
	return out, err
}

// PutMembership writes a new membership, or the role of one that stands: that stays accepted when it was, and is accepted
// when AcceptedAt is given. A membership that had ended begins anew. The given one is set to what stands then. What is
// already so: nil, nothing written.
//
// What tokens carry of it is taken back, when they carry it: an invitation that nobody has accepted changes no token, or
// anybody with an account could end anybody's tokens by inviting them.
//
// Errors: CodeConflict when the account would be left without an accepted owner (Reason "last_owner"); CodeNotFound when
// there is no such account or user; CodeInvalidRequest, CodeUnavailable.
func (s *Store) PutMembership(ctx context.Context, m *signet.Membership, event signet.Event) error {
	written := *m
	err := s.act(ctx, func(ctx context.Context, t *transaction) error {
		written = *m
		done, err := s.putMembership(ctx, t, &written)
		if done {
			t.note(event)
		}
		return err
	})
	if err == nil {
		*m = written
	}
	return err
}

func (s *Store) putMembership(ctx context.Context, t *transaction, m *signet.Membership) (done bool, err error) {
	if !findable(m.AccountID) || !findable(string(m.UserID)) {
		return false, signet.ErrNotFound
	}
	if err := storable(m.Role, m.CreatedBy); err != nil {
		return false, err
	}
	old, err := s.holdMembership(ctx, m.AccountID, m.UserID)
	if err != nil {
		return false, err
	}
	now := s.now() // after the wait for the account's row
	row := &membershipRow{
		AccountID: m.AccountID, UserID: string(m.UserID), Role: m.Role, AcceptedAt: utcPtr(m.AcceptedAt),
		CreatedAt: createdAt(m.CreatedAt, now), CreatedBy: m.CreatedBy,
	}
	if old != nil {
		if row.follow(old) {
			*m = row.membership()
			return false, nil
		}
		if old.counts() && old.Role == roleOwner && m.Role != roleOwner {
			if err := s.anotherOwner(ctx, m.AccountID, m.UserID); err != nil {
				return false, err
			}
		}
	}
	var limit time.Time
	if row.AcceptedAt != nil {
		if limit, err = s.membersLimit(ctx, "= ?", row.UserID); err != nil {
			return false, err
		}
		row.ChangedAt = &limit
	}
	if old == nil {
		err = s.insert(ctx, row)
	} else {
		_, err = s.exec(ctx, `UPDATE memberships SET role = ?, accepted_at = ?, changed_at = ?, ended_at = NULL, created_at = ?, created_by = ?
			WHERE account_id = ? AND user_id = ?`, row.Role, row.AcceptedAt, row.ChangedAt, row.CreatedAt, row.CreatedBy, row.AccountID, row.UserID)
	}
	if err != nil {
		return false, err
	}
	*m = row.membership()
	s.membershipChanged(t, row, limit, "membership_changed")
	return true, nil
}

// follow takes over what stays of the row before, and reports whether nothing changes.
func (r *membershipRow) follow(old *membershipRow) (same bool) {
	r.ChangedAt = utcPtr(old.ChangedAt)
	if old.EndedAt != nil {
		return false
	}
	r.CreatedAt, r.CreatedBy = old.CreatedAt.UTC(), old.CreatedBy
	accepted := r.AcceptedAt != nil
	if old.AcceptedAt != nil {
		r.AcceptedAt = utcPtr(old.AcceptedAt)
	}
	return r.Role == old.Role && (old.AcceptedAt != nil || !accepted)
}

// holdMembership holds the account's row until commit, so that two who take owners away count one after the other, and
// reads a membership, nil when there never was one. Error: CodeNotFound when there is no such account.
func (s *Store) holdMembership(ctx context.Context, account string, user signet.UserID) (*membershipRow, error) {
	var id string
	if err := s.one(ctx, &id, "SELECT id FROM accounts WHERE id = ?"+s.forUpdate(), account); err != nil {
		return nil, err
	}
	var row membershipRow
	err := s.one(ctx, &row, "SELECT "+membershipColumns+" FROM memberships WHERE account_id = ? AND user_id = ?", account, string(user))
	if signet.CodeOf(err) == signet.CodeNotFound {
		return nil, nil
	}
	return &row, err
}

// anotherOwner gives CodeConflict unless the account has an accepted owner besides this one.
func (s *Store) anotherOwner(ctx context.Context, account string, user signet.UserID) error {
	var others int
	err := s.one(ctx, &others, `SELECT COUNT(*) FROM memberships WHERE account_id = ? AND user_id <> ? AND role = ?
		AND accepted_at IS NOT NULL AND ended_at IS NULL`, account, string(user), roleOwner)
	if err != nil {
		return err
	}
	if others == 0 {
		return &signet.Error{Code: signet.CodeConflict, Message: "The last owner of an account cannot be removed.", Reason: "last_owner"}
	}
	return nil
}

// membersLimit is the limit of an act that takes back what tokens of these users carry of memberships: changed_at, and the
// journal's Before. which is the condition on a user's id, a list of one or more. The tokens were dated by all memberships
// of their user, in whatever account, and by the user's own limit; the users' rows are held until commit, so that of two acts in different accounts the
// later one sees the limit of the former. They come after the account's row, and in one order. Errors: CodeNotFound
// (nobody), CodeUnavailable.
func (s *Store) membersLimit(ctx context.Context, which string, args ...any) (time.Time, error) {
	var users []struct{ NotBefore *time.Time }
	if err := s.all(ctx, &users, "SELECT not_before FROM users WHERE id "+which+" ORDER BY id"+s.forUpdate(), args...); err != nil {
		return time.Time{}, err
	}
	if len(users) == 0 {
		return time.Time{}, signet.ErrNotFound
	}
	previous, err := s.lastMembershipChange(ctx, which, args...)
	if err != nil {
		return time.Time{}, err
	}
	for _, user := range users {
		previous = latest(previous, orZero(user.NotBefore))
	}
	return signet.NextLimit(s.now(), previous), nil // the time after the wait for the rows
}

// lastMembershipChange is the latest limit by which tokens that carry memberships of these users were dated, zero for
// none.
func (s *Store) lastMembershipChange(ctx context.Context, which string, args ...any) (time.Time, error) {
	var last []struct{ ChangedAt *time.Time }
	err := s.all(ctx, &last, "SELECT changed_at FROM memberships WHERE user_id "+which+" AND changed_at IS NOT NULL ORDER BY changed_at DESC LIMIT 1", args...)
	if err != nil || len(last) == 0 {
		return time.Time{}, err
	}
	return orZero(last[0].ChangedAt), nil
}

// membershipChanged numbers the change of the user's list, and takes back tokens when they carry the membership.
func (s *Store) membershipChanged(t *transaction, row *membershipRow, limit time.Time, reason string) {
	t.change(changedMemberships, row.UserID)
	if row.AcceptedAt != nil {
		s.revokeAll(t, signet.RevokedPrincipal, signet.PrincipalAccounts+row.UserID, limit, reason)
	}
}

// AcceptMembership makes a membership count. Accepted before: nil, nothing written. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) AcceptMembership(ctx context.Context, account string, user signet.UserID, event signet.Event) error {
	return s.actOnMembership(ctx, account, user, func(ctx context.Context, t *transaction, row *membershipRow, now time.Time) error {
		if row.AcceptedAt != nil {
			return nil
		}
		limit, err := s.membersLimit(ctx, "= ?", row.UserID)
		if err != nil {
			return err
		}
		if _, err := s.exec(ctx, "UPDATE memberships SET accepted_at = ?, changed_at = ? WHERE account_id = ? AND user_id = ?",
			now, limit, account, string(user)); err != nil {
			return err
		}
		row.AcceptedAt = &now
		s.membershipChanged(t, row, limit, "membership_accepted")
		t.note(event)
		return nil
	})
}

// EndMembership ends a membership, accepted or not. Errors: CodeConflict for the last accepted owner (Reason
// "last_owner"), CodeNotFound, CodeUnavailable.
func (s *Store) EndMembership(ctx context.Context, account string, user signet.UserID, event signet.Event) error {
	return s.actOnMembership(ctx, account, user, func(ctx context.Context, t *transaction, row *membershipRow, now time.Time) error {
		if row.counts() && row.Role == roleOwner {
			if err := s.anotherOwner(ctx, account, user); err != nil {
				return err
			}
		}
		changed, limit := utcPtr(row.ChangedAt), time.Time{}
		if row.AcceptedAt != nil {
			var err error
			if limit, err = s.membersLimit(ctx, "= ?", row.UserID); err != nil {
				return err
			}
			changed = &limit
		}
		if _, err := s.exec(ctx, "UPDATE memberships SET ended_at = ?, changed_at = ? WHERE account_id = ? AND user_id = ?",
			now, changed, account, string(user)); err != nil {
			return err
		}
		s.membershipChanged(t, row, limit, "membership_ended")
		t.note(event)
		return nil
	})
}

// actOnMembership runs fn on a membership that has not ended, with the account's row held. Error: CodeNotFound.
func (s *Store) actOnMembership(ctx context.Context, account string, user signet.UserID,
	fn func(ctx context.Context, t *transaction, row *membershipRow, now time.Time) error,
) error {
	if !findable(account) || !findable(string(user)) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		row, err := s.holdMembership(ctx, account, user)
		if err != nil {
			return err
		}
		if row == nil || row.EndedAt != nil {
			return signet.ErrNotFound
		}
		return fn(ctx, t, row, s.now()) // after the wait for the account's row
	})
}
