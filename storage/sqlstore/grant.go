package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// grantRow is a row of grants.
type grantRow struct {
	ID        string `gorm:"primaryKey"`
	ClientID  string
	UserID    string
	SessionID *string
	Offline   bool
	Detail    string
	CreatedAt time.Time
	ExpiresAt time.Time
	RevokedAt *time.Time
	// ClientNotBefore is no column of grants: joins read it beside them. See SetClientDisabled.
	ClientNotBefore *time.Time `gorm:"->"`
}

// TableName is gorm's name of the table.
func (grantRow) TableName() string { return "grants" }

// grantAliases are the columns of a grant g in a join with its client gc.
const grantAliases = `g.id AS g_id, g.client_id AS g_client_id, g.user_id AS g_user_id, g.session_id AS g_session_id,
	g.offline AS g_offline, g.detail AS g_detail, g.created_at AS g_created_at, g.expires_at AS g_expires_at, g.revoked_at AS g_revoked_at,
	gc.not_before AS g_client_not_before`

// liveGrant is the condition on a grant g for spending what was issued from it; its one ? is now.
const liveGrant = `g.revoked_at IS NULL AND g.expires_at > ? AND NOT EXISTS (SELECT 1 FROM clients gc
	WHERE gc.id = g.client_id AND (gc.disabled_at IS NOT NULL OR gc.not_before >= g.created_at))`

// grantDetail is what nothing searches.
type grantDetail struct {
	Scope        signet.Scope `json:"scope,omitempty"`
	Audience     []string     `json:"aud,omitempty"`
	AuthTime     time.Time    `json:"auth_time"`
	ACR          string       `json:"acr,omitempty"`
	AMR          []string     `json:"amr,omitempty"`
	Nonce        string       `json:"nonce,omitempty"`
	Claims       string       `json:"claims,omitempty"`
	ACRRequested bool         `json:"acr_requested,omitempty"`
}

func newGrantRow(g *signet.Grant) *grantRow {
	return &grantRow{
		ID: string(g.ID), ClientID: string(g.ClientID), UserID: string(g.UserID), SessionID: orNil(string(g.SessionID)),
		Offline: g.Offline, CreatedAt: utc(g.CreatedAt), ExpiresAt: utc(g.ExpiresAt), RevokedAt: utcPtr(g.RevokedAt),
		Detail: toJSON(grantDetail{
			Scope: g.Scope, Audience: g.Audience, AuthTime: utc(g.AuthTime), ACR: g.ACR, AMR: g.AMR, Nonce: g.Nonce,
			Claims: g.Claims, ACRRequested: g.ACRRequested,
		}),
	}
}

func (r *grantRow) grant() (*signet.Grant, error) {
	var d grantDetail
	if err := fromJSON(r.Detail, &d); err != nil {
		return nil, err
	}
	revoked := utcPtr(r.RevokedAt)
	if revoked == nil && r.ClientNotBefore != nil && !r.CreatedAt.After(*r.ClientNotBefore) {
		revoked = utcPtr(r.ClientNotBefore)
	}
	return &signet.Grant{
		ID: signet.GrantID(r.ID), ClientID: signet.ClientID(r.ClientID), UserID: signet.UserID(r.UserID),
		SessionID: orEmpty[signet.SessionID](r.SessionID), Scope: d.Scope, Audience: d.Audience, AuthTime: d.AuthTime.UTC(),
		ACR: d.ACR, AMR: d.AMR, Nonce: d.Nonce, Claims: d.Claims, ACRRequested: d.ACRRequested, Offline: r.Offline,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), RevokedAt: revoked,
	}, nil
}

// IssueCode writes a grant and its code in one transaction, on condition that client and user are not disabled, the
// session, when named, has not ended, and the consent, when the grant rests on one, is still there.
// Errors: CodeRevoked (the condition), CodeConflict, CodeUnavailable.
func (s *Store) IssueCode(ctx context.Context, grant *signet.Grant, code *signet.AuthorizationCode) error {
	return s.act(ctx, func(ctx context.Context, _ *transaction) error {
		if err := s.insertGrant(ctx, grant); err != nil {
			return err
		}
		return s.insert(ctx, newCodeRow(code))
	})
}

// InsertGrant writes a grant that no code leads to, under the conditions of IssueCode.
// Errors: CodeRevoked (principal, session or consent), CodeConflict, CodeUnavailable.
func (s *Store) InsertGrant(ctx context.Context, grant *signet.Grant) error {
	return s.act(ctx, func(ctx context.Context, _ *transaction) error { return s.insertGrant(ctx, grant) })
}

func (s *Store) insertGrant(ctx context.Context, grant *signet.Grant) error {
	// The rows of user, session and consent are held until commit, in this order: whoever ends one of them either is seen
	// here, or waits and then finds this grant among those to revoke. A condition inside the INSERT would not do:
	// under READ COMMITTED the row could be ended between its look and our commit, and the grant would survive.
	// The client's row is not held: all its users' logins would share it, and one that disables it would wait long.
	from, held := "clients c, users u", "u"
	where, args := "c.id = ? AND c.disabled_at IS NULL AND u.id = ? AND u.disabled_at IS NULL", []any{string(grant.ClientID), string(grant.UserID)}
	if grant.SessionID != "" {
		from, held = from+", sessions n", held+", n"
		where, args = where+" AND n.id = ? AND n.ended_at IS NULL", append(args, string(grant.SessionID))
	}
	if grant.Consented {
		from, held = from+", consents a", held+", a"
		where += " AND a.user_id = u.id AND a.client_id = c.id"
	}
	var one int
	err := s.one(ctx, &one, "SELECT 1 FROM "+from+" WHERE "+where+s.holding(held), args...)
	if signet.CodeOf(err) == signet.CodeNotFound {
		return &signet.Error{Code: signet.CodeRevoked, Reason: "principal_ended"}
	}
	if err != nil {
		return err
	}
	return s.insert(ctx, newGrantRow(grant))
}

// RevokeGrant takes a grant back with everything issued from it: row, journal and event in one transaction of its own.
// Not there or revoked before: nil, nothing written. A caller that hangs up does not stop it.
//
// Inside another transaction it runs when that one has ended, committed or not: the answer to a replay must not be
// undone by the failure that the replay itself causes, and a second connection asked for here could wait for ever. A
// failure is then what the outer InTx returns. Error: CodeUnavailable.
func (s *Store) RevokeGrant(ctx context.Context, id signet.GrantID, reason string, event signet.Event) error {
	if !findable(string(id)) {
		return nil
	}
	if t := s.current(ctx); t != nil {
		t.after = append(t.after, func(ctx context.Context) error { return s.revokeGrant(ctx, id, reason, event) })
		return nil
	}
	return s.revokeGrant(ctx, id, reason, event)
}

func (s *Store) revokeGrant(ctx context.Context, id signet.GrantID, reason string, event signet.Event) error {
	return s.act(context.WithoutCancel(ctx), func(ctx context.Context, t *transaction) error {
		n, err := s.exec(ctx, "UPDATE grants SET revoked_at = ?, revoked_reason = ? WHERE id = ? AND revoked_at IS NULL",
			t.now, cleanText(reason), string(id))
		if err != nil || n == 0 {
			return err
		}
		s.revokeAll(t, signet.RevokedGrant, string(id), time.Time{}, reason)
		t.note(event)
		return nil
	})
}
