package revocation

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Fast is the quick home of revocation state (Redis; in `signet dev` the journal itself answers and Fast is nil).
type Fast interface {
	// Look asks for all keys and the epoch in one round trip. known is false when the epoch is missing: the store lost
	// its memory and its answers mean nothing until Rebuild. found holds, per given key, the Before in Unix seconds
	// (0: whenever issued) or is absent. Error: CodeUnavailable.
	Look(ctx context.Context, keys []string) (found map[string]int64, known bool, err error)
	// Put writes entries, each with its own expiry; idempotent.
	Put(ctx context.Context, entries []signet.Revocation) error
	// Rebuild writes all entries and then sets the epoch, so that a half-finished rebuild is never trusted.
	Rebuild(ctx context.Context, entries []signet.Revocation) error
}

// Journal is the truth in SQL. Errors: CodeUnavailable.
type Journal interface {
	// RevocationsOf returns the live entries that name any of the facts.
	RevocationsOf(ctx context.Context, facts signet.TokenFacts) ([]signet.Revocation, error)
	// LiveRevocations returns all entries that have not expired.
	LiveRevocations(ctx context.Context, now time.Time) ([]signet.Revocation, error)
	// Unpushed returns at most limit entries that no node has yet written to Fast, oldest first.
	Unpushed(ctx context.Context, limit int) ([]signet.Revocation, error)
	// MarkPushed notes that they are in Fast.
	MarkPushed(ctx context.Context, positions []int64) error
	// WriteRevocations writes journal rows with the event, in one transaction that numbers the change (token revocation
	// and other acts that alter no other record).
	WriteRevocations(ctx context.Context, entries []signet.Revocation, event signet.Event) error
}
