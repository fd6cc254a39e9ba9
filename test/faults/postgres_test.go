package faults

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// patience is what a client waits at most for a 503.
const patience = 3 * time.Second

// FLT-07: the database hangs. What needs it says so within 3 seconds, the rest answers, and nothing that was given up is
// done later.
func TestPostgresHangs(t *testing.T) {
	t.Parallel()
	db := e2e.StartPostgres(t)
	redis := e2e.StartRedis(t).Addr
	w := newWorld(t, db.DSN, redis, 1)
	family := w.session(w.one, w.user)
	code, got := w.code(w.one, w.user)
	if code == "" {
		t.Fatal(unexpected(got))
	}

	db.Signal(syscall.SIGSTOP)
	began := time.Now()
	var asked sync.WaitGroup
	for range 3 {
		for name, ask := range map[string]func() answer{
			"code":    func() answer { return w.redeem(w.one, code) },
			"refresh": func() answer { return w.refresh(w.one, family.Refresh) },
		} {
			asked.Go(func() { w.busy(t, name, ask()) })
		}
	}
	for range 5 {
		for path, want := range map[string]int{w.one.URL + discovery: http.StatusOK, w.one.URL + jwksPath: http.StatusOK, w.one.OpsURL + "/livez": http.StatusOK} {
			if got := w.get(path); got.Status != want || got.Took > time.Second {
				t.Errorf("%s: %v", path, unexpected(got))
			}
		}
	}
	asked.Wait()
	eventually(t, patience, "/readyz answers 503", func() bool { return w.get(w.one.OpsURL+"/readyz").Status == http.StatusServiceUnavailable })
	// A second wave meets a pool whose every connection hangs.
	for range 20 {
		asked.Go(func() { w.busy(t, "refresh with a full pool", w.refresh(w.one, family.Refresh)) })
	}
	asked.Wait()
	rest := time.NewTimer(time.Until(began.Add(6 * time.Second))) // the length of the fault
	defer rest.Stop()
	<-rest.C

	db.Signal(syscall.SIGCONT)
	w.one.WaitReady()
	// What was answered 503 was not done, not even late: both still work, once.
	if rows := query(t, db.DSN, "SELECT grant_id FROM refresh_tokens WHERE used_at IS NOT NULL"); len(rows) > 0 {
		t.Errorf("%d refresh tokens were spent by requests that were given up", len(rows))
	}
	again := w.refresh(w.one, family.Refresh)
	if !again.ok() {
		t.Errorf("refresh afterwards: %v", unexpected(again))
	}
	if got := w.redeem(w.one, code); !got.ok() {
		t.Errorf("code afterwards: %v", unexpected(got))
	}
	oneUnspentEach(t, db.DSN)
	if rows := query(t, db.DSN, "SELECT grant_id FROM refresh_tokens WHERE generation > 1"); len(rows) > 0 {
		t.Errorf("%d refresh tokens that nobody was given", len(rows))
	}
	if got := w.refresh(w.one, again.tokens().Refresh); !got.ok() {
		t.Errorf("the next refresh: %v", unexpected(got))
	}
}

// busy wants 503 with a Retry-After of at most 3 seconds, within 3 seconds.
func (w *world) busy(t *testing.T, name string, got answer) {
	t.Helper()
	wait, err := strconv.Atoi(got.Header.Get("Retry-After"))
	if got.Status != http.StatusServiceUnavailable || err != nil || wait < 1 || wait > 3 || got.Took > patience {
		t.Errorf("%s: %v, Retry-After %q", name, unexpected(got), got.Header.Get("Retry-After"))
	}
}

// oneUnspentEach wants no family with two tokens that could be used.
func oneUnspentEach(t *testing.T, dsn string) {
	t.Helper()
	for _, row := range query(t, dsn, "SELECT grant_id, count(*) FROM refresh_tokens WHERE used_at IS NULL GROUP BY 1 HAVING count(*) > 1") {
		t.Errorf("family %s has %s unspent tokens", row[0], row[1])
	}
}

// FLT-08: the database takes no writes.
func TestPostgresReadOnly(t *testing.T) {
	t.Parallel()
	db := e2e.StartPostgres(t)
	redis := e2e.StartRedis(t).Addr
	w := newWorld(t, db.DSN, redis, 1)
	family := w.session(w.one, w.user)
	dead := w.revoked()
	code, got := w.code(w.one, w.user)
	if code == "" {
		t.Fatal(unexpected(got))
	}
	before := query(t, db.DSN, "SELECT encode(hash, 'hex'), used_at IS NULL FROM refresh_tokens ORDER BY 1")

	readOnly(t, db, "on")
	eventually(t, 5*time.Second, "refresh is refused", func() bool { return !w.refresh(w.one, family.Refresh).ok() })
	for range 5 {
		w.busy(t, "refresh", w.refresh(w.one, family.Refresh))
		w.busy(t, "code", w.redeem(w.one, code))
		// RFC 6749 §4.1.2.1: a redirect cannot carry a 503.
		if code, got := w.code(w.one, w.user); code != "" || !strings.Contains(got.Header.Get("Location"), "error=temporarily_unavailable") {
			t.Errorf("authorize: %v, to %s", unexpected(got), got.Header.Get("Location"))
		}
	}
	if got := w.introspect(w.one, family.Access); !got.tokens().Active {
		t.Errorf("introspection of a live token: %v", unexpected(got))
	}
	if got := w.introspect(w.one, dead); got.Status != http.StatusOK || got.tokens().Active {
		t.Errorf("introspection of a revoked token: %v", unexpected(got))
	}
	after := query(t, db.DSN, "SELECT encode(hash, 'hex'), used_at IS NULL FROM refresh_tokens ORDER BY 1")

	readOnly(t, db, "off")
	eventually(t, 5*time.Second, "the code is still good", func() bool { return w.redeem(w.one, code).ok() })
	if got := w.refresh(w.one, family.Refresh); !got.ok() {
		t.Errorf("refresh afterwards: %v", unexpected(got))
	}
	if len(before) != len(after) {
		t.Errorf("%d refresh tokens, then %d", len(before), len(after))
	}
	for i := range min(len(before), len(after)) {
		if before[i][0] != after[i][0] || before[i][1] != after[i][1] {
			t.Errorf("a refresh token changed: %v, then %v", before[i], after[i])
		}
	}
	oneUnspentEach(t, db.DSN)
}

// readOnly switches the whole server, for the transactions that begin after it.
func readOnly(t *testing.T, db *e2e.Postgres, to string) {
	t.Helper()
	query(t, db.DSN, "ALTER SYSTEM SET default_transaction_read_only = "+to)
	query(t, db.DSN, "SELECT pg_reload_conf()")
}
