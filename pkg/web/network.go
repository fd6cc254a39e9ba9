package web

import (
	"net/netip"
	"slices"
)

// The neighbourhood of an address: whoever has one address of a /24 may have them all, and whoever has an IPv6 address
// has 2^64 of them.
const (
	networkBits4 = 24
	networkBits6 = 64
)

// Network is the neighbourhood of an address, /24 or /64, as counters of failures name it; "unknown" for no address.
func Network(address netip.Addr) string { return Neighbourhood(address, networkBits4, networkBits6) }

// Neighbourhood is the range of so many bits around an IPv4 or an IPv6 address; "unknown" for no address.
func Neighbourhood(address netip.Addr, bits4, bits6 int) string {
	address = address.Unmap().WithZone("")
	bits := bits6
	if address.Is4() {
		bits = bits4
	}
	prefix, err := address.Prefix(bits)
	if err != nil || !prefix.IsValid() {
		return "unknown"
	}
	return prefix.String()
}

// AllowedFrom reports whether a record's networks (CIDR) let the address in: none at all let everybody in, and one that
// cannot be read lets nobody in.
func AllowedFrom(networks []string, from netip.Addr) bool {
	if len(networks) == 0 {
		return true
	}
	from = from.Unmap()
	return slices.ContainsFunc(networks, func(text string) bool {
		network, err := netip.ParsePrefix(text)
		return err == nil && network.Contains(from)
	})
}
