package clientauth_test

import (
	"crypto/x509"
	"net/netip"
	"net/url"
	"testing"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
)

// A certificate beside a secret is a second method; beside an assertion it is transport (wire.md, 2).
func TestCLA02CertificateAndSecret(t *testing.T) {
	t.Parallel()
	certificate := newAuthority(t, "c1").certificate
	w := newWorld(t)
	w.secretClient("c1", signet.AuthSecretBasic, "s1")
	w.secretClient("c2", signet.AuthSecretPost, "s2")
	w.tlsClient("mt", signet.AuthSelfSignedTLS).TLSClientCertificate = proof.Thumbprint(certificate)
	w.tlsClient("pub", signet.AuthNone)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	for _, c := range []struct {
		name   string
		params url.Values
		basic  string
		code   signet.Code
		reason string
	}{
		{"Basic", nil, basic("c1", "s1"), signet.CodeInvalidRequest, "two_methods"},
		{"secret in the form", url.Values{"client_id": {"c2"}, "client_secret": {"s2"}}, "", signet.CodeInvalidRequest, "two_methods"},
		{"secret of the certificate's client", url.Values{"client_id": {"mt"}, "client_secret": {"s"}}, "", signet.CodeInvalidRequest, "two_methods"},
		{"HP certificate alone", byID("mt"), "", "", ""},
		{"HP assertion", url.Values{"client_assertion": {key.sign(t, key.header(), with(nil))}, "client_assertion_type": {jwtType}}, "", "", ""},
		{"HP public client", byID("pub"), "", "", ""},
		{"assertion for a client of certificates", url.Values{"client_assertion": {key.sign(t, key.header(), with(map[string]any{"sub": "mt", "iss": "mt"}))}, "client_assertion_type": {jwtType}}, "", signet.CodeInvalidClient, "method_not_registered"},
		{"certificate for a client of secrets", byID("c1"), "", signet.CodeInvalidClient, "method_not_registered"},
		{"certificate for a client of assertions", byID("pk"), "", signet.CodeInvalidClient, "method_not_registered"},
		{"certificate for nobody", byID("nobody"), "", signet.CodeInvalidClient, "client_unknown"},
		{"certificate without client_id", nil, "", signet.CodeInvalidClient, "no_credential"},
	} {
		request := clientauth.Request{Params: c.params, Certificates: []*x509.Certificate{certificate}, Address: netip.MustParseAddr("192.0.2.7")}
		if c.basic != "" {
			request.Authorization = []string{c.basic}
		}
		t.Run(c.name, func(t *testing.T) {
			result, err := w.auth.Authenticate(t.Context(), request)
			want(t, result, err, c.code, c.reason)
		})
	}
}

// The certificate of a private_key_jwt client: demanded or not, registered or not, binding or not.
func TestCertificateAsTransport(t *testing.T) {
	t.Parallel()
	mine, other := newAuthority(t, "mine").certificate, newAuthority(t, "other").certificate
	key := newKey(t, "k1", "ES256")
	thumbprint := proof.Thumbprint(mine)
	pinned := func(c *signet.Client) { c.TLSClientCertificate = thumbprint }
	required := func(c *signet.Client) { c.TLSClientCertificate, c.RequireCertificate = thumbprint, true }
	binding := func(c *signet.Client) { c.BindCertificate = true }
	none, good, wrong := []*x509.Certificate(nil), []*x509.Certificate{mine}, []*x509.Certificate{other}
	for _, c := range []struct {
		name   string
		record func(*signet.Client)
		shown  []*x509.Certificate
		reason string
		bound  string
	}{
		{"nothing said, none", func(*signet.Client) {}, none, "", ""},
		{"nothing said, any", func(*signet.Client) {}, wrong, "", ""},
		{"registered, none", pinned, none, "", ""},
		{"registered, the one", pinned, good, "", ""},
		{"registered, another", pinned, wrong, "certificate_mismatch", ""},
		{"required, none", required, none, "certificate_missing", ""},
		{"required, the one", required, good, "", ""},
		{"required, another", required, wrong, "certificate_mismatch", ""},
		{"required, none registered", func(c *signet.Client) { c.RequireCertificate = true }, good, "certificate_not_registered", ""},
		{"binding, none", binding, none, "certificate_missing", ""},
		{"binding, any", binding, good, "", thumbprint},
		{"binding and registered, another", func(c *signet.Client) { binding(c); pinned(c) }, wrong, "certificate_mismatch", ""},
	} {
		for style, code := range map[string]signet.Code{"": signet.CodeInvalidClient, "document": signet.CodeUnauthorizedClient} {
			t.Run(c.name+" "+style, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				client := w.keyClient(t, "pk", key)
				client.AssertionError = style
				c.record(client)
				token := key.sign(t, key.header(), with(nil))
				result, err := w.showing(url.Values{"client_assertion": {token}, "client_assertion_type": {jwtType}}, c.shown...)
				if c.reason == "" {
					want(t, result, err, "", "")
				} else {
					want(t, result, err, code, c.reason)
					if len(w.marks.seen) != 0 {
						t.Error("the wrong certificate used up the jti")
					}
				}
				if err == nil && result.CertThumbprint != c.bound {
					t.Errorf("bound to %q, want %q", result.CertThumbprint, c.bound)
				}
			})
		}
	}
}

// A partner in production waits for its activation; elsewhere, and for others, nothing is waited for.
func TestPartnerInactiveUntilActivated(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1", "ES256")
	for _, c := range []struct {
		name   string
		record func(*signet.Client)
		reason string
	}{
		{"production", func(c *signet.Client) { c.Partner, c.Environment = true, "production" }, "client_not_activated"},
		{"activated", func(c *signet.Client) {
			c.Partner, c.Environment, c.Activation = true, "production", &signet.Activation{At: start, Override: "known"}
		}, "assertion_key_unknown"}, // its hosted key has no certificate: TestCertifiedKeys
		{"cat", func(c *signet.Client) { c.Partner, c.Environment = true, "cat" }, "assertion_key_unknown"},
		{"development", func(c *signet.Client) { c.Partner = true }, ""},
	} {
		w := newWorld(t)
		c.record(w.keyClient(t, "pk", key))
		result, err := w.assert(key.sign(t, key.header(), with(nil)))
		if c.reason == "" {
			want(t, result, err, "", "")
		} else {
			want(t, result, err, signet.CodeInvalidClient, c.reason)
		}
	}
}
