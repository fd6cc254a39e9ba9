package soak

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/test/e2e"
)

var (
	long = flag.Duration("soak", 0, "how long the load lasts, with a binary that has the race detector; 0: a short one without it")
	rate = flag.Int("rate", 200, "requests a second, of all callers together")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *long > 0 {
		os.Exit(e2e.MainBuilt(m, "-race"))
	}
	os.Exit(e2e.Main(m))
}

const (
	callers  = 24
	shortRun = 20 * time.Second
	// restless is how many goroutines more than at rest a node may have after the load: what ends by itself within minutes.
	restless = 25
)

// scene is two nodes and what those who call them share.
type scene struct {
	t      *testing.T
	card   e2e.Card
	nodes  []*e2e.Node
	victim e2e.Client // of those who switch it off and on
	// guest and second are the subs of people whose memberships come and go: that ends what they were issued.
	guest, second string
	// signers are the private keys of the card's partners, partnerKeys the public one of a partner that is made.
	signers     map[string]jose.SigningKey
	partnerKeys jose.JSONWebKeySet
	pace        <-chan time.Time
	turns       chan struct{} // whose turn it is to have a password or PIN hashed
	sent        atomic.Int64
	busy        atomic.Int64
	// settled: the memory of replays is old enough for what was signed before now.
	settled atomic.Bool

	mu     sync.Mutex
	faults map[string][]string // by act
	done   map[string]int
}

// act is one thing that callers do, with its share of the load.
type act struct {
	name  string
	share int
	do    func(*caller) error
	// marks: it needs replay marks, which a Redis that was just found empty refuses for a minute.
	marks bool
	// hashes: it is an argon2id or more, ten times as slow under the race detector. These take turns, or all that is soaked
	// is the queue in front of the hashes.
	hashes bool
}

// TestEXH05: every route of two nodes under a mixed load, with changes of records and keys all the time.
func TestEXH05(t *testing.T) {
	cluster, card, _ := e2e.StartSeeded(t, map[string]any{"rate_limits": "off",
		"exchange": map[string]any{"invoice_resource": "invoices"}}, "SIGNET_KEYS__JWKS_MAX_AGE=20s")
	second, idle := cluster.StartNode(), cluster.StartNode()
	atRest := goroutines(t, idle)
	s := &scene{t: t, card: card, nodes: []*e2e.Node{cluster.Nodes[0], second}, faults: map[string][]string{}, done: map[string]int{}, turns: make(chan struct{}, 2)}
	pace := time.NewTicker(time.Second / time.Duration(*rate))
	defer pace.Stop()
	s.pace = pace.C
	s.prepare()
	duration := shortRun
	if *long > 0 {
		duration = *long
		cluster.Settle(card)
		s.settled.Store(true)
	}
	began := time.Now()
	s.run(duration)
	took := time.Since(began)
	t.Logf("%d requests in %s, %.0f a second; %d acts asked to come again later", s.sent.Load(), took.Round(time.Second),
		float64(s.sent.Load())/took.Seconds(), s.busy.Load())
	s.judge(atRest)
}

// run lets everybody call until the time is over, each act of the list at least once.
func (s *scene) run(duration time.Duration) {
	list := acts()
	var first atomic.Int64
	end := time.Now().Add(duration)
	var wait sync.WaitGroup
	for number := range callers {
		wait.Go(func() {
			c := s.newCaller(number)
			defer c.http.CloseIdleConnections()
			for {
				n := int(first.Add(1)) - 1
				if n >= len(list) && time.Now().After(end) {
					return
				}
				a := list[n%len(list)]
				if n >= len(list) {
					a = draw(list)
				}
				s.note(a, c.perform(a))
			}
		})
	}
	wait.Wait()
	c := s.newCaller(callers)
	defer c.http.CloseIdleConnections()
	// What was put off each time comes once more, when nobody else is there: a route that never answered was not soaked.
	for range 3 {
		for _, a := range list {
			if s.done[a.name] == 0 {
				s.note(a, c.perform(a))
			}
		}
	}
	for _, a := range lastActs() {
		s.note(a, c.perform(a))
	}
}

func (c *caller) perform(a act) error {
	if a.hashes {
		defer c.takeTurn()()
	}
	return a.do(c)
}

// takeTurn waits for the turn to have something hashed, and returns what ends it.
func (c *caller) takeTurn() func() {
	c.turns <- struct{}{}
	return func() { <-c.turns }
}

// draw picks an act by its share.
func draw(list []act) act {
	total := 0
	for _, a := range list {
		total += a.share
	}
	n := rand.IntN(total)
	for _, a := range list {
		if n -= a.share; n < 0 {
			return a
		}
	}
	return list[0]
}

func (s *scene) note(a act, err error) {
	if errors.Is(err, errBusy) && (s.settled.Load() || !a.marks) {
		s.busy.Add(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.done[a.name]++
	case !errors.Is(err, errBusy):
		s.faults[a.name] = append(s.faults[a.name], fmt.Sprintf("%s: %v", time.Now().UTC().Format("15:04:05.000"), err))
	}
}

func sum(counts map[string]int) (all int) {
	for _, n := range counts {
		all += n
	}
	return all
}

// judge holds what happened against what must not.
func (s *scene) judge(atRest int) {
	s.t.Helper()
	if acts := sum(s.done); s.busy.Load() > int64(acts/10) {
		s.t.Errorf("%d acts were put off beside %d that were done: the machine is too slow for this rate, see -rate", s.busy.Load(), acts)
	}
	for name, faults := range s.faults {
		s.t.Errorf("%s: %d of %d went wrong, the first %s", name, len(faults), len(faults)+s.done[name], faults[0])
	}
	for _, a := range slices.Concat(acts(), lastActs()) {
		if s.done[a.name] == 0 && (s.settled.Load() || !a.marks) {
			s.t.Errorf("%s never succeeded", a.name)
		}
	}
	called := map[string]float64{}
	for _, n := range s.nodes {
		s.metrics(n, called)
	}
	for route, requests := range called {
		if requests == 0 {
			s.t.Errorf("%s was never called", route)
		}
	}
	// What goes on for a moment after its answer: outboxes, batches of events, connections that are being closed.
	<-time.After(3 * time.Second)
	for i, n := range s.nodes {
		if i == 0 { // the node that is asked for its goroutines cannot end as it should: the other one does
			if now := goroutines(s.t, n); now > atRest+restless {
				s.t.Errorf("%s: %d goroutines after the load, %d at rest:\n%.20000s", n.URL, now, atRest, dump(n))
			}
		} else if code := n.Stop(); code != 0 {
			s.t.Errorf("%s ended with %d", n.URL, code)
		}
		for _, report := range reports(n.Output()) {
			s.t.Errorf("%s: %.8000s", n.URL, report)
		}
	}
}

// goroutines ends the node with a dump of its goroutines and counts them.
func goroutines(t *testing.T, n *e2e.Node) int {
	t.Helper()
	n.Signal(syscall.SIGQUIT)
	<-n.Exited()
	found := 0
	for range goroutineLine.FindAllString(dump(n), -1) {
		found++
	}
	if found == 0 {
		t.Fatalf("%s left no dump", n.URL)
	}
	return found
}
