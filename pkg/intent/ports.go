package intent

import (
	"context"
	"net/http"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Callers proves an API key or an access token of a request, in a header of its own or in Authorization.
// Errors: CodeInvalidRequest, CodeInvalidToken, CodeTooMany (RetryAfter() time.Duration in its chain), CodeUnavailable.
type Callers interface {
	Caller(r *http.Request) (*signet.Caller, error)
}

// Devices finds device credentials. Errors: CodeNotFound, CodeUnavailable.
type Devices interface {
	Device(ctx context.Context, dcn, id string) (*signet.Device, error)
	// DevicesByID returns at most two devices: more than one means that the id alone names none.
	DevicesByID(ctx context.Context, id string) ([]signet.Device, error)
}

// Accounts finds accounts with their keys; at most 1 s stale. Errors: CodeNotFound, CodeUnavailable.
type Accounts interface {
	Account(ctx context.Context, id string) (*signet.Account, error)
	AccountByInstance(ctx context.Context, instance string) (*signet.Account, error)
}

// Keys opens an account's sealed key, and seals a new one.
type Keys interface {
	OpenRecord(key *signet.SealedKey) ([]byte, error)
	SealRecord(key *signet.SealedKey, plain []byte)
}

// NewKeys keeps the first key of an account. PutSealedKey writes key and event in one transaction.
// Errors: CodeConflict (the id is there), CodeUnavailable.
type NewKeys interface {
	PutSealedKey(ctx context.Context, key *signet.SealedKey, event signet.Event) error
}

// Signer signs and verifies under the keys that JWKS publishes. Verify's error is CodeInvalidToken whatever was wrong.
type Signer interface {
	Sign(alg, typ string, payload []byte) (jws string, kid signet.KeyID, err error)
	Verify(jws string) (payload []byte, typ string, kid signet.KeyID, err error)
}

// Spent remembers what may be used once. Spend is one conditional insert.
// Errors: CodeUsed (it was there), CodeUnavailable.
type Spent interface {
	Spend(ctx context.Context, space, key, owner string, expiresAt *time.Time) error
}

// Roles tells what a role may do on resources of its own account, and on all resources.
type Roles interface {
	Permissions(role string) (own, global []string)
}

// Failures counts failed credentials. Refused reports whether more than the limit failed within the window and how
// long to wait; Failed counts one, after the refusal was decided.
type Failures interface {
	Refused(ctx context.Context, key string) (retryAfterSeconds int, refused bool)
	Failed(ctx context.Context, key string)
}

// Traffic queues an event and never blocks.
type Traffic interface {
	Traffic(event signet.Event)
}
