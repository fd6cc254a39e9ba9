package keys

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	// maxJWE is the longest token that Decrypt looks at.
	maxJWE = 32 << 10
	// maxJWEHeader is the longest protected header, encoded: with epk of P-521 it takes some 450 characters.
	maxJWEHeader = 2 << 10
	// jweParts is the number of parts of the compact serialisation (RFC 7516 §7.1), the only one that is read.
	jweParts = 5
	ctyJWT   = "JWT"
)

// Encrypt returns jws encrypted to the resource server (RFC 7519 §5.2: cty JWT, and the kid of its key) in the compact
// serialisation, with the algorithms of its record. Error: CodeInternal when the record's key cannot be used.
func (r *Ring) Encrypt(rs *signet.ResourceServer, jws string) (jwe string, err error) {
	to, err := r.recipientOf(rs)
	if err != nil {
		return "", signet.Internal(err)
	}
	encrypter, err := jose.NewEncrypter(to.enc, to.key, (&jose.EncrypterOptions{}).WithContentType(ctyJWT))
	if err != nil {
		return "", signet.Internal(err)
	}
	sealed, err := encrypter.Encrypt([]byte(jws))
	if err != nil {
		return "", signet.Internal(err)
	}
	if jwe, err = sealed.CompactSerialize(); err != nil {
		return "", signet.Internal(err)
	}
	return jwe, nil
}

// Decrypt opens a compact JWE with a private key that signet holds for the resource server. What it returns proves
// nothing before its signature is verified: anybody can encrypt to a public key (RFC 8725 §3.3).
// Error: CodeInvalidToken, with one message whatever was wrong.
//
// Everything that the header can ask for is settled before any decryption work: the algorithms are the record's, never
// the token's choice (RFC 8725 §3.1, §3.2), the key is the record's by kid, and a member that Encrypt does not write is
// refused, so that zip, crit, jwk, p2c and their like have no way in.
func (r *Ring) Decrypt(rs *signet.ResourceServer, jwe string) (jws string, err error) {
	header, err := parseJWEHeader(jwe)
	if err != nil {
		return "", invalidToken("not_our_jwe", err)
	}
	alg, enc, ok := algorithms(rs)
	if !ok || header.alg != alg || header.enc != enc {
		return "", invalidToken("jwe_algorithm", nil)
	}
	held := r.held(rs, signet.KeyID(header.kid))
	if held == nil {
		return "", invalidToken("jwe_key_unknown", nil)
	}
	key, err := r.privateOf(held, alg)
	if err != nil {
		r.log.Error("a resource server's key cannot be used", "error", err)
		return "", invalidToken("jwe_key_unusable", err)
	}
	if err := header.checkEPK(key); err != nil {
		return "", invalidToken("jwe_epk", err)
	}
	sealed, err := jose.ParseEncryptedCompact(jwe, []jose.KeyAlgorithm{jose.KeyAlgorithm(alg)}, []jose.ContentEncryption{jose.ContentEncryption(enc)})
	if err != nil {
		return "", invalidToken("jwe_form", err)
	}
	plain, err := sealed.Decrypt(key.key)
	if err != nil {
		return "", invalidToken("jwe_decryption", nil) // the cause would say which step failed
	}
	return string(plain), nil
}

// JWEKeyID returns the kid of a compact JWE in the form that Encrypt writes, to find the record whose key opens it; ok is
// false for any other text.
func (r *Ring) JWEKeyID(jwe string) (kid signet.KeyID, ok bool) {
	header, err := parseJWEHeader(jwe)
	if err != nil {
		return "", false
	}
	return signet.KeyID(header.kid), true
}

// held returns the record's live private key with that id, nil when signet holds none.
func (r *Ring) held(rs *signet.ResourceServer, kid signet.KeyID) *signet.SealedKey {
	now := r.now()
	for i := range rs.Keys {
		key := &rs.Keys[i]
		if key.ID == kid && key.Use == signet.KeyDecrypt && key.Live(now) {
			return key
		}
	}
	return nil
}

// jweHeader is the protected header of a JWE.
type jweHeader struct {
	alg, enc, kid string
	epk           map[string]string // nil when there is none
}

var errJWE = errors.New("keys: not a compact JWE of ours")

// parseJWEHeader reads the header strictly: exactly the members that Encrypt writes, each once, in their own letter case.
func parseJWEHeader(jwe string) (*jweHeader, error) {
	raw, err := protectedHeader(jwe)
	if err != nil {
		return nil, err
	}
	members, ok := strictObject(raw)
	if !ok {
		return nil, errJWE
	}
	header := &jweHeader{}
	for name, value := range members {
		if !header.set(name, value) {
			return nil, errJWE
		}
	}
	// cty is required: RFC 7519 §5.2 demands it of a nested JWT.
	if header.alg == "" || header.enc == "" || header.kid == "" || members["cty"] == nil {
		return nil, errJWE
	}
	return header, nil
}

// protectedHeader returns the decoded first part of five that are all base64url in their one spelling, and none empty.
func protectedHeader(jwe string) (raw []byte, err error) {
	// Go's base64 skips line ends; a second spelling of a token must not exist.
	if len(jwe) > maxJWE || strings.ContainsAny(jwe, "\r\n") || strings.Count(jwe, ".") != jweParts-1 {
		return nil, errJWE
	}
	parts := strings.Split(jwe, ".")
	if len(parts[0]) > maxJWEHeader {
		return nil, errJWE
	}
	for i, part := range parts {
		decoded, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || len(decoded) == 0 {
			return nil, errJWE
		}
		if i == 0 {
			raw = decoded
		}
	}
	return raw, nil
}

// set takes one member; false for one that Encrypt does not write, or writes otherwise.
func (h *jweHeader) set(name string, value json.RawMessage) (ok bool) {
	switch name {
	case "alg":
		h.alg, ok = plainString(value)
	case "enc":
		h.enc, ok = plainString(value)
	case "kid":
		h.kid, ok = plainString(value)
	case "cty":
		cty, isText := plainString(value)
		ok = isText && cty == ctyJWT
	case "epk":
		h.epk, ok = parseEPK(value)
	}
	return ok
}

// parseEPK reads an ephemeral public key: kty, crv, x, y and nothing else. A private d in it is refused like all others.
func parseEPK(raw json.RawMessage) (map[string]string, bool) {
	members, ok := strictObject(raw)
	if !ok || len(members) != 4 {
		return nil, false
	}
	epk := make(map[string]string, len(members))
	for _, name := range []string{"kty", "crv", "x", "y"} {
		value, ok := plainString(members[name])
		if !ok {
			return nil, false
		}
		epk[name] = value
	}
	return epk, true
}

// checkEPK: an ephemeral key is there exactly for ECDH, on the curve of ours, and a point of that curve that is not its
// zero (RFC 8725 §3.4, CVE-2016-9121).
func (h *jweHeader) checkEPK(key *private) error {
	ours, isEC := key.key.(*ecdsa.PrivateKey)
	switch {
	case !isEC && h.epk == nil:
		return nil
	case !isEC || h.epk == nil:
		return errJWE
	}
	curve, err := ours.ECDH()
	if err != nil {
		return err
	}
	if h.epk["kty"] != "EC" || h.epk["crv"] != ours.Curve.Params().Name {
		return errJWE
	}
	size := (ours.Curve.Params().BitSize + 7) / 8
	point := make([]byte, 1, 1+2*size)
	point[0] = 4 // uncompressed (SEC 1 §2.3.3)
	for _, name := range []string{"x", "y"} {
		part, err := base64.RawURLEncoding.Strict().DecodeString(h.epk[name])
		if err != nil || len(part) != size {
			return errJWE
		}
		point = append(point, part...)
	}
	var other *ecdh.PublicKey
	if other, err = curve.Curve().NewPublicKey(point); err != nil || other == nil {
		return errJWE
	}
	return nil
}

// strictObject reads exactly one JSON object and refuses a repeated member.
func strictObject(raw []byte) (map[string]json.RawMessage, bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	members := make(map[string]json.RawMessage)
	for decoder.More() {
		name, err := decoder.Token()
		text, ok := name.(string)
		if err != nil || !ok || members[text] != nil {
			return nil, false
		}
		var value json.RawMessage
		if decoder.Decode(&value) != nil || len(value) == 0 {
			return nil, false
		}
		members[text] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, false
	}
	_, err := decoder.Token()
	return members, errors.Is(err, io.EOF)
}

// plainString reads a JSON string.
func plainString(raw json.RawMessage) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err == nil && text != ""
}
