package exchange

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// FuzzGUID: what is read has the canonical form, is read again as itself, and has the digits of the text.
func FuzzGUID(f *testing.F) {
	for _, seed := range []string{canonical, "{" + canonical + "}", strings.ReplaceAll(canonical, "-", ""), "", "urn:uuid:" + canonical} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		guid, ok := parseGUID(text)
		if !ok {
			return
		}
		again, ok := parseGUID(guid)
		strip := func(s string) string {
			return strings.NewReplacer("-", "", "{", "", "}", "").Replace(strings.ToLower(s))
		}
		if !ok || again != guid || len(guid) != guidLength || strip(guid) != strip(text) {
			t.Errorf("%q is read as %q", text, guid)
		}
	})
}

// FuzzTimestamp: a number has one text, and no text is read by two of the strict forms.
func FuzzTimestamp(f *testing.F) {
	for _, seed := range []string{"1700000000", "1700000000123", "2023-11-14T22:13:20.5+01:00", "2023-11-14T22:13:20", "+1", "1.7e9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		forms := 0
		for _, form := range []string{timeUnix, timeUnixMS, timeRFC3339, timeZoneless} {
			if _, ok := parseTimestamp(form, text); ok {
				forms++
			}
		}
		if forms > 1 {
			t.Errorf("%q is read by %d forms", text, forms)
		}
		at, ok := parseTimestamp(timeAny, text)
		if !ok {
			return
		}
		if strings.ContainsAny(text, " \t\n\r,eE") {
			t.Errorf("%q is read", text)
		}
		if strings.Contains(text, "T") {
			if parsed, err := time.Parse(time.RFC3339Nano, text); err != nil || !parsed.Equal(at) {
				t.Errorf("%q is read as %v, not %v", text, at, parsed)
			}
		}
	})
}

// FuzzScheme: two different identities never give the same bytes under a scheme that CheckScheme accepts, and nothing it
// signs begins like v2.
func FuzzScheme(f *testing.F) {
	f.Add("|", "", "", 0, 0, 0, canonical, canonical, "1700000000", "{"+canonical+"}", canonical, "1700000001")
	f.Add("", "a", "b", 3, 1, 2, canonical, canonical, "2023-11-14T22:13:20Z", canonical, strings.ReplaceAll(canonical, "-", ""), "")
	f.Add("7:purpose,", "1", "", 3, 1, 2, canonical, canonical, "", canonical, strings.ToUpper(canonical), "")
	f.Fuzz(func(t *testing.T, separator, prefix, suffix string, form, invoiceOrder, payerOrder int, b1, s1, t1, b2, s2, t2 string) {
		pick := func(list []string, i int) string { return list[((i%len(list))+len(list))%len(list)] }
		order := func(list [][]string, i int) []string { return list[((i%len(list))+len(list))%len(list)] }
		scheme := signet.HMACScheme{Name: schemeCustom, Separator: separator, Prefix: prefix, Suffix: suffix,
			GUIDForm: pick([]string{"", formN, formB, formAsSent}, form), InvoiceFields: order(orders(true), invoiceOrder), PayerFields: order(orders(false), payerOrder)}
		if CheckScheme(scheme) != nil {
			return
		}
		first, ok1 := identityOf(b1, s1, t1)
		second, ok2 := identityOf(b2, s2, t2)
		if !ok1 || !ok2 {
			return
		}
		one, two := first.input(scheme), second.input(scheme)
		if bytes.HasPrefix(one, []byte("7:purpose,")) {
			t.Errorf("%q begins like v2", one)
		}
		same := first.biller == second.biller && first.invoice == second.invoice && first.user == second.user && first.sent.Timestamp == second.sent.Timestamp
		if !same && bytes.Equal(one, two) {
			t.Errorf("%+v and %+v both sign %q", first, second, one)
		}
	})
}

// identityOf is a payer when there is a timestamp that can be read, else an invoice.
func identityOf(biller, subject, stamp string) (identity, bool) {
	if stamp == "" {
		return parseIdentity(Fields{Biller: biller, Invoice: subject})
	}
	if _, known := formOf(stamp); !known {
		return identity{}, false
	}
	return parseIdentity(Fields{Biller: biller, User: subject, Timestamp: stamp})
}

// FuzzMAC: what is decoded has the size of the hash.
func FuzzMAC(f *testing.F) {
	f.Add(strings.Repeat("a", 64), 0)
	f.Add(strings.Repeat("A", 43)+"=", 1)
	f.Fuzz(func(t *testing.T, text string, hash int) {
		scheme := signet.HMACScheme{Name: schemeCustom, Hash: []string{hash256, hash384, hash512}[(hash%3+3)%3]}
		_, size := hashOf(scheme)
		if mac, ok := decodeMAC(scheme, text); ok && len(mac) != size {
			t.Errorf("%q has %d bytes", text, len(mac))
		}
	})
}

// FuzzInvoiceBody: whatever a biller's system sends, what is stored is exact and bounded.
func FuzzInvoiceBody(f *testing.F) {
	f.Add([]byte(`{"billerGuid":"` + canonical + `","allowPartialPayments":true,"balanceDue":1.50,"totalAmountDue":0,"minimumAmountDue":-3,"pastDueAmount":1e400,` +
		`"invoiceDate":"2026-01-01T00:00:00","invoiceDueDate":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"billerGuid":null,"BillerGuid":"x","closed":"yes"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := httptest.NewRequest("PUT", "/", bytes.NewReader(raw))
		r.Header.Set("Content-Type", "application/json")
		r.SetPathValue("invoiceGuid", canonical)
		invoice, err := readInvoiceBody(r)
		if err != nil {
			if code := signet.CodeOf(err); code != signet.CodeInvalidRequest && code != signet.CodeTooLarge {
				t.Errorf("%s for %q", code, raw)
			}
			return
		}
		for _, amount := range []signet.Decimal{invoice.DTO.BalanceDue, invoice.DTO.TotalAmountDue, invoice.DTO.MinimumAmountDue, invoice.DTO.PastDueAmount} {
			if again, err := signet.ParseDecimal(string(amount)); err != nil || again != amount || !bytes.Contains(raw, []byte(amount)) {
				t.Errorf("amount %q of %q", amount, raw)
			}
		}
	})
}
