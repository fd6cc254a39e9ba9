package login_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What the cookie of a known browser must be: sealed for this, of a browser, not older than a cookie gets, not of tomorrow.
func TestKnownCookieIsRead(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	sum := sha256.Sum256([]byte("known-name\x00ada"))
	name := base64.RawURLEncoding.EncodeToString(sum[:16])
	for _, c := range []struct {
		name, purpose, browser string
		ahead                  time.Duration
		want                   int
	}{
		{"good", "known-browser", "b", 0, http.StatusSeeOther},
		{"sealed for something else", "consent-page", "b", 0, http.StatusTooManyRequests},
		{"of no browser", "known-browser", "", 0, http.StatusTooManyRequests},
		{"of tomorrow", "known-browser", "b", 24 * time.Hour, http.StatusTooManyRequests},
		{"not sealed", "", "b", 0, http.StatusTooManyRequests},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.guesses(perNameAndNetwork, always("192.0.2.9"), always("ada"))
			cookie := fmt.Sprintf(`{"b":%q,"n":[%q],"t":%d}`, c.browser, name, h.clock.Now().Add(c.ahead).Unix())
			if c.purpose == "" {
				cookie = base64.RawURLEncoding.EncodeToString([]byte(cookie))
			} else {
				sealed, err := h.ring.Seal(c.purpose, []byte(cookie))
				h.must(err)
				cookie = sealed
			}
			b := h.browser("192.0.2.9")
			b.cookies["__Host-signet_known"] = cookie
			if got := b.logIn("ada", password); c.want == http.StatusTooManyRequests && got.Code != c.want {
				t.Errorf("%d, want %d", got.Code, c.want)
			} else if c.want == http.StatusSeeOther && got.Code == http.StatusTooManyRequests {
				t.Errorf("%d, want a look at the password", got.Code)
			}
			h.clock.Advance(15 * time.Minute)
		})
	}
}

// A browser remembers four people at least. The cookie does not grow with more, and who was there first is a stranger again.
func TestKnownBrowserRemembersFour(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.9")
	for i, name := range []string{"ada", "p1", "p2", "p3", "p4", "p5"} {
		if i > 0 {
			h.addUser(name, password, nil)
		}
		b.logIn(name, password)
	}
	if n := len(b.cookies["__Host-signet_known"]); n > 1024 {
		t.Errorf("the cookie has %d bytes", n)
	}
	for name, want := range map[string]int{"ada": http.StatusTooManyRequests, "p2": http.StatusSeeOther, "p5": http.StatusSeeOther} {
		h.guesses(perNameAndNetwork, always("192.0.2.7"), always(name))
		if got := b.copy().logIn(name, password); got.Code != want {
			t.Errorf("%s: %d, want %d", name, got.Code, want)
		}
	}
}

// Counters live in a store that people look into: no key holds a name.
func TestCountersHoldNoNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	known := h.browser("192.0.2.9")
	known.logIn("ada", password)
	known.guess("ada")
	h.browser("192.0.2.9").guess("nobodyatall")
	keys := 0
	h.attempts.keys.Range(func(key, _ any) bool {
		keys++
		if text := fmt.Sprint(key); strings.Contains(text, ":ada") || strings.Contains(text, "nobodyatall") || strings.Contains(text, string(h.ada.ID)) {
			t.Errorf("key %s", text)
		}
		return true
	})
	if keys < 7 {
		t.Errorf("%d keys", keys)
	}
}
