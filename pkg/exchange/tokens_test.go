package exchange_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/exchange"
	"github.com/signet-auth/signet/pkg/signet"
)

const (
	unauthorized = `{"type":"https://tools.ietf.org/html/rfc7235#section-3.1","title":"Unauthorized","status":401}`
	badInvoice   = `{"type":"https://tools.ietf.org/html/rfc7231#section-6.5.1","title":"Bad Request","status":400,` +
		`"detail":"The body must be one JSON object with the members billerGuid, invoiceGuid and hmac, each at most once and a string or null."}`
	badPayer = `{"type":"https://tools.ietf.org/html/rfc7231#section-6.5.1","title":"Bad Request","status":400,` +
		`"detail":"The body must be one JSON object with the members billerGuid, userGuid, timestamp and hmac, each at most once and a string or null."}`
	unsupported = `{"type":"https://tools.ietf.org/html/rfc7231#section-6.5.13","title":"Unsupported Media Type","status":415,` +
		`"detail":"Send application/json, text/json or application/*+json in UTF-8."}`
	tooLarge = `{"type":"https://tools.ietf.org/html/rfc7231#section-6.5.11","title":"Payload Too Large","status":413}`
)

func (w *world) golden(name string, res *httptest.ResponseRecorder, status int, want string) {
	w.t.Helper()
	if res.Code != status || res.Body.String() != want {
		w.t.Errorf("%s: %d %s\nwant %d %s", name, res.Code, res.Body, status, want)
	}
	if res.Header().Get("Cache-Control") != "no-store" || res.Header().Get("X-Content-Type-Options") != "nosniff" {
		w.t.Errorf("%s: headers %v", name, res.Header())
	}
}

func (w *world) legacy(f exchange.Fields) signet.IdentityRequest {
	return w.signed(f, signet.HMACScheme{Name: "v1"}, sharedKey)
}

func TestLegacyGoldenBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invoice(invoiceGUID, nil)
	right := body(w.legacy(invoice()))
	w.golden("invoice", w.send("POST", "/api/v1/tokens", right), 200, `{"token":"header.key.iv.1.tag"}`)
	w.golden("payer", w.send("POST", "/api/v1/payertokens", body(w.legacy(payer()))), 200, `{"token":"header.key.iv.2.tag"}`)
	w.golden("payer again", w.send("POST", "/api/v1/payertokens", body(w.legacy(payer()))), 401, unauthorized)
	w.golden("null", w.send("POST", "/api/v1/tokens", `{"billerGuid":null,"invoiceGuid":null,"hmac":null}`), 401, unauthorized)
	w.golden("empty object", w.send("POST", "/api/v1/payertokens", `{}`), 401, unauthorized)
	w.golden("no hmac", w.send("POST", "/api/v1/tokens", `{"billerGuid":"`+billerGUID+`","invoiceGuid":"`+invoiceGUID+`"}`), 401, unauthorized)
	w.golden("unknown biller", w.send("POST", "/api/v1/tokens", strings.Replace(right, billerGUID, unknownGUID, 1)), 401, unauthorized)
	w.golden("no GUID", w.send("POST", "/api/v1/tokens", strings.Replace(right, billerGUID, "x", 1)), 401, unauthorized)
	w.golden("not JSON", w.send("POST", "/api/v1/tokens", `billerGuid=1`), 400, badInvoice)
	w.golden("not JSON", w.send("POST", "/api/v1/payertokens", `[]`), 400, badPayer)
	w.golden("form", w.send("POST", "/api/v1/tokens", right, "Content-Type", "application/x-www-form-urlencoded"), 415, unsupported)
	w.golden("long", w.send("POST", "/api/v1/tokens", `{"hmac":"`+strings.Repeat("a", 17<<10)+`"}`), 413, tooLarge)
	w.golden("longer than the kit reads", w.send("POST", "/api/v1/tokens", `{"hmac":"`+strings.Repeat("a", 300<<10)+`"}`), 413, tooLarge)
	w.mint.err = &signet.Error{Code: signet.CodeUnavailable}
	res := w.send("POST", "/api/v1/tokens", right)
	w.golden("away", res, 503, `{"type":"https://tools.ietf.org/html/rfc7231#section-6.6.4","title":"Service Unavailable","status":503,`+
		`"detail":"The service is unavailable for a moment. Try again."}`)
	if res.Header().Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	w.mint.err = signet.Internal(nil)
	w.golden("fault", w.send("POST", "/api/v1/tokens", right), 500, `{"type":"https://tools.ietf.org/html/rfc7231#section-6.6.1","title":"Internal Server Error","status":500}`)
	w.mint.err = &signet.Error{Code: signet.CodeInvalidGrant, Reason: "principal_disabled"}
	w.golden("taken back meanwhile", w.send("POST", "/api/v1/tokens", right), 401, unauthorized)
	for range 40 {
		res = w.send("POST", "/api/v1/tokens", right)
	}
	w.golden("rate", res, 429, `{"type":"https://tools.ietf.org/html/rfc6585#section-4","title":"Too Many Requests","status":429}`)
}

// A refusal is one event: the room's when the identity fails, the mint's when that refuses.
func TestOneEventByRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mint.err = &signet.Error{Code: signet.CodeInvalidGrant, Reason: "principal_disabled"}
	w.golden("refused by the mint", w.send("POST", "/api/v1/payertokens", body(w.legacy(payer()))), 401, unauthorized)
	if n := w.events.has("token.refused"); n != 0 {
		t.Errorf("%d events beside the mint's own: %v", n, w.events.lines)
	}
	w.golden("refused by the room", w.send("POST", "/api/v1/payertokens", `{}`), 401, unauthorized)
	if n := w.events.has("token.refused"); n != 1 {
		t.Errorf("%d events, want 1: %v", n, w.events.lines)
	}
}

// TestLegacyMediaTypes: every type of the document in, every type of the document out, answers and errors alike; an
// Authorization header is nobody's business here.
func TestLegacyMediaTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, media := range []string{"application/json", "text/json", "application/vnd.biller+json", "application/json; charset=utf-8", "Application/JSON"} {
		w.advance(time.Second)
		res := w.send("POST", "/api/v1/payertokens", body(w.legacy(w.payerAt(0))), "Content-Type", media, "Authorization", "Bearer of nothing")
		if res.Code != 200 {
			t.Errorf("%s: %d %s", media, res.Code, res.Body)
		}
	}
	for _, media := range []string{"text/plain", "application/jsonp", "application/+json", "multipart/form-data; boundary=a", "application/json; charset=latin1", ""} {
		if res := w.send("POST", "/api/v1/payertokens", `{}`, "Content-Type", media); res.Code != 415 {
			t.Errorf("%q: %d", media, res.Code)
		}
	}
	for accept, want := range map[string]string{"": "application/json; charset=utf-8", "text/plain": "text/plain; charset=utf-8",
		"text/json": "text/json; charset=utf-8", "image/png": "application/json; charset=utf-8"} {
		w.advance(time.Second)
		good := w.send("POST", "/api/v1/payertokens", body(w.legacy(w.payerAt(0))), "Accept", accept)
		bad := w.send("POST", "/api/v1/payertokens", `{}`, "Accept", accept)
		if good.Code != 200 || good.Header().Get("Content-Type") != want || bad.Code != 401 || bad.Header().Get("Content-Type") != want || bad.Body.String() != unauthorized {
			t.Errorf("%q: %d %s, %d %s", accept, good.Code, good.Header().Get("Content-Type"), bad.Code, bad.Header().Get("Content-Type"))
		}
	}
}

// TestHMC11StrictJSON: one constant body for whatever is not the described JSON.
func TestHMC11StrictJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bodies := map[string]string{
		"hmac twice":        `{"hmac":"bad","hmac":"good"}`,
		"hmac and HMAC":     `{"hmac":"bad","HMAC":"good"}`,
		"escaped twice":     `{"hmac":"bad","\u0068mac":"good"}`,
		"folded by Go":      `{"userGuid":"a","u\u017ferGuid":"b"}`,
		"other case":        `{"BillerGuid":"a"}`,
		"unknown member":    `{"billerGuid":"a","admin":true}`,
		"trailing data":     `{} {}`,
		"trailing text":     `{}x`,
		"BOM":               "\ufeff{}",
		"comment":           `{/* */}`,
		"NaN":               `{"timestamp":NaN}`,
		"1e400":             `{"timestamp":1e400}`,
		"number for text":   `{"timestamp":1700000000}`,
		"array for text":    `{"hmac":["a"]}`,
		"object for text":   `{"hmac":{"a":"b"}}`,
		"deep":              strings.Repeat(`{"hmac":`, 1000) + `1` + strings.Repeat(`}`, 1000),
		"deep array":        strings.Repeat(`[`, 10000),
		"invalid UTF-8":     "{\"hmac\":\"\xff\"}",
		"lone surrogate":    `{"hmac":"\ud800"}`,
		"single quotes":     `{'hmac':'a'}`,
		"trailing comma":    `{"hmac":"a",}`,
		"control in text":   "{\"hmac\":\"a\nb\"}",
		"array":             `[{}]`,
		"null":              `null`,
		"text":              `"a"`,
		"nothing":           ` `,
		"unfinished":        `{"hmac":"a"`,
		"proto":             `{"__proto__":{}}`,
		"member of another": `{"invoiceGuid":"a"}`,
	}
	for name, text := range bodies {
		w.golden(name, w.send("POST", "/api/v1/payertokens", text), 400, badPayer)
	}
}

// TestLenientJSON: a biller whose record says so may fold letter case and send more; not twice the same, and nobody else.
func TestLenientJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := w.legacy(payer())
	loose := strings.NewReplacer("billerGuid", "BillerGUID", "hmac", "HMAC", "}", `,"extra":1}`).Replace(body(req))
	w.golden("a strict biller", w.send("POST", "/api/v1/payertokens", loose), 400, badPayer)
	w.change(func(b *signet.Biller) { b.LenientJSON = true })
	for name, text := range map[string]string{
		"twice by case":    strings.Replace(loose, "{", `{"hmac":"a",`, 1),
		"twice by folding": strings.Replace(loose, "{", `{"u\u017ferGuid":"a",`, 1),
		"another type":     strings.Replace(loose, `"extra":1`, `"Timestamp":1`, 1),
	} {
		w.golden(name, w.send("POST", "/api/v1/payertokens", text), 400, badPayer)
	}
	if w.events.has("departure.used lenient_json") != 0 {
		t.Error("a refused body was counted as a departure")
	}
	w.golden("a lenient biller", w.send("POST", "/api/v1/payertokens", loose), 200, `{"token":"header.key.iv.1.tag"}`)
	if w.events.has("departure.used lenient_json", "target=biller:"+billerGUID) != 1 {
		t.Errorf("events %v", w.events.lines)
	}
	w.ok(w.store.SetBillerDisabled(t.Context(), billerGUID, true, w.event(signet.EventBillerDisabled)))
	w.golden("a disabled one", w.send("POST", "/api/v1/payertokens", loose), 400, badPayer)
}

// TestHMC17NothingSecretIsWritten looks for hmacs, keys and tokens in what is logged and recorded, after good and bad
// requests.
func TestHMC17NothingSecretIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invoice(invoiceGUID, nil)
	good, bad := w.legacy(invoice()), w.signed(payer(), signet.HMACScheme{Name: "v1"}, otherKey)
	w.send("POST", "/api/v1/tokens", body(good))
	for range 25 {
		w.send("POST", "/api/v1/payertokens", body(bad))
	}
	w.send("POST", "/api/v1/payertokens", strings.Replace(body(bad), "hmac", bad.HMAC, 1))
	w.send("POST", "/api/v1/payertokens", `{"billerGuid":"`+bad.HMAC+`"}`)
	w.send("GET", "/api/v1/invoices/"+invoiceGUID, "", "Authorization", "Bearer eyJ-secret-token")
	written := w.log.String() + strings.Join(w.events.lines, "\n")
	if !strings.Contains(written, "hmac_wrong") || !strings.Contains(written, billerGUID) {
		t.Fatalf("nothing was written: %s", written)
	}
	for name, secret := range map[string]string{"hmac": good.HMAC, "wrong hmac": bad.HMAC, "key": sharedKey, "token": "header.key.iv", "bearer": "eyJ-secret"} {
		if strings.Contains(strings.ToLower(written), strings.ToLower(secret)) {
			t.Errorf("the %s is written: %s", name, written)
		}
	}
}

// TestRefusalsAreEvents: every refusal is one, with reason, address and the biller it named.
func TestRefusalsAreEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("POST", "/api/v1/payertokens", body(w.signed(payer(), signet.HMACScheme{Name: "v1"}, otherKey)))
	if w.events.has("token.refused hmac_wrong", "address=192.0.2.7", "target=biller:"+billerGUID) != 1 {
		t.Errorf("events %v", w.events.lines)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	plain := newWorld(t)
	for _, path := range []string{"/test", "/payertest"} {
		if res := plain.send("POST", path, `{}`); res.Code != 404 {
			t.Errorf("%s outside dev: %d", path, res.Code)
		}
	}
	w := newWorld(t, func(o *exchange.Options) { o.Demo = func(id signet.BillerID) bool { return id == billerGUID } })
	w.biller(unknownGUID, nil)
	w.key(unknownGUID, "k1", otherKey, nil)
	w.golden("payer", w.send("POST", "/payertest", `{"billerGuid":"`+billerGUID+`","userGuid":"`+userGUID+`","timestamp":"1700000000"}`), 200,
		`{"billerGuid":"`+billerGUID+`","userGuid":"`+userGUID+`","timestamp":"1700000000","hmac":"cb7678c16a32fef81120de79339f4dc08c912d27a084e0dbb448b5848d0e1c32"}`)
	signed := w.send("POST", "/test", `{"billerGuid":"`+strings.ToUpper(billerGUID)+`","invoiceGuid":"`+invoiceGUID+`","hmac":"x"}`)
	w.golden("invoice", signed, 200, `{"billerGuid":"`+strings.ToUpper(billerGUID)+`","invoiceGuid":"`+invoiceGUID+
		`","hmac":"73e86dd6c0853fe2a080b89f2a92136874af3fe701460343b769715c18bbde56"}`)
	w.invoice(invoiceGUID, nil)
	if res := w.send("POST", "/api/v1/tokens", signed.Body.String()); res.Code != 200 {
		t.Errorf("what /test signed is refused: %d %s", res.Code, res.Body)
	}
	// Another biller's key never signs here.
	if res := w.send("POST", "/test", `{"billerGuid":"`+unknownGUID+`","invoiceGuid":"`+invoiceGUID+`"}`); res.Code != 404 {
		t.Errorf("another biller: %d %s", res.Code, res.Body)
	}
	if res := w.send("POST", "/test", `{"billerGuid":"`+billerGUID+`"}`); res.Code != 400 {
		t.Errorf("nothing to sign: %d %s", res.Code, res.Body)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	res := w.send("GET", "/health", "", "Authorization", "anything")
	w.golden("health", res, 200, "Healthy")
	if res.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("type %s", res.Header().Get("Content-Type"))
	}
	w.golden("details", w.send("GET", "/healthdetails", ""), 200, `["database: up","redis: down"]`)
}
