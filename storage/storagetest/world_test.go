package storagetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"log/slog"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// start is no whole second, so that what cuts times short is seen; microseconds are what is kept.
func start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC) }

// world is one migrated database with one store on it.
type world struct {
	*sqlstore.Store
	db    Database
	dsn   string
	clock *Clock
	raw   *sql.DB
}

// onBoth runs a suite on an empty, migrated database of each engine.
func onBoth(t *testing.T, suite func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	for _, db := range []Database{SQLite(), Postgres()} {
		t.Run(db.Driver, func(t *testing.T) {
			t.Parallel()
			suite(t, newWorld(t, db))
		})
	}
}

func newWorld(t *testing.T, db Database) *world {
	t.Helper()
	w := &world{db: db, dsn: db.New(t), clock: NewClock(start())}
	w.Store = w.open(t, sqlstore.Options{})
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	driver := map[string]string{sqlstore.DriverSQLite: "sqlite", sqlstore.DriverPostgres: "pgx"}[db.Driver]
	dsn := w.dsn
	if db.Driver == sqlstore.DriverSQLite {
		dsn += "?_pragma=busy_timeout(5000)"
	}
	raw, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	w.raw = raw
	t.Cleanup(func() { _ = raw.Close() })
	return w
}

// open opens a store on the world's database; what opts leaves out is filled in.
func (w *world) open(t *testing.T, opts sqlstore.Options) *sqlstore.Store {
	t.Helper()
	opts.Driver, opts.DSN = w.db.Driver, w.dsn
	if opts.Now == nil {
		opts.Now = w.clock.Now
	}
	if opts.Node == "" {
		opts.Node = signet.NewNodeID()
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s, err := sqlstore.Open(t.Context(), opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// run runs a store's goroutines until the test ends.
func run(t *testing.T, s *sqlstore.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// count runs a query of one number.
func (w *world) count(t *testing.T, query string) (n int) {
	t.Helper()
	if err := w.raw.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (w *world) change(t *testing.T, query string) {
	t.Helper()
	if _, err := w.raw.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// newHash returns the hash of a secret that nobody knows.
func newHash() (h signet.SecretHash) {
	h.KeyID = "hash-key"
	_, _ = rand.Read(h.Sum[:])
	return h
}

func event(kind signet.EventKind) signet.Event { return signet.Event{Kind: kind, Actor: "system"} }

func (w *world) client(t *testing.T) *signet.Client {
	t.Helper()
	c := &signet.Client{
		ID: signet.NewClientID(),
		ClientMetadata: signet.ClientMetadata{
			ClientName: "Demo", Scope: "openid profile", GrantTypes: []string{signet.GrantAuthorizationCode},
			RedirectURIs: []string{"https://rp.test/cb"}, Origins: []string{"https://" + signet.NewUUID() + ".test"},
		},
		Secrets: []signet.ClientSecret{{ID: "1", Hash: newHash(), CreatedAt: w.clock.Now()}},
	}
	if err := w.InsertClient(t.Context(), c, event(signet.EventClientCreated)); err != nil {
		t.Fatalf("InsertClient: %v", err)
	}
	return c
}

func (w *world) user(t *testing.T) *signet.User {
	t.Helper()
	name := "Ann-" + signet.NewUUID()
	u := &signet.User{
		ID: signet.NewUserID(), Username: name, PasswordHash: "$argon2id$first",
		Profile: signet.Profile{Name: "Ann", Email: name + "@Example.test", Address: &signet.Address{Country: "DE"}},
	}
	if err := w.InsertUser(t.Context(), u, event(signet.EventUserCreated)); err != nil {
		t.Fatalf("InsertUser: %v", err)
	}
	return u
}

func (w *world) newSession(user signet.UserID) *signet.Session {
	now := w.clock.Now()
	return &signet.Session{
		ID: signet.NewSessionID(), Hash: newHash(), UserID: user, AuthTime: now, ACR: "1", AMR: []string{"pwd"},
		LastSeenAt: now, CreatedAt: now, IdleExpiresAt: now.Add(12 * time.Hour), ExpiresAt: now.Add(24 * time.Hour),
	}
}

func (w *world) session(t *testing.T, user signet.UserID) *signet.Session {
	t.Helper()
	s := w.newSession(user)
	if err := w.CreateSession(t.Context(), s, "", event(signet.EventLoginSucceeded)); err != nil {
		t.Fatalf("CreateSession: %v", err)
	}
	return s
}

// family is a login: principals, session, grant, code and the first refresh token.
type family struct {
	client  *signet.Client
	user    *signet.User
	session *signet.Session
	grant   *signet.Grant
	code    *signet.AuthorizationCode
	refresh *signet.RefreshToken
}

func (w *world) newFamily(t *testing.T) *family {
	t.Helper()
	f := &family{client: w.client(t), user: w.user(t)}
	f.session = w.session(t, f.user.ID)
	w.issue(t, f, false)
	return f
}

// issue gives the family's principals another grant with a code and a refresh token.
func (w *world) issue(t *testing.T, f *family, offline bool) {
	t.Helper()
	now := w.clock.Now()
	f.grant = &signet.Grant{
		ID: signet.NewGrantID(), ClientID: f.client.ID, UserID: f.user.ID, SessionID: f.session.ID, Scope: signet.Scope{"openid", "profile"},
		Audience: []string{"https://api.test"}, AuthTime: now, ACR: "1", AMR: []string{"pwd"}, Nonce: "n\x00\"", Claims: `{"id_token":{}}`,
		ACRRequested: true, Offline: offline, CreatedAt: now, ExpiresAt: now.Add(60 * 24 * time.Hour),
	}
	f.code = &signet.AuthorizationCode{
		Hash: newHash(), GrantID: f.grant.ID, ClientID: f.client.ID, RedirectURI: "https://rp.test/cb", CodeChallenge: "challenge",
		RequestedAuthTime: true, CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	if err := w.IssueCode(t.Context(), f.grant, f.code); err != nil {
		t.Fatalf("IssueCode: %v", err)
	}
	f.refresh = &signet.RefreshToken{
		Hash: newHash(), GrantID: f.grant.ID, ClientID: f.client.ID, RotationKeyID: "rotation-key", CreatedAt: now,
	}
	if err := w.InsertRefreshToken(t.Context(), f.refresh); err != nil {
		t.Fatalf("InsertRefreshToken: %v", err)
	}
}

// successor is the next generation of a token.
func (w *world) successor(parent *signet.RefreshToken) *signet.RefreshToken {
	return &signet.RefreshToken{
		Hash: newHash(), ParentHash: parent.Hash, GrantID: parent.GrantID, ClientID: parent.ClientID,
		Generation: parent.Generation + 1, RotationKeyID: "rotation-key", CreatedAt: w.clock.Now(),
	}
}

// want fails the test unless err has the code ("" for nil).
func want(t *testing.T, what string, err error, code signet.Code) {
	t.Helper()
	if got := signet.CodeOf(err); got != code {
		t.Fatalf("%s: got %v, want code %q", what, err, code)
	}
}

// kept is a time as a store keeps it.
func kept(at time.Time) time.Time { return at.UTC().Truncate(time.Microsecond) }

func hashes(h ...signet.SecretHash) []signet.SecretHash { return h }
