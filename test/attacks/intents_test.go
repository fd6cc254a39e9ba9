package attacks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

const (
	createIntent   = "/payment/api/jwt/create"
	validateIntent = "/payment/api/jwt/validate"
	order          = `{"Audience":"PaymentPage","Subject":"T-1"}`
)

// device is the Authorization header of the card's device.
func (w *world) device() string {
	d := w.Card.Devices[0]
	return d.DCN + ":" + d.ID + "|" + d.Password
}

// invalid is the whole answer to a token that is no intent of the account.
func invalid(token string) string {
	text, _ := json.Marshal(token) // a string
	return `{"Message":"JWT token is invalid.","Payload":null,"Token":` + string(text) + `,"Valid":false}`
}

func (w *world) validate(token string) answer {
	w.t.Helper()
	return w.json(validateIntent, map[string]any{"Token": token}, "Authorization", w.device())
}

// A caller proves itself, and chooses nothing of the token but audience and subject.
func TestHMC13(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from, account := &networks{}, w.Card.Accounts[0]
	good := w.json(createIntent, order, "Authorization", w.device())
	if good.status != http.StatusOK || good.text("Token") == "" {
		t.Fatalf("happy path: %d %s", good.status, good.body)
	}
	c := claims(t, good.text("Token"))
	if c["inst"] != account.Instance || c["iss"] != "signet" || c["aud"] != "PaymentPage" || c["sub"] != "T-1" || len(c) != 9 {
		t.Errorf("claims %v", c)
	}
	lifetime, _ := time.ParseDuration(c["exp"].(string) + "s")
	issued, _ := time.ParseDuration(c["iat"].(string) + "s")
	if lifetime-issued != 15*time.Minute {
		t.Errorf("it lives %s", lifetime-issued)
	}
	d := w.Card.Devices[0]
	refusal := ""
	for name, value := range map[string]string{"nothing": "", "another password": d.DCN + ":" + d.ID + "|x", "no password": d.DCN + ":" + d.ID, "empty password": d.DCN + ":" + d.ID + "|", "another dcn": "2:" + d.ID + "|" + d.Password,
		"unknown device": d.DCN + ":11111111-2222-4333-8444-555555555555|" + d.Password, "in Basic without dcn": "Basic " + base64.StdEncoding.EncodeToString([]byte("x"+d.ID+":"+d.Password)), "a service's token": "Bearer " + w.serviceToken(),
		"another key": "Bearer " + w.Card.APIKeys[0].Key, "a password twice": w.device() + "|" + d.Password, "SQL": d.DCN + ":' OR 1=1--|x", "a prefix of the password": d.DCN + ":" + d.ID + "|" + d.Password[:len(d.Password)-1]} {
		w.http = from.next()
		headers := []string{"Authorization", value}
		if name == "nothing" {
			headers = nil
		}
		a := w.json(createIntent, order, headers...)
		if refusal == "" {
			refusal = a.body
		}
		if a.status != http.StatusUnauthorized || a.body != refusal || !strings.Contains(a.body, `"Token":null`) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for name, member := range map[string]string{"roles": `"roles":["admin"]`, "iss": `"iss":"me"`, "exp": `"exp":"9999999999"`, "inst": `"inst":"x"`, "device": `"device":"x"`, "nested": `"Payload":{"sub":"x"}`, "a second subject": `"Subject":"T-2"`,
		"a folded subject": `"subject":"T-2"`, "proto": `"__proto__":{}`, "aud": `"aud":["x"]`} {
		if a := w.json(createIntent, strings.Replace(order, "{", "{"+member+",", 1), "Authorization", w.device()); a.status != http.StatusBadRequest || !strings.Contains(a.body, `"Token":null`) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for name, body := range map[string]string{"another audience": `{"Audience":"Refund","Subject":"x"}`, "no subject": `{"Audience":"PaymentPage","Subject":""}`, "a list": `{"Audience":["PaymentPage"],"Subject":"x"}`, "a subject of 1 MiB": `{"Audience":"PaymentPage","Subject":"` + strings.Repeat("x", 1<<20) + `"}`} {
		if a := w.json(createIntent, body, "Authorization", w.device()); a.status != http.StatusBadRequest && a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// Only a live intent of the account validates; everything else gets one of two answers, with no claims.
func TestHMC14(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.json(createIntent, order, "Authorization", w.device()).text("Token")
	if a := w.validate(good); a.status != http.StatusOK || !strings.Contains(a.body, `"Valid":true`) {
		t.Fatalf("happy path: %d %s", a.status, a.body)
	}
	key, err := hex.DecodeString(w.Card.Accounts[0].IntentKey)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	forge := func(key []byte, header string, changes ...string) string {
		text := strings.NewReplacer(changes...).Replace(string(payload))
		if len(changes) > 0 && text == string(payload) {
			t.Fatalf("%q changes nothing", changes)
		}
		input := part(header) + "." + part(text)
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	c := claims(t, good)
	const head = `{"typ":"JWT","alg":"HS256"}`
	old := []string{`"exp":"` + c["exp"].(string), `"exp":"1700000900`, `"iat":"` + c["iat"].(string), `"iat":"1700000000`}
	if a := w.validate(forge(key, head, old...)); a.status != http.StatusOK || !strings.Contains(a.body, `"Message":"JWT token has expired."`) || !strings.Contains(a.body, `"Payload":null`) || !strings.Contains(a.body, `"Valid":false`) {
		t.Errorf("expired: %d %s", a.status, a.body)
	}
	person := w.tokens(e2e.NewBrowser(t), w.Card.Clients.Web)
	for name, token := range map[string]string{
		"expired, of another key": forge([]byte(strings.Repeat("k", 32)), head, old...), "a forged subject": parts[0] + "." + part(strings.Replace(string(payload), "T-1", "T-2", 1)) + "." + parts[2], "not yet": forge(key, head, `"iss"`, `"nbf":"9999999999","iss"`),
		"another audience": forge(key, head, "PaymentPage", "Refund"), "another account": forge(key, head, w.Card.Accounts[0].Instance, "11111111-2222-4333-8444-555555555555"), "alg none": part(`{"typ":"JWT","alg":"none"}`) + "." + parts[1] + ".",
		"alg none with its signature": part(`{"typ":"JWT","alg":"none"}`) + "." + parts[1] + "." + parts[2], "alg HS512": forge(key, `{"typ":"JWT","alg":"HS512"}`), "the empty key": forge(nil, head), "a kid": forge(key, `{"typ":"JWT","alg":"HS256","kid":"x"}`),
		"an ID token": person.text("id_token"), "an access token": person.text("access_token"), "a service's": w.serviceToken(), "a refresh token": person.text("refresh_token"), "a bill": w.json("/api/v1/tokens", bill(t, w.Card.Billers[1])).text("token"),
		"an API key": w.Card.APIKeys[0].Key, "text": "x", "Bearer": "Bearer " + good, "a claim twice": forge(key, head, `"sub"`, `"sub":"T-0","sub"`), "a line end": good + "\n",
	} {
		if a := w.validate(token); a.status != http.StatusOK || a.body != invalid(token) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := w.validate(strings.Repeat("a", 2<<20)); a.status != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, `"Valid":false`) {
		t.Errorf("2 MiB: %d %s", a.status, a.body)
	}
	// An account whose tokens are good once; and nobody else's eyes.
	w.edit("/accounts/"+w.Card.Accounts[0].ID, map[string]any{"settings": map[string]any{"single_use": true}})
	fresh := w.json(createIntent, order, "Authorization", w.device()).text("Token")
	crowd := w.crowd()
	won := 0
	for _, a := range crowd.rush(func() *http.Request {
		text, _ := json.Marshal(map[string]any{"Token": fresh})
		return w.request(http.MethodPost, validateIntent, string(text), "Content-Type", "application/json", "Authorization", w.device())
	}) {
		if strings.Contains(a.body, `"Valid":true`) {
			won++
		} else if a.body != invalid(fresh) && a.status != http.StatusServiceUnavailable {
			t.Errorf("a loser gets %d %s", a.status, a.body)
		}
	}
	if won != 1 {
		t.Errorf("%d of 64 validated", won)
	}
}
