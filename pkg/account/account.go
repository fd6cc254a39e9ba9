package account

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// Options is what the room needs. All but Roles, Audiences and Resources is required.
type Options struct {
	// Issuer is signet's own name: access tokens whose audience it is are accepted.
	Issuer string
	// Audiences are further audiences of access tokens that are accepted: the names under which /api is known.
	Audiences []string
	// Resources are the audiences that an API key's short token may be made for; none: no API key can be exchanged.
	Resources []string
	// Roles is the table of roles; nil: DefaultRoles.
	Roles Roles

	Accounts Accounts
	Members  Members
	Keys     Keys
	Users    Users
	Clients  Clients
	Bearers  Bearers
	Failures Failures
	Events   Events
	// HashKeys hashes API keys.
	HashKeys func() signet.HashKeys
	Now      func() time.Time
}

// Account is the room.
type Account struct {
	o         Options
	audiences []string
	routes    []web.Route
}

// New checks the options, the table of roles, and that every route says what it needs.
func New(o Options) (*Account, error) {
	if o.Issuer == "" || o.HashKeys == nil || o.Now == nil ||
		slices.Contains([]any{o.Accounts, o.Members, o.Keys, o.Users, o.Clients, o.Bearers, o.Failures, o.Events}, nil) {
		return nil, errors.New("account: a required option is missing")
	}
	if o.Roles == nil {
		o.Roles = DefaultRoles()
	}
	if err := o.Roles.check(); err != nil {
		return nil, fmt.Errorf("account: roles: %w", err)
	}
	o.Roles = o.Roles.clone()
	a := &Account{o: o, audiences: append(slices.Clone(o.Audiences), o.Issuer)}
	table := a.table()
	if err := checkTable(table); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	for _, e := range table {
		a.routes = append(a.routes, web.Route{Name: e.name, Methods: []string{e.method}, Path: e.path,
			Class: web.ClassAPI, CORS: web.CORSClient, Handler: a.guarded(e)})
	}
	return a, nil
}

// Routes returns the public routes of the room.
func (a *Account) Routes() []web.Route { return slices.Clone(a.routes) }
