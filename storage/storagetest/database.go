package storagetest

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// Database makes empty databases of one engine.
type Database struct {
	Driver string
	// New makes an empty database that ends with the test and returns its DSN.
	New func(t *testing.T) (dsn string)
}

// SQLite makes databases in temporary files.
func SQLite() Database {
	return Database{Driver: sqlstore.DriverSQLite, New: func(t *testing.T) string {
		t.Helper()
		return filepath.Join(t.TempDir(), "signet.db")
	}}
}

// Postgres makes databases at the server that SIGNET_TEST_POSTGRES names. The environment is read here, and nowhere
// else but in config, because a test has no configuration.
func Postgres() Database {
	return Database{Driver: sqlstore.DriverPostgres, New: func(t *testing.T) string {
		t.Helper()
		return postgres(t, "template0")
	}}
}

// postgres makes a database from a template and drops it after the test.
func postgres(t *testing.T, template string) string {
	t.Helper()
	dsn := os.Getenv("SIGNET_TEST_POSTGRES")
	if dsn == "" {
		t.Fatal("SIGNET_TEST_POSTGRES names no PostgreSQL server; run make test")
	}
	address, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("SIGNET_TEST_POSTGRES is no URL")
	}
	// The driver "pgx" is registered by sqlstore.
	admin, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatalf("open PostgreSQL: %v", err)
	}
	name := "t_" + signet.NewUUID()
	if _, err := admin.ExecContext(t.Context(), `CREATE DATABASE "`+name+`" TEMPLATE "`+template+`"`); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		// t.Context has ended here.
		if _, err := admin.Exec(`DROP DATABASE "` + name + `" WITH (FORCE)`); err != nil {
			t.Errorf("drop the database: %v", err)
		}
		if err := admin.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	address.Path = "/" + name
	return address.String()
}
