package intent_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/intent"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// testdata holds the three answers as the document prints them. Ours are the same JSON on the wire, byte for byte but for
// two things that no JSON reader sees: the blanks of the print are left out, and "/" stands plainly and not as "\/".
func onTheWire(t *testing.T, printed []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, printed); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), `\/`, "/")
}

// sampleToken is the token of a document's answer.
func sampleToken(t *testing.T, name string) string {
	t.Helper()
	var answer struct{ Token string }
	if err := json.Unmarshal(sample(t, name), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Token
}

// resign puts our signature in the place of the document's: its key is not known.
func (w *world) resign(token string) string {
	w.t.Helper()
	return forge(w.key, sampleHeader, payloadOf(w.t, token))
}

func TestGoldenCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := sampleToken(t, "created.json")
	// The document's header and claims come out byte for byte: order, spelling, and no escape for "&".
	mine := w.make()
	if got, want := mine[:strings.LastIndex(mine, ".")], token[:strings.LastIndex(token, ".")]; got != want {
		t.Errorf("signed part\n got %s\nwant %s", payloadOf(t, mine), payloadOf(t, token))
	}
	want := strings.Replace(onTheWire(t, sample(t, "created.json")), token, w.resign(token), 1)
	if got := w.want(http.StatusOK, createPath, sampleOrder, device()...); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestGoldenValidate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct {
		name, file string
		at         time.Time
	}{
		{"the first sample, while it lived", "created.json", sampleTime()},
		{"the first sample, in its last second", "created.json", time.Unix(1617688156, 0)},
		{"the second sample", "validated.json", time.Unix(1617688898, 0)},
	} {
		token := w.resign(sampleToken(t, tc.file))
		w.clock.set(tc.at)
		want := strings.Replace(onTheWire(t, sample(t, tc.file)), sampleToken(t, tc.file), token, 1)
		// create's answer says the same of the payload; the message and Valid are validate's.
		want = strings.TrimSuffix(strings.Replace(want, `"Message":""`, `"Message":null`, 1), `,"Valid":true}`)
		want = strings.TrimSuffix(want, "}") + `,"Valid":true}`
		if got := w.want(http.StatusOK, validatePath, `{"Token":"`+token+`"}`, device()...); got != want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, want)
		}
		// The same with numeric dates.
		numeric := payloadOf(t, token)
		for _, claim := range []string{"iat", "exp"} {
			before, rest, _ := strings.Cut(numeric, `"`+claim+`":"`)
			digits, after, _ := strings.Cut(rest, `"`)
			numeric = before + `"` + claim + `":` + digits + after
		}
		other := forge(w.key, sampleHeader, numeric)
		want = strings.Replace(want, token, other, 1)
		if got := w.want(http.StatusOK, validatePath, `{"Token":"`+other+`"}`, device()...); got != want || other == token {
			t.Errorf("%s, numeric dates:\n got %s\nwant %s", tc.name, got, want)
		}
	}
}

func TestGoldenRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.resign(sampleToken(t, "expired.json"))
	w.clock.set(time.Unix(1617688157, 0)) // exp itself
	want := strings.Replace(onTheWire(t, sample(t, "expired.json")), sampleToken(t, "expired.json"), token, 1)
	if got := w.want(http.StatusOK, validatePath, `{"Token":"`+token+`"}`, device()...); got != want {
		t.Errorf("expired:\n got %s\nwant %s", got, want)
	}
	// The document's own token carries its own key's signature: for us it is a forged one, and never "expired".
	theirs := sampleToken(t, "expired.json")
	for _, tc := range []struct {
		name, path, body string
		status           int
		headers          []string
		want             string
	}{
		{"forged", validatePath, `{"Token":"` + theirs + `"}`, 200, device(),
			`{"Message":"JWT token is invalid.","Payload":null,"Token":"` + theirs + `","Valid":false}`},
		{"no token at all", validatePath, `{"Token":"a<b>&\u2028/"}`, 200, device(),
			`{"Message":"JWT token is invalid.","Payload":null,"Token":"a\u003cb\u003e&\u2028/","Valid":false}`},
		{"create, not authenticated", createPath, sampleOrder, 401, nil, `{"Message":"Authentication failed.","Payload":null,"Token":null}`},
		{"validate, not authenticated", validatePath, `{"Token":"x"}`, 401, nil, `{"Message":"Authentication failed.","Payload":null,"Token":null,"Valid":false}`},
		{"create, empty subject", createPath, `{"Audience":"PaymentPage","Subject":""}`, 400, device(), `{"Message":"Subject must not be empty.","Payload":null,"Token":null}`},
		{"create, another audience", createPath, `{"Audience":"Refund","Subject":"x"}`, 400, device(),
			`{"Message":"Audience must be one of: PaymentPage, CreateWalletPage, EditWalletPage.","Payload":null,"Token":null}`},
		{"validate, no token member", validatePath, `{}`, 400, device(), `{"Message":"Token must not be empty.","Payload":null,"Token":null,"Valid":false}`},
		{"create, form", createPath, "Audience=PaymentPage", 415, append(device(), "Content-Type", "application/x-www-form-urlencoded"),
			`{"Message":"Send application/json in UTF-8.","Payload":null,"Token":null}`},
		{"validate, large", validatePath, `{"Token":"` + strings.Repeat("a", 64<<10) + `"}`, 413, device(),
			`{"Message":"The body is larger than 64 KiB.","Payload":null,"Token":null,"Valid":false}`},
	} {
		if got := w.want(tc.status, tc.path, tc.body, tc.headers...); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestGoldenUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.make()
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		createPath:   `{"Message":"Try again shortly.","Payload":null,"Token":null}`,
		validatePath: `{"Message":"Try again shortly.","Payload":null,"Token":null,"Valid":false}`,
	} {
		answer := w.send(path, `{"Token":"`+token+`"}`, device()...)
		if got := answer.Body.String(); answer.Code != 503 || got != want || answer.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, answer.Code, got)
		}
	}
}

// TestGoldenKit: what the HTTP kit refuses before the room sees it has the room's envelope, too.
func TestGoldenKit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *intent.Options) { o.Callers = panicking{} })
	w.limits = web.Limits{Rates: map[web.Class]web.Rate{web.ClassAPI: {PerSecond: 0.001, Burst: 3}}}
	w.open()
	large := strings.Repeat("a", 300<<10)
	for _, tc := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"a panic, create", createPath, sampleOrder, 500, `{"Message":"Something went wrong on our side.","Payload":null,"Token":null}`},
		{"large, create", createPath, large, 413, `{"Message":"The body is larger than 64 KiB.","Payload":null,"Token":null}`},
		{"large, validate", validatePath, large, 413, `{"Message":"The body is larger than 64 KiB.","Payload":null,"Token":null,"Valid":false}`},
		{"too many, create", createPath, sampleOrder, 429, `{"Message":"Too many attempts; try again later.","Payload":null,"Token":null}`},
		{"too many, validate", validatePath, `{}`, 429, `{"Message":"Too many attempts; try again later.","Payload":null,"Token":null,"Valid":false}`},
	} {
		if got := w.want(tc.status, tc.path, tc.body, "X-Api-Key", "x"); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

// panicking is a prover with a fault.
type panicking struct{}

func (panicking) Caller(*http.Request) (*signet.Caller, error) { panic("fault") }

func TestPaymentMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct{ name, setting, claims, shown string }{
		{"none set", ``, `[]`, `[]`},
		{"null", `null`, `[]`, `[]`},
		{"empty", `[]`, `[]`, `[]`},
		{"no attributes is null, an empty list stays one", `[{"type":"A","src":"s"},{"type":"B","src":"t","attributes":[]}]`,
			`[{"type":"A","src":"s","attributes":null},{"type":"B","src":"t","attributes":[]}]`,
			`[{"attributes":null,"src":"s","type":"A"},{"attributes":[],"src":"t","type":"B"}]`},
	} {
		w.settings(w.account, func(s *signet.AccountSettings) { s.SupportedPaymentMethods = json.RawMessage(tc.setting) })
		token := w.make()
		if got := payloadOf(t, token); !strings.HasSuffix(got, `,"supportedPaymentMethods":`+tc.claims+`}`) {
			t.Errorf("%s: claims %s", tc.name, got)
		}
		if got := w.want(200, validatePath, `{"Token":"`+token+`"}`, device()...); !strings.Contains(got, `"supportedPaymentMethods":`+tc.shown+`}`) {
			t.Errorf("%s: payload %s", tc.name, got)
		}
	}
	// What an operator wrote wrongly is our fault, in the envelope, without detail.
	w.settings(w.account, func(s *signet.AccountSettings) { s.SupportedPaymentMethods = json.RawMessage(`{"type":1}`) })
	if got := w.want(500, createPath, sampleOrder, device()...); got != `{"Message":"Something went wrong on our side.","Payload":null,"Token":null}` {
		t.Error(got)
	}
}
