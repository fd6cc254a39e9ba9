package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// TestActivationByEvidence: CAT's word for this partner lets it in, and nothing else that looks like it.
func TestActivationByEvidence(t *testing.T) {
	t.Parallel()
	cat, production := newWorld(t), newWorld(t)
	production.catKeys = json.RawMessage(cat.ring.JWKS().Body)
	const path = "/admin/v1/clients/bank"
	for environment, w := range map[string]*world{"cat": cat, "production": production} {
		for _, id := range []string{"bank", "other"} {
			w.want(201, "POST", "/admin/v1/clients", body(t, bank(t), more{"client_id": id, "jwks": nil, "environment": environment, "certificates": w.ca.pair(t, asIs)}))
		}
	}
	inactive := func(want bool) {
		t.Helper()
		client, err := production.store.Client(t.Context(), "bank")
		if err != nil || client.Inactive() != want {
			t.Errorf("inactive %v, want %v: %v", client.Inactive(), want, err)
		}
	}
	inactive(true)

	// No success yet, and none of another client's.
	cat.issued("other", time.Now())
	cat.want(409, "GET", path+"/evidence", "")
	succeeded := time.Now().Add(-time.Hour)
	cat.issued("bank", succeeded)
	given := cat.want(200, "GET", path+"/evidence", "")
	evidence, _ := given["evidence"].(string)
	others, _ := cat.want(200, "GET", "/admin/v1/clients/other/evidence", "")["evidence"].(string)
	production.issued("bank", succeeded)
	production.want(409, "GET", path+"/evidence", "")
	cat.want(409, "POST", path+"/activate", body(t, more{"evidence": evidence}))

	foreign, _, err := production.ring.Sign(signet.AlgES256, "signet-cat-evidence+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]more{
		"nothing": {}, "both": {"evidence": evidence, "override": "x"}, "another client's": {"evidence": others},
		"no evidence": {"evidence": "x"}, "signed by production": {"evidence": foreign}, "cut": {"evidence": evidence[:len(evidence)-4]},
		"unknown member": {"evidence": evidence, "by": "x"}, "invisible reason": {"override": "a\u202eb"}, "long reason": {"override": strings.Repeat("a", 501)},
	} {
		if res := production.send("POST", path+"/activate", body(t, in)); res.Code != 400 {
			t.Errorf("%s: %d %s", name, res.Code, res.Body)
		}
	}
	inactive(true)
	// Nobody writes it but the act.
	got := production.want(200, "GET", path, "")
	production.want(200, "PUT", path, body(t, got, more{"activation": more{"at": "2026-01-01T00:00:00Z", "by": "me", "override": "x"}}), "If-Match", `"1"`)
	inactive(true)

	active := production.want(200, "POST", path+"/activate", body(t, more{"evidence": evidence}))
	inactive(false)
	activation, _ := active["activation"].(map[string]any)
	if activation["by"] != "admin:"+production.keyID || activation["evidence"] == nil || activation["override"] != nil {
		t.Errorf("activation %v", activation)
	}
	production.want(409, "POST", path+"/activate", body(t, more{"override": "again"}))
	// A replacement neither takes it away nor changes it.
	got = production.want(200, "GET", path, "")
	delete(got, "activation")
	kept := production.want(200, "PUT", path, body(t, got, more{"client_name": "Bank"}), "If-Match", `"3"`)
	if fmt.Sprint(kept["activation"]) != fmt.Sprint(activation) {
		t.Errorf("activation after PUT %v, was %v", kept["activation"], activation)
	}
	w := production.events(signet.EventClientActivated)
	if len(w) != 1 || w[0].Reason != "cat_evidence" || w[0].ClientID != "bank" || w[0].Actor != "admin:"+production.keyID {
		t.Errorf("events %+v", w)
	}
	if said := cat.events(signet.EventClientEvidence); len(said) != 2 || said[1].Reason != activation["evidence"] {
		t.Errorf("events %+v", said)
	}
}

func TestActivationByOverride(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(201, "POST", "/admin/v1/clients", body(t, bank(t), more{"client_id": "bank", "jwks": nil, "environment": "production", "certificates": w.ca.pair(t, asIs)}))
	w.want(201, "POST", "/admin/v1/clients", body(t, bank(t), more{"client_id": "dev"}))
	w.want(409, "POST", "/admin/v1/clients/dev/activate", `{"override":"x"}`)
	w.want(404, "POST", "/admin/v1/clients/nobody/activate", `{"override":"x"}`)
	answer := w.want(200, "POST", "/admin/v1/clients/bank/activate", `{"override":"moved, contract 4711"}`)
	if activation, _ := answer["activation"].(map[string]any); activation["override"] != "moved, contract 4711" {
		t.Errorf("answer %v", answer)
	}
	if said := w.events(signet.EventClientActivated); len(said) != 1 || said[0].Reason != "override" {
		t.Errorf("events %+v", said)
	}
}

// events are those of a kind, the newest first.
func (w *world) events(kind signet.EventKind) (out []signet.Event) {
	w.t.Helper()
	all, err := w.store.ListEvents(w.t.Context(), "", 200)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, event := range all {
		if event.Kind == kind {
			out = append(out, event)
		}
	}
	return out
}
