package pinlogin

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestCheckMetadata(t *testing.T) {
	t.Parallel()
	ends := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	type meta = signet.PINApplicationMetadata
	for _, c := range []struct {
		name   string
		meta   meta
		keyLen int
		reason string // the member, "" for a good record
	}{
		{"default", meta{Username: "shop"}, 32, ""},
		{"v2", meta{Username: "shop", Mode: signet.PINv2}, 32, ""},
		{"v2, short key", meta{Username: "shop", Mode: signet.PINv2}, 16, "key"},
		{"gcm", meta{Username: "shop", Mode: signet.PINGCM, ExecTime: "integer", GrantLifetime: 3600}, 32, ""},
		{"cbc 128", meta{Username: "shop", Mode: signet.PINCBC128}, 16, ""},
		{"cbc 128, long key", meta{Username: "shop", Mode: signet.PINCBC128}, 32, "key"},
		{"cbc 256, fixed IV", meta{Username: "shop", Mode: signet.PINCBC256, FixedIV: strings.Repeat("0A", 16)}, 32, ""},
		{"short IV", meta{Username: "shop", Mode: signet.PINCBC256, FixedIV: "0a"}, 32, "fixed_iv"},
		{"IV in base64", meta{Username: "shop", Mode: signet.PINCBC256, FixedIV: "AAAAAAAAAAAAAAAAAAAAAA=="}, 32, "fixed_iv"},
		{"IV for gcm", meta{Username: "shop", Mode: signet.PINGCM, FixedIV: strings.Repeat("0a", 16)}, 32, "fixed_iv"},
		{"IV for ecb", meta{Username: "shop", Mode: signet.PINECB128, FixedIV: strings.Repeat("0a", 16), AllowedNetworks: []string{"10.0.0.0/8"}, ModeEnds: &ends}, 16, "fixed_iv"},
		{"ecb", meta{Username: "shop", Mode: signet.PINECB128, AllowedNetworks: []string{"10.0.0.0/8"}, ModeEnds: &ends}, 16, ""},
		{"ecb, certificate", meta{Username: "shop", Mode: signet.PINECB256, TLSClientCertificate: strings.Repeat("A", 43), ModeEnds: &ends}, 32, ""},
		{"ecb without a fence", meta{Username: "shop", Mode: signet.PINECB128, ModeEnds: &ends}, 16, "mode"},
		{"ecb without an end", meta{Username: "shop", Mode: signet.PINECB128, AllowedNetworks: []string{"10.0.0.0/8"}}, 16, "mode_ends"},
		{"unknown mode", meta{Username: "shop", Mode: "aes-256-ctr"}, 32, "mode"},
		{"mode in capitals", meta{Username: "shop", Mode: "AES-256-GCM"}, 32, "mode"},
		{"no name", meta{}, 32, "username"},
		{"name with a line", meta{Username: "a\nb"}, 32, "username"},
		{"long name", meta{Username: strings.Repeat("x", 255)}, 32, "username"},
		{"host bits", meta{Username: "shop", AllowedNetworks: []string{"10.0.0.1/8"}}, 32, "allowed_networks"},
		{"no range", meta{Username: "shop", AllowedNetworks: []string{"10.0.0.1"}}, 32, "allowed_networks"},
		{"mapped", meta{Username: "shop", AllowedNetworks: []string{"::ffff:10.0.0.0/104"}}, 32, "allowed_networks"},
		{"many ranges", meta{Username: "shop", AllowedNetworks: make([]string, 101)}, 32, "allowed_networks"},
		{"thumbprint in hex", meta{Username: "shop", TLSClientCertificate: strings.Repeat("0a", 32)}, 32, "tls_client_certificate"},
		{"exec time", meta{Username: "shop", ExecTime: "ms"}, 32, "exec_time"},
		{"negative life", meta{Username: "shop", GrantLifetime: -1}, 32, "grant_lifetime"},
		{"long life", meta{Username: "shop", GrantLifetime: maxGrantLife + 1}, 32, "grant_lifetime"},
	} {
		err := CheckMetadata(c.meta, c.keyLen)
		if c.reason == "" && err != nil || c.reason != "" && (signet.CodeOf(err) != signet.CodeInvalidRequest || signet.ReasonOf(err) != c.reason) {
			t.Errorf("%s: %v, want %q", c.name, err, c.reason)
		}
	}
}

// The client beside an application, as the admin API stores it.
func TestClientFor(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(ClientFor(signet.PINApplicationMetadata{Username: "shop", AllowedNetworks: []string{"10.0.0.0/8"}, TLSClientCertificate: "x"}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"client_name":"shop","token_endpoint_auth_method":"none","grant_types":["urn:signet:params:oauth:grant-type:pin","refresh_token"],` +
		`"refresh_token":"always","access_token_lifetime":900,"refresh_token_lifetime":86400,"refresh_token_idle":1800,"access_token_format":"opaque",` +
		`"token_type":"bearer","allowed_networks":["10.0.0.0/8"],"tls_client_certificate":"x","require_certificate":true}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEncryptNeedsTheRightKey(t *testing.T) {
	t.Parallel()
	for mode, length := range map[string]int{"": 16, signet.PINv2: 31, signet.PINCBC128: 32, "aes-256-ctr": 32} {
		if _, err := Encrypt(mode, make([]byte, length), "shop", pin, time.Time{}); signet.CodeOf(err) != signet.CodeInvalidRequest {
			t.Errorf("%q with %d bytes: %v", mode, length, err)
		}
	}
}

// Whatever a stranger sends as a password: no panic, and under a key that he does not have nothing opens in the
// authenticated modes.
func FuzzPassword(f *testing.F) {
	key := []byte(strings.Repeat("k", 32))
	for _, mode := range []string{signet.PINv2, signet.PINGCM, signet.PINCBC256, signet.PINECB256} {
		password, err := Encrypt(mode, key, "shop", pin, time.Unix(1772600767, 0))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(password, "")
		raw, _ := base64.StdEncoding.DecodeString(password)
		f.Add(hex.EncodeToString(raw), strings.Repeat("00", 16))
	}
	f.Add("", "")
	f.Add("====", "zz")
	f.Add("AAAAAAAAAAAAAAAAAAAAAA", "")
	other := []byte(strings.Repeat("o", 32))
	f.Fuzz(func(t *testing.T, password, iv string) {
		app := &signet.PINApplication{}
		app.Username, app.FixedIV = "shop", iv
		for _, mode := range []string{signet.PINv2, signet.PINGCM, signet.PINCBC128, signet.PINCBC256, signet.PINECB128, signet.PINECB256} {
			got, ok := open(app, mode, other[:keyLength(mode)], password)
			if ok && recommended(mode) {
				t.Fatalf("%s opened %q", mode, password)
			}
			if ok && !plausible(got.pin) {
				t.Fatalf("%s: %q is no PIN", mode, got.pin)
			}
		}
	})
}

// FuzzUnpad compares with the plain reading of RFC 5652 §6.3.
func FuzzUnpad(f *testing.F) {
	f.Add([]byte("4711\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c"))
	f.Add([]byte(strings.Repeat("\x10", 16)))
	f.Add([]byte(strings.Repeat("\x00", 16)))
	f.Add([]byte(strings.Repeat("\x11", 32)))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) == 0 || len(plain)%16 != 0 {
			return
		}
		got, ok := unpad(plain)
		size := int(plain[len(plain)-1])
		want := size >= 1 && size <= 16 && strings.HasSuffix(string(plain), strings.Repeat(string(plain[len(plain)-1:]), max(size, 1)))
		if ok != want || ok && string(got) != string(plain[:len(plain)-size]) {
			t.Fatalf("%x: %x %v, want %v", plain, got, ok, want)
		}
	})
}
