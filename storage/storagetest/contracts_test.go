package storagetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// The records of the five contracts, as the suites make them.

func newSealedKey(owner string, use signet.KeyUse) signet.SealedKey {
	return signet.SealedKey{
		ID: signet.NewKeyID(), Owner: owner, Use: use, Alg: "HS256", Sealed: []byte{0, 1, 0xff}, KEKID: "kek-1",
	}
}

func (w *world) biller(t *testing.T) *signet.Biller {
	t.Helper()
	b := &signet.Biller{
		ID: signet.BillerID(signet.NewUUID()),
		BillerMetadata: signet.BillerMetadata{
			Name: "Water works", DefaultResourceServer: "invoices", Scheme: signet.HMACScheme{Name: "v1"}, InvoiceExchange: true,
		},
	}
	want(t, "InsertBiller", w.InsertBiller(t.Context(), b, event(signet.EventBillerCreated)), "")
	return b
}

func (w *world) resourceServer(t *testing.T) *signet.ResourceServer {
	t.Helper()
	id := "rs-" + signet.NewUUID()
	rs := &signet.ResourceServer{
		ID: id, ResourceServerMetadata: signet.ResourceServerMetadata{Name: "Invoices", Audience: "https://" + id + ".test", JWK: []byte(`{"kty":"RSA"}`)},
	}
	want(t, "InsertResourceServer", w.InsertResourceServer(t.Context(), rs, event(signet.EventResourceServerCreated)), "")
	return rs
}

func newAccount(kind string) *signet.Account {
	return &signet.Account{
		ID: signet.NewUUID(), Name: "Acme", Type: kind, Instance: signet.NewUUID(), CreatedBy: "admin:1",
		Settings: signet.AccountSettings{SupportedPaymentMethods: []byte(`[{"type":"card"}]`), SingleUse: true},
	}
}

// account is an org with an accepted owner.
func (w *world) account(t *testing.T) (*signet.Account, *signet.User) {
	t.Helper()
	a, u := newAccount(signet.AccountOrg), w.user(t)
	now := w.clock.Now()
	owner := &signet.Membership{UserID: u.ID, Role: "account-owner", AcceptedAt: &now, CreatedBy: "admin:1"}
	want(t, "InsertAccount", w.InsertAccount(t.Context(), a, owner, event(signet.EventAccountCreated)), "")
	return a, u
}

func (w *world) member(t *testing.T, account string, role string, accepted bool) *signet.User {
	t.Helper()
	u := w.user(t)
	m := &signet.Membership{AccountID: account, UserID: u.ID, Role: role, CreatedBy: "user:1"}
	want(t, "PutMembership", w.PutMembership(t.Context(), m, event(signet.EventMemberAdded)), "")
	if accepted {
		want(t, "AcceptMembership", w.AcceptMembership(t.Context(), account, u.ID, event(signet.EventMemberAccepted)), "")
	}
	return u
}

func (w *world) apiKey(t *testing.T, account string) *signet.APIKey {
	t.Helper()
	k := &signet.APIKey{
		ID: signet.NewID(), AccountID: account, Name: "till-" + signet.NewUUID(), Role: "merchant-terminal", Hash: newHash(), Enabled: true,
		CreatedBy: "user:1",
	}
	want(t, "InsertAPIKey", w.InsertAPIKey(t.Context(), k, event(signet.EventAPIKeyCreated)), "")
	return k
}

func (w *world) device(t *testing.T, account string) *signet.Device {
	t.Helper()
	d := &signet.Device{ID: signet.NewUUID(), DCN: "1000/2", AccountID: account, Name: "Till 1", Hash: newHash()}
	want(t, "InsertDevice", w.InsertDevice(t.Context(), d, event(signet.EventDeviceCreated)), "")
	return d
}

func (w *world) pinApplication(t *testing.T) *signet.PINApplication {
	t.Helper()
	app, client, user := newPINApplication()
	key := newSealedKey(signet.OwnerPINApplication+string(app.ID), signet.KeyPIN)
	want(t, "InsertPINApplication", w.InsertPINApplication(t.Context(), app, client, user, []signet.SealedKey{key},
		event(signet.EventPINApplicationCreated)), "")
	app.Keys = []signet.SealedKey{key}
	return app
}

func newPINApplication() (*signet.PINApplication, *signet.Client, *signet.User) {
	id := signet.NewClientID()
	app := &signet.PINApplication{
		ID: id, PINHash: "$argon2id$first",
		PINApplicationMetadata: signet.PINApplicationMetadata{Username: "Loans-" + string(id), Mode: signet.PINv2, AllowedNetworks: []string{"10.0.0.0/8"}},
	}
	client := &signet.Client{ID: id, ClientMetadata: signet.ClientMetadata{ClientName: "Loans", GrantTypes: []string{signet.GrantPIN}}}
	return app, client, &signet.User{ID: app.UserID(), Username: string(app.UserID())}
}

// audited runs an act and fails the test unless it wrote one event of the kind, or none for "".
func (w *world) audited(t *testing.T, what string, kind signet.EventKind, code signet.Code, act func(signet.Event) error) {
	t.Helper()
	before := w.count(t, "SELECT COUNT(*) FROM audit_events")
	want(t, what, act(event(kind)), code)
	wrote := 1
	if code != "" {
		wrote = 0
	}
	if n := w.count(t, "SELECT COUNT(*) FROM audit_events") - before; n != wrote {
		t.Fatalf("%s: %d audit events, want %d", what, n, wrote)
	}
}

// revoked fails the test unless the journal has exactly n live entries that name the facts.
func (w *world) revoked(t *testing.T, facts signet.TokenFacts, n int) []signet.Revocation {
	t.Helper()
	entries, err := w.RevocationsOf(t.Context(), facts)
	want(t, "RevocationsOf", err, "")
	if len(entries) != n {
		t.Fatalf("%d journal entries name %+v, want %d: %+v", len(entries), facts, n, entries)
	}
	return entries
}

// contract is one of each record that nodes cache.
type contract struct {
	biller  *signet.Biller
	server  *signet.ResourceServer
	invoice *signet.Invoice
	account *signet.Account
	owner   *signet.User
	key     *signet.APIKey
	device  *signet.Device
	app     *signet.PINApplication
}

func (w *world) contract(t *testing.T) *contract {
	t.Helper()
	c := &contract{biller: w.biller(t), server: w.resourceServer(t), app: w.pinApplication(t)}
	c.account, c.owner = w.account(t)
	c.key, c.device = w.apiKey(t, c.account.ID), w.device(t, c.account.ID)
	c.invoice = &signet.Invoice{BillerID: c.biller.ID, InvoiceGUID: signet.NewUUID(), DueAt: w.clock.Now()}
	want(t, "PutInvoice", w.PutInvoice(t.Context(), c.invoice, event(signet.EventInvoiceStored)), "")
	return c
}

// state is what a node says of the contract's records, one text for each way to find one.
func (c *contract) state(ctx context.Context, s *sqlstore.Store) (map[string]any, error) {
	out := map[string]any{}
	var failed error
	put := func(name string, value any, err error) {
		out[name] = value
		if err != nil && failed == nil {
			failed = err
		}
	}
	biller, err := s.Biller(ctx, c.biller.ID)
	put("biller", biller, err)
	server, err := s.ResourceServer(ctx, c.server.ID)
	put("resource server", server, err)
	server, err = s.ResourceServerByAudience(ctx, c.server.Audience)
	put("resource server by audience", server, err)
	invoice, err := s.Invoice(ctx, c.invoice.BillerID, c.invoice.InvoiceGUID)
	put("invoice", invoice, err)
	account, err := s.Account(ctx, c.account.ID)
	put("account", account, err)
	account, err = s.AccountByInstance(ctx, c.account.Instance)
	put("account by instance", account, err)
	members, err := s.Memberships(ctx, c.owner.ID)
	put("memberships", members, err)
	key, err := s.APIKeyByID(ctx, c.key.ID)
	put("API key", key, err)
	key, err = s.APIKeyByHash(ctx, hashes(c.key.Hash))
	put("API key by hash", key, err)
	device, err := s.Device(ctx, c.device.DCN, c.device.ID)
	put("device", device, err)
	app, err := s.PINApplication(ctx, c.app.Username)
	put("PIN application", app, err)
	principal, err := s.Principal(ctx, c.biller.Principal())
	put("principal of the biller", *principal, err)
	principal, err = s.Principal(ctx, c.key.Principal())
	put("principal of the key", *principal, err)
	return out, failed
}

// Every cached record follows what another node does within a second, whichever way it is found.
func TestContractCachesFollowOtherNodes(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		reader := w.open(t, sqlstore.Options{})
		told := settled(t, reader)
		c := w.contract(t)
		await(t, told, "billers", string(c.biller.ID)) // until then the reader may know that there is none
		ctx := t.Context()
		warmUp := func() map[string]any {
			t.Helper()
			state, err := c.state(ctx, reader)
			want(t, "read", err, "")
			return state
		}
		e := event(signet.EventBillerUpdated)
		sealed := func(owner string) *signet.SealedKey {
			key := newSealedKey(owner, signet.KeyHMAC)
			return &key
		}
		for _, act := range []struct {
			name string
			run  func() error
			seen []string
		}{
			{"update a biller", func() error { return w.UpdateBiller(ctx, c.biller, e) }, []string{"biller"}},
			{"key of a biller", func() error { return w.PutSealedKey(ctx, sealed("biller:"+string(c.biller.ID)), e) }, []string{"biller"}},
			{"disable a biller", func() error { return w.SetBillerDisabled(ctx, c.biller.ID, true, e) },
				[]string{"biller", "principal of the biller"}},
			{"key of a resource server", func() error { return w.PutSealedKey(ctx, sealed("resource_server:"+c.server.ID), e) },
				[]string{"resource server", "resource server by audience"}},
			{"disable a resource server", func() error { return w.SetResourceServerDisabled(ctx, c.server.ID, true, e) },
				[]string{"resource server", "resource server by audience"}},
			{"put an invoice", func() error { return w.PutInvoice(ctx, c.invoice, e) }, []string{"invoice"}},
			{"rename an account", func() error { c.account.Name = "Emca"; return w.UpdateAccount(ctx, c.account, e) },
				[]string{"account", "account by instance", "memberships"}},
			{"key of an account", func() error { return w.PutSealedKey(ctx, sealed("account:"+c.account.ID), e) },
				[]string{"account", "account by instance"}},
			{"update an API key", func() error { c.key.Role = "account-owner"; return w.UpdateAPIKey(ctx, c.key, e) },
				[]string{"API key", "API key by hash", "principal of the key"}},
			{"disable an account", func() error { return w.SetAccountDisabled(ctx, c.account.ID, true, e) },
				[]string{"account", "account by instance", "memberships", "principal of the key"}},
			{"disable a device", func() error { return w.SetDeviceDisabled(ctx, c.device.DCN, c.device.ID, true, e) },
				[]string{"device"}},
			{"update a PIN application", func() error { return w.UpdatePINApplication(ctx, c.app, e) }, []string{"PIN application"}},
			{"end a key of a PIN application", func() error {
				return w.EndSealedKey(ctx, c.app.Keys[0].Owner, c.app.Keys[0].ID, w.clock.Now(), e)
			}, []string{"PIN application"}},
			{"reseal a key", func() error {
				return w.ResealRecord(ctx, c.app.Keys[0].Owner, c.app.Keys[0].ID, "kek-1", []byte{9}, "kek-2")
			}, []string{"PIN application"}},
		} {
			before := warmUp()
			want(t, act.name, act.run(), "")
			limit := time.After(time.Second)
			for old := act.seen; len(old) > 0; {
				after := warmUp()
				old = slices.DeleteFunc(slices.Clone(act.seen), func(name string) bool { return !sameText(before[name], after[name]) })
				if len(old) == 0 {
					break
				}
				select {
				case <-told:
				case <-limit:
					t.Errorf("%s: after a second, %q are the old ones", act.name, old)
					old = nil
				}
			}
		}
	})
}

// optionsAt are those of a node whose clock stands still.
func optionsAt(now time.Time) sqlstore.Options {
	return sqlstore.Options{Now: func() time.Time { return now }}
}
