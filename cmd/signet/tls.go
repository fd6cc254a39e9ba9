package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// serverTLS reads the certificate of a group of settings (tls, mtls) and sets the policy of its listener: at least TLS 1.2,
// and of 1.2 exactly ECDHE with AES-GCM or ChaCha20-Poly1305, in the twins that the certificate's key can sign for
// (RFC 9325 §4.2).
func serverTLS(group, certFile, keyFile string) (*tls.Config, error) {
	certificate, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("%s.cert_file: %w", group, err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("%s.key_file: %w", group, err)
	}
	if block, _ := pem.Decode(certificate); block == nil {
		return nil, fmt.Errorf("%s.cert_file: %s holds no PEM certificate", group, certFile)
	}
	if block, _ := pem.Decode(key); block == nil {
		return nil, fmt.Errorf("%s.key_file: %s holds no PEM key", group, keyFile)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %s and %s do not go together: %s", group, certFile, keyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return pairTLS(pair)
}

func pairTLS(pair tls.Certificate) (*tls.Config, error) {
	suites, err := suitesFor(pair.Leaf)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		CipherSuites: suites, // of TLS 1.2; those of 1.3 are fixed
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}

func suitesFor(leaf *x509.Certificate) ([]uint16, error) {
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return nil, errors.New("tls: the RSA key of the certificate is shorter than 2048 bits")
		}
		return []uint16{
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		}, nil
	case *ecdsa.PublicKey:
		return []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		}, nil
	default:
		return nil, errors.New("tls: the certificate's key must be RSA or EC")
	}
}

// clientTLS is for connections to stores. caFile "" uses the system's roots.
func clientTLS(caFile string) (*tls.Config, error) {
	policy := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return policy, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	policy.RootCAs = x509.NewCertPool()
	if !policy.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("holds no certificate")
	}
	return policy, nil
}
