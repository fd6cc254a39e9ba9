package sqlstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/signet-auth/signet/pkg/signet"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

const (
	// lockLease is how long a migrator that says nothing more holds the lock: one that was killed blocks no longer.
	lockLease = 15 * time.Second
	// lockBeat is how often a living one renews it.
	lockBeat = 3 * time.Second
	// lockRetry is how often one that waits looks again.
	lockRetry = 100 * time.Millisecond
	// migrateTimeout bounds one statement of a migration.
	migrateTimeout = 10 * time.Minute
)

// Migration is one step of the schema's history.
type Migration struct {
	Version int64
	Name    string
	// AppliedAt is nil while the step is pending.
	AppliedAt *time.Time
}

// Migrate brings the schema to the newest version. Any number of nodes may call it at once: one works, the others wait
// for it, until ctx ends. Migrations only add, so that nodes of the version before go on working.
// Errors: CodeUnavailable, CodeInternal when a step fails; a step is one transaction and leaves nothing behind.
func (s *Store) Migrate(ctx context.Context) error {
	release, err := s.lockMigrations(ctx)
	if err != nil {
		return err
	}
	defer release()
	provider, done, err := s.migrations()
	if err != nil {
		return err
	}
	defer done()
	if _, err := provider.Up(ctx); err != nil {
		return migrationError(err)
	}
	return nil
}

// MigrationStatus lists the steps in order, applied or pending. Error: CodeUnavailable.
func (s *Store) MigrationStatus(ctx context.Context) ([]Migration, error) {
	provider, done, err := s.migrations()
	if err != nil {
		return nil, err
	}
	defer done()
	steps, err := provider.Status(ctx)
	if err != nil {
		return nil, migrationError(err)
	}
	out := make([]Migration, 0, len(steps))
	for _, step := range steps {
		m := Migration{Version: step.Source.Version, Name: path.Base(step.Source.Path)}
		if step.State == goose.StateApplied {
			m.AppliedAt = utcOrNil(step.AppliedAt)
		}
		out = append(out, m)
	}
	return out, nil
}

// migrations opens the history. PostgreSQL gets a pool of its own, whose statements may take long but whose locks may
// not: a step that cannot get its table within a second fails rather than make every request queue behind it.
func (s *Store) migrations() (*goose.Provider, func(), error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, nil, signet.Internal(err)
	}
	pool, dialect, done := s.pool, goose.DialectSQLite3, func() {}
	if !s.lite {
		dialect = goose.DialectPostgres
		limits := pgTimeouts{statement: migrateTimeout, lock: time.Second, idleInTx: migrateTimeout}
		if pool, err = openPostgres(s.opts.DSN, 2, limits); err != nil {
			return nil, nil, err
		}
		done = func() { _ = pool.Close() }
	}
	provider, err := goose.NewProvider(dialect, pool, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		done()
		return nil, nil, signet.Internal(err)
	}
	return provider, done, nil
}

// migrationError keeps the name of the failed step; the operator of `migrate up` needs it.
func migrationError(err error) error {
	var partial *goose.PartialError
	if errors.As(err, &partial) && partial.Failed != nil {
		return signet.Internal(fmt.Errorf("migration %s failed: %w", path.Base(partial.Failed.Source.Path), translate(partial.Err)))
	}
	return translate(err)
}

// lockMigrations takes the lock row. Session locks of the database would need an engine that has them; a row works on
// both, and its lease ends by itself when its holder was killed.
func (s *Store) lockMigrations(ctx context.Context) (release func(), err error) {
	holder := string(signet.NewNodeID())
	if err := s.makeMigrationLock(ctx); err != nil {
		return nil, err
	}
	for {
		taken, err := s.tryMigrationLock(ctx, holder)
		if err != nil {
			return nil, err
		}
		if taken {
			break
		}
		if !pause(ctx, lockRetry) {
			return nil, signet.Unavailable(fmt.Errorf("another node is migrating: %w", ctx.Err()))
		}
	}
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for pause(beating, lockBeat) {
			// A beat that fails is no end: the lease outlives several.
			_ = s.beatMigrationLock(beating, holder)
		}
	}()
	return func() {
		stop()
		<-stopped
		freeing, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		_, _ = s.exec(freeing, "DELETE FROM migration_lock WHERE id = 1 AND holder = ?", holder)
	}, nil
}

// makeMigrationLock makes the table, which must be there before the history. Two at once can collide inside PostgreSQL's
// catalogue although the statement says IF NOT EXISTS; the second look finds it made.
func (s *Store) makeMigrationLock(ctx context.Context) error {
	var err error
	for range 3 {
		_, err = s.exec(ctx, "CREATE TABLE IF NOT EXISTS migration_lock (id BIGINT PRIMARY KEY, holder TEXT NOT NULL, expires_at TIMESTAMP NOT NULL)")
		if err == nil {
			return nil
		}
	}
	return err
}

func (s *Store) tryMigrationLock(ctx context.Context, holder string) (bool, error) {
	now := s.now()
	n, err := s.exec(ctx, `INSERT INTO migration_lock (id, holder, expires_at) VALUES (1, ?, ?)
		ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at WHERE migration_lock.expires_at <= ?`,
		holder, now.Add(lockLease), now)
	return n == 1, err
}

// beatMigrationLock renews the lease. It goes past the line of SQLite writers, which the migration itself may hold.
func (s *Store) beatMigrationLock(ctx context.Context, holder string) error {
	db, _, cancel := s.on(ctx)
	defer cancel()
	return db.Exec("UPDATE migration_lock SET expires_at = ? WHERE id = 1 AND holder = ?", s.now().Add(lockLease), holder).Error
}
