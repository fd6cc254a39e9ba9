package faults

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// baseEnv names the binary of an older version: make rolling BASE=commit builds it and runs the test.
const baseEnv = "SIGNET_TEST_BASE"

// ROT-04: two nodes go from an older version to this one and back, one after the other, under load. The first new node
// brings the schema forward while the old one serves; afterwards old nodes start and serve on the newer schema.
func TestRollingUpgrade(t *testing.T) {
	base := os.Getenv(baseEnv)
	if base == "" {
		t.Skip("it needs the binary of an older version: make rolling BASE=commit")
	}
	dsn := e2e.NewDatabase(t)
	w := &world{t: t, cluster: e2e.NewClusterOn(t, dsn, e2e.StartRedis(t).Addr), http: newHTTP(t)}
	w.cluster.Settings, w.cluster.Binary = map[string]any{"rate_limits": "off"}, base
	w.start(2)
	steps := func() string { return query(t, dsn, "SELECT max(version_id) FROM goose_db_version")[0][0] }
	began := steps()
	b, l := w.balanced(t)
	replace := func(i int, binary string) {
		t.Helper()
		l.goesOn(20*time.Second, 15)
		n := w.cluster.Nodes[i]
		n.Signal(syscall.SIGTERM)
		eventually(t, 2*time.Second, "the balancer knows", func() bool { return !b.ready[i].Load() })
		if code := n.ExitCode(); code != 0 {
			t.Errorf("SIGTERM ends a node with %d", code)
		}
		w.cluster.Binary = binary
		w.cluster.Relaunch(n)
		n.WaitReady()
		eventually(t, 2*time.Second, "the balancer knows", b.ready[i].Load)
	}
	replace(1, "") // old and new
	if steps() == began {
		t.Logf("both versions have the schema %s: there is nothing to migrate", began)
	}
	replace(0, "")   // all new
	replace(1, base) // back: new and old
	replace(0, base) // all old, on the newer schema
	replace(0, "")   // and forward again
	l.goesOn(20*time.Second, 15)
	l.stop()
	l.clean()
	t.Logf("schema %s, then %s", began, steps())
	oneUnspentEach(t, dsn)
}
