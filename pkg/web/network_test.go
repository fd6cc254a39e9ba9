package web_test

import (
	"net/netip"
	"testing"

	"github.com/signet-auth/signet/pkg/web"
)

func TestNetwork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, address, want string }{
		{"IPv4", "192.0.2.77", "192.0.2.0/24"},
		{"IPv4 in IPv6 is the same place", "::ffff:192.0.2.77", "192.0.2.0/24"},
		{"IPv6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"a zone is no other place", "fe80::1%eth0", "fe80::/64"},
	} {
		if got := web.Network(netip.MustParseAddr(c.address)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if got := web.Network(netip.Addr{}); got != "unknown" {
		t.Errorf("no address: %s", got)
	}
	if got := web.Neighbourhood(netip.MustParseAddr("192.0.2.77"), 32, 128); got != "192.0.2.77/32" {
		t.Errorf("a single address: %s", got)
	}
}

func TestAllowedFrom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		networks []string
		address  string
		want     bool
	}{
		{"no networks", nil, "192.0.2.1", true},
		{"inside", []string{"198.51.100.0/24", "192.0.2.0/24"}, "192.0.2.1", true},
		{"inside, as IPv4 in IPv6", []string{"192.0.2.0/24"}, "::ffff:192.0.2.1", true},
		{"outside", []string{"192.0.2.0/25"}, "192.0.2.200", false},
		{"unreadable", []string{"192.0.2.0"}, "192.0.2.0", false},
		{"another family", []string{"0.0.0.0/0"}, "2001:db8::1", false},
	} {
		if got := web.AllowedFrom(c.networks, netip.MustParseAddr(c.address)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
