package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

func TestAuditEvents(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		t.Run("comes back as it was written", func(t *testing.T) {
			e := signet.Event{
				ID: signet.NewEventID(), Kind: signet.EventLoginFailed, At: kept(w.clock.Now()), Actor: "user:u", ClientID: "c", UserID: "u",
				KeyID: "k", Address: "192.0.2.1", Target: "t", Reason: "wrong_password", RequestID: "r",
			}
			want(t, "Record", w.Record(t.Context(), e), "")
			list, err := w.ListEvents(t.Context(), "", 10)
			want(t, "ListEvents", err, "")
			if len(list) != 1 || list[0] != e {
				t.Fatalf("got %+v", list)
			}
		})
		t.Run("no text keeps an event from being written", func(t *testing.T) {
			// LOG-02, and a login name chosen so that its own failure is not recorded.
			for _, name := range []string{"a\x00b", "\xff\xfe", strings.Repeat("ä", 5000), "a\n{\"level\":\"info\"}"} {
				e := event(signet.EventLoginFailed)
				e.Target, e.Actor = name, name
				want(t, "Record", w.Record(t.Context(), e), "")
			}
		})
		t.Run("written although the caller hangs up", func(t *testing.T) {
			ctx, hangUp := context.WithCancel(t.Context())
			hangUp()
			want(t, "Record", w.Record(ctx, event(signet.EventLoginFailed)), "")
		})
		t.Run("pages, the newest first", func(t *testing.T) {
			for range 5 {
				w.clock.Advance(time.Second)
				want(t, "Record", w.Record(t.Context(), event(signet.EventLoginFailed)), "")
			}
			all, err := w.ListEvents(t.Context(), "", 100)
			want(t, "ListEvents", err, "")
			rest, err := w.ListEvents(t.Context(), string(all[1].ID), 2)
			want(t, "ListEvents", err, "")
			if !all[0].At.After(all[1].At) || len(rest) != 2 || rest[0] != all[2] || rest[1] != all[3] {
				t.Fatalf("all %+v\nrest %+v", all, rest)
			}
			_, err = w.ListEvents(t.Context(), "nothing", 2)
			want(t, "ListEvents", err, signet.CodeNotFound)
		})
	})
}

// The chain has no gap and no fork, with two nodes, concurrency and rollbacks.
func TestAuditChain(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		other := w.open(t, sqlstore.Options{})
		turns := make(chan int, 32)
		for i := range 32 {
			turns <- i
		}
		kept, failed := 0, errors.New("rolled back")
		for i, err := range together(32, func() error {
			turn := <-turns
			s := []*sqlstore.Store{w.Store, other}[turn%2]
			return s.InTx(t.Context(), func(ctx context.Context) error {
				for range 3 {
					if err := s.Record(ctx, event(signet.EventLoginSucceeded)); err != nil {
						return err
					}
				}
				if turn%4 == 3 {
					return failed
				}
				return nil
			})
		}) {
			switch {
			case err == nil:
				kept += 3
			case !errors.Is(err, failed):
				t.Fatalf("transaction %d: %v", i, err)
			}
		}
		n, err := w.VerifyAudit(t.Context())
		want(t, "VerifyAudit", err, "")
		if n != kept || kept != 24*3 {
			t.Fatalf("%d events in the chains, %d were recorded", n, kept)
		}
		// A node that starts again goes on with its chain; so does one that lost the answer to a commit, which looks the
		// same as another writer.
		before, after := w.open(t, sqlstore.Options{Node: "same"}), w.open(t, sqlstore.Options{Node: "same"})
		for _, s := range []*sqlstore.Store{before, before, after, before, after} {
			want(t, "Record", s.Record(t.Context(), event(signet.EventLoginFailed)), "")
		}
		if n := w.count(t, "SELECT MAX(seq) FROM audit_events WHERE node = 'same'"); n != 5 {
			t.Fatalf("the chain goes to %d", n)
		}
		_, err = w.VerifyAudit(t.Context())
		want(t, "VerifyAudit", err, "")
		for _, tamper := range []string{
			"UPDATE audit_events SET reason = 'other' WHERE node = 'same' AND seq = 2",
			"UPDATE audit_events SET seq = 9 WHERE node = 'same' AND seq = 2",
			"UPDATE audit_events SET at = '2020-01-01 00:00:00' WHERE node = 'same' AND seq = 1",
		} {
			w.change(t, tamper)
			if _, err := w.VerifyAudit(t.Context()); signet.CodeOf(err) != signet.CodeConflict {
				t.Fatalf("%s was not noticed: %v", tamper, err)
			}
			w.change(t, "DELETE FROM audit_events WHERE node = 'same'")
			again := w.open(t, sqlstore.Options{Node: "same"})
			for range 2 {
				want(t, "Record", again.Record(t.Context(), event(signet.EventLoginFailed)), "")
			}
			if _, err := w.VerifyAudit(t.Context()); err != nil {
				t.Fatalf("VerifyAudit: %v", err)
			}
		}
		w.change(t, "DELETE FROM audit_events WHERE node <> 'same' AND seq = 5")
		if _, err := w.VerifyAudit(t.Context()); signet.CodeOf(err) != signet.CodeConflict {
			t.Fatalf("a gap was not noticed: %v", err)
		}
	})
}

func TestTrafficEvents(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const queue, some = 16 << 10, 1000
		e := event(signet.EventTokenIssued)
		e.Target = "a\x00"
		for range queue + 100 {
			w.Traffic(e) // must not block although nobody takes them
		}
		if n := w.Dropped(); n != 100 {
			t.Fatalf("%d events were counted as dropped", n)
		}
		s := w.open(t, sqlstore.Options{})
		for range some {
			s.Traffic(e)
		}
		run(t, s)() // at the end everything queued is written
		if n := w.count(t, "SELECT COUNT(*) FROM traffic_events"); n != some {
			t.Fatalf("%d of %d events are written", n, some)
		}
	})
}

// TestLastIssued: the newest token of that client and grant, and of no other.
func TestLastIssued(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		at := kept(w.clock.Now())
		for i, e := range []signet.Event{
			{ClientID: "p", Reason: signet.GrantClientCredentials}, {ClientID: "p", Reason: signet.GrantClientCredentials},
			{ClientID: "p", Reason: signet.GrantTokenExchange}, {ClientID: "q", Reason: signet.GrantTokenExchange},
			{Kind: signet.EventTokenRefused, ClientID: "q", Reason: signet.GrantClientCredentials},
		} {
			e.ID, e.At = signet.NewEventID(), at.Add(time.Duration(i)*time.Minute)
			if e.Kind == "" {
				e.Kind = signet.EventTokenIssued
			}
			w.Traffic(e)
		}
		run(t, w.Store)()
		got, err := w.LastIssued(t.Context(), "p", signet.GrantClientCredentials)
		want(t, "LastIssued", err, "")
		if !got.Equal(at.Add(time.Minute)) {
			t.Errorf("got %s, want %s", got, at.Add(time.Minute))
		}
		for _, id := range []signet.ClientID{"q", "nobody", ""} {
			_, err = w.LastIssued(t.Context(), id, signet.GrantClientCredentials)
			want(t, "LastIssued of "+string(id), err, signet.CodeNotFound)
		}
	})
}

// lastIssued is the statement of LastIssued, read where it stands.
func lastIssued(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "sqlstore", "event.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"(SELECT at FROM traffic_events [^"]+)"`).FindSubmatch(source)
	if found == nil {
		t.Fatal("LastIssued has another statement")
	}
	return string(found[1])
}

// The newest token of a client is found by its own index, not by a walk over all that happened in 30 days.
func TestLastIssuedHasAnIndex(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		query := lastIssued(t)
		explain, values := "EXPLAIN QUERY PLAN "+query, []any{"p", "g"}
		if w.db.Driver == sqlstore.DriverPostgres {
			// As the driver runs it after a few times: prepared, and planned without the values. An empty table would be read whole.
			explain, values = "EXPLAIN EXECUTE last ('p', 'g')", nil
			w.raw.SetMaxOpenConns(1)
			w.change(t, "SET enable_seqscan = off")
			w.change(t, "SET plan_cache_mode = force_generic_plan")
			for _, place := range []string{"$1", "$2"} {
				query = strings.Replace(query, "?", place, 1)
			}
			w.change(t, "PREPARE last (text, text) AS "+query)
		}
		plan := strings.Join(w.lines(t, explain, values...), "\n")
		if !strings.Contains(plan, "traffic_events_issued") || strings.Contains(plan, "Sort") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("plan: %s", plan)
		}
	})
}

// lines are the rows of a query, the last column alone.
func (w *world) lines(t *testing.T, query string, values ...any) (lines []string) {
	t.Helper()
	rows, err := w.raw.QueryContext(t.Context(), query, values...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	cells := make([]any, len(columns))
	var last string
	for i := range cells {
		cells[i] = new(any)
	}
	cells[len(cells)-1] = &last
	for rows.Next() {
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, last)
	}
	return lines
}

// LOG-01: gorm's own logger would print bind values of failed statements.
func TestLogsHoldNoValues(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var out lockedBuffer
		s := w.open(t, sqlstore.Options{Log: slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		w.change(t, "ALTER TABLE users RENAME TO users_away")
		w.change(t, "ALTER TABLE traffic_events RENAME TO traffic_away")
		e := event(signet.EventTokenIssued)
		e.Target = "canary"
		s.Traffic(e)
		_, err := s.UserByLogin(t.Context(), "canary")
		want(t, "UserByLogin", err, signet.CodeUnavailable)
		run(t, s)()
		texts := out.String() + fmt.Sprint(err)
		if strings.Contains(texts, "canary") || out.String() == "" {
			t.Fatalf("logs and errors: %q", texts)
		}
		var ours *signet.Error
		if !errors.As(err, &ours) || ours.Message != "" {
			t.Fatalf("the public message is %q", ours.Message)
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
