package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// codeRow is a row of authorization_codes.
type codeRow struct {
	Hash      []byte `gorm:"primaryKey"`
	HashKey   string
	GrantID   string
	ClientID  string
	Detail    string
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    *time.Time
}

// TableName is gorm's name of the table.
func (codeRow) TableName() string { return "authorization_codes" }

// codeDetail is what nothing searches.
type codeDetail struct {
	RedirectURI       string `json:"redirect_uri,omitempty"`
	CodeChallenge     string `json:"code_challenge,omitempty"`
	RequestedAuthTime bool   `json:"requested_auth_time,omitempty"`
}

func newCodeRow(c *signet.AuthorizationCode) *codeRow {
	return &codeRow{
		Hash: c.Hash.Sum[:], HashKey: string(c.Hash.KeyID), GrantID: string(c.GrantID), ClientID: string(c.ClientID),
		Detail:    toJSON(codeDetail{RedirectURI: c.RedirectURI, CodeChallenge: c.CodeChallenge, RequestedAuthTime: c.RequestedAuthTime}),
		CreatedAt: utc(c.CreatedAt), ExpiresAt: utc(c.ExpiresAt), UsedAt: utcPtr(c.UsedAt),
	}
}

func (r *codeRow) code() (*signet.AuthorizationCode, error) {
	var d codeDetail
	if err := fromJSON(r.Detail, &d); err != nil {
		return nil, err
	}
	return &signet.AuthorizationCode{
		Hash: secretHash(r.HashKey, r.Hash), GrantID: signet.GrantID(r.GrantID), ClientID: signet.ClientID(r.ClientID),
		RedirectURI: d.RedirectURI, CodeChallenge: d.CodeChallenge, RequestedAuthTime: d.RequestedAuthTime,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), UsedAt: utcPtr(r.UsedAt),
	}, nil
}

// Code finds a code, spent or not, expired or not, with its grant, in one read. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) Code(ctx context.Context, hashes []signet.SecretHash) (*signet.AuthorizationCode, *signet.Grant, error) {
	var row struct {
		C codeRow  `gorm:"embedded;embeddedPrefix:c_"`
		G grantRow `gorm:"embedded;embeddedPrefix:g_"`
	}
	err := s.one(ctx, &row, `SELECT c.hash AS c_hash, c.hash_key AS c_hash_key, c.grant_id AS c_grant_id, c.client_id AS c_client_id,
			c.detail AS c_detail, c.created_at AS c_created_at, c.expires_at AS c_expires_at, c.used_at AS c_used_at, `+grantAliases+`
		FROM authorization_codes c JOIN grants g ON g.id = c.grant_id JOIN clients gc ON gc.id = g.client_id
		WHERE c.hash IN ? LIMIT 1`, sums(hashes))
	if err != nil {
		return nil, nil, err
	}
	code, err := row.C.code()
	if err != nil {
		return nil, nil, err
	}
	grant, err := row.G.grant()
	return code, grant, err
}

// UseCode spends a code by one conditional statement: of any number of calls, one returns nil.
// Errors: CodeUsed when it was spent before, CodeRevoked when its grant is taken back or over, CodeExpired, CodeNotFound,
// CodeUnavailable.
func (s *Store) UseCode(ctx context.Context, hash signet.SecretHash, now time.Time) error {
	now = utc(now)
	n, err := s.exec(ctx, `UPDATE authorization_codes SET used_at = ? WHERE hash = ? AND used_at IS NULL AND expires_at > ?
		AND EXISTS (SELECT 1 FROM grants g WHERE g.id = authorization_codes.grant_id AND `+liveGrant+`)`,
		now, hash.Sum[:], now, now)
	if err != nil || n == 1 {
		return err
	}
	// Nothing was spent; the rest only finds the reason.
	var row struct {
		UsedAt    *time.Time
		ExpiresAt time.Time
		Live      bool
	}
	err = s.one(ctx, &row, "SELECT c.used_at AS used_at, c.expires_at AS expires_at, ("+liveGrant+
		") AS live FROM authorization_codes c JOIN grants g ON g.id = c.grant_id WHERE c.hash = ?", now, hash.Sum[:])
	switch {
	case err != nil:
		return err
	case row.UsedAt != nil:
		return signet.ErrUsed
	case !row.Live:
		return signet.ErrRevoked
	case !now.Before(row.ExpiresAt):
		return signet.ErrExpired
	}
	// Between the two statements the state moved to one in which the code could be spent; it can be tried again.
	return signet.Unavailable(nil)
}
