package signet

import (
	"encoding/json"
	"time"
)

// The types of account.
const (
	AccountOrg        = "org"
	AccountIndividual = "individual"
)

// AccountSettings are an account's settings for payment intents (wire.md, 4).
type AccountSettings struct {
	// SupportedPaymentMethods is [{type, src, attributes: null | [{key, value}]}], kept as sent.
	SupportedPaymentMethods json.RawMessage `json:"supported_payment_methods,omitempty"`
	// SingleUse: the first successful validate consumes the token.
	SingleUse bool `json:"single_use,omitempty"`
	// IntentAlg is HS256 (default; the account's own sealed key) or ES256 (signet's ring, verifiable by JWKS).
	IntentAlg string `json:"intent_alg,omitempty"`
	// IntentLifetime: 0 is 15 min.
	IntentLifetime Seconds `json:"intent_lifetime,omitempty"`
}

// Account owns resources; users are members of it, API keys and devices belong to it. Records handed out by a store are
// shared: read only.
type Account struct {
	ID   string // UUID
	Name string
	Type string
	// Instance is the GUID that payment intents carry as inst; lower case.
	Instance string
	Settings AccountSettings
	// Keys are its HS256 keys (KeyIntent): the newest live one signs, all live ones verify.
	Keys []SealedKey
	// NotBefore revokes what was issued at or before it for the account's API keys; zero: nothing.
	NotBefore  time.Time
	DisabledAt *time.Time
	CreatedAt  time.Time
	CreatedBy  string // "user:{id}", "admin:{key id}", "key:{id}"
	UpdatedAt  time.Time
	UpdatedBy  string
	Version    int64
}

// Disabled reports whether nobody may act for the account.
func (a *Account) Disabled() bool { return a.DisabledAt != nil }

// Membership is one user's role in one account. It counts only once it was accepted.
type Membership struct {
	AccountID  string
	UserID     UserID
	Role       string
	AcceptedAt *time.Time
	CreatedAt  time.Time
	CreatedBy  string
}

// Member is a membership with what a list shows of its account.
type Member struct {
	Membership
	AccountName     string
	AccountType     string
	AccountDisabled bool
}

// Memberships is all that a user is a member of, pending ones too. ChangedAt is the limit of the last time that
// one was accepted, changed or ended (limit.go): tokens that carry memberships and were issued up to it are taken back.
type Memberships struct {
	UserID    UserID
	Members   []Member
	ChangedAt time.Time
}

// APIKey gives one role in one account to whoever holds the secret. Records handed out by a store are shared: read only.
type APIKey struct {
	ID        string // ours, the sub is key:{id}
	AccountID string
	Name      string // unique in the account
	Role      string
	Hash      SecretHash
	Enabled   bool
	// MayManage lets the key create keys and members; false: nothing of the kind, whatever its role says.
	MayManage bool
	// AllowedNetworks are CIDRs; empty: all.
	AllowedNetworks []string
	ExpiresAt       *time.Time
	// Imported keys come from an old system and have no form of ours.
	Imported  bool
	NotBefore time.Time // moved when the key is disabled
	CreatedAt time.Time
	CreatedBy string
	UpdatedAt time.Time
	UpdatedBy string
	Version   int64
}

// Live reports whether the key may be used at now.
func (k *APIKey) Live(now time.Time) bool {
	return k.Enabled && (k.ExpiresAt == nil || now.Before(*k.ExpiresAt))
}

// Principal names the key in tokens and revocations; it is its sub, too.
func (k *APIKey) Principal() string { return PrincipalAPIKey + k.ID }

// Device is a credential of document 002: a DCN (device configuration number), a GUID and a password.
type Device struct {
	ID         string // GUID, lower case
	DCN        string
	AccountID  string
	Name       string
	Hash       SecretHash // of the password
	DisabledAt *time.Time
	CreatedAt  time.Time
	Version    int64
}

// Disabled reports whether the device may not act.
func (d *Device) Disabled() bool { return d.DisabledAt != nil }
