package clientauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
)

// minCertificateRSA is the shortest RSA key of a certificate that counts.
const minCertificateRSA = 2048

// byCertificate: a client_id beside a certificate authenticates by it when the client is registered so (RFC 8705 §2).
// The record decides, not the caller: for every other client the certificate is transport.
func byCertificate(cred *credential, client *signet.Client) {
	if client == nil || cred.method != signet.AuthNone || len(cred.certificates) == 0 {
		return
	}
	if m := client.TokenEndpointAuthMethod; m == signet.AuthTLS || m == signet.AuthSelfSignedTLS {
		cred.method = m
	}
}

// bound is the thumbprint that tokens of this request are bound to, "" for a client without bound tokens.
func bound(client *signet.Client, cred *credential) string {
	if !client.BindCertificate || len(cred.certificates) == 0 {
		return ""
	}
	return proof.Thumbprint(cred.certificates[0])
}

func transportRefusal(reason string) *refusal {
	if reason == "" {
		return nil
	}
	return &refusal{stage: stageKey, reason: reason}
}

// transportFault checks the certificate of a client that authenticates otherwise: it must be there where the record
// demands it or binds tokens to it, and one that is there must be the registered one, when one is registered.
func (a *Authenticator) transportFault(client *signet.Client, shown []*x509.Certificate, now time.Time) string {
	named := client.TLSClientAuthSubjectDN != "" || client.TLSClientAuthSANDNS != ""
	switch {
	case len(shown) == 0 && (client.RequireCertificate || client.BindCertificate):
		return "certificate_missing"
	case len(shown) == 0:
		return ""
	case client.TLSClientCertificate != "":
		return pinnedFault(client, shown[0], now)
	case named:
		return a.issuedFault(client, shown, now)
	case client.RequireCertificate:
		return "certificate_not_registered" // the record demands one and names none: nobody's fits
	default:
		return ""
	}
}

// pinnedFault compares with the one certificate on record.
func pinnedFault(client *signet.Client, leaf *x509.Certificate, now time.Time) string {
	if proof.Thumbprint(leaf) != client.TLSClientCertificate {
		return "certificate_mismatch"
	}
	return leafFault(leaf, now)
}

// leafFault is what makes a certificate worthless, whoever issued it.
func leafFault(leaf *x509.Certificate, now time.Time) string {
	switch {
	case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
		return "certificate_expired"
	case weakKey(leaf):
		return "certificate_weak"
	default:
		return ""
	}
}

// weakKey reports a key that is short, or of a kind that signet does not know.
func weakKey(certificate *x509.Certificate) bool {
	switch key := certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() < minCertificateRSA || key.N.BitLen() > maxRSABits
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize < 256
	case ed25519.PublicKey:
		return false
	default:
		return true
	}
}

// selfSignedFault is self_signed_tls_client_auth (RFC 8705 §2.2): the very certificate that is registered, by its
// thumbprint or as the x5c of a key in the client's set. Who signed it says nothing.
func (a *Authenticator) selfSignedFault(ctx context.Context, client *signet.Client, shown []*x509.Certificate, now time.Time) string {
	if client.TLSClientCertificate != "" {
		return pinnedFault(client, shown[0], now)
	}
	if len(client.JWKS) == 0 && client.JWKSURI == "" {
		return "certificate_not_registered"
	}
	set, reason := a.keysOf(ctx, client, header{})
	if set == nil {
		return reason
	}
	thumbprint := proof.Thumbprint(shown[0])
	for i := range set.keys {
		key := &set.keys[i]
		if key.certificate == thumbprint && !slices.Contains(client.JWKSRefusedKIDs, key.kid) {
			return leafFault(shown[0], now)
		}
	}
	return "certificate_mismatch"
}

// issuedFault is tls_client_auth (RFC 8705 §2.1): a chain to the client's authority, and exactly the one name that is
// registered.
func (a *Authenticator) issuedFault(client *signet.Client, shown []*x509.Certificate, now time.Time) string {
	// With several authorities another one could issue the same name: the record must say which.
	if client.TLSClientAuthCA == "" && len(a.authorities) > 1 {
		return "certificate_authority_unnamed"
	}
	chained := a.chain(shown, client.TLSClientAuthCA, now)
	leaf := shown[0]
	dn, dns := client.TLSClientAuthSubjectDN, client.TLSClientAuthSANDNS
	switch {
	case !chained:
		return "certificate_chain"
	case (dn == "") == (dns == ""):
		return "certificate_name_not_registered"
	case dn != "" && !subjectIs(leaf, dn), dns != "" && !namedDNS(leaf, dns):
		return "certificate_name"
	case client.TLSClientCertificate != "":
		return pinnedFault(client, leaf, now)
	default:
		return leafFault(leaf, now)
	}
}

// chain reports whether the certificates lead to one of the authorities; to the one with this thumbprint, if one is named.
func (a *Authenticator) chain(shown []*x509.Certificate, authority string, now time.Time) bool {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, ca := range a.authorities {
		if authority == "" || proof.Thumbprint(ca) == authority {
			roots.AddCert(ca)
		}
	}
	for _, certificate := range shown[1:] {
		between.AddCert(certificate)
	}
	_, err := shown[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}

// namedDNS: the registered name stands in the certificate as it is. A wildcard is a pattern, no name.
func namedDNS(leaf *x509.Certificate, name string) bool {
	return !strings.Contains(name, "*") && slices.ContainsFunc(leaf.DNSNames, func(dns string) bool { return strings.EqualFold(dns, name) })
}

// subjectIs compares the subject as RFC 4514 writes it: the same names in the same order and nothing else.
func subjectIs(leaf *x509.Certificate, registered string) bool {
	text, ok := SubjectDN(leaf)
	return ok && text == registered
}

// SubjectDN writes a certificate's subject as tls_client_auth_subject_dn must be registered (RFC 4514, the most specific
// name first). ok is false for a subject that cannot be written without doubt: one that is empty, or holds a value that
// is no text, or control characters, which could look like another name.
func SubjectDN(certificate *x509.Certificate) (dn string, ok bool) {
	var names pkix.RDNSequence
	rest, err := asn1.Unmarshal(certificate.RawSubject, &names)
	if err != nil || len(rest) > 0 || len(names) == 0 {
		return "", false
	}
	for _, set := range names {
		for _, name := range set {
			value, isText := name.Value.(string)
			if !isText || !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
				return "", false
			}
		}
	}
	return names.String(), true
}
