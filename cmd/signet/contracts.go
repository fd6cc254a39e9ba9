package main

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/signet-auth/signet/pkg/account"
	"github.com/signet-auth/signet/pkg/admin"
	"github.com/signet-auth/signet/pkg/exchange"
	"github.com/signet-auth/signet/pkg/intent"
	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/oauth"
	"github.com/signet-auth/signet/pkg/pinlogin"
	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// contractSettings are what an operator says of the contracts beside OAuth. The zero value is dev's.
type contractSettings struct {
	exchangeMounts, intentMounts, pinMounts, accountMounts []string
	invoiceResource                                        string
	privateSources                                         bool
	intentIssuer                                           string
	intentAudiences                                        []string
	apiResources                                           []string
	roles                                                  account.Roles // nil: the built-in table
}

// contracts are the four rooms that translate to the one core.
type contracts struct {
	account  *account.Account
	exchange *exchange.Exchange
	intent   *intent.Intent
	pin      *pinlogin.PINLogin
}

// lateServer lets the rooms ask the core, which is made of them. It is complete before the first request.
type lateServer struct{ *oauth.Server }

// newContracts makes the rooms. core is complete when wire has made the server.
func (n *node) newContracts(d *deployment, base *foundation, core *lateServer, failures *web.Failures, passwords *login.Passwords) (*contracts, error) {
	c := &contracts{}
	var err error
	if c.account, err = account.New(account.Options{Issuer: d.issuer, Resources: d.contracts.apiResources, Roles: d.contracts.roles,
		Accounts: n.store, Members: n.store, Keys: n.store, Users: n.store, Clients: n.store, Bearers: core, Failures: failures,
		Events: n.store, HashKeys: base.ring.HashKeys, Now: d.now}); err != nil {
		return nil, err
	}
	o := exchange.Options{Billers: n.store, ResourceServers: n.store, Invoices: n.store, Keys: base.ring, Marks: base.homes.marks,
		Failures: failures, Counter: base.homes.attempts, Events: n.store, Issuer: core, Bearers: core, IssuerURL: d.issuer,
		InvoiceResource: d.contracts.invoiceResource, AllowPrivateSources: d.contracts.privateSources, Dependencies: n.dependencies,
		Now: d.now, Log: d.log}
	if d.demo {
		o.Demo = func(signet.BillerID) bool { return true } // a dev server has no others
	}
	if c.exchange, err = exchange.New(o); err != nil {
		return nil, err
	}
	if c.intent, err = intent.New(intent.Options{Callers: c.account, Devices: n.store, Accounts: n.store, Keys: base.ring, NewKeys: n.store, Signer: base.ring,
		Spent: n.store, Roles: c.account, Failures: failures, Traffic: n.store, HashKeys: base.ring.HashKeys,
		Issuer: d.contracts.intentIssuer, Audiences: d.contracts.intentAudiences, Now: d.now}); err != nil {
		return nil, err
	}
	// PINs are marked in the database whatever home the other marks have: docs/decisions/0005-pin-marks.md.
	c.pin, err = pinlogin.New(pinlogin.Options{Applications: n.store, Records: n.store, Keys: base.ring, Passwords: passwords,
		Marks: n.store.Marks(), Spent: n.store, Grants: core, RefreshTokens: n.store, Attempts: base.homes.attempts, Events: n.store,
		Certificate: certificateOf, Now: d.now, Log: d.log})
	return c, err
}

// ports are what the core needs of the rooms.
func (c *contracts) ports(n *node) oauth.Contracts {
	return oauth.Contracts{Identities: c.exchange, APIKeys: c.account, Principals: n.store, Billers: n.store, Accounts: n.store,
		ResourceServers: n.store, GrantStarter: n.store}
}

// registers are what operators keep by the admin API.
func (c *contracts) registers(n *node, base *foundation, d *deployment) admin.Contracts {
	return admin.Contracts{Billers: n.store, ResourceServers: n.store, SealedKeys: n.store, Sealer: base.ring, Accounts: n.store,
		Members: n.store, APIKeys: n.store, Devices: n.store, PINApplications: n.store, CheckScheme: exchange.CheckScheme,
		CheckPIN: pinlogin.CheckMetadata, PINClient: pinlogin.ClientFor, Roles: c.account.RoleNames,
		Partners: d.partners(n.store, base.ring), Dev: d.demo}
}

// routes are the endpoints of the contracts, each also under its mounts.
func (c *contracts) routes(s *contractSettings) []web.Route {
	return slices.Concat(mounted(c.account.Routes(), s.accountMounts), mounted(c.exchange.Routes(), s.exchangeMounts),
		mounted(c.intent.Routes(), s.intentMounts), mounted(c.pin.Routes(), s.pinMounts))
}

// mounted repeats routes under path prefixes: the documents' callers know signet by further names (wire.md, Rules for
// all five). Host names need nothing here: signet answers to every one that reaches it, and the issuer does not change.
func mounted(routes []web.Route, prefixes []string) []web.Route {
	out := routes
	for _, prefix := range prefixes {
		for _, route := range routes {
			route.Name, route.Path = route.Name+" at "+prefix, prefix+route.Path
			out = append(out, route)
		}
	}
	return out
}

// splitToken sends JSON at /token to PIN login and everything else to the token endpoint, which reads forms alone
// (wire.md, Standard endpoints), and puts the pair under the mounts of PIN login, too.
func splitToken(routes []web.Route, pin http.HandlerFunc, mounts []string) []web.Route {
	for i := range routes {
		if routes[i].Name != "token" {
			continue
		}
		form := routes[i].Handler
		routes[i].Handler = func(w http.ResponseWriter, r *http.Request) {
			if types := r.Header.Values("Content-Type"); len(types) == 1 {
				if media, _, err := mime.ParseMediaType(types[0]); err == nil && media == "application/json" {
					pin(w, r)
					return
				}
			}
			form(w, r)
		}
		return append(routes, mounted(routes[i:i+1:i+1], mounts)[1:]...)
	}
	return routes
}

// dependencyWait bounds what /healthdetails waits for one store.
const dependencyWait = 250 * time.Millisecond

// dependencies says what this node stands on and whether it is up.
func (n *node) dependencies(ctx context.Context) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, dependencyWait)
	defer cancel()
	up := map[string]bool{"database": n.store.Ready(ctx) == nil}
	if n.redis != nil {
		up["redis"] = n.redis.Ready(ctx) == nil
	}
	return up
}

// readRoles reads accounts.roles_file.
func readRoles(path string) (account.Roles, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("accounts.roles_file: %w", err)
	}
	roles, err := account.ParseRoles(content)
	if err != nil {
		return nil, fmt.Errorf("accounts.roles_file %s: %w", path, err)
	}
	return roles, nil
}

// certificateOf is the thumbprint of the certificate that the caller showed, "" for none or for a header that is none.
func certificateOf(r *http.Request) string {
	shown, err := proof.OfRequest(r)
	if err != nil || len(shown) == 0 {
		return ""
	}
	return proof.Thumbprint(shown[0])
}
