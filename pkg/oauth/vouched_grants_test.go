package oauth

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

// What RFC 8693 has and signet has not is refused before the key is looked at.
func TestTokenExchangeParameters(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	for _, tc := range []struct {
		name   string
		change []string
		code   string
	}{
		{"no subject_token", []string{"subject_token", ""}, "invalid_request"},
		{"no subject_token_type", []string{"subject_token_type", ""}, "invalid_request"},
		{"an access token", []string{"subject_token_type", tokenTypeAccess}, "invalid_request"},
		{"actor_token", []string{"actor_token", "x"}, "invalid_request"},
		{"actor_token_type", []string{"actor_token_type", tokenTypeJWT}, "invalid_request"},
		{"a refresh token wanted", []string{"requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"},
		{"audience", []string{"audience", "x"}, "invalid_request"},
		{"no resource", []string{"resource", ""}, "invalid_request"},
	} {
		if a := h.exchange(signet.GrantTokenExchange, "", tc.change...); a.status != http.StatusBadRequest || a.text("error") != tc.code {
			t.Errorf("%s: %d %s", tc.name, a.status, a.body)
		}
	}
	if h.desk.proofs != 0 {
		t.Errorf("the room was asked %d times", h.desk.proofs)
	}
	for _, wanted := range []string{tokenTypeAccess, tokenTypeJWT} {
		h.want(h.exchange(signet.GrantTokenExchange, "", "requested_token_type", wanted), http.StatusOK, "")
	}
	unknown := h.exchange(signet.GrantTokenExchange, "", "subject_token", "sgt_ak_bad")
	h.desk.principals[deskKey].Disabled = true
	if disabled := h.exchange(signet.GrantTokenExchange, ""); disabled.body != unknown.body || disabled.status != unknown.status {
		t.Errorf("%s and %s differ", disabled.body, unknown.body)
	}
}

func TestIdentityParameters(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	for _, change := range [][]string{
		{"biller_id", ""}, {"user_id", ""}, {"invoice_id", deskUser}, // HMC-04: both given
	} {
		h.want(h.exchange(signet.GrantHMACIdentity, "", change...), http.StatusBadRequest, "invalid_request")
	}
	if h.desk.proofs != 0 {
		t.Errorf("the room was asked %d times", h.desk.proofs)
	}
	h.want(h.exchange(signet.GrantHMACIdentity, "", "hmac", ""), http.StatusBadRequest, "invalid_grant")
	// HMC-08: a client that is not this biller's.
	h.want(h.exchange(signet.GrantHMACIdentity, billless), http.StatusBadRequest, "unauthorized_client")
	h.desk.fail = signet.Wait(signet.NewError(signet.CodeTooMany, "", "too_many"), 17*time.Second)
	a := h.exchange(signet.GrantHMACIdentity, "")
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "17" {
		t.Errorf("%d %v", a.status, a.header)
	}
	// Any Authorization header is an attempt of a client, which then must succeed.
	h.desk.fail, h.desk.proofs = nil, 0
	for _, header := range []string{"Basic bm9ib2R5Ong=", "Bearer x", ""} {
		var form []string
		for i, values := 0, vouchedForm(signet.GrantHMACIdentity); i < len(values); i += 2 {
			form = append(form, values[i]+"="+values[i+1])
		}
		r := formRequest("/token", strings.Join(form, "&"))
		r.Header.Set("Authorization", header)
		h.want(h.send(r), http.StatusUnauthorized, "invalid_client")
	}
	if h.desk.proofs != 0 {
		t.Errorf("the room was asked %d times", h.desk.proofs)
	}
	// Where no client took part no origin may read the answer; a client's own may.
	r := formRequest("/token", "grant_type="+signet.GrantHMACIdentity)
	r.Header.Set("Origin", "https://rp.test")
	if a := h.send(r); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("headers %v", a.header)
	}
}

// Without the ports the grants are unknown, as before.
func TestContractsOff(t *testing.T) {
	t.Parallel()
	h := newTokenHouse(t)
	for _, grant := range vouchedGrants {
		h.want(h.post("/token", conf, vouchedForm(grant)...), http.StatusBadRequest, "unsupported_grant_type")
		h.want(h.post("/token", "", vouchedForm(grant)...), http.StatusUnauthorized, "invalid_client")
	}
	on := newContracts(t)
	r := on.send(httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil))
	for _, grant := range vouchedGrants {
		if list, _ := r.m["grant_types_supported"].([]any); !slices.Contains(list, any(grant)) {
			t.Errorf("grant_types_supported %v", list)
		}
	}
}

// Encrypted tokens where signet holds the key: introspection, revocation and other rooms read them (JWE-07, JWE-08).
func TestEncryptedTokens(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	rsRecord, key := h.resourceServer("rs")
	h.desk.recipient = rsRecord
	token := h.exchange(signet.GrantHMACIdentity, "").text("access_token")
	sealed, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM})
	ok(t, err)
	inner, err := sealed.Decrypt(key)
	ok(t, err)
	if !h.live(token) || !h.live(string(inner)) {
		t.Fatal("the token or what is inside is not live")
	}
	a := h.introspect(token)
	if a.text("sub") != billerPrincipal+":user:"+deskUser || a.text("biller_guid") != deskBiller || a.m["client_id"] != nil || a.text("token_type") != "Bearer" {
		t.Errorf("introspection %s", a.body)
	}
	wrap := func(text string) string {
		encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: &key.PublicKey, KeyID: "kid-rs"},
			(&jose.EncrypterOptions{}).WithContentType("JWT"))
		ok(t, err)
		out, err := encrypter.Encrypt([]byte(text))
		ok(t, err)
		compact, err := out.CompactSerialize()
		ok(t, err)
		return compact
	}
	idToken := h.family(conf, "openid").text("id_token")
	for name, text := range map[string]string{
		"an unsigned payload": `{"iss":"` + tokenIssuer + `","sub":"key:k1"}`,
		"an ID token":         idToken,
		"a JWE in it":         token,
		"an opaque token":     "sgt_at_x",
	} {
		if h.live(wrap(text)) {
			t.Errorf("%s is live", name)
		}
	}
	// A kid that nobody has costs one listing a second, however many come.
	foreign := strings.Replace(token, token[:strings.IndexByte(token, '.')], "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoieCJ9", 1)
	before := h.desk.lists
	h.clock.forward(2 * time.Second)
	for range 20 {
		if h.live(foreign) {
			t.Fatal("live")
		}
	}
	if n := h.desk.lists - before; n != 1 {
		t.Errorf("listed %d times", n)
	}
	h.desk.away = true
	h.clock.forward(2 * time.Second)
	for range 2 {
		h.want(h.introspect(foreign), http.StatusServiceUnavailable, "temporarily_unavailable")
	}
	h.desk.away = false
	h.clock.forward(2 * time.Second)
	// Revoked by what is inside.
	h.want(h.post("/revoke", billed, "token", token), http.StatusOK, "")
	if h.live(token) || h.live(string(inner)) {
		t.Error("it lives on")
	}
	// The key was ended: nobody opens what it opened.
	again := h.exchange(signet.GrantHMACIdentity, "").text("access_token")
	if !h.live(again) {
		t.Fatal("not live")
	}
	ended := h.clock.now()
	rsRecord.Keys[0].ExpiresAt = &ended
	if h.live(again) {
		t.Error("opened with a key that has ended")
	}
}

func TestIntrospectAPIKeys(t *testing.T) {
	t.Parallel()
	h := newContracts(t)
	ends := h.clock.now().Add(time.Hour)
	h.desk.key.ExpiresAt = &ends
	for _, raw := range []string{goodKey, "an old system's key"} {
		a := h.introspect(raw)
		h.want(a, http.StatusOK, "")
		want := map[string]any{
			"active": true, "sub": deskKey, "scope": "payment-requests:read payment-requests:pay", "account": "a1", "role": "merchant-terminal",
			"iss": tokenIssuer, "exp": ends.Unix(),
		}
		sameJSON(t, a.m, want)
	}
	if h.active("sgt_ak_unknown") || h.active("something else") {
		t.Error("an unknown key is active")
	}
	// Only a resource server may ask: a key belongs to no client.
	if a := h.post("/introspect", conf, "token", goodKey); a.status != http.StatusOK || a.body != `{"active":false}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	h.desk.fail = errAway
	h.want(h.introspect(goodKey), http.StatusServiceUnavailable, "temporarily_unavailable")
	// A key is no access token.
	h.desk.fail = nil
	if a := h.userinfo(goodKey); a.status != http.StatusUnauthorized {
		t.Errorf("userinfo: %d %s", a.status, a.body)
	}
	h.want(h.post("/revoke", billed, "token", goodKey), http.StatusOK, "")
}
