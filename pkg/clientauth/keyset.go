package clientauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	maxSets     = 4096 // clients whose parsed keys are kept
	maxKeys     = 50   // keys that the set of one client may have
	maxSetBytes = 256 << 10
	maxRSABits  = 8192 // a larger one would make each signature cost milliseconds
)

// keySet is a client's JWKS, parsed: only the keys that may verify.
type keySet struct {
	version int64
	source  []byte
	keys    []clientKeyEntry
}

type clientKeyEntry struct {
	kid, alg string
	public   crypto.PublicKey
	// until ends a key with the certificate that stands behind it; zero: it has no end.
	until time.Time
	// certificate is x5t#S256 of the key's own certificate, the first of x5c; "": it has none. Only
	// self_signed_tls_client_auth looks at it (RFC 8705 §2.2.1).
	certificate string
}

// has reports whether some key could be the one that a header names.
func (s *keySet) has(h header) bool {
	return !h.named || slices.ContainsFunc(s.keys, func(key clientKeyEntry) bool { return key.kid == h.kid })
}

// pick returns the one key that a header names. Without kid there must be no choice. refused kids are no keys.
func (s *keySet) pick(h header, refused []string, now time.Time) (crypto.PublicKey, string) {
	var found crypto.PublicKey
	for i := range s.keys {
		key := &s.keys[i]
		if h.named && key.kid != h.kid || slices.Contains(refused, key.kid) || !key.until.IsZero() && !now.Before(key.until) {
			continue
		}
		fits := (key.alg == "" || key.alg == h.alg) && signet.AlgFits(h.alg, key.public)
		if h.named && !fits {
			continue
		}
		if found != nil {
			return nil, "assertion_key_ambiguous"
		}
		if !fits {
			return nil, "assertion_key_unfit"
		}
		found = key.public
	}
	if found == nil {
		return nil, "assertion_key_unknown"
	}
	return found, ""
}

// keySets remembers parsed sets, so that a warm authentication parses no key.
type keySets struct {
	mu   sync.RWMutex
	sets map[signet.ClientID]*keySet
}

func newKeySets() *keySets { return &keySets{sets: make(map[signet.ClientID]*keySet)} }

// of returns the parsed set of a record. A record with another version or other keys is parsed again.
func (k *keySets) of(client *signet.Client) *keySet {
	k.mu.RLock()
	have := k.sets[client.ID]
	k.mu.RUnlock()
	if have != nil && have.version == client.Version && bytes.Equal(have.source, client.JWKS) {
		return have
	}
	keys, _ := parseSet(client.JWKS)
	if client.Certified() {
		keys = certifiedKeys(keys, client.Certificates)
	}
	made := &keySet{version: client.Version, source: bytes.Clone(client.JWKS), keys: keys}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, there := k.sets[client.ID]; !there && len(k.sets) >= maxSets {
		for id := range k.sets { // any one; the order of a map is random
			delete(k.sets, id)
			break
		}
	}
	k.sets[client.ID] = made
	return made
}

// parseSet returns the keys of a JWKS that may verify an assertion. One that cannot be used is left out and does not
// spoil the others (RFC 7517 §5). ok is false for what is no set, or too large to be one.
func parseSet(raw json.RawMessage) (keys []clientKeyEntry, ok bool) {
	if len(raw) == 0 || len(raw) > maxSetBytes {
		return nil, false
	}
	var set struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(raw, &set) != nil || set.Keys == nil || len(set.Keys) > maxKeys {
		return nil, false
	}
	for _, members := range set.Keys {
		if key, ok := parseKey(members); ok {
			keys = append(keys, key)
		}
	}
	return keys, true
}

func parseKey(members map[string]json.RawMessage) (clientKeyEntry, bool) {
	// Whoever published a private or a symmetric key has no key any more.
	for _, secret := range []string{"d", "k", "p", "q"} {
		if members[secret] != nil {
			return clientKeyEntry{}, false
		}
	}
	certificate := ownCertificate(members["x5c"])
	// Certificates are no part of this decision: neither used nor able to spoil the key.
	for _, certificate := range []string{"x5c", "x5u", "x5t", "x5t#S256"} {
		delete(members, certificate)
	}
	if operations := members["key_ops"]; operations != nil {
		var list []string
		if json.Unmarshal(operations, &list) != nil || !slices.Contains(list, "verify") {
			return clientKeyEntry{}, false
		}
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return clientKeyEntry{}, false
	}
	var key jose.JSONWebKey
	if key.UnmarshalJSON(raw) != nil || !key.Valid() || !key.IsPublic() {
		return clientKeyEntry{}, false
	}
	// RFC 7517 §4.2: a key for encryption verifies nothing, whatever its alg says.
	if key.Use != "" && key.Use != "sig" {
		return clientKeyEntry{}, false
	}
	if public, ok := key.Key.(*rsa.PublicKey); ok && public.N.BitLen() > maxRSABits {
		return clientKeyEntry{}, false
	}
	return clientKeyEntry{kid: key.KeyID, alg: key.Algorithm, public: key.Key, certificate: certificate}, true
}

// ownCertificate is the thumbprint of the first certificate of x5c (RFC 7517 §4.7), "" when there is none.
func ownCertificate(x5c json.RawMessage) string {
	var list []string
	if x5c == nil || json.Unmarshal(x5c, &list) != nil || len(list) == 0 {
		return ""
	}
	der, err := base64.StdEncoding.Strict().DecodeString(list[0])
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// decoys are keys that nobody can sign with: they cost unknown clients the time of a real verification.
type decoys struct {
	keys map[string]crypto.PublicKey
}

func newDecoys() (decoys, error) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return decoys{}, fmt.Errorf("clientauth: decoy key: %w", err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return decoys{}, fmt.Errorf("clientauth: decoy key: %w", err)
	}
	// Any odd number does for a modulus that only has to be computed with. Its high bits are set, so that hardly any
	// signature is out of range and refused before the work.
	modulus := make([]byte, 256)
	_, _ = rand.Read(modulus)
	modulus[0], modulus[1], modulus[255] = 0xff, 0xff, modulus[255]|1
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}
	return decoys{keys: map[string]crypto.PublicKey{
		signet.AlgES256: ec.Public(), signet.AlgEdDSA: ed, signet.AlgRS256: public, signet.AlgPS256: public,
	}}, nil
}

func (d decoys) verify(a *assertion) {
	if key := d.keys[a.header.alg]; key != nil {
		signet.VerifySignature(a.header.alg, key, a.input, a.signature)
	}
}
