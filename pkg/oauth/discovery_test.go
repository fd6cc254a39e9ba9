package oauth

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// TestMetadata is conformance 1, and HTT-08: one body whatever the caller's headers say.
func TestMetadata(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	w := h.get("", "/.well-known/openid-configuration")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	var doc map[string]any
	must(t, json.Unmarshal(w.Body.Bytes(), &doc))
	list := func(name string) []string {
		var out []string
		values, _ := doc[name].([]any)
		for _, v := range values {
			text, _ := v.(string)
			out = append(out, text)
		}
		return out
	}
	for name, want := range map[string]any{
		"issuer": houseIssuer, "authorization_endpoint": houseIssuer + "/authorize", "token_endpoint": houseIssuer + "/token",
		"userinfo_endpoint": houseIssuer + "/userinfo", "jwks_uri": houseIssuer + "/.well-known/jwks.json", "introspection_endpoint": houseIssuer + "/introspect",
		"revocation_endpoint": houseIssuer + "/revoke", "end_session_endpoint": houseIssuer + "/logout", "claims_parameter_supported": true,
		"request_parameter_supported": false, "request_uri_parameter_supported": false, "authorization_response_iss_parameter_supported": true,
	} {
		if doc[name] != want {
			t.Errorf("%s: %v, want %v", name, doc[name], want)
		}
	}
	for name, want := range map[string][]string{
		"response_types_supported": {"code"}, "response_modes_supported": {"query", "form_post"}, "subject_types_supported": {"public"},
		"grant_types_supported":                 {"authorization_code", "refresh_token", "client_credentials"},
		"id_token_signing_alg_values_supported": {"RS256", "ES256"}, "code_challenge_methods_supported": {"S256"},
		"token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"prompt_values_supported":               {"none", "login", "consent", "select_account"}, "ui_locales_supported": {"en"},
		"scopes_supported": {"openid", "profile", "email", "phone", "address", "offline_access"},
	} {
		if got := list(name); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for _, claim := range []string{"sub", "name", "birthdate", "address", "phone_number_verified", "updated_at", "auth_time", "acr"} {
		if !slices.Contains(list("claims_supported"), claim) {
			t.Errorf("claims_supported lacks %s", claim)
		}
	}
	if _, ok := doc["request_object_signing_alg_values_supported"]; ok {
		t.Error("request objects are not supported, so no algorithm for them is")
	}
	for name, value := range doc {
		if values, ok := value.([]any); ok && len(values) == 0 || value == nil {
			t.Errorf("%s is empty", name) // RFC 8414 §2
		}
		if strings.HasSuffix(name, "alg_values_supported") && (slices.Contains(list(name), "none") || slices.Contains(list(name), "HS256")) {
			t.Errorf("%s: %v", name, value)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/.well-known/oauth-authorization-server?cb=1", nil)
	r.Header.Set("X-Forwarded-Host", "evil.test")
	r.Header.Set("Forwarded", "host=evil.test")
	if other := h.send("", r); other.Body.String() != w.Body.String() {
		t.Errorf("another body: %s", other.Body)
	}
}

// TestPublicDocuments: caching, conditional requests, CORS, and no store behind them.
func TestPublicDocuments(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	must(t, h.store.Close())
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/jwks.json"} {
		t.Run(path, func(t *testing.T) {
			first := h.get("", path)
			etag := first.Header().Get("ETag")
			if first.Code != http.StatusOK || etag == "" || first.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Fatalf("%d %v", first.Code, first.Header())
			}
			if cache := first.Header().Get("Cache-Control"); cache != "public, max-age=300, must-revalidate" {
				t.Errorf("Cache-Control %q", cache)
			}
			for _, c := range []struct {
				match  string
				status int
			}{
				{etag, 304}, {"W/" + etag, 304}, {`"x", ` + etag, 304}, {"*", 304}, {`"x"`, 200}, {"", 200}, {strings.Trim(etag, `"`), 200},
			} {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Header.Set("If-None-Match", c.match)
				r.Header.Set("Origin", "https://anyone.test")
				w := h.send("", r)
				if w.Code != c.status || (w.Body.Len() == 0) != (c.status == 304) || w.Header().Get("ETag") != etag ||
					w.Header().Get("Access-Control-Allow-Origin") != "*" {
					t.Errorf("%q: %d %v", c.match, w.Code, w.Header())
				}
			}
			if again := h.get("", path); again.Body.String() != first.Body.String() {
				t.Error("two readers, two bodies")
			}
		})
	}
}

func TestJWKSHasNoPrivateMember(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	must(t, json.Unmarshal(h.get("", "/.well-known/jwks.json").Body.Bytes(), &set))
	if len(set.Keys) != 2 {
		t.Fatalf("%d keys", len(set.Keys))
	}
	for _, key := range set.Keys {
		if key["kid"] == "" || key["kty"] == "oct" || key["use"] != "sig" {
			t.Errorf("%v", key)
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
			if _, ok := key[private]; ok {
				t.Errorf("private member %s", private)
			}
		}
	}
}
