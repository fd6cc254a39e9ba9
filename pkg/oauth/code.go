package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"

	"github.com/signet-auth/signet/pkg/signet"
)

// invalidGrant is every refusal of a code or refresh token: one answer, and the reason for our own events only.
func invalidGrant(reason string) error { return signet.NewError(signet.CodeInvalidGrant, "", reason) }

// prepareCode reads the code's row once and checks all that can be checked without spending it, in this order:
//
//	form and HMAC ─▶ row ─▶ owner ─▶ redirect_uri, verifier ─▶ spent? ─▶ expired?
//
// A refusal leaves the code as it was: whoever holds a code without its verifier cannot burn it for its owner.
func (s *Server) prepareCode(ctx context.Context, x *exchange) error {
	raw := x.params.Get("code")
	if raw == "" {
		return signet.NewError(signet.CodeInvalidRequest, "The code parameter is missing.", "code_missing")
	}
	if s.codes.ValidateAuthorizeCode(ctx, nil, raw) != nil {
		return invalidGrant("code_malformed")
	}
	code, grant, err := s.Grants.Code(ctx, s.Keys.HashKeys().Candidates(raw))
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return invalidGrant("code_unknown")
	case err != nil:
		return err
	}
	// RFC 6749 §4.1.3: bound to the client. A stranger's attempt revokes nothing, whatever state the code is in.
	if code.ClientID != x.client.ID || grant.ClientID != x.client.ID {
		return invalidGrant("code_of_another_client")
	}
	x.code, x.grant, x.scope = code, grant, grant.Scope
	mismatch := codeMismatch(code, x)
	if code.UsedAt != nil && (mismatch == "" || !x.client.Public()) {
		// RFC 6749 §4.1.2: used twice. Of a public client anyone can claim the name, so there the verifier must prove
		// that this is no stranger who found an old code in a log and wants to end somebody's session.
		return &signet.Error{Code: signet.CodeUsed, Reason: "code_replayed"}
	}
	if mismatch != "" {
		return invalidGrant(mismatch)
	}
	if !x.now.Before(code.ExpiresAt) {
		return invalidGrant("code_expired")
	}
	return nil
}

// codeMismatch compares what came with the code with what it was bound to; "" when all is right.
func codeMismatch(code *signet.AuthorizationCode, x *exchange) string {
	// RFC 6749 §4.1.3: identical, and absent only if it was absent.
	if code.RedirectURI != x.params.Get("redirect_uri") {
		return "redirect_uri_differs"
	}
	verifier := x.params.Get("code_verifier")
	switch {
	case code.CodeChallenge == "" && verifier != "":
		// RFC 9700 §4.8.2: a verifier without a challenge is a downgrade in progress.
		return "code_verifier_without_challenge"
	case code.CodeChallenge == "" && x.client.PKCERequired():
		return "code_challenge_missing"
	case code.CodeChallenge != "" && !verifies(verifier, code.CodeChallenge):
		return "code_verifier_wrong"
	}
	return ""
}

// verifies is RFC 7636 §4.6 for S256, after the form of §4.1: 43 to 128 unreserved characters.
func verifies(verifier, challenge string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	for i := range len(verifier) {
		if !unreserved(verifier[i]) {
			return false
		}
	}
	sum := sha256.Sum256([]byte(verifier))
	computed := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(computed), []byte(challenge)) == 1
}

// unreserved is RFC 3986 §2.3.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
