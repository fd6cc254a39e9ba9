package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
)

// Options is what New needs. Routes, Log and Now are required, Origins when a route has CORSClient.
type Options struct {
	Routes  []Route
	Origins Origins
	Log     *slog.Logger
	Now     func() time.Time
	// TrustedProxies may say in X-Forwarded-For who called.
	TrustedProxies []netip.Prefix
	// CertificateProxies may say in Client-Cert (RFC 9440) which certificate the client showed them.
	CertificateProxies []netip.Prefix
	// HTTPS is true when callers reach this handler over https, by us or by a proxy: HSTS is sent.
	HTTPS bool
	// Metrics receives the request metrics; nil keeps them to itself. Several handlers may share one.
	Metrics *prometheus.Registry
	// NotFound writes the page for unknown paths; nil answers problem details.
	NotFound http.HandlerFunc
	// ErrorPage writes the kit's own refusals for routes of class page (413, 429, 500); nil answers problem details.
	ErrorPage func(w http.ResponseWriter, r *http.Request, status int, title, message string)
	Limits    Limits
}

// maxURL is the longest request target (path and query).
const maxURL = 8 << 10

// maxHeaders is how many header fields a request may have.
const maxHeaders = 100

// endpoint is one route prepared: nothing about it is worked out while a request waits.
type endpoint struct {
	route  Route
	policy policy
	cache  []string
	meter  meter
}

// node is one path: the endpoints by method, and the Allow header.
type node struct {
	methods map[string]*endpoint
	allow   []string
	header  []string
}

// kit is the handler that New returns.
type kit struct {
	Options
	origins  Origins
	exact    map[string]*node
	patterns *mux.Router
	nodes    map[*mux.Route]*node
	limiter  *limiter
	metrics  *requestMetrics
	missing  *endpoint // what no route serves: 404, 405, 400
}

// New checks every route and returns the handler. Paths are matched as they are registered (Path with {name} through
// gorilla/mux, on the encoded path and without cleaning): /token/, //token, /./token, /TOKEN and /%74oken are 404.
func New(opts Options) (http.Handler, error) {
	if opts.Log == nil || opts.Now == nil {
		return nil, errors.New("web: Log and Now are required")
	}
	if opts.Metrics == nil {
		opts.Metrics = prometheus.NewRegistry()
	}
	metrics, err := newRequestMetrics(opts.Metrics)
	if err != nil {
		return nil, err
	}
	limiter, err := newLimiter(opts.Limits)
	if err != nil {
		return nil, err
	}
	k := &kit{
		Options: opts, origins: opts.Origins, limiter: limiter, metrics: metrics,
		exact: map[string]*node{}, nodes: map[*mux.Route]*node{},
		patterns: mux.NewRouter().UseEncodedPath().SkipClean(true),
	}
	k.missing = &endpoint{route: Route{Name: "none", Path: "none", Class: ClassPage}, policy: policies[ClassPage], meter: metrics.meter("none")}
	if err := k.register(opts.Routes); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *kit) register(routes []Route) error {
	var faults []error
	names := map[string]bool{}
	templates := map[string]*node{}
	for _, route := range routes {
		if err := route.check(); err != nil {
			faults = append(faults, err)
			continue
		}
		if names[route.Name] {
			faults = append(faults, fmt.Errorf("route %q: the name is taken", route.Name))
		}
		names[route.Name] = true
		if route.CORS == CORSClient && k.origins == nil {
			faults = append(faults, fmt.Errorf("route %q: CORS client needs Origins", route.Name))
		}
		n := templates[route.Path]
		if n == nil {
			var err error
			if n, err = k.path(route.Path); err != nil {
				faults = append(faults, err)
				continue
			}
			templates[route.Path] = n
		}
		e := &endpoint{route: route, policy: policies[route.Class], cache: []string{policies[route.Class].cache}, meter: k.metrics.meter(route.Path)}
		for _, method := range route.served() {
			if n.methods[method] != nil {
				faults = append(faults, fmt.Errorf("route %q: %s %s is taken", route.Name, method, route.Path))
				continue
			}
			n.methods[method] = e
			n.allow = append(n.allow, method)
		}
	}
	for _, n := range templates {
		slices.Sort(n.allow)
		n.header = []string{strings.Join(n.allow, ", ")}
	}
	if len(faults) > 0 {
		return fmt.Errorf("web: %w", errors.Join(faults...))
	}
	return nil
}

// path makes the node of a path: exact ones are found by one map look-up, patterns by mux.
func (k *kit) path(template string) (*node, error) {
	n := &node{methods: map[string]*endpoint{}}
	if !strings.Contains(template, "{") {
		if (&url.URL{Path: template}).EscapedPath() != template {
			return nil, fmt.Errorf("path %q is not in canonical encoding", template)
		}
		k.exact[template] = n
		return n, nil
	}
	route := k.patterns.Path(template)
	if err := route.GetError(); err != nil {
		return nil, fmt.Errorf("path %q: %w", template, err)
	}
	k.nodes[route] = n
	return n, nil
}

// find returns the node of a request, nil when there is none.
func (k *kit) find(r *http.Request) *node {
	path := r.URL.EscapedPath()
	if n := k.exact[path]; n != nil {
		return n
	}
	if len(k.nodes) == 0 {
		return nil
	}
	var match mux.RouteMatch
	if !k.patterns.Match(r, &match) || match.MatchErr != nil {
		return nil
	}
	for name, encoded := range match.Vars {
		value, err := url.PathUnescape(encoded)
		// A slash or NUL inside a segment would mean something else to whoever joins it again.
		if err != nil || !utf8.ValidString(value) || strings.ContainsAny(value, "/\x00") {
			return nil
		}
		r.SetPathValue(name, value)
	}
	return k.nodes[match.Route]
}

// ServeHTTP is the whole middleware, in the order of doc.go.
func (k *kit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := k.Now()
	x := &exchange{
		ResponseWriter: w, id: requestID(r.Header), https: k.HTTPS,
		address: clientAddress(r, k.TrustedProxies), certificates: takeCertificates(r, k.CertificateProxies), endpoint: k.missing,
	}
	h := w.Header()
	secure(h, k.HTTPS)
	h["X-Request-Id"] = []string{x.id}
	ctx := context.WithValue(r.Context(), exchangeKey{}, x)
	req := r.WithContext(ctx)
	defer part(x, r)
	defer k.finish(x, req, start)
	defer k.recovered(x, req)
	k.serve(x, req)
}

func (k *kit) serve(x *exchange, r *http.Request) {
	if refuse := malformed(r); refuse != 0 {
		x.Header()["Connection"] = headerClose
		k.refuse(x, r, refuse)
		return
	}
	if len(r.TransferEncoding) > 0 {
		// RFC 9112 §6.1: a chunked message may have carried a Content-Length as well, which a proxy may have believed.
		x.Header()["Connection"] = headerClose
	}
	n := k.find(r)
	if n == nil {
		k.unknown(x, r)
		return
	}
	e := n.methods[r.Method]
	if e == nil {
		if r.Method == http.MethodOptions && k.preflight(x, r, n) {
			return
		}
		x.Header()["Allow"] = n.header
		k.refuse(x, r, http.StatusMethodNotAllowed)
		return
	}
	x.endpoint = e
	h := x.Header()
	if e.policy.page {
		h["Content-Security-Policy"] = headerPageCSP
	}
	h["Cache-Control"] = e.cache
	if e.policy.oauth {
		h["Pragma"] = headerNoCache // RFC 6749 §5.1 asks for it beside no-store
	}
	if k.limited(x, r, e.route.Class, e.route.CORS) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), e.policy.deadline)
	defer cancel()
	r = r.WithContext(ctx)
	k.cors(h, r, e.route.CORS)
	if r.ContentLength > e.policy.body {
		h["Connection"] = headerClose // what follows on this connection is the body that is not read
		k.refuse(x, r, http.StatusRequestEntityTooLarge)
		return
	}
	if r.ContentLength != 0 {
		r.Body = http.MaxBytesReader(x.ResponseWriter, r.Body, e.policy.body)
	}
	e.route.Handler(x, r)
}

// limited counts a request at its class and network, and refuses it when there were too many.
func (k *kit) limited(x *exchange, r *http.Request, class Class, cors CORS) bool {
	wait := k.limiter.take(class, x.address, k.Now())
	if wait <= 0 {
		return false
	}
	x.Header().Set("Retry-After", seconds(wait))
	k.metrics.limited.WithLabelValues(policies[class].name).Inc()
	k.cors(x.Header(), r, cors)
	k.refuse(x, r, http.StatusTooManyRequests)
	return true
}

// part ends the reading of a request after whose answer the connection is closed: net/http would go on with another 256 KiB
// of its body, for the sake of a next request that will not come (PRS-04). The answer is on its way all the same.
func part(x *exchange, r *http.Request) {
	if r.ProtoMajor != 1 || r.ContentLength == 0 || !slices.Contains(x.Header()["Connection"], "close") {
		return
	}
	_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(time.Unix(1, 0)) // a recorder of a test has none
}

// malformed returns the status for what no endpoint may see, 0 otherwise.
func malformed(r *http.Request) int {
	switch {
	case r.Method == http.MethodConnect:
		return http.StatusMethodNotAllowed
	case len(r.RequestURI) > maxURL:
		return http.StatusRequestURITooLong
	case fields(r.Header) > maxHeaders:
		return http.StatusRequestHeaderFieldsTooLarge
	case r.URL.Host != "" || r.URL.Scheme != "" || r.URL.Opaque != "":
		// Absolute form is for proxies. RFC 9112 §3.2.2 would have an origin server take it; signet does not, so that
		// no cache or proxy in front of it can be made to see another host than signet sees.
		return http.StatusBadRequest
	case !r.ProtoAtLeast(1, 0):
		return http.StatusHTTPVersionNotSupported
	}
	return 0
}

func fields(header http.Header) int {
	count := 0
	for _, values := range header {
		count += len(values)
	}
	return count
}

func (k *kit) unknown(x *exchange, r *http.Request) {
	if r.Method == http.MethodTrace {
		k.refuse(x, r, http.StatusMethodNotAllowed)
		return
	}
	if k.limited(x, r, ClassPage, CORSNone) {
		return
	}
	if k.NotFound == nil {
		WriteProblem(x, r, http.StatusNotFound, "Not found", "")
		return
	}
	x.Header()["Content-Security-Policy"] = headerPageCSP
	k.NotFound(x, r)
}
