package exchange_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/exchange"
	"github.com/signet-auth/signet/pkg/signet"
)

const unknownGUID = "00000000-1111-4222-8333-444444444444"

func TestPayerOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := w.request(payer())
	req.Scope = "pay"
	order, err := w.room.ProveIdentity(t.Context(), req)
	w.ok(err)
	if order.Subject != "biller:"+billerGUID+":user:"+userGUID || order.Principal != "biller:"+billerGUID || order.Credential != "biller:"+billerGUID+"#k1" {
		t.Errorf("subject %s, principal %s, credential %s", order.Subject, order.Principal, order.Credential)
	}
	if order.GrantType != signet.GrantHMACIdentity || order.Scope.String() != "pay" || order.Lifetime != 15*time.Minute || len(order.AMR) != 1 || order.AMR[0] != "hmac" ||
		order.Recipient.ID != "invoices" || order.Audience[0] != "https://signet.test/api/v1/invoices" || order.ClientID != "" {
		t.Errorf("order %+v", order)
	}
	if c := order.Claims; c.BillerGUID != billerGUID || c.UserGUID != userGUID || c.InvoiceGUID+c.Account+c.Role != "" || c.Permissions != nil {
		t.Errorf("claims %+v", order.Claims)
	}
}

func TestInvoiceOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invoice(invoiceGUID, nil)
	w.change(func(b *signet.Biller) { b.TokenLifetime = 3600 })
	order, err := w.room.ProveIdentity(t.Context(), w.request(invoice()))
	w.ok(err)
	if order.Subject != "biller:"+billerGUID+":invoice:"+invoiceGUID || order.Claims.InvoiceGUID != invoiceGUID || order.Claims.UserGUID != "" {
		t.Errorf("order %+v", order)
	}
	if order.Lifetime != 15*time.Minute {
		t.Errorf("an invoice token lives %s", order.Lifetime)
	}
	if order, err = w.room.ProveIdentity(t.Context(), w.request(payer())); err != nil || order.Lifetime != time.Hour {
		t.Errorf("a payer token lives %v, %v", order, err)
	}
}

// TestHMC01WrongHMAC: nothing but the whole hmac is taken.
func TestHMC01WrongHMAC(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	right := w.request(payer())
	mac := right.HMAC
	flip := func(i int) string {
		c := byte('0')
		if mac[i] == '0' {
			c = '1'
		}
		return mac[:i] + string(c) + mac[i+1:]
	}
	for name, text := range map[string]string{"last nibble": flip(63), "first nibble": flip(0), "empty": "", "63": mac[:63], "65": mac + "0", "0x": "0x" + mac,
		"twice": mac + mac, "of another key": w.signed(payer(), signet.HMACScheme{}, otherKey).HMAC, "of another scheme": w.signed(payer(), signet.HMACScheme{Name: "v1"}, sharedKey).HMAC,
		"zeros": strings.Repeat("0", 64)} {
		req := right
		req.HMAC = text
		w.refuses(name, req, signet.CodeInvalidGrant, "hmac_wrong")
	}
	right.HMAC = strings.ToUpper(mac)
	w.refuses("upper case", right, "", "")
}

// TestHMC02Window: the bounds are inside, a second more is out.
func TestHMC02Window(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for d, want := range map[time.Duration]signet.Code{-300 * time.Second: "", 60 * time.Second: "", -301 * time.Second: signet.CodeInvalidGrant, 61 * time.Second: signet.CodeInvalidGrant} {
		w.refuses(d.String(), w.request(w.payerAt(d)), want, "")
	}
	w.change(func(b *signet.Biller) { b.TimestampPast, b.TimestampAhead = 10, 3600 })
	for d, want := range map[time.Duration]signet.Code{-10 * time.Second: "", -11 * time.Second: signet.CodeInvalidGrant, 61 * time.Second: signet.CodeInvalidGrant} {
		w.refuses("own window "+d.String(), w.request(w.payerAt(d)), want, "")
	}
	for _, text := range []string{"0", "-1", "1000000000000000000", "+1700000000", " 1700000000", "1.7e9", "01700000000", "2023-11-14T22:13:20"} {
		f := payer()
		f.Timestamp = text
		w.refuses(text, w.request(f), signet.CodeInvalidGrant, "timestamp_form")
	}
}

// TestHMC03Replay: once, whatever the spelling, the key, the scheme and the endpoint, and also when many try at once.
func TestHMC03Replay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.key(billerGUID, "k2", otherKey, nil)
	w.change(func(b *signet.Biller) { b.GrantScheme = true })
	first := w.request(payer())
	var passed atomic.Int32
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			switch _, err := w.room.ProveIdentity(t.Context(), first); signet.CodeOf(err) {
			case "":
				passed.Add(1)
			case signet.CodeInvalidGrant:
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if passed.Load() != 1 {
		t.Errorf("%d of 32 passed", passed.Load())
	}
	again := payer()
	again.User, again.Biller = "{"+strings.ToUpper(userGUID)+"}", strings.ToUpper(billerGUID)
	w.refuses("other GUID spellings", w.request(again), signet.CodeInvalidGrant, "hmac_replayed")
	again.Timestamp = "2023-11-14T22:13:20Z"
	w.refuses("the same second in RFC 3339", w.request(again), signet.CodeInvalidGrant, "hmac_replayed")
	w.refuses("the other key", w.signed(payer(), signet.HMACScheme{}, otherKey), signet.CodeInvalidGrant, "hmac_replayed")
	v1 := w.signed(payer(), signet.HMACScheme{Name: "v1"}, sharedKey)
	w.refuses("the biller's own scheme", v1, signet.CodeInvalidGrant, "hmac_replayed")
	v1.Legacy = true
	w.refuses("the legacy endpoint", v1, signet.CodeInvalidGrant, "hmac_replayed")
	if w.events.has("identity.replayed", "actor=biller:"+billerGUID) < 5 {
		t.Errorf("events %v", w.events.lines)
	}
	// To the last moment of the window, and not a new one behind it.
	w.advance(300 * time.Second)
	w.refuses("at the end of the window", first, signet.CodeInvalidGrant, "hmac_replayed")
	w.advance(time.Second)
	w.refuses("after the window", first, signet.CodeInvalidGrant, "timestamp_window")
}

// TestPayerRepeats: at most five repeats, each counted, and none once the date has passed.
func TestPayerRepeats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	until := start.Add(time.Minute)
	w.change(func(b *signet.Biller) { b.PayerRepeatsUntil = &until })
	req := w.request(payer())
	for i := range 6 {
		w.refuses("use "+strconv.Itoa(i), req, "", "")
	}
	w.refuses("the sixth repeat", req, signet.CodeInvalidGrant, "hmac_replayed")
	if n := w.events.has("departure.used payer_repeats_until", "actor=biller:"+billerGUID); n != 5 {
		t.Errorf("%d departures were counted, want 5", n)
	}
	next := payer()
	next.Timestamp = strconv.FormatInt(start.Unix()+1, 10)
	req = w.request(next)
	w.refuses("another request", req, "", "")
	w.advance(time.Minute)
	w.refuses("its repeat after the date", req, signet.CodeInvalidGrant, "hmac_replayed")
}

// TestHMC04Forms: neither both subjects nor none, and no value that holds a boundary.
func TestHMC04Forms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	right := w.request(payer())
	for name, change := range map[string]func(*signet.IdentityRequest){
		"both":             func(r *signet.IdentityRequest) { r.InvoiceID = invoiceGUID },
		"none":             func(r *signet.IdentityRequest) { r.UserID = "" },
		"no timestamp":     func(r *signet.IdentityRequest) { r.Timestamp = "" },
		"user as invoice":  func(r *signet.IdentityRequest) { r.InvoiceID, r.UserID = r.UserID, "" },
		"bar":              func(r *signet.IdentityRequest) { r.UserID += "|" },
		"newline":          func(r *signet.IdentityRequest) { r.UserID += "\n" },
		"NUL":              func(r *signet.IdentityRequest) { r.BillerID += "\x00" },
		"HMC-05 urn":       func(r *signet.IdentityRequest) { r.UserID = "urn:uuid:" + r.UserID },
		"HMC-05 blank":     func(r *signet.IdentityRequest) { r.BillerID += " " },
		"HMC-05 fullwidth": func(r *signet.IdentityRequest) { r.BillerID = "７" + r.BillerID[1:] },
	} {
		req := right
		change(&req)
		w.refuses(name, req, signet.CodeInvalidGrant, "identity_form")
	}
	// The same values signed as a payer and sent as an invoice, under the scheme that joins them.
	w.invoice(userGUID, nil)
	req := w.signed(payer(), signet.HMACScheme{Name: "v1"}, sharedKey)
	req.Legacy, req.InvoiceID, req.UserID, req.Timestamp = true, userGUID, "", ""
	w.refuses("payer's hmac for an invoice", req, signet.CodeInvalidGrant, "hmac_wrong")
}

// TestHMC07Keys: two live keys, an ended one, a named one, and one of another biller.
func TestHMC07Keys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ends := start.Add(time.Minute)
	w.key(billerGUID, "k2", otherKey, &ends)
	w.biller(unknownGUID, nil)
	w.key(unknownGUID, "k1", "another key of another biller...", nil)
	at := func(d time.Duration, secret, kid string) signet.IdentityRequest {
		req := w.signed(w.payerAt(d), signet.HMACScheme{}, secret)
		req.HMACKeyID = kid
		return req
	}
	w.refuses("the first key", at(-1*time.Second, sharedKey, ""), "", "")
	w.refuses("the second key inside the overlap", at(-2*time.Second, otherKey, ""), "", "")
	w.refuses("named", at(-3*time.Second, otherKey, "k2"), "", "")
	w.refuses("names swapped", at(-4*time.Second, otherKey, "k1"), signet.CodeInvalidGrant, "hmac_wrong")
	w.refuses("an unknown name", at(-5*time.Second, otherKey, "k3"), signet.CodeInvalidGrant, "hmac_wrong")
	w.refuses("a key that is not there yet", at(-6*time.Second, "the next key, not yet added.....", ""), signet.CodeInvalidGrant, "hmac_wrong")
	w.refuses("another biller's key", at(-7*time.Second, "another key of another biller...", ""), signet.CodeInvalidGrant, "hmac_wrong")
	w.advance(time.Minute)
	w.refuses("after the overlap", at(-8*time.Second, otherKey, ""), signet.CodeInvalidGrant, "hmac_wrong")
	w.refuses("after the overlap, named", at(-9*time.Second, otherKey, "k2"), signet.CodeInvalidGrant, "hmac_wrong")
	w.ok(w.store.EndSealedKey(t.Context(), signet.OwnerBiller+billerGUID, "k1", w.now(), w.event(signet.EventCredentialEnded)))
	w.refuses("revoked", at(-10*time.Second, sharedKey, ""), signet.CodeInvalidGrant, "hmac_wrong")
	w.refuses("the empty key", at(-11*time.Second, "", ""), signet.CodeInvalidGrant, "hmac_wrong")
}

// TestHMC08ClientLink: a client beside the HMAC is the biller's or the request is refused.
func TestHMC08ClientLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	try := func(name string, client *signet.Client, code signet.Code) {
		t.Helper()
		w.advance(time.Second)
		req := w.request(w.payerAt(0))
		req.Client = client
		w.refuses(name, req, code, "")
		req.HMAC = strings.Repeat("0", 64)
		w.refuses(name+", unproven", req, signet.CodeInvalidGrant, "hmac_wrong")
	}
	c1, c2 := &signet.Client{ID: "c1"}, &signet.Client{ID: "c2"}
	try("a biller without a client", c1, signet.CodeUnauthorizedClient)
	w.change(func(b *signet.Biller) { b.ClientID = "c1" })
	try("none", nil, "")
	try("its own", c1, "")
	try("another", c2, signet.CodeUnauthorizedClient)
	w.change(func(b *signet.Biller) { b.RequireClient = true })
	try("none, required", nil, signet.CodeInvalidClient)
	try("its own, required", c1, "")
}

// TestHMC10InvoiceRules: what may be captured is worth little.
func TestHMC10InvoiceRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := w.request(invoice())
	w.refuses("unknown", req, signet.CodeInvalidGrant, "invoice_unknown")
	w.invoice(invoiceGUID, func(i *signet.Invoice) { i.ClosedAt = &start })
	w.refuses("closed", req, signet.CodeInvalidGrant, "invoice_closed")
	w.invoice(invoiceGUID, nil)
	for range 3 {
		w.refuses("open, reloaded", req, "", "")
	}
	if w.events.has("departure.used invoice_exchange") != 3 {
		t.Errorf("events %v", w.events.lines)
	}
	w.advance(24 * time.Hour)
	w.refuses("a day later", req, "", "")
	w.advance(400 * 24 * time.Hour)
	w.refuses("400 days past due", req, "", "")
	w.advance(time.Second)
	w.refuses("more than 400 days past due", req, signet.CodeInvalidGrant, "invoice_overdue")
	w.invoice(invoiceGUID, nil)
	w.change(func(b *signet.Biller) { b.InvoiceExchange = false })
	w.refuses("off", req, signet.CodeInvalidGrant, "invoice_exchange_off")
}

// TestHMC10InvoiceRate: one captured link does not mint without end.
func TestHMC10InvoiceRate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invoice(invoiceGUID, nil)
	w.invoice(userGUID, nil)
	req := w.request(invoice())
	for range 30 {
		w.refuses("within the rate", req, "", "")
	}
	_, err := w.room.ProveIdentity(t.Context(), req)
	var hint interface{ RetryAfter() time.Duration }
	if signet.CodeOf(err) != signet.CodeTooMany || !errors.As(err, &hint) || hint.RetryAfter() > time.Minute || hint.RetryAfter() < time.Second {
		t.Errorf("err = %v", err)
	}
	w.refuses("another invoice", w.request(exchange.Fields{Biller: billerGUID, Invoice: userGUID}), "", "")
	w.advance(time.Minute)
	w.refuses("a minute later", req, "", "")
}

// TestHMC16Stranger: who guesses is slowed down; whoever has the key is not locked out by it.
func TestHMC16Stranger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	guess := w.signed(payer(), signet.HMACScheme{Name: "v1"}, otherKey)
	counts := map[int]int{}
	for range 100 {
		res := w.send("POST", "/api/v1/payertokens", body(guess), "from", stranger)
		counts[res.Code]++
		if res.Code == 429 && res.Header().Get("Retry-After") == "" {
			t.Fatal("429 without Retry-After")
		}
	}
	if counts[401] != 20 || counts[429] != 80 {
		t.Errorf("answers %v", counts)
	}
	// The stranger cannot go on with another biller either.
	guess.BillerID = unknownGUID
	if res := w.send("POST", "/api/v1/payertokens", body(guess), "from", stranger); res.Code != 429 {
		t.Errorf("another biller from the same network: %d", res.Code)
	}
	if res := w.send("POST", "/api/v1/payertokens", body(w.signed(payer(), signet.HMACScheme{Name: "v1"}, sharedKey))); res.Code != 200 {
		t.Errorf("the biller itself: %d %s", res.Code, res.Body)
	}
	if n := w.events.has("credentials.throttled", "address=198.51.100.7"); n != 1 {
		t.Errorf("%d alarms, want 1: %v", n, w.events.lines)
	}
	w.advance(5 * time.Minute)
	if res := w.send("POST", "/api/v1/payertokens", body(guess), "from", stranger); res.Code != 401 {
		t.Errorf("after the window: %d", res.Code)
	}
}

// A proven biller whose clock is wrong, who repeats itself or asks for too much guesses nothing.
func TestHMC16ProvenFailuresAreNotCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	late := w.request(w.payerAt(-time.Hour))
	for range 50 {
		w.refuses("late", late, signet.CodeInvalidGrant, "timestamp_window")
	}
	w.refuses("in time", w.request(payer()), "", "")
}

func TestTargetAndScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.resource("foreign", "https://foreign.test", "pay")
	w.resource("people", "https://people.test", "openid pay")
	w.change(func(b *signet.Biller) {
		b.ResourceServers, b.Scope = []string{"portal", "people"}, "openid invoices:read pay refund"
	})
	cases := []struct {
		name      string
		resources []string
		scope     string
		code      signet.Code
		want      string // server and scope
	}{
		{"defaults", nil, "", "", "invoices invoices:read pay"},
		{"fewer", nil, "pay", "", "invoices pay"},
		{"portal", []string{"https://portal.test"}, "", "", "portal pay"},
		{"the default by name", []string{"https://signet.test/api/v1/invoices"}, "", "", "invoices invoices:read pay"},
		{"more than the server's", []string{"https://portal.test"}, "invoices:read", signet.CodeInvalidScope, ""},
		{"more than the biller's", nil, "admin", signet.CodeInvalidScope, ""},
		{"the biller's but not the server's", nil, "refund", signet.CodeInvalidScope, ""},
		{"a server that knows openid", []string{"https://people.test"}, "", "", "people pay"},
		{"openid there", []string{"https://people.test"}, "openid", signet.CodeInvalidScope, ""},
		{"openid", nil, "openid pay", signet.CodeInvalidScope, ""},
		{"offline_access", nil, "offline_access", signet.CodeInvalidScope, ""},
		{"charset", nil, "a\"b", signet.CodeInvalidScope, ""},
		{"not allowed", []string{"https://foreign.test"}, "", signet.CodeInvalidTarget, ""},
		{"unknown", []string{"https://nowhere.test"}, "", signet.CodeInvalidTarget, ""},
		{"an id is no resource", []string{"portal"}, "", signet.CodeInvalidTarget, ""},
		{"two", []string{"https://portal.test", "https://signet.test/api/v1/invoices"}, "", signet.CodeInvalidTarget, ""},
	}
	for _, tc := range cases {
		w.advance(time.Second)
		req := w.request(w.payerAt(0))
		req.Resources, req.Scope = tc.resources, tc.scope
		order, err := w.room.ProveIdentity(t.Context(), req)
		got := ""
		if order != nil {
			got = order.Recipient.ID + " " + order.Scope.String()
		}
		if signet.CodeOf(err) != tc.code || got != tc.want {
			t.Errorf("%s: %q, %v, want %q, %q", tc.name, got, err, tc.want, tc.code)
		}
		// A refusal for what was asked consumes nothing: the same identity can ask for less.
		if tc.code != "" {
			req.Resources, req.Scope = nil, ""
			w.refuses(tc.name+", then by default", req, "", "")
		}
	}
	w.ok(w.store.SetResourceServerDisabled(t.Context(), "invoices", true, w.event(signet.EventResourceServerDisabled)))
	w.advance(time.Second)
	w.refuses("disabled", w.request(w.payerAt(0)), signet.CodeInvalidTarget, "resource_disabled")
}

// TestGrantSchemes: the grant takes v2, and the biller's own scheme only where the record says so; the legacy endpoints
// take the biller's own and nothing else.
func TestGrantSchemes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	try := func(name string, legacy bool, scheme signet.HMACScheme, code signet.Code) {
		t.Helper()
		w.advance(time.Second)
		req := w.signed(w.payerAt(0), scheme, sharedKey)
		req.Legacy = legacy
		w.refuses(name, req, code, "")
	}
	v1, v2 := signet.HMACScheme{Name: "v1"}, signet.HMACScheme{Name: "v2"}
	try("grant v2", false, v2, "")
	try("grant v1", false, v1, signet.CodeInvalidGrant)
	try("legacy v1", true, v1, "")
	try("legacy v2 for a v1 biller", true, v2, signet.CodeInvalidGrant)
	w.change(func(b *signet.Biller) { b.GrantScheme = true })
	try("grant v1, allowed", false, v1, "")
	if w.events.has("departure.used grant_scheme") != 1 {
		t.Errorf("events %v", w.events.lines)
	}
	custom := signet.HMACScheme{Name: "custom", Separator: ";", Hash: "sha512", Encoding: "base64", Timestamp: "unix", PayerFields: []string{"timestamp", "user", "biller"}}
	w.change(func(b *signet.Biller) { b.Scheme = custom })
	try("legacy custom", true, custom, "")
	try("grant custom", false, custom, "")
	try("grant v2 still", false, v2, "")
	w.change(func(b *signet.Biller) { b.Scheme = v2 })
	try("legacy v2", true, v2, "")
}

// TestBillerStates: an unknown, a disabled and an enabled biller, by the grant and by the legacy endpoint.
func TestBillerStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.biller(unknownGUID, nil)
	other := payer()
	other.Biller = "99999999-9999-4999-8999-999999999999"
	disable := func(off bool) {
		w.ok(w.store.SetBillerDisabled(t.Context(), billerGUID, off, w.event(signet.EventBillerDisabled)))
		w.advance(time.Second)
	}
	for _, legacy := range []bool{false, true} {
		scheme := signet.HMACScheme{}
		if legacy {
			scheme.Name = "v1"
		}
		try := func(name string, f exchange.Fields, code signet.Code, reason string) {
			t.Helper()
			req := w.signed(f, scheme, sharedKey)
			req.Legacy = legacy
			w.refuses(name, req, code, reason)
		}
		disable(true)
		try("disabled", w.payerAt(0), signet.CodeInvalidGrant, "biller_disabled")
		disable(false)
		try("enabled again", w.payerAt(0), "", "")
		try("unknown", other, signet.CodeInvalidGrant, "biller_unknown")
		keyless := w.payerAt(0)
		keyless.Biller = unknownGUID
		try("without a key", keyless, signet.CodeInvalidGrant, "hmac_wrong")
	}
}
