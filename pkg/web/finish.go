package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// refusals are the sentences of the kit's own answers; a status without one is a plain 400.
var refusals = map[int]string{
	http.StatusBadRequest:                  "The request is malformed.",
	http.StatusMethodNotAllowed:            "The method is not allowed here.",
	http.StatusRequestEntityTooLarge:       "The request body is too large.",
	http.StatusRequestURITooLong:           "The request target is too long.",
	http.StatusTooManyRequests:             "Too many requests; try again later.",
	http.StatusRequestHeaderFieldsTooLarge: "The request has too many header fields.",
	http.StatusInternalServerError:         "Something went wrong on our side.",
	http.StatusHTTPVersionNotSupported:     "The HTTP version is not supported.",
}

// refuse writes an answer of the kit's own in the shape of the endpoint's class.
func (k *kit) refuse(x *exchange, r *http.Request, status int) {
	message := refusals[status]
	policy := &x.endpoint.policy
	switch {
	case x.endpoint.route.Refuse != nil:
		x.endpoint.route.Refuse(x, r, status)
	case policy.oauth:
		RefuseOAuth(x, status)
	case policy.page && x.endpoint != k.missing && k.ErrorPage != nil:
		x.Header()["Content-Security-Policy"] = headerPageCSP
		k.ErrorPage(x, r, status, http.StatusText(status), message)
	default:
		WriteProblem(x, r, status, http.StatusText(status), message)
	}
}

// RefuseOAuth writes an answer of the kit's own in the shape of RFC 6749 §5.2, as ClassToken has it: for a Route.Refuse that
// has a shape of its own for some requests alone.
func RefuseOAuth(w http.ResponseWriter, status int) {
	code := "invalid_request"
	switch status {
	case http.StatusTooManyRequests:
		code = "temporarily_unavailable"
	case http.StatusInternalServerError:
		code = "server_error"
	}
	WriteJSON(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, refusals[status]})
}

// recovered turns a panic into a 500 that says nothing but the request id. The value of a panic may hold anything, a
// secret too: only what the runtime itself wrote is logged, with the stack, whose arguments are addresses.
func (k *kit) recovered(x *exchange, r *http.Request) {
	value := recover()
	if value == nil {
		return
	}
	k.metrics.panics.Inc()
	what := fmt.Sprintf("%T", value)
	if fault, ok := value.(runtime.Error); ok {
		what = fault.Error()
	}
	if value != http.ErrAbortHandler {
		k.Log.LogAttrs(r.Context(), slog.LevelError, "panic in a handler", slog.String("request_id", x.id),
			slog.String("route", x.endpoint.route.Path), slog.String("panic", what), slog.String("stack", string(debug.Stack())))
	}
	if x.status != 0 {
		// Half an answer is out: the connection must end, or the caller takes it for a whole one. The status of the
		// event line says that it failed.
		x.status = http.StatusInternalServerError
		panic(http.ErrAbortHandler)
	}
	h := x.Header()
	clear(h) // a cookie or a redirect of the failed handler must not go out with the 500
	secure(h, k.HTTPS)
	h["X-Request-Id"] = []string{x.id}
	k.cors(h, r, x.endpoint.route.CORS)
	k.refuse(x, r, http.StatusInternalServerError)
}

// finish writes the request's one event line and its metrics. The path is the route's template: what callers put into
// paths, queries and bodies may be secret.
func (k *kit) finish(x *exchange, r *http.Request, start time.Time) {
	if x.status == 0 {
		x.status = http.StatusOK // net/http sends 200 for a handler that wrote nothing
	}
	took := k.Now().Sub(start)
	x.endpoint.meter.observe(x.status, took)
	level := slog.LevelInfo
	if x.status >= 500 {
		level = slog.LevelError
	}
	if !k.Log.Enabled(r.Context(), level) {
		return
	}
	x.mu.Lock()
	notes := x.notes
	x.mu.Unlock()
	attrs := make([]slog.Attr, 0, 9+len(notes))
	attrs = append(attrs,
		slog.String("method", knownMethod(r.Method)),
		slog.String("route", x.endpoint.route.Path),
		slog.Int("status", x.status),
		slog.Int64("duration_us", took.Microseconds()),
		slog.Int64("bytes", x.bytes),
		slog.String("address", x.address.String()),
		slog.String("request_id", x.id),
	)
	if r.Context().Err() != nil {
		// Nothing but the caller ends it this early: what failed may have failed for want of somebody to answer.
		attrs = append(attrs, slog.Bool("caller_gone", true))
	}
	attrs = append(attrs, notes...)
	k.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return method
	}
	return "OTHER"
}

// seconds rounds up: who comes back on the dot must not be refused again.
func seconds(wait time.Duration) string {
	return strconv.FormatInt(max(1, int64((wait+time.Second-1)/time.Second)), 10)
}
