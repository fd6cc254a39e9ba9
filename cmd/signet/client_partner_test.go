package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/config"
	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/signet"
)

// deployed is one deployment: CAT or production.
type deployed struct {
	*node
	issuer string
	env    map[string]string
}

// deploy wires a node as production would be, on SQLite, and lets commands reach its admin API.
func deploy(t *testing.T, issuer string, change func(*deployment)) *deployed {
	t.Helper()
	home, err := openHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := devDeployment(issuer, home, &devFlags{jwksMaxAge: time.Minute}, slog.New(slog.DiscardHandler))
	d.certificates.loopbackSets, d.demo = false, false
	change(d)
	n, err := wire(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.close() })
	server := httptest.NewServer(n.admin)
	t.Cleanup(server.Close)
	_, key, err := n.room.FirstKey(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return &deployed{n, issuer, map[string]string{config.EnvServer: server.URL, config.EnvAdminKey: key.Reveal()}}
}

// do runs a command and wants its exit code.
func (d *deployed) do(t *testing.T, code int, args ...string) (out, errs string) {
	t.Helper()
	got, out, errs := command(t, d.env, "", args...)
	if got != code {
		t.Fatalf("%v: exit %d, want %d: %s%s", args, got, code, out, errs)
	}
	return out, errs
}

// token asks as the partner would.
func (d *deployed) token(t *testing.T, key *rsa.PrivateKey, kid, client string) (int, map[string]any) {
	t.Helper()
	part := func(v map[string]any) string {
		raw, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	now := time.Now().Unix()
	input := part(map[string]any{"alg": "RS256", "kid": kid}) + "." + part(map[string]any{"iss": client, "sub": client, "aud": d.issuer + "/token",
		"iat": now, "nbf": now, "exp": now + 1800, "jti": signet.NewUUID()})
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {signet.GrantClientCredentials}, "client_assertion_type": {assertionType},
		"client_assertion": {input + "." + base64.RawURLEncoding.EncodeToString(signature)}}
	req := httptest.NewRequest(http.MethodPost, d.issuer+"/token", strings.NewReader(form.Encode()))
	req.URL.Scheme, req.URL.Host = "", ""
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res := httptest.NewRecorder()
	d.public.ServeHTTP(res, req)
	answer := map[string]any{}
	if err := json.Unmarshal(res.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%d %s", res.Code, res.Body)
	}
	return res.Code, answer
}

// settle writes the traffic events that are queued.
func (d *deployed) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.store.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestPartnerFromCATToProduction is the onboarding of document 004 by command: certificates in, a token in CAT, evidence,
// activation, and the emergency at the end.
func TestPartnerFromCATToProduction(t *testing.T) {
	t.Parallel()
	rootKey, sigKey, encKey := rsaOf(t), rsaOf(t), rsaOf(t)
	root := certify(t, rootKey, nil, rootKey, true)
	roots := x509.NewCertPool()
	roots.AddCert(root)
	sig := pemFile(t, "CERTIFICATE", certify(t, rootKey, root, sigKey, false).Raw)
	enc := pemFile(t, "CERTIFICATE", certify(t, rootKey, root, encKey, false).Raw)
	kid, err := clientauth.KeyUUID(sigKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	cat := deploy(t, "https://cat.test", func(d *deployment) { d.certificates.partnerRoots = roots })
	catKeys := file(t, "cat.jwks.json", string(cat.jwks(t)))
	production := deploy(t, "https://as.test", func(d *deployment) {
		d.certificates.partnerRoots, d.certificates.cat = roots, catSettings{issuer: "https://cat.test", jwksFile: catKeys}
	})
	id := signet.NewUUID()
	create := func(environment string) []string {
		return []string{"client", "create", "--partner", "--id", id, "--environment", environment, "--certificate-file", sig, "--certificate-file", enc, "--name", "Bank"}
	}

	out, _ := cat.do(t, exitOK, create("cat")...)
	if !strings.Contains(out, kid) || !strings.Contains(out, "client evidence "+id) {
		t.Errorf("create says %s", out)
	}
	cat.do(t, exitConflict, "client", "evidence", id)
	status, body := cat.token(t, sigKey, kid, id)
	if status != http.StatusOK || body["token_type"] != "bearer" || body["expires_in"] != float64(1800) || body["jti"] == nil {
		t.Fatalf("in CAT: %d %v", status, body)
	}
	cat.settle(t)
	evidence, hint := cat.do(t, exitOK, "client", "evidence", id)
	if strings.Count(evidence, "\n") != 1 || strings.Count(evidence, ".") != 2 || !strings.Contains(hint, "activate") {
		t.Errorf("evidence %q, %q", evidence, hint)
	}

	out, _ = production.do(t, exitOK, create("production")...)
	if !strings.Contains(out, "client activate "+id) {
		t.Errorf("create says %s", out)
	}
	if status, body = production.token(t, sigKey, kid, id); status != http.StatusUnauthorized || body["error"] != "invalid_client" {
		t.Errorf("before activation: %d %v", status, body)
	}
	production.do(t, exitUsage, "client", "activate", id)
	production.do(t, exitUsage, "client", "activate", id, "--evidence", file(t, "e.jwt", "x"))
	production.do(t, exitOK, "client", "activate", id, "--evidence", file(t, "evidence.jwt", evidence))
	production.do(t, exitConflict, "client", "activate", id, "--override", "again")
	if status, body = production.token(t, sigKey, kid, id); status != http.StatusOK {
		t.Errorf("after activation: %d %v", status, body)
	}
	for range 2 { // the second time it is so already
		production.do(t, exitOK, "client", "refuse-kid", id, kid)
	}
	if status, body = production.token(t, sigKey, kid, id); status != http.StatusUnauthorized || body["error"] != "unauthorized_client" {
		t.Errorf("with a key that is refused: %d %v", status, body)
	}
	next := rsaOf(t)
	nextKID, err := clientauth.KeyUUID(next.Public())
	if err != nil {
		t.Fatal(err)
	}
	production.do(t, exitOK, "client", "update", id, "--certificate-file", pemFile(t, "CERTIFICATE", certify(t, rootKey, root, next, false).Raw), "--certificate-file", enc)
	if status, body = production.token(t, next, nextKID, id); status != http.StatusOK {
		t.Errorf("with the next key: %d %v", status, body)
	}
}

// TestPartnerCommands: what is refused on this machine, what by the server, and what is only warned of.
func TestPartnerCommands(t *testing.T) {
	t.Parallel()
	d := deploy(t, "https://as.test", func(*deployment) {})
	key := rsaOf(t)
	own := selfSigned(t, key)
	certificate, private := pemFile(t, "CERTIFICATE", own.Certificate[0]), pemFile(t, "PRIVATE KEY", pkcs8(t, key))
	other := selfSigned(t, rsaOf(t))
	both := file(t, "both.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Certificate[0]})))
	for _, step := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"a private key", []string{"--partner", "--certificate-file", private}, exitUsage, "private key"},
		{"no such file", []string{"--partner", "--certificate-file", "/nowhere.pem"}, exitUsage, "nowhere"},
		{"self-signed in CAT", []string{"--partner", "--environment", "cat", "--certificate-file", certificate, "--certificate-file", both}, exitUsage, "self-signed"},
		{"self-signed elsewhere", []string{"--partner", "--certificate-file", certificate, "--certificate-file", both}, exitOK, "warning: the signing certificate is self-signed"},
		{"by address", []string{"--partner", "--jwks-uri", "https://bank.example/jwks.json", "--network", "192.0.2.0/24"}, exitOK, "client_id"},
		{"by an address on this machine", []string{"--partner", "--jwks-uri", "http://127.0.0.1:1/jwks.json"}, exitUsage, "jwks_uri"},
		{"environment", []string{"--partner", "--environment", "staging", "--jwks-uri", "https://bank.example/"}, exitUsage, "environment"},
		{"self-signed TLS", []string{"--auth-method", "self_signed_tls_client_auth", "--grant", "client_credentials", "--tls-certificate-file", certificate, "--bind-certificate"}, exitOK, "client_id"},
		{"subject of a file", []string{"--auth-method", "tls_client_auth", "--grant", "client_credentials", "--tls-subject-file", certificate, "--id", "mt"}, exitOK, "client_ca_file"},
		{"two subjects", []string{"--auth-method", "tls_client_auth", "--tls-subject-file", certificate, "--tls-subject-dn", "CN=other"}, exitUsage, "--tls-subject-dn"},
		{"no certificate", []string{"--auth-method", "self_signed_tls_client_auth", "--tls-certificate-file", private}, exitUsage, "PEM certificate"},
		{"secret and certificate", []string{"--grant", "client_credentials", "--require-certificate"}, exitUsage, "require_certificate"},
		{"account of nobody", []string{"--grant", "client_credentials", "--account", signet.NewUUID()}, exitUsage, "account_id"},
	} {
		code, out, errs := command(t, d.env, "", append([]string{"client", "create"}, step.args...)...)
		if code != step.code || !strings.Contains(out+errs, step.says) {
			t.Errorf("%s: exit %d, want %d and %q: %s%s", step.name, code, step.code, step.says, out, errs)
		}
	}
	if out, _ := d.do(t, exitOK, "client", "show", "mt"); !strings.Contains(out, `"tls_client_auth_subject_dn": "CN=localhost"`) {
		t.Error(out)
	}
	if _, errs := d.do(t, exitUsage, "client", "activate", "mt", "--evidence", "-", "--override", "x"); !strings.Contains(errs, "--evidence") {
		t.Error(errs)
	}
	d.do(t, exitConflict, "client", "activate", "mt", "--override", "x")
	d.do(t, exitConflict, "client", "evidence", "mt")
	d.do(t, exitUsage, "client", "refuse-kid", "mt", "k")
	d.do(t, exitNotFound, "client", "refuse-kid", "nobody", "k")
}

// TestCATKeysAreReadAtStart: a file that is no key set is noticed then, not at the first activation.
func TestCATKeysAreReadAtStart(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"missing": "/nowhere", "empty": file(t, "a", ""), "no set": file(t, "b", "{}"), "no JSON": file(t, "c", "x")} {
		cfg := &config.Config{Partner: config.Partner{CATIssuer: "https://cat.test", CATJWKSFile: path}}
		if _, err := certificatesOf(cfg); err == nil || !strings.Contains(err.Error(), "cat_jwks_file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// jwks is the key set that the deployment publishes.
func (d *deployed) jwks(t *testing.T) []byte {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, d.issuer+"/.well-known/jwks.json", nil)
	req.URL.Scheme, req.URL.Host = "", ""
	res := httptest.NewRecorder()
	d.public.ServeHTTP(res, req)
	if res.Code != http.StatusOK {
		t.Fatalf("%d %s", res.Code, res.Body)
	}
	return res.Body.Bytes()
}

func rsaOf(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certify signs a certificate for a key; with parent nil the authority's own.
func certify(t *testing.T, rootKey *rsa.PrivateKey, parent *x509.Certificate, key *rsa.PrivateKey, authority bool) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: fmt.Sprint("Bank ", authority)}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: authority, BasicConstraintsValid: true}
	if authority {
		c.KeyUsage = x509.KeyUsageCertSign
	}
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
