package signet

import "time"

// Grant is one login or one consent at one client, and so one token family. Everything issued from it names it.
type Grant struct {
	ID        GrantID
	ClientID  ClientID
	UserID    UserID
	SessionID SessionID
	Scope     Scope
	Audience  []string
	AuthTime  time.Time
	ACR       string
	AMR       []string
	Nonce     string
	// Claims is the claims request parameter (OIDC Core §5.5), raw JSON, "" when none was sent.
	Claims string
	// ACRRequested: acr_values or an acr claim was asked for, so the ID token carries acr.
	ACRRequested bool
	// Offline grants outlive logout (offline_access, or refresh_token: always).
	Offline bool
	// Consented: it rests on what the user allowed the client, so that it begins only while there is such a consent. Not
	// stored: whoever takes the consent back revokes the grants.
	Consented bool
	CreatedAt time.Time
	// ExpiresAt is absolute: no refresh after it.
	ExpiresAt time.Time
	RevokedAt *time.Time
}

// Live reports whether the grant can be used at now.
func (g *Grant) Live(now time.Time) bool { return g.RevokedAt == nil && now.Before(g.ExpiresAt) }

// AuthorizationCode is a single-use code (RFC 6749 §4.1.2). PKCE and OIDC parameters ride in the same row.
type AuthorizationCode struct {
	Hash              SecretHash
	GrantID           GrantID
	ClientID          ClientID
	RedirectURI       string
	CodeChallenge     string // S256; "" when the client needs none
	RequestedAuthTime bool   // max_age was sent: auth_time is required in the ID token
	CreatedAt         time.Time
	ExpiresAt         time.Time
	UsedAt            *time.Time
}
