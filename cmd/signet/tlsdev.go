package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// devTLS is the certificate of `signet dev --tls` and the authority that people may trust for it.
type devTLS struct {
	caFile string
	pair   tls.Certificate
}

// Browsers refuse certificates of more than 398 days.
const devCertDays = 397

// tls reads the certificate of the data folder, or makes one. The authority is limited to loopback names and its key
// is forgotten as soon as it has signed: whoever trusts it trusts this one server, for a year, and nothing else.
func (h *home) tls(now time.Time) (*devTLS, error) {
	certFile, keyFile := filepath.Join(h.dir, "tls.crt"), filepath.Join(h.dir, "tls.key")
	out := &devTLS{caFile: filepath.Join(h.dir, "ca.crt")}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil && now.Before(pair.Leaf.NotAfter.AddDate(0, -1, 0)) {
		out.pair = pair
		return out, nil
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	loopback4 := &net.IPNet{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}
	loopback6 := &net.IPNet{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)}
	authority := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "signet dev, this machine only"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 0, devCertDays),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{loopback4, loopback6},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	err = errors.Join(
		os.WriteFile(out.caFile, block("CERTIFICATE", caDER), 0o644),
		os.WriteFile(certFile, append(block("CERTIFICATE", der), block("CERTIFICATE", caDER)...), 0o644),
		writeSecret(keyFile, block("PRIVATE KEY", keyDER)),
	)
	if err != nil {
		return nil, err
	}
	out.pair, err = tls.LoadX509KeyPair(certFile, keyFile)
	return out, err
}

func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[0] &= 0x7f // RFC 5280 §4.1.2.2: positive, at most 20 octets
	return new(big.Int).SetBytes(b[:])
}
