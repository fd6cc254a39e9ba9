package login_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, name := range []string{"ada", "ADA", " ada ", "ada@users.test", "Ada@Users.Test"} {
		b := h.browser("192.0.2.1")
		flow := b.flow()
		page := b.get("/login?flow=" + url.QueryEscape(flow))
		if page.Code != http.StatusOK || field(t, page.body, "flow") != flow || !strings.Contains(page.body, "Aurora Notes") || !strings.Contains(page.body, "rp.test") {
			t.Fatalf("login page %d:\n%s", page.Code, page.body)
		}
		h.clock.Advance(time.Second)
		got := b.post("/login", url.Values{"flow": {flow}, "username": {name}, "password": {password}})
		if got.Code != http.StatusSeeOther || got.location() != "/authorize?flow="+url.QueryEscape(flow) {
			t.Fatalf("login as %q: %d, %q", name, got.Code, got.location())
		}
		s := b.session()
		if s == nil || s.UserID != h.ada.ID || !s.AuthTime.Equal(h.clock.Now()) || s.ACR != signet.ACRPassword || !slices.Equal(s.AMR, []string{"pwd"}) {
			t.Errorf("session %+v", s)
		}
	}
	events := h.events(signet.EventLoginSucceeded)
	if len(events) != 5 || events[0].UserID != h.ada.ID || events[0].ClientID != h.client.ID || events[0].Address != "192.0.2.1" || events[0].RequestID == "" {
		t.Errorf("events %+v", events)
	}
}

// CSR-08: every cookie carries the prefix and the flags, and 256 random bits or a seal.
func TestCookiesAreLocked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	cookies := b.logIn("ada", password).Result().Cookies()
	if len(cookies) != 2 {
		t.Fatalf("cookies %v, want session and known browser", cookies)
	}
	for _, c := range cookies {
		// A login is remembered until the browser closes; that the browser is known, for as long as browsers keep anything.
		if known := strings.HasSuffix(c.Name, "_known"); known != (c.MaxAge > 0) || !c.Expires.IsZero() {
			t.Errorf("cookie %s", c.Raw)
		}
		if !strings.HasPrefix(c.Name, "__Host-signet_") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) < 43 {
			t.Errorf("cookie %s", c.Raw)
		}
	}
}

// hashOf says how a value that differs in every answer is blotted out.
var sealedValue = regexp.MustCompile(`name="flow" value="[^"]*"`)

// ENU-01: unknown, wrong, disabled, without a password, with an unreadable one: the same status, headers, cookies,
// words and work.
func TestRefusalsAreAlike(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	at := h.clock.Now()
	h.addUser("bob", password, func(u *signet.User) { u.DisabledAt = &at })
	h.addUser("eve", "", nil)
	h.addUser("sue", "", func(u *signet.User) { u.PasswordHash = "$2b$10$abcdefghijklmnopqrstuv" })
	type shape struct {
		status  int
		headers string
		body    string
		hashes  uint64
	}
	try := func(name, secret string) shape {
		b := h.browser("192.0.2.1")
		before := h.passwords.Computed()
		h.clock.Advance(time.Second)
		got := b.logIn(name, secret)
		headers := got.Header().Clone()
		headers.Del("X-Request-Id")
		var lines strings.Builder
		for _, key := range slices.Sorted(func(yield func(string) bool) {
			for k := range headers {
				if !yield(k) {
					return
				}
			}
		}) {
			lines.WriteString(key + ": " + strings.Join(headers[key], "|") + "\n")
		}
		if b.session() != nil {
			t.Errorf("%s is logged in", name)
		}
		return shape{got.Code, lines.String(), sealedValue.ReplaceAllString(got.body, ""), h.passwords.Computed() - before}
	}
	want := try("ada", "wrong")
	if want.hashes != 1 || !strings.Contains(want.body, "do not match") || strings.Contains(want.headers, "Set-Cookie") {
		t.Fatalf("wrong password: %+v", want)
	}
	for _, c := range []struct{ name, password, reason string }{
		{"nob", "wrong", "unknown_user"},
		{"bob", "wrong", "wrong_password"},
		{"bob", password, "user_disabled"},
		{"eve", "wrong", "no_password"},
		{"sue", "wrong", "unreadable_hash"},
	} {
		got := try(c.name, c.password)
		got.body = strings.ReplaceAll(got.body, `value="`+c.name+`"`, `value="ada"`)
		if got != want {
			t.Errorf("%s (%s) differs:\n%+v\nwant\n%+v", c.name, c.reason, got, want)
		}
		events := h.events(signet.EventLoginFailed)
		if last := events[len(events)-1]; last.Reason != c.reason || (last.UserID == "") != (c.reason == "unknown_user") {
			t.Errorf("%s: the last event is %+v, want reason %s", c.name, last, c.reason)
		}
	}
}

func TestLoginInput(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct {
		name, username, password string
		status                   int
		words                    string
	}{
		{"nothing", "", "", 200, "Enter your username"},
		{"no password", "ada", "", 200, "Enter your username"},
		{"no name", "   ", "x", 200, "Enter your username"},
		{"long name", strings.Repeat("a", 255), "x", 400, "too long"},
		{"long password (ENU-11)", "ada", strings.Repeat("x", 1025), 400, "too long"},
		{"NUL", "ada\x00", "x", 400, "not well-formed"},
		{"not UTF-8", "\xff", "x", 400, "not well-formed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := h.passwords.Computed()
			got := h.browser("192.0.2.1").logIn(c.username, c.password)
			if got.Code != c.status || !strings.Contains(got.body, c.words) || !hasID(t, got.body, "error") {
				t.Errorf("%d:\n%s", got.Code, got.body)
			}
			if h.passwords.Computed() != before {
				t.Error("a hash was computed")
			}
		})
	}
}

func TestLoginHint(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct {
		name   string
		params map[string]string
		want   string
	}{
		{"none", nil, ""},
		{"login_hint", map[string]string{"login_hint": "buffy@host.test"}, "buffy@host.test"},
		{"u, of document 001", map[string]string{"u": "ada"}, "ada"},
		{"login_hint goes first", map[string]string{"u": "ada", "login_hint": "bob"}, "bob"},
		{"too long", map[string]string{"login_hint": strings.Repeat("a", 255)}, ""},
		{"markup (XSS-01)", map[string]string{"login_hint": `"><script>alert(1)</script>`}, `"><script>alert(1)</script>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := h.browser("192.0.2.1")
			page := b.get("/login?flow=" + url.QueryEscape(b.flow(func(f *signet.Flow) {
				for k, v := range c.params {
					f.Params[k] = v
				}
			})))
			if got := field(t, page.body, "username"); got != c.want {
				t.Errorf("username is %q, want %q", got, c.want)
			}
			if strings.Contains(page.body, "<script>alert") {
				t.Error("markup of the hint is on the page")
			}
		})
	}
}

// CSR-02, CSR-04: a flow works in the browser that began it, unaltered, for half an hour, for its own purpose, while its
// client may act.
func TestFlowIsBound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	closed := h.addClient("Closed", nil)
	h.must(h.store.SetClientDisabled(t.Context(), closed.ID, true, h.event(signet.EventClientDisabled)))
	attacker := h.browser("192.0.2.66")
	for _, c := range []struct {
		name   string
		flow   func(b *browser) string
		status int
	}{
		{"none", func(*browser) string { return "" }, 400},
		{"noise", func(*browser) string { return "noise" }, 400},
		{"altered", func(b *browser) string { f := b.flow(); return f[:len(f)-4] + "AAAA" }, 400},
		{"of another browser", func(*browser) string { return attacker.flow() }, 403},
		{"of no browser", func(b *browser) string { return b.flow(func(f *signet.Flow) { f.Browser = "" }) }, 403},
		{"for a logout", func(b *browser) string { return b.flow(func(f *signet.Flow) { f.Purpose = signet.FlowLogout }) }, 400},
		{"too old", func(b *browser) string {
			return b.flow(func(f *signet.Flow) { f.CreatedAt = h.clock.Now().Add(-signet.FlowLifetime) })
		}, 400},
		{"of an unknown client", func(b *browser) string { return b.flow(func(f *signet.Flow) { f.ClientID = "nobody" }) }, 400},
		{"of a disabled client", func(b *browser) string { return b.flow(func(f *signet.Flow) { f.ClientID = closed.ID }) }, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := h.browser("192.0.2.1")
			flow := c.flow(b)
			target := "?flow=" + url.QueryEscape(flow)
			for path, got := range map[string]answer{
				"GET /login":    b.get("/login" + target),
				"POST /login":   b.post("/login", url.Values{"flow": {flow}, "username": {"ada"}, "password": {password}}),
				"GET /consent":  b.get("/consent" + target),
				"POST /consent": b.post("/consent", url.Values{"flow": {flow}, "decision": {"allow"}}),
			} {
				if got.Code != c.status || !hasID(t, got.body, "error") || got.location() != "" {
					t.Errorf("%s: %d, %q, want %d", path, got.Code, got.location(), c.status)
				}
			}
			if b.session() != nil {
				t.Error("the browser is logged in")
			}
		})
	}
}

// CSR-02: a browser without the cookie cannot use any form, not even one that is bound to nobody.
func TestBrowserWithoutCookie(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	attacker := h.browser("192.0.2.66")
	flow := attacker.flow()
	victim := &browser{h: h, address: "192.0.2.1", cookies: map[string]string{}}
	got := victim.post("/login", url.Values{"flow": {flow}, "username": {"ada"}, "password": {password}})
	if got.Code != http.StatusForbidden || len(got.Result().Cookies()) != 0 {
		t.Errorf("%d, cookies %v", got.Code, got.Result().Cookies())
	}
}

// CSR-01: what another site sends is refused, also with everything else right.
func TestOtherSitesCannotPost(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, headers := range []map[string]string{
		{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"},
		{"Sec-Fetch-Site": "cross-site"},
		{"Sec-Fetch-Site": "same-site"},
		{"Origin": "https://evil.test"},
		{"Origin": "null"},
	} {
		b := h.browser("192.0.2.1")
		form := url.Values{"flow": {b.flow()}, "username": {"ada"}, "password": {password}}
		if got := b.do(b.request(http.MethodPost, "/login", form, headers)); got.Code != http.StatusForbidden || b.session() != nil {
			t.Errorf("login with %v: %d", headers, got.Code)
		}
		if got := b.logIn("ada", password); got.Code != http.StatusSeeOther {
			t.Fatalf("%v: a login of our own: %d\n%s", headers, got.Code, got.body)
		}
		sid := b.session().ID

		page := b.get("/consent?flow=" + url.QueryEscape(b.flow()))
		form = url.Values{"flow": {field(t, page.body, "flow")}, "page": {field(t, page.body, "page")}, "decision": {"allow"}}
		if got := b.do(b.request(http.MethodPost, "/consent", form, headers)); got.Code != http.StatusForbidden {
			t.Errorf("consent with %v: %d", headers, got.Code)
		}
		page = b.get("/logout")
		form = url.Values{"flow": {field(t, page.body, "flow")}}
		if got := b.do(b.request(http.MethodPost, "/logout", form, headers)); got.Code != http.StatusForbidden {
			t.Errorf("logout with %v: %d", headers, got.Code)
		}
		if s := b.session(); s == nil || s.ID != sid {
			t.Errorf("%v ended the session", headers)
		}
	}
	if n := len(h.events(signet.EventConsentGranted)); n != 0 {
		t.Errorf("%d consents were written", n)
	}
}

// OPR-02: nothing in the URL says where a login ends.
func TestNoOpenRedirect(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, name := range []string{"return_to", "continue", "next", "redirect_uri"} {
		for _, value := range []string{"https://evil.test", "//evil.test", `/\evil.test`, "/%09/evil.test", `\\evil.test`, "https:evil.test", "/login/..//evil.test"} {
			b := h.browser("192.0.2.1")
			flow := b.flow()
			page := b.get("/login?flow=" + url.QueryEscape(flow) + "&" + name + "=" + url.QueryEscape(value))
			if strings.Contains(page.body, "evil.test") {
				t.Errorf("%s=%s is on the page", name, value)
			}
			form := url.Values{"flow": {flow}, "username": {"ada"}, "password": {"wrong"}, name: {value}}
			if got := b.post("/login", form); got.location() != "" {
				t.Errorf("%s=%s redirects to %q", name, value, got.location())
			}
			h.clock.Advance(time.Hour) // the counters begin anew
		}
	}
}
