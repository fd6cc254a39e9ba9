package keys_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestSealedTextsOpenForTheirPurposeAlone(t *testing.T) {
	t.Parallel()
	ring, _ := started(t)
	other, _ := started(t)
	sealed, err := ring.Seal("login", []byte("plain"))
	must(t, err)
	foreign, err := other.Seal("login", []byte("plain"))
	must(t, err)
	id, text, _ := strings.Cut(sealed, ".")
	edit := func(i int) string {
		raw := []byte(sealed)
		raw[i] ^= 1
		return string(raw)
	}
	for _, c := range []struct {
		name, purpose, sealed string
		ok                    bool
	}{
		{"HP", "login", sealed, true},
		{"other purpose", "consent", sealed, false},
		{"purpose of a flow", "flow|login", sealed, false},
		{"no purpose", "", sealed, false},
		{"key id changed", "login", edit(0), false},
		{"nonce changed", "login", edit(len(id) + 2), false},
		{"text changed", "login", edit(len(sealed) - 8), false},
		{"key id alone", "login", id + ".", false},
		{"no key id", "login", text, false},
		{"nothing", "login", "", false},
		{"cut", "login", sealed[:len(sealed)-4], false},
		{"spare text", "login", sealed + "AAAA", false},
		{"line end", "login", sealed + "\n", false},
		{"of another ring", "login", foreign, false},
		{"huge", "login", id + "." + strings.Repeat("A", 1<<20), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			plain, err := ring.Open(c.purpose, c.sealed)
			if c.ok {
				must(t, err)
				if string(plain) != "plain" {
					t.Errorf("opened %q", plain)
				}
				return
			}
			wantCode(t, err, signet.CodeInvalidRequest)
		})
	}
	again, err := ring.Seal("login", []byte("plain"))
	must(t, err)
	if again == sealed {
		t.Error("two seals are alike: the nonce is not fresh")
	}
}

func TestFlow(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	flow := &signet.Flow{
		ID: "f1", Purpose: signet.FlowAuthorize, Browser: "hash", CreatedAt: c.Now(), ClientID: "spa",
		Params: map[string]string{"scope": "openid", "state": "<&>\u2028"}, Extra: map[string][]string{"resource": {"a", "b"}},
	}
	sealed, err := ring.SealFlow(flow)
	must(t, err)
	back, err := ring.OpenFlow(sealed, signet.FlowAuthorize, "hash")
	must(t, err)
	if back.ID != "f1" || back.Params["state"] != "<&>\u2028" || len(back.Extra["resource"]) != 2 || !back.CreatedAt.Equal(flow.CreatedAt) {
		t.Errorf("flow %+v", back)
	}
	_, err = ring.OpenFlow(sealed, signet.FlowLogout, "hash")
	wantCode(t, err, signet.CodeInvalidRequest)
	plain, err := ring.Seal("authorize", []byte(`{"p":"authorize"}`))
	must(t, err)
	_, err = ring.OpenFlow(plain, signet.FlowAuthorize, "hash")
	wantCode(t, err, signet.CodeInvalidRequest)

	c.advance(signet.FlowLifetime - time.Second)
	_, err = ring.OpenFlow(sealed, signet.FlowAuthorize, "hash")
	must(t, err)
	c.advance(time.Second)
	_, err = ring.OpenFlow(sealed, signet.FlowAuthorize, "hash")
	wantCode(t, err, signet.CodeInvalidRequest)
}

// CSR-02, CSR-04: a flow is of one browser. Another's, and one that is too old, can be begun anew as its link would begin
// it: bound to nobody, of now, without session and answer. What was altered cannot.
func TestFlowIsOfOneBrowser(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	flow := &signet.Flow{
		ID: "f1", Purpose: signet.FlowLogout, Browser: "hash", CreatedAt: c.Now(), ClientID: "spa", SessionID: "s1", Denied: true,
		Params: map[string]string{"state": "x"}, Extra: map[string][]string{"resource": {"a"}},
	}
	sealed, err := ring.SealFlow(flow)
	must(t, err)
	anew := func(err error, code signet.Code) {
		t.Helper()
		wantCode(t, err, code)
		again, ok := strings.CutPrefix(signet.RestartOf(err), "/logout?flow=")
		if !ok {
			t.Fatalf("way on %q", signet.RestartOf(err))
		}
		got, err := ring.OpenFlow(again, signet.FlowLogout, "")
		must(t, err)
		if got.ID == "f1" || got.Browser != "" || got.Denied || got.SessionID != "" || !got.CreatedAt.Equal(c.Now()) ||
			got.ClientID != "spa" || got.Params["state"] != "x" || got.Extra["resource"][0] != "a" {
			t.Errorf("flow %+v", got)
		}
	}
	for _, browser := range []string{"", "other", "hash2"} {
		_, err := ring.OpenFlow(sealed, signet.FlowLogout, browser)
		anew(err, signet.CodeForbidden)
	}
	for _, altered := range []string{sealed[:len(sealed)-4] + "AAAA", "", "noise"} {
		if _, err := ring.OpenFlow(altered, signet.FlowLogout, "hash"); err == nil || signet.RestartOf(err) != "" {
			t.Errorf("%q: %v, way on %q", altered, err, signet.RestartOf(err))
		}
	}
	if _, err := ring.OpenFlow(sealed, signet.FlowAuthorize, "hash"); err == nil || signet.RestartOf(err) != "" {
		t.Errorf("another purpose: %v", err)
	}
	c.advance(signet.FlowLifetime)
	_, err = ring.OpenFlow(sealed, signet.FlowLogout, "hash")
	anew(err, signet.CodeInvalidRequest)
}

// Flows and codes that are under way survive the change of their keys.
func TestSymmetricRotation(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	ctx := context.Background()
	flow := &signet.Flow{Purpose: signet.FlowAuthorize, CreatedAt: c.Now()}
	sealed, err := ring.SealFlow(flow)
	must(t, err)
	firstCode, _ := ring.CodeKeys()
	firstHash := ring.HashKeys()
	stored := firstHash.Hash("secret")
	firstRotation, secret, ok := ring.RotationKey("")
	if !ok {
		t.Fatal("no rotation key")
	}
	for _, use := range []string{"flow", "code", "hash", "rotation"} {
		_, err := ring.Rotate(ctx, use, event(signet.EventKeyRotated))
		must(t, err)
	}
	if now, _ := ring.CodeKeys(); string(now) != string(firstCode) {
		t.Error("a code key is used before all nodes can have it")
	}
	c.advance(12 * time.Second) // spread and leeway
	code, older := ring.CodeKeys()
	if string(code) == string(firstCode) || len(older) != 1 || string(older[0]) != string(firstCode) {
		t.Error("code key did not change, or the old one is lost")
	}
	_, err = ring.OpenFlow(sealed, signet.FlowAuthorize, "hash")
	must(t, err)
	next, err := ring.SealFlow(flow)
	must(t, err)
	if next[:22] == sealed[:22] {
		t.Error("the flow key did not change")
	}
	hash := ring.HashKeys()
	if hash.Current == firstHash.Current || !hash.Verify("secret", stored) {
		t.Error("hash key did not change, or the old one is lost")
	}
	current, _, ok := ring.RotationKey("")
	if !ok || current == firstRotation {
		t.Error("rotation key did not change")
	}
	// Stored secrets and refresh tokens have no common end: their keys stay.
	c.advance(400 * 24 * time.Hour)
	must(t, ring.Reload(ctx))
	if !ring.HashKeys().Verify("secret", stored) {
		t.Error("old hash key is gone")
	}
	if _, again, ok := ring.RotationKey(firstRotation); !ok || string(again) != string(secret) {
		t.Error("old rotation key is gone")
	}
	if _, older := ring.CodeKeys(); len(older) != 0 {
		t.Error("old code key never leaves")
	}
	if _, _, ok := ring.RotationKey("unknown"); ok {
		t.Error("an unknown rotation key is known")
	}
}

// A revoked symmetric key is as dead as a revoked signing key, and its successor works at once.
func TestROT02SymmetricRevocation(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	ctx := context.Background()
	flow := &signet.Flow{Purpose: signet.FlowAuthorize, CreatedAt: c.Now()}
	sealed, err := ring.SealFlow(flow)
	must(t, err)
	stored := ring.HashKeys().Hash("secret")
	code, _ := ring.CodeKeys()
	rotation, _, _ := ring.RotationKey("")
	list, err := ring.List(ctx)
	must(t, err)
	for _, info := range list {
		if info.Use != signet.KeySigning {
			must(t, ring.Revoke(ctx, info.ID, event(signet.EventKeyRevoked)))
		}
	}
	_, err = ring.OpenFlow(sealed, signet.FlowAuthorize, "hash")
	wantCode(t, err, signet.CodeInvalidRequest)
	if ring.HashKeys().Verify("secret", stored) {
		t.Error("the revoked hash key verifies")
	}
	if _, _, ok := ring.RotationKey(rotation); ok {
		t.Error("the revoked rotation key is handed out")
	}
	next, older := ring.CodeKeys()
	if string(next) == string(code) || next == nil || len(older) != 0 {
		t.Error("the revoked code key is in use")
	}
	fresh, err := ring.SealFlow(flow)
	must(t, err)
	_, err = ring.OpenFlow(fresh, signet.FlowAuthorize, "hash")
	must(t, err)
}
