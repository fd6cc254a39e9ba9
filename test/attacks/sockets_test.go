package attacks

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var memoryLine = regexp.MustCompile(`(VmRSS|VmHWM):\s+(\d+) kB`)

// rss is the resident memory of the server in bytes.
func (w *world) rss() int64 { return w.memory("VmRSS") }

// peak is the most that it has been since rested.
func (w *world) peak() int64 { return w.memory("VmHWM") }

// rested forgets the peak and returns the memory of now (proc(5), clear_refs).
func (w *world) rested() int64 {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join("/proc", strconv.Itoa(w.process()), "clear_refs"), []byte("5"), 0); err != nil {
		w.t.Fatal(err)
	}
	return w.rss()
}

func (w *world) memory(which string) int64 {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(w.process()), "status"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, match := range memoryLine.FindAllStringSubmatch(string(content), -1) {
		if match[1] == which {
			kib, err := strconv.ParseInt(match[2], 10, 64)
			if err != nil {
				w.t.Fatal(err)
			}
			return kib << 10
		}
	}
	w.t.Fatal("no " + which)
	return 0
}

// newLeanWorld is a server on what another has seeded. Seeding hashes passwords: it leaves some 50 MiB to the process
// that do not go back to the system at once, and whatever grows would grow into them unseen.
func newLeanWorld(t *testing.T, args ...string) (w *world, dir string) {
	t.Helper()
	dir = t.TempDir()
	args = append(args, "--data", dir)
	if code := newWorld(t, args...).Stop(); code != 0 {
		t.Fatalf("the first server ends with %d", code)
	}
	return newWorld(t, args...), dir
}

func (w *world) host() string { return strings.TrimPrefix(w.Card.Issuer, "http://") }

// lines joins the lines of a request head and ends it.
func lines(all ...string) string { return strings.Join(all, "\r\n") + "\r\n\r\n" }

// flood sends a head and then the chunk until the server closes; it returns how many bytes the server let through and
// what it answered.
func flood(host, head, chunk string, limit int) (sent int, text string, err error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, "", err
	}
	heard := make(chan string, 1)
	go func() {
		var b strings.Builder
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			b.Write(buffer[:n])
			if err != nil {
				heard <- b.String()
				return
			}
		}
	}()
	_, gone := conn.Write([]byte(head))
	for gone == nil && sent < limit {
		_, gone = conn.Write([]byte(chunk))
		sent += len(chunk)
	}
	if errors.Is(gone, os.ErrDeadlineExceeded) {
		err = gone
	}
	return sent, <-heard, err
}

// bodies are what PRS-04 sends: the header that announces a body, and its pieces.
func bodies() map[string]string {
	piece := strings.Repeat("a", 16<<10)
	return map[string]string{
		"Transfer-Encoding: chunked":          fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece), // endless
		"Content-Length: 10485760":            piece,
		"Content-Length: 104857600":           piece,
		"Content-Length: 9223372036854775807": piece,
	}
}

// A body that is too large is refused after the limit, wherever it goes: the rest of it is neither read nor kept.
func TestPRS04(t *testing.T) {
	t.Parallel()
	w, _ := newLeanWorld(t)
	w.serviceToken()
	host := w.host()
	const formType = "Content-Type: application/x-www-form-urlencoded"
	const total = 64 << 20
	admin, err := url.Parse(w.Card.Admin.APIURL)
	if err != nil {
		t.Fatal(err)
	}
	jsonType := "Content-Type: application/json"
	targets := []struct{ host, path, header string }{{host, "/token", formType}, {host, "/introspect", formType}, {host, "/revoke", formType},
		{host, "/userinfo", formType}, {host, "/authorize", formType}, {host, "/login", formType}, {host, "/consent", formType}, {host, "/logout", formType},
		{host, "/api/v1/tokens", jsonType}, {host, "/auth", jsonType}, {host, createIntent, jsonType + "\r\nAuthorization: " + w.device()},
		{admin.Host, "/admin/v1/clients", jsonType + "\r\nAuthorization: Bearer " + w.Card.Admin.APIKey}}
	attack := func(total int) {
		var wait sync.WaitGroup
		for _, target := range targets {
			for header, piece := range bodies() {
				wait.Go(func() {
					sent, text, err := flood(target.host, lines("POST "+target.path+" HTTP/1.1", "Host: "+target.host, target.header, header), piece, total)
					// What is sent above the limit fills the buffers of the sockets, which the kernel sizes.
					if err != nil || sent >= total && total > 16<<20 || statusOf(text) != http.StatusRequestEntityTooLarge || !strings.Contains(text, "\r\nConnection: close\r\n") {
						t.Errorf("%s, %s: %d bytes taken, %v, answer %.200q", target.path, header, sent, err, text)
					}
				})
			}
		}
		wait.Wait()
	}
	attack(1 << 20) // caches, pools and the collector's target are there then
	before := w.rested()
	for range 3 {
		attack(total)
	}
	grown := w.peak() - before
	t.Logf("%d MiB, at most %d KiB more during %d bodies at a time", before>>20, grown>>10, len(targets)*len(bodies()))
	if grown > 10<<20 {
		t.Errorf("the server grew by %d MiB", grown>>20)
	}
	if a := w.post("/token", w.Card.Clients.Service, url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Repeat("x", 65<<10)}}); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form over 64 KiB: %d %s", a.status, a.body)
	}
	w.serviceToken()
}

// Framing that two servers could read in two ways is refused, and no second request comes out of one.
func TestPRS11(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := w.host()
	get := "GET /.well-known/jwks.json HTTP/1.1"
	if text := raw(t, w.Card.Issuer, lines(get, "Host: "+host, "Connection: close")); statusOf(text) != http.StatusOK {
		t.Fatalf("happy path: %s", text)
	}
	post := []string{"POST /token HTTP/1.1", "Host: " + host, "Content-Type: application/x-www-form-urlencoded", "Connection: close"}
	smuggled := "GET /.well-known/openid-configuration HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	many := make([]string, 0, 1002)
	many = append(many, get, "Host: "+host)
	for i := range 1000 {
		many = append(many, fmt.Sprintf("X-%d: %s", i, strings.Repeat("a", 64)))
	}
	cases := []struct {
		name, text string
	}{
		{"1 MiB header", lines(get, "Host: "+host, "X-Big: "+strings.Repeat("a", 1<<20))},
		{"1,000 headers", lines(many...)},
		{"long URL", lines("GET /authorize?x="+strings.Repeat("a", 64<<10)+" HTTP/1.1", "Host: "+host, "Connection: close")},
		{"space in a header name", lines(get, "Host: "+host, "X Evil: 1", "Connection: close")},
		{"space before the colon", lines(get, "Host: "+host, "Content-Length : 5", "Connection: close") + "hello"},
		{"two Host headers", lines(get, "Host: "+host, "Host: evil.test", "Connection: close")},
		{"no Host header", lines(get, "Connection: close")},
		{"unknown transfer coding", lines(append(post, "Transfer-Encoding: xchunked")...) + smuggled},
		{"two transfer codings", lines(append(post, "Transfer-Encoding: gzip, chunked")...) + "0\r\n\r\n" + smuggled},
		{"two lengths", lines(append(post, "Content-Length: 5", "Content-Length: 6")...) + "hello" + smuggled},
		{"negative length", lines(append(post, "Content-Length: -1")...) + smuggled},
		{"plus length", lines(append(post, "Content-Length: +5")...) + "hello" + smuggled},
		{"length beyond int64", lines(append(post, "Content-Length: 92233720368547758070")...) + smuggled},
		{"bad chunk size", lines(append(post, "Transfer-Encoding: chunked")...) + "zz\r\nhello\r\n0\r\n\r\n"},
		{"HTTP/0.9", "GET /.well-known/jwks.json\r\n\r\n"},
		{"HTTP/3.0", lines("GET / HTTP/3.0", "Host: "+host)},
		{"nonsense", "\x00\x01\x02\r\n\r\n"},
		{"TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + strings.Repeat("a", 160) + "\r\n\r\n"},
	}
	for _, c := range cases {
		text := raw(t, w.Card.Issuer, c.text)
		if s := statusOf(text); s < 400 || s > 505 || s == 500 {
			t.Errorf("%s: %.80q", c.name, text)
		}
		if n := strings.Count(text, "HTTP/1.1 "); n > 1 {
			t.Errorf("%s: %d answers to one request", c.name, n)
		}
	}
	// obs-fold is joined by net/http; it must stay one header of one request.
	text := raw(t, w.Card.Issuer, lines(get, "Host: "+host, "X-Fold: a", " X-Evil: 1", "Connection: close"))
	if n := strings.Count(text, "HTTP/1.1 "); n != 1 {
		t.Errorf("obs-fold: %d answers", n)
	}
	// Both lengths: chunked counts, the connection ends with it, and what follows is no request (RFC 9112 §6.3).
	both := append(post[:3:3], "Content-Length: 5", "Transfer-Encoding: chunked", "Connection: close")
	text = raw(t, w.Card.Issuer, lines(both...)+"0\r\n\r\n"+smuggled)
	if s := statusOf(text); s < 400 || strings.Contains(text, `"issuer"`) {
		t.Errorf("both lengths: %s", text)
	}
	absolute := raw(t, w.Card.Issuer, lines("GET http://evil.test/.well-known/openid-configuration HTTP/1.1", "Host: "+host, "Connection: close"))
	if strings.Contains(absolute, "evil.test") {
		t.Errorf("absolute form: %s", absolute)
	}
	w.serviceToken()
}

// A path is one spelling. Whatever else a proxy or a cache would take for it is not found, and never a redirect.
func TestPRS13(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.everyRoute(func(base string, r route) {
		method := r.methods[0]
		if a := w.visit(method, base+r.path); a.status == http.StatusNotFound && r.class != "api" {
			t.Fatalf("%s is not found", r.path)
		}
		last := r.path[strings.LastIndex(r.path, "/")+1:]
		parent := strings.TrimSuffix(r.path, last)
		host := strings.TrimPrefix(base, "http://")
		for _, path := range []string{"/" + r.path, r.path + "/", r.path + "%00", r.path + ";a=b", strings.ToUpper(r.path), "/." + r.path, "/x/.." + r.path,
			r.path + "/x.js", r.path + ".css", r.path + "%2f", r.path + "%20", parent + "%" + strconv.FormatInt(int64(last[0]), 16) + last[1:], r.path + "//", "\\" + r.path, r.path + "%3f"} {
			text := raw(t, base, lines(method+" "+path+" HTTP/1.1", "Host: "+host, "Connection: close", "Content-Length: 0"))
			s := statusOf(text)
			if s != http.StatusNotFound && s != http.StatusBadRequest && !(r.class == "api" && s == http.StatusUnauthorized) {
				t.Errorf("%s %s: %.60q", method, path, text)
			}
		}
	})
	// A suffix that caches take for a file changes nothing: no-store stays.
	if a := w.get("/userinfo?.css"); a.status == http.StatusOK || !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
		t.Errorf("/userinfo?.css: %d %q", a.status, a.header.Get("Cache-Control"))
	}
}
