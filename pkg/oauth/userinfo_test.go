package oauth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// bearerRequest builds a userinfo request: method, token in the header, token in the form.
func bearerRequest(method, header, form string) *http.Request {
	body := ""
	if form != "" {
		body = url.Values{"access_token": {form}}.Encode()
	}
	r := httptest.NewRequest(method, "/userinfo", strings.NewReader(body))
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if header != "" {
		r.Header.Set("Authorization", header)
	}
	return r
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	for _, id := range []signet.ClientID{pub, opaque} {
		token := h.family(id, "openid profile email phone address").text("access_token")
		if opaqueForm := strings.HasPrefix(token, "sgt_at_"); opaqueForm != (id == opaque) {
			t.Errorf("%s got %q", id, token)
		}
		for name, r := range map[string]*http.Request{
			"GET header": bearerRequest("GET", "Bearer "+token, ""), "POST header": bearerRequest("POST", "Bearer "+token, ""),
			"POST body": bearerRequest("POST", "", token), "scheme in another case": bearerRequest("GET", "bEARER "+token, ""),
		} {
			a := h.send(r)
			h.want(a, http.StatusOK, "")
			if a.text("sub") != string(h.user) {
				t.Errorf("%s: %s", name, a.body)
			}
		}
		a := h.userinfo(token)
		for _, name := range strings.Fields("name given_name family_name middle_name nickname profile picture website gender birthdate zoneinfo locale updated_at preferred_username email email_verified phone_number phone_number_verified address") {
			if _, ok := a.m[name]; !ok {
				t.Errorf("%s is missing", name)
			}
		}
		if at, ok := a.m["updated_at"].(float64); !ok || at < 1e9 || a.m["email_verified"] != true || a.m["phone_number_verified"] != false {
			t.Errorf("%s", a.body)
		}
	}
	if a := h.userinfo(h.family(pub, "openid email").text("access_token")); len(a.m) != 3 {
		t.Errorf("scope email gives %s", a.body)
	}
}

// TestOID08 nothing but a live access token of a person with scope openid, sent by one way, opens userinfo.
func TestOID08(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a := h.family(pub, "openid offline_access")
	good := a.text("access_token")
	own := h.post("/token", service, "grant_type", "client_credentials", "scope", "read").text("access_token")
	ownOpaque := h.post("/token", opaque, "grant_type", "client_credentials", "scope", "read").text("access_token")
	noOpenID := h.family(pub, "read").text("access_token")
	gone := h.family(pub, "openid").text("access_token")
	h.want(h.post("/revoke", pub, "token", gone), http.StatusOK, "")
	parts := strings.Split(good, ".")
	for _, method := range []string{"GET", "POST"} {
		for _, tc := range []struct {
			name, header, form string
			status             int
			code               string
		}{
			{"ID token", "Bearer " + a.text("id_token"), "", 401, "invalid_token"},
			{"refresh token", "Bearer " + a.text("refresh_token"), "", 401, "invalid_token"},
			{"client_credentials", "Bearer " + own, "", 403, "insufficient_scope"},
			{"client_credentials, opaque", "Bearer " + ownOpaque, "", 403, "insufficient_scope"},
			{"without openid", "Bearer " + noOpenID, "", 403, "insufficient_scope"},
			{"revoked", "Bearer " + gone, "", 401, "invalid_token"},
			{"garbage", "Bearer x.y.z", "", 401, "invalid_token"},
			{"empty", "Bearer ", "", 401, ""},
			{"signature of another", "Bearer " + parts[0] + "." + parts[1] + "." + strings.Split(own, ".")[2], "", 401, "invalid_token"},
			{"alg none", "Bearer eyJhbGciOiJub25lIn0." + parts[1] + ".", "", 401, "invalid_token"},
			{"unknown opaque", "Bearer " + signet.NewSecret(signet.SecretAccess).Reveal(), "", 401, "invalid_token"},
			{"other scheme", "Basic " + good, "", 401, "invalid_token"},
			{"trailing text", "Bearer " + good + " x", "", 401, "invalid_token"},
			{"two ways", "Bearer " + good, good, 400, "invalid_request"},
		} {
			if tc.form != "" && method == "GET" {
				continue
			}
			got := h.send(bearerRequest(method, tc.header, tc.form))
			if got.status != tc.status || tc.code != "" && got.text("error") != tc.code || got.m["sub"] != nil {
				t.Errorf("%s %s: %d %s", method, tc.name, got.status, got.body)
			}
			challenge := got.header.Get("WWW-Authenticate")
			if !strings.HasPrefix(challenge, `Bearer realm="signet"`) || tc.code != "" && !strings.Contains(challenge, `error="`+tc.code+`"`) {
				t.Errorf("%s %s: WWW-Authenticate %q", method, tc.name, challenge)
			}
		}
		r := httptest.NewRequest(method, "/userinfo?access_token="+good, nil)
		if got := h.send(r); got.status != 400 || got.text("error") != "invalid_request" || got.m["sub"] != nil {
			t.Errorf("%s query: %d %s", method, got.status, got.body)
		}
		// No token at all: RFC 6750 §3.1 wants a challenge without an error code.
		got := h.send(bearerRequest(method, "", ""))
		if got.status != 401 || got.header.Get("WWW-Authenticate") != `Bearer realm="signet"` {
			t.Errorf("%s none: %d %q", method, got.status, got.header.Get("WWW-Authenticate"))
		}
	}
	h.want(h.userinfo(good), http.StatusOK, "")
	h.clock.forward(time.Hour)
	h.want(h.userinfo(good), http.StatusUnauthorized, "invalid_token")
}

// TestUserInfoEnds: the person or the client is gone, the store is away.
func TestUserInfoEnds(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a, b := h.family(pub, "openid").text("access_token"), h.family(opaque, "openid").text("access_token")
	h.store.user.Store(true)
	got := h.userinfo(a)
	h.want(got, http.StatusServiceUnavailable, "temporarily_unavailable")
	h.store.user.Store(false)
	h.store.accessToken.Store(true)
	h.want(h.userinfo(b), http.StatusServiceUnavailable, "temporarily_unavailable")
	h.store.accessToken.Store(false)
	h.store.revocationsOf.Store(true)
	h.want(h.userinfo(a), http.StatusServiceUnavailable, "temporarily_unavailable")
	h.store.revocationsOf.Store(false)
	h.clock.forward(2 * time.Second)
	ok(t, h.store.EndSession(t.Context(), h.session, "logout", h.event(signet.EventSessionEnded)))
	h.want(h.userinfo(a), http.StatusUnauthorized, "invalid_token")
	h.want(h.userinfo(b), http.StatusUnauthorized, "invalid_token")
	h.session = h.login(h.user)
	a, b = h.family(pub, "openid").text("access_token"), h.family(opaque, "openid").text("access_token")
	h.clock.forward(2 * time.Second)
	ok(t, h.store.SetClientDisabled(t.Context(), pub, true, h.event(signet.EventClientDisabled)))
	h.want(h.userinfo(a), http.StatusUnauthorized, "invalid_token")
	h.want(h.userinfo(b), http.StatusOK, "")
	ok(t, h.store.SetUserDisabled(t.Context(), h.user, true, h.event(signet.EventUserDisabled)))
	h.want(h.userinfo(b), http.StatusUnauthorized, "invalid_token")
}
