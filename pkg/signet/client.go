package signet

import (
	"encoding/json"
	"slices"
	"time"
)

// AuthMethod is a token_endpoint_auth_method (RFC 7591 §2, OIDC Core §9).
type AuthMethod string

// The client authentication methods.
const (
	AuthNone          AuthMethod = "none"
	AuthSecretBasic   AuthMethod = "client_secret_basic"
	AuthSecretPost    AuthMethod = "client_secret_post"
	AuthPrivateKeyJWT AuthMethod = "private_key_jwt"
	AuthTLS           AuthMethod = "tls_client_auth"             // RFC 8705 §2.1
	AuthSelfSignedTLS AuthMethod = "self_signed_tls_client_auth" // RFC 8705 §2.2
)

// Grant types (RFC 6749 §4, §6) and signet's own.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
	// GrantTokenExchange turns an API key into a short JWT (RFC 8693).
	GrantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	// GrantHMACIdentity turns a biller's signed identity into an encrypted JWT (wire.md, 3).
	GrantHMACIdentity = "urn:signet:params:oauth:grant-type:hmac-identity"
	// GrantPIN is what a PIN application's tokens come from. No caller can name it at /token (wire.md, 5).
	GrantPIN = "urn:signet:params:oauth:grant-type:pin"
)

// Seconds is a duration on the wire and in stored metadata: whole seconds, 0 means the server's default.
type Seconds int64

// Duration converts to time.Duration.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// Or returns the duration, or def when s is 0.
func (s Seconds) Or(def time.Duration) time.Duration {
	if s == 0 {
		return def
	}
	return s.Duration()
}

// ClientMetadata is what an operator says of a client: RFC 7591 §2 names first, signet's own members after them.
// It is the admin API's wire form and the stored form alike.
type ClientMetadata struct {
	ClientName              string          `json:"client_name,omitempty"`
	ClientURI               string          `json:"client_uri,omitempty"`
	LogoURI                 string          `json:"logo_uri,omitempty"`
	PolicyURI               string          `json:"policy_uri,omitempty"`
	TOSURI                  string          `json:"tos_uri,omitempty"`
	Contacts                []string        `json:"contacts,omitempty"`
	RedirectURIs            []string        `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs  []string        `json:"post_logout_redirect_uris,omitempty"`
	TokenEndpointAuthMethod AuthMethod      `json:"token_endpoint_auth_method"`
	TokenEndpointAuthAlg    string          `json:"token_endpoint_auth_signing_alg,omitempty"` // private_key_jwt: the one algorithm accepted
	GrantTypes              []string        `json:"grant_types"`
	ResponseTypes           []string        `json:"response_types,omitempty"`
	Scope                   string          `json:"scope,omitempty"`                        // space-separated: all that may be asked for
	ApplicationType         string          `json:"application_type,omitempty"`             // web (default) or native
	JWKS                    json.RawMessage `json:"jwks,omitempty"`                         // RFC 7517 set, kept as sent
	JWKSURI                 string          `json:"jwks_uri,omitempty"`                     // fetched by pkg/clientauth; instead of jwks
	IDTokenSignedAlg        string          `json:"id_token_signed_response_alg,omitempty"` // default RS256
	DefaultMaxAge           *Seconds        `json:"default_max_age,omitempty"`
	RequireAuthTime         bool            `json:"require_auth_time,omitempty"`

	// Members of signet.

	// Origins may read answers by CORS; scheme://host[:port], compared as strings.
	Origins []string `json:"origins,omitempty"`
	// Audiences are the resources (RFC 8707) this client may name; the first is the default. Empty: the issuer.
	Audiences []string `json:"audiences,omitempty"`
	// FirstParty clients are the operator's own: no consent page.
	FirstParty bool `json:"first_party,omitempty"`
	// RequirePKCE is true by default; false only for confidential clients.
	RequirePKCE *bool `json:"require_pkce,omitempty"`
	// RefreshToken: "offline_access" (default: only with that scope) or "always".
	RefreshToken string `json:"refresh_token,omitempty"`
	// Rotation: "on" (default) or "off" (confidential clients only).
	Rotation string `json:"rotation,omitempty"`
	// RefreshGrace is how long a spent refresh token still gives its successor; nil: 10 s; 0 to 30.
	RefreshGrace *Seconds `json:"refresh_grace,omitempty"`
	// IDTokenClaims: "" (by scope, at userinfo) or "all" (document 001's clients: in the ID token too).
	IDTokenClaims string `json:"id_token_claims,omitempty"`
	// Lifetimes; 0 is the server's default.
	AccessTokenLifetime  Seconds `json:"access_token_lifetime,omitempty"`
	IDTokenLifetime      Seconds `json:"id_token_lifetime,omitempty"`
	RefreshTokenLifetime Seconds `json:"refresh_token_lifetime,omitempty"`
	// RefreshTokenIdle ends a refresh token that was not used for so long; 0: only the grant's own end counts.
	RefreshTokenIdle Seconds `json:"refresh_token_idle,omitempty"`
	// AccessTokenFormat: "jwt" (default) or "opaque". AccessTokenAlg: default ES256.
	AccessTokenFormat string `json:"access_token_format,omitempty"`
	AccessTokenAlg    string `json:"access_token_signed_alg,omitempty"`
	// TokenType is "Bearer" (default) or "bearer" (documents 003 and 004).
	TokenType string `json:"token_type,omitempty"`
	// Assertion departures (wire.md, 2), all off by default.
	AssertionAudience      string              `json:"assertion_audience,omitempty"` // "" issuer only, or "token_endpoint"
	AssertionAudiences     []AssertionAudience `json:"assertion_audiences,omitempty"`
	AssertionAudienceArray bool                `json:"assertion_audience_array,omitempty"`
	AssertionStringDates   bool                `json:"assertion_string_dates,omitempty"`
	AssertionMaxLifetime   Seconds             `json:"assertion_max_lifetime,omitempty"` // default 300, at most 3600
	AssertionError         string              `json:"assertion_error,omitempty"`        // "" RFC 6749, or "document"
	TokenResponseJTI       string              `json:"token_response_jti,omitempty"`     // "" or "none", "assertion", "issued"
	AllowedNetworks        []string            `json:"allowed_networks,omitempty"`       // CIDR; empty: all
	Partner                bool                `json:"partner,omitempty"`
	// JWKSRefusedKIDs are keys of the client that verify nothing any more, hosted or fetched: the operator's quick way.
	JWKSRefusedKIDs []string `json:"jwks_refused_kids,omitempty"`
	// Environment is "" (development), "cat" or "production": the last two take hosted keys as certificates alone.
	Environment string `json:"environment,omitempty"`
	// Certificates are the PEM certificates that hosted keys were made of, kept for their expiry.
	Certificates string `json:"certificates,omitempty"`
	// TLSClientCertificate is the SHA-256 thumbprint (base64url) of the one certificate it may or must present
	// (RFC 8705 §3.1); RequireCertificate demands it, BindCertificate binds its tokens to it (cnf x5t#S256).
	TLSClientCertificate string `json:"tls_client_certificate,omitempty"`
	RequireCertificate   bool   `json:"require_certificate,omitempty"`
	BindCertificate      bool   `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	// TLSClientAuthSubjectDN and TLSClientAuthSANDNS are what tls_client_auth compares (RFC 8705 §2.1.2), one of them.
	TLSClientAuthSubjectDN string `json:"tls_client_auth_subject_dn,omitempty"` // RFC 4514, most specific name first
	TLSClientAuthSANDNS    string `json:"tls_client_auth_san_dns,omitempty"`
	// TLSClientAuthCA is the SHA-256 thumbprint (base64url) of the authority that this client's certificates come from.
	// It is needed where more than one authority is trusted: another one could issue the same name.
	TLSClientAuthCA string `json:"tls_client_auth_ca,omitempty"`
	// Activation is how a partner was let into production. It is the server's to write, never a caller's.
	Activation *Activation `json:"activation,omitempty"`
	// AccountID is the account that a machine client acts for at /api and /payment.
	AccountID string `json:"account_id,omitempty"`
	// Introspect marks a resource server: it may use /introspect.
	Introspect bool `json:"introspect,omitempty"`
}

// Activation says when and why a partner was let into production: the id of its evidence from CAT, or the reason of an
// operator who let it in without.
type Activation struct {
	At       time.Time `json:"at"`
	By       string    `json:"by"` // the actor, as in Event
	Evidence string    `json:"evidence,omitempty"`
	Override string    `json:"override,omitempty"`
}

// The environments that take hosted keys as certificates alone (wire.md, 2).
const (
	EnvironmentCAT        = "cat"
	EnvironmentProduction = "production"
)

// AssertionAudience is a further audience accepted until a date, for a host that already resolves to signet.
type AssertionAudience struct {
	Value string    `json:"value"`
	Until time.Time `json:"until"`
}

// ClientSecret is one live secret; a client has at most two, during a rotation.
type ClientSecret struct {
	ID        string
	Hash      SecretHash
	CreatedAt time.Time
	ExpiresAt *time.Time
}

// Client is a registered OAuth client. Records handed out by a store are shared between requests: read only.
type Client struct {
	ID ClientID
	ClientMetadata
	Secrets []ClientSecret
	// Admin is set by another admin alone and is no metadata: never by registration.
	Admin bool
	// NotBefore revokes what was issued to this client at or before it; zero: nothing.
	NotBefore  time.Time
	DisabledAt *time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Version    int64
}

// Disabled reports whether the client may not act.
func (c *Client) Disabled() bool { return c.DisabledAt != nil }

// Inactive reports whether the client is a partner in production that was not let in yet.
func (c *Client) Inactive() bool {
	return c.Partner && c.Environment == EnvironmentProduction && c.Activation == nil
}

// Certified reports whether hosted keys count only when a certificate on record stands behind them.
func (c *Client) Certified() bool {
	return c.Environment == EnvironmentCAT || c.Environment == EnvironmentProduction
}

// Public reports whether the client has no credential (RFC 6749 §2.1).
func (c *Client) Public() bool { return c.TokenEndpointAuthMethod == AuthNone }

// MayUse reports whether the grant type is registered.
func (c *Client) MayUse(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// AllowedScope returns the registered scope set.
func (c *Client) AllowedScope() Scope {
	s, err := ParseScope(c.Scope)
	if err != nil {
		return nil
	}
	return s
}

// PKCERequired is true unless a confidential client was registered with require_pkce false.
func (c *Client) PKCERequired() bool { return c.Public() || c.RequirePKCE == nil || *c.RequirePKCE }

// Rotates reports whether refresh tokens rotate; always for public clients (RFC 9700 §4.14.2).
func (c *Client) Rotates() bool { return c.Public() || c.Rotation != "off" }

// Grace is how long a spent refresh token still gives its successor.
func (c *Client) Grace() time.Duration {
	if c.RefreshGrace == nil {
		return 10 * time.Second
	}
	return c.RefreshGrace.Duration()
}

// RefreshAlways reports whether a refresh token is issued without offline_access.
func (c *Client) RefreshAlways() bool { return c.RefreshToken == "always" }
