package sqlstore

import (
	"database/sql"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/storagetest"
)

// The server ends what takes too long, whatever became of us; and it never gives way to what the DSN leaves out.
func TestPostgresSessionLimits(t *testing.T) {
	t.Parallel()
	ctx, dsn := t.Context(), storagetest.Postgres().New(t)
	opts := Options{Driver: DriverPostgres, DSN: dsn, Now: time.Now, Node: "n", Log: slog.New(slog.DiscardHandler)}
	s, err := Open(ctx, opts)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	setting := func(pool *sql.DB, name string) (value string) {
		t.Helper()
		must(t, pool.QueryRowContext(ctx, "SELECT current_setting($1)", name).Scan(&value))
		return value
	}
	for _, pool := range []*sql.DB{s.pool, s.polls} {
		for name, want := range map[string]string{"statement_timeout": "2s", "lock_timeout": "1s", "idle_in_transaction_session_timeout": "5s",
			"TimeZone": "UTC", "application_name": "signet"} {
			if got := setting(pool, name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
	opts.DSN += "&lock_timeout=1500"
	given, err := Open(ctx, opts)
	must(t, err)
	t.Cleanup(func() { _ = given.Close() })
	if got := setting(given.pool, "lock_timeout"); got != "1500ms" {
		t.Errorf("lock_timeout of the DSN became %q", got)
	}
}

// A server that takes no writes is a standby: its answers may be old, so that no connection to it is used.
func TestStandbyIsNotUsed(t *testing.T) {
	t.Parallel()
	ctx, dsn := t.Context(), storagetest.Postgres().New(t)
	opts := Options{Driver: DriverPostgres, DSN: dsn, Now: time.Now, Node: "n", Log: slog.New(slog.DiscardHandler)}
	s, err := Open(ctx, opts)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	name := dsn[strings.LastIndexByte(dsn, '/')+1:]
	name, _, _ = strings.Cut(name, "?")
	_, err = s.pool.ExecContext(ctx, `ALTER DATABASE "`+name+`" SET default_transaction_read_only = on`)
	must(t, err)
	if other, err := Open(ctx, opts); signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("opened %v: %v", other, err)
	}
}
