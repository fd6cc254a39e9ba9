package oauth

import (
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

// maxRedirectURI bounds what is compared: far more than any registered URI, far less than a URL line.
const maxRedirectURI = 2048

// matchRedirectURI reports whether raw may receive this client's answers: it equals a registered URI byte for byte
// (RFC 3986 §6.2.1, RFC 9700 §4.1.3), or differs from a registered loopback IP URI of a native or public client in
// nothing but the port (RFC 8252 §7.3). Nothing is parsed, decoded or normalised before the comparison: each such
// step has been somebody's bypass.
func matchRedirectURI(raw string, client *signet.Client) bool {
	if !usableRedirectURI(raw) {
		return false
	}
	for _, registered := range client.RedirectURIs {
		if raw == registered {
			return true
		}
	}
	if !client.Public() && client.ApplicationType != "native" {
		return false
	}
	rest, port, ok := cutLoopback(raw)
	if !ok || !validPort(port) {
		return false
	}
	for _, registered := range client.RedirectURIs {
		// registeredPort may be anything, "" included: it is the part that varies.
		registeredRest, _, ok := cutLoopback(registered)
		if ok && registeredRest == rest {
			return true
		}
	}
	return false
}

// usableRedirectURI refuses what must never stand in a Location header or a form action, even if it was registered by
// mistake: other characters than RFC 3986 allows (so no space, control, quote, backslash, non-ASCII), a fragment
// (RFC 6749 §3.1.2), a missing scheme, and the schemes that a browser runs or reads instead of visiting.
func usableRedirectURI(raw string) bool {
	if raw == "" || len(raw) > maxRedirectURI {
		return false
	}
	for i := range len(raw) {
		if !uriByte(raw[i]) {
			return false
		}
	}
	scheme, rest, ok := strings.Cut(raw, ":")
	if !ok || rest == "" || !validScheme(scheme) {
		return false
	}
	switch strings.ToLower(scheme) {
	case "javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source", "mailto", "intent":
		return false
	default:
		return true
	}
}

// uriByte reports whether c is unreserved, reserved (without "#") or "%" (RFC 3986 §2).
func uriByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	default:
		return strings.IndexByte("-._~:/?[]@!$&'()*+,;=%", c) >= 0
	}
}

// validScheme follows RFC 3986 §3.1.
func validScheme(scheme string) bool {
	for i := range len(scheme) {
		c := scheme[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return scheme != ""
}

// cutLoopback takes a loopback IP URI apart. Only the two IP literals count (RFC 8252 §7.3): the name localhost may
// resolve elsewhere (§8.3), and every other spelling of the same address is another string. rest is everything but the port, port the digits after the colon, "" when
// there is no colon. ok is false for every other URI, and for an empty port ("http://127.0.0.1:/cb").
func cutLoopback(uri string) (rest, port string, ok bool) {
	for _, prefix := range [...]string{"http://127.0.0.1", "http://[::1]"} {
		after, found := strings.CutPrefix(uri, prefix)
		if !found {
			continue
		}
		if tail, colon := strings.CutPrefix(after, ":"); colon {
			end := strings.IndexAny(tail, "/?")
			if end < 0 {
				end = len(tail)
			}
			port, after = tail[:end], tail[end:]
			if port == "" {
				return "", "", false
			}
		}
		// What follows the authority must begin a path or a query; anything else ("http://127.0.0.1.evil.test",
		// "http://127.0.0.1:80@evil.test") belongs to another host.
		if after != "" && after[0] != '/' && after[0] != '?' {
			return "", "", false
		}
		return prefix + after, port, true
	}
	return "", "", false
}

// validPort accepts 1 to 65535 in the one decimal spelling that each number has.
func validPort(port string) bool {
	if port == "" || len(port) > 5 || port[0] == '0' {
		return false
	}
	n := 0
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
		n = n*10 + int(port[i]-'0')
	}
	return n <= 65535
}

// identityUnproven reports whether anybody on the device could have sent this request in the client's name and would
// receive the code: a public client whose answer goes to a private-use scheme or to the loopback interface
// (RFC 8252 §8.6). Such a client never gets a code without a click in this flow (design.md, decision 9).
func identityUnproven(client *signet.Client, redirectURI string) bool {
	if !client.Public() {
		return false
	}
	scheme, rest, _ := strings.Cut(redirectURI, ":")
	switch strings.ToLower(scheme) {
	case "https":
		return false
	case "http":
		host := strings.ToLower(rest)
		for _, prefix := range [...]string{"//127.0.0.1", "//[::1]", "//localhost"} {
			if strings.HasPrefix(host, prefix) {
				return true
			}
		}
		return false
	default:
		return true
	}
}
