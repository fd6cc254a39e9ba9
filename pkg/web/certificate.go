package web

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
)

// certificateHeaders are what a proxy that may vouch for certificates said (RFC 9440), as it was sent.
type certificateHeaders struct {
	vouched     bool
	leaf, chain []string
}

// takeCertificates removes every header by which something in front of a server could claim a client certificate, and
// keeps those of RFC 9440 when the peer itself is one of the proxies that may. A caller who sends such headers to
// anybody else, in whatever spelling, has sent nothing. Trailers were never looked at.
func takeCertificates(r *http.Request, vouching []netip.Prefix) certificateHeaders {
	var out certificateHeaders
	if len(vouching) > 0 && within(peerAddress(r.RemoteAddr), vouching) {
		out = certificateHeaders{vouched: true, leaf: r.Header["Client-Cert"], chain: r.Header["Client-Cert-Chain"]}
	}
	for name := range r.Header {
		if claimsCertificate(name) {
			delete(r.Header, name)
		}
	}
	return out
}

// claimsCertificate knows the names by their parts, since every proxy has its own: Client-Cert, X-SSL-Client-Cert,
// X-Forwarded-Client-Cert, SSL-Client-Verify, X_SSL_CLIENT_CERT. Go has made the first letter of a part upper case.
func claimsCertificate(name string) bool {
	if !strings.Contains(name, "lient") {
		return false
	}
	name = strings.ToLower(name)
	return strings.Contains(name, "client") &&
		(strings.Contains(name, "cert") || strings.Contains(name, "ssl") || strings.Contains(name, "tls") || strings.Contains(name, "verify"))
}

// CertificateHeaders returns the values of Client-Cert and Client-Cert-Chain. vouched is true when the request came from
// a proxy of Options.CertificateProxies; else there are none, whatever was sent.
func CertificateHeaders(ctx context.Context) (leaf, chain []string, vouched bool) {
	if x := exchangeOf(ctx); x != nil {
		return x.certificates.leaf, x.certificates.chain, x.certificates.vouched
	}
	return nil, nil, false
}
