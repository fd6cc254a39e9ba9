package admin_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/admin"
	"github.com/signet-auth/signet/pkg/signet"
)

// more changes one member or two of a valid record; unset takes a member out.
type more = map[string]any

func keyOf(t *testing.T, kid, use string) jose.JSONWebKey {
	t.Helper()
	return jose.JSONWebKey{Key: ecKey(t).Public(), KeyID: kid, Use: use}
}

// bank is a valid partner: each case of a test changes it.
func bank(t *testing.T) more {
	t.Helper()
	return more{"token_endpoint_auth_method": "private_key_jwt", "grant_types": []string{"client_credentials"}, "partner": true,
		"jwks": set(keyOf(t, "s", "sig"), keyOf(t, "e", "enc"))}
}

// judged sends a record and wants it taken, or refused with the member named.
func (w *world) judged(t *testing.T, name, member string, members ...more) map[string]any {
	t.Helper()
	res := w.send("POST", "/admin/v1/clients", body(t, members...))
	var answer map[string]any
	if err := json.Unmarshal(res.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	detail, _ := answer["detail"].(string)
	if want := map[bool]int{true: 201, false: 400}[member == ""]; res.Code != want || !strings.Contains(detail, member) {
		t.Errorf("%s: %d %q, want %d and %q", name, res.Code, detail, want, member)
	}
	return answer
}

func TestPartnersAreJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kids := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint("k", i))
		}
		return out
	}
	hosted := more{"jwks": nil, "jwks_uri": "https://bank.example/jwks.json", "token_endpoint_auth_signing_alg": "RS256"}
	secret := more{"token_endpoint_auth_method": "client_secret_basic", "partner": false, "jwks": nil}
	for _, c := range []struct {
		name, member string
		change       more
	}{
		{"HP", "", more{}},
		{"HP by address", "", hosted},
		{"two signing keys", "jwks", more{"jwks": set(keyOf(t, "s", "sig"), keyOf(t, "s2", "sig"), keyOf(t, "e", "enc"))}},
		{"two encryption keys", "jwks", more{"jwks": set(keyOf(t, "s", "sig"), keyOf(t, "e", "enc"), keyOf(t, "e2", "enc"))}},
		{"no encryption key", "jwks", more{"jwks": set(keyOf(t, "s", "sig"))}},
		{"HP no partner, one key", "", more{"jwks": set(keyOf(t, "s", "sig")), "partner": false}},
		{"by secret", "partner", more{"token_endpoint_auth_method": "client_secret_basic"}},
		{"for people", "partner", more{"grant_types": []string{"authorization_code"}, "redirect_uris": []string{"https://a.example/"}}},
		{"keys twice", "jwks_uri", more{"jwks_uri": "https://bank.example/jwks.json"}},
		{"address without its alg", "token_endpoint_auth_signing_alg", more{"jwks": nil, "jwks_uri": "https://bank.example/jwks.json"}},
		{"address on this machine", "jwks_uri", more{"jwks": nil, "jwks_uri": "http://127.0.0.1/jwks.json", "token_endpoint_auth_signing_alg": "RS256"}},
		{"address with a fragment", "jwks_uri", more{"jwks": nil, "jwks_uri": "https://bank.example/#f", "token_endpoint_auth_signing_alg": "RS256"}},
		{"address with a user", "jwks_uri", more{"jwks": nil, "jwks_uri": "https://u:p@bank.example/", "token_endpoint_auth_signing_alg": "RS256"}},
		{"HP keys refused", "", more{"jwks_refused_kids": kids(50)}},
		{"too many keys refused", "jwks_refused_kids", more{"jwks_refused_kids": kids(51)}},
		{"a key refused twice", "jwks_refused_kids", more{"jwks_refused_kids": []string{"k", "k"}}},
		{"nothing refused", "jwks_refused_kids", more{"jwks_refused_kids": []string{""}}},
		{"environment", "environment", more{"environment": "staging"}},
		{"bare keys in CAT", "jwks", more{"environment": "cat"}},
		{"bare keys in production", "jwks", more{"environment": "production"}},
		{"activated by its own word", "activation", more{"activation": more{"at": "2026-01-01T00:00:00Z", "by": "me", "override": "x"}}},
		{"idle", "refresh_token_idle", more{"refresh_token_idle": -1}},
		{"idle for ever", "refresh_token_idle", more{"refresh_token_idle": 3660*86400 + 1}},
		{"HP beside an HMAC", "", more{"grant_types": []string{"client_credentials", signet.GrantHMACIdentity, signet.GrantTokenExchange}}},
		{"as a PIN application", "grant_types", more{"grant_types": []string{"client_credentials", signet.GrantPIN}}},
		{"public with an API key", "grant_types", more{"token_endpoint_auth_method": "none", "grant_types": []string{signet.GrantTokenExchange}, "partner": false, "jwks": nil}},
		{"account of nobody", "account_id names no account", more{"account_id": signet.NewUUID()}},
		{"address of a secret's client", "jwks_uri", more{"token_endpoint_auth_method": "client_secret_basic", "partner": false, "jwks": nil, "jwks_uri": "https://bank.example/"}},
		{"HP by secret", "", secret},
	} {
		w.judged(t, c.name, c.member, bank(t), c.change)
	}
	w.judged(t, "a key of a secret's client refused", "jwks_refused_kids", bank(t), secret, more{"jwks_refused_kids": []string{"k"}})
	path, _ := w.account()
	id := strings.TrimPrefix(path, "/admin/v1/accounts/")
	w.judged(t, "HP account", "", bank(t), more{"account_id": id})
	w.judged(t, "account of a client for people", "account_id", more{"redirect_uris": []string{"https://a.example/"}, "account_id": id})
}

// TestMTL02WhatACertificateIsComparedWith: one thing, of an authority that is known.
func TestMTL02WhatACertificateIsComparedWith(t *testing.T) {
	t.Parallel()
	first, second := base64.RawURLEncoding.EncodeToString(make([]byte, 32)), strings.Repeat("_", 42)+"8"
	one := newWorldOf(t, false, func(c *admin.Contracts) { c.Partners.Authorities = []string{first} })
	two := newWorldOf(t, false, func(c *admin.Contracts) { c.Partners.Authorities = []string{first, second} })
	named := more{"token_endpoint_auth_method": "tls_client_auth", "grant_types": []string{"client_credentials"}, "tls_client_auth_subject_dn": "CN=mt,O=Bank"}
	assertion := bank(t)
	own := jose.JSONWebKey{KeyID: "c", Use: "sig"}
	key := ecKey(t)
	own.Key, own.Certificates = key.Public(), []*x509.Certificate{one.ca.issue(t, key.Public(), asIs)}
	selfSigned := more{"token_endpoint_auth_method": "self_signed_tls_client_auth", "grant_types": []string{"client_credentials"}}
	secret := more{"token_endpoint_auth_method": "client_secret_basic", "grant_types": []string{"client_credentials"}}
	public := more{"token_endpoint_auth_method": "none", "redirect_uris": []string{"https://a.example/"}}
	for _, c := range []struct {
		name, member string
		w            *world
		record       more
		change       more
	}{
		{"HP one authority", "", one, named, more{}},
		{"several authorities and none named", "tls_client_auth_ca", two, named, more{}},
		{"HP several authorities", "", two, named, more{"tls_client_auth_ca": second}},
		{"an authority of nobody", "tls_client_auth_ca", two, named, more{"tls_client_auth_ca": strings.Repeat("A", 42) + "E"}},
		{"an authority without a name", "tls_client_auth_ca", one, assertion, more{"tls_client_auth_ca": first}},
		{"subject that is none", "tls_client_auth_subject_dn", one, named, more{"tls_client_auth_subject_dn": "mt"}},
		{"subject and DNS name", "tls_client_auth_", one, named, more{"tls_client_auth_san_dns": "mt.example"}},
		{"HP transport, pinned", "", one, assertion, more{"tls_client_certificate": first, "require_certificate": true, "tls_client_certificate_bound_access_tokens": true}},
		{"HP transport, by name", "", one, assertion, more{"tls_client_auth_san_dns": "mt.example", "require_certificate": true}},
		{"HP bound to whatever is shown", "", one, assertion, more{"tls_client_certificate_bound_access_tokens": true}},
		{"transport demanded and not named", "require_certificate", one, assertion, more{"require_certificate": true}},
		{"transport named twice", "tls_client_certificate", one, assertion, more{"tls_client_certificate": first, "tls_client_auth_san_dns": "mt.example"}},
		{"HP self-signed", "", one, selfSigned, more{"tls_client_certificate": first}},
		{"HP self-signed by x5c", "", one, selfSigned, more{"jwks": set(own)}},
		{"HP self-signed by address", "", one, selfSigned, more{"jwks_uri": "https://a.example/jwks"}},
		{"self-signed by a key without certificate", "jwks", one, selfSigned, more{"jwks": set(keyOf(t, "a", "sig"))}},
		{"self-signed in two places", "tls_client_certificate", one, selfSigned, more{"jwks": set(own), "tls_client_certificate": first}},
		{"self-signed with a name", "tls_client_auth_", one, selfSigned, more{"tls_client_certificate": first, "tls_client_auth_san_dns": "mt.example"}},
		{"HP secret", "", one, secret, more{}},
		{"secret and certificate demanded", "require_certificate", one, secret, more{"require_certificate": true}},
		{"secret and bound", "tls_client_certificate_bound", one, secret, more{"tls_client_certificate_bound_access_tokens": true}},
		{"secret and certificate", "tls_client_", one, secret, more{"tls_client_certificate": first}},
		{"HP public", "", one, public, more{}},
		{"public and bound", "tls_client_certificate_bound", one, public, more{"tls_client_certificate_bound_access_tokens": true}},
	} {
		c.w.judged(t, c.name, c.member, c.record, c.change)
	}
	none := newWorld(t)
	if text := fmt.Sprint(none.judged(t, "no authority", "", named)["warnings"]); !strings.Contains(text, "client_ca_file") {
		t.Errorf("warnings %s", text)
	}
}

func selfSigned(t *testing.T) string {
	t.Helper()
	key := ecKey(t)
	return inPEM((&authority{key: key}).issue(t, key.Public(), asIs))
}

// TestHostedKeysAsCertificates: in cat and production a good certificate or none, elsewhere a warning.
func TestHostedKeysAsCertificates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expired := w.ca.pair(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	stranger := newAuthority(t)
	for _, c := range []struct {
		name, text string
		fault      string // "": taken everywhere
		broken     bool   // refused everywhere
	}{
		{"HP", w.ca.pair(t, asIs), "", false},
		{"expired", expired, "expired", false},
		{"of another authority", stranger.pair(t, asIs), "trusted authority", false},
		{"self-signed", selfSigned(t) + selfSigned(t), "self-signed", false},
		{"one alone", inPEM(w.ca.issue(t, ecKey(t).Public(), asIs)), "jwks of a partner", true},
		{"a private key", w.ca.pair(t, asIs) + "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "private key", true},
		{"no PEM", "x", "certificates", true},
		{"long", strings.Repeat("x", 64<<10+1), "certificates", true},
	} {
		for _, environment := range []string{"", "cat", "production"} {
			fault := c.fault
			if environment == "" && !c.broken {
				fault = ""
			}
			answer := w.judged(t, c.name+" in "+environment, fault, bank(t), more{"jwks": nil, "environment": environment, "certificates": c.text})
			if fault != "" {
				continue
			}
			if warned := answer["warnings"] != nil; warned != (c.fault != "") || warned && !strings.Contains(fmt.Sprint(answer["warnings"]), c.fault) {
				t.Errorf("%s in %q: warnings %v", c.name, environment, answer["warnings"])
			}
			keys, _ := answer["jwks"].(map[string]any)
			if list, _ := keys["keys"].([]any); len(list) != 2 || answer["token_endpoint_auth_signing_alg"] != "ES256" {
				t.Errorf("%s in %q: %v", c.name, environment, answer)
			}
		}
	}
	w.judged(t, "certificates beside an address", "certificates", bank(t), more{"jwks": nil, "jwks_uri": "https://a.example/", "certificates": w.ca.pair(t, asIs)})
	told := w.judged(t, "certificates beside a set", "", bank(t), more{"environment": "cat", "certificates": w.ca.pair(t, asIs)})
	if keys := fmt.Sprint(told["jwks"]); strings.Contains(keys, "kid:s ") || !strings.Contains(fmt.Sprint(told["warnings"]), "not used") {
		t.Errorf("%s, warnings %v", keys, told["warnings"])
	}
}

// TestCertifiedRecordStaysInHand: a record whose certificate has ended can be changed, and no change brings in a key
// without a certificate.
func TestCertifiedRecordStaysInHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expired := w.ca.pair(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	path := "/admin/v1/clients/bank"
	w.want(201, "POST", "/admin/v1/clients", body(t, bank(t), more{"client_id": "bank", "jwks": nil, "certificates": expired}))
	replace := func(status int, change more) map[string]any {
		t.Helper()
		got := w.want(200, "GET", path, "")
		return w.want(status, "PUT", path, body(t, got, change), "If-Match", fmt.Sprintf(`"%v"`, got["version"]))
	}
	replace(400, more{"environment": "cat"}) // what was a warning there is a refusal here
	stored, err := w.store.Client(t.Context(), "bank")
	if err != nil {
		t.Fatal(err)
	}
	own := *stored
	own.Environment = signet.EnvironmentCAT // as it would be some time after
	if err := w.store.UpdateClient(t.Context(), &own, signet.Event{ID: signet.NewEventID(), Kind: signet.EventClientUpdated, Actor: "test"}); err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(w.want(200, "GET", path, "")["jwks"])
	foreign := set(keyOf(t, "evil", "sig"), keyOf(t, "e", "enc"))
	after := replace(200, more{"jwks_refused_kids": []string{"a"}, "jwks": foreign})
	if fmt.Sprint(after["jwks"]) != before || fmt.Sprint(after["jwks_refused_kids"]) != "[a]" {
		t.Errorf("the keys are %v, were %s", after["jwks"], before)
	}
	replace(400, more{"certificates": nil, "jwks": foreign})
	if renewed := replace(200, more{"certificates": w.ca.pair(t, asIs)}); fmt.Sprint(renewed["jwks"]) == before || renewed["warnings"] != nil {
		t.Errorf("renewed: %v, warnings %v", renewed["jwks"], renewed["warnings"])
	}
}
