package e2e

import (
	"net/http"
	"net/url"
	"testing"
)

// CSR-04 must not lock anybody out: two tabs of a browser without cookies begin at once, each answer sets a cookie, the
// later one stays, and the first tab's flow is another browser's. It is refused, and one click brings its person in all the
// same. So does a click on a page that was left open for too long.
func TestTwoColdTabs(t *testing.T) {
	t.Parallel()
	dev := StartDev(t)
	user, client := dev.Card.Users[0], dev.Card.Clients.Web
	browser := NewBrowser(t)
	cold := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	states := []string{"first", "second"}
	tabs := map[string]string{}
	for _, state := range states {
		start := browser.parse(dev.Card.Issuer + "/authorize?" + url.Values{
			"client_id": {client.ClientID}, "redirect_uri": {client.RedirectURIs[0]}, "response_type": {"code"}, "scope": {"openid"}, "state": {state},
			"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}, "prompt": {"login"},
		}.Encode())
		response, err := cold.Get(start.String())
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		browser.client.Jar.SetCookies(start, response.Cookies())
		target, err := start.Parse(response.Header.Get("Location"))
		if err != nil || target.Path != "/login" {
			t.Fatalf("%d to %v", response.StatusCode, target)
		}
		tabs[state] = target.String()
	}
	first, second := browser.Get(tabs["first"]), browser.Get(tabs["second"])
	if first.Status != http.StatusForbidden || !first.Has("restart") || first.Has("password") {
		t.Fatalf("first tab: %d %s", first.Status, first.Text(""))
	}
	if second.Status != http.StatusOK || !second.Has("password") {
		t.Fatalf("second tab: %d %s", second.Status, second.Text(""))
	}
	first = first.Click("restart", nil)
	for i, page := range []*Page{first, second} {
		page = page.Click("login", map[string]string{"username": user.Username, "password": user.Password})
		for page.Has("consent-allow") {
			page = page.Click("consent-allow", nil)
		}
		if page.Location == nil || page.Location.Query().Get("code") == "" || page.Location.Query().Get("state") != states[i] {
			t.Errorf("%s tab ends at %v (%d)", states[i], page.Location, page.Status)
		}
	}
}
