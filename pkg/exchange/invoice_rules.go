package exchange

import (
	"context"
	"errors"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	// overdueLimit is how long after its due date an invoice is still exchanged.
	overdueLimit     = 400 * 24 * time.Hour
	invoiceWindow    = time.Minute
	invoicePerMinute = 30
	// localShare divides the limit while the shared counter is away: every node then counts alone.
	localShare = 3
)

// checkInvoice: an invoice request has no timestamp, so that whoever captures one can send it again. It is worth
// something only where the biller's record says so, and only while the invoice is open (HMC-10).
func (e *Exchange) checkInvoice(ctx context.Context, a *attempt) error {
	if a.id.invoice == "" {
		return nil
	}
	if !a.biller.InvoiceExchange {
		return refusal("invoice_exchange_off")
	}
	invoice, err := e.o.Invoices.Invoice(ctx, a.biller.ID, a.id.invoice)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return refusal("invoice_unknown")
	case err != nil:
		return &signet.Error{Code: signet.CodeUnavailable, Reason: "invoice_store", Cause: err}
	case invoice.ClosedAt != nil && !a.now.Before(*invoice.ClosedAt):
		return refusal("invoice_closed")
	case a.now.After(invoice.DueAt.Add(overdueLimit)):
		return refusal("invoice_overdue")
	}
	return nil
}

// countInvoice bounds the exchanges of one invoice. It is never single use: links are reloaded.
func (e *Exchange) countInvoice(ctx context.Context, a *attempt) error {
	limit := invoicePerMinute
	if a.biller.InvoicePerMinute > 0 {
		limit = a.biller.InvoicePerMinute
	}
	key := "exchange:invoice:" + a.id.biller + ":" + a.id.invoice
	count, wait, err := e.o.Counter.Reserve(ctx, key, invoiceWindow)
	if err != nil {
		web.Note(ctx, "throttle", "local")
		count, wait = e.invoices.add(key, invoiceWindow, a.now)
		limit = max(1, limit/localShare)
	}
	if count > limit {
		return tooMany("invoice_rate", wait)
	}
	e.departure(ctx, a, "invoice_exchange")
	return nil
}
