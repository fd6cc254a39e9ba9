package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

type pinKeyInput struct {
	Key         signet.Secret `json:"key"`
	KeyEncoding string        `json:"key_encoding"`
	KeyID       signet.KeyID  `json:"kid"`
}

type pinInput struct {
	ID signet.ClientID `json:"id"`
	signet.PINApplicationMetadata
	PIN signet.Secret `json:"pin"`
	pinKeyInput
}

// pinReplace takes back what a GET gave.
type pinReplace struct {
	ID signet.ClientID `json:"id"`
	signet.PINApplicationMetadata
	Keys      json.RawMessage `json:"keys"`
	Disabled  json.RawMessage `json:"disabled"`
	CreatedAt json.RawMessage `json:"created_at"`
	UpdatedAt json.RawMessage `json:"updated_at"`
	Version   json.RawMessage `json:"version"`
}

// pinView is an application on the wire. pin and key (hex) are in the answer that made them, when signet made them.
type pinView struct {
	ID signet.ClientID `json:"id"`
	signet.PINApplicationMetadata
	PIN       string          `json:"pin,omitempty"`
	KeyID     signet.KeyID    `json:"kid,omitempty"`
	Key       string          `json:"key,omitempty"`
	Keys      []sealedKeyView `json:"keys"`
	Disabled  bool            `json:"disabled"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	Version   int64           `json:"version"`
}

func pinTarget(id signet.ClientID) string { return signet.OwnerPINApplication + string(id) }

// pinRecord is an application with its client, whose state says whether it may act.
type pinRecord struct {
	app    *signet.PINApplication
	client *signet.Client
}

func (a *Admin) pinApplications() *record[pinRecord] {
	return &record[pinRecord]{
		noun: "PIN application",
		find: func(c *call) (*pinRecord, error) {
			id, err := named(c, "client_id", clientIDs)
			if err != nil {
				return nil, err
			}
			found, err := a.o.Contracts.PINApplications.PINApplicationByID(c.ctx(), signet.ClientID(id))
			if err != nil {
				return nil, err
			}
			return a.withClient(c.ctx(), found)
		},
		version: func(p *pinRecord) int64 { return p.app.Version },
		view:    func(p *pinRecord) any { return p.view() },
		event: func(c *call, kind signet.EventKind, p *pinRecord) signet.Event {
			event := a.event(c, kind, pinTarget(p.app.ID))
			event.ClientID = p.app.ID
			return event
		},
		// It acts on the application's client: disabling ends its grants like every other client's.
		disable: func(ctx context.Context, p *pinRecord, disabled bool, event signet.Event) error {
			return a.o.Clients.SetClientDisabled(ctx, p.app.ID, disabled, event)
		},
		disabled: signet.EventClientDisabled, enabled: signet.EventClientEnabled,
	}
}

// withClient reads the client of an application; the copy of the application may be changed.
func (a *Admin) withClient(ctx context.Context, found *signet.PINApplication) (*pinRecord, error) {
	client, err := a.o.Clients.Client(ctx, found.ID)
	if err != nil {
		return nil, err
	}
	app := *found
	return &pinRecord{&app, client}, nil
}

func (p *pinRecord) view() pinView {
	return pinView{ID: p.app.ID, PINApplicationMetadata: p.app.PINApplicationMetadata, Keys: viewSealedKeys(p.app.Keys), Disabled: p.client.Disabled(),
		CreatedAt: p.app.CreatedAt, UpdatedAt: p.app.UpdatedAt, Version: p.app.Version}
}

func (a *Admin) listPINApplications(c *call) error {
	list := func(ctx context.Context, after string, limit int) ([]pinRecord, error) {
		apps, err := a.o.Contracts.PINApplications.ListPINApplications(ctx, after, limit)
		if err != nil {
			return nil, err
		}
		var records []pinRecord
		for i := range apps {
			record, err := a.withClient(ctx, &apps[i])
			if err != nil {
				return nil, err
			}
			records = append(records, *record)
		}
		return records, nil
	}
	return writePage(a, c, "pin_applications", list, func(p *pinRecord) (pinView, string) { return p.view(), string(p.app.ID) })
}

// aesBytes is the length of a mode's key.
func aesBytes(mode string) (size int, alg string) {
	if mode == signet.PINCBC128 || mode == signet.PINECB128 {
		return 16, "AES-128"
	}
	return 32, "AES-256"
}

func (in pinKeyInput) key(mode string) (*newKey, string, error) {
	size, alg := aesBytes(mode)
	key, err := secretBytes{in.Key, in.KeyEncoding, in.KeyID}.material("key", 1, size)
	if err != nil {
		return nil, "", err
	}
	if len(key.plain) != size {
		return nil, "", badRequest("key_length", "The key must have %d bytes in this mode.", size)
	}
	return key, alg, nil
}

const madePINDigits = 8

// pin reads a given PIN or makes one of digits, each as likely as every other.
func (a *Admin) pin(c *call, given signet.Secret) (phc, made string, err error) {
	text := given.Reveal()
	if text == "" {
		var b strings.Builder
		for range madePINDigits {
			digit, _ := rand.Int(rand.Reader, big.NewInt(10)) // never fails: it ends the process when the system has no randomness
			b.WriteByte(byte('0' + digit.Int64()))
		}
		text, made = b.String(), b.String()
	}
	if len(text) < 4 || !textOK(text, 64) {
		return "", "", badRequest("pin", "The pin must have 4 to 64 characters, none of them invisible.")
	}
	phc, err = a.o.Passwords.Hash(c.ctx(), text)
	return phc, made, err
}

func pinMetadata(m *signet.PINApplicationMetadata) error {
	if m.Mode == "" {
		m.Mode = signet.PINv2
	}
	var j faults
	j.need(m.Username != "" && textOK(m.Username, 254), "username", "must have 1 to 254 characters, none of them invisible")
	j.networks(m.AllowedNetworks)
	j.need(m.ExecTime == "" || m.ExecTime == "integer", "exec_time", "must be integer, or left out")
	j.need(m.GrantLifetime >= 0 && m.GrantLifetime <= 30*86400, "grant_lifetime", "must be 0 to 30 days, in seconds")
	return j.refuse("pin_application")
}

func (a *Admin) createPINApplication(c *call) error {
	var in pinInput
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.ID == "" {
		in.ID = signet.NewClientID()
	}
	if !clientIDs.MatchString(string(in.ID)) {
		return badRequest("id", "The id may have letters, digits, dot, underscore and hyphen, 100 at most.")
	}
	if err := pinMetadata(&in.PINApplicationMetadata); err != nil {
		return err
	}
	size, _ := aesBytes(in.Mode)
	if err := judged(a.o.Contracts.CheckPIN(in.PINApplicationMetadata, size), "mode"); err != nil {
		return err
	}
	key, alg, err := in.pinKeyInput.key(in.Mode)
	if err != nil {
		return err
	}
	phc, pin, err := a.pin(c, in.PIN)
	if err != nil {
		return err
	}
	now := a.o.Now()
	app := &signet.PINApplication{ID: in.ID, PINApplicationMetadata: in.PINApplicationMetadata, PINHash: phc, CreatedAt: now, UpdatedAt: now, Version: 1}
	client := &signet.Client{ID: app.ID, ClientMetadata: a.o.Contracts.PINClient(app.PINApplicationMetadata), CreatedAt: now, UpdatedAt: now, Version: 1}
	// The row that the tokens speak for: nobody can log in with it, its name holds what no login name may.
	user := &signet.User{ID: app.UserID(), Username: string(app.UserID()), CreatedAt: now, UpdatedAt: now, Version: 1}
	app.Keys = []signet.SealedKey{a.seal(pinTarget(app.ID), signet.KeyPIN, alg, key)}
	event := a.event(c, signet.EventPINApplicationCreated, pinTarget(app.ID))
	event.ClientID = app.ID
	if err := a.o.Contracts.PINApplications.InsertPINApplication(c.ctx(), app, client, user, app.Keys, event); err != nil {
		return taken("id or username", err)
	}
	made := &pinRecord{app, client}
	view := made.view()
	view.PIN, view.KeyID, view.Key = pin, key.id, key.shown
	c.w.Header().Set("Location", "/admin/v1/pin-applications/"+string(app.ID))
	a.pinApplications().writeView(c, http.StatusCreated, made, view)
	return nil
}

// writeStoredPIN answers with what stands now; fill adds what is shown this once.
func (a *Admin) writeStoredPIN(c *call, status int, fill func(*pinView)) error {
	applications := a.pinApplications()
	stored, err := applications.find(c)
	if err != nil {
		return err
	}
	view := stored.view()
	fill(&view)
	applications.writeView(c, status, stored, view)
	return nil
}

func (a *Admin) putPINApplication(c *call) error {
	applications := a.pinApplications()
	// Networks, certificate and lifetimes stand in both records: one act writes both, or a write that came too late for the
	// second would leave a fence on one of them alone.
	update := func(ctx context.Context, p *pinRecord, event signet.Event) error {
		clientEvent := a.clientEvent(c, signet.EventClientUpdated, p.app.ID)
		return a.o.Contracts.PINApplications.UpdatePINApplicationWithClient(ctx, p.app,
			a.o.Contracts.PINClient(p.app.PINApplicationMetadata), event, clientEvent)
	}
	return replace(c, applications, update, func(p *pinRecord, in *pinReplace) (signet.Event, error) {
		if err := unchanged("id", string(in.ID), string(p.app.ID)); err != nil {
			return signet.Event{}, err
		}
		if err := pinMetadata(&in.PINApplicationMetadata); err != nil {
			return signet.Event{}, err
		}
		if in.Username != p.app.Username {
			return signet.Event{}, badRequest("username", "The username cannot be changed: create another application.")
		}
		if err := a.pinModeFits(&in.PINApplicationMetadata, p.app); err != nil {
			return signet.Event{}, err
		}
		p.app.PINApplicationMetadata, p.app.UpdatedAt = in.PINApplicationMetadata, a.o.Now()
		return applications.event(c, signet.EventPINApplicationUpdated, p), nil
	})
}

// pinModeFits: a mode needs keys of its length; the ones that live are asked.
func (a *Admin) pinModeFits(m *signet.PINApplicationMetadata, app *signet.PINApplication) error {
	size, alg := aesBytes(m.Mode)
	if err := judged(a.o.Contracts.CheckPIN(*m, size), "mode"); err != nil {
		return err
	}
	now := a.o.Now()
	for i := range app.Keys {
		if app.Keys[i].Live(now) && app.Keys[i].Alg != alg {
			return badRequest("mode", "The mode needs a key of another length: create another application.")
		}
	}
	return nil
}

// setPIN changes the PIN and ends what was issued under the one of before.
func (a *Admin) setPIN(c *call) error {
	found, err := a.pinApplications().load(c)
	if err != nil {
		return err
	}
	app := found.app
	var in struct {
		PIN signet.Secret `json:"pin"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	phc, made, err := a.pin(c, in.PIN)
	if err != nil {
		return err
	}
	app.PINHash, app.UpdatedAt = phc, a.o.Now()
	event := a.pinApplications().event(c, signet.EventPINApplicationUpdated, found)
	event.Reason = "pin_changed"
	if err := a.o.Contracts.PINApplications.UpdatePINApplication(c.ctx(), app, event); err != nil {
		return stale(err)
	}
	return a.writeStoredPIN(c, http.StatusOK, func(view *pinView) { view.PIN = made })
}

// rotatePINKey adds an AES key; both decrypt until the older one ends.
func (a *Admin) rotatePINKey(c *call) error {
	found, err := a.pinApplications().load(c)
	if err != nil {
		return err
	}
	app := found.app
	var in struct {
		pinKeyInput
		Overlap *signet.Seconds `json:"overlap"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	key, alg, err := in.pinKeyInput.key(app.Mode)
	if err != nil {
		return err
	}
	if err := a.roomForKey(app.Keys); err != nil {
		return err
	}
	sealed := a.seal(pinTarget(app.ID), signet.KeyPIN, alg, key)
	if err := a.addKey(c, &sealed, app.Keys, in.Overlap); err != nil {
		return err
	}
	return a.writeStoredPIN(c, http.StatusCreated, func(view *pinView) { view.KeyID, view.Key = key.id, key.shown })
}

func (a *Admin) endPINKey(c *call) error {
	found, err := a.pinApplications().load(c)
	if err != nil {
		return err
	}
	return a.endKey(c, pinTarget(found.app.ID), found.app.Keys)
}
