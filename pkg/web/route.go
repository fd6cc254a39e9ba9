package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Class is the policy class of a route: cache headers, content security policy, body limit, deadline and rate follow
// from it. The zero value is no class and is refused by New.
type Class int

// The classes.
const (
	// ClassPage is HTML for people: no-store, strict CSP, never CORS.
	ClassPage Class = iota + 1
	// ClassToken is the OAuth endpoints that take forms and answer JSON: no-store (RFC 6749 §5.1), form limit.
	ClassToken
	// ClassAPI is JSON in and out: no-store, larger bodies, more CORS headers.
	ClassAPI
	// ClassPublicJSON is what anyone may read and cache: discovery and keys. The handler sets Cache-Control.
	ClassPublicJSON
	// ClassAsset is embedded style and script, named by content. The handler sets Cache-Control.
	ClassAsset
	// ClassOps is health and metrics, on the operations listener only.
	ClassOps
)

// CORS says which origins may read a route's answers. Answers never allow credentials.
type CORS int

// The kinds of CORS.
const (
	// CORSNone sends no CORS header at all.
	CORSNone CORS = iota
	// CORSPublic answers "*".
	CORSPublic
	// CORSClient answers the union of the origins of live clients; RestrictOrigin narrows it to one client's.
	CORSClient
)

// Route is one endpoint.
type Route struct {
	// Name is a short stable name, unique by listener: "token", "login-post".
	Name string
	// Methods are the methods served; HEAD comes with GET for public-json, asset and ops.
	Methods []string
	// Path is exact and in canonical encoding; {name} stands for one segment, read by r.PathValue.
	Path    string
	Class   Class
	CORS    CORS
	Handler http.HandlerFunc
	// Refuse writes the kit's own refusals on this route (413, 429, 500) in an error shape that is the endpoint's own; nil:
	// the shape of the class. Retry-After is set before.
	Refuse func(w http.ResponseWriter, r *http.Request, status int)
}

// policy is what a class means.
type policy struct {
	name     string
	cache    string // Cache-Control before the handler; "" for none
	page     bool   // page CSP, else the JSON one
	oauth    bool   // errors of the kit in the shape of RFC 6749 §5.2
	body     int64  // bytes
	deadline time.Duration
	rate     Rate
	head     bool   // GET brings HEAD
	headers  string // request headers a preflight allows
}

const noStore = "no-store"

// policies is indexed by Class.
var policies = [...]policy{
	ClassPage:       {name: "page", cache: noStore, page: true, body: 64 << 10, deadline: 10 * time.Second, rate: Rate{PerSecond: 50, Burst: 300}},
	ClassToken:      {name: "token", cache: noStore, oauth: true, body: 64 << 10, deadline: 5 * time.Second, rate: Rate{PerSecond: 500, Burst: 2000}, headers: "Authorization, DPoP"},
	ClassAPI:        {name: "api", cache: noStore, body: 256 << 10, deadline: 10 * time.Second, rate: Rate{PerSecond: 500, Burst: 2000}, headers: "Authorization, DPoP, X-Api-Key, Content-Type, If-Match"},
	ClassPublicJSON: {name: "public-json", cache: "public, max-age=300, must-revalidate", deadline: 5 * time.Second, rate: Rate{PerSecond: 500, Burst: 2000}, head: true},
	ClassAsset:      {name: "asset", cache: "public, max-age=300", deadline: 10 * time.Second, rate: Rate{PerSecond: 200, Burst: 2000}, head: true},
	ClassOps:        {name: "ops", cache: noStore, deadline: 10 * time.Second, rate: Rate{PerSecond: -1}, head: true},
}

func (c Class) valid() bool { return c >= ClassPage && c <= ClassOps }

// String returns the class's name, "none" for what is no class.
func (c Class) String() string {
	if !c.valid() {
		return "none"
	}
	return policies[c].name
}

// String returns "none", "public" or "client".
func (c CORS) String() string {
	switch c {
	case CORSPublic:
		return "public"
	case CORSClient:
		return "client"
	default:
		return "none"
	}
}

// served returns the methods that the route answers, sorted.
func (r *Route) served() []string {
	methods := slices.Clone(r.Methods)
	if policies[r.Class].head && slices.Contains(methods, http.MethodGet) && !slices.Contains(methods, http.MethodHead) {
		methods = append(methods, http.MethodHead)
	}
	slices.Sort(methods)
	return methods
}

// check reports every fault of a route that a reader of the table could not see.
func (r *Route) check() error {
	var faults []error
	fault := func(bad bool, text string) {
		if bad {
			faults = append(faults, errors.New(text))
		}
	}
	fault(r.Name == "", "no name")
	fault(!r.Class.valid(), "no class")
	fault(r.Handler == nil, "no handler")
	fault(!canonical(r.Path), "the path is not canonical")
	fault(len(r.Methods) == 0, "no methods")
	for _, method := range r.Methods {
		fault(!slices.Contains(methodsAllowed, method), "method "+strconv.Quote(method)+" is not served")
	}
	if err := r.checkCORS(); err != nil {
		faults = append(faults, err)
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("route %q %s: %w", r.Name, r.Path, errors.Join(faults...))
}

func canonical(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.Contains(path, "//") && (path == "/" || !strings.HasSuffix(path, "/"))
}

// checkCORS allows CORS only where no cookie is read: a page that another origin may read is a page that it may click.
func (r *Route) checkCORS() error {
	switch r.CORS {
	case CORSNone:
		return nil
	case CORSPublic:
		if r.Class == ClassPublicJSON {
			return nil
		}
	case CORSClient:
		if r.Class == ClassToken || r.Class == ClassAPI {
			return nil
		}
	}
	return fmt.Errorf("CORS %s (%d) is not for class %s", r.CORS, r.CORS, r.Class)
}

// methodsAllowed are the methods a route may list. OPTIONS is the kit's own, TRACE and CONNECT are nobody's.
var methodsAllowed = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
}

// Table prints the routes with what their class gives them, sorted by path, one line a route: for people and for a
// golden test.
func Table(routes []Route) string {
	rows := [][]string{{"PATH", "METHODS", "NAME", "CLASS", "CORS", "CACHE", "BODY", "DEADLINE"}}
	for _, route := range routes {
		var p policy
		if route.Class.valid() {
			p = policies[route.Class]
		}
		cache := p.cache
		if route.Class == ClassPublicJSON || route.Class == ClassAsset {
			cache = "handler"
		}
		rows = append(rows, []string{
			route.Path, strings.Join(route.served(), ","), route.Name, route.Class.String(), route.CORS.String(),
			cache, fmt.Sprintf("%dK", p.body>>10), p.deadline.String(),
		})
	}
	slices.SortStableFunc(rows[1:], func(a, b []string) int { return strings.Compare(a[0]+" "+a[1], b[0]+" "+b[1]) })
	var widths [8]int
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return b.String()
}
