package login_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/signet"
)

// ENU-04: a network that reaches its limit raises the alarm: every refusal is counted, and one event in the window names
// the network and none of the names that were typed.
func TestNetworkLimitRaisesTheAlarm(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range perNetwork - 1 {
		if _, _, err := h.attempts.Reserve(t.Context(), "login:network:192.0.2.0/24", 15*time.Minute); err != nil {
			t.Fatal(i, err)
		}
	}
	events := func() (found []signet.Event) {
		t.Helper()
		all, err := h.store.ListEvents(t.Context(), "", 100)
		h.must(err)
		for _, ev := range all {
			if ev.Kind == signet.EventLoginThrottled {
				found = append(found, ev)
			}
		}
		return found
	}
	h.browser("192.0.2.1").guess("nobody") // the last one that is looked at
	if n := len(events()); n != 0 {
		t.Errorf("%d events before the limit is passed", n)
	}
	for i := range 5 {
		h.browser("192.0.2." + strconv.Itoa(10+i)).guess("name" + strconv.Itoa(i))
	}
	if n := h.meter.of("throttled network"); n != 5 {
		t.Errorf("%d refusals were counted, want 5", n)
	}
	found := events()
	if len(found) != 1 {
		t.Fatalf("%d events, want 1 in the window", len(found))
	}
	ev := found[0]
	if ev.Target != "network:192.0.2.0/24" || ev.Reason != "network_limit" || ev.Address != "192.0.2.10" || ev.UserID != "" {
		t.Errorf("event %+v", ev)
	}
	h.clock.Advance(15 * time.Minute)
	h.browser("192.0.2.1").guess("nobody")
	if n := len(events()); n != 1 {
		t.Errorf("%d events after the window", n)
	}
}

// An alarm that cannot be written changes no answer: the refusal stands.
func TestAlarmThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *login.Options) { o.Events = noEvents{} })
	for i := range perNetwork {
		if _, _, err := h.attempts.Reserve(t.Context(), "login:network:192.0.2.0/24", 15*time.Minute); err != nil {
			t.Fatal(i, err)
		}
	}
	if got := h.browser("192.0.2.1").guess("nobody"); got.Code != 429 {
		t.Errorf("%d, want 429", got.Code)
	}
}

type noEvents struct{}

func (noEvents) Record(context.Context, signet.Event) error {
	return signet.Unavailable(fmt.Errorf("events are away"))
}

// Every way to fail has its outcome, and every limit its name; a login that works counts nowhere.
func TestFailuresAreCounted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.addUser("gone", password, func(u *signet.User) { now := h.clock.Now(); u.DisabledAt = &now })
	h.addUser("passkey", "", nil)
	h.browser("192.0.2.1").logIn("ada", password)
	if n := len(h.meter.count); n != 0 {
		t.Errorf("a login that works is counted: %v", h.meter.count)
	}
	for name, outcome := range map[string]string{"ada": "wrong_password", "nobody": "unknown_user", "passkey": "no_password"} {
		h.browser("203.0.113.1").guess(name)
		if n := h.meter.of("failed " + outcome); n != 1 {
			t.Errorf("%s: %d", outcome, n)
		}
	}
	h.browser("203.0.113.1").logIn("gone", password)
	if n := h.meter.of("failed user_disabled"); n != 1 {
		t.Errorf("user_disabled: %d", n)
	}
	h.guesses(perNameAndNetwork+1, always("198.51.100.1"), always("bob"))
	if n := h.meter.of("throttled name_network"); n != 1 {
		t.Errorf("name_network: %d", n)
	}
	h.guesses(perName, spread, always("eve"))
	h.browser("203.0.113.7").guess("eve")
	if n := h.meter.of("throttled name"); n != 1 {
		t.Errorf("name: %d", n)
	}
	h.attempts.off.Store(true)
	h.guesses(perNameAndNetwork, always("198.51.100.1"), always("carol"))
	if h.meter.of("throttled local") == 0 {
		t.Error("refusals of this node alone are not counted")
	}
}
