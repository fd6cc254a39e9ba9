package login_test

import (
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/signet-auth/signet/pkg/login"
)

// ENU-04: a network that fills the queue of passwords keeps neither another network nor a known browser from logging in;
// many networks that do keep no known browser.
func TestFloodStarvesNobodyElse(t *testing.T) {
	t.Parallel()
	t.Run("one network", func(t *testing.T) {
		t.Parallel()
		flood(t, func(i int) string { return "192.0.2." + strconv.Itoa(10+i) }, true)
	})
	t.Run("many networks", func(t *testing.T) {
		t.Parallel()
		flood(t, spread, false)
	})
}

// flood fills the queue from the addresses. stranger: another network must get in too.
func flood(t *testing.T, address func(i int) string, stranger bool) {
	t.Helper()
	const room = 6
	pool := newPasswords(t, login.PasswordsOptions{Workers: 1, Queue: room})
	h := newHouse(t, func(o *login.Options) { o.Passwords = pool })
	known := h.browser("192.0.2.1") // in the network of the flood
	if got := known.logIn("ada", password); got.Code != http.StatusSeeOther {
		t.Fatalf("%d", got.Code)
	}
	free, err := pool.Hold(t.Context())
	h.must(err)
	var wg sync.WaitGroup
	post := func(b *browser, name, secret string) chan answer {
		out := make(chan answer, 1)
		wg.Go(func() { out <- b.logIn(name, secret) })
		return out
	}
	crowd := make([]chan answer, room)
	for i := range crowd {
		crowd[i] = post(h.browser(address(i)), "nobody"+strconv.Itoa(i), "wrong")
	}
	for pool.InLine() < room {
		runtime.Gosched()
	}
	if got := h.browser(address(room)).guess("nobody99"); got.Code != http.StatusServiceUnavailable {
		t.Errorf("one more of the flood: %d", got.Code)
	}
	// Each of them takes the place of one of the flood, who is sent away.
	owners := []chan answer{post(known, "ada", password)}
	if stranger {
		owners = append(owners, post(h.browser("203.0.113.1"), "ada", password))
	}
	cut := 0
	for cut < len(owners) {
		for i, c := range crowd {
			select {
			case got := <-c:
				if cut++; got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
					t.Errorf("%d of the flood: %d", i, got.Code)
				}
			default:
				runtime.Gosched()
			}
		}
	}
	for i, c := range owners {
		select {
		case got := <-c:
			t.Errorf("owner %d does not wait: %d", i, got.Code)
		default: // in line; whose turn comes when is TestTurns
		}
	}
	free()
	wg.Wait()
}
