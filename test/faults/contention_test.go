package faults

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signet-auth/signet/test/e2e"
)

// FLT-08: every connection of the database is taken by somebody else.
func TestPostgresFull(t *testing.T) {
	t.Parallel()
	db := e2e.StartPostgres(t, "max_connections=30", "superuser_reserved_connections=0")
	w := newWorld(t, db.DSN, e2e.StartRedis(t).Addr, 1)
	family, dead := w.session(w.one, w.user), w.revoked()
	code, got := w.code(w.one, w.user)
	if code == "" {
		t.Fatal(unexpected(got))
	}

	taken := takeAll(t, db)
	eventually(t, 2*time.Second, "the records are too old to be used", func() bool {
		return w.introspect(w.one, family.Access).Status == http.StatusServiceUnavailable
	})
	for range 3 {
		w.busy(t, "refresh", w.refresh(w.one, family.Refresh))
		w.busy(t, "code", w.redeem(w.one, code))
		for _, token := range []string{family.Access, dead} {
			w.busy(t, "introspection", w.introspect(w.one, token))
		}
		for path, want := range map[string]int{w.one.URL + discovery: http.StatusOK, w.one.URL + jwksPath: http.StatusOK, w.one.OpsURL + "/livez": http.StatusOK} {
			if got := w.get(path); got.Status != want {
				t.Errorf("%s: %v", path, unexpected(got))
			}
		}
	}
	eventually(t, patience, "/readyz answers 503", func() bool { return w.get(w.one.OpsURL+"/readyz").Status == http.StatusServiceUnavailable })

	for _, conn := range taken {
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	w.one.WaitReady()
	if got := w.redeem(w.one, code); !got.ok() {
		t.Errorf("code afterwards: %v", unexpected(got))
	}
	if got := w.refresh(w.one, family.Refresh); !got.ok() {
		t.Errorf("refresh afterwards: %v", unexpected(got))
	}
	if got := w.introspect(w.one, dead); got.Status != http.StatusOK || got.tokens().Active {
		t.Errorf("introspection of a revoked token afterwards: %v", unexpected(got))
	}
	oneUnspentEach(t, db.DSN)
}

// takeAll opens connections until there is none left, ends those of signet, and takes theirs as well.
func takeAll(t *testing.T, db *e2e.Postgres) (taken []*pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, db.DSN)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
			taken = append(taken, conn)
			continue
		}
		if !strings.Contains(err.Error(), "53300") || len(taken) == 0 {
			t.Fatal(err)
		}
		var ended int
		if err := taken[0].QueryRow(ctx, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'signet'").Scan(&ended); err != nil {
			t.Fatal(err)
		}
		if ended == 0 {
			return taken
		}
	}
}

// FLT-11: a refresh and somebody else lock the same two rows in opposite orders, and PostgreSQL ends the refresh.
func TestRefreshLosesDeadlock(t *testing.T) {
	t.Parallel()
	db := e2e.StartPostgres(t, "deadlock_timeout=300ms")
	w := newWorld(t, db.DSN, e2e.StartRedis(t).Addr, 1)
	family := w.session(w.one, w.user)
	do := elsewhere(t, db.DSN)
	// The successor refers to the grant: the refresh holds its token and waits for the grant, we the other way round.
	do("BEGIN")
	do("SELECT id FROM grants FOR UPDATE")
	answered := make(chan answer, 1)
	go func() { answered <- w.refresh(w.one, family.Refresh) }()
	eventually(t, patience, "the refresh waits for the grant", func() bool {
		return query(t, db.DSN, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'signet' AND wait_event_type = 'Lock'")[0][0] != "0"
	})
	// PostgreSQL looks for a circle when somebody has waited for 300 ms: that is the refresh.
	do("UPDATE refresh_tokens SET used_at = used_at")
	do("ROLLBACK")
	got := <-answered
	if !strings.Contains(db.Output(), "deadlock detected") {
		t.Fatal("there was no deadlock")
	}
	if !got.ok() {
		w.busy(t, "refresh", got)
		if body := strings.ToLower(string(got.Body)); strings.Contains(body, "sql") || strings.Contains(body, "deadlock") || strings.Contains(body, "refresh_tokens") {
			t.Errorf("the answer tells of the database: %s", got.Body)
		}
		if got = w.refresh(w.one, family.Refresh); !got.ok() {
			t.Fatalf("the same token again: %v", unexpected(got))
		}
	}
	if got := w.refresh(w.one, got.tokens().Refresh); !got.ok() {
		t.Errorf("the next refresh: %v", unexpected(got))
	}
	oneUnspentEach(t, db.DSN)
}
