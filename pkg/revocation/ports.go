package revocation

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Fast is the quick home of revocation state (Redis; in `signet dev` the journal itself answers and Fast is nil).
type Fast interface {
	// Look asks for all keys (signet.RevocationKey) and the epoch, as they stood at one moment, in one round trip. known
	// is false when the epoch is missing: the store lost its memory and its answers mean nothing until Rebuild. found
	// holds, per given key, the Before in Unix seconds, rounded up (0: whenever issued), or is absent. No keys: the epoch
	// alone. Error: CodeUnavailable.
	Look(ctx context.Context, keys []string) (found map[string]int64, known bool, err error)
	// Put writes entries, each with its own expiry; idempotent, in any order: a later Before is never put back by an
	// earlier one. Error: CodeUnavailable; when the store refused them but still answers, it forgets its epoch, so that
	// nobody trusts it without them.
	Put(ctx context.Context, entries []signet.Revocation) error
	// Rebuild notes its beginning, calls load, writes the entries and then sets the epoch, unless the store lost its
	// memory again since the beginning: a half-finished or outdated rebuild is never trusted. load is called after the
	// beginning because entries read before it could miss one that was put, marked as pushed and lost in between.
	// Errors: what load returned, or CodeUnavailable.
	Rebuild(ctx context.Context, load func(ctx context.Context) ([]signet.Revocation, error)) error
}

// Journal is the truth in SQL. Errors: CodeUnavailable.
type Journal interface {
	// RevocationsOf returns the live entries that name any of the facts.
	RevocationsOf(ctx context.Context, facts signet.TokenFacts) ([]signet.Revocation, error)
	// LiveRevocations returns all entries that have not expired.
	LiveRevocations(ctx context.Context, now time.Time) ([]signet.Revocation, error)
	// Unpushed returns at most limit entries, by position, that no node has yet written to Fast, and those of any state
	// whose position is above after.
	Unpushed(ctx context.Context, after int64, limit int) ([]signet.Revocation, error)
	// MarkPushed notes that they are in Fast.
	MarkPushed(ctx context.Context, positions []int64) error
	// WriteRevocations writes journal rows with the event, in one transaction that numbers the change (token revocation
	// and other acts that alter no other record).
	WriteRevocations(ctx context.Context, entries []signet.Revocation, event signet.Event) error
}
