package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestUsersLifeByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.want(201, "POST", "/admin/v1/users", oneUser)
	sub, _ := made["sub"].(string)
	if made["has_password"] != true || made["disabled"] != false {
		t.Errorf("made = %v", made)
	}
	for _, secret := range []string{"password", "password_hash"} {
		if _, ok := made[secret]; ok {
			t.Errorf("the answer shows %s", secret)
		}
	}
	w.want(409, "POST", "/admin/v1/users", strings.Replace(oneUser, "alice@", "other@", 1))
	w.want(409, "POST", "/admin/v1/users", strings.Replace(strings.Replace(oneUser, `"alice"`, `"ALICE"`, 1), "alice@", "third@", 1))

	path := "/admin/v1/users/" + sub
	w.want(428, "PUT", path, `{"username":"alice","email":"a@example.com"}`)
	w.want(412, "PUT", path, `{"username":"alice","email":"a@example.com"}`, "If-Match", `"7"`)
	w.want(412, "PUT", path, `{"username":"alice","email":"a@example.com"}`, "If-Match", `*`)
	// What a GET gave can be sent back.
	got := w.send("GET", path, "")
	w.want(200, "PUT", path, got.Body.String(), "If-Match", got.Header().Get("ETag"))
	w.want(400, "PUT", path, strings.Replace(got.Body.String(), sub, "00000000-0000-4000-8000-000000000000", 1), "If-Match", `"2"`)

	before, err := w.store.User(t.Context(), signet.UserID(sub))
	if err != nil {
		t.Fatal(err)
	}
	w.want(204, "PUT", path+"/password", `{"password":"battery staple"}`)
	after, err := w.store.User(t.Context(), signet.UserID(sub))
	if err != nil {
		t.Fatal(err)
	}
	if before.PasswordHash == after.PasswordHash || !strings.HasPrefix(after.PasswordHash, "$argon2id$") || after.NotBefore.IsZero() {
		t.Errorf("hash %q then %q, not before %s", before.PasswordHash, after.PasswordHash, after.NotBefore)
	}
	w.want(400, "PUT", path+"/password", `{"password":"short"}`)
	w.want(400, "PUT", path+"/password", `{}`)
	w.want(404, "GET", "/admin/v1/users/00000000-0000-4000-8000-000000000000", "")
	w.want(404, "GET", "/admin/v1/users/alice", "")
	found, _ := w.want(200, "GET", "/admin/v1/users?username=alice", "")["users"].([]any)
	none, _ := w.want(200, "GET", "/admin/v1/users?username=al%25", "")["users"].([]any)
	if len(found) != 1 || len(none) != 0 {
		t.Errorf("found %d by name, %d by a wildcard", len(found), len(none))
	}
}

func TestUserProfileIsJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct{ name, body, member string }{
		{"no name", `{"email":"a@example.com"}`, "username"},
		{"control in the name", `{"username":"a\u001bb","email":"a@example.com"}`, "username"},
		{"no way to reach", `{"username":"a"}`, "email"},
		{"mail without host", `{"username":"a","email":"a"}`, "email"},
		{"mail with a line break", `{"username":"a","email":"a@example.com\nBcc: x@example.com"}`, "email"},
		{"phone", `{"username":"a","phone_number":"0301234"}`, "phone_number"},
		{"verified nothing", `{"username":"a","phone_number":"+49301234567","email_verified":true}`, "email_verified"},
		{"birthdate", `{"username":"a","email":"a@example.com","birthdate":"17.4.1988"}`, "birthdate"},
		{"no such day", `{"username":"a","email":"a@example.com","birthdate":"1989-02-29"}`, "birthdate"},
		{"picture by javascript", `{"username":"a","email":"a@example.com","picture":"javascript:alert(1)"}`, "picture"},
		{"website by http", `{"username":"a","email":"a@example.com","website":"http://a.example"}`, "website"},
		{"right-to-left override", `{"username":"a","email":"a@example.com","name":"x\u202ey"}`, "name"},
		{"locale", `{"username":"a","email":"a@example.com","locale":"x y"}`, "locale"},
		{"zone", `{"username":"a","email":"a@example.com","zoneinfo":"../etc"}`, "zoneinfo"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			answer := w.want(400, "POST", "/admin/v1/users", tc.body)
			if detail, _ := answer["detail"].(string); !strings.Contains(detail, tc.member+" ") {
				t.Errorf("detail %q does not name %s", detail, tc.member)
			}
		})
	}
	for i, body := range []string{
		`{"username":"b","email":"b@example.com","birthdate":"0000-02-29"}`,
		`{"username":"zoë","phone_number":"+49301234567","birthdate":"1970","address":{"formatted":"a\nb"}}`,
		`{"username":"d@example.com","email":"d@example.com"}`,
	} {
		if res := w.send("POST", "/admin/v1/users", body); res.Code != 201 {
			t.Errorf("%d: %s", i, res.Body)
		}
	}
}

func TestConsentIsRevokedByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub, _ := w.want(201, "POST", "/admin/v1/users", oneUser)["sub"].(string)
	client, _ := w.want(201, "POST", "/admin/v1/clients", webClient)["client_id"].(string)
	path := "/admin/v1/users/" + sub + "/consents/" + client
	w.want(404, "DELETE", path, "")
	now := time.Now()
	if err := w.store.GrantConsent(t.Context(), &signet.Consent{UserID: signet.UserID(sub), ClientID: signet.ClientID(client),
		Scope: signet.Scope{"openid"}, GrantedAt: now, ConfirmedAt: now}, signet.Event{ID: signet.NewEventID(), Kind: signet.EventConsentGranted, At: now}); err != nil {
		t.Fatal(err)
	}
	w.want(400, "DELETE", path+"?all=1", "")
	w.want(204, "DELETE", path, "")
	w.want(404, "DELETE", path, "")
	w.want(404, "DELETE", "/admin/v1/users/"+sub+"/consents/nobody", "")
}
