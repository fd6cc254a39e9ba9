package exchange

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Billers finds records of billers; at most 1 s stale. Errors: CodeNotFound, CodeUnavailable.
type Billers interface {
	Biller(ctx context.Context, id signet.BillerID) (*signet.Biller, error)
}

// ResourceServers finds the recipients of tokens; at most 1 s stale. Errors: CodeNotFound, CodeUnavailable.
type ResourceServers interface {
	ResourceServer(ctx context.Context, id string) (*signet.ResourceServer, error)
	ResourceServerByAudience(ctx context.Context, audience string) (*signet.ResourceServer, error)
}

// Invoices is the home of what billers' systems put in.
type Invoices interface {
	// Invoice finds an invoice by its canonical GUID; at most 1 s stale. Errors: CodeNotFound, CodeUnavailable.
	Invoice(ctx context.Context, biller signet.BillerID, guid string) (*signet.Invoice, error)
	// PutInvoice writes an invoice, new or not, with its audit event in one transaction.
	// Errors: CodeConflict, CodeUnavailable.
	PutInvoice(ctx context.Context, invoice *signet.Invoice, event signet.Event) error
}

// Keys seals and opens the secret keys of records.
type Keys interface {
	SealRecord(key *signet.SealedKey, plain []byte)
	OpenRecord(key *signet.SealedKey) ([]byte, error)
}

// Marks is the replay memory. Use accepts a mark once until it expires.
// Errors: CodeUsed (second use), CodeUnavailable (the store failed, or lost its memory after the mark's IssuedAt).
type Marks interface {
	Use(ctx context.Context, mark signet.Mark) error
}

// Failures counts failed credentials. Refused reports whether more than the limit failed within the window and how
// long to wait; it asks the shared store only when this node has counted a failure for the key. Failed counts one,
// after the refusal was decided.
type Failures interface {
	Refused(ctx context.Context, key string) (retryAfterSeconds int, refused bool)
	Failed(ctx context.Context, key string)
}

// Counter counts in a store that all nodes share: Reserve adds one and returns the count within the window and the time
// until the window ends. Error: CodeUnavailable.
type Counter interface {
	Reserve(ctx context.Context, key string, window time.Duration) (count int, wait time.Duration, err error)
}

// Events takes traffic events (never blocks) and audit events (CodeUnavailable when not written).
type Events interface {
	Traffic(event signet.Event)
	Record(ctx context.Context, event signet.Event) error
}

// Issuer is the one mint. It records what it issues and what it refuses: the room records neither. Errors: CodeInvalidGrant when the principal or the key was taken back meanwhile,
// CodeUnavailable.
type Issuer interface {
	IssueToken(ctx context.Context, order *signet.TokenOrder) (*signet.IssuedToken, error)
}

// Bearers tells what a live access token of ours says; tokens that are bound to a key are none that it takes.
// Errors: CodeInvalidToken, CodeUnavailable.
type Bearers interface {
	Bearer(ctx context.Context, raw string) (*signet.Bearer, error)
}
