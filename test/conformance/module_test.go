package conformance

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// module is one module of a plan while it runs.
type module struct {
	*testing.T
	op       *op
	formPost bool
	browser  *e2e.Browser
}

// entry is a module by the suite's name.
type entry struct {
	name string
	run  func(*module)
}

// runPlan runs the modules, each in a browser of its own, as the suite does.
func runPlan(t *testing.T, o *op, formPost bool, entries []entry) {
	t.Helper()
	for _, e := range entries {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			browser := e2e.NewBrowser(t)
			browser.Trust(o.Roots(t))
			e.run(&module{T: t, op: o, formPost: formPost, browser: browser})
		})
	}
}

// random returns n characters of base64url.
func random(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)[:n]
}

// request is an authorization request as most modules send it; pairs change it, an empty value leaves a parameter out.
func (m *module) request(c client, pairs ...string) url.Values {
	values := url.Values{"client_id": {c.id}, "redirect_uri": {c.redirect}, "response_type": {"code"}, "scope": {"openid"},
		"state": {random(16)}, "nonce": {random(16)}}
	if m.formPost {
		values.Set("response_mode", "form_post")
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			values.Del(pairs[i])
			continue
		}
		values.Set(pairs[i], pairs[i+1])
	}
	return values
}

// visit opens the authorization endpoint and stops at the first page.
func (m *module) visit(values url.Values) *e2e.Page {
	m.Helper()
	return m.browser.Get(m.op.endpoint(m.T, "authorization_endpoint") + "?" + values.Encode())
}

// walk does what the pages ask until the client gets its answer. logins counts the login pages.
func (m *module) walk(page *e2e.Page) (end *e2e.Page, logins int) {
	m.Helper()
	for range 4 {
		switch {
		case page.Has("password"):
			logins++
			page = page.Click("login", map[string]string{"username": m.op.user.Username, "password": m.op.user.Password})
		case page.Has("consent-allow"):
			page = page.Click("consent-allow", nil)
		default:
			return page, logins
		}
	}
	m.Fatalf("the pages do not come to an end, at %s", page.URL)
	return nil, 0
}

// response reads the authorization response at the end of a walk and checks how it came (section 0). The members are
// the caller's to judge.
func (m *module) response(page *e2e.Page, request url.Values) url.Values {
	m.Helper()
	redirect := request.Get("redirect_uri")
	if !m.formPost {
		// 303 and nothing else: it is right for an answer to a POST as well (RFC 9700 §4.12).
		if page.Location == nil || page.Status != http.StatusSeeOther {
			m.Fatalf("no redirect but %d at %s: %s", page.Status, page.URL, page.Text(""))
		}
		if base, _, _ := strings.Cut(page.Location.String(), "?"); base != redirect || page.Location.Fragment != "" {
			m.Fatalf("the answer went to %s, want %s without a fragment", page.Location, redirect)
		}
		return page.Location.Query()
	}
	if page.Location != nil || !page.Has("form-post") {
		m.Fatalf("no form but location %v, %d at %s: %s", page.Location, page.Status, page.URL, page.Text(""))
	}
	content, err := base64.StdEncoding.DecodeString(page.Click("continue", nil).Text("received"))
	if err != nil {
		m.Fatal(err)
	}
	var got received
	if err := json.Unmarshal(content, &got); err != nil {
		m.Fatalf("the callback got nothing: %v", err)
	}
	if got.Method != http.MethodPost || got.ContentType != "application/x-www-form-urlencoded" || got.Query != "" {
		m.Errorf("the callback got %s, %s, query %q", got.Method, got.ContentType, got.Query)
	}
	return got.Form
}

// finish walks from a page to the code and redeems it.
func (m *module) finish(page *e2e.Page, c client, request url.Values) (*tokens, int) {
	m.Helper()
	end, logins := m.walk(page)
	return m.redeem(c, request, m.code(m.response(end, request), request)), logins
}

// login is the happy flow with a request.
func (m *module) login(c client, request url.Values) *tokens {
	m.Helper()
	got, _ := m.finish(m.visit(request), c, request)
	return got
}

// silent sends a request that must be answered without any page.
func (m *module) silent(c client, request url.Values) *tokens {
	m.Helper()
	return m.redeem(c, request, m.code(m.response(m.visit(request), request), request))
}

// refused sends prompt=none and wants an error of the kind that says a page would be needed.
func (m *module) refused(c client) {
	m.Helper()
	request := m.request(c, "prompt", "none", "state", random(128))
	m.fault(m.response(m.visit(request), request), request,
		"login_required", "interaction_required", "consent_required", "account_selection_required")
}

// tokenRequest sends a form to the token endpoint, authenticated as the client.
func (m *module) tokenRequest(c client, form url.Values) *answer {
	m.Helper()
	if c.post {
		form.Set("client_id", c.id)
		form.Set("client_secret", c.secret)
	}
	request := m.op.form(m.T, m.op.endpoint(m.T, "token_endpoint"), form)
	if !c.post {
		request.SetBasicAuth(formEncoded(c.id), formEncoded(c.secret))
	}
	return m.op.send(m.T, request)
}

// formEncoded is what RFC 6749 §2.3.1 wants before base64, with more characters escaped than need be: ids and secrets
// here have none that must be, and a server that does not decode would go unseen.
func formEncoded(text string) string {
	return strings.NewReplacer("-", "%2D", "_", "%5F").Replace(url.QueryEscape(text))
}

func (m *module) exchange(c client, request url.Values, code string) *answer {
	m.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {request.Get("redirect_uri")}}
	if verifier := request.Get("verifier"); verifier != "" {
		form.Set("code_verifier", verifier)
	}
	return m.tokenRequest(c, form)
}

// redeem exchanges the code and checks the tokens.
func (m *module) redeem(c client, request url.Values, code string) *tokens {
	m.Helper()
	got := m.tokens(m.exchange(c, request, code), c)
	m.idToken(got, request)
	m.bound(got, request, code)
	return got
}

// userinfo asks with the token in the header.
func (m *module) userinfo(access string) *answer {
	m.Helper()
	request := m.op.get(m.T, m.op.endpoint(m.T, "userinfo_endpoint"))
	request.Header.Set("Authorization", "Bearer "+access)
	return m.op.send(m.T, request)
}

// until waits for the clock or the server, looking again and again.
func (m *module) until(what string, ready func() bool) {
	m.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ready() {
		select {
		case <-again.C:
		case <-deadline.C:
			m.Fatalf("waited in vain until %s", what)
		}
	}
}

// untilAfter waits until the second after the one given has begun.
func (m *module) untilAfter(second int64) {
	m.Helper()
	m.until("the second is over", func() bool { return time.Now().Unix() > second })
}
