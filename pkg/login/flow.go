package login

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// pending is an authorization request that waits for a person, opened and found to belong to this browser.
type pending struct {
	flow   *signet.Flow
	sealed string
	client *signet.Client
}

// redirectURI is where the person will end.
func (p *pending) redirectURI() string { return p.flow.Params["redirect_uri"] }

// back is the way to the next decision.
func (p *pending) back() string { return backTo(p.sealed) }

func backTo(sealed string) string { return "/authorize?flow=" + url.QueryEscape(sealed) }

// openFlow opens a sealed flow. The order is the proof:
//
//  1. unaltered, made for this purpose, not too old (all three by OpenFlow)
//  2. made for this browser (CSR-02, CSR-04: somebody else's flow would log a victim in as the attacker)
//
// Errors: CodeInvalidRequest, CodeForbidden.
func (l *Login) openFlow(r *http.Request, sealed, purpose string) (*signet.Flow, error) {
	if sealed == "" {
		return nil, signet.NewError(signet.CodeInvalidRequest, wordsExpired, "flow_missing")
	}
	flow, err := l.Flows.OpenFlow(sealed, purpose)
	if err != nil {
		return nil, &signet.Error{Code: signet.CodeInvalidRequest, Message: wordsExpired, Reason: "flow_invalid", Cause: err}
	}
	browser := l.browserOf(r)
	if browser == "" || subtle.ConstantTimeCompare([]byte(browser), []byte(flow.Browser)) != 1 {
		return nil, signet.NewError(signet.CodeForbidden, wordsForeign, "flow_of_another_browser")
	}
	return flow, nil
}

// open opens an authorization flow and finds its client. Errors: those of openFlow, CodeInvalidRequest for a client
// that may not act any more, CodeUnavailable.
func (l *Login) open(r *http.Request, sealed string) (*pending, error) {
	flow, err := l.openFlow(r, sealed, signet.FlowAuthorize)
	if err != nil {
		return nil, err
	}
	client, err := l.activeClient(r.Context(), flow.ClientID)
	if err != nil {
		return nil, err
	}
	return &pending{flow: flow, sealed: sealed, client: client}, nil
}

// posted reads a form of ours. A form that another site sent is refused before anything in it is looked at; the flow in
// it is the second lock, for browsers that send neither Sec-Fetch-Site nor Origin (CSR-01).
func posted(r *http.Request) (url.Values, error) {
	if !web.SameOrigin(r) {
		return nil, signet.NewError(signet.CodeForbidden, wordsSite, "cross_site_post")
	}
	return web.Form(r)
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
