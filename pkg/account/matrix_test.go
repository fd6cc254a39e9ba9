package account_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// endpoint is a row of the contract's table of calls: what it needs, and what it answers to whoever has it.
type endpoint struct {
	method, path string
	body         string
	needs        string // "": any caller; "*": see TestKEY07Matrix
	manage       bool   // an API key needs a word in its record, too
	status       int
}

// endpoints are in an order in which each works on what the one before left.
var endpoints = []endpoint{
	{"POST", "/api/accounts", `{"name":"New","type":"org"}`, "*", false, 201},
	{"GET", "/api/accounts/{accountId}", "", "accounts:read", false, 200},
	{"PUT", "/api/accounts/{accountId}", `{"name":"Renamed"}`, "accounts:update", false, 200},
	{"GET", "/api/account-memberships", "", "", false, 200},
	{"GET", "/api/accounts/{accountId}/members", "", "accounts:read", false, 200},
	{"POST", "/api/accounts/{accountId}/members", `{"userId":"dave","role":"merchant-terminal"}`, "accounts:update", true, 201},
	{"DELETE", "/api/accounts/{accountId}/members/{userId}", "", "accounts:update", false, 204},
	{"POST", "/api/accounts/{accountId}/api-keys", `{"name":"new","role":"merchant-terminal"}`, "api-keys:create", true, 201},
	{"GET", "/api/accounts/{accountId}/api-keys", "", "api-keys:list", false, 200},
	{"PUT", "/api/accounts/{accountId}/api-keys/{name}", `{"enabled":false}`, "api-keys:update", false, 200},
	{"POST", "/api/permissions/check", `{"permission":"accounts:read","accountId":"acme"}`, "", false, 200},
}

func (e *endpoint) at(account string) string {
	return strings.NewReplacer("{accountId}", account, "{userId}", "carol", "{name}", "spare").Replace(e.path)
}

// allowed is the expected grid: what the role's cell says of the endpoint.
func (e *endpoint) allowed(role, kind string) bool {
	needs := e.needs
	if needs == "*" {
		needs = "accounts:create"
	}
	if needs == "" {
		return true
	}
	return grid()[needs][role] != "-" && grid()[needs][role] != "" && (!e.manage || kind != "key")
}

// Every endpoint for every role, as a person, as an API key, and as one that may manage. The grid is that of the
// published table; whatever is not in it is 403 in the own account and 404 in any other.
func TestKEY07Matrix(t *testing.T) {
	t.Parallel()
	for _, role := range append([]string{"role-of-no-table"}, columns...) {
		for _, kind := range []string{"person", "key", "manager"} {
			t.Run(role+" as "+kind, func(t *testing.T) {
				t.Parallel()
				w := standard(t)
				w.key("acme", "spare", "merchant-terminal")
				var credential []string
				if kind == "person" {
					w.user("sam")
					w.member("acme", "sam", role)
					credential = as("sam")
				} else {
					credential = []string{"X-Api-Key", w.key("acme", "mine", role, func(k *signet.APIKey) { k.MayManage = kind == "manager" })}
				}
				for i := range endpoints {
					w.cells(&endpoints[i], role, kind, credential)
				}
				status := map[string]int{"person": 201}[kind]
				if status == 0 {
					status = 403 // a key is no person
				}
				w.want(status, "POST", "/api/accounts", `{"name":"Mine","type":"individual"}`, credential...)
				w.want(404, "GET", "/api/accounts/acme/unheard-of", "", credential...)
				w.want(404, "GET", "/api/unheard-of", "", credential...)
			})
		}
	}
}

// cells tries one endpoint in the own account, in a foreign one and in one that there is not.
func (w *world) cells(e *endpoint, role, kind string, credential []string) {
	w.t.Helper()
	if strings.Contains(e.path, "{accountId}") {
		other := w.send(e.method, e.at("other"), e.body, credential...)
		unknown := w.send(e.method, e.at("unknown"), e.body, credential...)
		if other.Code != 404 || unknown.Code != 404 || other.Body.String() != unknown.Body.String() {
			w.t.Errorf("%s %s: a foreign account answers %d %s, an unknown one %d %s", e.method, e.path, other.Code, other.Body, unknown.Code, unknown.Body)
		}
	}
	want := 403
	if e.allowed(role, kind) {
		want = e.status
	}
	if res := w.send(e.method, e.at("acme"), e.body, credential...); res.Code != want {
		w.t.Errorf("%s %s: %d, want %d: %s", e.method, e.path, res.Code, want, res.Body)
	}
	if res := w.send(e.method, e.at("acme"), e.body); res.Code != 401 {
		w.t.Errorf("%s %s without a credential: %d", e.method, e.path, res.Code)
	}
}

// A route that the grid above does not name has no documented policy.
func TestKEY07EveryRouteIsInTheGrid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	listed := map[string]bool{}
	for _, e := range endpoints {
		listed[e.method+" "+e.path] = true
	}
	for _, route := range w.room.Routes() {
		for _, method := range route.Methods {
			if !listed[method+" "+route.Path] {
				t.Errorf("%s %s is in no grid", method, route.Path)
			}
			delete(listed, method+" "+route.Path)
		}
	}
	for missing := range listed {
		t.Errorf("%s is not served", missing)
	}
}

// Every permission for every role: allowed on the own account by a tick, on every account by a star.
func TestKEY07Permissions(t *testing.T) {
	t.Parallel()
	w := standard(t)
	for _, role := range columns {
		key := w.key("acme", role, role)
		w.user("user-" + role)
		w.member("acme", "user-"+role, role)
		for permission, row := range grid() {
			for _, account := range []string{"acme", "other", "unknown"} {
				because := map[string]string{"o": "own", "g": "global"}[row[role]]
				if because == "own" && account != "acme" {
					because = ""
				}
				want := `{"allowed":false,"role":null,"because":null}`
				if because != "" {
					want = fmt.Sprintf(`{"allowed":true,"role":"%s","because":"%s"}`, role, because)
				}
				body := fmt.Sprintf(`{"permission":"%s","accountId":"%s"}`, permission, account)
				for _, credential := range [][]string{{"X-Api-Key", key}, as("user-" + role)} {
					if got := w.want(http.StatusOK, "POST", "/api/permissions/check", body, credential...).Body.String(); got != want {
						t.Errorf("%s of %s on %s: %s, want %s", permission, role, account, got, want)
					}
				}
			}
		}
	}
}

// With roles in two accounts the tick in the account asked for goes before a star held elsewhere, and the star of the
// account itself before another's.
func TestPermissionOfTwoRoles(t *testing.T) {
	t.Parallel()
	w := standard(t)
	w.member("other", "carol", "account-owner")
	for _, tc := range []struct{ name, permission, account, want string }{
		{"tick here, star there", "payment-requests:pay", "acme", `{"allowed":true,"role":"merchant-terminal","because":"own"}`},
		{"star here", "payment-requests:pay", "other", `{"allowed":true,"role":"account-owner","because":"global"}`},
		{"star here and there", "payment-requests:read", "other", `{"allowed":true,"role":"account-owner","because":"global"}`},
		{"tick there only", "accounts:read", "acme", `{"allowed":false,"role":null,"because":null}`},
		{"no permission that there is", "accounts:sell", "acme", `{"allowed":false,"role":null,"because":null}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := fmt.Sprintf(`{"permission":"%s","accountId":"%s"}`, tc.permission, tc.account)
			if got := w.want(200, "POST", "/api/permissions/check", body, as("carol")...).Body.String(); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}
