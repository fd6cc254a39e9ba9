package oauth

import (
	"net/http"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// registry is a house whose records are the store's own; only the proofs are played.
func newRegistry(t testing.TB) *contracts {
	t.Helper()
	h := newContracts(t, func(o *Options) {
		store := o.Records.(*switches)
		o.Principals, o.Billers, o.Accounts, o.ResourceServers, o.GrantStarter = store, store, store, store, store
	})
	ctx, now := t.Context(), h.clock.now()
	rs, _ := h.resourceServer("rs")
	ok(t, h.store.InsertResourceServer(ctx, rs, h.event(signet.EventResourceServerCreated)))
	h.desk.recipient = rs
	biller := &signet.Biller{ID: deskBiller, BillerMetadata: signet.BillerMetadata{ClientID: billed, DefaultResourceServer: "rs"}}
	for _, id := range []signet.KeyID{"h1", "h2"} {
		key := signet.SealedKey{ID: id, Owner: billerPrincipal, Use: signet.KeyHMAC}
		h.ring.SealRecord(&key, []byte("secret"))
		biller.Keys = append(biller.Keys, key)
	}
	ok(t, h.store.InsertBiller(ctx, biller, h.event(signet.EventBillerCreated)))
	for _, id := range []string{"a1", "a2"} {
		account := &signet.Account{ID: id, Name: id, Type: signet.AccountOrg, Instance: signet.NewUUID(), CreatedBy: "test", UpdatedBy: "test"}
		owner := &signet.Membership{AccountID: id, UserID: h.user, Role: "account-owner", AcceptedAt: &now, CreatedBy: "test"}
		ok(t, h.store.InsertAccount(ctx, account, owner, h.event(signet.EventAccountCreated)))
	}
	key := &signet.APIKey{
		ID: "k1", AccountID: "a1", Name: "till", Role: "merchant-terminal", Enabled: true, Hash: h.ring.HashKeys().Hash(goodKey),
		CreatedBy: "test", UpdatedBy: "test",
	}
	ok(t, h.store.InsertAPIKey(ctx, key, h.event(signet.EventAPIKeyCreated)))
	h.clock.forward(2 * time.Second)
	return h
}

// Token × act, with the store's own records. What was made before the act ends, and what is made after it, in the same
// second too, lives, where it may be made at all.
func TestRecordsGrid(t *testing.T) {
	t.Parallel()
	enabled := func(h *contracts, on bool) {
		key, err := h.store.APIKey(h.t.Context(), "a1", "till")
		ok(h.t, err)
		key.Enabled = on
		ok(h.t, h.store.UpdateAPIKey(h.t.Context(), key, h.event(signet.EventAPIKeyUpdated)))
	}
	type state struct{ old, next bool }
	for _, tc := range []struct {
		name                string
		act                 func(h *contracts)
		biller, key, member state
	}{
		{"nothing", func(*contracts) {}, state{true, true}, state{true, true}, state{true, true}},
		{"biller disabled", func(h *contracts) {
			ok(h.t, h.store.SetBillerDisabled(h.t.Context(), deskBiller, true, h.event(signet.EventBillerDisabled)))
		}, state{false, false}, state{true, true}, state{true, true}},
		{"biller disabled and enabled", func(h *contracts) {
			ok(h.t, h.store.SetBillerDisabled(h.t.Context(), deskBiller, true, h.event(signet.EventBillerDisabled)))
			ok(h.t, h.store.SetBillerDisabled(h.t.Context(), deskBiller, false, h.event(signet.EventBillerEnabled)))
		}, state{false, true}, state{true, true}, state{true, true}},
		// That the ended key proves nothing more is the room's; here the room is played and still takes it.
		{"HMAC key ended", func(h *contracts) {
			ok(h.t, h.store.EndSealedKey(h.t.Context(), billerPrincipal, "h1", time.Time{}, h.event(signet.EventCredentialEnded)))
		}, state{false, false}, state{true, true}, state{true, true}},
		{"the other HMAC key ended", func(h *contracts) {
			ok(h.t, h.store.EndSealedKey(h.t.Context(), billerPrincipal, "h2", time.Time{}, h.event(signet.EventCredentialEnded)))
		}, state{true, true}, state{true, true}, state{true, true}},
		{"API key disabled", func(h *contracts) { enabled(h, false) }, state{true, true}, state{false, false}, state{true, true}},
		{"API key disabled and enabled", func(h *contracts) { enabled(h, false); enabled(h, true) }, state{true, true}, state{false, true}, state{true, true}},
		{"account disabled", func(h *contracts) {
			ok(h.t, h.store.SetAccountDisabled(h.t.Context(), "a1", true, h.event(signet.EventAccountDisabled)))
		}, state{true, true}, state{false, false}, state{false, true}},
		{"membership added, pending", func(h *contracts) {
			account := &signet.Account{ID: "a3", Name: "a3", Type: signet.AccountOrg, Instance: signet.NewUUID(), CreatedBy: "test", UpdatedBy: "test"}
			ok(h.t, h.store.InsertAccount(h.t.Context(), account, nil, h.event(signet.EventAccountCreated)))
			m := &signet.Membership{AccountID: "a3", UserID: h.user, Role: "account-owner", CreatedBy: "test"}
			ok(h.t, h.store.PutMembership(h.t.Context(), m, h.event(signet.EventMemberAdded)))
		}, state{true, true}, state{true, true}, state{true, true}},
		{"role changed", func(h *contracts) {
			other := h.person("bob")
			now := h.clock.now()
			ok(h.t, h.store.PutMembership(h.t.Context(), &signet.Membership{AccountID: "a1", UserID: other, Role: "account-owner", AcceptedAt: &now, CreatedBy: "test"}, h.event(signet.EventMemberAdded)))
			ok(h.t, h.store.AcceptMembership(h.t.Context(), "a1", other, h.event(signet.EventMemberAccepted)))
			ok(h.t, h.store.EndMembership(h.t.Context(), "a1", h.user, h.event(signet.EventMemberRemoved)))
		}, state{true, true}, state{true, true}, state{false, true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newRegistry(t)
			makers := map[string]func() answerOf{
				"biller": func() answerOf { return h.exchange(signet.GrantHMACIdentity, "") },
				"key":    func() answerOf { return h.exchange(signet.GrantTokenExchange, "") },
				"member": func() answerOf { return h.redeem(conf, h.code(conf, "openid")) },
			}
			old := map[string]string{}
			for name, make := range makers {
				a := make()
				h.want(a, http.StatusOK, "")
				if old[name] = a.text("access_token"); !h.live(old[name]) {
					t.Fatalf("%s is not live", name)
				}
			}
			h.clock.forward(2 * time.Second)
			tc.act(h)
			for name, want := range map[string]state{"biller": tc.biller, "key": tc.key, "member": tc.member} {
				if got := h.live(old[name]); got != want.old {
					t.Errorf("%s, made before: live %t, want %t", name, got, want.old)
				}
				a := makers[name]()
				if got := a.status == http.StatusOK && h.live(a.text("access_token")); got != want.next {
					t.Errorf("%s, made after: live %t, want %t (%d %s)", name, got, want.next, a.status, a.body)
				}
			}
		})
	}
}
