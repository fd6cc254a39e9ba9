package attacks

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

// Nothing but the whole hmac is taken, in hex of any letter case or in base64. Its time is `make timing`'s.
func TestHMC01(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	biller, from := w.Card.Billers[0], &networks{}
	w.happy("happy path", w.post("/token", e2e.Client{}, payer(t, biller, 0)))
	form := payer(t, biller, -time.Second)
	mac := form.Get("hmac")
	flip := func(i int) string { return mac[:i] + string("01"[bit(mac[i] == '0')]) + mac[i+1:] }
	for name, text := range map[string]string{"last nibble": flip(63), "first nibble": flip(0), "missing": "", "63": mac[:63], "65": mac + "0",
		"0x": "0x" + mac, "twice": mac + mac, "blank behind": mac + " ", "zeros": strings.Repeat("0", 64), "base64url of the hex": base64.RawURLEncoding.EncodeToString([]byte(mac))} {
		w.http = from.next()
		w.refused(name, w.post("/token", e2e.Client{}, with(form, "hmac", text)), http.StatusBadRequest, "invalid_grant")
	}
	array := with(form, "hmac", "")
	array.Set("hmac[]", mac)
	w.refused("array", w.post("/token", e2e.Client{}, array), http.StatusBadRequest, "invalid_grant")
	w.refused("two of them", w.post("/token", e2e.Client{}, url.Values{"grant_type": {hmacGrant}, "biller_id": form["biller_id"], "user_id": form["user_id"],
		"timestamp": form["timestamp"], "hmac": {mac, mac}}), http.StatusBadRequest, "invalid_request")
	w.happy("none of them was a use", w.post("/token", e2e.Client{}, with(form, "hmac", strings.ToUpper(mac))))
	again := payer(t, biller, -2*time.Second)
	raw, err := hex.DecodeString(again.Get("hmac"))
	if err != nil {
		t.Fatal(err)
	}
	w.happy("base64", w.post("/token", e2e.Client{}, with(again, "hmac", base64.StdEncoding.EncodeToString(raw))))
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A timestamp is read in its few forms, inside the window, and once: the same moment in another form is a replay.
func TestHMC02(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	biller, from := w.Card.Billers[0], &networks{}
	now := time.Now().Truncate(time.Second)
	seconds := strconv.FormatInt(now.Unix(), 10)
	w.happy("happy path", w.post("/token", e2e.Client{}, stamped(t, biller, seconds)))
	refuse := func(name, stamp string) {
		t.Helper()
		w.http = from.next()
		form := stamped(t, biller, stamp)
		form.Set("timestamp", stamp)
		w.refused(name, w.post("/token", e2e.Client{}, form), http.StatusBadRequest, "invalid_grant")
	}
	for name, stamp := range map[string]string{"in ms": seconds + "000", "in RFC 3339": now.UTC().Format(time.RFC3339), "the same again": seconds,
		"in another zone": now.In(time.FixedZone("", 7200)).Format(time.RFC3339)} {
		refuse("replay "+name, stamp)
	}
	text := func(at time.Duration) string { return strconv.FormatInt(time.Now().Add(at).Unix(), 10) }
	for name, stamp := range map[string]string{"-302 s": text(-302 * time.Second), "+62 s": text(62 * time.Second), "zero": "0", "negative": "-1",
		"1e18": "1000000000000000000", "none": "", "signed": "+" + text(0), "blank": " " + text(0), "exponent": "1.7e9", "leading zero": "0" + text(0),
		"no zone": now.UTC().Format("2006-01-02T15:04:05"), "hex": "0x" + strconv.FormatInt(now.Unix(), 16), "fraction": text(0) + ".5", "us": seconds + "000000"} {
		refuse(name, stamp)
	}
	w.happy("-290 s", w.post("/token", e2e.Client{}, stamped(t, biller, text(-290*time.Second))))
	w.happy("+50 s", w.post("/token", e2e.Client{}, stamped(t, biller, text(50*time.Second))))
}

// An hmac has one meaning: neither a moved boundary nor another name of a field gives it a second one.
func TestHMC04(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v2, v1, from := w.Card.Billers[0], w.Card.Billers[1], &networks{}
	w.edit("/billers/"+v2.ID, map[string]any{"invoice_exchange": true})
	w.happy("payer", w.post("/token", e2e.Client{}, payer(t, v2, 0)))
	guid := v2.Invoices[0].InvoiceGUID
	invoice := url.Values{"grant_type": {hmacGrant}, "biller_id": {v2.ID}, "invoice_id": {guid}, "hmac": {e2e.SignIdentity(t, v2, "invoice_id", guid, "")}}
	w.happy("invoice", w.post("/token", e2e.Client{}, invoice))

	right := payer(t, v2, -time.Second)
	user, stamp := right.Get("user_id"), right.Get("timestamp")
	for name, form := range map[string]url.Values{
		"a payer's as an invoice":            with(right, "user_id", "", "timestamp", "", "invoice_id", user),
		"a payer's as an invoice, dated":     with(right, "user_id", "", "invoice_id", user),
		"an invoice's as a payer":            with(invoice, "invoice_id", "", "user_id", guid, "timestamp", stamp),
		"an invoice signed as user_id":       with(invoice, "hmac", e2e.SignIdentity(t, v2, "user_id", guid, "")),
		"a payer signed without its time":    with(right, "hmac", e2e.SignIdentity(t, v2, "user_id", user, "")),
		"v1 where v2 is due":                 with(right, "hmac", e2e.SignV1(t, v2, user, stamp)),
		"v1 of an invoice where v2 is due":   with(invoice, "hmac", e2e.SignV1(t, v2, guid)),
		"a bar in the user":                  with(right, "user_id", user+"|"+stamp),
		"a bar in the time":                  with(right, "timestamp", stamp+"|"),
		"a line end in the user":             with(right, "user_id", user+"\n"),
		"a comma in the biller":              with(right, "biller_id", v2.ID+","),
		"a moved boundary":                   with(right, "biller_id", v2.ID[:35], "user_id", v2.ID[35:]+user),
		"another biller's name on the hmac":  with(right, "biller_id", v1.ID),
		"the invoice of another biller":      with(invoice, "invoice_id", v1.Invoices[0].InvoiceGUID, "hmac", e2e.SignIdentity(t, v2, "invoice_id", v1.Invoices[0].InvoiceGUID, "")),
		"the invoice with a time beside it ": with(invoice, "timestamp", stamp, "hmac", e2e.SignIdentity(t, v2, "invoice_id", guid, stamp)),
	} {
		w.http = from.next()
		w.refused(name, w.post("/token", e2e.Client{}, form), http.StatusBadRequest, "invalid_grant")
	}
	for name, form := range map[string]url.Values{"both": with(right, "invoice_id", guid), "neither": with(right, "user_id", ""), "no biller": with(right, "biller_id", "")} {
		w.refused(name, w.post("/token", e2e.Client{}, form), http.StatusBadRequest, "invalid_request")
	}
	// Control characters do not even reach the grant.
	w.refused("NUL", w.post("/token", e2e.Client{}, with(right, "user_id", user+"\x00")), http.StatusBadRequest, "invalid_request")

	// The legacy forms join values with bars: a payer's hmac is no invoice's, and the other way round.
	if a := w.json("/api/v1/payertokens", e2e.Payer(t, v1)); a.status != http.StatusOK {
		t.Fatalf("payer: %d %s", a.status, a.body)
	}
	if a := w.json("/api/v1/tokens", bill(t, v1)); a.status != http.StatusOK {
		t.Fatalf("bill: %d %s", a.status, a.body)
	}
	person := e2e.Payer(t, v1)
	joined := person["userGuid"].(string) + "|" + person["timestamp"].(string)
	for name, a := range map[string]func() answer{
		"a payer's values as one invoice": func() answer {
			return w.json("/api/v1/tokens", map[string]any{"billerGuid": v1.ID, "invoiceGuid": joined, "hmac": person["hmac"]})
		},
		"a payer's hmac for an invoice": func() answer {
			return w.json("/api/v1/tokens", map[string]any{"billerGuid": v1.ID, "invoiceGuid": person["userGuid"], "hmac": person["hmac"]})
		},
		"an invoice's hmac for a payer without a time": func() answer {
			b := bill(t, v1)
			return w.json("/api/v1/payertokens", map[string]any{"billerGuid": v1.ID, "userGuid": b["invoiceGuid"], "timestamp": "", "hmac": b["hmac"]})
		},
		"v2 where v1 is due": func() answer {
			return w.json("/api/v1/payertokens", map[string]any{"billerGuid": v1.ID, "userGuid": person["userGuid"], "timestamp": person["timestamp"],
				"hmac": e2e.SignIdentity(t, v1, "user_id", person["userGuid"].(string), person["timestamp"].(string))})
		},
	} {
		w.http = from.next()
		w.denied(name, a())
	}
}

// unauthorized is the whole answer of the legacy endpoints to every failed credential.
const unauthorized = `{"type":"https://tools.ietf.org/html/rfc7235#section-3.1","title":"Unauthorized","status":401}`

func (w *world) denied(what string, a answer) {
	w.t.Helper()
	if a.status != http.StatusUnauthorized || a.body != unauthorized {
		w.t.Errorf("%s: %d %s", what, a.status, a.body)
	}
}

// The usual spellings of a GUID are one biller and one payer, with one mark and one count; all others are refused.
func TestHMC05(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	biller, legacy, from := w.Card.Billers[0], w.Card.Billers[1], &networks{}
	form := payer(t, biller, 0)
	w.happy("happy path", w.post("/token", e2e.Client{}, form))
	user := form.Get("user_id")
	bare := func(guid string) string { return strings.ReplaceAll(guid, "-", "") }
	for name, again := range map[string]url.Values{"upper case": with(form, "user_id", strings.ToUpper(user), "biller_id", strings.ToUpper(biller.ID)),
		"braces": with(form, "user_id", "{"+user+"}"), "no hyphens": with(form, "biller_id", bare(biller.ID))} {
		w.http = from.next()
		w.refused("replay in "+name, w.post("/token", e2e.Client{}, again), http.StatusBadRequest, "invalid_grant")
	}
	for i, spelling := range []string{strings.ToUpper(user), "{" + user + "}", bare(user)} {
		w.happy(spelling, w.post("/token", e2e.Client{}, with(payer(t, biller, time.Duration(-1-i)*time.Second), "user_id", spelling)))
	}
	fresh := payer(t, biller, -20*time.Second)
	for name, spelling := range map[string]string{"urn": "urn:uuid:" + user, "blank behind": user + " ", "blank before": " " + user, "parentheses": "(" + user + ")",
		"full-width digits": "\uff11" + user[1:], "hyphens elsewhere": user[:7] + "-" + user[7:8] + user[9:], "half a brace": "{" + user, "base64": base64.StdEncoding.EncodeToString([]byte(user))} {
		w.http = from.next()
		w.refused(name, w.post("/token", e2e.Client{}, with(fresh, "user_id", spelling)), http.StatusBadRequest, "invalid_grant")
		body := e2e.Payer(t, legacy)
		body["userGuid"] = strings.Replace(spelling, user, body["userGuid"].(string), 1)
		if name == "full-width digits" || name == "hyphens elsewhere" || name == "base64" {
			body["userGuid"] = spelling
		}
		w.denied("legacy "+name, w.json("/api/v1/payertokens", body))
	}
	for _, name := range []string{"BillerGuid", "billerguid", "BILLERGUID"} {
		body := e2e.Payer(t, legacy)
		body[name] = body["billerGuid"]
		delete(body, "billerGuid")
		if a := w.json("/api/v1/payertokens", body); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	w.happy("fresh is unused", w.post("/token", e2e.Client{}, fresh))
}

// Both live keys verify, an ended one from the answer on not, and a name belongs to its key.
func TestHMC07(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, from := w.Card.Billers[0], &networks{}
	ago := 0
	try := func(biller e2e.Biller, kid string) answer {
		ago++
		w.http = from.next()
		return w.post("/token", e2e.Client{}, with(payer(t, biller, -time.Duration(ago)*time.Second), "hmac_kid", kid))
	}
	next := old
	next.HMACKey = strings.Repeat("5a", 32)
	w.happy("the old key", try(old, ""))
	w.refused("the next key, before it is there", try(next, ""), http.StatusBadRequest, "invalid_grant")
	made := w.admin(http.MethodPost, "/billers/"+old.ID+"/keys", map[string]any{"hmac_key": next.HMACKey, "key_encoding": "hex", "kid": "next"})
	if made.status >= 300 {
		t.Fatalf("rotate: %d %s", made.status, made.body)
	}
	w.happy("the old key in the overlap", try(old, old.KID))
	w.happy("the new key", try(next, "next"))
	w.happy("the new key, not named", try(next, ""))
	w.refused("names swapped", try(next, old.KID), http.StatusBadRequest, "invalid_grant")
	w.refused("names swapped, the other way", try(old, "next"), http.StatusBadRequest, "invalid_grant")
	w.refused("an unknown name", try(old, "../"+old.KID), http.StatusBadRequest, "invalid_grant")
	if a := w.admin(http.MethodDelete, "/billers/"+old.ID+"/keys/"+old.KID, map[string]any{}); a.status >= 300 {
		t.Fatalf("end: %d %s", a.status, a.body)
	}
	w.refused("revoked", try(old, ""), http.StatusBadRequest, "invalid_grant")
	w.refused("revoked and named", try(old, old.KID), http.StatusBadRequest, "invalid_grant")
	w.happy("the new key goes on", try(next, ""))
	// A key that ends by its overlap, at that moment.
	w.admin(http.MethodPost, "/billers/"+old.ID+"/keys", map[string]any{"hmac_key": strings.Repeat("a5", 32), "key_encoding": "hex", "kid": "last", "overlap": 0})
	w.refused("after an overlap of nothing", try(next, ""), http.StatusBadRequest, "invalid_grant")
	last := old
	last.HMACKey = strings.Repeat("a5", 32)
	w.happy("the last key", try(last, "last"))
}

// A client beside the hmac is the biller's own, proves itself and may use the grant; none is due unless the record says so.
func TestHMC08(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	biller, from := w.Card.Billers[0], &networks{}
	machine := map[string]any{"redirect_uris": nil, "scope": "invoices:write", "grant_types": []string{"client_credentials", hmacGrant}}
	own, other := w.register(machine), w.register(machine)
	machine["grant_types"] = []string{"client_credentials"}
	unfit := w.register(machine)
	ago := 0
	try := func(client e2e.Client) answer {
		ago++
		w.http = from.next()
		return w.post("/token", client, payer(t, biller, -time.Duration(ago)*time.Second))
	}
	w.edit("/billers/"+biller.ID, map[string]any{"client_id": own.ClientID})
	w.happy("no client", try(e2e.Client{}))
	w.happy("its own", try(own))
	w.refused("another's", try(other), http.StatusBadRequest, "unauthorized_client")
	w.refused("not allowed for the grant", try(unfit), http.StatusBadRequest, "unauthorized_client")
	wrong := e2e.Client{ClientID: own.ClientID, ClientSecret: "wrong-" + random()}
	w.refused("its own, unproven", try(wrong), http.StatusUnauthorized, "invalid_client")
	w.refused("its name alone", try(e2e.Client{ClientID: own.ClientID}), http.StatusUnauthorized, "invalid_client")
	w.edit("/billers/"+biller.ID, map[string]any{"require_client": true})
	w.refused("none where one is due", try(e2e.Client{}), http.StatusUnauthorized, "invalid_client")
	w.happy("its own where one is due", try(own))
	w.edit("/billers/"+biller.ID, map[string]any{"client_id": unfit.ClientID})
	w.refused("its own, not allowed for the grant", try(unfit), http.StatusBadRequest, "unauthorized_client")
	w.refused("who was its own", try(own), http.StatusBadRequest, "unauthorized_client")
	if a := w.admin(http.MethodPost, "/billers/"+biller.ID+"/disable", map[string]any{}); a.status >= 300 {
		t.Fatalf("disable: %d %s", a.status, a.body)
	}
	w.refused("of a disabled biller", try(own), http.StatusBadRequest, "invalid_grant")
}

// A captured link is worth little: it works where the biller's record says so, for one invoice, for 15 minutes at a
// time, a few times a minute.
func TestHMC10(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, "--data", dir)
	off, on := w.Card.Billers[0], w.Card.Billers[1]
	first := w.json("/api/v1/tokens", bill(t, on))
	if first.status != http.StatusOK {
		t.Fatalf("happy path: %d %s", first.status, first.body)
	}
	w.edit("/billers/"+off.ID, map[string]any{"scheme": map[string]any{"name": "v1"}})
	w.denied("off by default", w.json("/api/v1/tokens", bill(t, off)))
	seen := w.introspect(first.text("token"))
	var told map[string]any
	if told = claimsOf(t, seen.body); told["active"] != true || told["invoice_guid"] != on.Invoices[0].InvoiceGUID || told["user_guid"] != nil ||
		told["exp"].(float64)-told["iat"].(float64) != 900 {
		t.Errorf("the token is worth more than its invoice: %s", seen.body)
	}
	read := func(guid string) int {
		return w.get("/api/v1/invoices/"+guid, "Authorization", first.text("token")).status
	}
	if mine, next, foreign := read(on.Invoices[0].InvoiceGUID), read(on.Invoices[1].InvoiceGUID), read(off.Invoices[0].InvoiceGUID); mine != 200 || next != 403 || foreign != 403 {
		t.Errorf("its invoice %d, the next one %d, another biller's %d", mine, next, foreign)
	}
	codes := map[int]int{}
	for range 60 {
		a := w.json("/api/v1/tokens", bill(t, on))
		codes[a.status]++
		if a.status == http.StatusTooManyRequests && (a.header.Get("Retry-After") == "" || a.text("token") != "") {
			t.Errorf("%v %s", a.header, a.body)
		}
	}
	if codes[200] < 29 || codes[200] > 60-20 || codes[200]+codes[429] != 60 {
		t.Errorf("60 replays: %v", codes)
	}
	guid := on.Invoices[1].InvoiceGUID
	if a := w.json("/api/v1/tokens", map[string]any{"billerGuid": on.ID, "invoiceGuid": guid, "hmac": e2e.SignV1(t, on, guid)}); a.status != http.StatusOK {
		t.Errorf("another invoice is slowed down, too: %d", a.status)
	}
	w.eventually("each use is recorded", func() bool {
		return strings.Count(strings.Join(w.rows(dir)["traffic_events"], ""), "reason=invoice_exchange\n") >= codes[200]
	})
}

// One constant answer for whatever is not the described JSON.
func TestHMC11(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	biller := w.Card.Billers[1]
	body := func() map[string]any { return e2e.Payer(t, biller) }
	if a := w.json("/api/v1/payertokens", body()); a.status != http.StatusOK {
		t.Fatalf("happy path: %d %s", a.status, a.body)
	}
	b := body()
	mac := b["hmac"].(string)
	good := `{"billerGuid":"` + biller.ID + `","userGuid":"` + b["userGuid"].(string) + `","timestamp":"` + b["timestamp"].(string) + `","hmac":"` + mac + `"}`
	first := w.json("/api/v1/payertokens", "[]")
	if first.status != http.StatusBadRequest {
		t.Fatalf("%d %s", first.status, first.body)
	}
	change := func(old, with string) string {
		t.Helper()
		out := strings.Replace(good, old, with, 1)
		if out == good {
			t.Fatalf("%q is not in the body", old)
		}
		return out
	}
	for name, text := range map[string]string{
		"hmac twice, the good one last": change(`"hmac"`, `"hmac":"bad","hmac"`), "the good one first": change(`"}`, `","hmac":"bad"}`),
		"HMAC beside it": change(`"hmac"`, `"HMAC":"bad","hmac"`), "HMAC alone": change(`"hmac"`, `"HMAC"`), "folded by Go": change(`"userGuid"`, `"u\u017ferGuid"`),
		"an escaped twin": change(`"hmac"`, `"\u0068mac":"bad","hmac"`), "further member": change(`{`, `{"admin":true,`), "proto": change(`{`, `{"__proto__":{},`),
		"an object behind": good + `{}`, "text behind": good + `x`, "BOM": "\ufeff" + good, "comment": change(`{`, `{/**/`), "NaN": change(`"`+mac+`"`, `NaN`),
		"1e400": change(`"`+b["timestamp"].(string)+`"`, `1e400`), "a number": change(`"`+b["timestamp"].(string)+`"`, b["timestamp"].(string)),
		"deep": change(`"`+mac+`"`, strings.Repeat(`[`, 5000)+strings.Repeat(`]`, 5000)), "invalid UTF-8": change(mac, "\xff"), "lone surrogate": change(mac, `\ud800`),
		"array": "[" + good + "]", "single quotes": strings.ReplaceAll(good, `"`, `'`), "trailing comma": change(`"}`, `",}`), "nothing": "", "null": "null",
	} {
		if a := w.json("/api/v1/payertokens", text); a.status != http.StatusBadRequest || a.body != first.body {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := w.json("/api/v1/payertokens", good); a.status != http.StatusOK {
		t.Errorf("one of them was a use: %d %s", a.status, a.body)
	}
}

// Whoever guesses is slowed down; the biller is served from its own network, and an alarm stands in the audit.
func TestHMC16(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	biller, from := w.Card.Billers[0], &networks{}
	w.happy("happy path", w.post("/token", e2e.Client{}, payer(t, biller, 0)))
	home := w.http
	w.http = newClientFrom(250)
	guess := with(payer(t, biller, -time.Second), "hmac", strings.Repeat("0", 64))
	codes := map[int]int{}
	for i := range 1000 {
		a := w.post("/token", e2e.Client{}, guess)
		codes[a.status]++
		if a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") == "" {
			t.Fatal("429 without Retry-After")
		}
		if i%100 == 99 {
			stranger := w.http
			w.http = home
			w.happy("the biller beside it", w.post("/token", e2e.Client{}, payer(t, biller, -time.Duration(2+i/100)*time.Second)))
			w.http = stranger
		}
	}
	if codes[400] != 20 || codes[429] != 980 {
		t.Errorf("1,000 guesses: %v", codes)
	}
	w.refused("the right hmac from there", w.post("/token", e2e.Client{}, payer(t, biller, -30*time.Second)), http.StatusTooManyRequests, "temporarily_unavailable")
	w.refused("another biller from there", w.post("/token", e2e.Client{}, with(guess, "biller_id", w.Card.Billers[1].ID)), http.StatusTooManyRequests, "temporarily_unavailable")
	w.http = from.next()
	w.refused("a guess from elsewhere", w.post("/token", e2e.Client{}, guess), http.StatusBadRequest, "invalid_grant")
	w.eventually("an alarm", func() bool {
		return strings.Contains(w.admin(http.MethodGet, "/events?limit=200", nil).body, "credentials.throttled")
	})
}
