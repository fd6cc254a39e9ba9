package sqlstore

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/signet-auth/signet/pkg/signet"
)

// The budgets of the contracts' hot paths: what is cached costs nothing once it is warm, and little before.
func TestStatementsOfContracts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ctx := t.Context()
	s, err := Open(ctx, Options{
		Driver: DriverSQLite, DSN: filepath.Join(t.TempDir(), "s.db"), Now: func() time.Time { return now }, Node: "n", Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Migrate(ctx))
	hash := signet.SecretHash{KeyID: "h", Sum: [32]byte{1}}
	e := signet.Event{}
	sealed := []signet.SealedKey{{ID: "k", Sealed: []byte{1}}}
	must(t, s.InsertUser(ctx, &signet.User{ID: "u", Username: "u"}, e))
	must(t, s.InsertBiller(ctx, &signet.Biller{ID: "b", Keys: sealed}, e))
	must(t, s.InsertResourceServer(ctx, &signet.ResourceServer{ID: "r", Keys: sealed, ResourceServerMetadata: signet.ResourceServerMetadata{Audience: "a"}}, e))
	must(t, s.PutInvoice(ctx, &signet.Invoice{BillerID: "b", InvoiceGUID: "i"}, e))
	must(t, s.InsertAccount(ctx, &signet.Account{ID: "a", Instance: "n", Keys: sealed}, &signet.Membership{UserID: "u", AcceptedAt: &now}, e))
	must(t, s.InsertAPIKey(ctx, &signet.APIKey{ID: "k", AccountID: "a", Name: "n", Hash: hash}, e))
	must(t, s.InsertDevice(ctx, &signet.Device{ID: "d", DCN: "c", AccountID: "a"}, e))
	must(t, s.InsertPINApplication(ctx, &signet.PINApplication{ID: "p", PINApplicationMetadata: signet.PINApplicationMetadata{Username: "p"}},
		&signet.Client{ID: "p"}, &signet.User{ID: "app:p", Username: "app:p"}, sealed, e))

	count := &counter{Interface: logger.Discard}
	s.db = s.db.Session(&gorm.Session{Logger: count})
	must(t, s.poll(ctx))
	for _, c := range []struct {
		name string
		cold int64
		run  func(ctx context.Context) error
	}{
		{"biller", 1, func(ctx context.Context) error { _, err := s.Biller(ctx, "b"); return err }},
		{"resource server", 1, func(ctx context.Context) error { _, err := s.ResourceServer(ctx, "r"); return err }},
		{"resource server by audience", 2, func(ctx context.Context) error { _, err := s.ResourceServerByAudience(ctx, "a"); return err }},
		{"invoice", 1, func(ctx context.Context) error { _, err := s.Invoice(ctx, "b", "i"); return err }},
		{"account", 1, func(ctx context.Context) error { _, err := s.Account(ctx, "a"); return err }},
		{"account by instance", 2, func(ctx context.Context) error { _, err := s.AccountByInstance(ctx, "n"); return err }},
		{"memberships", 1, func(ctx context.Context) error { _, err := s.Memberships(ctx, "u"); return err }},
		{"memberships of nobody", 1, func(ctx context.Context) error { _, err := s.Memberships(ctx, "nobody"); return err }},
		{"API key", 1, func(ctx context.Context) error { _, err := s.APIKeyByID(ctx, "k"); return err }},
		{"API key by hash", 2, func(ctx context.Context) error {
			_, err := s.APIKeyByHash(ctx, []signet.SecretHash{{KeyID: "new"}, hash})
			return err
		}},
		{"device", 1, func(ctx context.Context) error { _, err := s.Device(ctx, "c", "d"); return err }},
		{"principal of a biller", 1, func(ctx context.Context) error { _, err := s.Principal(ctx, "biller:b"); return err }},
		{"principal of an API key", 2, func(ctx context.Context) error { _, err := s.Principal(ctx, "key:k"); return err }},
	} {
		for _, cached := range s.cached {
			cached.dropNamed("")
		}
		for _, want := range []int64{c.cold, 0} {
			before := count.n.Load()
			must(t, c.run(ctx))
			if n := count.n.Load() - before; n != want {
				t.Errorf("%s: %d statements, want %d", c.name, n, want)
			}
		}
	}
	before := count.n.Load()
	must(t, s.Spend(ctx, "s", "k", "o", nil))
	if n := count.n.Load() - before; n != 1 {
		t.Errorf("spend: %d statements", n)
	}
}

// A cache that no change empties, or a kind that lost changes leave alone, would be stale for ever.
func TestEveryCacheHasItsKind(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{Driver: DriverSQLite, DSN: ":memory:", Now: time.Now, Node: "n", Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	known := map[string]bool{}
	for _, kind := range changedKinds() {
		known[kind] = true
	}
	for kind := range s.cached {
		if !known[kind] {
			t.Errorf("lost changes do not clear %s", kind)
		}
	}
	if want := len(known) - 3; len(s.cached) != want { // keys and revocations are kept by their rooms, PIN applications by nobody
		t.Errorf("%d caches, want %d", len(s.cached), want)
	}
}

// HMC-01, ENU-01: what a look-up costs must not say whether there is such a record.
func TestUnknownPrincipalsCostAsMuchAsKnownOnes(t *testing.T) {
	t.Parallel()
	s := openEmpty(t)
	ctx := t.Context()
	for _, id := range []signet.BillerID{"known", "disabled", "never asked for"} {
		must(t, s.InsertBiller(ctx, &signet.Biller{ID: id}, signet.Event{}))
	}
	must(t, s.SetBillerDisabled(ctx, "disabled", true, signet.Event{}))
	must(t, s.InsertPINApplication(ctx, &signet.PINApplication{ID: "p", PINApplicationMetadata: signet.PINApplicationMetadata{Username: "p"}},
		&signet.Client{ID: "p"}, &signet.User{ID: "app:p", Username: "app:p"}, nil, signet.Event{}))
	must(t, s.poll(ctx))
	must(t, s.preloadBillers(ctx))

	count := &counter{Interface: logger.Discard}
	s.db = s.db.Session(&gorm.Session{Logger: count})
	for _, c := range []struct {
		name string
		cost int64
		code signet.Code
		find func(ctx context.Context) error
	}{
		{"a biller", 0, "", billerRead(s, "known")},
		{"a disabled biller", 0, "", billerRead(s, "disabled")},
		{"a cold biller", 0, "", billerRead(s, "never asked for")},
		{"no biller", 0, signet.CodeNotFound, billerRead(s, "unknown")},
		{"no biller, in a transaction", 1, signet.CodeNotFound, func(ctx context.Context) error {
			return s.InTx(ctx, billerRead(s, "unknown"))
		}},
		{"a PIN application", 1, "", func(ctx context.Context) error { _, err := s.PINApplication(ctx, "p"); return err }},
		{"no PIN application", 1, signet.CodeNotFound, func(ctx context.Context) error { _, err := s.PINApplication(ctx, "q"); return err }},
	} {
		for range 2 {
			before := count.n.Load()
			err := c.find(ctx)
			if n := count.n.Load() - before; n != c.cost || signet.CodeOf(err) != c.code {
				t.Errorf("%s: %d statements, %v; want %d, %q", c.name, n, err, c.cost, c.code)
			}
		}
	}
}

func billerRead(s *Store, id signet.BillerID) func(context.Context) error {
	return func(ctx context.Context) error { _, err := s.Biller(ctx, id); return err }
}

func openEmpty(t *testing.T) *Store {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s, err := Open(t.Context(), Options{
		Driver: DriverSQLite, DSN: filepath.Join(t.TempDir(), "s.db"), Now: func() time.Time { return now }, Node: "n", Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Migrate(t.Context()))
	return s
}
