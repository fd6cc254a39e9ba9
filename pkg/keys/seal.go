package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

// kekBytes is the length of a key-encryption key (AES-256).
const kekBytes = 32

// sealedVersion is the first byte of a sealed private part: another layout gets another number.
const sealedVersion = 1

// vault seals private parts at rest under named key-encryption keys. Sealed form: version (1 byte), nonce (12),
// ciphertext and tag (16).
type vault struct {
	current string
	keks    map[string]cipher.AEAD
}

func newVault(keks map[string][]byte, current string) (*vault, error) {
	v := &vault{current: current, keks: make(map[string]cipher.AEAD, len(keks))}
	for id, key := range keks {
		if id == "" || strings.ContainsAny(id, "|\x00") {
			return nil, fmt.Errorf("keys: key-encryption key id %q is empty or has a bar", id)
		}
		if len(key) != kekBytes {
			return nil, fmt.Errorf("keys: key-encryption key %q has %d bytes, not %d", id, len(key), kekBytes)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("keys: key-encryption key %q: %w", id, err)
		}
		if v.keks[id], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("keys: key-encryption key %q: %w", id, err)
		}
	}
	if v.keks[current] == nil {
		return nil, fmt.Errorf("keys: current key-encryption key %q is not among the given ones", current)
	}
	return v, nil
}

// binding is the additional data: table, row, column, key-encryption key, and what the key is for. Sealed bytes that
// somebody copied into another row, column or use do not open.
func binding(key *signet.Key, kek string) []byte {
	return []byte(strings.Join([]string{"keys", string(key.ID), "sealed", kek, string(key.Use), key.Alg}, "|"))
}

// seal returns plain sealed under the current key-encryption key, for this row alone.
func (v *vault) seal(key *signet.Key, plain []byte) (sealed []byte, kek string) {
	aead := v.keks[v.current]
	out := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0] = sealedVersion
	_, _ = rand.Read(out[1:])
	return aead.Seal(out, out[1:], plain, binding(key, v.current)), v.current
}

// open returns the private part of a row.
func (v *vault) open(key *signet.Key) ([]byte, error) {
	aead := v.keks[key.KEKID]
	if aead == nil {
		return nil, fmt.Errorf("keys: key %s is sealed under key-encryption key %q, which is not configured", key.ID, key.KEKID)
	}
	if len(key.Sealed) < 1+aead.NonceSize() || key.Sealed[0] != sealedVersion {
		return nil, fmt.Errorf("keys: key %s: sealed form is not known", key.ID)
	}
	nonce, text := key.Sealed[1:1+aead.NonceSize()], key.Sealed[1+aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, text, binding(key, key.KEKID))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keys: key %s does not open under key-encryption key %q: wrong key, or the row was altered", key.ID, key.KEKID), err)
	}
	return plain, nil
}
