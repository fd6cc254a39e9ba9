package redisstore

import (
	"context"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func known(t *testing.T, s *Store) bool {
	t.Helper()
	_, known, err := s.Revocations().Look(t.Context(), nil)
	if err != nil {
		t.Fatalf("Look: %v", err)
	}
	return known
}

func rebuild(t *testing.T, s *Store, meanwhile func()) error {
	t.Helper()
	return s.Revocations().Rebuild(t.Context(), func(context.Context) ([]signet.Revocation, error) {
		meanwhile()
		return []signet.Revocation{{Kind: signet.RevokedToken, Subject: "a", ExpiresAt: time.Now().Add(time.Hour)}}, nil
	})
}

// A rebuild whose Redis lost its memory once more could miss an entry that was put and noted as pushed in between.
func TestRebuildOutlivesNoLoss(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		lose func(s *server)
		code signet.Code
	}{
		{"nothing", func(*server) {}, ""},
		{"FLUSHALL", func(s *server) { s.do("FLUSHALL") }, signet.CodeUnavailable},
		{"restart from an old file", func(s *server) {
			s.do("SAVE")
			s.kill()
			s.start()
		}, signet.CodeUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := startServer(t)
			s := openAt(t, srv.addr, time.Now)
			wantCode(t, rebuild(t, s, func() { c.lose(srv) }), c.code, "")
			if got := known(t, s); got != (c.code == "") {
				t.Fatalf("known is %v", got)
			}
			wantCode(t, rebuild(t, s, func() {}), "", "")
			if !known(t, s) {
				t.Fatal("not known after a second rebuild")
			}
		})
	}
}

// Several nodes notice a loss at once.
func TestRebuildsSideBySide(t *testing.T) {
	t.Parallel()
	addr := sharedRedis(t)
	first := openAt(t, addr, time.Now)
	second := openAt(t, addr, time.Now, prefix(first.prefix))
	wantCode(t, rebuild(t, first, func() { wantCode(t, rebuild(t, second, func() {}), "", "") }), "", "")
	if !known(t, first) || !known(t, second) {
		t.Fatal("not known")
	}
}

// A state of another run of the server is forgotten by the first connection. A new node of the same run keeps it.
func TestRevocationsOfAnotherRun(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := openAt(t, srv.addr, time.Now, prefix("p:"))
	wantCode(t, rebuild(t, s, func() {}), "", "")
	if !known(t, openAt(t, srv.addr, time.Now, prefix("p:"))) {
		t.Fatal("a second node forgot the state")
	}
	srv.do("SAVE")
	srv.kill()
	srv.start()
	if known(t, openAt(t, srv.addr, time.Now, prefix("p:"))) {
		t.Fatal("the state of a file is trusted")
	}
	waitUntil(t, "the first node is back", func() bool { return s.Ready(t.Context()) == nil })
	if known(t, s) {
		t.Fatal("the state of a file is trusted")
	}
}

// FLT-05: entries that Redis refuses would be missing in its answers, so it forgets that it knows.
func TestPutOutOfMemory(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := openAt(t, srv.addr, time.Now)
	wantCode(t, rebuild(t, s, func() {}), "", "")
	srv.do("CONFIG", "SET", "maxmemory", "1mb")
	entry := signet.Revocation{Kind: signet.RevokedToken, Subject: "b", ExpiresAt: time.Now().Add(time.Hour)}
	wantCode(t, s.Revocations().Put(t.Context(), []signet.Revocation{entry}), signet.CodeUnavailable, "redis_refused")
	if known(t, s) {
		t.Fatal("Redis is trusted without the entry")
	}
	wantCode(t, rebuild(t, s, func() {}), signet.CodeUnavailable, "")
	if known(t, s) {
		t.Fatal("a rebuild without memory is trusted")
	}
}

// What nobody can read was written to revoke something.
func TestUnreadableEntryRevokes(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := openAt(t, srv.addr, time.Now, prefix("p:"))
	wantCode(t, rebuild(t, s, func() {}), "", "")
	srv.do("SET", "p:{r}:user:u", "nonsense")
	found, _, err := s.Revocations().Look(t.Context(), []string{"user:u"})
	if before, ok := found["user:u"]; err != nil || !ok || before != 0 {
		t.Fatalf("got %v, %v", found, err)
	}
}
