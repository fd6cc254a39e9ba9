package web

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// countingListener counts what a server reads from its connections.
type countingListener struct {
	net.Listener
	read atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &countingConn{Conn: conn, read: &l.read}, err
}

type countingConn struct {
	net.Conn
	read *atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// PRS-04: a refused body is not read on, whether its length is told or not, and the refusal arrives.
func TestPRS04ReadsNoMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	refuse := func(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, http.StatusUnauthorized, nil) }
	chunks := strings.Repeat("4000\r\n"+strings.Repeat("a", 0x4000)+"\r\n", 256) // 4 MiB
	cases := []struct {
		name, path, head, body, want string
		limit                        int64
	}{
		{"form, endless", "/token", "Transfer-Encoding: chunked", chunks, "413", 64 << 10},
		{"JSON, endless", "/json", "Transfer-Encoding: chunked", chunks, "413", 256 << 10},
		{"endless, refused before it is read", "/refused", "Transfer-Encoding: chunked", chunks, "401", 0},
		{"endless, at no endpoint", "/nowhere", "Transfer-Encoding: chunked", chunks, "404", 0},
		{"form, 200 KiB told", "/token", "Content-Length: 204800", strings.Repeat("a", 204800), "413", 0},
		{"form, 10 MB told", "/token", "Content-Length: 10485760", strings.Repeat("a", 4<<20), "413", 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(o *Options) {
				post := []string{http.MethodPost}
				o.Routes = append(o.Routes, Route{Name: "refused", Methods: post, Path: "/refused", Class: ClassAPI, Handler: refuse},
					Route{Name: "json", Methods: post, Path: "/json", Class: ClassAPI, Handler: func(w http.ResponseWriter, r *http.Request) {
						if _, err := (JSONBody{}).Read(r); err != nil {
							WriteJSON(w, http.StatusRequestEntityTooLarge, nil)
						}
					}})
			})
			plain, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			listener := &countingListener{Listener: plain}
			server := NewServer(f.handler, f.opts.Log)
			done := make(chan struct{})
			go func() { defer close(done); _ = server.Serve(listener) }()
			t.Cleanup(func() { _ = server.Close(); <-done })
			kind := formType
			if tc.path == "/json" {
				kind = "application/json"
			}
			answer := duplex(t, plain.Addr().String(), fmt.Sprintf("POST %s HTTP/1.1\r\n%sContent-Type: %s\r\n%s\r\n\r\n", tc.path, host, kind, tc.head), tc.body)
			if status(answer) != tc.want || !strings.Contains(answer, "Connection: close") {
				t.Errorf("answer %.200q, want %s and the end of the connection", answer, tc.want)
			}
			if read := listener.read.Load(); read > tc.limit+64<<10 {
				t.Errorf("%d bytes are read, the limit is %d", read, tc.limit)
			}
		})
	}
}

// duplex writes and reads at once, as whoever streams a body does, until the server closes.
func duplex(t *testing.T, address, head, body string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(conn, head+body) // the server may end it
	}()
	answer, _ := io.ReadAll(conn)
	_ = conn.Close()
	<-written
	return string(answer)
}

// PRS-11: whatever answers a request that two readers may cut in different places, the connection ends with it
// (RFC 9112 §6.1): unknown paths, wrong methods and networks that asked too often are no way around.
func TestPRS11ChunkedEndsTheConnection(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) {
		o.Limits.Rates = map[Class]Rate{ClassAPI: {PerSecond: 0.001, Burst: 1}}
	})
	address := f.listen(t, nil)
	smuggled := "GET /login HTTP/1.1\r\n" + host + "\r\n"
	ask := func(line string) string {
		return raw(t, address, line+" HTTP/1.1\r\n"+host+"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+smuggled, 10*time.Second)
	}
	if got := status(ask("POST /api/accounts")); got != "200" {
		t.Fatalf("happy path: %s", got)
	}
	for line, want := range map[string]string{"POST /nowhere": "404", "DELETE /token": "405", "POST /api/accounts": "429", "TRACE /x": "405", "POST /token": "200"} {
		answer := ask(line)
		if got := status(answer); got != want {
			t.Errorf("%s answers %s, want %s", line, got, want)
		}
		if strings.Count(answer, "HTTP/1.1 ") != 1 || !strings.Contains(answer, "Connection: close") {
			t.Errorf("%s: the connection goes on: %q", line, answer)
		}
	}
}

// EXH-04: connections that make room do not stop the listener. A TLS peer who reads nothing lets the goodbye wait for 5 s.
func TestEXH04MakingRoomDoesNotWait(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe() // unbuffered: a write waits for a reader
	t.Cleanup(func() { _ = ours.Close(); _ = theirs.Close() })
	server := tls.Server(ours, &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, SessionTicketsDisabled: true})
	greeted := make(chan error, 1)
	go func() { greeted <- tls.Client(theirs, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-greeted; err != nil {
		t.Fatal(err)
	}
	g := newGate(1)
	g.change(server, http.StateNew)
	g.change(server, http.StateIdle)
	other, _ := net.Pipe()
	begun := time.Now()
	g.change(other, http.StateNew)
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("the next connection waits %s for the goodbye of an idle one", took)
	}
	if _, err := ours.Read(make([]byte, 1)); err != io.ErrClosedPipe {
		t.Errorf("the idle connection is open: %v", err)
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A handler hears that its caller has gone, and the event line says so: a failure for want of a caller is no outage.
func TestCallerGone(t *testing.T) {
	t.Parallel()
	entered, ended := make(chan struct{}), make(chan error, 1)
	f := newFixture(t, func(o *Options) {
		o.Routes = append(o.Routes, Route{Name: "wait", Methods: []string{"GET"}, Path: "/wait", Class: ClassPage,
			Handler: func(w http.ResponseWriter, r *http.Request) {
				close(entered)
				<-r.Context().Done()
				ended <- r.Context().Err()
				w.WriteHeader(http.StatusServiceUnavailable)
			}})
	})
	conn, err := net.Dial("tcp", f.listen(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /wait HTTP/1.1\r\n"+host+"\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	_ = conn.Close()
	if err := <-ended; err != context.Canceled {
		t.Errorf("the handler hears %v", err)
	}
	waitFor(t, func() bool { return strings.Contains(f.log.String(), `"route":"/wait"`) })
	if event := f.log.events(t)[0]; event["caller_gone"] != true || event["status"] != 503.0 {
		t.Errorf("the event line is %v", event)
	}
	f.do(t, "GET", "/login", "")
	if event := f.log.events(t)[1]; event["caller_gone"] != nil {
		t.Errorf("a caller who is there: %v", event)
	}
}

// EXH-04: a preflight may ask a store, so that it counts like the request that it announces.
func TestPreflightsAreLimited(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) {
		o.Limits.Rates = map[Class]Rate{ClassToken: {PerSecond: 0.001, Burst: 2}}
	})
	ask := func() *http.Response {
		return f.do(t, "OPTIONS", "/token", "", "Origin", "https://rp.test", "Access-Control-Request-Method", "POST")
	}
	for range 2 {
		if got := ask().StatusCode; got != http.StatusNoContent {
			t.Fatalf("happy path: %d", got)
		}
	}
	if got := ask(); got.StatusCode != http.StatusTooManyRequests || got.Header.Get("Retry-After") == "" {
		t.Errorf("the third preflight answers %d", got.StatusCode)
	}
	if got := metricOf(t, f, "signet_http_rate_limited_total"); got != 1 {
		t.Errorf("%v refusals are counted", got)
	}
}

// What the connection carries after an answer to a whole body is the next request, not part of the old one.
func TestKeepAliveAfterBodies(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", newFixture(t, nil).listen(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	for i := range 5 {
		if _, err := io.WriteString(conn, "POST /token HTTP/1.1\r\n"+host+"Content-Type: "+formType+"\r\nContent-Length: 3\r\n\r\na=1"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(reader, httptest.NewRequest(http.MethodPost, "/token", nil))
		if err != nil || response.StatusCode != http.StatusOK || response.Close {
			t.Fatalf("request %d: %v %v", i, response, err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
	}
}
