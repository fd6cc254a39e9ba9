package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A node that starts while Redis is away serves all that PostgreSQL can answer, and assertions once Redis is back.
func TestServeStartsWithoutRedis(t *testing.T) {
	t.Parallel()
	port := FreePort(t)
	c := NewClusterOn(t, NewDatabase(t), fmt.Sprintf("127.0.0.1:%d", port))
	c.Settings = map[string]any{"rate_limits": "off"}
	c.Init()
	n := c.StartNode()
	if !strings.Contains(n.Output(), "redis is away") {
		t.Error("the log does not say that Redis is away")
	}
	if _, body := n.get(n.OpsURL + "/readyz"); !strings.Contains(body, "degraded: redis") {
		t.Errorf("/readyz says %q", body)
	}
	if _, body := n.get(n.OpsURL + "/metrics"); !strings.Contains(body, "signet_redis_up 0") || !strings.Contains(body, `signet_login_throttled_total{limit="network"} 0`) {
		t.Error("/metrics does not tell that Redis is away, or has no alarm for throttled logins")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const back, scope = "https://rp.test/cb", "openid offline_access"
	app := c.make(n, map[string]any{"client_name": "Shop", "redirect_uris": []string{back}, "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"authorization_code", "refresh_token"}, "scope": scope, "introspect": true, "first_party": true})
	partner := c.make(n, map[string]any{"client_name": "Partner", "token_endpoint_auth_method": "private_key_jwt",
		"grant_types": []string{"client_credentials"}, "scope": "orders:read",
		"jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "p1", Use: "sig", Algorithm: "ES256"}}}})
	c.call(n, "/users", map[string]any{"username": "ada", "password": "correct horse battery staple", "email": "ada@example.com"}, &struct{}{})

	location := NewBrowser(t).LogIn(n.URL+"/authorize?"+url.Values{"response_type": {"code"}, "client_id": {app.ClientID},
		"redirect_uri": {back}, "scope": {scope}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
		"code_challenge_method": {"S256"}}.Encode(), User{Username: "ada", Password: "correct horse battery staple"})
	code := location.Query().Get("code")
	if code == "" {
		t.Fatalf("the login leads to %s", location)
	}
	type answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Active  bool   `json:"active"`
	}
	ask := func(path string, form url.Values) (status int, got answer) {
		t.Helper()
		status, body := n.form(path, app, form)
		_ = json.Unmarshal(body, &got) // 200 without a body: a revocation
		return status, got
	}
	status, first := ask("/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {back},
		"code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}})
	if status != http.StatusOK || first.Refresh == "" {
		t.Fatalf("code: %d", status)
	}
	status, second := ask("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.Refresh}})
	if status != http.StatusOK || second.Access == "" {
		t.Errorf("refresh: %d", status)
	}
	if status, got := ask("/introspect", url.Values{"token": {second.Access}}); status != http.StatusOK || !got.Active {
		t.Errorf("introspection of a live token: %d, active %v", status, got.Active)
	}
	if status, _ := ask("/revoke", url.Values{"token": {second.Access}}); status != http.StatusOK {
		t.Errorf("revocation: %d", status)
	}
	dead := func(when string) {
		t.Helper()
		if status, got := ask("/introspect", url.Values{"token": {second.Access}}); status != http.StatusOK || got.Active {
			t.Errorf("introspection of a revoked token %s: %d, active %v", when, status, got.Active)
		}
	}
	dead("without Redis")
	assert := func() int {
		status, _ := n.form("/token", Client{}, url.Values{"grant_type": {"client_credentials"}, "scope": {"orders:read"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion":      {assertionOf(t, key, partner.ClientID, c.Issuer)}})
		return status
	}
	if status := assert(); status != http.StatusServiceUnavailable {
		t.Errorf("private_key_jwt without Redis: %d, want 503", status)
	}

	redis := exec.Command("redis-server", "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := redis.Start(); err != nil {
		t.Fatalf("redis-server cannot be started (%v); run make test", err)
	}
	t.Cleanup(func() { _ = redis.Process.Kill(); _ = redis.Wait() })
	// What was used before Redis began cannot be told: ten seconds of 503 more.
	n.WaitFor("an assertion is accepted", func() bool { return assert() == http.StatusOK })
	dead("when Redis is back")
	if _, body := n.get(n.OpsURL + "/readyz"); body != "ok\n" {
		t.Errorf("/readyz says %q when Redis is back", body)
	}
}

// make registers a client.
func (c *Cluster) make(n *Node, metadata map[string]any) (made Client) {
	c.t.Helper()
	c.call(n, "/clients", metadata, &made)
	return made
}

// call posts to the admin API and fails the test unless it succeeds.
func (c *Cluster) call(n *Node, path string, in, out any) {
	c.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, n.AdminURL+"/admin/v1"+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+c.AdminKey)
	status, text := n.send(request)
	if status >= 300 {
		c.t.Fatalf("%s: %d %s", path, status, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		c.t.Fatal(err)
	}
}

// form posts a form, with the client's secret when it has one.
func (n *Node) form(path string, client Client, form url.Values) (status int, body []byte) {
	n.t.Helper()
	request, err := http.NewRequest(http.MethodPost, n.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		n.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client.ClientSecret != "" {
		request.SetBasicAuth(url.QueryEscape(client.ClientID), url.QueryEscape(client.ClientSecret))
	}
	return n.send(request)
}

func (n *Node) get(address string) (status int, body string) {
	n.t.Helper()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	status, text := n.send(request)
	return status, string(text)
}

func (n *Node) send(request *http.Request) (status int, body []byte) {
	n.t.Helper()
	response, err := (&http.Client{Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err = io.ReadAll(response.Body); err != nil {
		n.t.Fatal(err)
	}
	return response.StatusCode, body
}

// assertionOf signs a fresh assertion (RFC 7523 §3).
func assertionOf(t *testing.T, key *ecdsa.PrivateKey, client, issuer string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "p1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims, err := json.Marshal(map[string]any{"iss": client, "sub": client, "aud": issuer, "jti": random(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}
