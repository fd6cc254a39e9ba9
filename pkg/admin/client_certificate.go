package admin

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

// certificate judges what a record says of the certificate that its client shows (RFC 8705). It is the client's proof
// with the two TLS methods, where exactly one thing is compared, or the client could never log in, or by more
// certificates than somebody meant; it is transport beside an assertion; and nothing with any other method: beside a
// secret it would be a second proof (RFC 6749 §2.3), and a public client has nothing to be bound to.
func (j *judge) certificate() {
	m := j.m
	names := 0
	for _, name := range []string{m.TLSClientAuthSubjectDN, m.TLSClientAuthSANDNS} {
		if name != "" {
			names++
		}
	}
	j.certificateForms(names)
	switch m.TokenEndpointAuthMethod {
	case signet.AuthTLS:
		j.need(names == 1, "tls_client_auth_*", "must name a subject or a DNS name with tls_client_auth")
	case signet.AuthSelfSignedTLS:
		j.selfSigned(names)
	case signet.AuthPrivateKeyJWT:
		pinned := m.TLSClientCertificate != ""
		j.need(names == 0 || !pinned, "tls_client_certificate", "and the members tls_client_auth_*: one of them names the certificate")
		j.need(!m.RequireCertificate || pinned || names > 0, "require_certificate", "needs a certificate or a name to compare")
	default:
		j.need(!m.BindCertificate, "tls_client_certificate_bound_access_tokens", "is for clients that prove themselves by a key or a certificate")
		j.need(!m.RequireCertificate, "require_certificate", "is for clients that prove themselves by a key or a certificate")
		j.need(names == 0 && m.TLSClientCertificate == "", "tls_client_*", "members are for private_key_jwt and the TLS methods")
	}
}

// selfSigned: one place says which certificate it is (RFC 8705 §2.2).
func (j *judge) selfSigned(names int) {
	m := j.m
	places := 0
	for _, there := range []bool{m.TLSClientCertificate != "", len(m.JWKS) > 0, m.JWKSURI != ""} {
		if there {
			places++
		}
	}
	j.need(places == 1, "tls_client_certificate", "or keys with x5c are needed with self_signed_tls_client_auth, in one place")
	j.need(names == 0, "tls_client_auth_*", "are for certificates that an authority issued")
	j.need(!j.certified() || len(m.JWKS) == 0, "jwks", "of self_signed_tls_client_auth is not taken in cat and production: send tls_client_certificate or jwks_uri")
}

// certificateForms judges the spellings, and which authority stands behind a name.
func (j *judge) certificateForms(names int) {
	m := j.m
	dn, dns := m.TLSClientAuthSubjectDN, m.TLSClientAuthSANDNS
	j.need(m.TLSClientCertificate == "" || thumbprint(m.TLSClientCertificate), "tls_client_certificate", "must be a SHA-256 thumbprint in base64url")
	j.need(m.TLSClientAuthCA == "" || thumbprint(m.TLSClientAuthCA), "tls_client_auth_ca", "must be a SHA-256 thumbprint in base64url")
	j.need(names < 2, "tls_client_auth_*", "may name a subject or a DNS name, not both")
	j.need(dn == "" || textOK(dn, 1000) && strings.Contains(dn, "="), "tls_client_auth_subject_dn", "must be a subject as RFC 4514 writes it, the most specific name first")
	j.need(dns == "" || dnsName(dns), "tls_client_auth_san_dns", "must be a host name without a wildcard")
	if names == 0 {
		j.need(m.TLSClientAuthCA == "", "tls_client_auth_ca", "needs a subject or a DNS name")
		return
	}
	known := j.partners.Authorities
	switch {
	case len(known) == 0:
		j.warnings = append(j.warnings, "this server trusts no authority (mtls.client_ca_file): until it does, no certificate has this name")
	case m.TLSClientAuthCA != "":
		j.need(slices.Contains(known, m.TLSClientAuthCA), "tls_client_auth_ca", "must be that of an authority in mtls.client_ca_file")
	case len(known) > 1:
		// Another authority could issue the same name.
		j.problem("tls_client_auth_ca", "is needed: this server trusts several authorities")
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
