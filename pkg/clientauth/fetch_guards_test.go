package clientauth_test

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/signet"
)

func TestAST23CheckKeySetURI(t *testing.T) {
	t.Parallel()
	long := "https://keys.test/" + strings.Repeat("k", 2048-len("https://keys.test/"))
	for _, c := range []struct {
		uri            string
		ok, onLoopback bool
	}{
		{"https://keys.test/jwks", true, true},
		{"https://keys.test:8443/jwks?v=2", true, true},
		{long, true, true},
		{long + "k", false, false},
		{"https://user@keys.test/jwks", false, false},
		{"https://user:word@keys.test/jwks", false, false},
		{"https://keys.test/jwks#part", false, false},
		{"https:///jwks", false, false},
		{"https://:443/jwks", false, false},
		{"https:keys.test", false, false},
		{"http://keys.test/jwks", false, false},
		{"ftp://keys.test/jwks", false, false},
		{"//keys.test/jwks", false, false},
		{"http://127.0.0.1:1/jwks", false, true},
		{"http://localhost:1/jwks", false, true},
		{"http://[::1]:1/jwks", false, true},
		{"http://localhost.evil.test/jwks", false, false},
		{"http://127.0.0.1.evil.test/jwks", false, false},
		{"http://192.0.2.1/jwks", false, false},
		{"", false, false},
	} {
		for loopback, want := range map[bool]bool{false: c.ok, true: c.onLoopback} {
			if err := clientauth.CheckKeySetURI(c.uri, loopback); (err == nil) != want {
				t.Errorf("%q, loopback %t: %v", c.uri, loopback, err)
			}
		}
	}
}

// A clock that was set back makes a set's age unknown: it is fetched anew, at once.
func TestFetchedKeysAfterTheClockWentBack(t *testing.T) {
	t.Parallel()
	host := newPartnerHost(t)
	w, _ := fetchingWorld(t, host)
	key := newKey(t, "k1", "ES256")
	host.serves(jwks(t, key))
	for hits, back := range []time.Duration{0, time.Hour, time.Second} {
		w.now = w.now.Add(-back)
		result, err := w.assert(key.sign(t, key.header(), w.later()))
		want(t, result, err, "", "")
		if got := host.hits.Load(); got != int64(hits)+1 {
			t.Fatalf("%s back: %d fetches, want %d", back, got, hits+1)
		}
	}
}

// An assertion without kid names no unknown key: it has nothing fetched before the set is old.
func TestAST04NoKidNoFetch(t *testing.T) {
	t.Parallel()
	host := newPartnerHost(t)
	w, _ := fetchingWorld(t, host)
	key := newKey(t, "k1", "ES256")
	host.serves(jwks(t, key))
	for range 4 {
		result, err := w.assert(key.sign(t, `{"alg":"ES256"}`, w.later()))
		want(t, result, err, "", "")
		w.now = w.now.Add(70 * time.Second)
	}
	if got := host.hits.Load(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
}

// Whoever was first may hang up: those who wait for the same fetch get the set.
func TestFetchOutlivesTheFirstCaller(t *testing.T) {
	t.Parallel()
	host := newPartnerHost(t)
	w, _ := fetchingWorld(t, host)
	key := newKey(t, "k1", "ES256")
	set := jwks(t, key)
	asked, answer := make(chan struct{}), make(chan struct{})
	host.says(func(rw http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		_, _ = rw.Write(set)
	})
	first, cancel := context.WithCancel(t.Context())
	try := func(ctx context.Context) error {
		_, err := w.auth.Authenticate(ctx, clientauth.Request{Address: netip.MustParseAddr("192.0.2.7"), Params: url.Values{
			"client_assertion": {key.sign(t, key.header(), with(nil))}, "client_assertion_type": {jwtType},
		}})
		return err
	}
	gone := make(chan error, 1)
	go func() { gone <- try(first) }()
	<-asked
	cancel()
	if err := <-gone; signet.CodeOf(err) != signet.CodeInvalidClient {
		t.Errorf("the caller that hung up: %v", err)
	}
	close(answer)
	if err := try(t.Context()); err != nil {
		t.Errorf("the other: %v", err)
	}
	if got := host.hits.Load(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
}

func TestEvidenceGuards(t *testing.T) {
	t.Parallel()
	key := newKey(t, "cat1", "ES256")
	set := jwks(t, key)
	header := func(more string) string {
		return `{"alg":"ES256","kid":"cat1","typ":"` + clientauth.EvidenceType + `"` + more + `}`
	}
	claims := func(change map[string]any) string {
		all := map[string]any{"jti": "e1", "iss": "https://cat.test", "sub": "p1", "aud": "urn:signet:activation", "environment": "cat",
			"succeeded_at": start.Unix(), "exp": nil, "iat": start.Unix()}
		for name, value := range change {
			all[name] = value
		}
		return with(all)
	}
	for _, c := range []struct {
		name, header string
		change       map[string]any
		issuer       string
		now          time.Duration
		reason       string
	}{
		{name: "HP", issuer: "https://cat.test"},
		{name: "HP 90 days", issuer: "https://cat.test", now: 90 * 24 * time.Hour},
		{name: "90 days and a second", issuer: "https://cat.test", now: 90*24*time.Hour + time.Second, reason: "evidence_old"},
		{name: "HP clocks differ", issuer: "https://cat.test", now: -10 * time.Second},
		{name: "from the future", issuer: "https://cat.test", now: -11 * time.Second, reason: "evidence_future"},
		{name: "success after its word", issuer: "https://cat.test", change: map[string]any{"succeeded_at": start.Unix() + 11}, reason: "evidence_future"},
		{name: "no issuer known", change: map[string]any{"iss": ""}, reason: "evidence_iss"},
		{name: "another issuer", issuer: "https://cat2.test", reason: "evidence_iss"},
		{name: "another audience", issuer: "https://cat.test", change: map[string]any{"aud": "https://rs.test"}, reason: "evidence_claims"},
		{name: "production", issuer: "https://cat.test", change: map[string]any{"environment": "production"}, reason: "evidence_claims"},
		{name: "without id", issuer: "https://cat.test", change: map[string]any{"jti": ""}, reason: "evidence_claims"},
		{name: "another client", issuer: "https://cat.test", change: map[string]any{"sub": "p2"}, reason: "evidence_sub"},
		{name: "crit", issuer: "https://cat.test", header: header(`,"crit":["x"]`), reason: "evidence_form"},
		{name: "another letter case", issuer: "https://cat.test", change: map[string]any{"SUB": "p1"}, reason: "evidence_form"},
	} {
		if c.header == "" {
			c.header = header("")
		}
		_, err := clientauth.VerifyEvidence(key.sign(t, c.header, claims(c.change)), set, c.issuer, "p1", start.Add(c.now))
		if got := signet.ReasonOf(err); got != c.reason || (err == nil) != (c.reason == "") {
			t.Errorf("%s: %v, want %q", c.name, err, c.reason)
		}
	}
	_, err := clientauth.VerifyEvidence(key.sign(t, header(""), claims(nil)), []byte("{}"), "https://cat.test", "p1", start)
	if signet.ReasonOf(err) != "evidence_jwks" {
		t.Errorf("no set: %v", err)
	}
}
