package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// FLT-11: PostgreSQL refuses an act because another was faster at the same row, as it does under REPEATABLE READ. The act
// is repeated and done once. SQLite has one writer at a time.
func TestLostSerialisationsAreRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Postgres())
	w.dsn += "&default_transaction_isolation=repeatable%20read"
	s := w.open(t, sqlstore.Options{})
	f := w.newFamily(t)
	now := w.clock.Now()
	consent := func(ctx context.Context) error {
		return s.GrantConsent(ctx, &signet.Consent{UserID: f.user.ID, ClientID: f.client.ID, Scope: signet.Scope{"openid"}, ConfirmedAt: now}, event(signet.EventConsentGranted))
	}
	want(t, "GrantConsent", consent(t.Context()), "")
	for _, c := range []struct {
		name, faster string
		act          func(ctx context.Context) error
		code         signet.Code
	}{
		{"refresh", "UPDATE refresh_tokens SET client_id = client_id", func(ctx context.Context) error {
			rotated, err := s.RotateRefreshToken(ctx, f.refresh.Hash, w.successor(f.refresh), now)
			if err == nil && !rotated {
				return signet.ErrUsed
			}
			return err
		}, ""},
		{"consent", "UPDATE consents SET scope = scope", consent, ""},
		{"client update", "UPDATE clients SET admin = admin", func(ctx context.Context) error {
			client := *f.client
			return s.UpdateClient(ctx, &client, event(signet.EventClientUpdated))
		}, ""},
		{"client update that is stale by then", "UPDATE clients SET version = version + 1", func(ctx context.Context) error {
			client := *f.client
			client.Version = 2
			return s.UpdateClient(ctx, &client, event(signet.EventClientUpdated))
		}, signet.CodeConflict},
		{"password", "UPDATE users SET profile = profile", func(ctx context.Context) error {
			return s.SetPassword(ctx, f.user.ID, "$argon2id$other", event(signet.EventPasswordChanged))
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			events := w.count(t, "SELECT count(*) FROM audit_events")
			faster, err := w.raw.BeginTx(t.Context(), nil)
			want(t, "begin", err, "")
			_, err = faster.ExecContext(t.Context(), c.faster)
			want(t, "faster", err, "")
			ended := make(chan error, 1)
			go func() { ended <- c.act(t.Context()) }()
			want(t, "wait", w.untilWaiting(t.Context(), ended), "")
			want(t, "commit", faster.Commit(), "")
			want(t, "act", <-ended, c.code)
			if n := w.count(t, "SELECT count(*) FROM audit_events") - events; n > 1 {
				t.Errorf("%d events of one act", n)
			}
		})
	}
}

// FLT-11: an act and somebody else lock the same two rows in opposite orders; PostgreSQL ends the act, and it is repeated.
func TestLostDeadlockIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Postgres())
	// PostgreSQL looks for a circle after a second; to wait no longer than that would end the act anyhow.
	w.dsn += "&lock_timeout=1900"
	s := w.open(t, sqlstore.Options{})
	f := w.newFamily(t)
	other, err := w.raw.BeginTx(t.Context(), nil)
	want(t, "begin", err, "")
	lock := func(query string) {
		t.Helper()
		_, err := other.ExecContext(t.Context(), query)
		want(t, query, err, "")
	}
	lock("UPDATE grants SET detail = detail")
	ended := make(chan error, 1)
	go func() {
		ended <- s.EndSession(t.Context(), f.session.ID, "logout", event(signet.EventSessionEnded))
	}()
	want(t, "wait", w.untilWaiting(t.Context(), ended), "") // it holds the session and waits for the grant
	lock("UPDATE sessions SET acr = acr")
	want(t, "commit", other.Commit(), "")
	want(t, "EndSession", <-ended, "")
	session, err := w.FindSession(t.Context(), hashes(f.session.Hash))
	want(t, "FindSession", err, "")
	if session.EndedAt == nil {
		t.Error("the session goes on")
	}
}

// What is repeated has one deadline in all.
func TestRepeatsAreBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		f := w.newFamily(t)
		holder, err := w.raw.BeginTx(t.Context(), nil)
		want(t, "begin", err, "")
		_, err = holder.ExecContext(t.Context(), "UPDATE grants SET detail = detail")
		want(t, "hold", err, "")
		began := time.Now()
		want(t, "RevokeGrant", w.RevokeGrant(t.Context(), f.grant.ID, "test", event(signet.EventGrantRevoked)), signet.CodeUnavailable)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		want(t, "rollback", holder.Rollback(), "")
		want(t, "RevokeGrant", w.RevokeGrant(t.Context(), f.grant.ID, "test", event(signet.EventGrantRevoked)), "")
	})
}
