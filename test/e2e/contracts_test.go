package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// row is one line of wire.md, and the test of it.
type row struct {
	name string
	run  func(*testing.T, *stand)
}

// TestContracts serves every row of wire.md, sections 1 (accounts and API keys) to 5, on both deployments. One stand runs
// all of them: a Redis that was just born refuses identities for a minute. Rows run side by side, so each that changes a
// record makes its own.
func TestContracts(t *testing.T) {
	t.Parallel()
	rows := slices.Concat(exchangeRows(), invoiceRows(), intentRows(), pinRows(), accountRows(), memberRows(), partnerRows(), mountRows(), tryRows())
	for name, start := range map[string]func(*testing.T) *stand{"dev": standDev, "serve": standServe} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			for _, r := range rows {
				t.Run(r.name, func(t *testing.T) {
					t.Parallel()
					r.run(t, s)
				})
			}
			t.Run("OpenAPI: described methods", func(t *testing.T) { t.Parallel(); s.describedMethods(t) })
		})
	}
}

// tryRows: every document's flow as its caller runs it, with every byte shown.
func tryRows() []row {
	var rows []row
	for _, flow := range []string{"hmac", "payer", "intent", "pin", "apikey", "partner"} {
		rows = append(rows, row{"signet try " + flow, func(t *testing.T, s *stand) { tryFlow(t, flow, s.file) }})
	}
	return rows
}

// tryFlow runs the command as send asks: on a machine that is too busy for the deadlines of its stores it comes back. It
// signs anew each time, so that what was consumed before the 503 is no replay.
func tryFlow(t *testing.T, flow, card string) {
	t.Helper()
	out, err := runOnce(t, "try", flow, "--card", card)
	for range maxBusy {
		if err == nil || !strings.Contains(out, "503 Service Unavailable") {
			break
		}
		t.Logf("signet try %s: busy:\n%s", flow, out)
		waitUntil(t, time.Now().Add(2*time.Second))
		out, err = runOnce(t, "try", flow, "--card", card)
	}
	if err != nil {
		t.Fatalf("signet try %s: %v\n%s", flow, err, out)
	}
}

// stand is one deployment under test.
type stand struct {
	name string // dev or serve
	card Card
	file string // of the card
	// nodes are the URLs of every node; the first is the issuer.
	nodes []string
	// mounts are prefixes by the path that they stand before; none on dev.
	mounts map[string][]string
	mtls   string // URL of the listener for certificates, "" on dev
	ca     *authority
	api    *description
}

func standDev(t *testing.T) *stand {
	t.Helper()
	ca := newAuthority(t)
	dev := StartDevIn(t, []string{"SSL_CERT_FILE=" + ca.file})
	return &stand{name: "dev", card: dev.Card, file: dev.CardFile, nodes: []string{dev.Card.Issuer}, ca: ca, api: readDescription(t, dev.Card.Issuer)}
}

func standServe(t *testing.T) *stand {
	t.Helper()
	ca := newAuthority(t)
	port := FreePort(t)
	certFile, keyFile := ca.serverFiles(t)
	mounts := map[string][]string{"/api/v1": {"/payer/auth", "/payer-main/one-time-payment-api"}, "/payment": {"/v3"}, "/auth": {"/lending"}, "/api": {"/service"}}
	s := &stand{name: "serve", mounts: mounts, ca: ca, mtls: fmt.Sprintf("https://localhost:%d", port)}
	cluster, card, file := StartSeeded(t, map[string]any{
		"exchange": map[string]any{"mounts": mounts["/api/v1"], "allow_private_sources": true, "invoice_resource": "invoices"},
		"intents":  map[string]any{"mounts": mounts["/payment"]},
		"pin":      map[string]any{"mounts": mounts["/auth"]},
		"accounts": map[string]any{"mounts": mounts["/api"], "resources": []string{"https://api.example.com"}},
		"mtls":     map[string]any{"url": s.mtls, "listen": fmt.Sprintf("127.0.0.1:%d", port), "cert_file": certFile, "key_file": keyFile},
	}, "SSL_CERT_FILE="+ca.file)
	delete(cluster.Settings, "mtls") // the port is the first node's
	second := cluster.StartNode()
	s.card, s.file, s.nodes, s.api = card, file, []string{card.Issuer, second.URL}, readDescription(t, card.Issuer)
	cluster.Settle(card)
	return s
}

// reply is an answer that fits the description.
type reply struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// send asks the first node, or the URL that path is, and holds the answer to the description. On a machine that is too
// busy for the deadlines of its stores it comes back, as the answer says.
func (s *stand) send(t *testing.T, method, path string, header http.Header, body any) *reply {
	t.Helper()
	r := s.ask(t, method, path, header, body)
	for range maxBusy {
		seconds, err := strconv.Atoi(r.header.Get("Retry-After"))
		if r.status != http.StatusServiceUnavailable || err != nil {
			break
		}
		t.Logf("%s: busy: %s", r.what, r.body)
		waitUntil(t, time.Now().Add(time.Duration(seconds)*time.Second))
		r = s.ask(t, method, path, header, body)
	}
	s.api.check(t, s, r, method, path)
	return r
}

const maxBusy = 3

// waitUntil waits for a moment that only the clock brings: a Retry-After.
func waitUntil(t *testing.T, at time.Time) {
	t.Helper()
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// ask is send for answers that nothing describes: a path that is not there, a method that is none of its own.
func (s *stand) ask(t *testing.T, method, path string, header http.Header, body any) *reply {
	t.Helper()
	address := path
	if strings.HasPrefix(path, "/") {
		address = s.card.Issuer + path
	}
	res, content := SendFromOwnNetwork(t, method, address, header, body)
	return &reply{t: t, what: method + " " + path, status: res.StatusCode, header: res.Header, body: content}
}

// want fails the test at another status.
func (r *reply) want(status int) *reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: status %d, want %d: %s", r.what, r.status, status, r.body)
	}
	return r
}

// object is the body as a JSON object.
func (r *reply) object() map[string]any {
	r.t.Helper()
	var out map[string]any
	if err := json.Unmarshal(r.body, &out); err != nil {
		r.t.Fatalf("%s: no JSON object: %v: %s", r.what, err, r.body)
	}
	return out
}

// list is the body as a JSON array of objects.
func (r *reply) list() []map[string]any {
	r.t.Helper()
	var out []map[string]any
	if err := json.Unmarshal(r.body, &out); err != nil {
		r.t.Fatalf("%s: no JSON array: %v: %s", r.what, err, r.body)
	}
	return out
}

// text is a member of the object that must be a string; "a/b" is the member b of the member a.
func (r *reply) text(path string) string {
	r.t.Helper()
	var value any = r.object()
	for name := range strings.SplitSeq(path, "/") {
		members, _ := value.(map[string]any)
		value = members[name]
	}
	text, ok := value.(string)
	if !ok {
		r.t.Fatalf("%s: no text %s in %s", r.what, path, r.body)
	}
	return text
}

// same fails the test unless both answers are alike in every byte, but for what differs by request.
func (r *reply) same(other *reply) {
	r.t.Helper()
	if mine, yours := r.normal(""), other.normal(""); mine != yours {
		r.t.Errorf("two refusals differ:\n%s\n%s", mine, yours)
	}
}

func form(values url.Values) (http.Header, string) {
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, values.Encode()
}

// formPost posts a form, as the client when it has a secret.
func (s *stand) formPost(t *testing.T, path string, client Client, values url.Values) *reply {
	t.Helper()
	header, body := form(values)
	if client.ClientSecret != "" {
		req := http.Request{Header: header}
		req.SetBasicAuth(url.QueryEscape(client.ClientID), url.QueryEscape(client.ClientSecret))
	}
	return s.send(t, http.MethodPost, path, header, body)
}

// machine gets a client_credentials token.
func (s *stand) machine(t *testing.T, client Client, scope string) string {
	t.Helper()
	return s.formPost(t, "/token", client, url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}).want(http.StatusOK).text("access_token")
}

// introspect asks as the card's resource server.
func (s *stand) introspect(t *testing.T, token string) map[string]any {
	t.Helper()
	return s.formPost(t, "/introspect", s.card.Clients.ResourceServer, url.Values{"token": {token}}).want(http.StatusOK).object()
}

// admin asks the admin API and reads its answer into out, unless that is nil.
func (s *stand) admin(t *testing.T, method, path string, in, out any) {
	t.Helper()
	s.adminAt(t, method, path, "", in, out)
}

func (s *stand) adminAt(t *testing.T, method, path, version string, in, out any) http.Header {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + s.card.Admin.APIKey}}
	if version != "" {
		header.Set("If-Match", version)
	}
	res, content := Send(t, method, s.card.Admin.APIURL+path, header, in)
	if res.StatusCode >= http.StatusMultipleChoices {
		t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, content)
	}
	if out != nil {
		if err := json.Unmarshal(content, out); err != nil {
			t.Fatal(err)
		}
	}
	return res.Header
}

// amend changes members of a record.
func (s *stand) amend(t *testing.T, path string, members map[string]any) {
	t.Helper()
	record := map[string]any{}
	version := s.adminAt(t, http.MethodGet, path, "", nil, &record).Get("ETag")
	for name, value := range members {
		record[name] = value
	}
	s.adminAt(t, http.MethodPut, path, version, record, nil)
}

// client registers a client.
func (s *stand) client(t *testing.T, metadata map[string]any) Client {
	t.Helper()
	var made Client
	s.admin(t, http.MethodPost, "/clients", metadata, &made)
	return made
}

// withToken is a header with the token.
func withToken(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
