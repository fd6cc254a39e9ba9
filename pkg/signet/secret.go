package signet

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"log/slog"
	"strings"
)

// SecretKind is the part of a generated secret that tells people and scanners what they found.
type SecretKind string

// The kinds of generated secrets. Kinds share no namespace: a refresh token is never accepted as a code.
const (
	SecretClient  SecretKind = "cs"  // client secret
	SecretRefresh SecretKind = "rt"  // refresh token
	SecretCode    SecretKind = "ac"  // authorization code
	SecretAccess  SecretKind = "at"  // opaque access token
	SecretAdmin   SecretKind = "adm" // admin API key
	SecretAPIKey  SecretKind = "ak"  // account API key
	SecretSession SecretKind = "sn"  // session cookie
	SecretBrowser SecretKind = "br"  // browser binding cookie
	SecretDevice  SecretKind = "dp"  // device password
)

const secretBytes = 32

// Secret is a text that must not be logged. LogValue and String hide it; Reveal gives it.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String hides the text.
func (Secret) String() string { return "[secret]" }

// GoString hides the text from %#v.
func (Secret) GoString() string { return "[secret]" }

// LogValue hides the text from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// NewSecret returns 256 random bits as sgt_<kind>_<43 characters><6 characters of checksum>.
func NewSecret(kind SecretKind) Secret {
	var raw [secretBytes]byte
	random(raw[:])
	return FormatSecret(kind, raw[:])
}

// FormatSecret writes raw (32 bytes) in the form that ParseSecret reads. The checksum is CRC-32 of everything before
// it: it lets a scanner tell a real secret from noise, and lets signet refuse a mistyped one without a store.
func FormatSecret(kind SecretKind, raw []byte) Secret {
	var b strings.Builder
	b.Grow(64)
	b.WriteString("sgt_")
	b.WriteString(string(kind))
	b.WriteByte('_')
	b.WriteString(base64.RawURLEncoding.EncodeToString(raw))
	return Secret(b.String() + checksum(b.String()))
}

// ParseSecret reports whether text is a well-formed secret of that kind and returns its 32 bytes.
func ParseSecret(kind SecretKind, text string) ([]byte, bool) {
	rest, ok := strings.CutPrefix(text, "sgt_"+string(kind)+"_")
	if !ok || len(rest) != 43+6 {
		return nil, false
	}
	if checksum(text[:len(text)-6]) != text[len(text)-6:] {
		return nil, false
	}
	// Go's base64 skips line ends: what holds one is too short then.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(rest[:43])
	if err != nil || len(raw) != secretBytes {
		return nil, false
	}
	return raw, true
}

func checksum(text string) string {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE([]byte(text)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// SecretHash is how a generated secret is stored: HMAC-SHA-256 under a named hashing key. Generated secrets have 256
// bits, so a slow hash would add cost and no safety.
type SecretHash struct {
	KeyID KeyID
	Sum   [sha256.Size]byte
}

// Zero reports whether h was never set.
func (h SecretHash) Zero() bool { return h.KeyID == "" }

// HashKeys is a set of hashing keys; Current makes new hashes, the others still verify.
type HashKeys struct {
	Current KeyID
	Keys    map[KeyID][]byte
}

// Hash returns the hash of text under the current key.
func (k HashKeys) Hash(text string) SecretHash {
	return SecretHash{KeyID: k.Current, Sum: keyed(k.Keys[k.Current], text)}
}

// Candidates returns the hash of text under every key, the current one first: what a look-up by hash must try.
func (k HashKeys) Candidates(text string) []SecretHash {
	out := make([]SecretHash, 0, len(k.Keys))
	out = append(out, k.Hash(text))
	for id, key := range k.Keys {
		if id != k.Current {
			out = append(out, SecretHash{KeyID: id, Sum: keyed(key, text)})
		}
	}
	return out
}

// Verify compares text with a stored hash in constant time. An unknown key verifies nothing.
func (k HashKeys) Verify(text string, stored SecretHash) bool {
	key, ok := k.Keys[stored.KeyID]
	if !ok {
		return false
	}
	sum := keyed(key, text)
	return subtle.ConstantTimeCompare(sum[:], stored.Sum[:]) == 1
}

func keyed(key []byte, text string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	mac.Sum(sum[:0])
	return sum
}
