package redisstore

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// lines is a log that a test reads while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(level, text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, "level="+level) && strings.Contains(line, text) {
			return true
		}
	}
	return false
}

func wantClosed(t *testing.T, s *Store) {
	t.Helper()
	wantCode(t, s.Ready(t.Context()), signet.CodeUnavailable, "")
	wantCode(t, s.Marks().Use(t.Context(), freshMark(time.Now(), "jti", time.Minute)), signet.CodeUnavailable, "")
	_, _, err := s.Attempts().Reserve(t.Context(), "k", time.Minute)
	wantCode(t, err, signet.CodeUnavailable, "")
	_, _, err = s.Revocations().Look(t.Context(), nil)
	wantCode(t, err, signet.CodeUnavailable, "")
}

// A node that restarts while Redis is away comes up, refuses what needs Redis, and takes it into use by itself, with
// every check of a usual start.
func TestOpenWhileAway(t *testing.T) {
	t.Parallel()
	srv, log := startServer(t), &lines{}
	door := startProxy(t, "")
	s := openAt(t, door.addr, time.Now, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(log, nil)) })
	if !log.has("ERROR", "away") {
		t.Error("nobody is told that Redis was away at the start")
	}
	wantClosed(t, s)
	door.point(srv.addr)
	waitUntil(t, "Redis is in use", func() bool { return s.Ready(t.Context()) == nil })
	// What was used before this memory began cannot be told.
	wantCode(t, s.Marks().Use(t.Context(), freshMark(time.Now(), "old", 0)), signet.CodeUnavailable, "marks_memory_lost")
	mark := freshMark(time.Now(), "new", time.Minute)
	wantCode(t, s.Marks().Use(t.Context(), mark), "", "")
	wantCode(t, s.Marks().Use(t.Context(), mark), signet.CodeUsed, "")
	if _, known, err := s.Revocations().Look(t.Context(), nil); err != nil || known {
		t.Errorf("revocations are known %v, %v; nobody has rebuilt them", known, err)
	}
	wantCode(t, rebuild(t, s, func() {}), "", "")
	if !log.has("WARN", "redis answers") {
		t.Error("nobody is told that Redis is in use")
	}
}

// The memory lived on while this node was down: what other nodes recorded in it still counts.
func TestOpenWhileAwayKeepsMarks(t *testing.T) {
	t.Parallel()
	srv, door := startServer(t), startProxy(t, "")
	other := openAt(t, srv.addr, time.Now)
	mark := freshMark(time.Now(), "jti", time.Minute)
	wantCode(t, other.Marks().Use(t.Context(), mark), "", "")
	s := openAt(t, door.addr, time.Now, prefix(other.prefix))
	door.point(srv.addr)
	waitUntil(t, "Redis is in use", func() bool { return s.Ready(t.Context()) == nil })
	wantCode(t, s.Marks().Use(t.Context(), mark), signet.CodeUsed, "")
	wantCode(t, s.Marks().Use(t.Context(), freshMark(time.Now(), "new", time.Minute)), "", "")
}

// What comes back may be another server than the right one. It is not used, said loudly, and used once it is right.
func TestOpenWhileAwayThenWrongServer(t *testing.T) {
	t.Parallel()
	master := startServer(t)
	for _, c := range []struct {
		name  string
		start func(t *testing.T) *server
		want  string
		mend  []any
	}{
		{"evicts", func(t *testing.T) *server { return startServer(t, "--maxmemory-policy", "allkeys-lru") }, "noeviction",
			[]any{"CONFIG", "SET", "maxmemory-policy", "noeviction"}},
		{"is a replica", func(t *testing.T) *server { return replicaOf(t, master, "--replica-read-only", "no") }, "replica",
			[]any{"REPLICAOF", "NO", "ONE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv, door, log := c.start(t), startProxy(t, ""), &lines{}
			s := openAt(t, door.addr, time.Now, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(log, nil)) })
			door.point(srv.addr)
			waitUntil(t, "the log tells of the wrong server", func() bool { return log.has("ERROR", c.want) })
			wantClosed(t, s)
			srv.do(c.mend...)
			waitUntil(t, "Redis is in use", func() bool { return s.Ready(t.Context()) == nil })
			wantCode(t, s.Marks().Use(t.Context(), freshMark(time.Now(), "new", time.Minute)), "", "")
		})
	}
}

// Redis's clock is five minutes ahead. The very first mark after the return must live by that clock as well: dropped at
// once, it could be used again.
func TestOpenWhileAwayKnowsTheClockFirst(t *testing.T) {
	t.Parallel()
	srv, door := startServer(t), startProxy(t, "")
	late := func() time.Time { return time.Now().Add(-5 * time.Minute) }
	s := openAt(t, door.addr, late)
	door.point(srv.addr)
	mark := freshMark(late(), "jti", time.Minute)
	waitUntil(t, "the first mark is recorded", func() bool { return s.Marks().Use(t.Context(), mark) == nil })
	wantCode(t, s.Marks().Use(t.Context(), mark), signet.CodeUsed, "")
}

// A Redis that accepts connections and says nothing is away too, and does not hold the start up.
func TestOpenWhileHanging(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	srv.signal(syscall.SIGSTOP)
	var s *Store
	if took := timed(func() { s = openAt(t, srv.addr, time.Now) }); took > 3*time.Second {
		t.Errorf("Open took %v", took)
	}
	wantClosed(t, s)
	srv.signal(syscall.SIGCONT)
	waitUntil(t, "Redis is in use", func() bool { return s.Ready(t.Context()) == nil })
}

// A password that is wrong will not become right by waiting.
func TestOpenRefusesAWrongPassword(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	srv.do("CONFIG", "SET", "requirepass", "right")
	_, err := Open(t.Context(), options(srv.addr, time.Now, func(o *Options) { o.Password = "wrong" }))
	if err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Fatalf("got %v, want WRONGPASS", err)
	}
}
