package conformance

import (
	"crypto/rsa"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	runPlan(t, startOP(t), false, []entry{{"oidcc-discovery-endpoint-verification", discovery}})
}

// registered are the members that OIDC Discovery §3, RFC 8414 §2, RFC 9207, RFC 9126, RFC 9449, RFC 8705, RFC 9701 and the
// OIDC logout and prompt=create specifications define. The suite warns of any other.
func registered() []string {
	return []string{
		"issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "registration_endpoint",
		"introspection_endpoint", "revocation_endpoint", "end_session_endpoint", "pushed_authorization_request_endpoint",
		"device_authorization_endpoint", "scopes_supported", "response_types_supported", "response_modes_supported",
		"grant_types_supported", "acr_values_supported", "subject_types_supported", "id_token_signing_alg_values_supported",
		"userinfo_signing_alg_values_supported", "request_object_signing_alg_values_supported",
		"token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported",
		"introspection_endpoint_auth_methods_supported", "introspection_endpoint_auth_signing_alg_values_supported",
		"revocation_endpoint_auth_methods_supported", "revocation_endpoint_auth_signing_alg_values_supported",
		"display_values_supported", "claim_types_supported", "claims_supported", "service_documentation",
		"claims_locales_supported", "ui_locales_supported", "claims_parameter_supported", "request_parameter_supported",
		"request_uri_parameter_supported", "require_request_uri_registration", "op_policy_uri", "op_tos_uri",
		"code_challenge_methods_supported", "authorization_response_iss_parameter_supported", "prompt_values_supported",
		"dpop_signing_alg_values_supported", "require_pushed_authorization_requests", "backchannel_logout_supported",
		"backchannel_logout_session_supported", "tls_client_certificate_bound_access_tokens",
	}
}

// within wants every value of a member to be known, and those needed to be there.
func (m *module) within(member string, known []string, needed ...string) {
	m.Helper()
	values := m.op.list(m.T, member)
	if len(values) == 0 {
		m.Errorf("%s is empty", member)
	}
	for _, value := range values {
		if !slices.Contains(known, value) {
			m.Errorf("%s has %q", member, value)
		}
	}
	for _, value := range needed {
		if !slices.Contains(values, value) {
			m.Errorf("%s lacks %q", member, value)
		}
	}
}

func discovery(m *module) {
	if m.op.metadata["issuer"] != m.op.Card.Issuer || !strings.HasPrefix(m.op.Card.Issuer, "https://") {
		m.Errorf("issuer %v at %s", m.op.metadata["issuer"], m.op.Card.Issuer)
	}
	for member, value := range m.op.metadata {
		if !slices.Contains(registered(), member) {
			m.Errorf("the metadata has an unknown member %s", member)
		}
		if values, isList := value.([]any); isList && len(values) == 0 {
			m.Errorf("%s is an empty list", member)
		}
	}
	m.endpoints("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
	signing := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
	m.within("response_types_supported", []string{"code"}, "code")
	m.within("response_modes_supported", []string{"query", "form_post"}, "query", "form_post")
	m.within("subject_types_supported", []string{"public", "pairwise"}, "public")
	m.within("grant_types_supported", []string{"authorization_code", "refresh_token", "client_credentials",
		"urn:signet:params:oauth:grant-type:hmac-identity", "urn:ietf:params:oauth:grant-type:token-exchange"}, "authorization_code", "refresh_token")
	m.within("id_token_signing_alg_values_supported", signing, "RS256")
	m.within("token_endpoint_auth_signing_alg_values_supported", signing, "RS256")
	m.within("token_endpoint_auth_methods_supported", []string{"none", "client_secret_basic", "client_secret_post", "private_key_jwt"},
		"client_secret_basic", "client_secret_post")
	m.within("code_challenge_methods_supported", []string{"S256", "plain"}, "S256")
	if algs := m.op.list(m.T, "request_object_signing_alg_values_supported"); algs != nil && !slices.Contains(algs, "RS256") {
		m.Errorf("request_object_signing_alg_values_supported %v lacks RS256", algs)
	}
	for _, scope := range m.op.list(m.T, "scopes_supported") {
		if !regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`).MatchString(scope) {
			m.Errorf("scope %q", scope)
		}
	}
	if !slices.Contains(m.op.list(m.T, "scopes_supported"), "openid") || len(m.op.list(m.T, "claims_supported")) == 0 {
		m.Error("scopes_supported lacks openid, or claims_supported is empty")
	}
	for _, locale := range m.op.list(m.T, "ui_locales_supported") {
		if !regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2}|-[0-9]{3})?$`).MatchString(locale) {
			m.Errorf("locale %q is not in canonical form", locale)
		}
	}
	m.types()
	plain := m.op.document(m.T, m.op.Card.Issuer+"/.well-known/oauth-authorization-server")
	if !reflect.DeepEqual(plain, m.op.metadata) {
		m.Errorf("the RFC 8414 document differs: %v", plain)
	}
	m.jwks()
}

// types: a member of one of the three forms that there are has that form (OIDC Discovery §3, RFC 8414 §2).
func (m *module) types() {
	m.Helper()
	booleans := []string{"claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported",
		"authorization_response_iss_parameter_supported", "require_request_uri_registration", "require_pushed_authorization_requests",
		"backchannel_logout_supported", "backchannel_logout_session_supported", "tls_client_certificate_bound_access_tokens"}
	for member, value := range m.op.metadata {
		ok := false
		switch {
		case slices.Contains(booleans, member):
			_, ok = value.(bool)
		case strings.HasSuffix(member, "_supported"):
			ok = texts(value)
		default:
			ok = visible(value)
		}
		if !ok {
			m.Errorf("%s is %v (%T)", member, value, value)
		}
	}
}

// endpoints: whatever ends in _endpoint is an https URL of the issuer, without query or fragment, and those named exist.
func (m *module) endpoints(needed ...string) {
	m.Helper()
	for member := range m.op.metadata {
		if strings.HasSuffix(member, "_endpoint") {
			needed = append(needed, member)
		}
	}
	for _, member := range needed {
		u, err := url.Parse(m.op.endpoint(m.T, member))
		if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			m.Errorf("%s is %v", member, u)
		}
		if !strings.HasPrefix(u.String(), m.op.Card.Issuer+"/") {
			m.Errorf("%s is %v, not the issuer's", member, u)
		}
	}
}

// jwks: each key has a kid of its own, an algorithm and no private part.
func (m *module) jwks() {
	m.Helper()
	seen := map[string]bool{}
	for _, key := range m.op.keys.Keys {
		if rsa, is := key.Key.(*rsa.PublicKey); is && rsa.N.BitLen() < 2048 {
			m.Errorf("key %q has %d bits", key.KeyID, rsa.N.BitLen())
		}
		if !slices.Contains(m.op.list(m.T, "id_token_signing_alg_values_supported"), key.Algorithm) {
			m.Errorf("key %q is for %s, which the metadata does not list", key.KeyID, key.Algorithm)
		}
		if key.KeyID == "" || seen[key.KeyID] || key.Algorithm == "" || key.Use != "sig" || !key.IsPublic() || !key.Valid() {
			m.Errorf("key %q, alg %q, use %q, public %v", key.KeyID, key.Algorithm, key.Use, key.IsPublic())
		}
		seen[key.KeyID] = true
	}
	raw := m.op.document(m.T, m.op.endpoint(m.T, "jwks_uri"))
	keys, ok := raw["keys"].([]any)
	if !ok || len(keys) != len(m.op.keys.Keys) || len(keys) == 0 {
		m.Fatalf("JWKS %v", raw)
	}
	for _, value := range keys {
		key, ok := value.(map[string]any)
		if !ok {
			m.Fatalf("key %v", value)
		}
		for _, secret := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if _, there := key[secret]; there {
				m.Errorf("key %v has a member %s", key["kid"], secret)
			}
		}
		if kty, _ := key["kty"].(string); !slices.Contains([]string{"RSA", "EC", "OKP"}, kty) {
			m.Errorf("kty %q", kty)
		}
	}
	if !slices.ContainsFunc(m.op.keys.Keys, func(k jose.JSONWebKey) bool { return k.Algorithm == "RS256" }) {
		m.Error("no RS256 key is published")
	}
}
