package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"time"
)

// granted walks to a code, redeems it and keeps it.
func (m *module) granted(c client) (request url.Values, code string, got *tokens) {
	m.Helper()
	request = m.request(c)
	page, _ := m.walk(m.visit(request))
	code = m.code(m.response(page, request), request)
	return request, code, m.redeem(c, request, code)
}

func codeReuse(m *module) {
	request, code, _ := m.granted(m.op.first)
	m.tokenFault(m.exchange(m.op.first, request, code), "invalid_grant")
}

// codeReuseLater waits less than the suite's 30 seconds: a code lives for 60, so it is as fresh after one. What was
// issued for it must then be refused.
func codeReuseLater(m *module) {
	request, code, got := m.granted(m.op.first)
	m.person(m.userinfo(got.access), got)
	m.untilAfter(time.Now().Unix())
	m.tokenFault(m.exchange(m.op.first, request, code), "invalid_grant")
	if after := m.userinfo(got.access); after.status != http.StatusUnauthorized {
		m.Errorf("the access token of the first use still counts: %v", after)
	}
}

// offline logs in for a refresh token.
func (m *module) offline(c client) *tokens {
	m.Helper()
	got := m.login(c, m.request(c, "scope", "openid offline_access", "prompt", "consent"))
	if got.refresh == "" {
		m.Fatal("no refresh token")
	}
	return got
}

// renew uses a refresh token and checks the answer against the first one.
func (m *module) renew(c client, first, last *tokens, form url.Values) *tokens {
	m.Helper()
	m.untilAfter(m.number(last.claims, "iat"))
	form.Set("grant_type", "refresh_token")
	form.Set("refresh_token", last.refresh)
	got := m.tokens(m.tokenRequest(c, form), c)
	if got.access == last.access || got.refresh == "" {
		m.Error("the refreshed access token is the old one, or no refresh token came with it")
	}
	for _, name := range []string{"iss", "sub", "aud", "azp", "auth_time"} {
		if got.claims[name] != first.claims[name] {
			m.Errorf("%s %v, first %v", name, got.claims[name], first.claims[name])
		}
	}
	if before, after := m.number(last.claims, "iat"), m.number(got.claims, "iat"); after <= before {
		m.Errorf("iat %d is not after %d", after, before)
	}
	m.person(m.userinfo(got.access), got)
	return got
}

func refresh(m *module) {
	if !slices.Contains(m.op.list(m.T, "scopes_supported"), "offline_access") || !slices.Contains(m.op.list(m.T, "grant_types_supported"), "refresh_token") {
		m.Error("the metadata lacks offline_access or refresh_token")
	}
	first := m.offline(m.op.first)
	next := m.renew(m.op.first, first, first, url.Values{})
	next = m.renew(m.op.first, first, next, url.Values{"scope": {"openid offline_access"}})

	second := m.offline(m.op.second)
	m.tokenFault(m.tokenRequest(m.op.first, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {second.refresh}}), "invalid_grant")
	// The one whose token it is must not suffer for it.
	m.renew(m.op.second, second, second, url.Values{})
	m.renew(m.op.first, first, next, url.Values{})
}
