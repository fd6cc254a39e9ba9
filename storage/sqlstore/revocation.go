package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// revocationRow is a row of the journal.
type revocationRow struct {
	Position  int64 `gorm:"primaryKey;autoIncrement:false"`
	Kind      string
	Subject   string
	NotBefore *time.Time
	At        time.Time
	ExpiresAt time.Time
	Reason    string
	PushedAt  *time.Time
}

// TableName is gorm's name of the table.
func (revocationRow) TableName() string { return "revocations" }

const revocationColumns = "position, kind, subject, not_before, at, expires_at, reason"

func newRevocationRow(r *signet.Revocation) revocationRow {
	return revocationRow{
		Position: r.Position, Kind: string(r.Kind), Subject: r.Subject, NotBefore: utcOrNil(r.Before),
		At: utc(r.At), ExpiresAt: utc(r.ExpiresAt), Reason: cleanText(r.Reason),
	}
}

func (r *revocationRow) revocation() signet.Revocation {
	return signet.Revocation{
		Position: r.Position, Kind: signet.RevocationKind(r.Kind), Subject: r.Subject, Before: orZero(r.NotBefore),
		At: r.At.UTC(), ExpiresAt: r.ExpiresAt.UTC(), Reason: r.Reason,
	}
}

func revocations(rows []revocationRow) []signet.Revocation {
	out := make([]signet.Revocation, len(rows))
	for i := range rows {
		out[i] = rows[i].revocation()
	}
	return out
}

// RevocationsOf returns the live entries that name any of the facts; whether a Before applies is the caller's to
// compare. The session is not looked at for offline tokens. Error: CodeUnavailable.
func (s *Store) RevocationsOf(ctx context.Context, facts signet.TokenFacts) ([]signet.Revocation, error) {
	var terms []string
	args := []any{s.at(ctx)}
	name := func(kind signet.RevocationKind, subject string) {
		if findable(subject) {
			terms = append(terms, "(kind = ? AND subject = ?)")
			args = append(args, string(kind), subject)
		}
	}
	name(signet.RevokedToken, string(facts.TokenID))
	name(signet.RevokedGrant, string(facts.GrantID))
	if !facts.Offline {
		name(signet.RevokedSession, string(facts.SessionID))
	}
	name(signet.RevokedClient, string(facts.ClientID))
	name(signet.RevokedUser, string(facts.UserID))
	name(signet.RevokedKey, string(facts.KeyID))
	name(signet.RevokedPrincipal, facts.Principal)
	name(signet.RevokedCredential, facts.Credential)
	if len(terms) == 0 {
		return nil, nil
	}
	var rows []revocationRow
	err := s.all(ctx, &rows, "SELECT "+revocationColumns+" FROM revocations WHERE expires_at > ? AND ("+
		strings.Join(terms, " OR ")+") ORDER BY position", args...)
	return revocations(rows), err
}

// LiveRevocations returns all entries that have not expired at now. Error: CodeUnavailable.
func (s *Store) LiveRevocations(ctx context.Context, now time.Time) ([]signet.Revocation, error) {
	var rows []revocationRow
	err := s.all(ctx, &rows, "SELECT "+revocationColumns+" FROM revocations WHERE expires_at > ? ORDER BY position", utc(now))
	return revocations(rows), err
}

// Unpushed returns at most limit entries, by position, that no node has yet written to the fast store, and those of any
// state whose position is above after. Error: CodeUnavailable.
func (s *Store) Unpushed(ctx context.Context, after int64, limit int) ([]signet.Revocation, error) {
	// Two reads in one statement, each along an index of its own: together under OR they would read the whole journal.
	part := func(condition string) string {
		return "SELECT * FROM (SELECT " + revocationColumns + " FROM revocations WHERE " + condition + " ORDER BY position LIMIT ?) AS part"
	}
	var rows []revocationRow
	err := s.all(ctx, &rows, part("pushed_at IS NULL AND position <= ?")+" UNION ALL "+part("position > ?")+" ORDER BY position LIMIT ?",
		after, limit, after, limit, limit)
	return revocations(rows), err
}

// maxPositions bounds the list of one statement.
const maxPositions = 500

// MarkPushed notes that the entries are in the fast store. Error: CodeUnavailable.
func (s *Store) MarkPushed(ctx context.Context, positions []int64) error {
	for len(positions) > 0 {
		some := positions[:min(len(positions), maxPositions)]
		positions = positions[len(some):]
		if _, err := s.exec(ctx, "UPDATE revocations SET pushed_at = ? WHERE pushed_at IS NULL AND position IN ?", s.at(ctx), some); err != nil {
			return err
		}
	}
	return nil
}

// WriteRevocations writes journal rows with the event, in one transaction that numbers the change.
// Errors: CodeInvalidRequest for a subject no column can hold, CodeUnavailable.
func (s *Store) WriteRevocations(ctx context.Context, entries []signet.Revocation, event signet.Event) error {
	for _, entry := range entries {
		if err := storable(entry.Subject); err != nil {
			return err
		}
	}
	return s.act(ctx, func(_ context.Context, t *transaction) error {
		for _, entry := range entries {
			if entry.At.IsZero() {
				entry.At = t.now
			}
			t.revoke(entry)
		}
		t.note(event)
		return nil
	})
}

// revokeAll collects the journal entry of an act that ends everything a subject has at the transaction's now.
func (s *Store) revokeAll(t *transaction, kind signet.RevocationKind, subject string, before time.Time, reason string) {
	t.revoke(signet.Revocation{
		Kind: kind, Subject: subject, Before: before, At: t.now,
		ExpiresAt: t.now.Add(s.opts.RevocationRetention), Reason: reason,
	})
}
