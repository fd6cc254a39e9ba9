package account_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/account"
	"github.com/signet-auth/signet/pkg/signet"
)

// If-Match may be left out; what is sent must be the version that stands, bare or as an entity tag.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		value  []string
		status int
	}{
		{"none", nil, 200},
		{"bare", []string{"1"}, 200},
		{"quoted", []string{`"1"`}, 200},
		{"any", []string{"*"}, 200},
		{"stale", []string{`"0"`}, 412},
		{"weak", []string{`W/"1"`}, 412}, // RFC 9110 §13.1.1: the strong comparison
		{"half quoted", []string{`"1`}, 412},
		{"a list", []string{`"1", "2"`}, 412},
		{"another spelling", []string{"01"}, 412},
		{"no number", []string{`"abc"`}, 412},
		{"empty", []string{""}, 412},
		{"twice", []string{`"1"`, `"1"`}, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := standard(t)
			w.key("acme", "till", "merchant-terminal")
			headers := as("alice")
			for _, value := range tc.value {
				headers = append(headers, "If-Match", value)
			}
			w.want(tc.status, "PUT", "/api/accounts/acme", `{"name":"Renamed"}`, headers...)
			w.want(tc.status, "PUT", "/api/accounts/acme/api-keys/till", `{"enabled":false}`, headers...)
		})
	}
	// A version that nobody has written yet is asked of the database once, and is no reason to come again.
	w := standard(t)
	w.key("acme", "till", "merchant-terminal")
	w.want(412, "PUT", "/api/accounts/acme", `{"name":"Renamed"}`, append(as("alice"), "If-Match", "2")...)
	w.want(412, "PUT", "/api/accounts/acme/api-keys/till", `{"enabled":false}`, append(as("alice"), "If-Match", "2")...)
}

// behind is a node that has not heard yet what another one wrote; overtaken, one that reads the truth just before it is
// written.
type behind struct {
	account.Accounts
	old       *signet.Account
	overtaken bool
}

func (b behind) Account(ctx context.Context, id string) (*signet.Account, error) {
	if signet.WantsTruth(ctx) && !b.overtaken {
		return b.Accounts.Account(ctx, id)
	}
	return b.old, nil
}

// A version of which this node has not heard: another node wrote it within the last second. It stands, so it matches, and
// what was written with it stays.
func TestIfMatchOfAnotherNode(t *testing.T) {
	t.Parallel()
	w := standard(t)
	old, err := w.store.Account(t.Context(), "acme")
	must(t, err)
	changed := *old
	changed.Settings.SingleUse = true
	must(t, w.store.UpdateAccount(t.Context(), &changed, signet.Event{}))
	room := func(overtaken bool) *world {
		late := newRoom(t, w.store, w.clock, func(o *account.Options) { o.Accounts = behind{w.store, old, overtaken} })
		late.bearers["token-of-alice"] = w.bearers["token-of-alice"]
		return late
	}
	late := room(false)
	late.want(412, "PUT", "/api/accounts/acme", `{"name":"Renamed"}`, append(as("alice"), "If-Match", `"3"`)...)
	late.want(200, "PUT", "/api/accounts/acme", `{"name":"Renamed"}`, append(as("alice"), "If-Match", `"2"`)...)
	room(true).want(409, "PUT", "/api/accounts/acme", `{"name":"Unseen"}`, as("alice")...)
	now, err := w.store.Account(t.Context(), "acme")
	must(t, err)
	if now.Name != "Renamed" || !now.Settings.SingleUse || now.Version != 3 {
		t.Errorf("%+v", now)
	}
}

// Of writes that name the same version one wins.
func TestOneVersionOneWriter(t *testing.T) {
	t.Parallel()
	w := standard(t)
	var mu sync.Mutex
	statuses := map[int]int{}
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			res := w.send("PUT", "/api/accounts/acme", fmt.Sprintf(`{"name":"Name %d"}`, i), append(as("alice"), "If-Match", "1")...)
			mu.Lock()
			defer mu.Unlock()
			statuses[res.Code]++
		})
	}
	group.Wait()
	// On a busy machine a writer may wait in line for too long, and is told to come again.
	if statuses[200] != 1 || statuses[412]+statuses[503] != 15 {
		t.Errorf("%v", statuses)
	}
}

// A secret is in the answer that makes it, works at once, and stands nowhere else.
func TestSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	w := standard(t)
	made := object(t, w.want(201, "POST", "/api/accounts/acme/api-keys", `{"name":"till","role":"merchant-terminal"}`, as("alice")...))
	secret, _ := made["secret"].(string)
	if _, ok := signet.ParseSecret(signet.SecretAPIKey, secret); !ok {
		t.Fatalf("secret %q", secret)
	}
	w.want(200, "GET", probe, "", "X-Api-Key", secret)
	if list := w.want(200, "GET", "/api/accounts/acme/api-keys", "", as("alice")...).Body.String(); strings.Contains(list, "secret") || strings.Contains(list, secret[8:20]) {
		t.Errorf("the list tells secrets: %s", list)
	}
	changed := w.want(200, "PUT", "/api/accounts/acme/api-keys/till", `{"enabled":false}`, as("alice")...).Body.String()
	if strings.Contains(changed, "secret") {
		t.Errorf("the change tells secrets: %s", changed)
	}
	refusedAlike(t, w.send("GET", probe, "", "X-Api-Key", secret))
	w.want(200, "PUT", "/api/accounts/acme/api-keys/till", `{"enabled":true}`, as("alice")...)
	w.want(200, "GET", probe, "", "X-Api-Key", secret)
}

// A key may not create or enable keys nor add members unless its record says so, whatever its role; and what it creates
// is bound as it is itself.
func TestKeysManageOnlyByRecord(t *testing.T) {
	t.Parallel()
	w := standard(t)
	w.key("acme", "off", "merchant-terminal", func(k *signet.APIKey) { k.Enabled = false })
	plain := []string{"X-Api-Key", w.key("acme", "plain", "account-owner")}
	ends := start.Add(time.Hour)
	managing := []string{"X-Api-Key", w.key("acme", "managing", "account-owner", func(k *signet.APIKey) {
		k.MayManage, k.ExpiresAt, k.AllowedNetworks = true, &ends, []string{"192.0.2.0/24"}
	})}
	const newKey, member = `{"name":"made","role":"account-owner"}`, `{"userId":"dave","role":"merchant-terminal"}`
	w.want(403, "POST", "/api/accounts/acme/api-keys", newKey, plain...)
	w.want(403, "POST", "/api/accounts/acme/members", member, plain...)
	w.want(403, "PUT", "/api/accounts/acme/api-keys/off", `{"enabled":true}`, plain...)
	w.want(200, "PUT", "/api/accounts/acme/api-keys/off", `{"enabled":false}`, plain...)
	w.want(200, "PUT", "/api/accounts/acme/api-keys/off", `{"enabled":true}`, managing...)
	w.want(201, "POST", "/api/accounts/acme/members", member, managing...)
	made := object(t, w.want(201, "POST", "/api/accounts/acme/api-keys", newKey, managing...))
	stored, err := w.store.APIKey(t.Context(), "acme", "made")
	must(t, err)
	if stored.MayManage || stored.ExpiresAt == nil || !stored.ExpiresAt.Equal(ends) || !slices.Equal(stored.AllowedNetworks, []string{"192.0.2.0/24"}) {
		t.Errorf("freer than its maker: %+v", stored)
	}
	secret, _ := made["secret"].(string)
	w.want(403, "POST", "/api/accounts/acme/api-keys", `{"name":"again","role":"account-owner"}`, "X-Api-Key", secret)
}

// With another table a lesser role may manage people and keys, but none that is greater than what it may give.
func TestNobodyGivesMoreThanMayBeGiven(t *testing.T) {
	t.Parallel()
	roles := account.DefaultRoles()
	roles["clerk"] = account.Role{Own: []string{"accounts:read", "accounts:update", "api-keys:create", "api-keys:update"}, Grants: []string{"merchant-terminal"}}
	w := standard(t, func(o *account.Options) { o.Roles = roles })
	w.member("acme", "dave", "clerk")
	w.key("acme", "owner", "account-owner", func(k *signet.APIKey) { k.Enabled = false })
	w.user("erin")
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"give the lesser role", "POST", "members", `{"userId":"erin","role":"merchant-terminal"}`, 201},
		{"give the greater role", "POST", "members", `{"userId":"erin","role":"account-owner"}`, 403},
		{"give the own role", "POST", "members", `{"userId":"erin","role":"clerk"}`, 403},
		{"lower an owner", "POST", "members", `{"userId":"alice","role":"merchant-terminal"}`, 403},
		{"remove an owner", "DELETE", "members/alice", "", 403},
		{"remove oneself", "DELETE", "members/dave", "", 403},
		{"a greater key", "POST", "api-keys", `{"name":"k","role":"account-owner"}`, 403},
		{"a lesser key", "POST", "api-keys", `{"name":"k","role":"merchant-terminal"}`, 201},
		{"enable a greater key", "PUT", "api-keys/owner", `{"enabled":true}`, 403},
	} {
		w.want(tc.status, tc.method, "/api/accounts/acme/"+tc.path, tc.body, as("dave")...)
	}
}

// A star on accounts lets a role into every account that there is, and into none that there is not.
func TestGlobalPermissionOnAccounts(t *testing.T) {
	t.Parallel()
	roles := account.DefaultRoles()
	roles["auditor"] = account.Role{Global: []string{"accounts:read"}}
	w := standard(t, func(o *account.Options) { o.Roles = roles })
	w.member("acme", "dave", "auditor")
	w.want(200, "GET", "/api/accounts/other", "", as("dave")...)
	w.want(200, "GET", "/api/accounts/other/members", "", as("dave")...)
	w.want(404, "GET", "/api/accounts/nothing", "", as("dave")...)
	w.want(404, "GET", "/api/accounts/nothing/members", "", as("dave")...)
	w.want(404, "PUT", "/api/accounts/other", `{"name":"Mine"}`, as("dave")...)
}

// A changed role keeps its acceptance and counts at once; an invitation that is changed stays an invitation.
func TestChangedRoles(t *testing.T) {
	t.Parallel()
	w := standard(t)
	w.want(200, "POST", "/api/accounts/acme/members", `{"userId":"carol","role":"account-owner"}`, as("alice")...)
	w.want(200, "GET", "/api/accounts/acme", "", as("carol")...)
	w.want(204, "DELETE", "/api/accounts/acme/members/alice", "", as("carol")...)
	res := w.want(409, "POST", "/api/accounts/acme/members", `{"userId":"carol","role":"merchant-terminal"}`, as("carol")...)
	if got := object(t, res)["detail"]; got != "An account keeps at least one accepted owner." {
		t.Errorf("%v", got)
	}
	w.want(201, "POST", "/api/accounts/acme/members", `{"userId":"dave","role":"merchant-terminal"}`, as("carol")...)
	res = w.want(200, "POST", "/api/accounts/acme/members", `{"userId":"dave","role":"account-owner"}`, as("carol")...)
	if object(t, res)["pending"] != true {
		t.Errorf("a change accepted an invitation: %s", res.Body)
	}
	w.want(404, "GET", "/api/accounts/acme", "", as("dave")...)
	w.want(409, "DELETE", "/api/accounts/acme/members/carol", "", as("carol")...)
	// A PIN application has a user's row, and is no person.
	w.user("app:terminal")
	w.want(400, "POST", "/api/accounts/acme/members", `{"userId":"app:terminal","role":"account-owner"}`, as("carol")...)
}

// Two owners who remove each other at once leave one.
func TestLastOwnerRace(t *testing.T) {
	t.Parallel()
	w := standard(t)
	w.member("acme", "dave", "account-owner")
	var group sync.WaitGroup
	for from, whom := range map[string]string{"alice": "dave", "dave": "alice"} {
		group.Go(func() { w.send("DELETE", "/api/accounts/acme/members/"+whom, "", as(from)...) })
	}
	group.Wait()
	members, err := w.store.Members(t.Context(), "acme")
	must(t, err)
	owners := 0
	for _, m := range members {
		if m.Role == account.RoleOwner {
			owners++
		}
	}
	if owners != 1 {
		t.Errorf("%d owners are left", owners)
	}
}

// A person has one individual account, also when asking for several at once.
func TestOneIndividualAccount(t *testing.T) {
	t.Parallel()
	w := standard(t)
	var mu sync.Mutex
	made := 0
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if w.send("POST", "/api/accounts", `{"name":"Dave","type":"individual"}`, as("dave")...).Code == http.StatusCreated {
				mu.Lock()
				made++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if made != 1 {
		t.Errorf("%d individual accounts", made)
	}
	var list []struct{ AccountType, Role string }
	must(t, json.Unmarshal(w.want(200, "GET", probe, "", as("dave")...).Body.Bytes(), &list))
	if len(list) != 1 || list[0].AccountType != "individual" || list[0].Role != account.RoleOwner {
		t.Errorf("%+v", list)
	}
}

// Names that could not be written into a path, or that show something else than they are, are refused.
func TestNames(t *testing.T) {
	t.Parallel()
	w := standard(t)
	for _, tc := range []struct {
		name         string
		account, key int
	}{
		{"Till 1", 201, 201},
		{"Kasse Süd", 201, 201},
		{strings.Repeat("ü", 100), 201, 201},
		{"a/b", 201, 400},
		{`a\\b`, 201, 400},
		{"..", 201, 400},
		{strings.Repeat("n", 101), 400, 400},
		{"", 400, 400},
		{" x", 400, 400},
		{`x\u0000`, 400, 400},
		{`x\u202ey`, 400, 400}, // turns the text round
		{`x\ny`, 400, 400},
	} {
		w.want(tc.account, "POST", "/api/accounts", `{"name":"`+tc.name+`","type":"org"}`, as("alice")...)
		w.want(tc.key, "POST", "/api/accounts/acme/api-keys", `{"name":"`+tc.name+`","role":"merchant-terminal"}`, as("alice")...)
	}
}

// Each act leaves its event, in its own transaction, with who did it and from where.
func TestActsAreRecorded(t *testing.T) {
	t.Parallel()
	w := standard(t)
	managing := []string{"X-Api-Key", w.key("acme", "managing", "account-owner", func(k *signet.APIKey) { k.MayManage = true })}
	w.want(200, "PUT", "/api/accounts/acme", `{"name":"Renamed"}`, as("alice")...)
	w.want(201, "POST", "/api/accounts/acme/api-keys", `{"name":"till","role":"merchant-terminal"}`, managing...)
	w.want(200, "PUT", "/api/accounts/acme/api-keys/till", `{"enabled":false}`, managing...)
	events, err := w.store.ListEvents(t.Context(), "", 20)
	must(t, err)
	find := func(kind signet.EventKind) signet.Event {
		t.Helper()
		for _, ev := range events {
			if ev.Kind == kind && ev.RequestID != "" {
				return ev
			}
		}
		t.Fatalf("no event %s in %+v", kind, events)
		return signet.Event{}
	}
	if ev := find(signet.EventAccountUpdated); ev.Actor != "user:alice" || ev.UserID != "alice" || ev.ClientID != "rp" || ev.Target != "account:acme" || ev.Address != "192.0.2.7" {
		t.Errorf("%+v", ev)
	}
	if ev := find(signet.EventAPIKeyCreated); ev.Actor != "key:id-of-acme-managing" || ev.KeyID != "id-of-acme-managing" || !strings.HasPrefix(ev.Target, "api_key:") {
		t.Errorf("%+v", ev)
	}
	if ev := find(signet.EventAPIKeyUpdated); ev.Reason != "disabled" || ev.Actor != "key:id-of-acme-managing" {
		t.Errorf("%+v", ev)
	}
}
