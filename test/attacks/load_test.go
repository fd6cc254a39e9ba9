package attacks

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// A pending login is kept by its browser, not by the server: a flood of them leaves neither memory nor rows behind.
func TestEXH01(t *testing.T) {
	t.Parallel()
	const workers = 8
	total := size(20_000, 200_000)
	dir := t.TempDir()
	w := newWorld(t, "--data", dir)
	path := w.Card.Issuer + "/authorize?" + authorization(w.Card.Clients.Web, random()+random()).Encode()
	flood := func(requests int) {
		var left atomic.Int64
		left.Store(int64(requests))
		var wait sync.WaitGroup
		for range workers {
			wait.Go(func() {
				client := newClient()
				for left.Add(-1) >= 0 {
					request, err := http.NewRequest(http.MethodGet, path, nil)
					if err != nil {
						t.Error(err)
						return
					}
					if a, err := send(client, request); err != nil || a.status != http.StatusSeeOther || !strings.Contains(a.header.Get("Location"), "/login") {
						t.Errorf("%d %s %v", a.status, a.body, err)
						return
					}
				}
				client.CloseIdleConnections()
			})
		}
		wait.Wait()
	}
	flood(2000) // caches, pools and the collector's target are there then
	before, memory := w.rows(dir), w.rss()
	flood(total)
	if t.Failed() {
		return
	}
	if grown := w.rss() - memory; grown > 40<<20 {
		t.Errorf("the server grew by %d MiB over %d requests", grown>>20, total)
	}
	for table, rows := range w.rows(dir) {
		if grown := len(rows) - len(before[table]); grown > 0 {
			t.Errorf("%s has %d rows more", table, grown)
		}
	}
}

// A crowd of slow logins is served or sent away; keys, discovery and introspection answer meanwhile.
func TestEXH02(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.serviceToken()
	start := w.Card.Issuer + "/authorize?" + authorization(w.Card.Clients.Web, random()+random()).Encode()
	pages := make([]*e2e.Page, 200)
	for i := range pages {
		pages[i] = e2e.NewBrowser(t).Get(start)
	}
	after := make([]*e2e.Page, len(pages))
	done := make(chan struct{})
	var wait sync.WaitGroup
	for i, page := range pages {
		wait.Go(func() {
			after[i] = page.Click("login", map[string]string{"username": fmt.Sprintf("nobody%d", i), "password": "wrong"})
		})
	}
	go func() { wait.Wait(); close(done) }()
	var slowest time.Duration
	asked := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		begun := time.Now()
		if a := w.get("/.well-known/jwks.json"); a.status != http.StatusOK {
			t.Errorf("JWKS: %d", a.status)
		}
		if a := w.introspect(token); a.status != http.StatusOK || !a.active() {
			t.Errorf("introspection: %d %s", a.status, a.body)
		}
		slowest = max(slowest, time.Since(begun))
		asked++
	}
	if slowest > 3*time.Second {
		t.Errorf("JWKS and introspection took %s while people logged in", slowest)
	}
	statuses := map[int]int{}
	for _, page := range after {
		statuses[page.Status]++
		if page.Status == http.StatusServiceUnavailable && page.Header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		if !slices.Contains([]int{http.StatusOK, http.StatusTooManyRequests, http.StatusServiceUnavailable}, page.Status) {
			t.Errorf("a login gets %d: %s", page.Status, page.Text(""))
		}
	}
	t.Logf("%d rounds beside the logins, the slowest took %s; logins: %v", asked, slowest, statuses)
	if callback := e2e.NewBrowser(t).LogIn(start, w.Card.Users[0]); callback.Query().Get("code") == "" {
		t.Errorf("nobody logs in after it: %s", callback)
	}
}

// attempt is what a stranger sees of one login.
type attempt struct {
	status, length int
	headers        string
	cookies        string
	text           string
}

func (w *world) attempt(browser *e2e.Browser, page *e2e.Page, name, password string) attempt {
	w.t.Helper()
	after := page.Click("login", map[string]string{"username": name, "password": password})
	out := attempt{status: after.Status, text: strings.ReplaceAll(after.Text(""), name, "NAME"), length: len(after.Text(""))}
	var headers []string
	for header, values := range after.Header {
		if header != "X-Request-Id" && header != "Date" && header != "Set-Cookie" {
			headers = append(headers, header+"="+strings.Join(values, ","))
		}
	}
	slices.Sort(headers)
	out.headers = strings.Join(headers, "\n")
	for _, cookie := range browser.Cookies(w.Card.Issuer) {
		out.cookies += fmt.Sprintf("%s:%d ", cookie.Name, len(cookie.Value))
	}
	return out
}

// Whether a name exists is told by nothing in the answer. All names have five letters, since the page repeats them.
func TestENU01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disabled := w.admin(http.MethodPost, "/users", map[string]any{"username": "carol", "email": "carol@example.com", "password": "pw-" + random()})
	if a := w.admin(http.MethodPost, "/users/"+disabled.text("sub")+"/disable", map[string]any{}); disabled.status != http.StatusCreated || a.status >= 300 {
		t.Fatalf("%d %s, %d %s", disabled.status, disabled.body, a.status, a.body)
	}
	user, browser := w.Card.Users[0], e2e.NewBrowser(t)
	start := w.Card.Issuer + "/authorize?" + authorization(w.Card.Clients.Web, random()+random()).Encode()
	if callback := e2e.NewBrowser(t).LogIn(start, user); callback.Query().Get("code") == "" {
		t.Fatalf("happy path: %s", callback)
	}
	// One page for all: two flows differ in length by the digits of their times.
	page := browser.Get(start)
	want := w.attempt(browser, page, "nobdy", "wrong")
	for name, password := range map[string]string{user.Username: "wrong", "carol": "wrong", "ALICE": "wrong", "nobod": strings.Repeat("x", 200)} {
		got := w.attempt(browser, page, name, password)
		if got != want {
			t.Errorf("%s: %+v\nwant %+v", name, got, want)
		}
	}
}

// BenchmarkENU01 is the time that a login of a known name and of an unknown one takes: the two must not differ.
func BenchmarkENU01(b *testing.B) {
	dev := e2e.StartDev(b)
	start := dev.Card.Issuer + "/authorize?" + authorization(dev.Card.Clients.Web, strings.Repeat("v", 43)).Encode()
	for _, name := range []string{dev.Card.Users[0].Username, "nobdy"} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				page := e2e.NewBrowser(b).Get(start)
				page.Click("login", map[string]string{"username": name, "password": "wrong"})
			}
		})
	}
}

// One guess at each of many names is throttled by network, and nobody else suffers: a browser that is known gets in.
func TestENU04(t *testing.T) {
	t.Parallel()
	const limit = 300 // all names from one network: pkg/login
	w := newWorld(t)
	user := w.Card.Users[0]
	start := w.Card.Issuer + "/authorize?" + authorization(w.Card.Clients.Web, random()+random()).Encode()
	owner := e2e.NewBrowser(t)
	if callback := owner.LogIn(start, user); callback.Query().Get("code") == "" {
		t.Fatal("happy path: no code")
	}
	page := e2e.NewBrowser(t).Get(start)
	var refused atomic.Int64
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for i := range limit/4 + 10 {
				after := page.Click("login", map[string]string{"username": fmt.Sprintf("user-%d-%d", worker, i), "password": "Summer2026"})
				if after.Status == http.StatusTooManyRequests {
					refused.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if got := refused.Load(); got < 30 || got > 40 {
		t.Errorf("%d of 340 guesses are refused, want those over %d", got, limit)
	}
	again := owner.Get(start+"&"+url.Values{"prompt": {"login"}}.Encode()).Click("login", map[string]string{"username": user.Username, "password": user.Password})
	if again.Status == http.StatusTooManyRequests || again.Has("password") {
		t.Errorf("the owner is locked out: %d %s", again.Status, again.Text(""))
	}
}
