package keys

import (
	"cmp"
	"crypto"
	"crypto/cipher"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/signet-auth/signet/pkg/signet"
)

// opened is a key with its private part.
type opened struct {
	signet.Key
	signer crypto.Signer // signing keys
	header string        // signing keys: the protected header up to the value of typ
	jwk    []byte        // signing keys: the public JWK
	secret []byte        // symmetric keys
	aead   cipher.AEAD   // flow keys
}

func newOpened(row *signet.Key, plain []byte) (*opened, error) {
	key := &opened{Key: *row}
	if !plainText(string(row.ID)) {
		return nil, fmt.Errorf("keys: key id %q has characters that a header cannot hold", row.ID)
	}
	var err error
	if row.Use != signet.KeySigning {
		if !slices.Contains(symmetricUses(), row.Use) {
			return nil, fmt.Errorf("keys: key %s has the unknown use %q", row.ID, row.Use)
		}
		if len(plain) != symmetricBytes {
			return nil, fmt.Errorf("keys: key %s has %d bytes, not %d", row.ID, len(plain), symmetricBytes)
		}
		key.secret = plain
		if row.Use == signet.KeyFlow {
			if key.aead, err = chacha20poly1305.NewX(plain); err != nil {
				return nil, fmt.Errorf("keys: key %s: %w", row.ID, err)
			}
		}
		return key, nil
	}
	if key.signer, err = parseSigner(row.Alg, plain); err != nil {
		return nil, fmt.Errorf("keys: key %s: %w", row.ID, err)
	}
	clear(plain)
	if key.jwk, err = publicJWK(key); err != nil {
		return nil, fmt.Errorf("keys: key %s: %w", row.ID, err)
	}
	key.header = `{"alg":"` + row.Alg + `","kid":"` + string(row.ID) + `","typ":"`
	return key, nil
}

// as returns the key with the times of a newer row. What it is for never changes.
func (k *opened) as(row *signet.Key) *opened {
	again := *k
	again.Key = *row
	again.Use, again.Alg = k.Use, k.Alg
	return &again
}

// plainText reports whether text is made of letters, digits and -_.+/ alone: it stands in JSON as it is.
func plainText(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("-_.+/", rune(c)) {
			return false
		}
	}
	return text != ""
}

// verifier is a signing key that verifies; hint says that it does so for id_token_hint alone.
type verifier struct {
	key  *opened
	hint bool
}

// snapshot is the ring between two moments at which a key changes its state. It never changes.
type snapshot struct {
	keys []*opened // by activation
	// from and until bound the time for which the states below are true; a zero bound is open.
	from, until time.Time

	algs      []string
	signers   map[string]*opened
	verifiers map[signet.KeyID]verifier
	hash      signet.HashKeys
	rotation  signet.HashKeys // the same shape: a current key and all by id
	codes     [][]byte        // current first
	flow      *opened
	flows     map[signet.KeyID]*opened

	public PublicSet
	// publishes is when the public set will grow next by the plan; zero: not planned.
	publishes time.Time
}

func newSnapshot(keys []*opened, plan Plan, now time.Time) *snapshot {
	s := &snapshot{
		keys:      slices.Clone(keys),
		signers:   make(map[string]*opened),
		verifiers: make(map[signet.KeyID]verifier),
		hash:      signet.HashKeys{Keys: make(map[signet.KeyID][]byte)},
		rotation:  signet.HashKeys{Keys: make(map[signet.KeyID][]byte)},
		codes:     [][]byte{nil},
		flows:     make(map[signet.KeyID]*opened),
	}
	slices.SortFunc(s.keys, func(a, b *opened) int {
		return cmp.Or(a.ActivateAt.Compare(b.ActivateAt), strings.Compare(string(a.ID), string(b.ID)))
	})
	for _, key := range s.keys {
		s.bound(plan.moments(&key.Key), now)
		if plan.forgotten(&key.Key, now) {
			continue
		}
		state := key.State(now)
		switch key.Use {
		case signet.KeySigning:
			s.addSigning(key, state)
		case signet.KeyHash:
			addSymmetric(&s.hash, key, state)
		case signet.KeyRotation:
			addSymmetric(&s.rotation, key, state)
		case signet.KeyCode:
			s.addCode(key, state)
		case signet.KeyFlow:
			s.addFlow(key, state)
		}
	}
	for alg := range s.signers {
		s.algs = append(s.algs, alg)
	}
	slices.Sort(s.algs)
	s.public = s.publicSet(plan, now)
	s.publishes = s.nextPublication(plan, now)
	s.bound([]time.Time{s.publishes}, now)
	return s
}

// moments are the times at which a key changes what it may be used for.
func (p Plan) moments(key *signet.Key) []time.Time {
	all := []time.Time{key.PublishAt, key.ActivateAt}
	for _, t := range []*time.Time{key.RetireAt, key.RemoveAt, key.RevokedAt} {
		if t != nil {
			all = append(all, *t)
		}
	}
	if key.RemoveAt != nil {
		all = append(all, key.RemoveAt.Add(p.HintRetention))
	}
	return all
}

// forgotten reports whether a key is of no use any more, not even for id_token_hint: it need not open.
func (p Plan) forgotten(key *signet.Key, now time.Time) bool {
	if key.State(now) == signet.KeyRevoked {
		return true
	}
	return key.RemoveAt != nil && !now.Before(key.RemoveAt.Add(p.HintRetention))
}

func (s *snapshot) bound(moments []time.Time, now time.Time) {
	for _, t := range moments {
		if !t.After(now) {
			if t.After(s.from) {
				s.from = t
			}
		} else if s.until.IsZero() || t.Before(s.until) {
			s.until = t
		}
	}
}

// holds reports whether the snapshot is true at now. A clock that was set back leaves it too.
func (s *snapshot) holds(now time.Time) bool {
	return !now.Before(s.from) && (s.until.IsZero() || now.Before(s.until))
}

// addSigning files a signing key. A published key verifies too: the clock of the node that signs may run a little
// ahead of ours, and the key is no secret of anybody else.
func (s *snapshot) addSigning(key *opened, state signet.KeyState) {
	switch state {
	case signet.KeyActive:
		s.signers[key.Alg] = key // keys come by activation: the newest wins
		s.verifiers[key.ID] = verifier{key: key}
	case signet.KeyPublished, signet.KeyRetiring:
		s.verifiers[key.ID] = verifier{key: key}
	case signet.KeyGone:
		s.verifiers[key.ID] = verifier{key: key, hint: true}
	}
}

func addSymmetric(set *signet.HashKeys, key *opened, state signet.KeyState) {
	if state == signet.KeyPlanned || state == signet.KeyGone {
		return
	}
	set.Keys[key.ID] = key.secret
	if state == signet.KeyActive {
		set.Current = key.ID
	}
}

func (s *snapshot) addCode(key *opened, state signet.KeyState) {
	switch state {
	case signet.KeyActive:
		if s.codes[0] != nil {
			s.codes = append(s.codes, s.codes[0])
		}
		s.codes[0] = key.secret
	case signet.KeyPublished, signet.KeyRetiring:
		s.codes = append(s.codes, key.secret)
	}
}

func (s *snapshot) addFlow(key *opened, state signet.KeyState) {
	if state == signet.KeyPlanned || state == signet.KeyGone {
		return
	}
	s.flows[key.ID] = key
	if state == signet.KeyActive {
		s.flow = key
	}
}

// has reports whether any key satisfies the condition.
func (s *snapshot) has(condition func(*signet.Key) bool) bool {
	return slices.ContainsFunc(s.keys, func(key *opened) bool { return condition(&key.Key) })
}

// tail returns the last key of a use and algorithm, the one that no other follows yet; nil when there is none.
func (s *snapshot) tail(use signet.KeyUse, alg string) *opened {
	for _, key := range slices.Backward(s.keys) {
		if key.Use == use && key.Alg == alg && key.RetireAt == nil && key.RevokedAt == nil {
			return key
		}
	}
	return nil
}
