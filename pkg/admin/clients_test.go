package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestClientsLifeByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.want(201, "POST", "/admin/v1/clients", webClient)
	secret, _ := made["client_secret"].(string)
	if _, ok := signet.ParseSecret(signet.SecretClient, secret); !ok || made["client_secret_expires_at"] != float64(0) {
		t.Errorf("made = %v", made)
	}
	w.want(409, "POST", "/admin/v1/clients", webClient)
	path := "/admin/v1/clients/shop"
	got := w.send("GET", path, "")
	if strings.Contains(got.Body.String(), secret) || strings.Contains(got.Body.String(), `"client_secret"`) {
		t.Errorf("the secret is shown a second time: %s", got.Body)
	}
	stored, err := w.store.Client(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if !stored.PKCERequired() || stored.TokenEndpointAuthMethod != signet.AuthSecretBasic || len(stored.Secrets) != 1 {
		t.Errorf("stored = %+v", stored.ClientMetadata)
	}

	w.want(428, "PUT", path, webClient)
	w.want(412, "PUT", path, webClient, "If-Match", `"9"`)
	w.want(200, "PUT", path, got.Body.String(), "If-Match", got.Header().Get("ETag"))
	w.want(412, "PUT", path, got.Body.String(), "If-Match", got.Header().Get("ETag"))
	w.want(400, "PUT", path, strings.Replace(webClient, `"shop"`, `"other"`, 1), "If-Match", `"2"`)
	// A public client may not become confidential under what was issued to it before, nor the reverse.
	w.want(400, "PUT", path, strings.Replace(webClient, `{`, `{"token_endpoint_auth_method":"none",`, 1), "If-Match", `"2"`)

	if disabled := w.want(200, "POST", path+"/disable", ""); disabled["disabled"] != true {
		t.Errorf("disable answered %v", disabled)
	}
	stored, err = w.store.Client(t.Context(), "shop")
	if err != nil || !stored.Disabled() || stored.NotBefore.IsZero() {
		t.Errorf("stored after disable: %+v, %v", stored, err)
	}
	w.want(400, "POST", path+"/enable", `{"x":1}`)
	w.want(200, "POST", path+"/enable", `{}`)
	w.want(404, "GET", "/admin/v1/clients/nobody", "")
	w.want(404, "POST", "/admin/v1/clients/nobody/disable", "")
}

func TestSecretRotationKeepsTwoAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.want(201, "POST", "/admin/v1/clients", webClient)["client_secret"]
	path := "/admin/v1/clients/shop/secrets"
	second := w.want(200, "POST", path, `{"overlap":60}`)["client_secret"]
	if first == second {
		t.Fatal("the secret is the same")
	}
	stored, err := w.store.Client(t.Context(), "shop")
	if err != nil || len(stored.Secrets) != 2 || stored.Secrets[0].ExpiresAt == nil || stored.Secrets[1].ExpiresAt != nil {
		t.Fatalf("secrets %+v, %v", stored.Secrets, err)
	}
	if left := time.Until(*stored.Secrets[0].ExpiresAt); left > time.Minute || left < 30*time.Second {
		t.Errorf("the old secret lives %s", left)
	}
	w.want(409, "POST", path, `{}`)
	w.want(400, "POST", path, `{"overlap":-1}`)
	w.want(400, "POST", path, `{"overlap":99999999}`)
	w.want(400, "POST", path, `{"overlap":9223372036854775807}`)
	w.want(200, "POST", path, `{"overlap":0}`)
	if stored, err = w.store.Client(t.Context(), "shop"); err != nil || len(stored.Secrets) != 1 {
		t.Errorf("overlap 0 left %d secrets, %v", len(stored.Secrets), err)
	}
	w.want(201, "POST", "/admin/v1/clients", `{"client_id":"app","token_endpoint_auth_method":"none","redirect_uris":["https://a.example/"]}`)
	w.want(400, "POST", "/admin/v1/clients/app/secrets", `{}`)
}

// TestDCR02RedirectURIs: what is registered here is where codes are sent.
func TestDCR02RedirectURIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct {
		uri        string
		web, owned bool // accepted from a web client, from a native one
	}{
		{"https://rp.example/cb", true, true},
		{"https://rp.example:8443/cb?x=1", true, true},
		{"https://[2001:db8::1]/cb", true, true},
		{"http://127.0.0.1/cb", true, true},
		{"http://127.0.0.1:5000/cb", true, true},
		{"http://[::1]/cb", true, true},
		{"http://localhost:3000/cb", true, true},
		{"com.example.app://cb", false, true},
		{"com.example.app:/cb", false, true},
		{"javascript:alert(1)", false, false},
		{"data:text/html,x", false, false},
		{"vbscript:x.y", false, false},
		{"file:///etc/passwd", false, false},
		{"myapp://cb", false, false},
		{"Com.Example.app://cb", false, false},
		{"http://rp.example/cb", false, false},
		{"http://localhost.evil/cb", false, false},
		{"http://127.0.0.1.evil/cb", false, false},
		{"http://127.1/cb", false, false},
		{"http://2130706433/cb", false, false},
		{"https://rp.example/cb#f", false, false},
		{"https://rp.example/cb#", false, false},
		{"https://user@rp.example/cb", false, false},
		{"https://127.0.0.1@evil.example/cb", false, false},
		{"https://*.rp.example/cb", false, false},
		{"https://rp.example/*", false, false},
		{"https://rp.example\\@evil/cb", false, false},
		{"https://rp.example/ cb", false, false},
		{"https://rp.exämple/cb", false, false},
		{"https://RP.example/cb", false, false},
		{"https://rp.example:/cb", false, false},
		{"https:rp.example", false, false},
		{"https:///cb", false, false},
		{"//rp.example/cb", false, false},
		{"/cb", false, false},
		{"", false, false},
		{"https://rp.example/" + strings.Repeat("a", 2000), false, false},
	} {
		for kind, accepted := range map[string]bool{"web": tc.web, "native": tc.owned} {
			body, _ := json.Marshal(map[string]any{"application_type": kind, "redirect_uris": []string{tc.uri}, "token_endpoint_auth_method": "none"})
			res := w.send("POST", "/admin/v1/clients", string(body))
			if (res.Code == 201) != accepted || res.Code != 201 && res.Code != 400 {
				t.Errorf("%s client, %q: %d %s", kind, tc.uri, res.Code, res.Body)
			}
		}
	}
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprintf("https://rp.example/%d", i)
	}
	body, _ := json.Marshal(map[string]any{"redirect_uris": many})
	w.want(400, "POST", "/admin/v1/clients", string(body))
}
