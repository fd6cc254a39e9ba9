package oauth

import (
	"crypto/subtle"
	"net/http"

	"github.com/signet-auth/signet/pkg/proof"
)

// confirmation is cnf (RFC 7800 §3.1): what the holder of a token must prove beside showing it.
type confirmation struct {
	// Thumbprint is that of the client's certificate (RFC 8705 §3.1).
	Thumbprint string `json:"x5t#S256,omitempty"`
}

func confirmationOf(thumbprint string) *confirmation {
	if thumbprint == "" {
		return nil
	}
	return &confirmation{Thumbprint: thumbprint}
}

// held reports whether the request comes from whom the token is bound to (RFC 8705 §3). A token that is bound is worth
// nothing to anybody who only has its text. Error: CodeInvalidToken, or CodeInvalidRequest for a malformed header.
func (p *presented) held(r *http.Request) error {
	if p.claims.Confirmation == nil {
		return nil
	}
	shown, err := proof.OfRequest(r)
	if err != nil {
		return err
	}
	if len(shown) == 0 {
		return invalidToken("token_bound_certificate_missing")
	}
	if subtle.ConstantTimeCompare([]byte(proof.Thumbprint(shown[0])), []byte(p.claims.Confirmation.Thumbprint)) != 1 {
		return invalidToken("token_bound_certificate_mismatch")
	}
	return nil
}
