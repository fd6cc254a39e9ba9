package admin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

// TestClientMetadataIsJudged: each case is valid but for one member.
func TestClientMetadataIsJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := `"redirect_uris":["https://rp.example/cb"]`
	public := base + `,"token_endpoint_auth_method":"none"`
	machine := `"grant_types":["client_credentials"]`
	for _, tc := range []struct{ name, body, member string }{
		{"method unknown", base + `,"token_endpoint_auth_method":"client_secret_jwt"`, "token_endpoint_auth_method"},
		{"grant unknown", base + `,"grant_types":["password"]`, "grant_types"},
		{"grant implicit", base + `,"grant_types":["authorization_code","implicit"]`, "grant_types"},
		{"grant twice", base + `,"grant_types":["authorization_code","authorization_code"]`, "grant_types"},
		{"no grant", `"grant_types":[]`, "grant_types"},
		{"refresh alone", `"grant_types":["refresh_token"]`, "grant_types"},
		{"public machine", `"token_endpoint_auth_method":"none","grant_types":["client_credentials"]`, "grant_types"},
		{"response type token", base + `,"response_types":["token"]`, "response_types"},
		{"code without redirect", `"client_name":"x"`, "redirect_uris"},
		{"machine with redirect", machine + `,` + base, "redirect_uris"},
		{"redirect twice", `"redirect_uris":["https://rp.example/cb","https://rp.example/cb"]`, "redirect_uris"},
		{"name with override", base + `,"client_name":"Sh\u202eop"`, "client_name"},
		{"name with zero width", base + `,"client_name":"Sh\u200bop"`, "client_name"},
		{"name with line", base + `,"client_name":"Sh\nop"`, "client_name"},
		{"link by http", base + `,"policy_uri":"http://rp.example/p"`, "policy_uri"},
		{"logo by data", base + `,"logo_uri":"data:image/svg+xml,x"`, "logo_uri"},
		{"origin with path", base + `,"origins":["https://rp.example/"]`, "origins"},
		{"origin null", base + `,"origins":["null"]`, "origins"},
		{"origin star", base + `,"origins":["*"]`, "origins"},
		{"origin http", base + `,"origins":["http://rp.example"]`, "origins"},
		{"origin default port", base + `,"origins":["https://rp.example:443"]`, "origins"},
		{"scope charset", base + `,"scope":"openid \"x\""`, "scope"},
		{"scope openid of a machine", machine + `,"scope":"openid"`, "scope"},
		{"audience with fragment", machine + `,"audiences":["https://api.example/#x"]`, "audiences"},
		{"audience relative", machine + `,"audiences":["/api"]`, "audiences"},
		{"id token alg none", base + `,"id_token_signed_response_alg":"none"`, "id_token_signed_response_alg"},
		{"id token alg HMAC", base + `,"id_token_signed_response_alg":"HS256"`, "id_token_signed_response_alg"},
		{"access token alg", base + `,"access_token_signed_alg":"PS256"`, "access_token_signed_alg"},
		{"assertion alg without keys", base + `,"token_endpoint_auth_signing_alg":"RS256"`, "token_endpoint_auth_signing_alg"},
		{"public without PKCE", public + `,"require_pkce":false`, "require_pkce"},
		{"public without rotation", public + `,"rotation":"off"`, "rotation"},
		{"public introspects", public + `,"introspect":true`, "introspect"},
		{"public partner", public + `,"partner":true`, "partner"},
		{"grace", base + `,"refresh_grace":31`, "refresh_grace"},
		{"grace negative", base + `,"refresh_grace":-1`, "refresh_grace"},
		{"lifetime", base + `,"access_token_lifetime":86401`, "access_token_lifetime"},
		{"lifetime negative", base + `,"id_token_lifetime":-1`, "id_token_lifetime"},
		{"lifetime huge", base + `,"refresh_token_lifetime":9223372036854775807`, "refresh_token_lifetime"},
		{"max age", base + `,"default_max_age":-1`, "default_max_age"},
		{"format", base + `,"access_token_format":"paseto"`, "access_token_format"},
		{"token type", base + `,"token_type":"mac"`, "token_type"},
		{"departure without assertion", machine + `,"assertion_audience":"token_endpoint"`, "assertion_"},
		{"network", machine + `,"allowed_networks":["10.0.0.1/8"]`, "allowed_networks"},
		{"network by name", machine + `,"allowed_networks":["localhost"]`, "allowed_networks"},
		{"keys by http", machine + `,"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"RS256","jwks_uri":"http://rp.example/jwks"`, "jwks_uri"},
		{"keys by address and hosted", machine + `,"jwks_uri":"https://rp.example/jwks","jwks":{"keys":[]}`, "jwks_uri"},
		{"keys by address without an algorithm", machine + `,"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://rp.example/jwks"`, "token_endpoint_auth_signing_alg"},
		{"public beside an HMAC", `"token_endpoint_auth_method":"none","grant_types":["` + signet.GrantHMACIdentity + `"]`, "grant_types"},
		{"scope email of a machine", machine + `,"scope":"email"`, "scope"},
		{"tls_client_auth without a name", machine + `,"token_endpoint_auth_method":"tls_client_auth"`, "tls_client_auth_"},
		{"tls_client_auth with two names", machine + `,"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"CN=a","tls_client_auth_san_dns":"a.example"`, "tls_client_auth_"},
		{"tls_client_auth with a pattern", machine + `,"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"*.example.com"`, "tls_client_auth_san_dns"},
		{"self-signed without a certificate", machine + `,"token_endpoint_auth_method":"self_signed_tls_client_auth"`, "tls_client_certificate"},
		{"thumbprint in hex", machine + `,"token_endpoint_auth_method":"self_signed_tls_client_auth","tls_client_certificate":"` + strings.Repeat("0f", 32) + `"`, "tls_client_certificate"},
		{"certificate demanded and none named", machine + `,"require_certificate":true`, "require_certificate"},
		{"assertion without keys", machine + `,"token_endpoint_auth_method":"private_key_jwt"`, "jwks"},
		{"admin without machine", base + `,"admin":true`, "admin"},
		{"client_id", base + `,"client_id":"../x"`, "client_id"},
		{"client_id with colon", base + `,"client_id":"client:x"`, "client_id"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			answer := w.want(400, "POST", "/admin/v1/clients", "{"+tc.body+"}")
			if detail, _ := answer["detail"].(string); !strings.Contains(detail, tc.member) {
				t.Errorf("detail %q does not name %s", detail, tc.member)
			}
		})
	}
	for i, body := range []string{
		base, public, base + `,"require_pkce":false,"rotation":"off","refresh_grace":0,"grant_types":["authorization_code","refresh_token"]`,
		machine + `,"audiences":["https://api.example","urn:example:api","orders"],"scope":"a a b"`, machine + `,"admin":true`,
		`"grant_types":[],"introspect":true`, base + `,"origins":["https://rp.example","https://rp.example:8443","http://localhost:3000"]`,
		machine + `,"allowed_networks":["10.0.0.0/8","2001:db8::/32"]`,
		machine + `,"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"RS256","jwks_uri":"https://rp.example/jwks"`,
		machine + `,"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"CN=mt,O=Bank"`,
		machine + `,"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"mt.example.com","tls_client_auth_ca":"` + strings.Repeat("A", 43) + `"`,
		machine + `,"token_endpoint_auth_method":"self_signed_tls_client_auth","tls_client_certificate":"` + strings.Repeat("A", 43) + `"`,
		`"grant_types":["` + signet.GrantHMACIdentity + `","` + signet.GrantTokenExchange + `","client_credentials"]`,
	} {
		if res := w.send("POST", "/admin/v1/clients", "{"+body+"}"); res.Code != 201 {
			t.Errorf("valid client %d: %s", i, res.Body)
		}
	}
}

func TestEveryProblemIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	detail, _ := w.want(400, "POST", "/admin/v1/clients", `{"redirect_uris":["http://x.example/"],"token_type":"mac","policy_uri":"x","refresh_grace":99}`)["detail"].(string)
	for _, member := range []string{"redirect_uris", "token_type", "policy_uri", "refresh_grace"} {
		if !strings.Contains(detail, member) {
			t.Errorf("%q does not name %s", detail, member)
		}
	}
	if strings.Contains(detail, "x.example") {
		t.Errorf("the answer repeats what was sent: %q", detail)
	}
}

// TestHostedKeys: private keys are never taken in, weak ones never verify.
func TestHostedKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := func(k any, kid, use string) jose.JSONWebKey { return jose.JSONWebKey{Key: k, KeyID: kid, Use: use} }
	sig, enc := key(&strong.PublicKey, "s", "sig"), key(&strong.PublicKey, "e", "enc")
	weak := `{"keys":[{"kty":"RSA","kid":"w","use":"sig","e":"AQAB","n":"` + strings.Repeat("w", 171) + `"}]}`
	for i, tc := range []struct {
		name, more string
		set        any
		ok         bool
	}{
		{"ec", ``, set(key(&ec.PublicKey, "a", "sig")), true},
		{"ec with its alg", `,"token_endpoint_auth_signing_alg":"ES256"`, set(key(&ec.PublicKey, "a", "sig")), true},
		{"rsa with PS256", `,"token_endpoint_auth_signing_alg":"PS256"`, set(sig), true},
		{"partner", `,"partner":true,"assertion_error":"document","assertion_audience":"token_endpoint","token_type":"bearer"`, set(sig, enc), true},
		{"partner without enc", `,"partner":true`, set(sig), false},
		{"private", ``, set(key(ec, "a", "sig")), false},
		{"private RSA", ``, set(key(strong, "a", "sig")), false},
		{"symmetric", ``, set(key([]byte(strings.Repeat("k", 32)), "a", "sig")), false},
		{"no kid", ``, set(key(&ec.PublicKey, "", "sig")), false},
		{"kid twice", ``, set(sig, sig), false},
		{"no use", ``, set(key(&ec.PublicKey, "a", "")), false},
		{"only enc", ``, set(enc), false},
		{"P-384", ``, set(key(&p384.PublicKey, "a", "sig")), false},
		{"alg of another family", `,"token_endpoint_auth_signing_alg":"RS256"`, set(key(&ec.PublicKey, "a", "sig")), false},
		{"alg none", `,"token_endpoint_auth_signing_alg":"none"`, set(sig), false},
		{"alg HS256", `,"token_endpoint_auth_signing_alg":"HS256"`, set(sig), false},
		{"weak RSA", ``, json.RawMessage(weak), false},
		{"empty", ``, set(), false},
		{"no object", ``, []int{1}, false},
		{"unknown kty", ``, json.RawMessage(`{"keys":[{"kty":"XYZ","kid":"a","use":"sig"}]}`), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			encoded, err := json.Marshal(tc.set)
			if err != nil {
				t.Fatal(err)
			}
			res := w.send("POST", "/admin/v1/clients", fmt.Sprintf(`{"client_id":"k%d","grant_types":["client_credentials"],"token_endpoint_auth_method":"private_key_jwt","jwks":%s%s}`, i, encoded, tc.more))
			if (res.Code == 201) != tc.ok || res.Code != 201 && res.Code != 400 {
				t.Errorf("status %d: %s", res.Code, res.Body)
			}
		})
	}
}

func set(keys ...jose.JSONWebKey) jose.JSONWebKeySet { return jose.JSONWebKeySet{Keys: keys} }
