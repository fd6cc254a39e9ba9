package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/pinlogin"
	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
)

func certifiedNode(t *testing.T) *node {
	t.Helper()
	home, err := openHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := devDeployment("https://as.test", home, &devFlags{jwksMaxAge: time.Minute}, slog.New(slog.DiscardHandler))
	d.certificates.base, d.contracts.pinMounts = "https://mtls.as.test", []string{"/payer/auth"}
	n, err := wire(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.close() })
	return n
}

func (l listenerUnderTest) post(t *testing.T, path, media, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", media)
	res, err := l.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := map[string]any{}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatalf("%s: %d %s", path, res.StatusCode, raw)
	}
	return res.StatusCode, answer
}

// A PIN application whose record wants a certificate shows it where signet asks for one, and is refused where it does not.
func TestPINLoginWithACertificate(t *testing.T) {
	t.Parallel()
	n := certifiedNode(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mine := selfSigned(t, key)
	aes := bytes.Repeat([]byte{7}, 16)
	_, admin, err := n.room.FirstKey(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	made, err := json.Marshal(map[string]any{"username": "till", "mode": signet.PINECB128, "pin": "12345678", "key": hex.EncodeToString(aes),
		"key_encoding": "hex", "tls_client_certificate": proof.Thumbprint(mine.Leaf), "mode_ends": time.Now().Add(time.Hour).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	create := httptest.NewRequest(http.MethodPost, "/admin/v1/pin-applications", bytes.NewReader(made))
	create.Header.Set("Content-Type", "application/json")
	create.Header.Set("Authorization", "Bearer "+admin.Reveal())
	answer := httptest.NewRecorder()
	n.admin.ServeHTTP(answer, create)
	if answer.Code != http.StatusCreated {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	policy := certified(t)
	public := policy.Clone()
	public.ClientAuth = tls.NoClientCert
	password, err := pinlogin.Encrypt(signet.PINECB128, aes, "till", "12345678", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	body := `{"username":"till","password":"` + password + `"}`
	with := listening(t, n.mtls, policy, mine)
	for _, path := range []string{"/auth", "/token", "/payer/auth/auth", "/payer/auth/token"} {
		if status, got := with.post(t, path, "application/json", body); status != http.StatusOK {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	for name, l := range map[string]listenerUnderTest{"without one": listening(t, n.mtls, policy), "at the public listener": listening(t, n.public, public, mine)} {
		if status, got := l.post(t, "/auth", "application/json", body); status != http.StatusUnauthorized || got["error"] != "invalid_credentials" {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
}

// What the HTTP kit refuses at /token has the shape of what was sent: PIN login's envelope for JSON, RFC 6749 §5.2 for the
// rest.
func TestTokenRefusalsOfTheKit(t *testing.T) {
	t.Parallel()
	n := certifiedNode(t)
	l := listening(t, n.public, func() *tls.Config { c := certified(t); c.ClientAuth = tls.NoClientCert; return c }())
	long := strings.Repeat("x", 300<<10)
	for _, path := range []string{"/token", "/payer/auth/token"} {
		if status, got := l.post(t, path, "application/json", `{"username":"`+long+`"}`); status != http.StatusRequestEntityTooLarge ||
			got["error"] != "request_too_large" || got["status"] != float64(status) {
			t.Errorf("%s, JSON: %d %v", path, status, got)
		}
		if status, got := l.post(t, path, "application/x-www-form-urlencoded", "grant_type="+long); status != http.StatusRequestEntityTooLarge ||
			got["error"] != "invalid_request" || got["error_description"] == nil {
			t.Errorf("%s, form: %d %v", path, status, got)
		}
	}
}

// An assertion may name the token endpoint under any of its mounts (wire.md, 2).
func TestTokenEndpointsOfMounts(t *testing.T) {
	t.Parallel()
	d := &deployment{issuer: "https://as.test", contracts: contractSettings{pinMounts: []string{"/payer/auth"}}, certificates: certificateSettings{base: "https://mtls.test"}}
	want := []string{"https://as.test/token", "https://as.test/payer/auth/token", "https://mtls.test/token", "https://mtls.test/payer/auth/token"}
	if got := d.tokenEndpoints(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
