package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/clientauth"
)

func (a *app) jwksCommand() *cobra.Command {
	return group("jwks", "Make the key set that a client registers", a.jwksFromPEM())
}

func (a *app) jwksFromPEM() *cobra.Command {
	var sig, enc, alg string
	cmd := &cobra.Command{Use: "from-pem", Short: "Make a public key set of PEM certificates or keys", Args: arguments,
		Long: "Writes the public key set (JWKS) of one key for signing and one for encryption, as partners send it.\n\n" +
			"A file may hold a certificate, a public key or a private key; of a private key only the public half is\n" +
			"written. Each kid is a UUID worked out of the key: the same key has the same kid wherever this runs.",
		Example: "  signet jwks from-pem --sig signing.pem --enc encryption.pem > jwks.json",
		RunE: func(*cobra.Command, []string) error {
			if sig == "" && enc == "" {
				return usage("give --sig FILE, --enc FILE or both")
			}
			if alg != "" && sig == "" {
				return usage("--alg is the algorithm of --sig")
			}
			set, err := a.keySet(sig, enc, alg)
			if err != nil {
				return err
			}
			text, err := json.MarshalIndent(set, "", "  ")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "%s\n", text)
			return err
		}}
	cmd.Flags().StringVar(&sig, "sig", "", "PEM file of the signing key, - for stdin")
	cmd.Flags().StringVar(&enc, "enc", "", "PEM file of the encryption key, - for stdin")
	cmd.Flags().StringVar(&alg, "alg", "", "algorithm of assertions: RS256 (default of RSA keys), PS256, ES256 or EdDSA")
	return cmd
}

func (a *app) keySet(sig, enc, alg string) (*jose.JSONWebKeySet, error) {
	set := &jose.JSONWebKeySet{}
	for _, part := range []struct{ path, use, alg string }{{sig, "sig", alg}, {enc, "enc", ""}} {
		if part.path == "" {
			continue
		}
		content, err := readInput(part.path, a.in)
		if err != nil {
			return nil, err
		}
		public, private, err := publicOf(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.path, err)
		}
		if private {
			fmt.Fprintf(a.err, "signet: %s holds a private key: its public half was taken. Keep the file to yourself.\n", visible(part.path))
		}
		if rsaKey, ok := public.(*rsa.PublicKey); ok && rsaKey.N.BitLen() < 2048 {
			return nil, fmt.Errorf("%s: the RSA key is shorter than 2048 bits", part.path)
		}
		key, err := clientauth.PublicJWK(public, part.use, part.alg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.path, err)
		}
		set.Keys = append(set.Keys, key)
	}
	if len(set.Keys) == 2 && set.Keys[0].KeyID == set.Keys[1].KeyID {
		return nil, usage("--sig and --enc hold the same key: each use needs a key of its own")
	}
	return set, nil
}

// publicOf returns the public key of the first PEM block that holds one: of a certificate file that is the owner's, the
// authorities come after it.
func publicOf(content []byte) (public crypto.PublicKey, private bool, err error) {
	rest := content
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if len(bytes.TrimSpace(content)) == 0 {
				return nil, false, usage("the file is empty")
			}
			return nil, false, usage("holds no certificate or key in PEM form")
		}
		switch block.Type {
		case "CERTIFICATE":
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, false, usage("the certificate cannot be read")
			}
			return certificate.PublicKey, false, nil
		case "PUBLIC KEY":
			public, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			public, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			public, err = publicHalf(block)
			private = true
		case "ENCRYPTED PRIVATE KEY":
			return nil, false, usage("the private key is encrypted; give its certificate or public key")
		default:
			continue // parameters of a curve, attributes
		}
		if err != nil {
			// The parser's own words could carry parts of a private key.
			return nil, false, usage("the key cannot be read")
		}
		return public, private, nil
	}
}

func publicHalf(block *pem.Block) (crypto.PublicKey, error) {
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return &key.PublicKey, nil
	case *ecdsa.PrivateKey:
		return &key.PublicKey, nil
	case ed25519.PrivateKey:
		return key.Public(), nil
	default:
		return nil, usage("the key is of an unknown kind")
	}
}
