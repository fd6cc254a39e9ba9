package account_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/account"
	"github.com/signet-auth/signet/pkg/signet"
)

const (
	probe   = "/api/account-memberships"
	refusal = `{"title":"Unauthorized","status":401,"detail":"A valid API key or access token is required.","request_id":"request-1"}`
)

// refusedAlike wants the one answer to every failed credential.
func refusedAlike(t testing.TB, res *httptest.ResponseRecorder) {
	t.Helper()
	if res.Code != 401 || res.Body.String() != refusal || res.Header().Get("WWW-Authenticate") != `Bearer realm="signet"` ||
		res.Header().Get("Content-Type") != "application/problem+json" || res.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", res.Code, res.Header(), res.Body)
	}
}

// KEY-01: an API key that is not whole and right is answered like no key at all. A key sent twice or in the URL is a
// malformed request (wire.md: exactly one).
func TestKEY01(t *testing.T) {
	t.Parallel()
	w := standard(t, func(o *account.Options) { o.Failures = noLimit{} })
	key, other := w.key("acme", "till", "merchant-terminal"), w.key("other", "till", "merchant-terminal")
	w.keyOf(importedKey, "acme", "old", "merchant-terminal", func(k *signet.APIKey) { k.Imported = true })
	w.keyOf("0123456789abcdef-not-imported", "acme", "odd", "merchant-terminal")
	w.keyOf("short", "acme", "short", "merchant-terminal", func(k *signet.APIKey) { k.Imported = true })
	access := signet.NewSecret(signet.SecretAccess).Reveal()
	w.keyOf(access, "acme", "access", "merchant-terminal", func(k *signet.APIKey) { k.Imported = true })
	for _, tc := range []struct {
		name, key string
		reason    string // "": let in
	}{
		{"the key", key, ""},
		{"an imported key", importedKey, ""},
		{"prefix only", key[:12], "key_malformed"},
		{"prefix and a wrong secret", signet.NewSecret(signet.SecretAPIKey).Reveal(), "key_unknown"},
		{"another key's secret under this prefix", key[:20] + other[20:], "key_malformed"},
		{"upper case", strings.ToUpper(key), "key_unknown"},
		{"one letter's case", swapCase(key), "key_malformed"},
		{"trailing newline", key + "\n", "key_malformed"},
		{"trailing space", key + " ", "key_malformed"},
		{"64 KiB", strings.Repeat("k", 64<<10), "key_malformed"},
		{"one more than the longest", strings.Repeat("k", 257), "key_malformed"},
		{"an imported key in another case", strings.ToUpper(importedKey), "key_unknown"},
		{"an imported key, one short", importedKey[:len(importedKey)-1], "key_unknown"},
		{"too short to be imported", "short", "key_malformed"},
		{"a foreign form that was not imported", "0123456789abcdef-not-imported", "key_unknown"},
		{"another kind of secret", access, "key_malformed"},
		{"not ASCII", "0123456789abcdefé", "key_malformed"},
		{"empty", "", "key_malformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := w.send("GET", probe, "", "X-Api-Key", tc.key)
			if tc.reason == "" {
				if res.Code != 200 {
					t.Errorf("%d %s", res.Code, res.Body)
				}
				return
			}
			refusedAlike(t, res)
			if ev := w.events.last(); ev.Kind != signet.EventKeyRefused || ev.Reason != tc.reason || ev.Address != "192.0.2.7" || ev.KeyID != "" {
				t.Errorf("event %+v, want reason %s", ev, tc.reason)
			}
		})
	}
	for name, res := range map[string]*httptest.ResponseRecorder{
		"two headers":           w.send("GET", probe, "", "X-Api-Key", key, "X-Api-Key", key),
		"in the query":          w.send("GET", probe+"?api_key="+key, ""),
		"in the query, encoded": w.send("GET", probe+"?x%2Dapi%2Dkey="+key, "", "X-Api-Key", key),
		"a token in the query":  w.send("GET", probe+"?access_token=token-of-alice", ""),
		"another parameter":     w.send("GET", probe+"?limit=1", "", "X-Api-Key", key),
	} {
		if res.Code != 400 {
			t.Errorf("%s: %d %s", name, res.Code, res.Body)
		}
	}
}

// swapCase changes the case of the last letter before the checksum.
func swapCase(key string) string {
	i := strings.LastIndexAny(key[:len(key)-6], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
	return key[:i] + string(key[i]^0x20) + key[i+1:]
}

type noLimit struct{}

func (noLimit) Refused(context.Context, string) (int, bool) { return 0, false }
func (noLimit) Failed(context.Context, string)              {}

// Whatever is wrong with a key, hashing keys are asked for once: what costs is not what tells.
func TestKEY01RefusalsCostAlike(t *testing.T) {
	t.Parallel()
	w := standard(t, func(o *account.Options) { o.Failures = noLimit{} })
	known := w.key("acme", "till", "merchant-terminal")
	off := w.key("acme", "off", "merchant-terminal", func(k *signet.APIKey) { k.Enabled = false })
	for name, key := range map[string]string{"known": known, "disabled": off, "malformed": known[:20], "long": strings.Repeat("k", 9000),
		"unknown": signet.NewSecret(signet.SecretAPIKey).Reveal(), "foreign": "0123456789abcdef0123"} {
		before := w.hashed
		w.send("GET", probe, "", "X-Api-Key", key)
		if n := w.hashed - before; n != 1 {
			t.Errorf("%s: hashing keys were asked for %d times", name, n)
		}
	}
}

// KEY-04: two principals in one request have no rights at all, each valid or not.
func TestKEY04(t *testing.T) {
	t.Parallel()
	w := standard(t)
	key := w.key("acme", "till", "account-owner")
	for _, tc := range []struct {
		name    string
		headers []string
	}{
		{"a key and a person's token", append(as("bob"), "X-Api-Key", key)},
		{"a key and a bare token", []string{"X-Api-Key", key, "Authorization", "token-of-bob"}},
		{"a key and rubbish", []string{"X-Api-Key", key, "Authorization", "x"}},
		{"rubbish and a token", append(as("bob"), "X-Api-Key", "x")},
		{"two tokens", append(as("alice"), as("bob")...)},
		{"the same token twice", append(as("alice"), as("alice")...)},
		{"two keys", []string{"X-Api-Key", key, "X-Api-Key", key}},
		{"an empty key and a token", append(as("bob"), "X-Api-Key", "")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := w.want(400, "GET", "/api/accounts/acme", "", tc.headers...)
			if got := object(t, res)["detail"]; got != "Send exactly one credential: X-Api-Key or Authorization, once." {
				t.Errorf("%v", got)
			}
		})
	}
}

// KEY-05: a key that has ended, whose owner is disabled, or that comes from elsewhere; a forged X-Forwarded-For moves
// nobody. The client secret's case is at /token: an API key is no secret of any client.
func TestKEY05(t *testing.T) {
	t.Parallel()
	past, soon := start.Add(-time.Second), start.Add(time.Minute)
	inside := []string{"192.0.2.0/24", "2001:db8::/32"}
	for _, tc := range []struct {
		name    string
		change  func(*signet.APIKey)
		headers []string
		owner   bool // the account is disabled
		reason  string
	}{
		{"as it should be", func(*signet.APIKey) {}, nil, false, ""},
		{"ends soon", func(k *signet.APIKey) { k.ExpiresAt = &soon }, nil, false, ""},
		{"has ended", func(k *signet.APIKey) { k.ExpiresAt = &past }, nil, false, "key_expired"},
		{"ends now", func(k *signet.APIKey) { now := start; k.ExpiresAt = &now }, nil, false, "key_expired"},
		{"disabled", func(k *signet.APIKey) { k.Enabled = false }, nil, false, "key_disabled"},
		{"of a disabled account", func(*signet.APIKey) {}, nil, true, "account_disabled"},
		{"inside its network", func(k *signet.APIKey) { k.AllowedNetworks = inside }, nil, false, ""},
		{"inside its other network", func(k *signet.APIKey) { k.AllowedNetworks = inside }, []string{"", "[2001:db8::5]:99"}, false, ""},
		{"outside its networks", func(k *signet.APIKey) { k.AllowedNetworks = inside }, []string{"", "203.0.113.9:99"}, false, "key_network"},
		{"outside, with a forged hop", func(k *signet.APIKey) { k.AllowedNetworks = inside }, []string{"", "203.0.113.9:99", "X-Forwarded-For", "192.0.2.7"}, false, "key_network"},
		{"outside, behind our proxy, with a forged hop", func(k *signet.APIKey) { k.AllowedNetworks = inside },
			[]string{"", "198.51.100.1:99", "X-Forwarded-For", "192.0.2.7, 203.0.113.9"}, false, "key_network"},
		{"inside, behind our proxy", func(k *signet.APIKey) { k.AllowedNetworks = inside }, []string{"", "198.51.100.1:99", "X-Forwarded-For", "192.0.2.7"}, false, ""},
		{"a network that cannot be read allows nobody", func(k *signet.APIKey) { k.AllowedNetworks = []string{"192.0.2.7"} }, nil, false, "key_network"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := standard(t)
			key := w.key("acme", "till", "merchant-terminal", tc.change)
			if tc.owner {
				must(t, w.store.SetAccountDisabled(t.Context(), "acme", true, signet.Event{}))
			}
			res := w.send("GET", probe, "", append([]string{"X-Api-Key", key}, tc.headers...)...)
			if tc.reason == "" {
				if ev := w.events.last(); res.Code != 200 || ev.Kind != signet.EventKeyUsed || ev.KeyID != "id-of-acme-till" || ev.Actor != "key:id-of-acme-till" {
					t.Errorf("%d %s, event %+v", res.Code, res.Body, ev)
				}
				return
			}
			refusedAlike(t, res)
			if ev := w.events.last(); ev.Kind != signet.EventKeyRefused || ev.Reason != tc.reason || ev.KeyID != "id-of-acme-till" {
				t.Errorf("event %+v, want reason %s", ev, tc.reason)
			}
		})
	}
}

// Failures are counted by network and answered 429; the right key is let in all the same, and so is every other network.
func TestFailuresThrottle(t *testing.T) {
	t.Parallel()
	w := standard(t)
	key := w.key("acme", "till", "merchant-terminal")
	wrong := func(headers ...string) *httptest.ResponseRecorder {
		return w.send("GET", probe, "", append([]string{"X-Api-Key", signet.NewSecret(signet.SecretAPIKey).Reveal()}, headers...)...)
	}
	for range limit {
		refusedAlike(t, wrong())
	}
	res := wrong()
	if res.Code != 429 || res.Header().Get("Retry-After") != "300" || object(t, res)["title"] != "Too many requests" {
		t.Errorf("%d %v %s", res.Code, res.Header(), res.Body)
	}
	if res := w.send("GET", probe, "", "X-Api-Key", key[:20], "", "192.0.2.200:1"); res.Code != 429 {
		t.Errorf("a neighbour of the same /24 who fails: %d", res.Code)
	}
	w.want(200, "GET", probe, "", "X-Api-Key", key)
	w.want(200, "GET", probe, "", as("alice")...)
	refusedAlike(t, wrong("", "203.0.113.9:1"))
	// Other rooms ask Caller themselves, and need to know how long.
	_, err := w.room.Caller(newRequest("X-Api-Key", "wrong"))
	if signet.CodeOf(err) != signet.CodeInvalidToken {
		t.Errorf("outside the kit, from no network: %v", err)
	}
	for range limit {
		_, err = w.room.Caller(newRequest("X-Api-Key", "wrong"))
	}
	var hint interface{ RetryAfter() time.Duration }
	if signet.CodeOf(err) != signet.CodeTooMany || !errors.As(err, &hint) || hint.RetryAfter() != 5*time.Minute {
		t.Errorf("%v", err)
	}
	w.clock.add(5 * time.Minute)
	refusedAlike(t, wrong())
}

func newRequest(name, value string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set(name, value)
	return r
}

// The forms of Authorization, and whose tokens are taken.
func TestAccessTokens(t *testing.T) {
	t.Parallel()
	w := standard(t)
	w.client("service", foreign)
	token := func(raw string, change func(*signet.Bearer)) {
		b := &signet.Bearer{Subject: "alice", UserID: "alice", ClientID: "rp", Audience: []string{issuer}}
		change(b)
		w.bearers[raw] = b
	}
	token("elsewhere", func(b *signet.Bearer) { b.Audience = []string{"https://rs.test"} })
	token("nowhere", func(b *signet.Bearer) { b.Audience = nil })
	token("two-audiences", func(b *signet.Bearer) { b.Audience = []string{"https://rs.test", issuer} })
	token("machine", func(b *signet.Bearer) {
		b.Machine, b.UserID, b.ClientID, b.Subject = true, "", "service", "client:service"
	})
	token("unknown-client", func(b *signet.Bearer) { b.Machine, b.UserID, b.ClientID = true, "", "gone" })
	token("machine-and-person", func(b *signet.Bearer) { b.Machine = true })
	token("biller", func(b *signet.Bearer) { b.Principal, b.UserID, b.ClientID = "biller:b1", "", "" })
	token("biller-with-client", func(b *signet.Bearer) { b.Principal, b.UserID, b.Machine = "biller:b1", "", true })
	token("exchanged-key", func(b *signet.Bearer) { b.Principal, b.UserID, b.ClientID = "key:k1", "", "" })
	token("application", func(b *signet.Bearer) { b.UserID = "app:a1" })
	token("nobody", func(b *signet.Bearer) { b.UserID = "" })
	for _, tc := range []struct {
		name, header string
		status       int
		reason       string
	}{
		{"bare", "token-of-alice", 200, ""},
		{"Bearer", "Bearer token-of-alice", 200, ""},
		{"bearer in small letters", "bearer token-of-alice", 200, ""},
		{"two spaces", "Bearer  token-of-alice", 200, ""},
		{"one of two audiences", "two-audiences", 200, ""},
		{"a client for itself", "machine", 200, ""},
		{"DPoP", "DPoP token-of-alice", 401, "dpop_unsupported"},
		{"Basic", "Basic dG9rZW4tb2YtYWxpY2U=", 401, "credential_scheme"},
		{"another scheme", "Token token-of-alice", 401, "credential_scheme"},
		{"Bearer alone", "Bearer", 401, "token_refused"},
		{"Bearer and nothing", "Bearer ", 401, "token_malformed"},
		{"two in one header", "Bearer token-of-alice, Bearer token-of-bob", 401, "token_malformed"},
		{"an odd character", "token-of-alice\"", 401, "token_malformed"},
		{"too long", strings.Repeat("t", 9000), 401, "token_malformed"},
		{"empty", "", 401, "token_malformed"},
		{"unknown", "token-of-eve", 401, "token_refused"},
		{"for another resource server", "elsewhere", 401, "token_audience"},
		{"for nobody", "nowhere", 401, "token_audience"},
		{"a client that is gone", "unknown-client", 401, "client_unknown"},
		{"a machine's token with a person", "machine-and-person", 401, "token_of_no_person"},
		{"a biller's", "biller", 401, "token_principal"},
		{"a biller's with a client", "biller-with-client", 401, "token_principal"},
		{"an exchanged API key's", "exchanged-key", 401, "token_principal"},
		{"a PIN application's", "application", 401, "token_of_no_person"},
		{"nobody's", "nobody", 401, "token_of_no_person"},
		{"a store is away", "store-away", 503, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := w.send("GET", probe, "", "Authorization", tc.header)
			switch tc.status {
			case 401:
				refusedAlike(t, res)
				if ev := w.events.last(); ev.Kind != signet.EventTokenRefused || ev.Reason != tc.reason {
					t.Errorf("event %+v, want reason %s", ev, tc.reason)
				}
			case 503:
				if res.Code != 503 || res.Header().Get("Retry-After") != "1" {
					t.Errorf("%d %v %s", res.Code, res.Header(), res.Body)
				}
			default:
				if res.Code != 200 {
					t.Errorf("%d %s", res.Code, res.Body)
				}
			}
		})
	}
	refusedAlike(t, w.send("GET", probe, ""))
	// A client for itself has no role, and so no account.
	if got := w.want(200, "GET", probe, "", "Authorization", "machine").Body.String(); got != "[]" {
		t.Errorf("memberships of a client: %s", got)
	}
	w.want(404, "GET", "/api/accounts/acme", "", "Authorization", "machine")
	w.want(403, "POST", "/api/accounts", `{"name":"N","type":"org"}`, "Authorization", "machine")
	w.want(403, "POST", "/api/accounts", `{"name":"N","type":"individual"}`, "Authorization", "machine")
	caller, err := w.room.Caller(newRequest("Authorization", "machine"))
	if err != nil || caller.Subject != "client:service" || caller.Client == nil || caller.Bearer == nil {
		t.Errorf("%+v %v", caller, err)
	}
}

// Only accepted memberships in accounts that are not disabled count, from the next request on.
func TestMembershipsAreLive(t *testing.T) {
	t.Parallel()
	w := standard(t)
	w.want(201, "POST", "/api/accounts/acme/members", `{"userId":"dave","role":"account-owner"}`, as("alice")...)
	w.want(404, "GET", "/api/accounts/acme", "", as("dave")...)
	must(t, w.store.AcceptMembership(t.Context(), "acme", "dave", signet.Event{}))
	w.want(200, "GET", "/api/accounts/acme", "", as("dave")...)
	w.want(204, "DELETE", "/api/accounts/acme/members/dave", "", as("alice")...)
	w.want(404, "GET", "/api/accounts/acme", "", as("dave")...)
	must(t, w.store.SetAccountDisabled(t.Context(), "acme", true, signet.Event{}))
	w.want(404, "GET", "/api/accounts/acme", "", as("alice")...)
}

// The origin of another client reads nothing of this one's, refusals included; before a client is known the union may.
func TestCORSNarrows(t *testing.T) {
	t.Parallel()
	w := standard(t)
	key := w.key("acme", "till", "merchant-terminal")
	w.bearers["elsewhere"] = &signet.Bearer{UserID: "alice", ClientID: "rp", Audience: []string{"https://rs.test"}}
	w.bearers["orphan"] = &signet.Bearer{UserID: "alice", ClientID: "gone", Audience: []string{issuer}}
	for _, tc := range []struct {
		name, path, from, want string
		headers                []string
	}{
		{"the client's origin", probe, origin, origin, as("alice")},
		{"another client's", probe, foreign, "", as("alice")},
		{"another client's, 404", "/api/accounts/other", foreign, "", as("alice")},
		{"another client's, 401 once the client is known", probe, foreign, "", []string{"Authorization", "elsewhere"}},
		{"a client that is gone", probe, origin, "", []string{"Authorization", "orphan"}},
		{"before a client is known", probe, foreign, foreign, nil},
		{"an API key has no client", probe, foreign, foreign, []string{"X-Api-Key", key}},
		{"nobody's", probe, "https://evil.test", "", []string{"X-Api-Key", key}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := w.send("GET", tc.path, "", append([]string{"Origin", tc.from}, tc.headers...)...).Header()
			if h.Get("Access-Control-Allow-Origin") != tc.want || h.Get("Vary") != "Origin" || h.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%v", h)
			}
		})
	}
}
