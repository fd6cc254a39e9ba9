package login_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/signet"
)

// The limits as a caller sees them, within 15 minutes.
const (
	perNameAndNetwork = 10
	perName           = 50
	perNetwork        = 300
)

func (b *browser) guess(name string) answer { return b.logIn(name, "wrong") }

func (h *house) guesses(n int, address func(i int) string, name func(i int) string) {
	h.t.Helper()
	for i := range n {
		h.browser(address(i)).guess(name(i))
	}
}

func always(s string) func(int) string { return func(int) string { return s } }

func spread(i int) string { return fmt.Sprintf("198.51.%d.7", i) }

// One name from one network: ten guesses, then 429 with the same words whether the name exists or not, also for the
// right password, and not for the neighbour's name or network.
func TestGuessesAreLimited(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.addUser("bob", password, nil)
	var bodies []string
	for _, name := range []string{"ada", "nobody"} {
		for i := range perNameAndNetwork {
			// Any address of the /24 counts for all of it, and letter case and spaces make no other name.
			b := h.browser("192.0.2." + strconv.Itoa(i))
			if got := b.guess([]string{name, strings.ToUpper(name), " " + name}[i%3]); got.Code != http.StatusOK {
				t.Fatalf("%s, guess %d: %d", name, i+1, got.Code)
			}
		}
		before := h.passwords.Computed()
		got := h.browser("192.0.2.200").logIn(name, password)
		if got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") != "900" || h.passwords.Computed() != before {
			t.Errorf("%s: %d, Retry-After %q", name, got.Code, got.Header().Get("Retry-After"))
		}
		bodies = append(bodies, strings.ReplaceAll(sealedValue.ReplaceAllString(got.body, ""), `value="`+name+`"`, ""))
	}
	if bodies[0] != bodies[1] {
		t.Error("the answers tell whether the name exists")
	}
	if got := h.browser("192.0.2.1").logIn("bob", password); got.Code != http.StatusSeeOther {
		t.Errorf("another name from there: %d", got.Code)
	}
	if got := h.browser("203.0.113.1").logIn("ada", password); got.Code != http.StatusSeeOther {
		t.Errorf("the name from another network: %d", got.Code)
	}
	h.clock.Advance(15 * time.Minute)
	if got := h.browser("192.0.2.1").logIn("ada", password); got.Code != http.StatusSeeOther {
		t.Errorf("after the window: %d", got.Code)
	}
}

// ENU-05: 64 parallel guesses with one left evaluate at most that one.
func TestParallelGuessesAreCounted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.guesses(perNameAndNetwork-1, always("192.0.2.1"), always("ada"))
	before := h.passwords.Computed()
	var wg sync.WaitGroup
	status := make(chan int, 64)
	for range 64 {
		b := h.browser("192.0.2.1")
		wg.Go(func() { status <- b.guess("ada").Code })
	}
	wg.Wait()
	close(status)
	count := map[int]int{}
	for s := range status {
		count[s]++
	}
	if n := h.passwords.Computed() - before; n > 1 {
		t.Errorf("%d guesses were looked at, want at most 1; answers %v", n, count)
	}
	if count[http.StatusOK] > 1 || count[http.StatusTooManyRequests] < 63 {
		t.Errorf("answers %v", count)
	}
}

// A right password takes its count back: who logs in all day is not locked out.
func TestSuccessIsNotCounted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range perNameAndNetwork + 2 {
		if got := h.browser("192.0.2.1").logIn("ada", password); got.Code != http.StatusSeeOther {
			t.Fatalf("login %d: %d", i+1, got.Code)
		}
	}
}

// Whatever strangers do to a name or to a network, its owner gets in from a browser used before, by either name. The
// others wait, the owner at a new browser among them.
func TestKnownBrowserIsNeverLockedOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	known := h.browser("192.0.2.1")
	known.logIn("ada", password)
	h.guesses(perName, spread, always("ada")) // from everywhere
	h.guesses(perNameAndNetwork+1, always("192.0.2.9"), always("ada"))
	if got := h.browser("203.0.113.1").logIn("ada", password); got.Code != http.StatusTooManyRequests {
		t.Errorf("a new browser: %d", got.Code)
	}
	for _, name := range []string{"ada", "ADA", "ada@users.test"} {
		if got := known.logIn(name, password); got.Code != http.StatusSeeOther {
			t.Errorf("the known browser as %s: %d", name, got.Code)
		}
	}
	// A known browser is known for its own people alone, and has a limit of its own.
	h.guesses(perNameAndNetwork, always("192.0.2.9"), always("bob"))
	if got := known.guess("bob"); got.Code != http.StatusTooManyRequests {
		t.Errorf("the known browser as a stranger: %d", got.Code)
	}
	for range perNameAndNetwork {
		known.guess("ada")
	}
	if got := known.logIn("ada", password); got.Code != http.StatusTooManyRequests {
		t.Errorf("the known browser after ten wrong passwords: %d", got.Code)
	}
	other := h.browser("203.0.113.99")
	other.cookies["__Host-signet_known"] = known.cookies["__Host-signet_known"] + "A"
	if got := other.logIn("ada", password); got.Code != http.StatusTooManyRequests {
		t.Errorf("an altered cookie: %d", got.Code)
	}
}

// A profile can hold anybody's address. Whoever has another's login name in it and logs in under the own name gets no
// browser that is known for the other, and so no way around the limits of the other's name.
func TestKnownBrowserOfABorrowedAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.addUser("eve@users.test", password, nil)
	h.addUser("mallory", password, func(u *signet.User) { u.Profile.Email = "eve@users.test" })
	h.guesses(perNameAndNetwork, always("192.0.2.9"), always("eve@users.test"))
	b := h.browser("192.0.2.9")
	if got := b.logIn("mallory", password); got.Code != http.StatusSeeOther {
		t.Fatalf("mallory: %d", got.Code)
	}
	before := h.passwords.Computed()
	if got := b.guess("eve@users.test"); got.Code != http.StatusTooManyRequests || h.passwords.Computed() != before {
		t.Errorf("a guess at the other's name: %d", got.Code)
	}
}

func TestKnownBrowserIsForgotten(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	known := h.browser("192.0.2.1")
	known.logIn("ada", password)
	h.clock.Advance(400*24*time.Hour + time.Second)
	h.guesses(perNameAndNetwork, always("192.0.2.9"), always("ada"))
	if got := known.logIn("ada", password); got.Code != http.StatusTooManyRequests {
		t.Errorf("after 400 days: %d", got.Code)
	}
}

// ENU-04: one guess each at many names. The network is stopped, the names are not used up by what was stopped, and a
// known browser there goes on.
func TestManyNamesFromOneNetwork(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	known := h.browser("192.0.2.1")
	known.logIn("ada", password)
	for i := range perNetwork { // what 300 guesses leave behind, without their hashes
		if _, _, err := h.attempts.Reserve(t.Context(), "login:network:192.0.2.0/24", 15*time.Minute); err != nil {
			t.Fatal(i, err)
		}
	}
	before := h.passwords.Computed()
	h.guesses(2*perNameAndNetwork, always("192.0.2.77"), always("bob"))
	if n := h.passwords.Computed() - before; n != 0 {
		t.Errorf("%d guesses were looked at", n)
	}
	if got := known.logIn("ada", password); got.Code != http.StatusSeeOther {
		t.Errorf("the known browser: %d", got.Code)
	}
	if n, _, err := h.store.Attempts().Count(t.Context(), "login:network:192.0.2.0/24"); err != nil || n < perNetwork {
		t.Fatalf("the test counts another key than the server: %d, %v", n, err)
	}
	// Another window of the network alone: bob's own count must be as before.
	for range 2*perNameAndNetwork + perNetwork {
		h.must(h.attempts.Release(t.Context(), "login:network:192.0.2.0/24"))
	}
	if got := h.browser("192.0.2.77").guess("bob"); got.Code != http.StatusOK {
		t.Errorf("the name was used up by refused guesses: %d", got.Code)
	}
}

// Neighbours: /24 and /64 count together, also in mapped form.
func TestNetworks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.guesses(perNameAndNetwork, func(i int) string { return fmt.Sprintf("[2001:db8:1:2::%x]", i+1) }, always("ada"))
	for address, want := range map[string]int{
		"[2001:db8:1:2:ffff::1]": http.StatusTooManyRequests,
		"[2001:db8:1:3::1]":      http.StatusOK,
	} {
		if got := h.browser(address).guess("ada"); got.Code != want {
			t.Errorf("%s: %d, want %d", address, got.Code, want)
		}
	}
}

// Without the shared counters logins go on, and every node counts alone, more strictly.
func TestCountersAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.attempts.off.Store(true)
	if got := h.browser("192.0.2.1").logIn("ada", password); got.Code != http.StatusSeeOther {
		t.Fatalf("login: %d", got.Code)
	}
	before := h.passwords.Computed()
	h.guesses(perNameAndNetwork, always("203.0.113.1"), always("ada"))
	if n := h.passwords.Computed() - before; n == 0 || n > perNameAndNetwork/2 {
		t.Errorf("%d guesses were looked at", n)
	}
	h.clock.Advance(15 * time.Minute)
	if got := h.browser("203.0.113.1").logIn("ada", password); got.Code != http.StatusSeeOther {
		t.Errorf("after the window: %d", got.Code)
	}
}

// What slow counters counted although their answer was lost is taken back by the right password: a Redis that times out
// for a minute must not shut people out for the rest of the window. A wrong one stays counted.
func TestCountersLate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const from = "192.0.2.1"
	h.attempts.late.Store(true)
	for range perNameAndNetwork + 1 {
		if got := h.browser(from).logIn("ada", password); got.Code != http.StatusSeeOther {
			t.Fatalf("login: %d", got.Code)
		}
	}
	h.guesses(1, always(from), always("ada"))
	h.attempts.late.Store(false)
	h.guesses(perNameAndNetwork-2, always(from), always("ada"))
	if got := h.browser(from).logIn("ada", password); got.Code != http.StatusSeeOther {
		t.Errorf("the right password after lost answers: %d", got.Code)
	}
	h.guesses(1, always(from), always("ada"))
	if got := h.browser(from).logIn("ada", password); got.Code != http.StatusTooManyRequests {
		t.Errorf("the right password after as many wrong ones as are allowed: %d", got.Code)
	}
}

// EXH-02: when no worker is free, 503 with Retry-After, the guess is not counted, and other pages go on.
func TestPoolFull(t *testing.T) {
	t.Parallel()
	var small *login.Passwords
	h := newHouse(t, func(o *login.Options) {
		small = newPasswords(t, login.PasswordsOptions{Workers: 1, Queue: 1})
		o.Passwords = small
	})
	var wg sync.WaitGroup
	answers := make(chan answer, 40)
	for i := range 40 {
		b := h.browser(spread(i))
		wg.Go(func() { answers <- b.logIn("nobody"+strconv.Itoa(i), "wrong") })
	}
	wg.Wait()
	close(answers)
	count := map[int]int{}
	for a := range answers {
		count[a.Code]++
		if a.Code == http.StatusServiceUnavailable && (a.Header().Get("Retry-After") == "" || !hasID(t, a.body, "error")) {
			t.Errorf("503 without Retry-After or words:\n%s", a.body)
		}
	}
	if count[http.StatusServiceUnavailable] == 0 || count[http.StatusOK] == 0 || len(count) != 2 {
		t.Errorf("answers %v", count)
	}
}

// slow is ports that answer when their caller's time is over, and remember when that is.
type slow struct {
	login.Attempts
	login.Records
	ends chan time.Time
}

func (s *slow) Reserve(ctx context.Context, _ string, _ time.Duration) (int, time.Duration, error) {
	s.note(ctx)
	<-ctx.Done()
	return 0, 0, signet.Unavailable(ctx.Err())
}

func (s *slow) UserByLogin(ctx context.Context, _ string) (*signet.User, error) {
	s.note(ctx)
	<-ctx.Done()
	return nil, signet.Unavailable(ctx.Err())
}

func (s *slow) note(ctx context.Context) {
	if end, ok := ctx.Deadline(); ok {
		s.ends <- end
	}
}

// EXH-02: what a login waits for ends together, not one after the other, and the answer is 503.
func TestOneDeadlineForALogin(t *testing.T) {
	t.Parallel()
	stores := &slow{ends: make(chan time.Time, 10)}
	h := newHouse(t, func(o *login.Options) {
		stores.Attempts, stores.Records = o.Attempts, o.Records
		o.Attempts, o.Records = stores, stores
	})
	got := h.browser("192.0.2.1").logIn("ada", password)
	if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("answer %d, Retry-After %q", got.Code, got.Header().Get("Retry-After"))
	}
	close(stores.ends)
	var ends []time.Time
	for end := range stores.ends {
		ends = append(ends, end)
	}
	if len(ends) < 2 {
		t.Fatalf("%d waits with an end, want the counters' and the record's", len(ends))
	}
	for _, end := range ends[1:] {
		if !end.Equal(ends[0]) {
			t.Errorf("waits end at %v", ends)
		}
	}
}
