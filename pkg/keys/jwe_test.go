package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
)

const rsKID = "rs-key"

// generateRSA returns a fresh key of 2048 bits.
func generateRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return key
}

func generateEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	must(t, err)
	return key
}

// publicJWKOf writes the public half of a key as an operator registers it.
func publicJWKOf(t testing.TB, key crypto.Signer, kid string) json.RawMessage {
	t.Helper()
	raw, err := (&jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "enc"}).MarshalJSON()
	must(t, err)
	return raw
}

// serverOf is a resource server whose private key the ring holds.
func serverOf(t testing.TB, ring *keys.Ring, key crypto.Signer, alg, enc string) *signet.ResourceServer {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	held := signet.SealedKey{ID: rsKID, Owner: signet.OwnerResourceServer + "rs", Use: signet.KeyDecrypt, Alg: alg, CreatedAt: start}
	ring.SealRecord(&held, der)
	return &signet.ResourceServer{ID: "rs", Version: 1, Keys: []signet.SealedKey{held}, ResourceServerMetadata: signet.ResourceServerMetadata{
		Name: "RS", Audience: "https://rs.test", JWK: publicJWKOf(t, key, rsKID), Alg: alg, Enc: enc,
	}}
}

// encryptAs makes a JWE as a stranger can: with go-jose, in any way it offers.
func encryptAs(t testing.TB, alg jose.KeyAlgorithm, enc jose.ContentEncryption, key any, plain string, change ...func(*jose.EncrypterOptions)) string {
	t.Helper()
	options := (&jose.EncrypterOptions{}).WithContentType("JWT")
	for _, f := range change {
		f(options)
	}
	encrypter, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: key, KeyID: rsKID}, options)
	must(t, err)
	sealed, err := encrypter.Encrypt([]byte(plain))
	must(t, err)
	text, err := sealed.CompactSerialize()
	must(t, err)
	return text
}

// withHeader replaces the protected header.
func withHeader(jwe, header string) string {
	_, rest, _ := strings.Cut(jwe, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + rest
}

func headerOf(t testing.TB, jwe string) map[string]any {
	t.Helper()
	head, _, _ := strings.Cut(jwe, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	must(t, err)
	var header map[string]any
	must(t, json.Unmarshal(raw, &header))
	return header
}

// refusedJWE checks the one answer and the reason. Only jwe_decryption means that decryption was tried.
func refusedJWE(t testing.TB, ring *keys.Ring, rs *signet.ResourceServer, jwe, reason string) {
	t.Helper()
	jws, err := ring.Decrypt(rs, jwe)
	if jws != "" || signet.CodeOf(err) != signet.CodeInvalidToken || signet.ReasonOf(err) != reason {
		t.Errorf("got %q, %v; want invalid_token (%s)", jws, err, reason)
	}
}

func TestEncryptDecrypt(t *testing.T) {
	t.Parallel()
	ring, _ := started(t)
	rsaKey := generateRSA(t)
	ec := map[string]crypto.Signer{}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		ec[name] = generateEC(t, curve)
	}
	cases := []struct {
		name, alg, enc string
		key            crypto.Signer
	}{
		{"defaults", "", "", rsaKey},
		{"RSA-OAEP-256", signet.AlgRSAOAEP256, signet.EncA256GCM, rsaKey},
		{"RSA-OAEP for older .NET", signet.AlgRSAOAEP, signet.EncA128CBCHS256, rsaKey},
		{"CBC 512", signet.AlgRSAOAEP256, signet.EncA256CBCHS512, rsaKey},
		{"ECDH P-256", signet.AlgECDHESA256KW, signet.EncA256GCM, ec["P-256"]},
		{"ECDH P-384", signet.AlgECDHESA256KW, signet.EncA128CBCHS256, ec["P-384"]},
		{"ECDH P-521", signet.AlgECDHESA256KW, signet.EncA256CBCHS512, ec["P-521"]},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rs := serverOf(t, ring, c.key, c.alg, c.enc)
			jws, _ := sign(t, ring, "ES256")
			jwe, err := ring.Encrypt(rs, jws)
			must(t, err)
			header := headerOf(t, jwe)
			names := slices.Sorted(maps.Keys(header))
			want := []string{"alg", "cty", "enc", "kid"}
			if strings.HasPrefix(c.alg, "ECDH") {
				want = []string{"alg", "cty", "enc", "epk", "kid"}
			}
			if !slices.Equal(names, want) || header["cty"] != "JWT" || header["kid"] != rsKID || header["alg"] != or(c.alg, "RSA-OAEP-256") || header["enc"] != or(c.enc, "A256GCM") {
				t.Errorf("header %v", header)
			}
			// Read by a resource server of its own.
			parsed, err := jose.ParseEncryptedCompact(jwe, []jose.KeyAlgorithm{jose.KeyAlgorithm(or(c.alg, "RSA-OAEP-256"))},
				[]jose.ContentEncryption{jose.ContentEncryption(or(c.enc, "A256GCM"))})
			must(t, err)
			plain, err := parsed.Decrypt(c.key)
			must(t, err)
			if string(plain) != jws {
				t.Errorf("a resource server reads %q", plain)
			}
			got, err := ring.Decrypt(rs, jwe)
			if err != nil || got != jws {
				t.Errorf("got %q, %v", got, err)
			}
			if kid, ok := ring.JWEKeyID(jwe); !ok || kid != rsKID {
				t.Errorf("kid %q, %v", kid, ok)
			}
		})
	}
}

func or(text, def string) string {
	if text == "" {
		return def
	}
	return text
}

func TestJWE01AlgorithmIsTheRecords(t *testing.T) {
	t.Parallel()
	ring, _ := started(t)
	key := generateRSA(t)
	rs := serverOf(t, ring, key, "", "")
	jws, _ := sign(t, ring, "ES256")
	gcm := jose.A256GCM
	good := encryptAs(t, jose.RSA_OAEP_256, gcm, &key.PublicKey, jws)
	if got, err := ring.Decrypt(rs, good); err != nil || got != jws {
		t.Fatalf("the control does not open: %v", err)
	}
	cases := []struct{ name, jwe, reason string }{
		{"RSA1_5", encryptAs(t, jose.RSA1_5, gcm, &key.PublicKey, jws), "jwe_algorithm"},
		// Not the record's, although another record may have it.
		{"RSA-OAEP with SHA-1", encryptAs(t, jose.RSA_OAEP, gcm, &key.PublicKey, jws), "jwe_algorithm"},
		{"dir", encryptAs(t, jose.DIRECT, gcm, make([]byte, 32), jws), "not_our_jwe"}, // the encrypted key is empty
		{"dir with an encrypted key", withHeader(good, `{"alg":"dir","enc":"A256GCM","kid":"rs-key","cty":"JWT"}`), "jwe_algorithm"},
		{"A128KW", encryptAs(t, jose.A128KW, gcm, make([]byte, 16), jws), "jwe_algorithm"},
		{"PBES2", encryptAs(t, jose.PBES2_HS256_A128KW, gcm, "password", jws), "not_our_jwe"}, // p2c and p2s
		{"none", withHeader(good, `{"alg":"none","enc":"A256GCM","kid":"rs-key","cty":"JWT"}`), "jwe_algorithm"},
		{"ECDH-ES", encryptAs(t, jose.ECDH_ES_A256KW, gcm, &generateEC(t, elliptic.P256()).PublicKey, jws), "jwe_algorithm"},
		{"another enc", encryptAs(t, jose.RSA_OAEP_256, jose.A128CBC_HS256, &key.PublicKey, jws), "jwe_algorithm"},
		{"an enc that nobody has", encryptAs(t, jose.RSA_OAEP_256, jose.A128GCM, &key.PublicKey, jws), "jwe_algorithm"},
		{"zip", encryptAs(t, jose.RSA_OAEP_256, gcm, &key.PublicKey, jws, func(o *jose.EncrypterOptions) { o.Compression = jose.DEFLATE }), "not_our_jwe"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { refusedJWE(t, ring, rs, c.jwe, c.reason) })
	}
	t.Run("a record whose algorithm is not of ours", func(t *testing.T) {
		for _, alg := range []string{"RSA1_5", "dir", "A128KW", "none", "ECDH-ES"} {
			weak := *rs
			weak.Alg = alg
			if _, err := ring.Encrypt(&weak, jws); signet.CodeOf(err) != signet.CodeInternal {
				t.Errorf("Encrypt with %s: %v", alg, err)
			}
			refusedJWE(t, ring, &weak, withHeader(good, `{"alg":"`+alg+`","enc":"A256GCM","kid":"rs-key","cty":"JWT"}`), "jwe_algorithm")
		}
	})
}

func TestJWE02IterationsAreNeverCounted(t *testing.T) {
	t.Parallel()
	ring, _ := started(t)
	rs := serverOf(t, ring, generateRSA(t), "", "")
	for name, header := range map[string]string{
		"2^31-1":         `{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","kid":"rs-key","cty":"JWT","p2c":2147483647,"p2s":"AAAA"}`,
		"1e7":            `{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","kid":"rs-key","cty":"JWT","p2c":10000000,"p2s":"AAAA"}`,
		"in our alg":     `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rs-key","cty":"JWT","p2c":2147483647}`,
		"p2s of a MiB":   `{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","kid":"rs-key","cty":"JWT","p2c":1,"p2s":"` + strings.Repeat("A", 1<<20) + `"}`,
		"a long kid":     `{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT","kid":"` + strings.Repeat("k", 2<<10) + `"}`,
		"deeply nesting": `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rs-key","cty":"JWT","epk":` + strings.Repeat(`[`, 700) + strings.Repeat(`]`, 700) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			jwe := withHeader("x.AAAA.AAAA.AAAA.AAAA", header)
			begun := time.Now()
			refusedJWE(t, ring, rs, jwe, "not_our_jwe")
			if spent := time.Since(begun); spent > 20*time.Millisecond {
				t.Errorf("took %s", spent)
			}
		})
	}
}

func TestJWE05EphemeralKeys(t *testing.T) {
	t.Parallel()
	ring, _ := started(t)
	key := generateEC(t, elliptic.P256())
	rs := serverOf(t, ring, key, signet.AlgECDHESA256KW, "")
	jws, _ := sign(t, ring, "ES256")
	jwe, err := ring.Encrypt(rs, jws)
	must(t, err)
	if got, err := ring.Decrypt(rs, jwe); err != nil || got != jws {
		t.Fatalf("the control does not open: %v", err)
	}
	p := elliptic.P256().Params()
	coordinate := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, 32))) }
	point := func(x, y *big.Int) map[string]any {
		return map[string]any{"kty": "EC", "crv": "P-256", "x": coordinate(x), "y": coordinate(y)}
	}
	other, err := generateEC(t, elliptic.P384()).PublicKey.Bytes()
	must(t, err)
	otherX, otherY := other[1:49], other[49:]
	with := func(name string, value any) map[string]any {
		epk := point(p.Gx, p.Gy)
		epk[name] = value
		return epk
	}
	foreign := map[string]any{
		"kty": "EC", "crv": "P-384",
		"x": base64.RawURLEncoding.EncodeToString(otherX),
		"y": base64.RawURLEncoding.EncodeToString(otherY),
	}
	cases := []struct {
		name   string
		epk    any // nil: none
		reason string
	}{
		{"missing", nil, "jwe_epk"},
		{"on another curve", foreign, "jwe_epk"},
		{"another curve's point under our name", with("x", coordinate(new(big.Int).Mod(new(big.Int).SetBytes(otherX), p.P))), "jwe_epk"},
		{"off the curve", point(p.Gx, new(big.Int).Add(p.Gy, big.NewInt(1))), "jwe_epk"},
		{"infinity as zeros", point(new(big.Int), new(big.Int)), "jwe_epk"},
		{"a coordinate of the field's size", point(p.P, p.Gy), "jwe_epk"},
		{"a short coordinate", with("x", "AQ"), "jwe_epk"},
		{"OKP", with("kty", "OKP"), "jwe_epk"},
		{"with d", with("d", coordinate(big.NewInt(1))), "not_our_jwe"},
		{"with a kid", with("kid", "x"), "not_our_jwe"},
		{"a text", "epk", "not_our_jwe"},
		{"null", json.RawMessage("null"), "not_our_jwe"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			header := map[string]any{"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": rsKID, "cty": "JWT"}
			if c.epk != nil {
				header["epk"] = c.epk
			}
			raw, err := json.Marshal(header)
			must(t, err)
			refusedJWE(t, ring, rs, withHeader(jwe, string(raw)), c.reason)
		})
	}
	t.Run("an epk for RSA", func(t *testing.T) {
		server := serverOf(t, ring, generateRSA(t), "", "")
		server.ID = "rsa"
		server.Keys[0].ID = rsKID
		raw, err := json.Marshal(map[string]any{"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": rsKID, "cty": "JWT", "epk": point(p.Gx, p.Gy)})
		must(t, err)
		jwe, err := ring.Encrypt(server, jws)
		must(t, err)
		// The ring's memory of the EC key is under the same name: other sealed bytes must not meet it.
		refusedJWE(t, ring, server, withHeader(jwe, string(raw)), "jwe_epk")
	})
}

// JWE-07: what anybody can encrypt proves nothing; only Verify does.
func TestJWE07EncryptionIsNoProof(t *testing.T) {
	t.Parallel()
	ring, _ := started(t)
	key := generateRSA(t)
	rs := serverOf(t, ring, key, "", "")
	for _, inside := range []string{
		`{"iss":"https://as.test","sub":"admin"}`,
		b64(`{"alg":"none"}`) + "." + b64(`{"sub":"admin"}`) + ".",
		b64(`{"alg":"none","kid":"x","typ":"at+jwt"}`) + "." + b64(`{"sub":"admin"}`) + "." + b64("x"),
	} {
		opened, err := ring.Decrypt(rs, encryptAs(t, jose.RSA_OAEP_256, jose.A256GCM, &key.PublicKey, inside))
		if err != nil || opened != inside {
			t.Fatalf("%q, %v", opened, err)
		}
		_, _, _, err = ring.Verify(opened)
		wantCode(t, err, signet.CodeInvalidToken)
	}
}
