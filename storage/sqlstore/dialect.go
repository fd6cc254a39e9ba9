package sqlstore

import (
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	_ "modernc.org/sqlite" // registers the driver "sqlite"; docs/decisions/0001-sqlite-driver.md
)

// sqliteDialect is what gorm needs to know of SQLite when the schema is made by migrations: placeholders, quoting and
// the clauses of INSERT. It makes no tables.
type sqliteDialect struct{ pool *sql.DB }

// Name is gorm's name of the dialect.
func (sqliteDialect) Name() string { return "sqlite" }

// Initialize registers gorm's statement builders.
func (d sqliteDialect) Initialize(db *gorm.DB) error {
	db.ConnPool = d.pool
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses: []string{"INSERT", "VALUES", "ON CONFLICT"},
		UpdateClauses: []string{"UPDATE", "SET", "WHERE"},
		DeleteClauses: []string{"DELETE", "FROM", "WHERE"},
	})
	return nil
}

// Migrator returns nil: goose alone changes the schema.
func (sqliteDialect) Migrator(*gorm.DB) gorm.Migrator { return nil }

// DataTypeOf is asked by AutoMigrate only, which is not used.
func (sqliteDialect) DataTypeOf(field *schema.Field) string { return string(field.DataType) }

// DefaultValueOf is never reached: every column of a row struct is written.
func (sqliteDialect) DefaultValueOf(*schema.Field) clause.Expression {
	return clause.Expr{SQL: "NULL"}
}

// BindVarTo writes a placeholder.
func (sqliteDialect) BindVarTo(writer clause.Writer, _ *gorm.Statement, _ any) {
	_ = writer.WriteByte('?')
}

// QuoteTo quotes an identifier, each part of a dotted one on its own.
func (sqliteDialect) QuoteTo(writer clause.Writer, name string) {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = `"` + strings.ReplaceAll(part, `"`, `""`) + `"`
	}
	_, _ = writer.WriteString(strings.Join(parts, "."))
}

// Explain is for loggers that print bind values; ours print none.
func (sqliteDialect) Explain(query string, _ ...any) string { return query }

// openSQLite opens a pool for a file name, a file: URI, or ":memory:" (one connection, so that there is one database).
// Transactions begin IMMEDIATE: a writer takes its lock at once and never fails half way because another was faster.
func openSQLite(dsn string, maxOpen int) (*sql.DB, error) {
	memory := inMemory(dsn)
	if dsn == "" {
		dsn = ":memory:"
	}
	settings := url.Values{
		"_pragma":      {"busy_timeout(1900)", "journal_mode(WAL)", "foreign_keys(1)", "synchronous(FULL)", "cell_size_check(1)"},
		"_txlock":      {"immediate"},
		"_time_format": {"sqlite"},
		"_texttotime":  {"1"},
		"_timezone":    {"UTC"},
		"_dqs":         {"0"},
		"_defensive":   {"1"},
	}
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	pool, err := sql.Open("sqlite", dsn+separator+settings.Encode())
	if err != nil {
		return nil, fmt.Errorf("open SQLite: %w", err)
	}
	if memory {
		maxOpen = 1
	}
	pool.SetMaxOpenConns(maxOpen)
	pool.SetMaxIdleConns(maxOpen)
	pool.SetConnMaxIdleTime(0)
	pool.SetConnMaxLifetime(0)
	return pool, nil
}

// inMemory reports whether each connection to this DSN would have a database of its own.
func inMemory(dsn string) bool {
	return dsn == "" || strings.Contains(dsn, ":memory:") || strings.Contains(dsn, "mode=memory")
}

// pgTimeouts are the limits of one PostgreSQL session.
type pgTimeouts struct{ statement, lock, idleInTx time.Duration }

// openPostgres opens a pool. The server ends what takes longer than the limits, whatever became of the client's
// deadline. pgx keeps prepared statements per connection itself (QueryExecModeCacheStatement), so gorm's own cache of
// statements, which would prepare a second time, stays off.
func openPostgres(dsn string, maxOpen int, limits pgTimeouts) (*sql.DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The parser's message may quote the DSN, and with it a password.
		return nil, fmt.Errorf("the PostgreSQL DSN cannot be read")
	}
	config.ConnectTimeout = 2 * time.Second
	if config.ValidateConnect == nil {
		// A standby answers with what was true some time ago. Connections end after a while, so that after a failover
		// none goes on with a server that is not the primary any more.
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	set := func(name, value string) {
		if _, given := config.RuntimeParams[name]; !given {
			config.RuntimeParams[name] = value
		}
	}
	set("application_name", "signet")
	set("statement_timeout", milliseconds(limits.statement))
	set("lock_timeout", milliseconds(limits.lock))
	set("idle_in_transaction_session_timeout", milliseconds(limits.idleInTx))
	config.RuntimeParams["timezone"] = "UTC"
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(maxOpen)
	pool.SetMaxIdleConns(maxOpen)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(5 * time.Minute)
	return pool, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
