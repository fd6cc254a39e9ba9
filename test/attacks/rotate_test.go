package attacks

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-auth/signet/test/e2e"
)

// published returns the key ids of the key set.
func (w *world) published() map[string]bool {
	w.t.Helper()
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal([]byte(w.get("/.well-known/jwks.json").body), &set); err != nil {
		w.t.Fatal(err)
	}
	out := map[string]bool{}
	for _, key := range set.Keys {
		if key["d"] != nil || key["p"] != nil || key["kty"] == "oct" {
			w.t.Error("the key set holds a secret key")
		}
		out[key["kid"].(string)] = true
	}
	return out
}

// kidOf reads the key id of a token.
func kidOf(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		KID string `json:"kid"`
	}
	if err := json.Unmarshal(raw, &header); err != nil || header.KID == "" {
		t.Fatalf("no kid in %s: %v", raw, err)
	}
	return header.KID
}

// A new key is published long before it signs: as long as the key set may be cached, every token has a key in the copy
// that was fetched before.
func TestROT01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cached := w.published()
	old := w.serviceToken()
	if !cached[kidOf(t, old)] {
		t.Fatal("happy path: the key of a token is not published")
	}
	for range 3 {
		if a := w.admin(http.MethodPost, "/keys/rotate", map[string]any{}); a.status >= 300 && a.status != http.StatusConflict {
			t.Fatalf("rotate: %d %s", a.status, a.body)
		}
		for _, token := range []string{w.serviceToken(), w.tokens(e2e.NewBrowser(t), w.Card.Clients.Web).text("id_token")} {
			if !cached[kidOf(t, token)] {
				t.Error("a token is signed with a key that a cached key set does not hold")
			}
		}
	}
	if fresh := w.published(); len(fresh) <= len(cached) {
		t.Errorf("%d keys published, as many as before the rotation", len(fresh))
	} else {
		for kid := range cached {
			if !fresh[kid] {
				t.Errorf("the old key %s is not published any more", kid)
			}
		}
	}
	if a := w.introspect(old); !a.active() {
		t.Errorf("a token of before is dead: %s", a.body)
	}
}

// A revoked key is gone at once: from the key set, and with it every token it signed. A new key signs in its place.
func TestROT02(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	browser := e2e.NewBrowser(t)
	tokens := w.tokens(browser, w.Card.Clients.Web)
	user, service := tokens.text("access_token"), w.serviceToken()
	if a := w.get("/userinfo", "Authorization", "Bearer "+user); a.status != http.StatusOK || !w.introspect(service).active() {
		t.Fatalf("happy path: %d %s", a.status, a.body)
	}
	revoked := map[string]bool{kidOf(t, user): true, kidOf(t, service): true}
	for kid := range revoked {
		if a := w.admin(http.MethodPost, "/keys/"+kid+"/revoke", map[string]any{}); a.status >= 300 {
			t.Fatalf("revoke: %d %s", a.status, a.body)
		}
	}
	set := w.published()
	for kid := range revoked {
		if set[kid] {
			t.Error("a revoked key is published")
		}
	}
	if a := w.get("/userinfo", "Authorization", "Bearer "+user); a.status != http.StatusUnauthorized {
		t.Errorf("userinfo takes a token of a revoked key: %d %s", a.status, a.body)
	}
	if a := w.introspect(service); a.active() {
		t.Errorf("introspection takes a token of a revoked key: %s", a.body)
	}
	fresh := w.post("/token", w.Card.Clients.Web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.text("refresh_token")}})
	if fresh.status != http.StatusOK || revoked[kidOf(t, fresh.text("access_token"))] || !w.published()[kidOf(t, fresh.text("access_token"))] {
		t.Errorf("no new token, or not with a new key: %d %s", fresh.status, fresh.body)
	}
}

// Two commands migrate one empty database at the same moment: both end well, and the schema is there once.
func TestROT05(t *testing.T) {
	t.Parallel()
	cluster := e2e.NewClusterOn(t, e2e.NewDatabase(t), e2e.Service(t, "SIGNET_TEST_REDIS"))
	codes := make(chan int, 2)
	for range 2 {
		process := e2e.Start(t, []string{"SIGNET_POSTGRES__DSN=" + cluster.DSN, "SIGNET_ISSUER=" + cluster.Issuer, "SIGNET_KEYS__KEK=" + cluster.KEK}, "migrate", "up")
		go func() { codes <- process.ExitCode() }()
	}
	for range 2 {
		if code := <-codes; code != 0 {
			t.Errorf("migrate up ends with %d", code)
		}
	}
	cluster.Init()
	cluster.StartNode()
}
