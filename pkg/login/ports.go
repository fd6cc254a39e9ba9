package login

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Records finds the principals. Errors: CodeNotFound, CodeUnavailable.
type Records interface {
	Client(ctx context.Context, id signet.ClientID) (*signet.Client, error)
	User(ctx context.Context, id signet.UserID) (*signet.User, error)
	// UserByLogin finds a user by login name or e-mail address, without letter case; always reads the database.
	UserByLogin(ctx context.Context, name string) (*signet.User, error)
}

// Sessions is the home of browser sessions. Every write carries its audit event in the same transaction.
type Sessions interface {
	// CreateSession writes a session; previous, when not "", is ended in the same transaction as by EndSession.
	CreateSession(ctx context.Context, session *signet.Session, previous signet.SessionID, event signet.Event) error
	// FindSession finds a session by its cookie's hash, ended or not. Errors: CodeNotFound, CodeUnavailable.
	FindSession(ctx context.Context, hashes []signet.SecretHash) (*signet.Session, error)
	// RenewSession gives a live session a new cookie hash and authentication (ACR, AMR, AuthTime, expiries), on condition
	// that it has not ended (CodeRevoked).
	RenewSession(ctx context.Context, session *signet.Session, event signet.Event) error
	// TouchSession moves LastSeenAt and IdleExpiresAt.
	TouchSession(ctx context.Context, id signet.SessionID, seen, idleExpires time.Time) error
	// EndSession ends a session and revokes its grants that are not Offline: rows, journal and event in one transaction.
	EndSession(ctx context.Context, id signet.SessionID, reason string, event signet.Event) error
}

// Consents is the home of consents.
type Consents interface {
	// Consent: CodeNotFound when there is none.
	Consent(ctx context.Context, user signet.UserID, client signet.ClientID) (*signet.Consent, error)
	// GrantConsent adds the scope to what was allowed and moves ConfirmedAt, with the event.
	GrantConsent(ctx context.Context, consent *signet.Consent, event signet.Event) error
}

// Memberships is a person's part in accounts. Every write carries its audit event in the same transaction.
type Memberships interface {
	// Memberships tells all, pending ones too, at most 1 s stale (see signet.FromTruth); empty for a person without any.
	// Error: CodeUnavailable.
	Memberships(ctx context.Context, user signet.UserID) (*signet.Memberships, error)
	// AcceptMembership makes a pending one count; nothing happens to one that counts. Errors: CodeNotFound, CodeUnavailable.
	AcceptMembership(ctx context.Context, account string, user signet.UserID, event signet.Event) error
	// EndMembership ends one, pending or not. Errors: CodeConflict for the last accepted owner, CodeNotFound,
	// CodeUnavailable.
	EndMembership(ctx context.Context, account string, user signet.UserID, event signet.Event) error
}

// Attempts counts guesses at secrets that people type, in the shared store, so that all nodes count together.
type Attempts interface {
	// Reserve counts one attempt before the secret is looked at, by one atomic command, and returns the count within the
	// window and the time until it ends. 64 parallel guesses get 64 different numbers. Error: CodeUnavailable.
	Reserve(ctx context.Context, key string, window time.Duration) (count int, wait time.Duration, err error)
	// Release takes one back after a success.
	Release(ctx context.Context, key string) error
}

// Flows seals pending requests into URLs (see pkg/oauth). Open refuses what was altered, is of another purpose, or is too
// old (CodeInvalidRequest), and what is bound to another browser (CodeForbidden); see signet.RestartOf.
type Flows interface {
	SealFlow(flow *signet.Flow) (string, error)
	OpenFlow(sealed, purpose, browser string) (*signet.Flow, error)
}

// Hints verifies an id_token_hint: implemented by pkg/oauth. Errors: CodeInvalidRequest.
type Hints interface {
	IDTokenHint(ctx context.Context, raw string) (*signet.IDTokenHint, error)
}

// Events records audit events that stand alone (a failed login). Error: CodeUnavailable.
type Events interface {
	Record(ctx context.Context, event signet.Event) error
}

// Meter counts what an operator's alarms watch. It must not block.
type Meter interface {
	// LoginFailed counts a login that was looked at and did not succeed. outcome is a reason of the audit events, or
	// "undecided" when nobody could tell.
	LoginFailed(outcome string)
	// LoginThrottled counts a guess that was refused unseen. limit is known, name_network, network, name, user_network or user, or "local"
	// while the shared counters are away.
	LoginThrottled(limit string)
}

// Sealer encrypts what a browser keeps for us: implemented by pkg/keys. Open refuses what was altered or sealed for
// another purpose.
type Sealer interface {
	Seal(purpose string, plain []byte) (string, error)
	Open(purpose, sealed string) ([]byte, error)
}
