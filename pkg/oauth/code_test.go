package oauth

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// TestCodeExchange is the main path, with what conformance asks of the answer.
func TestCodeExchange(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a := h.family(conf, "openid profile offline_access")
	for name := range a.m {
		if !strings.Contains(" access_token token_type expires_in refresh_token scope id_token ", " "+name+" ") {
			t.Errorf("foreign member %s", name)
		}
	}
	if a.text("token_type") != "Bearer" || a.m["expires_in"] != 3600.0 || a.text("scope") != "openid profile offline_access" {
		t.Errorf("%s", a.body)
	}
	if _, ok := signet.ParseSecret(signet.SecretRefresh, a.text("refresh_token")); !ok {
		t.Errorf("refresh token %q", a.text("refresh_token"))
	}
	header, claims := claimsOf(t, a.text("access_token"))
	if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == "" {
		t.Errorf("access token header %v", header)
	}
	if claims["iss"] != tokenIssuer || claims["aud"] != tokenIssuer || claims["sub"] != string(h.user) || claims["client_id"] != string(conf) ||
		claims["gid"] == nil || claims["sid"] != nil || claims["jti"] == nil || claims["auth_time"] == nil {
		t.Errorf("access token %v", claims)
	}
	header, claims = claimsOf(t, a.text("id_token"))
	if header["alg"] != "RS256" || header["kid"] == "" {
		t.Errorf("ID token header %v", header)
	}
	if claims["aud"] != string(conf) || claims["nonce"] != "n-1" || claims["at_hash"] != tokenHash("RS256", a.text("access_token")) ||
		claims["sid"] != string(h.session) || claims["acr"] != signet.ACRPassword {
		t.Errorf("ID token %v", claims)
	}
	for name := range claims { // OIDF: nothing outside the standard set, and no profile claim in the code flow
		if !strings.Contains(" iss sub aud exp iat auth_time nonce acr amr at_hash sid jti ", " "+name+" ") {
			t.Errorf("foreign claim %s in the ID token", name)
		}
	}
	// Without offline_access there is no refresh token, and sid ends the access token with the session.
	b := h.family(conf, "openid")
	if b.text("refresh_token") != "" {
		t.Error("a refresh token without offline_access")
	}
	if _, claims = claimsOf(t, b.text("access_token")); claims["sid"] != string(h.session) {
		t.Errorf("sid %v", claims["sid"])
	}
}

// TestPKC04 wrong verifiers get one and the same answer, and do not spend the code.
func TestPKC04(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	code := h.code(pub, "openid")
	var first string
	for _, verifier := range []string{
		"", "short", strings.Repeat("a", 42), strings.Repeat("a", 129), strings.Repeat("b", 43), pairVerifier + "\n", pairVerifier + " ",
		pairChallenge, pairVerifier[:42] + "!", strings.ToUpper(pairVerifier),
	} {
		a := h.redeem(pub, code, "code_verifier", verifier)
		h.want(a, http.StatusBadRequest, "invalid_grant")
		if first == "" {
			first = a.body
		}
		if a.body != first {
			t.Errorf("verifier %q is answered %s, others %s", verifier, a.body, first)
		}
	}
	h.want(h.redeem(pub, code), http.StatusOK, "")
}

// TestPKC05 is the downgrade: a wrong verifier, then none. fosite deletes its PKCE row before it compares
// (TestStockFositePKCEDowngrade shows it).
func TestPKC05(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	for _, id := range []signet.ClientID{pub, conf, lax} {
		code := h.code(id, "openid")
		h.want(h.redeem(id, code, "code_verifier", strings.Repeat("w", 43)), http.StatusBadRequest, "invalid_grant")
		h.want(h.redeem(id, code, "code_verifier", ""), http.StatusBadRequest, "invalid_grant")
		h.want(h.redeem(id, code), http.StatusOK, "")
	}
	// The other way round: a verifier for a code that has no challenge.
	code := h.code(lax, "openid", noChallenge)
	h.want(h.redeem(lax, code), http.StatusBadRequest, "invalid_grant")
	h.want(h.redeem(lax, code, "code_verifier", ""), http.StatusOK, "")
}

// TestPKC08 client authentication never replaces PKCE.
func TestPKC08(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	h.want(h.redeem(conf, h.code(conf, "openid"), "code_verifier", ""), http.StatusBadRequest, "invalid_grant")
}

// TestCOD01 a replay is refused and takes back what the first use issued.
func TestCOD01(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	for _, id := range []signet.ClientID{conf, pub} {
		code := h.code(id, "openid offline_access")
		a := h.redeem(id, code)
		h.want(a, http.StatusOK, "")
		h.clock.forward(time.Second)
		before := h.events(signet.EventCodeReplayed)
		h.want(h.redeem(id, code), http.StatusBadRequest, "invalid_grant")
		h.want(h.redeem(id, code), http.StatusBadRequest, "invalid_grant")
		if n := h.events(signet.EventCodeReplayed) - before; n != 1 {
			t.Errorf("%d alarms, want 1", n)
		}
		if h.active(a.text("access_token")) {
			t.Error("the access token of the first use is active")
		}
		h.want(h.userinfo(a.text("access_token")), http.StatusUnauthorized, "invalid_token")
		h.want(h.refresh(id, a.text("refresh_token")), http.StatusBadRequest, "invalid_grant")
	}
}

// TestCOD02 64 at once: one 200, and because the others are replays the grant is revoked (RFC 6749 §4.1.2).
func TestCOD02(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	code := h.code(pub, "openid offline_access")
	answers := parallel(64, func() answerOf { return h.redeem(pub, code) })
	var won answerOf
	wins := 0
	for _, a := range answers {
		if a.status == http.StatusOK {
			wins++
			won = a
			continue
		}
		h.want(a, http.StatusBadRequest, "invalid_grant")
	}
	if wins != 1 {
		t.Fatalf("%d winners", wins)
	}
	if h.active(won.text("access_token")) {
		t.Error("the grant lives on after 63 replays")
	}
	h.want(h.refresh(pub, won.text("refresh_token")), http.StatusBadRequest, "invalid_grant")
	if n := h.events(signet.EventCodeReplayed); n != 1 {
		t.Errorf("%d alarms, want 1", n)
	}
}

func parallel(n int, call func() answerOf) []answerOf {
	out := make([]answerOf, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			out[i] = call()
		})
	}
	close(start)
	wg.Wait()
	return out
}

// TestStrangerCannotKillFamily another client, or somebody who only found a spent code of a public client, revokes
// nothing.
func TestStrangerCannotKillFamily(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	code := h.code(conf, "openid offline_access")
	h.want(h.redeem(other, code), http.StatusBadRequest, "invalid_grant") // before: does not spend it
	a := h.redeem(conf, code)
	h.want(a, http.StatusOK, "")
	h.want(h.redeem(other, code), http.StatusBadRequest, "invalid_grant") // after: revokes nothing
	h.want(h.redeem(pub, code), http.StatusBadRequest, "invalid_grant")
	spent := h.code(pub, "openid offline_access")
	b := h.redeem(pub, spent)
	h.want(b, http.StatusOK, "")
	h.want(h.redeem(pub, spent, "code_verifier", ""), http.StatusBadRequest, "invalid_grant")
	h.want(h.redeem(pub, spent, "code_verifier", strings.Repeat("x", 43)), http.StatusBadRequest, "invalid_grant")
	for _, token := range []string{a.text("access_token"), b.text("access_token")} {
		if !h.active(token) {
			t.Error("a stranger ended a family")
		}
	}
	// A confidential client that proved itself and sends its code again without the verifier replays it.
	h.want(h.redeem(conf, code, "code_verifier", ""), http.StatusBadRequest, "invalid_grant")
	if h.active(a.text("access_token")) {
		t.Error("the replay of the owner was not noticed")
	}
}

// TestCOD04 a code lives 60 s by the injected clock.
func TestCOD04(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	early, late := h.code(pub, "openid"), h.code(pub, "openid")
	h.clock.forward(59 * time.Second)
	h.want(h.redeem(pub, early), http.StatusOK, "")
	h.clock.forward(time.Second)
	h.want(h.redeem(pub, late), http.StatusBadRequest, "invalid_grant")
}

// TestCOD05 nobody gets a token for a person who was ended after the code was issued.
func TestCOD05(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	for name, end := range map[string]func(user signet.UserID, session signet.SessionID){
		"disabled": func(user signet.UserID, _ signet.SessionID) {
			ok(t, h.store.SetUserDisabled(t.Context(), user, true, h.event(signet.EventUserDisabled)))
		},
		"password reset": func(user signet.UserID, _ signet.SessionID) {
			ok(t, h.store.SetPassword(t.Context(), user, "$argon2id$x", h.event(signet.EventPasswordChanged)))
		},
		"logout": func(_ signet.UserID, session signet.SessionID) {
			ok(t, h.store.EndSession(t.Context(), session, "logout", h.event(signet.EventSessionEnded)))
		},
		"everything revoked": func(user signet.UserID, _ signet.SessionID) {
			ok(t, h.store.RevokeUserGrants(t.Context(), user, "test", h.event(signet.EventGrantRevoked)))
		},
	} {
		h.user = h.person("u-" + strings.ReplaceAll(name, " ", "-"))
		h.clock.forward(time.Second)
		h.session = h.login(h.user)
		code := h.code(pub, "openid")
		h.clock.forward(time.Second)
		end(h.user, h.session)
		if a := h.redeem(pub, code); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// TestCOD07 no other text is accepted for a code: not a changed one, and no other single-use secret.
func TestCOD07(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	code := h.code(pub, "openid offline_access")
	refused := func(text string) {
		t.Helper()
		if a := h.redeem(pub, text); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
			t.Errorf("%q: %d %s", text, a.status, a.body)
		}
	}
	for i := range len(code) {
		flipped := []byte(code)
		flipped[i] ^= 1
		if flipped[i] < 0x20 || flipped[i] > 0x7e {
			continue
		}
		refused(string(flipped))
	}
	bare := strings.TrimPrefix(code, codePrefix)
	for _, text := range []string{
		code[:len(code)-1], code + "A", code + "=", code[1:], bare, code + "\n", code[:50] + "\n" + code[50:], " " + code,
		strings.ToUpper(code), codePrefix, codePrefix + ".", "x", signet.NewSecret(signet.SecretCode).Reveal(), strings.Repeat("a", 4000),
	} {
		refused(text)
	}
	a := h.redeem(pub, code)
	h.want(a, http.StatusOK, "")
	refused(a.text("refresh_token"))
	refused(a.text("access_token"))
	h.want(h.refresh(pub, code), http.StatusBadRequest, "invalid_grant")
}

// TestRDR14 redirect_uri must be the one of the request, byte for byte; a refusal does not spend the code.
func TestRDR14(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	code := h.code(pub, "openid")
	for _, uri := range []string{"", "https://rp.test/other", tokenRedirect + "/", "https://RP.test/cb", "https://rp.test:443/cb"} {
		h.want(h.redeem(pub, code, "redirect_uri", uri), http.StatusBadRequest, "invalid_grant")
	}
	h.want(h.redeem(pub, code), http.StatusOK, "")
}

// TestCodeRollsBack a failure inside the transaction leaves the code unspent: the client may try again.
func TestCodeRollsBack(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	code := h.code(pub, "openid offline_access")
	h.store.insertRefresh.Store(true)
	a := h.redeem(pub, code)
	h.want(a, http.StatusServiceUnavailable, "temporarily_unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	h.store.insertRefresh.Store(false)
	h.want(h.redeem(pub, code), http.StatusOK, "")
	// A replay that cannot be punished is not answered as if it had been.
	h.store.revokeGrant.Store(true)
	h.want(h.redeem(pub, code), http.StatusServiceUnavailable, "temporarily_unavailable")
}

// TestLoginRightAfterARevocation: a revocation takes back its own second, rounded up; what is issued after it must live.
func TestLoginRightAfterARevocation(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	h.clock.forward(500 * time.Millisecond)
	before := h.family(pub, "openid offline_access")
	ok(t, h.store.SetPassword(t.Context(), h.user, "$argon2id$x", h.event(signet.EventPasswordChanged)))
	h.clock.forward(100 * time.Millisecond)
	h.session = h.login(h.user)
	after := h.family(pub, "openid offline_access")
	if h.active(before.text("access_token")) {
		t.Error("a token of before the password change is alive")
	}
	if a := h.userinfo(after.text("access_token")); a.status != http.StatusOK {
		t.Errorf("a token of the login after it is dead: %d %s", a.status, a.body)
	}
	if !h.active(after.text("access_token")) {
		t.Error("introspection calls it dead")
	}
}

// noChallenge is for code: no PKCE.
func noChallenge(s *session) { s.CodeChallenge = "" }
