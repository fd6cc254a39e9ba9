package proof

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	// maxChain bounds the certificates beside the caller's own.
	maxChain = 8
	// maxHeader bounds one certificate header; the kit's limit on all headers is 32 KiB.
	maxHeader = 24 << 10
)

// Thumbprint is x5t#S256 (RFC 8705 §3.1, RFC 7515 §4.1.8): base64url of the SHA-256 of the certificate's DER.
func Thumbprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// OfRequest returns the certificates of the request's client, its own first, nil when it showed none. Behind a proxy that
// may vouch for certificates they are the header's alone: the certificate of that connection is the proxy's.
// Error: CodeInvalidRequest for a header that is not exactly one certificate.
func OfRequest(r *http.Request) ([]*x509.Certificate, error) {
	if leaf, chain, vouched := web.CertificateHeaders(r.Context()); vouched {
		return ParseHeaders(leaf, chain)
	}
	if r.TLS == nil {
		return nil, nil
	}
	// The handshake has proven that the caller holds the key; who issued the certificate is for clientauth to judge.
	return r.TLS.PeerCertificates, nil
}

// ParseHeaders reads the values of Client-Cert and Client-Cert-Chain (RFC 9440 §2.2, §2.3). No Client-Cert is no
// certificate; a second one means that the proxy added its own to what the caller sent.
// Error: CodeInvalidRequest.
func ParseHeaders(leaf, chain []string) ([]*x509.Certificate, error) {
	if len(leaf) == 0 && len(chain) == 0 {
		return nil, nil
	}
	if len(leaf) != 1 {
		return nil, headerFault("client_cert_repeated")
	}
	first, ok := parseItem(leaf[0])
	if !ok {
		return nil, headerFault("client_cert_form")
	}
	out := []*x509.Certificate{first}
	// RFC 9651 §4.2: the lines of a list are one list.
	for _, line := range chain {
		for item := range strings.SplitSeq(line, ",") {
			next, ok := parseItem(item)
			if !ok || len(out) > maxChain {
				return nil, headerFault("client_cert_chain_form")
			}
			out = append(out, next)
		}
	}
	return out, nil
}

// parseItem reads a byte sequence (RFC 9651 §4.2.7): base64 between colons, without parameters, of exactly one
// certificate in DER.
func parseItem(text string) (*x509.Certificate, bool) {
	text = strings.Trim(text, " ")
	if len(text) < 3 || len(text) > maxHeader || text[0] != ':' || text[len(text)-1] != ':' {
		return nil, false
	}
	inner := text[1 : len(text)-1]
	// Go's base64 skips line ends, and a colon inside would be a second item.
	if strings.ContainsAny(inner, "\r\n:") {
		return nil, false
	}
	der, err := base64.StdEncoding.Strict().DecodeString(inner)
	if err != nil {
		return nil, false
	}
	certificate, err := x509.ParseCertificate(der)
	return certificate, err == nil
}

func headerFault(reason string) error {
	return signet.NewError(signet.CodeInvalidRequest, "The Client-Cert header is malformed.", reason)
}
