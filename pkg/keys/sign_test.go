package keys_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
)

// An independent implementation reads what we sign, with the key that we publish.
func TestSignedTokensVerifyElsewhere(t *testing.T) {
	t.Parallel()
	algs := []string{"ES256", "EdDSA", "PS256", "RS256"}
	ring, _ := started(t, func(o *keys.Options) { o.SigningAlgs = algs })
	if got := strings.Join(ring.SigningAlgs(), " "); got != "ES256 EdDSA PS256 RS256" {
		t.Errorf("algorithms %q", got)
	}
	public := published(t, ring)
	for _, alg := range algs {
		t.Run(alg, func(t *testing.T) {
			jws, kid := sign(t, ring, alg)
			parsed, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			must(t, err)
			key := public[kid]
			if key.Algorithm != alg || key.Use != "sig" || !key.IsPublic() {
				t.Errorf("published key %+v", key)
			}
			payload, err := parsed.Verify(key)
			must(t, err)
			header := parsed.Signatures[0].Protected
			if string(payload) != `{"sub":"x"}` || header.KeyID != string(kid) || header.ExtraHeaders["typ"] != "at+jwt" {
				t.Errorf("payload %s, header %+v", payload, header)
			}
			ours, typ, ourKid, err := ring.Verify(jws)
			must(t, err)
			if string(ours) != string(payload) || typ != "at+jwt" || ourKid != kid {
				t.Errorf("Verify: %s %s %s", ours, typ, ourKid)
			}
		})
	}
}

func TestVerifyRefusesForgeries(t *testing.T) {
	t.Parallel()
	ring, _ := started(t, func(o *keys.Options) { o.SigningAlgs = []string{"ES256", "EdDSA"} })
	good, kid := sign(t, ring, "ES256")
	parts := strings.Split(good, ".")
	header := `{"alg":"ES256","kid":"` + string(kid) + `","typ":"at+jwt"}`
	if parts[0] != b64(header) {
		t.Fatal("the header is not in the one form that Verify relies on")
	}
	evil, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	// forge signs with a foreign key under any header.
	forge := func(header string) string {
		input := b64(header) + "." + parts[1]
		digest := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, evil, digest[:])
		must(t, err)
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return input + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	public := published(t, ring)[kid]
	jwk, err := json.Marshal(public)
	must(t, err)
	confuse := func(alg string) string {
		input := b64(strings.Replace(header, "ES256", alg, 1)) + "." + parts[1]
		mac := hmac.New(sha256.New, jwk)
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	reheader := func(h string) string { return b64(h) + "." + parts[1] + "." + parts[2] }
	edited := []byte(parts[2])
	edited[10] ^= 1
	for name, token := range map[string]string{
		"foreign key":          forge(header),
		"foreign key, own kid": forge(strings.Replace(header, string(kid), "evil", 1)),
		"alg none":             b64(`{"alg":"none","kid":"`+string(kid)+`","typ":"at+jwt"}`) + "." + parts[1] + ".",
		"HS256":                confuse("HS256"),
		"alg of another key":   reheader(strings.Replace(header, "ES256", "EdDSA", 1)),
		"alg ES384":            reheader(strings.Replace(header, "ES256", "ES384", 1)),
		"no kid":               reheader(`{"alg":"ES256","typ":"at+jwt"}`),
		"crit":                 reheader(strings.Replace(header, "}", `,"crit":["x"]}`, 1)),
		"typ twice":            reheader(strings.Replace(header, "}", `,"typ":"JWT"}`, 1)),
		"typ changed":          reheader(strings.Replace(header, "at+jwt", "JWT", 1)),
		"jwk in the header":    forge(strings.Replace(header, "}", `,"jwk":`+string(jwk)+`}`, 1)),
		"other payload":        parts[0] + "." + b64(`{"sub":"y"}`) + "." + parts[2],
		"signature edited":     parts[0] + "." + parts[1] + "." + string(edited),
		"signature cut":        parts[0] + "." + parts[1] + "." + parts[2][:40],
		"no signature":         parts[0] + "." + parts[1] + ".",
		"two parts":            parts[0] + "." + parts[1],
		"four parts":           good + "." + parts[2],
		"padding":              good + "=",
		"line end":             parts[0] + "." + parts[1] + ".\n" + parts[2],
		"JSON serialisation":   `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"empty":                "",
		"long":                 good + strings.Repeat("A", 40<<10),
	} {
		if _, _, _, err := ring.Verify(token); signet.CodeOf(err) != signet.CodeInvalidToken {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := ring.VerifyHint(token); signet.CodeOf(err) != signet.CodeInvalidToken {
			t.Errorf("%s as a hint: %v", name, err)
		}
	}
	if _, _, _, err := ring.Verify(good); err != nil {
		t.Errorf("HP: %v", err)
	}
}

// A token of one ring means nothing to another with the same names.
func TestRingsDoNotTrustEachOther(t *testing.T) {
	t.Parallel()
	one, _ := started(t)
	two, _ := started(t)
	jws, _ := sign(t, one, "ES256")
	_, _, _, err := two.Verify(jws)
	wantCode(t, err, signet.CodeInvalidToken)
}

func TestSignErrors(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	ring := newRing(t, options(database(t, c)(), c))
	// FLT17: without a key there is no token, of no other algorithm either.
	_, _, err := ring.Sign("ES256", "at+jwt", nil)
	wantCode(t, err, signet.CodeUnavailable)
	if body := string(ring.JWKS().Body); body != `{"keys":[]}` {
		t.Errorf("empty ring publishes %s", body)
	}
	must(t, ring.Start(context.Background()))
	_, _, err = ring.Sign("RS256", "at+jwt", nil)
	wantCode(t, err, signet.CodeUnavailable)
	for _, typ := range []string{"", `JWT"`, `a\b`, "ü", "a b"} {
		_, _, err = ring.Sign("ES256", typ, nil)
		wantCode(t, err, signet.CodeInternal)
	}
}

func BenchmarkSign(b *testing.B) {
	algs := []string{"ES256", "EdDSA", "RS256"}
	ring, _ := started(b, func(o *keys.Options) { o.SigningAlgs = algs })
	payload := make([]byte, 500)
	for _, alg := range algs {
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ring.Sign(alg, "at+jwt", payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	ring, _ := started(b)
	jws, _ := sign(b, ring, "ES256")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := ring.Verify(jws); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJWKS(b *testing.B) {
	ring, _ := started(b)
	b.ReportAllocs()
	for b.Loop() {
		ring.JWKS()
	}
}

func BenchmarkFlow(b *testing.B) {
	ring, _ := started(b)
	flow := &signet.Flow{ID: "f", Purpose: signet.FlowAuthorize, CreatedAt: start, Params: map[string]string{"client_id": "c", "scope": "openid"}}
	b.ReportAllocs()
	for b.Loop() {
		sealed, err := ring.SealFlow(flow)
		must(b, err)
		_, err = ring.OpenFlow(sealed, signet.FlowAuthorize, "hash")
		must(b, err)
	}
}

// FuzzVerify: only what was signed verifies.
func FuzzVerify(f *testing.F) {
	ring, _ := started(f)
	good, _ := sign(f, ring, "ES256")
	f.Add(good)
	f.Add("..")
	f.Add(b64(`{"alg":"none","kid":"","typ":""}`) + ".AA.AA")
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, _, err := ring.Verify(text); (err == nil) != (text == good) {
			t.Fatalf("%q: %v", text, err)
		}
		if _, err := ring.Open("x", text); signet.CodeOf(err) != signet.CodeInvalidRequest {
			t.Fatalf("opened %q: %v", text, err)
		}
	})
}
