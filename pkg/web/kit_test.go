package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// registered is the union of origins in these tests.
type registered []string

func (r registered) AnyOrigin(_ context.Context, origin string) bool {
	for _, known := range r {
		if known == origin {
			return true
		}
	}
	return false
}

// logBuffer is a log that tests may read while handlers write.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// events returns the lines, each of which must be one JSON object.
func (b *logBuffer) events(t *testing.T) []map[string]any {
	t.Helper()
	var events []map[string]any
	for line := range strings.SplitSeq(strings.TrimSpace(b.String()), "\n") {
		var event map[string]any
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("a log line is not JSON: %q: %v", line, err)
		}
		events = append(events, event)
	}
	return events
}

type fixture struct {
	opts    Options
	log     *logBuffer
	handler http.Handler
}

func sayOK(w http.ResponseWriter, _ *http.Request) {
	WriteJSON(w, http.StatusOK, map[string]string{"ok": "yes"})
}

// readAll reads the whole body and answers 413 when the kit cut it off.
func readAll(w http.ResponseWriter, r *http.Request) {
	if _, err := Form(r); err != nil {
		WriteJSON(w, http.StatusRequestEntityTooLarge, map[string]string{"error": err.Error()})
		return
	}
	sayOK(w, r)
}

// routes are one of each class.
func routes() []Route {
	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	return []Route{
		{Name: "authorize", Methods: []string{http.MethodGet, http.MethodPost}, Path: "/authorize", Class: ClassPage, Handler: sayPage},
		{Name: "login", Methods: get, Path: "/login", Class: ClassPage, Handler: sayPage},
		{Name: "login-post", Methods: post, Path: "/login", Class: ClassPage, Handler: sayPage},
		{Name: "token", Methods: post, Path: "/token", Class: ClassToken, CORS: CORSClient, Handler: readAll},
		{Name: "userinfo", Methods: []string{http.MethodGet, http.MethodPost}, Path: "/userinfo", Class: ClassToken, CORS: CORSClient, Handler: sayOK},
		{Name: "introspect", Methods: post, Path: "/introspect", Class: ClassToken, Handler: sayOK},
		{Name: "jwks", Methods: get, Path: "/.well-known/jwks.json", Class: ClassPublicJSON, CORS: CORSPublic, Handler: sayOK},
		{Name: "client", Methods: []string{http.MethodGet, http.MethodPut}, Path: "/admin/v1/clients/{id}", Class: ClassAPI, Handler: sayID},
		{Name: "accounts", Methods: []string{http.MethodPost}, Path: "/api/accounts", Class: ClassAPI, CORS: CORSClient, Handler: sayOK},
		{Name: "style", Methods: get, Path: "/assets/style.css", Class: ClassAsset, Handler: sayOK},
	}
}

func sayPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<p>page</p>")
}

func sayID(w http.ResponseWriter, r *http.Request) {
	WriteJSON(w, http.StatusOK, map[string]string{"id": r.PathValue("id")})
}

func newFixture(t testing.TB, change func(*Options)) *fixture {
	t.Helper()
	f := &fixture{log: &logBuffer{}}
	f.opts = Options{
		Routes: routes(), Origins: registered{"https://rp.test", "https://rp2.test", "null"}, // "null" must never be asked for
		Log: slog.New(slog.NewJSONHandler(f.log, nil)), Now: time.Now, Metrics: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&f.opts)
	}
	handler, err := New(f.opts)
	if err != nil {
		t.Fatal(err)
	}
	f.handler = handler
	return f
}

// do sends one request without a network.
func (f *fixture) do(t testing.TB, method, target, body string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	var err error
	if r.URL, err = r.URL.Parse("/"); err != nil {
		t.Fatal(err)
	}
	// httptest would clean the target and make absolute ones: parse it as the server does.
	r.RequestURI = target
	if r.URL, err = parseTarget(target); err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost && body != "" {
		r.Header.Set("Content-Type", formType)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w.Result()
}

// listen runs the handler behind NewServer on a real port; change may shorten the timeouts.
func (f *fixture) listen(t *testing.T, change func(*http.Server)) string {
	t.Helper()
	server := NewServer(f.handler, f.opts.Log)
	if change != nil {
		change(server)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return listener.Addr().String()
}

// raw sends bytes and returns everything that comes back until the server closes or the limit passes.
func raw(t *testing.T, address, request string, limit time.Duration) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	// The server may answer and close before everything is written: that is what some tests want to see.
	_, _ = io.WriteString(conn, request)
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

func bodyOf(t testing.TB, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
