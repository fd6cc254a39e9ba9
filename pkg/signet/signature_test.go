package signet_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"slices"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// A key verifies with the algorithms that it is made for, whatever a token says, and of one size upwards (RFC 7518 §3.3).
func TestAlgFits(t *testing.T) {
	t.Parallel()
	modulus := func(bits uint) *rsa.PublicKey {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
	}
	p256, p384 := ecdsa.PublicKey{Curve: elliptic.P256()}, ecdsa.PublicKey{Curve: elliptic.P384()}
	ed := make(ed25519.PublicKey, ed25519.PublicKeySize)
	for _, tt := range []struct {
		name string
		key  crypto.PublicKey
		fits []string
	}{
		{"RSA 2048", modulus(2048), []string{"RS256", "PS256"}},
		{"RSA 2047", modulus(2047), nil},
		{"P-256", &p256, []string{"ES256"}},
		{"P-384", &p384, nil},
		{"Ed25519", ed, []string{"EdDSA"}},
		{"Ed25519, short", ed[:31], nil},
		{"bytes", []byte("secret"), nil},
		{"none", nil, nil},
	} {
		fits := map[string]bool{}
		for _, alg := range tt.fits {
			fits[alg] = true
		}
		for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA", "HS256", "none", "", "RS512", "ES384", "rs256"} {
			if got := signet.AlgFits(alg, tt.key); got != fits[alg] {
				t.Errorf("%s with %q: %t", tt.name, alg, got)
			}
			// What does not fit verifies nothing, and does not panic.
			if !fits[alg] && signet.VerifySignature(alg, tt.key, []byte("x"), make([]byte, 64)) {
				t.Errorf("%s verified as %q", tt.name, alg)
			}
		}
	}
}

func TestVerifySignature(t *testing.T) {
	t.Parallel()
	input := []byte("header.payload")
	digest := sha256.Sum256(input)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, s, err := ecdsa.Sign(rand.Reader, ec, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	es := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pss := func(salt int) []byte {
		signature, err := rsa.SignPSS(rand.Reader, rs, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	asn1, err := ecdsa.SignASN1(rand.Reader, ec, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, alg string
		key       crypto.PublicKey
		signature []byte
		want      bool
	}{
		{"ES256", "ES256", ec.Public(), es, true},
		{"ES256 with a byte more", "ES256", ec.Public(), append(es[:64:64], 0), false},
		// The same numbers in 65 bytes would be a second spelling of the signature.
		{"ES256 with a zero before s", "ES256", ec.Public(), slices.Insert(slices.Clone(es), 32, 0), false},
		{"ES256 cut", "ES256", ec.Public(), es[:63], false},
		{"ES256 as ASN.1", "ES256", ec.Public(), asn1, false},
		// r = s = 0 (CVE-2022-21449)
		{"ES256 of zeros", "ES256", ec.Public(), make([]byte, 64), false},
		{"PS256", "PS256", rs.Public(), pss(32), true},
		// RFC 7518 §3.5: the salt is as long as the hash.
		{"PS256 with a short salt", "PS256", rs.Public(), pss(20), false},
		{"PS256 without salt", "PS256", rs.Public(), pss(0), false},
		{"PS256 called RS256", "RS256", rs.Public(), pss(32), false},
	} {
		if got := signet.VerifySignature(tt.alg, tt.key, input, tt.signature); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
