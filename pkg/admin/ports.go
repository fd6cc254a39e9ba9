package admin

import (
	"context"

	"github.com/signet-auth/signet/pkg/signet"
)

// Page asks for a slice of a listing: After is the last id of the page before, Limit is 1 to 200.
type Page struct {
	After string
	Limit int
}

// Clients is the client register. Each write carries its audit event, bumps Version and numbers the change.
// Errors: CodeNotFound, CodeConflict, CodeUnavailable.
type Clients interface {
	Client(ctx context.Context, id signet.ClientID) (*signet.Client, error)
	ListClients(ctx context.Context, after string, limit int) ([]signet.Client, error)
	InsertClient(ctx context.Context, client *signet.Client, event signet.Event) error
	// UpdateClient writes metadata, secrets and Admin where Version still stands (else CodeConflict).
	UpdateClient(ctx context.Context, client *signet.Client, event signet.Event) error
	// SetClientDisabled disables (grants revoked, journal row of kind client with Before now) or enables.
	SetClientDisabled(ctx context.Context, id signet.ClientID, disabled bool, event signet.Event) error
}

// Users is the user register.
type Users interface {
	User(ctx context.Context, id signet.UserID) (*signet.User, error)
	UserByLogin(ctx context.Context, name string) (*signet.User, error)
	ListUsers(ctx context.Context, after string, limit int) ([]signet.User, error)
	InsertUser(ctx context.Context, user *signet.User, event signet.Event) error
	UpdateUser(ctx context.Context, user *signet.User, event signet.Event) error
}

// UserActs are the acts that end what a user has: all sessions and grants, with journal rows, in one transaction.
type UserActs interface {
	SetUserDisabled(ctx context.Context, id signet.UserID, disabled bool, event signet.Event) error
	SetPassword(ctx context.Context, id signet.UserID, phc string, event signet.Event) error
	// RevokeUserGrants ends everything the user has, sessions included.
	RevokeUserGrants(ctx context.Context, id signet.UserID, reason string, event signet.Event) error
	// RevokeConsent forgets a consent and revokes the user's grants at that client. CodeNotFound when there is neither.
	RevokeConsent(ctx context.Context, user signet.UserID, client signet.ClientID, event signet.Event) error
}

// AdminKeys is the home of admin API keys.
type AdminKeys interface {
	// AdminKey finds a live key by hash. Errors: CodeNotFound, CodeUnavailable.
	AdminKey(ctx context.Context, hashes []signet.SecretHash) (*AdminKey, error)
	// InsertAdminKey writes a key; with onlyFirst, CodeConflict when any key exists (one statement: two nodes cannot both
	// make the first).
	InsertAdminKey(ctx context.Context, key *AdminKey, onlyFirst bool, event signet.Event) error
	// ListAdminKeys returns all keys, disabled ones too, oldest first.
	ListAdminKeys(ctx context.Context) ([]AdminKey, error)
	// DisableAdminKey ends a key; CodeConflict when it is the last live one. Disabled before: nil, nothing written.
	DisableAdminKey(ctx context.Context, id string, event signet.Event) error
}

// AdminKey is a key of the admin API.
type AdminKey = signet.AdminKey

// Keys are the operator's acts on the ring: implemented by pkg/keys.
type Keys interface {
	List(ctx context.Context) ([]KeyInfo, error)
	Rotate(ctx context.Context, alg string, event signet.Event) (signet.KeyID, error)
	Revoke(ctx context.Context, id signet.KeyID, event signet.Event) error
	// Rewrap seals every key anew under the current key-encryption key and returns how many it changed.
	Rewrap(ctx context.Context) (int, error)
}

// KeyInfo is what may be shown of a key.
type KeyInfo = signet.KeyInfo

// Passwords hashes what people choose: implemented by pkg/login.
type Passwords interface {
	Hash(ctx context.Context, password string) (phc string, err error)
}

// Audit reads history, and writes it for acts that have no transaction of their own.
type Audit interface {
	// ListEvents returns events, the newest first, older than the event after ("" starts with the newest).
	ListEvents(ctx context.Context, after string, limit int) ([]signet.Event, error)
	Record(ctx context.Context, event signet.Event) error
}

// Tokens tells which client a client_credentials access token for the admin API belongs to. It checks signature, type,
// issuer, audience (the admin API), times and revocation, and that the client is a live one with Admin set.
// Errors: CodeInvalidToken, CodeUnavailable.
type Tokens interface {
	AdminClient(ctx context.Context, raw string) (signet.ClientID, error)
}
