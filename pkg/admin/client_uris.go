package admin

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxURI = 2000

// plainURI parses an absolute URI of printable ASCII without what parsers disagree about: user info, fragment,
// backslash, wildcard, encoded host.
func plainURI(text string) (*url.URL, bool) {
	if text == "" || len(text) > maxURI {
		return nil, false
	}
	for i := range len(text) {
		if c := text[i]; c <= 0x20 || c > 0x7e || strings.IndexByte("\"\\<>^`{|}*", c) >= 0 {
			return nil, false
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.User != nil || strings.Contains(text, "#") {
		return nil, false
	}
	return u, true
}

var hostnames = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// webHost accepts a name or an address in canonical spelling, with an optional port.
func webHost(u *url.URL) bool {
	host := u.Hostname()
	if strings.HasSuffix(u.Host, ":") || u.Port() == "0" {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Zone() == "" && ip.String() == host
	}
	return hostnames.MatchString(host) && len(host) <= 253
}

func loopback(u *url.URL) bool {
	host := u.Hostname()
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

var privateSchemes = regexp.MustCompile(`^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+$`)

// redirectProblem says what is wrong with a redirect URI, "" when nothing is: https, http for loopback (RFC 8252
// §7.3), or for native clients a private-use scheme with a dot in it (§7.1), which nobody else can own by accident.
func redirectProblem(text string, native bool) string {
	u, ok := plainURI(text)
	if !ok {
		return "must hold absolute URIs without user, fragment or wildcard"
	}
	switch {
	case u.Scheme == "https":
		if u.Opaque == "" && webHost(u) {
			return ""
		}
		return "must name a host in lower case"
	case u.Scheme == "http":
		if u.Opaque == "" && webHost(u) && loopback(u) {
			return ""
		}
		return "may use http for 127.0.0.1, [::1] or localhost only"
	case !native:
		return "must be https (http for loopback) unless application_type is native"
	case !strings.HasPrefix(text, u.Scheme+":") || !privateSchemes.MatchString(u.Scheme):
		return "private-use schemes must hold a dot, in lower case: a domain of yours, reversed"
	default:
		return ""
	}
}

// httpsURL is a link that people or signet may follow.
func httpsURL(text string) bool {
	u, ok := plainURI(text)
	return ok && u.Scheme == "https" && u.Opaque == "" && webHost(u)
}

// resourceURI is an absolute URI (RFC 8707 §2).
func resourceURI(text string) bool {
	u, ok := plainURI(text)
	if !ok {
		return false
	}
	if u.Scheme == "https" || u.Scheme == "http" {
		return u.Opaque == "" && webHost(u)
	}
	return u.Scheme == "urn" && u.Opaque != ""
}

// originOK is an origin as browsers write it (RFC 6454 §6.2): no default port, no path, lower case.
func originOK(text string) bool {
	u, ok := plainURI(text)
	if !ok || u.Scheme+"://"+u.Host != text || !webHost(u) {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Port() != "443"
	case "http":
		return loopback(u) && u.Port() != "80"
	default:
		return false
	}
}

// textOK accepts at most limit characters that people can see: what reorders or hides text lets one name pose as
// another on the consent page.
func textOK(text string, limit int) bool {
	if utf8.RuneCountInString(text) > limit || strings.TrimSpace(text) != text {
		return false
	}
	for _, r := range text {
		switch {
		case unicode.IsControl(r), r == utf8.RuneError, r == '\u200b', r == '\u200e', r == '\u200f', r == '\u061c',
			r == '\u2028', r == '\u2029', r >= '\u202a' && r <= '\u202e', r >= '\u2060' && r <= '\u206f', r == '\ufeff':
			return false
		}
	}
	return true
}
