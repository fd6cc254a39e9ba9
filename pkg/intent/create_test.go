package intent_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/intent"
	"github.com/signet-auth/signet/pkg/signet"
)

// TestHMC13CallerChoosesNothingElse: Audience and Subject alone come from the caller; the body is strict.
func TestHMC13CallerChoosesNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct{ name, body, names string }{
		{"exp", `{"Audience":"PaymentPage","Subject":"x","exp":"9999999999"}`, "exp"},
		{"iss", `{"Audience":"PaymentPage","Subject":"x","iss":"me"}`, "iss"},
		{"inst", `{"Audience":"PaymentPage","Subject":"x","inst":"` + sampleInstance + `"}`, "inst"},
		{"roles", `{"Audience":"PaymentPage","Subject":"x","roles":["admin"]}`, "roles"},
		{"device", `{"Audience":"PaymentPage","Subject":"x","device":"d"}`, "device"},
		{"methods", `{"Audience":"PaymentPage","Subject":"x","supportedPaymentMethods":[]}`, "supportedPaymentMethods"},
		{"Payload", `{"Audience":"PaymentPage","Subject":"x","Payload":{"sub":"y"}}`, "Payload"},
		{"another spelling", `{"audience":"PaymentPage","Subject":"x"}`, "audience"},
		{"twice", `{"Audience":"PaymentPage","Subject":"x","Subject":"y"}`, "Subject"},
		{"twice, folded", `{"Audience":"PaymentPage","Subject":"x","SUBJECT":"y"}`, "SUBJECT"},
		{"object for a string", `{"Audience":"PaymentPage","Subject":{"a":1}}`, "Subject"},
		{"number for a string", `{"Audience":1,"Subject":"x"}`, "Audience"},
		{"audience list", `{"Audience":["PaymentPage"],"Subject":"x"}`, "Audience"},
		{"audience null", `{"Audience":null,"Subject":"x"}`, "Audience"},
		{"no audience", `{"Subject":"x"}`, "Audience"},
		{"audience in lower case", `{"Audience":"paymentpage","Subject":"x"}`, "Audience"},
		{"audience with a blank", `{"Audience":"PaymentPage ","Subject":"x"}`, "Audience"},
		{"no subject", `{"Audience":"PaymentPage"}`, "Subject"},
		{"subject null", `{"Audience":"PaymentPage","Subject":null}`, "Subject"},
		{"subject of blanks", `{"Audience":"PaymentPage","Subject":" \t "}`, "Subject"},
		{"subject with a line end", `{"Audience":"PaymentPage","Subject":"a\nb"}`, "Subject"},
		{"long subject", `{"Audience":"PaymentPage","Subject":"` + strings.Repeat("é", 513) + `"}`, "Subject"},
		{"no UTF-8", "{\"Audience\":\"PaymentPage\",\"Subject\":\"\xff\"}", "UTF-8"},
		{"lone surrogate", `{"Audience":"PaymentPage","Subject":"\ud800"}`, "UTF-8"},
		{"trailing data", sampleOrder + `{}`, "one JSON object"},
		{"a list", `[` + sampleOrder + `]`, "one JSON object"},
		{"deep", strings.Repeat(`{"a":`, 10000), ""},
		{"nothing", ``, ""},
		{"BOM", "\ufeff" + sampleOrder, ""},
	} {
		got := w.want(400, createPath, tc.body, device()...)
		var answer map[string]any
		if err := json.Unmarshal([]byte(got), &answer); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if message, _ := answer["Message"].(string); !strings.Contains(message, tc.names) || message == "" || answer["Token"] != nil || len(answer) != 3 {
			t.Errorf("%s: %s", tc.name, got)
		}
	}
	var claims struct{ Iss, Iat, Exp, Aud, Sub string }
	if err := json.Unmarshal([]byte(payloadOf(t, w.make())), &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != sampleIssuer || claims.Iat != "1617687257" || claims.Exp != "1617688157" {
		t.Errorf("%+v", claims)
	}
}

// TestAuthenticatesBeforeItReads: a stranger learns nothing of the form, whatever the body.
func TestAuthenticatesBeforeItReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, body := range []string{sampleOrder, `{`, `{"x":1}`, strings.Repeat("a", 100<<10)} {
		for _, kind := range []string{"application/json", "text/plain"} {
			if got := w.want(401, createPath, body, "Content-Type", kind); got != `{"Message":"Authentication failed.","Payload":null,"Token":null}` {
				t.Error(got)
			}
		}
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, subject := range []string{"a", strings.Repeat("é", 512), `Müller & Söhne <"quoted"> \ /`, "名前 👍"} {
		order, err := json.Marshal(map[string]string{"Audience": "CreateWalletPage", "Subject": subject})
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Token   string
			Payload struct{ Sub string }
		}
		if err := json.Unmarshal([]byte(w.want(http.StatusOK, createPath, string(order), device()...)), &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Payload.Sub != subject {
			t.Errorf("payload %q, want %q", answer.Payload.Sub, subject)
		}
		if got := w.validate(answer.Token); got != valid {
			t.Errorf("%q: %s", subject, got)
		}
		if claims := payloadOf(t, answer.Token); strings.Contains(claims, `\u003c`) || strings.Contains(claims, `\u0026`) {
			t.Errorf("claims are escaped for HTML: %s", claims)
		}
	}
}

// TestAccountSettings: lifetime, algorithm, keys.
func TestAccountSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings(w.account, func(s *signet.AccountSettings) { s.IntentLifetime = 60 })
	token := w.make()
	if !strings.Contains(payloadOf(t, token), `"exp":"1617687317"`) {
		t.Errorf("lifetime: %s", payloadOf(t, token))
	}
	// The newest live key signs; the older one verifies until it ends.
	// A new key signs once every node knows it.
	w.clock.set(w.clock.now().Add(3 * time.Second))
	second := []byte(strings.Repeat("second key.", 3))
	w.addKey(w.account.ID, "second", second)
	if early := w.make(); early != forge(w.key, sampleHeader, payloadOf(t, early)) {
		t.Error("the new key signs before other nodes know it")
	}
	w.clock.set(w.clock.now().Add(2 * time.Second))
	if fresh := w.make(); fresh != forge(second, sampleHeader, payloadOf(t, fresh)) {
		t.Error("the newest key does not sign")
	}
	if got := w.validate(token); got != valid {
		t.Errorf("token of the older key: %s", got)
	}
	if err := w.store.EndSealedKey(t.Context(), "account:"+w.account.ID, "first", w.clock.now(), w.event(signet.EventCredentialEnded)); err != nil {
		t.Fatal(err)
	}
	if got := w.validate(token); got != invalid {
		t.Errorf("token of a key that ended: %s", got)
	}
	if got := w.validate(w.make()); got != valid {
		t.Errorf("token of the key that is left: %s", got)
	}
	if err := w.store.EndSealedKey(t.Context(), "account:"+w.account.ID, "second", w.clock.now(), w.event(signet.EventCredentialEnded)); err != nil {
		t.Fatal(err)
	}
	if got := w.validate(token); got != invalid {
		t.Errorf("account without a key: %s", got)
	}
	// A short key neither signs nor verifies: an empty one would be everybody's.
	w.addKey(w.account.ID, "third", nil)
	w.want(500, createPath, sampleOrder, device()...)
	if got := w.validate(forge(nil, sampleHeader, payloadOf(t, token))); got != invalid {
		t.Errorf("token of the empty key: %s", got)
	}
	w.settings(w.account, func(s *signet.AccountSettings) { s.IntentAlg = "none" })
	w.want(500, createPath, sampleOrder, device()...)
}

// TestFirstKey: an account that has no live key gets one, and of many calls at once one makes it.
func TestFirstKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	end := func(id signet.KeyID) {
		t.Helper()
		if err := w.store.EndSealedKey(t.Context(), "account:"+w.account.ID, id, w.clock.now(), w.event(signet.EventCredentialEnded)); err != nil {
			t.Fatal(err)
		}
	}
	end("first")
	before := forge(w.key, sampleHeader, payloadOf(t, w.resign(sampleToken(t, "created.json"))))
	var group sync.WaitGroup
	var made atomic.Int32
	for range 8 {
		group.Go(func() {
			switch answer := w.send(createPath, sampleOrder, device()...); answer.Code {
			case 200:
				made.Add(1)
			case 503:
			default:
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		})
	}
	group.Wait()
	account, err := w.store.Account(t.Context(), w.account.ID)
	if err != nil {
		t.Fatal(err)
	}
	live := slices.DeleteFunc(slices.Clone(account.Keys), func(k signet.SealedKey) bool { return !k.Live(w.clock.now()) })
	if len(live) != 1 || made.Load() == 0 {
		t.Errorf("%d keys after %d intents", len(live), made.Load())
	}
	if got := w.validate(w.make()); got != valid {
		t.Error(got)
	}
	if got := w.validate(before); got != invalid {
		t.Errorf("token of the key that ended: %s", got)
	}
	end(live[0].ID)
	if got := w.validate(w.make()); got != valid {
		t.Errorf("once more: %s", got)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *intent.Options) { o.Audiences = []string{"A"}; o.Issuer = "" })
	if got := w.want(200, createPath, `{"Audience":"A","Subject":"s"}`, device()...); !strings.Contains(got, `"iss":"signet"`) {
		t.Error(got)
	}
	w.want(400, createPath, sampleOrder, device()...)
	for n, change := range []func(*intent.Options){
		func(o *intent.Options) { o.Callers = nil }, func(o *intent.Options) { o.Devices = nil }, func(o *intent.Options) { o.Accounts = nil },
		func(o *intent.Options) { o.Keys = nil }, func(o *intent.Options) { o.NewKeys = nil }, func(o *intent.Options) { o.Signer = nil }, func(o *intent.Options) { o.Spent = nil },
		func(o *intent.Options) { o.Roles = nil }, func(o *intent.Options) { o.Failures = nil }, func(o *intent.Options) { o.Traffic = nil },
		func(o *intent.Options) { o.HashKeys = nil }, func(o *intent.Options) { o.Now = nil },
		func(o *intent.Options) { o.Audiences = []string{} }, func(o *intent.Options) { o.Audiences = []string{""} },
	} {
		options := w.options
		change(&options)
		if _, err := intent.New(options); err == nil {
			t.Errorf("change %d is accepted", n)
		}
	}
	room, err := intent.New(w.options)
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, r := range room.Routes() {
		routes = append(routes, fmt.Sprint(r.Name, " ", r.Methods, " ", r.Path, " ", r.Class, " ", r.CORS))
	}
	if want := "intent-create [POST] /payment/api/jwt/create api none"; !slices.Contains(routes, want) {
		t.Errorf("routes %q", routes)
	}
}
