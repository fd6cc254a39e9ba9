package clientauth_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
)

// MTL02: a registered certificate is worth something between its dates and with a key of some length, by whatever way it
// is registered.
func TestMTL02WorthlessCertificates(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "CA")
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// Only the size counts here: nobody signs with these.
	modulus := func(bits uint) crypto.PublicKey {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
	}
	subject := named(attribute(oidCN, "mt"))
	plain := func(key crypto.PublicKey) *x509.Certificate { return ours.issue(t, key, subject) }
	for _, c := range []struct {
		name   string
		shown  *x509.Certificate
		reason string
	}{
		{"HP", plain(ecKey(t).Public()), ""},
		{"RSA 2047", plain(modulus(2047)), "certificate_weak"},
		{"RSA 8192", plain(modulus(8192)), ""},
		{"RSA 8193", plain(modulus(8193)), "certificate_weak"},
		{"HP Ed25519", plain(ed), ""},
		{"P-224", plain(p224.Public()), "certificate_weak"},
		{"over", ours.leaf(t, func(x *x509.Certificate) { subject(x); x.NotAfter = start.Add(-time.Second) }), "certificate_expired"},
		{"not yet", ours.leaf(t, func(x *x509.Certificate) { subject(x); x.NotBefore = start.Add(time.Second) }), "certificate_expired"},
	} {
		w := newWorldWith(t, nil, func(o *clientauth.Options) { o.ClientCAs = []*x509.Certificate{ours.certificate} })
		w.tlsClient("pinned", signet.AuthSelfSignedTLS).TLSClientCertificate = proof.Thumbprint(c.shown)
		issued := w.tlsClient("issued", signet.AuthTLS)
		issued.TLSClientAuthSubjectDN = "CN=mt"
		both := w.tlsClient("both", signet.AuthTLS)
		both.TLSClientAuthSubjectDN, both.TLSClientCertificate = "CN=mt", proof.Thumbprint(c.shown)
		for _, id := range []string{"pinned", "issued", "both"} {
			result, err := w.showing(byID(id), c.shown)
			code, reason := signet.CodeInvalidClient, c.reason
			switch {
			case reason == "":
				code = ""
			case reason == "certificate_expired" && id != "pinned":
				reason = "certificate_chain"
			}
			t.Run(c.name+" "+id, func(t *testing.T) { want(t, result, err, code, reason) })
		}
		// One certificate of the name and no other.
		both.TLSClientCertificate = proof.Thumbprint(ours.certificate)
		if _, err := w.showing(byID("both"), c.shown); err == nil {
			t.Errorf("%s: taken for the registered one", c.name)
		}
	}
}

// A key of a kind that signet does not know is no key, though the certificate is the registered one.
func TestMTL02UnknownKindOfKey(t *testing.T) {
	t.Parallel()
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// id-Ed25519 becomes id-X25519 (RFC 8410 §3), which signs nothing.
	raw := bytes.Replace(newAuthority(t, "CA").issue(t, ed, func(*x509.Certificate) {}).Raw,
		[]byte{6, 3, 0x2b, 0x65, 0x70}, []byte{6, 3, 0x2b, 0x65, 0x6e}, 1)
	shown, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.tlsClient("mt", signet.AuthSelfSignedTLS).TLSClientCertificate = proof.Thumbprint(shown)
	result, err := w.showing(byID("mt"), shown)
	want(t, result, err, signet.CodeInvalidClient, "certificate_weak")
}

// A certificate beside an assertion may be registered by its name: it must have it, whichever name that is.
func TestCertificateAsTransportByName(t *testing.T) {
	t.Parallel()
	ours, foreign := newAuthority(t, "CA"), newAuthority(t, "CA")
	key := newKey(t, "k1", "ES256")
	certificate := func(a *authority, name string) *x509.Certificate {
		return a.leaf(t, func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = name, []string{name + ".bank.example"} })
	}
	for name, record := range map[string]func(*signet.Client){
		"subject":  func(c *signet.Client) { c.TLSClientAuthSubjectDN = "CN=mt" },
		"DNS name": func(c *signet.Client) { c.TLSClientAuthSANDNS = "mt.bank.example" },
	} {
		for _, c := range []struct {
			name, reason string
			shown        *x509.Certificate
		}{
			{"the one", "", certificate(ours, "mt")},
			{"another name", "certificate_name", certificate(ours, "xx")},
			{"another authority", "certificate_chain", certificate(foreign, "mt")},
		} {
			t.Run(name+" "+c.name, func(t *testing.T) {
				w := newWorldWith(t, nil, func(o *clientauth.Options) { o.ClientCAs = []*x509.Certificate{ours.certificate} })
				record(w.keyClient(t, "pk", key))
				token := key.sign(t, key.header(), with(nil))
				result, err := w.showing(url.Values{"client_assertion": {token}, "client_assertion_type": {jwtType}}, c.shown)
				code := signet.CodeInvalidClient
				if c.reason == "" {
					code = ""
				}
				want(t, result, err, code, c.reason)
			})
		}
	}
}

// A subject that cannot be written without doubt matches no registered text, not even an empty one.
func TestMTL02SubjectsWithoutText(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "CA")
	for name, change := range map[string]func(*x509.Certificate){
		"no subject": named(),
		"line end":   named(attribute(oidCN, "m\nt")),
		"DEL":        named(attribute(oidCN, tagged(12, "m\x7ft"))),
		"NUL":        named(attribute(oidCN, tagged(12, "m\x00t"))),
	} {
		certificate := ours.leaf(t, change)
		if dn, ok := clientauth.SubjectDN(certificate); ok {
			t.Errorf("%s: written as %q", name, dn)
		}
	}
	if dn, ok := clientauth.SubjectDN(ours.leaf(t, named(attribute(oidCN, "mt")))); !ok || dn != "CN=mt" {
		t.Errorf("HP: %q, %v", dn, ok)
	}
}

// self_signed_tls_client_auth by the set of the client: the first certificate of a key, exactly, and of a key that may
// verify.
func TestSelfSignedBySet(t *testing.T) {
	t.Parallel()
	mine, second := newAuthority(t, "self"), newAuthority(t, "second")
	w := newWorld(t)
	client := w.tlsClient("mt", signet.AuthSelfSignedTLS)
	text := base64.StdEncoding.EncodeToString(mine.certificate.Raw)
	for i, c := range []struct {
		name string
		x5c  any
		use  string
		ok   bool
	}{
		{"HP", []string{text}, "sig", true},
		{"the second of the list", []string{base64.StdEncoding.EncodeToString(second.certificate.Raw), text}, "sig", false},
		{"an empty list", []string{}, "sig", false},
		{"no list", text, "sig", false},
		{"another spelling", []string{text[:8] + "\n" + text[8:]}, "sig", true}, // RFC 7517 §4.7 allows none, Go's reader skips it
		{"of a key for encryption", []string{text}, "enc", false},
	} {
		set, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
			"kty": "EC", "crv": "P-256", "kid": "c1", "use": c.use, "x": coordinate(mine.key.X), "y": coordinate(mine.key.Y), "x5c": c.x5c,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		client.JWKS, client.Version = set, int64(i+1)
		if _, err := w.showing(byID("mt"), mine.certificate); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// Its keys are fetched, and their host is away: nobody is let in.
	client.JWKS, client.JWKSURI, client.Version = nil, "https://127.0.0.1:1/jwks", 99
	result, err := w.showing(byID("mt"), mine.certificate)
	want(t, result, err, signet.CodeInvalidClient, "assertion_jwks_unavailable")
}
