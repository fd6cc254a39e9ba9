package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// Options is what the room needs. All fields but Tokens and Contracts are required.
type Options struct {
	Clients   Clients
	Users     Users
	UserActs  UserActs
	AdminKeys AdminKeys
	Keys      Keys
	Passwords Passwords
	Audit     Audit
	// Tokens lets clients with Admin in; nil: admin API keys only.
	Tokens Tokens
	// HashKeys hashes secrets and admin keys.
	HashKeys func() signet.HashKeys
	// SigningAlgs are the algorithms that the ring can sign with: what a client may register for its tokens.
	SigningAlgs func() []string
	// Contracts are the registers of the five contracts; what is nil in it has no routes.
	Contracts Contracts
	Now       func() time.Time
	Log       *slog.Logger
}

// Admin is the room.
type Admin struct {
	o Options
}

// New checks the options.
func New(o Options) (*Admin, error) {
	if o.Clients == nil || o.Users == nil || o.UserActs == nil || o.AdminKeys == nil || o.Keys == nil ||
		o.Passwords == nil || o.Audit == nil || o.HashKeys == nil || o.SigningAlgs == nil || o.Now == nil || o.Log == nil {
		return nil, errors.New("admin: a required option is missing")
	}
	return &Admin{o: o}, nil
}

// Routes returns the routes of the admin listener. None of them may ever be mounted on the public one.
func (a *Admin) Routes() []web.Route {
	route := a.route
	routes := []web.Route{
		route("me", http.MethodGet, "/me", a.me),
		route("clients-list", http.MethodGet, "/clients", a.listClients),
		route("clients-create", http.MethodPost, "/clients", a.createClient),
		route("client-get", http.MethodGet, "/clients/{client_id}", a.clients().get),
		route("client-put", http.MethodPut, "/clients/{client_id}", a.putClient),
		route("client-disable", http.MethodPost, "/clients/{client_id}/disable", a.clients().setDisabled(true)),
		route("client-enable", http.MethodPost, "/clients/{client_id}/enable", a.clients().setDisabled(false)),
		route("client-secrets", http.MethodPost, "/clients/{client_id}/secrets", a.rotateSecret),
		route("users-list", http.MethodGet, "/users", a.listUsers),
		route("users-create", http.MethodPost, "/users", a.createUser),
		route("user-get", http.MethodGet, "/users/{sub}", a.users().get),
		route("user-put", http.MethodPut, "/users/{sub}", a.putUser),
		route("user-disable", http.MethodPost, "/users/{sub}/disable", a.users().setDisabled(true)),
		route("user-enable", http.MethodPost, "/users/{sub}/enable", a.users().setDisabled(false)),
		route("user-password", http.MethodPut, "/users/{sub}/password", a.setPassword),
		route("user-consent-revoke", http.MethodDelete, "/users/{sub}/consents/{client_id}", a.revokeConsent),
		route("keys-list", http.MethodGet, "/keys", a.listKeys),
		route("keys-rotate", http.MethodPost, "/keys/rotate", a.rotateKeys),
		route("keys-rewrap", http.MethodPost, "/keys/rewrap", a.rewrapKeys),
		route("key-revoke", http.MethodPost, "/keys/{kid}/revoke", a.revokeKey),
		route("admin-keys-list", http.MethodGet, "/admin-keys", a.listAdminKeys),
		route("admin-keys-create", http.MethodPost, "/admin-keys", a.createAdminKey),
		route("admin-key-disable", http.MethodPost, "/admin-keys/{key_id}/disable", a.disableAdminKey),
		route("events", http.MethodGet, "/events", a.listEvents),
	}
	return slices.Concat(routes, a.contractRoutes())
}

// route is one entry of the table; every handler stands behind the one check of who calls.
func (a *Admin) route(name, method, path string, h handler) web.Route {
	return web.Route{Name: "admin-" + name, Methods: []string{method}, Path: "/admin/v1" + path,
		Class: web.ClassAPI, CORS: web.CORSNone, Handler: a.guarded(h)}
}

// FirstKey makes the first admin API key. It is shown by this one return and stored hashed.
// Error: CodeConflict when any admin key exists.
func (a *Admin) FirstKey(ctx context.Context, name string) (id string, key signet.Secret, err error) {
	key = signet.NewSecret(signet.SecretAdmin)
	record := &AdminKey{ID: signet.NewID(), Name: name, Hash: a.o.HashKeys().Hash(key.Reveal()), CreatedAt: a.o.Now()}
	event := signet.Event{ID: signet.NewEventID(), Kind: signet.EventAdminKeyCreated, At: record.CreatedAt,
		Actor: localActor, KeyID: record.ID, Target: "admin_key:" + record.ID}
	if err := a.o.AdminKeys.InsertAdminKey(ctx, record, true, event); err != nil {
		return "", "", err
	}
	return record.ID, key, nil
}
