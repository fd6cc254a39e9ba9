package oauth

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestHints(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	claims := func(changes ...any) map[string]any {
		c := map[string]any{"iss": houseIssuer, "sub": string(userU1), "aud": string(idC1), "iat": 1, "exp": h.clock.now().Add(-365 * 24 * time.Hour).Unix(), "sid": "s"}
		for i := 0; i+1 < len(changes); i += 2 {
			if changes[i+1] == nil {
				delete(c, changes[i].(string))
			} else {
				c[changes[i].(string)] = changes[i+1]
			}
		}
		return c
	}
	good := h.idToken("JWT", claims())
	forged := func(header string) string {
		part := strings.Split(good, ".")
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + part[1] + "."
	}
	for name, c := range map[string]struct {
		hint, want string
	}{
		"OID-05 expired by a year":    {good, ""},
		"audience as a list":          {h.idToken("JWT", claims("aud", []string{string(idC1)})), ""},
		"two audiences and azp":       {h.idToken("JWT", claims("aud", []string{string(idC1), "x"}, "azp", string(idC1))), ""},
		"two audiences without azp":   {h.idToken("JWT", claims("aud", []string{string(idC1), "x"})), "invalid_request"},
		"OID-05 other client":         {h.idToken("JWT", claims("aud", string(idC2))), "invalid_request"},
		"other issuer":                {h.idToken("JWT", claims("iss", "https://evil.test")), "invalid_request"},
		"no sub":                      {h.idToken("JWT", claims("sub", nil)), "invalid_request"},
		"no iat":                      {h.idToken("JWT", claims("iat", nil)), "invalid_request"},
		"no aud":                      {h.idToken("JWT", claims("aud", nil)), "invalid_request"},
		"a logout token":              {h.idToken("JWT", claims("events", map[string]any{})), "invalid_request"},
		"an access token":             {h.idToken("at+jwt", claims()), "invalid_request"},
		"OID-05 alg none":             {forged(`{"alg":"none"}`), "invalid_request"},
		"OID-05 HS256":                {forged(`{"alg":"HS256"}`) + "AAAA", "invalid_request"},
		"OID-05 signature cut off":    {good[:strings.LastIndexByte(good, '.')+1], "invalid_request"},
		"OID-05 signature of another": {good[:len(good)-4] + "AAAA", "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			values := h.answer(h.authorize("a", hp(idC1, "prompt", "none", "id_token_hint", c.hint)), "https://rp.test/cb?")
			if values.Get("error") != c.want {
				t.Errorf("%v, want %q", values, c.want)
			}
		})
	}
	t.Run("OID-05 1 MiB", func(t *testing.T) {
		w := h.post("a", hp(idC1, "id_token_hint", strings.Repeat("a", 1<<20)))
		if w.Code != http.StatusRequestEntityTooLarge || w.Header().Get("Location") != "" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	})
	t.Run("hint and claims name two people", func(t *testing.T) {
		h.refused(h.authorize("a", hp(idC1, "id_token_hint", good, "claims", `{"id_token":{"sub":{"value":"someone"}}}`)), "https://rp.test/cb?", "login_required")
	})
	t.Run("another user logs in, once", func(t *testing.T) {
		sealed := h.flow(h.authorize("a", hp(idC1, "id_token_hint", h.idToken("JWT", claims("sub", string(userU2))))), "/login")
		h.clock.forward(time.Second)
		h.login("a", userU1)
		h.refused(h.resume("a", sealed), "https://rp.test/cb?", "login_required")
		h.clock.forward(time.Second)
		h.login("a", userU2)
		h.allow(userU2, idC1, "openid email")
		if h.answer(h.resume("a", sealed), "https://rp.test/cb?").Get("code") == "" {
			t.Error("no code for the hinted user")
		}
	})
}
