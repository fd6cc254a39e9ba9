package storagetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const day = 24 * time.Hour

func TestRetention(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		f := w.newFamily(t)
		now := w.clock.Now()
		next := w.successor(f.refresh)
		rotated, err := w.RotateRefreshToken(t.Context(), f.refresh.Hash, next, now)
		if err != nil || !rotated {
			t.Fatalf("RotateRefreshToken: %v, %v", rotated, err)
		}
		want(t, "InsertAccessToken", w.InsertAccessToken(t.Context(), &signet.AccessToken{
			Hash: newHash(), ID: "t", GrantID: f.grant.ID, ClientID: f.client.ID, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		}), "")
		expires := now.Add(time.Hour)
		f.client.Secrets = append(f.client.Secrets, signet.ClientSecret{ID: "old", Hash: newHash(), ExpiresAt: &expires})
		want(t, "UpdateClient", w.UpdateClient(t.Context(), f.client, event(signet.EventClientUpdated)), "")
		key := newKey(signet.KeySigning, "ES256", now)
		retired := kept(now.Add(time.Hour))
		key.RetireAt, key.RemoveAt = &retired, &retired
		want(t, "InsertKeys", w.InsertKeys(t.Context(), []signet.Key{key}, false, event(signet.EventKeyCreated)), "")
		want(t, "EndSession", w.EndSession(t.Context(), w.session(t, f.user.ID).ID, "logout", event(signet.EventSessionEnded)), "")
		want(t, "Use", w.Marks().Use(t.Context(), signet.Mark{Key: "k", ExpiresAt: now.Add(time.Minute)}), "")
		_, _, err = w.Attempts().Reserve(t.Context(), "k", time.Minute)
		want(t, "Reserve", err, "")
		w.Traffic(event(signet.EventTokenIssued))
		run(t, w.Store)()

		rows := func(table string, wanted int) {
			t.Helper()
			if n := w.count(t, "SELECT COUNT(*) FROM "+table); n != wanted {
				t.Fatalf("%s at %v: %d rows, want %d", table, w.clock.Now().Sub(now), n, wanted)
			}
		}
		sweepAt := func(after time.Duration) {
			t.Helper()
			w.clock.Advance(now.Add(after).Sub(w.clock.Now()))
			// The order of tables is random: a family may need a second turn.
			for range 3 {
				if _, err := w.Sweep(t.Context()); err != nil {
					t.Fatalf("Sweep: %v", err)
				}
			}
		}
		head := w.count(t, "SELECT n FROM change_head")
		sweepAt(0)
		rows("authorization_codes", 1)
		rows("replay_marks", 1)
		sweepAt(59 * time.Minute) // over, but a clock may go back
		rows("replay_marks", 1)
		rows("attempts", 1)
		rows("authorization_codes", 1) // finding a spent code is how a replay is noticed
		sweepAt(day)
		rows("replay_marks", 0)
		rows("attempts", 0)
		rows("authorization_codes", 1)
		rows("access_tokens", 1)
		rows("sessions", 2)
		rows("revocations", 1)
		sweepAt(3 * day)
		rows("authorization_codes", 0)
		rows("access_tokens", 0)
		rows("sessions", 0)
		rows("revocations", 0)
		rows("changes", 1) // the newest stays, or a poller could not tell a gap
		if n := w.count(t, "SELECT n FROM changes"); n != head {
			t.Fatalf("the change left is %d, not %d", n, head)
		}
		rows("refresh_tokens", 2) // a spent one as long as its grant
		rows("client_secrets", 2)
		rows("traffic_events", 1)
		sweepAt(35 * day)
		rows("client_secrets", 1)
		rows("traffic_events", 0)
		rows("grants", 1)
		sweepAt(62 * day)
		rows("refresh_tokens", 0)
		rows("grants", 0)
		rows("keys", 1)
		sweepAt(101 * day)
		rows("keys", 0)
		if w.count(t, "SELECT COUNT(*) FROM audit_events") == 0 {
			t.Fatal("audit events are gone")
		}
		sweepAt(402 * day)
		rows("audit_events", 0)
		rows("clients", 1)
		rows("users", 1)
	})
}

// More rows than one batch holds, and families that are longer than one.
func TestRetentionInBatches(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		f := w.newFamily(t)
		w.change(t, fmt.Sprintf(`WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 1200)
			INSERT INTO traffic_events (id, node, kind, at, actor, client_id, user_id, key_id, address, target, reason, request_id)
			SELECT 'e' || n, '', '', '%s', '', '', '', '', '', '', '', '' FROM i`, "2020-01-01 00:00:00"))
		token := f.refresh
		for range 10 {
			next := w.successor(token)
			if _, err := w.RotateRefreshToken(t.Context(), token.Hash, next, w.clock.Now()); err != nil {
				t.Fatalf("RotateRefreshToken: %v", err)
			}
			token = next
		}
		w.clock.Advance(62 * day)
		for range 2 {
			if _, err := w.Sweep(t.Context()); err != nil {
				t.Fatalf("Sweep: %v", err)
			}
		}
		for _, table := range []string{"traffic_events", "refresh_tokens", "grants"} {
			if n := w.count(t, "SELECT COUNT(*) FROM "+table); n != 0 {
				t.Fatalf("%d rows of %s are left", n, table)
			}
		}
	})
}

// Events stand in a chain in the order of their commits, which is not quite that of their times. Retention must leave no
// gap that VerifyAudit takes for tampering.
func TestRetentionKeepsTheAuditChain(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		begun := w.clock.Now()
		for _, age := range []time.Duration{0, 2, 1, 0, 3} {
			e := event(signet.EventLoginFailed)
			e.At = begun.Add(age * time.Second)
			want(t, "Record", w.Record(t.Context(), e), "")
		}
		w.clock.Advance(400*day + 1500*time.Millisecond)
		for _, left := range []int{4, 1, 0} {
			if _, err := w.Sweep(t.Context()); err != nil {
				t.Fatalf("Sweep: %v", err)
			}
			n, err := w.VerifyAudit(t.Context())
			want(t, "VerifyAudit", err, "")
			if n != left {
				t.Fatalf("%d events are left, want %d", n, left)
			}
			w.clock.Advance(time.Second)
		}
		want(t, "Record", w.Record(t.Context(), event(signet.EventLoginFailed)), "")
		_, err := w.VerifyAudit(t.Context())
		want(t, "VerifyAudit", err, "")
	})
}

// Every table is either swept or known to hold what does not end by itself.
func TestEveryTableHasARetention(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		lasting := map[string]bool{
			"clients": true, "client_origins": true, "users": true, "consents": true, "admin_keys": true, // the truth
			"billers": true, "resource_servers": true, "invoices": true, "accounts": true, "memberships": true, "api_keys": true,
			"devices": true, "pin_applications": true, "sealed_keys": true,
			"change_head": true, "migration_lock": true, "goose_db_version": true, // of a fixed size
		}
		swept := map[string]bool{}
		for _, table := range w.SweptTables() {
			swept[table] = true
		}
		query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
		if w.db.Driver == "postgres" {
			query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
		}
		for _, table := range w.texts(t, query) {
			if swept[table] == lasting[table] {
				t.Errorf("%s: swept %v, lasting %v", table, swept[table], lasting[table])
			}
		}
	})
}
