package signet

import "time"

// EventKind names what happened, in snake_case with a dot: noun.verb.
type EventKind string

// Audit events: written in the act's own transaction. No row, no act.
const (
	EventLoginSucceeded   EventKind = "login.succeeded"
	EventLoginFailed      EventKind = "login.failed"
	EventLoginThrottled   EventKind = "login.throttled" // one network, once in a window
	EventSessionEnded     EventKind = "session.ended"
	EventConsentGranted   EventKind = "consent.granted"
	EventConsentRevoked   EventKind = "consent.revoked"
	EventConsentDenied    EventKind = "consent.denied"
	EventGrantRevoked     EventKind = "grant.revoked"
	EventTokenRevoked     EventKind = "token.revoked"
	EventCodeReplayed     EventKind = "code.replayed"
	EventRefreshReused    EventKind = "refresh_token.reused"
	EventAssertionReplay  EventKind = "assertion.replayed"
	EventClientCreated    EventKind = "client.created"
	EventClientUpdated    EventKind = "client.updated"
	EventClientDisabled   EventKind = "client.disabled"
	EventClientEnabled    EventKind = "client.enabled"
	EventSecretRotated    EventKind = "client_secret.rotated"
	EventUserCreated      EventKind = "user.created"
	EventUserUpdated      EventKind = "user.updated"
	EventUserDisabled     EventKind = "user.disabled"
	EventUserEnabled      EventKind = "user.enabled"
	EventPasswordChanged  EventKind = "user.password_changed"
	EventKeyCreated       EventKind = "key.created"
	EventKeyRotated       EventKind = "key.rotated"
	EventKeyRevoked       EventKind = "key.revoked"
	EventAdminKeyCreated  EventKind = "admin_key.created"
	EventAdminKeyDisabled EventKind = "admin_key.disabled"

	EventBillerCreated          EventKind = "biller.created"
	EventBillerUpdated          EventKind = "biller.updated"
	EventBillerDisabled         EventKind = "biller.disabled"
	EventBillerEnabled          EventKind = "biller.enabled"
	EventResourceServerCreated  EventKind = "resource_server.created"
	EventResourceServerUpdated  EventKind = "resource_server.updated"
	EventResourceServerDisabled EventKind = "resource_server.disabled"
	EventResourceServerEnabled  EventKind = "resource_server.enabled"
	EventCredentialAdded        EventKind = "credential.added" // a sealed key of a record
	EventCredentialEnded        EventKind = "credential.ended"
	EventInvoiceStored          EventKind = "invoice.stored"
	EventAccountCreated         EventKind = "account.created"
	EventAccountUpdated         EventKind = "account.updated"
	EventAccountDisabled        EventKind = "account.disabled"
	EventAccountEnabled         EventKind = "account.enabled"
	EventMemberAdded            EventKind = "membership.added"
	EventMemberAccepted         EventKind = "membership.accepted"
	EventMemberRemoved          EventKind = "membership.removed"
	EventAPIKeyCreated          EventKind = "api_key.created"
	EventAPIKeyUpdated          EventKind = "api_key.updated"
	EventDeviceCreated          EventKind = "device.created"
	EventDeviceDisabled         EventKind = "device.disabled"
	EventDeviceEnabled          EventKind = "device.enabled"
	EventPINApplicationCreated  EventKind = "pin_application.created"
	EventPINApplicationUpdated  EventKind = "pin_application.updated"
	EventIdentityReplayed       EventKind = "identity.replayed"     // an HMAC request sent again
	EventPINReplayed            EventKind = "pin.replayed"          // an encrypted PIN sent again
	EventCredentialsThrottled   EventKind = "credentials.throttled" // one network and one caller, once in a window
	EventClientJWKSStale        EventKind = "client_jwks.stale"     // the last good set is used
	EventClientActivated        EventKind = "client.activated"      // production, after a success in CAT
	EventClientEvidence         EventKind = "client.evidence_given" // CAT's word for production
)

// Traffic events: queued and written in batches, up to one second may be lost by kill -9.
const (
	EventTokenIssued       EventKind = "token.issued"
	EventTokenRefused      EventKind = "token.refused"
	EventTokenIntrospected EventKind = "token.introspected"
	EventIntentCreated     EventKind = "intent.created"
	EventIntentValidated   EventKind = "intent.validated"
	EventIntentRefused     EventKind = "intent.refused"
	EventPINRefused        EventKind = "pin.refused"
	EventKeyUsed           EventKind = "api_key.used"
	EventKeyRefused        EventKind = "api_key.refused"
	// EventDepartureUsed counts a request that only an exception in the caller's record let in.
	EventDepartureUsed EventKind = "departure.used"
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
