package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/signet-auth/signet/pkg/signet"
)

// restart is where an error page offers to begin anew, "" when it does not.
func restart(t *testing.T, page answer) string {
	t.Helper()
	link := find(t, page.body, func(n *html.Node) bool { return attr(n, "id") == "restart" })
	if link == nil {
		return ""
	}
	return attr(link, "href")
}

// CSR-02, CSR-04: a flow of another browser stays a 403, and one that is too old a 400; the page leads on by a click, to
// the same request begun anew. Nothing else is led on, and nothing happens by itself.
func TestRefusedFlowLeadsOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := h.browser("192.0.2.66")
	for name, c := range map[string]struct {
		flow   func(b *browser) string
		status int
		leads  bool
	}{
		"of another browser": {func(*browser) string { return other.flow() }, http.StatusForbidden, true},
		"too old": {func(b *browser) string {
			return b.flow(func(f *signet.Flow) { f.CreatedAt = h.clock.Now().Add(-signet.FlowLifetime) })
		}, http.StatusBadRequest, true},
		"altered":       {func(b *browser) string { f := other.flow(); return f[:len(f)-4] + "AAAA" }, http.StatusBadRequest, false},
		"of no browser": {func(b *browser) string { return b.flow(func(f *signet.Flow) { f.Browser = "" }) }, http.StatusForbidden, false},
		"none":          {func(*browser) string { return "" }, http.StatusBadRequest, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := h.browser("192.0.2.1")
			flow := c.flow(b)
			for path, got := range map[string]answer{
				"GET /login":    b.get("/login?flow=" + url.QueryEscape(flow)),
				"POST /login":   b.post("/login", url.Values{"flow": {flow}, "username": {"ada"}, "password": {password}}),
				"GET /consent":  b.get("/consent?flow=" + url.QueryEscape(flow)),
				"POST /consent": b.post("/consent", url.Values{"flow": {flow}, "decision": {"allow"}}),
			} {
				href := restart(t, got)
				if got.Code != c.status || got.location() != "" || strings.HasPrefix(href, "/authorize?flow=") != c.leads || c.leads != (href != "") {
					t.Errorf("%s: %d, %q, way on %q", path, got.Code, got.location(), href)
				}
				if !c.leads {
					continue
				}
				u, err := url.Parse(href)
				h.must(err)
				anew, err := h.ring.OpenFlow(u.Query().Get("flow"), signet.FlowAuthorize, "")
				h.must(err)
				if anew.Browser != "" || anew.Params["state"] != "s" || !anew.CreatedAt.Equal(h.clock.Now()) {
					t.Errorf("%s: flow %+v", path, anew)
				}
			}
			if b.session() != nil {
				t.Error("the browser is logged in")
			}
		})
	}
	// What another site sends is refused before the flow in it is looked at.
	b := h.browser("192.0.2.1")
	got := b.do(b.request(http.MethodPost, "/login", url.Values{"flow": {other.flow()}}, map[string]string{"Sec-Fetch-Site": "cross-site"}))
	if got.Code != http.StatusForbidden || restart(t, got) != "" {
		t.Errorf("cross site: %d, way on %q", got.Code, restart(t, got))
	}
}

// The confirm page of a logout leads on the same way: to its request, which is judged again and asks again.
func TestRefusedLogoutLeadsOn(t *testing.T) {
	t.Parallel()
	h, _, b := logoutHouse(t)
	request := "/logout?state=x&client_id=" + url.QueryEscape(string(h.client.ID)) + "&post_logout_redirect_uri=" + url.QueryEscape(rpLogout)
	other := h.browser("192.0.2.66")
	other.logIn("ada", password)
	theirs, mine := field(t, other.get(request).body, "flow"), field(t, b.get(request).body, "flow")
	foreign := b.post("/logout", url.Values{"flow": {theirs}})
	h.clock.Advance(signet.FlowLifetime)
	old := b.post("/logout", url.Values{"flow": {mine}})
	for _, c := range []struct {
		got    answer
		status int
	}{{foreign, http.StatusForbidden}, {old, http.StatusBadRequest}} {
		href := restart(t, c.got)
		if c.got.Code != c.status || !strings.HasPrefix(href, "/logout?flow=") {
			t.Fatalf("%d, way on %q", c.got.Code, href)
		}
		if c.status == http.StatusForbidden {
			continue // its way on is as old as the other flow by now
		}
		page := b.get(href)
		if page.Code != http.StatusOK || !hasID(t, page.body, "logout-confirm") || b.session() == nil {
			t.Fatalf("%d:\n%s", page.Code, page.body)
		}
		expectAway(t, b.post("/logout", url.Values{"flow": {field(t, page.body, "flow")}}), rpLogout+"?state=x")
	}
	if b.session() != nil || other.session() == nil {
		t.Error("the wrong session ended")
	}
}

// The answer to a confirm page is judged afresh: a client that was disabled since is returned to no more.
func TestLogoutIsJudgedAtTheAnswer(t *testing.T) {
	t.Parallel()
	h, _, b := logoutHouse(t)
	page := b.get("/logout?client_id=" + url.QueryEscape(string(h.client.ID)) + "&post_logout_redirect_uri=" + url.QueryEscape(rpLogout))
	h.must(h.store.SetClientDisabled(t.Context(), h.client.ID, true, h.event(signet.EventClientDisabled)))
	expectAway(t, b.post("/logout", url.Values{"flow": {field(t, page.body, "flow")}}), "/logged-out")
	if b.session() != nil {
		t.Error("the session is still there")
	}
}

// A logout request that is too large to travel sealed asks all the same; the person stays here.
func TestLargeLogoutAsks(t *testing.T) {
	t.Parallel()
	h, _, b := logoutHouse(t)
	page := b.get("/logout?client_id=" + url.QueryEscape(string(h.client.ID)) + "&post_logout_redirect_uri=" + url.QueryEscape(rpLogout) +
		"&state=" + strings.Repeat("s", 6000))
	if page.Code != http.StatusOK || !hasID(t, page.body, "logout-confirm") || strings.Contains(page.body, "rp.test") {
		t.Fatalf("%d:\n%s", page.Code, page.body)
	}
	expectAway(t, b.post("/logout", url.Values{"flow": {field(t, page.body, "flow")}}), "/logged-out")
}
