package oauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/ory/fosite"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/signet"
)

// See alone_test.go: here the makers of tokens.

// late runs the rest of the list for a request that was prepared before something else happened: the second of two.
func (h *tokenHouse) late(x *exchange) error {
	steps, _ := h.server.stepsOf(x.grantType)
	steps.prepare = func(context.Context, *exchange) error { return nil }
	return h.server.fulfil(h.t.Context(), x, steps)
}

func (h *tokenHouse) prepared(id signet.ClientID, grantType string, pairs ...string) *exchange {
	h.t.Helper()
	client, err := h.store.Client(h.t.Context(), id)
	ok(h.t, err)
	x := &exchange{now: h.server.stamp(), client: client, grantType: grantType, params: url.Values{"grant_type": {grantType}}}
	for i := 0; i+1 < len(pairs); i += 2 {
		x.params.Set(pairs[i], pairs[i+1])
	}
	steps, _ := h.server.stepsOf(grantType)
	ok(h.t, steps.prepare(h.t.Context(), x))
	return x
}

// TestSecondOfTwo: two requests that both passed every look. The statement lets one through, and the other is told.
func TestSecondOfTwo(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	// A code: the second is a replay, and takes back what the first got (RFC 6749 §4.1.2).
	code := h.code(conf, "openid offline_access")
	second := h.prepared(conf, signet.GrantAuthorizationCode, "code", code, "redirect_uri", tokenRedirect, "code_verifier", pairVerifier)
	first := h.redeem(conf, code)
	h.want(first, http.StatusOK, "")
	if err := h.late(second); signet.CodeOf(err) != signet.CodeInvalidGrant || signet.ReasonOf(err) != "code_replayed" {
		t.Errorf("the second use of a code: %v", err)
	}
	if h.active(first.text("access_token")) || h.events(signet.EventCodeReplayed) != 1 {
		t.Error("the first use lives on, or nobody was told")
	}
	// A code whose grant was taken back after the look.
	code = h.code(conf, "openid offline_access")
	second = h.prepared(conf, signet.GrantAuthorizationCode, "code", code, "redirect_uri", tokenRedirect, "code_verifier", pairVerifier)
	ok(t, h.store.RevokeGrant(t.Context(), second.grant.ID, "test", h.event(signet.EventGrantRevoked)))
	if err := h.late(second); protocolErrorOf(err).Name != "invalid_grant" {
		t.Errorf("a code of a grant that has ended: %v", err)
	}
	// A refresh token whose grant was taken back after the look.
	token := h.family(conf, "openid offline_access").text("refresh_token")
	second = h.prepared(conf, signet.GrantRefreshToken, "refresh_token", token)
	ok(t, h.store.RevokeGrant(t.Context(), second.grant.ID, "test", h.event(signet.EventGrantRevoked)))
	if err := h.late(second); protocolErrorOf(err).Name != "invalid_grant" {
		t.Errorf("a refresh token of a grant that has ended: %v", err)
	}
	// fosite's adapters give no other code or token than the one that was looked at.
	code, token = h.code(conf, "openid offline_access"), h.family(conf, "openid offline_access").text("refresh_token")
	for name, x := range map[string]*exchange{
		code:  h.prepared(conf, signet.GrantAuthorizationCode, "code", code, "redirect_uri", tokenRedirect, "code_verifier", pairVerifier),
		token: h.prepared(conf, signet.GrantRefreshToken, "refresh_token", token),
	} {
		x.params.Set("code", name+"x")
		x.params.Set("refresh_token", name+"x")
		store, ctx := &fositeStore{options: &h.server.Options}, withProof(t.Context(), &edgeProof{client: x.client, exchange: x})
		if _, err := store.GetAuthorizeCodeSession(ctx, name, nil); err == nil {
			t.Error("another code's session")
		}
		if _, err := store.GetPKCERequestSession(ctx, name, nil); err == nil {
			t.Error("another code's challenge")
		}
		if _, err := store.GetRefreshTokenSession(ctx, name, nil); err == nil {
			t.Error("another refresh token's session")
		}
		if _, err := store.GetClient(ctx, string(other)); err == nil {
			t.Error("another client")
		}
		if _, err := store.GetClient(t.Context(), string(conf)); err == nil {
			t.Error("a client that nobody proved")
		}
	}
}

// TestSuccessorValue is the value of decision 1, computed beside: another token or another grant has another successor.
func TestSuccessorValue(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a := h.family(conf, "openid offline_access").text("refresh_token")
	x := h.prepared(conf, signet.GrantRefreshToken, "refresh_token", a)
	_, key, _ := h.ring.RotationKey(x.refresh.state.Token.RotationKeyID)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(a + string(x.grant.ID)))
	if want := signet.FormatSecret(signet.SecretRefresh, mac.Sum(nil)); x.refreshOut != want {
		t.Error("the successor is another value")
	}
	row := x.refresh.successor
	if old := x.refresh.state.Token; row.Generation != old.Generation+1 || row.GrantID != x.grant.ID || row.ClientID != conf || row.RotationKeyID == "" || !row.CreatedAt.Equal(x.now) {
		t.Errorf("%+v", row)
	}
	// Spent once, and since then its client rotates no more: still the successor, never the spent one.
	h.want(h.refresh(conf, a), http.StatusOK, "")
	x = &exchange{now: h.server.stamp(), grantType: signet.GrantRefreshToken, params: url.Values{"refresh_token": {a}}}
	record, err := h.store.Client(t.Context(), conf)
	ok(t, err)
	changed := *record
	changed.Rotation, changed.RefreshTokenIdle = "off", 1
	x.client = &changed
	// And in the grace it does not matter how old the spent one is.
	x.now = x.now.Add(5 * time.Second)
	if err := h.server.prepareRefresh(t.Context(), x); err != nil || x.refreshOut == signet.Secret(a) || x.refresh.successor != nil {
		t.Errorf("%v", err)
	}
	// The table says another successor than the one that the token leads to.
	odd := *x.refresh.state
	next := *odd.Successor
	next.Hash = h.ring.HashKeys().Hash("another")
	odd.Successor = &next
	x = &exchange{now: h.server.stamp(), client: record, shown: &odd, params: x.params}
	if err := h.server.prepareRefresh(t.Context(), x); signet.ReasonOf(err) != "refresh_successor_differs" {
		t.Errorf("%v", err)
	}
}

func TestRefreshEnd(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	grant := &signet.Grant{ExpiresAt: at.Add(time.Hour)}
	plain, pin := &signet.Client{}, &signet.Client{ClientMetadata: signet.ClientMetadata{GrantTypes: []string{signet.GrantPIN}}}
	if idleLimit(plain) != 0 || idleLimit(pin) != signet.PINIdle || !refreshEnd(plain, grant, at).Equal(grant.ExpiresAt) {
		t.Error("no limit is no limit")
	}
	plain.RefreshTokenIdle = 60
	if !refreshEnd(plain, grant, at).Equal(at.Add(time.Minute)) || !refreshEnd(plain, grant, at.Add(time.Hour)).Equal(grant.ExpiresAt) {
		t.Error("what comes first is the end")
	}
	token := &signet.RefreshToken{CreatedAt: at}
	for after, want := range map[time.Duration]bool{time.Minute - 1: false, time.Minute: true} {
		if got := idledOut(plain, token, at.Add(after)); got != want {
			t.Errorf("after %v: %t", after, got)
		}
	}
}

// TestTargets: RFC 8707, each side alone.
func TestTargets(t *testing.T) {
	t.Parallel()
	s := &Server{Options: Options{Issuer: tokenIssuer}}
	two := []string{"https://a.test", "https://b.test"}
	for _, tc := range []struct {
		name              string
		registered, grant []string
		asked             []string
		want              []string
	}{
		{"nothing registered", nil, nil, nil, []string{tokenIssuer}},
		{"the first", two, nil, nil, two[:1]},
		{"all of the grant", two, two, nil, two},
		{"one of the grant", two, two, two[1:], two[1:]},
		{"twice the same", two, nil, []string{two[0], two[0]}, two[:1]},
		{"registered, not granted", two, two[:1], two[1:], nil},
		{"granted, no longer registered", two[:1], two, nil, nil},
		{"granted, no longer registered, asked for", two[:1], two, two[1:], nil},
		{"a grant for signet itself", two, []string{tokenIssuer}, nil, []string{tokenIssuer}},
		{"signet itself, not granted", two, two, []string{tokenIssuer}, nil},
	} {
		x := &exchange{client: &signet.Client{ClientMetadata: signet.ClientMetadata{Audiences: tc.registered}}, params: url.Values{"resource": tc.asked}}
		if tc.grant != nil {
			x.grant = &signet.Grant{Audience: tc.grant}
		}
		got, err := s.targets(x)
		if signet.ReasonOf(err) == "resource_not_allowed" != (tc.want == nil) || len(got) != len(tc.want) || len(got) > 0 && got[0] != tc.want[0] {
			t.Errorf("%s: %v %v", tc.name, got, err)
		}
	}
	x := &exchange{client: &signet.Client{}, grant: &signet.Grant{}}
	if got, err := s.targets(x); err != nil || len(got) != 1 || got[0] != tokenIssuer {
		t.Errorf("a grant of no audience: %v %v", got, err)
	}
}

// TestNothingWithoutTheKey: an algorithm that has no key is an outage of ours, not an answer with something missing. The
// code is kept for another try.
func TestNothingWithoutTheKey(t *testing.T) {
	t.Parallel()
	h := newTokenHouseOf(t, []string{signet.AlgES256})
	h.client("access", signet.AuthNone, func(c *signet.Client) { c.AccessTokenAlg = signet.AlgPS256 })
	h.client("id", signet.AuthNone, func(c *signet.Client) { c.IDTokenSignedAlg = signet.AlgPS256 })
	for _, id := range []signet.ClientID{"access", "id"} {
		code := h.code(id, "openid")
		for range 2 {
			h.want(h.redeem(id, code), http.StatusServiceUnavailable, "temporarily_unavailable")
		}
	}
	// Each token has its own life.
	h.client("lives", signet.AuthNone, func(c *signet.Client) { c.AccessTokenLifetime, c.IDTokenLifetime = 120, 240 })
	a := h.family("lives", "openid")
	_, access := claimsOf(t, a.text("access_token"))
	_, idToken := claimsOf(t, a.text("id_token"))
	if access["exp"].(float64)-access["iat"].(float64) != 120 || idToken["exp"].(float64)-idToken["iat"].(float64) != 240 || a.m["expires_in"] != 120.0 {
		t.Errorf("%v %v", access, idToken)
	}
}

// away fails the writes of tokens.
type away struct {
	AccessTokens
	GrantStarter
}

func (away) InsertAccessToken(context.Context, *signet.AccessToken) error { return errAway }
func (away) InsertGrant(context.Context, *signet.Grant) error {
	return &signet.Error{Code: signet.CodeRevoked, Reason: "principal_ended"}
}

// TestNothingUnwritten: a token whose row could not be written is not given out, and nothing of its family stays.
func TestNothingUnwritten(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	h.application()
	code := h.code(opaque, "openid")
	store := h.server.AccessTokens
	h.server.AccessTokens = away{AccessTokens: store}
	h.want(h.redeem(opaque, code), http.StatusServiceUnavailable, "temporarily_unavailable")
	h.want(h.post("/token", opaque, "grant_type", "client_credentials"), http.StatusServiceUnavailable, "temporarily_unavailable")
	if g, err := h.start(); g != nil || signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("%+v %v", g, err)
	}
	if ev := h.desk.last(t); ev.Kind != signet.EventTokenRefused || ev.ClientID != pinApp {
		t.Errorf("%+v", ev)
	}
	h.server.AccessTokens = store
	h.want(h.redeem(opaque, code), http.StatusOK, "")
	h.store.insertRefresh.Store(true)
	if g, err := h.start(); g != nil || signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("%+v %v", g, err)
	}
	h.store.insertRefresh.Store(false)
	// What ended while it was being written is a refused grant.
	starter := h.server.GrantStarter
	h.server.GrantStarter = away{}
	if g, err := h.start(); g != nil || signet.CodeOf(err) != signet.CodeInvalidGrant || signet.ReasonOf(err) != "principal_ended" {
		t.Errorf("%+v %v", g, err)
	}
	h.server.GrantStarter = nil
	if _, err := h.start(); signet.CodeOf(err) != signet.CodeInternal {
		t.Errorf("nobody begins grants: %v", err)
	}
	h.server.GrantStarter = starter
	g := h.mustStart()
	state, err := h.store.RefreshToken(t.Context(), h.ring.HashKeys().Candidates(g.RefreshToken.Reveal()))
	ok(t, err)
	if aud := state.Grant.Audience; len(aud) != 1 || aud[0] != tokenIssuer || !state.Grant.Offline || state.Grant.ACR != signet.ACRPIN {
		t.Errorf("%+v", state.Grant)
	}
	// Refreshing it says what happened too, and when the new token ends.
	h.clock.forward(time.Minute)
	next, err := h.server.RefreshGrant(t.Context(), g.RefreshToken.Reveal())
	ok(t, err)
	if ev := h.desk.last(t); ev.Kind != signet.EventTokenIssued || ev.Reason != signet.GrantRefreshToken {
		t.Errorf("%+v", ev)
	}
	h.clock.forward(time.Second)
	again, err := h.server.RefreshGrant(t.Context(), g.RefreshToken.Reveal())
	if err != nil || !again.RefreshExpiresAt.Equal(next.RefreshExpiresAt) || again.RefreshToken != next.RefreshToken {
		t.Errorf("in the grace: %+v %v", again, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.server.RefreshGrant(gone, next.RefreshToken.Reveal()); signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("no store: %v", err)
	}
	records := &brittleRecords{Records: h.store}
	records.client.Store(true)
	h.server.Records = records
	if _, err := h.start(); signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("no records: %v", err)
	}
	order := h.desk.identityOrder()
	order.ClientID = billed
	if _, err := h.server.IssueToken(t.Context(), order); signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("no records: %v", err)
	}
}

// TestVouchedAlone: neither an order that does not fit nor a principal that nobody looked at becomes a token.
func TestVouchedAlone(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	for name, change := range map[string]func(*signet.TokenOrder){
		"no principal":         func(o *signet.TokenOrder) { o.Principal, o.Subject = "", string(h.user) },
		"another's subject":    func(o *signet.TokenOrder) { o.Subject = deskKey },
		"no audience":          func(o *signet.TokenOrder) { o.Audience = nil },
		"a recipient of other": func(o *signet.TokenOrder) { o.Recipient = &signet.ResourceServer{} },
	} {
		order := h.desk.identityOrder()
		change(order)
		if err := (&exchange{}).adopt(order); signet.CodeOf(err) != signet.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Through /token as well.
	off := h.clock.now()
	h.desk.recipient = &signet.ResourceServer{ResourceServerMetadata: signet.ResourceServerMetadata{Audience: deskAudience}, DisabledAt: &off}
	h.want(h.exchange(signet.GrantHMACIdentity, ""), http.StatusBadRequest, "invalid_target")
	h.desk.recipient = nil
	h.want(h.post("/token", conf, "grant_type", "password"), http.StatusBadRequest, "unsupported_grant_type")

	look := func() error {
		return h.server.vouched(t.Context(), &exchange{now: h.server.stamp(), order: h.desk.identityOrder()})
	}
	for want, p := range map[string]*signet.Principal{
		"": {}, "principal_gone": nil, "principal_disabled": {Disabled: true}, "principal_not_before": {NotBefore: h.clock.now().Add(time.Hour)},
	} {
		h.desk.principals[billerPrincipal] = p
		if err := look(); signet.ReasonOf(err) != want || (err == nil) != (want == "") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	h.server.Principals = nil
	if err := look(); signet.CodeOf(err) != signet.CodeInternal {
		t.Errorf("nobody knows principals: %v", err)
	}

	handler := vouchedHandler{signet.GrantHMACIdentity}
	request := fosite.NewAccessRequest(&session{})
	whole := exchange{grantType: signet.GrantHMACIdentity, order: h.desk.identityOrder(), principal: &signet.Principal{}, access: accessToken{text: "t"}}
	for _, tc := range []struct {
		name          string
		change        func(*exchange)
		grant         string
		handles, ends bool
	}{
		{"whole", func(*exchange) {}, signet.GrantHMACIdentity, true, true},
		{"no order", func(x *exchange) { x.order = nil }, signet.GrantHMACIdentity, false, false},
		{"no principal", func(x *exchange) { x.principal = nil }, signet.GrantHMACIdentity, false, true},
		{"of another grant", func(x *exchange) { x.grantType = signet.GrantTokenExchange }, signet.GrantHMACIdentity, false, true},
		{"nothing minted", func(x *exchange) { x.access.text = "" }, signet.GrantHMACIdentity, true, false},
		{"another grant's request", func(*exchange) {}, signet.GrantTokenExchange, false, false},
	} {
		x := whole
		tc.change(&x)
		request.GrantTypes = fosite.Arguments{tc.grant}
		ctx := withProof(t.Context(), &edgeProof{exchange: &x})
		if err := handler.HandleTokenEndpointRequest(ctx, request); (err == nil) != tc.handles {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err := handler.PopulateTokenEndpointResponse(ctx, request, fosite.NewAccessResponse()); (err == nil) != tc.ends {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	request.GrantTypes = fosite.Arguments{signet.GrantHMACIdentity}
	if handler.HandleTokenEndpointRequest(t.Context(), request) == nil || handler.PopulateTokenEndpointResponse(t.Context(), request, fosite.NewAccessResponse()) == nil {
		t.Error("without an exchange")
	}
}

// refusing lets nobody try, for a while.
type refusing struct{ emptySeats }

func (refusing) Refused(context.Context, string) (int, bool) { return 7, true }

// TestClientMustWait: who guessed too often is told how long to wait.
func TestClientMustWait(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	prover, err := clientauth.New(clientauth.Options{
		Clients: h.store, Marks: h.store.Marks(), Failures: refusing{}, Alarms: h.store, HashKeys: h.ring.HashKeys, Issuer: tokenIssuer,
		TokenEndpoints: []string{tokenIssuer + "/token"}, Now: h.clock.now,
	})
	ok(t, err)
	h.server.ClientAuth = prover
	a := h.post("/token", service, "grant_type", "client_credentials", "client_secret", "wrong")
	h.want(a, http.StatusTooManyRequests, "temporarily_unavailable")
	if got := a.header.Get("Retry-After"); got != strconv.Itoa(7) {
		t.Errorf("Retry-After %q", got)
	}
}
