package exchange_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/exchange"
	"github.com/signet-auth/signet/pkg/signet"
)

const (
	invoicePath = "/api/v1/invoices/" + invoiceGUID
	invoiceAPI  = "https://signet.test/api/v1/invoices"
	forbidden   = `{"type":"https://tools.ietf.org/html/rfc7231#section-6.5.3","title":"Forbidden","status":403}`
	notFound    = `{"type":"https://tools.ietf.org/html/rfc7231#section-6.5.4","title":"Not Found","status":404}`
	stored      = `{"billerGuid":"` + billerGUID + `","invoiceGuid":"` + invoiceGUID + `","customerGuid":"` + userGUID + `","invoiceTypeDesc":null,"invoiceFormatFilename":null,` +
		`"notifyMeUrl":null,"invoiceNumber":null,"address1":null,"address2":null,"city":null,"state":null,"zip":null,"allowPartialPayments":false,` +
		`"balanceDue":10.10,"totalAmountDue":10.10,"minimumAmountDue":0,"pastDueAmount":0,"invoiceDate":"2023-11-01T00:00:00","invoiceDueDate":"2023-11-15T00:00:00"}`
)

// tokens fills the world with the bearers of the tests.
func (w *world) tokens() {
	vouched := func(scope string, claims signet.OrderClaims, audience ...string) *signet.Bearer {
		s, _ := signet.ParseScope(scope)
		return &signet.Bearer{Subject: "biller:" + claims.BillerGUID, Principal: "biller:" + claims.BillerGUID, Scope: s, Audience: audience, Claims: claims}
	}
	machine := func(id signet.ClientID, scope string, audience ...string) *signet.Bearer {
		s, _ := signet.ParseScope(scope)
		return &signet.Bearer{Subject: "client:" + string(id), ClientID: id, Machine: true, Scope: s, Audience: audience}
	}
	of := func(biller, invoice, user string) signet.OrderClaims {
		return signet.OrderClaims{BillerGUID: biller, InvoiceGUID: invoice, UserGUID: user}
	}
	w.bearers["invoice"] = vouched("", of(billerGUID, invoiceGUID, ""), invoiceAPI)
	w.bearers["other-invoice"] = vouched("invoices:read", of(billerGUID, userGUID, ""), invoiceAPI)
	w.bearers["other-biller"] = vouched("invoices:read", of(unknownGUID, invoiceGUID, ""), invoiceAPI)
	w.bearers["payer"] = vouched("invoices:read", of(billerGUID, "", userGUID), invoiceAPI)
	w.bearers["payer-without-scope"] = vouched("pay", of(billerGUID, "", userGUID), invoiceAPI)
	w.bearers["other-payer"] = vouched("invoices:read", of(billerGUID, "", unknownGUID), invoiceAPI)
	w.bearers["other-audience"] = vouched("", of(billerGUID, invoiceGUID, ""), "https://portal.test")
	w.bearers["issuer-audience"] = vouched("", of(billerGUID, invoiceGUID, ""), issuerURL)
	forged := vouched("", of(billerGUID, invoiceGUID, ""), invoiceAPI)
	forged.Principal = "key:1"
	w.bearers["claims-without-principal"] = forged
	w.bearers["person"] = &signet.Bearer{Subject: "u", UserID: "u", ClientID: "c1", Scope: signet.Scope{"invoices:read", "invoices:write"}, Audience: []string{invoiceAPI}}
	w.bearers["writer"] = machine("c1", "invoices:write", issuerURL)
	w.bearers["writer-by-resource"] = machine("c1", "invoices:write", invoiceAPI)
	w.bearers["reader"] = machine("c1", "invoices:read", issuerURL)
	w.bearers["other-client"] = machine("c2", "invoices:write", issuerURL)
	w.bearers["other-service"] = machine("c1", "invoices:write", "https://portal.test")
}

func TestGetInvoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tokens()
	w.invoice(invoiceGUID, nil)
	for name, authorization := range map[string]string{"Bearer": "Bearer invoice", "bare": "invoice", "lower case": "bearer invoice", "payer": "payer"} {
		res := w.send("GET", invoicePath, "", "Authorization", authorization)
		w.golden(name, res, 200, stored)
		if res.Header().Get("Signet-Source") != "stored" || res.Header().Get("Age") != "0" {
			t.Errorf("%s: headers %v", name, res.Header())
		}
	}
	w.advance(90 * time.Second)
	res := w.send("GET", "/api/v1/invoices/%7B"+strings.ToUpper(invoiceGUID)+"%7D?shouldRTRefresh=FALSE", "", "Authorization", "invoice", "Accept", "text/plain")
	w.golden("other spelling", res, 200, stored)
	if res.Header().Get("Age") != "90" || res.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("headers %v", res.Header())
	}
	for _, c := range []struct {
		token  string
		status int
		body   string
	}{
		{"", 401, unauthorized}, {"nonsense", 401, unauthorized}, {"Basic invoice", 401, unauthorized}, {"DPoP invoice", 401, unauthorized},
		{"Bearer  invoice", 401, unauthorized}, {"other-audience", 401, unauthorized}, {"issuer-audience", 401, unauthorized},
		{"other-invoice", 403, forbidden}, {"payer-without-scope", 403, forbidden}, {"other-payer", 403, forbidden},
		{"claims-without-principal", 403, forbidden}, {"person", 403, forbidden}, {"writer", 403, forbidden}, {"reader", 403, forbidden},
		// A biller that is no more cannot be told from a token that is none.
		{"other-biller", 401, unauthorized},
	} {
		res := w.send("GET", invoicePath, "", "Authorization", c.token)
		w.golden("token "+c.token, res, c.status, c.body)
		if c.status == 401 && !strings.HasPrefix(res.Header().Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("token %q: no challenge", c.token)
		}
	}
	w.biller(unknownGUID, nil)
	w.golden("the same GUID at another biller", w.send("GET", invoicePath, "", "Authorization", "other-biller"), 404, notFound)
	w.golden("unknown", w.send("GET", "/api/v1/invoices/"+userGUID, "", "Authorization", "other-invoice"), 404, notFound)
	w.golden("no GUID", w.send("GET", "/api/v1/invoices/1", "", "Authorization", "invoice"), 404, notFound)
	w.golden("no GUID, no token", w.send("GET", "/api/v1/invoices/1", ""), 401, unauthorized)
	for _, query := range []string{"?shouldRTRefresh=maybe", "?shouldRTRefresh=true&shouldrtrefresh=false", "?shouldRTRefresh=true&shouldRTRefresh=true"} {
		if res := w.send("GET", invoicePath+query, "", "Authorization", "invoice"); res.Code != 400 {
			t.Errorf("%s: %d", query, res.Code)
		}
	}
	two := httptest.NewRequest("GET", invoicePath, nil)
	two.Header["Authorization"] = []string{"Bearer invoice", "Bearer invoice"}
	twice := httptest.NewRecorder()
	w.handler.ServeHTTP(twice, two)
	w.golden("two headers", twice, 401, unauthorized)
	w.ok(w.store.SetResourceServerDisabled(t.Context(), "invoices", true, w.event(signet.EventResourceServerDisabled)))
	w.golden("API off", w.send("GET", invoicePath, "", "Authorization", "invoice"), 401, unauthorized)
}

func TestRefreshInvoice(t *testing.T) {
	t.Parallel()
	answer := strings.Replace(stored, "10.10", "7.25", 1)
	owner := userGUID
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, strings.Replace(answer, userGUID, owner, 1))
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	w := newWorld(t, func(o *exchange.Options) { o.AllowPrivateSources, o.SourceRoots = true, roots })
	w.tokens()
	w.invoice(invoiceGUID, nil)
	w.golden("no source", w.send("GET", invoicePath+"?shouldRTRefresh=true", "", "Authorization", "invoice"), 200, stored)
	w.change(func(b *signet.Biller) { b.LiveSource = server.URL + "/{invoiceGuid}" })
	w.advance(time.Minute)
	for _, query := range []string{"?shouldRTRefresh=true", "?shouldRTRefresh=TRUE", "?shouldrtrefresh=True"} {
		res := w.send("GET", invoicePath+query, "", "Authorization", "invoice")
		w.golden(query, res, 200, answer)
		if res.Header().Get("Signet-Source") != "live" || res.Header().Get("Age") != "0" {
			t.Errorf("headers %v", res.Header())
		}
	}
	w.golden("not asked for", w.send("GET", invoicePath, "", "Authorization", "invoice"), 200, stored)
	w.golden("a payer", w.send("GET", invoicePath+"?shouldRTRefresh=true", "", "Authorization", "payer"), 200, answer)
	// The source says that the invoice went to somebody else meanwhile.
	owner = unknownGUID
	w.golden("a payer, no longer its own", w.send("GET", invoicePath+"?shouldRTRefresh=true", "", "Authorization", "payer"), 403, forbidden)
	server.Close()
	res := w.send("GET", invoicePath+"?shouldRTRefresh=true", "", "Authorization", "invoice")
	w.golden("source away", res, 200, stored)
	if res.Header().Get("Signet-Source") != "stored" || res.Header().Get("Age") != "60" {
		t.Errorf("headers %v", res.Header())
	}
	w.golden("an unknown invoice is never asked for", w.send("GET", "/api/v1/invoices/"+userGUID+"?shouldRTRefresh=true", "", "Authorization", "payer"), 404, notFound)
}

const put = `{"billerGuid":"` + billerGUID + `","customerGuid":"` + userGUID + `","allowPartialPayments":false,"balanceDue":10.10,"totalAmountDue":10.10,"minimumAmountDue":0,` +
	`"pastDueAmount":0,"invoiceDate":"2023-11-01T00:00:00","invoiceDueDate":"2023-11-15T00:00:00"}`

func TestPutInvoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tokens()
	w.change(func(b *signet.Biller) { b.ClientID = "c1" })
	w.golden("new", w.send("PUT", invoicePath, put, "Authorization", "Bearer writer"), 200, stored)
	w.golden("read back", w.send("GET", invoicePath, "", "Authorization", "invoice"), 200, stored)
	w.golden("audience by resource", w.send("PUT", invoicePath, put, "Authorization", "writer-by-resource"), 200, stored)
	events, err := w.store.ListEvents(t.Context(), "", 50)
	w.ok(err)
	written := 0
	for _, e := range events {
		if e.Kind == signet.EventInvoiceStored && e.Actor == "client:c1" && e.ClientID == "c1" && e.Target == "biller:"+billerGUID+":invoice:"+invoiceGUID && e.Address == "192.0.2.7" {
			written++
		}
	}
	if written != 2 {
		t.Errorf("%d of 2 acts are in the audit trail: %+v", written, events)
	}
	req := w.request(invoice())
	w.refuses("exchanged", req, "", "")
	closed := strings.Replace(put, "{", `{"closed":true,`, 1)
	w.golden("closed", w.send("PUT", invoicePath, closed, "Authorization", "writer"), 200, stored)
	w.refuses("closed", req, signet.CodeInvalidGrant, "invoice_closed")
	w.golden("open again", w.send("PUT", invoicePath, put, "Authorization", "writer"), 200, stored)
	w.refuses("open again", req, "", "")

	for token, status := range map[string]int{"": 401, "nonsense": 401, "other-service": 401, "reader": 403, "invoice": 403, "payer": 403, "person": 403, "other-client": 403} {
		if res := w.send("PUT", invoicePath, put, "Authorization", token); res.Code != status {
			t.Errorf("%q: %d %s", token, res.Code, res.Body)
		}
	}
	foreign := w.send("PUT", invoicePath, strings.Replace(put, billerGUID, unknownGUID, 1), "Authorization", "writer")
	w.golden("a biller that is not there answers like another's", foreign, 403, forbidden)
}

func TestPutInvoiceBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tokens()
	w.change(func(b *signet.Biller) { b.ClientID = "c1" })
	replace := func(old, text string) string {
		out := strings.Replace(put, old, text, 1)
		if out == put {
			t.Fatalf("%s is not in the body", old)
		}
		return out
	}
	for name, text := range map[string]string{
		"exact decimal": replace("10.10", "12345678901234.5678"), "negative": replace("10.10", "-0.5"), "zoned": replace("2023-11-15T00:00:00", "2023-11-15T00:00:00.000+02:00"),
		"null text": replace("{", `{"city":null,`), "GUID of the path": replace("{", `{"invoiceGuid":"{`+strings.ToUpper(invoiceGUID)+`}",`),
	} {
		res := w.send("PUT", invoicePath, text, "Authorization", "writer")
		var sent, got map[string]json.RawMessage
		if res.Code != 200 || json.Unmarshal([]byte(text), &sent) != nil || json.Unmarshal(res.Body.Bytes(), &got) != nil || len(got) != 19 ||
			string(sent["balanceDue"]) != string(got["balanceDue"]) || string(sent["invoiceDueDate"]) != string(got["invoiceDueDate"]) {
			t.Errorf("%s: %d %s", name, res.Code, res.Body)
		}
	}
	for name, text := range map[string]string{
		"no amount": replace(`"balanceDue":10.10,`, ""), "null amount": replace("10.10", "null"), "amount as text": replace("10.10", `"10.10"`),
		"exponent": replace("10.10", "1e400"), "small exponent": replace("10.10", "1e1"), "too many digits": replace("10.10", "1234567890123456789"),
		"leading zero": replace("10.10", "010"), "plus": replace("10.10", "+1"), "NaN": replace("10.10", "NaN"), "no boolean": replace(`"allowPartialPayments":false,`, ""),
		"boolean as text": replace("false", `"false"`), "no date": replace(`"invoiceDate":"2023-11-01T00:00:00",`, ""), "date": replace("2023-11-15T00:00:00", "15.11.2023"),
		"null date": replace(`"2023-11-15T00:00:00"`, "null"), "no biller": replace(`"billerGuid":"`+billerGUID+`",`, ""), "another invoice": replace("{", `{"invoiceGuid":"`+userGUID+`",`),
		"unknown member": replace("{", `{"total":1,`), "other case": replace("customerGuid", "CustomerGuid"), "twice": replace("{", `{"balanceDue":1,`),
		"control": replace("{", `{"city":"a\u0000b",`), "long text": replace("{", `{"city":"`+strings.Repeat("a", 1001)+`",`), "closed as text": replace("{", `{"closed":"yes",`),
		"trailing": put + "{}", "array": "[" + put + "]",
	} {
		res := w.send("PUT", invoicePath, text, "Authorization", "writer")
		if res.Code != 400 || !strings.Contains(res.Body.String(), `"detail":`) {
			t.Errorf("%s: %d %s", name, res.Code, res.Body)
		}
	}
	if res := w.send("PUT", invoicePath, put, "Authorization", "writer", "Content-Type", "text/plain"); res.Code != 415 {
		t.Errorf("type: %d", res.Code)
	}
	if res := w.send("PUT", "/api/v1/invoices/1", put, "Authorization", "writer"); res.Code != 400 {
		t.Errorf("path: %d", res.Code)
	}
}

func TestNoInvoiceAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *exchange.Options) { o.InvoiceResource = "" })
	if res := w.send("GET", invoicePath, "", "Authorization", "invoice"); res.Code != 404 {
		t.Errorf("status %d", res.Code)
	}
}
