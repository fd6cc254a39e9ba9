package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const certificateProxy = "10.0.0.7:4711"

// certifiedHouse is a house with mutual TLS, a client mt that authenticates by its certificate, and one proxy that may
// vouch for certificates.
func certifiedHouse(t *testing.T) (h *tokenHouse, mine, other *x509.Certificate) {
	t.Helper()
	h = newTokenHouseOf(t, []string{"ES256"}, func(o *Options) { o.MTLSBase = "https://mtls.as.test" })
	mine, other = clientCertificate(t, h), clientCertificate(t, h)
	h.client("mt", signet.AuthSelfSignedTLS, func(c *signet.Client) {
		c.TLSClientCertificate, c.BindCertificate = proof.Thumbprint(mine), true
		c.GrantTypes = append(c.GrantTypes, signet.GrantClientCredentials)
	})
	var err error
	h.handler, err = web.New(web.Options{
		Routes: h.server.Routes(), Origins: h.store, Log: slog.New(slog.DiscardHandler), Now: h.clock.now, HTTPS: true,
		Limits: web.Limits{Off: true}, CertificateProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32")},
	})
	ok(t, err)
	return h, mine, other
}

func clientCertificate(t *testing.T, h *tokenHouse) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	number, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	ok(t, err)
	template := &x509.Certificate{SerialNumber: number, Subject: pkix.Name{CommonName: "mt"},
		NotBefore: h.clock.now().Add(-time.Hour), NotAfter: h.clock.now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ok(t, err)
	certificate, err := x509.ParseCertificate(der)
	ok(t, err)
	return certificate
}

// shown sends a request over a connection with this certificate; nil: none.
func (h *tokenHouse) shown(r *http.Request, certificate *x509.Certificate) answerOf {
	if certificate != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
	}
	return h.send(r)
}

func clientCert(certificate *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(certificate.Raw) + ":"
}

func machineToken() *http.Request {
	return formRequest("/token", url.Values{"client_id": {"mt"}, "grant_type": {signet.GrantClientCredentials}, "scope": {"read"}}.Encode())
}

func TestMTL01ForgedHeaders(t *testing.T) {
	t.Parallel()
	h, mine, other := certifiedHouse(t)
	escaped := url.QueryEscape(string(mine.Raw))
	with := func(headers ...string) *http.Request {
		r := machineToken()
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		return r
	}
	h.want(h.shown(machineToken(), mine), http.StatusOK, "")
	fromProxy := with("Client-Cert", clientCert(mine))
	fromProxy.RemoteAddr = certificateProxy
	h.want(h.send(fromProxy), http.StatusOK, "")
	// From anybody else the headers are nothing, in whatever spelling.
	for name, value := range map[string]string{
		"X-SSL-Client-Cert": escaped, "X-Client-Cert": clientCert(mine), "X-Forwarded-Client-Cert": "Cert=" + escaped,
		"Client-Cert": clientCert(mine), "Ssl-Client-Verify": "SUCCESS", "X_SSL_CLIENT_CERT": escaped, "Client_Cert": clientCert(mine),
		"X-Amzn-Mtls-Clientcert": escaped,
	} {
		h.want(h.send(with(name, value)), http.StatusUnauthorized, "invalid_client")
		h.want(h.send(with(name, value, name, value)), http.StatusUnauthorized, "invalid_client")
		trailer := machineToken()
		trailer.Trailer = http.Header{http.CanonicalHeaderKey(name): {value}}
		trailer.RemoteAddr = certificateProxy
		h.want(h.send(trailer), http.StatusUnauthorized, "invalid_client")
	}
	// X-Forwarded-For cannot make a caller the proxy: the peer counts.
	forged := with("Client-Cert", clientCert(mine), "X-Forwarded-For", "10.0.0.7")
	h.want(h.send(forged), http.StatusUnauthorized, "invalid_client")
	// From the proxy: exactly one value, in exactly one form.
	for name, c := range map[string]struct {
		headers []string
		status  int
		code    string
	}{
		"another's":    {[]string{"Client-Cert", clientCert(other)}, 401, "invalid_client"},
		"none":         {nil, 401, "invalid_client"},
		"twice":        {[]string{"Client-Cert", clientCert(other), "Client-Cert", clientCert(mine)}, 400, "invalid_request"},
		"a list":       {[]string{"Client-Cert", clientCert(mine) + ", " + clientCert(mine)}, 400, "invalid_request"},
		"bare base64":  {[]string{"Client-Cert", strings.Trim(clientCert(mine), ":")}, 400, "invalid_request"},
		"parameters":   {[]string{"Client-Cert", clientCert(mine) + ";a=1"}, 400, "invalid_request"},
		"no DER":       {[]string{"Client-Cert", ":AAAA:"}, 400, "invalid_request"},
		"empty":        {[]string{"Client-Cert", ""}, 400, "invalid_request"},
		"chain alone":  {[]string{"Client-Cert-Chain", clientCert(mine)}, 400, "invalid_request"},
		"vendor's own": {[]string{"X-SSL-Client-Cert", escaped}, 401, "invalid_client"},
		"underscore":   {[]string{"Client_Cert", clientCert(mine)}, 401, "invalid_client"},
	} {
		r := with(c.headers...)
		r.RemoteAddr = certificateProxy
		if a := h.send(r); a.status != c.status || a.text("error") != c.code {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	// The certificate of the proxy's own connection is not its caller's.
	own := machineToken()
	own.RemoteAddr = certificateProxy
	h.want(h.shown(own, mine), http.StatusUnauthorized, "invalid_client")
}

func TestMTL05ByTheOtherAlias(t *testing.T) {
	t.Parallel()
	h, mine, _ := certifiedHouse(t)
	h.want(h.shown(machineToken(), mine), http.StatusOK, "")
	h.want(h.shown(machineToken(), nil), http.StatusUnauthorized, "invalid_client")
	secret := formRequest("/token", url.Values{"client_id": {"mt"}, "client_secret": {"x"}, "grant_type": {signet.GrantClientCredentials}}.Encode())
	h.want(h.shown(secret, nil), http.StatusUnauthorized, "invalid_client")
}

func TestMTL04BoundTokens(t *testing.T) {
	t.Parallel()
	h, mine, other := certifiedHouse(t)
	redeem := func(code string) answerOf {
		return h.shown(formRequest("/token", url.Values{"client_id": {"mt"}, "grant_type": {"authorization_code"}, "code": {code},
			"redirect_uri": {tokenRedirect}, "code_verifier": {pairVerifier}}.Encode()), mine)
	}
	a := redeem(h.code("mt", "openid email offline_access"))
	h.want(a, http.StatusOK, "")
	token := a.text("access_token")
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	ok(t, err)
	var claims struct {
		Confirmation map[string]string `json:"cnf"`
	}
	ok(t, json.Unmarshal(payload, &claims))
	if len(claims.Confirmation) != 1 || claims.Confirmation["x5t#S256"] != proof.Thumbprint(mine) {
		t.Fatalf("cnf %v", claims.Confirmation)
	}
	// Userinfo, by header and by form: only for the holder of the certificate.
	for _, r := range []func() *http.Request{
		func() *http.Request { return bearerRequest("GET", "Bearer "+token, "") },
		func() *http.Request { return bearerRequest("POST", "", token) },
	} {
		h.want(h.shown(r(), mine), http.StatusOK, "")
		h.want(h.shown(r(), other), http.StatusUnauthorized, "invalid_token")
		h.want(h.shown(r(), nil), http.StatusUnauthorized, "invalid_token")
		forged := r()
		forged.Header.Set("Client-Cert", clientCert(mine))
		h.want(h.send(forged), http.StatusUnauthorized, "invalid_token")
		vouched := r()
		vouched.Header.Set("Client-Cert", clientCert(mine))
		vouched.RemoteAddr = certificateProxy
		h.want(h.send(vouched), http.StatusOK, "")
	}
	// A resource server is told what to ask for.
	told := h.introspect(token)
	h.want(told, http.StatusOK, "")
	if cnf, _ := told.m["cnf"].(map[string]any); told.m["active"] != true || cnf["x5t#S256"] != proof.Thumbprint(mine) {
		t.Errorf("introspection: %s", told.body)
	}
	// Rooms that see no certificate take no bound token.
	if _, err := h.server.Bearer(t.Context(), token); signet.CodeOf(err) != signet.CodeInvalidToken {
		t.Errorf("Bearer: %v", err)
	}
	// A refreshed token is bound again, and only its client's certificate refreshes.
	refresh := func(certificate *x509.Certificate) answerOf {
		return h.shown(formRequest("/token", url.Values{"client_id": {"mt"}, "grant_type": {"refresh_token"}, "refresh_token": {a.text("refresh_token")}}.Encode()), certificate)
	}
	h.want(refresh(other), http.StatusUnauthorized, "invalid_client")
	h.want(refresh(nil), http.StatusUnauthorized, "invalid_client")
	b := refresh(mine)
	h.want(b, http.StatusOK, "")
	h.want(h.shown(bearerRequest("GET", "Bearer "+b.text("access_token"), ""), nil), http.StatusUnauthorized, "invalid_token")
	h.want(h.shown(bearerRequest("GET", "Bearer "+b.text("access_token"), ""), mine), http.StatusOK, "")
	// An unbound token needs no certificate, and is not spoiled by one.
	plain := h.family(pub, "openid").text("access_token")
	h.want(h.shown(bearerRequest("GET", "Bearer "+plain, ""), other), http.StatusOK, "")
	if cnf := h.introspect(plain).m["cnf"]; cnf != nil {
		t.Errorf("cnf %v of an unbound token", cnf)
	}
}

// A bound token says so itself, whatever format its client asked for.
func TestBoundTokensAreNeverOpaque(t *testing.T) {
	t.Parallel()
	h, mine, _ := certifiedHouse(t)
	h.client("mto", signet.AuthSelfSignedTLS, func(c *signet.Client) {
		c.TLSClientCertificate, c.BindCertificate, c.AccessTokenFormat = proof.Thumbprint(mine), true, "opaque"
		c.GrantTypes = []string{signet.GrantClientCredentials}
	})
	a := h.shown(formRequest("/token", "client_id=mto&grant_type=client_credentials&scope=read"), mine)
	h.want(a, http.StatusOK, "")
	if strings.Count(a.text("access_token"), ".") != 2 {
		t.Errorf("%s", a.body)
	}
}

func TestMTLSMetadata(t *testing.T) {
	t.Parallel()
	h, _, _ := certifiedHouse(t)
	m := h.server.describe([]string{"ES256"})
	want := map[string]string{"token_endpoint": "https://mtls.as.test/token", "introspection_endpoint": "https://mtls.as.test/introspect",
		"revocation_endpoint": "https://mtls.as.test/revoke", "userinfo_endpoint": "https://mtls.as.test/userinfo"}
	if len(m.Aliases) != len(want) || !m.BoundTokens || !slices.Contains(m.AuthMethods, "tls_client_auth") {
		t.Errorf("%+v", m)
	}
	for name, url := range want {
		if m.Aliases[name] != url {
			t.Errorf("%s is %q", name, m.Aliases[name])
		}
	}
	for _, route := range h.server.MTLSRoutes() {
		if route.Class != web.ClassToken || route.CORS != web.CORSNone {
			t.Errorf("%s is on the listener for certificates", route.Name)
		}
	}
	h.server.MTLSBase = ""
	if m := h.server.describe([]string{"ES256"}); m.Aliases != nil || m.BoundTokens || slices.Contains(m.AuthMethods, "tls_client_auth") {
		t.Errorf("without mutual TLS: %+v", m)
	}
}
