package login

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// page is what a route does: it writes its answer, or returns why there is none, which fail shows.
type page func(w http.ResponseWriter, r *http.Request) error

// serve makes a handler of a page. It is the one error exit.
func (l *Login) serve(do page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(w, r); err != nil {
			l.fail(w, r, err)
		}
	}
}

// ours refuses a form that another site sent, before anything in it is looked at; the flow in it is the second lock, for
// browsers that send neither Sec-Fetch-Site nor Origin (CSR-01). Error: CodeForbidden.
func ours(r *http.Request) error {
	if !web.SameOrigin(r) {
		return signet.NewError(signet.CodeForbidden, wordsSite, "cross_site_post")
	}
	return nil
}

// read returns what was sent: the query of a GET, the form of a POST of ours. When fields are named, a form has no others
// (CSR-05). Errors: CodeForbidden, and those of web.Query and web.Form.
func read(r *http.Request, fields ...string) (url.Values, error) {
	if r.Method != http.MethodPost {
		return web.Query(r)
	}
	if err := ours(r); err != nil {
		return nil, err
	}
	form, err := web.Form(r)
	if err != nil || len(fields) == 0 {
		return form, err
	}
	for name := range form {
		if !slices.Contains(fields, name) {
			return nil, signet.NewError(signet.CodeInvalidRequest, "The form has a field that the page does not have.", "unknown_field")
		}
	}
	return form, nil
}

// pending is an authorization request that waits for a person, opened and found to belong to this browser.
type pending struct {
	flow   *signet.Flow
	sealed string
	client *signet.Client
}

// redirectURI is where the person will end.
func (p *pending) redirectURI() string { return p.flow.Params["redirect_uri"] }

// back is the way to the next decision.
func (p *pending) back() string { return "/authorize?flow=" + url.QueryEscape(p.sealed) }

// open reads a request and opens the authorization flow in it. The order is the proof:
//
//  1. read  2. the flow: unaltered, for this purpose, not too old, of this browser  3. its client may act
//
// Errors: those of read and openFlow, CodeInvalidRequest for a client that may not act any more, CodeUnavailable.
func (l *Login) open(r *http.Request, fields ...string) (*pending, url.Values, error) {
	values, err := read(r, fields...)
	if err != nil {
		return nil, nil, err
	}
	flow, err := l.openFlow(r, values.Get("flow"), signet.FlowAuthorize)
	if err != nil {
		return nil, nil, err
	}
	client, err := l.activeClient(r.Context(), flow.ClientID)
	if err != nil {
		return nil, nil, err
	}
	return &pending{flow: flow, sealed: values.Get("flow"), client: client}, values, nil
}

// openFlow opens a flow that is bound to this browser: one that is bound to none has not been to its endpoint yet, and
// anybody could have had it sealed. Errors: CodeInvalidRequest, CodeForbidden.
func (l *Login) openFlow(r *http.Request, sealed, purpose string) (*signet.Flow, error) {
	if sealed == "" {
		return nil, signet.NewError(signet.CodeInvalidRequest, wordsExpired, "flow_missing")
	}
	flow, err := l.Flows.OpenFlow(sealed, purpose, l.Bound(r))
	if err != nil {
		return nil, err
	}
	if flow.Browser == "" {
		return nil, signet.NewError(signet.CodeForbidden, wordsForeign, "flow_of_no_browser")
	}
	return flow, nil
}

// clientName is what a client is called on a page: its id when it has no name.
func clientName(c *signet.Client) string {
	if strings.TrimSpace(c.ClientName) != "" {
		return c.ClientName
	}
	return string(c.ID)
}

// returnTo says in words where a redirect URI leads: a host as it will stand in the address bar, or an app.
func returnTo(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	switch {
	case err != nil || u.Scheme == "":
		return ""
	case u.Scheme != "https" && u.Scheme != "http":
		return u.Scheme + ", an app on this device"
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
		return "an app on this device (" + u.Host + ")"
	}
	// A name outside ASCII can look like another one: show its bytes.
	host := ascii(u.Hostname())
	if port := u.Port(); port != "" {
		return net.JoinHostPort(host, port)
	}
	return host
}

func ascii(host string) string {
	for i := range len(host) {
		if host[i] >= 0x80 {
			return url.PathEscape(host)
		}
	}
	return host
}
