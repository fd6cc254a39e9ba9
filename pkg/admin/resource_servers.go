package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// resourceServerInput is the body of a create. The key comes in exactly one way: a public one as jwk or pem; one that
// signet is to hold as private_key_pem, or made by generate.
type resourceServerInput struct {
	ID string `json:"id"`
	signet.ResourceServerMetadata
	keyInput
}

type keyInput struct {
	PEM           string        `json:"pem"`
	PrivateKeyPEM signet.Secret `json:"private_key_pem"`
	Generate      bool          `json:"generate"`
}

// resourceServerReplace takes back what a GET gave. jwk or pem put another public key in place of the one of before.
type resourceServerReplace struct {
	ID string `json:"id"`
	signet.ResourceServerMetadata
	PEM          string          `json:"pem"`
	Keys         json.RawMessage `json:"keys"`
	HoldsPrivate json.RawMessage `json:"holds_private_key"`
	Disabled     json.RawMessage `json:"disabled"`
	CreatedAt    json.RawMessage `json:"created_at"`
	UpdatedAt    json.RawMessage `json:"updated_at"`
	Version      json.RawMessage `json:"version"`
}

// resourceServerView shows the public key alone, and whether signet holds the private one.
type resourceServerView struct {
	ID string `json:"id"`
	signet.ResourceServerMetadata
	Keys         []sealedKeyView `json:"keys,omitempty"`
	HoldsPrivate bool            `json:"holds_private_key"`
	Disabled     bool            `json:"disabled"`
	CreatedAt    time.Time       `json:"created_at"`
	UpdatedAt    time.Time       `json:"updated_at"`
	Version      int64           `json:"version"`
}

func viewResourceServer(s *signet.ResourceServer) resourceServerView {
	return resourceServerView{ID: s.ID, ResourceServerMetadata: s.ResourceServerMetadata, Keys: viewSealedKeys(s.Keys),
		HoldsPrivate: len(s.Keys) > 0, Disabled: s.Disabled(), CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, Version: s.Version}
}

func (a *Admin) resourceServers() *record[signet.ResourceServer] {
	return &record[signet.ResourceServer]{
		noun: "resource server",
		find: func(c *call) (*signet.ResourceServer, error) {
			id, err := named(c, "server", clientIDs)
			if err != nil {
				return nil, err
			}
			return a.o.Contracts.ResourceServers.ResourceServer(c.ctx(), id)
		},
		version: func(s *signet.ResourceServer) int64 { return s.Version },
		view:    func(s *signet.ResourceServer) any { return viewResourceServer(s) },
		event: func(c *call, kind signet.EventKind, s *signet.ResourceServer) signet.Event {
			return a.event(c, kind, signet.OwnerResourceServer+s.ID)
		},
		// Nothing is issued for a disabled one any more.
		disable: func(ctx context.Context, s *signet.ResourceServer, disabled bool, event signet.Event) error {
			return a.o.Contracts.ResourceServers.SetResourceServerDisabled(ctx, s.ID, disabled, event)
		},
		disabled: signet.EventResourceServerDisabled, enabled: signet.EventResourceServerEnabled,
	}
}

func (a *Admin) listResourceServers(c *call) error {
	return writePage(a, c, "resource_servers", a.o.Contracts.ResourceServers.ListResourceServers,
		func(s *signet.ResourceServer) (resourceServerView, string) { return viewResourceServer(s), s.ID })
}

func (a *Admin) createResourceServer(c *call) error {
	var in resourceServerInput
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.ID == "" {
		in.ID = signet.NewUUID()
	}
	if !clientIDs.MatchString(in.ID) {
		return badRequest("id", "The id may have letters, digits, dot, underscore and hyphen, 100 at most.")
	}
	if err := resourceServerProblems(&in.ResourceServerMetadata); err != nil {
		return err
	}
	key, err := in.read(&in.ResourceServerMetadata)
	if err != nil {
		return err
	}
	if err := key.fit(&in.ResourceServerMetadata); err != nil {
		return err
	}
	now := a.o.Now()
	server := &signet.ResourceServer{ID: in.ID, ResourceServerMetadata: in.ResourceServerMetadata, CreatedAt: now, UpdatedAt: now, Version: 1}
	if key.private != nil {
		sealed, err := a.sealPrivate(server, key)
		if err != nil {
			return err
		}
		server.Keys = []signet.SealedKey{*sealed}
	}
	event := a.event(c, signet.EventResourceServerCreated, signet.OwnerResourceServer+server.ID)
	if err := a.o.Contracts.ResourceServers.InsertResourceServer(c.ctx(), server, event); err != nil {
		return taken("id or audience", err)
	}
	c.w.Header().Set("Location", "/admin/v1/resource-servers/"+server.ID)
	a.resourceServers().write(c, http.StatusCreated, server)
	return nil
}

// resourceServerProblems judges what is no key.
func resourceServerProblems(m *signet.ResourceServerMetadata) error {
	var j faults
	j.need(m.Name != "" && textOK(m.Name, 120), "name", "must have 1 to 120 characters, none of them invisible")
	j.need(audienceNames.MatchString(m.Audience) || resourceURI(m.Audience), "audience", "must be an absolute URI without a fragment (RFC 8707), or a name")
	j.need(slices.Contains([]string{"", signet.AlgRSAOAEP256, signet.AlgRSAOAEP, signet.AlgECDHESA256KW}, m.Alg), "alg", "must be RSA-OAEP-256, RSA-OAEP or ECDH-ES+A256KW")
	j.need(slices.Contains([]string{"", signet.EncA256GCM, signet.EncA128CBCHS256, signet.EncA256CBCHS512}, m.Enc), "enc", "must be A256GCM, A128CBC-HS256 or A256CBC-HS512")
	j.machineScope(&m.Scope)
	if string(m.JWK) == "null" {
		m.JWK = nil
	}
	if m.Enc == "" {
		m.Enc = signet.EncA256GCM
	}
	return j.refuse("resource_server_metadata")
}

func (a *Admin) putResourceServer(c *call) error {
	servers := a.resourceServers()
	update := func(ctx context.Context, server *signet.ResourceServer, event signet.Event) error {
		return taken("audience", stale(a.o.Contracts.ResourceServers.UpdateResourceServer(ctx, server, event)))
	}
	return replace(c, servers, update, func(server *signet.ResourceServer, in *resourceServerReplace) (signet.Event, error) {
		if err := unchanged("id", in.ID, server.ID); err != nil {
			return signet.Event{}, err
		}
		if err := in.replace(server); err != nil {
			return signet.Event{}, err
		}
		server.ResourceServerMetadata, server.UpdatedAt = in.ResourceServerMetadata, a.o.Now()
		return servers.event(c, signet.EventResourceServerUpdated, server), nil
	})
}

// replace judges what is to stand in a server's place.
func (in *resourceServerReplace) replace(server *signet.ResourceServer) error {
	if err := resourceServerProblems(&in.ResourceServerMetadata); err != nil {
		return err
	}
	given := keyInput{PEM: in.PEM}
	if in.PEM == "" && in.JWK == nil {
		in.JWK = server.JWK
	}
	key, err := given.read(&in.ResourceServerMetadata)
	if err != nil {
		return err
	}
	if err := key.fit(&in.ResourceServerMetadata); err != nil {
		return err
	}
	if len(server.Keys) > 0 && !sameKey(server.JWK, in.JWK) {
		// Tokens would be encrypted to a key that signet's own API does not have.
		return badRequest("jwk", "signet holds this server's private key, so that its public key cannot be changed: create another.")
	}
	if len(server.Keys) > 0 && in.Alg != server.Alg {
		return badRequest("alg", "signet holds this server's private key for one alg: create another.")
	}
	return nil
}
