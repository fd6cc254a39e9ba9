package attacks

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rssLine = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// rss is the resident memory of the server in bytes.
func (w *world) rss() int64 {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(w.PID()), "status"))
	if err != nil {
		w.t.Fatal(err)
	}
	match := rssLine.FindSubmatch(content)
	if match == nil {
		w.t.Fatal("no VmRSS")
	}
	kib, err := strconv.ParseInt(string(match[1]), 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return kib << 10
}

func (w *world) host() string { return strings.TrimPrefix(w.Card.Issuer, "http://") }

// lines joins the lines of a request head and ends it.
func lines(all ...string) string { return strings.Join(all, "\r\n") + "\r\n\r\n" }

// flood sends a head and then the chunk until the server closes; it returns how many bytes the server let through and
// what it answered.
func flood(t *testing.T, host, head, chunk string, limit int) (sent int, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		t.Fatal(err)
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
	_, err = conn.Write([]byte(head))
	for err == nil && sent < limit {
		_, err = conn.Write([]byte(chunk))
		sent += len(chunk)
	}
	return sent, <-heard
}

// A body that is too large is refused after the limit: the rest of it is neither read nor kept.
func TestPRS04(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serviceToken()
	host := w.host()
	before := w.rss()
	const formType = "Content-Type: application/x-www-form-urlencoded"
	const total = 64 << 20
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 16<<10, strings.Repeat("a", 16<<10))
	admin, err := url.Parse(w.Card.Admin.APIURL)
	if err != nil {
		t.Fatal(err)
	}
	targets := []struct{ host, path, header string }{{host, "/token", formType}, {host, "/introspect", formType}, {host, "/revoke", formType},
		{host, "/userinfo", formType}, {host, "/authorize", formType}, {host, "/login", formType}, {host, "/consent", formType}, {host, "/logout", formType},
		{admin.Host, "/admin/v1/clients", "Content-Type: application/json\r\nAuthorization: Bearer " + w.Card.Admin.APIKey}}
	for _, target := range targets {
		sent, text := flood(t, target.host, lines("POST "+target.path+" HTTP/1.1", "Host: "+target.host, target.header, "Transfer-Encoding: chunked"), chunk, total)
		// What is sent above the limit fills the buffers of the sockets, which the kernel sizes.
		if s := statusOf(text); sent >= total/4 || s != 0 && (s < 400 || s >= 500) {
			t.Errorf("%s: an endless body: %d bytes taken, answer %.60q", target.path, sent, text)
		}
		for _, length := range []string{"10485760", "104857600", "9223372036854775807"} {
			text := raw(t, "http://"+target.host, lines("POST "+target.path+" HTTP/1.1", "Host: "+target.host, target.header, "Content-Length: "+length)+"grant_type=x")
			if s := statusOf(text); s < 400 || s >= 500 {
				t.Errorf("%s: Content-Length %s: %.60q", target.path, length, text)
			}
		}
	}
	if a := w.post("/token", w.Card.Clients.Service, url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Repeat("x", 65<<10)}}); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form over 64 KiB: %d %s", a.status, a.body)
	}
	if grown := w.rss() - before; grown > 24<<20 {
		t.Errorf("the server grew by %d MiB", grown>>20)
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
