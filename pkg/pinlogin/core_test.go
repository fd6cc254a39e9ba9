package pinlogin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/oauth"
	"github.com/signet-auth/signet/pkg/revocation"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/templates"
)

const issuer = "https://id.test"

// seats is a browser at which nobody sits, and a count of failures that never refuses.
type seats struct{}

func (seats) Session(*http.Request) (*signet.Session, error) { return nil, nil }
func (seats) Bind(http.ResponseWriter, *http.Request) string { return "" }
func (seats) Bound(*http.Request) string                     { return "" }
func (seats) Refused(context.Context, string) (int, bool)    { return 0, false }
func (seats) Failed(context.Context, string)                 {}

// newCore is the real token core on the world's store.
func newCore(w *world, log *slog.Logger) *oauth.Server {
	w.t.Helper()
	revoked, err := revocation.New(revocation.Options{Journal: w.store, Now: w.clock.Now, Log: log})
	w.must(err)
	prover, err := clientauth.New(clientauth.Options{Clients: w.store, Marks: w.store.Marks(), Failures: seats{}, Alarms: w.store,
		HashKeys: w.ring.HashKeys, Issuer: issuer, TokenEndpoints: []string{issuer + "/token"}, Now: w.clock.Now})
	w.must(err)
	pages, err := templates.New()
	w.must(err)
	core, err := oauth.New(oauth.Options{Issuer: issuer, Records: w.store, Tx: w.store, Grants: w.store, AccessTokens: w.store,
		RefreshTokens: w.store, Browser: seats{}, Flows: w.ring, Events: w.store, Keys: w.ring, Revocation: revoked,
		ClientAuth: prover, Pages: pages, Now: w.clock.Now, Log: log, Contracts: oauth.Contracts{GrantStarter: w.store}})
	w.must(err)
	return core
}

// resourceServer is a client that may introspect; it returns its Basic credentials.
func (w *world) resourceServer() (user, secret string) {
	w.t.Helper()
	made, now := signet.NewSecret(signet.SecretClient), w.clock.Now()
	client := &signet.Client{ID: signet.NewClientID(), CreatedAt: now, UpdatedAt: now, ClientMetadata: signet.ClientMetadata{
		TokenEndpointAuthMethod: signet.AuthSecretBasic, GrantTypes: []string{signet.GrantClientCredentials}, Introspect: true}}
	client.Secrets = []signet.ClientSecret{{ID: "1", Hash: w.ring.HashKeys().Hash(made.Reveal()), CreatedAt: now}}
	w.must(w.store.InsertClient(w.t.Context(), client, w.event(signet.EventClientCreated)))
	return string(client.ID), made.Reveal()
}

func (w *world) form(path string, form url.Values, user, secret string) reply {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.RemoteAddr = home + ":4000"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != "" {
		r.SetBasicAuth(user, secret)
	}
	return w.do(r)
}

// active introspects a token.
func (w *world) active(token, user, secret string) map[string]any {
	w.t.Helper()
	var facts map[string]any
	r := w.form("/introspect", url.Values{"token": {token}}, user, secret)
	if err := json.Unmarshal([]byte(r.body), &facts); err != nil || r.Code != http.StatusOK {
		w.t.Fatalf("introspect: %d %s", r.Code, r.body)
	}
	return facts
}

// foreignRefreshToken is one of a client that is no PIN application.
func (w *world) foreignRefreshToken() string {
	w.t.Helper()
	now, raw := w.clock.Now(), signet.NewSecret(signet.SecretRefresh).Reveal()
	client := &signet.Client{ID: signet.NewClientID(), CreatedAt: now, UpdatedAt: now, ClientMetadata: signet.ClientMetadata{
		TokenEndpointAuthMethod: signet.AuthNone, GrantTypes: []string{signet.GrantAuthorizationCode, signet.GrantRefreshToken}}}
	w.must(w.store.InsertClient(w.t.Context(), client, w.event(signet.EventClientCreated)))
	user := &signet.User{ID: signet.NewUserID(), Username: "ada", CreatedAt: now, UpdatedAt: now}
	w.must(w.store.InsertUser(w.t.Context(), user, w.event(signet.EventUserCreated)))
	grant := &signet.Grant{ID: signet.NewGrantID(), ClientID: client.ID, UserID: user.ID, AuthTime: now, Offline: true, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	w.must(w.store.InsertGrant(w.t.Context(), grant))
	rotation, _, ok := w.ring.RotationKey("")
	if !ok {
		w.t.Fatal("no rotation key")
	}
	w.must(w.store.InsertRefreshToken(w.t.Context(), &signet.RefreshToken{Hash: w.ring.HashKeys().Hash(raw), GrantID: grant.ID, ClientID: client.ID,
		RotationKeyID: rotation, CreatedAt: now}))
	return raw
}

// PIN-07: what a PIN gives is weak, short and without scopes.
func TestPIN07WeakFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2, func(a *signet.PINApplication) { a.GrantLifetime = 7200 })
	got := app.logIn()
	state, err := w.store.RefreshToken(t.Context(), w.ring.HashKeys().Candidates(got.RefreshToken))
	w.must(err)
	g := state.Grant
	if g.ACR != "aal1" || !slices.Equal(g.AMR, []string{"pin"}) || len(g.Scope) != 0 || !g.ExpiresAt.Equal(w.clock.Now().Add(2*time.Hour)) ||
		g.ClientID != app.ID || g.UserID != "app:"+signet.UserID(app.ID) {
		t.Errorf("grant %+v", g)
	}
	user, secret := w.resourceServer()
	facts := w.active(got.AccessToken, user, secret)
	t.Log(facts)
	if facts["active"] != true || facts["sub"] != "app:"+string(app.ID) || facts["client_id"] != string(app.ID) ||
		facts["scope"] != nil && facts["scope"] != "" || facts["exp"].(float64)-facts["iat"].(float64) != 900 {
		t.Errorf("introspection %v", facts)
	}
	// The application cannot ask for more elsewhere: not for another grant, nor for a scope with its refresh token.
	for _, form := range []url.Values{
		{"grant_type": {"client_credentials"}, "client_id": {string(app.ID)}, "scope": {"admin"}},
		{"grant_type": {signet.GrantPIN}, "client_id": {string(app.ID)}},
		{"grant_type": {"refresh_token"}, "client_id": {string(app.ID)}, "refresh_token": {got.RefreshToken}, "scope": {"admin"}},
	} {
		if r := w.form("/token", form, "", ""); r.Code < 400 || r.Code >= 500 {
			t.Errorf("%v: %d %s", form, r.Code, r.body)
		}
	}
}

// A login's tokens are like every other: introspected, ended by the access token's and the refresh token's own time, taken
// back by revocation and by disabling, and a refresh token that comes back ends its family.
func TestTokensOfALogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2)
	user, secret := w.resourceServer()
	first := app.logIn()
	w.clock.Advance(15 * time.Minute)
	if w.active(first.AccessToken, user, secret)["active"] != false {
		t.Error("the access token outlives its 900 s")
	}
	second := w.rotated(first.RefreshToken)
	if w.active(second.AccessToken, user, secret)["active"] != true {
		t.Error("the refreshed access token is not active")
	}
	w.clock.Advance(11 * time.Second) // beyond the grace
	w.refresh(home, "refreshToken", first.RefreshToken).want(t, "a spent refresh token", 401)
	if w.active(second.AccessToken, user, secret)["active"] != false {
		t.Error("a reused refresh token left its family alive")
	}

	third := app.logIn()
	w.clock.Advance(30*time.Minute + time.Second)
	w.refresh(home, "refreshToken", third.RefreshToken).want(t, "a refresh token that nobody used for 1800 s", 401)

	fourth := app.logIn()
	for range 48 { // each refresh gives a new 1800 s, the grant ends after 24 h all the same
		w.clock.Advance(30*time.Minute - time.Second)
		fourth = w.rotated(fourth.RefreshToken)
	}
	if fourth.RefreshExpiresIn != 48 {
		t.Errorf("refresh_expires_in %d, the grant has 48 s left", fourth.RefreshExpiresIn)
	}
	w.clock.Advance(48 * time.Second)
	w.refresh(home, "refreshToken", fourth.RefreshToken).want(t, "a grant of more than 24 h", 401)

	fifth := app.logIn()
	if r := w.form("/revoke", url.Values{"token": {fifth.RefreshToken}, "client_id": {string(app.ID)}}, "", ""); r.Code != http.StatusOK {
		t.Fatalf("revoke: %d %s", r.Code, r.body)
	}
	if w.active(fifth.AccessToken, user, secret)["active"] != false {
		t.Error("revoked, and still active")
	}

	sixth := app.logIn()
	w.must(w.store.SetUserDisabled(t.Context(), app.UserID(), true, w.event(signet.EventUserDisabled)))
	if w.active(sixth.AccessToken, user, secret)["active"] != false {
		t.Error("disabled, and still active")
	}
	w.refresh(home, "refreshToken", sixth.RefreshToken).want(t, "disabled", 401)
}

// The real comparison: argon2id in the pool of all passwords, once for each refusal.
func TestArgon2IsComputedOnce(t *testing.T) {
	t.Parallel()
	passwords, err := login.NewPasswords(login.PasswordsOptions{Workers: 2, Queue: 10})
	if err != nil {
		t.Fatal(err)
	}
	phc, err := passwords.Hash(t.Context(), pin)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *Options) { o.Passwords = passwords })
	app := w.add("shop", signet.PINv2, func(a *signet.PINApplication) { a.PINHash = phc })
	w.logIn(home, "shop", app.encrypt(pin)).wantSuccess(t, "right PIN")
	for name, attempt := range map[string][2]string{
		"unknown": {unknown, app.encrypt(pin)}, "wrong": {"shop", app.encrypt("0000")}, "undecryptable": {"shop", "QUJD"},
	} {
		before := passwords.Computed()
		w.logIn(home, attempt[0], attempt[1]).want(t, name, 401)
		if n := passwords.Computed() - before; n != 1 {
			t.Errorf("%s: %d hashes computed, want 1", name, n)
		}
	}
}
