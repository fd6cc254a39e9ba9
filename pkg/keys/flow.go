package keys

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

// maxSealed is the longest sealed text that Open looks at; URLs end at 8 KiB.
const maxSealed = 16 << 10

// Seal encrypts plain for one purpose: key id, dot, base64url of nonce and ciphertext. Whoever holds the text can
// neither read nor alter it, nor use it for another purpose. Error: CodeUnavailable when there is no key.
//
// XChaCha20-Poly1305, not AES-GCM: anybody can have signet seal millions of flows, and its 192-bit nonces may be drawn
// at random without counting messages.
func (r *Ring) Seal(purpose string, plain []byte) (string, error) {
	key := r.view().flow
	if key == nil {
		return "", &signet.Error{Code: signet.CodeUnavailable, Reason: "no_active_key", Cause: errors.New("keys: no flow key")}
	}
	nonce := make([]byte, key.aead.NonceSize(), key.aead.NonceSize()+len(plain)+key.aead.Overhead())
	_, _ = rand.Read(nonce)
	sealed := key.aead.Seal(nonce, nonce, plain, sealBinding(purpose, key.ID))
	return string(key.ID) + "." + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open returns what Seal was given for the same purpose. Error: CodeInvalidRequest, one message whatever was wrong.
func (r *Ring) Open(purpose, sealed string) ([]byte, error) {
	if len(sealed) > maxSealed || strings.ContainsAny(sealed, "\r\n") {
		return nil, unreadable("sealed_form")
	}
	id, text, _ := strings.Cut(sealed, ".")
	key := r.view().flows[signet.KeyID(id)]
	if key == nil {
		return nil, unreadable("sealed_key")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < key.aead.NonceSize() {
		return nil, unreadable("sealed_form")
	}
	nonce, text2 := raw[:key.aead.NonceSize()], raw[key.aead.NonceSize():]
	plain, err := key.aead.Open(nil, nonce, text2, sealBinding(purpose, key.ID))
	if err != nil {
		return nil, unreadable("sealed_altered")
	}
	return plain, nil
}

// sealBinding is the additional data of a sealed text.
func sealBinding(purpose string, id signet.KeyID) []byte {
	return []byte("sealed|" + string(id) + "|" + purpose)
}

// flowPurpose keeps flows apart from other sealed texts.
func flowPurpose(purpose string) string { return "flow|" + purpose }

// SealFlow seals a pending request for the flow parameter of our own pages. Errors: CodeUnavailable, CodeInternal.
func (r *Ring) SealFlow(flow *signet.Flow) (string, error) {
	plain, err := json.Marshal(flow)
	if err != nil {
		return "", signet.Internal(err)
	}
	return r.Seal(flowPurpose(flow.Purpose), plain)
}

// OpenFlow opens what SealFlow made, of this purpose and not older than signet.FlowLifetime.
// Error: CodeInvalidRequest, one message whatever was wrong.
func (r *Ring) OpenFlow(sealed, purpose string) (*signet.Flow, error) {
	plain, err := r.Open(flowPurpose(purpose), sealed)
	if err != nil {
		return nil, err
	}
	flow := new(signet.Flow)
	if err := json.Unmarshal(plain, flow); err != nil || flow.Purpose != purpose {
		return nil, unreadable("flow_form")
	}
	if !flow.Live(r.now()) {
		return nil, unreadable("flow_expired")
	}
	return flow, nil
}

func unreadable(reason string) error {
	return signet.NewError(signet.CodeInvalidRequest, "This page has expired or its address was changed. Please start again.", reason)
}
