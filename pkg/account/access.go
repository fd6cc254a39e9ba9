package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// call is one request on its way through the room.
type call struct {
	w  http.ResponseWriter
	r  *http.Request
	by *signet.Caller
	// account is the {accountId} of the path, and role the caller's that lets it in there; "" where there is none.
	account string
	role    string
}

func (c *call) ctx() context.Context { return c.r.Context() }

type handler func(*call) error

// needKind says how a route decides who may use it. The zero value is no decision, and New refuses it.
type needKind int

const (
	// anyCaller: every proven caller; the answer is about the caller alone.
	anyCaller needKind = iota + 1
	// onAccount: the permission, on the account of the path.
	onAccount
	// byBody: any proven caller; the handler asks for the permission, by what the body asks for.
	byBody
)

// need is what a caller must have.
type need struct {
	kind       needKind
	permission string
	// manage: an API key needs MayManage, too.
	manage bool
}

// entry is one endpoint: the whole of who may do what stands in the one table.
type entry struct {
	name, method, path string
	need               need
	handler            handler
}

const (
	pathAccount = "/api/accounts/{accountId}"
	accountsNew = "accounts:create"
)

// table is wire.md's table of endpoints with what each needs.
func (a *Account) table() []entry {
	return []entry{
		{"account-create", http.MethodPost, "/api/accounts", need{kind: byBody, permission: accountsNew}, a.createAccount},
		{"account-get", http.MethodGet, pathAccount, need{kind: onAccount, permission: "accounts:read"}, a.getAccount},
		{"account-put", http.MethodPut, pathAccount, need{kind: onAccount, permission: "accounts:update"}, a.putAccount},
		{"account-memberships", http.MethodGet, "/api/account-memberships", need{kind: anyCaller}, a.listMemberships},
		{"account-members-list", http.MethodGet, pathAccount + "/members", need{kind: onAccount, permission: "accounts:read"}, a.listMembers},
		{"account-members-create", http.MethodPost, pathAccount + "/members", need{kind: onAccount, permission: "accounts:update", manage: true}, a.putMember},
		{"account-member-delete", http.MethodDelete, pathAccount + "/members/{userId}", need{kind: onAccount, permission: "accounts:update"}, a.endMember},
		{"account-keys-create", http.MethodPost, pathAccount + "/api-keys", need{kind: onAccount, permission: "api-keys:create", manage: true}, a.createKey},
		{"account-keys-list", http.MethodGet, pathAccount + "/api-keys", need{kind: onAccount, permission: "api-keys:list"}, a.listKeys},
		{"account-key-put", http.MethodPut, pathAccount + "/api-keys/{name}", need{kind: onAccount, permission: "api-keys:update"}, a.putKey},
		{"permissions-check", http.MethodPost, "/api/permissions/check", need{kind: anyCaller}, a.checkPermission},
	}
}

// checkTable refuses a route that does not say what it needs, or says what cannot be decided: deny by default.
func checkTable(table []entry) error {
	var faults []error
	for _, e := range table {
		inAccount := strings.Contains(e.path, "{accountId}")
		switch {
		case e.handler == nil:
			faults = append(faults, fmt.Errorf("route %s has no handler", e.name))
		case e.need.kind < anyCaller || e.need.kind > byBody:
			faults = append(faults, fmt.Errorf("route %s does not say what it needs", e.name))
		case inAccount != (e.need.kind == onAccount):
			faults = append(faults, fmt.Errorf("route %s: an account in the path and a permission on it go together", e.name))
		case (e.need.kind == anyCaller) != (e.need.permission == ""):
			faults = append(faults, fmt.Errorf("route %s: the permission does not fit", e.name))
		case e.need.permission != "" && !permissions.MatchString(e.need.permission):
			faults = append(faults, fmt.Errorf("route %s: %q is no permission", e.name, e.need.permission))
		}
	}
	return errors.Join(faults...)
}

// guarded proves the caller, narrows CORS, decides, and is the one error exit.
func (a *Account) guarded(e entry) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if e.need.permission != "" {
			// Who manages an account may have made it, or joined it, on another node a moment ago. What tills ask all day,
			// permissions and memberships, needs none and stays with what this node remembers.
			r = r.WithContext(signet.FromTruth(r.Context()))
		}
		caller, client, err := a.identify(r)
		if client != "" {
			// An origin of another client must not read this client's answers, refusals included.
			if narrow := a.narrow(w, r, client); err == nil {
				err = narrow
			}
		}
		if err == nil {
			c := &call{w: w, r: r, by: caller}
			if err = a.authorise(c, e.need); err == nil {
				err = e.handler(c)
			}
		}
		if err != nil {
			writeError(w, r, err)
		}
	}
}

func (a *Account) narrow(w http.ResponseWriter, r *http.Request, id signet.ClientID) error {
	client, err := a.o.Clients.Client(r.Context(), id)
	if err != nil {
		web.RestrictOrigin(w, r, nil)
		if errors.Is(err, signet.ErrNotFound) {
			return denied("client_unknown", err)
		}
		return err
	}
	web.RestrictOrigin(w, r, client.Origins)
	return nil
}

// authorise is the one place where a route's need is decided.
func (a *Account) authorise(c *call, n need) error {
	if c.r.URL.RawQuery != "" {
		return badRequest("query", "This call takes no query parameters.")
	}
	switch n.kind {
	case anyCaller, byBody:
		return nil
	case onAccount:
		return a.authoriseOn(c, n)
	default:
		return signet.Internal(errors.New("a route without a need"))
	}
}

func (a *Account) authoriseOn(c *call, n need) error {
	id := c.r.PathValue("accountId")
	allowed := a.verdict(c.by, n.permission, id)
	switch {
	case !allowed.allowed && !belongs(c.by, id):
		// Whether the account exists is nobody's business who has no part in it.
		return noAccount("account_foreign")
	case !allowed.allowed:
		return forbidden("permission_missing", "The caller's role does not have the permission "+n.permission+".")
	case n.manage && !manages(c.by):
		return forbidden("key_may_not_manage", "This API key may not create keys or members.")
	}
	if !belongs(c.by, id) {
		if _, err := a.o.Accounts.Account(c.ctx(), id); err != nil {
			if errors.Is(err, signet.ErrNotFound) {
				return noAccount("account_unknown")
			}
			return err
		}
	}
	c.account, c.role = id, allowed.role
	return nil
}

// manages: a person does what the role allows; a key, which may lie in a terminal or a script, needs a word more.
func manages(caller *signet.Caller) bool { return caller.Key == nil || caller.Key.MayManage }

// event starts the audit event of an act; the store writes it in the act's own transaction.
func (a *Account) event(c *call, kind signet.EventKind, target string) signet.Event {
	ev := a.newEvent(c.ctx(), kind)
	ev.Actor, ev.Target, ev.UserID = actor(c.by), target, c.by.UserID
	if c.by.Key != nil {
		ev.KeyID = c.by.Key.ID
	}
	if c.by.Bearer != nil {
		ev.ClientID = c.by.Bearer.ClientID
	}
	return ev
}

func (a *Account) newEvent(ctx context.Context, kind signet.EventKind) signet.Event {
	return web.NewEvent(ctx, kind, a.o.Now())
}

// actor names the caller in events and records: "user:{id}", "key:{id}", "client:{id}".
func actor(caller *signet.Caller) string {
	if caller.UserID != "" {
		return "user:" + string(caller.UserID)
	}
	return caller.Subject
}
