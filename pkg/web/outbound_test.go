package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

func TestPublicAddress(t *testing.T) {
	t.Parallel()
	for text, public := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700:4700::1111": true, "::ffff:8.8.8.8": true, "172.32.0.1": true, "100.128.0.1": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::ffff:127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false,
		"192.168.0.1": false, "::ffff:10.0.0.1": false, "169.254.169.254": false, "::ffff:169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false,
		"100.64.0.1": false, "100.127.255.255": false, "fc00::1": false, "fd12::1": false, "224.0.0.1": false, "ff02::1": false,
		"0.0.0.0": false, "::": false, "0.1.2.3": false, "255.255.255.255": false, "240.0.0.1": false, "192.0.2.1": false, "198.18.0.1": false,
		"::127.0.0.1": false, "64:ff9b::7f00:1": false, "::ffff:0:7f00:1": false, "2002:7f00:1::": false, "2001::1": false, "2001:db8::1": false, "fec0::1": false,
		"203.0.113.9": false, "192.0.0.8": false, "198.51.100.1": false, "::10.0.0.1": false, "64:ff9b:1::1": false, "2a00:1450::1": true,
	} {
		if got := PublicAddress(netip.MustParseAddr(text)); got != public {
			t.Errorf("%s: public %v", text, got)
		}
	}
}

func TestOutbound(t *testing.T) {
	t.Parallel()
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/", http.StatusFound)
		}
	}))
	t.Cleanup(inner.Close)
	for _, c := range []struct {
		name    string
		options OutboundOptions
		path    string
		status  int // 0: no connection
	}{
		{"production", OutboundOptions{Timeout: time.Second}, "/", 0},
		{"loopback allowed", OutboundOptions{Timeout: time.Second, Loopback: true}, "/", http.StatusOK},
		{"private allowed", OutboundOptions{Timeout: time.Second, Private: true}, "/", http.StatusOK},
		{"redirect", OutboundOptions{Timeout: time.Second, Loopback: true}, "/redirect", http.StatusFound},
	} {
		res, err := NewOutbound(c.options).Get(inner.URL + c.path)
		status := 0
		if err == nil {
			status = res.StatusCode
			_ = res.Body.Close()
		}
		if status != c.status {
			t.Errorf("%s: %d, %v", c.name, status, err)
		}
	}
}

// MTL-01: no handler sees a header by which a caller could claim a certificate.
func TestMTL01CertificateHeadersAreTaken(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32")}
	for _, c := range []struct {
		peer    string
		vouched bool
	}{{"192.0.2.1:1", false}, {"10.0.0.8:1", false}, {"10.0.0.7:1", true}, {"[::ffff:10.0.0.7]:1", true}} {
		r := httptest.NewRequest(http.MethodPost, "/token", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-For", "10.0.0.7")
		for _, name := range []string{"Client-Cert", "client-cert-chain", "X-SSL-Client-Cert", "X-Client-Cert", "X-Forwarded-Client-Cert",
			"SSL-Client-Verify", "X_SSL_CLIENT_CERT", "Client_Cert", "X-Forwarded-Tls-Client-Cert", "X-Amzn-Mtls-Clientcert-Leaf"} {
			r.Header.Set(name, "v")
		}
		r.Header["client-cert"] = []string{"uncanonical"}
		r.Header.Set("X-Client-Name", "kept")
		taken := takeCertificates(r, proxies)
		if taken.vouched != c.vouched || (len(taken.leaf) == 1 && len(taken.chain) == 1) != c.vouched {
			t.Errorf("%s: %+v", c.peer, taken)
		}
		if len(r.Header) != 2 || r.Header.Get("X-Client-Name") != "kept" {
			t.Errorf("%s: left %v", c.peer, r.Header)
		}
	}
}
