package web

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// HTT-07: only what proxies of ours wrote is believed.
func TestHTT07ClientAddress(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	cases := []struct {
		name    string
		peer    string
		trusted []netip.Prefix
		forward []string
		want    string
	}{
		{"peer", "192.0.2.1:4711", proxies, nil, "192.0.2.1"},
		{"mapped peer", "[::ffff:192.0.2.1]:4711", proxies, nil, "192.0.2.1"},
		{"zoned peer", "[fe80::1%eth0]:4711", proxies, nil, "fe80::1"},
		{"untrusted peer says loopback", "192.0.2.1:4711", proxies, []string{"127.0.0.1"}, "192.0.2.1"},
		{"no proxies configured", "10.0.0.1:1", nil, []string{"198.51.100.7"}, "10.0.0.1"},
		{"one hop", "10.0.0.1:1", proxies, []string{"198.51.100.7"}, "198.51.100.7"},
		{"forged entries on the left", "10.0.0.1:1", proxies, []string{"127.0.0.1, 10.0.0.9, 198.51.100.7"}, "198.51.100.7"},
		{"two proxies", "10.0.0.1:1", proxies, []string{"203.0.113.1, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"several header lines", "10.0.0.1:1", proxies, []string{"203.0.113.1", "198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
		{"only proxies", "10.0.0.1:1", proxies, []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"with port", "10.0.0.1:1", proxies, []string{"198.51.100.7:99"}, "198.51.100.7"},
		{"IPv6 in brackets with port", "10.0.0.1:1", proxies, []string{"[2001:db8::7]:99"}, "2001:db8::7"},
		{"IPv6 proxy", "[2001:db8:ffff::1]:1", proxies, []string{"2001:db8::7"}, "2001:db8::7"},
		{"mapped hop is the IPv4 address", "10.0.0.1:1", proxies, []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		// garbage is the caller's: the last hop that a proxy vouched for counts
		{"garbage", "10.0.0.1:1", proxies, []string{"unknown"}, "10.0.0.1"},
		{"garbage on the left of a proxy", "10.0.0.1:1", proxies, []string{"198.51.100.7, evil, 10.0.0.2"}, "10.0.0.2"},
		{"zone", "10.0.0.1:1", proxies, []string{"fe80::1%eth0"}, "10.0.0.1"},
		{"empty entry", "10.0.0.1:1", proxies, []string{"198.51.100.7, "}, "10.0.0.1"},
		{"a list of a hundred", "10.0.0.1:1", proxies, []string{strings.Repeat("203.0.113.1,", 100) + "198.51.100.7"}, "198.51.100.7"},
		{"a hundred proxies end the search", "10.0.0.1:1", proxies, []string{"198.51.100.7," + strings.Repeat("10.0.0.2,", 99) + "10.0.0.2"}, "10.0.0.2"},
		{"no address at all", "@", proxies, []string{"198.51.100.7"}, "invalid IP"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{RemoteAddr: tc.peer, Header: http.Header{"X-Forwarded-For": tc.forward}}
			if got := clientAddress(r, tc.trusted).String(); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}
