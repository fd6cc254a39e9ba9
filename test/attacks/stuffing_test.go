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

// openLogin is a login page that is open: what a form of it sends. Its flow can be tried as often as one likes.
type openLogin struct {
	w      *world
	cookie string
	flow   string
}

// openLogin opens the page of a browser.
func (w *world) openLogin(browser *e2e.Browser) *openLogin {
	w.t.Helper()
	page := browser.Get(w.Card.Issuer + "/authorize?" + authorization(w.Card.Clients.Web, random()+random()).Encode() + "&prompt=login")
	flow := page.URL.Query().Get("flow")
	if page.Status != http.StatusOK || flow == "" {
		w.t.Fatalf("no login page: %d at %s", page.Status, page.URL)
	}
	var cookies []string
	for _, c := range browser.Cookies(w.Card.Issuer) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	return &openLogin{w: w, cookie: strings.Join(cookies, "; "), flow: flow}
}

// try posts the form from an address, as the proxy in front tells it.
func (o *openLogin) try(client *http.Client, address, name, password string) (answer, error) {
	form := url.Values{"flow": {o.flow}, "username": {name}, "password": {password}}
	request, err := http.NewRequest(http.MethodPost, o.w.Card.Issuer+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, err
	}
	for name, value := range map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Cookie": o.cookie, "X-Forwarded-For": address} {
		request.Header.Set(name, value)
	}
	return send(client, request)
}

// stuff tries one password at each of many names, as fast as the answers come, and counts the answers by status.
func (w *world) stuff(names int, address func(i int) string) map[int]int {
	w.t.Helper()
	const crowd = 64
	page := w.openLogin(e2e.NewBrowser(w.t))
	var next atomic.Int64
	var mu sync.Mutex
	var wait sync.WaitGroup
	statuses := map[int]int{}
	for range crowd {
		wait.Go(func() {
			client := newClient()
			defer client.CloseIdleConnections()
			for {
				i := int(next.Add(1)) - 1
				if i >= names {
					return
				}
				a, err := page.try(client, address(i), fmt.Sprintf("user%07d@example.com", i), "Summer2026")
				if err != nil {
					w.t.Errorf("guess %d: %v", i, err)
					return
				}
				mu.Lock()
				statuses[a.status]++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return statuses
}

// others is what a person had of their own logins: the time that each took, and the answers by status.
type others struct {
	took     []time.Duration
	statuses map[int]int
}

// othersDuring logs in while something runs, ten times a second at most, at a browser that is known and at one that is not.
func (w *world) othersDuring(run func()) (known, cold *others) {
	w.t.Helper()
	user := w.Card.Users[0]
	home, abroad := e2e.NewBrowser(w.t), e2e.NewBrowser(w.t)
	home.From("192.0.2.7")
	abroad.From("203.0.113.7")
	home.LogIn(w.Card.Issuer+"/authorize?"+authorization(w.Card.Clients.Web, random()+random()).Encode(), user)
	done := make(chan struct{})
	var wait sync.WaitGroup
	repeat := func(page *openLogin, address string) *others {
		out := &others{statuses: map[int]int{}}
		wait.Go(func() {
			client := newClient()
			defer client.CloseIdleConnections()
			ticker := time.NewTicker(100 * time.Millisecond)
			defer ticker.Stop()
			for {
				select {
				case <-done:
					return
				case <-ticker.C:
				}
				begun := time.Now()
				a, err := page.try(client, address, user.Username, user.Password)
				if err != nil {
					w.t.Error(err)
					return
				}
				out.took = append(out.took, time.Since(begun))
				out.statuses[a.status]++
			}
		})
		return out
	}
	known, cold = repeat(w.openLogin(home), "192.0.2.7"), repeat(w.openLogin(abroad), "203.0.113.7")
	run()
	close(done)
	wait.Wait()
	return known, cold
}

// p99 is the time that 99 of 100 logins stayed below.
func (o *others) p99() time.Duration {
	sorted := slices.Sorted(slices.Values(o.took))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)*99/100]
}

// String says it in a line.
func (o *others) String() string {
	return fmt.Sprintf("%d logins, answers %v, p99 %s, longest %s", len(o.took), o.statuses, o.p99().Round(time.Millisecond),
		slices.Max(append(o.took, 0)).Round(time.Millisecond))
}

// served says that a person's logins worked, and were quick.
func (o *others) served(t *testing.T, who string) {
	t.Helper()
	if refused := len(o.took) - o.statuses[http.StatusSeeOther]; refused*100 > len(o.took) {
		t.Errorf("%s: %d of %d logins fail: %v", who, refused, len(o.took), o.statuses)
	}
	if p99 := o.p99(); p99 > time.Second {
		t.Errorf("%s: p99 is %s, want less than a second", who, p99)
	}
}

// One guess each at 20,000 names, from one /24 and from 5,000 addresses. The network is stopped and raises the alarm. Spread
// over as many networks there is nothing to stop, and a new browser is one stranger more: it waits, or is sent away for a
// moment; but a browser that is known logs in as ever.
func TestENU04Stuffing(t *testing.T) {
	if !*full {
		t.Skip("it takes minutes, and is about time: make attacks")
	}
	const limit, names, addresses = 300, 20_000, 5000 // limit: all names from one network, pkg/login
	c, card, _ := e2e.StartSeeded(t, nil)
	w := &world{t: t, Dev: &e2e.Dev{Process: c.Nodes[0].Process, Card: card}, http: newClient()}
	for _, from := range []struct {
		name    string
		address func(i int) string
	}{
		{"one network", func(i int) string { return fmt.Sprintf("198.51.100.%d", i%254+1) }},
		{"many networks", func(i int) string { n := i % addresses; return fmt.Sprintf("10.%d.%d.9", n/250, n%250) }},
	} {
		var statuses map[int]int
		begun := time.Now()
		known, cold := w.othersDuring(func() { statuses = w.stuff(names, from.address) })
		t.Logf("%s: %d names in %s, answers %v; others at a known browser: %s; at a new one: %s", from.name, names, time.Since(begun).Round(time.Second),
			statuses, known, cold)
		for status := range statuses {
			if !slices.Contains([]int{http.StatusOK, http.StatusTooManyRequests, http.StatusServiceUnavailable}, status) {
				t.Errorf("%s: a guess is answered with %d", from.name, status)
			}
		}
		known.served(t, from.name+", a known browser")
		if from.name == "one network" {
			cold.served(t, from.name+", a new browser")
			if statuses[http.StatusOK] > limit {
				t.Errorf("one network: %d guesses are looked at, want at most %d", statuses[http.StatusOK], limit)
			}
		}
	}
	metrics := w.visit(http.MethodGet, w.Card.Ops.URL+"/metrics").body
	if counter := `signet_login_throttled_total{limit="network"} `; !strings.Contains(metrics, counter) || strings.Contains(metrics, counter+"0\n") {
		t.Error("the alarm metric does not tell of the network")
	}
	if !strings.Contains(w.Output(), "network:198.51.100.0/24") {
		t.Error("the log does not name the network")
	}
}
