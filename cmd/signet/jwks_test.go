package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pkcs8(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestJWKSFromPEM: whatever form a key comes in, the set holds its public half under the same UUID, and nothing else.
func TestJWKSFromPEM(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(rsaKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	certificate := pemFile(t, "CERTIFICATE", selfSigned(t, rsaKey).Certificate[0])
	private := pemFile(t, "PRIVATE KEY", pkcs8(t, rsaKey))
	ec := pemFile(t, "PRIVATE KEY", pkcs8(t, ecKey))
	run := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(string) string { return "" }}
		root := a.jwksCommand()
		root.SilenceErrors, root.SilenceUsage = true, true
		root.SetArgs(append([]string{"from-pem"}, args...))
		if err := root.Execute(); err != nil {
			return exitCode(err), out.String(), errs.String() + err.Error()
		}
		return exitOK, out.String(), errs.String()
	}
	var kids []string
	for name, path := range map[string]string{
		"certificate": certificate, "public key": pemFile(t, "PUBLIC KEY", spki), "PKCS #8": private,
		"PKCS #1": pemFile(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), "PKCS #1 public": pemFile(t, "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)),
	} {
		code, out, errs := run("--sig", path, "--enc", ec)
		var set struct{ Keys []map[string]string }
		if code != exitOK || json.Unmarshal([]byte(out), &set) != nil || len(set.Keys) != 2 {
			t.Fatalf("%s: exit %d: %s%s", name, code, out, errs)
		}
		for _, key := range set.Keys {
			if !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(key["kid"]) {
				t.Errorf("%s: kid %q", name, key["kid"])
			}
			for _, secret := range []string{"d", "p", "q", "dp", "dq", "qi"} {
				if _, there := key[secret]; there {
					t.Errorf("%s: the set holds %s", name, secret)
				}
			}
		}
		if set.Keys[0]["use"] != "sig" || set.Keys[0]["alg"] != "RS256" || set.Keys[1]["use"] != "enc" {
			t.Errorf("%s: %s", name, out)
		}
		kids = append(kids, set.Keys[0]["kid"])
	}
	for _, kid := range kids {
		if kid != kids[0] {
			t.Errorf("the same key has the kids %q", kids)
		}
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"PS256", []string{"--sig", private, "--alg", "PS256"}, exitOK, "PS256"},
		{"Ed25519", []string{"--sig", pemFile(t, "PRIVATE KEY", pkcs8(t, edKey))}, exitOK, "EdDSA"},
		{"private keys are told of", []string{"--sig", private}, exitOK, "private key"},
		{"nothing", nil, exitUsage, "--sig"},
		{"same key for both", []string{"--sig", private, "--enc", certificate}, exitUsage, "same key"},
		{"alg of another kind", []string{"--sig", private, "--alg", "ES256"}, exitFailure, "does not fit"},
		{"none", []string{"--sig", private, "--alg", "none"}, exitFailure, "does not fit"},
		{"P-384", []string{"--sig", pemFile(t, "PRIVATE KEY", pkcs8(t, p384))}, exitFailure, "P-256"},
		{"Ed25519 for encryption", []string{"--enc", pemFile(t, "PRIVATE KEY", pkcs8(t, edKey))}, exitFailure, "cannot encrypt"},
		{"no PEM", []string{"--sig", os.DevNull}, exitUsage, "empty"},
		{"broken key", []string{"--sig", pemFile(t, "PRIVATE KEY", []byte("secret-bytes"))}, exitUsage, "cannot be read"},
		{"encrypted key", []string{"--sig", pemFile(t, "ENCRYPTED PRIVATE KEY", []byte("x"))}, exitUsage, "encrypted"},
	} {
		code, out, errs := run(c.args...)
		if code != c.code || !strings.Contains(out+errs, c.says) || strings.Contains(errs, "secret-bytes") {
			t.Errorf("%s: exit %d, want %d with %q: %s%s", c.name, code, c.code, c.says, out, errs)
		}
	}
}
