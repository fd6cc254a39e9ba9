package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// clientInput is the body of a create or a replace: RFC 7591 metadata, signet's members, and admin.
type clientInput struct {
	ClientID signet.ClientID `json:"client_id"`
	signet.ClientMetadata
	Admin bool `json:"admin"`
}

// clientReplace takes back what a GET gave, so that read, edit, write works: the members that only signet sets are
// read over.
type clientReplace struct {
	clientInput
	IssuedAt  json.RawMessage `json:"client_id_issued_at"`
	Disabled  json.RawMessage `json:"disabled"`
	Secrets   json.RawMessage `json:"secrets"`
	CreatedAt json.RawMessage `json:"created_at"`
	UpdatedAt json.RawMessage `json:"updated_at"`
	Version   json.RawMessage `json:"version"`
	Warnings  json.RawMessage `json:"warnings"`
}

// clientView is a client on the wire. The secret is in the answer that makes it and in no other.
type clientView struct {
	ClientID     signet.ClientID `json:"client_id"`
	ClientSecret string          `json:"client_secret,omitempty"`
	// SecretExpiresAt is required beside a secret (RFC 7591 §3.2.1); 0: it does not expire.
	SecretExpiresAt *int64 `json:"client_secret_expires_at,omitempty"`
	IssuedAt        int64  `json:"client_id_issued_at"`
	signet.ClientMetadata
	Admin     bool         `json:"admin"`
	Disabled  bool         `json:"disabled"`
	Secrets   []secretView `json:"secrets,omitempty"`
	CreatedAt time.Time    `json:"created_at"`
	UpdatedAt time.Time    `json:"updated_at"`
	Version   int64        `json:"version"`
	// Warnings are what the operator should know of what was just written; no part of the record.
	Warnings []string `json:"warnings,omitempty"`
}

type secretView struct {
	ID        string     `json:"id"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

func viewClient(c *signet.Client, secret signet.Secret) clientView {
	view := clientView{ClientID: c.ID, IssuedAt: c.CreatedAt.Unix(), ClientMetadata: c.ClientMetadata, Admin: c.Admin,
		Disabled: c.Disabled(), CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, Version: c.Version}
	for _, s := range c.Secrets {
		view.Secrets = append(view.Secrets, secretView{s.ID, s.CreatedAt, s.ExpiresAt})
	}
	if secret != "" {
		view.ClientSecret, view.SecretExpiresAt = secret.Reveal(), new(int64)
	}
	return view
}

// clientAnswer is what the answer to a write says beside the record.
type clientAnswer struct {
	secret   signet.Secret
	warnings []string
}

func (a *Admin) clients() *record[signet.Client] {
	return &record[signet.Client]{
		noun: "client",
		find: func(c *call) (*signet.Client, error) {
			id, err := named(c, "client_id", clientIDs)
			if err != nil {
				return nil, err
			}
			return a.o.Clients.Client(c.ctx(), signet.ClientID(id))
		},
		version: func(client *signet.Client) int64 { return client.Version },
		view:    func(client *signet.Client) any { return viewClient(client, "") },
		event: func(c *call, kind signet.EventKind, client *signet.Client) signet.Event {
			return a.clientEvent(c, kind, client.ID)
		},
		disable: func(ctx context.Context, client *signet.Client, disabled bool, event signet.Event) error {
			return a.o.Clients.SetClientDisabled(ctx, client.ID, disabled, event)
		},
		disabled: signet.EventClientDisabled, enabled: signet.EventClientEnabled,
	}
}

// writeClient answers a write that says more than the record.
func (a *Admin) writeClient(c *call, status int, client *signet.Client, answer *clientAnswer) {
	view := viewClient(client, answer.secret)
	view.Warnings = answer.warnings
	a.clients().writeView(c, status, client, view)
}

func (a *Admin) listClients(c *call) error {
	return writePage(a, c, "clients", a.o.Clients.ListClients,
		func(client *signet.Client) (clientView, string) { return viewClient(client, ""), string(client.ID) })
}

// clientIDs are what an operator may choose; without a choice signet makes a UUID. The set is narrow because the id
// stands in URLs, in file names and, as client:{id}, in sub.
var clientIDs = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func (a *Admin) createClient(c *call) error {
	var in clientInput
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.ClientID == "" {
		in.ClientID = signet.NewClientID()
	}
	if !clientIDs.MatchString(string(in.ClientID)) {
		return badRequest("client_id", "The client_id may have letters, digits, dot, underscore and hyphen, 100 at most.")
	}
	warnings, err := a.metadata(c.ctx(), &in.ClientMetadata, in.Admin, nil)
	if err != nil {
		return err
	}
	now := a.o.Now()
	client := &signet.Client{ID: in.ClientID, ClientMetadata: in.ClientMetadata, Admin: in.Admin, CreatedAt: now, UpdatedAt: now, Version: 1}
	answer := &clientAnswer{warnings: warnings}
	if usesSecret(&in.ClientMetadata) {
		answer.secret = a.addSecret(client, now)
	}
	if err := a.o.Clients.InsertClient(c.ctx(), client, a.clientEvent(c, signet.EventClientCreated, client.ID)); err != nil {
		return taken("client_id", err)
	}
	c.w.Header().Set("Location", "/admin/v1/clients/"+string(client.ID))
	a.writeClient(c, http.StatusCreated, client, answer)
	return nil
}

func usesSecret(m *signet.ClientMetadata) bool {
	return m.TokenEndpointAuthMethod == signet.AuthSecretBasic || m.TokenEndpointAuthMethod == signet.AuthSecretPost
}

func (a *Admin) addSecret(client *signet.Client, now time.Time) signet.Secret {
	secret := signet.NewSecret(signet.SecretClient)
	client.Secrets = append(client.Secrets, signet.ClientSecret{ID: signet.NewID(), Hash: a.o.HashKeys().Hash(secret.Reveal()), CreatedAt: now})
	return secret
}

// putClient replaces the metadata as a whole (RFC 7592 §2.2): what is left out returns to its default.
func (a *Admin) putClient(c *call) error {
	client, err := edited(c, a.clients())
	if err != nil {
		return err
	}
	var in clientReplace
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if err := unchanged("client_id", string(in.ClientID), string(client.ID)); err != nil {
		return err
	}
	if client.MayUse(signet.GrantPIN) {
		return badRequest("pin_application", "This client belongs to a PIN application: change it at /admin/v1/pin-applications.")
	}
	warnings, err := a.metadata(c.ctx(), &in.ClientMetadata, in.Admin, client)
	if err != nil {
		return err
	}
	if client.Public() != (in.TokenEndpointAuthMethod == signet.AuthNone) {
		// What was issued to one kind must not be usable under the rules of the other.
		return badRequest("auth_method", "A public client cannot become confidential, nor the reverse: create another.")
	}
	client.ClientMetadata, client.Admin = in.ClientMetadata, in.Admin
	if !usesSecret(&client.ClientMetadata) {
		client.Secrets = nil
	}
	return a.write(c, client, &clientAnswer{warnings: warnings}, a.clientEvent(c, signet.EventClientUpdated, client.ID))
}

// clientEvent starts the audit event of an act on a client.
func (a *Admin) clientEvent(c *call, kind signet.EventKind, id signet.ClientID) signet.Event {
	event := a.event(c, kind, "client:"+string(id))
	event.ClientID = id
	return event
}

// write writes a changed client and answers with it.
func (a *Admin) write(c *call, client *signet.Client, answer *clientAnswer, event signet.Event) error {
	client.UpdatedAt = a.o.Now()
	if err := a.o.Clients.UpdateClient(c.ctx(), client, event); err != nil {
		return stale(err)
	}
	stored, err := a.clients().find(c)
	if err != nil {
		return err
	}
	a.writeClient(c, http.StatusOK, stored, answer)
	return nil
}

// overlap is how long the secret of before lives on beside a new one, unless the call says otherwise.
const (
	overlap    = 24 * time.Hour
	maxOverlap = 90 * 24 * time.Hour
)

// rotateSecret adds a secret and lets the one before it expire, so that a client can be changed over without an outage.
func (a *Admin) rotateSecret(c *call) error {
	client, err := a.clients().load(c)
	if err != nil {
		return err
	}
	in := struct {
		Overlap *signet.Seconds `json:"overlap"` // seconds that the secret of before lives on; 0 ends it now
	}{}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if !usesSecret(&client.ClientMetadata) {
		return badRequest("auth_method", "This client has no secret.")
	}
	keep, given, err := overlapOf(in.Overlap)
	if err != nil {
		return err
	}
	if !given {
		keep = overlap
	}
	now := a.o.Now()
	ends := now.Add(keep)
	var live []signet.ClientSecret
	for _, s := range client.Secrets {
		if s.ExpiresAt != nil && !now.Before(*s.ExpiresAt) || keep == 0 {
			continue
		}
		if s.ExpiresAt == nil || s.ExpiresAt.After(ends) {
			s.ExpiresAt = &ends
		}
		live = append(live, s)
	}
	if len(live) > 1 {
		return signet.NewError(signet.CodeConflict, "Two secrets are live: wait for the older one, or send overlap 0 to end both.", "secrets_live")
	}
	client.Secrets = live
	secret := a.addSecret(client, now)
	return a.write(c, client, &clientAnswer{secret: secret}, a.clientEvent(c, signet.EventSecretRotated, client.ID))
}
