package sqlstore

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/storagetest"
)

// The sweep of grants asks for the tokens of a few, it does not read all tokens: with a million of them that takes longer
// than a statement may.
func TestSweepOfGrantsReadsNoTableWhole(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(ctx, Options{Driver: DriverPostgres, DSN: storagetest.Postgres().New(t) + "&statement_timeout=0", Now: time.Now, Node: "n", Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Migrate(ctx))
	must(t, s.InsertClient(ctx, &signet.Client{ID: "c"}, signet.Event{}))
	must(t, s.InsertUser(ctx, &signet.User{ID: "u", Username: "u"}, signet.Event{}))
	for _, query := range []string{
		`INSERT INTO grants (id, client_id, user_id, offline, detail, created_at, expires_at) SELECT 'g' || i, 'c', 'u', FALSE, '{}', '2020-01-01', '2020-01-02' FROM generate_series(1, 20000) i`,
		`INSERT INTO refresh_tokens (hash, hash_key, grant_id, client_id, generation, rotation_key, created_at) SELECT sha256(('r' || i)::bytea), 'h', 'g' || i, 'c', 0, 'k', '2020-01-01' FROM generate_series(1, 20000) i`,
		"ANALYZE",
	} {
		_, err := s.pool.ExecContext(ctx, query)
		must(t, err)
	}
	for _, r := range retentions() {
		if r.table != "grants" {
			continue
		}
		query := strings.Replace(strings.Replace(r.statement(), "?", "'2026-01-01'", 1), "?", "500", 1)
		var plan strings.Builder
		rows, err := s.pool.QueryContext(ctx, "EXPLAIN "+query)
		must(t, err)
		for rows.Next() {
			var line string
			must(t, rows.Scan(&line))
			plan.WriteString(line + "\n")
		}
		must(t, rows.Err())
		if strings.Contains(plan.String(), "Seq Scan on refresh_tokens") {
			t.Errorf("%s\n%s", query, &plan)
		}
	}
}

// A table that cannot be swept does not keep the others.
func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	clock := storagetest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	s, err := Open(ctx, Options{Driver: DriverSQLite, DSN: storagetest.SQLite().New(t), Now: clock.Now, Node: "n", Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Migrate(ctx))
	must(t, s.Marks().Use(ctx, signet.Mark{Key: "k", ExpiresAt: clock.Now().Add(time.Minute)}))
	must(t, s.Spend(ctx, "s", "k", "o", new(clock.Now().Add(time.Minute))))
	must(t, s.Record(ctx, signet.Event{Kind: signet.EventLoginFailed}))
	clock.Advance(500 * day)
	_, err = s.pool.ExecContext(ctx, "ALTER TABLE attempts RENAME TO attempts_away")
	must(t, err)
	removed, err := s.Sweep(ctx)
	if signet.CodeOf(err) != signet.CodeUnavailable || removed != 3 {
		t.Errorf("removed %d: %v", removed, err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Sweep(ended); signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("with an ended context: %v", err)
	}
}
