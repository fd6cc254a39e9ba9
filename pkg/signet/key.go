package signet

import "time"

// KeyUse says what a key of the ring is for.
type KeyUse string

// The uses. Signing keys are asymmetric and published; the others are 32 random bytes and never leave.
const (
	KeySigning  KeyUse = "sig"
	KeyHash     KeyUse = "hash"     // hashes of generated secrets
	KeyRotation KeyUse = "rotation" // successors of refresh tokens
	KeyCode     KeyUse = "code"     // authorization codes (fosite HMAC strategy)
	KeyFlow     KeyUse = "flow"     // sealed flow parameters and cookies
)

// The uses of keys that belong to a record and not to the ring (SealedKey).
const (
	KeyHMAC    KeyUse = "hmac"    // a biller's HMAC key
	KeyIntent  KeyUse = "intent"  // an account's HS256 key
	KeyPIN     KeyUse = "pin"     // a PIN application's AES key
	KeyDecrypt KeyUse = "decrypt" // a resource server's private key that signet holds
)

// KeyState is where a key stands in its life (design.md, decision 7).
type KeyState string

// The states, in order; revoked is the emergency exit.
const (
	KeyPlanned   KeyState = "planned"
	KeyPublished KeyState = "published"
	KeyActive    KeyState = "active"
	KeyRetiring  KeyState = "retiring"
	KeyGone      KeyState = "gone"
	KeyRevoked   KeyState = "revoked"
)

// KeyRetention is how long a store keeps the row of a key after RemoveAt: a key that is gone from the public set still
// verifies an id_token_hint.
const KeyRetention = 100 * 24 * time.Hour

// Key is one key of the ring as it is stored. The state is no column: it follows from the times, so that every node
// sees a change at the same moment without being told.
type Key struct {
	ID  KeyID
	Use KeyUse
	Alg string // JWS algorithm for KeySigning, "" otherwise
	// Sealed is the private part under the key-encryption key KEKID; sealing binds table, row, column and key id.
	Sealed     []byte
	KEKID      string
	CreatedAt  time.Time
	PublishAt  time.Time
	ActivateAt time.Time
	RetireAt   *time.Time // stops signing
	RemoveAt   *time.Time // leaves the public set
	RevokedAt  *time.Time
}

// State returns the state at now.
func (k *Key) State(now time.Time) KeyState {
	switch {
	case k.RevokedAt != nil && !now.Before(*k.RevokedAt):
		return KeyRevoked
	case now.Before(k.PublishAt):
		return KeyPlanned
	case now.Before(k.ActivateAt):
		return KeyPublished
	case k.RetireAt == nil || now.Before(*k.RetireAt):
		return KeyActive
	case k.RemoveAt == nil || now.Before(*k.RemoveAt):
		return KeyRetiring
	default:
		return KeyGone
	}
}

// KeyInfo is what may be shown of a key.
type KeyInfo struct {
	ID         KeyID
	Use        KeyUse
	Alg        string
	State      KeyState
	CreatedAt  time.Time
	ActivateAt time.Time
	RetireAt   *time.Time
	RemoveAt   *time.Time
}

// AdminKey is a key of the admin API; its secret is stored hashed.
type AdminKey struct {
	ID         string
	Name       string
	Hash       SecretHash
	CreatedAt  time.Time
	DisabledAt *time.Time
}
