package clientauth

import (
	"context"

	"github.com/signet-auth/signet/pkg/signet"
)

// Clients finds client records; at most 1 s stale. Errors: CodeNotFound, CodeUnavailable.
type Clients interface {
	Client(ctx context.Context, id signet.ClientID) (*signet.Client, error)
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

// Alarms records a security event (CodeUnavailable when it could not be written).
type Alarms interface {
	Record(ctx context.Context, event signet.Event) error
}
