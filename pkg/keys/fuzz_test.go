package keys_test

import (
	"crypto/elliptic"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// FuzzOpen: no text opens but the one that was sealed, for its own purpose, browser and time.
func FuzzOpen(f *testing.F) {
	ring, _ := started(f)
	good, err := ring.SealFlow(&signet.Flow{ID: "f", Purpose: signet.FlowAuthorize, Browser: "b", CreatedAt: start, Params: map[string]string{"state": "s"}})
	must(f, err)
	late, err := ring.SealFlow(&signet.Flow{ID: "f", Purpose: signet.FlowAuthorize, CreatedAt: start.Add(-time.Hour)})
	must(f, err)
	id, _, _ := strings.Cut(good, ".")
	for _, seed := range []string{good, late, good + "=", good + "\n", id + ".", id, ".", "", good[:len(good)-1], strings.ToUpper(good), id + "." + strings.Repeat("A", 64)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		flow, err := ring.OpenFlow(text, signet.FlowAuthorize, "b")
		if (err == nil) != (text == good) || err == nil && flow.Params["state"] != "s" {
			t.Fatalf("%q: %+v, %v", text, flow, err)
		}
		if err != nil && signet.CodeOf(err) != signet.CodeInvalidRequest {
			t.Fatalf("%q: %v", text, err)
		}
		if _, err := ring.OpenFlow(text, "another", "b"); err == nil {
			t.Fatalf("%q opens for another purpose", text)
		}
		if _, err := ring.OpenFlow(text, signet.FlowAuthorize, "c"); err == nil {
			t.Fatalf("%q opens in another browser", text)
		}
	})
}

// FuzzDecrypt: no text is decrypted but the ones that were encrypted to the key, in their own spelling.
func FuzzDecrypt(f *testing.F) {
	ring, _ := started(f)
	rs := serverOf(f, ring, generateEC(f, elliptic.P256()), "ECDH-ES+A256KW", "A256GCM")
	good, err := ring.Encrypt(rs, "a.b.c")
	must(f, err)
	for _, seed := range []string{good, good + "=", good + "\n", good + ".", "....", "a.b.c.d.e", "", withHeader(good, `{"alg":"dir","enc":"A256GCM","kid":"rs-key","cty":"JWT"}`),
		withHeader(good, `{"alg":"ECDH-ES+A256KW","enc":"A256GCM","kid":"rs-key","cty":"JWT","zip":"DEF"}`), withHeader(good, `{}`), withHeader(good, `{"epk":{"kty":"EC","crv":"P-256","x":"","y":""}}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		inner, err := ring.Decrypt(rs, text)
		if (err == nil) != (text == good) || err == nil && inner != "a.b.c" {
			t.Fatalf("%q: %q, %v", text, inner, err)
		}
		if err != nil && signet.CodeOf(err) != signet.CodeInvalidToken {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
