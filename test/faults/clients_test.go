package faults

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/test/e2e"
)

const (
	redirectURI = "https://rp.test/cb"
	jwksPath    = "/.well-known/jwks.json"
	discovery   = "/.well-known/openid-configuration"
	scopes      = "openid offline_access"
)

// answer is what came back. Status 0: nothing did, and Err says why.
type answer struct {
	Status int
	Err    error
	Header http.Header
	Body   []byte
	Took   time.Duration
	closes bool // the server sent Connection: close
}

// tokens are the members of a token response or an introspection that the tests read.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
	Active  bool   `json:"active"`
}

func (a answer) tokens() tokens {
	var out tokens
	_ = json.Unmarshal(a.Body, &out) // a page or nothing: all empty
	return out
}

// ok reports a token response with an access token.
func (a answer) ok() bool { return a.Status == http.StatusOK && a.tokens().Access != "" }

// login is a person: a user that can log in, and the browser's session cookies once logged in.
type login struct {
	e2e.User
	cookies []*http.Cookie
}

// world is a cluster with clients of every kind and one user.
type world struct {
	t          testing.TB
	cluster    *e2e.Cluster
	http       *http.Client
	web        e2e.Client // secret, code and refresh, may introspect
	service    e2e.Client // secret, client_credentials
	partner    e2e.Client // private_key_jwt, client_credentials
	partnerKey *ecdsa.PrivateKey
	user       login
	one, two   *e2e.Node // two is nil with one node
}

// newWorld starts the nodes and registers everything.
func newWorld(t testing.TB, dsn, redis string, nodes int) *world {
	t.Helper()
	w := &world{t: t, cluster: e2e.NewClusterOn(t, dsn, redis), http: newHTTP(t)}
	w.cluster.Settings = map[string]any{"rate_limits": "off"}
	w.start(nodes)
	return w
}

// start launches the nodes from the cluster's binary and registers everything.
func (w *world) start(nodes int) {
	w.t.Helper()
	t := w.t
	w.cluster.Init()
	w.one = w.cluster.StartNode()
	if nodes > 1 {
		w.two = w.cluster.StartNode()
	}
	w.web = w.register(map[string]any{"client_name": "Shop", "redirect_uris": []string{redirectURI}, "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
		"scope": scopes, "introspect": true, "first_party": true})
	w.service = w.register(map[string]any{"client_name": "Service", "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"client_credentials"}, "scope": "orders:read"})
	var err error
	if w.partnerKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	w.partner = w.register(map[string]any{"client_name": "Partner", "token_endpoint_auth_method": "private_key_jwt",
		"token_endpoint_auth_signing_alg": "ES256", "grant_types": []string{"client_credentials"}, "scope": "orders:read",
		"jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &w.partnerKey.PublicKey, KeyID: "p1", Use: "sig", Algorithm: "ES256"}}}})
	w.user = w.newUser("ada")
}

// newHTTP makes a client that follows no redirect.
func newHTTP(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Timeout: 20 * time.Second, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (w *world) register(metadata map[string]any) e2e.Client {
	w.t.Helper()
	var made e2e.Client
	w.admin(w.one, http.MethodPost, "/clients", metadata, &made)
	return made
}

// newUser makes a user and logs in through the pages of the first node.
func (w *world) newUser(name string) login {
	w.t.Helper()
	u := login{User: e2e.User{Username: name, Password: "correct horse battery staple"}}
	var made struct {
		Sub string `json:"sub"`
	}
	w.admin(w.one, http.MethodPost, "/users", map[string]any{"username": u.Username, "password": u.Password, "email": name + "@example.com"}, &made)
	u.Sub = made.Sub
	u.cookies = w.logIn(w.one, u.User)
	return u
}

func (w *world) logIn(n *e2e.Node, user e2e.User) []*http.Cookie {
	w.t.Helper()
	browser := e2e.NewBrowser(w.t)
	location := browser.LogIn(n.URL+"/authorize?"+authorization(w.web, "v").Encode(), user)
	if location.Query().Get("code") == "" {
		w.t.Fatalf("the login leads to %s", location)
	}
	return browser.Cookies(n.URL)
}

// admin calls the admin API and fails the test unless it succeeds.
func (w *world) admin(n *e2e.Node, method, path string, in, out any) {
	w.t.Helper()
	body := []byte{}
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			w.t.Fatal(err)
		}
	}
	request, err := http.NewRequest(method, n.AdminURL+"/admin/v1"+path, strings.NewReader(string(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Authorization", "Bearer "+w.cluster.AdminKey)
	got := w.do(request)
	if got.Status == 0 || got.Status >= 300 {
		w.t.Fatalf("%s %s: %d %v %s", method, path, got.Status, got.Err, got.Body)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(got.Body, out); err != nil {
		w.t.Fatal(err)
	}
}

// do sends a request. It never fails the test: under a fault an error is an answer too.
func (w *world) do(request *http.Request) answer {
	began := time.Now()
	response, err := w.http.Do(request)
	if err != nil {
		return answer{Err: err, Took: time.Since(began)}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{Err: err, Took: time.Since(began)}
	}
	return answer{Status: response.StatusCode, Header: response.Header, Body: body, Took: time.Since(began), closes: response.Close}
}

func (w *world) get(address string, cookies ...*http.Cookie) answer {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		return answer{Err: err}
	}
	for _, c := range cookies {
		request.AddCookie(c)
	}
	return w.do(request)
}

// post sends a form, with the client's secret when it has one.
func (w *world) post(n *e2e.Node, path string, client e2e.Client, form url.Values) answer {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, n.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{Err: err}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client.ClientSecret != "" {
		request.SetBasicAuth(url.QueryEscape(client.ClientID), url.QueryEscape(client.ClientSecret))
	}
	return w.do(request)
}

// authorization is a request for a code, bound to the verifier.
func authorization(client e2e.Client, verifier string) url.Values {
	sum := sha256.Sum256([]byte(longVerifier(verifier)))
	return url.Values{"response_type": {"code"}, "client_id": {client.ClientID}, "redirect_uri": {redirectURI}, "scope": {scopes}, "state": {"s"},
		"nonce": {"n"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
}

// longVerifier makes a verifier of at least 43 characters (RFC 7636 §4.1).
func longVerifier(seed string) string { return "verifier-" + seed + strings.Repeat("-", 43) }

// code asks for a code silently: the user is logged in and the client is first party. "" when there is none.
func (w *world) code(n *e2e.Node, user login) (string, answer) {
	got := w.get(n.URL+"/authorize?"+authorization(w.web, "v").Encode(), user.cookies...)
	location, err := url.Parse(got.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(location.String(), redirectURI) {
		return "", got
	}
	return location.Query().Get("code"), got
}

func (w *world) redeem(n *e2e.Node, code string) answer {
	return w.post(n, "/token", w.web, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {longVerifier("v")}})
}

func (w *world) refresh(n *e2e.Node, token string) answer {
	return w.post(n, "/token", w.web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (w *world) introspect(n *e2e.Node, token string) answer {
	return w.post(n, "/introspect", w.web, url.Values{"token": {token}})
}

func (w *world) machine(n *e2e.Node) answer {
	return w.post(n, "/token", w.service, url.Values{"grant_type": {"client_credentials"}, "scope": {"orders:read"}})
}

// assertion signs a fresh assertion of the partner (RFC 7523 §3).
func (w *world) assertion() string {
	now := time.Now()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: w.partnerKey, KeyID: "p1"}}, nil)
	if err != nil {
		w.t.Error(err)
		return ""
	}
	claims, _ := json.Marshal(map[string]any{"iss": w.partner.ClientID, "sub": w.partner.ClientID, "aud": w.cluster.Issuer,
		"jti": random(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}) // a map of strings and numbers: never fails
	signed, err := signer.Sign(claims)
	if err != nil {
		w.t.Error(err)
		return ""
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		w.t.Error(err)
	}
	return compact
}

func (w *world) assert(n *e2e.Node, assertion string) answer {
	return w.post(n, "/token", e2e.Client{}, url.Values{"grant_type": {"client_credentials"}, "scope": {"orders:read"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}})
}

// session logs nobody in: it takes a code of the user and redeems it. The test fails when that does not work.
func (w *world) session(n *e2e.Node, user login) tokens {
	w.t.Helper()
	code, got := w.code(n, user)
	if code == "" {
		w.t.Fatalf("no code: %d %v %s", got.Status, got.Err, got.Body)
	}
	got = w.redeem(n, code)
	if !got.ok() || got.tokens().Refresh == "" {
		w.t.Fatalf("no tokens: %d %v %s", got.Status, got.Err, got.Body)
	}
	return got.tokens()
}

func random() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
