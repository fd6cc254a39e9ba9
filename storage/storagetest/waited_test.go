package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// An act that had to wait for its row takes back what was issued while it waited, too. SQLite's writers wait before their
// transaction begins.
func TestWaitedLimitsCoverTheWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Postgres())
	f := w.newFamily(t)
	biller := &signet.Biller{ID: signet.BillerID(signet.NewUUID())}
	want(t, "InsertBiller", w.InsertBiller(t.Context(), biller, event(signet.EventBillerCreated)), "")
	for _, c := range []struct {
		name, holds string
		act         func() error
		facts       signet.TokenFacts
	}{
		{"user", "UPDATE users SET profile = profile", func() error {
			return w.SetPassword(t.Context(), f.user.ID, "$argon2id$other", event(signet.EventPasswordChanged))
		}, signet.TokenFacts{UserID: f.user.ID}},
		{"sessions of a user", "UPDATE sessions SET acr = acr", func() error {
			return w.RevokeUserGrants(t.Context(), f.user.ID, "test", event(signet.EventGrantRevoked))
		}, signet.TokenFacts{UserID: f.user.ID}},
		{"client", "UPDATE clients SET admin = admin", func() error {
			return w.SetClientDisabled(t.Context(), f.client.ID, true, event(signet.EventClientDisabled))
		}, signet.TokenFacts{ClientID: f.client.ID}},
		{"biller", "UPDATE billers SET metadata = metadata", func() error {
			return w.SetBillerDisabled(t.Context(), biller.ID, true, event(signet.EventBillerDisabled))
		}, signet.TokenFacts{Principal: signet.PrincipalBiller + string(biller.ID)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.session = w.session(t, f.user.ID)
			w.clock.Advance(time.Minute)
			holder, err := w.raw.BeginTx(t.Context(), nil)
			want(t, "begin", err, "")
			_, err = holder.ExecContext(t.Context(), c.holds)
			want(t, "hold", err, "")
			ended := make(chan error, 1)
			go func() { ended <- c.act() }()
			want(t, "wait", w.untilWaiting(t.Context(), ended), "")
			w.clock.Advance(3 * time.Second)
			want(t, "commit", holder.Commit(), "")
			want(t, "act", <-ended, "")
			entries := w.journal(t, c.facts)
			if n := len(entries); n == 0 || entries[n-1].Before.Before(kept(w.clock.Now())) {
				t.Errorf("at %s the journal has %+v", w.clock.Now(), entries)
			}
		})
	}
}

// A key of an account and the account itself limit the same tokens: of two acts at once the later one sees the limit of
// the former.
func TestAccountWaitsForItsKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		account, _ := w.account(t)
		key := w.apiKey(t, account.ID)
		w.clock.Advance(time.Minute)
		disabled := make(chan error, 1)
		want(t, "InTx", w.InTx(t.Context(), func(ctx context.Context) error {
			key.Enabled = false
			if err := w.UpdateAPIKey(ctx, key, event(signet.EventAPIKeyUpdated)); err != nil {
				return err
			}
			go func() {
				disabled <- w.SetAccountDisabled(t.Context(), account.ID, true, event(signet.EventAccountDisabled))
			}()
			return w.untilWaiting(ctx, disabled)
		}), "")
		want(t, "SetAccountDisabled", <-disabled, "")
		entries := w.journal(t, signet.TokenFacts{Principal: key.Principal()})
		if len(entries) != 2 || !entries[1].Before.After(entries[0].Before) {
			t.Errorf("the account's limit does not reach beyond the key's: %+v", entries)
		}
	})
}

// Every update of a record is numbered, or other nodes go on with the old one.
func TestUpdatesAreNumbered(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		f := w.newFamily(t)
		account, _ := w.account(t)
		key, device := w.apiKey(t, account.ID), w.device(t, account.ID)
		for _, c := range []struct {
			kind, record string
			act          func() error
		}{
			{"users", string(f.user.ID), func() error { return w.UpdateUser(t.Context(), f.user, event(signet.EventUserUpdated)) }},
			{"clients", string(f.client.ID), func() error { return w.UpdateClient(t.Context(), f.client, event(signet.EventClientUpdated)) }},
			{"accounts", account.ID, func() error { return w.UpdateAccount(t.Context(), account, event(signet.EventAccountUpdated)) }},
			{"api_keys", key.ID, func() error { return w.UpdateAPIKey(t.Context(), key, event(signet.EventAPIKeyUpdated)) }},
			{"devices", device.DCN + "/" + device.ID, func() error {
				return w.SetDeviceDisabled(t.Context(), device.DCN, device.ID, true, event(signet.EventDeviceDisabled))
			}},
		} {
			w.change(t, "DELETE FROM changes")
			want(t, c.kind, c.act(), "")
			if n := w.count(t, "SELECT count(*) FROM changes WHERE kind = '"+c.kind+"' AND record = '"+c.record+"'"); n != 1 {
				t.Errorf("%s: %d changes name the record", c.kind, n)
			}
		}
	})
}
