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

// The tables whose private parts the vault seals; the name is bound, so that no row of one opens as a row of the other.
const (
	tableKeys    = "keys"
	tableRecords = "sealed_keys"
)

// binding is what the additional data of a sealed private part is made of: table, row, column, key-encryption key, and
// what the key is for. Sealed bytes that somebody copied into another row, column or use do not open.
type binding func(kek string) []byte

// ringBinding binds a key of the ring.
func ringBinding(key *signet.Key) binding {
	return func(kek string) []byte {
		return []byte(strings.Join([]string{tableKeys, string(key.ID), "sealed", kek, string(key.Use), key.Alg}, "|"))
	}
}

// barEscape is built once: a request may open several keys.
var barEscape = strings.NewReplacer("%", "%25", "|", "%7C")

// recordBinding binds the key of a record: "sealed_keys|owner|id|use|alg|kek". Owners and ids may hold what an operator
// chose; a bar in them is escaped, so that no two rows share one text.
func recordBinding(key *signet.SealedKey) binding {
	return func(kek string) []byte {
		parts := []string{tableRecords, key.Owner, string(key.ID), string(key.Use), key.Alg, kek}
		for i := range parts {
			parts[i] = barEscape.Replace(parts[i])
		}
		return []byte(strings.Join(parts, "|"))
	}
}

// seal returns plain sealed under the current key-encryption key, for this row alone.
func (v *vault) seal(bound binding, plain []byte) (sealed []byte, kek string) {
	aead := v.keks[v.current]
	out := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0] = sealedVersion
	_, _ = rand.Read(out[1:])
	return aead.Seal(out, out[1:], plain, bound(v.current)), v.current
}

// open returns the private part of a row. name says which one, for the operator.
func (v *vault) open(name, kek string, bound binding, sealed []byte) ([]byte, error) {
	aead := v.keks[kek]
	if aead == nil {
		return nil, fmt.Errorf("keys: key %s is sealed under key-encryption key %q, which is not configured", name, kek)
	}
	if len(sealed) < 1+aead.NonceSize() || sealed[0] != sealedVersion {
		return nil, fmt.Errorf("keys: key %s: sealed form is not known", name)
	}
	nonce, text := sealed[1:1+aead.NonceSize()], sealed[1+aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, text, bound(kek))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keys: key %s does not open under key-encryption key %q: wrong key, or the row was altered", name, kek), err)
	}
	return plain, nil
}

// openRing opens a key of the ring.
func (v *vault) openRing(key *signet.Key) ([]byte, error) {
	return v.open(string(key.ID), key.KEKID, ringBinding(key), key.Sealed)
}

// openRecord opens the key of a record.
func (v *vault) openRecord(key *signet.SealedKey) ([]byte, error) {
	return v.open(key.Credential(), key.KEKID, recordBinding(key), key.Sealed)
}
