package intent_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/intent"
	"github.com/signet-auth/signet/pkg/signet"
)

const (
	keyID    = "3f0d9c5e-0000-4000-8000-00000000000a"
	clientID = "3f0d9c5e-0000-4000-8000-00000000000c"
	userID   = "3f0d9c5e-0000-4000-8000-00000000000e"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// addCallers makes the callers that are no device, by the name of their credential.
func (w *world) addCallers(account string) {
	member := func(account, role string) signet.Member {
		return signet.Member{Membership: signet.Membership{AccountID: account, UserID: userID, Role: role}}
	}
	key := func(role string) *signet.Caller {
		return &signet.Caller{Subject: "key:" + keyID, Key: &signet.APIKey{ID: keyID, AccountID: account, Role: role, Enabled: true}}
	}
	machine := func(account string, scope ...string) *signet.Caller {
		return &signet.Caller{Subject: "client:" + clientID, Bearer: &signet.Bearer{Scope: scope, Machine: true},
			Client: &signet.Client{ID: clientID, ClientMetadata: signet.ClientMetadata{AccountID: account}}}
	}
	person := func(scope string, members ...signet.Member) *signet.Caller {
		return &signet.Caller{Subject: userID, UserID: userID, Members: members, Bearer: &signet.Bearer{Scope: strings.Fields(scope)}}
	}
	w.callers.known = map[string]*signet.Caller{
		"terminal":                  key("merchant-terminal"),
		"owner":                     key("account-owner"),
		"consumer":                  key("anon-consumer"),
		"hosted":                    key("hosted-page"),
		"Bearer machine":            machine(account, "intents"),
		"DPoP machine":              machine(account, "intents"),
		"bearer machine":            machine(account, "intents"),
		"Bearer scopeless":          machine(account, "orders:read"),
		"Bearer any-alone":          machine(account, intent.ValidateAny),
		"Bearer homeless":           machine("", "intents"),
		"Bearer page":               machine("", "intents", intent.ValidateAny),
		"Bearer person":             person("intents", member(account, "account-owner")),
		"Bearer person-any-scope":   person("intents intents:validate-any", member(account, "account-owner")),
		"Bearer person-any-role":    person("intents", member(account, "hosted-page")),
		"Bearer person-scopeless":   person("openid", member(account, "account-owner")),
		"Bearer person-memberless":  person("intents"),
		"Bearer person-two":         person("intents", member(account, "account-owner"), member("other", "account-owner")),
		"Bearer key-exchanged":      {Subject: "key:" + keyID, Key: key("account-owner").Key, Bearer: &signet.Bearer{Scope: signet.Scope{"payment-requests:create"}}},
		"machine":                   machine(account, "intents"), // bare: must never be asked
		"Bearer of-unknown-account": machine("3f0d9c5e-0000-4000-8000-0000000000ff", "intents"),
		"Bearer nobody":             {Subject: "x", Bearer: &signet.Bearer{Scope: signet.Scope{"intents"}}},
	}
}

// TestKEY07Matrix is every kind of caller at both endpoints: create, validate of the own account's token, and of another
// account's.
func TestKEY07Matrix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addCallers(w.account.ID)
	other, otherKey := w.addAccount("Other", "11111111-2222-4333-8444-555555555555", signet.AccountSettings{})
	w.addDevice(other.ID, "2", "99999999-2222-4333-8444-555555555555", "pw")
	own := w.make()
	foreign := forge(otherKey, sampleHeader, strings.Replace(payloadOf(t, own), sampleInstance, other.Instance, 1))
	mine := []string{"X-Api-Key", "", "Authorization", ""}
	for _, tc := range []struct {
		name        string
		header      int // 0 X-Api-Key, 2 Authorization
		value       string
		create      int
		own, others string
	}{
		{"key, merchant-terminal", 0, "terminal", 200, valid, invalid},
		{"key, account-owner: a permission on the own account opens no other", 0, "owner", 200, valid, invalid},
		{"key, anon-consumer", 0, "consumer", 200, valid, invalid},
		{"key of a hosted page", 0, "hosted", 200, valid, valid},
		{"unknown key", 0, "nonsense", 401, "401", "401"},
		{"a token as a key", 0, "Bearer machine", 200, valid, invalid}, // the prover's business, not ours
		{"client's token", 2, "Bearer machine", 200, valid, invalid},
		{"scheme in lower case", 2, "bearer machine", 200, valid, invalid},
		{"client's token with a proof", 2, "DPoP machine", 200, valid, invalid},
		{"without a scheme", 2, "machine", 401, "401", "401"},
		{"without the scope", 2, "Bearer scopeless", 401, "401", "401"},
		{"validate-any is no substitute", 2, "Bearer any-alone", 401, "401", "401"},
		{"client without an account", 2, "Bearer homeless", 400, "400", "400"},
		{"hosted page's client", 2, "Bearer page", 400, valid, valid},
		{"person", 2, "Bearer person", 200, valid, invalid},
		{"person: the scope alone opens no other account", 2, "Bearer person-any-scope", 200, valid, invalid},
		{"person with the role", 2, "Bearer person-any-role", 200, valid, valid},
		{"person without the scope", 2, "Bearer person-scopeless", 401, "401", "401"},
		{"person of no account", 2, "Bearer person-memberless", 400, "400", "400"},
		{"person of two accounts", 2, "Bearer person-two", 400, "400", "400"},
		{"token of an API key, without the scope", 2, "Bearer key-exchanged", 401, "401", "401"},
		{"account that is gone", 2, "Bearer of-unknown-account", 401, "401", "401"},
		{"neither key nor client nor person", 2, "Bearer nobody", 401, "401", "401"},
		{"device", 2, "1:" + sampleDevice + "|" + devicePass, 200, valid, invalid},
		{"another account's device", 2, "2:99999999-2222-4333-8444-555555555555|pw", 200, invalid, valid},
	} {
		headers := []string{mine[tc.header], tc.value}
		if got := w.send(createPath, sampleOrder, headers...).Code; got != tc.create {
			t.Errorf("%s: create %d, want %d", tc.name, got, tc.create)
		}
		for _, probe := range []struct{ kind, token, want string }{{"own", own, tc.own}, {"foreign", foreign, tc.others}} {
			answer := w.send(validatePath, `{"Token":"`+probe.token+`"}`, headers...)
			got := fmt.Sprint(answer.Code)
			if answer.Code == http.StatusOK {
				got = w.validate(probe.token, headers...)
			}
			if got != probe.want {
				t.Errorf("%s: validate %s: %s, want %s", tc.name, probe.kind, got, probe.want)
			}
		}
	}
}

// TestClaimsOfCallers: device and dcn name the credential.
func TestClaimsOfCallers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addCallers(w.account.ID)
	w.callers.known["odd"] = &signet.Caller{Subject: "key:odd", Key: &signet.APIKey{ID: "odd", AccountID: w.account.ID}}
	for _, tc := range []struct{ name, header, value, device, dcn, actor string }{
		{"device", "Authorization", "1:" + sampleDevice + "|" + devicePass, sampleDevice, "1", "device:1:" + sampleDevice},
		{"key", "X-Api-Key", "terminal", keyID, "", "key:" + keyID},
		{"key whose id is no GUID", "X-Api-Key", "odd", "2c0afd09-003c-89c2-9326-77af621d52c3", "", "key:odd"},
		{"client", "Authorization", "Bearer machine", clientID, "", "client:" + clientID},
		{"person", "Authorization", "Bearer person", userID, "", userID},
	} {
		var claims struct{ Device, DCN, Inst, Iss, Sub, Aud string }
		if err := json.Unmarshal([]byte(payloadOf(t, w.make(tc.header, tc.value))), &claims); err != nil {
			t.Fatal(err)
		}
		if claims.Device != tc.device || claims.DCN != tc.dcn || claims.Inst != sampleInstance {
			t.Errorf("%s: %+v", tc.name, claims)
		}
		event := w.events.last(t)
		if event.Kind != signet.EventIntentCreated || event.Actor != tc.actor || event.Target != "account:"+w.account.ID ||
			event.Address != "192.0.2.7" || event.Reason != "PaymentPage" || event.RequestID == "" {
			t.Errorf("%s: event %+v", tc.name, event)
		}
	}
}

// TestDeviceForms are the spellings of one device's credential.
func TestDeviceForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const shared, colon = "aaaaaaaa-2222-4333-8444-555555555555", "bbbbbbbb-2222-4333-8444-555555555555"
	const empty = "eeeeeeee-2222-4333-8444-555555555555"
	w.addDevice(w.account.ID, "1", shared, "one")
	w.addDevice(w.account.ID, "2", shared, "two")
	w.addDevice(w.account.ID, "east:7", colon, "pw")
	w.addDevice(w.account.ID, "1", empty, "")
	for n, tc := range []struct {
		name, value string
		status      int
	}{
		{"dcn, id, password", "1:" + sampleDevice + "|" + devicePass, 200},
		{"id in upper case", "1:" + strings.ToUpper(sampleDevice) + "|" + devicePass, 200},
		{"id alone", sampleDevice + "|" + devicePass, 200},
		{"id alone, which two have", shared + "|one", 401},
		{"with the dcn it is one", "2:" + shared + "|two", 200},
		{"the other's password", "2:" + shared + "|one", 401},
		{"dcn with a colon", "east:7:" + colon + "|pw", 200},
		{"another dcn", "2:" + sampleDevice + "|" + devicePass, 401},
		{"empty dcn is a dcn", ":" + sampleDevice + "|" + devicePass, 401},
		{"wrong password", "1:" + sampleDevice + "|x", 401},
		{"no password", "1:" + sampleDevice + "|", 401},
		{"a record with the empty password", "1:" + empty + "|", 401},
		{"no bar", "1:" + sampleDevice, 401},
		{"braces", "1:{" + sampleDevice + "}|" + devicePass, 401},
		{"no hyphens", "1:" + strings.ReplaceAll(sampleDevice, "-", "") + "|" + devicePass, 401},
		{"blank before", "1: " + sampleDevice + "|" + devicePass, 401},
		{"unknown", "1:cccccccc-2222-4333-8444-555555555555|x", 401},
		{"basic", basic("1"+sampleDevice, devicePass), 200},
		{"basic, scheme in lower case", strings.Replace(basic("1"+sampleDevice, devicePass), "Basic", "basic", 1), 200},
		{"basic, id alone", basic(sampleDevice, devicePass), 200},
		{"basic, id alone, which two have", basic(shared, "one"), 401},
		{"basic, another dcn", basic("2"+sampleDevice, devicePass), 401},
		{"basic, wrong password", basic("1"+sampleDevice, "x"), 401},
		{"basic, short", basic(sampleDevice[1:], devicePass), 401},
		{"basic, dcn and id the other way round", basic(sampleDevice+"1", devicePass), 401},
		{"basic, no colon", "Basic " + base64.StdEncoding.EncodeToString([]byte("1"+sampleDevice)), 401},
		{"basic, no base64", "Basic 1" + sampleDevice, 401},
		{"basic, the bar form inside", basic("1:"+sampleDevice, devicePass), 401},
		{"basic, nothing", "Basic", 401},
		{"basic, NUL and no UTF-8", basic("\x00\xff"+sampleDevice, devicePass), 401},
		{"basic, long dcn", basic(strings.Repeat("1", 1000)+sampleDevice, devicePass), 401},
		{"long password", "1:" + sampleDevice + "|" + strings.Repeat("x", 5000), 401},
		{"another scheme", "Digest 1:" + sampleDevice, 401},
		{"empty", "", 401},
		{"bar alone", "|", 401},
	} {
		// A network each, so that no case uses up another's failures.
		answer := w.send(createPath, sampleOrder, "Authorization", tc.value, "From", fmt.Sprintf("198.51.%d.1:9", n))
		if answer.Code != tc.status {
			t.Errorf("%s: %d, want %d", tc.name, answer.Code, tc.status)
		}
		if tc.status != 401 {
			continue
		}
		if got := answer.Body.String(); got != `{"Message":"Authentication failed.","Payload":null,"Token":null}` {
			t.Errorf("%s: %s", tc.name, got)
		}
		if got := answer.Header().Values("Www-Authenticate"); len(got) != 2 {
			t.Errorf("%s: challenges %q", tc.name, got)
		}
	}
}

// TestKEY04OneCredential: two credentials are refused, even twice the same.
func TestKEY04OneCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addCallers(w.account.ID)
	good := device()
	for name, headers := range map[string][]string{
		"key and token":   {"X-Api-Key", "terminal", "Authorization", "Bearer machine"},
		"key and device":  append([]string{"X-Api-Key", "terminal"}, good...),
		"bad key, device": append([]string{"X-Api-Key", "nonsense"}, good...),
		"two keys":        {"X-Api-Key", "terminal", "X-Api-Key", "owner"},
		"two tokens":      {"Authorization", "Bearer machine", "Authorization", "Bearer machine"},
		"empty key":       append([]string{"X-Api-Key", ""}, good...),
	} {
		got := w.want(400, createPath, sampleOrder, headers...)
		if got != `{"Message":"Send exactly one credential: X-Api-Key or Authorization.","Payload":null,"Token":null}` {
			t.Errorf("%s: %s", name, got)
		}
	}
	// What is neither header is no credential.
	if got := w.send(createPath+"?api_key=terminal&access_token=machine", sampleOrder).Code; got != 401 {
		t.Errorf("credential in the query: %d", got)
	}
}

// TestCallerErrors: what the prover of keys and tokens says.
func TestCallerErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		code   signet.Code
		status int
	}{
		{signet.CodeInvalidToken, 401}, {signet.CodeInsufficientScope, 401}, {signet.CodeForbidden, 401}, {signet.CodeNotFound, 401},
		{signet.CodeInvalidRequest, 400}, {signet.CodeTooMany, 429}, {signet.CodeUnavailable, 503}, {signet.CodeInternal, 500},
	} {
		w := newWorld(t)
		w.callers.err = &signet.Error{Code: tc.code, Reason: "test"}
		answer := w.send(createPath, sampleOrder, "X-Api-Key", "x")
		if answer.Code != tc.status || !strings.HasPrefix(answer.Body.String(), `{"Message":"`) {
			t.Errorf("%s: %d %s", tc.code, answer.Code, answer.Body)
		}
		if wait := answer.Header().Get("Retry-After"); (wait != "") != (tc.status == 429 || tc.status == 503) {
			t.Errorf("%s: Retry-After %q", tc.code, wait)
		}
	}
	w := newWorld(t)
	w.callers.err = &signet.Error{Code: signet.CodeTooMany, Cause: waitError{}}
	if got := w.send(createPath, sampleOrder, "X-Api-Key", "x").Header().Get("Retry-After"); got != "91" {
		t.Errorf("Retry-After %q, want the prover's 90.5 s, rounded up", got)
	}
}

// waitError says how long to wait, as the prover of keys does.
type waitError struct{}

func (waitError) Error() string             { return "wait" }
func (waitError) RetryAfter() time.Duration { return 90500 * time.Millisecond }

// TestDisabled: a disabled device or account is answered like a wrong password.
func TestDisabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.make()
	if err := w.store.SetDeviceDisabled(t.Context(), "1", sampleDevice, true, w.event(signet.EventDeviceDisabled)); err != nil {
		t.Fatal(err)
	}
	wrong := w.want(401, createPath, sampleOrder, "Authorization", "1:"+sampleDevice+"|x")
	if got := w.want(401, createPath, sampleOrder, device()...); got != wrong {
		t.Errorf("disabled device: %s", got)
	}
	if err := w.store.SetDeviceDisabled(t.Context(), "1", sampleDevice, false, w.event(signet.EventDeviceEnabled)); err != nil {
		t.Fatal(err)
	}
	w.want(200, createPath, sampleOrder, device()...)
	if err := w.store.SetAccountDisabled(t.Context(), w.account.ID, true, w.event(signet.EventAccountDisabled)); err != nil {
		t.Fatal(err)
	}
	if got := w.want(401, createPath, sampleOrder, device()...); got != wrong {
		t.Errorf("disabled account: %s", got)
	}
	w.addCallers(w.account.ID)
	w.want(401, createPath, sampleOrder, "X-Api-Key", "terminal")
	w.want(401, validatePath, `{"Token":"`+token+`"}`, "X-Api-Key", "hosted")
	if got := w.validate(token, "Authorization", "Bearer page"); got != invalid {
		t.Errorf("token of a disabled account, for a hosted page: %s", got)
	}
}

// TestEnabledAgain: what was made before an account was disabled stays dead, and what is made from then on lives, from
// the very second on.
func TestEnabledAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.make()
	if got := w.validate(before); got != "valid" {
		t.Fatalf("before: %s", got)
	}
	for _, disabled := range []bool{true, false} {
		if err := w.store.SetAccountDisabled(t.Context(), w.account.ID, disabled, w.event(signet.EventAccountDisabled)); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.validate(before); got != invalid {
		t.Errorf("an intent of before: %s", got)
	}
	if got := w.validate(w.make()); got != "valid" {
		t.Errorf("a new intent: %s", got)
	}
}

// TestHMC16GuessesLockNobodyOut counts failures by device and network.
func TestHMC16GuessesLockNobodyOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const unknown, neighbour = "cccccccc-2222-4333-8444-555555555555", "dddddddd-2222-4333-8444-555555555555"
	w.addDevice(w.account.ID, "1", neighbour, "pw")
	attacker, elsewhere := "203.0.113.9:5", "198.51.100.1:5"
	right := device()
	guess := func(id, from string) int {
		return w.send(createPath, sampleOrder, "Authorization", "1:"+id+"|guess", "From", from).Code
	}
	for n := range failureLimit {
		if got := guess(sampleDevice, attacker); got != 401 {
			t.Fatalf("guess %d: %d", n, got)
		}
	}
	answer := w.send(createPath, sampleOrder, "Authorization", "1:"+sampleDevice+"|guess", "From", attacker)
	if wait := answer.Header().Get("Retry-After"); answer.Code != 429 || wait != "300" {
		t.Errorf("guess after the limit: %d, Retry-After %q", answer.Code, wait)
	}
	if got := answer.Body.String(); got != `{"Message":"Too many attempts; try again later.","Payload":null,"Token":null}` {
		t.Error(got)
	}
	// The spelling of the name makes no second device, nor does another address of the network.
	for _, value := range []string{sampleDevice + "|x", basic("1"+sampleDevice, "x"), "9:" + strings.ToUpper(sampleDevice) + "|x"} {
		if got := w.send(createPath, sampleOrder, "Authorization", value, "From", "203.0.113.200:1").Code; got != 429 {
			t.Errorf("%s: %d", value, got)
		}
	}
	// The rightful caller elsewhere, and the neighbour's right password from the attacker's own network.
	if got := w.send(createPath, sampleOrder, append(right, "From", elsewhere)...).Code; got != 200 {
		t.Errorf("the rightful caller: %d", got)
	}
	if got := w.send(createPath, sampleOrder, "Authorization", "1:"+neighbour+"|pw", "From", attacker).Code; got != 200 {
		t.Errorf("a neighbour who is right: %d", got)
	}
	// Who has used up a network's failures at a device does not get in from there by the right one either.
	if got := w.send(createPath, sampleOrder, append(right, "From", attacker)...).Code; got != 429 {
		t.Errorf("right after too many guesses: %d", got)
	}
	// The network has used up its failures: each further one is told to wait, for an unknown device as for a known.
	if known, other := guess(neighbour, attacker), guess(unknown, attacker); known != 429 || other != 429 {
		t.Errorf("further guesses: %d, %d", known, other)
	}
	// An unknown device answers as a known one does, guess by guess.
	for n := range failureLimit + 1 {
		known, other := guess(sampleDevice, "198.18.1.1:1"), guess(unknown, "198.18.2.1:1")
		if known != other {
			t.Errorf("guess %d: known %d, unknown %d", n, known, other)
		}
	}
	w.clock.set(w.clock.now().Add(5 * time.Minute))
	if got := w.send(createPath, sampleOrder, append(right, "From", attacker)...).Code; got != 200 {
		t.Errorf("after the window: %d", got)
	}
}

// TestSecretsStayOut: neither log nor event holds a password or a token.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.make()
	w.validate(token)
	w.validate(token + "x")
	w.send(createPath, sampleOrder, "Authorization", "1:"+sampleDevice+"|hidden-guess")
	w.send(createPath, sampleOrder, "Authorization", basic("1"+sampleDevice, "hidden-guess"))
	all := w.log.String()
	for _, event := range w.events.list {
		all += fmt.Sprintf("%+v\n", event)
	}
	for _, secret := range []string{"sesame", "hidden-guess", token, strings.Split(token, ".")[2], sampleSubject} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in the log or an event", secret)
		}
	}
	if !strings.Contains(all, sampleDevice) || !strings.Contains(all, "device_password") {
		t.Errorf("the log does not say who was refused and why: %s", all)
	}
}
