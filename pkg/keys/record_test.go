package keys_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
)

// A sealed key that somebody copied to another row, or whose row was altered, does not open.
func TestRecordsAreBound(t *testing.T) {
	t.Parallel()
	ring, _ := started(t)
	key := signet.SealedKey{ID: "k1", Owner: "biller:b", Use: signet.KeyHMAC, Alg: "HS256"}
	ring.SealRecord(&key, []byte("secret"))
	if key.KEKID != "one" || strings.Contains(string(key.Sealed), "secret") {
		t.Fatalf("sealed under %q: %x", key.KEKID, key.Sealed)
	}
	plain, err := ring.OpenRecord(&key)
	if err != nil || string(plain) != "secret" {
		t.Fatalf("%q, %v", plain, err)
	}
	for name, change := range map[string]func(*signet.SealedKey){
		"owner":   func(k *signet.SealedKey) { k.Owner = "biller:c" },
		"id":      func(k *signet.SealedKey) { k.ID = "k2" },
		"use":     func(k *signet.SealedKey) { k.Use = signet.KeyPIN },
		"alg":     func(k *signet.SealedKey) { k.Alg = "HS512" },
		"kek":     func(k *signet.SealedKey) { k.KEKID = "two" },
		"a byte":  func(k *signet.SealedKey) { k.Sealed = append([]byte{}, k.Sealed...); k.Sealed[20] ^= 1 },
		"version": func(k *signet.SealedKey) { k.Sealed = append([]byte{9}, k.Sealed[1:]...) },
		"empty":   func(k *signet.SealedKey) { k.Sealed = nil },
	} {
		altered := key
		change(&altered)
		if plain, err := ring.OpenRecord(&altered); signet.CodeOf(err) != signet.CodeInternal || plain != nil {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
	// Client ids and kids are an operator's to choose: two rows must not share one text.
	left := signet.SealedKey{ID: "b|c", Owner: "pin_application:a", Use: signet.KeyPIN}
	ring.SealRecord(&left, []byte("secret"))
	right := left
	right.ID, right.Owner = "c", "pin_application:a|b"
	if _, err := ring.OpenRecord(&right); err == nil {
		t.Error("a bar moved from the id to the owner, and the row opens")
	}
}

func TestRewrapCoversRecords(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	store := database(t, c)()
	before := newRing(t, options(store, c))
	must(t, before.Start(t.Context()))
	biller := &signet.Biller{ID: "b6f0a1de-0000-4000-8000-000000000001"}
	for _, id := range []signet.KeyID{"a", "b"} {
		key := signet.SealedKey{ID: id, Owner: biller.Principal(), Use: signet.KeyHMAC}
		before.SealRecord(&key, []byte("secret of "+id))
		biller.Keys = append(biller.Keys, key)
	}
	must(t, store.InsertBiller(t.Context(), biller, event(signet.EventBillerCreated)))
	o := options(store, c)
	o.KEKs, o.CurrentKEK, o.Records = map[string][]byte{"one": kek(1), "two": kek(2)}, "two", store
	ring := newRing(t, o)
	must(t, ring.Start(t.Context()))
	changed, err := ring.Rewrap(t.Context())
	must(t, err)
	all, err := store.Keys(t.Context())
	must(t, err)
	if changed != len(all)+2 {
		t.Errorf("%d rows changed, want %d", changed, len(all)+2)
	}
	// The old key-encryption key is not needed any more.
	o.KEKs = map[string][]byte{"two": kek(2)}
	alone := newRing(t, o)
	after, err := store.SealedKeys(t.Context())
	must(t, err)
	if len(after) != 2 {
		t.Fatalf("%d rows", len(after))
	}
	for i := range after {
		plain, err := alone.OpenRecord(&after[i])
		if err != nil || string(plain) != "secret of "+string(after[i].ID) {
			t.Errorf("%q, %v", plain, err)
		}
	}
	if again, err := ring.Rewrap(t.Context()); err != nil || again != 0 {
		t.Errorf("the second time %d, %v", again, err)
	}
	must(t, store.Close())
	if _, err := ring.Rewrap(t.Context()); signet.CodeOf(err) != signet.CodeUnavailable {
		t.Errorf("a store that is away: %v", err)
	}
}

// Only a live key of the record itself opens a token.
func TestDecryptWithTheRecordsLiveKey(t *testing.T) {
	t.Parallel()
	ring, c := started(t)
	key := generateRSA(t)
	rs := serverOf(t, ring, key, "", "")
	jws, _ := sign(t, ring, "ES256")
	jwe, err := ring.Encrypt(rs, jws)
	must(t, err)
	if got, err := ring.Decrypt(rs, jwe); err != nil || got != jws {
		t.Fatal(got, err)
	}
	t.Run("no key held", func(t *testing.T) {
		without := *rs
		without.Keys = nil
		refusedJWE(t, ring, &without, jwe, "jwe_key_unknown")
	})
	t.Run("a key of another use", func(t *testing.T) {
		wrong := *rs
		wrong.Keys = []signet.SealedKey{rs.Keys[0]}
		wrong.Keys[0].Use = signet.KeyHMAC
		refusedJWE(t, ring, &wrong, jwe, "jwe_key_unknown")
	})
	t.Run("another key under the same kid", func(t *testing.T) {
		other := serverOf(t, ring, generateRSA(t), "", "")
		refusedJWE(t, ring, other, jwe, "jwe_decryption")
		if got, err := ring.Decrypt(rs, jwe); err != nil || got != jws {
			t.Errorf("the first record does not open any more: %v", err)
		}
	})
	t.Run("a row of another owner", func(t *testing.T) {
		moved := *rs
		moved.Keys = []signet.SealedKey{rs.Keys[0]}
		moved.Keys[0].Owner = signet.OwnerResourceServer + "other"
		refusedJWE(t, ring, &moved, jwe, "jwe_key_unusable")
	})
	t.Run("every part altered", func(t *testing.T) {
		parts := strings.Split(jwe, ".")
		for i := 1; i < len(parts); i++ {
			altered := append([]string{}, parts...)
			flipped := byte('A')
			if altered[i][0] == flipped {
				flipped = 'B'
			}
			altered[i] = string(flipped) + altered[i][1:]
			refusedJWE(t, ring, rs, strings.Join(altered, "."), "jwe_decryption")
		}
	})
	t.Run("ended", func(t *testing.T) {
		ends := c.Now().Add(time.Minute)
		ended := *rs
		ended.Keys = []signet.SealedKey{rs.Keys[0]}
		ended.Keys[0].ExpiresAt = &ends
		if _, err := ring.Decrypt(&ended, jwe); err != nil {
			t.Error(err)
		}
		c.advance(time.Minute)
		refusedJWE(t, ring, &ended, jwe, "jwe_key_unknown")
	})
}

// One spelling of a header, and none of its members but those that Encrypt writes.
func TestJWEHeaderIsReadStrictly(t *testing.T) {
	t.Parallel()
	ring, _ := started(t)
	rs := serverOf(t, ring, generateRSA(t), "", "")
	jws, _ := sign(t, ring, "ES256")
	jwe, err := ring.Encrypt(rs, jws)
	must(t, err)
	parsed, err := jose.ParseEncryptedCompact(jwe, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM})
	must(t, err)
	head, rest, _ := strings.Cut(jwe, ".")
	cases := map[string]string{
		"empty":                  "",
		"a JWS":                  jws,
		"JSON serialisation":     parsed.FullSerialize(),
		"six parts":              jwe + ".AAAA",
		"no tag":                 jwe[:strings.LastIndex(jwe, ".")+1],
		"a line end":             head + "\n." + rest,
		"padding":                head + "=." + rest,
		"too long":               jwe + strings.Repeat("A", 33<<10),
		"alg twice":              withHeader(jwe, `{"alg":"RSA-OAEP-256","alg":"RSA1_5","enc":"A256GCM","kid":"rs-key","cty":"JWT"}`),
		"another letter case":    withHeader(jwe, `{"Alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rs-key","cty":"JWT"}`),
		"crit":                   withHeader(jwe, `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rs-key","cty":"JWT","crit":["exp"]}`),
		"jwk":                    withHeader(jwe, `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rs-key","cty":"JWT","jwk":{}}`),
		"jku":                    withHeader(jwe, `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rs-key","cty":"JWT","jku":"https://evil.test"}`),
		"no kid":                 withHeader(jwe, `{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT"}`),
		"no cty":                 withHeader(jwe, `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rs-key"}`),
		"another cty":            withHeader(jwe, `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rs-key","cty":"text"}`),
		"alg a number":           withHeader(jwe, `{"alg":1,"enc":"A256GCM","kid":"rs-key","cty":"JWT"}`),
		"an array":               withHeader(jwe, `["alg"]`),
		"two objects":            withHeader(jwe, `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rs-key","cty":"JWT"}{}`),
		"not ended":              withHeader(jwe, `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rs-key","cty":"JWT"`),
		"not JSON":               withHeader(jwe, `alg`),
		"a byte order mark":      withHeader(jwe, "\ufeff"+`{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rs-key","cty":"JWT"}`),
		"an empty encrypted key": head + ".." + strings.SplitN(rest, ".", 2)[1],
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) { refusedJWE(t, ring, rs, text, "not_our_jwe") })
	}
}

// A record's key that must not be encrypted to is a fault of the record, and no token leaves.
func TestEncryptRefusesKeys(t *testing.T) {
	t.Parallel()
	ring, _ := started(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	key, ec := generateRSA(t), generateEC(t, elliptic.P256())
	private, err := (&jose.JSONWebKey{Key: key, KeyID: "k"}).MarshalJSON()
	must(t, err)
	symmetric, err := (&jose.JSONWebKey{Key: make([]byte, 32), KeyID: "k"}).MarshalJSON()
	must(t, err)
	signing, err := (&jose.JSONWebKey{Key: &key.PublicKey, KeyID: "k", Use: "sig"}).MarshalJSON()
	must(t, err)
	cases := []struct {
		name, alg string
		jwk       json.RawMessage
	}{
		{"RSA 1024", "", publicJWKOf(t, small, "k")},
		{"a private key", "", private},
		{"a symmetric key", "", symmetric},
		{"a key for signatures", "", signing},
		{"no kid", "", publicJWKOf(t, key, "")},
		{"EC for RSA", "", publicJWKOf(t, ec, "k")},
		{"RSA for ECDH", signet.AlgECDHESA256KW, publicJWKOf(t, key, "k")},
		{"off the curve", signet.AlgECDHESA256KW, json.RawMessage(`{"kty":"EC","crv":"P-256","kid":"k","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}`)},
		{"an exponent of 1", "", json.RawMessage(strings.Replace(string(publicJWKOf(t, key, "k")), `"AQAB"`, `"AQ"`, 1))},
		{"an even exponent", "", json.RawMessage(strings.Replace(string(publicJWKOf(t, key, "k")), `"AQAB"`, `"Ag"`, 1))},
		{"none", "", nil},
		{"no JSON", "", json.RawMessage("{")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rs := &signet.ResourceServer{ID: c.name, ResourceServerMetadata: signet.ResourceServerMetadata{JWK: c.jwk, Alg: c.alg}}
			if jwe, err := ring.Encrypt(rs, "x.y.z"); jwe != "" || signet.CodeOf(err) != signet.CodeInternal {
				t.Errorf("%q, %v", jwe, err)
			}
		})
	}
}

// The parsed key is remembered, and a changed record is never served from that memory.
func TestEncryptFollowsTheRecord(t *testing.T) {
	t.Parallel()
	ring, _ := started(t)
	first, second := generateRSA(t), generateRSA(t)
	rs := &signet.ResourceServer{ID: "rs", Version: 1, ResourceServerMetadata: signet.ResourceServerMetadata{JWK: publicJWKOf(t, first, "first")}}
	changed := *rs
	changed.JWK, changed.Version = publicJWKOf(t, second, "second"), 2
	for range 2 {
		for want, record := range map[string]*signet.ResourceServer{"first": rs, "second": &changed} {
			jwe, err := ring.Encrypt(record, "x.y.z")
			must(t, err)
			if got := headerOf(t, jwe)["kid"]; got != want {
				t.Errorf("kid %v, want %s", got, want)
			}
		}
	}
	_, err := ring.Encrypt(rs, "x.y.z")
	must(t, err)
	if keys.Parses(ring, rs) || !keys.Parses(ring, &changed) {
		t.Error("a warm key is parsed again, or a changed one is not")
	}
}

func BenchmarkEncrypt(b *testing.B) {
	ring, _ := started(b)
	rs := serverOf(b, ring, generateRSA(b), "", "")
	jws, _ := sign(b, ring, "ES256")
	for b.Loop() {
		if _, err := ring.Encrypt(rs, jws); err != nil {
			b.Fatal(err)
		}
	}
}
