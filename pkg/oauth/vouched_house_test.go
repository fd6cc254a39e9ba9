package oauth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	deskBiller   = "b6f0a1de-0000-4000-8000-000000000001"
	deskUser     = "7c2b9a10-0000-4000-8000-000000000002"
	deskAudience = "https://payments.test"
	deskKey      = "key:k1"
	goodHMAC     = "good"
	goodKey      = "sgt_ak_good"

	billerPrincipal = signet.PrincipalBiller + deskBiller
	billerKey       = billerPrincipal + "#h1"

	billed   signet.ClientID = "billed"   // the biller's client, registered for both grants
	billless signet.ClientID = "billless" // registered for them too, another biller's
	pubVouch signet.ClientID = "pubvouch" // public, registered for both
	pinApp   signet.ClientID = "pinapp"   // a PIN application's
)

// desk plays the rooms that prove and the records that they would read; everything behind it is real.
type desk struct {
	store      *switches
	proofs     int // how often a room was asked to prove: then its replay mark is consumed
	identity   signet.IdentityRequest
	apiKey     signet.APIKeyRequest
	fail       error // what a proof returns instead
	recipient  *signet.ResourceServer
	principals map[string]*signet.Principal
	away       bool // principals cannot be read
	members    map[signet.UserID]*signet.Memberships
	newest     map[signet.UserID]*signet.Memberships // where the database knows better than members
	reads      int                                   // how often the database was asked for memberships
	servers    map[string]*signet.ResourceServer
	lists      int // how often the resource servers were listed
	key        *signet.APIKey
	traffic    []signet.Event
}

func (d *desk) ProveIdentity(_ context.Context, req signet.IdentityRequest) (*signet.TokenOrder, error) {
	d.proofs, d.identity = d.proofs+1, req
	switch {
	case d.fail != nil:
		return nil, d.fail
	case req.HMAC != goodHMAC:
		return nil, signet.NewError(signet.CodeInvalidGrant, "", "hmac_wrong")
	case req.Client != nil && req.Client.ID == billless:
		return nil, signet.NewError(signet.CodeUnauthorizedClient, "", "client_of_another_biller")
	}
	return d.identityOrder(), nil
}

func (d *desk) identityOrder() *signet.TokenOrder {
	return &signet.TokenOrder{
		GrantType: signet.GrantHMACIdentity, Principal: billerPrincipal, Credential: billerKey,
		Subject: billerPrincipal + ":user:" + deskUser, Audience: []string{deskAudience}, Scope: signet.Scope{"pay"},
		AMR: []string{"hmac"}, Claims: signet.OrderClaims{BillerGUID: deskBiller, UserGUID: deskUser}, Recipient: d.recipient,
	}
}

func (d *desk) ProveAPIKey(_ context.Context, req signet.APIKeyRequest) (*signet.TokenOrder, error) {
	d.proofs, d.apiKey = d.proofs+1, req
	switch {
	case d.fail != nil:
		return nil, d.fail
	case req.Key != goodKey:
		return nil, signet.NewError(signet.CodeInvalidToken, "", "key_unknown")
	}
	return &signet.TokenOrder{
		GrantType: signet.GrantTokenExchange, Principal: deskKey, Subject: deskKey, Audience: req.Resources,
		Scope: signet.Scope{"payment-requests:read"}, Lifetime: 10 * time.Minute,
		Claims: signet.OrderClaims{Account: "a1", Role: "merchant-terminal", Permissions: []string{"payment-requests:read"}},
	}, nil
}

func (d *desk) APIKeyFacts(_ context.Context, raw string) (*signet.APIKeyFacts, error) {
	switch {
	case d.fail != nil:
		return nil, d.fail
	case raw != goodKey && raw != "an old system's key":
		return nil, signet.NewError(signet.CodeInvalidToken, "", "key_unknown")
	}
	return &signet.APIKeyFacts{Key: d.key, Permissions: []string{"payment-requests:read", "payment-requests:pay"}}, nil
}

func (d *desk) Principal(_ context.Context, id string) (*signet.Principal, error) {
	if d.away {
		return nil, errAway
	}
	if p := d.principals[id]; p != nil {
		copied := *p
		return &copied, nil
	}
	return nil, signet.ErrNotFound
}

func (d *desk) Biller(_ context.Context, id signet.BillerID) (*signet.Biller, error) {
	if d.away {
		return nil, errAway
	}
	if id != deskBiller {
		return nil, signet.ErrNotFound
	}
	return &signet.Biller{ID: id, BillerMetadata: signet.BillerMetadata{ClientID: billed}}, nil
}

func (d *desk) Memberships(ctx context.Context, user signet.UserID) (*signet.Memberships, error) {
	if signet.WantsTruth(ctx) {
		d.reads++
		if m := d.newest[user]; m != nil {
			return m, nil
		}
	}
	if d.away {
		return nil, errAway
	}
	if m := d.members[user]; m != nil {
		return m, nil
	}
	return &signet.Memberships{UserID: user}, nil
}

func (d *desk) ResourceServer(_ context.Context, id string) (*signet.ResourceServer, error) {
	if rs := d.servers[id]; rs != nil {
		return rs, nil
	}
	return nil, signet.ErrNotFound
}

func (d *desk) ListResourceServers(_ context.Context, after string, limit int) (out []signet.ResourceServer, err error) {
	d.lists++
	if d.away {
		return nil, errAway
	}
	for _, rs := range d.servers {
		if rs.ID > after {
			out = append(out, *rs)
		}
	}
	slices.SortFunc(out, func(a, b signet.ResourceServer) int { return strings.Compare(a.ID, b.ID) })
	return out[:min(limit, len(out))], nil
}

func (d *desk) InsertGrant(ctx context.Context, grant *signet.Grant) error {
	return d.store.InsertGrant(ctx, grant)
}

// Traffic keeps what the token endpoint says happened.
func (d *desk) Traffic(ev signet.Event) { d.traffic = append(d.traffic, ev) }

func (d *desk) Record(ctx context.Context, ev signet.Event) error { return d.store.Record(ctx, ev) }

func (d *desk) last(t testing.TB) signet.Event {
	t.Helper()
	if len(d.traffic) == 0 {
		t.Fatal("no traffic event")
	}
	return d.traffic[len(d.traffic)-1]
}

// contracts is a token house with the ports of the five contracts.
type contracts struct {
	*tokenHouse
	desk *desk
}

func newContracts(t testing.TB, change ...func(*Options)) *contracts {
	t.Helper()
	d := &desk{
		principals: map[string]*signet.Principal{billerPrincipal: {ID: billerPrincipal}, deskKey: {ID: deskKey}},
		members:    map[signet.UserID]*signet.Memberships{}, servers: map[string]*signet.ResourceServer{},
		key: &signet.APIKey{ID: "k1", AccountID: "a1", Role: "merchant-terminal", Enabled: true},
	}
	h := &contracts{desk: d}
	h.tokenHouse = newTokenHouseOf(t, []string{signet.AlgES256}, func(o *Options) {
		d.store = o.Records.(*switches)
		o.Events = d
		o.Contracts = Contracts{Identities: d, APIKeys: d, Principals: d, Billers: d, Accounts: d, ResourceServers: d, GrantStarter: d}
		for _, f := range change {
			f(o)
		}
	})
	both := func(c *signet.Client) {
		c.GrantTypes = []string{signet.GrantHMACIdentity, signet.GrantTokenExchange}
		c.Scope = "pay"
	}
	h.client(billed, signet.AuthSecretPost, both)
	h.client(billless, signet.AuthSecretPost, both)
	h.client(pubVouch, signet.AuthNone, both)
	h.client(pinApp, signet.AuthNone, func(c *signet.Client) {
		c.GrantTypes, c.Scope = []string{signet.GrantPIN}, "loans openid"
	})
	h.clock.forward(2 * time.Second)
	return h
}

// form is a request that is right, of either grant.
func vouchedForm(grant string) []string {
	if grant == signet.GrantHMACIdentity {
		return []string{"grant_type", grant, "biller_id", deskBiller, "user_id", deskUser, "timestamp", "1", "hmac", goodHMAC, "hmac_kid", "h1"}
	}
	return []string{"grant_type", grant, "subject_token", goodKey, "subject_token_type", tokenTypeAPIKey, "resource", deskAudience}
}

func (h *contracts) exchange(grant string, id signet.ClientID, change ...string) answerOf {
	h.t.Helper()
	return h.post("/token", id, append(vouchedForm(grant), change...)...)
}

// server registers a resource server whose private key signet holds.
func (h *contracts) resourceServer(id string) (*signet.ResourceServer, *rsa.PrivateKey) {
	h.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ok(h.t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	ok(h.t, err)
	held := signet.SealedKey{ID: signet.KeyID("kid-" + id), Owner: signet.OwnerResourceServer + id, Use: signet.KeyDecrypt}
	h.ring.SealRecord(&held, der)
	jwk, err := (&jose.JSONWebKey{Key: &key.PublicKey, KeyID: string(held.ID)}).MarshalJSON()
	ok(h.t, err)
	rs := &signet.ResourceServer{ID: id, Keys: []signet.SealedKey{held}, ResourceServerMetadata: signet.ResourceServerMetadata{
		Audience: deskAudience, JWK: jwk,
	}}
	h.desk.servers[id] = rs
	return rs, key
}

// revocation writes one entry of the journal.
func (h *contracts) takeBack(kind signet.RevocationKind, subject string, before time.Time) {
	h.t.Helper()
	now := h.clock.now()
	ok(h.t, h.store.WriteRevocations(h.t.Context(), []signet.Revocation{{
		Kind: kind, Subject: subject, Before: before, At: now, ExpiresAt: now.Add(time.Hour),
	}}, h.event(signet.EventTokenRevoked)))
}

func (h *contracts) disable(id signet.ClientID) {
	h.t.Helper()
	ok(h.t, h.store.SetClientDisabled(h.t.Context(), id, true, h.event(signet.EventClientDisabled)))
}

// live is active at introspection and for other rooms alike.
func (h *contracts) live(token string) bool {
	h.t.Helper()
	active := h.active(token)
	_, err := h.server.Bearer(h.t.Context(), token)
	if code := signet.CodeOf(err); (err == nil) != active || err != nil && code != signet.CodeInvalidToken {
		h.t.Errorf("introspection says %t, Bearer %v", active, err)
	}
	return active
}
