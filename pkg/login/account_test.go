package login_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/signet"
)

const (
	shop   = "11111111-1111-4111-8111-111111111111"
	bakery = "22222222-2222-4222-8222-222222222222"
)

// addAccount makes an account that belongs to somebody else, "olga".
func (h *house) addAccount(id, name string) {
	h.t.Helper()
	owner, err := h.store.UserByLogin(h.t.Context(), "olga")
	if err != nil {
		owner = h.addUser("olga", "", nil)
	}
	now := h.clock.Now()
	a := &signet.Account{ID: id, Name: name, Type: signet.AccountOrg, Instance: id, CreatedAt: now, CreatedBy: "test", UpdatedAt: now}
	h.must(h.store.InsertAccount(h.t.Context(), a, &signet.Membership{AccountID: id, UserID: owner.ID, Role: "account-owner", AcceptedAt: &now, CreatedBy: "test"}, h.event(signet.EventAccountCreated)))
}

func (h *house) invite(account string, user *signet.User, role string) {
	h.t.Helper()
	m := &signet.Membership{AccountID: account, UserID: user.ID, Role: role, CreatedBy: "test"}
	h.must(h.store.PutMembership(h.t.Context(), m, h.event(signet.EventMemberAdded)))
}

// join makes the user an accepted member.
func (h *house) join(account string, user *signet.User, role string) {
	h.t.Helper()
	h.invite(account, user, role)
	h.must(h.store.AcceptMembership(h.t.Context(), account, user.ID, h.event(signet.EventMemberAccepted)))
}

// role is what ada is in an account: "" nothing, "?role" invited.
func (h *house) role(account string) string {
	h.t.Helper()
	m, err := h.store.Memberships(signet.FromTruth(h.t.Context()), h.ada.ID)
	h.must(err)
	for _, member := range m.Members {
		if member.AccountID == account && member.AcceptedAt == nil {
			return "?" + member.Role
		} else if member.AccountID == account {
			return member.Role
		}
	}
	return ""
}

// press returns the form that a button of the account page sends.
func press(t *testing.T, page answer, id string) url.Values {
	t.Helper()
	button := find(t, page.body, func(n *html.Node) bool { return n.Data == "button" && attr(n, "id") == id })
	if button == nil {
		t.Fatalf("no button %s (%d):\n%s", id, page.Code, page.body)
	}
	form := button
	for form.Data != "form" {
		form = form.Parent
	}
	if attr(form, "method") != "post" || attr(form, "action") != "/account" {
		t.Errorf("form %v", form.Attr)
	}
	values := url.Values{attr(button, "name"): {attr(button, "value")}}
	for n := range form.Descendants() {
		if n.Data == "input" {
			values.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	return values
}

// adaAtShop is ada's browser, logged in, with an invitation to the shop.
func adaAtShop(t *testing.T) (*house, *browser) {
	t.Helper()
	h := newHouse(t)
	h.addAccount(shop, "Corner Shop")
	h.invite(shop, h.ada, "merchant-terminal")
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	return h, b
}

func expectProblem(t *testing.T, got answer, words string) {
	t.Helper()
	if got.Code != http.StatusConflict || !hasID(t, got.body, "account") || !hasID(t, got.body, "error") || !strings.Contains(got.body, words) {
		t.Errorf("%d, want 409 and %q:\n%s", got.Code, words, got.body)
	}
}

func expectRefused(t *testing.T, got answer, status int, words string) {
	t.Helper()
	if got.Code != status || hasID(t, got.body, "account") || !strings.Contains(got.body, words) {
		t.Errorf("%d, want %d and %q:\n%s", got.Code, status, words, got.body)
	}
}

func TestAccountAccept(t *testing.T) {
	t.Parallel()
	h, b := adaAtShop(t)
	page := b.get("/account")
	for _, want := range []string{"Person ada", "Corner Shop", "Organization", "merchant-terminal"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %q:\n%s", want, page.body)
		}
	}
	form := press(t, page, "accept-"+shop)
	for range 2 { // sent twice, it is accepted once
		if got := b.post("/account", form); got.Code != http.StatusSeeOther || got.location() != "/account" {
			t.Errorf("%d, %q", got.Code, got.location())
		}
	}
	if role := h.role(shop); role != "merchant-terminal" {
		t.Errorf("role %q", role)
	}
	events := h.events(signet.EventMemberAccepted)
	if len(events) != 1 || events[0].Actor != "user:"+string(h.ada.ID) || events[0].UserID != h.ada.ID ||
		events[0].Target != "membership:"+shop+"/"+string(h.ada.ID) || events[0].Address != "192.0.2.1" || events[0].RequestID == "" {
		t.Errorf("events %+v", events)
	}
	page = b.get("/account")
	if hasID(t, page.body, "pending") || !hasID(t, page.body, "leave-"+shop) {
		t.Errorf("page afterwards:\n%s", page.body)
	}
}

func TestAccountDecline(t *testing.T) {
	t.Parallel()
	h, b := adaAtShop(t)
	page := b.get("/account")
	for range 2 {
		if got := b.post("/account", press(t, page, "decline-"+shop)); got.Code != http.StatusSeeOther || got.location() != "/account" {
			t.Errorf("%d, %q", got.Code, got.location())
		}
	}
	events := h.events(signet.EventMemberRemoved)
	if len(events) != 1 || events[0].Actor != "user:"+string(h.ada.ID) || events[0].Reason != "declined" {
		t.Errorf("events %+v", events)
	}
	expectProblem(t, b.post("/account", press(t, page, "accept-"+shop)), "does not stand any more")
	if role := h.role(shop); role != "" {
		t.Errorf("role %q", role)
	}
}

func TestAccountLeave(t *testing.T) {
	t.Parallel()
	h, b := adaAtShop(t)
	h.addAccount(bakery, "Bakery")
	h.join(bakery, h.ada, "account-owner")
	form := press(t, b.get("/account"), "leave-"+bakery)
	for range 2 {
		if got := b.post("/account", form); got.Code != http.StatusSeeOther || got.location() != "/account" {
			t.Errorf("%d, %q", got.Code, got.location())
		}
	}
	if events := h.events(signet.EventMemberRemoved); len(events) != 1 || events[0].Reason != "left" || events[0].Target != "membership:"+bakery+"/"+string(h.ada.ID) {
		t.Errorf("events %+v", events)
	}
	if h.role(bakery) != "" || h.role(shop) != "?merchant-terminal" {
		t.Errorf("roles %q, %q", h.role(bakery), h.role(shop))
	}
}

func TestAccountKeepsItsLastOwner(t *testing.T) {
	t.Parallel()
	h, b := adaAtShop(t)
	h.addAccount(bakery, "Bakery")
	h.join(bakery, h.ada, "account-owner")
	olga, err := h.store.UserByLogin(t.Context(), "olga")
	h.must(err)
	h.must(h.store.EndMembership(t.Context(), bakery, olga.ID, h.event(signet.EventMemberRemoved)))
	expectProblem(t, b.post("/account", press(t, b.get("/account"), "leave-"+bakery)), "<bdi>Bakery</bdi></strong>: You are the last owner")
	if h.role(bakery) != "account-owner" || len(h.events(signet.EventMemberRemoved)) != 1 {
		t.Errorf("role %q, events %v", h.role(bakery), h.events(signet.EventMemberRemoved))
	}
}

// What is acted on is what was shown: nothing else is accepted, declined or left by an old page.
func TestAccountOldPage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		button string
		since  func(h *house)
		role   string // afterwards
	}{
		"another role":       {"accept", func(h *house) { h.invite(shop, h.ada, "account-owner") }, "?account-owner"},
		"accepted elsewhere": {"decline", func(h *house) { h.join(shop, h.ada, "merchant-terminal") }, "merchant-terminal"},
		"disabled since": {"accept", func(h *house) {
			h.must(h.store.SetAccountDisabled(h.t.Context(), shop, true, h.event(signet.EventAccountDisabled)))
		}, "?merchant-terminal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, b := adaAtShop(t)
			form := press(t, b.get("/account"), tc.button+"-"+shop)
			h.clock.Advance(time.Second)
			tc.since(h)
			accepted := len(h.events(signet.EventMemberAccepted))
			got := b.post("/account", form)
			words := "has changed since"
			if name == "disabled since" {
				words = "is disabled"
			}
			expectProblem(t, got, words)
			if role := h.role(shop); role != tc.role || len(h.events(signet.EventMemberAccepted)) != accepted || len(h.events(signet.EventMemberRemoved)) != 0 {
				t.Errorf("role %q, want %q", role, tc.role)
			}
		})
	}
	t.Run("invited again", func(t *testing.T) {
		t.Parallel()
		h, b := adaAtShop(t)
		h.join(shop, h.ada, "merchant-terminal")
		form := press(t, b.get("/account"), "leave-"+shop)
		h.must(h.store.EndMembership(t.Context(), shop, h.ada.ID, h.event(signet.EventMemberRemoved)))
		h.invite(shop, h.ada, "merchant-terminal")
		expectProblem(t, b.post("/account", form), "has changed since")
		if role := h.role(shop); role != "?merchant-terminal" {
			t.Errorf("role %q", role)
		}
	})
}

// CSR-01, CSR-05: only a form of ours, of this session and this person, and what is in it comes from the seal alone.
func TestAccountFormIsNotTrusted(t *testing.T) {
	t.Parallel()
	h, b := adaAtShop(t)
	h.addAccount(bakery, "Bakery")
	bob := h.addUser("bob", password, nil)
	h.invite(bakery, bob, "account-owner")
	other := h.browser("192.0.2.2")
	other.logIn("bob", password)
	form := press(t, b.get("/account"), "accept-"+shop)
	with := func(name, value string) url.Values {
		changed := url.Values{"page": form["page"], "decision": form["decision"]}
		if changed.Del(name); value != "" {
			changed.Set(name, value)
		}
		return changed
	}
	seal := func(purpose string, user *signet.User, session signet.SessionID, account string) string {
		plain, err := json.Marshal(map[string]any{"s": session, "u": user.ID, "a": account, "r": "account-owner", "p": true})
		h.must(err)
		sealed, err := h.ring.Seal(purpose, plain)
		h.must(err)
		return sealed
	}
	altered := []byte(form.Get("page"))
	altered[20] ^= 1
	again := b.copy() // the same person, another login
	delete(again.cookies, "__Host-signet_session")
	again.logIn("ada", password)
	for name, tc := range map[string]struct {
		got    answer
		status int
		words  string
	}{
		"cross site":               {b.do(b.request(http.MethodPost, "/account", form, map[string]string{"Sec-Fetch-Site": "cross-site"})), 403, "came from another site"},
		"same site":                {b.do(b.request(http.MethodPost, "/account", form, map[string]string{"Sec-Fetch-Site": "same-site"})), 403, "came from another site"},
		"foreign origin":           {b.do(b.request(http.MethodPost, "/account", form, map[string]string{"Origin": "https://evil.test"})), 403, "came from another site"},
		"no page":                  {b.post("/account", with("page", "")), 403, "made for another login"},
		"altered":                  {b.post("/account", with("page", string(altered))), 403, "made for another login"},
		"another seal":             {b.post("/account", with("page", seal("consent-page", h.ada, b.session().ID, shop))), 403, "made for another login"},
		"another person's account": {b.post("/account", with("page", seal("account-page", bob, other.session().ID, bakery))), 403, "made for another login"},
		"another person's page":    {b.post("/account", press(t, other.get("/account"), "accept-"+bakery)), 403, "made for another login"},
		"another browser":          {other.post("/account", form), 403, "made for another login"},
		"another login":            {again.post("/account", form), 403, "made for another login"},
		"an account beside it":     {b.post("/account", with("account", bakery)), 400, "a field that the page does not have"},
		"a user beside it":         {b.post("/account", with("user", string(bob.ID))), 400, "a field that the page does not have"},
		"no decision":              {b.post("/account", with("decision", "")), 400, "not complete"},
		"another decision":         {b.post("/account", with("decision", "leave")), 400, "not complete"},
		"not a form":               {b.do(b.request(http.MethodPost, "/account", nil, map[string]string{"Content-Type": "application/json"})), 415, ""},
	} {
		t.Run(name, func(t *testing.T) { expectRefused(t, tc.got, tc.status, tc.words) })
	}
	// A page that nobody was shown, though well sealed: the account is not theirs.
	for _, account := range []string{bakery, "33333333-3333-4333-8333-333333333333", "", "\x00"} {
		expectProblem(t, b.post("/account", with("page", seal("account-page", h.ada, b.session().ID, account))), "does not stand any more")
	}
	if h.role(shop) != "?merchant-terminal" || h.role(bakery) != "" || len(h.events(signet.EventMemberAccepted))+len(h.events(signet.EventMemberRemoved)) != 0 {
		t.Errorf("something was done: %q, %q", h.role(shop), h.role(bakery))
	}
	// The form itself is good.
	if got := b.post("/account", form); got.Code != http.StatusSeeOther || h.role(shop) != "merchant-terminal" {
		t.Errorf("%d, role %q", got.Code, h.role(shop))
	}
}

// Without a session there is nothing to see and nothing to do, whatever the page of before.
func TestAccountNeedsALogin(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *house, b *browser){
		"no cookie": func(_ *house, b *browser) { delete(b.cookies, "__Host-signet_session") },
		"logged out": func(h *house, b *browser) {
			h.must(h.store.EndSession(h.t.Context(), b.session().ID, "logout", h.event(signet.EventSessionEnded)))
		},
		"idle": func(h *house, _ *browser) { h.clock.Advance(login.DefaultSessionIdle) },
		"user disabled": func(h *house, _ *browser) {
			h.must(h.store.SetUserDisabled(h.t.Context(), h.ada.ID, true, h.event(signet.EventUserDisabled)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, b := adaAtShop(t)
			form := press(t, b.get("/account"), "accept-"+shop)
			end(h, b)
			if got := b.post("/account", form); got.Code != http.StatusSeeOther || got.location() != "/account" {
				t.Errorf("post: %d, %q", got.Code, got.location())
			}
			page := b.get("/account")
			if page.Code != http.StatusOK || !hasID(t, page.body, "login-first") || strings.Contains(page.body, "Corner Shop") || strings.Contains(page.body, "Person ada") {
				t.Errorf("page %d:\n%s", page.Code, page.body)
			}
			if role := h.role(shop); role != "?merchant-terminal" {
				t.Errorf("role %q", role)
			}
		})
	}
}

// A disabled account can be declined or left, not accepted.
func TestAccountDisabled(t *testing.T) {
	t.Parallel()
	h, b := adaAtShop(t)
	h.must(h.store.SetAccountDisabled(t.Context(), shop, true, h.event(signet.EventAccountDisabled)))
	page := b.get("/account")
	if hasID(t, page.body, "accept-"+shop) || !strings.Contains(page.body, ", disabled") {
		t.Errorf("page:\n%s", page.body)
	}
	if got := b.post("/account", press(t, page, "decline-"+shop)); got.Code != http.StatusSeeOther || h.role(shop) != "" {
		t.Errorf("%d, role %q", got.Code, h.role(shop))
	}
}

// Anybody with an account may invite anybody: the page stays a page, and what matters stays on it.
func TestAccountFloodOfInvitations(t *testing.T) {
	t.Parallel()
	h, b := adaAtShop(t)
	h.join(shop, h.ada, "merchant-terminal")
	for range 101 {
		id := strings.ToLower(string(signet.NewUserID()))
		h.addAccount(id, "Spam")
		h.clock.Advance(time.Second)
		h.invite(id, h.ada, "account-owner")
	}
	h.addAccount(bakery, "Bakery")
	h.clock.Advance(time.Second)
	h.invite(bakery, h.ada, "merchant-terminal")
	page := b.get("/account")
	if n := strings.Count(page.body, "<li>"); n != 101 || !hasID(t, page.body, "accept-"+bakery) || !hasID(t, page.body, "leave-"+shop) || !strings.Contains(page.body, "more accounts than fit") {
		t.Errorf("%d lines", n)
	}
	if at, spam := strings.Index(page.body, "Bakery"), strings.Index(page.body, "Spam"); at > spam {
		t.Error("the newest invitation is not the first")
	}
}

func TestAccountOutage(t *testing.T) {
	t.Parallel()
	h, b := adaAtShop(t)
	form := press(t, b.get("/account"), "accept-"+shop)
	h.must(h.store.Close())
	for name, got := range map[string]answer{"get": b.get("/account"), "post": b.post("/account", form)} {
		if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" || !hasID(t, got.body, "error") {
			t.Errorf("%s: %d\n%s", name, got.Code, got.body)
		}
	}
}

func TestAccountIsOptional(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *login.Options) { o.Memberships = nil })
	if got := h.browser("192.0.2.1").get("/account"); got.Code != http.StatusNotFound {
		t.Errorf("%d", got.Code)
	}
}
