package admin_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func pemOf(t *testing.T, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// server writes a body with further members.
func server(t *testing.T, id string, members map[string]any) string {
	t.Helper()
	body := map[string]any{"id": id, "name": "Server", "audience": "https://" + id + ".example"}
	for name, value := range members {
		body[name] = value
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestResourceServersLifeByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shared, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&shared.PublicKey)
	public := pemOf(t, "PUBLIC KEY", spki, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(shared)
	private := pemOf(t, "PRIVATE KEY", pkcs8, err)

	byPEM := w.want(201, "POST", "/admin/v1/resource-servers", server(t, "pem", map[string]any{"pem": public}))
	byPrivate := w.want(201, "POST", "/admin/v1/resource-servers", server(t, "invoices", map[string]any{"private_key_pem": private, "alg": "RSA-OAEP", "enc": "A128CBC-HS256"}))
	one, _ := byPEM["jwk"].(map[string]any)
	two, _ := byPrivate["jwk"].(map[string]any)
	if one["kid"] == "" || one["kid"] != two["kid"] || one["use"] != "enc" || one["alg"] != "RSA-OAEP-256" || two["alg"] != "RSA-OAEP" {
		t.Errorf("one key pair, and the keys are %v and %v", one, two)
	}
	if byPEM["holds_private_key"] != false || byPrivate["holds_private_key"] != true || byPEM["enc"] != "A256GCM" {
		t.Errorf("made %v and %v", byPEM, byPrivate)
	}
	// What is encrypted to a server whose private key signet holds comes back; to one whose key it does not hold, not.
	held, err := w.store.ResourceServer(t.Context(), "invoices")
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.ring.Encrypt(held, "a.b.c")
	if err != nil {
		t.Fatal(err)
	}
	if inner, err := w.ring.Decrypt(held, token); err != nil || inner != "a.b.c" {
		t.Errorf("decrypted %q, %v", inner, err)
	}
	theirs, err := w.store.ResourceServer(t.Context(), "pem")
	if err != nil || len(theirs.Keys) != 0 {
		t.Errorf("%d keys, %v", len(theirs.Keys), err)
	}

	path := "/admin/v1/resource-servers/invoices"
	got := w.send("GET", path, "")
	for _, secret := range []string{"PRIVATE", `"d"`, `"p"`, "sealed"} {
		if strings.Contains(got.Body.String(), secret) {
			t.Errorf("the answer shows %s: %s", secret, got.Body)
		}
	}
	w.want(428, "PUT", path, got.Body.String())
	w.want(200, "PUT", path, got.Body.String(), "If-Match", `"1"`)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	spki, err = x509.MarshalPKIXPublicKey(&other.PublicKey)
	newer := pemOf(t, "PUBLIC KEY", spki, err)
	w.want(400, "PUT", path, server(t, "invoices", map[string]any{"pem": newer, "alg": "RSA-OAEP"}), "If-Match", `"2"`)
	w.want(400, "PUT", path, server(t, "invoices", map[string]any{"alg": "RSA-OAEP-256"}), "If-Match", `"2"`)
	changed := w.want(200, "PUT", "/admin/v1/resource-servers/pem", server(t, "pem", map[string]any{"pem": newer}), "If-Match", `"1"`)
	if jwk, _ := changed["jwk"].(map[string]any); jwk["kid"] == one["kid"] {
		t.Errorf("the key did not change: %v", changed)
	}
	w.want(409, "POST", "/admin/v1/resource-servers", server(t, "other", map[string]any{"audience": "https://pem.example", "generate": true}))
	if disabled := w.want(200, "POST", path+"/disable", ""); disabled["disabled"] != true {
		t.Errorf("disable answered %v", disabled)
	}
	w.want(200, "POST", path+"/enable", "")
	w.want(404, "GET", "/admin/v1/resource-servers/none", "")
	generated := w.want(201, "POST", "/admin/v1/resource-servers", server(t, "ec", map[string]any{"generate": true, "alg": "ECDH-ES+A256KW"}))
	if jwk, _ := generated["jwk"].(map[string]any); jwk["kty"] != "EC" || generated["holds_private_key"] != true {
		t.Errorf("generated %v", generated)
	}
}

// TestJWE01WeakRecipients: what is registered here is what claims are hidden with.
func TestJWE01WeakRecipients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	shortDER, err := x509.MarshalPKIXPublicKey(&short.PublicKey)
	shortPEM := pemOf(t, "PUBLIC KEY", shortDER, err)
	ecDER, err := x509.MarshalPKIXPublicKey(&ec.PublicKey)
	ecPEM := pemOf(t, "PUBLIC KEY", ecDER, err)
	ecPrivate, err := x509.MarshalPKCS8PrivateKey(ec)
	ecPrivatePEM := pemOf(t, "PRIVATE KEY", ecPrivate, err)
	edDER, err := x509.MarshalPKIXPublicKey(edwards)
	edPEM := pemOf(t, "PUBLIC KEY", edDER, err)
	for _, tc := range []struct {
		name    string
		members map[string]any
	}{
		{"no key", map[string]any{}},
		{"two ways", map[string]any{"pem": ecPEM, "generate": true}},
		{"RSA1_5", map[string]any{"generate": true, "alg": "RSA1_5"}},
		{"dir", map[string]any{"generate": true, "alg": "dir"}},
		{"enc without authentication", map[string]any{"generate": true, "enc": "A128CBC"}},
		{"RSA of 1024 bits", map[string]any{"pem": shortPEM}},
		{"EC with RSA-OAEP", map[string]any{"pem": ecPEM, "alg": "RSA-OAEP"}},
		{"Ed25519", map[string]any{"pem": edPEM}},
		{"private key as public", map[string]any{"pem": ecPrivatePEM}},
		{"private JWK", map[string]any{"jwk": jose.JSONWebKey{Key: ec, KeyID: "a"}}},
		{"symmetric JWK", map[string]any{"jwk": map[string]string{"kty": "oct", "k": "AAAA"}}},
		{"signing JWK", map[string]any{"jwk": jose.JSONWebKey{Key: &ec.PublicKey, KeyID: "a", Use: "sig"}}},
		{"point off its curve", map[string]any{"jwk": map[string]string{"kty": "EC", "crv": "P-256", "kid": "a", "use": "enc",
			"x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE", "y": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}}},
		{"two PEM blocks", map[string]any{"pem": ecPEM + ecPEM}},
		{"no PEM", map[string]any{"pem": "x"}},
		{"JWK is a list", map[string]any{"jwk": []string{}}},
		{"audience with a fragment", map[string]any{"generate": true, "audience": "https://a.example/#x"}},
	} {
		t.Run(tc.name, func(t *testing.T) { w.want(400, "POST", "/admin/v1/resource-servers", server(t, "a", tc.members)) })
	}
	if list, _ := w.want(200, "GET", "/admin/v1/resource-servers", "")["resource_servers"].([]any); len(list) != 0 {
		t.Errorf("a refused request stored %d servers", len(list))
	}
}
