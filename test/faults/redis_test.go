package faults

import (
	"fmt"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// marksWarm is how long a Redis that starts empty keeps assertions out: what was used before it cannot be told.
const marksWarm = 20 * time.Second

// unexpected describes an answer that was not the one promised.
func unexpected(got answer) error {
	return fmt.Errorf("status %d after %s, error %v, body %.200s", got.Status, got.Took.Round(time.Millisecond), got.Err, got.Body)
}

// mixed are the acts that do not need Redis: a refresh chain, codes, and introspection of a live and of a dead token.
func (w *world) mixed(live, dead string) []*worker {
	chain := w.session(w.one, w.user).Refresh
	return []*worker{
		{name: "refresh", act: func() error {
			got := w.refresh(w.one, chain)
			if next := got.tokens().Refresh; got.ok() && next != "" {
				chain = next
				return nil
			}
			return unexpected(got)
		}},
		{name: "code", act: func() error {
			code, got := w.code(w.one, w.user)
			if code == "" {
				return unexpected(got)
			}
			if got = w.redeem(w.two, code); !got.ok() {
				return unexpected(got)
			}
			return nil
		}},
		{name: "introspect a live token", act: func() error {
			if got := w.introspect(w.two, live); !got.tokens().Active {
				return unexpected(got)
			}
			return nil
		}},
		{name: "introspect a revoked token", act: func() error {
			if got := w.introspect(w.one, dead); got.Status != http.StatusOK || got.tokens().Active {
				return unexpected(got)
			}
			return nil
		}},
	}
}

// revoked makes an access token and takes it back.
func (w *world) revoked() string {
	w.t.Helper()
	token := w.session(w.one, w.user).Access
	if got := w.post(w.one, "/revoke", w.web, url.Values{"token": {token}}); got.Status != http.StatusOK {
		w.t.Fatalf("revoke: %d %s", got.Status, got.Body)
	}
	return token
}

// accepted waits until the partner gets in with a fresh assertion, and returns that assertion: it is used now.
func (w *world) accepted(n *e2e.Node) string {
	w.t.Helper()
	var used string
	eventually(w.t, marksWarm, "a fresh assertion is accepted", func() bool {
		used = w.assertion()
		return w.assert(n, used).ok()
	})
	return used
}

// FLT-01: Redis is killed and comes back empty while everything runs.
func TestRedisKilledAndEmptied(t *testing.T) {
	t.Parallel()
	redis := e2e.StartRedis(t)
	w := newWorld(t, e2e.NewDatabase(t), redis.Addr, 2)
	dead, live := w.revoked(), w.session(w.one, w.user).Access
	w.accepted(w.one)
	used := []string{w.accepted(w.one), w.accepted(w.two)}
	// Few tries in all: more would be throttled, and a throttle would hide a replay.
	neverAgain := func(when string) {
		for i, assertion := range used {
			if got := w.assert([]*e2e.Node{w.two, w.one}[i], assertion); got.ok() || got.Status < 400 || got.Status == http.StatusTooManyRequests {
				t.Errorf("a used assertion %s: %v", when, unexpected(got))
			}
		}
	}
	neverAgain("at once")
	l := startLoad(t, w.mixed(live, dead)...)
	l.goesOn(10*time.Second, 5)

	redis.Signal(syscall.SIGKILL)
	for _, n := range w.cluster.Nodes {
		if got := w.assert(n, w.assertion()); got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || got.Took > time.Second {
			t.Errorf("private_key_jwt without Redis: %v", unexpected(got))
		}
		w.logIn(n, w.user.User)
	}
	neverAgain("without Redis")
	deadLater := w.revoked() // while Redis is away: only the journal knows
	l.goesOn(10*time.Second, 20)

	redis.Start()
	neverAgain("as soon as Redis is back")
	for _, n := range w.cluster.Nodes {
		if got := w.assert(n, w.assertion()); got.ok() {
			t.Error("an assertion is accepted by a Redis that cannot know whether it was used before")
		}
		if got := w.introspect(n, deadLater); got.tokens().Active {
			t.Error("a token revoked while Redis was away is active when it is back")
		}
	}
	neverAgain("with an empty memory")
	w.accepted(w.two)
	neverAgain("once fresh ones are accepted")
	l.goesOn(10*time.Second, 20)
	l.stop()
	l.clean()
}

// FLT-02: Redis hangs. Nothing hangs with it.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	redis := e2e.StartRedis(t)
	w := newWorld(t, e2e.NewDatabase(t), redis.Addr, 1)
	dead, live := w.revoked(), w.session(w.one, w.user).Access
	w.accepted(w.one)

	redis.Signal(syscall.SIGSTOP)
	quick := func(name string, holds func(answer) bool, ask func() answer) *worker {
		return &worker{name: name, act: func() error {
			if got := ask(); !holds(got) || got.Took >= time.Second {
				return unexpected(got)
			}
			return nil
		}}
	}
	l := startLoad(t,
		quick("secret", answer.ok, func() answer { return w.machine(w.one) }),
		quick("introspect a live token", func(a answer) bool { return a.tokens().Active }, func() answer { return w.introspect(w.one, live) }),
		quick("introspect a revoked token", func(a answer) bool { return a.Status == http.StatusOK && !a.tokens().Active },
			func() answer { return w.introspect(w.one, dead) }),
		quick("key set", func(a answer) bool { return a.Status == http.StatusOK }, func() answer { return w.get(w.one.URL + jwksPath) }),
		quick("private_key_jwt", func(a answer) bool {
			return a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != ""
		},
			func() answer { return w.assert(w.one, w.assertion()) }),
	)
	over := time.NewTimer(5 * time.Second) // the length of the fault
	defer over.Stop()
	<-over.C
	l.goesOn(10*time.Second, 1)
	l.stop()
	l.clean()

	redis.Signal(syscall.SIGCONT)
	w.accepted(w.one)
	if got := w.introspect(w.one, dead); got.tokens().Active {
		t.Error("a revoked token is active afterwards")
	}
}
