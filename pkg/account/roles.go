package account

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// RoleOwner is the role that makes an account somebody's: whoever creates an account has it, and the last one stays.
const RoleOwner = "account-owner"

// Role is one column of the table of roles, and what it may give to others. It is the form of the roles file, too.
type Role struct {
	// Own are permissions on resources of the own account (✔).
	Own []string `json:"own"`
	// Global are permissions on all resources, whatever account owns them (★).
	Global []string `json:"global"`
	// Grants are the roles that its holder may give to keys and members.
	Grants []string `json:"grants"`
}

// Roles is the table of roles by name.
type Roles map[string]Role

// DefaultRoles returns the table of wire.md, 1.
func DefaultRoles() Roles {
	return Roles{
		RoleOwner: {
			Own: []string{
				"accounts:create", "accounts:read", "accounts:update", "quotas:read",
				"api-keys:create", "api-keys:update", "api-keys:list",
				"merchants:create", "merchants:read", "merchants:update", "merchants:list",
				"assets:read", "assets:spend",
				"wallets:transfer", "wallets:withdraw", "wallets:deposit", "wallets:create", "wallets:read",
				"asset-transfers:create", "asset-transfers:read", "asset-transfers:claim",
				"bank-accounts:create", "bank-accounts:read",
				"patron-codes:create", "patron-codes:read",
			},
			Global: []string{"payment-requests:read", "payment-requests:pay"},
			Grants: []string{RoleOwner, "merchant-terminal"},
		},
		"anon-consumer": {
			Global: []string{"payment-requests:read", "payment-requests:pay"},
		},
		"merchant-terminal": {
			Own: []string{
				"payment-requests:create", "payment-requests:cancel", "payment-requests:refund", "payment-requests:void",
				"payment-requests:pay", "patron-codes:read",
			},
			Global: []string{"payment-requests:read"},
		},
	}
}

// ParseRoles reads a roles file: one JSON object of roles by name, {"account-owner": {"own": […], "global": […],
// "grants": […]}, …}. It replaces the built-in table as a whole. Error: CodeInvalidRequest, with what is wrong.
func ParseRoles(file []byte) (Roles, error) {
	var table Roles
	if err := (web.JSONBody{}).Decode(file, &table); err != nil {
		return nil, err
	}
	if err := table.check(); err != nil {
		return nil, signet.NewError(signet.CodeInvalidRequest, err.Error(), "roles")
	}
	return table, nil
}

var (
	roleNames   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	permissions = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}:[a-z0-9][a-z0-9-]{0,63}$`)
)

// check reports every fault of a table at once.
func (t Roles) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if _, ok := t[RoleOwner]; !ok {
		fault("the role %s is missing: whoever creates an account gets it", RoleOwner)
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if !roleNames.MatchString(name) {
			fault("a role's name has small letters, digits and hyphens, not %.64q", name)
		}
		seen := map[string]bool{}
		for _, permission := range slices.Concat(t[name].Own, t[name].Global) {
			if !permissions.MatchString(permission) {
				fault("role %s: a permission is written resource:action, not %.64q", name, permission)
			}
			if seen[permission] {
				fault("role %s: %s stands twice", name, permission)
			}
			seen[permission] = true
		}
		for _, other := range t[name].Grants {
			if _, ok := t[other]; !ok {
				fault("role %s grants %.64q, which is no role", name, other)
			}
		}
	}
	return errors.Join(faults...)
}

// clone keeps what New checked from being changed by who gave it.
func (t Roles) clone() Roles {
	out := make(Roles, len(t))
	for name, role := range t {
		out[name] = Role{Own: slices.Clone(role.Own), Global: slices.Clone(role.Global), Grants: slices.Clone(role.Grants)}
	}
	return out
}

// RoleNames returns the roles of the table, sorted.
func (a *Account) RoleNames() []string { return slices.Sorted(maps.Keys(a.o.Roles)) }

// Permissions returns what the role may do: on resources of its own account, and on all. Nothing for an unknown role.
func (a *Account) Permissions(role string) (own, global []string) {
	r := a.o.Roles[role]
	return slices.Clone(r.Own), slices.Clone(r.Global)
}

// mayGrant reports whether a holder of one role may give another.
func (a *Account) mayGrant(holder, role string) bool {
	return slices.Contains(a.o.Roles[holder].Grants, role)
}

// assignment is a role in an account.
type assignment struct{ account, role string }

// assignments are all that a caller holds. A client holds none: what it may do says its scope, at the endpoints that
// ask for scopes.
func assignments(caller *signet.Caller) []assignment {
	if caller.Key != nil {
		return []assignment{{caller.Key.AccountID, caller.Key.Role}}
	}
	out := make([]assignment, len(caller.Members))
	for i := range caller.Members {
		out[i] = assignment{caller.Members[i].AccountID, caller.Members[i].Role}
	}
	return out
}

// The reasons of a permission (wire.md, 1).
const (
	becauseOwn    = "own"
	becauseGlobal = "global"
)

// verdict is the answer to "may the caller do this on resources of that account?".
type verdict struct {
	allowed bool
	role    string // the role that allows
	because string // own: by a ✔ in that account; global: by a ★, held anywhere
}

// verdict decides from the caller's roles alone and never looks the account up, so that an unknown account answers like
// a foreign one, in the same time.
func (a *Account) verdict(caller *signet.Caller, permission, account string) verdict {
	var global verdict
	for _, held := range assignments(caller) {
		role := a.o.Roles[held.role]
		if held.account == account && slices.Contains(role.Own, permission) {
			return verdict{allowed: true, role: held.role, because: becauseOwn}
		}
		if (!global.allowed || held.account == account) && slices.Contains(role.Global, permission) {
			global = verdict{allowed: true, role: held.role, because: becauseGlobal}
		}
	}
	return global
}

// anywhere reports whether the caller has the permission in some account: what creating an account needs, since the new
// one is nobody's yet.
func (a *Account) anywhere(caller *signet.Caller, permission string) bool {
	return slices.ContainsFunc(assignments(caller), func(held assignment) bool {
		role := a.o.Roles[held.role]
		return slices.Contains(role.Own, permission) || slices.Contains(role.Global, permission)
	})
}

// belongs reports whether the caller has any role in the account.
func belongs(caller *signet.Caller, account string) bool {
	return slices.ContainsFunc(assignments(caller), func(held assignment) bool { return held.account == account })
}
