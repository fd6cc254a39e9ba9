package oauth

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

var vouchedGrants = [...]string{signet.GrantHMACIdentity, signet.GrantTokenExchange}

// Grants × client × principal. A refusal that is the client's never reaches the room: its replay mark stays unused.
func TestVouchedGrid(t *testing.T) {
	t.Parallel()
	type outcome struct {
		status int
		code   string
		proofs int
	}
	clients := []struct {
		name   string
		id     signet.ClientID
		change []string
		before func(h *contracts)
		want   outcome
	}{
		{"none", "", nil, nil, outcome{200, "", 1}},
		{"proven", billed, nil, nil, outcome{200, "", 1}},
		{"public, by name alone", pubVouch, nil, nil, outcome{200, "", 1}},
		{"wrong secret", billed, []string{"client_secret", "wrong"}, nil, outcome{401, "invalid_client", 0}},
		{"no secret", "", []string{"client_id", string(billed)}, nil, outcome{401, "invalid_client", 0}},
		{"unknown", "nobody", nil, nil, outcome{401, "invalid_client", 0}},
		{"disabled", billed, nil, func(h *contracts) { h.disable(billed) }, outcome{401, "invalid_client", 0}},
		{"disabled, public", pubVouch, nil, func(h *contracts) { h.disable(pubVouch) }, outcome{401, "invalid_client", 0}},
		{"not registered for the grant", service, nil, nil, outcome{400, "unauthorized_client", 0}},
		{"a secret without a name", "", []string{"client_secret", "x"}, nil, outcome{401, "invalid_client", 0}},
		{"an assertion of no type", "", []string{"client_assertion", "x"}, nil, outcome{400, "invalid_request", 0}},
	}
	principals := []struct {
		name  string
		alter func(d *desk, p *signet.Principal, now time.Time)
		want  outcome
	}{
		{"active", func(*desk, *signet.Principal, time.Time) {}, outcome{200, "", 1}},
		{"disabled", func(_ *desk, p *signet.Principal, _ time.Time) { p.Disabled = true }, outcome{400, "invalid_grant", 1}},
		{"not before, past", func(_ *desk, p *signet.Principal, now time.Time) { p.NotBefore = now.Add(-time.Second) }, outcome{200, "", 1}},
		{"not before, now", func(_ *desk, p *signet.Principal, now time.Time) { p.NotBefore = now }, outcome{200, "", 1}},
		{"not before, future", func(_ *desk, p *signet.Principal, now time.Time) { p.NotBefore = now.Add(time.Hour) }, outcome{400, "invalid_grant", 1}},
		{"gone", func(d *desk, _ *signet.Principal, _ time.Time) { clear(d.principals) }, outcome{400, "invalid_grant", 1}},
		{"away", func(d *desk, _ *signet.Principal, _ time.Time) { d.away = true }, outcome{503, "temporarily_unavailable", 1}},
	}
	for _, c := range clients {
		t.Run("client "+c.name, func(t *testing.T) {
			t.Parallel()
			h := newContracts(t)
			if c.before != nil {
				c.before(h)
			}
			for _, grant := range vouchedGrants {
				for _, p := range principals {
					h.desk.away, h.desk.proofs = false, 0
					for _, id := range []string{billerPrincipal, deskKey} {
						h.desk.principals[id] = &signet.Principal{ID: id}
						p.alter(h.desk, h.desk.principals[id], h.clock.now())
					}
					want := c.want
					if want.proofs > 0 {
						want = p.want
					}
					if want.code == "invalid_grant" && grant == signet.GrantTokenExchange {
						want.code = "invalid_request" // RFC 8693 §2.2.2
					}
					a := h.exchange(grant, c.id, c.change...)
					if a.status != want.status || a.text("error") != want.code || h.desk.proofs != want.proofs {
						t.Errorf("%s, principal %s: %d %s, the room was asked %d times; want %+v", grant, p.name, a.status, a.body, h.desk.proofs, want)
					}
					if a.status == http.StatusOK && !h.live(a.text("access_token")) {
						t.Errorf("%s, principal %s: the token is dead from its birth", grant, p.name)
					}
				}
			}
		})
	}
}

func TestVouchedToken(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	for _, id := range []signet.ClientID{"", billed} {
		a := h.exchange(signet.GrantHMACIdentity, id, "scope", "pay")
		h.want(a, http.StatusOK, "")
		if a.text("token_type") != "Bearer" || a.m["expires_in"] != 900.0 || a.text("scope") != "pay" || a.m["refresh_token"] != nil ||
			a.m["id_token"] != nil || a.m["issued_token_type"] != nil {
			t.Errorf("answer %s", a.body)
		}
		header, claims := claimsOf(t, a.text("access_token"))
		if header["alg"] != "ES256" || header["typ"] != "at+jwt" {
			t.Errorf("header %v", header)
		}
		want := map[string]any{
			"iss": tokenIssuer, "sub": billerPrincipal + ":user:" + deskUser, "aud": deskAudience, "scope": "pay",
			"biller_guid": deskBiller, "user_guid": deskUser, "cred": billerKey, "amr": []any{"hmac"},
		}
		if id != "" {
			want["client_id"] = string(id)
		}
		for _, name := range []string{"iat", "exp", "jti"} {
			if claims[name] == nil {
				t.Errorf("no %s", name)
			}
			delete(claims, name)
		}
		sameJSON(t, claims, want)
		ev := h.desk.last(t)
		if ev.Kind != signet.EventTokenIssued || ev.Actor != billerPrincipal || ev.KeyID != billerKey || ev.ClientID != id || ev.Reason != signet.GrantHMACIdentity || ev.Address == "" {
			t.Errorf("event %+v", ev)
		}
	}
	got := h.desk.identity
	if got.BillerID != deskBiller || got.UserID != deskUser || got.Timestamp != "1" || got.HMAC != goodHMAC || got.HMACKeyID != "h1" || got.Legacy || got.Client == nil {
		t.Errorf("the room got %+v", got)
	}
	a := h.exchange(signet.GrantTokenExchange, "")
	h.want(a, http.StatusOK, "")
	if a.text("issued_token_type") != issuedAccessToken || a.m["expires_in"] != 600.0 || a.text("scope") != "payment-requests:read" {
		t.Errorf("answer %s", a.body)
	}
	_, claims := claimsOf(t, a.text("access_token"))
	if claims["sub"] != deskKey || claims["account"] != "a1" || claims["role"] != "merchant-terminal" || claims["client_id"] != nil || claims["cred"] != nil {
		t.Errorf("claims %v", claims)
	}
	sameJSON(t, claims["permissions"], []any{"payment-requests:read"})
	// Identity exchange costs no SQL: nothing is written, and records are cached.
	if n := h.store.transactions.Load(); n != 0 {
		t.Errorf("%d transactions", n)
	}
}

func sameJSON(t testing.TB, got, want any) {
	t.Helper()
	a, err := json.Marshal(got)
	ok(t, err)
	b, err := json.Marshal(want)
	ok(t, err)
	if string(a) != string(b) {
		t.Errorf("got  %s\nwant %s", a, b)
	}
}

// A refusal names the credential that was claimed, and what was sent stays out of events and logs (HMC-17).
func TestVouchedRefusalEvent(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	h.want(h.exchange(signet.GrantHMACIdentity, "", "hmac", "zz-bad-hmac"), http.StatusBadRequest, "invalid_grant")
	ev := h.desk.last(t)
	if ev.Kind != signet.EventTokenRefused || ev.Reason != "hmac_wrong" || ev.Target != billerPrincipal || ev.KeyID != "h1" || ev.Actor != "" {
		t.Errorf("event %+v", ev)
	}
	h.want(h.exchange(signet.GrantHMACIdentity, "", "biller_id", "x\r\ny", "hmac", "zz-bad-hmac"), http.StatusBadRequest, "invalid_grant")
	if ev := h.desk.last(t); ev.Target != "" {
		t.Errorf("event %+v", ev)
	}
	// HMC-17: a secret in the place of a name.
	misplaced := strings.Repeat("c0ffee00", 8)
	h.want(h.exchange(signet.GrantHMACIdentity, "", "biller_id", misplaced, "hmac", "zz-bad-hmac"), http.StatusBadRequest, "invalid_grant")
	h.want(h.exchange(signet.GrantHMACIdentity, "", "hmac_kid", misplaced, "hmac", "zz-bad-hmac"), http.StatusBadRequest, "invalid_grant")
	h.desk.principals[billerPrincipal].Disabled = true
	h.want(h.exchange(signet.GrantHMACIdentity, ""), http.StatusBadRequest, "invalid_grant")
	if ev := h.desk.last(t); ev.Reason != "principal_disabled" || ev.Actor != billerPrincipal || ev.KeyID != billerKey {
		t.Errorf("event %+v", ev)
	}
	h.want(h.exchange(signet.GrantTokenExchange, "", "subject_token", "zz-bad-key"), http.StatusBadRequest, "invalid_request")
	all, err := json.Marshal(h.desk.traffic)
	ok(t, err)
	for _, secret := range []string{"zz-bad-hmac", "zz-bad-key", misplaced, goodKey, h.secrets[billed]} {
		if strings.Contains(h.log.String(), secret) || strings.Contains(string(all), secret) {
			t.Errorf("%s is in the log or in an event", secret)
		}
	}
}

// What ends a token that was issued, and what does not.
func TestVouchedTokensEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		act  func(h *contracts, now time.Time, token string)
		want bool
	}{
		{"nothing", func(*contracts, time.Time, string) {}, true},
		{"biller disabled", func(h *contracts, _ time.Time, _ string) { h.desk.principals[billerPrincipal].Disabled = true }, false},
		{"biller not before", func(h *contracts, now time.Time, _ string) { h.desk.principals[billerPrincipal].NotBefore = now }, false},
		{"biller gone", func(h *contracts, _ time.Time, _ string) { clear(h.desk.principals) }, false},
		{"journal: biller", func(h *contracts, now time.Time, _ string) {
			h.takeBack(signet.RevokedPrincipal, billerPrincipal, now)
		}, false},
		{"journal: biller, before it", func(h *contracts, now time.Time, _ string) {
			h.takeBack(signet.RevokedPrincipal, billerPrincipal, now.Add(-time.Hour))
		}, true},
		{"journal: another biller", func(h *contracts, now time.Time, _ string) { h.takeBack(signet.RevokedPrincipal, "biller:x", now) }, true},
		{"journal: credential", func(h *contracts, _ time.Time, _ string) {
			h.takeBack(signet.RevokedCredential, billerKey, time.Time{})
		}, false},
		{"journal: the biller's other key", func(h *contracts, _ time.Time, _ string) {
			h.takeBack(signet.RevokedCredential, billerPrincipal+"#h2", time.Time{})
		}, true},
		{"client disabled", func(h *contracts, _ time.Time, _ string) { h.disable(billed) }, false},
		{"expired", func(h *contracts, _ time.Time, _ string) { h.clock.forward(15 * time.Minute) }, false},
		{"revoked by its client", func(h *contracts, _ time.Time, token string) {
			h.want(h.post("/revoke", billed, "token", token), http.StatusOK, "")
		}, false},
		{"revoked by a stranger", func(h *contracts, _ time.Time, token string) {
			h.want(h.post("/revoke", billless, "token", token), http.StatusOK, "")
			h.want(h.post("/revoke", conf, "token", token), http.StatusOK, "")
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newContracts(t)
			a := h.exchange(signet.GrantHMACIdentity, billed)
			h.want(a, http.StatusOK, "")
			h.clock.forward(2 * time.Second)
			tc.act(h, h.clock.now(), a.text("access_token"))
			if got := h.live(a.text("access_token")); got != tc.want {
				t.Errorf("live %t, want %t", got, tc.want)
			}
		})
	}
	t.Run("revoked by the biller's client that took no part", func(t *testing.T) {
		t.Parallel()
		h := newContracts(t)
		token := h.exchange(signet.GrantHMACIdentity, "").text("access_token")
		h.desk.away = true
		h.want(h.post("/revoke", billed, "token", token), http.StatusServiceUnavailable, "temporarily_unavailable")
		h.desk.away = false
		h.want(h.post("/revoke", billless, "token", token), http.StatusOK, "")
		if !h.live(token) {
			t.Fatal("a stranger took it back")
		}
		h.want(h.post("/revoke", billed, "token", token), http.StatusOK, "")
		if h.live(token) {
			t.Error("it lives on")
		}
	})
	t.Run("the principal cannot be read", func(t *testing.T) {
		t.Parallel()
		h := newContracts(t)
		token := h.exchange(signet.GrantHMACIdentity, "").text("access_token")
		h.desk.away = true
		h.want(h.introspect(token), http.StatusServiceUnavailable, "temporarily_unavailable")
		if _, err := h.server.Bearer(t.Context(), token); signet.CodeOf(err) != signet.CodeUnavailable {
			t.Errorf("Bearer: %v", err)
		}
	})
}

// SCO-05: no machine gets the scopes of a person, and the room's replay mark is not consumed for the question.
func TestSCO05ScopesOfPeople(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	for _, grant := range vouchedGrants {
		for _, scope := range []string{"openid", "pay openid", "profile", "email", "phone", "address", "offline_access", `"`, "caf\u00e9"} {
			h.want(h.exchange(grant, "", "scope", scope), http.StatusBadRequest, "invalid_scope")
		}
	}
	if h.desk.proofs != 0 {
		t.Errorf("the room was asked %d times", h.desk.proofs)
	}
	// A record that grants them is a mistake, and no way in.
	order := h.desk.identityOrder()
	order.Scope = signet.Scope{"pay", signet.ScopeOpenID}
	if _, err := h.server.IssueToken(t.Context(), order); signet.CodeOf(err) != signet.CodeInvalidScope {
		t.Errorf("IssueToken: %v", err)
	}
}

// SCO-08: such a token is nobody's at the endpoints of people and of the admin API.
func TestSCO08NoPerson(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	for _, grant := range vouchedGrants {
		for _, id := range []signet.ClientID{"", billed} {
			token := h.exchange(grant, id).text("access_token")
			a := h.userinfo(token)
			if a.status != http.StatusForbidden || a.text("error") != "insufficient_scope" {
				t.Errorf("userinfo: %d %s", a.status, a.body)
			}
			if client, err := h.server.MachineToken(t.Context(), token, deskAudience); client != nil || signet.CodeOf(err) != signet.CodeInvalidToken {
				t.Errorf("MachineToken: %v, %v", client, err)
			}
			b, err := h.server.Bearer(t.Context(), token)
			if err != nil || b.Machine || b.UserID != "" || b.Principal == "" || !strings.HasPrefix(b.Subject, b.Principal) || b.ClientID != id {
				t.Errorf("Bearer: %+v, %v", b, err)
			}
		}
	}
}

// IssueToken never makes a token whose subject is not its principal's, and refuses what a room overlooked.
func TestIssueToken(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(h *contracts, o *signet.TokenOrder)
		want   signet.Code
	}{
		{"right", func(*contracts, *signet.TokenOrder) {}, ""},
		{"with a client", func(_ *contracts, o *signet.TokenOrder) { o.ClientID = billed }, ""},
		{"client gone", func(_ *contracts, o *signet.TokenOrder) { o.ClientID = "nobody" }, signet.CodeInvalidClient},
		{"client disabled", func(h *contracts, o *signet.TokenOrder) { o.ClientID = billed; h.disable(billed) }, signet.CodeInvalidClient},
		{"biller disabled", func(h *contracts, _ *signet.TokenOrder) { h.desk.principals[billerPrincipal].Disabled = true }, signet.CodeInvalidGrant},
		{"biller away", func(h *contracts, _ *signet.TokenOrder) { h.desk.away = true }, signet.CodeUnavailable},
		{"another biller's person", func(_ *contracts, o *signet.TokenOrder) { o.Subject = "biller:x:user:y" }, signet.CodeInternal},
		{"a user", func(h *contracts, o *signet.TokenOrder) { o.Subject = string(h.user) }, signet.CodeInternal},
		{"a client", func(_ *contracts, o *signet.TokenOrder) { o.Subject, o.Principal = "client:conf", "client:conf" }, signet.CodeInternal},
		{"no principal", func(_ *contracts, o *signet.TokenOrder) { o.Principal = "" }, signet.CodeInternal},
		{"no audience", func(_ *contracts, o *signet.TokenOrder) { o.Audience = nil }, signet.CodeInternal},
		{"a recipient that is not meant", func(h *contracts, o *signet.TokenOrder) {
			o.Recipient, _ = h.resourceServer("rs")
			o.Audience = []string{"https://other.test"}
		}, signet.CodeInternal},
		{"a recipient that is disabled", func(h *contracts, o *signet.TokenOrder) {
			o.Recipient, _ = h.resourceServer("rs")
			now := h.clock.now()
			o.Recipient.DisabledAt = &now
		}, signet.CodeInvalidTarget},
		{"a recipient without a key", func(_ *contracts, o *signet.TokenOrder) {
			o.Recipient = &signet.ResourceServer{ID: "none", ResourceServerMetadata: signet.ResourceServerMetadata{Audience: deskAudience}}
		}, signet.CodeInternal},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newContracts(t)
			order := h.desk.identityOrder()
			tc.change(h, order)
			issued, err := h.server.IssueToken(t.Context(), order)
			if signet.CodeOf(err) != tc.want || (issued != nil) != (tc.want == "") {
				t.Fatalf("%+v, %v; want %q", issued, err, tc.want)
			}
			kind, ev := signet.EventTokenRefused, h.desk.last(t)
			if issued != nil {
				kind = signet.EventTokenIssued
				if !h.live(issued.Text) || issued.ExpiresAt.Sub(issued.IssuedAt) != vouchedLifetime {
					t.Errorf("issued %+v", issued)
				}
			}
			if ev.Kind != kind {
				t.Errorf("event %+v", ev)
			}
		})
	}
}
