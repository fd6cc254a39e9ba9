package sqlstore

import (
	"io/fs"
	"log/slog"
	"path"
	"regexp"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/storagetest"
)

// ROT-04: from every version of the schema to the newest one while a node goes on working, with what it had written and
// with the statements that it had prepared.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	must(t, err)
	for _, db := range []storagetest.Database{storagetest.SQLite(), storagetest.Postgres()} {
		for from := range int64(len(names)) {
			if from == 0 {
				continue
			}
			t.Run(db.Driver+" from "+path.Base(names[from-1]), func(t *testing.T) {
				t.Parallel()
				upgrade(t, db, from)
			})
		}
	}
}

func upgrade(t *testing.T, db storagetest.Database, from int64) {
	t.Helper()
	ctx, dsn := t.Context(), db.New(t)
	clock := storagetest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	open := func() *Store {
		s, err := Open(ctx, Options{Driver: db.Driver, DSN: dsn, Now: clock.Now, Node: signet.NewNodeID(), Log: slog.New(slog.DiscardHandler)})
		must(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	old := open()
	provider, done, err := old.migrations()
	must(t, err)
	_, err = provider.UpTo(ctx, from)
	must(t, err)
	done()
	now := clock.Now()
	must(t, old.InsertClient(ctx, &signet.Client{ID: "c"}, signet.Event{}))
	must(t, old.InsertUser(ctx, &signet.User{ID: "u", Username: "u"}, signet.Event{}))
	hash := func(n byte) signet.SecretHash { return signet.SecretHash{KeyID: "h", Sum: [32]byte{n}} }
	family := func(s *Store, n byte) {
		t.Helper()
		id := signet.GrantID([]byte{'g', n})
		must(t, s.IssueCode(ctx, &signet.Grant{ID: id, ClientID: "c", UserID: "u", CreatedAt: now, ExpiresAt: now.Add(time.Hour)},
			&signet.AuthorizationCode{Hash: hash(n), GrantID: id, ClientID: "c", CreatedAt: now, ExpiresAt: now.Add(time.Minute)}))
		must(t, s.InsertRefreshToken(ctx, &signet.RefreshToken{Hash: hash(n), GrantID: id, ClientID: "c", CreatedAt: now}))
	}
	use := func(s *Store, n byte) {
		t.Helper()
		must(t, s.UseCode(ctx, hash(n), now))
		_, err := s.RefreshToken(ctx, []signet.SecretHash{hash(n)})
		must(t, err)
		next := &signet.RefreshToken{Hash: hash(n + 100), ParentHash: hash(n), GrantID: signet.GrantID([]byte{'g', n}), ClientID: "c", Generation: 1, CreatedAt: now}
		if rotated, err := s.RotateRefreshToken(ctx, hash(n), next, now); err != nil || !rotated {
			t.Fatalf("rotated %t: %v", rotated, err)
		}
		must(t, s.Record(ctx, signet.Event{Kind: signet.EventLoginSucceeded}))
	}
	for n := range byte(4) {
		family(old, '0'+n)
	}
	use(old, '0')

	next := open()
	must(t, next.Migrate(ctx))
	use(old, '1')
	use(next, '2')
	family(old, '4')
	use(next, '4')
	family(next, '5')
	use(old, '5')
	use(old, '3')
	must(t, next.InsertBiller(ctx, &signet.Biller{ID: "b"}, signet.Event{}))
	must(t, old.Migrate(ctx))
	if _, err := next.VerifyAudit(ctx); err != nil {
		t.Error(err)
	}
	steps, err := old.MigrationStatus(ctx)
	must(t, err)
	for _, step := range steps {
		if step.AppliedAt == nil {
			t.Errorf("%s is pending", step.Name)
		}
	}
}

// A migration after the first one only adds: nodes of the version before go on working.
func TestMigrationsOnlyAdd(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	must(t, err)
	comments := regexp.MustCompile(`(?m)--.*$`)
	// What takes away, and a column that statements of before would leave empty.
	takes := regexp.MustCompile(`(?i)\b(DROP|RENAME|TRUNCATE|DELETE|ALTER\s+COLUMN|SET\s+NOT\s+NULL|ADD\s+(CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN)|ADD\s+COLUMN[^;,]*NOT\s+NULL)\b`)
	for _, name := range names[1:] {
		content, err := fs.ReadFile(migrationFiles, name)
		must(t, err)
		if found := takes.FindString(comments.ReplaceAllString(string(content), "")); found != "" {
			t.Errorf("%s: %s", name, found)
		}
	}
}
