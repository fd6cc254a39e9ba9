package storagetest

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// Database makes empty databases of one engine.
type Database struct {
	// Driver is the engine's name in sqlstore.Options.
	Driver string
	// New makes an empty database that ends with the test and returns its DSN.
	New func(t *testing.T) (dsn string)
}

// SQLite makes databases in temporary files.
func SQLite() Database {
	return Database{Driver: "sqlite", New: func(t *testing.T) string {
		t.Helper()
		return filepath.Join(t.TempDir(), "signet.db")
	}}
}

// Postgres makes databases at the server that SIGNET_TEST_POSTGRES names (a URL); without it a test fails, and does not
// skip. The test must import storage/sqlstore, whose driver makes the connection.
func Postgres() Database {
	return Database{Driver: "postgres", New: func(t *testing.T) string {
		t.Helper()
		dsn := os.Getenv("SIGNET_TEST_POSTGRES")
		if dsn == "" {
			t.Fatal("SIGNET_TEST_POSTGRES names no PostgreSQL server: run make test")
		}
		address, err := url.Parse(dsn)
		if err != nil {
			t.Fatal("SIGNET_TEST_POSTGRES is no URL")
		}
		server, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Fatalf("open PostgreSQL: %v", err)
		}
		name := "t_" + signet.NewUUID()
		if _, err := server.ExecContext(t.Context(), `CREATE DATABASE "`+name+`" TEMPLATE template0`); err != nil {
			t.Fatalf("create a database: %v", err)
		}
		t.Cleanup(func() { // the test's own context has ended here
			if _, err := server.Exec(`DROP DATABASE "` + name + `" WITH (FORCE)`); err != nil {
				t.Errorf("drop the database: %v", err)
			}
			_ = server.Close()
		})
		address.Path = "/" + name
		return address.String()
	}}
}
