package storagetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

func TestInvoices(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		settled(t, w.Store)
		b := w.biller(t)
		guid, number := signet.NewUUID(), "N\x001"
		closed := w.clock.Now().Add(time.Hour)
		i := &signet.Invoice{
			BillerID: b.ID, InvoiceGUID: guid, DueAt: w.clock.Now().Add(time.Minute), ClosedAt: &closed,
			DTO: signet.InvoiceDTO{InvoiceNumber: &number, AllowPartialPayments: true, BalanceDue: "10.10", TotalAmountDue: "123456789012345.678",
				MinimumAmountDue: "0", PastDueAmount: "-0.5", InvoiceDate: "2026-01-02T00:00:00"},
		}
		w.audited(t, "PutInvoice", signet.EventInvoiceStored, "", func(e signet.Event) error { return w.PutInvoice(t.Context(), i, e) })
		i.DueAt = kept(i.DueAt)
		at := kept(closed)
		i.ClosedAt = &at
		got, err := w.Invoice(t.Context(), b.ID, guid)
		want(t, "Invoice", err, "")
		if !reflect.DeepEqual(got, i) || got.Version != 1 || !got.UpdatedAt.Equal(kept(w.clock.Now())) {
			t.Fatalf("got %+v\nwant %+v", got, i)
		}
		w.clock.Advance(time.Millisecond)
		i.ClosedAt, i.DTO.BalanceDue = nil, "0.00"
		want(t, "PutInvoice again", w.PutInvoice(t.Context(), i, event(signet.EventInvoiceStored)), "")
		got, err = w.Invoice(t.Context(), b.ID, guid)
		want(t, "Invoice", err, "")
		if !reflect.DeepEqual(got, i) || got.Version != 2 || got.DTO.BalanceDue != "0.00" || got.ClosedAt != nil {
			t.Fatalf("got %+v\nwant %+v", got, i)
		}

		other := w.biller(t)
		for _, name := range [][2]string{
			{string(other.ID), guid}, {string(b.ID), "nothing"}, {string(b.ID), ""}, {"", guid}, {string(b.ID) + "/" + guid, ""},
			{"x/" + string(b.ID), guid}, {string(b.ID), "x/" + guid}, {string(b.ID), "\x00"}, {string(b.ID), "' OR 1=1--"},
		} {
			_, err := w.Invoice(t.Context(), signet.BillerID(name[0]), name[1])
			want(t, name[0]+" "+name[1], err, signet.CodeNotFound)
		}
		w.audited(t, "no such biller", signet.EventInvoiceStored, signet.CodeNotFound, func(e signet.Event) error {
			return w.PutInvoice(t.Context(), &signet.Invoice{BillerID: "nobody", InvoiceGUID: guid, DueAt: w.clock.Now()}, e)
		})
		want(t, "an id with a slash", w.PutInvoice(t.Context(), &signet.Invoice{BillerID: b.ID, InvoiceGUID: "a/b"}, event(signet.EventInvoiceStored)),
			signet.CodeInvalidRequest)

		one := &signet.Invoice{BillerID: b.ID, InvoiceGUID: signet.NewUUID(), DueAt: w.clock.Now()}
		for _, err := range together(32, func() error {
			mine := *one
			return w.PutInvoice(t.Context(), &mine, event(signet.EventInvoiceStored))
		}) {
			want(t, "PutInvoice", err, "")
		}
		got, err = w.Invoice(t.Context(), b.ID, one.InvoiceGUID)
		want(t, "Invoice", err, "")
		if got.Version != 32 {
			t.Fatalf("version %d after 32 writes", got.Version)
		}
	})
}
