package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// ROT-05
func TestMigrations(t *testing.T) {
	t.Parallel()
	for _, db := range []Database{SQLite(), Postgres()} {
		t.Run(db.Driver, func(t *testing.T) {
			t.Parallel()
			t.Run("nodes that start at once", func(t *testing.T) {
				w := &world{db: db, dsn: db.New(t), clock: NewClock(start())}
				stores := make(chan *sqlstore.Store, 4)
				for range 4 {
					stores <- w.open(t, sqlstore.Options{})
				}
				want(t, "Ready before", w.open(t, sqlstore.Options{}).Ready(t.Context()), signet.CodeUnavailable)
				for _, err := range together(4, func() error { return (<-stores).Migrate(t.Context()) }) {
					want(t, "Migrate", err, "")
				}
				s := w.open(t, sqlstore.Options{})
				want(t, "Migrate again", s.Migrate(t.Context()), "")
				want(t, "Ready", s.Ready(t.Context()), "")
				steps, err := s.MigrationStatus(t.Context())
				want(t, "MigrationStatus", err, "")
				if len(steps) == 0 {
					t.Fatal("no step")
				}
				for _, step := range steps {
					if step.AppliedAt == nil || step.Name == "" || step.Version == 0 {
						t.Fatalf("step %+v", step)
					}
				}
			})
			t.Run("a migrator that was killed", func(t *testing.T) {
				w := newWorld(t, db)
				held := w.clock.Now().Add(10 * time.Second)
				w.change(t, "INSERT INTO migration_lock (id, holder, expires_at) VALUES (1, 'killed', '"+held.Format("2006-01-02 15:04:05.999999-07:00")+"')")
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				want(t, "Migrate while the lease runs", w.Migrate(ctx), signet.CodeUnavailable)
				w.clock.Advance(11 * time.Second)
				want(t, "Migrate after it", w.Migrate(t.Context()), "")
			})
		})
	}
}
