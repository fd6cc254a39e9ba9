package storagetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// texts runs a query of one text column.
func (w *world) texts(t *testing.T, query string) (out []string) {
	t.Helper()
	rows, err := w.raw.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

// dump writes every column of every row of every table.
func (w *world) dump(t *testing.T) string {
	t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'table'"
	if w.db.Driver == "postgres" {
		query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
	}
	var b strings.Builder
	for _, table := range w.texts(t, query) {
		rows, err := w.raw.QueryContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		for rows.Next() {
			values := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatalf("%s: %v", table, err)
			}
			for i, value := range values {
				if raw, ok := value.([]byte); ok {
					value = string(raw)
				}
				fmt.Fprintf(&b, "%s.%s=%v\n", table, columns[i], value)
			}
		}
		_ = rows.Close()
	}
	return b.String()
}

// REF-10: at rest there are hashes only, of everything that opens a door.
func TestSecretsAreHashedAtRest(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		keys := signet.HashKeys{Current: "h", Keys: map[signet.KeyID][]byte{"h": []byte("0123456789abcdef0123456789abcdef")}}
		var plain []string
		secret := func(kind signet.SecretKind) signet.SecretHash {
			text := signet.NewSecret(kind).Reveal()
			plain = append(plain, text, text[8:40])
			return keys.Hash(text)
		}
		f := &family{client: w.client(t), user: w.user(t)}
		f.client.Secrets[0].Hash = secret(signet.SecretClient)
		want(t, "UpdateClient", w.UpdateClient(t.Context(), f.client, event(signet.EventClientUpdated)), "")
		f.session = w.newSession(f.user.ID)
		f.session.Hash = secret(signet.SecretSession)
		want(t, "CreateSession", w.CreateSession(t.Context(), f.session, "", event(signet.EventLoginSucceeded)), "")
		w.issue(t, f, false)
		grant, code := newGrantLike(f), newCodeLike(f)
		code.Hash, code.GrantID = secret(signet.SecretCode), grant.ID
		want(t, "IssueCode", w.IssueCode(t.Context(), grant, code), "")
		next := w.successor(f.refresh)
		next.Hash = secret(signet.SecretRefresh)
		rotated, err := w.RotateRefreshToken(t.Context(), f.refresh.Hash, next, w.clock.Now())
		if err != nil || !rotated {
			t.Fatalf("RotateRefreshToken: %v, %v", rotated, err)
		}
		now := w.clock.Now()
		want(t, "InsertAccessToken", w.InsertAccessToken(t.Context(), &signet.AccessToken{
			Hash: secret(signet.SecretAccess), ID: "t", ClientID: f.client.ID, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		}), "")
		want(t, "InsertAdminKey", w.InsertAdminKey(t.Context(), &signet.AdminKey{ID: "a", Hash: secret(signet.SecretAdmin)}, true, event(signet.EventAdminKeyCreated)), "")
		account, _ := w.account(t)
		key := w.apiKey(t, account.ID)
		key.ID, key.Name, key.Hash = signet.NewID(), "secret", secret(signet.SecretAPIKey)
		want(t, "InsertAPIKey", w.InsertAPIKey(t.Context(), key, event(signet.EventAPIKeyCreated)), "")
		want(t, "InsertDevice", w.InsertDevice(t.Context(), &signet.Device{ID: "d", DCN: "1", AccountID: account.ID, Hash: secret(signet.SecretDevice)},
			event(signet.EventDeviceCreated)), "")
		want(t, "Spend", w.Spend(t.Context(), "pin", "canary-nonce", "pin_application:1#k", nil), "")
		plain = append(plain, "canary-jti", "canary-login-name", "canary-nonce")
		want(t, "Use", w.Marks().Use(t.Context(), signet.Mark{Space: "assertion", Key: "canary-jti", ExpiresAt: now.Add(time.Hour)}), "")
		_, _, err = w.Attempts().Reserve(t.Context(), "canary-login-name", time.Hour)
		want(t, "Reserve", err, "")

		all := w.dump(t)
		if !strings.Contains(all, string(f.client.ID)) || !strings.Contains(all, "replay_marks.hash=") {
			t.Fatal("the dump is not complete")
		}
		for _, text := range plain {
			if strings.Contains(all, text) {
				t.Fatalf("%q is in the database in plain text", text)
			}
		}
	})
}

// The suites of the shared counters and marks, on their SQL homes.
func TestSharedHomes(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		RunMarks(t, func(t *testing.T, now func() time.Time) Marks { return w.open(t, sqlstore.Options{Now: now}).Marks() })
		RunAttempts(t, func(t *testing.T, now func() time.Time) Attempts {
			return w.open(t, sqlstore.Options{Now: now}).Attempts()
		})
	})
}

// An outage is CodeUnavailable within the deadline, and the context's end is too.
func TestOutage(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := w.Client(ctx, "c")
		want(t, "Client with an ended context", err, signet.CodeUnavailable)
		s := w.open(t, sqlstore.Options{})
		want(t, "Close", s.Close(), "")
		_, err = s.Client(t.Context(), "c")
		want(t, "Client", err, signet.CodeUnavailable)
		want(t, "Record", s.Record(t.Context(), event(signet.EventLoginFailed)), signet.CodeUnavailable)
		want(t, "Ready", s.Ready(t.Context()), signet.CodeUnavailable)
		want(t, "InTx", s.InTx(t.Context(), func(context.Context) error { return nil }), signet.CodeUnavailable)
		want(t, "Use", s.Marks().Use(t.Context(), signet.Mark{Key: "k", ExpiresAt: w.clock.Now().Add(time.Hour)}), signet.CodeUnavailable)
	})
}

// A row that somebody holds, and a pool that is full, give CodeUnavailable within 3 s; nobody waits for ever.
func TestWaitingIsBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		f := w.newFamily(t)
		held, err := w.raw.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatalf("begin: %v", err)
		}
		if _, err := held.Exec("UPDATE authorization_codes SET client_id = client_id"); err != nil {
			t.Fatalf("hold: %v", err)
		}
		began := time.Now()
		want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), signet.CodeUnavailable)
		if took := time.Since(began); took > 3*time.Second {
			t.Fatalf("a held row was waited for %v", took)
		}
		if err := held.Rollback(); err != nil {
			t.Fatalf("rollback: %v", err)
		}
		want(t, "UseCode", w.UseCode(t.Context(), f.code.Hash, w.clock.Now()), "")

		s := w.open(t, sqlstore.Options{MaxOpen: 1})
		want(t, "InTx", s.InTx(t.Context(), func(context.Context) error {
			// Outside the transaction, on purpose. The caller's deadline ends the wait …
			short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := s.Client(short, f.client.ID)
			want(t, "Client", err, signet.CodeUnavailable)
			// … and without one the store's own does, or the end of this transaction, whose limit runs out just before.
			began := time.Now()
			_, err = s.Client(t.Context(), f.client.ID)
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("a full pool was waited for %v: %v", took, err)
			}
			return context.Canceled
		}), signet.CodeInternal)
		want(t, "Ready", s.Ready(t.Context()), "")
	})
}
