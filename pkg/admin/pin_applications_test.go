package admin_test

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/admin"
	"github.com/signet-auth/signet/pkg/signet"
)

func TestPINApplicationsLifeByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.want(201, "POST", "/admin/v1/pin-applications", `{"id":"lending","username":"lending"}`)
	pin, _ := made["pin"].(string)
	key, _ := made["key"].(string)
	if made["mode"] != signet.PINv2 || len(pin) != 8 || len(key) != 64 {
		t.Errorf("made %v", made)
	}
	w.want(409, "POST", "/admin/v1/pin-applications", `{"username":"lending"}`)
	w.want(409, "POST", "/admin/v1/pin-applications", `{"id":"lending","username":"other"}`)
	stored, err := w.store.PINApplication(t.Context(), "lending")
	if err != nil || !strings.HasPrefix(stored.PINHash, "$argon2id$") || len(stored.Keys) != 1 {
		t.Fatalf("stored %+v, %v", stored, err)
	}
	if plain, err := w.ring.OpenRecord(&stored.Keys[0]); err != nil || hex.EncodeToString(plain) != key {
		t.Errorf("the key that is shown is not the one that is sealed: %v", err)
	}
	client, err := w.store.Client(t.Context(), "lending")
	if err != nil || !client.MayUse(signet.GrantPIN) {
		t.Errorf("client %+v, %v", client, err)
	}
	path := "/admin/v1/pin-applications/lending"
	got := w.send("GET", path, "")
	for _, secret := range []string{pin, key, "pin_hash", "argon2id", "sealed"} {
		if strings.Contains(got.Body.String(), secret) {
			t.Errorf("GET shows %s: %s", secret, got.Body)
		}
	}
	w.want(428, "PUT", path, got.Body.String())
	w.want(200, "PUT", path, got.Body.String(), "If-Match", `"1"`)
	w.want(200, "PUT", path, `{"username":"lending","mode":"pin-v2","allowed_networks":["192.0.2.0/24"],"grant_lifetime":3600}`, "If-Match", `"2"`)
	if client, err = w.store.Client(t.Context(), "lending"); err != nil || len(client.AllowedNetworks) != 1 || client.RefreshTokenLifetime != 3600 {
		t.Errorf("the client did not follow: %+v, %v", client, err)
	}
	w.want(400, "PUT", path, `{"username":"other","mode":"pin-v2"}`, "If-Match", `"3"`)
	w.want(400, "PUT", path, `{"username":"lending","mode":"aes-128-cbc"}`, "If-Match", `"3"`) // its key has 32 bytes
	asAny := `{"token_endpoint_auth_method":"none","redirect_uris":["https://a.example/"]}`
	if res := w.send("PUT", "/admin/v1/clients/lending", asAny, "If-Match", `"2"`); res.Code != 400 || !strings.Contains(res.Body.String(), "PIN application") {
		t.Errorf("the application's client was changed as if it were any: %d %s", res.Code, res.Body)
	}

	changed := w.want(200, "PUT", path+"/pin", `{}`)
	if other, _ := changed["pin"].(string); other == pin || len(other) != 8 {
		t.Errorf("set-pin answered %v", changed)
	}
	after, err := w.store.PINApplicationByID(t.Context(), "lending")
	if err != nil || after.PINHash == stored.PINHash {
		t.Errorf("the PIN did not change: %v", err)
	}
	if given := w.want(200, "PUT", path+"/pin", `{"pin":"4711"}`); given["pin"] != nil {
		t.Errorf("a given PIN is repeated: %v", given)
	}
	w.want(400, "PUT", path+"/pin", `{"pin":"1"}`)

	rotated := w.want(201, "POST", path+"/keys", `{"overlap":0}`)
	if other, _ := rotated["key"].(string); other == key || len(other) != 64 {
		t.Errorf("rotate answered %v", rotated)
	}
	w.want(400, "POST", path+"/keys", `{"key":"00112233445566778899aabbccddeeff","key_encoding":"hex"}`)
	w.want(201, "POST", path+"/keys", `{"kid":"three"}`)
	w.want(409, "POST", path+"/keys", `{}`)
	w.want(204, "DELETE", path+"/keys/three", "")

	if disabled := w.want(200, "POST", path+"/disable", ""); disabled["disabled"] != true {
		t.Errorf("disable answered %v", disabled)
	}
	if client, err = w.store.Client(t.Context(), "lending"); err != nil || !client.Disabled() {
		t.Errorf("the client lives on: %+v, %v", client, err)
	}
	list, _ := w.want(200, "GET", "/admin/v1/pin-applications", "")["pin_applications"].([]any)
	if one, _ := list[0].(map[string]any); len(list) != 1 || one["disabled"] != true {
		t.Errorf("listed %v", list)
	}
	w.want(200, "POST", path+"/enable", "")
	w.want(404, "GET", "/admin/v1/pin-applications/none", "")
	if users, _ := w.want(200, "GET", "/admin/v1/users", "")["users"].([]any); len(users) != 0 {
		t.Errorf("an application stands among people: %v", users)
	}
	w.want(404, "GET", "/admin/v1/users/app:lending", "")
	// An ordinary client is no PIN application.
	w.want(201, "POST", "/admin/v1/clients", webClient)
	w.want(404, "POST", "/admin/v1/pin-applications/shop/disable", "")
}

// hurried is a register where somebody else writes right after the first read.
type hurried struct {
	admin.PINApplications
	meanwhile func()
}

func (h *hurried) PINApplicationByID(ctx context.Context, id signet.ClientID) (*signet.PINApplication, error) {
	app, err := h.PINApplications.PINApplicationByID(ctx, id)
	if act := h.meanwhile; act != nil {
		h.meanwhile = nil
		act()
	}
	return app, err
}

// A change that came too late changes nothing at all: networks are a fence of the application and of its client alike.
func TestStalePINApplicationLeavesItsClient(t *testing.T) {
	t.Parallel()
	register := &hurried{}
	w := newWorldOf(t, false, func(c *admin.Contracts) { register.PINApplications, c.PINApplications = c.PINApplications, register })
	w.want(201, "POST", "/admin/v1/pin-applications", `{"id":"lending","username":"lending","allowed_networks":["192.0.2.0/24"]}`)
	register.meanwhile = func() {
		app, err := w.store.PINApplicationByID(t.Context(), "lending")
		if err != nil {
			t.Fatal(err)
		}
		app.ExecTime = "integer"
		if err := w.store.UpdatePINApplication(t.Context(), app, signet.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	w.want(412, "PUT", "/admin/v1/pin-applications/lending", `{"username":"lending","mode":"pin-v2"}`, "If-Match", `"1"`)
	app, err := w.store.PINApplicationByID(t.Context(), "lending")
	if err != nil || len(app.AllowedNetworks) != 1 || app.ExecTime != "integer" {
		t.Errorf("application %+v, %v", app, err)
	}
	client, err := w.store.Client(t.Context(), "lending")
	if err != nil || len(client.AllowedNetworks) != 1 || client.Version != 1 {
		t.Errorf("the client went ahead: %+v, %v", client, err)
	}
}

// TestPIN05Modes: a mode without authentication has its fences, and a key its length.
func TestPIN05Modes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct {
		name, body string
		status     int
	}{
		{"no username", `{}`, 400},
		{"control character", `{"username":"a\u0007b"}`, 400},
		{"unknown mode", `{"username":"a","mode":"des"}`, 400},
		{"ECB without fence", `{"username":"a","mode":"aes-128-ecb","mode_ends":"2099-01-01T00:00:00Z"}`, 400},
		{"ECB without end", `{"username":"a","mode":"aes-128-ecb","allowed_networks":["192.0.2.0/24"]}`, 400},
		{"short key", `{"username":"a","key":"0011","key_encoding":"hex"}`, 400},
		{"key of another length", `{"username":"a","mode":"aes-128-cbc","key":"` + strings.Repeat("00", 32) + `","key_encoding":"hex"}`, 400},
		{"IV of a mode without", `{"username":"a","fixed_iv":"` + strings.Repeat("00", 16) + `"}`, 400},
		{"short pin", `{"username":"a","pin":"1"}`, 400},
		{"id", `{"id":"a/b","username":"a"}`, 400},
		{"ECB with fence and end", `{"username":"a.username","mode":"aes-128-ecb","allowed_networks":["192.0.2.0/24"],"mode_ends":"2099-01-01T00:00:00Z"}`, 201},
		{"CBC of an old caller", `{"username":"old app","mode":"aes-128-cbc","pin":"1234","key":"` + strings.Repeat("ab", 16) + `","key_encoding":"hex","fixed_iv":"` + strings.Repeat("00", 16) + `"}`, 201},
	} {
		if res := w.send("POST", "/admin/v1/pin-applications", tc.body); res.Code != tc.status {
			t.Errorf("%s: %d, want %d: %s", tc.name, res.Code, tc.status, res.Body)
		}
	}
}
