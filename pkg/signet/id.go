package signet

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
)

// Identifiers are opaque, have no meaning, and hold at least 128 random bits when signet makes them.
type (
	// ClientID is an OAuth client_id (RFC 6749 §2.2); UUIDs when signet makes them.
	ClientID string
	// UserID is the subject of a person, a UUID of ours.
	UserID string
	// SessionID is the OIDC sid of one browser session; it is not the cookie's secret.
	SessionID string
	// GrantID names one login or one consent, and with it one token family (claim gid).
	GrantID string
	// TokenID is the jti of an access token.
	TokenID string
	// KeyID is the kid of a key in the ring.
	KeyID string
	// EventID names one event.
	EventID string
	// NodeID names one running process.
	NodeID string
)

// NewUUID returns a random UUID, version 4 (RFC 9562 §5.4), lower case.
func NewUUID() string {
	var b [16]byte
	random(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	out[8] = '-'
	hex.Encode(out[9:13], b[4:6])
	out[13] = '-'
	hex.Encode(out[14:18], b[6:8])
	out[18] = '-'
	hex.Encode(out[19:23], b[8:10])
	out[23] = '-'
	hex.Encode(out[24:36], b[10:16])
	return string(out[:])
}

// NewID returns 128 random bits as 22 characters of base64url.
func NewID() string {
	var b [16]byte
	random(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewClientID returns a fresh client_id.
func NewClientID() ClientID { return ClientID(NewUUID()) }

// NewUserID returns a fresh user id.
func NewUserID() UserID { return UserID(NewUUID()) }

// NewSessionID returns a fresh sid.
func NewSessionID() SessionID { return SessionID(NewID()) }

// NewGrantID returns a fresh grant id.
func NewGrantID() GrantID { return GrantID(NewID()) }

// NewTokenID returns a fresh jti.
func NewTokenID() TokenID { return TokenID(NewID()) }

// NewKeyID returns a fresh kid.
func NewKeyID() KeyID { return KeyID(NewID()) }

// NewEventID returns a fresh event id.
func NewEventID() EventID { return EventID(NewID()) }

// NewNodeID returns a fresh node id.
func NewNodeID() NodeID { return NodeID(NewID()) }

// random fills b. crypto/rand.Read never returns an error: it ends the process when the system has no randomness,
// which is what signet wants, since a predictable identifier is worse than no answer.
func random(b []byte) { _, _ = rand.Read(b) }
