package conformance

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/test/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

// client is a relying party's registration. post: it authenticates in the form.
type client struct {
	id, secret, redirect, loggedOut string
	post                            bool
}

// op is the server under test and the relying parties that were registered for it.
type op struct {
	*e2e.Dev
	http     *http.Client
	user     e2e.User
	metadata map[string]any
	keys     jose.JSONWebKeySet
	// first and second are the suite's two clients, post is the one of oidcc-server-client-secret-post, web the card's,
	// which must use PKCE.
	first, second, post, web client
}

// startOP starts the server, registers the clients and reads metadata and keys. The callbacks are real: what a browser
// posts there comes back in the page, see received.
func startOP(t *testing.T) *op {
	t.Helper()
	o := &op{Dev: e2e.StartDev(t, "--tls")}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: o.Roots(t), MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	o.http = &http.Client{Timeout: 20 * time.Second, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	o.user = o.Card.Users[0]
	callbacks := httptest.NewServer(http.HandlerFunc(serveCallback))
	t.Cleanup(callbacks.Close)
	o.first = o.register(t, callbacks.URL, "first", "client_secret_basic")
	o.second = o.register(t, callbacks.URL, "second", "client_secret_basic")
	o.post = o.register(t, callbacks.URL, "post", "client_secret_post")
	web := o.Card.Clients.Web
	o.web = client{id: web.ClientID, secret: web.ClientSecret, redirect: web.RedirectURIs[0], loggedOut: web.PostLogoutRedirectURIs[0]}
	o.metadata = o.document(t, o.Card.Issuer+"/.well-known/openid-configuration")
	jwks := o.send(t, o.get(t, o.endpoint(t, "jwks_uri")))
	if err := json.Unmarshal(jwks.body, &o.keys); err != nil {
		t.Fatalf("JWKS: %v", err)
	}
	return o
}

// register makes a client by the admin API. PKCE is not required: most modules send no challenge.
func (o *op) register(t *testing.T, callbacks, name, method string) client {
	t.Helper()
	c := client{redirect: callbacks + "/" + name + "/callback", loggedOut: callbacks + "/" + name + "/logged-out", post: method == "client_secret_post"}
	body, err := json.Marshal(map[string]any{
		"client_name": "Conformance " + name, "token_endpoint_auth_method": method, "require_pkce": false,
		"grant_types": []string{"authorization_code", "refresh_token"}, "redirect_uris": []string{c.redirect},
		"post_logout_redirect_uris": []string{c.loggedOut}, "scope": "openid profile email address phone offline_access",
	})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, o.Card.Admin.APIURL+"/clients", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+o.Card.Admin.APIKey)
	request.Header.Set("Content-Type", "application/json")
	answer := o.send(t, request)
	if answer.status != http.StatusCreated {
		t.Fatalf("client %s: %d %s", name, answer.status, answer.body)
	}
	c.id, c.secret = answer.text("client_id"), answer.text("client_secret")
	return c
}

// answer is a response that was read whole.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	members map[string]any // nil when the body is no JSON object
}

func (a *answer) text(name string) string {
	value, _ := a.members[name].(string)
	return value
}

func (a *answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

func (o *op) get(t *testing.T, address string) *http.Request {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func (o *op) form(t *testing.T, address string, form url.Values) *http.Request {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return request
}

func (o *op) send(t *testing.T, request *http.Request) *answer {
	t.Helper()
	response, err := o.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := &answer{status: response.StatusCode, header: response.Header, body: body}
	_ = json.Unmarshal(body, &out.members) // not every answer is an object; those who need members look
	return out
}

func (o *op) document(t *testing.T, address string) map[string]any {
	t.Helper()
	answer := o.send(t, o.get(t, address))
	if answer.status != http.StatusOK || mediaType(answer.header) != "application/json" || answer.members == nil {
		t.Fatalf("%s: %v, Content-Type %q", address, answer, answer.header.Get("Content-Type"))
	}
	return answer.members
}

// endpoint returns a URL of the metadata.
func (o *op) endpoint(t *testing.T, name string) string {
	t.Helper()
	value, _ := o.metadata[name].(string)
	if value == "" {
		t.Fatalf("the metadata has no %s", name)
	}
	return value
}

// list returns an array of strings of the metadata, nil when there is none.
func (o *op) list(t *testing.T, name string) []string {
	t.Helper()
	raw, there := o.metadata[name]
	if !there {
		return nil
	}
	values, ok := raw.([]any)
	if !ok {
		t.Fatalf("%s is no array", name)
	}
	var out []string
	for _, value := range values {
		text, ok := value.(string)
		if !ok {
			t.Fatalf("%s holds %v", name, value)
		}
		out = append(out, text)
	}
	return out
}

// lacks fails when the metadata lists the value: the suite reports a module SKIPPED only on such a condition.
func (o *op) lacks(t *testing.T, name, value string) {
	t.Helper()
	if slices.Contains(o.list(t, name), value) {
		t.Errorf("%s lists %s: the module would not be skipped", name, value)
	}
}

// received is what arrived at a callback.
type received struct {
	Method, ContentType, Query string
	Form                       url.Values
}

// serveCallback shows in the page what arrived, so that the browser that brought it can tell.
func serveCallback(w http.ResponseWriter, r *http.Request) {
	got := received{Method: r.Method, ContentType: r.Header.Get("Content-Type"), Query: r.URL.RawQuery}
	if r.ParseForm() == nil {
		got.Form = r.PostForm
	}
	content, err := json.Marshal(got)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><title>callback</title><p id="received">%s</p>`, base64.StdEncoding.EncodeToString(content))
}
