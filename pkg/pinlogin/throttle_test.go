package pinlogin

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func (w *world) wrong(address, name string) reply { return w.logIn(address, name, "d3Jvbmc=") }

// PIN-04: the sixth wrong PIN from a network within 15 minutes is answered 429, unseen and whether the name exists or
// not; so is a right one; the next network and, after the window, the same one are looked at.
func TestPIN04SixthWrongPIN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2)
	for _, name := range []string{"shop", unknown} {
		for i := range 5 {
			// Any address of the /24 counts for all of it.
			w.wrong("192.0.2."+strconv.Itoa(i), name).want(t, fmt.Sprintf("%s, wrong PIN %d", name, i+1), 401)
		}
		w.clock.Advance(time.Minute)
		before := w.pins.compared.Load()
		r := w.wrong("192.0.2.200", name)
		r.want(t, name+", the sixth", 429)
		if got := r.Header().Get("Retry-After"); got != "840" || w.pins.compared.Load() != before {
			t.Errorf("%s: Retry-After %q, %d comparisons", name, got, w.pins.compared.Load()-before)
		}
		w.clock.Advance(-time.Minute)
	}
	w.logIn("192.0.2.1", "shop", app.encrypt(pin)).want(t, "the right PIN", 429)
	w.logIn("198.51.100.1", "shop", app.encrypt(pin)).wantSuccess(t, "from another network")
	if n := len(w.events.of(signet.EventCredentialsThrottled)); n != 2 {
		t.Errorf("%d alarms, want one for each name", n)
	}
	w.clock.Advance(15 * time.Minute)
	w.logIn("192.0.2.1", "shop", app.encrypt(pin)).wantSuccess(t, "after the window")
}

// PIN-04: 64 wrong PINs at once are looked at five times; 16 right ones at once all pass, since nothing was wrong.
func TestPIN04AtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2)
	for _, c := range []struct {
		name   string
		pin    string
		atOnce int
		want   map[int]int
	}{
		{"right", pin, 16, map[int]int{200: 16}},
		{"wrong", "0000", 64, map[int]int{401: 5, 429: 59}},
	} {
		var wg sync.WaitGroup
		status := make(chan int, c.atOnce)
		for range c.atOnce {
			password := app.encrypt(c.pin)
			wg.Go(func() { status <- w.logIn(home, "shop", password).Code })
		}
		wg.Wait()
		close(status)
		count := map[int]int{}
		for s := range status {
			count[s]++
		}
		if fmt.Sprint(count) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.name, count, c.want)
		}
	}
	if n := len(w.room.turns.held); n != 0 {
		t.Errorf("%d turns are still held", n)
	}
}

// PIN-04: one PIN over many names from one network is shut after 100; the neighbour network is not, nor is an
// application that is at home there.
func TestPIN04Spraying(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	settled, guest, late := w.add("settled", signet.PINv2), w.add("guest", signet.PINv2), w.add("late", signet.PINv2)
	fenced := w.add("fenced", signet.PINv2, func(a *signet.PINApplication) { a.AllowedNetworks = []string{"192.0.2.0/28"} })
	w.logIn(home, "settled", settled.encrypt(pin)).wantSuccess(t, "settled logs in once")
	for i := range limitNetwork {
		w.wrong("192.0.2.77", "user-"+strconv.Itoa(i)).want(t, "spraying", 401)
	}
	for i := range 20 {
		w.wrong("192.0.2."+strconv.Itoa(i), "later-"+strconv.Itoa(i)).want(t, "the network is shut", 429)
	}
	w.logIn("192.0.2.78", "guest", guest.encrypt(pin)).want(t, "a guest there", 429)
	w.logIn("198.51.100.1", "guest", guest.encrypt(pin)).wantSuccess(t, "the guest elsewhere")
	w.logIn(home, "settled", settled.encrypt(pin)).wantSuccess(t, "who logged in there before")
	w.logIn(home, "fenced", fenced.encrypt(pin)).wantSuccess(t, "who is allowed there")
	if n := len(w.events.of(signet.EventCredentialsThrottled)); n != 1 {
		t.Errorf("%d alarms, want 1", n)
	}
	// A network that is shut must not use up what a name has left in it.
	w.clock.Advance(10 * time.Minute)
	for range 6 {
		w.wrong("192.0.2.78", "late").want(t, "still shut", 429)
	}
	w.clock.Advance(5 * time.Minute)
	w.logIn("192.0.2.78", "late", late.encrypt(pin)).wantSuccess(t, "once the network is open again")
}

// PIN-04: 10,000 PINs for one name, from as many networks as it takes: strangers share 50, and the application gets in
// from the networks that are its own.
func TestPIN04ManyNetworksOneName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2, func(a *signet.PINApplication) {
		a.AllowedNetworks = []string{"192.0.2.0/24", "2001:db8::/32", "10.0.0.0/8", "198.0.0.0/6"}
	})
	looked := w.pins.compared.Load()
	for i := range 200 {
		w.wrong(fmt.Sprintf("203.%d.113.5", i), "shop")
	}
	if n := w.pins.compared.Load() - looked; n != limitName {
		t.Errorf("%d guesses were looked at, want %d", n, limitName)
	}
	for _, address := range []string{home, "[2001:db8:1::5]", "10.1.2.3"} {
		w.logIn(address, "shop", app.encrypt(pin)).wantSuccess(t, "from "+address)
	}
	w.logIn("198.51.100.1", "shop", app.encrypt(pin)).want(t, "from a range that is nobody's own", 429)
	// A bad host in one part of a wide range shuts that part out, not the company.
	for range 5 {
		w.wrong("10.9.9.9", "shop").want(t, "a bad host", 401)
	}
	w.wrong("10.9.9.8", "shop").want(t, "its part", 429)
	w.logIn("10.1.2.3", "shop", app.encrypt(pin)).wantSuccess(t, "another part")
}

// A neighbour of an address that the application logged in from is a stranger: what it does counts elsewhere.
func TestPIN04NeighbourCannotLockOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2)
	w.logIn(home, "shop", app.encrypt(pin)).wantSuccess(t, "first")
	for range 6 {
		w.wrong("192.0.2.99", "shop")
	}
	w.wrong("192.0.2.99", "shop").want(t, "the neighbour", 429)
	w.logIn(home, "shop", app.encrypt(pin)).wantSuccess(t, "the application")
	w.clock.Advance(knownFor)
	for range 6 {
		w.wrong("192.0.2.99", "shop")
	}
	w.logIn(home, "shop", app.encrypt(pin)).want(t, "after a month without a login", 429)
}

// Right PINs are not counted, however many and however mixed with a few wrong ones.
func TestSuccessIsNotCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2)
	for i := range 4 {
		w.wrong(home, "shop").want(t, "wrong", 401)
		for range 3 {
			w.logIn(home, "shop", app.encrypt(pin)).wantSuccess(t, fmt.Sprintf("after %d wrong ones", i+1))
		}
	}
}

// While the shared counters are away this node counts alone, more strictly, and logins go on.
func TestCountersAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2)
	w.counts.away.Store(true)
	for range 10 {
		w.logIn(home, "shop", app.encrypt(pin)).wantSuccess(t, "right")
	}
	w.wrong(home, "shop").want(t, "wrong", 401)
	r := w.wrong(home, "shop")
	r.want(t, "wrong again", 429)
	if r.Header().Get("Retry-After") != "900" {
		t.Errorf("Retry-After %q", r.Header().Get("Retry-After"))
	}
	w.clock.Advance(15 * time.Minute)
	w.logIn(home, "shop", app.encrypt(pin)).wantSuccess(t, "after the window")
}

// What slow counters counted although their answer was lost is taken back by the right PIN.
func TestCountersLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2)
	w.counts.late.Store(true)
	for range 10 {
		w.logIn(home, "shop", app.encrypt(pin)).wantSuccess(t, "right, the answer lost")
	}
	w.counts.late.Store(false)
	w.wrong(home, "shop").want(t, "wrong", 401)
	w.logIn(home, "shop", app.encrypt(pin)).wantSuccess(t, "right")
}

// Counters hold no name.
func TestCountersHoldNoName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := &attempt{body: loginBody{Username: "shop"}}
	for _, c := range w.room.counters(t.Context(), a) {
		if strings.Contains(c.Key, "shop") {
			t.Errorf("key %s", c.Key)
		}
	}
	if r := w.wrong(home, "shop"); r.Code != http.StatusUnauthorized {
		t.Fatal(r.Code)
	}
}
