package admin

import (
	"crypto/rand"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
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

// viewPIN: whether the application may act is its client's state.
func viewPIN(p *signet.PINApplication, disabled bool) pinView {
	return pinView{ID: p.ID, PINApplicationMetadata: p.PINApplicationMetadata, Keys: viewSealedKeys(p.Keys), Disabled: disabled,
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, Version: p.Version}
}

func pinTarget(id signet.ClientID) string { return signet.OwnerPINApplication + string(id) }

func (a *Admin) listPINApplications(c *call) error {
	page, err := a.page(c.r, "pin-applications")
	if err != nil {
		return err
	}
	apps, err := a.o.Contracts.PINApplications.ListPINApplications(c.ctx(), page.After, page.Limit)
	if err != nil {
		return err
	}
	views, last := make([]pinView, 0, len(apps)), ""
	for i := range apps {
		client, err := a.o.Clients.Client(c.ctx(), apps[i].ID)
		if err != nil {
			return err
		}
		views, last = append(views, viewPIN(&apps[i], client.Disabled())), string(apps[i].ID)
	}
	writeList(c, "pin_applications", views, a.nextPage("pin-applications", page, len(apps), last))
	return nil
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
	if len(j) == 0 {
		return nil
	}
	return badRequest("pin_application", "%s.", strings.Join(j, "; "))
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
		return err
	}
	view := viewPIN(app, false)
	view.PIN, view.KeyID, view.Key = pin, key.id, key.shown
	c.w.Header().Set("Location", "/admin/v1/pin-applications/"+string(app.ID))
	c.w.Header().Set("ETag", etag(app.Version))
	web.WriteJSON(c.w, http.StatusCreated, view)
	return nil
}

// pinApplication reads the record of the path with its client; the copies may be changed.
func (a *Admin) pinApplication(c *call) (*signet.PINApplication, *signet.Client, error) {
	if err := noQuery(c.r); err != nil {
		return nil, nil, err
	}
	id := c.r.PathValue("client_id")
	if !clientIDs.MatchString(id) {
		return nil, nil, signet.ErrNotFound
	}
	return a.storedPIN(c, signet.ClientID(id))
}

func (a *Admin) storedPIN(c *call, id signet.ClientID) (*signet.PINApplication, *signet.Client, error) {
	app, err := a.o.Contracts.PINApplications.PINApplicationByID(c.ctx(), id)
	if err != nil {
		return nil, nil, err
	}
	client, err := a.o.Clients.Client(c.ctx(), id)
	if err != nil {
		return nil, nil, err
	}
	ownApp, ownClient := *app, *client
	return &ownApp, &ownClient, nil
}

// writeStoredPIN answers with what stands now; fill adds what is shown this once.
func (a *Admin) writeStoredPIN(c *call, status int, id signet.ClientID, fill func(*pinView)) error {
	app, client, err := a.storedPIN(c, id)
	if err != nil {
		return err
	}
	view := viewPIN(app, client.Disabled())
	if fill != nil {
		fill(&view)
	}
	c.w.Header().Set("ETag", etag(app.Version))
	web.WriteJSON(c.w, status, view)
	return nil
}

func (a *Admin) getPINApplication(c *call) error {
	app, _, err := a.pinApplication(c)
	if err != nil {
		return err
	}
	return a.writeStoredPIN(c, http.StatusOK, app.ID, nil)
}

func (a *Admin) putPINApplication(c *call) error {
	app, _, err := a.pinApplication(c)
	if err != nil {
		return err
	}
	if err := matchVersion(c.r, app.Version); err != nil {
		return err
	}
	var in pinReplace
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.ID != "" && in.ID != app.ID {
		return badRequest("id", "The id cannot be changed.")
	}
	if err := pinMetadata(&in.PINApplicationMetadata); err != nil {
		return err
	}
	if in.Username != app.Username {
		return badRequest("username", "The username cannot be changed: create another application.")
	}
	if err := a.pinModeFits(&in.PINApplicationMetadata, app); err != nil {
		return err
	}
	// Networks, certificate and lifetimes stand in both records: one act writes both, or a write that came too late for the
	// second would leave a fence on one of them alone.
	app.PINApplicationMetadata, app.UpdatedAt = in.PINApplicationMetadata, a.o.Now()
	metadata := a.o.Contracts.PINClient(in.PINApplicationMetadata)
	event, clientEvent := a.event(c, signet.EventPINApplicationUpdated, pinTarget(app.ID)), a.event(c, signet.EventClientUpdated, "client:"+string(app.ID))
	event.ClientID, clientEvent.ClientID = app.ID, app.ID
	if err := a.o.Contracts.PINApplications.UpdatePINApplicationWithClient(c.ctx(), app, metadata, event, clientEvent); err != nil {
		return stale(err)
	}
	return a.writeStoredPIN(c, http.StatusOK, app.ID, nil)
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
	app, _, err := a.pinApplication(c)
	if err != nil {
		return err
	}
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
	event := a.event(c, signet.EventPINApplicationUpdated, pinTarget(app.ID))
	event.ClientID, event.Reason = app.ID, "pin_changed"
	if err := a.o.Contracts.PINApplications.UpdatePINApplication(c.ctx(), app, event); err != nil {
		return stale(err)
	}
	return a.writeStoredPIN(c, http.StatusOK, app.ID, func(view *pinView) { view.PIN = made })
}

func (a *Admin) disablePINApplication(c *call) error { return a.setPINDisabled(c, true) }
func (a *Admin) enablePINApplication(c *call) error  { return a.setPINDisabled(c, false) }

// setPINDisabled acts on the application's client: disabling ends its grants like every other client's.
func (a *Admin) setPINDisabled(c *call, disabled bool) error {
	app, _, err := a.pinApplication(c)
	if err != nil {
		return err
	}
	if err := empty(c.r); err != nil {
		return err
	}
	kind := signet.EventClientEnabled
	if disabled {
		kind = signet.EventClientDisabled
	}
	event := a.event(c, kind, pinTarget(app.ID))
	event.ClientID = app.ID
	if err := a.o.Clients.SetClientDisabled(c.ctx(), app.ID, disabled, event); err != nil {
		return err
	}
	return a.writeStoredPIN(c, http.StatusOK, app.ID, nil)
}

// rotatePINKey adds an AES key; both decrypt until the older one ends.
func (a *Admin) rotatePINKey(c *call) error {
	app, _, err := a.pinApplication(c)
	if err != nil {
		return err
	}
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
	return a.writeStoredPIN(c, http.StatusCreated, app.ID, func(view *pinView) { view.KeyID, view.Key = key.id, key.shown })
}

func (a *Admin) endPINKey(c *call) error {
	app, _, err := a.pinApplication(c)
	if err != nil {
		return err
	}
	return a.endKey(c, pinTarget(app.ID), app.Keys)
}
