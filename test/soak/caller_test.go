package soak

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/test/e2e"
)

// answerWithin is longer than every deadline of the server: whoever waits as long found it hanging.
const answerWithin = 30 * time.Second

// errBusy: the server asked to come again later, as it may.
var errBusy = errors.New("busy")

// caller is one of those who call side by side. It is used by one goroutine.
type caller struct {
	*scene
	number int
	from   string // the network that it calls from
	http   *http.Client
	// browser and tokens are of a person who stays logged in; nil before the first login.
	browser *e2e.Browser
	bearer  string // an access token of that person
}

func (s *scene) newCaller(number int) *caller {
	return &caller{scene: s, number: number, from: fmt.Sprintf("10.9.%d.7", number), http: &http.Client{Timeout: answerWithin,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 4},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is a response, read whole.
type answer struct {
	what    string
	status  int
	header  http.Header
	body    string
	members map[string]any
}

func (a *answer) text(names ...string) string {
	var value any = a.members
	for _, name := range names {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	text, _ := value.(string)
	return text
}

// node is the URL of either node.
func (c *caller) node() *e2e.Node { return c.nodes[mathrand.IntN(len(c.nodes))] }

// send waits for its turn and sends; body is nil, a text that is sent as it is, a form, or what becomes JSON.
func (c *caller) send(method, address string, header http.Header, body any) (*answer, error) {
	<-c.pace
	var content string
	kind := ""
	switch body := body.(type) {
	case nil:
	case string:
		content, kind = body, "application/json"
	case url.Values:
		content, kind = body.Encode(), "application/x-www-form-urlencoded"
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content, kind = string(encoded), "application/json"
	}
	request, err := http.NewRequest(method, address, strings.NewReader(content))
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-Forwarded-For", c.from)
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	maps.Copy(request.Header, header)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	c.sent.Add(1)
	out := &answer{what: method + " " + request.URL.Path, status: response.StatusCode, header: response.Header, body: string(read)}
	_ = json.Unmarshal(read, &out.members) // not every answer is an object
	return out, nil
}

// want sends and wants one of the statuses. A 503 that says when to come again is errBusy.
func (c *caller) want(statuses []int, method, address string, header http.Header, body any) (*answer, error) {
	a, err := c.send(method, address, header, body)
	switch {
	case err != nil:
		return nil, err
	case slices.Contains(statuses, a.status):
		return a, nil
	case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
		return nil, errBusy
	}
	return nil, fmt.Errorf("%s: %d, want %v: %.300s", a.what, a.status, statuses, a.body)
}

func is(statuses ...int) []int { return statuses }

// call is want at the public listener of either node.
func (c *caller) call(statuses []int, method, path string, header http.Header, body any) (*answer, error) {
	return c.want(statuses, method, c.node().URL+path, header, body)
}

// admin is want at the admin listener of either node, and 200, 201 or 204 are wanted. A PUT reads the record first, lays
// the members over it, and sends its version.
func (c *caller) admin(method, path string, in map[string]any) (*answer, error) {
	address, header := c.node().AdminURL+"/admin/v1"+path, http.Header{"Authorization": {"Bearer " + c.card.Admin.APIKey}}
	if method == http.MethodPut {
		record, err := c.send(http.MethodGet, address, header, nil)
		if err != nil {
			return nil, err
		}
		if tag := record.header.Get("ETag"); tag != "" {
			header.Set("If-Match", tag)
			maps.Copy(record.members, in)
			in = record.members
		}
	}
	var body any
	if in != nil {
		body = in
	}
	return c.want(is(200, 201, 204), method, address, header, body)
}

// script is admin acts one after the other; it ends at the first that fails.
type script struct {
	c   *caller
	err error
}

func (s *script) do(method, path string, in map[string]any) *answer {
	if s.err != nil {
		return &answer{}
	}
	var a *answer
	if a, s.err = s.c.admin(method, path, in); s.err != nil {
		return &answer{}
	}
	return a
}

// then is a call at the public listener.
func (s *script) then(statuses []int, method, path string, header http.Header, body any) *answer {
	if s.err != nil {
		return &answer{}
	}
	var a *answer
	if a, s.err = s.c.call(statuses, method, path, header, body); s.err != nil {
		return &answer{}
	}
	return a
}

func (c *caller) script() *script { return &script{c: c} }

// basic is client_secret_basic.
func basic(client e2e.Client) http.Header {
	request := http.Request{Header: http.Header{}}
	request.SetBasicAuth(url.QueryEscape(client.ClientID), url.QueryEscape(client.ClientSecret))
	return request.Header
}

func withToken(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func apiKey(key string) http.Header { return http.Header{"X-Api-Key": {key}} }

// token asks for a token at /token and wants 200.
func (s *script) token(client e2e.Client, form url.Values) *answer {
	var header http.Header
	if client.ClientSecret != "" {
		header = basic(client)
	} else if client.ClientID != "" {
		form.Set("client_id", client.ClientID)
	}
	return s.then(is(200), http.MethodPost, "/token", header, form)
}

// active introspects as the card's resource server.
func (s *script) active(token string, want bool) {
	a := s.then(is(200), http.MethodPost, "/introspect", basic(s.c.card.Clients.ResourceServer), url.Values{"token": {token}})
	if got, _ := a.members["active"].(bool); s.err == nil && got != want {
		s.err = fmt.Errorf("introspection says active %v, want %v: %s", got, want, a.body)
	}
}

// prepare makes what everybody shares: the victim, and the partners' keys.
func (s *scene) prepare() {
	s.t.Helper()
	c := s.newCaller(0)
	defer c.http.CloseIdleConnections()
	made, err := c.admin(http.MethodPost, "/clients", map[string]any{"client_name": "Victim", "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"client_credentials"}, "scope": "a"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.victim = e2e.Client{ClientID: made.text("client_id"), ClientSecret: made.text("client_secret")}
	for _, who := range []*string{&s.guest, &s.second} {
		if made, err = c.admin(http.MethodPost, "/users", map[string]any{"username": "guest-" + rand.Text(), "email": rand.Text() + "@example.com"}); err != nil {
			s.t.Fatal(err)
		}
		*who = made.text("sub")
	}
	s.signers = map[string]jose.SigningKey{}
	for _, client := range []e2e.Client{s.card.Clients.Partner, s.card.Clients.PartnerES256} {
		content, err := os.ReadFile(client.PrivateKeyFile)
		if err != nil {
			s.t.Fatal(err)
		}
		block, _ := pem.Decode(content)
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			s.t.Fatal(err)
		}
		s.signers[client.ClientID] = jose.SigningKey{Algorithm: jose.SignatureAlgorithm(client.Alg), Key: jose.JSONWebKey{Key: key, KeyID: client.KID}}
	}
	for use, alg := range map[string]string{"sig": "ES256", "enc": "ECDH-ES+A256KW"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			s.t.Fatal(err)
		}
		s.partnerKeys.Keys = append(s.partnerKeys.Keys, jose.JSONWebKey{Key: &key.PublicKey, KeyID: use, Use: use, Algorithm: alg})
	}
}

// sign is a client assertion for the issuer, of now.
func (s *scene) sign(client e2e.Client) (string, error) {
	signer, err := jose.NewSigner(s.signers[client.ClientID], nil)
	if err != nil {
		return "", err
	}
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{"iss": client.ClientID, "sub": client.ClientID, "aud": s.card.Issuer, "jti": signet.NewUUID(),
		"iat": now, "exp": now + 60})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
