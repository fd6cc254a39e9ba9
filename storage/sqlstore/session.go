package sqlstore

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// sessionRow is a row of sessions.
type sessionRow struct {
	ID            string `gorm:"primaryKey"`
	Hash          []byte
	HashKey       string
	UserID        string
	AuthTime      time.Time
	ACR           string `gorm:"column:acr"`
	AMR           string `gorm:"column:amr"`
	LastSeenAt    time.Time
	CreatedAt     time.Time
	IdleExpiresAt time.Time
	ExpiresAt     time.Time
	EndedAt       *time.Time
}

// TableName is gorm's name of the table.
func (sessionRow) TableName() string { return "sessions" }

const sessionColumns = "id, hash, hash_key, user_id, auth_time, acr, amr, last_seen_at, created_at, idle_expires_at, expires_at, ended_at"

func newSessionRow(s *signet.Session) *sessionRow {
	return &sessionRow{
		ID: string(s.ID), Hash: s.Hash.Sum[:], HashKey: string(s.Hash.KeyID), UserID: string(s.UserID),
		AuthTime: utc(s.AuthTime), ACR: s.ACR, AMR: toJSON(s.AMR), LastSeenAt: utc(s.LastSeenAt), CreatedAt: utc(s.CreatedAt),
		IdleExpiresAt: utc(s.IdleExpiresAt), ExpiresAt: utc(s.ExpiresAt), EndedAt: utcPtr(s.EndedAt),
	}
}

func (r *sessionRow) session() (*signet.Session, error) {
	s := &signet.Session{
		ID: signet.SessionID(r.ID), Hash: secretHash(r.HashKey, r.Hash), UserID: signet.UserID(r.UserID),
		AuthTime: r.AuthTime.UTC(), ACR: r.ACR, LastSeenAt: r.LastSeenAt.UTC(), CreatedAt: r.CreatedAt.UTC(),
		IdleExpiresAt: r.IdleExpiresAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), EndedAt: utcPtr(r.EndedAt),
	}
	return s, fromJSON(r.AMR, &s.AMR)
}

// CreateSession writes a session, on condition that its user may log in and has had nothing taken back since AuthTime;
// previous, when not "", is ended in the same transaction as by EndSession.
// Errors: CodeRevoked (the condition), CodeConflict, CodeUnavailable.
func (s *Store) CreateSession(ctx context.Context, session *signet.Session, previous signet.SessionID, event signet.Event) error {
	if err := storable(session.ACR); err != nil {
		return err
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		// The user's row is held until commit: an act that ends the user's sessions either comes before, and is seen
		// here, or waits and finds this session.
		var one int
		err := s.one(ctx, &one, "SELECT 1 FROM users WHERE id = ? AND disabled_at IS NULL AND (not_before IS NULL OR not_before <= ?)"+s.holding("users"),
			string(session.UserID), utc(session.AuthTime))
		if signet.CodeOf(err) == signet.CodeNotFound {
			return &signet.Error{Code: signet.CodeRevoked, Reason: "user_ended"}
		}
		if err != nil {
			return err
		}
		if previous != "" && findable(string(previous)) {
			if _, err := s.endSession(ctx, t, previous, "replaced"); err != nil {
				return err
			}
		}
		if err := s.insert(ctx, newSessionRow(session)); err != nil {
			return err
		}
		t.note(event)
		return nil
	})
}

// FindSession finds a session by its cookie's hash, ended or not. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) FindSession(ctx context.Context, hashes []signet.SecretHash) (*signet.Session, error) {
	var row sessionRow
	if err := s.one(ctx, &row, "SELECT "+sessionColumns+" FROM sessions WHERE hash IN ? LIMIT 1", sums(hashes)); err != nil {
		return nil, err
	}
	return row.session()
}

// RenewSession gives a live session of the same user a new cookie hash and authentication.
// Errors: CodeRevoked when it has ended or is not there, CodeConflict, CodeUnavailable.
func (s *Store) RenewSession(ctx context.Context, session *signet.Session, event signet.Event) error {
	row := newSessionRow(session)
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		n, err := s.exec(ctx, `UPDATE sessions SET hash = ?, hash_key = ?, auth_time = ?, acr = ?, amr = ?, last_seen_at = ?,
			idle_expires_at = ?, expires_at = ? WHERE id = ? AND user_id = ? AND ended_at IS NULL`,
			row.Hash, row.HashKey, row.AuthTime, row.ACR, row.AMR, row.LastSeenAt, row.IdleExpiresAt, row.ExpiresAt, row.ID, row.UserID)
		if err != nil {
			return err
		}
		if n == 0 {
			return signet.ErrRevoked
		}
		t.note(event)
		return nil
	})
}

// TouchSession moves LastSeenAt and IdleExpiresAt of a session that has not ended. Error: CodeUnavailable.
func (s *Store) TouchSession(ctx context.Context, id signet.SessionID, seen, idleExpires time.Time) error {
	if !findable(string(id)) {
		return nil
	}
	_, err := s.exec(ctx, "UPDATE sessions SET last_seen_at = ?, idle_expires_at = ? WHERE id = ? AND ended_at IS NULL",
		utc(seen), utc(idleExpires), string(id))
	return err
}

// EndSession ends a session and revokes its grants that are not Offline: rows, journal and event in one transaction.
// Not there or ended before: nil, nothing written. Error: CodeUnavailable.
func (s *Store) EndSession(ctx context.Context, id signet.SessionID, reason string, event signet.Event) error {
	if !findable(string(id)) {
		return nil
	}
	return s.act(ctx, func(ctx context.Context, t *transaction) error {
		ended, err := s.endSession(ctx, t, id, reason)
		if err == nil && ended {
			t.note(event)
		}
		return err
	})
}

func (s *Store) endSession(ctx context.Context, t *transaction, id signet.SessionID, reason string) (ended bool, err error) {
	n, err := s.exec(ctx, "UPDATE sessions SET ended_at = ?, ended_reason = ? WHERE id = ? AND ended_at IS NULL",
		t.now, cleanText(reason), string(id))
	if err != nil || n == 0 {
		return false, err
	}
	if _, err := s.exec(ctx, "UPDATE grants SET revoked_at = ?, revoked_reason = ? WHERE session_id = ? AND offline = FALSE AND revoked_at IS NULL",
		t.now, cleanText(reason), string(id)); err != nil {
		return false, err
	}
	s.revokeAll(t, signet.RevokedSession, string(id), time.Time{}, reason)
	return true, nil
}
