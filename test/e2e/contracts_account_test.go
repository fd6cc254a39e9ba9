package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAPIKey    = "urn:signet:params:oauth:token-type:api-key"
	apiAudience   = "https://api.example.com"
)

// accountRows is wire.md, 1, from "Accounts, roles, permissions" on, without the members.
func accountRows() []row {
	return []row{
		{"accounts: the document's curl calls", accountCurl},
		{"POST /api/accounts", accountCreate},
		{"GET, PUT /api/accounts/{id}: If-Match", accountChange},
		{"GET /api/account-memberships: key, bare token, Bearer", accountMemberships},
		{"POST, GET /api/accounts/{id}/api-keys", accountKeys},
		{"PUT /api/accounts/{id}/api-keys/{name}: within a second on every node", accountKeyDisable},
		{"POST /api/permissions/check: own, global, none", accountPermissions},
		{"API key for a JWT by token exchange", accountExchange},
		{"introspection of an API key", accountIntrospect},
		{"accounts: 401, two credentials, credential in the URL", accountRefusals},
		{"the document's published test key", accountPublishedKey},
		{"accounts in a user's access token", accountClaim},
	}
}

// person logs a new user in and returns the access token.
func (s *stand) person(t *testing.T) (User, string) {
	t.Helper()
	user := User{Username: "u-" + random(), Password: "correct horse " + random()}
	var made struct {
		Sub string `json:"sub"`
	}
	s.admin(t, http.MethodPost, "/users", map[string]any{"username": user.Username, "password": user.Password, "email": user.Username + "@example.com"}, &made)
	user.Sub = made.Sub
	return user, s.userToken(t, user)
}

func (s *stand) userToken(t *testing.T, user User) string {
	t.Helper()
	token, _ := newRelyingParty(t, s.card.Issuer, s.card.Clients.SPA).login(NewBrowser(t), user, "")
	return token.AccessToken
}

// accountCurl runs the document's calls as they are printed, our host in the place of its own.
func accountCurl(t *testing.T, s *stand) {
	_, token := s.person(t)
	calls := []struct{ script, variable, value string }{
		{"curl -X GET \"" + s.card.Issuer + "/api/account-memberships\" \\\n    -H \"X-Api-Key: ${my_api_key}\"", "my_api_key", s.card.APIKeys[0].Key},
		{"curl -X GET \"" + s.card.Issuer + "/api/account-memberships\" -H \"Authorization: ${my_access_token}\"", "my_access_token", token},
	}
	for i, call := range calls {
		var out []byte
		if _, err := exec.LookPath("curl"); err == nil {
			cmd := exec.Command("sh", "-c", call.script)
			cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", call.variable + "=" + call.value}
			if out, err = cmd.Output(); err != nil {
				t.Fatalf("%s: %v", call.script, err)
			}
		} else {
			header := []http.Header{apiKey(call.value), {"Authorization": {call.value}}}[i]
			out = s.send(t, http.MethodGet, "/api/account-memberships", header, nil).want(http.StatusOK).body
		}
		var list []map[string]string
		if err := json.Unmarshal(out, &list); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if i == 0 && (len(list) != 1 || list[0]["accountId"] != s.card.Accounts[0].ID || list[0]["role"] != "account-owner") {
			t.Errorf("memberships of the key: %s", out)
		}
		if i == 1 && len(list) != 0 {
			t.Errorf("memberships of a newcomer: %s", out)
		}
	}
}

func accountCreate(t *testing.T, s *stand) {
	user, token := s.person(t)
	make := func(header http.Header, kind string) *reply {
		return s.send(t, http.MethodPost, "/api/accounts", header, map[string]any{"name": "Mine", "type": kind})
	}
	r := make(withToken(token), "individual").want(http.StatusCreated).golden(s, "account-create-201")
	if r.text("createdBy") != user.Sub || r.text("version") != "1" {
		t.Errorf("created: %s", r.body)
	}
	make(withToken(token), "individual").want(http.StatusConflict).golden(s, "account-create-409")
	// An owner of an account may make an org; nobody else.
	make(withToken(token), "org").want(http.StatusCreated)
	_, newcomer := s.person(t)
	make(withToken(newcomer), "org").want(http.StatusForbidden).golden(s, "account-create-403")
	make(apiKey(s.card.APIKeys[1].Key), "org").want(http.StatusForbidden)
	make(withToken(newcomer), "firm").want(http.StatusBadRequest).golden(s, "account-create-400")
	s.send(t, http.MethodPost, "/api/accounts", withToken(newcomer), `{"name":"a","name":"b","type":"org"}`).want(http.StatusBadRequest)
	s.send(t, http.MethodPost, "/api/accounts", http.Header{"Authorization": {"Bearer " + newcomer}, "Content-Type": {"text/plain"}}, "{}").want(http.StatusUnsupportedMediaType).golden(s, "account-415")
	s.send(t, http.MethodPost, "/api/accounts", withToken(newcomer), `{"name":"`+strings.Repeat("a", 20<<10)+`"}`).want(http.StatusRequestEntityTooLarge).golden(s, "account-413")
}

// owned is an account that a new person owns, and the person's token.
func (s *stand) owned(t *testing.T) (id string, user User, token string) {
	t.Helper()
	user, token = s.person(t)
	id = s.send(t, http.MethodPost, "/api/accounts", withToken(token), map[string]any{"name": "Mine", "type": "individual"}).want(http.StatusCreated).text("id")
	return id, user, token
}

func accountChange(t *testing.T, s *stand) {
	id, _, token := s.owned(t)
	path := "/api/accounts/" + id
	for _, value := range []string{token, "Bearer " + token} {
		s.send(t, http.MethodGet, path, http.Header{"Authorization": {value}}, nil).want(http.StatusOK).golden(s, "account-200")
	}
	put := func(version, name string) *reply {
		header := withToken(token)
		if version != "" {
			header.Set("If-Match", version)
		}
		return s.send(t, http.MethodPut, path, header, map[string]any{"name": name})
	}
	r := put(`"1"`, "Second").want(http.StatusOK).golden(s, "account-put-200")
	if r.text("version") != "2" || r.header.Get("ETag") != `"2"` {
		t.Errorf("changed: %s, ETag %s", r.body, r.header.Get("ETag"))
	}
	put(`"1"`, "Third").want(http.StatusPreconditionFailed).golden(s, "account-412")
	put("2", "Third").want(http.StatusOK)
	put("", "Fourth").want(http.StatusOK)
	put("", "").want(http.StatusBadRequest)
	_, _, stranger := s.owned(t)
	foreign := s.send(t, http.MethodGet, path, withToken(stranger), nil).want(http.StatusNotFound).golden(s, "account-404")
	foreign.same(s.send(t, http.MethodGet, "/api/accounts/"+newUUID(), withToken(stranger), nil))
	foreign.same(s.send(t, http.MethodPut, path, withToken(stranger), map[string]any{"name": "x"}))
	card := "/api/accounts/" + s.card.Accounts[0].ID
	s.send(t, http.MethodGet, card, apiKey(s.card.APIKeys[0].Key), nil).want(http.StatusOK)
	s.send(t, http.MethodGet, card, apiKey(s.card.APIKeys[1].Key), nil).want(http.StatusForbidden).golden(s, "account-403")
}

func accountMemberships(t *testing.T, s *stand) {
	id, _, token := s.owned(t)
	for _, header := range []http.Header{{"Authorization": {token}}, {"Authorization": {"Bearer " + token}}} {
		r := s.send(t, http.MethodGet, "/api/account-memberships", header, nil).want(http.StatusOK).golden(s, "memberships-200")
		if list := r.list(); len(list) != 1 || list[0]["accountId"] != id || list[0]["role"] != "account-owner" {
			t.Errorf("memberships %s", r.body)
		}
	}
	s.send(t, http.MethodGet, "/api/account-memberships", apiKey(s.card.APIKeys[1].Key), nil).want(http.StatusOK).golden(s, "memberships-200-key")
}

func accountKeys(t *testing.T, s *stand) {
	id, _, token := s.owned(t)
	path := "/api/accounts/" + id + "/api-keys"
	add := func(header http.Header, name, role string) *reply {
		return s.send(t, http.MethodPost, path, header, map[string]any{"name": name, "role": role})
	}
	made := add(withToken(token), "Till", "merchant-terminal").want(http.StatusCreated).golden(s, "api-key-201")
	add(withToken(token), "Till", "merchant-terminal").want(http.StatusConflict).golden(s, "api-key-409")
	add(withToken(token), "Other", "anon-consumer").want(http.StatusForbidden)
	add(withToken(token), "Other", "emperor").want(http.StatusBadRequest)
	owner := add(withToken(token), "Owner", "account-owner").want(http.StatusCreated).text("secret")
	// A key makes no keys unless its record says so.
	add(apiKey(owner), "Third", "merchant-terminal").want(http.StatusForbidden).golden(s, "api-key-403")
	list := s.send(t, http.MethodGet, path, apiKey(owner), nil).want(http.StatusOK).golden(s, "api-keys-200")
	if len(list.list()) != 2 || strings.Contains(string(list.body), "secret") {
		t.Errorf("list %s", list.body)
	}
	s.send(t, http.MethodGet, path, apiKey(made.text("secret")), nil).want(http.StatusForbidden)
	cardPath := "/api/accounts/" + s.card.Accounts[0].ID + "/api-keys"
	s.send(t, http.MethodPost, cardPath, apiKey(s.card.APIKeys[0].Key), map[string]any{"name": "T-" + random(), "role": "merchant-terminal"}).want(http.StatusCreated)
}

func accountKeyDisable(t *testing.T, s *stand) {
	id, _, token := s.owned(t)
	secret := s.send(t, http.MethodPost, "/api/accounts/"+id+"/api-keys", withToken(token), map[string]any{"name": "Till 7", "role": "merchant-terminal"}).want(http.StatusCreated).text("secret")
	jwt := s.formPost(t, "/token", Client{}, exchangeForm(secret)).want(http.StatusOK).text("access_token")
	for _, node := range s.nodes { // warm
		s.send(t, http.MethodGet, node+"/api/account-memberships", apiKey(secret), nil).want(http.StatusOK)
	}
	path := "/api/accounts/" + id + "/api-keys/Till%207"
	r := s.send(t, http.MethodPut, path, http.Header{"Authorization": {token}, "If-Match": {`"1"`}}, map[string]any{"enabled": false}).want(http.StatusOK).golden(s, "api-key-put-200")
	began := time.Now()
	if r.object()["enabled"] != false || r.text("version") != "2" {
		t.Errorf("disabled: %s", r.body)
	}
	for _, node := range s.nodes {
		for s.send(t, http.MethodGet, node+"/api/account-memberships", apiKey(secret), nil).status != http.StatusUnauthorized {
			if time.Since(began) > time.Second {
				t.Fatalf("%s still takes the key after %s", node, time.Since(began))
			}
		}
	}
	if got := s.introspect(t, jwt); got["active"] != false {
		t.Errorf("the key's JWT outlives it: %v", got)
	}
	s.send(t, http.MethodPut, path, http.Header{"Authorization": {token}, "If-Match": {`"1"`}}, map[string]any{"enabled": true}).want(http.StatusPreconditionFailed)
	s.send(t, http.MethodPut, path, withToken(token), map[string]any{}).want(http.StatusBadRequest)
	s.send(t, http.MethodPut, path+"x", withToken(token), map[string]any{"enabled": true}).want(http.StatusNotFound)
	s.send(t, http.MethodPut, path, withToken(token), map[string]any{"enabled": true}).want(http.StatusOK)
	s.send(t, http.MethodGet, "/api/account-memberships", apiKey(secret), nil).want(http.StatusOK)
}

func accountPermissions(t *testing.T, s *stand) {
	own, foreign := s.card.Accounts[0].ID, s.merchant(t, nil).id
	terminal, owner := apiKey(s.card.APIKeys[1].Key), apiKey(s.card.APIKeys[0].Key)
	for _, c := range []struct {
		name    string
		header  http.Header
		what    string
		account string
		golden  string
	}{
		{"own", terminal, "payment-requests:create", own, "own"},
		{"own of others", terminal, "payment-requests:create", foreign, "none"},
		{"global", terminal, "payment-requests:read", foreign, "global"},
		{"global, on its own", owner, "payment-requests:pay", foreign, "global-owner"},
		{"pay is the terminal's own alone", terminal, "payment-requests:pay", foreign, "none"},
		{"not in the role", owner, "payment-requests:create", own, "none"},
		{"unknown permission", owner, "stars:fetch", own, "none"},
		{"unknown account", owner, "accounts:read", newUUID(), "none"},
		{"foreign account", owner, "accounts:read", foreign, "none"},
	} {
		s.send(t, http.MethodPost, "/api/permissions/check", c.header, map[string]any{"permission": c.what, "accountId": c.account}).want(http.StatusOK).golden(s, "permission-"+c.golden)
	}
	s.send(t, http.MethodPost, "/api/permissions/check", owner, map[string]any{"permission": "accounts:read"}).want(http.StatusBadRequest).golden(s, "permission-400")
}

func exchangeForm(key string) url.Values {
	return url.Values{"grant_type": {grantExchange}, "subject_token": {key}, "subject_token_type": {typeAPIKey}, "resource": {apiAudience}}
}

func accountExchange(t *testing.T, s *stand) {
	key := s.card.APIKeys[1]
	r := s.formPost(t, "/token", Client{}, exchangeForm(key.Key)).want(http.StatusOK).golden(s, "api-key-exchange-200")
	claims := claimsOf(t, r.text("access_token"))
	if claims["account"] != key.AccountID || claims["role"] != key.Role || !strings.HasPrefix(claims["sub"].(string), "key:") || claims["aud"] != apiAudience {
		t.Errorf("claims %v", claims)
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 900 {
		t.Errorf("lives %v s", life)
	}
	if scope := claims["scope"].(string); !strings.Contains(scope, "payment-requests:create") || strings.Contains(scope, "accounts:") {
		t.Errorf("scope %s", scope)
	}
	s.formPost(t, "/token", s.card.Clients.Service, exchangeForm(key.Key))
	narrow := exchangeForm(key.Key)
	narrow.Set("scope", "payment-requests:read")
	if got := claimsOf(t, s.formPost(t, "/token", Client{}, narrow).want(http.StatusOK).text("access_token"))["scope"]; got != "payment-requests:read" {
		t.Errorf("scope %v", got)
	}
	for name, change := range map[string][2]string{"beyond the role": {"scope", "accounts:read"}, "no resource": {"resource", ""}, "unknown resource": {"resource", "https://x.example"},
		"wrong key": {"subject_token", key.Key + "x"}} {
		values := exchangeForm(key.Key)
		values.Set(change[0], change[1])
		if change[1] == "" {
			values.Del(change[0])
		}
		if r := s.formPost(t, "/token", Client{}, values); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

// claimsOf reads a JWT without a look at its signature.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%s is no JWT", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func accountIntrospect(t *testing.T, s *stand) {
	key := s.card.APIKeys[1]
	r := s.formPost(t, "/introspect", s.card.Clients.ResourceServer, url.Values{"token": {key.Key}}).want(http.StatusOK).golden(s, "api-key-introspect-200")
	if got := r.object(); got["active"] != true || got["account"] != key.AccountID || got["role"] != key.Role {
		t.Errorf("introspection %s", r.body)
	}
	if got := s.introspect(t, key.Key+"x"); len(got) != 1 || got["active"] != false {
		t.Errorf("unknown key: %v", got)
	}
}

func accountRefusals(t *testing.T, s *stand) {
	refused := s.send(t, http.MethodGet, "/api/account-memberships", nil, nil).want(http.StatusUnauthorized).golden(s, "account-401")
	key := s.card.APIKeys[0].Key
	for _, header := range []http.Header{apiKey(key[:len(key)-1]), {"Authorization": {"Bearer x"}}, {"Authorization": {key}}, {"Authorization": {basic("a", "b")}}} {
		refused.same(s.send(t, http.MethodGet, "/api/account-memberships", header, nil))
	}
	// A token for another audience does not call the API.
	refused.same(s.send(t, http.MethodGet, "/api/account-memberships", withToken(s.machine(t, s.card.Clients.Service, "orders:read")), nil))
	s.send(t, http.MethodGet, "/api/account-memberships", http.Header{"X-Api-Key": {key}, "Authorization": {"Bearer x"}}, nil).want(http.StatusBadRequest).golden(s, "account-400-two")
	s.send(t, http.MethodGet, "/api/account-memberships?api_key="+key, nil, nil).want(http.StatusBadRequest).golden(s, "account-400-url")
}

// accountPublishedKey: dev only; serve refuses to import it.
func accountPublishedKey(t *testing.T, s *stand) {
	const published = "f32c5497297084e5354b47c40d5ccacb109ce483"
	if s.name == "dev" {
		r := s.send(t, http.MethodGet, "/api/account-memberships", apiKey(published), nil).want(http.StatusOK)
		if list := r.list(); len(list) != 1 || list[0]["role"] != "merchant-terminal" {
			t.Errorf("memberships %s", r.body)
		}
		return
	}
	s.send(t, http.MethodGet, "/api/account-memberships", apiKey(published), nil).want(http.StatusUnauthorized)
	imports := s.card.Admin.APIURL + "/accounts/" + s.card.Accounts[0].ID + "/api-key-imports"
	header := http.Header{"Authorization": {"Bearer " + s.card.Admin.APIKey}}
	in := map[string]any{"name": "Published", "role": "merchant-terminal", "secret": published}
	if status, body := Post(t, imports, header, in); status != http.StatusBadRequest {
		t.Errorf("import of the published key: %d %s", status, body)
	}
	old := "0123456789abcdef" + random()
	in["name"], in["secret"] = "Of the old system "+random(), old
	if status, body := Post(t, imports, header, in); status != http.StatusCreated {
		t.Fatalf("import: %d %s", status, body)
	}
	s.send(t, http.MethodGet, "/api/account-memberships", apiKey(old), nil).want(http.StatusOK)
}

func accountClaim(t *testing.T, s *stand) {
	id, user, before := s.owned(t)
	claims := claimsOf(t, s.userToken(t, user))
	list, _ := claims["accounts"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["id"] != id || list[0].(map[string]any)["role"] != "account-owner" {
		t.Errorf("accounts %v", claims["accounts"])
	}
	if got := claimsOf(t, before)["accounts"]; got != nil && len(got.([]any)) != 0 {
		t.Errorf("accounts before: %v", got)
	}
}
