package e2e

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"crypto/rand"
	"fmt"
)

func invoiceRows() []row {
	return []row{
		{"GET /api/v1/invoices/{invoiceGuid}: bare and Bearer", invoiceGet},
		{"GET /api/v1/invoices/{invoiceGuid}: 401, 403, 404", invoiceRefusals},
		{"GET /api/v1/invoices/{invoiceGuid}?shouldRTRefresh=: live and stored", invoiceLive},
		{"PUT /api/v1/invoices/{invoiceGuid}", invoicePut},
		{"PUT /api/v1/invoices/{invoiceGuid}: closed, and 400", invoicePutRefusals},
	}
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func decodeHex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func writeSecretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// invoiceOf is a body of PUT for the biller's first invoice. Amounts that no binary number has stand in it.
func invoiceOf(b *Biller) map[string]any {
	return map[string]any{"billerGuid": b.ID, "invoiceGuid": b.Invoices[0].InvoiceGUID, "customerGuid": b.Invoices[0].CustomerGUID,
		"invoiceTypeDesc": "Water", "invoiceNumber": "2001", "address1": "1 Example Street", "allowPartialPayments": true,
		"balanceDue": json.Number("123456789012.10"), "totalAmountDue": json.Number("120.50"), "minimumAmountDue": json.Number("0.10"), "pastDueAmount": json.Number("-3.00"),
		"invoiceDate": "2025-01-01T00:00:00Z", "invoiceDueDate": "2099-02-01T00:00:00Z"}
}

func (s *stand) putInvoice(t *testing.T, b *Biller, body any) *reply {
	t.Helper()
	token := s.machine(t, Client{ClientID: b.ClientID, ClientSecret: b.ClientSecret}, "invoices:write")
	return s.send(t, http.MethodPut, "/api/v1/invoices/"+b.Invoices[0].InvoiceGUID, withToken(token), body)
}

func (s *stand) invoiceToken(t *testing.T, b Biller) string {
	t.Helper()
	return s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, b)).want(http.StatusOK).text("token")
}

func invoiceGet(t *testing.T, s *stand) {
	b := s.biller(t, v1())
	path := "/api/v1/invoices/" + b.Invoices[0].InvoiceGUID
	token := s.invoiceToken(t, b)
	for _, value := range []string{token, "Bearer " + token, "bearer " + token} {
		for _, query := range []string{"", "?shouldRTRefresh=false", "?shouldRTRefresh=TRUE"} {
			r := s.send(t, http.MethodGet, path+query, http.Header{"Authorization": {value}}, nil).want(http.StatusOK).golden(s, "invoice-200")
			if len(r.object()) != 19 || r.header.Get("Age") == "" {
				t.Errorf("%d members, Age %q", len(r.object()), r.header.Get("Age"))
			}
		}
	}
	s.send(t, http.MethodGet, path+"?shouldRTRefresh=maybe", withToken(token), nil).want(http.StatusBadRequest).golden(s, "invoice-400")
	for accept, name := range map[string]string{"text/plain": "plain", "text/json": "json"} {
		s.send(t, http.MethodGet, path, http.Header{"Authorization": {token}, "Accept": {accept}}, nil).want(http.StatusOK).golden(s, "invoice-200-"+name)
	}
	// A payer's token reads the payer's invoices, with the scope.
	payer := s.send(t, http.MethodPost, "/api/v1/payertokens", nil, Payer(t, b)).want(http.StatusOK).text("token")
	s.send(t, http.MethodGet, path, withToken(payer), nil).want(http.StatusOK)
}

func invoiceRefusals(t *testing.T, s *stand) {
	b, other := s.biller(t, v1()), s.biller(t, v1())
	token := s.invoiceToken(t, b)
	get := func(guid string, header http.Header) *reply {
		return s.send(t, http.MethodGet, "/api/v1/invoices/"+guid, header, nil)
	}
	forbidden := get(other.Invoices[0].InvoiceGUID, withToken(token)).want(http.StatusForbidden).golden(s, "invoice-403")
	forbidden.same(get(newUUID(), withToken(token))) // whether it exists is not for this token to learn
	forbidden.same(get(b.Invoices[0].InvoiceGUID, withToken(s.invoiceToken(t, other))))

	payer := s.send(t, http.MethodPost, "/api/v1/payertokens", nil, Payer(t, b)).want(http.StatusOK).text("token")
	get(newUUID(), withToken(payer)).want(http.StatusNotFound).golden(s, "invoice-404")
	get("no-guid", withToken(token)).want(http.StatusNotFound).golden(s, "invoice-404")
	b.Invoices[0].CustomerGUID = newUUID()
	stranger := s.send(t, http.MethodPost, "/api/v1/payertokens", nil, Payer(t, b)).want(http.StatusOK).text("token")
	get(b.Invoices[0].InvoiceGUID, withToken(stranger)).want(http.StatusForbidden).golden(s, "invoice-403")

	refused := get(b.Invoices[0].InvoiceGUID, nil).want(http.StatusUnauthorized).golden(s, "invoice-401")
	refused.same(get(b.Invoices[0].InvoiceGUID, withToken("x")))
	refused.same(get(b.Invoices[0].InvoiceGUID, http.Header{"Authorization": {"Basic " + token}}))
	refused.same(get(b.Invoices[0].InvoiceGUID, withToken(token[:len(token)-2]+"AA")))
	// A token for another resource server does not open the invoice API, though the key is the same.
	elsewhere := s.send(t, http.MethodPost, "/api/v1/payertokens", nil, Payer(t, s.card.Billers[0])).want(http.StatusOK).text("token")
	refused.same(get(s.card.Billers[0].Invoices[0].InvoiceGUID, withToken(elsewhere)))
}

func invoiceLive(t *testing.T, s *stand) {
	var down atomic.Bool
	b := s.biller(t, v1())
	live := invoiceOf(&b)
	live["balanceDue"] = json.Number("1.00")
	content, err := json.Marshal(live)
	if err != nil {
		t.Fatal(err)
	}
	source := s.ca.host(t, func(w http.ResponseWriter, r *http.Request) {
		if down.Load() || !strings.HasSuffix(r.URL.Path, b.Invoices[0].InvoiceGUID) {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(content)
	})
	s.amend(t, "/billers/"+b.ID, map[string]any{"live_source": source + "/bills/{invoiceGuid}"})
	path := "/api/v1/invoices/" + b.Invoices[0].InvoiceGUID
	token := s.invoiceToken(t, b)
	for value, source := range map[string]string{"true": "live", "True": "live", "false": "stored", "": "stored"} {
		r := s.send(t, http.MethodGet, path+"?shouldRTRefresh="+value, withToken(token), nil).want(http.StatusOK)
		if r.header.Get("Signet-Source") != source || strings.Contains(string(r.body), `"balanceDue":1.00,`) != (source == "live") {
			t.Errorf("shouldRTRefresh=%s: %s %s", value, r.header.Get("Signet-Source"), r.body)
		}
	}
	s.send(t, http.MethodGet, path+"?shouldRTRefresh=true", withToken(token), nil).want(http.StatusOK).golden(s, "invoice-200-live")
	down.Store(true)
	if r := s.send(t, http.MethodGet, path+"?shouldRTRefresh=true", withToken(token), nil).want(http.StatusOK); r.header.Get("Signet-Source") != "stored" {
		t.Errorf("the source is down: %s", r.header.Get("Signet-Source"))
	}
}

func invoicePut(t *testing.T, s *stand) {
	b := s.biller(t, v1())
	body := invoiceOf(&b)
	body["balanceDue"], body["city"] = json.Number("7.07"), "Exampleton"
	s.putInvoice(t, &b, body).want(http.StatusOK).golden(s, "invoice-put-200")
	r := s.send(t, http.MethodGet, "/api/v1/invoices/"+b.Invoices[0].InvoiceGUID, withToken(s.invoiceToken(t, b)), nil).want(http.StatusOK)
	if !strings.Contains(string(r.body), `"balanceDue":7.07,`) || r.object()["city"] != "Exampleton" {
		t.Errorf("after PUT: %s", r.body)
	}
	// Another biller's client, a token without the scope, no token.
	other := s.biller(t, nil)
	foreign := s.machine(t, Client{ClientID: other.ClientID, ClientSecret: other.ClientSecret}, "invoices:write")
	path := "/api/v1/invoices/" + b.Invoices[0].InvoiceGUID
	s.send(t, http.MethodPut, path, withToken(foreign), body).want(http.StatusForbidden).golden(s, "invoice-put-403")
	s.send(t, http.MethodPut, path, withToken(s.invoiceToken(t, b)), body).want(http.StatusForbidden)
	s.send(t, http.MethodPut, path, nil, body).want(http.StatusUnauthorized).golden(s, "invoice-401")
}

func invoicePutRefusals(t *testing.T, s *stand) {
	b := s.biller(t, v1())
	for _, name := range []string{"allowPartialPayments", "balanceDue", "totalAmountDue", "minimumAmountDue", "pastDueAmount", "invoiceDate", "invoiceDueDate"} {
		r := s.putInvoice(t, &b, without(invoiceOf(&b), name))
		if r.status != http.StatusBadRequest || !strings.Contains(string(r.body), name) {
			t.Errorf("without %s: %d %s", name, r.status, r.body)
		}
	}
	s.putInvoice(t, &b, with(invoiceOf(&b), "balanceDue", "7.00")).want(http.StatusBadRequest)
	s.putInvoice(t, &b, with(invoiceOf(&b), "extra", 1)).want(http.StatusBadRequest)
	s.putInvoice(t, &b, without(invoiceOf(&b), "balanceDue")).golden(s, "invoice-put-400")
	s.putInvoice(t, &b, with(invoiceOf(&b), "closed", true)).want(http.StatusOK)
	s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, b)).want(http.StatusUnauthorized).golden(s, "exchange-tokens-401")
	// More than 400 days past due.
	late := s.biller(t, v1())
	s.putInvoice(t, &late, with(invoiceOf(&late), "invoiceDueDate", "2020-01-01T00:00:00Z")).want(http.StatusOK)
	s.send(t, http.MethodPost, "/api/v1/tokens", nil, invoiceBody(t, late)).want(http.StatusUnauthorized).golden(s, "exchange-tokens-401")
}
