package pinlogin

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// success is the golden answer, with the tokens that came.
func success(t *testing.T, body, execTime string, notBefore string) string {
	t.Helper()
	var got envelope
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Data == nil {
		t.Fatalf("no envelope with data: %s", body)
	}
	if _, ok := signet.ParseSecret(signet.SecretAccess, got.Data.AccessToken); !ok {
		t.Errorf("the access token is not opaque: %s", got.Data.AccessToken)
	}
	if _, ok := signet.ParseSecret(signet.SecretRefresh, got.Data.RefreshToken); !ok {
		t.Errorf("no refresh token: %s", got.Data.RefreshToken)
	}
	return `{"status":200,"message":"successfully authenticated","data":{"access_token":"` + got.Data.AccessToken +
		`","expires_in":900,"refresh_expires_in":1800,"token_type":"bearer","id_token":null,"not-before-policy":` + notBefore +
		`,"session_state":"","scope":"","refresh_token":"` + got.Data.RefreshToken + `","refreshToken":"` + got.Data.RefreshToken +
		`"},"execTime":` + execTime + `,"error":""}`
}

func (r reply) wantSuccess(t *testing.T, what string) {
	t.Helper()
	if r.Code != http.StatusOK {
		t.Errorf("%s: %d %s", what, r.Code, r.body)
		return
	}
	if want := success(t, r.body, "0", "0"); r.body != want {
		t.Errorf("%s:\n got %s\nwant %s", what, r.body, want)
	}
}

// The answer of wire.md, 5, byte for byte, at both of the room's ways in.
func TestSuccessIsTheDocuments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2)
	r := w.logIn(home, "shop", app.encrypt(pin))
	r.wantSuccess(t, "/auth")
	if r.Header().Get("Content-Type") != "application/json" || r.Header().Get("Cache-Control") != "no-store" ||
		r.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("headers: %v", r.Header())
	}

	rec := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(`{"username":"shop","password":"`+app.encrypt(pin)+`"}`))
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	w.room.Token(rec, req)
	reply{rec, rec.Body.String()}.wantSuccess(t, "/token")
}

// execTime is a number of seconds, or whole seconds for callers who read an integer.
func TestExecTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, form string
		took       time.Duration
		want       string
	}{
		{"the document's sample", "", 1488886800 * time.Nanosecond, "1.4888868"},
		{"nothing", "", 0, "0"},
		{"small numbers have no exponent", "", 300 * time.Nanosecond, "0.0000003"},
		{"a clock that went back", "", -time.Second, "0"},
		{"integer", "integer", 1488886800 * time.Nanosecond, "1"},
		{"integer, fast", "integer", time.Millisecond, "0"},
	} {
		if got := execTime(c.took, c.form); got.String() != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	ticks := 0
	w := newWorld(t, func(o *Options) {
		now := o.Now
		o.Now = func() time.Time { ticks++; return now().Add(time.Duration(ticks) * time.Microsecond) }
	})
	app := w.add("shop", signet.PINv2)
	var got struct {
		ExecTime float64 `json:"execTime"`
	}
	if r := w.logIn(home, "shop", app.encrypt(pin)); json.Unmarshal([]byte(r.body), &got) != nil || got.ExecTime <= 0 {
		t.Errorf("execTime is not measured: %s", r.body)
	}
}

// Malformed requests: the same envelope, one fixed answer for each status, never a 500.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("shop", signet.PINv2)
	for _, c := range []struct {
		name, contentType, body string
		status                  int
	}{
		{"empty", "application/json", "", 400},
		{"no JSON", "application/json", "username=shop", 400},
		{"array", "application/json", "[]", 400},
		{"no password", "application/json", `{"username":"shop"}`, 400},
		{"null password", "application/json", `{"username":"shop","password":null}`, 400},
		{"empty password", "application/json", `{"username":"shop","password":""}`, 400},
		{"empty username", "application/json", `{"username":"","password":"x"}`, 400},
		{"number", "application/json", `{"username":1,"password":"x"}`, 400},
		{"unknown member", "application/json", `{"username":"shop","password":"x","pin":"y"}`, 400},
		{"another letter case", "application/json", `{"Username":"shop","password":"x"}`, 400},
		{"repeated member", "application/json", `{"username":"a","username":"shop","password":"x"}`, 400},
		{"repeated in another case", "application/json", `{"username":"a","Username":"shop","password":"x"}`, 400},
		{"trailing data", "application/json", `{"username":"shop","password":"x"} {}`, 400},
		{"not UTF-8", "application/json", "{\"username\":\"\xff\",\"password\":\"x\"}", 400},
		{"deep", "application/json", strings.Repeat(`{"username":`, 1000), 400},
		{"too large", "application/json", `{"username":"` + strings.Repeat("x", maxBody) + `","password":"x"}`, 413},
		{"larger than the class allows", "application/json", strings.Repeat(" ", 300<<10), 413},
		{"form", "application/x-www-form-urlencoded", "username=shop&password=x", 415},
		{"text", "text/plain", `{"username":"shop","password":"x"}`, 415},
		{"other charset", "application/json; charset=latin1", `{"username":"shop","password":"x"}`, 415},
		{"no type", "", `{"username":"shop","password":"x"}`, 415},
		// What can be no name or no ciphertext is a failed credential like any other.
		{"NUL in the name", "application/json", `{"username":"shop\u0000","password":"x"}`, 401},
		{"long name", "application/json", `{"username":"` + strings.Repeat("x", 1000) + `","password":"x"}`, 401},
		{"long password", "application/json", `{"username":"shop","password":"` + strings.Repeat("A", 10000) + `"}`, 401},
		{"plain PIN", "application/json", `{"username":"shop","password":"4711"}`, 401},
	} {
		for _, path := range []string{"/auth", "/auth/refresh"} {
			if path == "/auth/refresh" && c.status == 401 {
				continue
			}
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(c.body))
			r.RemoteAddr = home + ":1"
			if c.contentType != "" {
				r.Header.Set("Content-Type", c.contentType)
			}
			w.do(r).want(t, path+" "+c.name, c.status)
		}
	}
}

// Faults of ours are 503 with Retry-After or 500, in the envelope, and cost the caller none of its attempts.
func TestOutages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2)
	for range 2 * limitNameNetwork {
		w.pins.full.Store(true)
		r := w.logIn(home, "shop", app.encrypt(pin))
		r.want(t, "full pool", 503)
		if r.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		w.pins.full.Store(false)
		w.marks.away.Store(true)
		w.logIn(home, "shop", app.encrypt(pin)).want(t, "marks away", 503)
		w.marks.away.Store(false)
	}
	w.logIn(home, "shop", app.encrypt(pin)).wantSuccess(t, "afterwards")

	broken := newWorld(t, func(o *Options) { o.Passwords = nobody{} })
	broken.logIn(home, "shop", "x").want(t, "a panic", 500)
}

// nobody panics.
type nobody struct{ Passwords }

// Every mode in every spelling; modes for existing callers are counted, the others are not.
func TestModesAndSpellings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const iv = "000102030405060708090a0b0c0d0e0f"
	for _, c := range []struct {
		name, mode, iv string
		departures     int
	}{
		{"default", "", "", 0},
		{"v2", signet.PINv2, "", 0},
		{"gcm", signet.PINGCM, "", 0},
		{"cbc128", signet.PINCBC128, "", 1},
		{"cbc256", signet.PINCBC256, "", 1},
		{"cbc-fixed", signet.PINCBC256, iv, 1},
		{"ecb128", signet.PINECB128, "", 1},
		{"ecb256", signet.PINECB256, "", 1},
	} {
		app := w.add(c.name, c.mode, func(a *signet.PINApplication) { a.FixedIV = c.iv })
		for spelling, encode := range map[string]func([]byte) string{
			"base64":              base64.StdEncoding.EncodeToString,
			"base64, no padding":  base64.RawStdEncoding.EncodeToString,
			"base64url":           base64.URLEncoding.EncodeToString,
			"base64url, unpadded": base64.RawURLEncoding.EncodeToString,
			"hex":                 hex.EncodeToString,
			"HEX":                 func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
			"broken lines":        func(b []byte) string { s := base64.StdEncoding.EncodeToString(b); return s[:8] + `\r\n` + s[8:] + `\n` },
		} {
			before := len(w.events.of(signet.EventDepartureUsed))
			sealed, err := base64.StdEncoding.DecodeString(app.encrypt(pin))
			w.must(err)
			if c.iv != "" {
				// What Encrypt wrote under a random IV is no use here: the first block is made under the record's own.
				sealed = sealFixed(t, app.keys[0], c.iv, pin)
			}
			w.logIn(home, c.name, encode(sealed)).wantSuccess(t, c.name+" "+spelling)
			if n := len(w.events.of(signet.EventDepartureUsed)) - before; n != c.departures {
				t.Errorf("%s: %d departures, want %d", c.name, n, c.departures)
			}
		}
	}
}

// A caller that encrypts with OpenSSL: `printf 4711 | openssl enc -aes-256-cbc -K … -iv …` and -aes-128-ecb, -aes-256-cbc
// with the same key bytes.
func TestVectorsOfOpenSSL(t *testing.T) {
	t.Parallel()
	key, err := hex.DecodeString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	if err != nil {
		t.Fatal(err)
	}
	const iv = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
	for _, c := range []struct {
		mode, iv, password string
		key                []byte
	}{
		{signet.PINCBC256, iv, "DPpnBdc+IvZ4dW8H8geH/g==", key},
		{signet.PINCBC128, iv, "qZs6M2/VKoDakcFARSGNtQ==", key[:16]},
		{signet.PINECB128, "", "gBeXzi70ag0I4W7kSP9o5w==", key[:16]},
		{signet.PINECB256, "", "uKFONxl7t8wc6ZHQt2tmTw==", key},
	} {
		app := &signet.PINApplication{}
		app.FixedIV = c.iv
		if got, ok := open(app, c.mode, c.key, c.password); !ok || got.pin != pin {
			t.Errorf("%s, fixed IV: %q %v", c.mode, got.pin, ok)
		}
		if c.iv == "" {
			continue
		}
		sealed, _ := base64.StdEncoding.DecodeString(c.password)
		if got, ok := open(&signet.PINApplication{}, c.mode, c.key, c.iv+hex.EncodeToString(sealed)); !ok || got.pin != pin {
			t.Errorf("%s, IV first: %q %v", c.mode, got.pin, ok)
		}
	}
}

// not-before-policy is the later of the client's and the user's, 0 if never.
func TestNotBeforePolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2)
	w.must(w.store.SetClientDisabled(t.Context(), app.ID, true, w.event(signet.EventClientDisabled)))
	w.must(w.store.SetClientDisabled(t.Context(), app.ID, false, w.event(signet.EventClientEnabled)))
	w.clock.Advance(3 * time.Second)
	r := w.logIn(home, "shop", app.encrypt(pin))
	if want := success(t, r.body, "0", "1772600767"); r.body != want {
		t.Errorf("client:\n got %s\nwant %s", r.body, want)
	}
	w.clock.Advance(time.Hour)
	w.must(w.store.SetUserDisabled(t.Context(), app.UserID(), true, w.event(signet.EventUserDisabled)))
	w.must(w.store.SetUserDisabled(t.Context(), app.UserID(), false, w.event(signet.EventUserEnabled)))
	w.clock.Advance(3 * time.Second)
	r = w.logIn(home, "shop", app.encrypt(pin))
	if want := success(t, r.body, "0", "1772604370"); r.body != want {
		t.Errorf("user:\n got %s\nwant %s", r.body, want)
	}
}
