package faults

import (
	"strconv"
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

// ROT-05: a migration is killed between two of its statements. Nothing of the step is left, and whoever comes next, once
// the lease of the dead one is over, completes it.
func TestMigrationKilledHalfway(t *testing.T) {
	t.Parallel()
	c, env, free := halfBlocked(t)
	killed := e2e.Start(t, env, "migrate", "up")
	eventually(t, 20*time.Second, "the migration waits", func() bool {
		return query(t, c.DSN, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%CREATE TABLE sessions%'")[0][0] == "1"
	})
	killed.Kill()
	free()
	eventually(t, 5*time.Second, "the killed one's connections are gone", func() bool {
		return query(t, c.DSN, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'signet'")[0][0] == "0"
	})
	for _, row := range query(t, c.DSN, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") {
		if row[0] != "migration_lock" && row[0] != "goose_db_version" {
			t.Errorf("the table %s is left of half a step", row[0])
		}
	}
	began := time.Now()
	if next := e2e.Start(t, env, "migrate", "up"); next.ExitCode() != 0 {
		t.Fatalf("the next one ends with %d:\n%s", next.ExitCode(), next.Output())
	}
	t.Logf("completed %s after the kill", time.Since(began))
	c.Init()
	c.StartNode()
}

// ROT-04: a step that cannot get its table within a second gives up, rather than let every request queue behind it.
func TestMigrationDoesNotHoldUpRequests(t *testing.T) {
	t.Parallel()
	c, env, free := halfBlocked(t)
	stuck := e2e.Start(t, env, "migrate", "up")
	var longest float64
	eventually(t, 20*time.Second, "the migration gives up", func() bool {
		for _, row := range query(t, c.DSN, `SELECT extract(epoch FROM clock_timestamp() - query_start)::float8 FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) {
			waited, err := strconv.ParseFloat(row[0], 64)
			if err != nil {
				t.Fatal(err)
			}
			longest = max(longest, waited)
		}
		select {
		case <-stuck.Exited():
			return true
		default:
			return false
		}
	})
	if longest == 0 || longest > 1.5 {
		t.Errorf("it waited for its lock for %.1f s", longest)
	}
	if code := stuck.ExitCode(); code <= 0 || !strings.Contains(stuck.Output(), "00001_records.sql") {
		t.Errorf("it ends with %d, without the step's name:\n%s", code, stuck.Output())
	}
	free()
	c.Init()
	c.StartNode()
}

// halfBlocked is an empty database where somebody has made, and not yet committed, a table of the first step: the step
// must wait for it in its middle, with clients and users made before. env lets a command migrate it.
func halfBlocked(t *testing.T) (c *e2e.Cluster, env []string, free func()) {
	t.Helper()
	c = e2e.NewClusterOn(t, e2e.NewDatabase(t), e2e.StartRedis(t).Addr)
	do := elsewhere(t, c.DSN)
	do("BEGIN")
	do("CREATE TABLE sessions (id TEXT)")
	return c, []string{"SIGNET_POSTGRES__DSN=" + c.DSN, "SIGNET_ISSUER=" + c.Issuer, "SIGNET_KEYS__KEK=" + c.KEK}, func() { do("ROLLBACK") }
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
