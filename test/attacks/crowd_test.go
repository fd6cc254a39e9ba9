package attacks

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// metric reads a number without labels from the operations listener.
func (w *world) metric(name string) float64 {
	w.t.Helper()
	request, err := http.NewRequest(http.MethodGet, w.Card.Ops.URL+"/metrics", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	a := w.do(request)
	match := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(a.body)
	if match == nil {
		w.t.Fatalf("no metric %s: %d %.200s", name, a.status, a.body)
	}
	value, err := strconv.ParseFloat(match[1], 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return value
}

// dialFrom connects from the i-th of many addresses: ports and the rates of a network are counted by address.
func dialFrom(i, receiveBuffer int, host string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: answerWithin, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 3, byte(i%250), 1)}}
	if receiveBuffer > 0 {
		dialer.Control = func(_, _ string, raw syscall.RawConn) error {
			var failed error
			err := raw.Control(func(fd uintptr) {
				failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
			})
			return errors.Join(err, failed)
		}
	}
	return dialer.Dial("tcp", host)
}

// drip sends the opening and then one byte a second until the server closes, and returns how long that took.
func drip(i int, host, opening string) (time.Duration, error) {
	conn, err := dialFrom(i, 0, host)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	begun := time.Now()
	if _, err := io.WriteString(conn, opening); err != nil {
		return 0, err
	}
	buffer := make([]byte, 512)
	for time.Since(begun) < answerWithin {
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return 0, err
		}
		if _, err := conn.Read(buffer); err == nil {
			continue // the refusal
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			return time.Since(begun), nil
		}
		if _, err := conn.Write([]byte("a")); err != nil {
			return time.Since(begun), nil
		}
	}
	return 0, errors.New("the connection is still open")
}

// deaf asks for more than the buffers hold, which the kernel lets grow to 4 MiB, and reads nothing. The connection stays
// open for the caller to close.
func deaf(i int, host string) (net.Conn, error) {
	conn, err := dialFrom(i, 4096, host)
	if err != nil {
		return nil, err
	}
	if err := conn.SetWriteDeadline(time.Now().Add(3 * time.Second)); err != nil {
		return conn, err
	}
	get := []string{"GET /openapi.json HTTP/1.1", "Host: " + host}
	_, err = io.WriteString(conn, strings.Repeat(lines(get...), 80)+lines(append(get, "Connection: close")...))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil // the server has stopped reading: it waits for us
	}
	return conn, err
}

// pulse makes a normal request every 20 ms, each on a connection of its own and whether or not the one before is answered,
// until the stop, and returns how long each took.
func (w *world) pulse(stop <-chan struct{}) []time.Duration {
	var mu sync.Mutex
	var took []time.Duration
	var wait sync.WaitGroup
	client := newClient()
	client.Transport.(*http.Transport).DisableKeepAlives = true
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			wait.Wait()
			return took
		case <-ticker.C:
		}
		request := w.form("/token", w.Card.Clients.Service, machine("orders:read"))
		if i%2 == 0 {
			request = w.request(http.MethodGet, "/.well-known/jwks.json", "")
		}
		wait.Go(func() {
			begun := time.Now()
			a, err := send(client, request)
			if err != nil || a.status != http.StatusOK {
				w.t.Errorf("a normal request: %d %s %v", a.status, a.body, err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(begun))
		})
	}
}

// percentile sorts.
func percentile(took []time.Duration, percent int) time.Duration {
	slices.Sort(took)
	return took[min(len(took)-1, len(took)*percent/100)]
}

// Slow senders are cut off by the clock, slow readers too; nobody else notices, and nothing of them stays.
func TestPRS05(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host, attackers := w.host(), size(150, 2000)
	allowed := time.Second
	if *full {
		allowed = 250 * time.Millisecond
	}
	w.serviceToken()
	before := w.metric("go_goroutines")
	stop, pulses := make(chan struct{}), make(chan []time.Duration, 1)
	go func() { pulses <- w.pulse(stop) }()
	var wait sync.WaitGroup
	slow := func(i int, opening string, limit time.Duration) {
		took, err := drip(i, host, opening)
		// 5 s more for a busy machine.
		if err != nil || took > limit+5*time.Second {
			t.Errorf("%.40q: closed after %s, limit %s: %v", opening, took, limit, err)
		}
	}
	deafs := make([]net.Conn, attackers)
	for i := range attackers {
		wait.Go(func() {
			var err error
			switch {
			case i%20 == 19: // few: the kernel keeps 4 MiB for each
				if deafs[i], err = deaf(i, host); err != nil {
					t.Errorf("a slow reader: %v", err)
				}
			case i%2 == 0:
				slow(i, "GET /login HTTP/1.1\r\nHost: "+host+"\r\nX-", 5*time.Second)
			default:
				slow(i, lines("POST /token HTTP/1.1", "Host: "+host, "Content-Type: application/x-www-form-urlencoded", "Content-Length: 1000"), 10*time.Second)
			}
		})
	}
	wait.Wait()
	close(stop)
	took := <-pulses
	during := w.metric("go_goroutines")
	p99 := percentile(took, 99)
	t.Logf("%d slow connections; %d normal requests meanwhile, p50 %s, p99 %s; goroutines %v, %v with the slow readers",
		attackers, len(took), percentile(took, 50), p99, before, during)
	if p99 > allowed {
		t.Errorf("99%% of normal requests within %s, want %s", p99, allowed)
	}
	if during < before+float64(attackers)/40 {
		t.Errorf("%v goroutines while %d slow readers are served, %v before: nobody waits for them", during, attackers/20, before)
	}
	// The slow readers go on reading nothing.
	w.WaitFor("the goroutines end", func() bool { return w.metric("go_goroutines") <= before+10 })
	hangUp(deafs)
	w.serviceToken()
}

// idlers opens connections, makes one request on each and leaves them open.
func idlers(t *testing.T, host string, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	var wait sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range conns {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			conn, err := dialFrom(i, 0, host)
			if err != nil {
				t.Error(err)
				return
			}
			conns[i] = conn
			if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
				t.Error(err)
			}
			if _, err := io.WriteString(conn, lines("GET /.well-known/jwks.json HTTP/1.1", "Host: "+host)); err != nil {
				t.Error(err)
				return
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("connection %d: %v %v", i, response, err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
		})
	}
	wait.Wait()
	t.Cleanup(func() { hangUp(conns) })
	return conns
}

// hangUp closes the connections that were made.
func hangUp(conns []net.Conn) {
	for _, conn := range conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// open counts the connections that the server has not closed.
func open(t *testing.T, conns []net.Conn) int {
	t.Helper()
	n := 0
	for _, conn := range conns {
		if conn == nil {
			continue
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			n++
		}
	}
	return n
}

// descriptors is how many files the process of the server has open and may have.
func (w *world) descriptors() (open, limit float64) {
	return w.metric("process_open_fds"), w.metric("process_max_fds")
}

// Idle connections make room at a cap that the limit of open files allows, and cost little memory.
func TestEXH04(t *testing.T) {
	t.Parallel()
	const most, extra = 8192, 200 << 20
	judge := func(t *testing.T, w *world, n, most int, before int64) {
		t.Helper()
		conns := idlers(t, w.host(), n)
		w.http = newClient()
		w.serviceToken()
		files, limit := w.descriptors()
		left, grown := open(t, conns), w.rss()-before
		t.Logf("%d connections: %d open, %v of %v files, %d MiB more", n, left, files, limit, grown>>20)
		if left > most || left < min(n, most)-8 {
			t.Errorf("%d connections are open, want %d", left, min(n, most))
		}
		if n > most && open(t, conns[:n-most-64]) > 0 {
			t.Error("it was not the oldest that made room")
		}
		if files > limit-100 || grown > extra {
			t.Errorf("%v of %v files, %d MiB more", files, limit, grown>>20)
		}
	}
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		w, _ := newLeanWorld(t)
		w.serviceToken()
		judge(t, w, size(1500, 10_000), most, w.rss())
	})
	t.Run("few files", func(t *testing.T) {
		t.Parallel()
		w := newWorldWithFiles(t, 1024)
		judge(t, w, 1500, 512, w.rss())
	})
}

// newWorldWithFiles is a server that may open that many files. It has no process of e2e: only the shell can lower a
// limit for what it starts.
func newWorldWithFiles(t *testing.T, files int) *world {
	t.Helper()
	card := filepath.Join(t.TempDir(), "card.json")
	cmd := exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, files), "sh", e2e.Binary(t), "dev", "--listen", "127.0.0.1:0", "--card", card)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	w := &world{t: t, Dev: &e2e.Dev{}, http: newClient(), pid: cmd.Process.Pid}
	deadline := time.NewTimer(answerWithin)
	defer deadline.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if content, err := os.ReadFile(card); err == nil && json.Unmarshal(content, &w.Card) == nil {
			return w
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatal("signet dev does not start")
		}
	}
}

// Handshakes that no request follows end by the clock and leave nothing.
func TestEXH04Handshakes(t *testing.T) {
	t.Parallel()
	w, _ := newLeanWorld(t, "--tls")
	host, n, roots := strings.TrimPrefix(w.Card.Issuer, "https://"), size(500, 10_000), w.Roots(t)
	w.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	w.serviceToken()
	goroutines, before := w.metric("go_goroutines"), w.rss()
	var most int64
	conns := make([]net.Conn, n)
	defer hangUp(conns)
	begun := time.Now()
	var wait sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range conns {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			conn, err := greet(i, host, roots)
			if err != nil {
				t.Errorf("handshake %d: %v", i, err)
				return
			}
			conns[i] = conn
		})
		if i%500 == 499 {
			w.serviceToken()
			most = max(most, w.rss()-before)
		}
	}
	wait.Wait()
	t.Logf("%d handshakes in %s, at most %d MiB more", n, time.Since(begun), most>>20)
	// A connection of TLS costs some 28 KiB: at the cap of 8,192 that is more than the 200 MiB that plain ones keep to.
	if most > int64(size(200, 256))<<20 {
		t.Errorf("%d MiB more", most>>20)
	}
	w.WaitFor("the connections end", func() bool { return w.metric("go_goroutines") <= goroutines+10 })
	w.serviceToken()
}

func greet(i int, host string, roots *x509.CertPool) (net.Conn, error) {
	plain, err := dialFrom(i, 0, host)
	if err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(host, ":")
	conn := tls.Client(plain, &tls.Config{RootCAs: roots, ServerName: name})
	if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return plain, err
	}
	return conn, conn.Handshake()
}
