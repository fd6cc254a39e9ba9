package pinlogin

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Applications finds PIN applications, always in the database: names that exist and names that do not cost the same. Errors: CodeNotFound, CodeUnavailable.
type Applications interface {
	// PINApplication finds one by its user name, exactly as it is written.
	PINApplication(ctx context.Context, username string) (*signet.PINApplication, error)
	PINApplicationByID(ctx context.Context, id signet.ClientID) (*signet.PINApplication, error)
}

// Records finds the client and the user that stand beside an application. Errors: CodeNotFound, CodeUnavailable.
type Records interface {
	Client(ctx context.Context, id signet.ClientID) (*signet.Client, error)
	User(ctx context.Context, id signet.UserID) (*signet.User, error)
}

// Keys opens what is sealed at rest: implemented by pkg/keys.
type Keys interface {
	OpenRecord(key *signet.SealedKey) ([]byte, error)
	// HashKeys hash refresh tokens and the names in counters.
	HashKeys() signet.HashKeys
}

// Passwords compares PINs in the bounded pool of everything that people choose: implemented by pkg/login.
type Passwords interface {
	// Verify: CodeUnavailable when the pool is full, CodeInternal when phc cannot be read (no work was done).
	Verify(ctx context.Context, phc, pin string) (bool, error)
	// Nobody is a hash in the present form that nothing matches.
	Nobody() string
}

// Marks are replay marks. Errors: CodeUsed, CodeUnavailable.
type Marks interface {
	Use(ctx context.Context, mark signet.Mark) error
}

// Spent marks used what has no time of its own, by one conditional insert. expiresAt nil: for as long as the credential
// that owner names could open it. Errors: CodeUsed, CodeUnavailable.
type Spent interface {
	Spend(ctx context.Context, space, key, owner string, expiresAt *time.Time) error
}

// Grants is the core: implemented by pkg/oauth.
type Grants interface {
	// StartGrant writes a grant, an opaque access token and a refresh token in one transaction.
	// Errors: CodeInvalidClient, CodeInvalidGrant (the application was ended in between), CodeUnavailable.
	StartGrant(ctx context.Context, order *signet.GrantOrder) (*signet.IssuedGrant, error)
	// RefreshGrant rotates as /token does. Errors: CodeInvalidGrant, CodeInvalidClient, CodeUsed, CodeUnavailable.
	RefreshGrant(ctx context.Context, raw string) (*signet.IssuedGrant, error)
}

// RefreshTokens reads a presented refresh token without spending it. Errors: CodeNotFound, CodeUnavailable.
type RefreshTokens interface {
	RefreshToken(ctx context.Context, hashes []signet.SecretHash) (*signet.RefreshTokenState, error)
}

// Attempts counts guesses in the store that all nodes share. Error: CodeUnavailable.
type Attempts interface {
	// Reserve adds one by one atomic command and returns the count within the window and the time until it ends.
	Reserve(ctx context.Context, key string, window time.Duration) (count int, wait time.Duration, err error)
	// Release takes one back.
	Release(ctx context.Context, key string) error
	// Count returns the count without adding.
	Count(ctx context.Context, key string) (count int, wait time.Duration, err error)
}

// Events is history.
type Events interface {
	// Record writes an audit event that stands alone. Error: CodeUnavailable.
	Record(ctx context.Context, event signet.Event) error
	// Traffic queues a traffic event and never blocks.
	Traffic(event signet.Event)
}
