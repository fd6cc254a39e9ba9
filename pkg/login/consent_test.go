package login_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/signet-auth/signet/pkg/signet"
)

// consentForm opens the consent page of a flow and returns its form.
func consentForm(t *testing.T, b *browser, flow, decision string) url.Values {
	t.Helper()
	page := b.get("/consent?flow=" + url.QueryEscape(flow))
	if page.Code != http.StatusOK || !hasID(t, page.body, "consent-allow") || !hasID(t, page.body, "consent-deny") {
		t.Fatalf("consent page %d:\n%s", page.Code, page.body)
	}
	return url.Values{"flow": {field(t, page.body, "flow")}, "page": {field(t, page.body, "page")}, "decision": {decision}}
}

func TestConsentAllow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	flow := b.flow()
	form := consentForm(t, b, flow, "allow")
	h.clock.Advance(time.Second)
	got := b.post("/consent", form)
	if got.Code != http.StatusSeeOther || got.location() != "/authorize?flow="+url.QueryEscape(flow) {
		t.Fatalf("%d, %q", got.Code, got.location())
	}
	c, err := h.store.Consent(t.Context(), h.ada.ID, h.client.ID)
	h.must(err)
	if c.Scope.String() != "openid email" || !c.ConfirmedAt.Equal(h.clock.Now()) {
		t.Errorf("consent %+v", c)
	}
	if e := h.events(signet.EventConsentGranted); len(e) != 1 || e[0].UserID != h.ada.ID || e[0].ClientID != h.client.ID {
		t.Errorf("events %+v", e)
	}
	// Once allowed, the same question is only a click; prompt=consent asks in full.
	page := b.get("/consent?flow=" + url.QueryEscape(b.flow()))
	if !strings.Contains(page.body, ">Continue</button>") {
		t.Errorf("second page:\n%s", page.body)
	}
	page = b.get("/consent?flow=" + url.QueryEscape(b.flow(func(f *signet.Flow) { f.Params["prompt"] = "login consent" })))
	if !strings.Contains(page.body, ">Allow</button>") {
		t.Errorf("page of prompt=consent:\n%s", page.body)
	}
}

func TestConsentDeny(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	flow := b.flow()
	got := b.post("/consent", consentForm(t, b, flow, "deny"))
	sealed, ok := strings.CutPrefix(got.location(), "/authorize?flow=")
	if got.Code != http.StatusSeeOther || !ok {
		t.Fatalf("%d, %q", got.Code, got.location())
	}
	sealed, err := url.QueryUnescape(sealed)
	h.must(err)
	before, err := h.ring.OpenFlow(flow, signet.FlowAuthorize, b.bound())
	h.must(err)
	after, err := h.ring.OpenFlow(sealed, signet.FlowAuthorize, b.bound())
	h.must(err)
	if !after.Denied || before.Denied || after.Params["state"] != "s" ||
		after.ID != before.ID || after.Browser != before.Browser || !after.CreatedAt.Equal(before.CreatedAt) {
		t.Errorf("flow %+v, was %+v", after, before)
	}
	if _, err := h.store.Consent(t.Context(), h.ada.ID, h.client.ID); !errors.Is(err, signet.ErrNotFound) {
		t.Errorf("a consent was written: %v", err)
	}
	if n := len(h.events(signet.EventConsentDenied)); n != 1 {
		t.Errorf("%d events", n)
	}
}

// CSR-05: nothing but the sealed flow says what is granted, and only for the person who saw the page.
func TestConsentFormIsNotTrusted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.addUser("bob", password, nil)
	for _, c := range []struct {
		name   string
		change func(b *browser, form url.Values)
		status int
	}{
		{"scope in the form", func(_ *browser, f url.Values) { f.Set("scope", "openid admin") }, 400},
		{"client in the form", func(_ *browser, f url.Values) { f.Set("client_id", "another") }, 400},
		{"no decision", func(_ *browser, f url.Values) { f.Del("decision") }, 400},
		{"another decision", func(_ *browser, f url.Values) { f.Set("decision", "ALLOW") }, 400},
		{"decision twice", func(_ *browser, f url.Values) { f.Add("decision", "deny") }, 400},
		{"no page", func(_ *browser, f url.Values) { f.Del("page") }, 403},
		{"page altered", func(_ *browser, f url.Values) { f.Set("page", f.Get("page")+"A") }, 403},
		{"page of another flow", func(b *browser, f url.Values) { f.Set("flow", b.flow()) }, 403},
		{"flow expired", func(b *browser, _ url.Values) { b.h.clock.Advance(signet.FlowLifetime) }, 400},
		{"another person since", func(b *browser, _ url.Values) { b.logIn("bob", password) }, 403},
		{"the page of an earlier login", func(b *browser, _ url.Values) {
			b.post("/logout", url.Values{"flow": {field(t, b.get("/logout").body, "flow")}})
			b.logIn("ada", password)
		}, 403},
		{"the page of another person", func(b *browser, f url.Values) {
			other := b.copy()
			delete(other.cookies, "__Host-signet_session")
			other.logIn("bob", password)
			page := other.get("/consent?flow=" + url.QueryEscape(f.Get("flow")))
			f.Set("page", field(t, page.body, "page"))
		}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := h.browser("192.0.2.1")
			b.logIn("ada", password)
			form := consentForm(t, b, b.flow(), "allow")
			h.clock.Advance(time.Second)
			c.change(b, form)
			if got := b.post("/consent", form); got.Code != c.status || got.location() != "" {
				t.Errorf("%d, %q, want %d", got.Code, got.location(), c.status)
			}
			if n := len(h.events(signet.EventConsentGranted)); n != 0 {
				t.Errorf("%d consents were written", n)
			}
		})
	}
}

// Neither the page nor the consent has what the client has lost since; what is a first party's is only a click; and the page
// lets its form end at the client.
func TestConsentPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	flow := b.flow(func(f *signet.Flow) { f.Params["scope"] = "openid lost email" })
	page := b.get("/consent?flow=" + url.QueryEscape(flow))
	if strings.Contains(page.body, "“lost”") || !strings.Contains(page.Header().Get("Content-Security-Policy"), "form-action 'self' https://rp.test;") {
		t.Errorf("policy %s, page:\n%s", page.Header().Get("Content-Security-Policy"), page.body)
	}
	b.post("/consent", consentForm(t, b, flow, "allow"))
	c, err := h.store.Consent(t.Context(), h.ada.ID, h.client.ID)
	h.must(err)
	if c.Scope.String() != "openid email" {
		t.Errorf("scope %s", c.Scope)
	}
	// More than was allowed is a question in full again.
	page = b.get("/consent?flow=" + url.QueryEscape(b.flow(func(f *signet.Flow) { f.Params["scope"] = "openid profile" })))
	if !strings.Contains(page.body, ">Allow</button>") {
		t.Errorf("page for more:\n%s", page.body)
	}
	ours := h.addClient("Ours", func(c *signet.Client) { c.FirstParty = true })
	page = b.get("/consent?flow=" + url.QueryEscape(b.flow(func(f *signet.Flow) { f.ClientID = ours.ID })))
	if !strings.Contains(page.body, ">Continue</button>") {
		t.Errorf("page of a first party:\n%s", page.body)
	}
}

// Nobody logged in: the decision is asked again, it will want a login.
func TestConsentWithoutSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	flow := b.flow()
	back := "/authorize?flow=" + url.QueryEscape(flow)
	if got := b.get("/consent?flow=" + url.QueryEscape(flow)); got.Code != http.StatusSeeOther || got.location() != back {
		t.Errorf("GET: %d, %q", got.Code, got.location())
	}
	if got := b.post("/consent", url.Values{"flow": {flow}, "page": {"x"}, "decision": {"allow"}}); got.Code != http.StatusSeeOther || got.location() != back {
		t.Errorf("POST: %d, %q", got.Code, got.location())
	}
}

// What is not the client's any more is neither shown nor granted.
func TestConsentStaysWithinClient(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	flow := b.flow(func(f *signet.Flow) { f.Params["scope"] = "openid admin email" })
	b.post("/consent", consentForm(t, b, flow, "allow"))
	c, err := h.store.Consent(t.Context(), h.ada.ID, h.client.ID)
	h.must(err)
	if c.Scope.String() != "openid email" {
		t.Errorf("granted %q", c.Scope)
	}
}

// The page says everything that is asked for: scopes, and claims asked for by name.
func TestConsentSaysWhatIsAsked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.client = h.addClient("\u202eAurora<script>", func(c *signet.Client) {
		c.Scope = "openid email offline_access invoices:read"
		c.PolicyURI, c.TOSURI = "https://rp.test/policy", "javascript:alert(1)"
		c.RedirectURIs = []string{"com.example.app:/cb"}
	})
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	page := b.get("/consent?flow=" + url.QueryEscape(b.flow(func(f *signet.Flow) {
		f.Params["scope"] = "openid offline_access invoices:read"
		f.Params["redirect_uri"] = "com.example.app:/cb"
		f.Params["claims"] = `{"userinfo":{"phone_number":{"essential":true}},"id_token":{"birthdate":null}}`
	})))
	for _, want := range []string{
		"Know who you are", "while you are away", "invoices:read", "phone number", "See your profile", "Person ada",
		"com.example.app, an app on this device", "Aurora&lt;script&gt;",
	} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not say %q:\n%s", want, page.body)
		}
	}
	for _, never := range []string{"email address", "<script>", "\u202e", "javascript:"} {
		if strings.Contains(page.body, never) {
			t.Errorf("the page says %q", never)
		}
	}
	policy := find(t, page.body, func(n *html.Node) bool { return n.Data == "a" })
	if policy == nil || attr(policy, "href") != "https://rp.test/policy" || attr(policy, "rel") != "noopener noreferrer" {
		t.Errorf("policy link %+v", policy)
	}
	if csp := page.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' com.example.app:;") {
		t.Errorf("the redirect after the form is not allowed: %s", csp)
	}
}
