package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Successes knows when a client was served.
type Successes interface {
	// LastIssued is when a client last got a token by a grant type, as far as history goes back.
	// Errors: CodeNotFound, CodeUnavailable.
	LastIssued(ctx context.Context, client signet.ClientID, grantType string) (time.Time, error)
}

// Partners are the judgements of partner access (wire.md, 2): pkg/clientauth. Without Successes, SignEvidence and
// VerifyEvidence there are no routes for evidence and activation.
type Partners struct {
	// CheckKeySetURI says whether a jwks_uri can be fetched; nil: every https URL.
	CheckKeySetURI func(uri string) error
	// KeySet makes the hosted set of PEM certificates; nil: none are taken. strict refuses what else is a warning.
	// Error: CodeInvalidRequest, with a sentence for the operator.
	KeySet func(certificates string, strict bool) (jwks json.RawMessage, warnings []string, err error)
	// Authorities are the SHA-256 thumbprints (base64url) of those that tls_client_auth trusts.
	Authorities []string
	Successes   Successes
	// SignEvidence makes CAT's word that the client was served; id names it.
	SignEvidence func(client signet.ClientID, succeeded time.Time) (id, text string, err error)
	// VerifyEvidence checks CAT's word for a client and returns its id.
	// Error: CodeInvalidRequest, with the fault for the operator, who may read it.
	VerifyEvidence func(text string, client signet.ClientID) (id string, err error)
}

func (p *Partners) evidence() bool {
	return p.Successes != nil && p.SignEvidence != nil && p.VerifyEvidence != nil
}
