package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// Origins knows the origins that live clients registered.
type Origins interface {
	AnyOrigin(ctx context.Context, origin string) bool
}

const (
	allowOrigin   = "Access-Control-Allow-Origin"
	exposeHeaders = "Access-Control-Expose-Headers"
)

var (
	headerAnyOrigin = []string{"*"}
	headerExposed   = []string{"WWW-Authenticate, DPoP-Nonce, Retry-After, X-Request-Id"}
)

// originOf returns the request's one origin. An opaque origin ("null") is nobody: any sandboxed frame can have it.
func originOf(r *http.Request) string {
	values := r.Header["Origin"]
	if len(values) != 1 || values[0] == "null" {
		return ""
	}
	return values[0]
}

// cors sets the CORS headers of an answer. Credentials are never allowed: no endpoint with CORS reads a cookie.
func (k *kit) cors(h http.Header, r *http.Request, kind CORS) {
	switch kind {
	case CORSPublic:
		h[allowOrigin] = headerAnyOrigin
	case CORSClient:
		h["Vary"] = headerOrigin
		if origin := originOf(r); origin != "" && k.origins.AnyOrigin(r.Context(), origin) {
			h[allowOrigin] = []string{origin}
			h[exposeHeaders] = headerExposed
		}
	}
}

// preflight answers an OPTIONS request of a browser (Fetch §3.2.2); false when it is none for this path. It may ask a store
// for an origin, so that it counts at the rate of the class like the request that it announces.
func (k *kit) preflight(x *exchange, r *http.Request, n *node) bool {
	wanted := r.Header.Get("Access-Control-Request-Method")
	if wanted == "" || len(r.Header["Origin"]) != 1 {
		return false
	}
	e := n.methods[wanted]
	if e == nil || e.route.CORS == CORSNone {
		return false
	}
	if k.limited(x, r, e.route.Class, CORSNone) {
		return true
	}
	h := x.Header()
	k.cors(h, r, e.route.CORS)
	if _, allowed := h[allowOrigin]; allowed {
		h.Set("Access-Control-Allow-Methods", strings.Join(n.allow, ", "))
		if headers := e.policy.headers; headers != "" {
			h.Set("Access-Control-Allow-Headers", headers)
		}
		h.Set("Access-Control-Max-Age", "600")
	}
	delete(h, exposeHeaders)
	x.WriteHeader(http.StatusNoContent)
	return true
}

// RestrictOrigin narrows a CORSClient answer once the client is known: an origin that another client registered must
// not read this one's answers. Origins are compared as strings.
func RestrictOrigin(w http.ResponseWriter, r *http.Request, origins []string) {
	if !slices.Contains(origins, originOf(r)) {
		w.Header().Del(allowOrigin)
		w.Header().Del(exposeHeaders)
	}
}

// SameOrigin reports whether a page's POST came from a page of ours, or from no page. Sec-Fetch-Site is the browser's
// word and no script can set it; without it Origin must be ours. With Referrer-Policy no-referrer browsers send
// "Origin: null" even for our own forms (Fetch §3.1), so that where Sec-Fetch-Site says same-origin, null is accepted.
func SameOrigin(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) > 1 {
		return false
	}
	sites := r.Header["Sec-Fetch-Site"]
	if len(sites) > 1 {
		return false
	}
	vouched := false
	if len(sites) == 1 {
		if sites[0] != "same-origin" && sites[0] != "none" {
			return false
		}
		vouched = true
	}
	if len(origins) == 0 {
		return true
	}
	if origins[0] == "null" {
		return vouched
	}
	scheme, host, ok := strings.Cut(origins[0], "://")
	if !ok || !strings.EqualFold(host, r.Host) {
		return false
	}
	if x := exchangeOf(r.Context()); x != nil && x.https {
		return scheme == "https"
	}
	return scheme == "http" || scheme == "https"
}
