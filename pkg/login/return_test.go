package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/signet-auth/signet/pkg/signet"
)

// The pages say where the person will return in words that cannot be mistaken: the host as it stands in the address bar, an
// app of this device, never a name that only looks like another.
func TestPagesNameTheReturn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct{ name, uri, want string }{
		{"a host", "https://rp.test/cb", "rp.test"},
		{"a port", "https://rp.test:8443/cb", "rp.test:8443"},
		{"an app", "com.example.app:/cb", "com.example.app, an app on this device"},
		{"an app that looks like a host", "com.example.app://rp.test/cb", "com.example.app, an app on this device"},
		{"a program of this device", "http://127.0.0.1:5000/cb", "an app on this device (127.0.0.1:5000)"},
		{"one by IPv6", "http://[::1]:5000/cb", "an app on this device ([::1]:5000)"},
		{"a name that looks like another", "https://r\u0440.test/cb", "r%D1%80.test"},
		{"user information before the host", "https://bank.test@evil.test/cb", "evil.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := h.browser("192.0.2.1")
			page := b.get("/login?flow=" + url.QueryEscape(b.flow(func(f *signet.Flow) { f.Params["redirect_uri"] = c.uri })))
			shown := find(t, page.body, func(n *html.Node) bool { return n.Data == "bdi" && n.FirstChild != nil && n.FirstChild.Data == c.want })
			if page.Code != http.StatusOK || shown == nil {
				t.Errorf("%d, not %q:\n%s", page.Code, c.want, page.body)
			}
		})
	}
}

// A client without a name is called by its id.
func TestPagesNameTheClient(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, name := range []string{"", "  "} {
		client := h.addClient(name, nil)
		b := h.browser("192.0.2.1")
		page := b.get("/login?flow=" + url.QueryEscape(b.flow(func(f *signet.Flow) { f.ClientID = client.ID })))
		if !strings.Contains(page.body, string(client.ID)) {
			t.Errorf("%d:\n%s", page.Code, page.body)
		}
	}
}
