package keys

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	// maxJWS is the longest token that Verify looks at.
	maxJWS = 32 << 10
	// maxSignature is the longest signature the ring makes, RSA 4096, to size buffers.
	maxSignature = 512
)

// Sign returns payload as a compact JWS (RFC 7515 §7.1) under the active key of alg. The protected header is exactly
// {"alg":…,"kid":…,"typ":…}, in this order and without blanks: Verify relies on it.
// Errors: CodeUnavailable when alg has no active key, CodeInternal.
func (r *Ring) Sign(alg, typ string, payload []byte) (jws string, kid signet.KeyID, err error) {
	key := r.view().signers[alg]
	if key == nil {
		return "", "", &signet.Error{Code: signet.CodeUnavailable, Reason: "no_active_key", Cause: fmt.Errorf("keys: no active key for %q", alg)}
	}
	if !plainText(typ) {
		return "", "", signet.Internal(fmt.Errorf("keys: type %q cannot stand in a header", typ))
	}
	encoding := base64.RawURLEncoding
	var space [256]byte
	header := append(append(append(space[:0], key.header...), typ...), `"}`...)
	size := encoding.EncodedLen(len(header)) + 1 + encoding.EncodedLen(len(payload)) + 1 + encoding.EncodedLen(maxSignature)
	text := encoding.AppendEncode(make([]byte, 0, size), header)
	text = append(text, '.')
	text = encoding.AppendEncode(text, payload)
	signature, err := signWith(alg, key.signer, text)
	if err != nil {
		return "", "", signet.Internal(err)
	}
	text = append(text, '.')
	text = encoding.AppendEncode(text, signature)
	return string(text), key.ID, nil
}

// Verify returns the payload and typ of a compact JWS that this ring signed with a key that may still verify. It says
// nothing about claims. Error: CodeInvalidToken, with one message whatever was wrong.
func (r *Ring) Verify(jws string) (payload []byte, typ string, kid signet.KeyID, err error) {
	return r.verify(jws, false)
}

// VerifyHint is Verify for an id_token_hint: keys that left the public set verify on for Plan.HintRetention. A revoked
// key never does. Error: CodeInvalidToken.
func (r *Ring) VerifyHint(jws string) (payload []byte, kid signet.KeyID, err error) {
	payload, _, kid, err = r.verify(jws, true)
	return payload, kid, err
}

func (r *Ring) verify(jws string, hint bool) ([]byte, string, signet.KeyID, error) {
	token, err := parseOwn(jws)
	if err != nil {
		return nil, "", "", invalidToken("not_our_form", err)
	}
	known, ok := r.view().verifiers[token.kid]
	if !ok || known.hint && !hint {
		return nil, "", "", invalidToken("unknown_key", nil)
	}
	// RFC 8725 §3.1: the algorithm is the key's, never the token's choice.
	if token.alg != known.key.Alg {
		return nil, "", "", invalidToken("wrong_algorithm", nil)
	}
	if !signet.VerifySignature(known.key.Alg, known.key.signer.Public(), token.input, token.signature) {
		return nil, "", "", invalidToken("bad_signature", nil)
	}
	return token.payload, token.typ, token.kid, nil
}

func invalidToken(reason string, cause error) error {
	return &signet.Error{Code: signet.CodeInvalidToken, Message: "The token is not valid.", Reason: reason, Cause: cause}
}

// ownToken is a compact JWS in the one form that Sign writes.
type ownToken struct {
	alg, typ                  string
	kid                       signet.KeyID
	input, payload, signature []byte
}

var errForm = errors.New("keys: not a compact JWS of ours")

// parseOwn reads what Sign writes and nothing else. The header is compared with its one spelling instead of being
// parsed as JSON: crit, repeated members, case variants, escapes, jwk, jku or an unprotected header have no way in.
func parseOwn(jws string) (*ownToken, error) {
	// Go's base64 skips line ends; a second spelling of a token must not exist.
	if len(jws) > maxJWS || strings.ContainsAny(jws, "\r\n") {
		return nil, errForm
	}
	head, rest, _ := strings.Cut(jws, ".")
	body, tail, found := strings.Cut(rest, ".")
	if !found || head == "" || body == "" || tail == "" {
		return nil, errForm
	}
	// A further dot in tail is no base64 and fails there.
	encoding := base64.RawURLEncoding.Strict()
	header, err := encoding.DecodeString(head)
	if err != nil {
		return nil, errForm
	}
	token := &ownToken{input: []byte(jws[:len(head)+1+len(body)])}
	var ok bool
	if token.alg, token.kid, token.typ, ok = parseHeader(string(header)); !ok {
		return nil, errForm
	}
	if token.payload, err = encoding.DecodeString(body); err != nil {
		return nil, errForm
	}
	if token.signature, err = encoding.DecodeString(tail); err != nil {
		return nil, errForm
	}
	return token, nil
}

// parseHeader undoes the one spelling of a header.
func parseHeader(header string) (alg string, kid signet.KeyID, typ string, ok bool) {
	rest, ok := strings.CutPrefix(header, `{"alg":"`)
	if !ok {
		return "", "", "", false
	}
	alg, rest, _ = strings.Cut(rest, `","kid":"`)
	id, rest, _ := strings.Cut(rest, `","typ":"`)
	typ, ok = strings.CutSuffix(rest, `"}`)
	return alg, signet.KeyID(id), typ, ok && plainText(alg) && plainText(id) && plainText(typ)
}
