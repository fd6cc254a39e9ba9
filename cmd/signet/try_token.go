package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// showToken decodes a token of the server: a JWE is decrypted when keyFile is given, a JWS is verified by the server's
// JWKS, and what is opaque is said to be.
func (t *trial) showToken(ctx context.Context, what, token, keyFile string) error {
	switch strings.Count(token, ".") {
	case 4:
		inner, err := t.showJWE(what, token, keyFile)
		if err != nil || inner == "" {
			return err
		}
		return t.showJWS(ctx, "The token inside", inner)
	case 2:
		return t.showJWS(ctx, what, token)
	default:
		t.step(what, "The token is opaque: 256 random bits, which only the server can look up (/introspect).").add("token", "%s", token)
		return nil
	}
}

// showJWE returns the inner token, "" without a key.
func (t *trial) showJWE(what, token, keyFile string) (string, error) {
	header, _, _ := strings.Cut(token, ".")
	s := t.step(what, "Five parts between dots: a JWE (RFC 7516), encrypted to the resource server that kid names. Encryption hides the claims; "+
		"it proves nothing: whoever has the public key can encrypt.").add("header", "%s", decoded(header))
	if keyFile == "" {
		s.add("inside", "not shown: give the resource server's private key with --rs-key-file")
		return "", nil
	}
	content, err := os.ReadFile(keyFile)
	if err != nil {
		return "", err
	}
	key, err := readPrivateKey(content)
	if err != nil {
		return "", err
	}
	sealed, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.RSA_OAEP_256, jose.RSA_OAEP, jose.ECDH_ES_A256KW},
		[]jose.ContentEncryption{jose.A256GCM, jose.A128CBC_HS256, jose.A256CBC_HS512})
	if err != nil {
		return "", err
	}
	inner, err := sealed.Decrypt(key)
	if err != nil {
		s.add("inside", "this private key does not decrypt it")
		return "", errors.New("the key in --rs-key-file does not decrypt the token")
	}
	s.add("decrypted", "%s", string(inner))
	return string(inner), nil
}

// showJWS shows header and claims and verifies the signature as a resource server must.
func (t *trial) showJWS(ctx context.Context, what, token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("the token is no compact JWS")
	}
	s := t.step(what, "Three parts between dots: a JWS (RFC 7515). A resource server verifies the signature with the key that kid names, "+
		"then iss, aud and exp; only then it reads the rest.").add("header", "%s", decoded(parts[0])).add("claims", "%s", decoded(parts[1]))
	for _, name := range []string{"iat", "exp"} {
		if at, ok := dateClaim(parts[1], name); ok {
			s.add(name, "%s", at.UTC().Format(time.RFC3339))
		}
	}
	set, err := t.keySet(ctx)
	if err != nil {
		return err
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA})
	if err != nil {
		s.add("signature", "not by a published key: %s", err)
		return nil
	}
	for _, key := range set.Key(signed.Signatures[0].Header.KeyID) {
		if _, err := signed.Verify(key); err == nil {
			s.add("signature", "verified with the key %s of %s/.well-known/jwks.json", key.KeyID, t.target.server)
			return nil
		}
	}
	s.add("signature", "NOT verified: no published key fits")
	return errors.New("the token's signature does not verify")
}

func (t *trial) keySet(ctx context.Context) (*jose.JSONWebKeySet, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.target.server+"/.well-known/jwks.json", nil)
	if err != nil {
		return nil, err
	}
	res, err := t.target.client.Do(req)
	if err != nil {
		return nil, &silence{server: t.target.server, cause: err, issuer: true}
	}
	defer res.Body.Close()
	content, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	set := &jose.JSONWebKeySet{}
	return set, json.Unmarshal(content, set)
}

// decoded is a base64url part as indented JSON, or as it is.
func decoded(part string) string {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return part
	}
	var out bytes.Buffer
	if json.Indent(&out, raw, "", "  ") != nil {
		return string(raw)
	}
	return out.String()
}

func dateClaim(part, name string) (time.Time, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return time.Time{}, false
	}
	claims, err := readFields(raw)
	if err != nil {
		return time.Time{}, false
	}
	var seconds json.Number
	if json.Unmarshal([]byte(strings.Trim(string(claims[name]), `"`)), &seconds) != nil {
		return time.Time{}, false
	}
	whole, err := seconds.Int64()
	return time.Unix(whole, 0), err == nil
}

// readPrivateKey reads PEM: PKCS #8, PKCS #1 or SEC 1.
func readPrivateKey(content []byte) (any, error) {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, usage("the key file holds no PEM")
	}
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
		func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
	} {
		if key, err := parse(block.Bytes); err == nil {
			return key, nil
		}
	}
	return nil, usage("the key file holds no private key that can be read")
}

// bytesOf shows bytes that may hold anything: as text and as hex.
func (s *step) bytesOf(name string, value []byte) *step {
	return s.add(name, "%s", string(value)).add("as hex", "%x", value).add("length", "%d bytes", len(value))
}

// secretArg reads a secret from a file, or returns the card's.
func (a *app) secretArg(path, fromCard, flag string) (string, error) {
	if path != "" {
		return a.readSecret(strings.TrimSuffix(flag, "-file"), path)
	}
	if fromCard == "" {
		return "", usage("--%s is needed (a file, - for stdin), or --card FILE of signet dev", flag)
	}
	return fromCard, nil
}

// tokenExchange are the parameters that turn an API key into a JWT (RFC 8693).
const (
	apiKeyTokenType = "urn:signet:params:oauth:token-type:api-key"
	formMedia       = "application/x-www-form-urlencoded"
	jsonMedia       = "application/json"
)
