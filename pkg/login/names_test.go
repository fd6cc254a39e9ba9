package login_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// reasons counts the failed logins of the history by reason.
func (h *house) reasons() map[string]int {
	h.t.Helper()
	out := map[string]int{}
	for _, e := range h.events(signet.EventLoginFailed) {
		out[e.Reason]++
	}
	return out
}

// Two names of one user give no more guesses than one, and the answers tell neither that they are of one user nor that
// there is one: a right password beyond the limit looks like a wrong one, and two names of nobody get the same answers, by
// as many commands and hashes.
func TestNamesOfOneUserCountTogether(t *testing.T) {
	t.Parallel()
	type shape struct {
		statuses string
		body     string
		hashes   uint64
		commands int64
	}
	walk := func(name, last string) (shape, *house) {
		h := newHouse(t)
		var out shape
		for i := range 2*perNameAndNetwork + 1 {
			typed := []string{name, strings.ToUpper(name) + "@users.test"}[i%2]
			secret := "wrong"
			if i == 2*perNameAndNetwork-1 {
				secret = last
			}
			hashes, commands := h.passwords.Computed(), h.attempts.commands.Load()
			got := h.browser("192.0.2.1").logIn(typed, secret)
			out.statuses += http.StatusText(got.Code) + " "
			out.hashes += (h.passwords.Computed() - hashes) << (2 * i)
			out.commands += (h.attempts.commands.Load() - commands) * int64(i+1)
			if i == 2*perNameAndNetwork-1 {
				out.body = strings.ReplaceAll(sealedValue.ReplaceAllString(got.body, ""), strings.ToUpper(name), "NAME")
			}
		}
		return out, h
	}
	known, h := walk("ada", password)
	unknown, _ := walk("zed", "wrong")
	if known != unknown {
		t.Errorf("a user: %+v\nnobody: %+v", known, unknown)
	}
	if !strings.Contains(known.body, "do not match") || !strings.HasSuffix(known.statuses, http.StatusText(http.StatusTooManyRequests)+" ") {
		t.Errorf("%+v", known)
	}
	if r := h.reasons(); r["wrong_password"] != perNameAndNetwork || r["user_limit"] != perNameAndNetwork {
		t.Errorf("failed logins %v", r)
	}
	if n := h.meter.of("throttled user_network"); n != perNameAndNetwork {
		t.Errorf("%d refusals are counted", n)
	}
	if n := len(h.events(signet.EventLoginSucceeded)); n != 0 {
		t.Error("somebody is logged in")
	}
	// From everywhere, too.
	h = newHouse(t)
	h.guesses(perName+4, spread, func(i int) string { return []string{"ada", "ada@users.test"}[i%2] })
	if r := h.reasons(); r["wrong_password"] != perName || r["user_limit"] != 4 {
		t.Errorf("failed logins from everywhere %v", r)
	}
	if got := h.browser("203.0.113.1").logIn("ada", password); got.Code != http.StatusOK || !strings.Contains(got.body, "do not match") {
		t.Errorf("%d:\n%s", got.Code, got.body)
	}
}

// ENU-05: parallel guesses at both names pass the limit of the user no more than those at one pass the limit of a name.
func TestParallelGuessesAtTwoNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var wg sync.WaitGroup
	for i := range 2 * perNameAndNetwork {
		b := h.browser("192.0.2.1")
		wg.Go(func() { b.guess([]string{"ada", "ada@users.test"}[i%2]) })
	}
	wg.Wait()
	if r := h.reasons(); r["wrong_password"] > perNameAndNetwork || r["wrong_password"]+r["user_limit"] > 2*perNameAndNetwork {
		t.Errorf("failed logins %v", r)
	}
}

// A browser that is known through one name is the owner's by every name: strangers cannot use up the other one. What is
// typed wrong there counts together, and may be said: who knows the browser knows the user.
func TestKnownBrowserByEveryName(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	known := h.browser("192.0.2.1")
	known.logIn("ada", password)
	h.guesses(perName+1, spread, always("ada@users.test"))
	h.guesses(perNameAndNetwork+1, always("192.0.2.9"), always("ada@users.test"))
	h.guesses(perName+1, spread, always("ada"))
	for _, name := range []string{"ada@users.test", "ada"} {
		if got := known.logIn(name, password); got.Code != http.StatusSeeOther {
			t.Errorf("as %s: %d\n%s", name, got.Code, got.body)
		}
	}
	for i := range perNameAndNetwork {
		if got := known.guess([]string{"ada", "ada@users.test"}[i%2]); got.Code != http.StatusOK {
			t.Errorf("guess %d: %d", i+1, got.Code)
		}
	}
	before := h.passwords.Computed()
	if got := known.logIn("ada", password); got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") == "" || h.passwords.Computed() != before {
		t.Errorf("after ten wrong passwords: %d", got.Code)
	}
}

// A right password takes its count back also while this node counts alone.
func TestSuccessIsNotCountedAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.attempts.off.Store(true)
	known := h.browser("192.0.2.9")
	for i := range perNameAndNetwork + 2 {
		for _, b := range []*browser{h.browser("192.0.2.1"), known} {
			if got := b.logIn("ada", password); got.Code != http.StatusSeeOther {
				t.Fatalf("login %d: %d", i+1, got.Code)
			}
		}
	}
}
