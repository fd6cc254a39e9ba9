package admin

import (
	"encoding/base64"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

// certificate judges the members of mutual TLS: a client that authenticates by its certificate names exactly one thing to
// compare (RFC 8705 §2.1.2, §2.2), or it could never log in, or by more certificates than somebody meant.
func (j *judge) certificate() {
	m := j.m
	names := 0
	for _, name := range []string{m.TLSClientAuthSubjectDN, m.TLSClientAuthSANDNS} {
		if name != "" {
			names++
		}
	}
	j.need(m.TLSClientCertificate == "" || thumbprint(m.TLSClientCertificate), "tls_client_certificate", "must be a SHA-256 thumbprint in base64url")
	j.need(m.TLSClientAuthCA == "" || thumbprint(m.TLSClientAuthCA), "tls_client_auth_ca", "must be a SHA-256 thumbprint in base64url")
	j.need(names < 2, "tls_client_auth_*", "may name a subject or a DNS name, not both")
	j.need(m.TLSClientAuthSubjectDN == "" || textOK(m.TLSClientAuthSubjectDN, 1000), "tls_client_auth_subject_dn", "must be a visible text")
	j.need(m.TLSClientAuthSANDNS == "" || dnsName(m.TLSClientAuthSANDNS), "tls_client_auth_san_dns", "must be a host name without a wildcard")
	j.need(m.TLSClientAuthCA == "" || names > 0, "tls_client_auth_ca", "needs a subject or a DNS name")
	switch m.TokenEndpointAuthMethod {
	case signet.AuthTLS:
		j.need(names == 1, "tls_client_auth_*", "must name a subject or a DNS name with tls_client_auth")
	case signet.AuthSelfSignedTLS:
		j.need(m.TLSClientCertificate != "" || len(m.JWKS) > 0 || m.JWKSURI != "", "tls_client_certificate", "or keys with x5c are needed with self_signed_tls_client_auth")
		j.need(names == 0, "tls_client_auth_*", "are for certificates that an authority issued")
	default:
		j.need(!m.RequireCertificate || m.TLSClientCertificate != "" || names > 0, "require_certificate", "needs a certificate or a name to compare")
	}
}

// thumbprint reports whether the text is a SHA-256 in base64url without padding.
func thumbprint(text string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == 32 && len(text) == 43
}

func dnsName(text string) bool {
	return len(text) <= 253 && hostnames.MatchString(strings.ToLower(text))
}
