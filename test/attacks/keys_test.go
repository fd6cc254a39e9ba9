package attacks

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

const probe = "/api/account-memberships"

func (w *world) keyed(from *networks, key string, headers ...string) answer {
	w.t.Helper()
	w.http = from.next()
	return w.get(probe, append([]string{"X-Api-Key", key}, headers...)...)
}

// alike strips what differs from request to request.
func alike(a answer) string {
	id := a.text("request_id")
	if id == "" {
		return a.body
	}
	return strings.ReplaceAll(a.body, id, "")
}

// The whole key or nothing, with one answer.
func TestKEY01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, till, from := w.Card.APIKeys[0].Key, w.Card.APIKeys[1].Key, &networks{}
	if a := w.keyed(from, owner); a.status != http.StatusOK {
		t.Fatalf("happy path: %d %s", a.status, a.body)
	}
	refusal := w.keyed(from, "sgt_ak_"+strings.Repeat("A", 49))
	for name, key := range map[string]string{"prefix": "sgt_ak_", "prefix of it": owner[:20], "one short": owner[:len(owner)-1], "one more": owner + "A", "half of another": owner[:30] + till[30:],
		"its checksum on another": owner[:len(owner)-6] + till[len(till)-6:], "upper case": strings.ToUpper(owner), "another prefix": "sgt_cs_" + owner[7:], "no prefix": owner[7:], "Bearer": "Bearer " + owner,
		"two in one": owner + "," + owner, "quoted": `"` + owner + `"`, "zeros": strings.Repeat("0", 40), "the document's key in capitals": strings.ToUpper(w.Card.APIKeys[2].Key), "a client's secret": w.Card.Clients.Service.ClientSecret} {
		if a := w.keyed(from, key); a.status != http.StatusUnauthorized || alike(a) != alike(refusal) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, name := range []string{"api_key", "X-Api-Key", "apiKey", "key", "access_token", "X_API_KEY", "api%5Fkey"} {
		w.http = from.next()
		if a := w.get(probe + "?" + name + "=" + url.QueryEscape(owner)); a.status != http.StatusBadRequest {
			t.Errorf("in the address as %s: %d %s", name, a.status, a.body)
		}
		if a := w.keyed(from, owner); a.status != http.StatusOK {
			t.Errorf("the key afterwards: %d", a.status)
		}
	}
	for name, headers := range map[string][]string{"twice": {"X-Api-Key", owner}, "beside another": {"X-Api-Key", till}, "beside an empty one": {"X-Api-Key", ""}} {
		if a := w.keyed(from, owner, headers...); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for name, line := range map[string]string{"a line end": "X-Api-Key: " + owner + "\r\n\r\n", "a folded line": "X-Api-Key: " + owner[:20] + "\r\n " + owner[20:], "an underscore": "X_Api_Key: " + owner,
		"NUL": "X-Api-Key: " + owner + "\x00", "64 KiB": "X-Api-Key: " + owner + strings.Repeat("A", 64<<10)} {
		got := statusOf(raw(t, w.Card.Issuer, lines("GET "+probe+" HTTP/1.1", "Host: "+w.host(), "Connection: close", line)))
		if want := got == http.StatusOK; want != (name == "a line end") {
			t.Errorf("%s: %d", name, got)
		}
	}
}

// A key that is switched off is off within a second on every node, whoever switched it off, under load.
func TestKEY02(t *testing.T) {
	t.Parallel()
	c, card, _ := e2e.StartSeeded(t, nil)
	c.StartNode()
	account := card.Accounts[0].ID
	w := &world{t: t, Dev: &e2e.Dev{Process: c.Nodes[0].Process, Card: card}, http: newClient()}
	owner := card.APIKeys[0].Key
	for name, off := range map[string]func(key string){
		"by its owner": func(key string) {
			request := w.request(http.MethodPut, "/api/accounts/"+account+"/api-keys/"+key, `{"enabled":false}`, "X-Api-Key", owner, "Content-Type", "application/json")
			if a := w.do(request); a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
		},
		"by an operator": func(key string) {
			w.edit("/accounts/"+account+"/api-keys/"+key, map[string]any{"enabled": false})
		},
	} {
		t.Run(name, func(t *testing.T) {
			made := w.admin(http.MethodPost, "/accounts/"+account+"/api-keys", map[string]any{"name": "attacked-" + random(), "role": "merchant-terminal"})
			if made.status != http.StatusCreated {
				t.Fatalf("%d %s", made.status, made.body)
			}
			l := load(t, c, made.text("secret"))
			l.run(1500*time.Millisecond, 300*time.Millisecond, func() { off(made.text("name")) })
			l.judge(t)
		})
	}
}

// keyLoad calls every node with one key, 100 times a second each.
type keyLoad struct {
	nodes  []*e2e.Node
	key    string
	off    atomic.Int64 // when the answer to the act was there, ns
	served [2]atomic.Int64
	last   [2]atomic.Int64
	odd    atomic.Value
}

func load(t *testing.T, c *e2e.Cluster, key string) *keyLoad {
	t.Helper()
	if len(c.Nodes) != 2 {
		t.Fatal("two nodes")
	}
	return &keyLoad{nodes: c.Nodes, key: key}
}

func (l *keyLoad) run(after, before time.Duration, act func()) {
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for i, node := range l.nodes {
		client := newClient()
		client.Transport.(*http.Transport).MaxIdleConnsPerHost = 100
		tick := time.NewTicker(10 * time.Millisecond)
		wait.Go(func() {
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				wait.Go(func() { l.call(client, i, node.URL, n) })
			}
		})
	}
	<-time.After(before) // the load itself, no synchronisation
	act()
	l.off.Store(time.Now().UnixNano())
	<-time.After(after)
	close(stop)
	wait.Wait()
}

func (l *keyLoad) call(client *http.Client, i int, base string, n int) {
	request, err := http.NewRequest(http.MethodGet, base+probe, nil)
	if err != nil {
		l.odd.Store(err.Error())
		return
	}
	request.Header.Set("X-Api-Key", l.key)
	request.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.1", i, n%250)) // failures are counted by network
	begun := time.Now().UnixNano()
	a, err := send(client, request)
	switch {
	case err != nil:
		l.odd.Store(err.Error())
	case a.status == http.StatusOK:
		l.served[i].Add(1)
		if at := &l.last[i]; at.Load() < begun {
			at.Store(begun)
		}
	case a.status != http.StatusUnauthorized && a.status != http.StatusTooManyRequests:
		l.odd.Store(fmt.Sprintf("%d %s", a.status, a.body))
	case l.off.Load() == 0 && begun < time.Now().Add(-500*time.Millisecond).UnixNano():
		l.odd.Store("refused before it was switched off")
	}
}

// judge wants calls served on both nodes, and none that began more than a second after the answer.
func (l *keyLoad) judge(t *testing.T) {
	t.Helper()
	if odd := l.odd.Load(); odd != nil {
		t.Error(odd)
	}
	for i := range l.served {
		late := time.Duration(l.last[i].Load() - l.off.Load())
		if l.served[i].Load() < 5 || late > time.Second {
			t.Errorf("node %d served %d calls, the last one %s after the answer", i, l.served[i].Load(), late)
		}
	}
}

// Two credentials in one request have no rights at all.
func TestKEY04(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, device := w.Card.APIKeys[0].Key, w.Card.Devices[0]
	person := w.tokens(e2e.NewBrowser(t), w.Card.Clients.Web).text("access_token")
	for name, headers := range map[string][]string{"key": {"X-Api-Key", key}, "token": {"Authorization", "Bearer " + person}} {
		if a := w.get(probe, headers...); a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
	}
	intent := map[string]any{"Audience": "PaymentPage", "Subject": "x"}
	for name, headers := range map[string][]string{"a key and a person's token": {"X-Api-Key", key, "Authorization", "Bearer " + person}, "a key and a bare token": {"X-Api-Key", key, "Authorization", person},
		"a key and rubbish": {"X-Api-Key", key, "Authorization", "x"}, "rubbish and a token": {"X-Api-Key", "x", "Authorization", "Bearer " + person}, "two tokens": {"Authorization", "Bearer " + person, "Authorization", "Bearer " + person},
		"a key and a device": {"X-Api-Key", key, "Authorization", device.DCN + ":" + device.ID + "|" + device.Password}} {
		if a := w.get(probe, headers...); a.status != http.StatusBadRequest {
			t.Errorf("%s at the accounts: %d %s", name, a.status, a.body)
		}
		if a := w.json("/payment/api/jwt/create", intent, headers...); a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized || !strings.Contains(a.body, `"Token":null`) {
			t.Errorf("%s at the intents: %d %s", name, a.status, a.body)
		}
	}
}

// A key ends with its time, its account and its networks, and is nothing but a key.
func TestKEY05(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account, from := w.Card.Accounts[0].ID, &networks{}
	make := func(changes map[string]any) string {
		t.Helper()
		record := map[string]any{"name": "attacked-" + random(), "role": "merchant-terminal"}
		for name, value := range changes {
			record[name] = value
		}
		a := w.admin(http.MethodPost, "/accounts/"+account+"/api-keys", record)
		if a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return a.text("secret")
	}
	till := make(nil)
	if a := w.keyed(from, till); a.status != http.StatusOK {
		t.Fatalf("happy path: %d %s", a.status, a.body)
	}
	here, elsewhere := make(map[string]any{"allowed_networks": []string{"127.0.0.0/8"}}), make(map[string]any{"allowed_networks": []string{"10.0.0.0/8"}})
	if a := w.keyed(from, here); a.status != http.StatusOK {
		t.Errorf("in its network: %d %s", a.status, a.body)
	}
	for name, headers := range map[string][]string{"plainly": nil, "X-Forwarded-For": {"X-Forwarded-For", "10.1.1.1"}, "Forwarded": {"Forwarded", "for=10.1.1.1"}, "X-Real-IP": {"X-Real-IP", "10.1.1.1"},
		"X-Client-IP": {"X-Client-IP", "10.1.1.1"}, "True-Client-IP": {"True-Client-IP", "10.1.1.1"}} {
		if a := w.keyed(from, elsewhere, headers...); a.status != http.StatusUnauthorized {
			t.Errorf("from elsewhere, %s: %d %s", name, a.status, a.body)
		}
	}
	exchange := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {elsewhere},
		"subject_token_type": {"urn:signet:params:oauth:token-type:api-key"}, "resource": {"https://api.example.com"}}
	w.http = from.next()
	w.refused("exchanged from elsewhere", w.post("/token", e2e.Client{}, exchange), http.StatusBadRequest, "invalid_request")
	// A key is no client's secret, no client, no bearer token and no password of a device.
	for name, a := range map[string]func() answer{
		"as a client's secret": func() answer {
			return w.post("/token", e2e.Client{ClientID: "service", ClientSecret: till}, machine())
		},
		"as a client":    func() answer { return w.post("/token", e2e.Client{ClientID: till, ClientSecret: till}, machine()) },
		"as a token":     func() answer { return w.get(probe, "Authorization", "Bearer "+till) },
		"at userinfo":    func() answer { return w.get("/userinfo", "Authorization", "Bearer "+till) },
		"at the console": func() answer { return w.admin(http.MethodGet, "/me", nil, "Authorization", "Bearer "+till) },
		"as a device": func() answer {
			return w.json("/payment/api/jwt/create", map[string]any{"Audience": "PaymentPage", "Subject": "x"}, "Authorization", "1:"+w.Card.Devices[0].ID+"|"+till)
		},
	} {
		w.http = from.next()
		if got := a(); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	brief := make(map[string]any{"expires_at": time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339Nano)})
	if a := w.keyed(from, brief); a.status != http.StatusOK {
		t.Errorf("before its end: %d %s", a.status, a.body)
	}
	w.eventually("the key ends", func() bool { return w.keyed(from, brief).status == http.StatusUnauthorized })
	if a := w.admin(http.MethodPost, "/accounts/"+account+"/disable", map[string]any{}); a.status >= 300 {
		t.Fatalf("disable: %d %s", a.status, a.body)
	}
	if a := w.keyed(from, till); a.status != http.StatusUnauthorized {
		t.Errorf("of a disabled account: %d %s", a.status, a.body)
	}
	if a := w.admin(http.MethodPost, "/accounts/"+account+"/enable", map[string]any{}); a.status >= 300 {
		t.Fatalf("enable: %d %s", a.status, a.body)
	}
	if a := w.keyed(from, till); a.status != http.StatusOK {
		t.Errorf("when the account is back: %d %s", a.status, a.body)
	}
}

// Every endpoint of the accounts for every role of a key: what the published table says, and nothing else.
func TestKEY07(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account, from := w.Card.Accounts[0].ID, &networks{}
	owner, till := w.Card.APIKeys[0].Key, w.Card.APIKeys[1].Key
	consumer := w.admin(http.MethodPost, "/accounts/"+account+"/api-keys", map[string]any{"name": "consumer", "role": "anon-consumer"})
	if consumer.status != http.StatusCreated {
		t.Fatalf("%d %s", consumer.status, consumer.body)
	}
	at := "/api/accounts/" + account
	grid := []struct {
		method, path, body                  string
		owner, consumer, till, nobody, away int // away: the owner in a foreign account
	}{
		{"GET", at, "", 200, 403, 403, 401, 404},
		{"PUT", at, `{"name":"Corner"}`, 200, 403, 403, 401, 404},
		{"GET", at + "/members", "", 200, 403, 403, 401, 404},
		{"POST", at + "/members", `{"userId":"` + w.Card.Users[1].Sub + `","role":"merchant-terminal"}`, 201, 403, 403, 401, 404},
		{"DELETE", at + "/members/" + w.Card.Users[1].Sub, "", 204, 403, 403, 401, 404},
		{"GET", at + "/api-keys", "", 200, 403, 403, 401, 404},
		{"POST", at + "/api-keys", `{"name":"new","role":"merchant-terminal"}`, 201, 403, 403, 401, 404},
		{"PUT", at + "/api-keys/new", `{"enabled":false}`, 200, 403, 403, 401, 404},
		{"POST", "/api/accounts", `{"name":"Second","type":"org"}`, 201, 403, 403, 401, 201},
		{"POST", "/api/accounts", `{"name":"Mine","type":"individual"}`, 403, 403, 403, 401, 403},
		{"GET", "/api/account-memberships", "", 200, 200, 200, 401, 200},
		{"POST", "/api/permissions/check", `{"permission":"accounts:read","accountId":"` + account + `"}`, 200, 200, 200, 401, 200},
		{"GET", at + "/secrets", "", 404, 404, 404, 404, 404},
		{"DELETE", at, "", 405, 405, 405, 405, 405},
		{"PATCH", at + "/api-keys/new", "{}", 405, 405, 405, 405, 405},
		{"GET", "/api/nothing", "", 404, 404, 404, 404, 404},
	}
	other := w.admin(http.MethodPost, "/accounts", map[string]any{"name": "Other", "type": "org"})
	if other.status != http.StatusCreated {
		t.Fatalf("%d %s", other.status, other.body)
	}
	call := func(method, path, body, key string) int {
		w.http = from.next()
		request := w.request(method, path, body)
		if body != "" {
			request.Header.Set("Content-Type", "application/json")
		}
		if key != "" {
			request.Header.Set("X-Api-Key", key)
		}
		return w.do(request).status
	}
	for _, row := range grid {
		for _, c := range []struct {
			who, key string
			want     int
		}{{"nobody", "", row.nobody}, {"anon-consumer", consumer.text("secret"), row.consumer}, {"merchant-terminal", till, row.till}, {"account-owner", owner, row.owner}} {
			if got := call(row.method, row.path, row.body, c.key); got != c.want {
				t.Errorf("%s %s as %s: %d, want %d", row.method, row.path, c.who, got, c.want)
			}
		}
		foreign := strings.ReplaceAll(row.path, account, other.text("id"))
		if got := call(row.method, foreign, strings.Replace(row.body, "Second", "Third", 1), owner); got != row.away {
			t.Errorf("%s %s in a foreign account: %d, want %d", row.method, row.path, got, row.away)
		}
	}
	// Admin endpoints are on another listener, and know no API key.
	for _, path := range []string{"/admin/v1/clients", "/admin/v1/accounts", "/admin/v1/keys", "/metrics"} {
		if got := call("GET", path, "", owner); got != http.StatusNotFound {
			t.Errorf("%s on the public listener: %d", path, got)
		}
	}
}
