package signet

import "time"

// The modes in which a PIN arrives encrypted (wire.md, 5).
const (
	PINv2        = "pin-v2"      // AES-256-GCM, user name as additional data, plaintext "unixtime|PIN"
	PINGCM       = "aes-256-gcm" // 12-byte nonce, ciphertext, 16-byte tag
	PINCBC128    = "aes-128-cbc" // existing callers only, as all below
	PINCBC256    = "aes-256-cbc"
	PINECB128    = "aes-128-ecb"
	PINECB256    = "aes-256-ecb"
	ACRPIN       = "aal1"
	AMRPIN       = "pin"
	PINGrantLife = 24 * time.Hour
	PINIdle      = 1800 * time.Second
	PINAccess    = 900 * time.Second
)

// PINApplicationMetadata is what an operator says of a PIN application. It is the admin API's wire form and the stored
// form alike.
type PINApplicationMetadata struct {
	Username string `json:"username"`
	Mode     string `json:"mode"`
	// FixedIV is a CBC caller's constant IV, hex; "": the IV stands first.
	FixedIV string `json:"fixed_iv,omitempty"`
	// CheckNonce switches the single-use check on for CBC and ECB; it is always on for the others.
	CheckNonce bool `json:"check_nonce,omitempty"`
	// AllowedNetworks are CIDRs; empty: all. ECB needs them, or TLSClientCertificate.
	AllowedNetworks []string `json:"allowed_networks,omitempty"`
	// TLSClientCertificate is the SHA-256 thumbprint (base64url) of the client certificate that must come with a request;
	// "": none need.
	TLSClientCertificate string `json:"tls_client_certificate,omitempty"`
	// ModeEnds is the date after which a mode for existing callers is refused; ECB needs it.
	ModeEnds *time.Time `json:"mode_ends,omitempty"`
	// ExecTime: "" (seconds with fraction) or "integer".
	ExecTime string `json:"exec_time,omitempty"`
	// GrantLifetime: 0 is 24 h.
	GrantLifetime Seconds `json:"grant_lifetime,omitempty"`
}

// PINApplication is an application that logs in with an encrypted PIN. Beside it stand a client of the same id, which
// its tokens are issued to, and a user row "app:{id}", which they speak for: disabling, not-before and revocation are
// those of every other client and user. Records handed out by a store are shared: read only.
type PINApplication struct {
	ID ClientID
	PINApplicationMetadata
	PINHash string // argon2id PHC
	// Keys are its AES keys (KeyPIN), two live ones at most.
	Keys      []SealedKey
	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64
}

// UserID is the subject of the application's tokens.
func (a *PINApplication) UserID() UserID { return UserID(ApplicationPrefix + string(a.ID)) }
