package account

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// Options is what the room needs. All but Roles, Audiences, Resources and Mounts is required.
type Options struct {
	// Issuer is signet's own name: access tokens whose audience it is are accepted.
	Issuer string
	// Audiences are further audiences of access tokens that are accepted: the names under which /api is known.
	Audiences []string
	// Resources are the audiences that an API key's short token may be made for; none: no API key can be exchanged.
	Resources []string
	// Roles is the table of roles; nil: DefaultRoles.
	Roles Roles
	// Mounts are further path prefixes ("/service") under which the endpoints answer.
	Mounts []string

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

var mountForm = regexp.MustCompile(`^(/[A-Za-z0-9][A-Za-z0-9._-]*)+$`)

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
	for _, mount := range o.Mounts {
		if !mountForm.MatchString(mount) {
			return nil, fmt.Errorf("account: %q is no path prefix", mount)
		}
	}
	a := &Account{o: o, audiences: append(slices.Clone(o.Audiences), o.Issuer)}
	table := a.table()
	if err := checkTable(table); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	a.routes = a.mounted(table)
	return a, nil
}

// Routes returns the public routes of the room, under every mount.
func (a *Account) Routes() []web.Route { return slices.Clone(a.routes) }

// mounted makes routes of the table, at the root and under each mount.
func (a *Account) mounted(table []entry) []web.Route {
	var routes []web.Route
	for _, mount := range append([]string{""}, a.o.Mounts...) {
		for _, e := range table {
			routes = append(routes, web.Route{Name: e.name + mount, Methods: []string{e.method}, Path: mount + e.path,
				Class: web.ClassAPI, CORS: web.CORSClient, Handler: a.guarded(e)})
		}
	}
	return routes
}
