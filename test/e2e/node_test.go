package e2e

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"
)

// The client libraries of npm, each against servers of its own, over http and over https: there they are told nothing but
// the authority to trust.
func TestOpenIDClient(t *testing.T) {
	t.Parallel()
	byHTTPAndHTTPS(t, "openid_client.mjs")
}

func TestOAuth4WebAPI(t *testing.T) {
	t.Parallel()
	byHTTPAndHTTPS(t, "oauth4webapi.mjs")
}

func byHTTPAndHTTPS(t *testing.T, script string) {
	t.Helper()
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		RunScript(t, script, StartDev(t).CardFile)
	})
	t.Run("https", func(t *testing.T) {
		t.Parallel()
		dev := StartDev(t, "--tls")
		RunScriptIn(t, []string{"NODE_EXTRA_CA_CERTS=" + dev.Card.TLS.CAFile}, script, dev.CardFile)
	})
}

func TestPartnerAssertions(t *testing.T) {
	t.Parallel()
	RunScript(t, "partner.mjs", StartDev(t).CardFile)
}

// A real browser: somebody else's client on another origin, and our own demo.
func TestOIDCClientTSInChromium(t *testing.T) {
	t.Parallel()
	Service(t, "SIGNET_TEST_CHROMIUM")
	RunScript(t, "oidc_client_ts.mjs", StartDev(t).CardFile)
}

func TestSilentRenewInChromium(t *testing.T) {
	t.Parallel()
	Service(t, "SIGNET_TEST_CHROMIUM")
	dev := StartDev(t, "--tls")
	certFile, keyFile := newAuthority(t).serverFiles(t)
	app, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(dev.Card.Issuer, "https://"), &tls.Config{RootCAs: dev.Roots(t), MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var pins []string
	for _, certificate := range []*x509.Certificate{app.Leaf, conn.ConnectionState().PeerCertificates[0]} {
		sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
		pins = append(pins, base64.StdEncoding.EncodeToString(sum[:]))
	}
	RunScriptIn(t, []string{"NODE_EXTRA_CA_CERTS=" + dev.Card.TLS.CAFile, "SIGNET_TEST_APP_CERT=" + certFile, "SIGNET_TEST_APP_KEY=" + keyFile,
		"SIGNET_TEST_SPKI=" + strings.Join(pins, ",")}, "silent_renew.mjs", dev.CardFile)
}

func TestDemoInChromium(t *testing.T) {
	t.Parallel()
	Service(t, "SIGNET_TEST_CHROMIUM")
	RunScript(t, "demo.mjs", StartDev(t).CardFile)
}

func TestPagesInChromium(t *testing.T) {
	t.Parallel()
	Service(t, "SIGNET_TEST_CHROMIUM")
	RunScript(t, "pages.mjs", StartDev(t).CardFile)
}

func TestFormPostInChromium(t *testing.T) {
	t.Parallel()
	Service(t, "SIGNET_TEST_CHROMIUM")
	RunScript(t, "form_post.mjs", StartDev(t).CardFile)
}
