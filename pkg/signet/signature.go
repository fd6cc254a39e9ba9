package signet

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
)

// The JWS algorithms signet signs with and accepts (RFC 7518 §3.1, RFC 8037 §3.1). There is no other: "none" and the
// HMAC family have no place where a public key is expected (RFC 8725 §3.1).
const (
	AlgRS256 = "RS256"
	AlgPS256 = "PS256"
	AlgES256 = "ES256"
	AlgEdDSA = "EdDSA"
)

// minRSABits is the smallest RSA modulus that may sign anything (RFC 7518 §3.3).
const minRSABits = 2048

// es256Half is the length of r and of s in an ES256 signature (RFC 7518 §3.4).
const es256Half = 32

// AlgFits reports whether a public key may be used with a JWS algorithm: its type, its curve, its size. A key that does
// not fit never verifies, so that a token cannot choose how its key is read.
func AlgFits(alg string, key crypto.PublicKey) bool {
	switch alg {
	case AlgRS256, AlgPS256:
		public, ok := key.(*rsa.PublicKey)
		return ok && public.N.BitLen() >= minRSABits
	case AlgES256:
		public, ok := key.(*ecdsa.PublicKey)
		return ok && public.Curve == elliptic.P256()
	case AlgEdDSA:
		public, ok := key.(ed25519.PublicKey)
		return ok && len(public) == ed25519.PublicKeySize
	default:
		return false
	}
}

// VerifySignature reports whether signature is a JWS signature of input (RFC 7515 §5.1: header, dot, payload, still
// encoded) by key with alg. An unknown algorithm or a key that does not fit verifies nothing.
func VerifySignature(alg string, key crypto.PublicKey, input, signature []byte) bool {
	if !AlgFits(alg, key) {
		return false
	}
	if alg == AlgEdDSA {
		return ed25519.Verify(key.(ed25519.PublicKey), input, signature)
	}
	digest := sha256.Sum256(input)
	switch alg {
	case AlgRS256:
		return rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), crypto.SHA256, digest[:], signature) == nil
	case AlgPS256:
		// The salt is as long as the hash, nothing else (RFC 7518 §3.5).
		options := rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return rsa.VerifyPSS(key.(*rsa.PublicKey), crypto.SHA256, digest[:], signature, &options) == nil
	case AlgES256:
		if len(signature) != 2*es256Half {
			return false
		}
		r := new(big.Int).SetBytes(signature[:es256Half])
		s := new(big.Int).SetBytes(signature[es256Half:])
		return ecdsa.Verify(key.(*ecdsa.PublicKey), digest[:], r, s)
	default:
		return false
	}
}
