package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// hmacKeyInput is an HMAC key in a body: the biller's own (hmac_key with key_encoding), or none: signet makes one.
type hmacKeyInput struct {
	HMACKey     signet.Secret `json:"hmac_key"`
	KeyEncoding string        `json:"key_encoding"`
	KeyID       signet.KeyID  `json:"kid"`
}

const (
	leastHMACKey = 16 // 128 bits: keys of old systems come in, guessable ones do not
	hmacKeySize  = 32
)

func (in hmacKeyInput) key(scheme signet.HMACScheme) (*newKey, error) {
	encoding := in.KeyEncoding
	if encoding == "" && in.HMACKey != "" {
		encoding = scheme.KeyEncoding
	}
	return secretBytes{in.HMACKey, encoding, in.KeyID}.material("hmac_key", leastHMACKey, hmacKeySize)
}

type billerInput struct {
	ID signet.BillerID `json:"id"`
	signet.BillerMetadata
	hmacKeyInput
}

// billerReplace takes back what a GET gave.
type billerReplace struct {
	ID signet.BillerID `json:"id"`
	signet.BillerMetadata
	Keys      json.RawMessage `json:"keys"`
	Disabled  json.RawMessage `json:"disabled"`
	CreatedAt json.RawMessage `json:"created_at"`
	UpdatedAt json.RawMessage `json:"updated_at"`
	Version   json.RawMessage `json:"version"`
}

// billerView is a biller on the wire. hmac_key is the hex of a key that signet made, in the answer that made it.
type billerView struct {
	ID signet.BillerID `json:"id"`
	signet.BillerMetadata
	KeyID     signet.KeyID    `json:"kid,omitempty"`
	HMACKey   string          `json:"hmac_key,omitempty"`
	Keys      []sealedKeyView `json:"keys"`
	Disabled  bool            `json:"disabled"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	Version   int64           `json:"version"`
}

func viewBiller(b *signet.Biller) billerView {
	return billerView{ID: b.ID, BillerMetadata: b.BillerMetadata, Keys: viewSealedKeys(b.Keys), Disabled: b.Disabled(),
		CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt, Version: b.Version}
}

func writeBiller(c *call, status int, b *signet.Biller, made *newKey) {
	view := viewBiller(b)
	if made != nil {
		view.KeyID, view.HMACKey = made.id, made.shown
	}
	c.w.Header().Set("ETag", etag(b.Version))
	web.WriteJSON(c.w, status, view)
}

func (a *Admin) listBillers(c *call) error {
	return writePage(a, c, "billers", "billers", a.o.Contracts.Billers.ListBillers,
		func(b *signet.Biller) (billerView, string) { return viewBiller(b), string(b.ID) })
}

func (a *Admin) createBiller(c *call) error {
	var in billerInput
	if err := decode(c.r, &in); err != nil {
		return err
	}
	id := strings.ToLower(string(in.ID))
	if id == "" {
		id = signet.NewUUID()
	}
	if !guids.MatchString(id) {
		return badRequest("id", "The id must be a GUID.")
	}
	if err := a.billerProblems(c, &in.BillerMetadata); err != nil {
		return err
	}
	key, err := in.key(in.Scheme)
	if err != nil {
		return err
	}
	now := a.o.Now()
	biller := &signet.Biller{ID: signet.BillerID(id), BillerMetadata: in.BillerMetadata, CreatedAt: now, UpdatedAt: now, Version: 1}
	biller.Keys = []signet.SealedKey{a.seal(biller.Principal(), signet.KeyHMAC, "", key)}
	if err := a.o.Contracts.Billers.InsertBiller(c.ctx(), biller, a.event(c, signet.EventBillerCreated, biller.Principal())); err != nil {
		return err
	}
	c.w.Header().Set("Location", "/admin/v1/billers/"+id)
	writeBiller(c, http.StatusCreated, biller, key)
	return nil
}

// biller reads the record of the path; the copy may be changed.
func (a *Admin) biller(c *call) (*signet.Biller, error) {
	if err := noQuery(c.r); err != nil {
		return nil, err
	}
	id := c.r.PathValue("biller")
	if !guids.MatchString(id) {
		return nil, signet.ErrNotFound
	}
	found, err := a.o.Contracts.Billers.Biller(c.ctx(), signet.BillerID(id))
	if err != nil {
		return nil, err
	}
	own := *found
	return &own, nil
}

func (a *Admin) getBiller(c *call) error {
	biller, err := a.biller(c)
	if err != nil {
		return err
	}
	writeBiller(c, http.StatusOK, biller, nil)
	return nil
}

// writeStoredBiller answers with what stands now.
func (a *Admin) writeStoredBiller(c *call, id signet.BillerID) error {
	stored, err := a.o.Contracts.Billers.Biller(c.ctx(), id)
	if err != nil {
		return err
	}
	writeBiller(c, http.StatusOK, stored, nil)
	return nil
}

func (a *Admin) putBiller(c *call) error {
	biller, err := a.biller(c)
	if err != nil {
		return err
	}
	if err := matchVersion(c.r, biller.Version); err != nil {
		return err
	}
	var in billerReplace
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.ID != "" && in.ID != biller.ID {
		return badRequest("id", "The id cannot be changed.")
	}
	if err := a.billerProblems(c, &in.BillerMetadata); err != nil {
		return err
	}
	biller.BillerMetadata, biller.UpdatedAt = in.BillerMetadata, a.o.Now()
	if err := a.o.Contracts.Billers.UpdateBiller(c.ctx(), biller, a.event(c, signet.EventBillerUpdated, biller.Principal())); err != nil {
		return stale(err)
	}
	return a.writeStoredBiller(c, biller.ID)
}

func (a *Admin) disableBiller(c *call) error {
	return a.setBillerDisabled(c, true, signet.EventBillerDisabled)
}

func (a *Admin) enableBiller(c *call) error {
	return a.setBillerDisabled(c, false, signet.EventBillerEnabled)
}

// setBillerDisabled: disabling takes back every token that was issued for the biller.
func (a *Admin) setBillerDisabled(c *call, disabled bool, kind signet.EventKind) error {
	biller, err := a.biller(c)
	if err != nil {
		return err
	}
	if err := empty(c.r); err != nil {
		return err
	}
	if err := a.o.Contracts.Billers.SetBillerDisabled(c.ctx(), biller.ID, disabled, a.event(c, kind, biller.Principal())); err != nil {
		return err
	}
	return a.writeStoredBiller(c, biller.ID)
}

// rotateBillerKey adds a key; both verify, so that the biller can change over without an outage. overlap ends the
// older one after so many seconds.
func (a *Admin) rotateBillerKey(c *call) error {
	biller, err := a.biller(c)
	if err != nil {
		return err
	}
	var in struct {
		hmacKeyInput
		Overlap *signet.Seconds `json:"overlap"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	key, err := in.key(biller.Scheme)
	if err != nil {
		return err
	}
	if err := a.roomForKey(biller.Keys); err != nil {
		return err
	}
	sealed := a.seal(biller.Principal(), signet.KeyHMAC, "", key)
	if err := a.addKey(c, &sealed, biller.Keys, in.Overlap); err != nil {
		return err
	}
	stored, err := a.o.Contracts.Billers.Biller(c.ctx(), biller.ID)
	if err != nil {
		return err
	}
	writeBiller(c, http.StatusCreated, stored, key)
	return nil
}

func (a *Admin) endBillerKey(c *call) error {
	biller, err := a.biller(c)
	if err != nil {
		return err
	}
	return a.endKey(c, biller.Principal(), biller.Keys)
}
