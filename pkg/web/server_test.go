package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

const host = "Host: op.test\r\n"

// status returns the code of the first answer in raw bytes, "" when there is none.
func status(answer string) string {
	_, rest, ok := strings.Cut(answer, " ")
	if !ok {
		return ""
	}
	code, _, _ := strings.Cut(rest, " ")
	return strings.TrimSpace(code)
}

// PRS-11: what is no clean request gets 400 or 431 and the connection ends.
func TestPRS11MalformedRequests(t *testing.T) {
	t.Parallel()
	address := newFixture(t, nil).listen(t, nil)
	many := func(same bool) string {
		var b strings.Builder
		for i := range 1000 {
			if same {
				i = 0
			}
			fmt.Fprintf(&b, "X-H%d: y\r\n", i)
		}
		return b.String()
	}
	cases := []struct {
		name, request string
		want          string // the codes that may answer
	}{
		{"happy", "GET /login HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", "200"},
		{"1 MiB header", "GET /login HTTP/1.1\r\n" + host + "X: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", "431"},
		{"1,000 headers", "GET /login HTTP/1.1\r\n" + host + many(false) + "\r\n", "431"},
		{"one header 1,000 times", "GET /login HTTP/1.1\r\n" + host + many(true) + "\r\n", "431"},
		{"header name with space", "GET /login HTTP/1.1\r\n" + host + "X Y: z\r\n\r\n", "400"},
		{"space before the colon", "POST /token HTTP/1.1\r\n" + host + "Content-Length : 5\r\n\r\nhello", "400"},
		{"folded line", "GET /login HTTP/1.1\r\n" + host + "X: a\r\n b\r\nConnection: close\r\n\r\n", "400 200"}, // one header with blanks, never a line of its own
		{"two hosts", "GET /login HTTP/1.1\r\n" + host + host + "\r\n", "400"},
		{"no host", "GET /login HTTP/1.1\r\n\r\n", "400"},
		{"unknown transfer coding", "POST /token HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n", "400 501"},
		{"two transfer codings", "POST /token HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400 501"},
		{"HTTP/0.9", "GET /login\r\n\r\n", "400"},
		{"HTTP/9.9", "GET /login HTTP/9.9\r\n" + host + "\r\n", "400 505"},
		{"absolute form", "GET http://evil.test/login HTTP/1.1\r\n" + host + "\r\n", "400"},
		{"authority form", "CONNECT evil.test:443 HTTP/1.1\r\n" + host + "\r\n", "405"},
		{"asterisk", "OPTIONS * HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", "404 405"},
		{"long target", "GET /login?" + strings.Repeat("a", 9<<10) + " HTTP/1.1\r\n" + host + "\r\n", "414"},
		{"NUL in the target", "GET /lo\x00gin HTTP/1.1\r\n" + host + "\r\n", "400"},
		{"not HTTP", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "400"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			answer := raw(t, address, tc.request, 10*time.Second)
			got := status(answer)
			if tc.want != "" && (got == "" || !strings.Contains(" "+tc.want+" ", " "+got+" ")) {
				t.Errorf("answer %q, want %s", answer, tc.want)
			}
			if strings.Count(answer, "HTTP/1.") > 1 {
				t.Errorf("one request, two answers: %q", answer)
			}
		})
	}
}

// PRS-04: sizes that lie, and messages that two readers would cut in different places.
func TestPRS04Bodies(t *testing.T) {
	t.Parallel()
	address := newFixture(t, nil).listen(t, nil)
	form := host + "Content-Type: " + formType + "\r\n"
	smuggled := "GET /login HTTP/1.1\r\n" + host + "\r\n"
	cases := []struct {
		name, request, want string
	}{
		{"declared 10 MB", "POST /token HTTP/1.1\r\n" + form + "Content-Length: 10485760\r\n\r\n" + strings.Repeat("a", 100), "413"},
		{"declared 2^63-1", "POST /token HTTP/1.1\r\n" + form + "Content-Length: 9223372036854775807\r\n\r\na=1", "413"},
		{"declared over 2^63", "POST /token HTTP/1.1\r\n" + form + "Content-Length: 9223372036854775808\r\n\r\na=1", "400"},
		{"negative", "POST /token HTTP/1.1\r\n" + form + "Content-Length: -1\r\n\r\na=1", "400"},
		{"two lengths", "POST /token HTTP/1.1\r\n" + form + "Content-Length: 3\r\nContent-Length: 30\r\n\r\na=1", "400"},
		{"endless chunks", "POST /token HTTP/1.1\r\n" + form + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat("a", 0x1000)+"\r\n", 200), "413"},
		{"length and chunks", "POST /token HTTP/1.1\r\n" + form + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "200 400"},
		{"body on an endpoint without", "GET /.well-known/jwks.json HTTP/1.1\r\n" + host + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(smuggled)) + smuggled, "413"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			answer := raw(t, address, tc.request, 10*time.Second)
			if got := status(answer); got == "" || !strings.Contains(" "+tc.want+" ", " "+got+" ") {
				t.Errorf("answer %.300q, want %s", answer, tc.want)
			}
			if strings.Count(answer, "HTTP/1.1 ") != 1 {
				t.Errorf("the connection served a second request: %.600q", answer)
			}
		})
	}
}

// PRS-04: a body of unknown length ends at the class's limit, whoever reads it.
func TestPRS04BodyLimitOfClass(t *testing.T) {
	t.Parallel()
	for class, limit := range map[Class]int{ClassPage: 64 << 10, ClassToken: 64 << 10, ClassAPI: 256 << 10} {
		var read int
		var failure error
		f := newFixture(t, func(o *Options) {
			o.Routes = []Route{{Name: "a", Methods: []string{"POST"}, Path: "/a", Class: class, Handler: func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				read, failure = len(body), err
			}}}
		})
		for _, size := range []int{limit, limit + 1} {
			request := httptest.NewRequest(http.MethodPost, "/a", strings.NewReader(strings.Repeat("a", size)))
			request.ContentLength = -1
			f.handler.ServeHTTP(httptest.NewRecorder(), request)
			if read != limit || (failure != nil) != (size > limit) {
				t.Errorf("%s: of %d bytes %d are read, error %v", class, size, read, failure)
			}
		}
	}
}

// PRS-05: the server's own clock ends slow connections, and others do not notice them.
func TestPRS05Slow(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	server := NewServer(f.handler, f.opts.Log)
	if server.ReadHeaderTimeout > 5*time.Second || server.ReadTimeout > 10*time.Second || server.WriteTimeout > 30*time.Second ||
		server.ReadHeaderTimeout <= 0 || server.ReadTimeout <= 0 || server.WriteTimeout <= 0 || server.IdleTimeout <= 0 || server.MaxHeaderBytes > 64<<10 {
		t.Errorf("timeouts: header %s, read %s, write %s, idle %s", server.ReadHeaderTimeout, server.ReadTimeout, server.WriteTimeout, server.IdleTimeout)
	}
	before := runtime.NumGoroutine()
	address := f.listen(t, func(s *http.Server) {
		s.ReadHeaderTimeout, s.ReadTimeout = 300*time.Millisecond, 600*time.Millisecond
	})
	const attackers = 300
	conns := make([]net.Conn, 0, attackers)
	for i := range attackers {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		opening := "GET /login HTTP/1.1\r\nX"
		if i%2 == 0 {
			opening = "POST /token HTTP/1.1\r\n" + host + "Content-Type: " + formType + "\r\nContent-Length: 100\r\n\r\na"
		}
		if _, err := io.WriteString(conn, opening); err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.Get("http://" + address + "/login")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("a normal request during the attack: %v", err)
	}
	_ = response.Body.Close()
	for _, conn := range conns {
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(conn); err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				t.Fatal("a slow connection is still open")
			}
		}
		_ = conn.Close()
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+attackers/4 {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before the attack", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}

// The deadline of the class reaches the handler's context.
func TestDeadlineOfClass(t *testing.T) {
	t.Parallel()
	for _, class := range []Class{ClassPage, ClassToken, ClassAPI, ClassPublicJSON, ClassAsset, ClassOps} {
		var left time.Duration
		f := newFixture(t, func(o *Options) {
			o.Routes = []Route{{Name: "a", Methods: []string{"GET"}, Path: "/a", Class: class, Handler: func(_ http.ResponseWriter, r *http.Request) {
				deadline, _ := r.Context().Deadline()
				left = time.Until(deadline)
			}}}
		})
		f.do(t, "GET", "/a", "")
		if want := policies[class].deadline; left > want || left < want-time.Second {
			t.Errorf("%s: %s left, want %s", class, left, want)
		}
	}
}

// EXH-04: at the cap the connection that idled longest makes room; a busy one never does.
func TestEXH04ConnectionCap(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	f := newFixture(t, func(o *Options) {
		o.Routes = append(o.Routes, Route{Name: "busy", Methods: []string{"GET"}, Path: "/busy", Class: ClassPage,
			Handler: func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				<-release
			}})
	})
	gate := newGate(3)
	address := f.listen(t, func(s *http.Server) { s.ConnState = gate.change })
	ask := func(path string) (net.Conn, *bufio.Reader) {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\n"+host+"\r\n"); err != nil {
			t.Fatal(err)
		}
		reader := bufio.NewReader(conn)
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if path != "/busy" {
			_, _ = io.Copy(io.Discard, response.Body)
		}
		return conn, reader
	}
	ask("/busy")
	// A client has its answer before the server calls the connection idle: without waiting, the second may idle first.
	idle := func(n int) {
		waitFor(t, func() bool { gate.mu.Lock(); defer gate.mu.Unlock(); return gate.idle.Len() == n })
	}
	_, oldest := ask("/login")
	idle(1)
	_, younger := ask("/login")
	idle(2)
	ask("/busy") // the fourth
	if _, err := oldest.ReadByte(); err != io.EOF {
		t.Errorf("the connection that idled longest: %v, want EOF", err)
	}
	ask("/busy")
	if _, err := younger.ReadByte(); err != io.EOF {
		t.Errorf("the next idle connection: %v, want EOF", err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with nothing idle, the new connection is kept: %v", err)
	}
	close(release)
	waitFor(t, func() bool { gate.mu.Lock(); defer gate.mu.Unlock(); return len(gate.open) <= 3 })
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for !condition() {
		if ctx.Err() != nil {
			t.Fatal("the condition did not come true")
		}
		runtime.Gosched()
	}
}

func TestConnectionsFitDescriptors(t *testing.T) {
	t.Parallel()
	for limit, want := range map[uint64]int{0: 8192, 1: 1, 256: 128, 1024: 512, 4096: 3584, 8192: 7680, 1 << 20: 8192} {
		if got := connections(limit); got != want {
			t.Errorf("with %d descriptors %d connections, want %d", limit, got, want)
		}
	}
}
