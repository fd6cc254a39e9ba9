package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

// The RSA keys that signet encrypts to and decrypts with: shorter ones are weak (RFC 7518 §4.3), longer ones only cost.
const (
	minEncryptBits = 2048
	maxEncryptBits = 8192
)

// maxJWK is the longest public key that is parsed: RSA 8192 takes some 1,400 characters.
const maxJWK = 16 << 10

// recipient is a resource server's public key, ready for use.
type recipient struct {
	key jose.Recipient
	enc jose.ContentEncryption
}

// private is a private key that signet holds for a resource server.
type private struct{ key crypto.PrivateKey }

// parsed remembers what was made of a record's bytes. An entry is used only for the very same bytes, so that neither a
// changed record nor a stale one is ever served from it; there is one entry for a record, and records are operators' acts.
type parsed[T any] struct {
	entries sync.Map // name → parsedEntry[T]
}

type parsedEntry[T any] struct {
	from  []byte
	value T
}

// of returns what make makes of the bytes, from memory when they are those of the last time.
func (p *parsed[T]) of(name string, from []byte, parse func() (T, error)) (T, error) {
	if have, ok := p.entries.Load(name); ok {
		if entry := have.(parsedEntry[T]); bytes.Equal(entry.from, from) {
			return entry.value, nil
		}
	}
	value, err := parse()
	if err != nil {
		return value, err
	}
	p.entries.Store(name, parsedEntry[T]{bytes.Clone(from), value})
	return value, nil
}

// algorithms returns the record's algorithms with the defaults filled in; ok is false for any that signet does not
// encrypt with.
func algorithms(rs *signet.ResourceServer) (alg, enc string, ok bool) {
	if alg = rs.Alg; alg == "" {
		alg = signet.AlgRSAOAEP256
	}
	if enc = rs.Enc; enc == "" {
		enc = signet.EncA256GCM
	}
	switch alg {
	case signet.AlgRSAOAEP256, signet.AlgRSAOAEP, signet.AlgECDHESA256KW:
	default:
		return "", "", false
	}
	switch enc {
	case signet.EncA256GCM, signet.EncA128CBCHS256, signet.EncA256CBCHS512:
		return alg, enc, true
	}
	return "", "", false
}

// recipientOf returns the record's public key, parsed at its first use.
func (r *Ring) recipientOf(rs *signet.ResourceServer) (*recipient, error) {
	alg, enc, ok := algorithms(rs)
	if !ok {
		return nil, fmt.Errorf("keys: resource server %s: %q with %q is not supported", rs.ID, rs.Alg, rs.Enc)
	}
	return r.recipients.of(recipientName(rs, alg, enc), rs.JWK, func() (*recipient, error) {
		if len(rs.JWK) > maxJWK {
			return nil, fmt.Errorf("keys: resource server %s: the key is too long", rs.ID)
		}
		var jwk jose.JSONWebKey
		if err := jwk.UnmarshalJSON(rs.JWK); err != nil {
			return nil, fmt.Errorf("keys: resource server %s: %w", rs.ID, err)
		}
		switch {
		case !jwk.IsPublic():
			return nil, fmt.Errorf("keys: resource server %s: not a public key", rs.ID)
		case jwk.Use != "" && jwk.Use != "enc":
			return nil, fmt.Errorf("keys: resource server %s: the key is for %q", rs.ID, jwk.Use)
		case jwk.KeyID == "":
			return nil, fmt.Errorf("keys: resource server %s: the key has no kid", rs.ID)
		}
		if err := encrypts(alg, jwk.Key); err != nil {
			return nil, fmt.Errorf("keys: resource server %s: %w", rs.ID, err)
		}
		to := jose.Recipient{Algorithm: jose.KeyAlgorithm(alg), Key: jwk.Key, KeyID: jwk.KeyID}
		return &recipient{key: to, enc: jose.ContentEncryption(enc)}, nil
	})
}

// recipientName holds the algorithms too: they say how the same key is used.
func recipientName(rs *signet.ResourceServer, alg, enc string) string {
	return rs.ID + " " + alg + " " + enc
}

// privateOf opens a record's private key (PKCS #8), parsed at its first use.
func (r *Ring) privateOf(key *signet.SealedKey, alg string) (*private, error) {
	return r.privates.of(key.Credential()+" "+alg, key.Sealed, func() (*private, error) {
		der, err := r.vault.openRecord(key)
		if err != nil {
			return nil, err
		}
		defer clear(der)
		secret, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("keys: key %s: %w", key.Credential(), err)
		}
		owner, ok := secret.(interface{ Public() crypto.PublicKey })
		if !ok {
			return nil, fmt.Errorf("keys: key %s cannot decrypt", key.Credential())
		}
		if err := encrypts(alg, owner.Public()); err != nil {
			return nil, fmt.Errorf("keys: key %s: %w", key.Credential(), err)
		}
		return &private{secret}, nil
	})
}

// encrypts reports what is wrong with a public key for a JWE algorithm: its type, its size, its curve.
func encrypts(alg string, key crypto.PublicKey) error {
	switch public := key.(type) {
	case *rsa.PublicKey:
		bits := public.N.BitLen()
		switch {
		case alg == signet.AlgECDHESA256KW:
			return errors.New("an RSA key does not fit " + alg)
		case bits < minEncryptBits || bits > maxEncryptBits:
			return fmt.Errorf("the RSA key has %d bits, not %d to %d", bits, minEncryptBits, maxEncryptBits)
		case public.E < 3 || public.E%2 == 0:
			return errors.New("the RSA key's exponent is even or too small")
		}
		return nil
	case *ecdsa.PublicKey:
		if alg != signet.AlgECDHESA256KW {
			return errors.New("an EC key does not fit " + alg)
		}
		switch public.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
		default:
			return errors.New("the key's curve is not supported")
		}
		// RFC 8725 §3.4: a point off its curve gives the private key of the other side away. ECDH checks it.
		if _, err := public.ECDH(); err != nil {
			return fmt.Errorf("the key is not on its curve: %w", err)
		}
		return nil
	default:
		return errors.New("the key is neither RSA nor EC")
	}
}
