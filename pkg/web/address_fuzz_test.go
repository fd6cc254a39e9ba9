package web

import (
	"net/http"
	"net/netip"
	"testing"
)

// FuzzAddress: whatever a caller writes into X-Forwarded-For, it cannot choose the address that it is known by.
func FuzzAddress(f *testing.F) {
	f.Add("127.0.0.1", uint32(0xC6336407), true)
	f.Add("10.0.0.9, 10.0.0.8", uint32(0x0A000009), false)
	f.Add(",,,", uint32(0xCB007101), true)
	f.Add("[::1]:80, ::ffff:10.0.0.1, fe80::1%eth0", uint32(1), false)
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	f.Fuzz(func(t *testing.T, written string, peer uint32, twoLines bool) {
		caller := netip.AddrFrom4([4]byte{byte(peer >> 24), byte(peer >> 16), byte(peer >> 8), byte(peer)})
		direct := &http.Request{RemoteAddr: netip.AddrPortFrom(caller, 4711).String(), Header: http.Header{"X-Forwarded-For": {written}}}
		if got := clientAddress(direct, proxies); !within(caller, proxies) && got != caller {
			t.Fatalf("%s says %q and is taken for %s", caller, written, got)
		}
		if within(caller, proxies) {
			return // written by a proxy, which is believed
		}
		// Through a proxy that adds the address it sees, to the line or in a line of its own.
		header := http.Header{"X-Forwarded-For": {written + ", " + caller.String()}}
		if twoLines {
			header = http.Header{"X-Forwarded-For": {written, caller.String()}}
		}
		through := &http.Request{RemoteAddr: "10.0.0.1:80", Header: header}
		if got := clientAddress(through, proxies); got != caller {
			t.Fatalf("%s says %q through a proxy and is taken for %s", caller, written, got)
		}
	})
}
