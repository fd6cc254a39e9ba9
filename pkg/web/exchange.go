package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
)

// exchange is what the kit knows of one request; it is the response writer that handlers see, too.
type exchange struct {
	http.ResponseWriter
	id       string
	address  netip.Addr
	https    bool
	endpoint *endpoint
	// certificates are what a proxy said of the client's certificate.
	certificates certificateHeaders
	status       int
	bytes        int64

	mu    sync.Mutex // handlers may Note from goroutines of theirs
	notes []slog.Attr
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// WriteHeader remembers the status. A failure is never cached, whatever the class says of successes.
func (x *exchange) WriteHeader(status int) {
	if x.status != 0 {
		return
	}
	if status >= 200 {
		x.status = status
	}
	if status >= 400 {
		h := x.Header()
		h["Cache-Control"] = headerNoStore
		delete(h, "Etag")
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	n, err := x.ResponseWriter.Write(p)
	x.bytes += int64(n)
	return n, err
}

// Unwrap gives the server's writer to http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// ClientAddr returns the address of the caller: the peer, or behind trusted proxies the right-most hop that is none of
// them. The zero Addr outside a request.
func ClientAddr(ctx context.Context) netip.Addr {
	if x := exchangeOf(ctx); x != nil {
		return x.address
	}
	return netip.Addr{}
}

// RequestID returns the id of the request: the error id that callers are shown. "" outside a request.
func RequestID(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil {
		return x.id
	}
	return ""
}

const (
	maxNotes   = 32
	maxNoteLen = 256
)

// Note adds a fact to the request's one event line. Keys are snake_case; never note a token, code, secret, password or
// assertion. Texts are cut at 256 bytes.
func Note(ctx context.Context, key string, value any) {
	x := exchangeOf(ctx)
	if x == nil {
		return
	}
	if text, ok := value.(string); ok && len(text) > maxNoteLen {
		cut := maxNoteLen
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		value = text[:cut]
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.notes) < maxNotes {
		x.notes = append(x.notes, slog.Any(key, value))
	}
}

// maxRequestID is shorter than 256 bits in base64url, so that a secret sent by mistake is not taken over into logs.
const maxRequestID = 40

// requestID takes over the id that a proxy gave, if it is short, clean and no token; else it makes one.
func requestID(header http.Header) string {
	values := header["X-Request-Id"]
	if len(values) == 1 && cleanRequestID(values[0]) {
		return values[0]
	}
	return signet.NewID()
}

func cleanRequestID(id string) bool {
	if len(id) < 8 || len(id) > maxRequestID || strings.HasPrefix(id, "sgt_") || strings.HasPrefix(id, "eyJ") {
		return false
	}
	for i := range len(id) {
		if c := id[i]; !alphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
