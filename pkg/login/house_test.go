package login_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/storage/sqlstore"
	"github.com/signet-auth/signet/storage/storagetest"
	"github.com/signet-auth/signet/templates"
)

const (
	issuer   = "https://id.test"
	password = "correct horse battery staple"
	rpReturn = "https://rp.test/cb"
	rpLogout = "https://rp.test/out"
)

// house is the room on a real store and a real ring, behind the real HTTP kit.
type house struct {
	t         *testing.T
	clock     *storagetest.Clock
	store     *sqlstore.Store
	ring      *keys.Ring
	passwords *login.Passwords
	attempts  *switchable
	meter     *meter
	login     *login.Login
	handler   http.Handler
	client    *signet.Client
	ada       *signet.User // can log in with password
}

// switchable is the counters with a switch: off, they are an outage. It counts what is asked of them.
type switchable struct {
	login.Attempts
	off      atomic.Bool
	late     atomic.Bool // it counts, and its answer does not come in time
	commands atomic.Int64
	keys     sync.Map
}

func (s *switchable) Reserve(ctx context.Context, key string, window time.Duration) (int, time.Duration, error) {
	s.commands.Add(1)
	s.keys.Store(key, true)
	if s.off.Load() {
		return 0, 0, signet.Unavailable(errors.New("counters are away"))
	}
	if s.late.Load() {
		_, _, err := s.Attempts.Reserve(ctx, key, window)
		return 0, 0, errors.Join(signet.Unavailable(errors.New("the answer of the counters was lost")), err)
	}
	return s.Attempts.Reserve(ctx, key, window)
}

func (s *switchable) Release(ctx context.Context, key string) error {
	s.commands.Add(1)
	if s.off.Load() {
		return signet.Unavailable(errors.New("counters are away"))
	}
	return s.Attempts.Release(ctx, key)
}

// hints knows the ID tokens of the test by their names.
type hints map[string]*signet.IDTokenHint

func (h hints) IDTokenHint(_ context.Context, raw string) (*signet.IDTokenHint, error) {
	if hint, ok := h[raw]; ok {
		return hint, nil
	}
	return nil, signet.NewError(signet.CodeInvalidRequest, "The id_token_hint is not valid.", "hint_signature")
}

// meter counts what Login tells the alarms, by kind and label.
type meter struct {
	mu    sync.Mutex
	count map[string]int
}

func (m *meter) LoginFailed(outcome string)  { m.add("failed " + outcome) }
func (m *meter) LoginThrottled(limit string) { m.add("throttled " + limit) }

func (m *meter) add(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count[what]++
}

func (m *meter) of(what string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count[what]
}

func newHouse(t *testing.T, change ...func(*login.Options)) *house {
	t.Helper()
	h := &house{t: t, clock: storagetest.NewClock(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	h.store, err = sqlstore.Open(t.Context(), sqlstore.Options{
		Driver: sqlstore.DriverSQLite, DSN: filepath.Join(t.TempDir(), "signet.db"), Now: h.clock.Now, Node: signet.NewNodeID(), Log: log,
	})
	h.must(err)
	t.Cleanup(func() { _ = h.store.Close() })
	h.must(h.store.Migrate(t.Context()))
	h.ring, err = keys.New(keys.Options{
		Store: h.store, KEKs: map[string][]byte{"k": []byte(strings.Repeat("k", 32))}, CurrentKEK: "k", Now: h.clock.Now,
		Plan:        keys.Plan{JWKSMaxAge: time.Minute, LongestToken: time.Hour, HintRetention: time.Hour},
		SigningAlgs: []string{"ES256"},
	})
	h.must(err)
	h.must(h.ring.Start(t.Context()))
	h.passwords = newPasswords(t, login.PasswordsOptions{Workers: 2, Queue: 1000})
	h.attempts = &switchable{Attempts: h.store.Attempts()}
	h.meter = &meter{count: map[string]int{}}
	pages, err := templates.New()
	h.must(err)
	opts := login.Options{
		Issuer: issuer, Records: h.store, Sessions: h.store, Consents: h.store, Memberships: h.store, Attempts: h.attempts, Flows: h.ring,
		Hints: hints{}, Events: h.store, HashKeys: h.ring.HashKeys, Sealer: h.ring, Passwords: h.passwords, Pages: pages,
		Meter: h.meter, Secure: true, Now: h.clock.Now, Log: log,
	}
	for _, c := range change {
		c(&opts)
	}
	h.login, err = login.New(opts)
	h.must(err)
	h.handler, err = web.New(web.Options{Routes: h.login.Routes(), Log: log, Now: h.clock.Now, HTTPS: true, Limits: web.Limits{Off: true}})
	h.must(err)
	h.client = h.addClient("Aurora Notes", nil)
	h.ada = h.addUser("ada", password, nil)
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) event(kind signet.EventKind) signet.Event {
	return signet.Event{ID: signet.NewEventID(), Kind: kind, At: h.clock.Now(), Actor: "system"}
}

func (h *house) addClient(name string, change func(*signet.Client)) *signet.Client {
	h.t.Helper()
	c := &signet.Client{ID: signet.NewClientID(), CreatedAt: h.clock.Now(), UpdatedAt: h.clock.Now(), ClientMetadata: signet.ClientMetadata{
		ClientName: name, RedirectURIs: []string{rpReturn}, PostLogoutRedirectURIs: []string{rpLogout},
		TokenEndpointAuthMethod: signet.AuthNone, GrantTypes: []string{signet.GrantAuthorizationCode},
		Scope: "openid profile email offline_access",
	}}
	if change != nil {
		change(c)
	}
	h.must(h.store.InsertClient(h.t.Context(), c, h.event(signet.EventClientCreated)))
	return c
}

func (h *house) addUser(name, password string, change func(*signet.User)) *signet.User {
	h.t.Helper()
	u := &signet.User{
		ID: signet.NewUserID(), Username: name, CreatedAt: h.clock.Now(), UpdatedAt: h.clock.Now(),
		Profile: signet.Profile{Name: "Person " + name, Email: name + "@users.test"},
	}
	if password != "" {
		var err error
		u.PasswordHash, err = h.passwords.Hash(h.t.Context(), password)
		h.must(err)
	}
	if change != nil {
		change(u)
	}
	h.must(h.store.InsertUser(h.t.Context(), u, h.event(signet.EventUserCreated)))
	if u.DisabledAt != nil {
		h.must(h.store.SetUserDisabled(h.t.Context(), u.ID, true, h.event(signet.EventUserDisabled)))
	}
	return u
}

// browser keeps cookies and lives in a network.
type browser struct {
	h       *house
	address string
	cookies map[string]string
}

func (h *house) browser(address string) *browser {
	b := &browser{h: h, address: address, cookies: map[string]string{}}
	rec := httptest.NewRecorder()
	h.login.Bind(rec, httptest.NewRequest(http.MethodGet, "/authorize", nil))
	b.take(rec)
	return b
}

func (b *browser) take(rec *httptest.ResponseRecorder) {
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
}

func (b *browser) copy() *browser {
	return &browser{h: b.h, address: b.address, cookies: maps.Clone(b.cookies)}
}

// answer is what came back.
type answer struct {
	*httptest.ResponseRecorder
	body string
}

func (a answer) location() string { return a.Header().Get("Location") }

func (b *browser) request(method, target string, form url.Values, headers map[string]string) *http.Request {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	r.RemoteAddr = b.address + ":4000"
	r.Host = "id.test"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return r
}

func (b *browser) do(r *http.Request) answer {
	rec := httptest.NewRecorder()
	b.h.handler.ServeHTTP(rec, r)
	b.take(rec)
	return answer{rec, rec.Body.String()}
}

func (b *browser) get(target string) answer {
	return b.do(b.request(http.MethodGet, target, nil, nil))
}

func (b *browser) post(target string, form url.Values) answer {
	return b.do(b.request(http.MethodPost, target, form, map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": issuer}))
}

// flow seals a pending request of this browser.
func (b *browser) flow(change ...func(*signet.Flow)) string {
	b.h.t.Helper()
	r := b.request(http.MethodGet, "/authorize", nil, nil)
	f := &signet.Flow{
		ID: signet.NewID(), Purpose: signet.FlowAuthorize, Browser: b.h.login.Bind(httptest.NewRecorder(), r),
		CreatedAt: b.h.clock.Now(), ClientID: b.h.client.ID,
		Params: map[string]string{"client_id": string(b.h.client.ID), "redirect_uri": rpReturn, "scope": "openid email", "state": "s"},
	}
	for _, c := range change {
		c(f)
	}
	sealed, err := b.h.ring.SealFlow(f)
	b.h.must(err)
	return sealed
}

func (b *browser) logIn(name, secret string) answer {
	return b.post("/login", url.Values{"flow": {b.flow()}, "username": {name}, "password": {secret}})
}

// bound is the hash of the browser's binding cookie.
func (b *browser) bound() string {
	return b.h.login.Bound(b.request(http.MethodGet, "/", nil, nil))
}

// session is who the server thinks sits here.
func (b *browser) session() *signet.Session {
	b.h.t.Helper()
	s, err := b.h.login.Session(b.request(http.MethodGet, "/", nil, nil))
	b.h.must(err)
	return s
}

// events returns the history of a kind, oldest first.
func (h *house) events(kind signet.EventKind) []signet.Event {
	h.t.Helper()
	var out []signet.Event
	after := ""
	for {
		page, err := h.store.ListEvents(h.t.Context(), after, 200)
		h.must(err)
		for _, e := range page {
			if e.Kind == kind {
				out = append(out, e)
			}
		}
		if len(page) < 200 {
			slices.Reverse(out) // the store tells the newest first
			return out
		}
		after = string(page[len(page)-1].ID)
	}
}

// field returns the value of the hidden field of a page.
func field(t *testing.T, page, name string) string {
	t.Helper()
	n := find(t, page, func(n *html.Node) bool { return n.Data == "input" && attr(n, "name") == name })
	if n == nil {
		t.Fatalf("no field %s on the page:\n%s", name, page)
	}
	return attr(n, "value")
}

func hasID(t *testing.T, page, id string) bool {
	t.Helper()
	return find(t, page, func(n *html.Node) bool { return attr(n, "id") == id }) != nil
}

func find(t *testing.T, page string, match func(*html.Node) bool) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && match(n) {
			return n
		}
	}
	return nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
