package clientauth_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// FuzzBasic: whatever stands in the header, it is refused as the protocol says or it is the one right credential.
func FuzzBasic(f *testing.F) {
	f.Add(basic("c1", "s1"))
	f.Add("Basic !!!")
	f.Add(basicRaw("c%31:s1"))
	f.Add(basicRaw("c1:%FF"))
	f.Add(basicRaw(":"))
	f.Fuzz(func(t *testing.T, header string) {
		w := newWorld(t)
		w.secretClient("c1", signet.AuthSecretBasic, "s1")
		result, err := w.authenticate(nil, header)
		if err != nil {
			want(t, result, err, signet.CodeInvalidClient, "")
			return
		}
		raw, decodeErr := base64.StdEncoding.DecodeString(strings.Trim(header[len("Basic "):], " "))
		if decodeErr != nil || string(raw) != "c1:s1" {
			t.Fatalf("accepted %q", header)
		}
	})
}

// FuzzAssertion: no text is accepted that the client did not sign, and none makes the parser fail.
func FuzzAssertion(f *testing.F) {
	key := newKey(f, "k1", "ES256")
	good := key.sign(f, key.header(), with(nil))
	f.Add(good)
	f.Add(good + ".")
	f.Add("..")
	f.Add(b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(`{"sub":"pk"}`)) + ".")
	f.Add(b64([]byte(`{"alg":"ES256","kid":"k1"}`)) + "." + b64([]byte(`{"sub":"pk","aud":[[{}]],"exp":1e999}`)) + ".AA")
	f.Fuzz(func(t *testing.T, token string) {
		w := newWorld(t)
		w.keyClient(t, "pk", key).AssertionStringDates = true
		result, err := w.authenticate(url.Values{"client_assertion": {token}, "client_assertion_type": {jwtType}})
		if token == good {
			want(t, result, err, "", "")
			return
		}
		want(t, result, err, signet.CodeOf(err), "")
		if code := signet.CodeOf(err); code != signet.CodeInvalidClient && code != signet.CodeInvalidRequest {
			t.Fatalf("code %q for %q", code, token)
		}
		if len(w.marks.seen) != 0 {
			t.Fatalf("%q used up a jti", token)
		}
	})
}

// FuzzClaims signs whatever it is given: the claims are judged, never believed.
func FuzzClaims(f *testing.F) {
	key := newKey(f, "k1", "EdDSA")
	f.Add(with(nil))
	f.Add(`{"sub":"pk","iss":"pk","aud":["https://as.test"],"exp":"1","iat":-1,"jti":"\ud800"}`)
	f.Add(`{"a":{"b":[1,2,{"c":"}\"]"}]},"sub":"pk"}`)
	f.Add(" { } ")
	f.Fuzz(func(t *testing.T, claims string) {
		w := newWorld(t)
		w.keyClient(t, "pk", key)
		_, err := w.assert(key.sign(t, key.header(), claims))
		switch code := signet.CodeOf(err); code {
		case "", signet.CodeInvalidClient:
		default:
			t.Fatalf("code %q", code)
		}
	})
}
