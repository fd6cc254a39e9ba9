package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// accessTokenRow is a row of access_tokens: opaque tokens only.
type accessTokenRow struct {
	Hash      []byte
	HashKey   string
	ID        string `gorm:"primaryKey"`
	GrantID   *string
	ClientID  string
	UserID    *string
	Detail    string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// TableName is gorm's name of the table.
func (accessTokenRow) TableName() string { return "access_tokens" }

const accessTokenColumns = "hash, hash_key, id, grant_id, client_id, user_id, detail, created_at, expires_at"

// accessTokenDetail is what nothing searches.
type accessTokenDetail struct {
	Scope     signet.Scope     `json:"scope,omitempty"`
	Audience  []string         `json:"aud,omitempty"`
	SessionID signet.SessionID `json:"sid,omitempty"`
	UserInfo  []string         `json:"userinfo,omitempty"`
	ACR       string           `json:"acr,omitempty"`
	AMR       []string         `json:"amr,omitempty"`
	MadeAt    time.Time        `json:"made_at,omitzero"`
}

// InsertAccessToken writes an opaque access token. Errors: CodeConflict, CodeUnavailable.
func (s *Store) InsertAccessToken(ctx context.Context, token *signet.AccessToken) error {
	return s.insert(ctx, &accessTokenRow{
		Hash: token.Hash.Sum[:], HashKey: string(token.Hash.KeyID), ID: string(token.ID), GrantID: orNil(string(token.GrantID)),
		ClientID: string(token.ClientID), UserID: orNil(string(token.UserID)),
		Detail: toJSON(accessTokenDetail{
			Scope: token.Scope, Audience: token.Audience, SessionID: token.SessionID, UserInfo: token.UserInfo, ACR: token.ACR, AMR: token.AMR,
			MadeAt: utc(token.MadeAt),
		}),
		CreatedAt: utc(token.CreatedAt), ExpiresAt: utc(token.ExpiresAt),
	})
}

// AccessToken finds a row, expired or not. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) AccessToken(ctx context.Context, hashes []signet.SecretHash) (*signet.AccessToken, error) {
	var row accessTokenRow
	if err := s.one(ctx, &row, "SELECT "+accessTokenColumns+" FROM access_tokens WHERE hash IN ? LIMIT 1", sums(hashes)); err != nil {
		return nil, err
	}
	var d accessTokenDetail
	if err := fromJSON(row.Detail, &d); err != nil {
		return nil, err
	}
	return &signet.AccessToken{
		Hash: secretHash(row.HashKey, row.Hash), ID: signet.TokenID(row.ID), GrantID: orEmpty[signet.GrantID](row.GrantID),
		ClientID: signet.ClientID(row.ClientID), UserID: orEmpty[signet.UserID](row.UserID), Scope: d.Scope, Audience: d.Audience,
		SessionID: d.SessionID, UserInfo: d.UserInfo, ACR: d.ACR, AMR: d.AMR, MadeAt: d.MadeAt, CreatedAt: row.CreatedAt.UTC(), ExpiresAt: row.ExpiresAt.UTC(),
	}, nil
}
