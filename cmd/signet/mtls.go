package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/signet-auth/signet/config"
)

// certificateSettings are what an operator says of clients' certificates. The zero value: no client shows one.
type certificateSettings struct {
	base         string              // URL of the mutual TLS listener, "" when there is none
	clientCAs    []*x509.Certificate // of tls_client_auth
	headerFrom   []netip.Prefix      // proxies that send Client-Cert
	partnerRoots *x509.CertPool      // of partners' hosted keys in cat and production
	loopbackSets bool                // jwks_uri may be on this machine (dev)
	cat          catSettings         // whose word lets partners into production
}

// certificatesOf reads the files that the configuration names.
func certificatesOf(cfg *config.Config) (s certificateSettings, err error) {
	s.base = cfg.MTLS.URL
	if s.clientCAs, err = readAuthorities("mtls.client_ca_file", cfg.MTLS.ClientCAFile); err != nil {
		return s, err
	}
	roots, err := readAuthorities("partner.roots_file", cfg.Partner.RootsFile)
	if err != nil {
		return s, err
	}
	s.partnerRoots = x509.NewCertPool()
	for _, root := range roots {
		s.partnerRoots.AddCert(root)
	}
	if s.cat = (catSettings{issuer: cfg.Partner.CATIssuer, jwksFile: cfg.Partner.CATJWKSFile}); s.cat.jwksFile != "" {
		if _, err = readKeySet(s.cat.jwksFile); err != nil {
			return s, err
		}
	}
	for _, text := range cfg.MTLS.HeaderFrom {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return s, err
		}
		s.headerFrom = append(s.headerFrom, prefix)
	}
	return s, nil
}

// readAuthorities reads PEM certificates that may all sign others; none when path is "".
func readAuthorities(setting, path string) (list []*x509.Certificate, err error) {
	if path == "" {
		return nil, nil
	}
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: %s holds a %s: certificates alone belong there", setting, path, block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", setting, err)
		}
		if !certificate.IsCA {
			return nil, fmt.Errorf("%s: %s holds a certificate that is no authority's", setting, path)
		}
		list = append(list, certificate)
	}
	if len(list) == 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%s: %s must hold PEM certificates and nothing else", setting, path)
	}
	return list, nil
}

// certifiedOpening is the mutual TLS listener, shut when the configuration has none.
func certifiedOpening(cfg *config.Config) (opening, error) {
	o := opening{name: "mtls", address: cfg.MTLS.Listen}
	if o.address == "" {
		return o, nil
	}
	var err error
	o.tls, err = mutualTLS(cfg)
	return o, err
}

// mutualTLS is the policy of the public listener and asks for a certificate, whoever issued it: which one a client may
// show is in its record, and a caller without any hears so from the endpoint. No authorities are named in the question,
// or clients with self-signed certificates would send none.
func mutualTLS(cfg *config.Config) (*tls.Config, error) {
	group, certFile, keyFile := "mtls", cfg.MTLS.CertFile, cfg.MTLS.KeyFile
	if certFile == "" {
		group, certFile, keyFile = "tls", cfg.TLS.CertFile, cfg.TLS.KeyFile
	}
	if certFile == "" {
		return nil, errors.New("mtls: cert_file and key_file are needed")
	}
	policy, err := serverTLS(group, certFile, keyFile)
	if err != nil {
		return nil, err
	}
	policy.ClientAuth = tls.RequestClientCert
	return policy, nil
}
