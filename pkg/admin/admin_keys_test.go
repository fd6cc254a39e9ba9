package admin_test

import (
	"strings"
	"testing"
)

func TestAdminKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.want(201, "POST", "/admin/v1/admin-keys", `{"name":"Night shift"}`)
	id, _ := made["key_id"].(string)
	secret, _ := made["admin_key"].(string)
	if !strings.HasPrefix(secret, "sgt_adm_") || id == "" || made["name"] != "Night shift" || made["disabled"] != false {
		t.Fatalf("made %v", made)
	}
	as := func(key string) int { return w.send("GET", "/admin/v1/me", "", "Authorization", "Bearer "+key).Code }
	if got := as(secret); got != 200 {
		t.Fatalf("the new key: %d", got)
	}
	listed := w.want(200, "GET", "/admin/v1/admin-keys", "")["admin_keys"].([]any)
	if len(listed) != 2 {
		t.Fatalf("listed %v", listed)
	}
	for _, entry := range listed {
		if _, shown := entry.(map[string]any)["admin_key"]; shown {
			t.Error("a list shows a secret")
		}
	}
	first, _ := listed[0].(map[string]any)["key_id"].(string)
	w.want(400, "POST", "/admin/v1/admin-keys", `{"name":""}`)
	w.want(404, "POST", "/admin/v1/admin-keys/x/disable", "")
	w.want(404, "POST", "/admin/v1/admin-keys/AAAAAAAAAAAAAAAAAAAAAA/disable", "")
	if res := w.send("POST", "/admin/v1/admin-keys/"+id+"/disable", "", "Authorization", "Bearer "+w.key); res.Code != 204 {
		t.Fatalf("disable: %d %s", res.Code, res.Body)
	}
	if got := as(secret); got != 401 {
		t.Errorf("a disabled key: %d", got)
	}
	// Nobody may shut the door behind the last one.
	w.want(409, "POST", "/admin/v1/admin-keys/"+first+"/disable", "")
	if got := as(w.key); got != 200 {
		t.Errorf("the last key: %d", got)
	}
}
