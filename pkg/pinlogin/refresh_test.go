package pinlogin

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// logIn returns the tokens of a login.
func (a *application) logIn() *tokens {
	a.w.t.Helper()
	return a.w.logIn(home, a.Username, a.encrypt(pin)).tokens(a.w.t)
}

func (a *application) refreshToken() string { a.w.t.Helper(); return a.logIn().RefreshToken }

func (r reply) tokens(t *testing.T) *tokens {
	t.Helper()
	var got envelope
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || got.Data == nil {
		t.Fatalf("no tokens: %d %s", r.Code, r.body)
	}
	return got.Data
}

// rotated refreshes and returns the new tokens.
func (w *world) rotated(token string) *tokens {
	w.t.Helper()
	return w.refresh(home, "refreshToken", token).tokens(w.t)
}

func (w *world) refresh(address, member, token string) reply {
	return w.send(address, "/auth/refresh", `{"`+member+`":"`+token+`"}`)
}

// The document's two paths and its three spellings of one member; each answer is the login's, with a new token.
func TestRefreshIsTheDocuments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2)
	for _, path := range []string{"/auth/refresh", "/token/refresh"} {
		for _, member := range []string{"refreshToken", "refresh_token", "refresh_Token"} {
			token := app.refreshToken()
			r := w.send(home, path, `{"`+member+`":"`+token+`"}`)
			r.wantSuccess(t, path+" "+member)
			var got envelope
			if err := json.Unmarshal([]byte(r.body), &got); err != nil || got.Data == nil || got.Data.RefreshToken == token {
				t.Errorf("%s %s: not rotated: %s", path, member, r.body)
			}
		}
	}
	token := app.refreshToken()
	for name, body := range map[string]string{
		"none":                    `{}`,
		"null":                    `{"refreshToken":null}`,
		"empty":                   `{"refreshToken":""}`,
		"two spellings":           `{"refreshToken":"` + token + `","refresh_token":"` + token + `"}`,
		"two spellings, one case": `{"refresh_Token":"` + token + `","refresh_token":"` + token + `"}`,
		"another spelling":        `{"RefreshToken":"` + token + `"}`,
		"with more":               `{"refreshToken":"` + token + `","scope":"admin"}`,
		"number":                  `{"refreshToken":1}`,
	} {
		w.send(home, "/auth/refresh", body).want(t, name, 400)
	}
	w.refresh(home, "refreshToken", token).wantSuccess(t, "unspent by all of these")
}

// Whatever is wrong with a refresh token has the login's one 401, and spends nothing.
func TestRefreshRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.add("shop", signet.PINv2, func(a *signet.PINApplication) { a.AllowedNetworks = []string{"192.0.2.0/24"} })
	token := app.refreshToken()
	access := signet.NewSecret(signet.SecretAccess).Reveal()
	for _, c := range []struct{ name, address, token, reason string }{
		{"noise", home, "x", "refresh_token_malformed"},
		{"an access token", home, access, "refresh_token_malformed"},
		{"mistyped", home, token[:len(token)-1] + "!", "refresh_token_malformed"},
		{"unknown", home, signet.NewSecret(signet.SecretRefresh).Reveal(), "refresh_token_unknown"},
		{"another client's", home, w.foreignRefreshToken(), "refresh_token_of_another_client"},
		// Stolen, and used elsewhere: it stays good where the application lives.
		{"foreign network", "198.51.100.1", token, "network_not_allowed"},
	} {
		r := w.refresh(c.address, "refreshToken", c.token)
		r.want(t, c.name, 401)
		events := w.events.of(signet.EventPINRefused)
		if len(events) == 0 || events[len(events)-1].Reason != c.reason {
			t.Errorf("%s: event %+v, want reason %s", c.name, events, c.reason)
		}
	}
	w.refresh(home, "refreshToken", token).wantSuccess(t, "at home")

	token = app.refreshToken()
	w.must(w.store.SetClientDisabled(t.Context(), app.ID, true, w.event(signet.EventClientDisabled)))
	w.refresh(home, "refreshToken", token).want(t, "client disabled", 401)
	w.must(w.store.SetClientDisabled(t.Context(), app.ID, false, w.event(signet.EventClientEnabled)))
	w.refresh(home, "refreshToken", token).want(t, "client enabled again", 401)
}

// The routes take POST alone, and no page of another origin may call them.
func TestRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/auth", "/auth/refresh", "/token/refresh"} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodOptions} {
			r := w.request(method, path)
			r.Header.Set("Origin", "https://page.test")
			r.Header.Set("Access-Control-Request-Method", "POST")
			got := w.do(r)
			if got.Code != http.StatusMethodNotAllowed || got.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: %d %v", method, path, got.Code, got.Header())
			}
		}
	}
}
