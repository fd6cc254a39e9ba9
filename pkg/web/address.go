package web

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds the work that a forged X-Forwarded-For can cause.
const maxHops = 32

// clientAddress returns the peer, unless the peer is a trusted proxy: then the right-most hop of X-Forwarded-For that
// is not one. What stands left of that hop was written by the caller and is never looked at.
func clientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer := peerAddress(r.RemoteAddr)
	if len(trusted) == 0 || !within(peer, trusted) {
		return peer
	}
	address, hops := peer, 0
	values := r.Header["X-Forwarded-For"]
	for i := len(values) - 1; i >= 0; i-- {
		rest := values[i]
		for rest != "" && hops < maxHops {
			hop := rest
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, hop = rest[:comma], rest[comma+1:]
			} else {
				rest = ""
			}
			hops++
			next, ok := parseHop(strings.TrimSpace(hop))
			if !ok {
				return address // written by no proxy of ours: the last hop we can vouch for
			}
			address = next
			if !within(address, trusted) {
				return address
			}
		}
	}
	return address
}

func peerAddress(remote string) netip.Addr {
	port, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return port.Addr().Unmap().WithZone("")
}

// parseHop reads "192.0.2.1", "192.0.2.1:80", "2001:db8::1" and "[2001:db8::1]:80". A zone has a meaning on another
// machine only, and would give one caller many names.
func parseHop(text string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		port, portErr := netip.ParseAddrPort(text)
		if portErr != nil {
			return netip.Addr{}, false
		}
		address = port.Addr()
	}
	if address.Zone() != "" {
		return netip.Addr{}, false
	}
	return address.Unmap(), true
}

func within(address netip.Addr, prefixes []netip.Prefix) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// network is the unit of rate limits: one IPv4 address, or the /64 that one IPv6 host can choose from freely.
func network(address netip.Addr) netip.Addr {
	if address.Is6() {
		prefix, err := address.Prefix(64)
		if err == nil {
			return prefix.Addr()
		}
	}
	return address
}
