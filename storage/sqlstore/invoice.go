package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// invoiceRow is a row of invoices.
type invoiceRow struct {
	BillerID  string `gorm:"primaryKey"`
	ID        string `gorm:"primaryKey"`
	DTO       string `gorm:"column:dto"`
	DueAt     time.Time
	ClosedAt  *time.Time
	UpdatedAt time.Time
	Version   int64
}

// TableName is gorm's name of the table.
func (invoiceRow) TableName() string { return "invoices" }

const invoiceColumns = "biller_id, id, dto, due_at, closed_at, updated_at, version"

func (r *invoiceRow) invoice() (*signet.Invoice, error) {
	i := &signet.Invoice{
		BillerID: signet.BillerID(r.BillerID), InvoiceGUID: r.ID, DueAt: r.DueAt.UTC(), ClosedAt: utcPtr(r.ClosedAt),
		UpdatedAt: r.UpdatedAt.UTC(), Version: r.Version,
	}
	return i, fromJSON(r.DTO, &i.DTO)
}

// pathSafe reports whether a text can be a part of a name that joins parts by "/".
func pathSafe(text string) bool { return findable(text) && !strings.Contains(text, "/") }

// Invoice finds an invoice, at most 1 s stale. The record is shared: read only. Errors: CodeNotFound, CodeUnavailable.
func (s *Store) Invoice(ctx context.Context, biller signet.BillerID, guid string) (*signet.Invoice, error) {
	if !pathSafe(string(biller)) || !pathSafe(guid) {
		return nil, signet.ErrNotFound
	}
	name := string(biller) + "/" + guid
	if i := warm(ctx, s, s.invoices, name); i != nil {
		return i, nil
	}
	return through(ctx, s, s.invoices, name, func(ctx context.Context, _ string) (*signet.Invoice, error) {
		var row invoiceRow
		err := s.one(ctx, &row, "SELECT "+invoiceColumns+" FROM invoices WHERE biller_id = ? AND id = ?", string(biller), guid)
		if err != nil {
			return nil, err
		}
		return row.invoice()
	})
}

// PutInvoice writes an invoice, new or in the place of the old one, and sets Version and UpdatedAt of the given one.
// Errors: CodeNotFound when there is no such biller, CodeInvalidRequest, CodeUnavailable.
func (s *Store) PutInvoice(ctx context.Context, invoice *signet.Invoice, event signet.Event) error {
	if !pathSafe(string(invoice.BillerID)) || !pathSafe(invoice.InvoiceGUID) {
		return signet.NewError(signet.CodeInvalidRequest, "The invoice's id cannot be used.", "invoice_id")
	}
	dto, err := metadataText(invoice.DTO)
	if err != nil {
		return err
	}
	var version int64
	var updated time.Time
	err = s.act(ctx, func(ctx context.Context, t *transaction) error {
		err := s.write(ctx, &version, `INSERT INTO invoices (biller_id, id, dto, due_at, closed_at, updated_at, version) VALUES (?, ?, ?, ?, ?, ?, 1)
			ON CONFLICT (biller_id, id) DO UPDATE SET dto = excluded.dto, due_at = excluded.due_at, closed_at = excluded.closed_at,
			updated_at = excluded.updated_at, version = invoices.version + 1 RETURNING version`,
			string(invoice.BillerID), invoice.InvoiceGUID, dto, utc(invoice.DueAt), utcPtr(invoice.ClosedAt), t.now)
		if err != nil {
			return err
		}
		updated = t.now
		t.change(changedInvoices, string(invoice.BillerID)+"/"+invoice.InvoiceGUID)
		t.note(event)
		return nil
	})
	if err == nil {
		invoice.Version, invoice.UpdatedAt = version, updated
	}
	return err
}
