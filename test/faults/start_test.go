package faults

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// FLT-05: a Redis that may drop a replay mark or a revocation on its own is refused before anything is served.
func TestEvictingRedisRefusesStart(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"allkeys-lru", "volatile-ttl"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			redis := e2e.StartRedis(t, "--maxmemory-policy", policy).Addr
			c := e2e.NewClusterOn(t, e2e.NewDatabase(t), redis)
			c.Init()
			refusesStart(t, c.Launch(), "maxmemory-policy", policy)
		})
	}
}

// FLT-17: keys that cannot be opened end the start; nothing is signed with keys made anew.
func TestWrongKEKRefusesStart(t *testing.T) {
	t.Parallel()
	redis := e2e.StartRedis(t).Addr
	dsn := e2e.NewDatabase(t)
	right := e2e.NewClusterOn(t, dsn, redis)
	right.Init()
	before := query(t, dsn, "SELECT id FROM keys ORDER BY id")
	if len(before) == 0 {
		t.Fatal("the first start made no keys")
	}
	// Another secret under the same name, and another name.
	wrong := e2e.NewClusterOn(t, dsn, redis)
	renamed := e2e.NewClusterOn(t, dsn, redis)
	renamed.KEK = strings.Replace(renamed.KEK, "test=", "other=", 1)
	refusesStart(t, wrong.Launch(), "keys:")
	refusesStart(t, renamed.Launch(), "keys:", "test")
	if after := query(t, dsn, "SELECT id FROM keys ORDER BY id"); len(after) != len(before) {
		t.Errorf("%d keys, then %d", len(before), len(after))
	}
	right.StartNode()
}

// Two nodes that find an empty database make one schema and one set of keys.
func TestTwoNodesStartOnEmptyDatabase(t *testing.T) {
	t.Parallel()
	redis := e2e.StartRedis(t).Addr
	dsn := e2e.NewDatabase(t)
	c := e2e.NewClusterOn(t, dsn, redis)
	nodes := []*e2e.Node{c.Launch(), c.Launch(), c.Launch()}
	for _, n := range nodes {
		n.WaitReady()
	}
	// keys_tail allows one open key for each use and algorithm: more rows would be a second set that somebody retired.
	for _, row := range query(t, dsn, "SELECT key_use, alg, count(*) FROM keys GROUP BY 1, 2") {
		if row[2] != "1" {
			t.Errorf("%s keys of use %s %s", row[2], row[0], row[1])
		}
	}
	sets := map[string]bool{}
	w := &world{t: t, cluster: c, http: newHTTP(t)}
	for _, n := range nodes {
		sets[string(w.get(n.URL+jwksPath).Body)] = true
	}
	if len(sets) != 1 {
		t.Errorf("%d different key sets", len(sets))
	}
}

// refusesStart wants the process to end by itself, not by success, and to say why.
func refusesStart(t *testing.T, n *e2e.Node, says ...string) {
	t.Helper()
	select {
	case <-n.Exited():
	case <-time.After(20 * time.Second):
		n.Signal(syscall.SIGKILL)
		t.Fatalf("it runs:\n%s", n.Output())
	}
	if code := n.ExitCode(); code <= 0 {
		t.Errorf("exit code %d", code)
	}
	for _, text := range says {
		if !strings.Contains(n.Output(), text) {
			t.Errorf("it does not say %q:\n%s", text, n.Output())
		}
	}
	if e2e.Answers(n.URL + discovery) {
		t.Error("it answers")
	}
}
