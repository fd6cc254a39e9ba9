package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
)

// clientFlags are the members that people set most; --from takes the whole metadata.
type clientFlags struct {
	id, name, method, scope, kind, alg, from, account            string
	redirects, logouts, origins, audiences, grants, networks     []string
	public, firstParty, introspect, admin, partner               bool
	environment, jwksFile, jwksURI                               string
	certificates                                                 []string
	tlsCertificate, tlsSubject, tlsSubjectFile, tlsSANDNS, tlsCA string
	requireCertificate, bindCertificate                          bool
}

func (f *clientFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "file with the metadata as JSON (RFC 7591 and signet's members), - for stdin; alone")
	flags.StringVar(&f.id, "id", "", "client_id; a UUID is made when it is left out")
	flags.StringVar(&f.name, "name", "", "name that people see")
	flags.StringSliceVar(&f.redirects, "redirect-uri", nil, "redirect URI; repeat for more")
	flags.StringSliceVar(&f.logouts, "post-logout-redirect-uri", nil, "where logout may return to; repeat for more")
	flags.StringSliceVar(&f.origins, "origin", nil, "browser origin that may read answers; repeat for more")
	flags.StringSliceVar(&f.audiences, "audience", nil, "resource that may be named, the first is the default")
	flags.StringSliceVar(&f.grants, "grant", nil, "grant type; authorization_code and refresh_token when left out")
	flags.StringVar(&f.scope, "scope", "", "scopes that may be asked for, separated by spaces")
	flags.StringVar(&f.method, "auth-method", "", "client_secret_basic (default), client_secret_post, private_key_jwt, tls_client_auth or self_signed_tls_client_auth")
	flags.StringVar(&f.alg, "auth-alg", "", "algorithm of assertions for private_key_jwt")
	flags.StringVar(&f.kind, "type", "", "web (default) or native")
	flags.BoolVar(&f.public, "public", false, "no credential: browser and native apps")
	flags.BoolVar(&f.firstParty, "first-party", false, "your own: no consent page")
	flags.BoolVar(&f.introspect, "introspect", false, "a resource server that may use /introspect")
	flags.BoolVar(&f.admin, "admin", false, "may use the admin API with a client_credentials token")
	flags.StringVar(&f.account, "account", "", "id of the account that a machine client acts for")
	flags.StringSliceVar(&f.networks, "network", nil, "network (CIDR) that may act for it; repeat for more; every one when left out")
	flags.BoolVar(&f.partner, "partner", false, "partner of document 004: its departures, one signing and one encryption key")
	flags.StringVar(&f.environment, "environment", "", "cat or production: hosted keys are taken as certificates alone")
	flags.StringVar(&f.jwksURI, "jwks-uri", "", "where the client hosts its public keys (JWKS)")
	flags.StringVar(&f.jwksFile, "jwks-file", "", "file with the public keys (JWKS) for signet to host")
	flags.StringArrayVar(&f.certificates, "certificate-file", nil, "PEM certificate of a hosted key, signing first, then encryption; repeat; authorities in between may stand behind")
	flags.StringVar(&f.tlsCertificate, "tls-certificate-file", "", "PEM: the one certificate that the client shows")
	flags.StringVar(&f.tlsSubject, "tls-subject-dn", "", "subject of the certificate that the client shows, as RFC 4514 writes it")
	flags.StringVar(&f.tlsSubjectFile, "tls-subject-file", "", "PEM certificate to take that subject from")
	flags.StringVar(&f.tlsSANDNS, "tls-san-dns", "", "DNS name in the certificate that the client shows")
	flags.StringVar(&f.tlsCA, "tls-ca-file", "", "PEM: the authority of that certificate, where several are trusted")
	flags.BoolVar(&f.requireCertificate, "require-certificate", false, "the certificate must be shown beside the assertion")
	flags.BoolVar(&f.bindCertificate, "bind-certificate", false, "tokens are bound to the certificate (RFC 8705)")
}

// body is what is sent: the metadata of --from, or of the flags.
func (f *clientFlags) body(stdin io.Reader) (any, error) {
	if f.from != "" {
		content, err := readInput(f.from, stdin)
		if err != nil {
			return nil, err
		}
		if !json.Valid(content) {
			return nil, usage("--from is not JSON")
		}
		return json.RawMessage(content), nil
	}
	method := signet.AuthMethod(f.method)
	switch {
	case f.public && method != "":
		return nil, usage("a --public client has no --auth-method")
	case f.public:
		method = signet.AuthNone
	case method == "" && (f.jwksFile != "" || f.jwksURI != "" || len(f.certificates) > 0):
		method = signet.AuthPrivateKeyJWT
	}
	m := signet.ClientMetadata{ClientName: f.name, RedirectURIs: f.redirects, PostLogoutRedirectURIs: f.logouts, Origins: f.origins,
		Audiences: f.audiences, GrantTypes: f.grantTypes(), Scope: f.scope, TokenEndpointAuthMethod: method, TokenEndpointAuthAlg: f.alg,
		ApplicationType: f.kind, FirstParty: f.firstParty, Introspect: f.introspect, AccountID: f.account, AllowedNetworks: f.networks,
		Environment: f.environment, JWKSURI: f.jwksURI, RequireCertificate: f.requireCertificate, BindCertificate: f.bindCertificate,
		TLSClientAuthSubjectDN: f.tlsSubject, TLSClientAuthSANDNS: f.tlsSANDNS}
	if f.partner {
		preset(&m)
	}
	if err := f.files(&m, stdin); err != nil {
		return nil, err
	}
	return struct {
		ClientID string `json:"client_id,omitempty"`
		signet.ClientMetadata
		Admin bool `json:"admin,omitempty"`
	}{f.id, m, f.admin}, nil
}

func (f *clientFlags) grantTypes() []string {
	switch {
	case f.grants != nil:
		return f.grants
	case f.partner:
		return []string{signet.GrantClientCredentials}
	case f.introspect:
		return []string{}
	default:
		return []string{signet.GrantAuthorizationCode, signet.GrantRefreshToken}
	}
}

// files reads what the flags name, each a part of the metadata.
func (f *clientFlags) files(m *signet.ClientMetadata, stdin io.Reader) error {
	if f.jwksFile != "" {
		content, err := readInput(f.jwksFile, stdin)
		if err != nil {
			return err
		}
		if !json.Valid(content) {
			return usage("--jwks-file is not JSON")
		}
		m.JWKS = content
	}
	var err error
	if m.Certificates, err = readCertificates(f.certificates, stdin); err != nil {
		return err
	}
	for _, part := range []struct {
		path   string
		member *string
	}{{f.tlsCertificate, &m.TLSClientCertificate}, {f.tlsCA, &m.TLSClientAuthCA}} {
		if part.path == "" {
			continue
		}
		certificate, err := readCertificate(part.path, stdin)
		if err != nil {
			return err
		}
		*part.member = proof.Thumbprint(certificate)
	}
	if f.tlsSubjectFile == "" {
		return nil
	}
	certificate, err := readCertificate(f.tlsSubjectFile, stdin)
	if err != nil {
		return err
	}
	subject, ok := clientauth.SubjectDN(certificate)
	if !ok || f.tlsSubject != "" && f.tlsSubject != subject {
		return usage("--tls-subject-file holds a subject that cannot be registered, or another than --tls-subject-dn")
	}
	m.TLSClientAuthSubjectDN = subject
	return nil
}

// readCertificate reads the first certificate of a PEM file.
func readCertificate(path string, stdin io.Reader) (*x509.Certificate, error) {
	content, err := readInput(path, stdin)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, usage("%s does not begin with a PEM certificate", path)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, usage("%s: the certificate cannot be read", path)
	}
	return certificate, nil
}
