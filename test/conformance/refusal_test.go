package conformance

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/signet-auth/signet/test/e2e"
)

// errorPage wants a page for the person and no redirect: nothing may reach an address that is not proven.
func (m *module) errorPage(page *e2e.Page) {
	m.Helper()
	if page.Location != nil || page.Status != http.StatusBadRequest || page.Text("error") == "" || page.Has("form-post") {
		m.Fatalf("no error page but location %v, %d: %s", page.Location, page.Status, page.Text(""))
	}
}

func responseTypeMissing(m *module) {
	request := m.request(m.op.first, "response_type", "", "state", random(128))
	m.fault(m.response(m.visit(request), request), request, "unsupported_response_type", "invalid_request")
}

func unregisteredRedirect(m *module) {
	m.errorPage(m.visit(m.request(m.op.first, "redirect_uri", m.op.first.redirect+"/"+random(8))))
}

// requestObjects: all three are skipped where an unsigned request object is not supported. What tells the suite so is
// the error, since request_object_signing_alg_values_supported is left out.
func requestObjects() []entry {
	return []entry{
		{"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", func(m *module) {
			m.unsupported("request_uri_parameter_supported", "request_uri", "https://rp.test/"+random(8), "request_uri_not_supported")
		}},
		{"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", func(m *module) {
			m.unsupported("request_parameter_supported", "request", unsigned(m.request(m.op.first)), "request_not_supported")
		}},
		{"oidcc-ensure-request-object-with-redirect-uri", requestObjectRedirect},
	}
}

func (m *module) unsupported(member, parameter, value, code string) {
	m.Helper()
	m.op.lacks(m.T, "request_object_signing_alg_values_supported", "none")
	if m.op.metadata[member] != false {
		m.Errorf("%s is %v, want false in so many words", member, m.op.metadata[member])
	}
	request := m.request(m.op.first, parameter, value, "state", random(128))
	m.fault(m.response(m.visit(request), request), request, code)
}

// unsigned is a request object with alg none.
func unsigned(values url.Values) string {
	members := map[string]string{}
	for name := range values {
		members[name] = values.Get(name)
	}
	payload, _ := json.Marshal(members) // a map of strings
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
}

// requestObjectRedirect: valid inside, invalid outside. A redirect with request_not_supported would prove that a
// default address was used.
func requestObjectRedirect(m *module) {
	inside := unsigned(m.request(m.op.first))
	m.errorPage(m.visit(m.request(m.op.first, "redirect_uri", m.op.first.redirect+"/"+random(8), "request", inside)))
}
