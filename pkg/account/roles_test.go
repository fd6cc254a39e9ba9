package account_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/account"
)

// published is the contract's table, as it is printed there: rows of permissions, then a cell for account-owner,
// anon-consumer and merchant-terminal: o own, g global, - none.
const published = `
accounts:create, accounts:read, accounts:update, quotas:read | o - -
api-keys:create, api-keys:update, api-keys:list | o - -
merchants:create, merchants:read, merchants:update, merchants:list | o - -
payment-requests:create, payment-requests:cancel, payment-requests:refund, payment-requests:void | - - o
payment-requests:read | g g g
payment-requests:pay | g g o
assets:read, assets:spend | o - -
wallets:transfer, wallets:withdraw, wallets:deposit, wallets:create, wallets:read | o - -
asset-transfers:create, asset-transfers:read, asset-transfers:claim | o - -
bank-accounts:create, bank-accounts:read | o - -
patron-codes:create | o - -
patron-codes:read | o - o`

var columns = []string{"account-owner", "anon-consumer", "merchant-terminal"}

// grid reads the table: permission, role, cell.
func grid() map[string]map[string]string {
	cells := map[string]map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(published), "\n") {
		names, marks, _ := strings.Cut(line, " | ")
		for name := range strings.SplitSeq(names, ", ") {
			cells[name] = map[string]string{}
			for i, mark := range strings.Fields(marks) {
				cells[name][columns[i]] = mark
			}
		}
	}
	return cells
}

// The default roles are the published table, no more and no less.
func TestKEY07DefaultRoles(t *testing.T) {
	t.Parallel()
	table, cells := account.DefaultRoles(), grid()
	if len(cells) != 31 || len(table) != len(columns) {
		t.Fatalf("%d permissions and %d roles", len(cells), len(table))
	}
	for _, role := range columns {
		for permission, row := range cells {
			own, global := slices.Contains(table[role].Own, permission), slices.Contains(table[role].Global, permission)
			if own != (row[role] == "o") || global != (row[role] == "g") {
				t.Errorf("%s of %s: own %t, global %t, want %q", permission, role, own, global, row[role])
			}
		}
		for _, permission := range slices.Concat(table[role].Own, table[role].Global) {
			if cells[permission] == nil {
				t.Errorf("%s has %s, which is not in the table", role, permission)
			}
		}
	}
	if got := table["account-owner"].Grants; !slices.Equal(got, []string{"account-owner", "merchant-terminal"}) {
		t.Errorf("account-owner grants %v", got)
	}
	if len(table["anon-consumer"].Grants)+len(table["merchant-terminal"].Grants) > 0 {
		t.Error("a role besides account-owner grants roles")
	}
}

func TestParseRoles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, file, fault string }{
		{"one role", `{"account-owner":{"own":["a:b"],"global":["c:d"],"grants":["account-owner"]}}`, ""},
		{"no owner", `{"clerk":{"own":["a:b"]}}`, "account-owner is missing"},
		{"a permission twice", `{"account-owner":{"own":["a:b"],"global":["a:b"]}}`, "stands twice"},
		{"no permission", `{"account-owner":{"own":["all"]}}`, "resource:action"},
		{"a role's name", `{"account-owner":{},"Clerk":{}}`, "small letters"},
		{"grants what there is not", `{"account-owner":{"grants":["clerk"]}}`, "no role"},
		{"unknown member", `{"account-owner":{"owns":[]}}`, "unknown"},
		{"a role twice", `{"account-owner":{},"account-owner":{}}`, "repeated"},
		{"no object", `[]`, "one JSON object"},
		{"nothing", ``, "described JSON object"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			roles, err := account.ParseRoles([]byte(tc.file))
			if tc.fault == "" && (err != nil || len(roles) == 0) || tc.fault != "" && (err == nil || !strings.Contains(err.Error(), tc.fault)) {
				t.Errorf("%v, %v, want %q", roles, err, tc.fault)
			}
		})
	}
}

// What was handed out or in cannot change the table.
func TestRolesAreCopied(t *testing.T) {
	t.Parallel()
	given := account.DefaultRoles()
	w := newWorld(t, func(o *account.Options) { o.Roles = given })
	given["merchant-terminal"].Own[0] = "accounts:update"
	own, _ := w.room.Permissions("merchant-terminal")
	own[1] = "accounts:update"
	if own, _ = w.room.Permissions("merchant-terminal"); slices.Contains(own, "accounts:update") {
		t.Errorf("the table was changed from outside: %v", own)
	}
	if own, global := w.room.Permissions("nobody"); len(own)+len(global) > 0 {
		t.Errorf("an unknown role has %v %v", own, global)
	}
}
