package oauth

import (
	"context"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Bearer tells other rooms of an access token: a JWS, an opaque token, or a JWE whose key signet holds. Signature, times,
// principals and revocation have been checked, and that it is bound to no key; audience, scope and what the token is good
// for are the caller's to check.
// Errors: CodeInvalidToken, CodeUnavailable.
func (s *Server) Bearer(ctx context.Context, raw string) (*signet.Bearer, error) {
	p, err := s.liveAccess(ctx, raw)
	if err != nil {
		return nil, err
	}
	c := &p.claims
	if c.Confirmation != nil {
		// The rooms' callers prove no certificate: shown bare, a bound token is a stolen one (RFC 8705 §3).
		return nil, invalidToken("token_bound")
	}
	bearer := &signet.Bearer{
		TokenID: c.ID, Subject: c.Subject, ClientID: c.ClientID, UserID: p.facts.UserID, Scope: p.scope, Audience: c.Audience,
		AMR: c.AMR, Claims: c.OrderClaims, IssuedAt: p.facts.IssuedAt, ExpiresAt: time.Unix(c.ExpiresAt, 0).UTC(),
		Machine: c.GrantID == "" && p.facts.UserID == "" && p.client != nil && c.Subject == clientSubject(p.client.ID),
	}
	if !strings.HasPrefix(p.facts.Principal, signet.PrincipalAccounts) {
		bearer.Principal = p.facts.Principal
	}
	return bearer, nil
}
