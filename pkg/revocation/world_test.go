package revocation_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/revocation"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/redisstore"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// wire is a node's way to Redis, which a test can cut.
type wire struct {
	revocation.Fast
	cut atomic.Bool
}

func (w *wire) Look(ctx context.Context, keys []string) (map[string]int64, bool, error) {
	if w.cut.Load() {
		return nil, false, signet.ErrUnavailable
	}
	return w.Fast.Look(ctx, keys)
}

func (w *wire) Put(ctx context.Context, entries []signet.Revocation) error {
	if w.cut.Load() {
		return signet.ErrUnavailable
	}
	return w.Fast.Put(ctx, entries)
}

// node is one signet: its own connections, the shared database, and the service.
type node struct {
	*revocation.Service
	journal *sqlstore.Store
	wire    *wire // nil without Redis
}

// world is one database file and at most one Redis.
type world struct {
	t     *testing.T
	dsn   string
	redis *server // nil: the journal answers
	now   func() time.Time
}

func newWorld(t *testing.T, redis *server) *world {
	return &world{t: t, dsn: filepath.Join(t.TempDir(), "signet.db"), redis: redis, now: time.Now}
}

// node opens a node; with running, its outbox is drained and its Redis trusted when node returns.
func (w *world) node(running bool) *node {
	w.t.Helper()
	n := &node{}
	log := slog.New(slog.DiscardHandler)
	push := func(ctx context.Context, entries []signet.Revocation) { n.Push(ctx, entries) }
	var err error
	n.journal, err = sqlstore.Open(w.t.Context(), sqlstore.Options{
		Driver: sqlstore.DriverSQLite, DSN: w.dsn, Now: w.now, Node: signet.NewNodeID(), Log: log, OnRevoked: push,
	})
	if err != nil {
		w.t.Fatalf("open the journal: %v", err)
	}
	w.t.Cleanup(func() { _ = n.journal.Close() })
	if err := n.journal.Migrate(w.t.Context()); err != nil {
		w.t.Fatalf("migrate: %v", err)
	}
	options := revocation.Options{Journal: n.journal, Now: w.now, Log: log}
	if w.redis != nil {
		store, err := redisstore.Open(w.t.Context(), redisstore.Options{
			Addrs: []string{w.redis.addr}, Mode: redisstore.ModeSingle, Prefix: "p:", Now: w.now, Log: log,
		})
		if err != nil {
			w.t.Fatalf("open Redis: %v", err)
		}
		w.t.Cleanup(func() { _ = store.Close() })
		n.wire = &wire{Fast: store.Revocations()}
		options.Fast = n.wire
	}
	if n.Service, err = revocation.New(options); err != nil {
		w.t.Fatal(err)
	}
	if running {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = n.Run(ctx)
		}()
		w.t.Cleanup(func() {
			cancel()
			<-ended
		})
		n.waitKnown(w.t)
	}
	return n
}

// waitKnown waits until Redis has its epoch.
func (n *node) waitKnown(t *testing.T) {
	t.Helper()
	if n.wire == nil {
		return
	}
	until(t, "Redis is rebuilt", func() bool {
		_, known, err := n.wire.Look(t.Context(), nil)
		return err == nil && known
	})
}

// server is a redis-server of the test's own.
type server struct {
	t    *testing.T
	addr string
	dir  string
	cmd  *exec.Cmd
}

func startServer(t *testing.T) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, addr: listener.Addr().String(), dir: t.TempDir()}
	_ = listener.Close()
	t.Cleanup(s.kill)
	s.start()
	return s
}

func (s *server) start() {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command("redis-server", "--bind", host, "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "no")
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("redis-server cannot be started (%v); run make test", err)
	}
	until(s.t, "redis-server answers", func() bool { return s.try("PING") == nil })
}

func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// try sends one inline command.
func (s *server) try(command string) error {
	conn, err := net.DialTimeout("tcp", s.addr, time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && strings.HasPrefix(line, "-") {
		err = fmt.Errorf("%s: %s", command, line)
	}
	return err
}

func (s *server) do(command string) {
	s.t.Helper()
	if err := s.try(command); err != nil {
		s.t.Fatal(err)
	}
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("it never came true that %s", what)
		case <-tick.C:
		}
	}
}

// revoked fails the test unless the check answers want.
func (n *node) revoked(t *testing.T, facts signet.TokenFacts, want bool) {
	t.Helper()
	got, err := n.Revoked(t.Context(), facts)
	if err != nil || got != want {
		t.Fatalf("Revoked(%+v): got %v, %v; want %v", facts, got, err, want)
	}
}

// take takes a token back and fails the test when that cannot be written.
func (n *node) take(t *testing.T, id string) signet.TokenFacts {
	t.Helper()
	facts, err := n.tryTake(t.Context(), id)
	if err != nil {
		t.Fatalf("RevokeToken: %v", err)
	}
	return facts
}

func (n *node) tryTake(ctx context.Context, id string) (signet.TokenFacts, error) {
	facts := signet.TokenFacts{TokenID: signet.TokenID(id), IssuedAt: time.Now()}
	event := signet.Event{Kind: signet.EventTokenRevoked, Target: id}
	return facts, n.RevokeToken(ctx, facts, time.Now().Add(time.Hour), "test", event)
}
