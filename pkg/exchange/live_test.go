package exchange

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const liveInvoice = "c3b2a190-8f7e-4d6c-9b5a-493827160504"

func liveBody(biller, invoice string) string {
	return fmt.Sprintf(`{"billerGuid":%q,"InvoiceGuid":%q,"extra":{"a":[1]},"allowPartialPayments":true,"balanceDue":12.30,"totalAmountDue":12.30,`+
		`"minimumAmountDue":0,"pastDueAmount":0,"invoiceDate":"2026-01-01T00:00:00","invoiceDueDate":"2026-02-01T00:00:00"}`, biller, invoice)
}

// source is a live source under its own authority.
func source(t *testing.T, handler http.HandlerFunc) (*sources, *signet.Biller) {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	biller := &signet.Biller{ID: canonical}
	biller.LiveSource = server.URL + "/i/{invoiceGuid}?format=json"
	return newSources(&Options{AllowPrivateSources: true, SourceRoots: roots}), biller
}

func TestLiveSource(t *testing.T) {
	t.Parallel()
	now := time.Unix(1700000000, 0)
	s, biller := source(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/i/"+liveInvoice || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = fmt.Fprint(w, liveBody(canonical, strings.ToUpper(liveInvoice)))
	})
	dto, err := s.ask(t.Context(), biller, liveInvoice, now)
	if err != nil {
		t.Fatal(err)
	}
	if dto.BalanceDue != "12.30" || *dto.InvoiceGUID != liveInvoice || *dto.BillerGUID != canonical {
		t.Errorf("dto %+v", dto)
	}
}

// TestLiveSourceRefusals: nothing but the invoice asked for, from where the record says, is taken.
func TestLiveSourceRefusals(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("a redirect was followed")
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, liveBody(canonical, liveInvoice))
	}))
	t.Cleanup(elsewhere.Close)
	cases := []struct {
		name, reason string
		answer       http.HandlerFunc
	}{
		{"redirect", "source_status", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }},
		{"error", "source_status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		{"unknown", reasonUnknown, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }},
		{"page", "source_type", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>") }},
		{"another invoice", "source_invoice", answerJSON(liveBody(canonical, canonical))},
		{"another biller", "source_invoice", answerJSON(liveBody(liveInvoice, liveInvoice))},
		{"repeated member", "source_json", answerJSON(`{"balanceDue":1,"BalanceDue":2}`)},
		{"amount as text", "source_json", answerJSON(strings.Replace(liveBody(canonical, liveInvoice), "12.30", `"12.30"`, 1))},
		{"exponent", "source_json", answerJSON(strings.Replace(liveBody(canonical, liveInvoice), "12.30", "1e3", 1))},
		{"long", "source_body", answerJSON(`{"a":"` + strings.Repeat("a", maxSourceBody) + `"}`)},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, biller := source(t, tc.answer)
			if _, err := s.ask(t.Context(), biller, liveInvoice, time.Unix(1700000000, 0)); signet.ReasonOf(err) != tc.reason {
				t.Errorf("reason %q, want %q: %v", signet.ReasonOf(err), tc.reason, err)
			}
		})
	}
}

func answerJSON(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, body)
	}
}

// TestLiveSourcePrivate: the address is looked at when the connection is made, so that no name can lead inside.
func TestLiveSourcePrivate(t *testing.T) {
	t.Parallel()
	_, biller := source(t, func(http.ResponseWriter, *http.Request) { t.Error("a private address was asked") })
	for _, url := range []string{biller.LiveSource, strings.Replace(biller.LiveSource, "127.0.0.1", "localhost", 1)} {
		biller.LiveSource = url
		s := newSources(&Options{})
		if _, err := s.ask(t.Context(), biller, liveInvoice, time.Unix(1700000000, 0)); err == nil || !strings.Contains(err.Error(), "not public") {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{"http://example.com/{invoiceGuid}", "https://u:p@example.com/{invoiceGuid}", "file:///etc/passwd", "https:///x", "://"} {
		biller.LiveSource = url
		s := newSources(&Options{})
		if _, err := s.ask(t.Context(), biller, liveInvoice, time.Unix(1700000000, 0)); signet.ReasonOf(err) != "source_url" {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestLiveSourceBreaker(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var well atomic.Bool
	s, biller := source(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if !well.Load() {
			w.WriteHeader(500)
			return
		}
		answerJSON(liveBody(canonical, liveInvoice))(w, r)
	})
	now := time.Unix(1700000000, 0)
	for range breakAfter + 3 {
		_, _ = s.ask(t.Context(), biller, liveInvoice, now)
	}
	if n := asked.Load(); n != breakAfter {
		t.Errorf("asked %d times, want %d", n, breakAfter)
	}
	well.Store(true)
	if _, err := s.ask(t.Context(), biller, liveInvoice, now.Add(breakFor-time.Second)); signet.ReasonOf(err) != "source_breaker_open" {
		t.Errorf("before the time: %v", err)
	}
	if _, err := s.ask(t.Context(), biller, liveInvoice, now.Add(breakFor)); err != nil {
		t.Errorf("after it: %v", err)
	}
	if _, err := s.ask(t.Context(), biller, liveInvoice, now); err != nil {
		t.Errorf("after a success: %v", err)
	}
}

// TestLiveSourceSingleFlight: a page that is reloaded does not multiply what the biller's system is asked.
func TestLiveSourceSingleFlight(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	entered, release := make(chan struct{}, 99), make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		entered <- struct{}{}
		<-release
		answerJSON(liveBody(canonical, liveInvoice))(w, r)
	}))
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	biller := &signet.Biller{ID: canonical, BillerMetadata: signet.BillerMetadata{LiveSource: server.URL + "/{invoiceGuid}"}}
	s := newSources(&Options{AllowPrivateSources: true, SourceRoots: roots})
	now := time.Unix(1700000000, 0)
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := s.ask(t.Context(), biller, liveInvoice, now); err != nil {
			t.Error(err)
		}
	})
	<-entered
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 16 {
		// Each joins the question and leaves at once.
		if _, err := s.ask(gone, biller, liveInvoice, now); signet.ReasonOf(err) != "source_timeout" {
			t.Error(err)
		}
	}
	close(release)
	group.Wait()
	server.Close() // waits for every request
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}
