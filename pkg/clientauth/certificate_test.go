package clientauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
)

// authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key := ecKey(t)
	a := &authority{key: key}
	a.certificate = a.issue(t, key.Public(), func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	return a
}

// issue signs a certificate for the key; without one of its own yet, for itself.
func (a *authority) issue(t testing.TB, key crypto.PublicKey, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	number, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: number, NotBefore: start.Add(-time.Hour), NotAfter: start.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	change(template)
	parent := a.certificate
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func (a *authority) leaf(t testing.TB, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	return a.issue(t, ecKey(t).Public(), change)
}

// showing presents parameters over a connection with certificates.
func (w *world) showing(params url.Values, certificates ...*x509.Certificate) (*clientauth.Result, error) {
	return w.auth.Authenticate(context.Background(), clientauth.Request{
		Params: params, Certificates: certificates, Address: netip.MustParseAddr("192.0.2.7"),
	})
}

func byID(id string) url.Values { return url.Values{"client_id": {id}} }

// tlsClient adds a client with this method.
func (w *world) tlsClient(id signet.ClientID, method signet.AuthMethod) *signet.Client {
	client := &signet.Client{ID: id, Version: 1, ClientMetadata: signet.ClientMetadata{TokenEndpointAuthMethod: method}}
	w.clients[id] = client
	return client
}

func named(names ...pkix.AttributeTypeAndValue) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		var sequence pkix.RDNSequence
		for _, name := range names {
			sequence = append(sequence, pkix.RelativeDistinguishedNameSET{name})
		}
		raw, err := asn1.Marshal(sequence)
		if err != nil {
			panic(err)
		}
		c.RawSubject = raw
	}
}

func attribute(kind int, value any) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, kind}, Value: value}
}

// of string type, whatever the text: 12 is UTF8String, 19 PrintableString.
func tagged(tag int, text string) asn1.RawValue { return asn1.RawValue{Tag: tag, Bytes: []byte(text)} }

const (
	oidCN = 3
	oidC  = 6
	oidO  = 10
)

func TestMTL02SubjectAndAuthority(t *testing.T) {
	t.Parallel()
	ours, foreign := newAuthority(t, "Bank CA"), newAuthority(t, "Bank CA")
	c, o, cn := attribute(oidC, "US"), attribute(oidO, "Example Bank"), attribute(oidCN, "mt")
	registered := "CN=mt,O=Example Bank,C=US"
	middleKey := ecKey(t)
	middle := &authority{key: middleKey, certificate: ours.issue(t, middleKey.Public(), func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "Issuing CA"}
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})}
	goodKey := ecKey(t)
	good := ours.issue(t, goodKey.Public(), named(c, o, cn))
	throughMiddle := middle.leaf(t, named(c, o, cn))
	for _, tc := range []struct {
		name   string
		shown  []*x509.Certificate
		reason string // "": success
	}{
		{"HP", []*x509.Certificate{good}, ""},
		{"HP UTF8String", []*x509.Certificate{ours.leaf(t, named(c, attribute(oidO, tagged(12, "Example Bank")), attribute(oidCN, tagged(12, "mt"))))}, ""},
		{"HP through an authority in between", []*x509.Certificate{throughMiddle, middle.certificate}, ""},
		{"authority in between left out", []*x509.Certificate{throughMiddle}, "certificate_chain"},
		{"none", nil, "method_not_registered"},
		{"another authority of the same name", []*x509.Certificate{foreign.leaf(t, named(c, o, cn))}, "certificate_chain"},
		{"another authority, its own certificate sent along", []*x509.Certificate{foreign.leaf(t, named(c, o, cn)), foreign.certificate}, "certificate_chain"},
		{"extra RDN", []*x509.Certificate{ours.leaf(t, named(c, o, attribute(11, "x"), cn))}, "certificate_name"},
		{"extra RDN at the end", []*x509.Certificate{ours.leaf(t, named(c, o, cn, attribute(oidCN, "mt")))}, "certificate_name"},
		{"an RDN less", []*x509.Certificate{ours.leaf(t, named(o, cn))}, "certificate_name"},
		{"other order", []*x509.Certificate{ours.leaf(t, named(cn, o, c))}, "certificate_name"},
		{"letter case", []*x509.Certificate{ours.leaf(t, named(c, o, attribute(oidCN, "MT")))}, "certificate_name"},
		{"escaped comma", []*x509.Certificate{ours.leaf(t, named(c, attribute(oidCN, "mt,O=Example Bank")))}, "certificate_name"},
		{"NUL", []*x509.Certificate{ours.leaf(t, named(c, o, attribute(oidCN, tagged(12, "mt\x00.evil"))))}, "certificate_name"},
		{"SAN only", []*x509.Certificate{ours.leaf(t, func(c *x509.Certificate) { c.DNSNames = []string{"mt"} })}, "certificate_name"},
		{"another's leaf behind a good one", []*x509.Certificate{foreign.leaf(t, named(c, o, cn)), good}, "certificate_chain"},
		{"not for clients", []*x509.Certificate{ours.leaf(t, func(x *x509.Certificate) {
			named(c, o, cn)(x)
			x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		})}, "certificate_chain"},
		{"expired", []*x509.Certificate{ours.leaf(t, func(x *x509.Certificate) { named(c, o, cn)(x); x.NotAfter = start.Add(-time.Minute) })}, "certificate_chain"},
		{"not valid yet", []*x509.Certificate{ours.leaf(t, func(x *x509.Certificate) { named(c, o, cn)(x); x.NotBefore = start.Add(time.Minute) })}, "certificate_chain"},
		{"signed with the leaf of another", []*x509.Certificate{(&authority{key: goodKey, certificate: good}).leaf(t, named(c, o, cn)), good}, "certificate_chain"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, nil, func(o *clientauth.Options) { o.ClientCAs = []*x509.Certificate{ours.certificate} })
			w.tlsClient("mt", signet.AuthTLS).TLSClientAuthSubjectDN = registered
			result, err := w.showing(byID("mt"), tc.shown...)
			if tc.reason == "" {
				want(t, result, err, "", "")
				if result.Method != signet.AuthTLS || result.CertThumbprint != "" {
					t.Errorf("method %q, bound to %q", result.Method, result.CertThumbprint)
				}
				return
			}
			want(t, result, err, signet.CodeInvalidClient, tc.reason)
		})
	}
}

func TestMTL02AuthorityOfTheClient(t *testing.T) {
	t.Parallel()
	one, two := newAuthority(t, "One"), newAuthority(t, "Two")
	cn := attribute(oidCN, "mt")
	w := newWorldWith(t, nil, func(o *clientauth.Options) {
		o.ClientCAs = []*x509.Certificate{one.certificate, two.certificate}
	})
	client := w.tlsClient("mt", signet.AuthTLS)
	client.TLSClientAuthSubjectDN = "CN=mt"
	fromOne, fromTwo := one.leaf(t, named(cn)), two.leaf(t, named(cn))
	// Two are trusted, and the record does not say which: either could have issued the name.
	result, err := w.showing(byID("mt"), fromOne)
	want(t, result, err, signet.CodeInvalidClient, "certificate_authority_unnamed")
	client.TLSClientAuthCA = proof.Thumbprint(one.certificate)
	result, err = w.showing(byID("mt"), fromOne)
	want(t, result, err, "", "")
	result, err = w.showing(byID("mt"), fromTwo)
	want(t, result, err, signet.CodeInvalidClient, "certificate_chain")
}

func TestMTL02DNSName(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "CA")
	w := newWorldWith(t, nil, func(o *clientauth.Options) { o.ClientCAs = []*x509.Certificate{ours.certificate} })
	client := w.tlsClient("mt", signet.AuthTLS)
	client.TLSClientAuthSANDNS = "client.bank.example"
	dns := func(names ...string) *x509.Certificate {
		return ours.leaf(t, func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = names, "client.bank.example" })
	}
	for _, tc := range []struct {
		name  string
		shown *x509.Certificate
		ok    bool
	}{
		{"HP", dns("client.bank.example"), true},
		{"HP one of several", dns("a.example", "client.bank.example"), true},
		{"CN only", dns(), false},
		{"wildcard", dns("*.bank.example"), false},
		{"longer", dns("client.bank.example.evil"), false},
		{"sub", dns("x.client.bank.example"), false},
	} {
		result, err := w.showing(byID("mt"), tc.shown)
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v, %v", tc.name, err, result.Method)
		}
	}
	// A record with both attributes, or with none, matches nobody (RFC 8705 §2.1.2: exactly one).
	client.TLSClientAuthSubjectDN = "CN=client.bank.example"
	result, err := w.showing(byID("mt"), dns("client.bank.example"))
	want(t, result, err, signet.CodeInvalidClient, "certificate_name_not_registered")
	client.TLSClientAuthSubjectDN, client.TLSClientAuthSANDNS = "", ""
	result, err = w.showing(byID("mt"), dns("client.bank.example"))
	want(t, result, err, signet.CodeInvalidClient, "certificate_name_not_registered")
	client.TLSClientAuthSANDNS = "*.bank.example"
	result, err = w.showing(byID("mt"), dns("*.bank.example"))
	want(t, result, err, signet.CodeInvalidClient, "certificate_name")
}

func TestSelfSignedCertificate(t *testing.T) {
	t.Parallel()
	mine, other, old := newAuthority(t, "self"), newAuthority(t, "self"), newAuthority(t, "old")
	w := newWorld(t)
	client := w.tlsClient("mt", signet.AuthSelfSignedTLS)
	show := func(code signet.Code, reason string, shown ...*x509.Certificate) {
		t.Helper()
		result, err := w.showing(byID("mt"), shown...)
		want(t, result, err, code, reason)
	}
	no := signet.CodeInvalidClient
	show(no, "certificate_not_registered", mine.certificate)
	client.TLSClientCertificate = proof.Thumbprint(mine.certificate)
	show("", "", mine.certificate)
	show(no, "certificate_mismatch", other.certificate)
	show(no, "certificate_mismatch", other.certificate, mine.certificate)
	show(no, "method_not_registered")
	// By x5c of the client's set (RFC 8705 §2.2.1).
	client.TLSClientCertificate = ""
	set, err := json.Marshal(map[string]any{"keys": []any{
		map[string]any{"kty": "EC", "crv": "P-256", "kid": "c1", "use": "sig", "x": coordinate(mine.key.X), "y": coordinate(mine.key.Y),
			"x5c": []string{base64.StdEncoding.EncodeToString(mine.certificate.Raw)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	client.JWKS, client.Version = set, 2
	show("", "", mine.certificate)
	show(no, "certificate_mismatch", other.certificate)
	show(no, "certificate_mismatch", old.certificate)
	client.JWKSRefusedKIDs = []string{"c1"}
	show(no, "certificate_mismatch", mine.certificate)
	client.JWKSRefusedKIDs = nil
	w.now = start.Add(25 * time.Hour)
	show(no, "certificate_expired", mine.certificate)
}

func coordinate(n *big.Int) string { return b64(n.FillBytes(make([]byte, 32))) }
