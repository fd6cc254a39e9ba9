package clientauth_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/signet"
)

// partnerHost is a partner's own host of keys, with TLS, on this machine.
type partnerHost struct {
	server *httptest.Server
	hits   atomic.Int64
	mu     sync.Mutex
	answer http.HandlerFunc
}

func newPartnerHost(t *testing.T) *partnerHost {
	t.Helper()
	h := &partnerHost{}
	h.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.hits.Add(1)
		h.mu.Lock()
		answer := h.answer
		h.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(h.server.Close)
	return h
}

func (h *partnerHost) says(answer http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (h *partnerHost) serves(body []byte) {
	h.says(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
}

// fetchingWorld has a client "pk" with its keys at the host.
func fetchingWorld(t *testing.T, host *partnerHost) (*world, *signet.Client) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(host.server.Certificate())
	w := newWorldWith(t, nil, func(o *clientauth.Options) { o.KeySets = clientauth.KeySetOptions{Loopback: true, Roots: roots} })
	client := w.keyClient(t, "pk")
	client.JWKS, client.JWKSURI = nil, host.server.URL+"/jwks"
	return w, client
}

// later gives claims that are good at the world's time.
func (w *world) later() string {
	return with(map[string]any{"iat": w.now.Unix(), "exp": w.now.Unix() + 60})
}

func TestFetchedKeys(t *testing.T) {
	t.Parallel()
	host := newPartnerHost(t)
	w, client := fetchingWorld(t, host)
	one, two := newKey(t, "k1", "RS256"), newKey(t, "k2", "ES256")
	host.serves(jwks(t, one))
	pass := func(key *testKey, code signet.Code, reason string, hits int64) {
		t.Helper()
		result, err := w.assert(key.sign(t, key.header(), w.later()))
		want(t, result, err, code, reason)
		if got := host.hits.Load(); got != hits {
			t.Fatalf("%d fetches, want %d", got, hits)
		}
	}
	no := signet.CodeInvalidClient
	pass(one, "", "", 1)
	pass(one, "", "", 1) // from memory
	w.now = w.now.Add(4*time.Minute + 59*time.Second)
	pass(one, "", "", 1)
	w.now = w.now.Add(2 * time.Second) // older than 5 min
	pass(one, "", "", 2)
	// The partner changes its keys: the new one is found when it is first used, not earlier than a minute after the fetch.
	host.serves(jwks(t, one, two))
	pass(two, no, "assertion_key_unknown", 2)
	w.now = w.now.Add(time.Minute)
	pass(two, "", "", 3)
	pass(one, "", "", 3)
	// The operator drops a key at once, whatever the partner's host says.
	client.JWKSRefusedKIDs = []string{"k1"}
	pass(one, no, "assertion_key_refused", 3)
	pass(two, "", "", 3)
	// Another URL in the record is another set.
	client.JWKSURI += "?v=2"
	host.serves(jwks(t, two))
	pass(two, "", "", 4)
	// A key that the partner withdrew is gone once the set was fetched again.
	w.now = w.now.Add(5 * time.Minute)
	host.serves([]byte(`{"keys":[]}`))
	pass(two, no, "assertion_key_unknown", 5)
}

func TestFetchedKeysCacheControl(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header string
		fresh  time.Duration // how long the set is not asked for again
	}{
		{"", 5 * time.Minute}, {"max-age=3600", 5 * time.Minute}, {"public, max-age=120", 2 * time.Minute},
		{"max-age=1", time.Minute}, {"no-store", time.Minute}, {"No-Cache", time.Minute}, {"max-age=-1", 5 * time.Minute}, {"max-age=x", 5 * time.Minute},
	} {
		t.Run(c.header, func(t *testing.T) {
			t.Parallel()
			host := newPartnerHost(t)
			w, _ := fetchingWorld(t, host)
			key := newKey(t, "k1", "ES256")
			body := jwks(t, key)
			host.says(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Cache-Control", c.header)
				_, _ = rw.Write(body)
			})
			for _, step := range []struct {
				after time.Duration
				hits  int64
			}{{0, 1}, {c.fresh - time.Second, 1}, {time.Second, 2}} {
				w.now = w.now.Add(step.after)
				result, err := w.assert(key.sign(t, key.header(), w.later()))
				want(t, result, err, "", "")
				if got := host.hits.Load(); got != step.hits {
					t.Fatalf("%d fetches, want %d", got, step.hits)
				}
			}
		})
	}
}

// The last good set is used while fetching fails, with an event, and for a day only.
func TestFetchedKeysLastGoodSet(t *testing.T) {
	t.Parallel()
	host := newPartnerHost(t)
	w, _ := fetchingWorld(t, host)
	key := newKey(t, "k1", "ES256")
	good := jwks(t, key)
	host.serves(good)
	try := func(code signet.Code, reason string) {
		t.Helper()
		result, err := w.assert(key.sign(t, key.header(), w.later()))
		want(t, result, err, code, reason)
	}
	try("", "")
	began := w.now
	host.says(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) })
	w.now = began.Add(6 * time.Minute)
	try("", "")
	try("", "")
	if len(w.alarms.events) != 1 || w.alarms.events[0].Kind != signet.EventClientJWKSStale || w.alarms.events[0].ClientID != "pk" {
		t.Fatalf("events %+v, want one client_jwks.stale", w.alarms.events)
	}
	if got := host.hits.Load(); got != 2 {
		t.Errorf("%d fetches, want 2: a failing host is asked once a minute", got)
	}
	w.now = began.Add(24*time.Hour - time.Second)
	try("", "")
	if len(w.alarms.events) != 2 {
		t.Errorf("%d events a day later, want 2", len(w.alarms.events))
	}
	w.now = began.Add(24 * time.Hour)
	try(signet.CodeInvalidClient, "assertion_jwks_unavailable")
	if len(w.failures.counts) != 0 {
		t.Errorf("a partner whose host is down was counted as one who guesses: %v", w.failures.counts)
	}
	host.serves(good)
	w.now = w.now.Add(time.Minute)
	try("", "")
}

func TestAST04UnknownKidStorm(t *testing.T) {
	t.Parallel()
	host := newPartnerHost(t)
	w, _ := fetchingWorld(t, host)
	key := newKey(t, "k1", "ES256")
	host.serves(jwks(t, key))
	token := func(kid string) string {
		return key.sign(t, `{"alg":"ES256","kid":"`+kid+`"}`, w.later())
	}
	// 64 at once with a cold memory are one fetch.
	var wait sync.WaitGroup
	for i := range 64 {
		wait.Go(func() {
			_, err := w.assert(token(fmt.Sprint("zz", i)))
			if signet.CodeOf(err) != signet.CodeInvalidClient {
				t.Errorf("%v", err)
			}
		})
	}
	wait.Wait()
	for i := range 200 {
		_, err := w.assert(token(fmt.Sprint("yy", i)))
		if signet.CodeOf(err) != signet.CodeInvalidClient {
			t.Fatal(err)
		}
	}
	if got := host.hits.Load(); got != 1 {
		t.Errorf("%d fetches within a minute, want 1", got)
	}
	w.now = w.now.Add(61 * time.Second)
	for i := range 200 {
		_, _ = w.assert(token(fmt.Sprint("xx", i)))
	}
	if got := host.hits.Load(); got != 2 {
		t.Errorf("%d fetches in two minutes, want 2", got)
	}
	result, err := w.assert(token("k1"))
	want(t, result, err, "", "")
}

func TestAST05JKUIsNotTheJWKSURI(t *testing.T) {
	t.Parallel()
	host, evilHost := newPartnerHost(t), newPartnerHost(t)
	w, _ := fetchingWorld(t, host)
	key, evil := newKey(t, "k1", "ES256"), newKey(t, "k1", "ES256")
	host.serves(jwks(t, key))
	evilHost.serves(jwks(t, evil))
	result, err := w.assert(key.sign(t, key.header(), with(nil)))
	want(t, result, err, "", "")
	for _, member := range []string{"jku", "x5u"} {
		result, err := w.assert(evil.sign(t, `{"alg":"ES256","kid":"k1","`+member+`":"`+evilHost.server.URL+`/jwks"}`, with(nil)))
		want(t, result, err, signet.CodeInvalidClient, "assertion_signature")
	}
	if evilHost.hits.Load() != 0 {
		t.Error("a URL of the header was fetched")
	}
}

func TestAST23HostileHosts(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1", "ES256")
	good := jwks(t, key)
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, _ = zip.Write(bytes.Repeat([]byte(" "), 10<<20))
	_ = zip.Close()
	var private map[string][]map[string]any
	if err := json.Unmarshal(good, &private); err != nil {
		t.Fatal(err)
	}
	private["keys"][0]["d"] = "AAAA"
	withPrivate, _ := json.Marshal(private)
	many := make([]json.RawMessage, 10_000)
	for i := range many {
		many[i] = key.jwk(t)
	}
	tooMany, _ := json.Marshal(map[string]any{"keys": many[:51]})
	veryMany, _ := json.Marshal(map[string]any{"keys": many})
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	write := func(body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }
	}
	var landed atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { landed.Add(1); _, _ = w.Write(good) }))
	t.Cleanup(inside.Close)
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		reason string
	}{
		{"HP", write(good), ""},
		{"redirect to the metadata service", redirect("http://169.254.169.254/latest/meta-data/"), "assertion_jwks_unavailable"},
		{"redirect to loopback", redirect(inside.URL), "assertion_jwks_unavailable"},
		{"redirect to itself", redirect("/other"), "assertion_jwks_unavailable"},
		{"10 MB", write(bytes.Repeat([]byte(" "), 10<<20)), "assertion_jwks_unavailable"},
		{"256 KiB and a byte", write(append(bytes.Repeat([]byte(" "), 256<<10-len(good)+1), good...)), "assertion_jwks_unavailable"},
		{"1 B/s", func(w http.ResponseWriter, r *http.Request) {
			for _, b := range good {
				_, _ = w.Write([]byte{b})
				w.(http.Flusher).Flush()
				select {
				case <-time.After(time.Second):
				case <-r.Context().Done():
					return
				}
			}
		}, "assertion_jwks_unavailable"},
		{"headers never end", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "assertion_jwks_unavailable"},
		{"gzip bomb", func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Accept-Encoding"); got != "identity" {
				t.Errorf("Accept-Encoding %q", got)
			}
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}, "assertion_jwks_unavailable"},
		{"says gzip", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(good)
		}, "assertion_jwks_unavailable"},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); _, _ = w.Write(good) }, "assertion_jwks_unavailable"},
		{"HTML", write([]byte("<html><body>Welcome</body></html>")), "assertion_jwks_unavailable"},
		{"no keys member", write([]byte(`{}`)), "assertion_jwks_unavailable"},
		{"51 keys", write(tooMany), "assertion_jwks_unavailable"},
		{"10,000 keys", write(veryMany), "assertion_jwks_unavailable"},
		{"private key", write(withPrivate), "assertion_key_unknown"},
		{"symmetric key", write([]byte(`{"keys":[{"kty":"oct","kid":"k1","k":"AAAA"}]}`)), "assertion_key_unknown"},
		{"a megabyte of header", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Big", strings.Repeat("x", 1<<20))
			_, _ = w.Write(good)
		}, "assertion_jwks_unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			host := newPartnerHost(t)
			host.says(c.answer)
			w, _ := fetchingWorld(t, host)
			began := time.Now()
			result, err := w.assert(key.sign(t, key.header(), with(nil)))
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("the answer took %s", took)
			}
			if c.reason == "" {
				want(t, result, err, "", "")
				return
			}
			want(t, result, err, signet.CodeInvalidClient, c.reason)
			// Asking again at once costs no fetch.
			_, _ = w.assert(key.sign(t, key.header(), with(nil)))
			if got := host.hits.Load(); got != 1 {
				t.Errorf("%d requests to the host, want 1", got)
			}
		})
	}
	t.Cleanup(func() {
		if landed.Load() != 0 {
			t.Error("a redirect was followed")
		}
	})
}

// Where the URL leads is looked at when the connection is made: production reaches public addresses alone.
func TestAST23PrivateAddresses(t *testing.T) {
	t.Parallel()
	host := newPartnerHost(t)
	key := newKey(t, "k1", "ES256")
	host.serves(jwks(t, key))
	_, port, _ := strings.Cut(strings.TrimPrefix(host.server.URL, "https://"), ":")
	roots := x509.NewCertPool()
	roots.AddCert(host.server.Certificate())
	for _, uri := range []string{
		"https://127.0.0.1:" + port + "/jwks", "https://localhost:" + port + "/jwks", "https://[::1]:" + port + "/jwks",
		"https://[::ffff:127.0.0.1]:" + port + "/jwks", "https://0.0.0.0:" + port + "/jwks", "https://[::]:" + port + "/jwks",
		"https://2130706433:" + port + "/jwks", "https://169.254.169.254/", "https://10.0.0.1/", "https://100.64.0.1/", "https://[fd00::1]/",
		"http://example.com/jwks", "https://user@example.com/jwks", "ftp://example.com/", "file:///etc/passwd", "https:///jwks",
	} {
		w := newWorldWith(t, nil, func(o *clientauth.Options) { o.KeySets.Roots = roots })
		client := w.keyClient(t, "pk")
		client.JWKS, client.JWKSURI = nil, uri
		began := time.Now()
		result, err := w.assert(key.sign(t, key.header(), with(nil)))
		want(t, result, err, signet.CodeInvalidClient, "assertion_jwks_unavailable")
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s took %s", uri, took)
		}
	}
	if got := host.hits.Load(); got != 0 {
		t.Errorf("%d connections reached this machine", got)
	}
}

// A slow host holds up its own clients, nobody else's.
func TestAST23SlowHostAlone(t *testing.T) {
	t.Parallel()
	slow, quick := newPartnerHost(t), newPartnerHost(t)
	key := newKey(t, "k1", "ES256")
	asked := make(chan struct{}, 60)
	slow.says(func(_ http.ResponseWriter, r *http.Request) { asked <- struct{}{}; <-r.Context().Done() })
	quick.serves(jwks(t, key))
	w, _ := fetchingWorld(t, quick)
	for i := range 60 {
		id := signet.ClientID(fmt.Sprint("slow", i))
		client := w.keyClient(t, id)
		client.JWKS, client.JWKSURI = nil, slow.server.URL+"/jwks"
	}
	var wait sync.WaitGroup
	for i := range 60 {
		wait.Go(func() {
			id := fmt.Sprint("slow", i)
			claims := with(map[string]any{"iss": id, "sub": id})
			if _, err := w.assert(key.sign(t, key.header(), claims)); signet.CodeOf(err) != signet.CodeInvalidClient {
				t.Errorf("%v", err)
			}
		})
	}
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	_, err := w.auth.Authenticate(ctx, clientauth.Request{Address: netip.MustParseAddr("192.0.2.7"),
		Params: url.Values{"client_assertion": {key.sign(t, key.header(), with(nil))}, "client_assertion_type": {jwtType}}})
	if err != nil {
		t.Errorf("another partner was held up: %v", err)
	}
	if got := slow.hits.Load(); got > 4 {
		t.Errorf("%d connections to the slow host, want at most 4", got)
	}
	wait.Wait()
}
