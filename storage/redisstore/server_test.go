package redisstore

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/signet-auth/signet/pkg/signet"
)

// sharedRedis returns the address of the Redis that all tests share. Tests that break their server start their own.
func sharedRedis(t testing.TB) string {
	t.Helper()
	addr := os.Getenv("SIGNET_TEST_REDIS")
	if addr == "" {
		t.Fatal("SIGNET_TEST_REDIS is not set; run make test")
	}
	return addr
}

// openAt opens a store under a prefix of its own, or under the one that change sets.
func openAt(t testing.TB, addr string, now func() time.Time, change ...func(*Options)) *Store {
	t.Helper()
	s, err := Open(t.Context(), options(addr, now, change...))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func options(addr string, now func() time.Time, change ...func(*Options)) Options {
	o := Options{
		Addrs: []string{addr}, Mode: ModeSingle, Prefix: "t" + signet.NewID() + ":", Now: now,
		Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

func prefix(p string) func(*Options) { return func(o *Options) { o.Prefix = p } }

// server is a redis-server of the test's own.
type server struct {
	t    testing.TB
	addr string
	dir  string
	args []string
	cmd  *exec.Cmd
	// raw speaks to it beside the store under test.
	raw *redis.Client
}

// startServer runs redis-server on a free loopback port, without persistence, and ends it with the test.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	return startProcess(t, append([]string{"--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"}, args...))
}

// startSentinel runs a Sentinel with a configuration file, which it rewrites.
func startSentinel(t testing.TB, config string) *server {
	t.Helper()
	return startProcess(t, []string{config, "--sentinel"})
}

func startProcess(t testing.TB, args []string) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a port: %v", err)
	}
	s := &server{t: t, addr: listener.Addr().String(), dir: t.TempDir(), args: args}
	_ = listener.Close()
	s.raw = redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true})
	t.Cleanup(func() {
		_ = s.raw.Close()
		s.kill()
	})
	s.start()
	return s
}

// start runs the process and waits until it answers.
func (s *server) start() {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command("redis-server", append(s.args[:len(s.args):len(s.args)],
		"--bind", host, "--port", port, "--dir", s.dir)...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("redis-server cannot be started (%v); run make test", err)
	}
	s.until("redis-server answers", func() bool { return s.raw.Ping(context.Background()).Err() == nil })
}

// kill ends the process as kill -9 does.
func (s *server) kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT) // a stopped process ends too
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("signal %v: %v", sig, err)
	}
}

func (s *server) do(args ...any) {
	s.t.Helper()
	if err := s.raw.Do(context.Background(), args...).Err(); err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
}

// info returns one field of INFO.
func (s *server) info(field string) string {
	s.t.Helper()
	text, err := s.raw.Info(context.Background()).Result()
	if err != nil {
		s.t.Fatalf("INFO: %v", err)
	}
	return parseInfo(text)[field]
}

// until polls a condition of another process and fails the test when it does not come true.
func (s *server) until(what string, holds func() bool) {
	s.t.Helper()
	waitUntil(s.t, what, holds)
}

func waitUntil(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("it never came true that %s", what)
		case <-tick.C:
		}
	}
}

// replicaOf starts a replica of master and waits until it holds the master's data.
func replicaOf(t testing.TB, master *server, args ...string) *server {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.addr)
	replica := startServer(t, append([]string{"--replicaof", host + " " + port}, args...)...)
	replica.until("the replica is in step", func() bool { return replica.info("master_link_status") == "up" })
	return replica
}

// freshMark is issued at now plus ahead and lives for two minutes.
func freshMark(now time.Time, key string, ahead time.Duration) signet.Mark {
	return signet.Mark{Space: "assertion", Key: key, IssuedAt: now.Add(ahead), ExpiresAt: now.Add(2 * time.Minute)}
}

func wantCode(t testing.TB, err error, code signet.Code, reason string) {
	t.Helper()
	if signet.CodeOf(err) != code || (reason != "" && signet.ReasonOf(err) != reason) {
		t.Fatalf("got %v, want code %q reason %q", err, code, reason)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
