package account

import (
	"context"

	"github.com/signet-auth/signet/pkg/signet"
)

// Accounts is the register of accounts. Account is at most 1 s stale and shared: read only.
// Errors: CodeNotFound, CodeConflict, CodeUnavailable.
type Accounts interface {
	Account(ctx context.Context, id string) (*signet.Account, error)
	// InsertAccount writes the account and its first owner, nil for none: CodeConflict when owner has an individual
	// account and this is another one.
	InsertAccount(ctx context.Context, account *signet.Account, owner *signet.Membership, event signet.Event) error
	// UpdateAccount writes where Version still stands, else CodeConflict.
	UpdateAccount(ctx context.Context, account *signet.Account, event signet.Event) error
}

// Members is who belongs to which account.
type Members interface {
	// Memberships is at most 1 s stale; empty for a user without any.
	Memberships(ctx context.Context, user signet.UserID) (*signet.Memberships, error)
	Members(ctx context.Context, account string) ([]signet.Membership, error)
	// PutMembership writes a new membership or a changed role, which stays accepted when it was, and sets the given one to
	// what stands then. CodeConflict: it would leave no accepted owner.
	PutMembership(ctx context.Context, membership *signet.Membership, event signet.Event) error
	// EndMembership ends one. CodeConflict: the last accepted owner.
	EndMembership(ctx context.Context, account string, user signet.UserID, event signet.Event) error
}

// Keys is the register of API keys. APIKeyByHash is at most 1 s stale and shared: read only; the others read the truth.
type Keys interface {
	APIKeyByHash(ctx context.Context, hashes []signet.SecretHash) (*signet.APIKey, error)
	APIKey(ctx context.Context, account, name string) (*signet.APIKey, error)
	ListAPIKeys(ctx context.Context, account string) ([]signet.APIKey, error)
	// InsertAPIKey: CodeConflict when the account has a key of that name.
	InsertAPIKey(ctx context.Context, key *signet.APIKey, event signet.Event) error
	// UpdateAPIKey writes where Version still stands, else CodeConflict; disabling takes back what the key was issued.
	UpdateAPIKey(ctx context.Context, key *signet.APIKey, event signet.Event) error
}

// Users finds people. Errors: CodeNotFound, CodeUnavailable.
type Users interface {
	User(ctx context.Context, id signet.UserID) (*signet.User, error)
}

// Clients finds OAuth clients. Errors: CodeNotFound, CodeUnavailable.
type Clients interface {
	Client(ctx context.Context, id signet.ClientID) (*signet.Client, error)
}

// Bearers proves an access token: signature, times, principals and revocation. Errors: CodeInvalidToken,
// CodeUnavailable.
type Bearers interface {
	Bearer(ctx context.Context, raw string) (*signet.Bearer, error)
}

// Failures counts failed API keys by network. Refused reports whether there were too many, and for how many seconds.
type Failures interface {
	Refused(ctx context.Context, key string) (retryAfterSeconds int, refused bool)
	Failed(ctx context.Context, key string)
}

// Events takes traffic events; it never blocks.
type Events interface {
	Traffic(event signet.Event)
}
