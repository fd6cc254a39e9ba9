package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/admin"
	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
)

// catSettings say whose word lets partners into production. The zero value: nobody's.
type catSettings struct {
	issuer   string
	jwksFile string
}

// partners are the judgements of partner access for the admin API.
func (d *deployment) partners(successes admin.Successes, ring *keys.Ring) admin.Partners {
	p := admin.Partners{Successes: successes}
	for _, authority := range d.certificates.clientCAs {
		p.Authorities = append(p.Authorities, proof.Thumbprint(authority))
	}
	p.CheckKeySetURI = func(uri string) error { return clientauth.CheckKeySetURI(uri, d.certificates.loopbackSets) }
	p.KeySet = func(certificates string, strict bool) (json.RawMessage, []string, error) {
		return clientauth.CertificatesToJWKS([]byte(certificates),
			clientauth.CertificateRules{Roots: d.certificates.partnerRoots, Strict: strict, Now: d.now()})
	}
	p.SignEvidence = func(client signet.ClientID, succeeded time.Time) (id, text string, err error) {
		evidence := clientauth.Evidence{ID: signet.NewID(), Issuer: d.issuer, ClientID: client, SucceededAt: succeeded, IssuedAt: d.now()}
		claims, err := evidence.Claims()
		if err != nil {
			return "", "", signet.Internal(err)
		}
		text, _, err = ring.Sign(signet.AlgES256, clientauth.EvidenceType, claims)
		return evidence.ID, text, err
	}
	p.VerifyEvidence = func(text string, client signet.ClientID) (string, error) {
		if d.certificates.cat.jwksFile == "" {
			return "", signet.NewError(signet.CodeInvalidRequest,
				"This server knows no CAT deployment (partner.cat_issuer, partner.cat_jwks_file): only an override is possible.", "no_cat")
		}
		// Read each time: CAT changes its keys, and an operator puts the new set there without a restart.
		set, err := readKeySet(d.certificates.cat.jwksFile)
		if err != nil {
			return "", signet.Internal(err)
		}
		evidence, err := clientauth.VerifyEvidence(text, set, d.certificates.cat.issuer, client, d.now())
		if err != nil {
			return "", err
		}
		return evidence.ID, nil
	}
	return p
}

// readKeySet reads partner.cat_jwks_file.
func readKeySet(path string) (json.RawMessage, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("partner.cat_jwks_file: %w", err)
	}
	var set jose.JSONWebKeySet
	if json.Unmarshal(content, &set) != nil || len(set.Keys) == 0 {
		return nil, errors.New("partner.cat_jwks_file: " + path + " holds no key set")
	}
	return content, nil
}
