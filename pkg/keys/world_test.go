package keys_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// plan is decision 7 in round numbers.
var plan = keys.Plan{
	JWKSMaxAge: 300 * time.Second, RotateEvery: 90 * 24 * time.Hour, LongestToken: time.Hour,
	HintRetention: 90 * 24 * time.Hour, Leeway: 10 * time.Second,
}

// signLead is how long after its making a signing key of this plan signs.
const signLead = 312 * time.Second

// clock is shared by the nodes of a test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func kek(b byte) []byte {
	key := make([]byte, 32)
	key[0] = b
	return key
}

// database is one SQLite file; each call of the result opens it as another node.
func database(t testing.TB, c *clock) func() *sqlstore.Store {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys.db")
	return func() *sqlstore.Store {
		t.Helper()
		ctx := context.Background()
		store, err := sqlstore.Open(ctx, sqlstore.Options{
			Driver: sqlstore.DriverSQLite, DSN: file, Now: c.Now, Node: signet.NewNodeID(), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		if err := store.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		return store
	}
}

// options are those of a ring with ES256 alone: RSA keys take 0.1 s each.
func options(store keys.Store, c *clock) keys.Options {
	return keys.Options{
		Store: store, KEKs: map[string][]byte{"one": kek(1)}, CurrentKEK: "one", Plan: plan, Now: c.Now,
		SigningAlgs: []string{"ES256"},
	}
}

func newRing(t testing.TB, o keys.Options) *keys.Ring {
	t.Helper()
	ring, err := keys.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// started is a ring on an empty database.
func started(t testing.TB, change ...func(*keys.Options)) (*keys.Ring, *clock) {
	t.Helper()
	c := &clock{now: start}
	o := options(database(t, c)(), c)
	for _, f := range change {
		f(&o)
	}
	ring := newRing(t, o)
	must(t, ring.Start(context.Background()))
	return ring, c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sign(t testing.TB, ring *keys.Ring, alg string) (jws string, kid signet.KeyID) {
	t.Helper()
	jws, kid, err := ring.Sign(alg, "at+jwt", []byte(`{"sub":"x"}`))
	must(t, err)
	return jws, kid
}

// published returns the key ids of the JWKS.
func published(t testing.TB, ring *keys.Ring) map[signet.KeyID]jose.JSONWebKey {
	t.Helper()
	var set jose.JSONWebKeySet
	must(t, json.Unmarshal(ring.JWKS().Body, &set))
	out := make(map[signet.KeyID]jose.JSONWebKey)
	for _, key := range set.Keys {
		out[signet.KeyID(key.KeyID)] = key
	}
	return out
}

// state returns a key's state as List tells it.
func state(t testing.TB, ring *keys.Ring, id signet.KeyID) signet.KeyState {
	t.Helper()
	list, err := ring.List(context.Background())
	must(t, err)
	for _, info := range list {
		if info.ID == id {
			return info.State
		}
	}
	return ""
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func wantCode(t testing.TB, err error, code signet.Code) {
	t.Helper()
	if got := signet.CodeOf(err); got != code {
		t.Fatalf("code %q, want %q (%v)", got, code, err)
	}
}

func event(kind signet.EventKind) signet.Event {
	return signet.Event{Kind: kind, Actor: "admin:test", Reason: "test"}
}
