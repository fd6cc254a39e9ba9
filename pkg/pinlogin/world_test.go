package pinlogin

import (
	"bytes"
	"context"
	"crypto/aes"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/storage/sqlstore"
	"github.com/signet-auth/signet/storage/storagetest"
)

const (
	pin     = "4711"
	home    = "192.0.2.10"
	unknown = "nobody"
)

// world is the room on a real store and a real ring, behind the real HTTP kit.
type world struct {
	t       *testing.T
	clock   *storagetest.Clock
	store   *sqlstore.Store
	ring    *keys.Ring
	pins    *pins
	marks   *countedMarks
	spent   *countedSpent
	events  *history
	counts  *switchable
	room    *PINLogin
	handler http.Handler
	logs    *bytes.Buffer
	logMu   sync.Mutex
}

// pins compares PINs without the cost of argon2id and counts the comparisons: what they hash to here is not the point.
type pins struct {
	compared atomic.Int64
	full     atomic.Bool
}

func (p *pins) Nobody() string { return "hash:" + "\x00" }

func (p *pins) Verify(_ context.Context, phc, pin string) (bool, error) {
	if p.full.Load() {
		return false, signet.Unavailable(errors.New("the pool is full"))
	}
	if !strings.HasPrefix(phc, "hash:") {
		return false, signet.Internal(errors.New("no hash"))
	}
	p.compared.Add(1)
	return phc == "hash:"+pin, nil
}

// countedMarks and countedSpent count what was consumed, in real homes.
type countedMarks struct {
	Marks
	used atomic.Int64
	away atomic.Bool
}

func (m *countedMarks) Use(ctx context.Context, mark signet.Mark) error {
	if m.away.Load() {
		return signet.Unavailable(errors.New("marks are away"))
	}
	m.used.Add(1)
	return m.Marks.Use(ctx, mark)
}

type countedSpent struct {
	Spent
	used atomic.Int64
}

func (s *countedSpent) Spend(ctx context.Context, space, key, owner string, expiresAt *time.Time) error {
	s.used.Add(1)
	return s.Spent.Spend(ctx, space, key, owner, expiresAt)
}

// switchable is the counters with two switches: away is an outage, free is a caller whom no limit stops.
type switchable struct {
	Attempts
	away, free atomic.Bool
	// late: it counts, and its answer does not come in time.
	late atomic.Bool
}

func (s *switchable) Reserve(ctx context.Context, key string, window time.Duration) (int, time.Duration, error) {
	switch {
	case s.away.Load():
		return 0, 0, signet.Unavailable(errors.New("counters are away"))
	case s.free.Load():
		return 1, window, nil
	case s.late.Load():
		_, _, err := s.Attempts.Reserve(ctx, key, window)
		return 0, 0, errors.Join(signet.Unavailable(errors.New("the answer of the counters was lost")), err)
	}
	return s.Attempts.Reserve(ctx, key, window)
}

func (s *switchable) Release(ctx context.Context, key string) error {
	switch {
	case s.away.Load():
		return signet.Unavailable(errors.New("counters are away"))
	case s.free.Load():
		return nil
	}
	return s.Attempts.Release(ctx, key)
}

func (s *switchable) Count(ctx context.Context, key string) (int, time.Duration, error) {
	if s.away.Load() {
		return 0, 0, signet.Unavailable(errors.New("counters are away"))
	}
	return s.Attempts.Count(ctx, key)
}

// history keeps the events of a test.
type history struct {
	mu     sync.Mutex
	events []signet.Event
}

func (h *history) Record(_ context.Context, event signet.Event) error { h.Traffic(event); return nil }

func (h *history) Traffic(event signet.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event)
}

func (h *history) of(kind signet.EventKind) (out []signet.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, clock: storagetest.NewClock(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)), pins: &pins{}, events: &history{}, logs: &bytes.Buffer{}}
	log := slog.New(slog.NewJSONHandler(writer(func(b []byte) (int, error) {
		w.logMu.Lock()
		defer w.logMu.Unlock()
		return w.logs.Write(b)
	}), nil))
	var err error
	w.store, err = sqlstore.Open(t.Context(), sqlstore.Options{Driver: sqlstore.DriverSQLite,
		DSN: filepath.Join(t.TempDir(), "signet.db"), Now: w.clock.Now, Node: signet.NewNodeID(), Log: log})
	w.must(err)
	t.Cleanup(func() { _ = w.store.Close() })
	w.must(w.store.Migrate(t.Context()))
	w.ring, err = keys.New(keys.Options{
		Store: w.store, KEKs: map[string][]byte{"k": []byte(strings.Repeat("k", 32))}, CurrentKEK: "k", Now: w.clock.Now,
		Plan:        keys.Plan{JWKSMaxAge: time.Minute, LongestToken: time.Hour, HintRetention: time.Hour},
		SigningAlgs: []string{"ES256"},
	})
	w.must(err)
	w.must(w.ring.Start(t.Context()))
	w.counts = &switchable{Attempts: w.store.Attempts()}
	w.marks, w.spent = &countedMarks{Marks: w.store.Marks()}, &countedSpent{Spent: w.store}
	core := newCore(w, log)
	opts := Options{Applications: w.store, Records: w.store, Keys: w.ring, Passwords: w.pins, Marks: w.marks, Spent: w.spent,
		Grants: core, RefreshTokens: w.store, Attempts: w.counts, Events: w.events, Now: w.clock.Now, Log: log}
	for _, c := range change {
		c(&opts)
	}
	w.room, err = New(opts)
	w.must(err)
	w.handler, err = web.New(web.Options{Routes: slices.Concat(w.room.Routes(), core.Routes()), Origins: w.store, Log: log, Now: w.clock.Now, Limits: web.Limits{Off: true}})
	w.must(err)
	return w
}

type writer func([]byte) (int, error)

func (f writer) Write(b []byte) (int, error) { return f(b) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) event(kind signet.EventKind) signet.Event {
	return signet.Event{ID: signet.NewEventID(), Kind: kind, At: w.clock.Now(), Actor: "system"}
}

// application is one that the test knows the keys of.
type application struct {
	*signet.PINApplication
	w    *world
	keys [][]byte
}

// add writes an application with its client, user and one key.
func (w *world) add(name, mode string, change ...func(*signet.PINApplication)) *application {
	w.t.Helper()
	now := w.clock.Now()
	app := &signet.PINApplication{ID: signet.NewClientID(), PINHash: "hash:" + pin, CreatedAt: now, UpdatedAt: now}
	app.Username, app.Mode = name, mode
	for _, c := range change {
		c(app)
	}
	a := &application{PINApplication: app, w: w}
	a.addKey()
	client := &signet.Client{ID: app.ID, ClientMetadata: ClientFor(app.PINApplicationMetadata), CreatedAt: now, UpdatedAt: now}
	user := &signet.User{ID: app.UserID(), Username: string(app.UserID()), CreatedAt: now, UpdatedAt: now}
	w.must(w.store.InsertPINApplication(w.t.Context(), app, client, user, app.Keys, w.event(signet.EventPINApplicationCreated)))
	return a
}

// addKey gives an application that is not yet written one more key.
func (a *application) addKey() {
	key := []byte(strings.Repeat(string(rune('A'+len(a.Keys))), keyLength(a.Mode)))
	copy(key[1:], a.ID)
	sealed := signet.SealedKey{ID: signet.NewKeyID(), Owner: signet.OwnerPINApplication + string(a.ID), Use: signet.KeyPIN, CreatedAt: a.w.clock.Now()}
	a.w.ring.SealRecord(&sealed, key)
	a.Keys = append(a.Keys, sealed)
	a.keys = append(a.keys, key)
}

// encrypt makes a password under the first key.
func (a *application) encrypt(pin string) string {
	a.w.t.Helper()
	password, err := Encrypt(a.Mode, a.keys[0], a.Username, pin, a.w.clock.Now())
	a.w.must(err)
	return password
}

// reply is what came back.
type reply struct {
	*httptest.ResponseRecorder
	body string
}

// send posts a body from an address.
func (w *world) send(address, path, body string) reply {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.RemoteAddr = address + ":4000"
	r.Header.Set("Content-Type", "application/json")
	return w.do(r)
}

func (w *world) do(r *http.Request) reply {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return reply{rec, rec.Body.String()}
}

func (w *world) logIn(address, name, password string) reply {
	return w.send(address, "/auth", `{"username":"`+name+`","password":"`+password+`"}`)
}

// want checks a whole answer: its status and the bytes that belong to the status.
func (r reply) want(t *testing.T, what string, status int) {
	t.Helper()
	if r.Code != status || status != http.StatusOK && r.body != golden[status] {
		t.Errorf("%s: %d %s, want %d", what, r.Code, r.body, status)
	}
}

// golden is the one answer of each failing status.
var golden = map[int]string{
	400: `{"status":400,"message":"bad request","data":null,"execTime":0,"error":"invalid_request"}`,
	401: `{"status":401,"message":"authentication failed","data":null,"execTime":0,"error":"invalid_credentials"}`,
	413: `{"status":413,"message":"request body too large","data":null,"execTime":0,"error":"request_too_large"}`,
	415: `{"status":415,"message":"unsupported media type","data":null,"execTime":0,"error":"unsupported_media_type"}`,
	429: `{"status":429,"message":"too many attempts","data":null,"execTime":0,"error":"too_many_attempts"}`,
	500: `{"status":500,"message":"internal server error","data":null,"execTime":0,"error":"server_error"}`,
	503: `{"status":503,"message":"service unavailable","data":null,"execTime":0,"error":"temporarily_unavailable"}`,
}

// sealFixed encrypts under a constant IV.
func sealFixed(t *testing.T, key []byte, iv, pin string) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(iv)
	if err != nil {
		t.Fatal(err)
	}
	return sealCBC(block, raw, pin)
}

// addRotated writes an application with an old key, which ends, and a new one.
func (w *world) addRotated(name string, ends time.Time) *application {
	w.t.Helper()
	a := w.add(name, signet.PINv2, func(app *signet.PINApplication) {
		old := &application{PINApplication: app, w: w}
		old.addKey()
		app.Keys[0].ExpiresAt = &ends
	})
	first := &application{PINApplication: &signet.PINApplication{ID: a.ID}, w: w}
	first.Mode = a.Mode
	first.addKey()
	a.keys = [][]byte{first.keys[0], a.keys[0]}
	return a
}

// under encrypts the PIN under one of the keys.
func (a *application) under(i int) string {
	a.w.t.Helper()
	password, err := Encrypt(a.Mode, a.keys[i], a.Username, pin, a.w.clock.Now())
	a.w.must(err)
	return password
}

// text is what was logged.
func (w *world) text() string {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.logs.String()
}

func (w *world) request(method, path string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr = home + ":4000"
	return r
}

// warm runs the store's poller, so that records come from the cache as they do in a node at work.
func (w *world) warm() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.store.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
}

// reads counts the look-ups of applications: each is one read of the database.
type reads struct {
	Applications
	database atomic.Int64
}

func countReads(into *Applications) *reads {
	r := &reads{Applications: *into}
	*into = r
	return r
}

func (r *reads) PINApplication(ctx context.Context, name string) (*signet.PINApplication, error) {
	r.database.Add(1)
	return r.Applications.PINApplication(ctx, name)
}

func (r *reads) PINApplicationByID(ctx context.Context, id signet.ClientID) (*signet.PINApplication, error) {
	r.database.Add(1)
	return r.Applications.PINApplicationByID(ctx, id)
}
