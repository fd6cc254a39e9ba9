package sqlstore

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/signet-auth/signet/pkg/signet"
)

// counter counts the statements that gorm runs.
type counter struct {
	logger.Interface
	n atomic.Int64
}

func (c *counter) LogMode(logger.LogLevel) logger.Interface { return c }

func (c *counter) Trace(context.Context, time.Time, func() (string, int64), error) { c.n.Add(1) }

// The budgets of the hot paths, besides BEGIN and COMMIT.
func TestStatements(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s, err := Open(t.Context(), Options{
		Driver: DriverSQLite, DSN: filepath.Join(t.TempDir(), "s.db"), Now: func() time.Time { return now }, Node: "n", Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Migrate(t.Context()))
	must(t, s.InsertClient(t.Context(), &signet.Client{ID: "c"}, signet.Event{}))
	must(t, s.InsertUser(t.Context(), &signet.User{ID: "u", Username: "u"}, signet.Event{}))
	hash := func(n byte) signet.SecretHash { return signet.SecretHash{KeyID: "h", Sum: [32]byte{n}} }
	grant := &signet.Grant{ID: "g", ClientID: "c", UserID: "u", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	code := &signet.AuthorizationCode{Hash: hash(1), GrantID: "g", ClientID: "c", CreatedAt: now, ExpiresAt: now.Add(time.Minute)}
	must(t, s.IssueCode(t.Context(), grant, code))
	must(t, s.InsertRefreshToken(t.Context(), &signet.RefreshToken{Hash: hash(2), GrantID: "g"}))

	count := &counter{Interface: logger.Discard}
	s.db = s.db.Session(&gorm.Session{Logger: count})
	for _, c := range []struct {
		name string
		want int64
		run  func(ctx context.Context) error
	}{
		{"read a code with its grant", 1, func(ctx context.Context) error {
			_, _, err := s.Code(ctx, []signet.SecretHash{hash(1)})
			return err
		}},
		{"spend a code", 1, func(ctx context.Context) error { return s.UseCode(ctx, hash(1), now) }},
		{"read a refresh token with grant and successor", 1, func(ctx context.Context) error {
			_, err := s.RefreshToken(ctx, []signet.SecretHash{hash(2)})
			return err
		}},
		{"rotate a refresh token", 2, func(ctx context.Context) error {
			return s.InTx(ctx, func(ctx context.Context) error {
				next := &signet.RefreshToken{Hash: hash(3), ParentHash: hash(2), GrantID: "g", Generation: 1}
				rotated, err := s.RotateRefreshToken(ctx, hash(2), next, now)
				if !rotated {
					t.Error("not rotated")
				}
				return err
			})
		}},
		{"use a mark", 1, func(ctx context.Context) error {
			return s.Marks().Use(ctx, signet.Mark{Key: "k", ExpiresAt: now.Add(time.Hour)})
		}},
		{"count an attempt", 1, func(ctx context.Context) error {
			_, _, err := s.Attempts().Reserve(ctx, "k", time.Minute)
			return err
		}},
	} {
		before := count.n.Load()
		must(t, c.run(t.Context()))
		if n := count.n.Load() - before; n != c.want {
			t.Errorf("%s: %d statements, want %d", c.name, n, c.want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A transaction that lost a deadlock is repeated when it is the store's own, at most 3 times; a caller's runs once.
func TestRepeats(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{
		Driver: DriverSQLite, DSN: ":memory:", Now: time.Now, Node: "n", Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Migrate(t.Context()))
	for _, c := range []struct {
		name       string
		fails, ran int
		want       signet.Code
		caller     bool
	}{
		{"once", 0, 1, "", false},
		{"after three", 3, 4, "", false},
		{"too often", 9, 4, signet.CodeUnavailable, false},
		{"a caller's", 1, 1, signet.CodeUnavailable, true},
	} {
		ran := 0
		fn := func(ctx context.Context) error {
			if ran++; ran <= c.fails {
				// A nested act must not repeat its part alone.
				return s.act(ctx, func(context.Context, *transaction) error {
					return translate(&pgconn.PgError{Code: stateDeadlock})
				})
			}
			return nil
		}
		var err error
		if c.caller {
			err = s.InTx(t.Context(), fn)
		} else {
			err = s.act(t.Context(), func(ctx context.Context, _ *transaction) error { return fn(ctx) })
		}
		if signet.CodeOf(err) != c.want || ran != c.ran {
			t.Errorf("%s: ran %d times, %v", c.name, ran, err)
		}
	}
}
