package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
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

func (a *Admin) billers() *record[signet.Biller] {
	return &record[signet.Biller]{
		noun: "biller",
		find: func(c *call) (*signet.Biller, error) {
			id, err := named(c, "biller", guids)
			if err != nil {
				return nil, err
			}
			return a.o.Contracts.Billers.Biller(c.ctx(), signet.BillerID(id))
		},
		version: func(b *signet.Biller) int64 { return b.Version },
		view:    func(b *signet.Biller) any { return viewBiller(b) },
		event: func(c *call, kind signet.EventKind, b *signet.Biller) signet.Event {
			return a.event(c, kind, b.Principal())
		},
		// Every token that was issued for the biller is taken back.
		disable: func(ctx context.Context, b *signet.Biller, disabled bool, event signet.Event) error {
			return a.o.Contracts.Billers.SetBillerDisabled(ctx, b.ID, disabled, event)
		},
		disabled: signet.EventBillerDisabled, enabled: signet.EventBillerEnabled,
	}
}

// writeNewKey answers with the biller and the key that was just made.
func (a *Admin) writeNewKey(c *call, b *signet.Biller, made *newKey) {
	view := viewBiller(b)
	view.KeyID, view.HMACKey = made.id, made.shown
	a.billers().writeView(c, http.StatusCreated, b, view)
}

func (a *Admin) listBillers(c *call) error {
	return writePage(a, c, "billers", a.o.Contracts.Billers.ListBillers,
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
		return taken("id", err)
	}
	c.w.Header().Set("Location", "/admin/v1/billers/"+id)
	a.writeNewKey(c, biller, key)
	return nil
}

func (a *Admin) putBiller(c *call) error {
	return replace(c, a.billers(), a.o.Contracts.Billers.UpdateBiller, func(biller *signet.Biller, in *billerReplace) (signet.Event, error) {
		if err := unchanged("id", string(in.ID), string(biller.ID)); err != nil {
			return signet.Event{}, err
		}
		if err := a.billerProblems(c, &in.BillerMetadata); err != nil {
			return signet.Event{}, err
		}
		biller.BillerMetadata, biller.UpdatedAt = in.BillerMetadata, a.o.Now()
		return a.event(c, signet.EventBillerUpdated, biller.Principal()), nil
	})
}

// rotateBillerKey adds a key; both verify, so that the biller can change over without an outage. overlap ends the
// older one after so many seconds.
func (a *Admin) rotateBillerKey(c *call) error {
	biller, err := a.billers().load(c)
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
	stored, err := a.billers().find(c)
	if err != nil {
		return err
	}
	a.writeNewKey(c, stored, key)
	return nil
}

func (a *Admin) endBillerKey(c *call) error {
	biller, err := a.billers().load(c)
	if err != nil {
		return err
	}
	return a.endKey(c, biller.Principal(), biller.Keys)
}
