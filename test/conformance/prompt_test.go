package conformance

import "net/http"

// prompts are the modules about when a person is asked again.
func prompts() []entry {
	return []entry{
		{"oidcc-prompt-login", promptLogin},
		{"oidcc-prompt-none-not-logged-in", func(m *module) { m.refused(m.op.first) }},
		{"oidcc-prompt-none-logged-in", promptNone},
		{"oidcc-max-age-1", maxAge1},
		{"oidcc-max-age-10000", maxAge10000},
	}
}

// again sends a second request in the same browser that must ask for the password; the authentication must be newer.
func (m *module) again(first *tokens, pairs ...string) {
	m.Helper()
	request := m.request(m.op.first, pairs...)
	page := m.visit(request)
	if !page.Has("password") || page.Status != http.StatusOK {
		m.Fatalf("no login page but location %v, %d: %s", page.Location, page.Status, page.Text(""))
	}
	second, logins := m.finish(page, m.op.first, request)
	if logins != 1 {
		m.Errorf("%d login pages", logins)
	}
	before, after := m.number(first.claims, "auth_time"), m.number(second.claims, "auth_time")
	if after <= before {
		m.Errorf("auth_time %d is not after %d", after, before)
	}
	if first.claims["sub"] != second.claims["sub"] {
		m.Errorf("sub %v, then %v", first.claims["sub"], second.claims["sub"])
	}
}

func promptLogin(m *module) {
	first := m.login(m.op.first, m.request(m.op.first))
	m.untilAfter(m.number(first.claims, "auth_time"))
	m.again(first, "prompt", "login")
}

// same wants the second answer to rest on the first authentication.
func (m *module) same(first, second *tokens) {
	m.Helper()
	for _, name := range []string{"sub", "auth_time", "sid"} {
		if first.claims[name] == nil || first.claims[name] != second.claims[name] {
			m.Errorf("%s %v, then %v", name, first.claims[name], second.claims[name])
		}
	}
}

func promptNone(m *module) {
	first := m.login(m.op.first, m.request(m.op.first))
	m.untilAfter(m.number(first.claims, "auth_time"))
	m.same(first, m.silent(m.op.first, m.request(m.op.first, "prompt", "none")))
}

// maxAge1 waits until the session is too old by the clock of the client: two seconds after the whole second that it
// was told.
func maxAge1(m *module) {
	first := m.login(m.op.first, m.request(m.op.first))
	m.untilAfter(m.number(first.claims, "auth_time") + 1)
	m.again(first, "max_age", "1")
}

func maxAge10000(m *module) {
	first := m.login(m.op.first, m.request(m.op.first, "max_age", "15000"))
	m.untilAfter(m.number(first.claims, "auth_time"))
	m.same(first, m.silent(m.op.first, m.request(m.op.first, "max_age", "10000")))
}

func idTokenHint(m *module) {
	first := m.login(m.op.first, m.request(m.op.first))
	m.same(first, m.silent(m.op.first, m.request(m.op.first, "prompt", "none", "id_token_hint", first.raw)))
}
