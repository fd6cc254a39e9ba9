package attacks

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

const answerWithin = 20 * time.Second

// world is one server under attack.
type world struct {
	*e2e.Dev
	t    *testing.T
	http *http.Client
	pid  int // of a server that is no Process
}

func (w *world) process() int {
	if w.pid != 0 {
		return w.pid
	}
	return w.PID()
}

func newWorld(t *testing.T, args ...string) *world {
	t.Helper()
	return &world{t: t, Dev: e2e.StartDev(t, args...), http: newClient()}
}

// full asks for the catalogue's own sizes: make attacks.
var full = flag.Bool("full", false, "attack at the sizes of the catalogue")

// size is how often an attack is repeated: few times in every run, the catalogue's number with -full.
func size(few, catalogue int) int {
	if *full {
		return catalogue
	}
	return few
}

// newClient has connections of its own and follows nothing.
func newClient() *http.Client {
	return &http.Client{Timeout: answerWithin, Transport: &http.Transport{MaxIdleConnsPerHost: 4, DisableCompression: true, ExpectContinueTimeout: answerWithin},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// newClientFrom is a stranger of another /24, as far as loopback goes.
func newClientFrom(network int) *http.Client {
	client := newClient()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(network), 1)}}
	client.Transport.(*http.Transport).DialContext = dialer.DialContext
	return client
}

// answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// text returns a string member of a JSON object, "" when there is none.
func (a answer) text(name string) string {
	var members map[string]any
	if json.Unmarshal([]byte(a.body), &members) != nil {
		return ""
	}
	value, _ := members[name].(string)
	return value
}

func (a answer) active() bool { return strings.Contains(a.body, `"active":true`) }

// send is for goroutines: it never ends the test.
func send(client *http.Client, request *http.Request) (answer, error) {
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}, err
}

func (w *world) do(request *http.Request) answer {
	w.t.Helper()
	a, err := send(w.http, request)
	if err != nil {
		w.t.Fatalf("%s %s: %v", request.Method, request.URL.Path, err)
	}
	return a
}

func (w *world) get(path string, headers ...string) answer {
	w.t.Helper()
	return w.do(w.request(http.MethodGet, path, "", headers...))
}

// request builds a request to the public listener; headers are name, value, name, value.
func (w *world) request(method, path, body string, headers ...string) *http.Request {
	w.t.Helper()
	request, err := http.NewRequest(method, w.Card.Issuer+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if len(body) > 128<<10 {
		// Refused by its length, and the connection closed: whoever is still sending then may not see the answer.
		request.Header.Set("Expect", "100-continue")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	return request
}

// form is a POST to the public listener, authenticated as the client: by Basic when it has a secret, else by client_id.
func (w *world) form(path string, client e2e.Client, form url.Values, headers ...string) *http.Request {
	w.t.Helper()
	if client.ClientID != "" && client.ClientSecret == "" {
		form.Set("client_id", client.ClientID)
	}
	request := w.request(http.MethodPost, path, form.Encode(), headers...)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client.ClientSecret != "" {
		request.SetBasicAuth(url.QueryEscape(client.ClientID), url.QueryEscape(client.ClientSecret))
	}
	return request
}

func (w *world) post(path string, client e2e.Client, form url.Values, headers ...string) answer {
	w.t.Helper()
	return w.do(w.form(path, client, form, headers...))
}

// admin calls the admin API; path begins behind /admin/v1.
func (w *world) admin(method, path string, in any, headers ...string) answer {
	w.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	request, err := http.NewRequest(method, w.Card.Admin.APIURL+path, strings.NewReader(string(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+w.Card.Admin.APIKey)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return w.do(request)
}

// register makes a web client like the card's with changes.
func (w *world) register(changes map[string]any) e2e.Client {
	w.t.Helper()
	metadata := map[string]any{
		"client_name": "Shop", "redirect_uris": []string{"https://rp.test/cb"}, "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"authorization_code", "refresh_token"}, "scope": "openid profile offline_access",
	}
	for name, value := range changes {
		metadata[name] = value
	}
	a := w.admin(http.MethodPost, "/clients", metadata)
	if a.status != http.StatusCreated {
		w.t.Fatalf("a client is not registered: %d %s", a.status, a.body)
	}
	return e2e.Client{ClientID: a.text("client_id"), ClientSecret: a.text("client_secret"), RedirectURIs: []string{"https://rp.test/cb"}}
}

// authorization is an authorization request that works.
func authorization(client e2e.Client, verifier string) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	return url.Values{
		"client_id": {client.ClientID}, "response_type": {"code"}, "redirect_uri": {client.RedirectURIs[0]},
		"scope": {"openid profile offline_access"}, "state": {"st-" + random()}, "nonce": {"no-" + random()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
}

// code walks the pages and returns the form that redeems the code.
func (w *world) code(browser *e2e.Browser, client e2e.Client) url.Values {
	w.t.Helper()
	verifier := random() + random() + random()
	callback := browser.LogIn(w.Card.Issuer+"/authorize?"+authorization(client, verifier).Encode(), w.Card.Users[0])
	code := callback.Query().Get("code")
	if code == "" {
		w.t.Fatalf("no code in %s", callback)
	}
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier},
		"redirect_uri": {client.RedirectURIs[0]}}
}

// tokens is the answer to a fresh code.
func (w *world) tokens(browser *e2e.Browser, client e2e.Client) answer {
	w.t.Helper()
	a := w.post("/token", client, w.code(browser, client))
	if a.status != http.StatusOK || a.text("access_token") == "" || a.text("refresh_token") == "" {
		w.t.Fatalf("no tokens: %d %s", a.status, a.body)
	}
	return a
}

// serviceToken is a client_credentials token for the resource server.
func (w *world) serviceToken() string {
	w.t.Helper()
	a := w.post("/token", w.Card.Clients.Service, url.Values{"grant_type": {"client_credentials"}, "scope": {"orders:read"}})
	if a.status != http.StatusOK {
		w.t.Fatalf("no token: %d %s", a.status, a.body)
	}
	return a.text("access_token")
}

func (w *world) introspect(token string) answer {
	w.t.Helper()
	return w.post("/introspect", w.Card.Clients.ResourceServer, url.Values{"token": {token}})
}

// raw writes bytes to a listener and reads until it closes the connection. A connection that the server closes while
// bytes are still on their way counts as an end.
func raw(t *testing.T, base, text string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(conn, text)
	}()
	body, err := io.ReadAll(bufio.NewReader(conn))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection stays open after %.60q…: %.80q", text, body)
	}
	_ = conn.Close()
	<-written
	return string(body)
}

// statusOf reads the status of a raw answer, 0 when there is none.
func statusOf(text string) int {
	fields := strings.Fields(text)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "HTTP/1.") || len(fields[1]) != 3 {
		return 0
	}
	status := 0
	for _, c := range fields[1] {
		status = status*10 + int(c-'0')
	}
	return status
}

func random() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
