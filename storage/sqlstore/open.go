package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/signet-auth/signet/pkg/signet"
)

// The drivers.
const (
	DriverPostgres = "postgres"
	DriverSQLite   = "sqlite"
)

const (
	// callTimeout bounds every call, waiting for a connection included.
	callTimeout = 2 * time.Second
	// freshFor is how long after a poll began a cached record may be used.
	freshFor = time.Second
	// pollEvery is the poller's pace.
	pollEvery = 400 * time.Millisecond
	// defaultRevocationRetention must not be shorter than the longest lifetime of an access token.
	defaultRevocationRetention = 25 * time.Hour
	defaultMaxOpen             = 20
	cacheSize                  = 20_000
)

// Options are what Open needs.
type Options struct {
	// Driver is DriverPostgres or DriverSQLite.
	Driver string
	// DSN is a PostgreSQL URL or key=value string; for SQLite a file name, or ":memory:".
	DSN string
	// Now is the clock.
	Now func() time.Time
	// Node names this process in the audit chain; two running processes must not share one.
	Node signet.NodeID
	Log  *slog.Logger
	// OnRevoked is called with the journal entries of a transaction after its commit and before the act answers; nil:
	// the outbox alone carries them.
	OnRevoked func(ctx context.Context, entries []signet.Revocation)
	// OnTraffic is told of every traffic event as it is queued or dropped, for metrics; it must not block. nil: nobody is.
	OnTraffic func(event signet.Event)
	// MaxOpen bounds the connections; 0: 20.
	MaxOpen int
	// RevocationRetention is how long a journal row for a grant, session, client, user lives: at least as long as any
	// access token; 0: 25 h.
	RevocationRetention time.Duration
}

// Store is the SQL home of every record. It is safe for concurrent use.
type Store struct {
	opts Options
	pool *sql.DB
	db   *gorm.DB
	lite bool
	// polls is a connection for the poller alone: when requests keep the pool full, cached records must not become
	// unusable as well and send yet more to it.
	polls   *sql.DB
	pollsDB *gorm.DB
	// writer lets one writer of this process at SQLite, so that the others wait in line instead of polling a busy lock;
	// nil for PostgreSQL.
	writer chan struct{}

	flush slot // see flush.go
	chain chain

	clients *cache[signet.ClientID, signet.Client]
	users   *cache[signet.UserID, signet.User]
	origins originSet

	billers         *cache[signet.BillerID, signet.Biller]
	knownBillers    *knownIDs
	resourceServers *cache[string, signet.ResourceServer]
	invoices        *cache[string, signet.Invoice]
	accounts        *cache[string, signet.Account]
	memberships     *cache[signet.UserID, signet.Memberships]
	apiKeys         *cache[string, signet.APIKey]
	devices         *cache[string, signet.Device]
	// The ids of records by their second names.
	audiences, instances, apiKeyHashes *cache[string, string]
	// cached are all caches by the kind of change that names their records.
	cached map[string]interface{ dropNamed(record string) }

	base     time.Time    // origin of polledAt
	polledAt atomic.Int64 // when the last successful poll began, in ns since base; negative: never
	position int64        // number of the last change seen; the poller's own
	wake     chan struct{}
	changed  chan int64
	notices  notices

	traffic chan signet.Event
	dropped atomic.Uint64
}

// slot is a mutex that can be waited for with a deadline.
type slot chan struct{}

func (s slot) take(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return signet.Unavailable(ctx.Err())
	}
}

func (s slot) leave() { <-s }

// Open opens the pool and asks the database once. The schema must be there before anything else is called (Migrate).
// Errors: a configuration fault, or CodeUnavailable.
func Open(ctx context.Context, opts Options) (*Store, error) {
	if opts.Now == nil || opts.Log == nil || opts.Node == "" {
		return nil, fmt.Errorf("sqlstore: Now, Log and Node are required")
	}
	if opts.MaxOpen == 0 {
		opts.MaxOpen = defaultMaxOpen
	}
	if opts.RevocationRetention == 0 {
		opts.RevocationRetention = defaultRevocationRetention
	}
	s := &Store{
		opts:    opts,
		flush:   make(slot, 1),
		base:    opts.Now(),
		wake:    make(chan struct{}, 1),
		changed: make(chan int64, 1),
		traffic: make(chan signet.Event, trafficQueue),
		origins: originSet{loading: make(slot, 1)},
	}
	s.makeCaches()
	s.polledAt.Store(-1)
	s.notices.ready = make(chan struct{}, 1)
	if err := s.connect(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.pool.PingContext(ctx); err != nil {
		_ = s.Close()
		return nil, translate(err)
	}
	return s, nil
}

func (s *Store) makeCaches() {
	s.clients = newCache[signet.ClientID, signet.Client](cacheSize)
	s.users = newCache[signet.UserID, signet.User](cacheSize)
	s.billers = newCache[signet.BillerID, signet.Biller](cacheSize)
	s.knownBillers = newKnownIDs()
	s.resourceServers = newCache[string, signet.ResourceServer](cacheSize)
	s.invoices = newCache[string, signet.Invoice](cacheSize)
	s.accounts = newCache[string, signet.Account](cacheSize)
	s.memberships = newCache[signet.UserID, signet.Memberships](cacheSize)
	s.apiKeys = newCache[string, signet.APIKey](cacheSize)
	s.devices = newCache[string, signet.Device](cacheSize)
	s.audiences = newCache[string, string](cacheSize)
	s.instances = newCache[string, string](cacheSize)
	s.apiKeyHashes = newCache[string, string](cacheSize)
	s.cached = map[string]interface{ dropNamed(record string) }{
		changedClients: s.clients, changedUsers: s.users, changedBillers: droppers{s.billers, s.knownBillers},
		changedResourceServers: s.resourceServers, changedAudiences: s.audiences, changedInvoices: s.invoices,
		changedAccounts: s.accounts, changedInstances: s.instances, changedMemberships: s.memberships,
		changedAPIKeys: s.apiKeys, changedAPIKeyHashes: s.apiKeyHashes, changedDevices: s.devices,
	}
}

func (s *Store) connect() (err error) {
	var dialect func(*sql.DB) gorm.Dialector
	switch s.opts.Driver {
	case DriverPostgres:
		limits := pgTimeouts{statement: 2 * time.Second, lock: time.Second, idleInTx: 5 * time.Second}
		if s.pool, err = openPostgres(s.opts.DSN, s.opts.MaxOpen, limits); err != nil {
			return err
		}
		if s.polls, err = openPostgres(s.opts.DSN, 1, limits); err != nil {
			return err
		}
		dialect = func(pool *sql.DB) gorm.Dialector { return postgres.New(postgres.Config{Conn: pool}) }
	case DriverSQLite:
		if s.pool, err = openSQLite(s.opts.DSN, s.opts.MaxOpen); err != nil {
			return err
		}
		s.polls = s.pool
		if !inMemory(s.opts.DSN) {
			if s.polls, err = openSQLite(s.opts.DSN, 1); err != nil {
				return err
			}
		}
		dialect = func(pool *sql.DB) gorm.Dialector { return sqliteDialect{pool: pool} }
		s.lite = true
		s.writer = make(chan struct{}, 1)
	default:
		return fmt.Errorf("sqlstore: unknown driver %q", s.opts.Driver)
	}
	config := gorm.Config{
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		// The default logger prints bind values of slow and failed statements.
		Logger:  logger.Discard,
		NowFunc: s.now,
	}
	own, other := config, config
	if s.db, err = gorm.Open(dialect(s.pool), &own); err == nil {
		s.pollsDB, err = gorm.Open(dialect(s.polls), &other)
	}
	if err != nil {
		_ = s.Close()
		return translate(err)
	}
	return nil
}

// holding ends a SELECT that keeps its rows of these tables as they are until commit. SQLite has one writer at a time
// anyway.
func (s *Store) holding(tables string) string {
	if s.lite {
		return ""
	}
	return " FOR SHARE OF " + tables
}

// forUpdate ends a SELECT that keeps its row from everybody else's acts until commit, and orders them.
func (s *Store) forUpdate() string {
	if s.lite {
		return ""
	}
	return " FOR NO KEY UPDATE"
}

// Close closes the pools. Run must have returned before.
func (s *Store) Close() error { return errors.Join(s.polls.Close(), s.pool.Close()) }

// Ready reports whether the database answers and has our schema. Error: CodeUnavailable.
func (s *Store) Ready(ctx context.Context) error {
	var n int64
	return s.one(ctx, &n, "SELECT n FROM change_head WHERE id = 1")
}

// now is the injected clock as it is stored.
func (s *Store) now() time.Time { return utc(s.opts.Now()) }

// elapsed is the time since Open, by the monotonic clock where the injected one has it.
func (s *Store) elapsed() time.Duration { return s.opts.Now().Sub(s.base) }

// fresh reports whether cached records may be used: the last successful poll began less than freshFor ago.
func (s *Store) fresh() bool {
	at := s.polledAt.Load()
	age := int64(s.elapsed()) - at
	return at >= 0 && age >= 0 && age < int64(freshFor)
}
