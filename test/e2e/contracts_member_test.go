package e2e

import (
	"net/http"
	"testing"
	"time"
)

func memberRows() []row {
	return []row{
		{"GET, POST /api/accounts/{id}/members", memberAdd},
		{"DELETE /api/accounts/{id}/members/{userId}", memberRemove},
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
	// A token right after a change is dated ahead, past the second of the change; what ends the membership before that
	// second has come does not reach it.
	waitUntil(t, time.Unix(int64(claimsOf(t, carries)["iat"].(float64)), 0))
	s.send(t, http.MethodDelete, path+guest.Sub, withToken(token), nil).want(http.StatusNoContent).golden(s, "member-delete-204")
	// Tokens that carry the membership are taken back.
	s.send(t, http.MethodGet, "/api/account-memberships", withToken(carries), nil).want(http.StatusUnauthorized).golden(s, "account-401")
	s.send(t, http.MethodDelete, path+guest.Sub, withToken(token), nil).want(http.StatusNotFound).golden(s, "member-404")
	s.send(t, http.MethodDelete, path+owner.Sub, withToken(token), nil).want(http.StatusConflict).golden(s, "member-409")
}
