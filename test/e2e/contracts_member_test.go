package e2e

import (
	"net/http"
	"strings"
	"testing"
)

func memberRows() []row {
	return []row{
		{"GET, POST /api/accounts/{id}/members", memberAdd},
		{"DELETE /api/accounts/{id}/members/{userId}", memberRemove},
		{"accounts: at most 50 in a token", memberMany},
		{"CORS at /api", memberCORS},
	}
}

// memberMany: beyond 50 the claim is left out, and the token says so.
func memberMany(t *testing.T, s *stand) {
	user, _ := s.person(t)
	for i := range 51 {
		if i == 50 {
			if claims := claimsOf(t, s.userToken(t, user)); len(claims["accounts"].([]any)) != 50 || claims["accounts_truncated"] != nil {
				t.Errorf("50 memberships: %v", claims)
			}
		}
		s.admin(t, http.MethodPost, "/accounts", map[string]any{"name": "One of many", "type": "org", "owner": user.Sub}, nil)
	}
	token := s.userToken(t, user)
	if claims := claimsOf(t, token); claims["accounts"] != nil || claims["accounts_truncated"] != true {
		t.Errorf("51 memberships: %v", claims)
	}
	if list := s.send(t, http.MethodGet, "/api/account-memberships", withToken(token), nil).want(http.StatusOK).list(); len(list) != 51 {
		t.Errorf("%d listed", len(list))
	}
}

// memberCORS: a registered origin may send keys and tokens from a page; another one reads nothing, and none gets
// credentials of the browser.
func memberCORS(t *testing.T, s *stand) {
	origin := s.card.Clients.SPA.Origins[0]
	preflight := s.ask(t, http.MethodOptions, "/api/account-memberships", http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"GET"},
		"Access-Control-Request-Headers": {"x-api-key"}}, nil)
	allowed := strings.ToLower(preflight.header.Get("Access-Control-Allow-Headers"))
	for _, name := range []string{"authorization", "dpop", "x-api-key", "content-type", "if-match"} {
		if !strings.Contains(allowed, name) {
			t.Errorf("%s is not allowed: %s", name, allowed)
		}
	}
	_, token := s.person(t)
	for from, want := range map[string]string{origin: origin, "https://evil.example": ""} {
		header := withToken(token)
		header.Set("Origin", from)
		r := s.send(t, http.MethodGet, "/api/account-memberships", header, nil).want(http.StatusOK)
		if got := r.header.Get("Access-Control-Allow-Origin"); got != want || r.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("from %s: %q", from, got)
		}
	}
}

func memberAdd(t *testing.T, s *stand) {
	id, owner, token := s.owned(t)
	guest, guestToken := s.person(t)
	path := "/api/accounts/" + id + "/members"
	s.send(t, http.MethodGet, path, withToken(token), nil).want(http.StatusOK).golden(s, "members-200")
	add := func(user, role string) *reply {
		return s.send(t, http.MethodPost, path, withToken(token), map[string]any{"userId": user, "role": role})
	}
	add(guest.Sub, "merchant-terminal").want(http.StatusCreated).golden(s, "member-201")
	add(guest.Sub, "account-owner").want(http.StatusOK).golden(s, "member-200")
	add(newUUID(), "account-owner").want(http.StatusBadRequest).golden(s, "member-400")
	add(guest.Sub, "anon-consumer").want(http.StatusForbidden).golden(s, "member-403")
	add(owner.Sub, "merchant-terminal").want(http.StatusConflict).golden(s, "member-409")
	// Until it was accepted it counts for nothing.
	s.send(t, http.MethodGet, path, withToken(guestToken), nil).want(http.StatusNotFound)
	if list := s.send(t, http.MethodGet, "/api/account-memberships", withToken(guestToken), nil).want(http.StatusOK).list(); len(list) != 0 {
		t.Errorf("pending and listed: %v", list)
	}
	s.admin(t, http.MethodPut, "/accounts/"+id+"/members/"+guest.Sub, map[string]any{"role": "account-owner", "accepted": true}, nil)
	fresh := s.userToken(t, guest)
	s.send(t, http.MethodGet, path, withToken(fresh), nil).want(http.StatusOK)
	if list, _ := claimsOf(t, fresh)["accounts"].([]any); len(list) != 1 {
		t.Errorf("accounts of the new member: %v", claimsOf(t, fresh)["accounts"])
	}
}

func memberRemove(t *testing.T, s *stand) {
	id, owner, token := s.owned(t)
	guest, _ := s.person(t)
	path := "/api/accounts/" + id + "/members/"
	s.admin(t, http.MethodPut, "/accounts/"+id+"/members/"+guest.Sub, map[string]any{"role": "account-owner", "accepted": true}, nil)
	carries := s.userToken(t, guest)
	// The token is dated ahead, past the second of the acceptance; what ends the membership within that second reaches it.
	s.send(t, http.MethodDelete, path+guest.Sub, withToken(token), nil).want(http.StatusNoContent).golden(s, "member-delete-204")
	// Tokens that carry the membership are taken back.
	s.send(t, http.MethodGet, "/api/account-memberships", withToken(carries), nil).want(http.StatusUnauthorized).golden(s, "account-401")
	s.send(t, http.MethodDelete, path+guest.Sub, withToken(token), nil).want(http.StatusNotFound).golden(s, "member-404")
	s.send(t, http.MethodDelete, path+owner.Sub, withToken(token), nil).want(http.StatusConflict).golden(s, "member-409")
}
