package account_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/account"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/storage/sqlstore"
)

const (
	issuer   = "https://as.test"
	resource = "https://service.test"
	origin   = "https://rp.test"
	foreign  = "https://other.test"
	// importedKey has the form of an old system's key.
	importedKey = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"
	limit       = 5
)

// start is the moment at which every test begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.UTC)

// world is the room on a real store, behind the real HTTP kit.
type world struct {
	t       testing.TB
	room    *account.Account
	store   *sqlstore.Store
	handler http.Handler
	clock   *clock
	bearers bearers
	events  *recorder
	hashes  signet.HashKeys
	hashed  int // how often hashing keys were asked for
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bearers are the live access tokens: what pkg/oauth would say of them.
type bearers map[string]*signet.Bearer

func (b bearers) Bearer(_ context.Context, raw string) (*signet.Bearer, error) {
	if raw == "store-away" {
		return nil, signet.Unavailable(context.DeadlineExceeded)
	}
	if bearer := b[raw]; bearer != nil {
		return bearer, nil
	}
	return nil, signet.NewError(signet.CodeInvalidToken, "", "token_unknown")
}

type recorder struct {
	mu     sync.Mutex
	events []signet.Event
}

func (r *recorder) Traffic(ev signet.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
}

func (r *recorder) last() signet.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == 0 {
		return signet.Event{}
	}
	return r.events[len(r.events)-1]
}

type origins []string

func (o origins) AnyOrigin(_ context.Context, asked string) bool {
	for _, known := range o {
		if known == asked {
			return true
		}
	}
	return false
}

func newWorld(t testing.TB, change ...func(*account.Options)) *world {
	t.Helper()
	log := nullLog()
	clock := &clock{at: start}
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{Driver: sqlstore.DriverSQLite, DSN: filepath.Join(t.TempDir(), "a.db"),
		Now: clock.now, Node: signet.NewNodeID(), Log: log})
	must(t, err)
	t.Cleanup(func() { _ = store.Close() })
	must(t, store.Migrate(t.Context()))
	return newRoom(t, store, clock, change...)
}

// newRoom makes a room on a store that is there.
func newRoom(t testing.TB, store *sqlstore.Store, clock *clock, change ...func(*account.Options)) *world {
	t.Helper()
	w := &world{t: t, store: store, clock: clock, bearers: bearers{}, events: &recorder{},
		hashes: signet.HashKeys{Current: "h1", Keys: map[signet.KeyID][]byte{"h1": []byte("0123456789abcdef0123456789abcdef")}}}
	failures, err := web.NewFailures(web.FailuresOptions{Limit: limit, Window: 5 * time.Minute, Now: clock.now})
	must(t, err)
	o := account.Options{Issuer: issuer, Resources: []string{resource, "https://second.test"}, Accounts: store, Members: store, Keys: store, Users: store,
		Clients: store, Bearers: w.bearers, Failures: failures, Events: w.events, Now: clock.now,
		HashKeys: func() signet.HashKeys { w.hashed++; return w.hashes }}
	for _, fn := range change {
		fn(&o)
	}
	w.room, err = account.New(o)
	must(t, err)
	w.handler, err = web.New(web.Options{Routes: w.room.Routes(), Origins: origins{origin, foreign}, Log: nullLog(), Now: clock.now,
		Limits: web.Limits{Off: true}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("198.51.100.1/32")}})
	must(t, err)
	return w
}

// user makes a person with a live token of client "rp".
func (w *world) user(id string) {
	w.t.Helper()
	must(w.t, w.store.InsertUser(w.t.Context(), &signet.User{ID: signet.UserID(id), Username: id}, signet.Event{}))
	w.bearers["token-of-"+id] = &signet.Bearer{Subject: id, UserID: signet.UserID(id), ClientID: "rp", Audience: []string{issuer}}
}

// client makes an OAuth client with an origin.
func (w *world) client(id string, origins ...string) {
	w.t.Helper()
	must(w.t, w.store.InsertClient(w.t.Context(), &signet.Client{ID: signet.ClientID(id), ClientMetadata: signet.ClientMetadata{Origins: origins}}, signet.Event{}))
}

// account makes an account with these accepted members: user, role pairs.
func (w *world) account(id string, members ...string) {
	w.t.Helper()
	a := &signet.Account{ID: id, Name: "Account " + id, Type: signet.AccountOrg, Instance: signet.NewUUID(), CreatedBy: "admin:local", UpdatedBy: "admin:local"}
	must(w.t, w.store.InsertAccount(w.t.Context(), a, nil, signet.Event{}))
	for i := 0; i < len(members); i += 2 {
		w.member(id, members[i], members[i+1])
	}
}

func (w *world) member(id, user, role string) {
	w.t.Helper()
	m := &signet.Membership{AccountID: id, UserID: signet.UserID(user), Role: role, CreatedAt: w.clock.now(), CreatedBy: "admin:local"}
	must(w.t, w.store.PutMembership(w.t.Context(), m, signet.Event{}))
	must(w.t, w.store.AcceptMembership(w.t.Context(), id, signet.UserID(user), signet.Event{}))
}

// key makes an API key and returns its secret.
func (w *world) key(id, name, role string, change ...func(*signet.APIKey)) string {
	w.t.Helper()
	secret := signet.NewSecret(signet.SecretAPIKey).Reveal()
	w.keyOf(secret, id, name, role, change...)
	return secret
}

func (w *world) keyOf(secret, id, name, role string, change ...func(*signet.APIKey)) {
	w.t.Helper()
	key := &signet.APIKey{ID: "id-of-" + id + "-" + name, AccountID: id, Name: name, Role: role, Enabled: true, Hash: w.hashes.Hash(secret),
		CreatedBy: "admin:local", UpdatedBy: "admin:local"}
	for _, fn := range change {
		fn(key)
	}
	must(w.t, w.store.InsertAPIKey(w.t.Context(), key, signet.Event{}))
}

// standard is an account "acme" owned by alice, with carol at the terminal, and "other", which bob owns.
func standard(t testing.TB, change ...func(*account.Options)) *world {
	t.Helper()
	w := newWorld(t, change...)
	w.client("rp", origin)
	for _, user := range []string{"alice", "bob", "carol", "dave"} {
		w.user(user)
	}
	w.account("acme", "alice", "account-owner", "carol", "merchant-terminal")
	w.account("other", "bob", "account-owner")
	return w
}

// send sends one request; headers are name, value pairs, and one without name changes the peer's address.
func (w *world) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	req := httptest.NewRequest(method, "http://as.test"+path, strings.NewReader(body))
	req.URL.Host, req.URL.Scheme = "", ""
	req.RemoteAddr = "192.0.2.7:1234"
	req.Header.Set("X-Request-Id", "request-1")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "" {
			req.RemoteAddr = headers[i+1]
			continue
		}
		req.Header[http.CanonicalHeaderKey(headers[i])] = append(req.Header[http.CanonicalHeaderKey(headers[i])], headers[i+1])
	}
	res := httptest.NewRecorder()
	w.handler.ServeHTTP(res, req)
	return res
}

// as is the header of a person.
func as(user string) []string { return []string{"Authorization", "Bearer token-of-" + user} }

// want sends and fails on another status.
func (w *world) want(status int, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	res := w.send(method, path, body, headers...)
	if res.Code != status {
		w.t.Fatalf("%s %s %s: status %d, want %d: %s", method, path, body, res.Code, status, res.Body)
	}
	return res
}

// object decodes an answer.
func object(t testing.TB, res *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(res.Body.Bytes(), &out); err != nil {
		t.Fatalf("%v: %s", err, res.Body)
	}
	return out
}

func nullLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
