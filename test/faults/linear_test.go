package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

const (
	linearClients  = 20
	linearFamilies = 4 // that are acted on at once, for linearTurn; then it is the turn of others
	linearTurns    = 10
	linearTurn     = 100 * time.Millisecond
	linearOps      = 48 // of one family, so that its history can be searched
	// linearLife is how old a family gets: younger than the grace of its client, 30 s.
	linearLife = 15 * time.Second
	// stale is how long a revocation may take to reach another node (design.md, decision 6).
	stale = time.Second
)

// kin is a token family with everything that was done to it.
type kin struct {
	user     login
	code     string
	born     time.Time
	mu       sync.Mutex
	reserved int
	tokens   []string // refresh token n at n-1
	access   []string
	ops      []op
}

// kins are the families of a run.
type kins struct {
	w     *world
	base  time.Time
	users []login
	mu    sync.Mutex
	all   []*kin
	// places hold the families that are acted on.
	places [linearTurns * linearFamilies]*kin
}

func (r *kins) now() time.Duration { return time.Since(r.base) }

// pick returns a place whose turn it is, and its family, nil when it has none that may be acted on once more. A family has
// its turn now and again for some seconds, so that it lives before and after a fault; in its turn many act on it at once.
func (r *kins) pick() (place int, k *kin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	place = int(r.now()/linearTurn)%linearTurns*linearFamilies + rand.IntN(linearFamilies)
	if k = r.places[place]; k != nil && !k.reserve() {
		k = nil
	}
	return place, k
}

func (k *kin) reserve() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reserved == linearOps || time.Since(k.born) > linearLife {
		return false
	}
	k.reserved++
	return true
}

// begin asks for a code. Mostly the one who asked redeems it, else whoever is first. The family is known before that, so
// that a user who is disabled meanwhile is disabled in its history, too.
func (r *kins) begin(n *e2e.Node, place int) error {
	k := &kin{user: r.users[rand.IntN(len(r.users))], born: time.Now(), reserved: 1}
	r.mu.Lock()
	r.all = append(r.all, k)
	r.mu.Unlock()
	code, got := r.w.code(n, k.user)
	if code == "" {
		if got.Status == http.StatusSeeOther || got.Status == 0 || got.Status == http.StatusServiceUnavailable {
			return nil // the user is disabled, or a node is away
		}
		return unexpected(got)
	}
	k.code = code
	if rand.IntN(4) > 0 {
		if err := r.redeem(k, n); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.places[place] = k
	return nil
}

// do makes one request of an act, notes its interval and reads its outcome.
func (r *kins) do(k *kin, o op, ask func() answer, read func(answer, *op) error) error {
	o.from = r.now()
	got := ask()
	o.to = r.now()
	var err error
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case got.Status == 0 || got.Status == http.StatusServiceUnavailable:
		o.out = outNothing
	case got.Status == http.StatusBadRequest && got.tokens().Error == "invalid_grant":
		o.out = outRefused
	default:
		err = read(got, &o)
	}
	k.ops = append(k.ops, o)
	return err
}

// gave reads a token response. What a family's token n gives is its token n+1, always the same one.
func (k *kin) gave(got answer, o *op) error {
	if !got.ok() {
		return unexpected(got)
	}
	o.out, o.got = outDone, o.arg+1
	k.access = append(k.access, got.tokens().Access)
	switch next := got.tokens().Refresh; {
	case len(k.tokens) == o.arg:
		k.tokens = append(k.tokens, next)
	case len(k.tokens) < o.arg || k.tokens[o.arg] != next:
		return fmt.Errorf("token %d gave two successors", o.arg)
	}
	return nil
}

func (r *kins) redeem(k *kin, n *e2e.Node) error {
	return r.do(k, op{kind: opRedeem}, func() answer { return r.w.redeem(n, k.code) }, k.gave)
}

// step is one act of a client: on a family, or the beginning of one.
func (r *kins) step() error {
	n := r.w.cluster.Nodes[rand.IntN(2)]
	place, k := r.pick()
	if k == nil {
		return r.begin(n, place)
	}
	k.mu.Lock()
	tokens, access := len(k.tokens), len(k.access)
	dice := rand.IntN(100)
	var token, seen string
	number := 0
	if tokens > 0 {
		number = max(1, tokens-rand.IntN(3))
		token, seen = k.tokens[number-1], k.access[rand.IntN(access)]
	}
	k.mu.Unlock()
	switch {
	case token == "" || dice < 3:
		return r.redeem(k, n)
	case dice < 6:
		return r.do(k, op{kind: opRevoke}, func() answer { return r.w.post(n, "/revoke", r.w.web, url.Values{"token": {token}}) },
			func(got answer, o *op) error {
				if o.out = outDone; got.Status != http.StatusOK {
					return unexpected(got)
				}
				return nil
			})
	case dice < 55:
		return r.do(k, op{kind: opRefresh, arg: number}, func() answer { return r.w.refresh(n, token) }, k.gave)
	}
	return r.do(k, op{kind: opIntrospect}, func() answer { return r.w.introspect(n, seen) }, func(got answer, o *op) error {
		if o.out = outDead; got.tokens().Active {
			o.out = outActive
		}
		if got.Status != http.StatusOK {
			return unexpected(got)
		}
		return nil
	})
}

// disable ends a user: whatever the families of it had is taken back.
func (r *kins) disable(user login) {
	r.w.t.Helper()
	o := op{kind: opRevoke, out: outDone, from: r.now()}
	r.w.admin(r.w.one, http.MethodPost, "/users/"+user.Sub+"/disable", nil, nil)
	o.to = r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.all {
		if k.user.Sub == user.Sub {
			k.mu.Lock()
			k.ops = append(k.ops, o)
			k.mu.Unlock()
		}
	}
}

// judge looks for an order of each family's acts. What another node calls active may be a second old.
func (r *kins) judge(t *testing.T) {
	t.Helper()
	families, acts, dead := 0, 0, 0
	for i, k := range r.all {
		if k.code == "" {
			continue
		}
		families++
		var ops []op
		for _, o := range k.ops {
			if o.kind == opIntrospect && o.out == outNothing {
				continue
			}
			if o.out == outActive {
				o.from -= stale
			}
			if o.out == outDead {
				dead++
			}
			ops = append(ops, o)
		}
		acts += len(ops)
		if !linearizable(ops) {
			t.Errorf("family %d of %d cannot have been:\n%s", i, len(r.all), tell(ops))
		}
	}
	t.Logf("%d families, %d acts, %d times not active", families, acts, dead)
	if families < 10 || acts < 500 || dead < 10 {
		t.Error("that is too little to tell")
	}
}

// FLT-20: 20 clients do to the same few families whatever can be done to them, at two nodes, while Redis hangs, is killed
// and comes back empty, and one node is killed. Every family's history must be one that a single thread could have made.
func TestHistoriesAreLinear(t *testing.T) {
	t.Parallel()
	redis := e2e.StartRedis(t)
	w := newWorld(t, e2e.NewDatabase(t), redis.Addr, 2)
	w.web = w.register(map[string]any{"client_name": "Patient shop", "redirect_uris": []string{redirectURI}, "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
		"scope": scopes, "introspect": true, "first_party": true, "refresh_grace": 30})
	r := &kins{w: w, base: time.Now()}
	for i := range 4 {
		r.users = append(r.users, w.newUser(fmt.Sprintf("linear-%d", i)))
	}
	workers := make([]*worker, linearClients)
	for i := range workers {
		workers[i] = &worker{name: fmt.Sprintf("client %d", i), act: r.step}
	}
	l := startLoad(t, workers...)
	l.goesOn(20*time.Second, 3)
	redis.Signal(syscall.SIGSTOP)
	l.goesOn(20*time.Second, 2)
	r.disable(r.users[0])
	redis.Signal(syscall.SIGCONT)
	l.goesOn(20*time.Second, 2)
	redis.Signal(syscall.SIGKILL)
	l.goesOn(20*time.Second, 2)
	r.disable(r.users[1])
	redis.Start()
	l.goesOn(20*time.Second, 2)
	w.two.Kill()
	l.goesOn(20*time.Second, 2)
	w.cluster.Relaunch(w.two)
	w.two.WaitReady()
	r.disable(r.users[2])
	l.goesOn(20*time.Second, 2)
	l.stop()
	l.clean()
	r.judge(t)
	oneUnspentEach(t, w.cluster.DSN)
}
