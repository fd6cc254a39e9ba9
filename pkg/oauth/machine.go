package oauth

import (
	"context"
	"slices"

	"github.com/signet-auth/signet/pkg/signet"
)

// MachineToken returns the client that an access token for audience was issued to by client_credentials: no person
// stands behind it, and audience is among those it names (RFC 9068 §4). It has not expired and was not taken back, and
// its client is not disabled. Errors: CodeInvalidToken, CodeUnavailable.
func (s *Server) MachineToken(ctx context.Context, raw, audience string) (*signet.Client, error) {
	p, err := s.liveAccess(ctx, raw)
	if err != nil {
		return nil, err
	}
	if p.claims.Confirmation != nil {
		return nil, invalidToken("token_bound") // no certificate is shown here: see Bearer
	}
	if p.client == nil || p.claims.GrantID != "" || p.facts.UserID != "" || p.claims.Subject != clientSubject(p.client.ID) {
		return nil, invalidToken("token_of_a_person")
	}
	if audience == "" || !slices.Contains(p.claims.Audience, audience) {
		return nil, invalidToken("token_audience")
	}
	return p.client, nil
}
