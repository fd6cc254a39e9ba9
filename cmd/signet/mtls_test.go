package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signet-auth/signet/config"
)

// certified returns the policy of a mutual TLS listener with a certificate of its own.
func certified(t *testing.T) *tls.Config {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pair := selfSigned(t, key)
	cfg := &config.Config{MTLS: config.MTLS{Listen: "127.0.0.1:0", CertFile: pemFile(t, "CERTIFICATE", pair.Certificate[0]),
		KeyFile: pemFile(t, "PRIVATE KEY", pkcs8(t, key))}}
	opened, err := certifiedOpening(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return opened.tls
}

// TestMTL05Handshakes: the listener for certificates has the policy of the public one.
func TestMTL05Handshakes(t *testing.T) {
	t.Parallel()
	server := certified(t)
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		want := suite.ID == tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 || suite.ID == tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 ||
			suite.ID == tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
		state, err := shake(t, server, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		if taken := err == nil && state.CipherSuite == suite.ID; taken != want {
			t.Errorf("%s: taken %v, want %v", suite.Name, taken, want)
		}
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := shake(t, server, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}); err == nil {
			t.Errorf("version %x is taken", version)
		}
	}
	if state, err := shake(t, server, &tls.Config{InsecureSkipVerify: true}); err != nil || state.Version != tls.VersionTLS13 {
		t.Errorf("version %x, %v", state.Version, err)
	}
}

// served does one handshake and returns the certificates that the server saw, and its error: in TLS 1.3 the client is
// done before the server has looked.
func served(t *testing.T, server, client *tls.Config) ([]*x509.Certificate, error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go func() {
		conn := tls.Client(b, client)
		if conn.Handshake() == nil {
			_, _ = io.Copy(io.Discard, conn)
		}
	}()
	conn := tls.Server(a, server)
	err := conn.Handshake()
	return conn.ConnectionState().PeerCertificates, err
}

// TestMTLSAsksForCertificates: whoever issued it, none included; only the holder of its key can show one. The public
// listener asks for none, so that a browser never opens its certificate dialogue on a page.
func TestMTLSAsksForCertificates(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mine := selfSigned(t, key)
	stolen := mine
	stolen.PrivateKey = other
	server := certified(t)
	for _, c := range []struct {
		name string
		list []tls.Certificate
		ok   bool
	}{{"none", nil, true}, {"self-signed", []tls.Certificate{mine}, true}, {"of somebody else's key", []tls.Certificate{stolen}, false}} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			shown, err := served(t, server, &tls.Config{InsecureSkipVerify: true, Certificates: c.list, MinVersion: version, MaxVersion: version})
			if (err == nil) != c.ok {
				t.Errorf("%s, version %x: %v", c.name, version, err)
			}
			if err == nil && len(shown) != len(c.list) {
				t.Errorf("%s, version %x: %d certificates were seen", c.name, version, len(shown))
			}
		}
	}
	public := server.Clone()
	public.ClientAuth = tls.NoClientCert
	if shown, err := served(t, public, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{mine}}); err != nil || len(shown) != 0 {
		t.Errorf("the public listener saw %d certificates: %v", len(shown), err)
	}
}

func TestReadAuthorities(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	leaf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: selfSigned(t, key).Certificate[0]})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8(t, key)})
	for _, c := range []struct {
		name    string
		content []byte
		count   int
	}{
		{"one", ca, 1}, {"two", append(append([]byte{}, ca...), ca...), 2}, {"empty", nil, 0}, {"no authority", leaf, 0},
		{"with a key", append(append([]byte{}, ca...), secret...), 0}, {"with text behind", append(append([]byte{}, ca...), "x"...), 0},
	} {
		path := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := readAuthorities("x", path)
		if len(list) != c.count || (err == nil) != (c.count > 0) {
			t.Errorf("%s: %d, %v", c.name, len(list), err)
		}
	}
	if list, err := readAuthorities("x", ""); list != nil || err != nil {
		t.Errorf("no file: %v, %v", list, err)
	}
}
