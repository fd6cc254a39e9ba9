package login_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/web"
)

// CSR-07, HTT-04, HTT-05: every page, errors too, may not be framed or cached, and runs nothing but our own files.
func TestPageHeaders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	flow := url.QueryEscape(b.flow())
	pages := map[string]answer{
		"login":           b.get("/login?flow=" + flow),
		"login, no flow":  b.get("/login"),
		"login, foreign":  h.browser("192.0.2.66").get("/login?flow=" + flow),
		"wrong password":  b.logIn("ada", "wrong"),
		"cross-site post": b.do(b.request(http.MethodPost, "/login", url.Values{}, map[string]string{"Sec-Fetch-Site": "cross-site"})),
		"logged out":      b.get("/logged-out"),
		"log in first":    b.get("/account"),
	}
	b.logIn("ada", password)
	pages["consent"] = b.get("/consent?flow=" + flow)
	pages["consent, no flow"] = b.get("/consent")
	pages["account"] = b.get("/account")
	pages["account, forged"] = b.post("/account", url.Values{"page": {"x"}, "decision": {"accept"}})
	pages["logout"] = b.get("/logout")
	for name, page := range pages {
		head := page.Header()
		csp := head.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'self';", "style-src 'self';"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy lacks %s: %s", name, want, csp)
			}
		}
		for header, want := range map[string]string{
			"X-Frame-Options": "DENY", "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8",
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if got := head.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
}

// Chromium applies form-action to what follows the post: login and consent end at the client.
func TestFormActionNamesTheClient(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	page := b.get("/login?flow=" + url.QueryEscape(b.flow()))
	if csp := page.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://rp.test;") {
		t.Errorf("policy %s", csp)
	}
}

// What a page names is served.
func TestAssetsHaveARoute(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	page := b.get("/logged-out")
	paths := regexp.MustCompile(`/assets/[^"]+`).FindAllString(page.body, -1)
	if len(paths) < 2 {
		t.Fatalf("the page names %q", paths)
	}
	for _, path := range paths {
		if got := b.get(path); got.Code != http.StatusOK || !strings.Contains(got.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %q", path, got.Code, got.Header().Get("Cache-Control"))
		}
	}
	if got := b.get("/assets/none.css"); got.Code != http.StatusNotFound {
		t.Errorf("an unknown asset: %d", got.Code)
	}
}

func TestRoutesArePages(t *testing.T) {
	t.Parallel()
	for _, r := range newHouse(t).login.Routes() {
		if r.CORS != web.CORSNone || r.Class != web.ClassPage && r.Name != "assets" {
			t.Errorf("route %s: class %s, CORS %s", r.Name, r.Class, r.CORS)
		}
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := login.New(login.Options{})
	if err == nil || !strings.Contains(err.Error(), "Records") || !strings.Contains(err.Error(), "Passwords") {
		t.Errorf("error %v", err)
	}
}
