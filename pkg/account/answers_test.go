package account_test

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/account"
	"github.com/signet-auth/signet/pkg/signet"
)

var update = flag.Bool("update", false, "write the golden answers anew")

var (
	uuids   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	secrets = regexp.MustCompile(`sgt_ak_[A-Za-z0-9_-]{49}`)
)

// transcript is what was asked and answered, with ids by order of appearance and secrets left out.
type transcript struct {
	text strings.Builder
	ids  map[string]string
}

func (s *transcript) add(title, request string, res *httptest.ResponseRecorder) {
	fmt.Fprintf(&s.text, "# %s\n%s\n%d\n", title, request, res.Code)
	for _, name := range []string{"Content-Type", "ETag", "Location", "WWW-Authenticate", "Retry-After", "Cache-Control"} {
		if value := res.Header().Get(name); value != "" {
			fmt.Fprintf(&s.text, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&s.text, "%s\n\n", res.Body)
}

func (s *transcript) String() string {
	out := secrets.ReplaceAllString(s.text.String(), "sgt_ak_(secret)")
	return uuids.ReplaceAllStringFunc(out, func(id string) string {
		if s.ids[id] == "" {
			s.ids[id] = fmt.Sprintf("(id %d)", len(s.ids)+1)
		}
		return s.ids[id]
	})
}

// Every answer of the room, byte for byte.
func TestGoldenAnswers(t *testing.T) {
	t.Parallel()
	w := standard(t)
	key := w.key("acme", "till 1", "merchant-terminal")
	owner := w.key("acme", "owner", "account-owner")
	s := &transcript{ids: map[string]string{}}
	var mine string
	for _, step := range []struct {
		title, method, path, body string
		headers                   []string
	}{
		{"no credential", "GET", probe, "", nil},
		{"two credentials", "GET", probe, "", append(as("alice"), "X-Api-Key", key)},
		{"a credential in the URL", "GET", probe + "?api_key=k", "", nil},
		{"a query", "GET", probe + "?page=2", "", as("alice")},
		{"memberships of a key", "GET", probe, "", []string{"X-Api-Key", key}},
		{"memberships of a person", "GET", probe, "", as("alice")},
		{"memberships of a person without any", "GET", probe, "", as("dave")},
		{"an individual account", "POST", "/api/accounts", `{"name":"Alice","type":"individual"}`, as("alice")},
		{"a second one", "POST", "/api/accounts", `{"name":"Alice","type":"individual"}`, as("alice")},
		{"an org without the permission", "POST", "/api/accounts", `{"name":"Dave","type":"org"}`, as("dave")},
		{"an individual account for a key", "POST", "/api/accounts", `{"name":"Key","type":"individual"}`, []string{"X-Api-Key", owner}},
		{"an org", "POST", "/api/accounts", `{"name":"Acme Süd <&>","type":"org"}`, as("alice")},
		{"an org by a key", "POST", "/api/accounts", `{"name":"By a key","type":"org"}`, []string{"X-Api-Key", owner}},
		{"another type", "POST", "/api/accounts", `{"name":"Acme","type":"club"}`, as("alice")},
		{"no name", "POST", "/api/accounts", `{"type":"org"}`, as("alice")},
		{"an unknown member", "POST", "/api/accounts", `{"name":"Acme","type":"org","role":"x"}`, as("alice")},
		{"another media type", "POST", "/api/accounts", `{"name":"Acme","type":"org"}`, append(as("alice"), "Content-Type", "text/plain")},
		{"too large", "POST", "/api/accounts", `{"name":"` + strings.Repeat("n", 17<<10) + `","type":"org"}`, as("alice")},
		{"the account", "GET", "/api/accounts/{mine}", "", as("alice")},
		{"a foreign account", "GET", "/api/accounts/other", "", as("alice")},
		{"an unknown account", "GET", "/api/accounts/nothing", "", as("alice")},
		{"without the permission", "GET", "/api/accounts/acme", "", as("carol")},
		{"a new name", "PUT", "/api/accounts/{mine}", `{"name":"Acme South"}`, append(as("alice"), "If-Match", `"1"`)},
		{"a stale version", "PUT", "/api/accounts/{mine}", `{"name":"Acme North"}`, append(as("alice"), "If-Match", `"1"`)},
		{"a new member", "POST", "/api/accounts/acme/members", `{"userId":"dave","role":"merchant-terminal"}`, as("alice")},
		{"the member once more", "POST", "/api/accounts/acme/members", `{"userId":"dave","role":"merchant-terminal"}`, as("alice")},
		{"a changed role", "POST", "/api/accounts/acme/members", `{"userId":"carol","role":"account-owner"}`, as("alice")},
		{"an unknown user", "POST", "/api/accounts/acme/members", `{"userId":"eve","role":"merchant-terminal"}`, as("alice")},
		{"a role that there is not", "POST", "/api/accounts/acme/members", `{"userId":"dave","role":"king"}`, as("alice")},
		{"a role that may not be given", "POST", "/api/accounts/acme/members", `{"userId":"dave","role":"anon-consumer"}`, as("alice")},
		{"the members", "GET", "/api/accounts/acme/members", "", as("alice")},
		{"a member who goes", "DELETE", "/api/accounts/acme/members/carol", "", as("alice")},
		{"a member who is none", "DELETE", "/api/accounts/acme/members/carol", "", as("alice")},
		{"the last owner", "DELETE", "/api/accounts/acme/members/alice", "", as("alice")},
		{"a new key", "POST", "/api/accounts/acme/api-keys", `{"name":"Till 2","role":"merchant-terminal"}`, as("alice")},
		{"the name once more", "POST", "/api/accounts/acme/api-keys", `{"name":"Till 2","role":"merchant-terminal"}`, as("alice")},
		{"a key made by a key", "POST", "/api/accounts/acme/api-keys", `{"name":"Till 3","role":"merchant-terminal"}`, []string{"X-Api-Key", owner}},
		{"the keys", "GET", "/api/accounts/acme/api-keys", "", as("alice")},
		{"a disabled key", "PUT", "/api/accounts/acme/api-keys/till%201", `{"enabled":false}`, append(as("alice"), "If-Match", "1")},
		{"disabled once more", "PUT", "/api/accounts/acme/api-keys/till%201", `{"enabled":false}`, as("alice")},
		{"a key that there is not", "PUT", "/api/accounts/acme/api-keys/none", `{"enabled":false}`, as("alice")},
		{"the disabled key", "GET", probe, "", []string{"X-Api-Key", key}},
		{"own", "POST", "/api/permissions/check", `{"permission":"accounts:read","accountId":"acme"}`, []string{"X-Api-Key", owner}},
		{"global", "POST", "/api/permissions/check", `{"permission":"payment-requests:pay","accountId":"other"}`, []string{"X-Api-Key", owner}},
		{"not allowed", "POST", "/api/permissions/check", `{"permission":"accounts:read","accountId":"other"}`, []string{"X-Api-Key", owner}},
		{"nothing asked", "POST", "/api/permissions/check", `{"accountId":"other"}`, []string{"X-Api-Key", owner}},
		{"a store is away", "GET", probe, "", []string{"Authorization", "store-away"}},
		{"failed", "GET", probe, "", []string{"X-Api-Key", "wrong"}},
		{"failed", "GET", probe, "", []string{"X-Api-Key", "wrong"}},
		{"failed", "GET", probe, "", []string{"X-Api-Key", "wrong"}},
		{"failed", "GET", probe, "", []string{"X-Api-Key", "wrong"}},
		{"failed too often", "GET", probe, "", []string{"X-Api-Key", "wrong"}},
	} {
		w.clock.add(time.Second)
		var res *httptest.ResponseRecorder
		if len(step.headers) > 3 && step.headers[2] == "Content-Type" {
			res = w.sendTyped(step.method, step.path, step.body, step.headers[3], step.headers[:2]...)
		} else {
			res = w.send(step.method, strings.ReplaceAll(step.path, "{mine}", mine), step.body, step.headers...)
		}
		if step.title == "an org" {
			mine, _ = object(t, res)["id"].(string)
		}
		request := step.method + " " + step.path
		if step.body != "" && len(step.body) < 200 {
			request += " " + step.body
		}
		s.add(step.title, request, res)
	}
	compare(t, "testdata/answers.golden", s.String())
}

// sendTyped sends a body of another media type.
func (w *world) sendTyped(method, path, body, media string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("X-Request-Id", "request-1")
	req.Header.Set("Content-Type", media)
	req.Header.Set(headers[0], headers[1])
	res := httptest.NewRecorder()
	w.handler.ServeHTTP(res, req)
	return res
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if got != string(want) {
		gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range min(len(gotLines), len(wantLines)) {
			if gotLines[i] != wantLines[i] {
				t.Fatalf("%s:%d: got\n%s\nwant\n%s", file, i+1, gotLines[i], wantLines[i])
			}
		}
		t.Fatalf("%s: %d lines, want %d", file, len(gotLines), len(wantLines))
	}
}

// The document's example calls, as printed but for the host (curl's own headers included).
func TestDocumentedCalls(t *testing.T) {
	t.Parallel()
	w := standard(t)
	// The key that the document publishes; only dev has it.
	const published = "f32c5497297084e5354b47c40d5ccacb109ce483"
	w.keyOf(published, "acme", "published", "merchant-terminal", func(k *signet.APIKey) { k.Imported = true })
	curl := []string{"User-Agent", "curl/8.5.0", "Accept", "*/*"}
	const want = `[{"accountId":"acme","accountName":"Account acme","accountType":"org","role":"%s"}]`
	for name, tc := range map[string]struct{ header, value, role string }{
		"API key":           {"X-Api-Key", published, "merchant-terminal"},
		"user access token": {"Authorization", "token-of-alice", "account-owner"},
	} {
		if got := w.want(200, "GET", "/api/account-memberships", "", append(curl, tc.header, tc.value)...).Body.String(); got != fmt.Sprintf(want, tc.role) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A room that lacks something does not start.
func TestNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	complete := account.Options{Issuer: issuer, Accounts: w.store, Members: w.store, Keys: w.store, Users: w.store, Clients: w.store, Bearers: w.bearers,
		Failures: noLimit{}, Events: w.events, Now: w.clock.now, HashKeys: func() signet.HashKeys { return w.hashes }}
	if _, err := account.New(complete); err != nil {
		t.Fatal(err)
	}
	for name, take := range map[string]func(*account.Options){
		"Issuer": func(o *account.Options) { o.Issuer = "" }, "Accounts": func(o *account.Options) { o.Accounts = nil },
		"Members": func(o *account.Options) { o.Members = nil }, "Keys": func(o *account.Options) { o.Keys = nil },
		"Users": func(o *account.Options) { o.Users = nil }, "Clients": func(o *account.Options) { o.Clients = nil },
		"Bearers": func(o *account.Options) { o.Bearers = nil }, "Failures": func(o *account.Options) { o.Failures = nil },
		"Events": func(o *account.Options) { o.Events = nil }, "Now": func(o *account.Options) { o.Now = nil },
		"HashKeys": func(o *account.Options) { o.HashKeys = nil }, "Roles": func(o *account.Options) { o.Roles = account.Roles{"clerk": {}} },
	} {
		o := complete
		take(&o)
		if _, err := account.New(o); err == nil {
			t.Errorf("starts without %s", name)
		}
	}
}
