package oauth

import (
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// tokenResponse is RFC 6749 §5.1, OIDC Core §3.1.3.3; jti is for clients whose document has it.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	JTI          string `json:"jti,omitempty"`
	// IssuedType is RFC 8693 §2.2.1, of token exchange alone.
	IssuedType string `json:"issued_token_type,omitempty"`
}

// tokenAnswer is the response. scope is left out for partners that did not ask (wire.md 2).
func (s *Server) tokenAnswer(x *exchange) *tokenResponse {
	out := &tokenResponse{
		AccessToken: x.access.text, TokenType: tokenType(x.client),
		ExpiresIn:    int64(x.access.expiresAt.Sub(x.access.issuedAt) / time.Second),
		RefreshToken: x.refreshOut.Reveal(), Scope: x.scope.String(), IDToken: x.idToken,
	}
	if x.grantType == signet.GrantTokenExchange {
		out.IssuedType = issuedAccessToken
	}
	if x.client == nil {
		return out
	}
	if x.client.Partner && x.params.Get("scope") == "" {
		out.Scope = ""
	}
	switch x.client.TokenResponseJTI {
	case "assertion":
		out.JTI = x.auth.AssertionJTI
	case "issued":
		out.JTI = string(x.access.id)
	}
	return out
}

// tokenType is token_type in the spelling of the client's document (RFC 6749 §7.1: case insensitive).
func tokenType(client *signet.Client) string {
	if client == nil {
		return "Bearer"
	}
	return orDefault(client.TokenType, "Bearer")
}
