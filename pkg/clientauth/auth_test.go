package clientauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/signet"
)

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func basicRaw(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

// requestCase is one request without an assertion and its answer.
type requestCase struct {
	name          string
	params        url.Values
	authorization []string
	code          signet.Code
	reason        string
}

func runRequests(t *testing.T, w *world, cases []requestCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			result, err := w.authenticate(c.params, c.authorization...)
			want(t, result, err, c.code, c.reason)
		})
	}
}

func TestCLA01And02TwoMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.secretClient("c1", signet.AuthSecretBasic, "one")
	w.secretClient("c2", signet.AuthSecretPost, "two")
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	token := func() string { return key.sign(t, key.header(), with(nil)) }
	header := []string{basic("c1", "one")}
	bad := signet.CodeInvalidRequest
	runRequests(t, w, []requestCase{
		{"HP", nil, header, "", ""},
		{"HP the same client_id beside Basic", url.Values{"client_id": {"c1"}}, header, "", ""},
		{"CLA01 Basic and the secret of another", url.Values{"client_id": {"c2"}, "client_secret": {"two"}}, header, bad, "two_methods"},
		{"CLA01 Basic and its own secret", url.Values{"client_id": {"c1"}, "client_secret": {"one"}}, header, bad, "two_methods"},
		{"CLA01 Basic and another client_id", url.Values{"client_id": {"c2"}}, header, bad, "client_id_differs"},
		{"CLA01 two headers", nil, []string{basic("c1", "one"), basic("c1", "one")}, bad, "two_methods"},
		{"CLA02 assertion and Basic", url.Values{"client_assertion": {token()}, "client_assertion_type": {jwtType}}, header, bad, "two_methods"},
		{"CLA02 assertion and secret", url.Values{"client_assertion": {token()}, "client_assertion_type": {jwtType}, "client_secret": {"x"}}, nil, bad, "two_methods"},
		{"CLA02 assertion type alone and Basic", url.Values{"client_assertion_type": {jwtType}}, header, bad, "two_methods"},
		{"CLA02 assertion and a bearer header", url.Values{"client_assertion": {token()}, "client_assertion_type": {jwtType}}, []string{"Bearer x"}, bad, "two_methods"},
		{"client_id twice", url.Values{"client_id": {"c1", "c1"}}, nil, bad, "parameter_repeated"},
		{"secret twice", url.Values{"client_id": {"c2"}, "client_secret": {"two", "two"}}, nil, bad, "parameter_repeated"},
	})
}

func TestCLA04RegisteredMethodOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.secretClient("b", signet.AuthSecretBasic, "sb")
	w.secretClient("p", signet.AuthSecretPost, "sp")
	w.secretClient("spa", signet.AuthNone, "unused")
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	w.keyClient(t, "b2", key).TokenEndpointAuthMethod = signet.AuthSecretBasic
	w.keyClient(t, "blank", key).TokenEndpointAuthMethod = ""
	post := func(id, secret string) url.Values {
		return url.Values{"client_id": {id}, "client_secret": {secret}}
	}
	no := signet.CodeInvalidClient
	runRequests(t, w, []requestCase{
		{"HP basic", nil, []string{basic("b", "sb")}, "", ""},
		{"HP post", post("p", "sp"), nil, "", ""},
		{"HP none", url.Values{"client_id": {"spa"}}, nil, "", ""},
		{"HP an empty secret counts as not sent", post("spa", ""), nil, "", ""},
		{"basic client posts", post("b", "sb"), nil, no, "method_not_registered"},
		{"post client sends Basic", nil, []string{basic("p", "sp")}, no, "method_not_registered"},
		{"basic client sends its id alone", url.Values{"client_id": {"b"}}, nil, no, "method_not_registered"},
		{"key client sends its id alone", url.Values{"client_id": {"pk"}}, nil, no, "method_not_registered"},
		{"public client sends a secret", post("spa", "unused"), nil, no, "method_not_registered"},
		{"basic client sends an assertion", url.Values{
			"client_assertion":      {key.sign(t, key.header(), with(map[string]any{"iss": "b2", "sub": "b2"}))},
			"client_assertion_type": {jwtType},
		}, nil, no, "method_not_registered"},
		{"no method on record", url.Values{"client_id": {"blank"}}, nil, no, "method_not_registered"},
		{"nothing", nil, nil, no, "no_credential"},
		{"secret without client_id", url.Values{"client_secret": {"sp"}}, nil, no, "no_credential"},
		{"wrong secret", post("p", "sP"), nil, no, "secret_wrong"},
		{"secret of another", post("p", "sb"), nil, no, "secret_wrong"},
		{"unknown client", post("nobody", "sp"), nil, no, "client_unknown"},
	})
}

func TestCLA05MalformedBasic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.secretClient("c1", signet.AuthSecretBasic, "s1")
	w.secretClient("my app:x", signet.AuthSecretBasic, "ä %+:&")
	no := signet.CodeInvalidClient
	cases := []requestCase{
		{"HP", nil, []string{basic("c1", "s1")}, "", ""},
		{"HP encoded halves", nil, []string{basic("my app:x", "ä %+:&")}, "", ""},
		{"HP scheme in lower case", nil, []string{strings.Replace(basic("c1", "s1"), "Basic", "basic", 1)}, "", ""},
		{"no colon", nil, []string{basicRaw("c1")}, no, "basic_no_colon"},
		{"no base64", nil, []string{"Basic !!!"}, no, "basic_base64"},
		{"no padding", nil, []string{strings.TrimRight(basic("c1", "s1"), "=")}, no, "basic_base64"},
		{"base64 with spare bits", nil, []string{"Basic YzE6czF="}, no, "basic_base64"},
		{"line end in base64", nil, []string{"Basic YzE6\r\nczE="}, no, "basic_base64"},
		{"nothing after the scheme", nil, []string{"Basic"}, no, "basic_no_colon"},
		{"other scheme", nil, []string{"Bearer abc"}, no, "authorization_scheme"},
		{"empty header", nil, []string{""}, no, "authorization_scheme"},
		{"not UTF-8", nil, []string{basicRaw("c1:\xff")}, no, "basic_secret"},
		{"not UTF-8 after decoding", nil, []string{basicRaw("c1:%FF")}, no, "basic_secret"},
		{"escaped digit", nil, []string{basicRaw("c%31:s1")}, no, "basic_client_id"},
		{"escaped letter in the secret", nil, []string{basicRaw("c1:%731")}, no, "basic_secret"},
		{"plus is a blank", nil, []string{basicRaw("c1+:s1")}, no, "client_unknown"},
		{"broken escape", nil, []string{basicRaw("c1%:s1")}, no, "basic_client_id"},
		{"empty id", nil, []string{basicRaw(":s1")}, no, "basic_client_id"},
		{"empty secret", nil, []string{basicRaw("c1:")}, no, "basic_secret"},
		{"NUL in id", nil, []string{basicRaw("c1\x00:s1")}, no, "basic_client_id"},
		{"escaped NUL in id", nil, []string{basicRaw("c1%00:s1")}, no, "basic_client_id"},
		{"64 KiB secret", nil, []string{basicRaw("c1:" + strings.Repeat("s", 64<<10))}, no, "basic_secret"},
	}
	runRequests(t, w, cases)
	for key := range w.failures.counts {
		if strings.Contains(key, "client:") && !strings.HasPrefix(key, "client:c1@") {
			t.Errorf("a spelling has a counter of its own: %q", key)
		}
	}
}

func TestCLA07Throttling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.failures.limit = 20
	w.secretClient("c1", signet.AuthSecretBasic, "right")
	w.secretClient("c2", signet.AuthSecretBasic, "right")
	from := func(address, id, secret string) (*clientauth.Result, error) {
		return w.auth.Authenticate(context.Background(), clientauth.Request{
			Authorization: []string{basic(id, secret)}, Address: netip.MustParseAddr(address),
		})
	}
	for i := range 1000 {
		result, err := from(fmt.Sprintf("198.51.100.%d", i%250), "c1", "wrong")
		code := signet.CodeInvalidClient
		if i >= 20 {
			code = signet.CodeTooMany
		}
		want(t, result, err, code, "")
		if code == signet.CodeTooMany && result.RetryAfter <= 0 {
			t.Fatal("no Retry-After")
		}
	}
	lookups := w.lookups.Load()
	for _, c := range []struct {
		name, address, id, secret string
		code                      signet.Code
	}{
		{"HP owner from a usual address", "203.0.113.5", "c1", "right", ""},
		{"HP neighbour of the guesser, other client", "198.51.100.9", "c2", "right", ""},
		{"guesser tries another client", "198.51.100.9", "c2", "wrong", signet.CodeTooMany},
		{"guesser tries unknown clients", "198.51.100.9", "nobody", "wrong", signet.CodeTooMany},
		{"guesser finds it at last", "198.51.100.9", "c1", "right", signet.CodeTooMany},
	} {
		t.Run(c.name, func(t *testing.T) {
			result, err := from(c.address, c.id, c.secret)
			want(t, result, err, c.code, "")
		})
	}
	if n := w.lookups.Load() - lookups; n > 4 {
		t.Errorf("%d look-ups, the refused client should cost none", n)
	}
	t.Run("IPv6 counts by /64", func(t *testing.T) {
		for i := range 20 {
			_, _ = from(fmt.Sprintf("2001:db8::%x", i+1), "c1", "wrong")
		}
		result, err := from("2001:db8::ffff:1", "c1", "wrong")
		want(t, result, err, signet.CodeTooMany, "")
		result, err = from("2001:db8:0:1::1", "c1", "right")
		want(t, result, err, "", "")
	})
}

func TestCLA08DisabledClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := w.secretClient("c1", signet.AuthSecretBasic, "s1")
	public := w.secretClient("spa", signet.AuthNone, "")
	key := newKey(t, "k1", "ES256")
	keyed := w.keyClient(t, "pk", key)
	requests := map[string]func() (*clientauth.Result, error){
		"secret":    func() (*clientauth.Result, error) { return w.authenticate(nil, basic("c1", "s1")) },
		"public":    func() (*clientauth.Result, error) { return w.authenticate(url.Values{"client_id": {"spa"}}) },
		"assertion": func() (*clientauth.Result, error) { return w.assert(key.sign(t, key.header(), with(nil))) },
	}
	for name, request := range requests {
		result, err := request()
		t.Run("HP "+name, func(t *testing.T) { want(t, result, err, "", "") })
	}
	for _, client := range []*signet.Client{secret, public, keyed} {
		client.DisabledAt = &start
	}
	for name, request := range requests {
		result, err := request()
		t.Run(name, func(t *testing.T) {
			want(t, result, err, signet.CodeInvalidClient, "client_disabled")
			if result.Client == nil {
				t.Error("the caller needs the client for CORS")
			}
		})
	}
}

// Two secrets live during a rotation; an expired one does not.
func TestSecretRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.secretClient("c1", signet.AuthSecretPost, "old")
	ends := start.Add(time.Hour)
	client.Secrets[0].ExpiresAt = &ends
	client.Secrets = append(client.Secrets, signet.ClientSecret{ID: "s2", Hash: w.hashKeys.Hash("new")})
	w.hashKeys = signet.HashKeys{Current: "h2", Keys: map[signet.KeyID][]byte{"h1": w.hashKeys.Keys["h1"], "h2": []byte("another key")}}
	client.Secrets = append(client.Secrets, signet.ClientSecret{ID: "s3", Hash: signet.SecretHash{KeyID: "lost"}})
	try := func(secret string) (*clientauth.Result, error) {
		return w.authenticate(url.Values{"client_id": {"c1"}, "client_secret": {secret}})
	}
	for _, secret := range []string{"old", "new"} {
		result, err := try(secret)
		want(t, result, err, "", "")
	}
	w.now = ends
	result, err := try("old")
	want(t, result, err, signet.CodeInvalidClient, "secret_wrong")
	result, err = try("new")
	want(t, result, err, "", "")
}

func TestAllowedNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.secretClient("c1", signet.AuthSecretPost, "s")
	for _, c := range []struct {
		name     string
		networks []string
		address  string
		code     signet.Code
	}{
		{"HP all", nil, "192.0.2.1", ""},
		{"HP inside", []string{"10.0.0.0/8", "192.0.2.0/24"}, "192.0.2.1", ""},
		{"HP mapped", []string{"192.0.2.0/24"}, "::ffff:192.0.2.1", ""},
		{"outside", []string{"10.0.0.0/8"}, "192.0.2.1", signet.CodeInvalidClient},
		{"unreadable network allows nobody", []string{"192.0.2"}, "192.0.2.1", signet.CodeInvalidClient},
	} {
		t.Run(c.name, func(t *testing.T) {
			client.AllowedNetworks = c.networks
			result, err := w.auth.Authenticate(context.Background(), clientauth.Request{
				Params: url.Values{"client_id": {"c1"}, "client_secret": {"s"}}, Address: netip.MustParseAddr(c.address),
			})
			want(t, result, err, c.code, "")
		})
	}
	client.AllowedNetworks = []string{"10.0.0.0/8"}
	_, err := w.auth.Authenticate(context.Background(), clientauth.Request{Params: url.Values{"client_id": {"c1"}, "client_secret": {"s"}}})
	if signet.CodeOf(err) != signet.CodeInvalidClient {
		t.Errorf("no address: %v", err)
	}
}

// Whatever is wrong, the public words are the same.
func TestOneMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.secretClient("c1", signet.AuthSecretPost, "s")
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	_, wrong := w.authenticate(url.Values{"client_id": {"c1"}, "client_secret": {"x"}})
	_, unknown := w.authenticate(url.Values{"client_id": {"c9"}, "client_secret": {"x"}})
	_, header := w.authenticate(nil, "Basic !")
	_, expired := w.assert(key.sign(t, key.header(), with(map[string]any{"iat": 1, "exp": 9})))
	for _, err := range []error{unknown, header, expired} {
		var first, other *signet.Error
		if !errors.As(wrong, &first) || !errors.As(err, &other) || first.Message != other.Message {
			t.Errorf("%v and %v differ", wrong, err)
		}
	}
}

func TestClientStoreFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.secretClient("c1", signet.AuthSecretPost, "s")
	w.lookErr = signet.Unavailable(errors.New("down"))
	result, err := w.authenticate(url.Values{"client_id": {"c1"}, "client_secret": {"s"}})
	want(t, result, err, signet.CodeUnavailable, "client_store")
	if len(w.failures.counts) != 0 {
		t.Error("an outage counted as a failure of the caller")
	}
}

func TestNewRefusesHoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	whole := clientauth.Options{
		Clients: w, Marks: w.marks, Failures: w.failures, Alarms: w.alarms, Issuer: issuer, TokenEndpoints: []string{endpoint},
		HashKeys: func() signet.HashKeys { return w.hashKeys }, Now: time.Now,
	}
	if _, err := clientauth.New(whole); err != nil {
		t.Fatal(err)
	}
	for name, dig := range map[string]func(*clientauth.Options){
		"Clients": func(o *clientauth.Options) { o.Clients = nil }, "Marks": func(o *clientauth.Options) { o.Marks = nil },
		"Failures": func(o *clientauth.Options) { o.Failures = nil }, "Alarms": func(o *clientauth.Options) { o.Alarms = nil },
		"HashKeys": func(o *clientauth.Options) { o.HashKeys = nil }, "Now": func(o *clientauth.Options) { o.Now = nil },
		"Issuer": func(o *clientauth.Options) { o.Issuer = "" }, "TokenEndpoints": func(o *clientauth.Options) { o.TokenEndpoints = nil },
	} {
		options := whole
		dig(&options)
		if _, err := clientauth.New(options); err == nil {
			t.Errorf("New accepts options without %s", name)
		}
	}
}
