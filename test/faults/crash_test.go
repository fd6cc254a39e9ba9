package faults

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// chain is a client that keeps one token family alive: its last token is the one that a server acknowledged. It goes
// to the other node when one does not answer.
type chain struct {
	last         string
	nodes        []*e2e.Node
	turn         int
	acknowledged int
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
		c.acknowledged++
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
	redis := e2e.StartRedis(t).Addr
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
		if c.acknowledged == 0 {
			t.Errorf("chain %d never got a token", i)
		}
		if got := w.refresh(w.one, c.last); !got.ok() {
			t.Errorf("chain %d: the last acknowledged token does not refresh: %v", i, unexpected(got))
		}
	}
	if redeemed.once == 0 || redeemed.twice > 0 {
		t.Errorf("%d codes gave tokens once, %d twice", redeemed.once, redeemed.twice)
	}
	oneUnspentEach(t, dsn)
}

// balancer sends a request to a node that says it is ready, as a load balancer does, and once more to the other node when
// the connection is refused. Nothing else is tried again.
type balancer struct {
	nodes []*e2e.Node
	ready []atomic.Bool
}

// probeEvery is the probe interval: drain_notice is 1 s unless somebody says otherwise.
const probeEvery = 200 * time.Millisecond

// newBalancer probes until the test ends.
func newBalancer(t *testing.T, nodes ...*e2e.Node) *balancer {
	t.Helper()
	b := &balancer{nodes: nodes, ready: make([]atomic.Bool, len(nodes))}
	addresses := make([]string, len(nodes))
	for i, n := range nodes {
		addresses[i] = n.OpsURL + "/readyz"
		b.ready[i].Store(true)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	for i, address := range addresses {
		done.Go(func() {
			ticker := time.NewTicker(probeEvery)
			defer ticker.Stop()
			for ctx.Err() == nil {
				b.ready[i].Store(e2e.Answers(address))
				<-ticker.C
			}
		})
	}
	t.Cleanup(func() { cancel(); done.Wait() })
	return b
}

// ask prefers a node, so that both are under load.
func (b *balancer) ask(preferred int, ask func(*e2e.Node) answer) answer {
	first := preferred
	if !b.ready[first].Load() {
		first = 1 - first
	}
	got := ask(b.nodes[first])
	if got.Status == 0 && errors.Is(got.Err, syscall.ECONNREFUSED) {
		got = ask(b.nodes[1-first])
	}
	return got
}

// FLT-14: a rolling restart by SIGTERM under load behind a load balancer, on kept connections.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	redis := e2e.StartRedis(t).Addr
	w := newWorld(t, e2e.NewDatabase(t), redis, 2)
	b, l := w.balanced(t)
	for range 2 {
		for i, n := range w.cluster.Nodes {
			l.goesOn(20*time.Second, 15)
			n.Signal(syscall.SIGTERM)
			eventually(t, time.Second, "readiness is off", func() bool { return w.get(n.OpsURL+"/readyz").Status == http.StatusServiceUnavailable })
			if got := w.machine(n); !got.ok() || !got.closes {
				t.Errorf("a node that only just went out of readiness: %v, connection closes: %t", unexpected(got), got.closes)
			}
			if code := n.ExitCode(); code != 0 {
				t.Errorf("SIGTERM ends a node with %d", code)
			}
			l.goesOn(20*time.Second, 5)
			w.cluster.Relaunch(n)
			n.WaitReady()
			eventually(t, 2*time.Second, "the balancer knows", b.ready[i].Load)
		}
	}
	l.goesOn(20*time.Second, 10)
	l.stop()
	l.clean()
}

// balanced puts the cluster under load behind a load balancer.
func (w *world) balanced(t *testing.T) (*balancer, *load) {
	t.Helper()
	live, family := w.session(w.one, w.user).Access, w.session(w.one, w.user).Refresh
	b := newBalancer(t, w.one, w.two)
	want := func(holds bool, got answer) error {
		if holds {
			return nil
		}
		return unexpected(got)
	}
	return b, startLoad(t,
		&worker{name: "refresh", act: func() error {
			got := b.ask(0, func(n *e2e.Node) answer { return w.refresh(n, family) })
			if got.ok() {
				family = got.tokens().Refresh
			}
			return want(got.ok(), got)
		}},
		&worker{name: "client credentials", act: func() error { got := b.ask(0, w.machine); return want(got.ok(), got) }},
		&worker{name: "introspection", act: func() error {
			got := b.ask(1, func(n *e2e.Node) answer { return w.introspect(n, live) })
			return want(got.tokens().Active, got)
		}},
		&worker{name: "code", act: func() error {
			code := ""
			got := b.ask(1, func(n *e2e.Node) (a answer) { code, a = w.code(n, w.user); return a })
			if code == "" {
				return unexpected(got)
			}
			got = b.ask(0, func(n *e2e.Node) answer { return w.redeem(n, code) })
			return want(got.ok(), got)
		}},
	)
}
