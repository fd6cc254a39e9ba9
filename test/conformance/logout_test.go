package conformance

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/test/e2e"
)

func TestLogout(t *testing.T) {
	t.Parallel()
	const plan = "oidcc-rp-initiated-logout"
	runPlan(t, startOP(t), false, []entry{
		{plan + "-discovery-endpoint-verification", func(m *module) { m.endpoints("end_session_endpoint") }},
		{plan, logoutRedirects(random(128))},
		{plan + "-bad-post-logout-redirect-uri", stays("post_logout_redirect_uri", func(m *module, _ *tokens) string {
			return m.op.first.loggedOut + "/" + random(8)
		})},
		{plan + "-modified-id-token-hint", stays("id_token_hint", func(_ *module, got *tokens) string {
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(got.raw, ".")[1] + "."
		})},
		{plan + "-no-id-token-hint", stays("id_token_hint", nothing)},
		{plan + "-no-params", logsOut(true)},
		{plan + "-no-post-logout-redirect-uri", logsOut(false, "id_token_hint", "state")},
		{plan + "-no-state", logoutRedirects("")},
		{plan + "-only-state", logsOut(true, "state")},
		{plan + "-query-added-to-post-logout-redirect-uri", stays("post_logout_redirect_uri", func(m *module, _ *tokens) string {
			return m.op.first.loggedOut + "?foo=bar"
		})},
		{plan + "-bad-id-token-hint", stays("id_token_hint", foreignHint)},
	})
}

func nothing(*module, *tokens) string { return "" }

// foreignHint is the ID token signed by the client, with issuer and audience changed over.
func foreignHint(m *module, got *tokens) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		m.Fatal(err)
	}
	kid := "foreign"
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		m.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(got.raw, ".")[1])
	if err != nil {
		m.Fatal(err)
	}
	swapped := strings.NewReplacer(`"iss":"`+m.op.Card.Issuer+`"`, `"iss":"`+m.op.first.id+`"`,
		`"aud":"`+m.op.first.id+`"`, `"aud":"`+m.op.Card.Issuer+`"`).Replace(string(payload))
	if swapped == string(payload) {
		m.Fatal("issuer and audience were not found in the ID token")
	}
	signed, err := signer.Sign([]byte(swapped))
	if err != nil {
		m.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		m.Fatal(err)
	}
	return text
}

// end opens the end session endpoint.
func (m *module) end(params url.Values) *e2e.Page {
	m.Helper()
	return m.browser.Get(m.op.endpoint(m.T, "end_session_endpoint") + "?" + params.Encode())
}

// confirm answers the page that asks, and fails when there is none.
func (m *module) confirm(page *e2e.Page) *e2e.Page {
	m.Helper()
	if page.Location != nil || !page.Has("logout-confirm") {
		m.Fatalf("location %v, %d: %s", page.Location, page.Status, page.Text(""))
	}
	return page.Click("logout-confirm", nil)
}

// loggedIn logs in and returns the parameters of a complete logout request.
func (m *module) loggedIn() (*tokens, url.Values) {
	m.Helper()
	got := m.login(m.op.first, m.request(m.op.first))
	m.silent(m.op.first, m.request(m.op.first, "prompt", "none")) // else its refusal afterwards would say nothing
	return got, url.Values{"id_token_hint": {got.raw}, "post_logout_redirect_uri": {m.op.first.loggedOut}, "state": {random(128)}}
}

// logoutRedirects ends the session unasked and returns to the client with the state alone, or with none.
func logoutRedirects(state string) func(*module) {
	return func(m *module) {
		_, params := m.loggedIn()
		want := m.op.first.loggedOut
		params.Del("state")
		if state != "" {
			params.Set("state", state)
			want += "?state=" + state
		}
		page := m.end(params)
		if page.Location == nil || page.Location.String() != want {
			m.Fatalf("location %v, want %s; %d %s", page.Location, want, page.Status, page.Text(""))
		}
		m.refused(m.op.first)
	}
}

// logsOut sends only the parameters named: the session ends, the page says so, nobody is redirected. asks: without a
// hint the person is asked first.
func logsOut(asks bool, names ...string) func(*module) {
	return func(m *module) {
		_, all := m.loggedIn()
		params := url.Values{}
		for _, name := range names {
			params[name] = all[name]
		}
		page := m.end(params)
		if asks {
			page = m.confirm(page)
		}
		m.loggedOut(page)
	}
}

// loggedOut wants the page that says so, and that it is true.
func (m *module) loggedOut(page *e2e.Page) {
	m.Helper()
	if page.Location != nil || page.Status != http.StatusOK || !page.Has("logged-out") {
		m.Fatalf("location %v, %d: %s", page.Location, page.Status, page.Text(""))
	}
	m.refused(m.op.first)
}

// stays spoils one parameter ("" leaves it out). What follows is a question to the person, and no redirect at any time.
// Without a yes the session lives on: the request may be anybody's.
func stays(name string, spoil func(*module, *tokens) string) func(*module) {
	return func(m *module) {
		got, params := m.loggedIn()
		params.Del(name)
		if value := spoil(m, got); value != "" {
			params.Set(name, value)
		}
		page := m.end(params)
		m.silent(m.op.first, m.request(m.op.first, "prompt", "none"))
		m.loggedOut(m.confirm(page))
	}
}
