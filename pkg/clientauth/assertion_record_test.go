package clientauth_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// wire.md, 2: clients of document 004 read more than invalid_client, the others do not.
func TestErrorStyles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, evil := newKey(t, "k1", "RS256"), newKey(t, "k1", "RS256")
	client := w.keyClient(t, "pk", key)
	signed := func(changes map[string]any) func() string {
		return func() string { return key.sign(t, key.header(), with(changes)) }
	}
	spent := key.sign(t, key.header(), with(nil))
	_, _ = w.assert(spent)
	for _, c := range []struct {
		name     string
		token    func() string
		document signet.Code
	}{
		{"HP", signed(nil), ""},
		{"unknown client", signed(map[string]any{"sub": "nobody"}), signet.CodeInvalidClient},
		{"unknown key", func() string { return key.sign(t, `{"alg":"RS256","kid":"zz"}`, with(nil)) }, signet.CodeUnauthorizedClient},
		{"bad signature", func() string { return evil.sign(t, key.header(), with(nil)) }, signet.CodeUnauthorizedClient},
		{"bad signature and expired", func() string { return evil.sign(t, key.header(), with(map[string]any{"exp": 1})) }, signet.CodeUnauthorizedClient},
		{"alg none", func() string { return b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(with(nil))) + "." }, signet.CodeUnauthorizedClient},
		{"iss", signed(map[string]any{"iss": "other"}), signet.CodeInvalidGrant},
		{"aud", signed(map[string]any{"aud": "https://evil"}), signet.CodeInvalidGrant},
		{"expired", signed(map[string]any{"iat": 1, "exp": 60}), signet.CodeInvalidGrant},
		{"no jti", signed(map[string]any{"jti": nil}), signet.CodeInvalidGrant},
		{"repeated claim", func() string {
			return key.sign(t, key.header(), strings.TrimSuffix(with(nil), "}")+`,"aud":"x"}`)
		}, signet.CodeInvalidGrant},
		{"used jti", func() string { return spent }, signet.CodeInvalidGrant},
	} {
		t.Run(c.name, func(t *testing.T) {
			client.AssertionError = "document"
			result, err := w.assert(c.token())
			want(t, result, err, c.document, "")
			client.AssertionError = ""
			strict := signet.CodeInvalidClient
			if c.document == "" {
				strict = ""
			}
			result, err = w.assert(c.token())
			want(t, result, err, strict, "")
		})
	}
	t.Run("disabled", func(t *testing.T) {
		client.AssertionError = "document"
		at := start
		client.DisabledAt = &at
		result, err := w.assert(key.sign(t, key.header(), with(nil)))
		want(t, result, err, signet.CodeInvalidClient, "client_disabled")
	})
}

// The record decides which keys count, from the next request on.
func TestKeysFollowTheRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, next := newKey(t, "k1", "ES256"), newKey(t, "k2", "ES256")
	w.keyClient(t, "pk", old)
	steps := []struct {
		name string
		keys []*testKey
		code map[string]signet.Code
	}{
		{"HP", []*testKey{old}, map[string]signet.Code{"k1": "", "k2": signet.CodeInvalidClient}},
		{"both", []*testKey{old, next}, map[string]signet.Code{"k1": "", "k2": ""}},
		{"old dropped", []*testKey{next}, map[string]signet.Code{"k1": signet.CodeInvalidClient, "k2": ""}},
	}
	for i, step := range steps {
		w.keyClient(t, "pk", step.keys...).Version = int64(i + 1)
		for _, key := range []*testKey{old, next} {
			result, err := w.assert(key.sign(t, key.header(), with(nil)))
			want(t, result, err, step.code[key.kid], "")
		}
	}
}

func TestUnusableKeys(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1", "ES256")
	good := string(key.jwk(t))
	for _, c := range []struct {
		name, jwk string
		code      signet.Code
	}{
		{"HP", good, ""},
		{"HP broken x5c is not looked at", strings.TrimSuffix(good, "}") + `,"x5c":["AAAA"],"x5t":"x"}`, ""},
		{"HP key_ops verify", strings.TrimSuffix(good, "}") + `,"key_ops":["verify"]}`, ""},
		{"private key published", strings.TrimSuffix(good, "}") + `,"d":"AAAA"}`, signet.CodeInvalidClient},
		{"key_ops sign", strings.TrimSuffix(good, "}") + `,"key_ops":["sign"]}`, signet.CodeInvalidClient},
		{"point not on the curve", `{"kty":"EC","crv":"P-256","kid":"k1","x":"` + b64(make([]byte, 32)) + `","y":"` + b64(make([]byte, 32)) + `"}`, signet.CodeInvalidClient},
		{"unknown kty beside a good one", `{"kty":"XY","kid":"k9"},` + good, ""},
		{"the same kid twice", good + "," + good, signet.CodeInvalidClient},
		{"no JSON", `{`, signet.CodeInvalidClient},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.keyClient(t, "pk").JWKS = json.RawMessage(`{"keys":[` + c.jwk + `]}`)
			result, err := w.assert(key.sign(t, key.header(), with(nil)))
			want(t, result, err, c.code, "")
		})
	}
}
