package clientauth_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/signet"
)

func inPEM(certificates ...*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, c := range certificates {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return out.Bytes()
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

type jwkView struct {
	KID string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	KTY string `json:"kty"`
	X5C []any  `json:"x5c"`
}

func readSet(t *testing.T, raw json.RawMessage) []jwkView {
	t.Helper()
	var set struct {
		Keys []jwkView `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	return set.Keys
}

func TestCertificatesToJWKS(t *testing.T) {
	t.Parallel()
	root, stranger := newAuthority(t, "Root"), newAuthority(t, "Stranger")
	roots := x509.NewCertPool()
	roots.AddCert(root.certificate)
	middleKey := ecKey(t)
	middle := &authority{key: middleKey, certificate: root.issue(t, middleKey.Public(), func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid, c.KeyUsage = "Middle", true, true, x509.KeyUsageCertSign
	})}
	signKey, encKey := rsaKey(t, 2048), rsaKey(t, 2048)
	leaf := func(a *authority, key crypto.PublicKey, usage x509.KeyUsage, change func(*x509.Certificate)) *x509.Certificate {
		return a.issue(t, key, func(c *x509.Certificate) {
			c.Subject.CommonName, c.KeyUsage = "Bank", usage
			if change != nil {
				change(c)
			}
		})
	}
	const signs, encrypts = x509.KeyUsageDigitalSignature, x509.KeyUsageKeyEncipherment
	sign, enc := leaf(root, signKey.Public(), signs, nil), leaf(root, encKey.Public(), encrypts, nil)
	selfKey := newAuthority(t, "self")
	for _, c := range []struct {
		name   string
		text   []byte
		strict string // "": taken in cat and production, else what the refusal says
		loose  string // what elsewhere is warned of or, with "!", refused
		keys   int
	}{
		{"HP two", inPEM(sign, enc), "", "", 2},
		{"HP the other way round, by key usage", inPEM(enc, sign), "", "", 2},
		{"HP one", inPEM(sign), "", "", 1},
		{"HP with the authority in between", inPEM(leaf(middle, signKey.Public(), signs, nil), middle.certificate, enc), "", "", 2},
		{"authority in between left out", inPEM(leaf(middle, signKey.Public(), signs, nil), enc), "trusted authority", "trusted authority", 2},
		{"self-signed", inPEM(selfKey.certificate), "self-signed", "self-signed", 1},
		{"another authority", inPEM(leaf(stranger, signKey.Public(), signs, nil), stranger.certificate), "trusted authority", "trusted authority", 1},
		{"expired", inPEM(leaf(root, signKey.Public(), signs, func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Minute) })), "expired", "expired", 1},
		{"not valid yet", inPEM(leaf(root, signKey.Public(), signs, func(c *x509.Certificate) { c.NotBefore = start.Add(time.Minute) })), "not valid yet", "not valid yet", 1},
		{"for the other use", inPEM(enc), "other use", "other use", 1},
		{"same key twice", inPEM(leaf(root, signKey.Public(), 0, nil), leaf(root, signKey.Public(), 0, nil)), "same key", "!same key", 0},
		{"three", inPEM(sign, enc, leaf(root, ecKey(t).Public(), signs, nil)), "one certificate", "!one certificate", 0},
		{"none", nil, "one certificate", "!one certificate", 0},
		{"private key", append(inPEM(sign), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(signKey)})...), "private key", "!private key", 0},
		{"bare public key", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}}), "certificates alone", "!certificates alone", 0},
		{"text behind", append(inPEM(sign), "-----BEGIN CERTIFICATE-----\nAA"...), "nothing else", "!nothing else", 0},
	} {
		for _, strict := range []bool{true, false} {
			set, warnings, err := clientauth.CertificatesToJWKS(c.text, clientauth.CertificateRules{Roots: roots, Strict: strict, Now: start})
			said := c.strict
			if !strict {
				said = strings.TrimPrefix(c.loose, "!")
			}
			refused := said != "" && (strict || strings.HasPrefix(c.loose, "!"))
			if (err != nil) != refused || err != nil && !strings.Contains(err.Error(), said) {
				t.Errorf("%s, strict %v: %v, want %q", c.name, strict, err, said)
				continue
			}
			if err != nil {
				continue
			}
			if said != "" && !strings.Contains(strings.Join(warnings, "\n"), said) {
				t.Errorf("%s: warnings %q, want %q", c.name, warnings, said)
			}
			keys := readSet(t, set)
			if len(keys) != c.keys || keys[0].Use != "sig" || len(keys) == 2 && keys[1].Use != "enc" {
				t.Errorf("%s: %s", c.name, set)
			}
			for _, key := range keys {
				if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(key.KID) {
					t.Errorf("%s: kid %q is no UUID", c.name, key.KID)
				}
			}
		}
	}
	set, _, err := clientauth.CertificatesToJWKS(inPEM(enc, sign), clientauth.CertificateRules{Roots: roots, Strict: true, Now: start})
	kid, kidErr := clientauth.KeyUUID(signKey.Public())
	if err != nil || kidErr != nil || readSet(t, set)[0].KID != kid {
		t.Errorf("the signing key is not %s in %s: %v", kid, set, err)
	}
}

func TestCertificatesWithShortKeys(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	root := newAuthority(t, "Root")
	roots := x509.NewCertPool()
	roots.AddCert(root.certificate)
	short := root.issue(t, rsaKey(t, 1024).Public(), func(c *x509.Certificate) { c.Subject.CommonName = "Bank" })
	if _, _, err := clientauth.CertificatesToJWKS(inPEM(short), clientauth.CertificateRules{Roots: roots, Strict: true, Now: start}); err == nil || !strings.Contains(err.Error(), "short") {
		t.Errorf("RSA of 1024 bits: %v", err)
	}
}

// In cat and production a hosted key verifies while a certificate on record stands behind it, and no longer.
func TestCertifiedKeys(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, "Root")
	key, bare := newKey(t, "k1", "RS256"), newKey(t, "k2", "RS256")
	certificate := root.issue(t, key.private.Public(), func(c *x509.Certificate) { c.Subject.CommonName = "Bank" })
	w := newWorld(t)
	client := w.keyClient(t, "pk", key, bare)
	client.Environment, client.Certificates = signet.EnvironmentCAT, string(inPEM(certificate))
	try := func(signer *testKey, code signet.Code, reason string) {
		t.Helper()
		result, err := w.assert(signer.sign(t, signer.header(), w.later()))
		want(t, result, err, code, reason)
	}
	try(key, "", "")
	try(bare, signet.CodeInvalidClient, "assertion_key_unknown")
	w.now = certificate.NotAfter
	try(key, signet.CodeInvalidClient, "assertion_key_unknown")
	w.now = start
	client.Certificates, client.Version = "", 2
	try(key, signet.CodeInvalidClient, "assertion_key_unknown")
	client.Environment, client.Version = "", 3
	try(bare, "", "")
}
