package intent_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/intent"
	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// What the document's samples were made of.
const (
	sampleIssuer   = "PayFabric_V3"
	sampleInstance = "f242bd6d-7a23-41d7-a12e-46427ce4eba4"
	sampleDevice   = "72972a2b-8a71-4e29-aeab-1c418b136869"
	sampleSubject  = "HPP21040500682801"
	sampleOrder    = `{"Audience":"PaymentPage","Subject":"` + sampleSubject + `"}`
	sampleMethods  = `[{"type":"CreditCard","src":"URL","attributes":null},{"type":"ECheck","src":"URL","attributes":null},` +
		`{"type":"PAYPAL","src":"https:\/\/www.paypal.com\/sdk\/js?client-id=AfGQA1jQrGwqYSqbrN6M0ZnXwvDZNVKaXlNvI8VYbmb14vFWrF5CQtgw-O6xvz6n7sLtmvWJ0s0A5uW3&merchant-id=Q3E49R5X48QLG&enable-funding=venmo&disable-funding=paylater,card&currency=USD&integration-date=2021-03-16",` +
		`"attributes":[{"key":"data-partner-attribution-id","value":"Nodus_SP_PPCP"}]}]`

	createPath   = "/payment/api/jwt/create"
	validatePath = "/payment/api/jwt/validate"
	devicePass   = "sesame|with:both"
	failureLimit = 5
)

// sampleTime is when the document's first sample was made.
func sampleTime() time.Time { return time.Unix(1617687257, 0) }

// clock is the time of a world.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// callers stands for the room that proves API keys and access tokens: what it answers for a credential is set by hand.
type callers struct {
	known map[string]*signet.Caller
	err   error
}

func (c *callers) Caller(r *http.Request) (*signet.Caller, error) {
	if c.err != nil {
		return nil, c.err
	}
	sent := r.Header.Get("X-Api-Key") + r.Header.Get("Authorization")
	if caller := c.known[sent]; caller != nil {
		return caller, nil
	}
	return nil, &signet.Error{Code: signet.CodeInvalidToken, Reason: "credential_unknown"}
}

// roles grants the one permission of this room to the role hosted-page.
type roles struct{}

func (roles) Permissions(role string) (own, global []string) {
	if role == "hosted-page" {
		return nil, []string{intent.ValidateAny}
	}
	return []string{intent.ValidateAny}, []string{"payment-requests:read"}
}

// events keeps what was queued.
type events struct {
	mu   sync.Mutex
	list []signet.Event
}

func (e *events) Traffic(event signet.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event)
}

func (e *events) last(t *testing.T) signet.Event {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) == 0 {
		t.Fatal("no event")
	}
	return e.list[len(e.list)-1]
}

// world is the room on a real store and a real ring, behind the real HTTP kit.
type world struct {
	t       *testing.T
	clock   *clock
	store   *sqlstore.Store
	ring    *keys.Ring
	callers *callers
	events  *events
	log     *strings.Builder
	options intent.Options
	limits  web.Limits
	handler http.Handler
	account *signet.Account // the document's
	key     []byte          // its HS256 key
}

func newWorld(t *testing.T, change ...func(*intent.Options)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{at: sampleTime()}, events: &events{}, callers: &callers{known: map[string]*signet.Caller{}}, limits: web.Limits{Off: true}}
	quiet := slog.New(slog.DiscardHandler)

	var err error
	w.store, err = sqlstore.Open(t.Context(), sqlstore.Options{Driver: sqlstore.DriverSQLite, DSN: filepath.Join(t.TempDir(), "i.db"),
		Now: w.clock.now, Node: signet.NewNodeID(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	if err := w.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.ring, err = keys.New(keys.Options{Store: w.store, KEKs: map[string][]byte{"k": make([]byte, 32)}, CurrentKEK: "k", Now: w.clock.now, Log: quiet,
		Plan: keys.Plan{JWKSMaxAge: 15 * time.Minute, LongestToken: 24 * time.Hour, HintRetention: 90 * 24 * time.Hour, Leeway: 10 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ring.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	failures, err := web.NewFailures(web.FailuresOptions{Limit: failureLimit, Window: 5 * time.Minute, Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	w.options = intent.Options{Callers: w.callers, Devices: w.store, Accounts: w.store, Keys: w.ring, NewKeys: w.store, Signer: w.ring, Spent: w.store,
		Roles: roles{}, Failures: failures, Traffic: w.events, HashKeys: w.ring.HashKeys, Issuer: sampleIssuer, Now: w.clock.now}
	for _, c := range change {
		c(&w.options)
	}
	w.open()
	w.account, w.key = w.addAccount("Merchant", sampleInstance, signet.AccountSettings{SupportedPaymentMethods: json.RawMessage(sampleMethods)})
	w.addDevice(w.account.ID, "1", sampleDevice, devicePass)
	return w
}

// open builds the room from the options.
func (w *world) open() {
	w.t.Helper()
	room, err := intent.New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.log = &strings.Builder{}
	w.handler, err = web.New(web.Options{Routes: room.Routes(), Log: slog.New(slog.NewTextHandler(w.log, nil)), Now: w.clock.now, Limits: w.limits})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) event(kind signet.EventKind) signet.Event {
	return signet.Event{ID: signet.NewEventID(), Kind: kind, At: w.clock.now(), Actor: "admin:test"}
}

// addAccount adds an account with one key.
func (w *world) addAccount(name, instance string, settings signet.AccountSettings) (*signet.Account, []byte) {
	w.t.Helper()
	now := w.clock.now()
	account := &signet.Account{ID: signet.NewUUID(), Name: name, Type: signet.AccountOrg, Instance: instance, Settings: settings,
		CreatedAt: now, CreatedBy: "admin:test", UpdatedAt: now, UpdatedBy: "admin:test", Version: 1}
	if err := w.store.InsertAccount(w.t.Context(), account, nil, w.event(signet.EventAccountCreated)); err != nil {
		w.t.Fatal(err)
	}
	key := sha256.Sum256([]byte("key of " + name))
	w.addKey(account.ID, "first", key[:])
	return account, key[:]
}

func (w *world) addKey(account, id string, plain []byte) {
	w.t.Helper()
	key := &signet.SealedKey{ID: signet.KeyID(id), Owner: signet.OwnerAccount + account, Use: signet.KeyIntent, Alg: "HS256", CreatedAt: w.clock.now()}
	w.ring.SealRecord(key, plain)
	if err := w.store.PutSealedKey(w.t.Context(), key, w.event(signet.EventCredentialAdded)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) addDevice(account, dcn, id, password string) {
	w.t.Helper()
	device := &signet.Device{ID: id, DCN: dcn, AccountID: account, Name: "till", Hash: w.ring.HashKeys().Hash(password), CreatedAt: w.clock.now(), Version: 1}
	if err := w.store.InsertDevice(w.t.Context(), device, w.event(signet.EventDeviceCreated)); err != nil {
		w.t.Fatal(err)
	}
}

// settings changes an account's settings.
func (w *world) settings(account *signet.Account, change func(*signet.AccountSettings)) {
	w.t.Helper()
	fresh, err := w.store.Account(w.t.Context(), account.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	changed := *fresh
	change(&changed.Settings)
	changed.UpdatedAt = w.clock.now()
	if err := w.store.UpdateAccount(w.t.Context(), &changed, w.event(signet.EventAccountUpdated)); err != nil {
		w.t.Fatal(err)
	}
}

// device is the document's credential.
func device() []string {
	return []string{"Authorization", "1:" + sampleDevice + "|" + devicePass}
}

// send posts JSON from 192.0.2.7; headers are name, value pairs. "From" is the address instead.
func (w *world) send(path, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.7:1234"
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		switch headers[i] {
		case "From":
			r.RemoteAddr = headers[i+1]
		case "Content-Type":
			r.Header.Set(headers[i], headers[i+1])
		default:
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	return answer
}

// want posts and fails on another status.
func (w *world) want(status int, path, body string, headers ...string) string {
	w.t.Helper()
	answer := w.send(path, body, headers...)
	got := answer.Body.String()
	if answer.Code != status {
		w.t.Fatalf("%s %s: status %d, want %d: %s", path, body, answer.Code, status, got)
	}
	if kind := answer.Header().Get("Content-Type"); kind != "application/json" {
		w.t.Fatalf("%s %s: content type %q", path, body, kind)
	}
	return got
}

// make creates the document's intent and returns its token.
func (w *world) make(headers ...string) string {
	w.t.Helper()
	if headers == nil {
		headers = device()
	}
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(w.want(http.StatusOK, createPath, sampleOrder, headers...)), &answer); err != nil {
		w.t.Fatal(err)
	}
	return answer.Token
}

// verdict is what validate answers.
type verdict struct {
	Message *string
	Payload json.RawMessage
	Token   *string
	Valid   bool
}

// validate sends a token and returns "valid", or the message; it checks that a refusal shows no claims and that the
// token is echoed.
func (w *world) validate(token string, headers ...string) string {
	w.t.Helper()
	if headers == nil {
		headers = device()
	}
	body, err := json.Marshal(map[string]string{"Token": token})
	if err != nil {
		w.t.Fatal(err)
	}
	var v verdict
	if err := json.Unmarshal([]byte(w.want(http.StatusOK, validatePath, string(body), headers...)), &v); err != nil {
		w.t.Fatal(err)
	}
	if v.Token == nil || *v.Token != token {
		w.t.Errorf("the token is not echoed")
	}
	if v.Valid != (v.Message == nil) || v.Valid != (string(v.Payload) != "null") {
		w.t.Errorf("valid %v with message %v and payload %s", v.Valid, v.Message, v.Payload)
	}
	if v.Valid {
		return "valid"
	}
	return *v.Message
}

const (
	valid   = "valid"
	invalid = "JWT token is invalid."
	expired = "JWT token has expired."
)

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func decode(t *testing.T, part string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const sampleHeader = `{"typ":"JWT","alg":"HS256"}`

// forge signs any header and payload with a key.
func forge(key []byte, header, payload string) string {
	input := encode(header) + "." + encode(payload)
	h := hmac.New(sha256.New, key)
	_, _ = io.WriteString(h, input)
	return input + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func payloadOf(t *testing.T, token string) string {
	t.Helper()
	return decode(t, strings.Split(token, ".")[1])
}

// sample returns an answer of the document as it prints it.
func sample(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
