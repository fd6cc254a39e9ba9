package admin_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	oneServer = `{"id":"payments","name":"Payments","audience":"https://payments.example","scope":"pay","generate":true,"alg":"ECDH-ES+A256KW"}`
	oneBiller = `{"id":"2B8E1D7A-0000-4000-8000-00000000000A","name":"City Water","default_resource_server":"payments","scope":"pay"}`
	billerID  = "2b8e1d7a-0000-4000-8000-00000000000a"
	billerAt  = "/admin/v1/billers/" + billerID
)

// opened is the plain bytes of a biller's key, as the exchange sees them.
func (w *world) opened(id signet.KeyID) []byte {
	w.t.Helper()
	biller, err := w.store.Biller(w.t.Context(), billerID)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range biller.Keys {
		if biller.Keys[i].ID == id {
			plain, err := w.ring.OpenRecord(&biller.Keys[i])
			if err != nil {
				w.t.Fatal(err)
			}
			return plain
		}
	}
	w.t.Fatalf("no key %s", id)
	return nil
}

func TestBillersLifeByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(400, "POST", "/admin/v1/billers", oneBiller) // the resource server is not there
	w.want(201, "POST", "/admin/v1/resource-servers", oneServer)
	made := w.want(201, "POST", "/admin/v1/billers", oneBiller)
	key, _ := made["hmac_key"].(string)
	kid, _ := made["kid"].(string)
	if made["id"] != billerID || len(key) != 64 {
		t.Errorf("made = %v", made)
	}
	if plain, err := hex.DecodeString(key); err != nil || !bytes.Equal(plain, w.opened(signet.KeyID(kid))) {
		t.Errorf("the key that is shown is not the one that is sealed: %v", err)
	}
	w.want(409, "POST", "/admin/v1/billers", oneBiller)

	got := w.send("GET", billerAt, "")
	if strings.Contains(got.Body.String(), key) || strings.Contains(got.Body.String(), "hmac_key\"") || strings.Contains(got.Body.String(), "sealed") {
		t.Errorf("the key is shown a second time: %s", got.Body)
	}
	w.want(428, "PUT", billerAt, got.Body.String())
	w.want(412, "PUT", billerAt, got.Body.String(), "If-Match", `"9"`)
	w.want(200, "PUT", billerAt, got.Body.String(), "If-Match", got.Header().Get("ETag"))
	changed := w.want(200, "PUT", billerAt, `{"name":"Town Water","default_resource_server":"payments","invoice_exchange":true}`, "If-Match", `"2"`)
	if changed["invoice_exchange"] != true || changed["name"] != "Town Water" || changed["scope"] != nil {
		t.Errorf("changed = %v", changed)
	}
	w.want(400, "PUT", billerAt, strings.Replace(oneBiller, "2B8E", "3B8E", 1), "If-Match", `"3"`)

	if disabled := w.want(200, "POST", billerAt+"/disable", ""); disabled["disabled"] != true {
		t.Errorf("disable answered %v", disabled)
	}
	principal, err := w.store.Principal(t.Context(), "biller:"+billerID)
	if err != nil || !principal.Disabled || principal.NotBefore.IsZero() {
		t.Errorf("the principal after disable: %+v, %v", principal, err)
	}
	w.want(400, "POST", billerAt+"/enable", `{"x":1}`)
	w.want(200, "POST", billerAt+"/enable", `{}`)
	w.want(404, "GET", "/admin/v1/billers/00000000-0000-4000-8000-000000000000", "")
	w.want(404, "GET", "/admin/v1/billers/x", "")
	if list, _ := w.want(200, "GET", "/admin/v1/billers?limit=1", "")["billers"].([]any); len(list) != 1 {
		t.Errorf("%d billers listed", len(list))
	}
}

// TestHMC07KeyRotation: two keys at most, and the older one ends when it is said.
func TestHMC07KeyRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(201, "POST", "/admin/v1/resource-servers", oneServer)
	first, _ := w.want(201, "POST", "/admin/v1/billers", oneBiller)["kid"].(string)
	path := billerAt + "/keys"
	for _, refused := range []string{
		`{"hmac_key":"00112233445566778899aabbccddeeff"}`,                       // no encoding: which bytes would it be?
		`{"hmac_key":"00112233","key_encoding":"hex"}`,                          // 32 bits
		`{"hmac_key":"00112233445566778899aabbccddeeff","key_encoding":"utf8"}`, // no such encoding
		`{"hmac_key":"xy112233445566778899aabbccddeeff","key_encoding":"hex"}`,
		`{"key_encoding":"hex"}`,
		`{"kid":"a#b"}`,
		`{"kid":".."}`,
		`{"overlap":-1}`,
		`{"overlap":9223372036854775807}`,
	} {
		w.want(400, "POST", path, refused)
	}
	w.want(409, "POST", path, `{"kid":"`+first+`"}`) // the name is taken
	second := w.want(201, "POST", path, `{"kid":"2027","hmac_key":"00112233445566778899aabbccddeeff","key_encoding":"hex","overlap":60}`)
	if _, shown := second["hmac_key"]; shown || second["kid"] != "2027" {
		t.Errorf("a given key is repeated: %v", second)
	}
	if plain := w.opened("2027"); hex.EncodeToString(plain) != "00112233445566778899aabbccddeeff" {
		t.Errorf("sealed %x", plain)
	}
	biller, err := w.store.Biller(t.Context(), billerID)
	if err != nil || len(biller.Keys) != 2 {
		t.Fatalf("%d keys, %v", len(biller.Keys), err)
	}
	for _, k := range biller.Keys {
		if left := w.left(k.ExpiresAt); (k.ID == signet.KeyID(first)) != (left > 30*time.Second && left <= time.Minute) {
			t.Errorf("key %s lives %s", k.ID, left)
		}
	}
	w.want(409, "POST", path, `{}`) // three would live
	w.want(400, "DELETE", path+"/"+first, `{"x":1}`)
	w.want(204, "DELETE", path+"/"+first, "")
	w.want(404, "DELETE", path+"/nothing", "")
	w.want(201, "POST", path, `{"hmac_key":"a key of the old system, raw","key_encoding":"raw"}`)
	w.want(409, "POST", path, `{}`)
}

// left is how long until a time; 0 for never.
func (w *world) left(at *time.Time) time.Duration {
	if at == nil {
		return 0
	}
	return time.Until(*at)
}

func TestBillerMetadataIsJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(201, "POST", "/admin/v1/resource-servers", oneServer)
	w.want(201, "POST", "/admin/v1/clients", `{"client_id":"app","token_endpoint_auth_method":"none","redirect_uris":["https://a.example/"]}`)
	with := func(member string) string { return strings.Replace(oneBiller, `"scope":"pay"`, member, 1) }
	for _, tc := range []struct{ name, body, says string }{
		{"no name", `{"default_resource_server":"payments"}`, "name "},
		{"invisible name", strings.Replace(oneBiller, "City", `City\u202e`, 1), "name "},
		{"no server", `{"name":"a"}`, "default_resource_server "},
		{"unknown server", strings.Replace(oneBiller, "payments", "nothing", 1), "resource server"},
		{"unknown further server", with(`"resource_servers":["nothing"]`), "resource server"},
		{"no GUID", strings.Replace(oneBiller, "2B8E", "zzzz", 1), "GUID"},
		{"client unknown", with(`"client_id":"nobody"`), "client"},
		{"client public", with(`"client_id":"app"`), "confidential"}, // HMC-08: it proves nothing
		{"client demanded, none named", with(`"require_client":true`), "client_id"},
		{"ID token for a machine", with(`"scope":"pay openid"`), "scope "}, // SCO-05
		{"scope charset", with(`"scope":"a\"b"`), "scope "},
		{"scheme unknown", with(`"scheme":{"name":"v3"}`), "scheme"},
		{"SHA-1", with(`"scheme":{"name":"custom","hash":"sha1"}`), "SHA-1"},
		{"v1 with members of its own", with(`"scheme":{"name":"v1","separator":""}, "scheme_x":1`), "scheme_x"},
		{"lifetime", with(`"token_lifetime":86401`), "token_lifetime "},
		{"negative lifetime", with(`"token_lifetime":-1`), "token_lifetime "},
		{"far ahead", with(`"timestamp_ahead":61`), "timestamp_ahead "}, // beyond it a replay mark's epoch would not hold
		{"far past", with(`"timestamp_past":3601`), "timestamp_past "},
		{"repeats without an end in sight", with(`"payer_repeats_until":"2999-01-01T00:00:00Z"`), "payer_repeats_until "},
		{"source by http", with(`"live_source":"http://a.example/{invoiceGuid}"`), "live_source "},
		{"source without a place", with(`"live_source":"https://a.example/"`), "live_source "},
		{"source that the invoice chooses", with(`"live_source":"https://{invoiceGuid}.example/"`), "live_source "},
		{"source with two places", with(`"live_source":"https://a.example/{invoiceGuid}/{invoiceGuid}"`), "live_source "},
		{"unknown member", with(`"admin":true`), "admin"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			answer := w.want(400, "POST", "/admin/v1/billers", tc.body)
			if detail, _ := answer["detail"].(string); !strings.Contains(detail, tc.says) {
				t.Errorf("detail %q does not say %s", detail, tc.says)
			}
		})
	}
	if list, _ := w.want(200, "GET", "/admin/v1/billers", "")["billers"].([]any); len(list) != 0 {
		t.Errorf("a refused request stored %d billers", len(list))
	}
	w.want(201, "POST", "/admin/v1/billers", with(`"live_source":"https://a.example/bills?id={invoiceGuid}","resource_servers":["payments"],`+
		`"scheme":{"name":"custom","separator":";","guid_form":"N","hash":"sha512"}`))
}
