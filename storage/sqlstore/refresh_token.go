package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// refreshTokenRow is a row of refresh_tokens: one generation of a family.
type refreshTokenRow struct {
	Hash          []byte `gorm:"primaryKey"`
	HashKey       string
	ParentHash    []byte
	ParentHashKey *string
	GrantID       string
	ClientID      string
	Generation    int64
	RotationKey   string
	CreatedAt     time.Time
	UsedAt        *time.Time
}

// TableName is gorm's name of the table.
func (refreshTokenRow) TableName() string { return "refresh_tokens" }

func newRefreshTokenRow(t *signet.RefreshToken) *refreshTokenRow {
	row := &refreshTokenRow{
		Hash: t.Hash.Sum[:], HashKey: string(t.Hash.KeyID), GrantID: string(t.GrantID), ClientID: string(t.ClientID),
		Generation: int64(t.Generation), RotationKey: string(t.RotationKeyID), CreatedAt: utc(t.CreatedAt), UsedAt: utcPtr(t.UsedAt),
	}
	if !t.ParentHash.Zero() {
		row.ParentHash = t.ParentHash.Sum[:]
		row.ParentHashKey = orNil(string(t.ParentHash.KeyID))
	}
	return row
}

func (r *refreshTokenRow) token() signet.RefreshToken {
	return signet.RefreshToken{
		Hash: secretHash(r.HashKey, r.Hash), ParentHash: secretHash(orEmpty[string](r.ParentHashKey), r.ParentHash),
		GrantID: signet.GrantID(r.GrantID), ClientID: signet.ClientID(r.ClientID), Generation: int(r.Generation),
		RotationKeyID: signet.KeyID(r.RotationKey), CreatedAt: r.CreatedAt.UTC(), UsedAt: utcPtr(r.UsedAt),
	}
}

// RefreshToken tells token, grant and successor in one read. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) RefreshToken(ctx context.Context, hashes []signet.SecretHash) (*signet.RefreshTokenState, error) {
	var row struct {
		T refreshTokenRow `gorm:"embedded;embeddedPrefix:t_"`
		G grantRow        `gorm:"embedded;embeddedPrefix:g_"`
		// The successor's columns are NULL when there is none.
		SHash        []byte
		SHashKey     *string
		SGeneration  *int64
		SRotationKey *string
		SCreatedAt   *time.Time
		SUsedAt      *time.Time
	}
	err := s.one(ctx, &row, `SELECT t.hash AS t_hash, t.hash_key AS t_hash_key, t.parent_hash AS t_parent_hash,
			t.parent_hash_key AS t_parent_hash_key, t.grant_id AS t_grant_id, t.client_id AS t_client_id, t.generation AS t_generation,
			t.rotation_key AS t_rotation_key, t.created_at AS t_created_at, t.used_at AS t_used_at, `+grantAliases+`,
			s.hash AS s_hash, s.hash_key AS s_hash_key, s.generation AS s_generation, s.rotation_key AS s_rotation_key,
			s.created_at AS s_created_at, s.used_at AS s_used_at
		FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id JOIN clients gc ON gc.id = g.client_id
		LEFT JOIN refresh_tokens s ON s.parent_hash = t.hash
		WHERE t.hash IN ? LIMIT 1`, sums(hashes))
	if err != nil {
		return nil, err
	}
	grant, err := row.G.grant()
	if err != nil {
		return nil, err
	}
	state := &signet.RefreshTokenState{Token: row.T.token(), Grant: *grant}
	if row.SGeneration != nil {
		state.Successor = &signet.RefreshToken{
			Hash: secretHash(orEmpty[string](row.SHashKey), row.SHash), ParentHash: state.Token.Hash, GrantID: state.Token.GrantID,
			ClientID: state.Token.ClientID, Generation: int(*row.SGeneration), RotationKeyID: orEmpty[signet.KeyID](row.SRotationKey),
			CreatedAt: orZero(row.SCreatedAt), UsedAt: utcPtr(row.SUsedAt),
		}
	}
	return state, nil
}

// InsertRefreshToken writes generation 0. Errors: CodeConflict, CodeNotFound when the grant is not there, CodeUnavailable.
func (s *Store) InsertRefreshToken(ctx context.Context, token *signet.RefreshToken) error {
	return s.insert(ctx, newRefreshTokenRow(token))
}

// RotateRefreshToken spends old by one conditional statement (unspent, grant alive) and, when it won, inserts the
// successor: two statements, in the caller's transaction or in one of its own. rotated is false when another call was
// first; nothing is written then. Errors: CodeRevoked, CodeNotFound, CodeUnavailable.
func (s *Store) RotateRefreshToken(ctx context.Context, old signet.SecretHash, successor *signet.RefreshToken, now time.Time) (rotated bool, err error) {
	now = utc(now)
	row := newRefreshTokenRow(successor)
	err = s.act(ctx, func(ctx context.Context, _ *transaction) error {
		n, err := s.exec(ctx, `UPDATE refresh_tokens SET used_at = ? WHERE hash = ? AND used_at IS NULL
			AND EXISTS (SELECT 1 FROM grants g WHERE g.id = refresh_tokens.grant_id AND `+liveGrant+`)`,
			now, old.Sum[:], now)
		if err != nil {
			return err
		}
		if n == 1 {
			rotated = true
			return s.insert(ctx, row)
		}
		rotated = false
		var row struct{ Live bool }
		err = s.one(ctx, &row, "SELECT ("+liveGrant+") AS live FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id WHERE t.hash = ?",
			now, old.Sum[:])
		if err == nil && !row.Live {
			return signet.ErrRevoked
		}
		return err
	})
	return rotated && err == nil, err
}
