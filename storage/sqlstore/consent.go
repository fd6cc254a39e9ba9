package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// consentRow is a row of consents.
type consentRow struct {
	UserID      string `gorm:"primaryKey"`
	ClientID    string `gorm:"primaryKey"`
	Scope       string
	GrantedAt   time.Time
	ConfirmedAt time.Time
}

// TableName is gorm's name of the table.
func (consentRow) TableName() string { return "consents" }

// Consent returns what the user allowed the client; never cached. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) Consent(ctx context.Context, user signet.UserID, client signet.ClientID) (*signet.Consent, error) {
	if !findable(string(user)) || !findable(string(client)) {
		return nil, signet.ErrNotFound
	}
	return s.loadConsent(ctx, user, client)
}

func (s *Store) loadConsent(ctx context.Context, user signet.UserID, client signet.ClientID) (*signet.Consent, error) {
	var row consentRow
	err := s.one(ctx, &row, "SELECT user_id, client_id, scope, granted_at, confirmed_at FROM consents WHERE user_id = ? AND client_id = ?",
		string(user), string(client))
	if err != nil {
		return nil, err
	}
	scope, err := signet.ParseScope(row.Scope)
	if err != nil {
		return nil, signet.Internal(err)
	}
	return &signet.Consent{
		UserID: user, ClientID: client, Scope: scope, GrantedAt: row.GrantedAt.UTC(), ConfirmedAt: row.ConfirmedAt.UTC(),
	}, nil
}

// GrantConsent adds the scope to what was allowed and moves ConfirmedAt, with the event. Two at once lose nothing: the
// row is locked before its scope is read.
// Errors: CodeNotFound when user or client is not there, CodeUnavailable.
func (s *Store) GrantConsent(ctx context.Context, consent *signet.Consent, event signet.Event) error {
	if !findable(string(consent.UserID)) || !findable(string(consent.ClientID)) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		granted := consent.GrantedAt
		if granted.IsZero() {
			granted = consent.ConfirmedAt
		}
		// The upsert takes the row's lock and reads what stands in it, in one statement.
		var before string
		err := s.one(ctx, &before, `INSERT INTO consents (user_id, client_id, scope, granted_at, confirmed_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (user_id, client_id) DO UPDATE SET confirmed_at = excluded.confirmed_at RETURNING scope`,
			string(consent.UserID), string(consent.ClientID), consent.Scope.String(), utc(granted), utc(consent.ConfirmedAt))
		if err != nil {
			return err
		}
		union, err := signet.ParseScope(before + " " + consent.Scope.String())
		if err != nil {
			return err
		}
		if text := union.String(); text != before {
			if _, err := s.exec(ctx, "UPDATE consents SET scope = ? WHERE user_id = ? AND client_id = ?",
				text, string(consent.UserID), string(consent.ClientID)); err != nil {
				return err
			}
		}
		t.note(event)
		return nil
	})
}

// RevokeConsent forgets what the user allowed the client and revokes the user's live grants there: rows, one journal row
// a grant and the event in one transaction. Errors: CodeNotFound when there is neither consent nor live grant,
// CodeUnavailable.
func (s *Store) RevokeConsent(ctx context.Context, user signet.UserID, client signet.ClientID, event signet.Event) error {
	if !findable(string(user)) || !findable(string(client)) {
		return signet.ErrNotFound
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		forgotten, err := s.exec(ctx, "DELETE FROM consents WHERE user_id = ? AND client_id = ?", string(user), string(client))
		if err != nil {
			return err
		}
		const reason = "consent_revoked"
		var ids []string
		err = s.all(ctx, &ids, `UPDATE grants SET revoked_at = ?, revoked_reason = ?
			WHERE user_id = ? AND client_id = ? AND revoked_at IS NULL AND expires_at > ? RETURNING id`,
			t.now, reason, string(user), string(client), t.now)
		if err != nil {
			return err
		}
		if forgotten == 0 && len(ids) == 0 {
			return signet.ErrNotFound
		}
		for _, id := range ids {
			s.revokeAll(t, signet.RevokedGrant, id, time.Time{}, reason)
		}
		t.note(event)
		return nil
	})
}
