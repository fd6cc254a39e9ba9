package intent_test

import (
	"encoding/base64"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crypto/elliptic"

	"github.com/signet-auth/signet/pkg/signet"
)

// TestHMC14OnlyIntents: whatever is no live intent of the account gets one of two answers, and shows no claims.
func TestHMC14OnlyIntents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.make()
	claims := payloadOf(t, good)
	change := func(old, with string) string {
		t.Helper()
		changed := strings.Replace(claims, old, with, 1)
		if changed == claims {
			t.Fatalf("%q is not in the claims", old)
		}
		return forge(w.key, sampleHeader, changed)
	}
	parts := strings.Split(good, ".")
	ring := func(alg, typ, payload string) string {
		t.Helper()
		token, _, err := w.ring.Sign(alg, typ, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	other := []byte(strings.Repeat("another key", 3))
	for _, tc := range []struct{ name, token, want string }{
		{"good", good, valid},
		{"the same, signed by hand", forge(w.key, sampleHeader, claims), valid},
		{"header the other way round", forge(w.key, `{"alg":"HS256","typ":"JWT"}`, claims), valid},
		{"expired", change(`"exp":"1617688157"`, `"exp":"1617687257","iat":"1617687256"`), invalid}, // iat twice
		{"expired", forge(w.key, sampleHeader, strings.NewReplacer("1617688157", "1617687257", "1617687257", "1617687256").Replace(claims)), expired},
		{"expired and another key", forge(other, sampleHeader, strings.NewReplacer("1617688157", "1617687257", "1617687257", "1617687256").Replace(claims)), invalid},
		{"expired and another audience", forge(w.key, sampleHeader, strings.NewReplacer("1617688157", "1617687257", "1617687257", "1617687256", "PaymentPage", "Refund").Replace(claims)), invalid},
		{"nbf in the future", change(`"iss"`, `"nbf":"1717687257","iss"`), invalid},
		{"iat in the future", change(`"iat":"1617687257"`, `"iat":"1617687268"`), invalid},
		{"iat within the clocks' difference", change(`"iat":"1617687257"`, `"iat":"1617687267"`), valid},
		{"exp before iat", change(`"exp":"1617688157"`, `"exp":"1617687257"`), invalid},
		{"no iat", change(`"iat":"1617687257",`, ``), invalid},
		{"no exp", change(`"exp":"1617688157",`, ``), invalid},
		{"exp null", change(`"exp":"1617688157"`, `"exp":null`), invalid},
		{"exp with fraction", change(`"exp":"1617688157"`, `"exp":1617688157.5`), invalid},
		{"exp with exponent", change(`"exp":"1617688157"`, `"exp":1e12`), invalid},
		{"exp negative", change(`"exp":"1617688157"`, `"exp":"-1617688157"`), invalid},
		{"exp with sign", change(`"exp":"1617688157"`, `"exp":"+1617688157"`), invalid},
		{"exp with blank", change(`"exp":"1617688157"`, `"exp":" 1617688157"`), invalid},
		{"exp with zero", change(`"exp":"1617688157"`, `"exp":"01617688157"`), invalid},
		{"exp beyond dates", change(`"exp":"1617688157"`, `"exp":"999999999999"`), invalid},
		{"exp beyond numbers", change(`"exp":"1617688157"`, `"exp":"99999999999999999999"`), invalid},
		{"exp empty", change(`"exp":"1617688157"`, `"exp":""`), invalid},
		{"another audience", change("PaymentPage", "Refund"), invalid},
		{"audience list", change(`"PaymentPage"`, `["PaymentPage"]`), invalid},
		{"another issuer", change(sampleIssuer, "signet"), invalid},
		{"no issuer", change(`"iss":"`+sampleIssuer+`",`, ``), invalid},
		{"another instance", change(sampleInstance, "11111111-2222-4333-8444-555555555555"), invalid},
		{"instance in upper case", change(sampleInstance, strings.ToUpper(sampleInstance)), invalid},
		{"no subject", change(`"sub":"`+sampleSubject+`",`, ``), invalid},
		{"no device", change(`"device":"`+sampleDevice+`",`, ``), invalid},
		{"further claim", change(`"iss"`, `"roles":["admin"],"iss"`), invalid},
		{"claim twice", change(`"iss"`, `"sub":"other","iss"`), invalid},
		{"claim twice, folded", change(`"iss"`, `"SUB":"other","iss"`), invalid},
		{"claim in another spelling", change(`"sub"`, `"Sub"`), invalid},
		{"trailing data", forge(w.key, sampleHeader, claims+"{}"), invalid},
		{"payload a list", forge(w.key, sampleHeader, "["+claims+"]"), invalid},
		{"payload no UTF-8", change(sampleSubject, "\xff"), invalid},
		{"alg none", encode(`{"typ":"JWT","alg":"none"}`) + "." + parts[1] + ".", invalid},
		{"alg none with the signature", encode(`{"typ":"JWT","alg":"none"}`) + "." + parts[1] + "." + parts[2], invalid},
		{"alg in another spelling", forge(w.key, `{"typ":"JWT","alg":"hs256"}`, claims), invalid},
		{"alg HS512", forge(w.key, `{"typ":"JWT","alg":"HS512"}`, claims), invalid},
		{"alg twice", forge(w.key, `{"typ":"JWT","alg":"none","alg":"HS256"}`, claims), invalid},
		{"alg missing", forge(w.key, `{"typ":"JWT"}`, claims), invalid},
		{"typ missing", forge(w.key, `{"alg":"HS256"}`, claims), invalid},
		{"typ at+jwt", forge(w.key, `{"typ":"at+jwt","alg":"HS256"}`, claims), invalid},
		{"kid", forge(w.key, `{"typ":"JWT","alg":"HS256","kid":"first"}`, claims), invalid},
		{"kid null", forge(w.key, `{"typ":"JWT","alg":"HS256","kid":null}`, claims), invalid},
		{"crit", forge(w.key, `{"typ":"JWT","alg":"HS256","crit":["x"],"x":1}`, claims), invalid},
		{"jwk", forge(w.key, `{"typ":"JWT","alg":"HS256","jwk":{"kty":"oct","k":"AA"}}`, claims), invalid},
		{"another key", forge(other, sampleHeader, claims), invalid},
		{"empty key", forge(nil, sampleHeader, claims), invalid},
		{"signature of another payload", parts[0] + "." + encode(strings.Replace(claims, sampleSubject, "other", 1)) + "." + parts[2], invalid},
		{"half the signature", parts[0] + "." + parts[1] + "." + parts[2][:20], invalid},
		{"no signature", parts[0] + "." + parts[1] + ".", invalid},
		{"two parts", parts[0] + "." + parts[1], invalid},
		{"four parts", good + ".x", invalid},
		{"padding", good + "=", invalid},
		{"line end", good[:50] + "\n" + good[50:], invalid},
		{"line end last", good + "\n", invalid},
		{"blank", " " + good, invalid},
		{"Bearer", "Bearer " + good, invalid},
		{"other last bits", good[:len(good)-1] + nextDigit(good[len(good)-1]), invalid},
		{"standard base64", strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+", invalid},
		{"JSON serialisation", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, invalid},
		{"too long", parts[0] + "." + parts[1] + "." + strings.Repeat("A", 32<<10), invalid},
		{"too long, and signed", change(sampleSubject, strings.Repeat("A", 24<<10)), invalid},
		{"access token", ring("ES256", "at+jwt", `{"iss":"https://signet.example","sub":"x","aud":"PaymentPage","exp":1917688157}`), invalid},
		{"ID token", ring("RS256", "JWT", `{"iss":"https://signet.example","sub":"x","aud":"PaymentPage","exp":1917688157}`), invalid},
		{"claims of an intent in an access token", ring("ES256", "at+jwt", claims), invalid},
		{"claims of an intent in an ID token", ring("RS256", "JWT", claims), invalid},
		{"claims of an intent, ES256, at an account of HS256", ring("ES256", "intent+jwt", claims), invalid},
		{"opaque", string(signet.NewSecret(signet.SecretAccess)), invalid},
		{"text", "x", invalid},
		{"dots", "..", invalid},
	} {
		if got := w.validate(tc.token); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	got := w.want(413, validatePath, `{"Token":"`+strings.Repeat("a", 2<<20)+`"}`, device()...)
	if got != `{"Message":"The body is larger than 64 KiB.","Payload":null,"Token":null,"Valid":false}` {
		t.Errorf("2 MiB: %s", got)
	}
}

// nextDigit is a digit of base64url whose low bits differ, so that a lax reader decodes the same bytes.
func nextDigit(c byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(digits[strings.IndexByte(digits, c)^1])
}

// TestJWE01And02NothingIsDecrypted: an encrypted token is no intent, whatever it asks for, and costs nothing.
func TestJWE01And02NothingIsDecrypted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, header := range []string{
		`{"alg":"RSA1_5","enc":"A256GCM"}`, `{"alg":"RSA-OAEP","enc":"A256GCM"}`, `{"alg":"dir","enc":"A256GCM"}`,
		`{"alg":"A128KW","enc":"A256GCM"}`, `{"alg":"none","enc":"A256GCM"}`,
		`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2147483647,"p2s":"AAAA"}`,
		`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":10000000,"p2s":"` + strings.Repeat("A", 8<<10) + `"}`,
	} {
		began := time.Now()
		if got := w.validate(encode(header) + ".AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"); got != invalid {
			t.Errorf("%s: %s", header, got)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: took %s", header, took)
		}
	}
}

// TestForeignNeverExpired: another account's token is invalid for good, and says nothing of its time.
func TestForeignNeverExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addCallers(w.account.ID)
	other, _ := w.addAccount("Other", "11111111-2222-4333-8444-555555555555", signet.AccountSettings{})
	w.addDevice(other.ID, "2", "99999999-2222-4333-8444-555555555555", "pw")
	token := w.make()
	foreign := []string{"Authorization", "2:99999999-2222-4333-8444-555555555555|pw"}
	for _, after := range []time.Duration{0, time.Hour} {
		w.clock.set(sampleTime().Add(after))
		if got := w.validate(token, foreign...); got != invalid {
			t.Errorf("after %s: %s", after, got)
		}
	}
	if got := w.validate(token); got != expired {
		t.Errorf("the own account, after an hour: %s", got)
	}
	if got := w.validate(token, "Authorization", "Bearer page"); got != expired {
		t.Errorf("a hosted page, after an hour: %s", got)
	}
	unknown := forge(w.key, sampleHeader, strings.Replace(payloadOf(t, token), sampleInstance, "22222222-2222-4333-8444-555555555555", 1))
	if got := w.validate(unknown, "Authorization", "Bearer page"); got != invalid {
		t.Errorf("a hosted page, unknown account: %s", got)
	}
	// Whoever made it out to another account does not have that account's key.
	crossed := forge(w.key, sampleHeader, strings.Replace(payloadOf(t, token), sampleInstance, other.Instance, 1))
	if got := w.validate(crossed, "Authorization", "Bearer page"); got != invalid {
		t.Errorf("a hosted page, signed by the wrong account: %s", got)
	}
}

// TestSingleUse: of many at once, one validates.
func TestSingleUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.make()
	for range 2 {
		if got := w.validate(token); got != valid {
			t.Fatalf("without single_use: %s", got)
		}
	}
	w.settings(w.account, func(s *signet.AccountSettings) { s.SingleUse = true })
	// A refusal consumes nothing.
	if got := w.validate(token + "A"); got != invalid {
		t.Fatal(got)
	}
	var won atomic.Int32
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if w.validate(token) == valid {
				won.Add(1)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 16 validated", won.Load())
	}
	if got := w.validate(token); got != invalid {
		t.Errorf("afterwards: %s", got)
	}
	if event := w.events.last(t); event.Kind != signet.EventIntentRefused || event.Reason != "validate_used" {
		t.Errorf("event %+v", event)
	}
	w.clock.set(sampleTime().Add(time.Hour))
	if got := w.validate(token); got != expired {
		t.Errorf("when its time is over: %s", got)
	}
	if fresh := w.make(); w.validate(fresh) != valid {
		t.Error("a fresh one does not validate")
	}
}

// TestES256 is the account's other algorithm.
func TestES256(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hmacToken := w.make()
	w.settings(w.account, func(s *signet.AccountSettings) { s.IntentAlg, s.SingleUse = "ES256", true })
	token := w.make()
	parts := strings.Split(token, ".")
	payload, typ, _, err := w.ring.Verify(token)
	if err != nil || typ != "intent+jwt" || string(payload) != payloadOf(t, hmacToken) {
		t.Fatalf("typ %q, payload %s, %v", typ, payload, err)
	}
	if got := w.validate(hmacToken); got != invalid {
		t.Errorf("HS256 at an account of ES256: %s", got)
	}
	for name, typ := range map[string]string{"an ID token": "JWT", "an access token": "at+jwt"} {
		if other, _, err := w.ring.Sign("ES256", typ, payload); err != nil || w.validate(other) != invalid {
			t.Errorf("the claims in %s: %v", name, err)
		}
	}
	if other, _, err := w.ring.Sign("RS256", "intent+jwt", payload); err != nil || w.validate(other) != invalid {
		t.Errorf("another algorithm of the ring: %v", err)
	}
	// HMAC with the published key's bytes, or whatever: the algorithm is the account's.
	if got := w.validate(forge(w.key, decode(t, parts[0]), string(payload))); got != invalid {
		t.Errorf("HMAC under the header: %s", got)
	}
	// An ES256 signature (r, s) has a twin (r, n-s), which verifies: it must not be a second use.
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	twin := parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(signature)
	if _, _, _, err := w.ring.Verify(twin); err != nil {
		t.Fatalf("the twin does not verify: %v", err)
	}
	if first, second := w.validate(token), w.validate(twin); first != valid || second != invalid {
		t.Errorf("token %s, its twin %s", first, second)
	}
}

// TestOtherAccountsToken: a hosted page sees what the account has set, its single use too.
func TestHostedPageConsumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addCallers(w.account.ID)
	w.settings(w.account, func(s *signet.AccountSettings) { s.SingleUse = true })
	token := w.make()
	if got := w.validate(token, "Authorization", "Bearer page"); got != valid {
		t.Errorf("hosted page: %s", got)
	}
	if event := w.events.last(t); event.Kind != signet.EventIntentValidated || event.Target != "account:"+w.account.ID || event.Actor != "client:"+clientID {
		t.Errorf("event %+v", event)
	}
	if got := w.validate(token); got != invalid {
		t.Errorf("the merchant afterwards: %s", got)
	}
}
