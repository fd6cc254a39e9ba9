package e2e

import "testing"

// The client libraries of npm, each against a server of its own.
func TestOpenIDClient(t *testing.T) {
	t.Parallel()
	RunScript(t, "openid_client.mjs", StartDev(t).CardFile)
}

func TestOAuth4WebAPI(t *testing.T) {
	t.Parallel()
	RunScript(t, "oauth4webapi.mjs", StartDev(t).CardFile)
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
