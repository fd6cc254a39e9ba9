package web

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// OutboundOptions say whom signet may call.
type OutboundOptions struct {
	// Timeout bounds a call as a whole: name, connection, handshake, answer.
	Timeout time.Duration
	// Loopback allows this machine too (dev); Private every address.
	Loopback, Private bool
	// Roots verify the server; nil: the system's.
	Roots *x509.CertPool
}

// NewOutbound returns the client for URLs that somebody else chose. It reaches public addresses alone, looked at when the
// connection is made, after the name was resolved, so that no answer of a name server can change in between. It follows
// no redirect, uses no proxy of the environment, keeps no cookie, undoes no compression, and verifies TLS from 1.2.
func NewOutbound(o OutboundOptions) *http.Client {
	dialer := &net.Dialer{Timeout: o.Timeout}
	if !o.Private {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			port, err := netip.ParseAddrPort(address)
			if err != nil || !PublicAddress(port.Addr()) && (!o.Loopback || !port.Addr().Unmap().IsLoopback()) {
				return errors.New("web: the address is not public")
			}
			return nil
		}
	}
	return &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: o.Timeout, ResponseHeaderTimeout: o.Timeout,
			MaxResponseHeaderBytes: 16 << 10, MaxIdleConnsPerHost: 2, MaxIdleConns: 64, IdleConnTimeout: 30 * time.Second,
			DisableCompression: true, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		},
	}
}

// notPublic are the networks that no public service is in, beside those that netip knows (IANA special-purpose
// registries), and those that carry an IPv4 address inside an IPv6 one, through which a private one could be reached.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("::ffff:0:0:0/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("5f00::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

// PublicAddress reports whether an address is one that anybody on the internet could reach: none of loopback, private,
// link-local, shared (CGNAT), unique-local, multicast, unspecified, reserved or translated ones. An IPv4 address written
// as an IPv6 one is looked at as what it is.
func PublicAddress(address netip.Addr) bool {
	address = address.Unmap()
	if !address.IsGlobalUnicast() || address.IsPrivate() || address.Zone() != "" {
		return false
	}
	for _, network := range notPublic {
		if network.Contains(address) {
			return false
		}
	}
	return true
}
