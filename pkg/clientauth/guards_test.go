package clientauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/signet"
)

// RFC 7523 §3, rules 1 and 2: iss and sub are both there and both the client, whatever else names it.
func TestAST10SubjectIsRequired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	w.keyClient(t, "other", newKey(t, "o1", "ES256"))
	for _, c := range []struct {
		name, id string
		claims   map[string]any
		reason   string
		client   signet.ClientID // whose error style applies
	}{
		{"no sub, iss", "", map[string]any{"sub": nil}, "assertion_sub", "pk"},
		{"no sub, client_id", "pk", map[string]any{"sub": nil}, "assertion_sub", "pk"},
		{"empty sub", "pk", map[string]any{"sub": ""}, "assertion_sub", "pk"},
		{"no iss", "", map[string]any{"iss": nil}, "assertion_iss", "pk"},
		{"neither, client_id", "pk", map[string]any{"iss": nil, "sub": nil}, "assertion_sub", "pk"},
		{"sub of another, client_id", "pk", map[string]any{"sub": "other", "iss": "other"}, "assertion_key_unknown", "other"},
		{"nobody named", "", map[string]any{"iss": nil, "sub": nil}, "client_unnamed", ""},
	} {
		params := url.Values{"client_assertion": {key.sign(t, key.header(), with(c.claims))}, "client_assertion_type": {jwtType}}
		if c.id != "" {
			params.Set("client_id", c.id)
		}
		result, err := w.authenticate(params)
		want(t, result, err, signet.CodeInvalidClient, c.reason)
		if result.Client == nil && c.client != "" || result.Client != nil && result.Client.ID != c.client {
			t.Errorf("%s: client %+v, want %q", c.name, result.Client, c.client)
		}
	}
	// What cannot be read at all is refused as that, for whoever sent it.
	result, err := w.authenticate(url.Values{"client_assertion": {"x"}, "client_assertion_type": {jwtType}, "client_id": {"pk"}})
	want(t, result, err, signet.CodeInvalidClient, "assertion_form")
	// Of two the first names the client.
	result, err = w.assert(key.sign(t, key.header(), strings.TrimSuffix(with(nil), "}")+`,"sub":"other"}`))
	want(t, result, err, signet.CodeInvalidClient, "assertion_claims_repeated")
	if result.Client == nil || result.Client.ID != "pk" {
		t.Errorf("client %+v, want the first", result.Client)
	}
}

// exp is after iat, also where the leeway of both would let it pass.
func TestAST07ExpNotAfterIat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	now := start.Unix()
	for _, times := range [][2]int64{{now, now}, {now + 5, now - 5}, {now, now - 1}} {
		result, err := w.assert(key.sign(t, key.header(), with(map[string]any{"iat": times[0], "exp": times[1]})))
		want(t, result, err, signet.CodeInvalidClient, "assertion_lifetime")
	}
}

// AST14: what the replay memory is told. iat lets a home that lost its memory refuse what is older, and the mark outlives
// exp, leeway and the difference of two clocks.
func TestAST14Mark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	iat := start.Add(-30 * time.Second)
	result, err := w.assert(key.sign(t, key.header(), with(map[string]any{"iat": iat.Unix(), "jti": "j"})))
	want(t, result, err, "", "")
	wanted := signet.Mark{Space: "assertion", Key: "pk\x00j", IssuedAt: iat, ExpiresAt: start.Add(80 * time.Second)}
	if w.marks.last != wanted {
		t.Errorf("mark %+v, want %+v", w.marks.last, wanted)
	}
}

// AST04: a key that the operator dropped is no key, named or not, hosted here or fetched.
func TestAST04RefusedKeyWithoutKid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lost, kept := newKey(t, "k1", "ES256"), newKey(t, "k2", "ES256")
	client := w.keyClient(t, "pk", lost)
	unnamed := func(key *testKey) (*clientauth.Result, error) {
		return w.assert(key.sign(t, `{"alg":"ES256"}`, with(nil)))
	}
	client.JWKSRefusedKIDs = []string{"k1"}
	result, err := unnamed(lost)
	want(t, result, err, signet.CodeInvalidClient, "assertion_key_unknown")
	client = w.keyClient(t, "pk", lost, kept)
	client.JWKSRefusedKIDs, client.Version = []string{"k1"}, 2
	result, err = unnamed(lost)
	want(t, result, err, signet.CodeInvalidClient, "assertion_signature")
	result, err = unnamed(kept)
	want(t, result, err, "", "")
}

// Two keys may share a kid when their kinds differ: the algorithm tells them apart. The same record with other keys and
// the same version, as a store that was restored could hand out, is read anew.
func TestAST04OneKidTwoKinds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ec, ed, next := newKey(t, "k", "ES256"), newKey(t, "k", "EdDSA"), newKey(t, "k", "ES256")
	w.keyClient(t, "pk", ec, ed)
	for _, key := range []*testKey{ec, ed} {
		result, err := w.assert(key.sign(t, key.header(), with(nil)))
		want(t, result, err, "", "")
	}
	w.keyClient(t, "pk", next)
	result, err := w.assert(ec.sign(t, ec.header(), with(nil)))
	want(t, result, err, signet.CodeInvalidClient, "assertion_signature")
	result, err = w.assert(next.sign(t, next.header(), with(nil)))
	want(t, result, err, "", "")
}

// Without a kid there must be no choice, not even one that the algorithm would decide.
func TestAST04NoKidNoChoice(t *testing.T) {
	t.Parallel()
	for _, algs := range [][2]string{{"ES256", "EdDSA"}, {"EdDSA", "ES256"}} {
		w := newWorld(t)
		one, two := newKey(t, "1", algs[0]), newKey(t, "2", algs[1])
		w.keyClient(t, "pk", one, two)
		for _, key := range []*testKey{one, two} {
			if _, err := w.assert(key.sign(t, `{"alg":"`+key.alg+`"}`, with(nil))); signet.CodeOf(err) != signet.CodeInvalidClient {
				t.Errorf("%s of %v: %v", key.alg, algs, err)
			}
		}
	}
}

// The bounds of a hosted set, each from its last good value to the first bad one.
func TestAST23BoundsOfASet(t *testing.T) {
	t.Parallel()
	key, rs := newKey(t, "k1", "ES256"), newKey(t, "r1", "RS256")
	good, rsa := string(key.jwk(t)), strings.TrimSuffix(string(rs.jwk(t)), "}")
	fill := func(n int) string { return strings.Repeat(`{"kty":"XY"},`, n) }
	set := func(keys string) string { return `{"keys":[` + keys + `]}` }
	long := func(size int) string {
		return set(good) + strings.Repeat(" ", size-len(set(good)))
	}
	for _, c := range []struct {
		name, jwks string
		key        *testKey
		ok         bool
	}{
		{"50 keys", set(fill(49) + good), key, true},
		{"51 keys", set(fill(50) + good), key, false},
		{"256 KiB", long(256 << 10), key, true},
		{"256 KiB and one", long(256<<10 + 1), key, false},
		{"HP RSA", set(rsa + "}"), rs, true},
		{"RSA with p alone", set(rsa + `,"p":"AAAA"}`), rs, false},
		{"RSA with q alone", set(rsa + `,"q":"AAAA"}`), rs, false},
		{"key_ops no list", set(rsa + `,"key_ops":"verify"}`), rs, false},
		{"use of its own", set(strings.Replace(rsa, `"use":"sig"`, `"use":"tls"`, 1) + "}"), rs, false},
	} {
		w := newWorld(t)
		w.keyClient(t, "pk").JWKS = json.RawMessage(c.jwks)
		_, err := w.assert(c.key.sign(t, c.key.header(), with(nil)))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// AST17, AST19: the bounds and the odd forms of an assertion that the tables above leave out.
func TestAST17BoundsOfAnAssertion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, "k1", "ES256")
	w.keyClient(t, "pk", key)
	no := signet.CodeInvalidClient
	padded := func(header string, size int) string {
		free := size - len(b64([]byte(header))) - len("..") - 86
		claims := strings.TrimSuffix(with(nil), "}") + `,"x":"`
		token := key.sign(t, header, claims+strings.Repeat("x", free*3/4-len(claims)-2)+`"}`)
		if len(token) != size {
			t.Fatalf("%d characters, want %d", len(token), size)
		}
		return token
	}
	members := func(n int) string {
		more := ""
		for i := range n - 6 {
			more += fmt.Sprintf(`,"m%d":0`, i)
		}
		return key.sign(t, key.header(), strings.TrimSuffix(with(nil), "}")+more+"}")
	}
	good := key.sign(t, key.header(), with(nil))
	// The last character of 64 bytes holds four spare bits.
	spare := good[:len(good)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])|1])
	cases := []assertCase{
		{name: "16 KiB", token: padded(key.header()+" ", 16<<10)},
		{name: "16 KiB and one", token: padded(key.header(), 16<<10+1), code: no, reason: "assertion_form"},
		{name: "64 members", token: members(64)},
		{name: "65 members", token: members(65), code: no, reason: "assertion_claims_json"},
		{name: "spare bits", token: spare, code: no},
		{name: "JTI", token: key.sign(t, key.header(), strings.TrimSuffix(with(nil), "}")+`,"JTI":"x"}`), code: no, reason: "assertion_claims_case"},
		{name: "line end inside", token: strings.Replace(good, ".", ".\r\n", 1), code: no},
	}
	for _, member := range []string{"zip", "enc"} {
		cases = append(cases,
			assertCase{name: member, token: key.sign(t, `{"alg":"ES256","kid":"k1","`+member+`":"DEF"}`, with(nil)), code: no, reason: "assertion_header_" + member},
			assertCase{name: strings.ToUpper(member), token: key.sign(t, `{"alg":"ES256","kid":"k1","`+strings.ToUpper(member)+`":"DEF"}`, with(nil)), code: no, reason: "assertion_header_case"})
	}
	for _, text := range []string{`5`, `"x"`, `null`, `true`, `[]`, ``, ` `} {
		cases = append(cases,
			assertCase{name: "claims " + text, token: key.sign(t, key.header(), text), code: no},
			assertCase{name: "header " + text, token: key.sign(t, text, with(nil)), code: no, reason: "assertion_header_json"})
	}
	runAsserts(t, w, cases)
	// Each part has one spelling.
	parts := strings.Split(good, ".")
	for i := range parts {
		broken := slices.Clone(parts)
		broken[i] += "!"
		result, err := w.authenticate(url.Values{"client_assertion": {strings.Join(broken, ".")}, "client_assertion_type": {jwtType}, "client_id": {"pk"}})
		want(t, result, err, no, "assertion_form")
	}
}

// CLA05: the bounds of a client_id and of a secret, in the header and in the form; what cannot be an id is never looked up.
func TestCLA05Bounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, secret := strings.Repeat("i", 256), strings.Repeat("s", 1024)
	w.secretClient(signet.ClientID(id), signet.AuthSecretPost, secret)
	w.secretClient("b", signet.AuthSecretBasic, secret)
	w.secretClient("c\x7f", signet.AuthSecretPost, "s")
	w.secretClient("ü", signet.AuthSecretPost, "s")
	w.secretClient(signet.ClientID(id+"i"), signet.AuthSecretPost, "s")
	post := func(id, secret string) url.Values { return url.Values{"client_id": {id}, "client_secret": {secret}} }
	no := signet.CodeInvalidClient
	runRequests(t, w, []requestCase{
		{"HP", post(id, secret), nil, "", ""},
		{"HP Basic", nil, []string{basic("b", secret)}, "", ""},
		{"1025 characters", post(id, secret+"s"), nil, no, "secret_form"},
		{"1025 characters, Basic", nil, []string{basic("b", secret+"s")}, no, "basic_secret"},
		{"secret with NUL", post(id, "s\x00"), nil, no, "secret_form"},
		{"secret not UTF-8", post(id, "s\xff"), nil, no, "secret_form"},
		{"broken escape in the secret", nil, []string{basicRaw("b:s%")}, no, "basic_secret"},
		{"escaped capital", nil, []string{basicRaw("%42:s")}, no, "basic_client_id"},
		{"escaped letter at the end", nil, []string{basicRaw("b:s%73")}, no, "basic_secret"},
	})
	lookups := w.lookups.Load()
	runRequests(t, w, []requestCase{
		{"257 characters", post(id+"i", "s"), nil, no, "client_unknown"},
		{"DEL", post("c\x7f", "s"), nil, no, "client_unknown"},
		{"beyond ASCII", post("ü", "s"), nil, no, "client_unknown"},
		{"control", post("c\x01", "s"), nil, no, "client_unknown"},
	})
	if n := w.lookups.Load() - lookups; n != 0 {
		t.Errorf("%d look-ups for what can be no client_id", n)
	}
}

// CLA07: what counts as a guess, and under which names; the owner of a key guesses nothing.
func TestCLA07WhatCounts(t *testing.T) {
	t.Parallel()
	key, evil := newKey(t, "k1", "ES256"), newKey(t, "k1", "ES256")
	const network, client = "network:192.0.2.0/24", "client:"
	for _, c := range []struct {
		name   string
		try    func(w *world) (*clientauth.Result, error)
		counts []string
	}{
		{"wrong secret", func(w *world) (*clientauth.Result, error) { return w.authenticate(nil, basic("c1", "x")) }, []string{client + "c1@192.0.2.0/24", network}},
		{"unknown client", func(w *world) (*clientauth.Result, error) { return w.authenticate(nil, basic("c9", "x")) }, []string{network}},
		{"unreadable header", func(w *world) (*clientauth.Result, error) { return w.authenticate(nil, "Basic !") }, []string{network}},
		{"nothing", func(w *world) (*clientauth.Result, error) { return w.authenticate(nil) }, []string{network}},
		{"forged", func(w *world) (*clientauth.Result, error) { return w.assert(evil.sign(t, evil.header(), with(nil))) }, []string{client + "pk@192.0.2.0/24", network}},
		{"two methods", func(w *world) (*clientauth.Result, error) { return w.authenticate(nil, "Basic a", "Basic b") }, nil},
		{"claims of the owner", func(w *world) (*clientauth.Result, error) {
			return w.assert(key.sign(t, key.header(), with(map[string]any{"aud": "x"})))
		}, nil},
		{"right", func(w *world) (*clientauth.Result, error) { return w.authenticate(nil, basic("c1", "s")) }, nil},
	} {
		w := newWorld(t)
		w.secretClient("c1", signet.AuthSecretBasic, "s")
		w.keyClient(t, "pk", key)
		_, _ = c.try(w)
		var got []string
		for name := range w.failures.counts {
			got = append(got, name)
		}
		slices.Sort(got)
		if !slices.Equal(got, c.counts) {
			t.Errorf("%s counts under %q, want %q", c.name, got, c.counts)
		}
	}
}

// A client without secrets is refused after the same work as one with another.
func TestClientWithoutSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.secretClient("c1", signet.AuthSecretPost, "s").Secrets = nil
	result, err := w.authenticate(url.Values{"client_id": {"c1"}, "client_secret": {"s"}})
	want(t, result, err, signet.CodeInvalidClient, "secret_wrong")
}

// A certificate that the record demands is demanded of public clients and of clients with secrets too.
func TestCertificateDemandedOfEveryMethod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, method := range []signet.AuthMethod{signet.AuthNone, signet.AuthSecretPost, signet.AuthSecretBasic} {
		for _, demand := range []func(*signet.Client){
			func(c *signet.Client) { c.RequireCertificate = true }, func(c *signet.Client) { c.BindCertificate = true },
		} {
			demand(w.secretClient("c1", method, "s"))
			request := clientauth.Request{Address: netip.MustParseAddr("192.0.2.7"), Params: url.Values{"client_id": {"c1"}}}
			switch method {
			case signet.AuthSecretBasic:
				request.Authorization = []string{basic("c1", "s")}
			case signet.AuthSecretPost:
				request.Params.Set("client_secret", "s")
			}
			result, err := w.auth.Authenticate(context.Background(), request)
			want(t, result, err, signet.CodeInvalidClient, "certificate_missing")
		}
	}
	certificate := newAuthority(t, "pub").certificate
	client := w.tlsClient("pub", signet.AuthNone)
	client.TLSClientCertificate = "another"
	result, err := w.showing(byID("pub"), certificate)
	want(t, result, err, signet.CodeInvalidClient, "certificate_mismatch")
}
