package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
)

// listenerUnderTest is one listener of a node, over TLS.
type listenerUnderTest struct {
	url    string
	client *http.Client
}

func listening(t *testing.T, handler http.Handler, policy *tls.Config, certificates ...tls.Certificate) listenerUnderTest {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = policy.Clone()
	server.StartTLS()
	t.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: certificates}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(client.CloseIdleConnections)
	return listenerUnderTest{server.URL, client}
}

func (l listenerUnderTest) send(t *testing.T, method, path, bearer string, form url.Values) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, l.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := l.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	body := map[string]any{}
	_ = json.Unmarshal(raw, &body)
	return res.StatusCode, body
}

// TestMTL04And05Listener wires a whole node with a listener for certificates and calls it over TLS.
func TestMTL04And05Listener(t *testing.T) {
	t.Parallel()
	policy := certified(t)
	public := policy.Clone()
	public.ClientAuth = tls.NoClientCert
	home, err := openHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := devDeployment("https://as.test", home, &devFlags{jwksMaxAge: time.Minute}, slog.New(slog.DiscardHandler))
	d.certificates.base = "https://mtls.as.test"
	n, err := wire(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.close() })
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mine := selfSigned(t, key)
	now := time.Now().UTC()
	client := &signet.Client{ID: "mt", CreatedAt: now, UpdatedAt: now, Version: 1, ClientMetadata: signet.ClientMetadata{
		TokenEndpointAuthMethod: signet.AuthSelfSignedTLS, GrantTypes: []string{signet.GrantClientCredentials}, Scope: "read",
		TLSClientCertificate: proof.Thumbprint(mine.Leaf), BindCertificate: true, Introspect: true,
	}}
	if err := n.store.InsertClient(t.Context(), client, signet.Event{ID: signet.NewEventID(), Kind: signet.EventClientCreated, At: now, Actor: "test"}); err != nil {
		t.Fatal(err)
	}
	with, without := listening(t, n.mtls, policy, mine), listening(t, n.mtls, policy)
	elsewhere := listening(t, n.public, public, mine)
	ask := url.Values{"client_id": {"mt"}, "grant_type": {signet.GrantClientCredentials}}
	status, body := with.send(t, http.MethodPost, "/token", "", ask)
	token, _ := body["access_token"].(string)
	if status != http.StatusOK || token == "" {
		t.Fatalf("%d %v", status, body)
	}
	for name, l := range map[string]listenerUnderTest{"without a certificate": without, "at the public listener": elsewhere} {
		if status, body := l.send(t, http.MethodPost, "/token", "", ask); status != http.StatusUnauthorized || body["error"] != "invalid_client" {
			t.Errorf("%s: %d %v", name, status, body)
		}
	}
	status, body = with.send(t, http.MethodPost, "/introspect", "", url.Values{"client_id": {"mt"}, "token": {token}})
	if cnf, _ := body["cnf"].(map[string]any); status != http.StatusOK || cnf["x5t#S256"] != proof.Thumbprint(mine.Leaf) {
		t.Errorf("introspection: %d %v", status, body)
	}
	// The token is no person's: with the certificate its scope is what is missing, without it the token is worth nothing.
	if status, _ := with.send(t, http.MethodGet, "/userinfo", token, nil); status != http.StatusForbidden {
		t.Errorf("userinfo with the certificate: %d", status)
	}
	for name, l := range map[string]listenerUnderTest{"without a certificate": without, "at the public listener": elsewhere} {
		if status, _ := l.send(t, http.MethodGet, "/userinfo", token, nil); status != http.StatusUnauthorized {
			t.Errorf("userinfo %s: %d", name, status)
		}
	}
	// No page, no discovery, no endpoint that people's programs call asks for certificates.
	for _, path := range []string{"/", "/authorize", "/login", "/logout", "/demo", "/.well-known/openid-configuration", "/.well-known/jwks.json", "/api/v1/tokens", "/admin/v1/clients"} {
		if status, _ := with.send(t, http.MethodGet, path, "", nil); status != http.StatusNotFound {
			t.Errorf("%s at the listener for certificates: %d", path, status)
		}
	}
	status, body = elsewhere.send(t, http.MethodGet, "/.well-known/openid-configuration", "", nil)
	aliases, _ := body["mtls_endpoint_aliases"].(map[string]any)
	if status != http.StatusOK || aliases["token_endpoint"] != "https://mtls.as.test/token" {
		t.Errorf("discovery: %d %v", status, aliases)
	}
}
