package attacks

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// refusedPIN is the whole answer to every failed login.
const refusedPIN = `{"status":401,"message":"`

// pin sends a login from a network that nobody has failed in.
func (w *world) pin(from *networks, body map[string]any) answer {
	w.t.Helper()
	w.http = from.next()
	return w.json("/auth", body)
}

// access is the access token of a login.
func access(t *testing.T, a answer) string {
	t.Helper()
	data, _ := claimsOf(t, a.body)["data"].(map[string]any)
	token, _ := data["access_token"].(string)
	if a.status != http.StatusOK || token == "" {
		t.Fatalf("no login: %d %s", a.status, a.body)
	}
	return token
}

// Whatever was changed of an encrypted PIN, the answer is the same, and nothing is used up.
func TestPIN01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit("/pin-applications/"+w.Card.PINApplications[1].ID, map[string]any{"check_nonce": true})
	for _, app := range w.Card.PINApplications {
		from, answers := &networks{}, map[string]int{}
		good := seal(t, app, app.PIN, time.Now())
		access(t, w.pin(from, pinLogin(app, seal(t, app, app.PIN, time.Now()))))
		last := len(good) - 16
		for _, at := range []int{0, 5, 11, last, last + 7, len(good) - 1} {
			for _, flip := range []byte{1, 0x10, 0x80, 0xff} {
				changed := bytes.Clone(good)
				changed[at] ^= flip
				a := w.pin(from, pinLogin(app, changed))
				if a.status != http.StatusUnauthorized {
					t.Fatalf("%s, byte %d ^ %02x: %d %s", app.Mode, at, flip, a.status, a.body)
				}
				answers[a.body]++
			}
		}
		for name, password := range map[string]string{"short": "AAAA", "no base64": "***", "empty": "", "half a block": base64.StdEncoding.EncodeToString(good[:len(good)-8]),
			"another PIN": base64.StdEncoding.EncodeToString(seal(t, app, "0000", time.Now()))} {
			a := w.pin(from, map[string]any{"username": app.Username, "password": password})
			if a.status != http.StatusUnauthorized && !(name == "empty" && a.status == http.StatusBadRequest) {
				t.Errorf("%s, %s: %d %s", app.Mode, name, a.status, a.body)
			}
			if a.status == http.StatusUnauthorized {
				answers[a.body]++
			}
		}
		stranger := w.pin(from, map[string]any{"username": "nobody", "password": base64.StdEncoding.EncodeToString(good)})
		answers[stranger.body]++
		if len(answers) != 1 || !strings.HasPrefix(stranger.body, refusedPIN) {
			t.Errorf("%s: %d answers to refused PINs: %v", app.Mode, len(answers), answers)
		}
		access(t, w.pin(from, pinLogin(app, good)))
	}
}

// A captured login is good for nothing: not again, not in another spelling, not from elsewhere, not after a logout.
func TestPIN02(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, app := range w.Card.PINApplications {
		if app.Mode != "pin-v2" {
			w.edit("/pin-applications/"+app.ID, map[string]any{"check_nonce": true})
		}
		from := &networks{}
		captured := seal(t, app, app.PIN, time.Now())
		token := access(t, w.pin(from, pinLogin(app, captured)))
		replay := func(when string) {
			t.Helper()
			text := base64.StdEncoding.EncodeToString(captured)
			for name, password := range map[string]string{"again": text, "in hex": hex.EncodeToString(captured), "in upper-case hex": strings.ToUpper(hex.EncodeToString(captured)),
				"unpadded": strings.TrimRight(text, "="), "base64url": base64.URLEncoding.EncodeToString(captured)} {
				if a := w.pin(from, map[string]any{"username": app.Username, "password": password}); a.status != http.StatusUnauthorized {
					t.Errorf("%s, %s, %s: %d %s", app.Mode, when, name, a.status, a.body)
				}
			}
			w.http = from.next()
			if a := w.json("/token", pinLogin(app, captured)); a.status != http.StatusUnauthorized {
				t.Errorf("%s, %s, at the other path: %d %s", app.Mode, when, a.status, a.body)
			}
		}
		replay("while it lives")
		w.http = from.next()
		if a := w.introspect(token); !a.active() {
			t.Errorf("a replay ended the login: %s", a.body)
		}
		if a := w.admin(http.MethodPut, "/pin-applications/"+app.ID+"/pin", map[string]any{"pin": app.PIN}); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		replay("after everything was ended")
	}
	app := w.Card.PINApplications[0]
	from := &networks{used: 500}
	for name, at := range map[string]time.Duration{"six minutes old": -6 * time.Minute, "six minutes ahead": 6 * time.Minute, "a day old": -24 * time.Hour} {
		if a := w.pin(from, pinLogin(app, seal(t, app, app.PIN, time.Now().Add(at)))); a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	access(t, w.pin(from, pinLogin(app, seal(t, app, app.PIN, time.Now().Add(-4*time.Minute)))))
}

// PINs are not guessed: neither many for one name, nor one for many names; and a guesser locks nobody out.
func TestPIN04(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, home := w.Card.PINApplications[0], newClient()
	w.http = home
	access(t, w.json("/auth", pinLogin(app, seal(t, app, app.PIN, time.Now()))))
	w.http = newClientFrom(252)
	codes := map[int]int{}
	for i := range 300 {
		a := w.json("/auth", pinLogin(app, seal(t, app, fmt.Sprintf("%04d", i), time.Now())))
		codes[a.status]++
		if a.status == http.StatusTooManyRequests && (a.header.Get("Retry-After") == "" || !strings.Contains(a.body, `"data":null`)) {
			t.Fatalf("%v %s", a.header, a.body)
		}
	}
	if codes[401] != 5 || codes[429] != 295 {
		t.Errorf("300 PINs for one name: %v", codes)
	}
	if a := w.json("/auth", pinLogin(app, seal(t, app, app.PIN, time.Now()))); a.status != http.StatusTooManyRequests {
		t.Errorf("the right one from there: %d", a.status)
	}
	w.http = home
	access(t, w.json("/auth", pinLogin(app, seal(t, app, app.PIN, time.Now()))))
	w.http, codes = newClientFrom(253), map[int]int{}
	for i := range 120 {
		codes[w.json("/auth", map[string]any{"username": fmt.Sprintf("name-%d", i), "password": "d3Jvbmc="}).status]++
	}
	if codes[401] != 100 || codes[429] != 20 {
		t.Errorf("one PIN for 120 names: %v", codes)
	}
	w.http = home
	access(t, w.json("/auth", pinLogin(app, seal(t, app, app.PIN, time.Now()))))
	w.eventually("an alarm", func() bool {
		return strings.Contains(w.admin(http.MethodGet, "/events?limit=200", nil).body, "credentials.throttled")
	})
}

// Only the application's own live keys open its PIN, whatever the names look like.
func TestPIN05(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, other, from := w.Card.PINApplications[0], w.Card.PINApplications[1], &networks{}
	login := func(a e2e.PINApplication) answer { return w.pin(from, pinLogin(a, seal(t, a, a.PIN, time.Now()))) }
	access(t, login(app))
	access(t, login(other))
	crossed := app
	crossed.Key = other.Key
	named := map[string]any{"username": app.Username, "password": base64.StdEncoding.EncodeToString(seal(t, e2e.PINApplication{Username: "other", Key: app.Key, Mode: app.Mode}, app.PIN, time.Now()))}
	for name, a := range map[string]func() answer{"another application's key": func() answer { return login(crossed) }, "made for another name": func() answer { return w.pin(from, named) }} {
		if got := a(); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	for _, name := range []string{"../lending", "lending/", "lending\x00", "LENDING", " lending", "lending ", "app:" + app.ID, app.ID, "lending' OR '1'='1", "\uff4cending"} {
		body := pinLogin(app, seal(t, app, app.PIN, time.Now()))
		body["username"] = name
		if a := w.pin(from, body); a.status != http.StatusUnauthorized && a.status != http.StatusBadRequest {
			t.Errorf("name %q: %d %s", name, a.status, a.body)
		}
	}
	next := app
	next.Key = strings.Repeat("c3", 32)
	if a := login(next); a.status != http.StatusUnauthorized {
		t.Errorf("a key before it is there: %d", a.status)
	}
	made := w.admin(http.MethodPost, "/pin-applications/"+app.ID+"/keys", map[string]any{"key": next.Key, "key_encoding": "hex", "kid": "next"})
	if made.status >= 300 {
		t.Fatalf("rotate: %d %s", made.status, made.body)
	}
	access(t, login(app))
	access(t, login(next))
	if a := w.admin(http.MethodDelete, "/pin-applications/"+app.ID+"/keys/"+app.KID, map[string]any{}); a.status >= 300 {
		t.Fatalf("end: %d %s", a.status, a.body)
	}
	if a := login(app); a.status != http.StatusUnauthorized {
		t.Errorf("the old key after its end: %d %s", a.status, a.body)
	}
	access(t, login(next))
}

// A PIN is a weak factor: its tokens say so, live briefly, and open nothing of people or operators.
func TestPIN07(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.Card.PINApplications[0]
	a := w.json("/auth", pinLogin(app, seal(t, app, app.PIN, time.Now())))
	token := access(t, a)
	data := claimsOf(t, a.body)["data"].(map[string]any)
	if data["expires_in"] != 900.0 || data["refresh_expires_in"] != 1800.0 || data["scope"] != "" || data["id_token"] != nil {
		t.Errorf("%s", a.body)
	}
	seen := claimsOf(t, w.introspect(token).body)
	amr, _ := seen["amr"].([]any)
	if seen["active"] != true || seen["acr"] != "aal1" || !slices.Equal(amr, []any{"pin"}) || seen["sub"] != "app:"+app.ID || seen["scope"] != nil || seen["exp"].(float64)-seen["iat"].(float64) > 901 {
		t.Errorf("introspection %v", seen)
	}
	for path, want := range map[string]int{"/userinfo": 403, "/api/account-memberships": 401, "/api/v1/invoices/" + w.Card.Billers[1].Invoices[0].InvoiceGUID: 401} {
		if a := w.get(path, "Authorization", "Bearer "+token); a.status != want {
			t.Errorf("%s: %d %s, want %d", path, a.status, a.body, want)
		}
	}
	if a := w.admin(http.MethodGet, "/me", nil, "Authorization", "Bearer "+token); a.status != http.StatusUnauthorized {
		t.Errorf("the admin API: %d", a.status)
	}
	if a := w.json("/payment/api/jwt/create", map[string]any{"Audience": "PaymentPage", "Subject": "x"}, "Authorization", "Bearer "+token); a.status != http.StatusUnauthorized {
		t.Errorf("intents: %d %s", a.status, a.body)
	}
	refresh := data["refresh_token"].(string)
	// Its refresh token is one like any other, and gives no more than it did.
	standard := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {app.ID}}
	w.refused("more by the standard form", w.post("/token", e2e.Client{}, with(standard, "scope", "openid")), http.StatusBadRequest, "invalid_scope")
	w.refused("by another client", w.post("/token", e2e.Client{}, with(standard, "client_id", w.Card.Clients.SPA.ClientID)), http.StatusBadRequest, "invalid_grant")
	again := w.json("/auth/refresh", map[string]any{"refreshToken": refresh})
	if next := claimsOf(t, w.introspect(access(t, again)).body); next["acr"] != "aal1" || next["scope"] != nil || !strings.Contains(again.body, `"scope":""`) {
		t.Errorf("a refresh gives more: %s, %v", again.body, next)
	}
	// Nobody logs in as an application at the pages.
	page := e2e.NewBrowser(t).Get(w.Card.Issuer + "/authorize?" + authorization(w.Card.Clients.Web, random()+random()).Encode())
	for _, name := range []string{"app:" + app.ID, app.Username} {
		if after := page.Click("login", map[string]string{"username": name, "password": app.PIN}); !after.Has("password") {
			t.Errorf("%s logs in with its PIN", name)
		}
	}
}
