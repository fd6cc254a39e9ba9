package oauth

import (
	"context"
	"net/http"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Records finds the principals; at most 1 s stale. Errors: CodeNotFound, CodeUnavailable.
type Records interface {
	Client(ctx context.Context, id signet.ClientID) (*signet.Client, error)
	User(ctx context.Context, id signet.UserID) (*signet.User, error)
	// Consent returns what the user allowed the client (never cached).
	Consent(ctx context.Context, user signet.UserID, client signet.ClientID) (*signet.Consent, error)
}

// Transactor runs fn in one database transaction carried by the context; nested calls join it.
// Errors: what fn returned, or CodeUnavailable.
type Transactor interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Grants is the home of grants, codes and opaque access tokens.
type Grants interface {
	// IssueCode writes a grant and its code in one transaction, on condition that the session (when named) has not ended.
	IssueCode(ctx context.Context, grant *signet.Grant, code *signet.AuthorizationCode) error
	// Code finds a code, spent or not, expired or not, with its grant. Errors: CodeNotFound, CodeUnavailable.
	Code(ctx context.Context, hashes []signet.SecretHash) (*signet.AuthorizationCode, *signet.Grant, error)
	// UseCode spends a code by one conditional statement. Errors: CodeUsed when it was spent before, CodeRevoked when the
	// grant is, CodeUnavailable.
	UseCode(ctx context.Context, hash signet.SecretHash, now time.Time) error
	// RevokeGrant takes a grant back with everything issued from it: row, journal, event in one transaction (a
	// transaction of its own even inside another context). Already revoked: nil, nothing written.
	RevokeGrant(ctx context.Context, id signet.GrantID, reason string, event signet.Event) error
}

// AccessTokens is the home of opaque access tokens; JWTs are stored nowhere.
type AccessTokens interface {
	InsertAccessToken(ctx context.Context, token *signet.AccessToken) error
	// AccessToken finds a row, expired or not. Errors: CodeNotFound, CodeUnavailable.
	AccessToken(ctx context.Context, hashes []signet.SecretHash) (*signet.AccessToken, error)
}

// RefreshTokens is the home of refresh tokens.
type RefreshTokens interface {
	// RefreshToken tells token, grant and successor in one read. Errors: CodeNotFound, CodeUnavailable.
	RefreshToken(ctx context.Context, hashes []signet.SecretHash) (*signet.RefreshTokenState, error)
	// InsertRefreshToken writes generation 0.
	InsertRefreshToken(ctx context.Context, token *signet.RefreshToken) error
	// RotateRefreshToken spends old by one conditional statement (unspent, grant alive) and, when it won, inserts the
	// successor. rotated is false when another call was first. Errors: CodeRevoked, CodeUnavailable.
	RotateRefreshToken(ctx context.Context, old signet.SecretHash, successor *signet.RefreshToken, now time.Time) (rotated bool, err error)
}

// GrantStarter begins grants that no browser stands behind.
type GrantStarter interface {
	// InsertGrant writes a grant without a code, under the conditions of IssueCode.
	InsertGrant(ctx context.Context, grant *signet.Grant) error
}

// Identities proves billers' signed identities (pkg/exchange). ProveIdentity checks the biller, the HMAC, the client that
// proved itself beside it, scope and resource; it consumes the replay mark as its last step. Errors: CodeInvalidGrant
// (whatever was wrong with the credential), CodeInvalidScope, CodeInvalidTarget, CodeInvalidClient,
// CodeUnauthorizedClient, CodeTooMany, CodeUnavailable.
type Identities interface {
	ProveIdentity(ctx context.Context, req signet.IdentityRequest) (*signet.TokenOrder, error)
}

// APIKeys proves API keys (pkg/account). Errors: CodeInvalidGrant or CodeInvalidToken (whatever was wrong with the key),
// CodeInvalidScope, CodeInvalidTarget, CodeTooMany, CodeUnavailable.
type APIKeys interface {
	ProveAPIKey(ctx context.Context, req signet.APIKeyRequest) (*signet.TokenOrder, error)
	// APIKeyFacts tells of a live key; CodeInvalidToken or CodeNotFound for every other text.
	APIKeyFacts(ctx context.Context, raw string) (*signet.APIKeyFacts, error)
}

// Principals finds billers and API keys as far as tokens need to know them; at most 1 s stale.
// Errors: CodeNotFound, CodeUnavailable.
type Principals interface {
	Principal(ctx context.Context, id string) (*signet.Principal, error)
}

// Billers finds the client of a biller, which may take back the biller's tokens. Errors: CodeNotFound, CodeUnavailable.
type Billers interface {
	Biller(ctx context.Context, id signet.BillerID) (*signet.Biller, error)
}

// Accounts tells what a user is a member of. Error: CodeUnavailable.
type Accounts interface {
	// Memberships is at most 1 s stale; see signet.FromTruth.
	Memberships(ctx context.Context, user signet.UserID) (*signet.Memberships, error)
}

// ResourceServers finds the records whose private key signet holds. ResourceServer is at most 1 s stale.
// Errors: CodeNotFound, CodeUnavailable.
type ResourceServers interface {
	ResourceServer(ctx context.Context, id string) (*signet.ResourceServer, error)
	// ListResourceServers returns the records after an id, by id.
	ListResourceServers(ctx context.Context, after string, limit int) ([]signet.ResourceServer, error)
}

// Browser is who sits at the browser: implemented by pkg/login.
type Browser interface {
	// Session returns the live session of the request's cookie, nil when there is none. Error: CodeUnavailable.
	Session(r *http.Request) (*signet.Session, error)
	// Bound returns the hash of this browser's binding cookie, "" when it has none.
	Bound(r *http.Request) (browser string)
	// Bind does too, and sets the cookie when it is missing.
	Bind(w http.ResponseWriter, r *http.Request) (browser string)
}

// Flows seals pending requests into URLs. Open refuses what was altered, is of another purpose, or is too old
// (CodeInvalidRequest), and what is bound to another browser (CodeForbidden); see signet.RestartOf.
type Flows interface {
	SealFlow(flow *signet.Flow) (string, error)
	OpenFlow(sealed, purpose, browser string) (*signet.Flow, error)
}

// Events takes traffic events (never blocks) and audit events (CodeUnavailable when not written).
type Events interface {
	Traffic(event signet.Event)
	Record(ctx context.Context, event signet.Event) error
}
