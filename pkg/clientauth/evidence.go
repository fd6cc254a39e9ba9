package clientauth

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// EvidenceType is the typ of evidence: nothing else that CAT signs passes for it (RFC 8725 §3.11).
const EvidenceType = "signet-cat-evidence+jwt"

const (
	evidenceAudience = "urn:signet:activation"
	// evidenceLifetime is how old evidence may be: what worked a year ago says little.
	evidenceLifetime = 90 * 24 * time.Hour
)

// Evidence is CAT's word that a partner was served there: a token was issued to it. CAT signs it, production believes it
// (wire.md, 2: production activates a partner after a recorded success in CAT).
type Evidence struct {
	ID          string
	Issuer      string // of the CAT deployment
	ClientID    signet.ClientID
	SucceededAt time.Time
	IssuedAt    time.Time
}

// evidenceClaims is the wire form, the claims of a JWS.
type evidenceClaims struct {
	ID          string          `json:"jti"`
	Issuer      string          `json:"iss"`
	Subject     signet.ClientID `json:"sub"`
	Audience    string          `json:"aud"`
	Environment string          `json:"environment"`
	SucceededAt int64           `json:"succeeded_at"`
	IssuedAt    int64           `json:"iat"`
}

// Claims are what CAT signs, with typ EvidenceType and one of its token keys.
func (e *Evidence) Claims() ([]byte, error) {
	return json.Marshal(&evidenceClaims{
		ID: e.ID, Issuer: e.Issuer, Subject: e.ClientID, Audience: evidenceAudience, Environment: signet.EnvironmentCAT,
		SucceededAt: e.SucceededAt.Unix(), IssuedAt: e.IssuedAt.Unix(),
	})
}

// VerifyEvidence checks evidence for the client with the key set and the issuer of the CAT deployment, which the
// operator of production was given by another way than this file. Error: CodeInvalidRequest with the fault for the
// operator, who may read it.
func VerifyEvidence(text string, jwks json.RawMessage, issuer string, client signet.ClientID, now time.Time) (*Evidence, error) {
	c, err := signedEvidence(strings.TrimSpace(text), jwks, now)
	if err != nil {
		return nil, err
	}
	issued, succeeded := time.Unix(c.IssuedAt, 0).UTC(), time.Unix(c.SucceededAt, 0).UTC()
	switch {
	case c.Issuer != issuer || issuer == "":
		return nil, evidenceFault("The evidence is another deployment's.", "evidence_iss")
	case c.Audience != evidenceAudience || c.Environment != signet.EnvironmentCAT || c.ID == "":
		return nil, evidenceFault("The evidence does not speak of CAT.", "evidence_claims")
	case c.Subject != client:
		return nil, evidenceFault("The evidence is for another client.", "evidence_sub")
	case issued.After(now.Add(leeway)) || succeeded.After(issued.Add(leeway)):
		return nil, evidenceFault("The evidence is from the future.", "evidence_future")
	case now.After(succeeded.Add(evidenceLifetime)):
		return nil, evidenceFault("The success in CAT is more than 90 days old.", "evidence_old")
	}
	return &Evidence{ID: c.ID, Issuer: c.Issuer, ClientID: c.Subject, SucceededAt: succeeded, IssuedAt: issued}, nil
}

// signedEvidence returns the claims that a key of the set has signed as evidence.
func signedEvidence(text string, jwks json.RawMessage, now time.Time) (*evidenceClaims, error) {
	parsed := parseAssertion(text)
	if parsed.formFault != "" || parsed.headerFault != "" || parsed.claimsFault != "" {
		return nil, evidenceFault("The evidence is no signed statement.", "evidence_form")
	}
	if parsed.header.typ != EvidenceType {
		return nil, evidenceFault("The file is no evidence from CAT.", "evidence_typ")
	}
	keys, ok := parseSet(jwks)
	if !ok {
		return nil, evidenceFault("The key set of CAT cannot be read.", "evidence_jwks")
	}
	set := &keySet{keys: keys}
	key, reason := set.pick(parsed.header, nil, now)
	if key == nil {
		return nil, evidenceFault("CAT has no key by the name that signed the evidence.", reason)
	}
	if !signet.VerifySignature(parsed.header.alg, key, parsed.input, parsed.signature) {
		return nil, evidenceFault("The signature of the evidence is wrong.", "evidence_signature")
	}
	_, payload, _ := strings.Cut(string(parsed.input), ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	var c evidenceClaims
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return nil, evidenceFault("The evidence is no signed statement.", "evidence_form")
	}
	return &c, nil
}

func evidenceFault(message, reason string) error {
	return signet.NewError(signet.CodeInvalidRequest, message, reason)
}
