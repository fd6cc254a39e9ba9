package oauth

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
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

const (
	tokenIssuer   = "https://token.test"
	tokenRedirect = "https://rp.test/cb"
	// The pair of RFC 7636 appendix B.
	pairVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	pairChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// tokenClock is a time that tests move.
type tokenClock struct{ at atomic.Int64 }

func (c *tokenClock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *tokenClock) forward(d time.Duration) { c.at.Add(int64(d)) }

// switches makes single store calls fail on demand, as a database that is away does. Off, everything is the real store.
type switches struct {
	*sqlstore.Store
	insertRefresh, revokeGrant, writeRevocations, revocationsOf, accessToken atomic.Bool
	user                                                                     atomic.Bool
	reads                                                                    atomic.Int64 // of refresh tokens and codes
	transactions                                                             atomic.Int64
}

var errAway = signet.Unavailable(context.DeadlineExceeded)

func (s *switches) InsertRefreshToken(ctx context.Context, t *signet.RefreshToken) error {
	if s.insertRefresh.Load() {
		return errAway
	}
	return s.Store.InsertRefreshToken(ctx, t)
}

func (s *switches) RefreshToken(ctx context.Context, h []signet.SecretHash) (*signet.RefreshTokenState, error) {
	s.reads.Add(1)
	return s.Store.RefreshToken(ctx, h)
}

func (s *switches) Code(ctx context.Context, h []signet.SecretHash) (*signet.AuthorizationCode, *signet.Grant, error) {
	s.reads.Add(1)
	return s.Store.Code(ctx, h)
}

func (s *switches) AccessToken(ctx context.Context, h []signet.SecretHash) (*signet.AccessToken, error) {
	if s.accessToken.Load() {
		return nil, errAway
	}
	return s.Store.AccessToken(ctx, h)
}

func (s *switches) RevokeGrant(ctx context.Context, id signet.GrantID, reason string, ev signet.Event) error {
	if s.revokeGrant.Load() {
		return errAway
	}
	return s.Store.RevokeGrant(ctx, id, reason, ev)
}

func (s *switches) WriteRevocations(ctx context.Context, e []signet.Revocation, ev signet.Event) error {
	if s.writeRevocations.Load() {
		return errAway
	}
	return s.Store.WriteRevocations(ctx, e, ev)
}

func (s *switches) RevocationsOf(ctx context.Context, f signet.TokenFacts) ([]signet.Revocation, error) {
	if s.revocationsOf.Load() {
		return nil, errAway
	}
	return s.Store.RevocationsOf(ctx, f)
}

func (s *switches) User(ctx context.Context, id signet.UserID) (*signet.User, error) {
	if s.user.Load() {
		return nil, errAway
	}
	return s.Store.User(ctx, id)
}

func (s *switches) InTx(ctx context.Context, fn func(context.Context) error) error {
	s.transactions.Add(1)
	return s.Store.InTx(ctx, fn)
}

// emptySeats is a browser at which nobody sits.
type emptySeats struct{}

func (emptySeats) Session(*http.Request) (*signet.Session, error) { return nil, nil }
func (emptySeats) Bind(http.ResponseWriter, *http.Request) string { return "" }
func (emptySeats) Bound(*http.Request) string                     { return "" }
func (emptySeats) Refused(context.Context, string) (int, bool)    { return 0, false }
func (emptySeats) Failed(context.Context, string)                 {}

// tokenHouse is the token side on a real SQLite store, a real key ring, real client authentication and the HTTP kit.
type tokenHouse struct {
	t       testing.TB
	clock   *tokenClock
	store   *switches
	ring    *keys.Ring
	server  *Server
	handler http.Handler
	log     *bytes.Buffer
	algs    []string
	secrets map[signet.ClientID]string
	user    signet.UserID
	session signet.SessionID
}

func newTokenHouse(t testing.TB) *tokenHouse {
	t.Helper()
	return newTokenHouseOf(t, nil)
}

// newTokenHouseOf has keys of these algorithms; without RS256 its clients' ID tokens are ES256. An RSA key takes 0.1 s.
func newTokenHouseOf(t testing.TB, algs []string, change ...func(*Options)) *tokenHouse {
	t.Helper()
	h := &tokenHouse{t: t, algs: algs, clock: &tokenClock{}, log: &bytes.Buffer{}, secrets: map[signet.ClientID]string{}}
	h.clock.at.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	log := slog.New(slog.NewJSONHandler(&sharedWriter{w: h.log}, nil))
	ctx := t.Context()
	store, err := sqlstore.Open(ctx, sqlstore.Options{
		Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "token.db"), Now: h.clock.now, Node: signet.NewNodeID(), Log: log,
	})
	ok(t, err)
	t.Cleanup(func() { _ = store.Close() })
	ok(t, store.Migrate(ctx))
	h.store = &switches{Store: store}
	kek := make([]byte, 32)
	_, _ = rand.Read(kek)
	h.ring, err = keys.New(keys.Options{
		Store: store, KEKs: map[string][]byte{"k": kek}, CurrentKEK: "k", Now: h.clock.now, Log: log, SigningAlgs: algs,
		Plan: keys.Plan{JWKSMaxAge: 5 * time.Minute, LongestToken: 90 * 24 * time.Hour, HintRetention: 90 * 24 * time.Hour, Leeway: 10 * time.Second},
	})
	ok(t, err)
	ok(t, h.ring.Start(ctx))
	revoked, err := revocation.New(revocation.Options{Journal: h.store, Now: h.clock.now, Log: log})
	ok(t, err)
	prover, err := clientauth.New(clientauth.Options{
		Clients: store, Marks: store.Marks(), Failures: emptySeats{}, Alarms: store, HashKeys: h.ring.HashKeys, Issuer: tokenIssuer,
		TokenEndpoints: []string{tokenIssuer + "/token"}, Now: h.clock.now,
	})
	ok(t, err)
	pages, err := templates.New()
	ok(t, err)
	options := Options{
		Issuer: tokenIssuer, Records: h.store, Tx: h.store, Grants: h.store, AccessTokens: h.store, RefreshTokens: h.store,
		Browser: emptySeats{}, Flows: h.ring, Events: store, Keys: h.ring, Revocation: revoked, ClientAuth: prover, Pages: pages,
		Now: h.clock.now, Log: log,
	}
	for _, f := range change {
		f(&options)
	}
	h.server, err = New(options)
	ok(t, err)
	h.handler, err = web.New(web.Options{
		Routes: h.server.Routes(), Origins: store, Log: log, Now: h.clock.now, HTTPS: true,
		Limits: web.Limits{Off: true},
	})
	ok(t, err)
	h.seed()
	h.clock.forward(time.Minute)
	return h
}

type sharedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (s *sharedWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Clients of the house.
const (
	conf    signet.ClientID = "conf"    // confidential, PKCE required
	lax     signet.ClientID = "lax"     // confidential, require_pkce false
	pub     signet.ClientID = "pub"     // public
	other   signet.ClientID = "other"   // confidential, another
	service signet.ClientID = "service" // client_credentials
	rs      signet.ClientID = "rs"      // may introspect
	opaque  signet.ClientID = "opaque"  // access_token_format opaque
	codes   signet.ClientID = "codes"   // authorization_code alone
)

func (h *tokenHouse) event(kind signet.EventKind) signet.Event {
	return signet.Event{ID: signet.NewEventID(), Kind: kind, At: h.clock.now(), Actor: "test"}
}

func (h *tokenHouse) client(id signet.ClientID, method signet.AuthMethod, change func(*signet.Client)) {
	h.t.Helper()
	now := h.clock.now()
	c := &signet.Client{ID: id, CreatedAt: now, UpdatedAt: now, Version: 1, ClientMetadata: signet.ClientMetadata{
		ClientName: "Client " + string(id), TokenEndpointAuthMethod: method,
		Scope:        "openid profile email phone address offline_access read write",
		GrantTypes:   []string{signet.GrantAuthorizationCode, signet.GrantRefreshToken},
		RedirectURIs: []string{tokenRedirect},
	}}
	if method == signet.AuthSecretPost || method == signet.AuthSecretBasic {
		secret := signet.NewSecret(signet.SecretClient)
		h.secrets[id] = secret.Reveal()
		c.Secrets = []signet.ClientSecret{{ID: signet.NewID(), Hash: h.ring.HashKeys().Hash(secret.Reveal()), CreatedAt: now}}
	}
	if h.algs != nil {
		c.IDTokenSignedAlg = h.algs[0]
	}
	change(c)
	ok(h.t, h.store.InsertClient(h.t.Context(), c, h.event(signet.EventClientCreated)))
}

func (h *tokenHouse) seed() {
	h.t.Helper()
	no := false
	keep := func(*signet.Client) {}
	h.client(conf, signet.AuthSecretPost, func(c *signet.Client) { c.Origins = []string{"https://rp.test"} })
	h.client(lax, signet.AuthSecretPost, func(c *signet.Client) { c.RequirePKCE = &no })
	h.client(pub, signet.AuthNone, keep)
	h.client(other, signet.AuthSecretPost, keep)
	h.client(service, signet.AuthSecretPost, func(c *signet.Client) { c.GrantTypes = []string{signet.GrantClientCredentials} })
	h.client(rs, signet.AuthSecretPost, func(c *signet.Client) { c.GrantTypes, c.Introspect = nil, true })
	h.client(opaque, signet.AuthSecretPost, func(c *signet.Client) {
		c.AccessTokenFormat = "opaque"
		c.GrantTypes = append(c.GrantTypes, signet.GrantClientCredentials)
	})
	h.client(codes, signet.AuthSecretPost, func(c *signet.Client) { c.GrantTypes = []string{signet.GrantAuthorizationCode} })
	h.user = h.person("alice")
	h.clock.forward(time.Second)
	h.session = h.login(h.user)
}

// person has all claims.
func (h *tokenHouse) person(name string) signet.UserID {
	h.t.Helper()
	now := h.clock.now()
	u := &signet.User{ID: signet.NewUserID(), Username: name, CreatedAt: now, UpdatedAt: now, Version: 1, Profile: signet.Profile{
		Name: "Alice A. Adams", GivenName: "Alice", FamilyName: "Adams", MiddleName: "A.", Nickname: "al", PreferredUsername: name,
		ProfileURL: "https://people.test/al", Picture: "https://people.test/al.png", Website: "https://al.test", Gender: "female",
		Birthdate: "1990-01-02", ZoneInfo: "Europe/Vienna", Locale: "de-AT", Email: name + "@users.test", EmailVerified: true,
		PhoneNumber: "+431234567", Address: &signet.Address{Locality: "Wien", Country: "AT"},
	}}
	ok(h.t, h.store.InsertUser(h.t.Context(), u, h.event(signet.EventUserCreated)))
	return u.ID
}

func (h *tokenHouse) login(user signet.UserID) signet.SessionID {
	return h.loginAt(user, h.clock.now())
}

func (h *tokenHouse) loginAt(user signet.UserID, at time.Time) signet.SessionID {
	h.t.Helper()
	now := h.clock.now()
	s := &signet.Session{
		ID: signet.NewSessionID(), Hash: h.ring.HashKeys().Hash(signet.NewID()), UserID: user, AuthTime: at, ACR: signet.ACRPassword,
		AMR: []string{signet.AMRPassword}, LastSeenAt: now, CreatedAt: now, IdleExpiresAt: now.Add(12 * time.Hour), ExpiresAt: now.Add(24 * time.Hour),
	}
	ok(h.t, h.store.CreateSession(h.t.Context(), s, "", h.event(signet.EventLoginSucceeded)))
	return s.ID
}

// code issues an authorization code as /authorize does, by fosite, for scope; change may alter the session.
func (h *tokenHouse) code(id signet.ClientID, scope string, change ...func(*session)) string {
	h.t.Helper()
	ctx := h.t.Context()
	client, err := h.store.Client(ctx, id)
	ok(h.t, err)
	parsed, err := signet.ParseScope(scope)
	ok(h.t, err)
	now := h.server.stamp()
	h.consent(id, parsed, now)
	sess := newSession(signet.Grant{
		ID: signet.NewGrantID(), ClientID: id, UserID: h.user, SessionID: h.session, Scope: parsed, AuthTime: now.Add(-time.Second),
		ACR: signet.ACRPassword, AMR: []string{signet.AMRPassword}, Nonce: "n-1", Offline: parsed.Has(signet.ScopeOfflineAccess),
		CreatedAt: now, ExpiresAt: now.Add(60 * 24 * time.Hour),
	})
	sess.RedirectURI, sess.CodeChallenge = tokenRedirect, pairChallenge
	for _, f := range change {
		f(sess)
	}
	form := url.Values{"client_id": {string(id)}, "redirect_uri": {tokenRedirect}, "response_type": {"code"}, "scope": {scope}, "state": {"x"}}
	if sess.CodeChallenge != "" {
		form.Set("code_challenge", sess.CodeChallenge)
		form.Set("code_challenge_method", "S256")
	}
	ctx = withProof(ctx, &edgeProof{client: client, redirectURI: tokenRedirect})
	request, err := h.server.fosite.NewAuthorizeRequest(ctx, fositeRequest(ctx, form,
		"client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method"))
	ok(h.t, err)
	for _, token := range parsed {
		request.GrantScope(token)
	}
	response, err := h.server.fosite.NewAuthorizeResponse(ctx, request, sess)
	ok(h.t, err)
	return response.GetCode()
}

// answerOf is a JSON answer.
type answerOf struct {
	status int
	header http.Header
	body   string
	m      map[string]any
}

func (a answerOf) text(name string) string { v, _ := a.m[name].(string); return v }

// post sends a form; "name", "value" pairs in change are set, an empty value removes.
func (h *tokenHouse) post(path string, id signet.ClientID, change ...string) answerOf {
	h.t.Helper()
	form := url.Values{}
	if id != "" {
		form.Set("client_id", string(id))
		if secret := h.secrets[id]; secret != "" {
			form.Set("client_secret", secret)
		}
	}
	for i := 0; i+1 < len(change); i += 2 {
		if change[i+1] == "" {
			form.Del(change[i])
		} else {
			form.Set(change[i], change[i+1])
		}
	}
	return h.send(formRequest(path, form.Encode()))
}

func formRequest(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (h *tokenHouse) send(r *http.Request) answerOf {
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	out := answerOf{status: w.Code, header: w.Header(), body: w.Body.String(), m: map[string]any{}}
	_ = json.Unmarshal(w.Body.Bytes(), &out.m)
	return out
}

func (h *tokenHouse) redeem(id signet.ClientID, code string, change ...string) answerOf {
	h.t.Helper()
	return h.post("/token", id, append([]string{
		"grant_type", "authorization_code", "code", code, "redirect_uri", tokenRedirect, "code_verifier", pairVerifier,
	}, change...)...)
}

func (h *tokenHouse) refresh(id signet.ClientID, token string, change ...string) answerOf {
	h.t.Helper()
	return h.post("/token", id, append([]string{"grant_type", "refresh_token", "refresh_token", token}, change...)...)
}

// family redeems a fresh code.
func (h *tokenHouse) family(id signet.ClientID, scope string) answerOf {
	h.t.Helper()
	a := h.redeem(id, h.code(id, scope))
	h.want(a, http.StatusOK, "")
	return a
}

// want checks status and error, and what holds for every answer: no-store, no foreign member.
func (h *tokenHouse) want(a answerOf, status int, code string) {
	h.t.Helper()
	if a.status != status || a.text("error") != code {
		h.t.Fatalf("%d %s, want %d %q", a.status, a.body, status, code)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		h.t.Errorf("Cache-Control %q", a.header.Get("Cache-Control"))
	}
	if code == "" {
		return
	}
	for name := range a.m {
		if name != "error" && name != "error_description" {
			h.t.Errorf("foreign member %s in %s", name, a.body)
		}
	}
}

func (h *tokenHouse) userinfo(token string) answerOf {
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return h.send(r)
}

func (h *tokenHouse) introspect(token string) answerOf {
	h.t.Helper()
	return h.post("/introspect", rs, "token", token)
}

// active asks as the resource server.
func (h *tokenHouse) active(token string) bool {
	h.t.Helper()
	a := h.introspect(token)
	h.want(a, http.StatusOK, "")
	return a.m["active"] == true
}

// events counts the audit events of a kind.
func (h *tokenHouse) events(kind signet.EventKind) int {
	h.t.Helper()
	n, after := 0, ""
	for {
		list, err := h.store.ListEvents(h.t.Context(), after, 200)
		ok(h.t, err)
		for _, ev := range list {
			if ev.Kind == kind {
				n++
			}
		}
		if len(list) < 200 {
			return n
		}
		after = string(list[len(list)-1].ID)
	}
}
