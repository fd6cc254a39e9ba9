package admin_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/admin"
	"github.com/signet-auth/signet/pkg/signet"
)

// account makes an organisation that a user owns, and returns their paths and ids.
func (w *world) account() (path, owner string) {
	w.t.Helper()
	owner, _ = w.want(201, "POST", "/admin/v1/users", oneUser)["sub"].(string)
	id, _ := w.want(201, "POST", "/admin/v1/accounts", `{"name":"Corner Shop","type":"org","owner":"`+owner+`"}`)["id"].(string)
	return "/admin/v1/accounts/" + id, owner
}

func TestAccountsLifeByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, owner := w.account()
	got := w.send("GET", path, "")
	w.want(428, "PUT", path, got.Body.String())
	w.want(200, "PUT", path, got.Body.String(), "If-Match", `"1"`)
	methods := `[{"type":"PAYPAL","src":"https://a.example/?x=1&y=2","attributes":[{"key":"a","value":"b"}]},{"type":"ECheck","src":"URL","attributes":null}]`
	changed := w.send("PUT", path, `{"name":"Shop","settings":{"supported_payment_methods":`+methods+`,"single_use":true}}`, "If-Match", `"2"`)
	if changed.Code != 200 {
		t.Fatal(changed.Body)
	}
	stored, err := w.store.Account(t.Context(), strings.TrimPrefix(path, "/admin/v1/accounts/"))
	if err != nil || stored.Name != "Shop" || !stored.Settings.SingleUse {
		t.Fatalf("stored %+v, %v", stored, err)
	}
	// Intents carry the members in this order: the list is kept as it was sent.
	kept := string(stored.Settings.SupportedPaymentMethods)
	if kind, src := strings.Index(kept, `"type"`), strings.Index(kept, `"src"`); kind < 0 || src < kind || strings.Index(kept, `"attributes"`) < src {
		t.Errorf("the order of members changed: %s", kept)
	}
	for name, body := range map[string]string{
		"type":      `{"name":"Shop","type":"individual"}`,
		"instance":  `{"name":"Shop","instance":"00000000-0000-4000-8000-000000000000"}`,
		"no name":   `{"settings":{}}`,
		"alg":       `{"name":"Shop","settings":{"intent_alg":"none"}}`,
		"lifetime":  `{"name":"Shop","settings":{"intent_lifetime":-1}}`,
		"no list":   `{"name":"Shop","settings":{"supported_payment_methods":{}}}`,
		"no src":    `{"name":"Shop","settings":{"supported_payment_methods":[{"type":"a","attributes":null}]}}`,
		"more":      `{"name":"Shop","settings":{"supported_payment_methods":[{"type":"a","src":"b","attributes":null,"x":1}]}}`,
		"attribute": `{"name":"Shop","settings":{"supported_payment_methods":[{"type":"a","src":"b","attributes":[{"key":"a"}]}]}}`,
		"unknown":   `{"name":"Shop","settings":{"x":1}}`,
	} {
		if res := w.send("PUT", path, body, "If-Match", `"3"`); res.Code != 400 {
			t.Errorf("%s: %d %s", name, res.Code, res.Body)
		}
	}
	for _, body := range []string{`{"name":"A","type":"club"}`, `{"name":"A","type":"individual"}`, `{"name":"A","type":"org","owner":"app:x"}`,
		`{"name":"A","type":"org","owner":"00000000-0000-4000-8000-000000000000"}`, `{"name":"A","type":"org","instance":"x"}`, `{"type":"org"}`} {
		w.want(400, "POST", "/admin/v1/accounts", body)
	}
	w.want(201, "POST", "/admin/v1/accounts", `{"name":"Alice","type":"individual","owner":"`+owner+`"}`)
	w.want(409, "POST", "/admin/v1/accounts", `{"name":"Alice again","type":"individual","owner":"`+owner+`"}`)
	if disabled := w.want(200, "POST", path+"/disable", ""); disabled["disabled"] != true {
		t.Errorf("disable answered %v", disabled)
	}
	w.want(200, "POST", path+"/enable", "")
	w.want(404, "GET", "/admin/v1/accounts/x", "")
}

func TestMembersByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, owner := w.account()
	bob, _ := w.want(201, "POST", "/admin/v1/users", `{"username":"bob","email":"bob@example.com"}`)["sub"].(string)
	at := path + "/members/" + bob
	w.want(400, "PUT", at, `{"role":"emperor"}`)
	w.want(404, "PUT", path+"/members/00000000-0000-4000-8000-000000000000", `{"role":"merchant-terminal"}`)
	// The row that a PIN application speaks for is no person.
	w.want(201, "POST", "/admin/v1/pin-applications", `{"id":"lending","username":"lending"}`)
	w.want(404, "PUT", path+"/members/app:lending", `{"role":"merchant-terminal"}`)
	w.want(400, "POST", "/admin/v1/accounts", `{"name":"A","type":"org","owner":"app:lending"}`)
	if pending := w.want(200, "PUT", at, `{"role":"merchant-terminal"}`); pending["accepted"] != false {
		t.Errorf("a member that nobody accepted: %v", pending)
	}
	if accepted := w.want(200, "PUT", at, `{"role":"merchant-terminal","accepted":true}`); accepted["accepted"] != true {
		t.Errorf("accepted %v", accepted)
	}
	// What was accepted stays accepted when the role changes.
	if changed := w.want(200, "PUT", at, `{"role":"anon-consumer"}`); changed["accepted"] != true || changed["role"] != "anon-consumer" {
		t.Errorf("changed %v", changed)
	}
	members, _ := w.want(200, "GET", path+"/members", "")["members"].([]any)
	if len(members) != 2 {
		t.Errorf("%d members: %v", len(members), members)
	}
	w.want(409, "DELETE", path+"/members/"+owner, "")
	w.want(409, "PUT", path+"/members/"+owner, `{"role":"anon-consumer"}`)
	w.want(204, "DELETE", at, "")
	w.want(404, "DELETE", at, "")
}

// leaving is a register where a member leaves at the last moment before a write.
type leaving struct {
	members
	leave func()
}

type members interface{ admin.Members }

func (l *leaving) PutMembership(ctx context.Context, member *signet.Membership, event signet.Event) error {
	if l.leave != nil {
		l.leave()
	}
	return l.members.PutMembership(ctx, member, event)
}

// A member who leaves while the role is being changed was asked nothing, and so has not accepted what begins anew.
func TestMemberWhoLeavesMeanwhile(t *testing.T) {
	t.Parallel()
	register := &leaving{}
	w := newWorldOf(t, false, func(c *admin.Contracts) { register.members, c.Members = c.Members, register })
	path, _ := w.account()
	bob, _ := w.want(201, "POST", "/admin/v1/users", `{"username":"bob","email":"bob@example.com"}`)["sub"].(string)
	at := path + "/members/" + bob
	first := w.want(200, "PUT", at, `{"role":"merchant-terminal","accepted":true}`)
	// What stands keeps its times, whoever changes it.
	if same := w.want(200, "PUT", at, `{"role":"anon-consumer"}`); same["accepted_at"] != first["accepted_at"] || same["created_at"] != first["created_at"] {
		t.Errorf("%v, then %v", first, same)
	}
	register.leave = func() {
		if err := w.store.EndMembership(t.Context(), strings.TrimPrefix(path, "/admin/v1/accounts/"), signet.UserID(bob), signet.Event{}); err != nil {
			t.Error(err)
		}
	}
	if back := w.want(200, "PUT", at, `{"role":"merchant-terminal"}`); back["accepted"] != false {
		t.Errorf("came back accepted: %v", back)
	}
}

func TestIntentKeysByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, _ := w.account()
	made := w.want(201, "POST", path+"/intent-keys", `{}`)
	secret, _ := made["secret"].(string)
	first, _ := made["kid"].(string)
	if len(secret) != 64 || first == "" {
		t.Errorf("made %v", made)
	}
	w.want(400, "POST", path+"/intent-keys", `{"secret":"c2hvcnQ=","key_encoding":"base64"}`) // RFC 7518 §3.2
	given := w.want(201, "POST", path+"/intent-keys", `{"secret":"`+strings.Repeat("k", 32)+`","key_encoding":"raw","kid":"old"}`)
	if _, shown := given["secret"]; shown {
		t.Errorf("a given key is repeated: %v", given)
	}
	if got := w.send("GET", path, ""); strings.Contains(got.Body.String(), secret) {
		t.Errorf("the key is shown a second time: %s", got.Body)
	}
	account, err := w.store.Account(t.Context(), strings.TrimPrefix(path, "/admin/v1/accounts/"))
	if err != nil || len(account.Keys) != 2 {
		t.Fatalf("%d keys, %v", len(account.Keys), err)
	}
	for _, key := range account.Keys {
		if (key.ExpiresAt != nil) != (key.ID == signet.KeyID(first)) {
			t.Errorf("key %s ends at %v", key.ID, key.ExpiresAt)
		}
	}
	w.want(204, "DELETE", path+"/intent-keys/old", "")
	w.want(404, "DELETE", path+"/intent-keys/none", "")
}

func TestAPIKeysByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, _ := w.account()
	at := path + "/api-keys"
	made := w.want(201, "POST", at, `{"name":"Till 1","role":"merchant-terminal","allowed_networks":["192.0.2.0/24"]}`)
	secret, _ := made["secret"].(string)
	if _, ok := signet.ParseSecret(signet.SecretAPIKey, secret); !ok || made["enabled"] != true || made["may_manage"] != false {
		t.Errorf("made %v", made)
	}
	w.want(409, "POST", at, `{"name":"Till 1","role":"merchant-terminal"}`)
	for _, body := range []string{`{"name":"a","role":"emperor"}`, `{"name":"","role":"merchant-terminal"}`, `{"name":"a/b","role":"merchant-terminal"}`,
		`{"name":"..","role":"merchant-terminal"}`, `{"name":"a","role":"merchant-terminal","allowed_networks":["192.0.2.1/24"]}`,
		`{"name":"a","role":"merchant-terminal","expires_at":"2001-01-01T00:00:00Z"}`, `{"name":"a","role":"merchant-terminal","secret":"x"}`} {
		w.want(400, "POST", at, body)
	}
	stored, err := w.store.APIKeyByHash(t.Context(), w.ring.HashKeys().Candidates(secret))
	if err != nil || stored.Name != "Till 1" {
		t.Fatalf("the key is not found by its hash: %v", err)
	}
	one := at + "/Till%201"
	got := w.send("GET", one, "")
	if got.Code != 200 || strings.Contains(got.Body.String(), secret) {
		t.Fatalf("GET answered %s", got.Body)
	}
	w.want(428, "PUT", one, `{"enabled":false}`)
	w.want(400, "PUT", one, `{}`, "If-Match", `"1"`)
	w.want(400, "PUT", one, `{"enabled":false,"role":"account-owner"}`, "If-Match", `"1"`)
	if disabled := w.want(200, "PUT", one, `{"enabled":false}`, "If-Match", `"1"`); disabled["enabled"] != false || disabled["allowed_networks"] == nil {
		t.Errorf("disabled %v", disabled)
	}
	if principal, err := w.store.Principal(t.Context(), stored.Principal()); err != nil || !principal.Disabled || principal.NotBefore.IsZero() {
		t.Errorf("the principal after disabling: %+v, %v", principal, err)
	}
	back := w.send("GET", one, "")
	w.want(200, "PUT", one, strings.Replace(back.Body.String(), `"enabled":false`, `"enabled":true`, 1), "If-Match", `"2"`)
	w.want(404, "GET", at+"/nothing", "")
	if list, _ := w.want(200, "GET", at, "")["api_keys"].([]any); len(list) != 1 {
		t.Errorf("%d keys listed", len(list))
	}
}

// TestPublishedKeyIsRefused: what stands in a public document is nobody's secret (wire.md, 1).
func TestPublishedKeyIsRefused(t *testing.T) {
	t.Parallel()
	const published = "f32c5497297084e5354b47c40d5ccacb109ce483"
	body := func(role, secret string) string {
		encoded, _ := json.Marshal(map[string]string{"name": "Old " + secret[:4] + role, "role": role, "secret": secret})
		return string(encoded)
	}
	serve := newWorld(t)
	path, _ := serve.account()
	for _, secret := range []string{published, strings.ToUpper(published), "short", "has a space in the middle", "sgt_ak_looks_like_one_of_ours", strings.Repeat("x", 300)} {
		if res := serve.send("POST", path+"/api-key-imports", body("merchant-terminal", secret)); res.Code != 400 || strings.Contains(res.Body.String(), secret) {
			t.Errorf("%.20s: %d %s", secret, res.Code, res.Body)
		}
	}
	imported := serve.want(201, "POST", path+"/api-key-imports", body("merchant-terminal", "0123456789abcdef0123456789abcdef01234567"))
	if _, shown := imported["secret"]; shown || imported["imported"] != true {
		t.Errorf("imported %v", imported)
	}
	dev := newWorldOf(t, true)
	path, _ = dev.account()
	dev.want(400, "POST", path+"/api-key-imports", body("account-owner", published))
	dev.want(201, "POST", path+"/api-key-imports", body("merchant-terminal", published))
}

func TestDevicesByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, _ := w.account()
	made := w.want(201, "POST", path+"/devices", `{"dcn":"1","name":"Till"}`)
	password, _ := made["password"].(string)
	id, _ := made["id"].(string)
	stored, err := w.store.Device(t.Context(), "1", id)
	if err != nil || !w.ring.HashKeys().Verify(password, stored.Hash) {
		t.Errorf("stored %+v, %v", stored, err)
	}
	w.want(409, "POST", path+"/devices", `{"dcn":"1","id":"`+id+`"}`)
	given := w.want(201, "POST", path+"/devices", `{"dcn":"2","id":"`+strings.ToUpper(id)+`","password":"old password"}`)
	if _, shown := given["password"]; shown || given["id"] != id {
		t.Errorf("given %v", given)
	}
	for _, body := range []string{`{}`, `{"dcn":"a:b"}`, `{"dcn":"a|b"}`, `{"dcn":"1","id":"x"}`, `{"dcn":"1","password":"short"}`, `{"dcn":"1","name":"\u202e"}`} {
		w.want(400, "POST", path+"/devices", body)
	}
	other, _ := w.want(201, "POST", "/admin/v1/accounts", `{"name":"Other","type":"org"}`)["id"].(string)
	w.want(404, "POST", "/admin/v1/accounts/"+other+"/devices/1/"+id+"/disable", "") // another account's
	if disabled := w.want(200, "POST", path+"/devices/1/"+id+"/disable", ""); disabled["disabled"] != true {
		t.Errorf("disable answered %v", disabled)
	}
	w.want(200, "POST", path+"/devices/1/"+id+"/enable", "")
	if res := w.send("GET", path+"/devices", ""); res.Code != 200 || strings.Contains(res.Body.String(), password) || strings.Contains(res.Body.String(), "password") {
		t.Errorf("listed %s", res.Body)
	}
}
