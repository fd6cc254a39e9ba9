package signet_test

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// What is disabled, over or not yet there is not live; ends count from their very moment.
func TestStatesOfRecords(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	later, earlier := now.Add(1), now.Add(-1)
	production := signet.ClientMetadata{Partner: true, Environment: signet.EnvironmentProduction}
	activated, elsewhere, noPartner := production, production, production
	activated.Activation, elsewhere.Environment, noPartner.Partner = &signet.Activation{}, signet.EnvironmentCAT, false
	client := func(m signet.ClientMetadata) *signet.Client { return &signet.Client{ClientMetadata: m} }
	for _, tt := range []struct {
		name      string
		got, want bool
	}{
		{"client", (&signet.Client{}).Disabled(), false},
		{"client, disabled", (&signet.Client{DisabledAt: &now}).Disabled(), true},
		{"user, disabled", (&signet.User{DisabledAt: &now}).Disabled(), true},
		{"biller, disabled", (&signet.Biller{DisabledAt: &now}).Disabled(), true},
		{"account, disabled", (&signet.Account{DisabledAt: &now}).Disabled(), true},
		{"device, disabled", (&signet.Device{DisabledAt: &now}).Disabled(), true},
		{"resource server, disabled", (&signet.ResourceServer{DisabledAt: &now}).Disabled(), true},
		{"user", (&signet.User{}).Disabled(), false},
		{"biller", (&signet.Biller{}).Disabled(), false},
		{"account", (&signet.Account{}).Disabled(), false},
		{"device", (&signet.Device{}).Disabled(), false},
		{"resource server", (&signet.ResourceServer{}).Disabled(), false},

		{"grant", (&signet.Grant{ExpiresAt: later}).Live(now), true},
		{"grant, over", (&signet.Grant{ExpiresAt: now}).Live(now), false},
		{"grant, revoked", (&signet.Grant{ExpiresAt: later, RevokedAt: &earlier}).Live(now), false},
		{"API key", (&signet.APIKey{Enabled: true}).Live(now), true},
		{"API key with an end", (&signet.APIKey{Enabled: true, ExpiresAt: &later}).Live(now), true},
		{"API key, over", (&signet.APIKey{Enabled: true, ExpiresAt: &now}).Live(now), false},
		{"API key, off", (&signet.APIKey{ExpiresAt: &later}).Live(now), false},
		{"sealed key", (&signet.SealedKey{}).Live(now), true},
		{"sealed key with an end", (&signet.SealedKey{ExpiresAt: &later}).Live(now), true},
		{"sealed key, over", (&signet.SealedKey{ExpiresAt: &now}).Live(now), false},

		{"partner in production, not activated", client(production).Inactive(), true},
		{"partner in production, activated", client(activated).Inactive(), false},
		{"partner in CAT", client(elsewhere).Inactive(), false},
		{"no partner", client(noPartner).Inactive(), false},
		{"certificates in production", client(production).Certified(), true},
		{"certificates in CAT", client(elsewhere).Certified(), true},
		{"certificates elsewhere", client(signet.ClientMetadata{Environment: "test"}).Certified(), false},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %t", tt.name, tt.got)
		}
	}
}

// A public client has no way to switch off what protects it.
func TestPublicClientsKeepTheirFences(t *testing.T) {
	t.Parallel()
	off, ten := false, signet.Seconds(0)
	m := signet.ClientMetadata{TokenEndpointAuthMethod: signet.AuthNone, RequirePKCE: &off, Rotation: "off", RefreshGrace: &ten}
	public := signet.Client{ClientMetadata: m}
	if !public.PKCERequired() || !public.Rotates() || public.Grace() != 0 {
		t.Errorf("public: PKCE %t, rotation %t, grace %s", public.PKCERequired(), public.Rotates(), public.Grace())
	}
	m.TokenEndpointAuthMethod = signet.AuthPrivateKeyJWT
	if c := (signet.Client{ClientMetadata: m}); c.PKCERequired() || c.Rotates() {
		t.Error("a confidential client may")
	}
	plain := signet.Client{}
	if !plain.PKCERequired() || !plain.Rotates() || plain.Grace() != 10*time.Second {
		t.Error("defaults")
	}
	if scope := (&signet.Client{ClientMetadata: signet.ClientMetadata{Scope: `a "b`}}).AllowedScope(); scope != nil {
		t.Errorf("an unreadable scope allows %v", scope)
	}
}

func TestLastSecond(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	for before, want := range map[time.Time]int64{{}: 0, at: at.Unix(), at.Add(1): at.Unix() + 1, at.Add(time.Second - 1): at.Unix() + 1} {
		if got := signet.LastSecond(before); got != want {
			t.Errorf("%s: %d, want %d", before, got, want)
		}
	}
}

// A secret has one spelling: bits that base64 would drop are no second one, with whatever checksum.
func TestParseSecretHasOneSpelling(t *testing.T) {
	t.Parallel()
	sum := func(text string) string {
		return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text))))
	}
	head := "sgt_ac_" + strings.Repeat("A", 42)
	if _, ok := signet.ParseSecret(signet.SecretCode, head+"A"+sum(head+"A")); !ok {
		t.Fatal("the one spelling is refused")
	}
	for _, text := range []string{head + "B", head + "AA", head, head + "\n"} {
		if _, ok := signet.ParseSecret(signet.SecretCode, text+sum(text)); ok {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestParseDecimal(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"0": true, "-0.5": true, "12.30": true, strings.Repeat("9", 18): true, "1." + strings.Repeat("0", 17): true,
		"": false, "-": false, "01": false, ".5": false, "5.": false, "1e3": false, "+1": false, "1.2.3": false, "--1": false, " 1": false,
		strings.Repeat("9", 19): false, "1." + strings.Repeat("0", 18): false, "٣": false, "-x": false,
	} {
		if _, err := signet.ParseDecimal(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestErrorIsIsExact(t *testing.T) {
	t.Parallel()
	known := signet.NewError(signet.CodeConflict, "The key is revoked already.", "key_revoked")
	other := signet.NewError(signet.CodeConflict, "", "key_exists")
	if !signetIs(known, signet.ErrConflict) || signetIs(other, known) || signetIs(known, other) {
		t.Error("a code alone matches its code, one error does not match another")
	}
	if got := signet.RetryAfter(signet.Wait(known, time.Millisecond), time.Minute); got != 1 {
		t.Errorf("Retry-After %d, want 1: zero would say at once", got)
	}
	if got := signet.RetryAfter(known, 0); got != 1 {
		t.Errorf("Retry-After %d, want 1", got)
	}
	if got := signet.RetryAfter(known, 1500*time.Millisecond); got != 2 {
		t.Errorf("Retry-After %d, want 2", got)
	}
}

func signetIs(err, target *signet.Error) bool { return err.Is(target) }
