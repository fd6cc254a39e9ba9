package signet

import "time"

// TokenOrder is what a room asks the one mint for once it has proven a credential that is no client's: an HMAC of a
// biller, an API key. Everything in it has been checked by the room except the principal's state, which the mint checks
// again beside the client's.
type TokenOrder struct {
	// GrantType is the grant, for events.
	GrantType string
	// Principal vouches: "biller:{guid}", "key:{id}".
	Principal string
	// Credential is the key that proved it, as CredentialName writes it; "" when the principal is the credential.
	Credential string
	// Subject is the sub: "biller:{guid}:user:{guid}", "biller:{guid}:invoice:{guid}", "key:{id}".
	Subject string
	// ClientID is the client that proved itself besides; "" when none did. The edge sets it.
	ClientID ClientID
	Audience []string
	Scope    Scope
	Lifetime time.Duration
	AMR      []string
	Claims   OrderClaims
	// Recipient encrypts the token to a resource server; nil: the token is a JWS.
	Recipient *ResourceServer
}

// OrderClaims are the claims of wire.md, 1 and 3 that only such tokens have.
type OrderClaims struct {
	BillerGUID  string   `json:"biller_guid,omitempty"`
	InvoiceGUID string   `json:"invoice_guid,omitempty"`
	UserGUID    string   `json:"user_guid,omitempty"`
	Account     string   `json:"account,omitempty"`     // account id of an API key
	Role        string   `json:"role,omitempty"`        // its role
	Permissions []string `json:"permissions,omitempty"` // no more than the role's
}

// IssuedToken is what the mint made of an order.
type IssuedToken struct {
	Text      string // compact JWS, or compact JWE around one
	ID        TokenID
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// GrantOrder asks for a token family without a browser: PIN login. The client and the user are the application's rows.
type GrantOrder struct {
	ClientID ClientID
	UserID   UserID
	Scope    Scope
	ACR      string
	AMR      []string
	// Lifetime is the absolute life of the grant.
	Lifetime time.Duration
}

// IssuedGrant is an access token and the refresh token beside it.
type IssuedGrant struct {
	GrantID      GrantID
	ClientID     ClientID
	UserID       UserID
	AccessToken  string
	RefreshToken Secret
	Scope        Scope
	IssuedAt     time.Time
	ExpiresAt    time.Time // of the access token
	// RefreshExpiresAt is when the refresh token ends if it is not used.
	RefreshExpiresAt time.Time
	// Now is the moment of the answer, from which what is left counts. IssuedAt is the access token's iat, which may be
	// dated ahead.
	Now time.Time
}

// Bearer is a live access token of ours as a room needs to know it: signature, times, principals and revocation have
// been checked.
type Bearer struct {
	TokenID   TokenID
	Subject   string
	ClientID  ClientID // "" when no client took part
	UserID    UserID   // "" when no person stands behind it
	Principal string   // "biller:{guid}", "key:{id}" or ""
	Scope     Scope
	Audience  []string
	AMR       []string
	Claims    OrderClaims
	IssuedAt  time.Time
	ExpiresAt time.Time
	// Machine: issued to the client for itself (client_credentials).
	Machine bool
}

// IdentityRequest is a biller's signed identity, of the grant or of a legacy endpoint, as it was sent.
type IdentityRequest struct {
	BillerID  string
	InvoiceID string // exactly one of InvoiceID and UserID
	UserID    string
	Timestamp string // with UserID
	HMAC      string
	HMACKeyID string // hmac_kid; "": every live key is tried
	// Legacy: from /api/v1/…, where the biller's own scheme is what is verified.
	Legacy bool
	// Client is the client that proved itself beside it, nil when none did.
	Client *Client
	// Scope and Resources as asked for; empty: the biller's defaults.
	Scope     string
	Resources []string
}

// APIKeyRequest is an API key as the subject token of a token exchange (RFC 8693 §2.1).
type APIKeyRequest struct {
	Key       string
	Client    *Client // nil when none proved itself
	Scope     string  // permissions asked for; "": all that the role has
	Resources []string
}

// APIKeyFacts is what introspection tells of a live API key.
type APIKeyFacts struct {
	Key         *APIKey
	Permissions []string
}

// Caller is who called an /api/… endpoint: an API key, a user, or a client acting for an account.
type Caller struct {
	// Subject names the caller in records and events: "key:{id}", a user id, "client:{id}".
	Subject string
	Key     *APIKey // set for an API key
	UserID  UserID  // set for a person
	// Members are the person's accepted memberships in accounts that are not disabled, read live.
	Members []Member
	// Client is set for an access token that a client was issued for itself.
	Client *Client
	Bearer *Bearer // the access token; nil for an API key
}
