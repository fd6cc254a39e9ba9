package keys

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
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

// OpenFlow opens what SealFlow made: unaltered, of this purpose, not older than signet.FlowLifetime, and of the browser
// with that hash or of none yet (CSR-02, CSR-04: somebody else's flow would log a victim in as the attacker, or give one
// person's code to another). Errors: CodeInvalidRequest, CodeForbidden for another browser's. One that is only too old, or
// another browser's, says where its request begins anew (signet.RestartOf): that is for a person to do, with a click.
func (r *Ring) OpenFlow(sealed, purpose, browser string) (*signet.Flow, error) {
	plain, err := r.Open(flowPurpose(purpose), sealed)
	if err != nil {
		return nil, err
	}
	flow := new(signet.Flow)
	if err := json.Unmarshal(plain, flow); err != nil || flow.Purpose != purpose {
		return nil, unreadable("flow_form")
	}
	if !flow.Live(r.now()) {
		return nil, r.restartable(flow, signet.NewError(signet.CodeInvalidRequest, "This page has expired.", "flow_expired"))
	}
	if flow.Browser != "" && subtle.ConstantTimeCompare([]byte(flow.Browser), []byte(browser)) != 1 {
		// Nearly always it is this browser all the same: two tabs began without a cookie, and the later cookie stayed.
		return nil, r.restartable(flow, signet.NewError(signet.CodeForbidden,
			"This page was begun in another browser, or in another tab of this one.", "flow_of_another_browser"))
	}
	return flow, nil
}

// restartable adds the way to begin the flow's request anew to why it is refused.
func (r *Ring) restartable(flow *signet.Flow, why error) error {
	sealed, err := r.SealFlow(flow.Anew(r.now()))
	if err != nil {
		return why
	}
	return signet.Restartable(why, "/"+flow.Purpose+"?flow="+url.QueryEscape(sealed))
}

func unreadable(reason string) error {
	return signet.NewError(signet.CodeInvalidRequest, "This page has expired or its address was changed. Please start again.", reason)
}
