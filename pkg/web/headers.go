package web

import (
	"net/http"
	"net/url"
	"strings"
)

// The policies of pages and of everything else. form-action stands alone so that FormAction can widen it.
const (
	formActionSelf = "form-action 'self'"
	pageCSP        = "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; " +
		formActionSelf + "; frame-ancestors 'none'; base-uri 'none'"
	dataCSP = "default-src 'none'; frame-ancestors 'none'"
)

// Header values are prepared once: a header map holds a slice, and one of capacity one is safe to share, since
// appending to it makes a copy.
var (
	headerNoStore     = []string{noStore}
	headerNoCache     = []string{"no-cache"}
	headerNosniff     = []string{"nosniff"}
	headerNoReferrer  = []string{"no-referrer"}
	headerDeny        = []string{"DENY"}
	headerSameOrigin  = []string{"same-origin"}
	headerPageCSP     = []string{pageCSP}
	headerDataCSP     = []string{dataCSP}
	headerPermissions = []string{"accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), midi=(), payment=(), usb=()"}
	headerHSTS        = []string{"max-age=63072000; includeSubDomains"}
	headerJSON        = []string{"application/json"}
	headerProblem     = []string{"application/problem+json"}
	headerClose       = []string{"close"}
	headerOrigin      = []string{"Origin"}
)

// secure sets the headers that every answer carries (RFC 9700 §4.2.4, OWASP ASVS 3.4). no-referrer keeps codes and
// flows out of the Referer of whatever a page links to.
func secure(h http.Header, https bool) {
	h["X-Content-Type-Options"] = headerNosniff
	h["Referrer-Policy"] = headerNoReferrer
	h["X-Frame-Options"] = headerDeny
	h["Cross-Origin-Opener-Policy"] = headerSameOrigin
	h["Cross-Origin-Resource-Policy"] = headerSameOrigin
	h["Permissions-Policy"] = headerPermissions
	h["Content-Security-Policy"] = headerDataCSP
	h["Cache-Control"] = headerNoStore
	if https {
		h["Strict-Transport-Security"] = headerHSTS
	}
}

// FormAction adds sources to form-action of the page's policy. Chromium applies form-action to the redirects after a
// POST too, so a page whose form ends at the client names the client's redirect origin ("https://rp.example") or
// private-use scheme ("com.example.app:"). A redirect URI may be given whole. What is neither is left out: a source
// must not be able to end the directive.
func FormAction(w http.ResponseWriter, sources ...string) {
	widened := formActionSelf
	for _, source := range sources {
		if clean := formSource(source); clean != "" {
			widened += " " + clean
		}
	}
	h := w.Header()
	h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), formActionSelf, widened, 1))
}

// ConnectSelf lets the scripts of a page call this server: the demo's, which is a client that happens to live here.
func ConnectSelf(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", h.Get("Content-Security-Policy")+"; connect-src 'self'")
}

func formSource(source string) string {
	u, err := url.Parse(source)
	if err != nil || u.Scheme == "" {
		return ""
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		if !privateScheme(u.Scheme) {
			return ""
		}
		return u.Scheme + ":"
	}
	if strings.HasPrefix(u.Host, "[") {
		// CSP has no grammar for IPv6 literals (CSP 3 §2.3.1): only the scheme can be named.
		return u.Scheme + ":"
	}
	if !plainHost(u.Host) {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// plainHost refuses what could end the directive or widen it (*).
func plainHost(host string) bool {
	for i := range len(host) {
		if c := host[i]; !alphanumeric(c) && c != '.' && c != '-' && c != ':' {
			return false
		}
	}
	return host != ""
}

// privateScheme refuses the schemes that run or load something in the page itself.
func privateScheme(scheme string) bool {
	switch scheme {
	case "javascript", "data", "blob", "filesystem", "about", "file", "ws", "wss":
		return false
	}
	return true
}
