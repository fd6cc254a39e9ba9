package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func selfSigned(t *testing.T, key crypto.Signer) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// shake does one handshake and returns what was agreed.
func shake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go func() { _ = tls.Server(a, server).Handshake(); _ = a.Close() }()
	conn := tls.Client(b, client)
	err := conn.Handshake()
	return conn.ConnectionState(), err
}

// TestTLSPolicy tries every suite that Go knows against both kinds of certificate: exactly the three of wire are taken.
func TestTLSPolicy(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		key   crypto.Signer
		wants []uint16
	}{
		{"RSA", rsaKey, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}},
		{"EC", ecKey, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}},
	} {
		server, err := pairTLS(selfSigned(t, tc.key))
		if err != nil {
			t.Fatal(err)
		}
		var taken []uint16
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			state, err := shake(t, server, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
			if err == nil && state.CipherSuite == suite.ID {
				taken = append(taken, suite.ID)
			}
		}
		found := map[uint16]bool{}
		for _, suite := range taken {
			found[suite] = true
		}
		if len(taken) != len(tc.wants) {
			t.Errorf("%s certificate: %d suites of TLS 1.2 are taken, want %d", tc.name, len(taken), len(tc.wants))
		}
		for _, want := range tc.wants {
			if !found[want] {
				t.Errorf("%s certificate: %s is refused", tc.name, tls.CipherSuiteName(want))
			}
		}
		if _, err := shake(t, server, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
			t.Errorf("%s certificate: TLS 1.1 is taken", tc.name)
		}
		if state, err := shake(t, server, &tls.Config{InsecureSkipVerify: true}); err != nil || state.Version != tls.VersionTLS13 {
			t.Errorf("%s certificate: version %x, %v", tc.name, state.Version, err)
		}
	}
}

func TestWeakCertificatesAreRefused(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pairTLS(selfSigned(t, short)); err == nil {
		t.Error("an RSA key of 1024 bits is taken")
	}
}

// TestDevCertificate: whoever trusts the authority trusts loopback names alone, and its key exists nowhere.
func TestDevCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := &home{dir: dir, kept: true}
	made, err := h.tls(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(made.caFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the authority's file holds no certificate")
	}
	for host, ok := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "example.com": false} {
		_, err := made.pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host})
		if (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 3 {
		t.Errorf("files %v, want the authority, the certificate and its key", files)
	}
	info, err := os.Stat(filepath.Join(dir, "tls.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the key: %v, %v", info.Mode(), err)
	}
	again, err := h.tls(time.Now())
	if err != nil || !again.pair.Leaf.Equal(made.pair.Leaf) {
		t.Errorf("a restart made another certificate: %v", err)
	}
	renewed, err := h.tls(time.Now().AddDate(1, 0, 5))
	if err != nil || renewed.pair.Leaf.Equal(made.pair.Leaf) {
		t.Errorf("a certificate about to end was kept: %v", err)
	}
}
