package oauth

import (
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/token/jwt"

	"github.com/signet-auth/signet/pkg/signet"
)

// session is what fosite carries from handler to handler for us: the facts that were decided before it was called.
// fosite's own idea of times and claims is not used; issue.go makes every token from Grant.
type session struct {
	Grant       signet.Grant
	RedirectURI string // as sent, "" when the request had none
	// CodeChallenge is the S256 challenge of the request, "" when there is none.
	CodeChallenge     string
	RequestedAuthTime bool

	claims  jwt.IDTokenClaims
	headers jwt.Headers
}

// newSession returns a session about grant.
func newSession(grant signet.Grant) *session {
	return &session{Grant: grant, claims: jwt.IDTokenClaims{Subject: string(grant.UserID)}}
}

// IDTokenClaims implements openid.Session: fosite's handlers want a subject in it and write at_hash and times into it;
// nobody reads them again.
func (s *session) IDTokenClaims() *jwt.IDTokenClaims {
	if s.claims.Subject == "" {
		s.claims.Subject = string(s.Grant.UserID)
	}
	return &s.claims
}

// IDTokenHeaders implements openid.Session.
func (s *session) IDTokenHeaders() *jwt.Headers { return &s.headers }

// SetExpiresAt implements fosite.Session. fosite computes times from its own clock; ours are in the grant and the mint.
func (*session) SetExpiresAt(fosite.TokenType, time.Time) {}

// GetExpiresAt implements fosite.Session; the zero time means "not known here".
func (*session) GetExpiresAt(fosite.TokenType) time.Time { return time.Time{} }

// GetUsername implements fosite.Session.
func (*session) GetUsername() string { return "" }

// GetSubject implements fosite.Session.
func (s *session) GetSubject() string { return string(s.Grant.UserID) }

// Clone implements fosite.Session. A shallow copy is enough: the grant's slices are never written to.
func (s *session) Clone() fosite.Session {
	clone := *s
	return &clone
}
