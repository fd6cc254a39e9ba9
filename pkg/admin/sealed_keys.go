package admin

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// sealedKeyView is all that is ever shown of a sealed key once the answer that made it is gone.
type sealedKeyView struct {
	KeyID     signet.KeyID `json:"kid"`
	Alg       string       `json:"alg,omitempty"`
	CreatedAt time.Time    `json:"created_at"`
	ExpiresAt *time.Time   `json:"expires_at,omitempty"`
}

func viewSealedKeys(keys []signet.SealedKey) []sealedKeyView {
	views := make([]sealedKeyView, 0, len(keys))
	for i := range keys {
		k := &keys[i]
		views = append(views, sealedKeyView{k.ID, k.Alg, k.CreatedAt, k.ExpiresAt})
	}
	return views
}

// secretBytes is a secret key as a caller may give it; empty: signet makes one.
type secretBytes struct {
	text     signet.Secret
	encoding string
	kid      signet.KeyID
}

// newKey is a secret key before it is sealed.
type newKey struct {
	id    signet.KeyID
	plain []byte
	// shown is the hex of a key that signet made; "" for one that the caller gave, who knows it already.
	shown string
}

var (
	// kids stand in URLs and, behind the record's name and #, in tokens and events.
	kids  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
	guids = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

const maxSecretBytes = 1024

// material reads a given key, or makes one of size bytes. member is its name in the body; a given one must have at
// least least bytes. Error: CodeInvalidRequest, which never repeats what was sent.
func (s secretBytes) material(member string, least, size int) (*newKey, error) {
	key := &newKey{id: s.kid}
	if key.id == "" {
		key.id = signet.KeyID(signet.NewUUID()) // never begins with a hyphen, which a command would take for a flag
	}
	if !kids.MatchString(string(key.id)) || key.id == "." || key.id == ".." {
		return nil, badRequest("kid", "The kid may have letters, digits, dot, underscore and hyphen, 100 at most.")
	}
	if s.text == "" {
		if s.encoding != "" {
			return nil, badRequest("key_encoding", "The key_encoding is for a given key.")
		}
		key.plain = make([]byte, size)
		_, _ = rand.Read(key.plain) // never fails: it ends the process when the system has no randomness
		key.shown = hex.EncodeToString(key.plain)
		return key, nil
	}
	var err error
	switch text := s.text.Reveal(); s.encoding {
	case "raw":
		key.plain = []byte(text)
	case "hex":
		key.plain, err = hex.DecodeString(text)
	case "base64":
		key.plain, err = base64Any(text)
	default:
		// No default: a guessed encoding would make another key, and every signature of the caller wrong.
		return nil, badRequest("key_encoding", "The key_encoding beside %s must be raw, hex or base64.", member)
	}
	if err != nil {
		return nil, badRequest("key_encoding", "The %s is not what key_encoding says.", member)
	}
	if len(key.plain) < least || len(key.plain) > maxSecretBytes {
		return nil, badRequest("key_length", "The %s must have %d to %d bytes.", member, least, maxSecretBytes)
	}
	return key, nil
}

// base64Any reads both alphabets, with padding or without: what key files hold.
func base64Any(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	return base64.RawStdEncoding.DecodeString(text)
}

// seal makes the record of a key. The plain bytes are in no event, no log and no later answer.
func (a *Admin) seal(owner string, use signet.KeyUse, alg string, key *newKey) signet.SealedKey {
	sealed := signet.SealedKey{ID: key.id, Owner: owner, Use: use, Alg: alg, CreatedAt: a.o.Now()}
	a.o.Contracts.Sealer.SealRecord(&sealed, key.plain)
	return sealed
}

// overlapOf is how long the older keys live on after a rotation; without one they stay.
func overlapOf(overlap *signet.Seconds) (time.Duration, bool, error) {
	if overlap == nil {
		return 0, false, nil
	}
	// Compared in seconds: as a time.Duration a huge number would wrap around.
	if *overlap < 0 || *overlap > signet.Seconds(maxOverlap/time.Second) {
		return 0, false, badRequest("overlap", "The overlap must be 0 to %d seconds.", int(maxOverlap/time.Second))
	}
	return overlap.Duration(), true, nil
}

// addKey writes a further key of a record, then lets the older live ones end. In this order: were the new key written
// last and refused, the record would be about to have none.
func (a *Admin) addKey(c *call, key *signet.SealedKey, before []signet.SealedKey, overlap *signet.Seconds) error {
	keep, ends, err := overlapOf(overlap)
	if err != nil {
		return err
	}
	if err := a.o.Contracts.SealedKeys.PutSealedKey(c.ctx(), key, a.event(c, signet.EventCredentialAdded, key.Credential())); err != nil {
		return taken("kid", err)
	}
	now := a.o.Now()
	at := now.Add(keep)
	for i := range before {
		old := &before[i]
		if !ends || old.Use != key.Use || !old.Live(now) || old.ExpiresAt != nil && !old.ExpiresAt.After(at) {
			continue
		}
		event := a.event(c, signet.EventCredentialEnded, old.Credential())
		event.Reason = "rotated"
		if err := a.o.Contracts.SealedKeys.EndSealedKey(c.ctx(), old.Owner, old.ID, at, event); err != nil {
			return err
		}
	}
	return nil
}

// maxLiveKeys is what wire.md allows a biller and a PIN application.
const maxLiveKeys = 2

// roomForKey refuses a third live key before anything is written; the store refuses it as well, for whoever comes
// between.
func (a *Admin) roomForKey(keys []signet.SealedKey) error {
	live, now := 0, a.o.Now()
	for i := range keys {
		if keys[i].Live(now) {
			live++
		}
	}
	if live >= maxLiveKeys {
		return signet.NewError(signet.CodeConflict, "Two keys are live: end one of them first.", "keys_live")
	}
	return nil
}

// endKey ends one key of a record now: 204.
func (a *Admin) endKey(c *call, owner string, keys []signet.SealedKey) error {
	if err := empty(c.r); err != nil {
		return err
	}
	id := signet.KeyID(c.r.PathValue("kid"))
	for i := range keys {
		if keys[i].ID != id {
			continue
		}
		event := a.event(c, signet.EventCredentialEnded, keys[i].Credential())
		if err := a.o.Contracts.SealedKeys.EndSealedKey(c.ctx(), owner, id, a.o.Now(), event); err != nil {
			return err
		}
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return noSuch("key of this record", signet.ErrNotFound)
}

// keyAdded is the answer of a rotation: the new key's name, and its secret once when signet made it.
type keyAdded struct {
	KeyID  signet.KeyID    `json:"kid"`
	Secret string          `json:"secret,omitempty"` // hex
	Keys   []sealedKeyView `json:"keys"`
}

func writeKeyAdded(c *call, key *newKey, keys []signet.SealedKey) {
	web.WriteJSON(c.w, http.StatusCreated, keyAdded{key.id, key.shown, viewSealedKeys(keys)})
}

// judged turns a room's judgement into an answer of this one.
func judged(err error, member string) error {
	if err == nil {
		return nil
	}
	text := "is not allowed"
	var known *signet.Error
	if errors.As(err, &known) && known.Message != "" {
		text = known.Message
	}
	return badRequest(member, "%s: %s", member, text)
}
