package login_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/signet"
)

// Who asks is named only when a hint proves it, and the form may end where the person will return.
func TestLogoutPageNamesWhoProvedIt(t *testing.T) {
	t.Parallel()
	h, _, b := logoutHouse(t)
	uri := "&post_logout_redirect_uri=" + url.QueryEscape(rpLogout)
	for params, named := range map[string]bool{"client_id=" + url.QueryEscape(string(h.client.ID)) + uri: false, "id_token_hint=other-person" + uri: true} {
		page := b.get("/logout?" + params)
		if !hasID(t, page.body, "logout-confirm") || strings.Contains(page.body, "Aurora Notes") != named || !strings.Contains(page.body, "rp.test") ||
			!strings.Contains(page.Header().Get("Content-Security-Policy"), "form-action 'self' https://rp.test;") {
			t.Errorf("%s: policy %s\n%s", params, page.Header().Get("Content-Security-Policy"), page.body)
		}
	}
}

// RP-Initiated Logout §3: the state is added to the URI that was registered, and not a byte of that changes.
func TestLogoutState(t *testing.T) {
	t.Parallel()
	const state = "a&b=c #ü"
	escaped := url.QueryEscape(state)
	h, known, _ := logoutHouse(t)
	for uri, want := range map[string]string{
		"https://rp.test/out":        "https://rp.test/out?state=" + escaped,
		"https://rp.test/out?":       "https://rp.test/out?state=" + escaped,
		"https://rp.test/out?a=%41":  "https://rp.test/out?a=%41&state=" + escaped,
		"https://rp.test/out?a=1&":   "https://rp.test/out?a=1&state=" + escaped,
		"https://rp.test/out?a=1#in": "https://rp.test/out?a=1&state=" + escaped + "#in",
		"com.example.app:/out":       "com.example.app:/out?state=" + escaped,
	} {
		client := h.addClient("Out", func(c *signet.Client) { c.PostLogoutRedirectURIs = []string{uri} })
		known["its"] = &signet.IDTokenHint{UserID: h.ada.ID, SessionID: "any", ClientID: client.ID}
		nobody := h.browser("192.0.2.1") // logged out already: a valid request goes back
		expectAway(t, nobody.get("/logout?id_token_hint=its&state="+escaped+"&post_logout_redirect_uri="+url.QueryEscape(uri)), want)
	}
}

// hintsAway cannot say whether a hint is good.
type hintsAway struct{}

func (hintsAway) IDTokenHint(context.Context, string) (*signet.IDTokenHint, error) {
	return nil, signet.Unavailable(errors.New("the keys are away"))
}

// Nothing is decided on a hint that nobody could look at.
func TestLogoutWithoutAnswerToTheHint(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *login.Options) { o.Hints = hintsAway{} })
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	if got := b.get("/logout?id_token_hint=x"); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" || b.session() == nil {
		t.Errorf("%d", got.Code)
	}
}
