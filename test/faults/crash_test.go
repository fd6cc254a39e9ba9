package faults

import (
	"errors"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// chain is a client that keeps one token family alive: its last token is the one that a server acknowledged. It goes
// to the other node when one does not answer.
type chain struct {
	last  string
	nodes []*e2e.Node
	turn  int
}

func (w *world) newChain(nodes ...*e2e.Node) *chain {
	w.t.Helper()
	return &chain{last: w.session(nodes[0], w.user).Refresh, nodes: nodes}
}

// step asks once. No answer is no failure: the client tries again, at the other node, with the token it has.
func (c *chain) step(w *world) error {
	got := w.refresh(c.nodes[c.turn%len(c.nodes)], c.last)
	c.turn++
	switch {
	case got.ok():
		c.last = got.tokens().Refresh
		return nil
	case got.Status == 0:
		return nil
	}
	return unexpected(got)
}

// codes redeems codes, each at both nodes.
type codes struct {
	mu    sync.Mutex
	twice int
	once  int
}

// step takes one code and tries it at both nodes, whatever the first one says: at most one may give tokens.
func (c *codes) step(w *world, nodes ...*e2e.Node) error {
	code, got := w.code(nodes[0], w.user)
	if code == "" {
		if got.Status == 0 {
			return nil
		}
		return unexpected(got)
	}
	given := 0
	answers := make([]answer, len(nodes))
	var both sync.WaitGroup
	for i, n := range nodes {
		both.Go(func() { answers[i] = w.redeem(n, code) })
	}
	both.Wait()
	for _, got := range answers {
		if got.ok() {
			given++
		} else if got.Status >= http.StatusInternalServerError {
			return unexpected(got)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if given == 1 {
		c.once++
	}
	if given > 1 {
		c.twice++
		return errors.New("one code gave two sets of tokens")
	}
	return nil
}

// FLT-13, short: kill -9 of one node, several times, under refresh and code load on both.
func TestNodeKilledUnderLoad(t *testing.T) {
	t.Parallel()
	_, redis := startRedis(t, "noeviction")
	dsn := e2e.NewDatabase(t)
	w := newWorld(t, dsn, redis, 2)
	chains := []*chain{w.newChain(w.one, w.two), w.newChain(w.two, w.one), w.newChain(w.two, w.one), w.newChain(w.two)}
	redeemed := &codes{}
	victim := w.two
	// The nodes' addresses stay; only the process behind the second one changes.
	workers := []*worker{
		{name: "codes from the first node", act: func() error { return redeemed.step(w, w.one, w.two) }},
		{name: "codes from the second node", act: func() error { return redeemed.step(w, w.two, w.one) }},
	}
	for _, c := range chains {
		workers = append(workers, &worker{name: "refresh chain", act: func() error { return c.step(w) }})
	}
	l := startLoad(t, workers...)
	for range 4 {
		l.goesOn(20*time.Second, 25)
		victim.Kill()
		l.goesOn(20*time.Second, 5)
		began := time.Now()
		w.cluster.Relaunch(victim)
		victim.WaitReady()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("ready again after %s", took)
		} else {
			t.Logf("ready again after %s", took)
		}
	}
	l.goesOn(20*time.Second, 10)
	l.stop()
	l.clean()
	for i, c := range chains {
		if got := w.refresh(w.one, c.last); !got.ok() {
			t.Errorf("chain %d: the last acknowledged token does not refresh: %v", i, unexpected(got))
		}
	}
	if redeemed.once == 0 || redeemed.twice > 0 {
		t.Errorf("%d codes gave tokens once, %d twice", redeemed.once, redeemed.twice)
	}
	oneUnspentEach(t, dsn)
}

// FLT-14: a rolling restart by SIGTERM, under load, with clients that repeat what was refused at the door.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	_, redis := startRedis(t, "noeviction")
	w := newWorld(t, e2e.NewDatabase(t), redis, 2)
	// A connection for each request: what is refused is then refused before the request was sent.
	w.http.Transport.(*http.Transport).DisableKeepAlives = true
	live := w.session(w.one, w.user).Access
	family := w.session(w.one, w.user).Refresh
	either := func(ask func(*e2e.Node) answer) answer {
		got := ask(w.one)
		if got.Status == 0 && errors.Is(got.Err, syscall.ECONNREFUSED) {
			got = ask(w.two)
		}
		return got
	}
	other := func(ask func(*e2e.Node) answer) answer {
		got := ask(w.two)
		if got.Status == 0 && errors.Is(got.Err, syscall.ECONNREFUSED) {
			got = ask(w.one)
		}
		return got
	}
	ok := func(holds bool, got answer) error {
		if holds {
			return nil
		}
		return unexpected(got)
	}
	l := startLoad(t,
		&worker{name: "refresh", act: func() error {
			got := either(func(n *e2e.Node) answer { return w.refresh(n, family) })
			if got.ok() {
				family = got.tokens().Refresh
			}
			return ok(got.ok(), got)
		}},
		&worker{name: "client credentials", act: func() error { got := either(w.machine); return ok(got.ok(), got) }},
		&worker{name: "client credentials at the other node", act: func() error { got := other(w.machine); return ok(got.ok(), got) }},
		&worker{name: "introspection", act: func() error {
			got := other(func(n *e2e.Node) answer { return w.introspect(n, live) })
			return ok(got.tokens().Active, got)
		}},
		&worker{name: "code", act: func() error {
			code := ""
			got := other(func(n *e2e.Node) (a answer) { code, a = w.code(n, w.user); return a })
			if code == "" {
				return unexpected(got)
			}
			got = either(func(n *e2e.Node) answer { return w.redeem(n, code) })
			return ok(got.ok(), got)
		}},
	)
	for range 3 {
		for _, n := range w.cluster.Nodes {
			l.goesOn(20*time.Second, 15)
			if code := n.Stop(); code != 0 {
				t.Errorf("SIGTERM ends a node with %d", code)
			}
			l.goesOn(20*time.Second, 5)
			w.cluster.Relaunch(n)
			n.WaitReady()
		}
	}
	l.goesOn(20*time.Second, 10)
	l.stop()
	l.clean()
}
