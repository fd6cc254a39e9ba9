package redisstore

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestOpenRefusesOptions(t *testing.T) {
	t.Parallel()
	good := func() Options {
		return Options{
			Addrs: []string{"127.0.0.1:1"}, Mode: ModeSingle, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no address", func(o *Options) { o.Addrs = nil }, "Addrs"},
		{"no time", func(o *Options) { o.Now = nil }, "Now"},
		{"no log", func(o *Options) { o.Log = nil }, "Log"},
		{"unknown mode", func(o *Options) { o.Mode = "ring" }, "Mode"},
		{"two addresses for one server", func(o *Options) { o.Addrs = []string{"a:1", "b:1"} }, "one address"},
		{"sentinel without a master's name", func(o *Options) { o.Mode = ModeSentinel }, "MasterName"},
		{"a master's name without sentinel", func(o *Options) { o.MasterName = "m" }, "MasterName"},
		{"a cluster's database", func(o *Options) { o.Mode, o.DB = ModeCluster, 1 }, "databases"},
		// A brace in the prefix would become the hash tag, and part marks from their epochs.
		{"a brace in the prefix", func(o *Options) { o.Prefix = "a{b}" }, "braces"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := good()
			c.change(&o)
			s, err := Open(t.Context(), o)
			if err == nil {
				_ = s.Close()
				t.Fatal("Open accepted it")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %q, want a word on %q", err, c.want)
			}
		})
	}
}

func TestOpenRefusesServers(t *testing.T) {
	t.Parallel()
	master := startServer(t)
	for _, c := range []struct {
		name string
		addr func(t *testing.T) string
		want string
	}{
		// FLT-05: eviction would drop single marks and revocations without a trace.
		{"evicts any key", func(t *testing.T) string {
			return startServer(t, "--maxmemory-policy", "allkeys-lru").addr
		}, "noeviction"},
		{"evicts keys with a TTL", func(t *testing.T) string {
			return startServer(t, "--maxmemory-policy", "volatile-ttl").addr
		}, "noeviction"},
		{"is a replica", func(t *testing.T) string { return replicaOf(t, master).addr }, "replica"},
		{"is a writable replica", func(t *testing.T) string {
			return replicaOf(t, master, "--replica-read-only", "no").addr
		}, "replica"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), options(c.addr(t), time.Now))
			if err == nil {
				_ = s.Close()
				t.Fatal("Open accepted it")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %q, want a word on %q", err, c.want)
			}
		})
	}
}

// A managed Redis forbids CONFIG, a careful operator most else; what we need to know stands in INFO as well.
func TestOpenWithoutConfigCommand(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	// The commands that doc.go names, and no others.
	rights := []any{"ACL", "SETUSER", "signet", "on", ">pw", "~p:*", "&p:*"}
	for _, command := range []string{
		"ping", "info", "get", "mget", "set", "del", "publish", "subscribe", "eval", "evalsha",
	} {
		rights = append(rights, "+"+command)
	}
	srv.do(rights...)
	asUser := func(o *Options) { o.Username, o.Password, o.Prefix = "signet", "pw", "p:" }
	s := openAt(t, srv.addr, time.Now, asUser)
	mark := freshMark(time.Now(), "jti", time.Minute)
	wantCode(t, s.Marks().Use(t.Context(), mark), "", "")
	wantCode(t, s.Marks().Use(t.Context(), mark), signet.CodeUsed, "")
	_, _, err := s.Attempts().Reserve(t.Context(), "k", time.Minute)
	wantCode(t, err, "", "")
	wantCode(t, s.Attempts().Release(t.Context(), "k"), "", "")
	wantCode(t, rebuild(t, s, func() {}), "", "")
	srv.do("FLUSHALL")
	wantCode(t, s.Marks().Use(t.Context(), mark), signet.CodeUnavailable, "marks_memory_lost")
	srv.do("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
	_, err = Open(t.Context(), options(srv.addr, time.Now, asUser))
	if err == nil || !strings.Contains(err.Error(), "noeviction") {
		t.Fatalf("got %v, want a word on noeviction", err)
	}
}

// A server that begins to evict after the start is found by the next connection.
func TestPolicyIsCheckedOnEveryConnection(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := openAt(t, srv.addr, time.Now)
	srv.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	srv.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	err := s.Ready(t.Context())
	wantCode(t, err, "temporarily_unavailable", "redis_failed")
	if !strings.Contains(err.Error(), "noeviction") {
		t.Fatalf("got %q, want a word on noeviction", err)
	}
}
