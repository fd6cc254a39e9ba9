package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	symmetricBytes = 32
	rsaBits        = 2048
	es256Half      = 32
)

// symmetricUses lists the uses whose keys are random bytes, in the order in which they are made.
func symmetricUses() []signet.KeyUse {
	return []signet.KeyUse{signet.KeyHash, signet.KeyRotation, signet.KeyCode, signet.KeyFlow}
}

// newMaterial makes the private part of a key: PKCS #8 for signing keys, random bytes for the others.
func newMaterial(use signet.KeyUse, alg string) ([]byte, error) {
	if use != signet.KeySigning {
		raw := make([]byte, symmetricBytes)
		// crypto/rand.Read ends the process when the system has no randomness: no predictable key is ever made.
		_, _ = rand.Read(raw)
		return raw, nil
	}
	signer, err := generate(alg)
	if err != nil {
		return nil, fmt.Errorf("keys: generate %s: %w", alg, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, fmt.Errorf("keys: encode %s: %w", alg, err)
	}
	return der, nil
}

func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case signet.AlgES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case signet.AlgRS256, signet.AlgPS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case signet.AlgEdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	default:
		return nil, errors.New("unknown algorithm")
	}
}

// parseSigner reads a PKCS #8 private key and refuses one that does not fit its algorithm: a row whose alg was altered
// must not change how a key is used.
func parseSigner(alg string, der []byte) (crypto.Signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok || !signet.AlgFits(alg, signer.Public()) {
		return nil, fmt.Errorf("private key does not fit algorithm %q", alg)
	}
	return signer, nil
}

// signWith signs input (RFC 7515 §5.1) in the form that JWS wants.
func signWith(alg string, signer crypto.Signer, input []byte) ([]byte, error) {
	if alg == signet.AlgEdDSA {
		return signer.Sign(rand.Reader, input, crypto.Hash(0))
	}
	digest := sha256.Sum256(input)
	switch alg {
	case signet.AlgRS256:
		return signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	case signet.AlgPS256:
		return signer.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case signet.AlgES256:
		private, ok := signer.(*ecdsa.PrivateKey)
		if !ok {
			return nil, errors.New("keys: not an EC key")
		}
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			return nil, fmt.Errorf("keys: sign: %w", err)
		}
		signature := make([]byte, 2*es256Half)
		r.FillBytes(signature[:es256Half])
		s.FillBytes(signature[es256Half:])
		return signature, nil
	default:
		return nil, fmt.Errorf("keys: unknown algorithm %q", alg)
	}
}
