package admin_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// TestADM01EveryRouteAsksForAnOperator walks the route table, so that a route added without the check is found.
func TestADM01EveryRouteAsksForAnOperator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unknown := signet.NewSecret(signet.SecretAdmin).Reveal()
	foreign := signet.NewSecret(signet.SecretClient).Reveal()
	flipped := w.key[:len(w.key)-1] + string('A'+(w.key[len(w.key)-1]-'A'+1)%26)
	for _, route := range w.room.Routes() {
		path := filledIn(route.Path)
		for name, value := range map[string]string{
			"nothing": "", "basic": "Basic " + w.key, "bare": w.key, "empty bearer": "Bearer ", "unknown key": "Bearer " + unknown,
			"another kind of secret": "Bearer " + foreign, "checksum": "Bearer " + flipped, "jwt": "Bearer eyJhbGciOiJub25lIn0.e30.",
			"two spaces": "Bearer  " + w.key,
		} {
			res := w.send(route.Methods[0], path, "{}", "Authorization", value)
			if res.Code != 401 || res.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s with %s: %d", route.Methods[0], route.Path, name, res.Code)
			}
			if strings.Contains(res.Body.String(), "sgt_") {
				t.Errorf("%s: the answer repeats a secret: %s", name, res.Body)
			}
		}
	}
}

// filledIn is the path of a route with something in every place.
func filledIn(path string) string {
	const guid = "00000000-0000-4000-8000-000000000000"
	return strings.NewReplacer("{client_id}", "shop", "{sub}", guid, "{kid}", "x", "{biller}", guid, "{server}", "x", "{account}", guid,
		"{name}", "x", "{dcn}", "1", "{device}", guid, "{key_id}", "x").Replace(path)
}

// TestADM01TwoCredentials: which of two would count is nobody's guess.
func TestADM01TwoCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := httptest.NewRequest("GET", "/admin/v1/me", nil)
	req.Header["Authorization"] = []string{"Bearer " + w.key, "Bearer " + w.key}
	res := httptest.NewRecorder()
	w.handler.ServeHTTP(res, req)
	if res.Code != 401 {
		t.Errorf("status %d", res.Code)
	}
}

func TestMe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	me := w.want(200, "GET", "/admin/v1/me", "")
	if me["actor"] != "admin:"+w.keyID || me["name"] != "test" {
		t.Errorf("me = %v", me)
	}
	if res := w.send("GET", "/admin/v1/me", "", "Authorization", "bearer "+w.key); res.Code != 200 {
		t.Errorf("the scheme's letter case counts (RFC 9110 §11.1): %d", res.Code)
	}
}

// TestADM05FirstKeyOnce: a race of two nodes must not make two administrators.
func TestADM05FirstKeyOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var made atomic.Int32
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			_, _, err := w.room.FirstKey(t.Context(), "again")
			switch signet.CodeOf(err) {
			case "":
				made.Add(1)
			case signet.CodeConflict:
			default:
				t.Errorf("err = %v", err)
			}
		})
	}
	wait.Wait()
	if made.Load() != 0 {
		t.Errorf("%d further keys were made", made.Load())
	}
}

// TestADM07EveryWriteLeavesARow names the actor, the address, the target and the request of each act.
func TestADM07EveryWriteLeavesARow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(201, "POST", "/admin/v1/clients", webClient)
	w.want(200, "PUT", "/admin/v1/clients/shop", webClient, "If-Match", `"1"`)
	w.want(200, "POST", "/admin/v1/clients/shop/secrets", `{}`)
	w.want(200, "POST", "/admin/v1/clients/shop/disable", "")
	w.want(200, "POST", "/admin/v1/clients/shop/enable", "")
	sub, _ := w.want(201, "POST", "/admin/v1/users", oneUser)["sub"].(string)
	w.want(200, "PUT", "/admin/v1/users/"+sub, `{"username":"alice","email":"b@example.com"}`, "If-Match", `"1"`)
	w.want(204, "PUT", "/admin/v1/users/"+sub+"/password", `{"password":"battery staple"}`)
	w.want(200, "POST", "/admin/v1/users/"+sub+"/disable", "")
	w.want(200, "POST", "/admin/v1/users/"+sub+"/enable", "")
	kids, _ := w.want(200, "POST", "/admin/v1/keys/rotate", `{"alg":"ES256"}`)["kids"].([]any)
	kid, _ := kids[0].(string)
	w.want(204, "POST", "/admin/v1/keys/"+kid+"/revoke", "")
	w.want(200, "POST", "/admin/v1/keys/rewrap", "")

	events, err := w.store.ListEvents(t.Context(), "", 200)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []signet.EventKind
	for _, e := range events {
		if e.Actor != "admin:"+w.keyID {
			continue
		}
		kinds = append(kinds, e.Kind)
		if e.Address != "192.0.2.7" || e.RequestID == "" || e.Target == "" {
			t.Errorf("%s: address %q, request %q, target %q", e.Kind, e.Address, e.RequestID, e.Target)
		}
	}
	for _, want := range []signet.EventKind{"client.created", "client.updated", "client_secret.rotated", "client.disabled", "client.enabled",
		"user.created", "user.updated", "user.password_changed", "user.disabled", "user.enabled", "key.rotated", "key.revoked"} {
		if !slices.Contains(kinds, want) {
			t.Errorf("no event %s; there are %v", want, kinds)
		}
	}
	if _, err := w.store.VerifyAudit(t.Context()); err != nil {
		t.Errorf("the chain of events is broken: %v", err)
	}
	listed, _ := w.want(200, "GET", "/admin/v1/events?limit=5", "")["events"].([]any)
	if len(listed) != 5 {
		t.Errorf("%d events listed, want 5", len(listed))
	}
}
