package attacks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// authority issues clients' certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := a.issue(template)
	a.cert, a.key = leaf.Leaf, leaf.PrivateKey.(crypto.Signer)
	return a
}

// issue signs a certificate of a new key; an authority without a key signs it with that key.
func (a *authority) issue(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	parent, signer := template, crypto.Signer(key)
	if a.key != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func thumbprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const certificateProxy = "127.0.0.9"

// certified is a deployment with a listener for certificates, two authorities, and a proxy that may vouch.
type certified struct {
	*world
	mtls        string
	bank, rogue *authority
}

func newCertified(t *testing.T) *certified {
	t.Helper()
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signet"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &certified{bank: newAuthority(t, "Bank CA"), rogue: newAuthority(t, "Bank CA")}
	write := func(name, kind string, blocks ...[]byte) string {
		var text []byte
		for _, block := range blocks {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: block})...)
		}
		path := filepath.Join(dir, name)
		writeFile(t, path, text)
		return path
	}
	at := fmt.Sprintf("127.0.0.1:%d", e2e.FreePort(t))
	cluster, card, _ := e2e.StartSeeded(t, map[string]any{"replay_marks": "postgres", "mtls": map[string]any{"url": "https://" + at, "listen": at, "cert_file": write("server.pem", "CERTIFICATE", der), "key_file": write("server.key", "PRIVATE KEY", private),
		"client_ca_file": write("cas.pem", "CERTIFICATE", c.bank.cert.Raw, c.rogue.cert.Raw), "header_from": []string{certificateProxy + "/32"}}})
	c.mtls = "https://" + at
	c.world = &world{t: t, Dev: &e2e.Dev{Process: cluster.Nodes[0].Process, Card: card}, http: newClient()}
	return c
}

// client registers a client that authenticates by certificate, or another one with what the changes say.
func (c *certified) client(changes map[string]any) string {
	c.t.Helper()
	record := map[string]any{"redirect_uris": nil, "grant_types": []string{"client_credentials"}, "scope": "read", "introspect": true}
	maps.Copy(record, changes)
	return c.register(record).ClientID
}

// shown asks at the listener for certificates; nil shows none.
func (c *certified) shown(certificate *tls.Certificate, path string, form url.Values, headers ...string) answer {
	c.t.Helper()
	client := newClient()
	policy := &tls.Config{InsecureSkipVerify: true} // the server's certificate is not what is tested
	if certificate != nil {
		policy.Certificates = []tls.Certificate{*certificate}
	}
	client.Transport.(*http.Transport).TLSClientConfig = policy
	request := c.form(path, e2e.Client{}, form, append(headers, "X-Forwarded-For", "10.9."+fmt.Sprint(time.Now().UnixNano()%250)+".1")...)
	u, err := url.Parse(c.mtls + path)
	if err != nil {
		c.t.Fatal(err)
	}
	request.URL, request.Host = u, u.Host
	a, err := send(client, request)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func named(id string) url.Values { return with(machine("read"), "client_id", id) }

// A certificate in a header is none, whoever sends it and however it is called; only the proxy of the configuration vouches.
func TestMTL01(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	mine := c.bank.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "mt"}})
	id := c.client(map[string]any{"token_endpoint_auth_method": "self_signed_tls_client_auth", "tls_client_certificate": thumbprint(mine.Leaf)})
	c.happy("by its certificate", c.shown(&mine, "/token", named(id)))
	structured := ":" + base64.StdEncoding.EncodeToString(mine.Leaf.Raw) + ":"
	escaped := url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: mine.Leaf.Raw})))
	proxy := newClient()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(certificateProxy)}}
	proxy.Transport.(*http.Transport).DialContext = dialer.DialContext
	direct := c.http
	c.http = proxy
	c.happy("by the proxy", c.post("/token", e2e.Client{}, named(id), "Client-Cert", structured))
	c.refused("by the proxy, without", c.post("/token", e2e.Client{}, named(id)), http.StatusUnauthorized, "invalid_client")
	c.refused("by the proxy, twice", c.post("/token", e2e.Client{}, named(id), "Client-Cert", structured, "Client-Cert", structured), http.StatusBadRequest, "invalid_request")
	c.http = direct
	n := 0
	for name, value := range map[string]string{"X-SSL-Client-Cert": escaped, "X-Client-Cert": structured, "X-Forwarded-Client-Cert": "Cert=\"" + escaped + "\"", "Client-Cert": structured, "SSL-Client-Verify": "SUCCESS", "X_SSL_CLIENT_CERT": escaped,
		"Client_Cert": structured, "X-Amzn-Mtls-Clientcert": escaped, "X-ARR-ClientCert": structured} {
		for _, headers := range [][]string{{name, value}, {name, value, name, value}, {name, value, "X-Forwarded-For", certificateProxy}, {name, value, "Forwarded", "for=" + certificateProxy}, {name, value, "Ssl-Client-Verify", "SUCCESS"}} {
			n++
			if len(headers) != 4 || headers[2] != "X-Forwarded-For" {
				headers = append(headers, "X-Forwarded-For", fmt.Sprintf("10.8.%d.1", n)) // failures are counted by network
			}
			c.refused(name, c.post("/token", e2e.Client{}, named(id), headers...), http.StatusUnauthorized, "invalid_client")
		}
	}
	text := raw(t, c.Card.Issuer, lines("POST /token HTTP/1.1", "Host: "+c.host(), "Content-Type: application/x-www-form-urlencoded", "Transfer-Encoding: chunked", "Trailer: Client-Cert", "X-Forwarded-For: 10.7.1.1", "Connection: close")+
		fmt.Sprintf("%x\r\n%s\r\n0\r\nClient-Cert: %s\r\n\r\n", len(named(id).Encode()), named(id).Encode(), structured))
	if s := statusOf(text); s != http.StatusUnauthorized && s != http.StatusBadRequest && s != http.StatusLengthRequired {
		t.Errorf("in a trailer: %.80q", text)
	}
}

// One attribute of the certificate counts, exactly, from the one authority of the record.
func TestMTL02(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	bank := thumbprint(c.bank.cert)
	byName := c.client(map[string]any{"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=mt,O=Bank", "tls_client_auth_ca": bank})
	byDNS := c.client(map[string]any{"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "mt.bank.test", "tls_client_auth_ca": bank})
	if a := c.admin(http.MethodPost, "/clients", map[string]any{"grant_types": []string{"client_credentials"}, "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=mt,O=Bank"}); a.status != http.StatusBadRequest {
		t.Errorf("a record that names none of two authorities: %d %s", a.status, a.body)
	}
	subject := func() *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: "mt", Organization: []string{"Bank"}}}
	}
	dns := func(names ...string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: "mt"}, DNSNames: names}
	}
	try := func(a *authority, template *x509.Certificate, id string) answer {
		certificate := a.issue(template)
		return c.shown(&certificate, "/token", named(id))
	}
	c.happy("the subject", try(c.bank, subject(), byName))
	c.happy("the DNS name", try(c.bank, dns("mt.bank.test"), byDNS))
	name := func(names ...pkix.AttributeTypeAndValue) *x509.Certificate {
		var sequence pkix.RDNSequence
		for _, n := range names {
			sequence = append(sequence, pkix.RelativeDistinguishedNameSET{n})
		}
		raw, err := asn1.Marshal(sequence)
		if err != nil {
			t.Fatal(err)
		}
		return &x509.Certificate{RawSubject: raw}
	}
	o, cn, ou := asn1.ObjectIdentifier{2, 5, 4, 10}, asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 11}
	of := func(kind asn1.ObjectIdentifier, value any) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: kind, Value: value}
	}
	for what, template := range map[string]*x509.Certificate{"a further name": name(of(ou, "x"), of(o, "Bank"), of(cn, "mt")), "the other order": name(of(cn, "mt"), of(o, "Bank")), "an escaped comma": name(of(cn, "mt,O=Bank")), "another letter case": name(of(o, "bank"), of(cn, "MT")),
		"blanks": name(of(o, "Bank "), of(cn, "mt")), "NUL": name(of(o, "Bank"), of(cn, "mt\x00x")), "the common name twice": name(of(o, "Bank"), of(cn, "mt"), of(cn, "mt")), "the common name alone": name(of(cn, "mt")),
		"a DNS name alone": dns("mt.bank.test"), "empty": name()} {
		c.refused("subject: "+what, try(c.bank, template, byName), http.StatusUnauthorized, "invalid_client")
	}
	for what, template := range map[string]*x509.Certificate{"a pattern": dns("*.bank.test"), "a longer name": dns("mt.bank.test.evil.test"), "below it": dns("x.mt.bank.test"), "the common name": {Subject: pkix.Name{CommonName: "mt.bank.test"}}, "a trailing dot": dns("mt.bank.test."), "the subject": subject()} {
		c.refused("DNS: "+what, try(c.bank, template, byDNS), http.StatusUnauthorized, "invalid_client")
	}
	c.refused("the subject by another authority of the same name", try(c.rogue, subject(), byName), http.StatusUnauthorized, "invalid_client")
	c.refused("the DNS name by another authority", try(c.rogue, dns("mt.bank.test"), byDNS), http.StatusUnauthorized, "invalid_client")
	c.refused("self-signed", try(&authority{t: t}, subject(), byName), http.StatusUnauthorized, "invalid_client")
	c.refused("no certificate", c.shown(nil, "/token", named(byName)), http.StatusUnauthorized, "invalid_client")
}

// A bound token is its certificate's holder's alone.
func TestMTL04(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	mine, other := c.bank.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "mt"}}), c.bank.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "mt"}})
	p := c.partner(map[string]any{"tls_client_certificate": thumbprint(mine.Leaf), "tls_client_certificate_bound_access_tokens": true, "first_party": true,
		"redirect_uris": []string{"https://rp.test/cb"}, "grant_types": []string{"authorization_code", "refresh_token"}, "scope": "openid profile offline_access"})
	client := e2e.Client{ClientID: p.id, RedirectURIs: []string{"https://rp.test/cb"}}
	signed := func(form url.Values) url.Values {
		return with(form, "client_assertion_type", bearerAssertion, "client_assertion", p.sign(header(), p.claims()))
	}
	form := c.code(e2e.NewBrowser(t), client)
	c.refused("the code without the certificate", c.shown(nil, "/token", signed(form)), http.StatusUnauthorized, "invalid_client")
	c.refused("the code with another", c.shown(&other, "/token", signed(form)), http.StatusUnauthorized, "invalid_client")
	a := c.happy("the code with its own", c.shown(&mine, "/token", signed(form)))
	token := a.text("access_token")
	use := func(certificate *tls.Certificate, headers ...string) int {
		return c.shown(certificate, "/userinfo", url.Values{}, append(headers, "Authorization", "Bearer "+token)...).status
	}
	structured := ":" + base64.StdEncoding.EncodeToString(mine.Leaf.Raw) + ":"
	if got := use(&mine); got != http.StatusOK {
		t.Fatalf("its holder: %d", got)
	}
	for name, got := range map[string]int{"another certificate": use(&other), "none": use(nil), "a header": use(nil, "Client-Cert", structured), "another and a header": use(&other, "Client-Cert", structured),
		"the public listener": c.get("/userinfo", "Authorization", "Bearer "+token).status, "the public listener and a header": c.get("/userinfo", "Authorization", "Bearer "+token, "Client-Cert", structured).status} {
		if got != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, got)
		}
	}
	seen := claimsOf(t, c.introspect(token).body)
	if cnf, _ := seen["cnf"].(map[string]any); seen["active"] != true || cnf["x5t#S256"] != thumbprint(mine.Leaf) {
		t.Errorf("introspection %v", seen)
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.text("refresh_token")}}
	c.refused("a refresh without it", c.shown(nil, "/token", signed(refresh)), http.StatusUnauthorized, "invalid_client")
	c.refused("a refresh at the public listener", c.post("/token", e2e.Client{}, signed(refresh)), http.StatusUnauthorized, "invalid_client")
	if again := c.happy("a refresh with it", c.shown(&mine, "/token", signed(refresh))); claims(t, again.text("access_token"))["cnf"] == nil {
		t.Error("a refreshed token is not bound")
	}
	if a := c.get("/api/account-memberships", "Authorization", "Bearer "+token); a.status != http.StatusUnauthorized {
		t.Errorf("an API that sees no certificates takes it: %d", a.status)
	}
}

// Who is registered for certificates is nobody without one; and old TLS is not spoken.
func TestMTL05(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	mine := c.bank.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "mt"}})
	id := c.client(map[string]any{"token_endpoint_auth_method": "self_signed_tls_client_auth", "tls_client_certificate": thumbprint(mine.Leaf)})
	c.happy("by its certificate", c.shown(&mine, "/token", named(id)))
	c.refused("at the public listener", c.post("/token", e2e.Client{}, named(id)), http.StatusUnauthorized, "invalid_client")
	c.refused("by a secret", c.post("/token", e2e.Client{ClientID: id, ClientSecret: "x"}, machine("read")), http.StatusUnauthorized, "invalid_client")
	c.refused("another's name", c.shown(&mine, "/token", named("service")), http.StatusUnauthorized, "invalid_client")
	host := strings.TrimPrefix(c.mtls, "https://")
	dial := func(policy *tls.Config) error {
		policy.InsecureSkipVerify = true // the server's certificate is not what is tested
		conn, err := tls.Dial("tcp", host, policy)
		if err == nil {
			err = conn.Handshake()
			_ = conn.Close()
		}
		return err
	}
	if err := dial(&tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}); err != nil {
		t.Fatalf("TLS 1.2: %v", err)
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if dial(&tls.Config{MinVersion: version, MaxVersion: version}) == nil {
			t.Errorf("version %x is spoken", version)
		}
	}
	for _, suite := range append(tls.InsecureCipherSuites(), tls.CipherSuites()...) {
		if strings.Contains(suite.Name, "CBC") || strings.Contains(suite.Name, "RC4") || strings.HasPrefix(suite.Name, "TLS_RSA_") {
			if dial(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}}) == nil {
				t.Errorf("%s is spoken", suite.Name)
			}
		}
	}
	for _, path := range []string{"/authorize", "/login", "/api/v1/tokens", "/admin/v1/clients", "/.well-known/jwks.json"} {
		if a := c.shown(&mine, path, url.Values{}); a.status != http.StatusNotFound {
			t.Errorf("%s at the listener for certificates: %d", path, a.status)
		}
	}
}
