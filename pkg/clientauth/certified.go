package clientauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

// Uses of a key in a JWKS (RFC 7517 §4.2).
const (
	useSignature  = "sig"
	useEncryption = "enc"
)

// maxCertificates bounds what is read from one PEM text.
const maxCertificates = 16

// CertificateRules say how certificates of hosted keys are judged.
type CertificateRules struct {
	// Roots are the authorities that a chain must lead to.
	Roots *x509.CertPool
	// Strict refuses what would otherwise be a warning: environments cat and production.
	Strict bool
	Now    time.Time
}

// CertificatesToJWKS makes the public set of the PEM certificates that a partner sent: one of its own, for signing, or
// two, the first for signing and the second for encryption, unless their key usages say it the other way round; the
// authorities in between may stand among them. Each key's kid is KeyUUID, so that the partner can know it before.
// Under strict rules a certificate that is self-signed, leads to none of the roots, is outside its dates, has a short key
// or another key usage is refused; else it is a warning. Error: CodeInvalidRequest, one sentence for the operator.
func CertificatesToJWKS(text []byte, rules CertificateRules) (jwks json.RawMessage, warnings []string, err error) {
	own, between, err := readCertificates(text)
	if err != nil {
		return nil, nil, err
	}
	if len(own) == 0 || len(own) > 2 {
		return nil, nil, certificateFault("The text must hold one certificate for signing and at most one for encryption.")
	}
	if len(own) == 2 && onlyFor(own[0], useEncryption) && onlyFor(own[1], useSignature) {
		own[0], own[1] = own[1], own[0]
	}
	set := jose.JSONWebKeySet{}
	for i, certificate := range own {
		use := []string{useSignature, useEncryption}[i]
		name := map[string]string{useSignature: "signing", useEncryption: "encryption"}[use]
		faults := judgeCertificate(certificate, between, use, rules)
		if len(faults) > 0 && rules.Strict {
			return nil, nil, certificateFault(fmt.Sprintf("The %s certificate %s.", name, faults[0]))
		}
		for _, fault := range faults {
			warnings = append(warnings, fmt.Sprintf("the %s certificate %s", name, fault))
		}
		key, err := PublicJWK(certificate.PublicKey, use, "")
		if err != nil {
			return nil, nil, err
		}
		set.Keys = append(set.Keys, key)
	}
	if len(set.Keys) == 2 && set.Keys[0].KeyID == set.Keys[1].KeyID {
		return nil, nil, certificateFault("The two certificates have the same key: signing and encryption need one each.")
	}
	jwks, err = json.Marshal(set)
	if err != nil {
		return nil, nil, signet.Internal(err)
	}
	return jwks, warnings, nil
}

func certificateFault(text string) error {
	return signet.NewError(signet.CodeInvalidRequest, text, "certificates")
}

// readCertificates splits the partner's own certificates from those of authorities. Anything but certificates is
// refused, a private key above all: whoever sends one must make a new one.
func readCertificates(text []byte) (own, authorities []*x509.Certificate, err error) {
	rest := text
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, nil, certificateFault("The text must hold certificates alone; a private key that was sent must be replaced.")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, certificateFault("A certificate cannot be read.")
		}
		if certificate.IsCA && !selfIssued(certificate) || certificate.IsCA && len(own) > 0 {
			authorities = append(authorities, certificate)
		} else {
			own = append(own, certificate)
		}
		if len(own)+len(authorities) > maxCertificates {
			return nil, nil, certificateFault("The text holds too many certificates.")
		}
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, nil, certificateFault("The text must hold PEM certificates and nothing else.")
	}
	return own, authorities, nil
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// onlyFor reports whether the key usage allows this use and not the other.
func onlyFor(certificate *x509.Certificate, use string) bool {
	const encrypts = x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageKeyAgreement
	signs, ciphers := certificate.KeyUsage&x509.KeyUsageDigitalSignature != 0, certificate.KeyUsage&encrypts != 0
	return use == useSignature && signs && !ciphers || use == useEncryption && ciphers && !signs
}

// judgeCertificate lists what is wrong with a certificate, the plainest fault first.
func judgeCertificate(certificate *x509.Certificate, between []*x509.Certificate, use string, rules CertificateRules) (faults []string) {
	fault := func(bad bool, text string) {
		if bad {
			faults = append(faults, text)
		}
	}
	other := map[string]string{useSignature: useEncryption, useEncryption: useSignature}[use]
	fault(selfIssued(certificate), "is self-signed")
	fault(rules.Now.After(certificate.NotAfter), "has expired")
	fault(rules.Now.Before(certificate.NotBefore), "is not valid yet")
	fault(weakKey(certificate), "has a key that is short or of an unknown kind")
	fault(onlyFor(certificate, other), "is made for the other use")
	if !selfIssued(certificate) && !rules.Now.After(certificate.NotAfter) && !rules.Now.Before(certificate.NotBefore) {
		pool := x509.NewCertPool()
		for _, authority := range between {
			pool.AddCert(authority)
		}
		roots := rules.Roots
		if roots == nil {
			roots = x509.NewCertPool() // nil would mean the machine's own authorities
		}
		_, err := certificate.Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: pool, CurrentTime: rules.Now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		fault(err != nil, "does not lead to a trusted authority")
	}
	return faults
}

// PublicJWK is the JWK of a public key. alg "" leaves it out of encryption keys and names the usual one for signing
// keys. Its kid is KeyUUID. Error: CodeInvalidRequest for keys that cannot be used.
func PublicJWK(public crypto.PublicKey, use, alg string) (jose.JSONWebKey, error) {
	kid, err := KeyUUID(public)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	usual := ""
	switch key := public.(type) {
	case *rsa.PublicKey:
		usual = signet.AlgRS256
	case *ecdsa.PublicKey:
		usual = signet.AlgES256
		if use == useSignature && !signet.AlgFits(usual, key) {
			return jose.JSONWebKey{}, certificateFault("Of EC keys only those on P-256 can sign assertions.")
		}
	case ed25519.PublicKey:
		usual = signet.AlgEdDSA
		if use == useEncryption {
			return jose.JSONWebKey{}, certificateFault("An Ed25519 key cannot encrypt.")
		}
	}
	if alg == "" && use == useSignature {
		alg = usual
	}
	if use == useSignature && !slices.Contains([]string{usual, map[string]string{signet.AlgRS256: signet.AlgPS256}[usual]}, alg) {
		return jose.JSONWebKey{}, certificateFault("The algorithm does not fit the key.")
	}
	return jose.JSONWebKey{Key: public, KeyID: kid, Use: use, Algorithm: alg}, nil
}

// KeyUUID names a public key: a UUID (RFC 9562 §5.8, version 8) of the SHA-256 of its SubjectPublicKeyInfo. The same key
// has the same name wherever it is worked out.
func KeyUUID(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", certificateFault("The key is of an unknown kind.")
	}
	sum := sha256.Sum256(der)
	id := sum[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]), nil
}

// certifiedKeys keeps the keys that a certificate on record stands behind, each until that certificate ends. Chains were
// looked at when the record was written (CertificatesToJWKS).
func certifiedKeys(keys []clientKeyEntry, certificates string) []clientKeyEntry {
	own, _, err := readCertificates([]byte(certificates))
	if err != nil {
		return nil
	}
	var out []clientKeyEntry
	for _, key := range keys {
		public, comparable := key.public.(interface{ Equal(crypto.PublicKey) bool })
		for _, certificate := range own {
			if comparable && public.Equal(certificate.PublicKey) && certificate.NotAfter.After(key.until) {
				key.until = certificate.NotAfter
			}
		}
		if !key.until.IsZero() {
			out = append(out, key)
		}
	}
	return out
}
