package exchange_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/exchange"
	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/storage/sqlstore"
)

const (
	issuerURL = "https://signet.test"
	stranger  = "198.51.100.7:4000"
	neighbour = "192.0.2.7:4000"
	otherKey  = "fedcba9876543210fedcba9876543210"
)

var start = time.Unix(1700000000, 0).UTC()

// mint stands for the one mint: it keeps what it was asked for.
type mint struct {
	mu     sync.Mutex
	orders []*signet.TokenOrder
	err    error
}

func (m *mint) IssueToken(_ context.Context, order *signet.TokenOrder) (*signet.IssuedToken, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	m.orders = append(m.orders, order)
	return &signet.IssuedToken{Text: "header.key.iv." + strconv.Itoa(len(m.orders)) + ".tag"}, nil
}

// bearers stands for the one proof of access tokens.
type bearers map[string]*signet.Bearer

func (b bearers) Bearer(_ context.Context, raw string) (*signet.Bearer, error) {
	if bearer := b[raw]; bearer != nil {
		return bearer, nil
	}
	return nil, &signet.Error{Code: signet.CodeInvalidToken, Reason: "token_unknown"}
}

// anyOrigin lets every origin in: CORS is the kit's.
type anyOrigin struct{}

func (anyOrigin) AnyOrigin(context.Context, string) bool { return true }

// world is the room on a real store, behind the real HTTP kit.
type world struct {
	t       testing.TB
	store   *sqlstore.Store
	ring    *keys.Ring
	room    *exchange.Exchange
	handler http.Handler
	mint    *mint
	bearers bearers
	events  *ledger
	log     *bytes.Buffer
	options exchange.Options
	mu      sync.Mutex
	at      time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// newWorld has one biller with scheme v1 and one key, k1, and signet's own invoice API as its resource server; set
// changes the options.
func newWorld(t testing.TB, set ...func(*exchange.Options)) *world {
	t.Helper()
	w := &world{t: t, mint: &mint{}, bearers: bearers{}, log: &bytes.Buffer{}, at: start}
	log := slog.New(slog.NewTextHandler(&locked{to: w.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	w.store, err = sqlstore.Open(t.Context(), sqlstore.Options{Driver: sqlstore.DriverSQLite, DSN: filepath.Join(t.TempDir(), "a.db"),
		Now: w.now, Node: signet.NewNodeID(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	w.events = &ledger{store: w.store}
	if err := w.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.ring, err = keys.New(keys.Options{Store: w.store, KEKs: map[string][]byte{"k": make([]byte, 32)}, CurrentKEK: "k", Now: w.now, Log: log,
		Plan: keys.Plan{JWKSMaxAge: 15 * time.Minute, LongestToken: 24 * time.Hour, HintRetention: 90 * 24 * time.Hour, Leeway: 10 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ring.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	failures, err := web.NewFailures(web.FailuresOptions{Shared: w.store.Attempts(), Limit: 20, Window: 5 * time.Minute, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	w.options = exchange.Options{Billers: w.store, ResourceServers: w.store, Invoices: w.store, Keys: w.ring, Marks: w.store.Marks(), Failures: failures,
		Counter: w.store.Attempts(), Events: w.events, Issuer: w.mint, Bearers: w.bearers, IssuerURL: issuerURL, InvoiceResource: "invoices",
		Dependencies: func(context.Context) map[string]bool { return map[string]bool{"redis": false, "database": true} }, Now: w.now, Log: log}
	for _, change := range set {
		change(&w.options)
	}
	if w.room, err = exchange.New(w.options); err != nil {
		t.Fatal(err)
	}
	w.handler, err = web.New(web.Options{Routes: w.room.Routes(), Log: log, Now: w.now, Limits: web.Limits{Off: true}, Origins: anyOrigin{}})
	if err != nil {
		t.Fatal(err)
	}
	w.resource("invoices", "https://signet.test/api/v1/invoices", "invoices:read pay")
	w.resource("portal", "https://portal.test", "pay")
	w.biller(billerGUID, nil)
	w.key(billerGUID, "k1", sharedKey, nil)
	return w
}

// locked lets handlers log at once.
type locked struct {
	mu sync.Mutex
	to *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) event(kind signet.EventKind) signet.Event {
	return signet.Event{ID: signet.NewEventID(), Kind: kind, At: w.now(), Actor: "admin:test"}
}

func (w *world) resource(id, audience, scope string) {
	w.t.Helper()
	w.ok(w.store.InsertResourceServer(w.t.Context(), &signet.ResourceServer{ID: id, Version: 1, CreatedAt: w.now(), UpdatedAt: w.now(),
		ResourceServerMetadata: signet.ResourceServerMetadata{Name: id, Audience: audience, Scope: scope}}, w.event(signet.EventResourceServerCreated)))
}

func (w *world) biller(id string, set func(*signet.Biller)) {
	w.t.Helper()
	b := &signet.Biller{ID: signet.BillerID(id), Version: 1, CreatedAt: w.now(), UpdatedAt: w.now(), BillerMetadata: signet.BillerMetadata{Name: "Biller",
		DefaultResourceServer: "invoices", Scope: "invoices:read pay", Scheme: signet.HMACScheme{Name: "v1"}, InvoiceExchange: true}}
	if set != nil {
		set(b)
	}
	w.ok(w.store.InsertBiller(w.t.Context(), b, w.event(signet.EventBillerCreated)))
}

// change alters the record of the one biller.
func (w *world) change(set func(*signet.Biller)) {
	w.t.Helper()
	found, err := w.store.Biller(w.t.Context(), billerGUID)
	w.ok(err)
	b := *found
	set(&b)
	w.ok(w.store.UpdateBiller(w.t.Context(), &b, w.event(signet.EventBillerUpdated)))
}

func (w *world) key(biller, id, secret string, ends *time.Time) {
	w.t.Helper()
	key := &signet.SealedKey{ID: signet.KeyID(id), Owner: signet.OwnerBiller + biller, Use: signet.KeyHMAC, Alg: "HS256", CreatedAt: w.now(), ExpiresAt: ends}
	w.ring.SealRecord(key, []byte(secret))
	w.ok(w.store.PutSealedKey(w.t.Context(), key, w.event(signet.EventCredentialAdded)))
}

func (w *world) invoice(guid string, set func(*signet.Invoice)) {
	w.t.Helper()
	biller, customer := billerGUID, userGUID
	i := &signet.Invoice{BillerID: billerGUID, InvoiceGUID: guid, DueAt: w.now().Add(24 * time.Hour), UpdatedAt: w.now(), DTO: signet.InvoiceDTO{
		BillerGUID: &biller, InvoiceGUID: &guid, CustomerGUID: &customer, BalanceDue: "10.10", TotalAmountDue: "10.10", MinimumAmountDue: "0", PastDueAmount: "0",
		InvoiceDate: "2023-11-01T00:00:00", InvoiceDueDate: "2023-11-15T00:00:00"}}
	if set != nil {
		set(i)
	}
	w.ok(w.store.PutInvoice(w.t.Context(), i, w.event(signet.EventInvoiceStored)))
}

// request is a right one of the grant, by v2.
func (w *world) request(f exchange.Fields) signet.IdentityRequest {
	return w.signed(f, signet.HMACScheme{}, sharedKey)
}

func (w *world) signed(f exchange.Fields, scheme signet.HMACScheme, secret string) signet.IdentityRequest {
	w.t.Helper()
	mac, err := exchange.Sign(scheme, []byte(secret), f)
	w.ok(err)
	return signet.IdentityRequest{BillerID: f.Biller, InvoiceID: f.Invoice, UserID: f.User, Timestamp: f.Timestamp, HMAC: mac}
}

// payerAt is a payer request of d after the clock's now.
func (w *world) payerAt(d time.Duration) exchange.Fields {
	f := payer()
	f.Timestamp = strconv.FormatInt(w.now().Add(d).Unix(), 10)
	return f
}

// refuses proves that the grant refuses the request with the code, for the reason; "" accepts it.
func (w *world) refuses(name string, req signet.IdentityRequest, code signet.Code, reason string) {
	w.t.Helper()
	_, err := w.room.ProveIdentity(w.t.Context(), req)
	if got := signet.CodeOf(err); got != code || reason != "" && signet.ReasonOf(err) != reason {
		w.t.Errorf("%s: %q (%s), want %q (%s)", name, got, signet.ReasonOf(err), code, reason)
	}
}

// ledger keeps every event, and writes the audit events to the store.
type ledger struct {
	mu    sync.Mutex
	lines []string
	store *sqlstore.Store
}

func (l *ledger) Traffic(e signet.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf("%s %s actor=%s key=%s address=%s target=%s", e.Kind, e.Reason, e.Actor, e.KeyID, e.Address, e.Target))
}

func (l *ledger) Record(ctx context.Context, e signet.Event) error {
	l.Traffic(e)
	return l.store.Record(ctx, e)
}

// has counts the lines that hold all the parts.
func (l *ledger) has(parts ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			n++
		}
	}
	return n
}

// send sends one request; headers are name, value pairs.
func (w *world) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.RemoteAddr = neighbour
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "from" {
			req.RemoteAddr = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	res := httptest.NewRecorder()
	w.handler.ServeHTTP(res, req)
	return res
}

// body is the legacy JSON of a request.
func body(req signet.IdentityRequest) string {
	m := map[string]string{"billerGuid": req.BillerID, "hmac": req.HMAC}
	if req.InvoiceID != "" {
		m["invoiceGuid"] = req.InvoiceID
	} else {
		m["userGuid"], m["timestamp"] = req.UserID, req.Timestamp
	}
	out, _ := json.Marshal(m)
	return string(out)
}
