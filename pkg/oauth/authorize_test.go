package oauth

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestAuthorizeHappyPath(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	for _, c := range []struct {
		name   string
		params url.Values
		base   string
	}{
		{"confidential", hp(idC1), "https://rp.test/cb?"},
		{"the registered query survives", hp(idC1, "redirect_uri", "https://rp.test/q?tenant=1"), "https://rp.test/q?tenant=1&"},
		{"public with https", hp(idSPA), "https://spa.test/cb?"},
		{"PKCE waived by the record", hp(idLax, "code_challenge", "", "code_challenge_method", ""), "https://lax.test/cb?"},
		{"plain OAuth", hp(idC1, "scope", "read", "nonce", ""), "https://rp.test/cb?"},
		{"OIDC 22 unknown parameters", hp(idC1, "foo", "bar", "audience", "x", "signet_denied", "1"), "https://rp.test/cb?"},
		{"OIDC 15, 24-27 accepted and ignored", hp(idC1, "display", "popup", "ui_locales", "se", "claims_locales", "se", "login_hint", "buffy@x", "u", "buffy", "acr_values", "1 2"), "https://rp.test/cb?"},
		{"fragmentary resource", hp(idC1, "resource", "https://api2.test"), "https://rp.test/cb?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := h.authorize("a", c.params)
			values := h.answer(w, c.base)
			if len(values.Get("code")) < 32 || values.Get("state") != "the state" || len(values) != 3 {
				t.Errorf("%v", values)
			}
			if w.Body.Len() != 0 || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%v %q", w.Header(), w.Body)
			}
		})
	}
	if got := h.issued.codes.Load(); got != 8 {
		t.Errorf("%d codes written", got)
	}
}

// TestCodeCarriesTheDecision: what was decided stands in the rows, once.
func TestCodeCarriesTheDecision(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	session := h.seats.by["a"]
	read := func(params url.Values, base string) (*signet.AuthorizationCode, *signet.Grant) {
		t.Helper()
		code := h.answer(h.authorize("a", params), base).Get("code")
		row, grant, err := h.store.Code(t.Context(), h.ring.HashKeys().Candidates(code))
		must(t, err)
		return row, grant
	}
	row, grant := read(hp(idC1, "scope", "openid email offline_access", "max_age", "7200", "acr_values", "1", "claims", `{"userinfo":{"name":null}}`), "https://rp.test/cb?")
	if row.RedirectURI != "https://rp.test/cb" || row.CodeChallenge != challenge || !row.RequestedAuthTime || row.ClientID != idC1 {
		t.Errorf("code %+v", row)
	}
	if grant.UserID != userU1 || grant.SessionID != session.ID || !grant.AuthTime.Equal(session.AuthTime) || grant.Nonce != "n-1" ||
		grant.Scope.String() != "openid email offline_access" || !grant.Offline || !grant.ACRRequested || grant.ACR != session.ACR ||
		grant.Claims != `{"userinfo":{"name":null}}` || len(grant.Audience) != 1 || grant.Audience[0] != "https://api.test" {
		t.Errorf("grant %+v", grant)
	}
	if want := grant.CreatedAt.Add(60 * 24 * time.Hour); !grant.ExpiresAt.Equal(want) {
		t.Errorf("grant ends %v, want %v", grant.ExpiresAt, want)
	}
	// OIDC Core §11: without the refresh grant offline_access means nothing; without openid nonce and acr do not.
	_, grant = read(hp(idLax, "scope", "openid offline_access"), "https://lax.test/cb?")
	if grant.Offline || grant.Scope.String() != "openid" || grant.Audience[0] != houseIssuer {
		t.Errorf("grant %+v", grant)
	}
	_, grant = read(hp(idC1, "scope", "read", "acr_values", "1", "resource", "https://api2.test"), "https://rp.test/cb?")
	if grant.Nonce != "" || grant.ACRRequested || grant.Audience[0] != "https://api2.test" {
		t.Errorf("grant %+v", grant)
	}
	// RFC 8252 §7.3: the code is bound to the port that was asked for.
	h.login("a", userU1)
	w := h.authorize("a", hp(idPub, "redirect_uri", "http://[::1]:5000/cb"))
	sealed := h.flow(w, "/consent")
	h.clock.forward(time.Second)
	h.allow(userU1, idPub, "openid email")
	code := h.answer(h.resume("a", sealed), "http://[::1]:5000/cb?").Get("code")
	row, _, err := h.store.Code(t.Context(), h.ring.HashKeys().Candidates(code))
	must(t, err)
	if row.RedirectURI != "http://[::1]:5000/cb" {
		t.Errorf("code %+v", row)
	}
}

func TestStateByteForByte(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	for _, state := range []string{"x", "a b+c%20&d=e", strings.Repeat("s", 384), "äöü \u2028 <script>", `"'\{}[]`, "%00", "ends with space "} {
		values := h.answer(h.authorize("a", hp(idC1, "state", state)), "https://rp.test/cb?")
		if values.Get("state") != state || values.Get("code") == "" {
			t.Errorf("%q became %q", state, values.Get("state"))
		}
	}
	values := h.answer(h.authorize("a", hp(idC1, "state", "")), "https://rp.test/cb?")
	if values.Has("state") || values.Get("code") == "" {
		t.Errorf("no state: %v", values)
	}
	// PRS-10: what an HTML form would change is refused, and does not come back.
	for _, state := range []string{"a\r\nSet-Cookie: x=1", "a\tb", "a\x7fb"} {
		values := h.answer(h.authorize("a", hp(idC1, "state", state)), "https://rp.test/cb?")
		if values.Get("error") != "invalid_request" || values.Has("state") {
			t.Errorf("%q: %v", state, values)
		}
	}
}

// TestFlows: what is pending is sealed, belongs to one browser, and is judged afresh at each return.
func TestFlows(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	sealed := h.flow(h.authorize("a", hp(idC1)), "/login")
	h.clock.forward(time.Second)
	h.login("a", userU1)
	h.login("b", userU2)
	h.allow(userU2, idC1, "openid email")
	t.Run("CSR-04 another browser", func(t *testing.T) {
		h.page(h.resume("b", sealed), http.StatusForbidden)
		h.page(h.resume("", sealed), http.StatusForbidden)
	})
	t.Run("altered", func(t *testing.T) {
		raw := []byte(sealed)
		raw[len(raw)-2] ^= 1
		h.page(h.resume("a", string(raw)), http.StatusBadRequest)
	})
	t.Run("of another purpose", func(t *testing.T) {
		other, err := h.ring.SealFlow(&signet.Flow{ID: "x", Purpose: signet.FlowLogout, CreatedAt: h.clock.now(), Browser: "hash of a"})
		must(t, err)
		h.page(h.resume("a", other), http.StatusBadRequest)
	})
	consent := h.flow(h.resume("a", sealed), "/consent")
	t.Run("conformance FAPI 3 denied", func(t *testing.T) {
		flow, err := h.ring.OpenFlow(consent, signet.FlowAuthorize, "hash of a")
		must(t, err)
		flow.Denied = true
		denied, err := h.ring.SealFlow(flow)
		must(t, err)
		h.refused(h.resume("a", denied), "https://rp.test/cb?", "access_denied")
	})
	t.Run("the record is read again", func(t *testing.T) {
		h.clock.forward(time.Second)
		h.allow(userU1, idC1, "openid email")
		must(t, h.store.SetClientDisabled(t.Context(), idC1, true, h.event(signet.EventClientDisabled)))
		h.page(h.resume("a", consent), http.StatusBadRequest)
		must(t, h.store.SetClientDisabled(t.Context(), idC1, false, h.event(signet.EventClientEnabled)))
	})
	t.Run("done", func(t *testing.T) {
		if h.answer(h.resume("a", consent), "https://rp.test/cb?").Get("code") == "" {
			t.Error("no code")
		}
	})
	t.Run("EXH-01 too old", func(t *testing.T) {
		h.clock.forward(signet.FlowLifetime)
		h.page(h.resume("a", consent), http.StatusBadRequest)
	})
}

// TestPostBecomesGet: conformance 31, and no cookie is read before (design.md, decision 9).
func TestPostBecomesGet(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	looks := h.seats.read.Load()
	sealed := h.flow(h.post("a", hp(idC1)), "/authorize")
	if h.seats.read.Load() != looks {
		t.Error("a cookie was read at the POST")
	}
	if h.answer(h.resume("a", sealed), "https://rp.test/cb?").Get("code") == "" {
		t.Error("no code")
	}
	h.refused(h.post("a", hp(idC1, "scope", "bogus")), "https://rp.test/cb?", "invalid_scope")
	h.page(h.post("a", hp(idC1, "redirect_uri", "https://evil.test/")), http.StatusBadRequest)
	twice := hp(idC1)
	twice["state"] = []string{"a", "b"}
	h.page(h.post("a", twice), http.StatusBadRequest)
	for name, c := range map[string]struct {
		target, contentType, body string
		status                    int
	}{
		"multipart":     {"/authorize", "multipart/form-data; boundary=x", "--x--", http.StatusUnsupportedMediaType},
		"JSON":          {"/authorize", "application/json", "{}", http.StatusUnsupportedMediaType},
		"charset":       {"/authorize", "application/x-www-form-urlencoded; charset=utf-7", hp(idC1).Encode(), http.StatusUnsupportedMediaType},
		"query as well": {"/authorize?state=x", "application/x-www-form-urlencoded", hp(idC1).Encode(), http.StatusBadRequest},
		"PRS-04 70 KiB": {"/authorize", "application/x-www-form-urlencoded", "x=" + strings.Repeat("a", 70<<10), http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, c.target, strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.contentType)
			if w := h.send("a", r); w.Code != c.status || w.Header().Get("Location") != "" {
				t.Errorf("%d %v", w.Code, w.Header())
			}
		})
	}
}

// TestSealedInAdvance: a flow from POST begins when it is bound. Otherwise an app could have one sealed, wait until the
// person logs in somewhere, and open it as if that login had answered it.
func TestSealedInAdvance(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.allow(userU1, idPub, "openid email")
	h.allow(userU1, idC1, "openid email")
	native, fresh := h.flow(h.post("", hp(idPub)), "/authorize"), h.flow(h.post("", hp(idC1, "prompt", "login")), "/authorize")
	h.clock.forward(time.Minute)
	h.login("a", userU1)
	h.clock.forward(time.Minute)
	h.flow(h.resume("a", native), "/consent")
	h.flow(h.resume("a", fresh), "/login")
}

// restart returns where the error page offers to begin anew, "" when it does not.
func restart(w *httptest.ResponseRecorder) string {
	_, rest, _ := strings.Cut(w.Body.String(), `id="restart"`)
	_, rest, _ = strings.Cut(rest, `href="`)
	href, _, _ := strings.Cut(rest, `"`)
	return html.UnescapeString(href)
}

// TestBegunAnew: a flow of another browser (two tabs that began without a cookie: CSR-04) and one that is too old stop at
// the error page, and a click there does what following the client's link again would do, no more: this browser, from now
// on, everything asked again. What was altered begins nowhere.
func TestBegunAnew(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.allow(userU2, idC1, "openid email")
	h.allow(userU2, idPub, "openid email")
	h.login("b", userU2)
	h.clock.forward(time.Second)
	for name, stop := range map[string]struct {
		how    func(seat, sealed string) *httptest.ResponseRecorder
		status int
	}{
		"another browser's": {func(_, sealed string) *httptest.ResponseRecorder { return h.resume("b", sealed) }, http.StatusForbidden},
		"too old": {func(seat, sealed string) *httptest.ResponseRecorder {
			h.clock.forward(signet.FlowLifetime)
			return h.resume(seat, sealed)
		}, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			anew := func(sealed string) *httptest.ResponseRecorder {
				w := stop.how("a", sealed)
				h.page(w, stop.status)
				if w.Header().Get("Set-Cookie") != "" || !strings.HasPrefix(restart(w), "/authorize?flow=") {
					t.Fatalf("cookie %q, way on %q", w.Header().Get("Set-Cookie"), restart(w))
				}
				return h.get("b", restart(w))
			}
			if code := h.answer(anew(h.flow(h.authorize("a", hp(idC1)), "/login")), "https://rp.test/cb?").Get("code"); code == "" {
				t.Error("no code, which the client's link would bring")
			}
			// The session is older than the click, so nothing that wants a person is satisfied by it.
			sealed := h.flow(anew(h.flow(h.authorize("a", hp(idC1, "prompt", "login")), "/login")), "/login")
			opened, err := h.ring.OpenFlow(sealed, signet.FlowAuthorize, "hash of b")
			must(t, err)
			if opened.Browser != "hash of b" || !opened.CreatedAt.Equal(h.clock.now().Truncate(time.Microsecond)) {
				t.Errorf("flow %+v", opened)
			}
			h.flow(anew(h.flow(h.authorize("a", hp(idPub)), "/login")), "/consent")
			// A no of before is none now.
			opened.Browser, opened.Denied, opened.Params["prompt"] = "hash of a", true, "consent"
			denied, err := h.ring.SealFlow(opened)
			must(t, err)
			h.flow(anew(denied), "/consent")
			raw := []byte(sealed)
			raw[len(raw)-2] ^= 1
			if w := stop.how("a", string(raw)); restart(w) != "" || w.Code != http.StatusBadRequest {
				t.Errorf("altered: %d, way on %q", w.Code, restart(w))
			}
		})
	}
}

// TestUnprovenClient: RFC 8252 §8.6 end to end.
func TestUnprovenClient(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	for _, uri := range []string{"http://127.0.0.1:5000/cb", "com.example.app:/cb"} {
		sealed := h.flow(h.authorize("a", hp(idPub, "redirect_uri", uri)), "/consent")
		h.clock.forward(time.Second)
		h.allow(userU1, idPub, "openid email")
		if h.answer(h.resume("a", sealed), uri+"?").Get("code") == "" {
			t.Error("no code after the click")
		}
		h.clock.forward(time.Second)
		sealed = h.flow(h.authorize("a", hp(idPub, "redirect_uri", uri)), "/consent")
		h.clock.forward(time.Second)
		h.login("a", userU1)
		if h.answer(h.resume("a", sealed), uri+"?").Get("code") == "" {
			t.Error("no code after a login in this flow")
		}
		h.clock.forward(time.Second)
	}
}

// TestPrompts walks the pages: each demand is met once and then satisfied (OID-01, OID-04, conformance 17 to 21).
func TestPrompts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change []string
		page   string
		act    func(h *authHouse)
	}{
		{"prompt=login", []string{"prompt", "login"}, "/login", func(h *authHouse) { h.login("a", userU1) }},
		{"prompt=select_account", []string{"prompt", "select_account"}, "/login", func(h *authHouse) { h.login("a", userU1) }},
		{"prompt=consent", []string{"prompt", "consent"}, "/consent", func(h *authHouse) { h.allow(userU1, idC1, "openid email") }},
		{"OID-04 max_age=0", []string{"max_age", "0"}, "/login", func(h *authHouse) { h.login("a", userU1) }},
		{"OID-04 max_age=1", []string{"max_age", "1"}, "/login", func(h *authHouse) { h.login("a", userU1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newAuthHouse(t)
			h.settle()
			sealed := h.flow(h.authorize("a", hp(idC1, c.change...)), c.page)
			// Coming back without having done it asks again, however often.
			sealed = h.flow(h.resume("a", sealed), c.page)
			h.clock.forward(2 * time.Second)
			c.act(h)
			if code := h.answer(h.resume("a", sealed), "https://rp.test/cb?").Get("code"); code == "" {
				t.Error("no code")
			}
		})
	}
	t.Run("OID-01 prompt=none", func(t *testing.T) {
		t.Parallel()
		h := newAuthHouse(t)
		h.refused(h.authorize("", hp(idC1, "prompt", "none")), "https://rp.test/cb?", "login_required")
		h.login("a", userU1)
		h.clock.forward(2 * time.Second)
		h.refused(h.authorize("a", hp(idC1, "prompt", "none")), "https://rp.test/cb?", "consent_required")
		h.allow(userU1, idC1, "openid email")
		h.clock.forward(time.Second)
		h.refused(h.authorize("a", hp(idC1, "prompt", "none", "max_age", "1")), "https://rp.test/cb?", "login_required")
		hint := h.idToken("JWT", map[string]any{"iss": houseIssuer, "sub": string(userU2), "aud": string(idC1), "iat": 1, "exp": 2})
		h.refused(h.authorize("a", hp(idC1, "prompt", "none", "id_token_hint", hint)), "https://rp.test/cb?", "login_required")
		h.refused(h.authorize("a", hp(idC1, "prompt", "none", "claims", `{"id_token":{"sub":{"value":"`+string(userU2)+`"}}}`)), "https://rp.test/cb?", "login_required")
		h.allow(userU1, idPub, "openid email")
		h.clock.forward(time.Second)
		h.refused(h.authorize("a", hp(idPub, "prompt", "none")), "http://127.0.0.1:5000/cb?", "interaction_required")
		if code := h.answer(h.authorize("a", hp(idC1, "prompt", "none")), "https://rp.test/cb?").Get("code"); code == "" {
			t.Error("conformance 19: no code")
		}
		if h.issued.codes.Load() != 1 {
			t.Error("a refused request wrote a code")
		}
	})
}

// TestOutages: design.md, "fail closed, stay up".
func TestOutages(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	h.records.client.Store(true)
	w := h.authorize("a", hp(idC1))
	h.page(w, http.StatusServiceUnavailable)
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	h.records.client.Store(false)
	h.records.user.Store(true)
	h.refused(h.authorize("a", hp(idC1)), "https://rp.test/cb?", "temporarily_unavailable")
	h.records.user.Store(false)
	h.records.consent.Store(true)
	h.refused(h.authorize("a", hp(idC1)), "https://rp.test/cb?", "temporarily_unavailable")
	h.records.consent.Store(false)
	if h.answer(h.authorize("a", hp(idC1)), "https://rp.test/cb?").Get("code") == "" {
		t.Error("no code after the outage")
	}
}

// TestSessionEndsBeforeTheCode: the write is conditional on the session, so a logout that comes in between wins.
func TestSessionEndsBeforeTheCode(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	session := h.seats.by["a"]
	must(t, h.store.EndSession(t.Context(), session.ID, "logout", h.event(signet.EventSessionEnded)))
	h.flow(h.authorize("a", hp(idC1)), "/login")
	h.refused(h.authorize("a", hp(idC1, "prompt", "none")), "https://rp.test/cb?", "login_required")
	if h.issued.codes.Load() != 0 {
		t.Error("a code was written")
	}
}

// TestConsentEndsBeforeTheCode: the write is conditional on the consent too. One that was taken back after the look at it
// gives no code, and so no grant that nobody would find to revoke.
func TestConsentEndsBeforeTheCode(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	h.records.looked = func() {
		must(t, h.store.RevokeConsent(t.Context(), userU1, idC1, h.event(signet.EventConsentRevoked)))
	}
	h.flow(h.authorize("a", hp(idC1)), "/login")
	if h.issued.codes.Load() != 0 {
		t.Error("a code was written")
	}
	h.records.looked = nil
	h.flow(h.authorize("a", hp(idC1)), "/consent")
}
