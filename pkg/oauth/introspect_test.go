package oauth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const inactive = `{"active":false}`

func TestIntrospect(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a := h.family(conf, "openid offline_access read")
	got := h.introspect(a.text("access_token"))
	h.want(got, http.StatusOK, "")
	if got.m["active"] != true || got.text("client_id") != "conf" || got.text("sub") != string(h.user) || got.text("username") != "alice" ||
		got.text("scope") != "openid offline_access read" || got.text("token_type") != "Bearer" || got.text("iss") != tokenIssuer ||
		got.text("aud") != tokenIssuer || got.text("jti") == "" || got.m["exp"] == nil || got.m["iat"] == nil {
		t.Errorf("%s", got.body)
	}
	for name := range got.m {
		if !strings.Contains(" active scope client_id username token_type exp iat sub aud iss jti acr amr ", " "+name+" ") {
			t.Errorf("foreign member %s", name)
		}
	}
	got = h.introspect(a.text("refresh_token"))
	if got.m["active"] != true || got.text("client_id") != "conf" || got.text("sub") != string(h.user) {
		t.Errorf("%s", got.body)
	}
	// PIN-07: a resource server must be able to see a weak factor.
	for _, name := range []string{"access_token", "refresh_token"} {
		got = h.introspect(a.text(name))
		amr, _ := got.m["amr"].([]any)
		if got.text("acr") == "" || len(amr) == 0 {
			t.Errorf("%s: acr %v, amr %v", name, got.m["acr"], got.m["amr"])
		}
	}
	r1 := h.refresh(conf, a.text("refresh_token")).text("refresh_token")
	if h.active(a.text("refresh_token")) || !h.active(r1) {
		t.Error("the spent generation is active, or the new one is not")
	}
	o := h.post("/token", opaque, "grant_type", "client_credentials", "scope", "read")
	got = h.introspect(o.text("access_token"))
	if got.m["active"] != true || got.text("sub") != "client:opaque" || got.m["username"] != nil {
		t.Errorf("%s", got.body)
	}
}

// TestINT01 an ordinary client learns nothing of another's tokens, and all of its own.
func TestINT01(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	code := h.code(conf, "openid offline_access")
	a := h.redeem(conf, code)
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if got := h.post("/introspect", other, "token", a.text(name)); got.status != http.StatusOK || got.body != inactive {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := h.post("/introspect", other, "token", code); got.body != inactive {
		t.Errorf("code: %s", got.body)
	}
	if got := h.post("/introspect", conf, "token", a.text("access_token")); got.m["active"] != true {
		t.Errorf("own: %s", got.body)
	}
}

// TestINT02 the caller proves itself: no user token, no public client, nobody.
func TestINT02(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	token := h.family(pub, "openid").text("access_token")
	h.want(h.post("/introspect", pub, "token", token), http.StatusUnauthorized, "invalid_client")
	h.want(h.post("/introspect", "", "token", token), http.StatusUnauthorized, "invalid_client")
	h.want(h.post("/introspect", rs, "token", token, "client_secret", "wrong"), http.StatusUnauthorized, "invalid_client")
	r := formRequest("/introspect", "token="+token)
	r.Header.Set("Authorization", "Bearer "+token)
	if got := h.send(r); got.status != http.StatusUnauthorized || strings.Contains(got.body, "active") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestINT04 whatever is wrong with a token, the answer is the same bytes; a store that is away is no answer.
func TestINT04(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a := h.family(conf, "openid offline_access")
	good := a.text("access_token")
	for _, token := range []string{
		"x", "....", strings.Repeat("a.", 100), good[:len(good)-1], good + "A", good + "\n", a.text("id_token"), "sgt_", "sgt_at_x", "sgt_rt_x",
		signet.NewSecret(signet.SecretRefresh).Reveal(), signet.NewSecret(signet.SecretAccess).Reveal(), strings.Repeat("z", 20000),
	} {
		if got := h.introspect(token); got.status != http.StatusOK || got.body != inactive {
			t.Errorf("%.40q: %d %s", token, got.status, got.body)
		}
	}
	h.store.revocationsOf.Store(true)
	h.want(h.introspect(good), http.StatusServiceUnavailable, "temporarily_unavailable")
	h.store.revocationsOf.Store(false)
	h.store.user.Store(true)
	h.want(h.introspect(good), http.StatusServiceUnavailable, "temporarily_unavailable")
	h.want(h.introspect(a.text("refresh_token")), http.StatusServiceUnavailable, "temporarily_unavailable")
	h.store.user.Store(false)
	h.clock.forward(time.Hour)
	if got := h.introspect(good); got.body != inactive {
		t.Errorf("expired: %s", got.body)
	}
}

// TestINT05 a client takes back its own tokens alone, and learns nothing of others'.
func TestINT05(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a := h.family(conf, "openid offline_access")
	access, refresh := a.text("access_token"), a.text("refresh_token")
	for _, token := range []string{access, refresh, "unknown", signet.NewSecret(signet.SecretRefresh).Reveal()} {
		if got := h.post("/revoke", other, "token", token, "token_type_hint", "refresh_token"); got.status != http.StatusOK || got.body != "" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if !h.active(access) || !h.active(refresh) {
		t.Fatal("a foreign client took a token back")
	}
	h.want(h.post("/revoke", conf, "token", access, "token_type_hint", "nonsense"), http.StatusOK, "")
	h.want(h.post("/revoke", conf, "token", access), http.StatusOK, "")
	if h.active(access) || !h.active(refresh) {
		t.Error("an access token goes alone")
	}
	b := h.refresh(conf, refresh)
	h.want(b, http.StatusOK, "")
	h.want(h.post("/revoke", conf, "token", b.text("refresh_token")), http.StatusOK, "")
	if h.active(b.text("access_token")) || h.active(b.text("refresh_token")) {
		t.Error("the family outlived its refresh token")
	}
	h.want(h.refresh(conf, b.text("refresh_token")), http.StatusBadRequest, "invalid_grant")
	o := h.family(opaque, "openid").text("access_token")
	h.want(h.post("/revoke", opaque, "token", o), http.StatusOK, "")
	if h.active(o) {
		t.Error("the opaque token is active")
	}
	// A public client takes back its own by its name: whoever holds the token may end it.
	p := h.family(pub, "openid").text("access_token")
	h.want(h.post("/revoke", pub, "token", p), http.StatusOK, "")
	if h.active(p) {
		t.Error("the public client's token is active")
	}
}

// TestINT07 revocation that was not written is never answered as done (fosite answers 200).
func TestINT07(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	a := h.family(conf, "openid offline_access")
	h.store.writeRevocations.Store(true)
	h.store.revokeGrant.Store(true)
	for _, name := range []string{"access_token", "refresh_token"} {
		got := h.post("/revoke", conf, "token", a.text(name))
		h.want(got, http.StatusServiceUnavailable, "temporarily_unavailable")
		if got.header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		if !h.active(a.text(name)) {
			t.Errorf("%s is gone", name)
		}
	}
}

// TestINT08 one form, by POST.
func TestINT08(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	token := h.family(conf, "openid").text("access_token")
	for _, path := range []string{"/introspect", "/revoke"} {
		if got := h.send(httptest.NewRequest(http.MethodGet, path+"?token="+token, nil)); got.status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, got.status)
		}
		h.want(h.send(formRequest(path+"?token="+token, "client_id=conf")), http.StatusBadRequest, "invalid_request")
		h.want(h.post(path, rs), http.StatusBadRequest, "invalid_request")
		h.want(h.send(formRequest(path, "token=a&token=b&client_id=conf")), http.StatusBadRequest, "invalid_request")
		r := formRequest(path, `{"token":"x"}`)
		r.Header.Set("Content-Type", "application/json")
		h.want(h.send(r), http.StatusUnsupportedMediaType, "invalid_request")
	}
	if !h.active(token) {
		t.Error("a refused request took the token back")
	}
}

// A scope that the client has lost is lost in what was issued before: nobody takes the token any more.
func TestSCO07LostScope(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	person := h.family(conf, "openid email read")
	machine := h.post("/token", service, "grant_type", "client_credentials", "scope", "read").text("access_token")
	kept := h.post("/token", service, "grant_type", "client_credentials", "scope", "write").text("access_token")
	for _, token := range []string{person.text("access_token"), machine, kept} {
		if !h.active(token) {
			t.Fatal("a fresh token is not active")
		}
	}
	for _, id := range []signet.ClientID{conf, service} {
		client, err := h.store.Client(t.Context(), id)
		ok(t, err)
		changed := *client
		changed.Scope = "openid email write"
		ok(t, h.store.UpdateClient(t.Context(), &changed, h.event(signet.EventClientUpdated)))
	}
	if h.active(person.text("access_token")) || h.active(machine) {
		t.Error("a token with a scope that its client has lost is active")
	}
	if !h.active(kept) {
		t.Error("a token within the scope that is left is not active")
	}
	h.want(h.userinfo(person.text("access_token")), http.StatusUnauthorized, "invalid_token")
	if _, err := h.server.Bearer(t.Context(), machine); signet.CodeOf(err) != signet.CodeInvalidToken {
		t.Errorf("Bearer: %v", err)
	}
}
