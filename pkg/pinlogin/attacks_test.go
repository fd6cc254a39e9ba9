package pinlogin

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// PIN-01: every change of every byte of the IV and of the last block, under every mode: one answer, one comparison each,
// and nothing is used up. Free of limits, so that each of the variants is looked at.
func TestPIN01OneAnswer(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{signet.PINCBC256, signet.PINECB256, signet.PINGCM, signet.PINv2} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.warm()
			w.counts.free.Store(true)
			app := w.add("shop", mode, func(a *signet.PINApplication) { a.CheckNonce = true })
			sealed, err := base64.StdEncoding.DecodeString(app.encrypt(pin))
			w.must(err)
			places := []int{0, len(sealed) - 16} // the IV or nonce, the last block or tag
			if mode == signet.PINECB256 {
				places = places[1:]
			}
			sent := 0
			for _, from := range places {
				for at := from; at < from+16; at++ {
					for flip := 1; flip < 256; flip++ {
						if recommended(mode) && flip&(flip-1) != 0 {
							continue // authenticated: one bit tells as much as any other change
						}
						changed := slices.Clone(sealed)
						changed[at] ^= byte(flip)
						before := w.pins.compared.Load()
						r := w.logIn(home, "shop", base64.StdEncoding.EncodeToString(changed))
						if r.Code != http.StatusUnauthorized || r.body != golden[401] || w.pins.compared.Load() != before+1 {
							t.Fatalf("byte %d ^ %02x: %d %s after %d comparisons", at, flip, r.Code, r.body, w.pins.compared.Load()-before)
						}
						sent++
					}
				}
			}
			if w.marks.used.Load()+w.spent.used.Load() != 0 {
				t.Error("a forged password used something up")
			}
			w.logIn(home, "shop", base64.StdEncoding.EncodeToString(sealed)).wantSuccess(t, "the original after all of them")
			if n := len(w.events.of(signet.EventPINRefused)); n != sent {
				t.Errorf("%d events for %d refusals", n, sent)
			}
		})
	}
}

// PIN-02: an encrypted PIN is good once: not a moment later, not after an hour, not from elsewhere, not in another
// spelling, and of 64 at once one.
func TestPIN02Replay(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{signet.PINv2, signet.PINGCM, signet.PINCBC256, signet.PINECB128} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.counts.free.Store(true)
			app := w.add("shop", mode, func(a *signet.PINApplication) { a.CheckNonce = true })
			captured := app.encrypt(pin)
			var wg sync.WaitGroup
			status := make(chan int, 64)
			for range 64 {
				wg.Go(func() { status <- w.logIn(home, "shop", captured).Code })
			}
			wg.Wait()
			close(status)
			count := map[int]int{}
			for s := range status {
				count[s]++
			}
			// Attempts wait for each other: on a busy machine some may have waited in vain.
			refused := count[http.StatusUnauthorized]
			if count[http.StatusOK] != 1 || refused == 0 || refused+count[http.StatusServiceUnavailable] != 63 {
				t.Fatalf("64 at once: %v", count)
			}
			if n := len(w.events.of(signet.EventPINReplayed)); n != refused {
				t.Errorf("%d alarms, want %d", n, refused)
			}
			sealed, err := base64.StdEncoding.DecodeString(captured)
			w.must(err)
			spelled := map[string]string{"again": captured, "in hex": fmt.Sprintf("%x", sealed), "unpadded": strings.TrimRight(captured, "="),
				"base64url": base64.URLEncoding.EncodeToString(sealed)}
			for _, wait := range []time.Duration{0, time.Minute, 5 * time.Minute, 6 * time.Minute, time.Hour, 400 * 24 * time.Hour} {
				w.clock.Advance(wait)
				if wait > time.Hour {
					_, err := w.store.Sweep(t.Context())
					w.must(err)
				}
				for what, password := range spelled {
					w.logIn("198.51.100.7", "shop", password).want(t, what+" after "+wait.String(), 401)
				}
			}
		})
	}
}

// pin-v2 is good for five minutes around the time inside, to the second.
func TestPIN02TimeInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.counts.free.Store(true)
	app := w.add("shop", signet.PINv2)
	for _, c := range []struct {
		off    time.Duration
		status int
	}{
		{0, 200}, {-5 * time.Minute, 200}, {-5*time.Minute - time.Second, 401}, {5 * time.Minute, 200}, {5*time.Minute + time.Second, 401},
		{-24 * time.Hour, 401}, {24 * time.Hour, 401},
	} {
		password, err := Encrypt(app.Mode, app.keys[0], "shop", pin, w.clock.Now().Add(c.off))
		w.must(err)
		if r := w.logIn(home, "shop", password); r.Code != c.status {
			t.Errorf("%s: %d, want %d", c.off, r.Code, c.status)
		}
	}
	// A time from ahead is remembered for as long as it can come back.
	ahead, err := Encrypt(app.Mode, app.keys[0], "shop", pin, w.clock.Now().Add(5*time.Minute))
	w.must(err)
	if r := w.logIn(home, "shop", ahead); r.Code != http.StatusOK {
		t.Fatalf("ahead: %d", r.Code)
	}
	for range 10 {
		w.clock.Advance(time.Minute)
		w.logIn(home, "shop", ahead).want(t, "ahead, again", 401)
	}
}

// The nonce of a password that was refused for anything else stays unused: whoever can spoil requests must not be able to
// use up what the application is about to send.
func TestPIN02RefusalsConsumeNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{signet.PINv2, signet.PINGCM} {
		w := newWorld(t)
		w.counts.free.Store(true)
		app := w.add("shop", mode, func(a *signet.PINApplication) { a.AllowedNetworks = []string{"192.0.2.0/24"} })
		good := app.encrypt(pin)
		w.logIn("198.51.100.1", "shop", good).want(t, mode+" from a foreign network", 401)
		w.logIn(home, "shop", app.encrypt("0000")).want(t, mode+" wrong PIN", 401)
		w.pins.full.Store(true)
		w.logIn(home, "shop", good).want(t, mode+" full pool", 503)
		w.pins.full.Store(false)
		if n := w.marks.used.Load() + w.spent.used.Load(); n != 0 {
			t.Errorf("%s: %d nonces used", mode, n)
		}
		w.logIn(home, "shop", good).wantSuccess(t, mode+" afterwards")
	}
}

// PIN-05: only the live keys of the application itself, whatever the name looks like.
func TestPIN05KeyConfusion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.counts.free.Store(true)
	ends := w.clock.Now().Add(time.Hour)
	shop := w.add("shop", signet.PINv2)
	other := w.add("other", signet.PINv2)
	rotated := w.addRotated("rotated", ends)

	for i := range rotated.keys {
		w.logIn(home, "rotated", rotated.under(i)).wantSuccess(t, fmt.Sprintf("key %d while both live", i))
	}
	w.clock.Advance(time.Hour)
	w.logIn(home, "rotated", rotated.under(0)).want(t, "the old key after its end", 401)
	w.logIn(home, "rotated", rotated.under(1)).wantSuccess(t, "the new key")

	w.logIn(home, "shop", other.encrypt(pin)).want(t, "another application's key", 401)
	forName, err := Encrypt(signet.PINv2, shop.keys[0], "other", pin, w.clock.Now())
	w.must(err)
	w.logIn(home, "shop", forName).want(t, "own key, made for another name", 401)
	for _, name := range []string{"../shop", "shop/", "shop%00", "SHOP", " shop", "shop' OR '1'='1", "app:" + string(shop.ID), string(shop.ID)} {
		w.logIn(home, name, shop.encrypt(pin)).want(t, name, 401)
	}
	w.logIn(home, "shop", shop.encrypt(pin)).wantSuccess(t, "shop itself")
}

// Every refusal does the work of one comparison and says the same, whatever was wrong (PIN-01, ENU-01).
func TestRefusalsCostTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.counts.free.Store(true)
	past := w.clock.Now().Add(-time.Second)
	apps := map[string]*application{}
	for name, change := range map[string]func(*signet.PINApplication){
		"shop":    func(*signet.PINApplication) {},
		"fenced":  func(a *signet.PINApplication) { a.AllowedNetworks = []string{"10.0.0.0/8"} },
		"ended":   func(a *signet.PINApplication) { a.ModeEnds = &past },
		"cert":    func(a *signet.PINApplication) { a.TLSClientCertificate = strings.Repeat("A", 43) },
		"nohash":  func(a *signet.PINApplication) { a.PINHash = "" },
		"badhash": func(a *signet.PINApplication) { a.PINHash = "$2y$10$x" },
		"client":  func(*signet.PINApplication) {},
		"user":    func(*signet.PINApplication) {},
	} {
		apps[name] = w.add(name, signet.PINv2, change)
	}
	w.must(w.store.SetClientDisabled(t.Context(), apps["client"].ID, true, w.event(signet.EventClientDisabled)))
	w.must(w.store.SetUserDisabled(t.Context(), apps["user"].UserID(), true, w.event(signet.EventUserDisabled)))
	old, err := Encrypt(signet.PINv2, apps["shop"].keys[0], "shop", pin, w.clock.Now().Add(-time.Hour))
	w.must(err)
	used := apps["shop"].encrypt(pin)
	w.logIn(home, "shop", used).wantSuccess(t, "first use")
	for _, c := range []struct{ name, username, password, reason string }{
		{"unknown name", unknown, apps["shop"].encrypt(pin), "unknown_application"},
		{"impossible name", strings.Repeat("x", 255), "x", "unknown_application"},
		{"wrong PIN", "shop", apps["shop"].encrypt("0000"), "wrong_pin"},
		{"the stand-in's own PIN", "shop", apps["shop"].encrypt(noPIN), "wrong_pin"},
		{"not base64", "shop", "***", "not_decrypted"},
		{"short", "shop", "QUJD", "not_decrypted"},
		{"long", "shop", strings.Repeat("QUJD", 300), "not_decrypted"},
		{"noise", "shop", strings.Repeat("QUJD", 20), "not_decrypted"},
		{"no PIN inside", "shop", apps["shop"].encrypt(""), "not_decrypted"},
		{"control characters inside", "shop", apps["shop"].encrypt("47\x0011"), "not_decrypted"},
		{"long PIN inside", "shop", apps["shop"].encrypt(strings.Repeat("1", maxPIN+1)), "not_decrypted"},
		{"too old", "shop", old, "password_too_old"},
		{"used", "shop", used, "pin_replayed"},
		{"foreign network", "fenced", apps["fenced"].encrypt(pin), "network_not_allowed"},
		{"mode ended", "ended", apps["ended"].encrypt(pin), "mode_ended"},
		{"no certificate", "cert", apps["cert"].encrypt(pin), "certificate"},
		{"no hash", "nohash", apps["nohash"].encrypt(pin), "wrong_pin"},
		{"unreadable hash", "badhash", apps["badhash"].encrypt(pin), "unreadable_hash"},
		{"client disabled", "client", apps["client"].encrypt(pin), "client_disabled"},
		{"user disabled", "user", apps["user"].encrypt(pin), "user_disabled"},
	} {
		before, seen, consumed := w.pins.compared.Load(), len(w.events.of(signet.EventPINRefused)), w.marks.used.Load()
		r := w.logIn(home, c.username, c.password)
		r.want(t, c.name, 401)
		if n := w.pins.compared.Load() - before; n != 1 {
			t.Errorf("%s: %d comparisons, want 1", c.name, n)
		}
		if w.marks.used.Load() != consumed && c.reason != "pin_replayed" {
			t.Errorf("%s: the nonce is used up", c.name)
		}
		events := w.events.of(signet.EventPINRefused)
		if len(events) != seen+1 || events[seen].Reason != c.reason || events[seen].Address != home {
			t.Errorf("%s: event %+v, want reason %s", c.name, events[seen:], c.reason)
		}
		if got := r.Header().Get("WWW-Authenticate"); got != `PIN realm="signet"` {
			t.Errorf("%s: challenge %q", c.name, got)
		}
	}
	if logs := w.text(); strings.Contains(logs, pin) || strings.Contains(logs, used) {
		t.Error("a PIN or a password is in the log")
	}
}

// ENU-01: a name that exists and one that does not cost the database the same reads, also on a warm node.
func TestLookUpsCostTheSame(t *testing.T) {
	t.Parallel()
	var counted *reads
	w := newWorld(t, func(o *Options) { counted = countReads(&o.Applications) })
	w.warm()
	w.counts.free.Store(true)
	w.add("shop", signet.PINv2)
	w.wrong(home, "shop")
	for _, name := range []string{"shop", unknown, "shop", unknown} {
		counted.database.Store(0)
		w.wrong(home, name).want(t, name, 401)
		if n := counted.database.Load(); n != 1 {
			t.Errorf("%s: %d reads of the database, want 1", name, n)
		}
	}
}
