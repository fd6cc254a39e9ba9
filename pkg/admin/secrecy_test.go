package admin_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// TestHMC17NoSecretAfterItsAnswer makes one of everything that has a secret, and then looks for the secrets in every
// GET answer and in all of history.
func TestHMC17NoSecretAfterItsAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var secrets []string
	keep := func(answer map[string]any, members ...string) {
		for _, member := range members {
			secret, _ := answer[member].(string)
			if secret == "" {
				t.Fatalf("no %s in %v", member, answer)
			}
			secrets = append(secrets, secret)
		}
	}
	w.want(201, "POST", "/admin/v1/resource-servers", oneServer)
	keep(w.want(201, "POST", "/admin/v1/billers", oneBiller), "hmac_key")
	keep(w.want(201, "POST", billerAt+"/keys", `{"overlap":60}`), "hmac_key")
	path, owner := w.account()
	keep(w.want(201, "POST", path+"/intent-keys", `{}`), "secret")
	keep(w.want(201, "POST", path+"/api-keys", `{"name":"Till","role":"merchant-terminal"}`), "secret")
	const imported = "0123456789abcdef0123456789abcdef01234567"
	w.want(201, "POST", path+"/api-key-imports", `{"name":"Old","role":"merchant-terminal","secret":"`+imported+`"}`)
	keep(w.want(201, "POST", path+"/devices", `{"dcn":"1"}`), "password")
	keep(w.want(201, "POST", "/admin/v1/pin-applications", `{"id":"lending","username":"lending"}`), "pin", "key")
	keep(w.want(201, "POST", "/admin/v1/pin-applications/lending/keys", `{}`), "key")
	keep(w.want(200, "PUT", "/admin/v1/pin-applications/lending/pin", `{}`), "pin")
	w.want(200, "PUT", path+"/members/"+owner, `{"role":"account-owner"}`)
	w.want(200, "POST", billerAt+"/disable", "")
	secrets = append(secrets, imported, "PRIVATE KEY", "argon2id")

	for _, get := range []string{"/admin/v1/resource-servers", "/admin/v1/resource-servers/payments", "/admin/v1/billers", billerAt, "/admin/v1/accounts", path,
		path + "/members", path + "/api-keys", path + "/api-keys/Till", path + "/devices", "/admin/v1/pin-applications",
		"/admin/v1/pin-applications/lending", "/admin/v1/clients", "/admin/v1/users", "/admin/v1/events?limit=200"} {
		res := w.send("GET", get, "")
		if res.Code != 200 {
			t.Errorf("GET %s: %d", get, res.Code)
		}
		for _, secret := range secrets {
			if strings.Contains(res.Body.String(), secret) {
				t.Errorf("GET %s shows %q", get, secret)
			}
		}
	}
}

// TestADM07ContractsLeaveRows: every act on the registers of the contracts has its row of history, with its actor.
func TestADM07ContractsLeaveRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(201, "POST", "/admin/v1/resource-servers", oneServer)
	w.want(200, "PUT", "/admin/v1/resource-servers/payments", `{"name":"P","audience":"https://payments.example","alg":"ECDH-ES+A256KW"}`, "If-Match", `"1"`)
	w.want(201, "POST", "/admin/v1/billers", oneBiller)
	w.want(200, "PUT", billerAt, strings.ToLower(oneBiller), "If-Match", `"1"`)
	w.want(201, "POST", billerAt+"/keys", `{"overlap":0}`)
	path, _ := w.account()
	w.want(200, "PUT", path, `{"name":"Shop"}`, "If-Match", `"1"`)
	w.want(201, "POST", path+"/api-keys", `{"name":"Till","role":"merchant-terminal"}`)
	w.want(200, "PUT", path+"/api-keys/Till", `{"enabled":false}`, "If-Match", `"1"`)
	device, _ := w.want(201, "POST", path+"/devices", `{"dcn":"1"}`)["id"].(string)
	bob, _ := w.want(201, "POST", "/admin/v1/users", `{"username":"bob","email":"bob@example.com"}`)["sub"].(string)
	w.want(200, "PUT", path+"/members/"+bob, `{"role":"merchant-terminal"}`)
	w.want(204, "DELETE", path+"/members/"+bob, "")
	w.want(201, "POST", "/admin/v1/pin-applications", `{"id":"lending","username":"lending"}`)
	w.want(200, "PUT", "/admin/v1/pin-applications/lending/pin", `{}`)
	for _, record := range []string{billerAt, "/admin/v1/resource-servers/payments", path, path + "/devices/1/" + device, "/admin/v1/pin-applications/lending"} {
		w.want(200, "POST", record+"/disable", "")
		w.want(200, "POST", record+"/enable", "")
	}
	events, err := w.store.ListEvents(t.Context(), "", 200)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []signet.EventKind
	for _, e := range events {
		if e.Actor != "admin:"+w.keyID {
			continue
		}
		kinds = append(kinds, e.Kind)
		if e.Address != "192.0.2.7" || e.RequestID == "" || e.Target == "" || e.KeyID != w.keyID {
			encoded, _ := json.Marshal(e)
			t.Errorf("%s", encoded)
		}
	}
	for _, want := range []signet.EventKind{signet.EventResourceServerCreated, signet.EventResourceServerUpdated, signet.EventResourceServerDisabled,
		signet.EventResourceServerEnabled, signet.EventBillerCreated, signet.EventBillerUpdated, signet.EventBillerDisabled, signet.EventBillerEnabled,
		signet.EventCredentialAdded, signet.EventCredentialEnded, signet.EventAccountCreated, signet.EventAccountUpdated, signet.EventAccountDisabled,
		signet.EventAccountEnabled, signet.EventAPIKeyCreated, signet.EventAPIKeyUpdated, signet.EventDeviceCreated, signet.EventDeviceDisabled,
		signet.EventDeviceEnabled, signet.EventMemberAdded, signet.EventMemberRemoved, signet.EventPINApplicationCreated,
		signet.EventPINApplicationUpdated, signet.EventClientDisabled, signet.EventClientEnabled} {
		if !slices.Contains(kinds, want) {
			t.Errorf("no event %s", want)
		}
	}
	if _, err := w.store.VerifyAudit(t.Context()); err != nil {
		t.Errorf("the chain of events is broken: %v", err)
	}
}
