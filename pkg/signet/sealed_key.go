package signet

import (
	"strings"
	"time"
)

// SealedKey is a secret key that belongs to one record: a biller's HMAC key, an account's signing key, a PIN
// application's AES key, the private key of a resource server that signet is itself. It is stored sealed under a
// key-encryption key; sealing binds owner, id and use, so that sealed bytes copied to another row do not open.
type SealedKey struct {
	ID    KeyID  // unique for its owner: the operator's kid, or one of ours
	Owner string // "biller:{guid}", "account:{id}", "pin_application:{client id}", "resource_server:{id}"
	Use   KeyUse
	Alg   string // what the use needs to know: "HS256", "AES-256", "RSA-OAEP-256"; may be empty
	// Sealed is the private part under the key-encryption key KEKID.
	Sealed    []byte
	KEKID     string
	CreatedAt time.Time
	ExpiresAt *time.Time // from then on it verifies nothing
}

// Live reports whether the key may be used at now.
func (k *SealedKey) Live(now time.Time) bool { return k.ExpiresAt == nil || now.Before(*k.ExpiresAt) }

// Credential is the key's name in tokens, events and revocations.
func (k *SealedKey) Credential() string { return CredentialName(k.Owner, string(k.ID)) }

// CredentialName names a credential across owners: "{owner}#{id}".
func CredentialName(owner, id string) string { return owner + "#" + id }

// The owners of sealed keys and the principals of tokens share their names.
const (
	OwnerBiller         = "biller:"
	OwnerAccount        = "account:"
	OwnerPINApplication = "pin_application:"
	OwnerResourceServer = "resource_server:"
)

// The prefixes of principals that are no client and no person (wire.md, Rules for all five).
const (
	PrincipalBiller   = "biller:"
	PrincipalAPIKey   = "key:"
	PrincipalAccounts = "accounts:" // of a user: what carries memberships is taken back when they change
	// ApplicationPrefix begins the user id, and so the sub, of a PIN application.
	ApplicationPrefix = "app:"
)

// Application reports whether the id is that of a PIN application and of no person.
func (id UserID) Application() bool { return strings.HasPrefix(string(id), ApplicationPrefix) }

// Principal is what can be disabled and taken back beside clients and users: a biller, an API key.
type Principal struct {
	ID       string // "biller:{guid}", "key:{id}"
	Disabled bool
	// NotBefore revokes what was issued for it at or before; zero: nothing.
	NotBefore time.Time
}
