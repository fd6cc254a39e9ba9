package oauth

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/revocation"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/storage/sqlstore"
	"github.com/signet-auth/signet/templates"
)

const houseIssuer = "https://as.test"

// clock is a time that tests move.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) forward(d time.Duration) { c.at.Add(int64(d)) }

// authHouse is the authorization side on a real SQLite store, a real key ring and the real HTTP kit. Only who sits at the
// browser is played: pkg/login is another room.
type authHouse struct {
	t       *testing.T
	clock   *clock
	store   *sqlstore.Store
	ring    *keys.Ring
	server  *Server
	handler http.Handler
	log     *bytes.Buffer
	issued  *countedGrants
	records *brittleRecords
	seats   *seats
}

// countedGrants counts the codes that were written: must_not says "no code row".
type countedGrants struct {
	Grants
	codes atomic.Int64
}

func (g *countedGrants) IssueCode(ctx context.Context, grant *signet.Grant, code *signet.AuthorizationCode) error {
	err := g.Grants.IssueCode(ctx, grant, code)
	if err == nil {
		g.codes.Add(1)
	}
	return err
}

// brittleRecords fails on demand, as a database that is away does, and otherwise asks the store.
type brittleRecords struct {
	Records
	client, user, consent atomic.Bool
	looked                func() // after a look at a consent, when set
}

func (b *brittleRecords) Client(ctx context.Context, id signet.ClientID) (*signet.Client, error) {
	if b.client.Load() {
		return nil, signet.Unavailable(io.ErrUnexpectedEOF)
	}
	return b.Records.Client(ctx, id)
}

func (b *brittleRecords) User(ctx context.Context, id signet.UserID) (*signet.User, error) {
	if b.user.Load() {
		return nil, signet.Unavailable(io.ErrUnexpectedEOF)
	}
	return b.Records.User(ctx, id)
}

func (b *brittleRecords) Consent(ctx context.Context, u signet.UserID, c signet.ClientID) (*signet.Consent, error) {
	if b.consent.Load() {
		return nil, signet.Unavailable(io.ErrUnexpectedEOF)
	}
	consent, err := b.Records.Consent(ctx, u, c)
	if b.looked != nil {
		b.looked()
	}
	return consent, err
}

// seats plays pkg/login: the cookie "seat" is the browser, and whoever was put there is logged in.
type seats struct {
	mu   sync.Mutex
	by   map[string]*signet.Session
	read atomic.Int64 // how often a cookie was looked at
}

func (s *seats) Session(r *http.Request) (*signet.Session, error) {
	s.read.Add(1)
	cookie, err := r.Cookie("seat")
	if err != nil {
		return nil, nil //nolint:nilerr // no cookie, nobody
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session, ok := s.by[cookie.Value]
	if !ok {
		return nil, nil
	}
	copied := *session
	return &copied, nil
}

func (s *seats) Bound(r *http.Request) string {
	s.read.Add(1)
	cookie, err := r.Cookie("seat")
	if err != nil {
		return ""
	}
	return "hash of " + cookie.Value
}

func (s *seats) Bind(w http.ResponseWriter, r *http.Request) string {
	if browser := s.Bound(r); browser != "" {
		return browser
	}
	http.SetCookie(w, &http.Cookie{Name: "seat", Value: "fresh"})
	return "hash of fresh"
}

type noMarks struct{}

func (noMarks) Use(context.Context, signet.Mark) error { return nil }

type noFailures struct{}

func (noFailures) Refused(context.Context, string) (int, bool) { return 0, false }
func (noFailures) Failed(context.Context, string)              {}

func newAuthHouse(t *testing.T) *authHouse {
	t.Helper()
	h := &authHouse{t: t, clock: &clock{}, log: &bytes.Buffer{}, seats: &seats{by: map[string]*signet.Session{}}}
	h.clock.at.Store(time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC).UnixNano())
	log := slog.New(slog.NewJSONHandler(&lockedWriter{w: h.log}, nil))
	ctx := t.Context()
	store, err := sqlstore.Open(ctx, sqlstore.Options{
		Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "house.db"), Now: h.clock.now, Node: signet.NewNodeID(), Log: log,
	})
	must(t, err)
	t.Cleanup(func() { _ = store.Close() })
	must(t, store.Migrate(ctx))
	h.store = store
	kek := make([]byte, 32)
	_, _ = rand.Read(kek)
	h.ring, err = keys.New(keys.Options{
		Store: store, KEKs: map[string][]byte{"k": kek}, CurrentKEK: "k", Now: h.clock.now, Log: log,
		Plan: keys.Plan{JWKSMaxAge: 5 * time.Minute, LongestToken: time.Hour, HintRetention: 90 * 24 * time.Hour, Leeway: 10 * time.Second},
	})
	must(t, err)
	must(t, h.ring.Start(ctx))
	revoked, err := revocation.New(revocation.Options{Journal: store, Now: h.clock.now, Log: log})
	must(t, err)
	prover, err := clientauth.New(clientauth.Options{
		Clients: store, Marks: noMarks{}, Failures: noFailures{}, Alarms: store, HashKeys: h.ring.HashKeys, Issuer: houseIssuer,
		TokenEndpoints: []string{houseIssuer + "/token"}, Now: h.clock.now,
	})
	must(t, err)
	pages, err := templates.New()
	must(t, err)
	h.issued, h.records = &countedGrants{Grants: store}, &brittleRecords{Records: store}
	h.server, err = New(Options{
		Issuer: houseIssuer, Records: h.records, Tx: store, Grants: h.issued, AccessTokens: store, RefreshTokens: store,
		Browser: h.seats, Flows: h.ring, Events: store, Keys: h.ring, Revocation: revoked, ClientAuth: prover, Pages: pages,
		Now: h.clock.now, Log: log,
	})
	must(t, err)
	h.handler, err = web.New(web.Options{
		Routes: h.server.Routes(), Origins: store, Log: log, Now: h.clock.now, HTTPS: true,
		TrustedProxies: []netip.Prefix{},
	})
	must(t, err)
	h.seed()
	return h
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The catalogue's fixtures.
const (
	idC1   signet.ClientID = "c1"  // confidential, https://rp.test/cb and a second URI with a query
	idC2   signet.ClientID = "c2"  // confidential, https://rp2.test/cb
	idPub  signet.ClientID = "pub" // public native
	idSPA  signet.ClientID = "spa" // public, https
	idLax  signet.ClientID = "lax" // confidential, first party, require_pkce false
	idOff  signet.ClientID = "off" // disabled
	userU1 signet.UserID   = "11111111-1111-4111-8111-111111111111"
	userU2 signet.UserID   = "22222222-2222-4222-8222-222222222222"
)

const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B

func (h *authHouse) seed() {
	h.t.Helper()
	ctx, at := h.t.Context(), h.clock.now().Add(-time.Hour)
	off, no := at, false
	add := func(id signet.ClientID, method signet.AuthMethod, change func(c *signet.Client)) {
		c := &signet.Client{ID: id, CreatedAt: at, UpdatedAt: at, Version: 1, ClientMetadata: signet.ClientMetadata{
			ClientName: "Client " + string(id), TokenEndpointAuthMethod: method, Scope: "openid profile email offline_access read",
			GrantTypes: []string{signet.GrantAuthorizationCode, signet.GrantRefreshToken},
		}}
		change(c)
		must(h.t, h.store.InsertClient(ctx, c, signet.Event{ID: signet.NewEventID(), Kind: signet.EventClientCreated, At: at, Actor: "system"}))
	}
	add(idC1, signet.AuthSecretBasic, func(c *signet.Client) {
		c.RedirectURIs = []string{"https://rp.test/cb", "https://rp.test/q?tenant=1"}
		c.Audiences = []string{"https://api.test", "https://api2.test"}
	})
	add(idC2, signet.AuthSecretBasic, func(c *signet.Client) { c.RedirectURIs = []string{"https://rp2.test/cb"} })
	add(idPub, signet.AuthNone, func(c *signet.Client) {
		c.ApplicationType = "native"
		c.RedirectURIs = []string{"com.example.app:/cb", "http://127.0.0.1/cb", "http://[::1]/cb"}
	})
	add(idSPA, signet.AuthNone, func(c *signet.Client) { c.RedirectURIs = []string{"https://spa.test/cb"} })
	add(idLax, signet.AuthSecretBasic, func(c *signet.Client) {
		c.RedirectURIs, c.RequirePKCE, c.FirstParty = []string{"https://lax.test/cb"}, &no, true
		c.GrantTypes = []string{signet.GrantAuthorizationCode}
	})
	add(idOff, signet.AuthSecretBasic, func(c *signet.Client) { c.RedirectURIs, c.DisabledAt = []string{"https://off.test/cb"}, &off })
	for id, name := range map[signet.UserID]string{userU1: "alice", userU2: "bob"} {
		u := &signet.User{ID: id, Username: name, Profile: signet.Profile{Email: name + "@users.test"}, CreatedAt: at, UpdatedAt: at, Version: 1}
		must(h.t, h.store.InsertUser(ctx, u, signet.Event{ID: signet.NewEventID(), Kind: signet.EventUserCreated, At: at, Actor: "system"}))
	}
}

// login seats a user at a browser, authenticated now.
func (h *authHouse) login(seat string, user signet.UserID) *signet.Session {
	h.t.Helper()
	now := h.clock.now().Truncate(time.Microsecond)
	session := &signet.Session{
		ID: signet.NewSessionID(), Hash: h.ring.HashKeys().Hash(seat + now.String()), UserID: user, AuthTime: now, ACR: "urn:test", AMR: []string{"pwd"},
		LastSeenAt: now, CreatedAt: now, IdleExpiresAt: now.Add(12 * time.Hour), ExpiresAt: now.Add(24 * time.Hour),
	}
	must(h.t, h.store.CreateSession(h.t.Context(), session, "", h.event(signet.EventLoginSucceeded)))
	h.seats.mu.Lock()
	h.seats.by[seat] = session
	h.seats.mu.Unlock()
	return session
}

// allow is a click on the consent page now.
func (h *authHouse) allow(user signet.UserID, client signet.ClientID, scope string) {
	h.t.Helper()
	parsed, err := signet.ParseScope(scope)
	must(h.t, err)
	now := h.clock.now().Truncate(time.Microsecond)
	must(h.t, h.store.GrantConsent(h.t.Context(), &signet.Consent{UserID: user, ClientID: client, Scope: parsed, GrantedAt: now, ConfirmedAt: now},
		h.event(signet.EventConsentGranted)))
}

func (h *authHouse) event(kind signet.EventKind) signet.Event {
	return signet.Event{ID: signet.NewEventID(), Kind: kind, At: h.clock.now(), Actor: "test"}
}

// settle logs alice in at seat "a" and has her allow everything to every client, long before any flow.
func (h *authHouse) settle() {
	h.t.Helper()
	h.login("a", userU1)
	for _, id := range []signet.ClientID{idC1, idC2, idPub, idSPA} {
		h.allow(userU1, id, "openid profile email offline_access read")
	}
	h.clock.forward(time.Minute)
}

// hp is the happy-path request of a client (HP in the catalogue), with changes: "name", "value" pairs; "" removes.
func hp(client signet.ClientID, changes ...string) url.Values {
	redirect := map[signet.ClientID]string{
		idC1: "https://rp.test/cb", idC2: "https://rp2.test/cb", idPub: "http://127.0.0.1:5000/cb", idSPA: "https://spa.test/cb",
		idLax: "https://lax.test/cb", idOff: "https://off.test/cb",
	}[client]
	v := url.Values{
		"client_id": {string(client)}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid email"},
		"state": {"the state"}, "nonce": {"n-1"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "" {
			v.Del(changes[i])
		} else {
			v.Set(changes[i], changes[i+1])
		}
	}
	return v
}

// get sends a GET from a seat ("" has no cookie).
func (h *authHouse) get(seat, target string) *httptest.ResponseRecorder {
	return h.send(seat, httptest.NewRequest(http.MethodGet, target, nil))
}

func (h *authHouse) authorize(seat string, params url.Values) *httptest.ResponseRecorder {
	return h.get(seat, "/authorize?"+params.Encode())
}

func (h *authHouse) post(seat string, params url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/authorize", strings.NewReader(params.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return h.send(seat, r)
}

func (h *authHouse) send(seat string, r *http.Request) *httptest.ResponseRecorder {
	if seat != "" {
		r.AddCookie(&http.Cookie{Name: "seat", Value: seat})
	}
	r.Host = "as.test"
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

// answer reads a redirect to a client: it must be a 303 to base, and returns what was appended.
func (h *authHouse) answer(w *httptest.ResponseRecorder, base string) url.Values {
	h.t.Helper()
	location := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(location, base) {
		h.t.Errorf("%d to %q, want a 303 to %s\n%s", w.Code, location, base, w.Body)
		return url.Values{}
	}
	rest := strings.TrimLeft(location[len(base):], "?&")
	values, err := url.ParseQuery(rest)
	must(h.t, err)
	if got := values.Get("iss"); got != houseIssuer {
		h.t.Errorf("iss %q", got)
	}
	for name := range values {
		if !strings.Contains(" code state iss error error_description ", " "+name+" ") {
			h.t.Errorf("foreign member %s", name)
		}
	}
	return values
}

// refused expects an error redirect with state and without a code.
func (h *authHouse) refused(w *httptest.ResponseRecorder, base, code string) {
	h.t.Helper()
	values := h.answer(w, base)
	if values.Get("error") != code || values.Get("state") != "the state" || values.Has("code") {
		h.t.Errorf("%v, want error %s", values, code)
	}
}

// page expects the error page and no redirect.
func (h *authHouse) page(w *httptest.ResponseRecorder, status int) {
	h.t.Helper()
	header := w.Header()
	if w.Code != status || header.Get("Location") != "" || header.Get("Content-Type") != "text/html; charset=utf-8" ||
		header.Get("Cache-Control") != "no-store" || !strings.Contains(w.Body.String(), `id="error"`) {
		h.t.Errorf("%d %v\n%s", w.Code, header, w.Body)
	}
}

// flow returns the sealed flow of a redirect to one of our pages.
func (h *authHouse) flow(w *httptest.ResponseRecorder, path string) string {
	h.t.Helper()
	u, err := url.Parse(w.Header().Get("Location"))
	must(h.t, err)
	if w.Code != http.StatusSeeOther || u.Host != "" || u.Path != path || u.Query().Get("flow") == "" {
		h.t.Errorf("%d to %q, want %s\n%s", w.Code, u, path, w.Body)
	}
	return u.Query().Get("flow")
}

// resume comes back from a page.
func (h *authHouse) resume(seat, sealed string) *httptest.ResponseRecorder {
	return h.get(seat, "/authorize?flow="+url.QueryEscape(sealed))
}

// idToken signs claims as an ID token of ours, typ as given.
func (h *authHouse) idToken(typ string, claims map[string]any) string {
	h.t.Helper()
	payload, err := json.Marshal(claims)
	must(h.t, err)
	jws, _, err := h.ring.Sign("RS256", typ, payload)
	must(h.t, err)
	return jws
}
