package signet

import "time"

// EventKind names what happened, in snake_case with a dot: noun.verb.
type EventKind string

// Audit events: written in the act's own transaction. No row, no act.
const (
	EventLoginSucceeded  EventKind = "login.succeeded"
	EventLoginFailed     EventKind = "login.failed"
	EventLoginThrottled  EventKind = "login.throttled" // one network, once in a window
	EventSessionEnded    EventKind = "session.ended"
	EventConsentGranted  EventKind = "consent.granted"
	EventConsentRevoked  EventKind = "consent.revoked"
	EventConsentDenied   EventKind = "consent.denied"
	EventGrantRevoked    EventKind = "grant.revoked"
	EventTokenRevoked    EventKind = "token.revoked"
	EventCodeReplayed    EventKind = "code.replayed"
	EventRefreshReused   EventKind = "refresh_token.reused"
	EventAssertionReplay EventKind = "assertion.replayed"
	EventClientCreated   EventKind = "client.created"
	EventClientUpdated   EventKind = "client.updated"
	EventClientDisabled  EventKind = "client.disabled"
	EventClientEnabled   EventKind = "client.enabled"
	EventSecretRotated   EventKind = "client_secret.rotated"
	EventUserCreated     EventKind = "user.created"
	EventUserUpdated     EventKind = "user.updated"
	EventUserDisabled    EventKind = "user.disabled"
	EventUserEnabled     EventKind = "user.enabled"
	EventPasswordChanged EventKind = "user.password_changed"
	EventKeyCreated      EventKind = "key.created"
	EventKeyRotated      EventKind = "key.rotated"
	EventKeyRevoked      EventKind = "key.revoked"
	EventAdminKeyCreated EventKind = "admin_key.created"
)

// Traffic events: queued and written in batches, up to one second may be lost by kill -9.
const (
	EventTokenIssued       EventKind = "token.issued"
	EventTokenRefused      EventKind = "token.refused"
	EventTokenIntrospected EventKind = "token.introspected"
)

// Event is one line of history. Never put a secret, a token or a password in it.
type Event struct {
	ID       EventID
	Kind     EventKind
	At       time.Time
	Actor    string // who did it: client:{id}, user:{id}, admin:{key id}, system
	ClientID ClientID
	UserID   UserID
	KeyID    string
	Address  string // client address
	Target   string // what it was done to
	Reason   string // snake_case
	// RequestID is the error id that callers may be shown.
	RequestID string
}
