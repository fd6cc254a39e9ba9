package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// An owner invites somebody, who accepts by forms alone; from then on the next tokens carry the account.
func TestAccountPage(t *testing.T) {
	t.Parallel()
	dev := StartDev(t)
	account, alice, bob := dev.Card.Accounts[0], dev.Card.Users[0], dev.Card.Users[1]
	if account.OwnerSub != alice.Sub {
		t.Fatalf("%s is not alice's", account.Name)
	}
	rp := newRelyingParty(t, dev.Card.Issuer, dev.Card.Clients.SPA)
	hers, _ := rp.login(NewBrowser(t), alice, "")
	status, body := Post(t, dev.Card.Issuer+"/api/accounts/"+account.ID+"/members", bearer(hers.AccessToken), map[string]any{"userId": bob.Sub, "role": "merchant-terminal"})
	if status != http.StatusCreated || !strings.Contains(string(body), `"pending":true`) {
		t.Fatalf("the invitation: %d %s", status, body)
	}

	browser := NewBrowser(t)
	if page := browser.Get(dev.Card.Issuer + "/account"); page.Status != http.StatusOK || !page.Has("login-first") {
		t.Fatalf("without a login: %d %s", page.Status, page.Text(""))
	}
	his, _ := rp.login(browser, bob, "")
	expectAccounts(t, dev.Card.Issuer, his.AccessToken, "")

	page := browser.Get(dev.Card.Issuer + "/account")
	if text := page.Text("pending"); !strings.Contains(text, account.Name) || !strings.Contains(text, "merchant-terminal") || page.Has("member") {
		t.Fatalf("the page before: %s", page.Text(""))
	}
	page = page.Click("accept-"+account.ID, nil)
	if text := page.Text("member"); page.Status != http.StatusOK || !strings.Contains(text, account.Name) || page.Has("pending") {
		t.Fatalf("the page after: %d %s", page.Status, page.Text(""))
	}
	his, err := rp.refresh(his)
	if err != nil {
		t.Fatal(err)
	}
	expectAccounts(t, dev.Card.Issuer, his.AccessToken, account.ID+" merchant-terminal")

	page = page.Click("leave-"+account.ID, nil)
	if page.Status != http.StatusOK || page.Has("member") {
		t.Fatalf("the page after leaving: %d %s", page.Status, page.Text(""))
	}
	if his, err = rp.refresh(his); err != nil {
		t.Fatal(err)
	}
	expectAccounts(t, dev.Card.Issuer, his.AccessToken, "")
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// expectAccounts wants a token that carries, and whose API call lists, that one "account role", or none for "".
func expectAccounts(t *testing.T, issuer, token, want string) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Accounts []struct{ ID, Role string } `json:"accounts"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	var carried []string
	for _, a := range claims.Accounts {
		carried = append(carried, a.ID+" "+a.Role)
	}
	res, body := Send(t, http.MethodGet, issuer+"/api/account-memberships", bearer(token), nil)
	var list []struct{ AccountID, Role string }
	if err := json.Unmarshal(body, &list); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("memberships: %d %s", res.StatusCode, body)
	}
	var listed []string
	for _, a := range list {
		listed = append(listed, a.AccountID+" "+a.Role)
	}
	if got := strings.Join(carried, ", "); got != want {
		t.Errorf("the token carries %q, want %q", got, want)
	}
	if got := strings.Join(listed, ", "); got != want {
		t.Errorf("the API lists %q, want %q", got, want)
	}
}
