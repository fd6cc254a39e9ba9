package redisstore

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/storagetest"
)

// startCluster runs a Cluster of two masters.
func startCluster(t *testing.T) []*server {
	t.Helper()
	var nodes []*server
	var busPorts []string
	for range 2 {
		bus, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(bus.Addr().String())
		_ = bus.Close()
		nodes = append(nodes, startServer(t, "--cluster-enabled", "yes", "--cluster-port", port))
		busPorts = append(busPorts, port)
	}
	nodes[0].do("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
	nodes[1].do("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
	host, port, _ := net.SplitHostPort(nodes[1].addr)
	nodes[0].do("CLUSTER", "MEET", host, port, busPorts[1])
	for _, n := range nodes {
		n.until("the Cluster is formed", func() bool {
			text, err := n.raw.ClusterInfo(context.Background()).Result()
			info := parseInfo(text)
			return err == nil && info["cluster_state"] == "ok" && info["cluster_known_nodes"] == "2"
		})
	}
	return nodes
}

func clusterOf(nodes []*server) func(*Options) {
	return func(o *Options) {
		o.Mode, o.Addrs = ModeCluster, nil
		for _, n := range nodes {
			o.Addrs = append(o.Addrs, n.addr)
		}
	}
}

// The suites hold on a Cluster too: keys that are used together lie together.
func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	cluster := clusterOf(nodes)
	t.Run("marks", func(t *testing.T) {
		storagetest.RunMarks(t, func(t *testing.T, now func() time.Time) storagetest.Marks {
			return openAt(t, "", now, cluster).Marks()
		})
	})
	t.Run("attempts", func(t *testing.T) {
		storagetest.RunAttempts(t, func(t *testing.T, now func() time.Time) storagetest.Attempts {
			return openAt(t, "", now, cluster).Attempts()
		})
	})
	t.Run("fast", func(t *testing.T) {
		storagetest.RunFast(t, func(t *testing.T, now func() time.Time) storagetest.Fast {
			return openAt(t, "", now, cluster).Revocations()
		})
	})
	t.Run("one shard loses its memory", func(t *testing.T) { testShardLoss(t, nodes) })
}

func testShardLoss(t *testing.T, nodes []*server) {
	clock := storagetest.NewClock(time.Now())
	s := openAt(t, "", clock.Now, clusterOf(nodes))
	clock.Advance(time.Minute)
	const count = 100
	mark := func(i int) signet.Mark { return freshMark(clock.Now(), fmt.Sprint(i), 0) }
	for i := range count {
		wantCode(t, s.Marks().Use(t.Context(), mark(i)), "", "")
	}
	nodes[0].do("FLUSHALL")
	got := map[signet.Code]int{}
	for i := range count {
		got[signet.CodeOf(s.Marks().Use(t.Context(), mark(i)))]++
	}
	if got[""] != 0 || got[signet.CodeUsed] == 0 || got[signet.CodeUnavailable] == 0 {
		t.Errorf("after the loss of one shard: %v; want some used, some unavailable, none accepted", got)
	}
	clock.Advance(time.Minute)
	for i := range count {
		wantCode(t, s.Marks().Use(t.Context(), freshMark(clock.Now(), "new "+fmt.Sprint(i), 0)), "", "")
	}
}

// FLT-04: behind Sentinel the master dies and a replica that may have missed writes takes its place.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	master := startServer(t)
	replica := replicaOf(t, master)
	host, port, _ := net.SplitHostPort(master.addr)
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor main %s %s 1\nsentinel down-after-milliseconds main 300\n"+
		"sentinel failover-timeout main 2000\n", host, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := startSentinel(t, config)
	sentinel.until("the Sentinel knows the replica", func() bool {
		found, err := sentinel.raw.Do(context.Background(), "SENTINEL", "REPLICAS", "main").Slice()
		return err == nil && len(found) == 1
	})

	s := openAt(t, sentinel.addr, time.Now, func(o *Options) { o.Mode, o.MasterName = ModeSentinel, "main" })
	used := freshMark(time.Now(), "jti", 30*time.Second)
	wantCode(t, s.Marks().Use(t.Context(), used), "", "")
	load := func(context.Context) ([]signet.Revocation, error) { return nil, nil }
	if err := s.Revocations().Rebuild(t.Context(), load); err != nil {
		t.Fatal(err)
	}
	if _, known, err := s.Revocations().Look(t.Context(), nil); err != nil || !known {
		t.Fatalf("before: known %v, %v", known, err)
	}
	replica.until("the epoch has reached the replica", func() bool {
		return replica.raw.Exists(context.Background(), s.revocations.epoch).Val() == 1
	})
	master.kill()
	var err error
	waitUntil(t, "the new master answers", func() bool {
		_, _, err = s.Revocations().Look(t.Context(), nil)
		return err == nil
	})
	if _, known, err := s.Revocations().Look(t.Context(), nil); err != nil || known {
		t.Fatalf("after: known %v, %v; the state of another run must not be trusted", known, err)
	}
	late := freshMark(time.Now(), "jti", 5*time.Second)
	wantCode(t, s.Marks().Use(t.Context(), late), signet.CodeUnavailable, "marks_memory_lost")
	wantCode(t, s.Marks().Use(t.Context(), freshMark(time.Now(), "new", time.Minute)), "", "")
}
