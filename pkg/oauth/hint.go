package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// maxHint bounds an id_token_hint before anything is decoded (OID-05).
const maxHint = 8 << 10

// hintClaims are the members of an ID token that a hint is read for.
type hintClaims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	Azp       string          `json:"azp"`
	SessionID string          `json:"sid"`
	IssuedAt  json.Number     `json:"iat"`
	Events    json.RawMessage `json:"events"` // a logout token has it (OIDC Back-Channel Logout §2.4), an ID token never
}

// IDTokenHint verifies an id_token_hint: an ID token of ours, signed by a key that still verifies hints, for whatever
// client. Expired is fine: the hint says who was logged in, not that somebody is (OIDC Core §3.1.2.1, RP-Initiated
// Logout §2). The caller compares ClientID with the client it talks to. Error: CodeInvalidRequest.
func (s *Server) IDTokenHint(_ context.Context, raw string) (*signet.IDTokenHint, error) {
	if len(raw) > maxHint || strings.Count(raw, ".") != 2 {
		return nil, badHint("hint_form", nil)
	}
	payload, _, err := s.Keys.VerifyHint(raw)
	if err != nil {
		return nil, badHint("hint_signature", err)
	}
	// Our access tokens are signed with the same keys and have a sub as well; their typ tells (RFC 9068 §2.1). The header
	// is covered by the signature that was just verified.
	if typ, ok := headerType(raw); !ok || typ != "" && !strings.EqualFold(typ, "JWT") {
		return nil, badHint("hint_typ", nil)
	}
	var claims hintClaims
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, badHint("hint_claims", err)
	}
	client, ok := hintClient(claims)
	seconds, err := claims.IssuedAt.Int64()
	if !ok || err != nil || claims.Issuer != s.Issuer || claims.Subject == "" || claims.Events != nil {
		return nil, badHint("hint_claims", nil)
	}
	return &signet.IDTokenHint{
		UserID: signet.UserID(claims.Subject), SessionID: signet.SessionID(claims.SessionID), ClientID: client,
		IssuedAt: time.Unix(seconds, 0).UTC(),
	}, nil
}

// hintClient returns the one client that the token was issued to: aud, or azp where aud names several.
func hintClient(claims hintClaims) (signet.ClientID, bool) {
	var many []string
	var one string
	if json.Unmarshal(claims.Audience, &one) == nil && one != "" {
		many = []string{one}
	} else if json.Unmarshal(claims.Audience, &many) != nil {
		return "", false
	}
	if claims.Azp != "" {
		return signet.ClientID(claims.Azp), true
	}
	if len(many) != 1 || many[0] == "" {
		return "", false
	}
	return signet.ClientID(many[0]), true
}

// headerType returns the typ of a compact JWS.
func headerType(raw string) (string, bool) {
	encoded, _, _ := strings.Cut(raw, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", false
	}
	var header struct {
		Typ string `json:"typ"`
	}
	if json.Unmarshal(decoded, &header) != nil {
		return "", false
	}
	return header.Typ, true
}

func badHint(reason string, cause error) error {
	return &signet.Error{Code: signet.CodeInvalidRequest, Message: "The id_token_hint is not an ID token of this issuer.", Reason: reason, Cause: cause}
}
