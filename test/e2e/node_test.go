package e2e

import "testing"

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
