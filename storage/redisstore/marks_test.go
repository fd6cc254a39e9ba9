package redisstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/storagetest"
)

// An empty Redis cannot be told from one that was emptied: what was issued before the start, or could have been by a
// clock that runs ahead, is refused; what was issued later passes at once.
func TestMarksOnNewRedis(t *testing.T) {
	t.Parallel()
	clock := storagetest.NewClock(time.Now().Truncate(time.Second))
	s := openAt(t, sharedRedis(t), clock.Now)
	for _, c := range []struct {
		name   string
		space  string
		issued time.Duration // after the start
		code   signet.Code
	}{
		{"before the start", "assertion", -time.Second, signet.CodeUnavailable},
		{"as late as a leading clock", "assertion", 10 * time.Second, signet.CodeUnavailable},
		{"later than any clock leads", "assertion", 11 * time.Second, ""},
		{"proof, leading clock", "dpop", 10 * time.Second, signet.CodeUnavailable},
		{"proof, later", "dpop", 11 * time.Second, ""},
		{"signed request, leading clock", "hmac", 60 * time.Second, signet.CodeUnavailable},
		{"signed request, later", "hmac", 61 * time.Second, ""},
		{"encrypted PIN, leading clock", "pin", 5 * time.Minute, signet.CodeUnavailable},
		{"encrypted PIN, later", "pin", 5*time.Minute + time.Second, ""},
		{"a space nobody named gets the lead of a signed request", "other", 60 * time.Second, signet.CodeUnavailable},
		{"no time at all", "assertion", -1 << 62, signet.CodeUnavailable},
	} {
		mark := freshMark(clock.Now(), c.name, c.issued)
		mark.Space = c.space
		err := s.Marks().Use(t.Context(), mark)
		if signet.CodeOf(err) != c.code {
			t.Errorf("%s: got %v, want code %q", c.name, err, c.code)
		}
		if c.code != "" && signet.ReasonOf(err) != "marks_memory_lost" {
			t.Errorf("%s: got reason %q", c.name, signet.ReasonOf(err))
		}
	}
}

// A second node, and a node that starts again, find the epochs of the first and add no wait.
func TestMarksEpochIsKept(t *testing.T) {
	t.Parallel()
	clock := storagetest.NewClock(time.Now())
	addr := sharedRedis(t)
	first := openAt(t, addr, clock.Now)
	clock.Advance(time.Minute)
	second := openAt(t, addr, clock.Now, prefix(first.prefix))
	mark := freshMark(clock.Now(), "jti", 0)
	wantCode(t, second.Marks().Use(t.Context(), mark), "", "")
	wantCode(t, first.Marks().Use(t.Context(), mark), signet.CodeUsed, "")
}

// A refusal after a loss is no replay: the same assertion sent again must not raise an alarm.
func TestMarksLostBeforeUsed(t *testing.T) {
	t.Parallel()
	clock := storagetest.NewClock(time.Now())
	s := openAt(t, sharedRedis(t), clock.Now)
	mark := freshMark(clock.Now(), "jti", 0)
	for range 2 {
		wantCode(t, s.Marks().Use(t.Context(), mark), signet.CodeUnavailable, "marks_memory_lost")
	}
}

// Each way in which Redis forgets what it acknowledged. FLT-01, FLT-04, AST-14.
func TestMarksAfterLoss(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// lose makes the Redis behind the proxy forget the used mark, and returns when it answers again.
		lose func(t *testing.T, srv *server, net *proxy, use func())
	}{
		{"FLUSHALL", func(_ *testing.T, srv *server, _ *proxy, use func()) {
			use()
			srv.do("FLUSHALL")
		}},
		{"restart empty", func(_ *testing.T, srv *server, _ *proxy, use func()) {
			use()
			srv.kill()
			srv.start()
		}},
		{"restart from an old file", func(_ *testing.T, srv *server, _ *proxy, use func()) {
			srv.do("SAVE") // the epochs are in it, the mark is not
			use()
			srv.kill()
			srv.start()
		}},
		{"promotion of a stale replica", func(t *testing.T, srv *server, net *proxy, use func()) {
			replica := replicaOf(t, srv)
			replica.do("REPLICAOF", "127.0.0.1", "1") // it misses what follows
			use()
			replica.do("REPLICAOF", "NO", "ONE")
			net.point(replica.addr)
		}},
		{"another empty server under the same address", func(t *testing.T, _ *server, net *proxy, use func()) {
			use()
			net.point(startServer(t).addr)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := startServer(t)
			net := startProxy(t, srv.addr)
			clock := storagetest.NewClock(time.Now())
			s := openAt(t, net.addr, clock.Now)
			clock.Advance(time.Minute)
			// The worst that a clock may lead by.
			old := freshMark(clock.Now(), "jti", 10*time.Second)
			c.lose(t, srv, net, func() { wantCode(t, s.Marks().Use(t.Context(), old), "", "") })

			// The breaker may be open, as its time stands still until the clock moves.
			var err error
			waitUntil(t, "the store answers again", func() bool {
				err = s.Marks().Use(t.Context(), old)
				clock.Advance(time.Millisecond)
				return signet.ReasonOf(err) != "redis_failed" && signet.ReasonOf(err) != "redis_breaker_open"
			})
			wantCode(t, err, signet.CodeUnavailable, "marks_memory_lost")
			clock.Advance(30 * time.Second)
			wantCode(t, s.Marks().Use(t.Context(), old), signet.CodeUnavailable, "marks_memory_lost")
			wantCode(t, s.Marks().Use(t.Context(), freshMark(clock.Now(), "new", 0)), "", "")
			wantCode(t, s.Marks().Use(t.Context(), freshMark(clock.Now(), "new", 0)), signet.CodeUsed, "")
		})
	}
}

// fastClock runs 2000 times as fast as ours, so that a lead of 10 s is over after 5 ms.
func fastClock() func() time.Time {
	start := time.Now()
	return func() time.Time { return start.Add(2000 * time.Since(start)) }
}

// FLUSHALL under load never lets a mark pass twice. Every acceptance is recorded by its mark.
func TestMarksFlushUnderLoad(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	now := fastClock()
	nodes := []*Store{openAt(t, srv.addr, now, prefix("p:")), openAt(t, srv.addr, now, prefix("p:"))}

	const workers, rounds, recent = 16, 600, 64
	var accepted sync.Map // key to number of acceptances
	var passed, lost, next atomic.Int64
	var marks [recent]atomic.Pointer[signet.Mark]
	issue := func() *signet.Mark {
		at := now()
		return &signet.Mark{
			Space: "assertion", Key: strconv.FormatInt(next.Add(1), 10),
			IssuedAt: at.Add(10 * time.Second), ExpiresAt: at.Add(24 * time.Hour),
		}
	}
	for i := range marks {
		marks[i].Store(issue())
	}
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for range rounds {
				i := rand.IntN(recent)
				mark := marks[i].Load()
				err := nodes[w%len(nodes)].Marks().Use(t.Context(), *mark)
				switch {
				case err == nil:
					passed.Add(1)
					count, _ := accepted.LoadOrStore(mark.Key, new(atomic.Int64))
					count.(*atomic.Int64).Add(1)
				case errors.Is(err, signet.ErrUnavailable):
					lost.Add(1)
				}
				if rand.IntN(8) == 0 {
					marks[i].Store(issue())
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	flush := time.NewTicker(40 * time.Millisecond)
	defer flush.Stop()
	flushes := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-flush.C:
			srv.do("FLUSHALL")
			flushes++
		}
	}
	accepted.Range(func(key, count any) bool {
		if n := count.(*atomic.Int64).Load(); n != 1 {
			t.Errorf("mark %v was accepted %d times", key, n)
		}
		return true
	})
	t.Logf("%d flushes, %d accepted, %d refused after a loss", flushes, passed.Load(), lost.Load())
	if flushes < 3 || passed.Load() < 100 || lost.Load() == 0 {
		t.Errorf("the load proved nothing: %d flushes, %d accepted, %d refused", flushes, passed.Load(), lost.Load())
	}
}

// Two nodes, one cut off: it accepts nothing, and when it is back it knows what the other accepted and lost.
func TestMarksOneNodeCutOff(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	wire := startProxy(t, srv.addr)
	clock := storagetest.NewClock(time.Now())
	near := openAt(t, srv.addr, clock.Now, prefix("p:"))
	far := openAt(t, wire.addr, clock.Now, prefix("p:"))
	clock.Advance(time.Minute)

	wire.point("")
	mark := freshMark(clock.Now(), "a", 0)
	wantCode(t, far.Marks().Use(t.Context(), mark), signet.CodeUnavailable, "")
	wantCode(t, near.Marks().Use(t.Context(), mark), "", "")
	lost := freshMark(clock.Now(), "b", 0)
	wantCode(t, near.Marks().Use(t.Context(), lost), "", "")
	srv.do("FLUSHALL")
	wantCode(t, near.Marks().Use(t.Context(), lost), signet.CodeUnavailable, "marks_memory_lost")
	clock.Advance(30 * time.Second)
	after := freshMark(clock.Now(), "c", 0)
	wantCode(t, near.Marks().Use(t.Context(), after), "", "")

	wire.point(srv.addr)
	waitUntil(t, "the node is back", func() bool {
		clock.Advance(time.Millisecond)
		return far.Ready(t.Context()) == nil
	})
	wantCode(t, far.Marks().Use(t.Context(), after), signet.CodeUsed, "")
	wantCode(t, far.Marks().Use(t.Context(), lost), signet.CodeUnavailable, "marks_memory_lost")
}

// A replica is promoted while the old master lives on for one node. What that node accepts there, and what it takes
// back, is unknown to the new master, whose epochs the other node has moved before. So they move again when the node
// comes over.
func TestNodeThatComesFromAnIsolatedMaster(t *testing.T) {
	t.Parallel()
	master := startServer(t)
	clock := storagetest.NewClock(time.Now())
	wire := startProxy(t, master.addr)
	isolated := openAt(t, wire.addr, clock.Now, prefix("p:"))
	replica := replicaOf(t, master)
	replica.do("REPLICAOF", "NO", "ONE")
	other := openAt(t, replica.addr, clock.Now, prefix("p:"))
	wantCode(t, rebuild(t, other, func() {}), "", "")
	clock.Advance(time.Minute)
	mark := freshMark(clock.Now(), "jti", 0)
	wantCode(t, isolated.Marks().Use(t.Context(), mark), "", "")
	if !known(t, other) {
		t.Fatal("the new master forgot its state too early")
	}

	wire.point(replica.addr)
	waitUntil(t, "the node has come over", func() bool {
		clock.Advance(time.Millisecond)
		return isolated.Ready(t.Context()) == nil
	})
	wantCode(t, other.Marks().Use(t.Context(), mark), signet.CodeUnavailable, "marks_memory_lost")
	if known(t, other) {
		t.Fatal("the new master is trusted without what the node took back at the old one")
	}
	clock.Advance(30 * time.Second)
	wantCode(t, other.Marks().Use(t.Context(), freshMark(clock.Now(), "new", 0)), "", "")
	// It came over once: its next connection moves nothing.
	wantCode(t, rebuild(t, other, func() {}), "", "")
	replica.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	waitUntil(t, "the node has a new connection", func() bool { return isolated.Ready(t.Context()) == nil })
	wantCode(t, isolated.Marks().Use(t.Context(), freshMark(clock.Now(), "newer", 0)), "", "")
	if !known(t, isolated) {
		t.Fatal("a further connection made it forget")
	}
}

// A slow node's clock must not move an epoch back, nor a fast one's lock others out for longer than its lead.
func TestMarksEpochNeverMovesBack(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	clock := storagetest.NewClock(time.Now())
	s := openAt(t, srv.addr, clock.Now, prefix("p:"))
	// As after a promotion: the epoch of another run, set by a clock that is ahead.
	ahead := clock.Now().Add(time.Hour).UnixMilli()
	srv.do("SET", s.marks.epochs[0], "abc0123 "+strconv.FormatInt(ahead, 10))
	for range 2 {
		cmd, err := s.eval(t.Context(), s.marks.claim, s.marks.epochs[:1], clock.Now().UnixMilli(), 0)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := cmd.Text()
		if got, err := parseEpoch(text); err != nil || got != ahead || !sameRun(text, srv.info("run_id")) {
			t.Fatalf("claim over %d: got %q, %v", ahead, text, err)
		}
	}
}

// AST-16, FLT-05: without memory nothing is accepted, and what was used stays used.
func TestMarksOutOfMemory(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	clock := storagetest.NewClock(time.Now())
	s := openAt(t, srv.addr, clock.Now)
	clock.Advance(time.Minute)
	used := freshMark(clock.Now(), "used", 0)
	wantCode(t, s.Marks().Use(t.Context(), used), "", "")
	srv.do("CONFIG", "SET", "maxmemory", "1mb")
	for range 10 {
		wantCode(t, s.Marks().Use(t.Context(), freshMark(clock.Now(), "new", 0)), signet.CodeUnavailable, "redis_refused")
	}
	// A refusal is an answer: reads go on, the breaker stays closed.
	if _, _, err := s.Attempts().Count(t.Context(), "k"); err != nil {
		t.Fatalf("Count while out of memory: %v", err)
	}
	srv.do("CONFIG", "SET", "maxmemory", "0")
	wantCode(t, s.Marks().Use(t.Context(), used), signet.CodeUsed, "")
	wantCode(t, s.Marks().Use(t.Context(), freshMark(clock.Now(), "new", 0)), "", "")
}

// A mark that cannot be read was written to say that something is used.
func TestUnreadableMarkWasUsed(t *testing.T) {
	t.Parallel()
	clock := storagetest.NewClock(time.Now())
	s := openAt(t, sharedRedis(t), clock.Now)
	mark := freshMark(clock.Now(), "jti", time.Minute)
	_, key := s.marks.key(mark)
	for _, text := range []string{"nonsense", "", " x", "12x y"} {
		if err := s.client.Set(t.Context(), key, text, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		wantCode(t, s.Marks().Use(t.Context(), mark), signet.CodeUsed, "")
	}
}

// The epoch is read after the mark is set, and one of this run of the server is not moved by whoever claims it again.
func TestEpochIsReadLastAndClaimedOnce(t *testing.T) {
	t.Parallel()
	clock := storagetest.NewClock(time.Now())
	s := openAt(t, sharedRedis(t), clock.Now)
	clock.Advance(time.Minute)
	sent := &order{}
	s.client.AddHook(sent)
	mark := freshMark(clock.Now(), "jti", 0)
	wantCode(t, s.Marks().Use(t.Context(), mark), "", "")
	if !slices.Equal(sent.names, []string{"set", "get"}) {
		t.Errorf("sent %v", sent.names)
	}
	epoch := s.marks.epochs[0]
	before := s.client.Get(t.Context(), epoch).Val()
	claim := s.marks.claim.command(t.Context(), "eval", s.marks.claim.source, []string{epoch}, []any{clock.Now().UnixMilli(), 0})
	wantCode(t, s.exec(t.Context(), claim), "", "")
	if after := s.client.Get(t.Context(), epoch).Val(); before == "" || after != before {
		t.Errorf("epoch %q, then %q", before, after)
	}
}

// order notes the names of the commands in pipelines.
type order struct{ names []string }

func (*order) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*order) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (o *order) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			o.names = append(o.names, cmd.Name())
		}
		return next(ctx, cmds)
	}
}
