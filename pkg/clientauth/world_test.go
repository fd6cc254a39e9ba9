package clientauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/signet"
)

const (
	issuer   = "https://as.test"
	endpoint = "https://as.test/token"
	jwtType  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// start is the moment at which every test begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is an Authenticator with its surroundings in memory.
type world struct {
	auth     *clientauth.Authenticator
	now      time.Time
	hashKeys signet.HashKeys
	clients  map[signet.ClientID]*signet.Client
	marks    *memoryMarks
	failures *memoryFailures
	alarms   *memoryAlarms
	lookups  atomic.Int64
	hashed   atomic.Int64 // how often hashing keys were asked for
	lookErr  error
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldWith(t, nil)
}

// newWorldWith is newWorld with another home of replay marks; nil is the one in memory. change alters the options.
func newWorldWith(t testing.TB, home clientauth.Marks, change ...func(*clientauth.Options)) *world {
	t.Helper()
	w := &world{
		now:      start,
		hashKeys: signet.HashKeys{Current: "h1", Keys: map[signet.KeyID][]byte{"h1": []byte("0123456789abcdef0123456789abcdef")}},
		clients:  map[signet.ClientID]*signet.Client{},
		failures: &memoryFailures{limit: 1 << 20, counts: map[string]int{}},
		alarms:   &memoryAlarms{},
	}
	w.marks = &memoryMarks{seen: map[string]time.Time{}, now: func() time.Time { return w.now }}
	if home == nil {
		home = w.marks
	}
	options := clientauth.Options{
		Clients: w, Marks: home, Failures: w.failures, Alarms: w.alarms,
		HashKeys: func() signet.HashKeys { w.hashed.Add(1); return w.hashKeys },
		Issuer:   issuer, TokenEndpoints: []string{endpoint, "https://legacy.test/payer/auth/token"},
		Now: func() time.Time { return w.now },
	}
	for _, alter := range change {
		alter(&options)
	}
	auth, err := clientauth.New(options)
	if err != nil {
		t.Fatal(err)
	}
	w.auth = auth
	return w
}

// Client is the register.
func (w *world) Client(_ context.Context, id signet.ClientID) (*signet.Client, error) {
	w.lookups.Add(1)
	if w.lookErr != nil {
		return nil, w.lookErr
	}
	if client := w.clients[id]; client != nil {
		return client, nil
	}
	return nil, signet.ErrNotFound
}

// secretClient adds a client with a secret.
func (w *world) secretClient(id signet.ClientID, method signet.AuthMethod, secret string) *signet.Client {
	client := &signet.Client{ID: id, Version: 1, ClientMetadata: signet.ClientMetadata{TokenEndpointAuthMethod: method}}
	client.Secrets = []signet.ClientSecret{{ID: "s1", Hash: w.hashKeys.Hash(secret), CreatedAt: w.now}}
	w.clients[id] = client
	return client
}

// keyClient adds a private_key_jwt client with these keys.
func (w *world) keyClient(t testing.TB, id signet.ClientID, keys ...*testKey) *signet.Client {
	t.Helper()
	client := &signet.Client{ID: id, Version: 1, ClientMetadata: signet.ClientMetadata{
		TokenEndpointAuthMethod: signet.AuthPrivateKeyJWT, JWKS: jwks(t, keys...),
	}}
	w.clients[id] = client
	return client
}

func (w *world) authenticate(params url.Values, authorization ...string) (*clientauth.Result, error) {
	return w.auth.Authenticate(context.Background(), clientauth.Request{
		Params: params, Authorization: authorization, Address: netip.MustParseAddr("192.0.2.7"),
	})
}

// assert presents an assertion.
func (w *world) assert(token string) (*clientauth.Result, error) {
	return w.authenticate(url.Values{"client_assertion": {token}, "client_assertion_type": {jwtType}})
}

type memoryMarks struct {
	mu   sync.Mutex
	now  func() time.Time
	seen map[string]time.Time
	err  error
	last signet.Mark
}

func (m *memoryMarks) Use(_ context.Context, mark signet.Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	key := mark.Space + "\x00" + mark.Key
	if until, ok := m.seen[key]; ok && m.now().Before(until) {
		return signet.ErrUsed
	}
	m.seen[key] = mark.ExpiresAt
	m.last = mark
	return nil
}

type memoryFailures struct {
	mu     sync.Mutex
	limit  int
	counts map[string]int
}

func (f *memoryFailures) Refused(_ context.Context, key string) (int, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return 60, f.counts[key] >= f.limit
}

func (f *memoryFailures) Failed(_ context.Context, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[key]++
}

type memoryAlarms struct {
	mu     sync.Mutex
	events []signet.Event
	err    error
}

func (a *memoryAlarms) Record(_ context.Context, event signet.Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, event)
	return a.err
}

// testKey is a client's key pair.
type testKey struct {
	kid, alg string
	private  crypto.Signer
	use      string // of the JWK; "" is sig
	jwkAlg   string // alg of the JWK; "" leaves it out
}

func newKey(t testing.TB, kid, alg string) *testKey {
	t.Helper()
	key := &testKey{kid: kid, alg: alg}
	var err error
	switch alg {
	case "ES256":
		key.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		key.private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, key.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		key.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (k *testKey) jwk(t testing.TB) json.RawMessage {
	t.Helper()
	use := k.use
	if use == "" {
		use = "sig"
	}
	raw, err := json.Marshal(jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Use: use, Algorithm: k.jwkAlg})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func jwks(t testing.TB, keys ...*testKey) json.RawMessage {
	t.Helper()
	list := make([]json.RawMessage, 0, len(keys))
	for _, key := range keys {
		list = append(list, key.jwk(t))
	}
	raw, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// sign makes a compact JWS of exactly these bytes, whatever they say, so that a test can lie in the header.
func (k *testKey) sign(t testing.TB, header, claims string) string {
	t.Helper()
	input := b64([]byte(header)) + "." + b64([]byte(claims))
	return input + "." + b64(k.signature(t, input))
}

func (k *testKey) signature(t testing.TB, input string) []byte {
	t.Helper()
	digest := sha256.Sum256([]byte(input))
	var signature []byte
	var err error
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		r, s, signErr := ecdsa.Sign(rand.Reader, private, digest[:])
		size := (private.Curve.Params().BitSize + 7) / 8
		signature, err = make([]byte, 2*size), signErr
		r.FillBytes(signature[:size])
		s.FillBytes(signature[size:])
	case ed25519.PrivateKey:
		signature = ed25519.Sign(private, []byte(input))
	case *rsa.PrivateKey:
		if k.alg == "PS256" {
			signature, err = rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32})
		} else {
			signature, err = rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func (k *testKey) header() string { return `{"alg":"` + k.alg + `","kid":"` + k.kid + `"}` }

// with returns good claims of client "pk" with some replaced; a nil value removes a claim.
func with(changes map[string]any) string {
	claims := map[string]any{
		"iss": "pk", "sub": "pk", "aud": issuer, "jti": signet.NewID(),
		"iat": start.Unix(), "exp": start.Unix() + 60,
	}
	for name, value := range changes {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// want checks code and reason of an answer; code "" is success.
func want(t *testing.T, result *clientauth.Result, err error, code signet.Code, reason string) {
	t.Helper()
	if got := signet.CodeOf(err); got != code {
		t.Fatalf("code %q, want %q (%v)", got, code, err)
	}
	if code == "" {
		if result.Client == nil {
			t.Fatal("no client beside success")
		}
		return
	}
	if reason != "" && signet.ReasonOf(err) != reason {
		t.Errorf("reason %q, want %q", signet.ReasonOf(err), reason)
	}
}
