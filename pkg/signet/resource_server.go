package signet

import (
	"encoding/json"
	"time"
)

// The JWE algorithms signet encrypts with (wire.md, 3). RSA1_5 is not among them and never will be.
const (
	AlgRSAOAEP256   = "RSA-OAEP-256"
	AlgRSAOAEP      = "RSA-OAEP" // SHA-1 inside; for older .NET
	AlgECDHESA256KW = "ECDH-ES+A256KW"

	EncA256GCM      = "A256GCM"
	EncA128CBCHS256 = "A128CBC-HS256"
	EncA256CBCHS512 = "A256CBC-HS512"
)

// ResourceServerMetadata is what an operator says of a resource server that gets encrypted tokens. It is the admin
// API's wire form and the stored form alike.
type ResourceServerMetadata struct {
	Name string `json:"name"`
	// Audience is the aud of its tokens, and what callers name as resource (RFC 8707).
	Audience string `json:"audience"`
	// JWK is its public key (RFC 7517), with kid. The admin API also takes PEM and stores the JWK.
	JWK json.RawMessage `json:"jwk,omitempty"`
	// Alg is RSA-OAEP-256 (default), RSA-OAEP or ECDH-ES+A256KW; Enc is A256GCM (default), A128CBC-HS256 or A256CBC-HS512.
	Alg string `json:"alg,omitempty"`
	Enc string `json:"enc,omitempty"`
	// Scope is all that its tokens may carry, space separated.
	Scope string `json:"scope,omitempty"`
}

// ResourceServer is a recipient of encrypted tokens. Records handed out by a store are shared: read only.
type ResourceServer struct {
	ID string // letters, digits, dot, underscore, hyphen
	ResourceServerMetadata
	// Keys hold its private key when signet holds it (KeyDecrypt, PKCS #8): signet's own invoice API, or a key that
	// several servers share.
	Keys       []SealedKey
	DisabledAt *time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Version    int64
}

// Disabled reports whether nothing is issued for it.
func (r *ResourceServer) Disabled() bool { return r.DisabledAt != nil }

// AllowedScope returns the scope set.
func (r *ResourceServer) AllowedScope() Scope {
	s, err := ParseScope(r.Scope)
	if err != nil {
		return nil
	}
	return s
}
