package e2e

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pinRows is wire.md, 5.
func pinRows() []row {
	return []row{
		{"POST /auth, POST /token with JSON", pinLogin},
		{"POST /auth/refresh, POST /token/refresh: three spellings, rotation", pinRefresh},
		{"PIN: modes", pinModes},
		{"PIN: ECB needs a network and an end", pinECB},
		{"PIN: replay", pinReplay},
		{"PIN: failures in the envelope", pinFailures},
		{"PIN: the 6th wrong PIN 429", pinThrottle},
		{"PIN: not-before-policy", pinNotBefore},
		{"PIN: introspection and revocation", pinRevoke},
		{"PIN: exec_time integer", pinExecTime},
	}
}

// application registers a PIN application.
func (s *stand) application(t *testing.T, metadata map[string]any) PINApplication {
	t.Helper()
	record := with(metadata, "username", "app-"+random())
	var app PINApplication
	s.admin(t, http.MethodPost, "/pin-applications", record, &app)
	return app
}

func pinMode(mode string) map[string]any { return map[string]any{"mode": mode} }

// password encrypts the PIN as the application's mode has it.
func password(t *testing.T, app PINApplication, pin string) []byte {
	t.Helper()
	block, err := aes.NewCipher(decodeHex(t, app.Key))
	if err != nil {
		t.Fatal(err)
	}
	padded := append([]byte(pin), bytes.Repeat([]byte{byte(16 - len(pin)%16)}, 16-len(pin)%16)...)
	switch {
	case app.Mode == "pin-v2" || app.Mode == "aes-256-gcm":
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		nonce := make([]byte, 12)
		_, _ = rand.Read(nonce) // never fails
		if app.Mode == "pin-v2" {
			return aead.Seal(nonce, nonce, []byte(strconv.FormatInt(time.Now().Unix(), 10)+"|"+pin), []byte(app.Username))
		}
		return aead.Seal(nonce, nonce, []byte(pin), nil)
	case strings.HasSuffix(app.Mode, "-cbc"):
		iv := make([]byte, 16)
		_, _ = rand.Read(iv) // never fails
		out := make([]byte, len(padded))
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, padded)
		return append(iv, out...)
	default:
		for at := 0; at < len(padded); at += 16 {
			block.Encrypt(padded[at:], padded[at:at+16])
		}
		return padded
	}
}

func credentials(t *testing.T, app PINApplication, pin string) map[string]any {
	t.Helper()
	return map[string]any{"username": app.Username, "password": base64.StdEncoding.EncodeToString(password(t, app, pin))}
}

func (s *stand) logIn(t *testing.T, app PINApplication, path string) *reply {
	t.Helper()
	return s.send(t, http.MethodPost, path, nil, credentials(t, app, app.PIN)).want(http.StatusOK)
}

func pinLogin(t *testing.T, s *stand) {
	app := s.application(t, pinMode("pin-v2"))
	for _, path := range []string{"/auth", "/token"} {
		r := s.logIn(t, app, path).golden(s, "pin-200")
		if r.text("data/refresh_token") != r.text("data/refreshToken") {
			t.Errorf("the refresh token differs: %s", r.body)
		}
		data := r.object()["data"].(map[string]any)
		if data["expires_in"] != 900.0 || data["refresh_expires_in"] != 1800.0 || data["token_type"] != "bearer" || data["not-before-policy"] != 0.0 {
			t.Errorf("data %v", data)
		}
	}
	for _, app := range s.card.PINApplications {
		s.logIn(t, app, "/auth").golden(s, "pin-200")
	}
	// hex is the other spelling.
	s.send(t, http.MethodPost, "/auth", nil, map[string]any{"username": app.Username, "password": hex.EncodeToString(password(t, app, app.PIN))}).want(http.StatusOK)
}

func pinRefresh(t *testing.T, s *stand) {
	app := s.application(t, pinMode("pin-v2"))
	token := s.logIn(t, app, "/auth").text("data/refreshToken")
	first := token
	for i, spelling := range []string{"refreshToken", "refresh_token", "refresh_Token"} {
		for _, path := range []string{"/auth/refresh", "/token/refresh"} {
			r := s.send(t, http.MethodPost, path, nil, map[string]any{spelling: token}).want(http.StatusOK).golden(s, "pin-200")
			next := r.text("data/refresh_token")
			if next == token {
				t.Errorf("%d: no rotation", i)
			}
			token = next
		}
	}
	s.send(t, http.MethodPost, "/auth/refresh", nil, map[string]any{"refreshToken": token, "refresh_token": token}).want(http.StatusBadRequest).golden(s, "pin-400")
	// A spent one is refused. Within the grace of 10 s that is a retry which came late, and ends nothing.
	s.send(t, http.MethodPost, "/auth/refresh", nil, map[string]any{"refreshToken": first}).want(http.StatusUnauthorized).golden(s, "pin-401")
	s.send(t, http.MethodPost, s.nodes[len(s.nodes)-1]+"/auth/refresh", nil, map[string]any{"refreshToken": token}).want(http.StatusOK)
	s.send(t, http.MethodPost, "/auth/refresh", nil, map[string]any{"refreshToken": "x"}).want(http.StatusUnauthorized).golden(s, "pin-401")
}

func pinModes(t *testing.T, s *stand) {
	for _, mode := range []string{"pin-v2", "aes-256-gcm", "aes-128-cbc", "aes-256-cbc"} {
		app := s.application(t, pinMode(mode))
		s.logIn(t, app, "/auth").golden(s, "pin-200")
		s.send(t, http.MethodPost, "/auth", nil, credentials(t, app, "0"+app.PIN)).want(http.StatusUnauthorized).golden(s, "pin-401")
	}
	// A caller's fixed IV stands in the record and not in the password.
	iv := strings.Repeat("0f", 16)
	app := s.application(t, map[string]any{"mode": "aes-256-cbc", "fixed_iv": iv})
	block, err := aes.NewCipher(decodeHex(t, app.Key))
	if err != nil {
		t.Fatal(err)
	}
	sealed := append([]byte(app.PIN), bytes.Repeat([]byte{byte(16 - len(app.PIN))}, 16-len(app.PIN))...)
	cipher.NewCBCEncrypter(block, decodeHex(t, iv)).CryptBlocks(sealed, sealed)
	s.send(t, http.MethodPost, "/auth", nil, map[string]any{"username": app.Username, "password": base64.StdEncoding.EncodeToString(sealed)}).want(http.StatusOK)
	// Two keys are live while a caller changes over.
	var added struct {
		Key    string `json:"key"`
		Secret string `json:"secret"`
	}
	app = s.application(t, pinMode("pin-v2"))
	s.admin(t, http.MethodPost, "/pin-applications/"+app.ID+"/keys", map[string]any{}, &added)
	fresh := app
	fresh.Key = added.Key + added.Secret
	s.logIn(t, app, "/auth")
	s.logIn(t, fresh, "/auth")
}

func pinECB(t *testing.T, s *stand) {
	ends := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	app := s.application(t, map[string]any{"mode": "aes-256-ecb", "allowed_networks": []string{"127.0.0.0/8"}, "mode_ends": ends})
	s.logIn(t, app, "/auth").golden(s, "pin-200")
	elsewhere := s.application(t, map[string]any{"mode": "aes-256-ecb", "allowed_networks": []string{"192.0.2.0/24"}, "mode_ends": ends})
	s.send(t, http.MethodPost, "/auth", nil, credentials(t, elsewhere, elsewhere.PIN)).want(http.StatusUnauthorized).golden(s, "pin-401")
	for _, record := range []map[string]any{{"mode": "aes-256-ecb", "mode_ends": ends}, {"mode": "aes-256-ecb", "allowed_networks": []string{"127.0.0.0/8"}}} {
		record["username"] = "ecb-" + random()
		header := http.Header{"Authorization": {"Bearer " + s.card.Admin.APIKey}}
		if res, body := Send(t, http.MethodPost, s.card.Admin.APIURL+"/pin-applications", header, record); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%v: %d %s", record, res.StatusCode, body)
		}
	}
}

func pinReplay(t *testing.T, s *stand) {
	for _, metadata := range []map[string]any{pinMode("pin-v2"), pinMode("aes-256-gcm"), {"mode": "aes-256-cbc", "check_nonce": true}} {
		app := s.application(t, metadata)
		body := credentials(t, app, app.PIN)
		s.send(t, http.MethodPost, "/auth", nil, body).want(http.StatusOK)
		for _, node := range s.nodes {
			s.send(t, http.MethodPost, node+"/token", nil, body).want(http.StatusUnauthorized).golden(s, "pin-401")
		}
	}
	// What an existing caller sends again and again, where the record does not ask for more.
	app := s.application(t, pinMode("aes-256-cbc"))
	body := credentials(t, app, app.PIN)
	for range 2 {
		s.send(t, http.MethodPost, "/auth", nil, body).want(http.StatusOK)
	}
}

func pinFailures(t *testing.T, s *stand) {
	app := s.application(t, pinMode("pin-v2"))
	refused := s.send(t, http.MethodPost, "/auth", nil, credentials(t, app, "9"+app.PIN)).want(http.StatusUnauthorized).golden(s, "pin-401")
	refused.same(s.send(t, http.MethodPost, "/token", nil, map[string]any{"username": app.Username, "password": "AAAA"}))
	stranger := app
	stranger.Username = "nobody-" + random()
	refused.same(s.send(t, http.MethodPost, "/auth", nil, credentials(t, stranger, app.PIN)))
	for _, body := range []any{"{}", "[]", "x", "", with(credentials(t, app, app.PIN), "extra", 1), `{"username":"a","username":"a","password":"b"}`, `{"username":1,"password":"x"}`} {
		s.send(t, http.MethodPost, "/auth", nil, body).want(http.StatusBadRequest).golden(s, "pin-400")
	}
	s.send(t, http.MethodPost, "/auth", nil, `{"username":"`+strings.Repeat("a", 20<<10)+`"}`).want(http.StatusRequestEntityTooLarge).golden(s, "pin-413")
	s.send(t, http.MethodPost, "/auth", http.Header{"Content-Type": {"text/plain"}}, credentials(t, app, app.PIN)).want(http.StatusUnsupportedMediaType).golden(s, "pin-415")
	// A form at /token is OAuth's.
	s.formPost(t, "/token", Client{}, map[string][]string{"grant_type": {"password"}, "username": {app.Username}, "password": {"x"}})
	s.admin(t, http.MethodPost, "/pin-applications/"+app.ID+"/disable", nil, nil)
	refused.same(s.send(t, http.MethodPost, "/auth", nil, credentials(t, app, app.PIN)))
}

func pinThrottle(t *testing.T, s *stand) {
	app := s.application(t, pinMode("pin-v2"))
	for range 5 {
		s.send(t, http.MethodPost, "/auth", nil, credentials(t, app, "9"+app.PIN)).want(http.StatusUnauthorized)
	}
	r := s.send(t, http.MethodPost, "/auth", nil, credentials(t, app, "9"+app.PIN)).want(http.StatusTooManyRequests).golden(s, "pin-429")
	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 900 {
		t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
	}
	// From its own networks the application gets in, whatever strangers did.
	own := s.application(t, map[string]any{"mode": "pin-v2", "allowed_networks": []string{"127.0.0.0/8"}})
	s.logIn(t, own, "/auth")
}

func pinNotBefore(t *testing.T, s *stand) {
	app := s.application(t, pinMode("pin-v2"))
	before := s.logIn(t, app, "/auth")
	s.admin(t, http.MethodPost, "/pin-applications/"+app.ID+"/disable", nil, nil)
	s.admin(t, http.MethodPost, "/pin-applications/"+app.ID+"/enable", nil, nil)
	s.send(t, http.MethodPost, "/auth/refresh", nil, map[string]any{"refreshToken": before.text("data/refreshToken")}).want(http.StatusUnauthorized).golden(s, "pin-401")
	after := s.logIn(t, app, "/auth").golden(s, "pin-200-not-before")
	policy := after.object()["data"].(map[string]any)["not-before-policy"].(float64)
	if now := float64(time.Now().Unix()); policy < now-60 || policy > now+1 {
		t.Errorf("not-before-policy %v at %v", policy, now)
	}
}

func pinRevoke(t *testing.T, s *stand) {
	app := s.application(t, pinMode("pin-v2"))
	asker := s.client(t, map[string]any{"client_name": "Lending API of a test", "token_endpoint_auth_method": "client_secret_basic", "grant_types": []string{}, "introspect": true})
	r := s.logIn(t, app, "/auth")
	ask := func(token string) map[string]any {
		got := s.formPost(t, "/introspect", asker, map[string][]string{"token": {token}}).want(http.StatusOK)
		if got.object()["active"] == true {
			got.golden(s, "pin-introspect-200")
		}
		return got.object()
	}
	if got := ask(r.text("data/access_token")); got["active"] != true || got["sub"] != "app:"+app.ID {
		t.Errorf("introspection %v", got)
	}
	// Whoever holds an application's token ends it with what it has: its own client proves itself by PIN alone, so that the
	// operator, or an application without a secret, names the client.
	res := s.formPost(t, "/revoke", Client{}, map[string][]string{"token": {r.text("data/refreshToken")}, "client_id": {app.ID}})
	if res.status != http.StatusOK {
		t.Fatalf("/revoke: %d %s", res.status, res.body)
	}
	if got := ask(r.text("data/access_token")); got["active"] != false {
		t.Errorf("revoked and %v", got)
	}
	s.send(t, http.MethodPost, "/auth/refresh", nil, map[string]any{"refreshToken": r.text("data/refreshToken")}).want(http.StatusUnauthorized)
}

func pinExecTime(t *testing.T, s *stand) {
	app := s.application(t, map[string]any{"mode": "pin-v2", "exec_time": "integer"})
	r := s.logIn(t, app, "/auth")
	if !strings.Contains(string(r.body), fmt.Sprintf(`"execTime":%d,`, int(r.object()["execTime"].(float64)))) {
		t.Errorf("execTime is no whole number: %s", r.body)
	}
}
