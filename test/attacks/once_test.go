package attacks

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/signet-auth/signet/test/e2e"
)

const parallel = 64

// crowd is 64 connections that are open already.
type crowd struct {
	w       *world
	clients []*http.Client
}

func (w *world) crowd() *crowd {
	w.t.Helper()
	c := &crowd{w: w}
	for range parallel {
		client := newClient()
		a, err := send(client, w.request(http.MethodGet, "/.well-known/jwks.json", ""))
		if err != nil || a.status != http.StatusOK {
			w.t.Fatal(a.status, err)
		}
		c.clients = append(c.clients, client)
	}
	return c
}

// rush sends the same request on every connection at the same moment.
func (c *crowd) rush(build func() *http.Request) []answer {
	c.w.t.Helper()
	answers := make([]answer, len(c.clients))
	requests := make([]*http.Request, len(c.clients))
	for i := range requests {
		requests[i] = build()
	}
	gate := make(chan struct{})
	var wait sync.WaitGroup
	for i, client := range c.clients {
		wait.Go(func() {
			<-gate
			var err error
			if answers[i], err = send(client, requests[i]); err != nil {
				c.w.t.Error(err)
			}
		})
	}
	close(gate)
	wait.Wait()
	return answers
}

// winners returns the answers that are 200 and wants the refusal from all others.
func winners(t *testing.T, answers []answer, status int, code string) []answer {
	t.Helper()
	var won []answer
	for _, a := range answers {
		if a.status == http.StatusOK {
			won = append(won, a)
		} else if a.status != status || a.text("error") != code {
			t.Errorf("a loser gets %d %s, want %d %s", a.status, a.body, status, code)
		}
	}
	return won
}

// A code buys tokens once, also when everybody holds it at the same moment.
func TestCOD02(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client, browser := w.Card.Clients.Web, e2e.NewBrowser(t)
	w.tokens(browser, client)
	crowd := w.crowd()
	for range size(20, 500) {
		form := w.code(browser, client)
		answers := crowd.rush(func() *http.Request { return w.form("/token", client, form) })
		won := winners(t, answers, http.StatusBadRequest, "invalid_grant")
		if len(won) != 1 {
			t.Errorf("one code gives %d token sets, want 1", len(won))
			continue
		}
		// The replay was an alarm: what the winner got is dead.
		refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {won[0].text("refresh_token")}}
		if a := w.post("/token", client, refresh); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
			t.Errorf("the replayed grant lives: %d %s", a.status, a.body)
		}
	}
}

// With a grace the crowd gets one successor, however many ask; with none it gets one answer and the family ends.
func TestREF02(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	browser := e2e.NewBrowser(t)
	crowd := w.crowd()
	strict := w.register(map[string]any{"refresh_grace": 0})
	lenient := w.register(map[string]any{"refresh_grace": 10})
	for range size(10, 250) { // families of each kind
		t.Run("strict", func(t *testing.T) {
			first := w.tokens(browser, strict)
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.text("refresh_token")}}
			won := winners(t, crowd.rush(func() *http.Request { return w.form("/token", strict, form) }), http.StatusBadRequest, "invalid_grant")
			if len(won) != 1 {
				t.Fatalf("%d successors, want 1", len(won))
			}
			form.Set("refresh_token", won[0].text("refresh_token"))
			if a := w.post("/token", strict, form); a.status != http.StatusBadRequest {
				t.Errorf("the family lives after the reuse: %d %s", a.status, a.body)
			}
		})
		t.Run("lenient", func(t *testing.T) {
			first := w.tokens(browser, lenient)
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.text("refresh_token")}}
			won := winners(t, crowd.rush(func() *http.Request { return w.form("/token", lenient, form) }), http.StatusBadRequest, "invalid_grant")
			successors := map[string]bool{}
			for _, a := range won {
				successors[a.text("refresh_token")] = true
			}
			if len(won) == 0 || len(successors) != 1 {
				t.Fatalf("%d answers with %d successors, want one successor", len(won), len(successors))
			}
			form.Set("refresh_token", won[0].text("refresh_token"))
			if a := w.post("/token", lenient, form); a.status != http.StatusOK {
				t.Errorf("the successor does not work: %d %s", a.status, a.body)
			}
		})
	}
}

// An assertion buys one token.
func TestAST14(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.Card.Clients.PartnerES256
	crowd := w.crowd()
	for range 5 {
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"profile-search"}, "client_assertion": {w.assertion(client, nil)},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
		answers := crowd.rush(func() *http.Request { return w.form("/token", e2e.Client{}, form) })
		if won := winners(t, answers, http.StatusUnauthorized, "invalid_client"); len(won) != 1 {
			t.Errorf("one assertion gives %d tokens, want 1", len(won))
		}
	}
}

// One guess below the limit, 64 at once are at most one guess; and the right password is not looked at any more.
func TestENU05(t *testing.T) {
	t.Parallel()
	const limit = 10 // of one name from one network: pkg/login
	w := newWorld(t)
	user := w.Card.Users[1]
	start := w.Card.Issuer + "/authorize?" + authorization(w.Card.Clients.Web, random()+random()).Encode()
	if page := e2e.NewBrowser(t).Get(start).Click("login", map[string]string{"username": user.Username, "password": user.Password}); page.Has("password") {
		t.Fatalf("the right password is refused: %s", page.Text(""))
	}
	guess := func(page *e2e.Page, password string) *e2e.Page {
		return page.Click("login", map[string]string{"username": user.Username, "password": password})
	}
	var wrong int
	for range limit - 1 {
		page := guess(e2e.NewBrowser(t).Get(start), "wrong")
		wrong = page.Status
		if wrong == http.StatusTooManyRequests || !page.Has("password") {
			t.Fatalf("an early guess gets %d: %s", page.Status, page.Text(""))
		}
	}
	pages, after := make([]*e2e.Page, parallel), make([]*e2e.Page, parallel)
	for i := range pages {
		pages[i] = e2e.NewBrowser(t).Get(start)
	}
	gate := make(chan struct{})
	var wait sync.WaitGroup
	for i, page := range pages {
		wait.Go(func() {
			<-gate
			after[i] = guess(page, "wrong")
		})
	}
	close(gate)
	wait.Wait()
	evaluated := 0
	for _, page := range after {
		if page.Status == wrong {
			evaluated++
		} else if page.Status != http.StatusTooManyRequests || page.Header.Get("Retry-After") == "" {
			t.Errorf("a guess over the limit gets %d, Retry-After %q", page.Status, page.Header.Get("Retry-After"))
		}
	}
	if evaluated > 1 {
		t.Errorf("%d guesses were evaluated at once, at most 1 was left", evaluated)
	}
	page := guess(e2e.NewBrowser(t).Get(start), user.Password)
	if page.Status != http.StatusTooManyRequests || strings.Contains(page.Text(""), "consent") {
		t.Errorf("the right password over the limit gets %d", page.Status)
	}
}
