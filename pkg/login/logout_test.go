package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/signet"
)

// logoutHouse has a client of another's beside its own, and hints by name: "good" is of the session at hand, "old" of an
// earlier session of the same person, "other-client" and "other-person" say what they are.
func logoutHouse(t *testing.T) (*house, hints, *browser) {
	t.Helper()
	known := hints{}
	h := newHouse(t, func(o *login.Options) { o.Hints = known })
	other := h.addClient("Other", func(c *signet.Client) { c.PostLogoutRedirectURIs = []string{"https://other.test/out"} })
	off := h.addClient("Off", nil)
	h.must(h.store.SetClientDisabled(t.Context(), off.ID, true, h.event(signet.EventClientDisabled)))
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	s := b.session()
	known["good"] = &signet.IDTokenHint{UserID: h.ada.ID, SessionID: s.ID, ClientID: h.client.ID}
	known["old"] = &signet.IDTokenHint{UserID: h.ada.ID, SessionID: "earlier", ClientID: h.client.ID}
	known["other-client"] = &signet.IDTokenHint{UserID: h.ada.ID, SessionID: s.ID, ClientID: other.ID}
	known["other-person"] = &signet.IDTokenHint{UserID: "somebody", SessionID: "else", ClientID: h.client.ID}
	known["off"] = &signet.IDTokenHint{UserID: h.ada.ID, SessionID: s.ID, ClientID: off.ID}
	return h, known, b
}

// What a logout request comes to.
const (
	goesAway = "goes away" // logged out, redirected to the client
	staysOut = "stays"     // logged out, page of ours
	asks     = "asks"      // confirm page, nothing ended; after the click the page of ours
	asksAway = "asks away" // confirm page, nothing ended; after the click redirected to the client
	errs     = "error"     // error page, nothing ended
)

// conformance.md section 5, by module number, and OPR-01.
func logoutCases() []struct{ name, params, end string } {
	state := strings.Repeat("s", 128)
	uri := "post_logout_redirect_uri=" + url.QueryEscape(rpLogout)
	return []struct{ name, params, end string }{
		{"2: everything", "id_token_hint=good&" + uri + "&state=" + state, goesAway},
		{"3: unregistered URI", "id_token_hint=good&state=" + state + "&post_logout_redirect_uri=https://evil.test/out", asks},
		{"4 and 11: hint not ours", "id_token_hint=forged&" + uri + "&state=" + state, asks},
		{"5: no hint", uri + "&state=" + state, asks},
		{"6: nothing", "", asks},
		{"7: no URI", "id_token_hint=good&state=" + state, staysOut},
		{"8: no state", "id_token_hint=good&" + uri, goesAway},
		{"9: only state", "state=" + state, asks},
		{"10: query added", "id_token_hint=good&post_logout_redirect_uri=" + url.QueryEscape(rpLogout+"?foo=bar"), asks},
		{"hint of an earlier session", "id_token_hint=old&" + uri, goesAway},
		{"hint of another person", "id_token_hint=other-person&" + uri, asksAway},
		{"client_id beside the hint", "id_token_hint=good&client_id=CLIENT&" + uri, goesAway},
		{"another client_id beside the hint", "id_token_hint=other-client&client_id=CLIENT&" + uri, asks},
		{"another client_id beside the hint, its own URI", "id_token_hint=other-client&client_id=CLIENT&post_logout_redirect_uri=https://other.test/out", asks},
		{"client_id alone", "client_id=CLIENT&" + uri, asksAway},
		{"client_id alone, unregistered URI", "client_id=CLIENT&post_logout_redirect_uri=https://other.test/out", asks},
		{"unknown client_id", "client_id=nobody&" + uri, asks},
		{"hint of a disabled client", "id_token_hint=off&" + uri, asks},
		{"OPR-01: URI of another client", "id_token_hint=good&post_logout_redirect_uri=https://other.test/out", asks},
		{"OPR-01: script", "id_token_hint=good&post_logout_redirect_uri=javascript:alert(1)", asks},
		{"OPR-01: no scheme", "id_token_hint=good&post_logout_redirect_uri=//evil.test", asks},
		{"OPR-01: longer host", "id_token_hint=good&post_logout_redirect_uri=https://rp.test.evil.test/out", asks},
		{"unknown parameters", "id_token_hint=good&logout_hint=x&ui_locales=se&foo=bar&" + uri, goesAway},
		{"URI twice", "id_token_hint=good&" + uri + "&" + uri, errs},
		{"our own flow by GET", "flow=noise", errs},
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	for _, c := range logoutCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, _, b := logoutHouse(t)
			params := strings.ReplaceAll(c.params, "CLIENT", url.QueryEscape(string(h.client.ID)))
			target := rpLogout
			if strings.Contains(params, "state=") {
				target += "?state=" + strings.Repeat("s", 128)
			}
			before := b.copy()
			got := b.get("/logout?" + params)
			switch c.end {
			case goesAway:
				expectAway(t, got, target)
			case staysOut:
				expectLoggedOut(t, got)
			case errs:
				if got.Code != http.StatusBadRequest || !hasID(t, got.body, "error") || b.session() == nil {
					t.Errorf("%d:\n%s", got.Code, got.body)
				}
				return
			default:
				if got.Code != http.StatusOK || got.location() != "" || !hasID(t, got.body, "logout-confirm") || b.session() == nil {
					t.Fatalf("confirm page %d, %q:\n%s", got.Code, got.location(), got.body)
				}
				got = b.post("/logout", url.Values{"flow": {field(t, got.body, "flow")}})
				if c.end == asksAway {
					expectAway(t, got, target)
				} else {
					expectAway(t, got, "/logged-out")
					expectLoggedOut(t, b.get("/logged-out"))
				}
			}
			// CSR-10: the old cookie is dead, and gone from the browser.
			if before.session() != nil || cookieValue(b, "session") != "" {
				t.Error("the session is still there")
			}
			if e := h.events(signet.EventSessionEnded); len(e) != 1 || e[0].UserID != h.ada.ID || e[0].Reason != "logout" {
				t.Errorf("events %+v", e)
			}
		})
	}
}

func expectAway(t *testing.T, got answer, target string) {
	t.Helper()
	if got.Code != http.StatusSeeOther || got.location() != target {
		t.Errorf("%d, %q, want a redirect to %q", got.Code, got.location(), target)
	}
}

func expectLoggedOut(t *testing.T, got answer) {
	t.Helper()
	if got.Code != http.StatusOK || got.location() != "" || !hasID(t, got.body, "logged-out") || !strings.Contains(got.body, "You are logged out") || got.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d, %q:\n%s", got.Code, got.location(), got.body)
	}
}

// Without a session there is nothing to ask: valid requests go back, all others see that nobody is logged in.
func TestLogoutOfNobody(t *testing.T) {
	t.Parallel()
	h, _, _ := logoutHouse(t)
	for _, c := range logoutCases() {
		t.Run(c.name, func(t *testing.T) {
			params := strings.ReplaceAll(c.params, "CLIENT", url.QueryEscape(string(h.client.ID)))
			got := h.browser("192.0.2.1").get("/logout?" + params)
			switch c.end {
			case goesAway, asksAway:
				if !strings.HasPrefix(got.location(), rpLogout) {
					t.Errorf("%d, %q", got.Code, got.location())
				}
			case errs:
				if got.Code != http.StatusBadRequest || got.location() != "" {
					t.Errorf("%d, %q", got.Code, got.location())
				}
			default:
				expectLoggedOut(t, got)
			}
		})
	}
}

// A client posts its request from its own site: it arrives without the session cookie, so it goes on as a GET and has
// the same end (RP-Initiated Logout §2: both methods).
func TestLogoutByPost(t *testing.T) {
	t.Parallel()
	_, _, b := logoutHouse(t)
	elsewhere := &browser{h: b.h, address: b.address, cookies: map[string]string{}}
	form := url.Values{"id_token_hint": {"good"}, "post_logout_redirect_uri": {rpLogout}, "state": {"a&b=c #ü"}}
	got := elsewhere.do(elsewhere.request(http.MethodPost, "/logout", form, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://rp.test"}))
	if got.Code != http.StatusSeeOther || !strings.HasPrefix(got.location(), "/logout?flow=") || len(got.Result().Cookies()) != 0 {
		t.Fatalf("%d, %q", got.Code, got.location())
	}
	expectAway(t, b.get(got.location()), rpLogout+"?state="+url.QueryEscape("a&b=c #ü"))
	if b.session() != nil {
		t.Error("the session is still there")
	}
}

// CSR-01: a POST that neither our page nor a client made is refused, and so is a page of another browser or session.
func TestLogoutPostIsProven(t *testing.T) {
	t.Parallel()
	h, _, b := logoutHouse(t)
	other := h.browser("192.0.2.66")
	other.logIn("ada", password)
	earlier := b.get("/logout")
	h.clock.Advance(time.Second)
	h.addUser("bob", password, nil)
	b.logIn("bob", password)
	for name, c := range map[string]struct {
		form   url.Values
		status int
	}{
		"empty":                     {url.Values{}, 403},
		"only a URI":                {url.Values{"post_logout_redirect_uri": {rpLogout}}, 403},
		"noise":                     {url.Values{"flow": {"noise"}}, 400},
		"a login's flow":            {url.Values{"flow": {b.flow()}}, 400},
		"another browser's page":    {url.Values{"flow": {field(t, other.get("/logout").body, "flow")}}, 403},
		"an earlier session's page": {url.Values{"flow": {field(t, earlier.body, "flow")}}, 403},
		"too much":                  {url.Values{"id_token_hint": {strings.Repeat("a", 5000)}}, 413},
	} {
		if got := b.post("/logout", c.form); got.Code != c.status || got.location() != "" || b.session() == nil {
			t.Errorf("%s: %d, %q, want %d", name, got.Code, got.location(), c.status)
		}
	}
	// The confirm page's flow is no order by GET.
	flow := field(t, b.get("/logout").body, "flow")
	if got := b.get("/logout?flow=" + url.QueryEscape(flow)); got.Code != http.StatusBadRequest || b.session() == nil {
		t.Errorf("the confirm flow by GET: %d", got.Code)
	}
}

// The last page never lies.
func TestLoggedOutPage(t *testing.T) {
	t.Parallel()
	_, _, b := logoutHouse(t)
	expectAway(t, b.get("/logged-out"), "/logout")
}

// CSR-10: the refresh token's grant ends with the session, an offline one does not.
func TestLogoutEndsGrants(t *testing.T) {
	t.Parallel()
	h, _, b := logoutHouse(t)
	s := b.session()
	codes := map[bool]signet.SecretHash{}
	for _, offline := range []bool{false, true} {
		hash := h.ring.HashKeys().Hash(signet.NewSecret(signet.SecretCode).Reveal())
		grant := &signet.Grant{
			ID: signet.NewGrantID(), ClientID: h.client.ID, UserID: h.ada.ID, SessionID: s.ID, Scope: signet.Scope{"openid"},
			AuthTime: s.AuthTime, Offline: offline, CreatedAt: h.clock.Now(), ExpiresAt: h.clock.Now().Add(time.Hour),
		}
		h.must(h.store.IssueCode(t.Context(), grant, &signet.AuthorizationCode{
			Hash: hash, GrantID: grant.ID, ClientID: h.client.ID, RedirectURI: rpReturn, CreatedAt: h.clock.Now(), ExpiresAt: h.clock.Now().Add(time.Minute),
		}))
		codes[offline] = hash
	}
	b.get("/logout?id_token_hint=good")
	for offline, hash := range codes {
		_, grant, err := h.store.Code(t.Context(), []signet.SecretHash{hash})
		h.must(err)
		if alive := grant.RevokedAt == nil; alive != offline {
			t.Errorf("offline %v: grant alive is %v", offline, alive)
		}
	}
}
