package login_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/web"
)

// ENU-04: a network that fills the queue of passwords keeps neither another network nor a known browser in its midst from
// logging in, and many networks that do keep no known browser. Who comes to a queue that is full takes the place of one of
// the crowd, or is sent away for a moment, unlooked at and uncounted.
func TestFloodStarvesNobodyElse(t *testing.T) {
	t.Parallel()
	const room = 6
	for _, c := range []struct {
		name    string
		line    func(i int) string
		known   bool
		address string
		waits   bool
	}{
		{"a known browser, one network", always("192.0.2.0/24"), true, "192.0.2.1", true},
		{"a known browser, many networks", spread, true, "192.0.2.1", true},
		{"another network, one network", always("192.0.2.0/24"), false, "203.0.113.1", true},
		{"one more of the network", always("192.0.2.0/24"), false, "192.0.2.1", false},
		{"one more of many networks", spread, false, "203.0.113.1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pool := newPasswords(t, login.PasswordsOptions{Workers: 1, Queue: room})
			h := newHouse(t, func(o *login.Options) { o.Passwords = pool })
			b := h.browser(c.address)
			if c.known {
				b.logIn("ada", password)
			}
			crowd := login.NewCrowd(pool, 1, room, c.line)
			answered := make(chan answer, 1)
			go func() { answered <- b.logIn("ada", password) }()
			select {
			case mine := <-crowd.Cut(room - 1):
				if mine || !c.waits {
					t.Errorf("the last of the crowd: %v", mine)
				}
				crowd.Leave()
				if got := <-answered; got.Code != http.StatusSeeOther {
					t.Errorf("%d:\n%s", got.Code, got.body)
				}
			case got := <-answered:
				if c.waits || got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
					t.Errorf("sent away with %d:\n%s", got.Code, got.body)
				}
				crowd.Leave()
			}
			if n, _, err := h.store.Attempts().Count(t.Context(), "login:network:"+web.Network(netip.MustParseAddr(c.address))); err != nil || n != 0 {
				t.Errorf("%d guesses are counted: %v", n, err)
			}
		})
	}
}
