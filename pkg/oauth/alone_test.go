package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/signet"
)

// Behind most checks of the token endpoint stands a second one: fosite's, the condition of a statement, the journal. These
// tests ask the first one alone and by its reason, so that neither can be lost unseen while the other still refuses.

// TestPrepareCode is the list of prepareCode, each line by its reason.
func TestPrepareCode(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	client := func(id signet.ClientID) *signet.Client {
		c, err := h.store.Client(t.Context(), id)
		ok(t, err)
		return c
	}
	unknown, _, err := h.server.codes.GenerateAuthorizeCode(t.Context(), nil)
	ok(t, err)
	// One row names one client in the code and another in the grant.
	odd, _, err := h.server.codes.GenerateAuthorizeCode(t.Context(), nil)
	ok(t, err)
	now := h.server.stamp()
	grant := &signet.Grant{
		ID: signet.NewGrantID(), ClientID: other, UserID: h.user, Scope: signet.Scope{"openid"}, AuthTime: now, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	ok(t, h.store.IssueCode(t.Context(), grant, &signet.AuthorizationCode{
		Hash: h.ring.HashKeys().Hash(odd), GrantID: grant.ID, ClientID: conf, RedirectURI: tokenRedirect, CodeChallenge: pairChallenge,
		CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}))
	good, spent, spentPub := h.code(conf, "openid"), h.code(conf, "openid"), h.code(pub, "openid")
	h.want(h.redeem(conf, spent), http.StatusOK, "")
	h.want(h.redeem(pub, spentPub), http.StatusOK, "")
	for _, tc := range []struct {
		name, code string
		client     signet.ClientID
		verifier   string
		later      time.Duration
		want       string
	}{
		{"none", "", conf, pairVerifier, 0, "code_missing"},
		{"no code at all", "sgt_code_x", conf, pairVerifier, 0, "code_malformed"},
		{"the HMAC is wrong", unknown[:len(unknown)-2] + "AA", conf, pairVerifier, 0, "code_malformed"},
		{"in no table", unknown, conf, pairVerifier, 0, "code_unknown"},
		{"another client's", good, other, pairVerifier, 0, "code_of_another_client"},
		{"code and grant of two clients, one", odd, conf, pairVerifier, 0, "code_of_another_client"},
		{"code and grant of two clients, the other", odd, other, pairVerifier, 0, "code_of_another_client"},
		{"wrong verifier", good, conf, strings.Repeat("w", 43), 0, "code_verifier_wrong"},
		{"spent", spent, conf, pairVerifier, 0, "code_replayed"},
		{"spent, wrong verifier, the client has proven itself", spent, conf, strings.Repeat("w", 43), 0, "code_replayed"},
		{"spent, wrong verifier, anybody", spentPub, pub, strings.Repeat("w", 43), 0, "code_verifier_wrong"},
		{"spent, by anybody with the verifier", spentPub, pub, pairVerifier, 0, "code_replayed"},
		{"spent long ago", spent, conf, pairVerifier, time.Hour, "code_replayed"},
		{"the last moment", good, conf, pairVerifier, time.Minute - time.Microsecond, ""},
		{"a minute", good, conf, pairVerifier, time.Minute, "code_expired"},
	} {
		x := &exchange{now: now.Add(tc.later), client: client(tc.client), params: url.Values{
			"code": {tc.code}, "redirect_uri": {tokenRedirect}, "code_verifier": {tc.verifier},
		}}
		if err := h.server.prepareCode(t.Context(), x); signet.ReasonOf(err) != tc.want || (err == nil) != (tc.want == "") {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestVerifierForm(t *testing.T) {
	t.Parallel()
	challenge := func(verifier string) string {
		sum := sha256.Sum256([]byte(verifier))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	every := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	for _, tc := range []struct {
		verifier string
		want     bool
	}{
		{strings.Repeat("a", 42), false}, {strings.Repeat("a", 43), true}, {strings.Repeat("a", 128), true}, {strings.Repeat("a", 129), false},
		{every, true}, {every + "+", false}, {every + "/", false}, {every + "=", false}, {every + " ", false}, {every + "@", false},
		{every + "[", false}, {every + "`", false}, {every + "{", false}, {every + ":", false}, {every + "\u00e9", false}, {every + "\x00", false},
	} {
		if got := verifies(tc.verifier, challenge(tc.verifier)); got != tc.want {
			t.Errorf("%q: %t", tc.verifier, got)
		}
	}
}

// TestPrepareRefresh is the list of prepareRefresh, each line by its reason.
func TestPrepareRefresh(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	h.client("idle", signet.AuthNone, func(c *signet.Client) { c.RefreshTokenIdle = signet.Seconds(60) })
	live := h.family(conf, "openid offline_access").text("refresh_token")
	reused := h.family(conf, "openid offline_access").text("refresh_token")
	h.want(h.refresh(conf, reused), http.StatusOK, "")
	ended := h.family(conf, "openid offline_access").text("refresh_token")
	h.want(h.post("/revoke", conf, "token", ended), http.StatusOK, "")
	idle := h.family("idle", "openid offline_access").text("refresh_token")
	overtaken := h.family(conf, "openid offline_access").text("refresh_token")
	next := h.refresh(conf, overtaken).text("refresh_token")
	h.want(h.refresh(conf, next), http.StatusOK, "")
	for _, tc := range []struct {
		name, token string
		client      signet.ClientID
		scope       string
		later       time.Duration
		want        string
	}{
		{"none", "", conf, "", 0, "refresh_token_missing"},
		{"no token at all", "x", conf, "", 0, "refresh_token_malformed"},
		{"an access token", signet.NewSecret(signet.SecretAccess).Reveal(), conf, "", 0, "refresh_token_malformed"},
		{"in no table", signet.NewSecret(signet.SecretRefresh).Reveal(), conf, "", 0, "refresh_token_unknown"},
		{"another client's", live, other, "", 0, "refresh_token_of_another_client"},
		{"taken back", ended, conf, "", 0, "grant_ended"},
		{"the grant is over", live, conf, "", 60 * 24 * time.Hour, "grant_ended"},
		{"spent, after the grace", reused, conf, "", 10 * time.Second, "refresh_token_reused"},
		{"overtaken", overtaken, conf, "", 0, "refresh_token_overtaken"},
		{"left alone", idle, "idle", "", time.Minute, "refresh_token_idle"},
		{"not yet left alone", idle, "idle", "", time.Minute - time.Microsecond, ""},
		{"more scope", live, conf, "openid read", 0, "scope_wider_than_grant"},
		{"less scope", live, conf, "openid", 0, ""},
		{"in the grace", reused, conf, "", 9 * time.Second, ""},
	} {
		client, err := h.store.Client(t.Context(), tc.client)
		ok(t, err)
		x := &exchange{now: h.server.stamp().Add(tc.later), client: client, params: url.Values{"refresh_token": {tc.token}, "scope": {tc.scope}}}
		err = h.server.prepareRefresh(t.Context(), x)
		if signet.ReasonOf(err) != tc.want || (err == nil) != (tc.want == "") {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		if tc.want != "" && (x.refresh != nil || x.refreshOut != "") {
			t.Errorf("%s: something was prepared", tc.name)
		}
	}
}

// TestSuccessor: a successor is never handed out that is in no table, and a race that ends otherwise is a refused grant.
func TestSuccessor(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	ctx := t.Context()
	client, err := h.store.Client(ctx, conf)
	ok(t, err)
	prepared := func(token string) *exchange {
		t.Helper()
		x := &exchange{now: h.server.stamp(), client: client, grantType: signet.GrantRefreshToken, params: url.Values{"refresh_token": {token}}}
		ok(t, h.server.prepareRefresh(ctx, x))
		return x
	}
	r0 := h.family(conf, "openid offline_access").text("refresh_token")
	first, second := prepared(r0), prepared(r0)
	if first.refresh.successor == nil || first.refreshOut != second.refreshOut {
		t.Fatal("two calls compute two successors")
	}
	// The one that was second at the row answers as the first did, and has written nothing.
	ok(t, h.server.rotate(ctx, first))
	ok(t, h.server.rotate(ctx, second))
	if third := prepared(r0); third.refresh.successor != nil || third.refreshOut != first.refreshOut {
		t.Error("the grace computes another successor")
	}
	// Where the grace is over at the second, it is a replay.
	late := prepared(r0)
	late.refresh.successor, late.now = second.refresh.successor, late.now.Add(10*time.Second)
	if err := h.server.rotate(ctx, late); signet.CodeOf(err) != signet.CodeUsed {
		t.Errorf("after the grace: %v", err)
	}
	// The successor in the table is another one, or the key that computed it is gone.
	x := prepared(r0)
	x.refresh.state.Successor.Hash = h.ring.HashKeys().Hash("another")
	if err := h.server.computeSuccessor(x, r0, verdictGrace); signet.ReasonOf(err) != "refresh_successor_differs" {
		t.Errorf("another successor: %v", err)
	}
	x.refresh.state.Token.RotationKeyID = "gone"
	if err := h.server.computeSuccessor(x, r0, verdictFresh); signet.CodeOf(err) != signet.CodeInternal {
		t.Errorf("no rotation key: %v", err)
	}
	// The row has vanished, or the grant ended after it was read.
	x = prepared(first.refreshOut.Reveal())
	gone := *x.refresh.state
	gone.Token.Hash = h.ring.HashKeys().Hash("nowhere")
	x.refresh.state = &gone
	if err := h.server.rotate(ctx, x); signet.CodeOf(err) != signet.CodeInvalidGrant {
		t.Errorf("no row: %v", err)
	}
	x = prepared(first.refreshOut.Reveal())
	ok(t, h.store.RevokeGrant(ctx, x.grant.ID, "test", h.event(signet.EventGrantRevoked)))
	if err := h.server.rotate(ctx, x); signet.CodeOf(err) != signet.CodeRevoked {
		t.Errorf("grant ended: %v", err)
	}
}

// TestFositeStillLooks: fosite is asked after our own checks, and its refusal counts, before anything is minted or spent.
func TestFositeStillLooks(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	raw := h.code(conf, "openid")
	client, err := h.store.Client(t.Context(), conf)
	ok(t, err)
	x := &exchange{now: h.server.stamp(), client: client, grantType: signet.GrantAuthorizationCode, params: url.Values{
		"grant_type": {signet.GrantAuthorizationCode}, "code": {raw}, "redirect_uri": {tokenRedirect}, "code_verifier": {strings.Repeat("w", 43)},
	}}
	steps, _ := h.server.stepsOf(signet.GrantAuthorizationCode)
	steps.prepare = func(ctx context.Context, x *exchange) (err error) {
		x.code, x.grant, err = h.store.Code(ctx, h.ring.HashKeys().Candidates(raw))
		x.scope = x.grant.Scope
		return err
	}
	if err := h.server.fulfil(t.Context(), x, steps); signet.CodeOf(err) != signet.CodeInvalidGrant || x.access.text != "" {
		t.Errorf("%v, access token of %d bytes", err, len(x.access.text))
	}
	h.want(h.redeem(conf, raw), http.StatusOK, "")
}

// TestGrantTypeLost: only the token's own client learns that its token is over, and only when it refreshes.
func TestGrantTypeLost(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	token := h.family(conf, "openid offline_access").text("refresh_token")
	h.want(h.refresh(codes, token), http.StatusBadRequest, "unauthorized_client")
	record, err := h.store.Client(t.Context(), conf)
	ok(t, err)
	record.GrantTypes = []string{signet.GrantAuthorizationCode}
	ok(t, h.store.UpdateClient(t.Context(), record, h.event(signet.EventClientUpdated)))
	h.want(h.refresh(conf, token), http.StatusBadRequest, "invalid_grant")
	h.want(h.post("/token", conf, "grant_type", "client_credentials", "refresh_token", token), http.StatusBadRequest, "unauthorized_client")
	h.want(h.refresh(conf, "x"), http.StatusBadRequest, "unauthorized_client")
}

// TestTokenErrorOfDocument: a client's document bends two errors, and no other.
func TestTokenErrorOfDocument(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	document := &signet.Client{ID: "d", ClientMetadata: signet.ClientMetadata{AssertionError: "document"}}
	for _, tc := range []struct {
		name   string
		proven bool
		record *signet.Client
		code   signet.Code
		want   protocolError
	}{
		{"scope", true, document, signet.CodeInvalidScope, protocolError{http.StatusBadRequest, "invalid_request", "The scope is not supported."}},
		{"no usable key signed", false, document, signet.CodeUnauthorizedClient, protocolError{http.StatusUnauthorized, "unauthorized_client", "Client authentication failed."}},
		{"a grant that is not its own", true, document, signet.CodeUnauthorizedClient, wireErrors[signet.CodeUnauthorizedClient]},
		{"another error", true, document, signet.CodeInvalidGrant, wireErrors[signet.CodeInvalidGrant]},
		{"another error, unproven", false, document, signet.CodeInvalidClient, wireErrors[signet.CodeInvalidClient]},
		{"a client of no document", true, &signet.Client{ID: "e"}, signet.CodeInvalidScope, wireErrors[signet.CodeInvalidScope]},
	} {
		x := &exchange{auth: &clientauth.Result{Client: tc.record}}
		if tc.proven {
			x.client = tc.record
		}
		if got := protocolErrorOf(h.server.tokenError(x, &signet.Error{Code: tc.code})); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
	if got := protocolErrorOf(h.server.tokenError(&exchange{}, &signet.Error{Code: signet.CodeInvalidScope})); got.Name != "invalid_scope" {
		t.Errorf("nobody: %+v", got)
	}
}

func TestTriedBasic(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"": false, "Basic": true, "basic": true, "Basic ": true, "BASIC eDp5": true, "Basic\teDp5": false, "Basics eDp5": false, "Bearer x": false, "Bas": false,
	} {
		r := formRequest("/token", "")
		r.Header.Set("Authorization", value)
		if got := triedBasic(r); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
}

// TestTokenFacts: what revocations are asked with, of every kind of token.
func TestTokenFacts(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	online, offline := h.family(conf, "openid"), h.family(conf, "openid offline_access")
	opaqueOnline, opaqueOffline := h.family(opaque, "openid"), h.family(opaque, "openid offline_access")
	machine := h.post("/token", service, "grant_type", "client_credentials")
	opaqueMachine := h.post("/token", opaque, "grant_type", "client_credentials")
	vouched := h.exchange(signet.GrantTokenExchange, "")
	for _, tc := range []struct {
		name         string
		answer       answerOf
		client       signet.ClientID
		user         bool
		session      bool
		grant        bool
		offline, key bool
		principal    string
	}{
		{"online", online, conf, true, true, true, false, true, ""},
		{"offline", offline, conf, true, false, true, true, true, ""},
		{"opaque, online", opaqueOnline, opaque, true, true, true, false, false, ""},
		{"opaque, offline", opaqueOffline, opaque, true, false, true, true, false, ""},
		{"a client's", machine, service, false, false, false, false, true, ""},
		{"a client's, opaque", opaqueMachine, opaque, false, false, false, false, false, ""},
		{"an API key's", vouched, "", false, false, false, false, true, deskKey},
	} {
		h.want(tc.answer, http.StatusOK, "")
		p, err := h.server.readAccess(t.Context(), tc.answer.text("access_token"))
		ok(t, err)
		f := p.facts
		if f.ClientID != tc.client || (f.UserID == h.user) != tc.user || (f.UserID == "") == tc.user || (f.SessionID == h.session) != tc.session ||
			(f.SessionID == "") == tc.session || (f.GrantID != "") != tc.grant || f.Offline != tc.offline || (f.KeyID != "") != tc.key ||
			f.Principal != tc.principal || f.TokenID == "" || f.IssuedAt.IsZero() {
			t.Errorf("%s: %+v", tc.name, f)
		}
	}
}

// TestPresentedAfter: whole seconds by iat, and the moment of making where iat lies ahead of it.
func TestPresentedAfter(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name                string
		issued, made, limit time.Time
		want                bool
	}{
		{"no limit", at, time.Time{}, time.Time{}, true},
		{"no limit, dated ahead", at, at.Add(-time.Second), time.Time{}, true},
		{"the limit's second", at, time.Time{}, at, false},
		{"the second in which it fell", at.Add(time.Second), time.Time{}, at.Add(time.Millisecond), false},
		{"a second later", at.Add(time.Second), time.Time{}, at, true},
		{"dated ahead, made before", at.Add(2 * time.Second), at.Add(-time.Millisecond), at, false},
		{"dated ahead, made after", at.Add(2 * time.Second), at.Add(time.Millisecond), at, true},
		{"an old token", at.Add(-time.Hour), time.Time{}, at, false},
	} {
		p := &presented{facts: signet.TokenFacts{IssuedAt: tc.issued}, made: tc.made}
		if got := p.after(tc.limit); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}

// TestValidFrom: the record of everybody whom a token speaks for dates it, and what lies too far ahead is not minted.
func TestValidFrom(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 500_000, time.UTC)
	limit := now.Add(-time.Microsecond)
	for name, x := range map[string]*exchange{
		"client": {client: &signet.Client{NotBefore: limit}}, "user": {user: &signet.User{NotBefore: limit}},
		"principal": {principal: &signet.Principal{NotBefore: limit}}, "members": {members: &signet.Memberships{ChangedAt: limit}},
	} {
		x.now = now
		from, made, err := x.validFrom()
		if err != nil || from.Unix() != now.Unix()+2 || !made.Equal(now) {
			t.Errorf("%s: %v %v %v", name, from, made, err)
		}
	}
	x := &exchange{now: now, client: &signet.Client{NotBefore: now.Add(time.Second)}}
	if from, made, err := x.validFrom(); err != nil || from.Unix() != now.Unix()+3 || !made.Equal(now.Add(time.Second+time.Microsecond)) {
		t.Errorf("a limit ahead: %v %v %v", from, made, err)
	}
	x.client.NotBefore = now.Add(signet.MaxAhead)
	if _, _, err := x.validFrom(); signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("a limit too far ahead: %v", err)
	}
	x.client.NotBefore = now.Add(-time.Hour)
	if from, made, err := x.validFrom(); err != nil || !from.Equal(now) || !made.IsZero() {
		t.Errorf("an old limit: %v %v %v", from, made, err)
	}
}

// TestClientNotYet: a client whose record says that nothing of it is valid yet gets nothing for itself either.
func TestClientNotYet(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	h.client("later", signet.AuthSecretPost, func(c *signet.Client) {
		c.GrantTypes, c.NotBefore = []string{signet.GrantClientCredentials}, h.clock.now().Add(24*time.Hour)
	})
	h.want(h.post("/token", "later", "grant_type", "client_credentials"), http.StatusUnauthorized, "invalid_client")
}

func TestTokenHash(t *testing.T) {
	t.Parallel()
	narrow, wide, middle := sha256.Sum256([]byte("token")), sha512.Sum512([]byte("token")), sha512.Sum384([]byte("token"))
	b64 := base64.RawURLEncoding.EncodeToString
	for alg, want := range map[string]string{
		"RS256": b64(narrow[:16]), "ES256": b64(narrow[:16]), "PS256": b64(narrow[:16]),
		"RS384": b64(middle[:24]), "PS384": b64(middle[:24]), "ES384": b64(middle[:24]),
		"RS512": b64(wide[:32]), "PS512": b64(wide[:32]), "ES512": b64(wide[:32]),
		"EdDSA": b64(wide[:32]), "Ed25519": b64(wide[:32]),
	} {
		if got := tokenHash(alg, "token"); got != want {
			t.Errorf("%s: %s, want %s", alg, got, want)
		}
	}
}

func TestAudienceOnTheWire(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]audience{`"a"`: {"a"}, `["a"]`: {"a"}, `["a","b"]`: {"a", "b"}, `7`: nil, `{"a":1}`: nil, `[1]`: nil} {
		var got audience
		if err := json.Unmarshal([]byte(text), &got); (err == nil) != (want != nil) || !slices.Equal(got, want) {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for want, aud := range map[string]audience{`"a"`: {"a"}, `["a","b"]`: {"a", "b"}} {
		if got, err := json.Marshal(aud); err != nil || string(got) != want {
			t.Errorf("%s: %s %v", want, got, err)
		}
	}
}

// consent is the user's click, without which a client that is not ours gets no code.
func (h *tokenHouse) consent(id signet.ClientID, scope signet.Scope, at time.Time) {
	h.t.Helper()
	ok(h.t, h.store.GrantConsent(h.t.Context(), &signet.Consent{UserID: h.user, ClientID: id, Scope: scope, GrantedAt: at, ConfirmedAt: at},
		h.event(signet.EventConsentGranted)))
}
