package admin

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

// recipientKey is what a resource server decrypts with.
type recipientKey struct {
	public  jose.JSONWebKey
	private crypto.PrivateKey // nil: the resource server has it, signet does not
}

const rsaBits = 2048

// read takes the one key that the body gives. m.JWK is a further way to give a public one.
func (in keyInput) read(m *signet.ResourceServerMetadata) (*recipientKey, error) {
	ways := 0
	for _, given := range []bool{len(m.JWK) > 0, in.PEM != "", in.PrivateKeyPEM != "", in.Generate} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return nil, badRequest("key", "Give the key in exactly one way: jwk, pem, private_key_pem or generate.")
	}
	switch {
	case in.PEM != "":
		return publicPEM(in.PEM)
	case in.PrivateKeyPEM != "":
		return privatePEM(in.PrivateKeyPEM)
	case in.Generate:
		return generateKey(m.Alg)
	default:
		return publicJWK(m.JWK)
	}
}

func publicJWK(raw json.RawMessage) (*recipientKey, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil, badRequest("jwk", "The jwk must be one key (RFC 7517).")
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, ok := members[private]; ok {
			return nil, badRequest("jwk_private", "The jwk holds a private or symmetric key: send the public key, and replace this one.")
		}
	}
	// Certificates and links in a key are nobody's proof here; go-jose would check them against the key.
	for _, unused := range []string{"x5c", "x5u", "x5t", "x5t#S256", "key_ops", "ext"} {
		delete(members, unused)
	}
	plain, err := json.Marshal(members)
	if err != nil {
		return nil, badRequest("jwk", "The jwk must be one key (RFC 7517).")
	}
	var key jose.JSONWebKey
	if key.UnmarshalJSON(plain) != nil || !key.Valid() || !key.IsPublic() {
		return nil, badRequest("jwk", "The jwk is no valid public key of a known kind.")
	}
	if key.Use != "" && key.Use != "enc" {
		return nil, badRequest("jwk_use", "The jwk must have use enc, or none.")
	}
	return &recipientKey{public: key}, nil
}

// publicPEM reads a public key or a certificate.
func publicPEM(text string) (*recipientKey, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, badRequest("pem", "The pem must be one PEM block with a public key or a certificate.")
	}
	var public any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = certificate.PublicKey
		}
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		return nil, badRequest("pem_private", "The pem holds a private key: send the public key and replace this one, or have signet hold it with private_key_pem.")
	default:
		return nil, badRequest("pem", "The pem must hold a PUBLIC KEY or a CERTIFICATE.")
	}
	if err != nil {
		return nil, badRequest("pem", "The pem holds no key that can be read.")
	}
	return &recipientKey{public: jose.JSONWebKey{Key: public}}, nil
}

// privatePEM reads a key that several servers share, or that comes from an old system, for signet to hold.
func privatePEM(text signet.Secret) (*recipientKey, error) {
	block, rest := pem.Decode([]byte(text.Reveal()))
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, badRequest("private_key_pem", "The private_key_pem must be one PEM block with an unencrypted private key.")
	}
	var private any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, badRequest("private_key_pem", "The private_key_pem must hold a PRIVATE KEY without a passphrase.")
	}
	if err != nil {
		return nil, badRequest("private_key_pem", "The private_key_pem holds no key that can be read.")
	}
	return ownKey(private)
}

func generateKey(alg string) (*recipientKey, error) {
	var private any
	var err error
	if alg == signet.AlgECDHESA256KW {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	}
	if err != nil {
		return nil, signet.Internal(err)
	}
	return ownKey(private)
}

func ownKey(private any) (*recipientKey, error) {
	pair, ok := private.(interface{ Public() crypto.PublicKey })
	if !ok {
		return nil, badRequest("key_kind", "The key must be RSA or EC.")
	}
	return &recipientKey{public: jose.JSONWebKey{Key: pair.Public()}, private: private}, nil
}

// fit settles alg and kid, refuses what is weak, and writes the key into the metadata in one canonical form.
func (k *recipientKey) fit(m *signet.ResourceServerMetadata) error {
	if err := k.fitAlg(m); err != nil {
		return err
	}
	kid := k.public.KeyID
	if kid == "" {
		sum, err := k.public.Thumbprint(crypto.SHA256) // RFC 7638: the same key gets the same name everywhere
		if err != nil {
			return badRequest("key", "The key has no thumbprint.")
		}
		kid = base64.RawURLEncoding.EncodeToString(sum)
	}
	if !textOK(kid, 200) {
		return badRequest("kid", "The kid must have at most 200 characters, none of them invisible.")
	}
	encoded, err := json.Marshal(jose.JSONWebKey{Key: k.public.Key, KeyID: kid, Use: "enc", Algorithm: m.Alg})
	if err != nil {
		return badRequest("key", "The key cannot be written as a JWK.")
	}
	k.public.KeyID, m.JWK = kid, encoded
	return nil
}

// fitAlg settles the algorithm, and refuses weak keys.
func (k *recipientKey) fitAlg(m *signet.ResourceServerMetadata) error {
	var algs []string
	switch public := k.public.Key.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < 2048 || bits > 8192 || public.E < 3 {
			return badRequest("key_weak", "The RSA key must have 2048 to 8192 bits.")
		}
		algs = []string{signet.AlgRSAOAEP256, signet.AlgRSAOAEP}
	case *ecdsa.PublicKey:
		algs = []string{signet.AlgECDHESA256KW}
	default:
		return badRequest("key_kind", "The key must be RSA or EC.")
	}
	if m.Alg == "" {
		m.Alg = algs[0]
		if k.public.Algorithm == signet.AlgRSAOAEP && len(algs) > 1 {
			m.Alg = signet.AlgRSAOAEP // what the key says of itself
		}
	}
	if !slices.Contains(algs, m.Alg) {
		return badRequest("alg", "The key cannot be used with this alg.")
	}
	return nil
}

// sealPrivate seals the private key as PKCS #8.
func (a *Admin) sealPrivate(server *signet.ResourceServer, key *recipientKey) (*signet.SealedKey, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		return nil, badRequest("key_kind", "The key must be RSA or EC.")
	}
	if !kids.MatchString(key.public.KeyID) {
		return nil, badRequest("kid", "The kid may have letters, digits, dot, underscore and hyphen, 100 at most.")
	}
	sealed := a.seal(signet.OwnerResourceServer+server.ID, signet.KeyDecrypt, server.Alg, &newKey{id: signet.KeyID(key.public.KeyID), plain: der})
	return &sealed, nil
}

// sameKey compares two public keys by thumbprint.
func sameKey(a, b json.RawMessage) bool {
	var one, other jose.JSONWebKey
	if one.UnmarshalJSON(a) != nil || other.UnmarshalJSON(b) != nil || one.KeyID != other.KeyID {
		return false
	}
	first, err1 := one.Thumbprint(crypto.SHA256)
	second, err2 := other.Thumbprint(crypto.SHA256)
	return err1 == nil && err2 == nil && bytes.Equal(first, second)
}
