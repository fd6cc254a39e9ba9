package exchange

import (
	"errors"
	"net/http"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// invoiceBody is what a biller's system puts in, and what its live source answers: the 19 members of InvoiceDto, and
// closed. The boolean, the amounts and the dates are required; what is no text is null.
type invoiceBody struct {
	BillerGUID            *string         `json:"billerGuid"`
	InvoiceGUID           *string         `json:"invoiceGuid"`
	CustomerGUID          *string         `json:"customerGuid"`
	InvoiceTypeDesc       *string         `json:"invoiceTypeDesc"`
	InvoiceFormatFilename *string         `json:"invoiceFormatFilename"`
	NotifyMeURL           *string         `json:"notifyMeUrl"`
	InvoiceNumber         *string         `json:"invoiceNumber"`
	Address1              *string         `json:"address1"`
	Address2              *string         `json:"address2"`
	City                  *string         `json:"city"`
	State                 *string         `json:"state"`
	Zip                   *string         `json:"zip"`
	AllowPartialPayments  *bool           `json:"allowPartialPayments"`
	BalanceDue            *signet.Decimal `json:"balanceDue"`
	TotalAmountDue        *signet.Decimal `json:"totalAmountDue"`
	MinimumAmountDue      *signet.Decimal `json:"minimumAmountDue"`
	PastDueAmount         *signet.Decimal `json:"pastDueAmount"`
	InvoiceDate           *string         `json:"invoiceDate"`
	InvoiceDueDate        *string         `json:"invoiceDueDate"`
	// Closed ends the exchange of the invoice. A PUT replaces: left out, the invoice is open.
	Closed *bool `json:"closed"`
}

const (
	maxInvoiceBody = 64 << 10
	maxMember      = 1000 // characters
)

// parseInvoice checks a body and returns the DTO with canonical GUIDs, and the due date. guid is the invoice asked for.
// Error: CodeInvalidRequest with a sentence that names the member.
func parseInvoice(b *invoiceBody, guid string) (dto signet.InvoiceDTO, biller string, due time.Time, err error) {
	biller, ok := parseGUID(text(b.BillerGUID))
	if !ok {
		return dto, "", due, memberFault("billerGuid", "must be a GUID")
	}
	if b.InvoiceGUID != nil && !sameGUID(b.InvoiceGUID, guid) {
		return dto, "", due, memberFault("invoiceGuid", "must be the GUID of the path")
	}
	texts := map[string]*string{
		"customerGuid": b.CustomerGUID, "invoiceTypeDesc": b.InvoiceTypeDesc, "invoiceFormatFilename": b.InvoiceFormatFilename,
		"notifyMeUrl": b.NotifyMeURL, "invoiceNumber": b.InvoiceNumber, "address1": b.Address1, "address2": b.Address2,
		"city": b.City, "state": b.State, "zip": b.Zip,
	}
	for name, member := range texts {
		if member != nil && !plainText(*member) {
			return dto, "", due, memberFault(name, "must be at most 1000 characters without control characters")
		}
	}
	for name, amount := range map[string]*signet.Decimal{"balanceDue": b.BalanceDue, "totalAmountDue": b.TotalAmountDue,
		"minimumAmountDue": b.MinimumAmountDue, "pastDueAmount": b.PastDueAmount} {
		if amount == nil {
			return dto, "", due, memberFault(name, "must be a number")
		}
	}
	if b.AllowPartialPayments == nil {
		return dto, "", due, memberFault("allowPartialPayments", "must be true or false")
	}
	if _, ok := parseDate(b.InvoiceDate); !ok {
		return dto, "", due, memberFault("invoiceDate", "must be an RFC 3339 time")
	}
	if due, ok = parseDate(b.InvoiceDueDate); !ok {
		return dto, "", due, memberFault("invoiceDueDate", "must be an RFC 3339 time")
	}
	return signet.InvoiceDTO{
		BillerGUID: &biller, InvoiceGUID: &guid, CustomerGUID: b.CustomerGUID, InvoiceTypeDesc: b.InvoiceTypeDesc,
		InvoiceFormatFilename: b.InvoiceFormatFilename, NotifyMeURL: b.NotifyMeURL, InvoiceNumber: b.InvoiceNumber,
		Address1: b.Address1, Address2: b.Address2, City: b.City, State: b.State, Zip: b.Zip, AllowPartialPayments: *b.AllowPartialPayments,
		BalanceDue: *b.BalanceDue, TotalAmountDue: *b.TotalAmountDue, MinimumAmountDue: *b.MinimumAmountDue, PastDueAmount: *b.PastDueAmount,
		InvoiceDate: *b.InvoiceDate, InvoiceDueDate: *b.InvoiceDueDate,
	}, biller, due, nil
}

func memberFault(name, what string) error {
	return signet.NewError(signet.CodeInvalidRequest, "The member "+name+" "+what+".", "invoice_member")
}

// parseDate reads a date-time: RFC 3339, or without a zone (UTC), as .NET writes a DateTime.
func parseDate(member *string) (time.Time, bool) {
	if member == nil {
		return time.Time{}, false
	}
	if at, ok := parseDateTime(*member, true); ok {
		return at, true
	}
	return parseDateTime(*member, false)
}

func plainText(text string) bool {
	if utf8.RuneCountInString(text) > maxMember {
		return false
	}
	for _, c := range text {
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' {
			return false
		}
	}
	return true
}

// putInvoice is PUT /api/v1/invoices/{invoiceGuid}: it stores the invoice whole and answers it as GET would.
func (e *Exchange) putInvoice(w http.ResponseWriter, r *http.Request) {
	dto, err := e.storeInvoice(r)
	if err != nil {
		e.refuseBearer(w, r, err)
		return
	}
	e.write(w, r, http.StatusOK, dto)
}

func (e *Exchange) storeInvoice(r *http.Request) (*signet.InvoiceDTO, error) {
	ctx := r.Context()
	// 1. A client that acts for itself, with the scope.
	bearer, err := e.bearer(r)
	if err != nil {
		return nil, err
	}
	if !bearer.Machine || bearer.ClientID == "" || !bearer.Scope.Has(scopeWrite) {
		return nil, signet.NewError(signet.CodeInsufficientScope, "A client_credentials token with the scope invoices:write is required.", "token_scope")
	}
	// 2. The request.
	invoice, err := readInvoiceBody(r)
	if err != nil {
		return nil, err
	}
	// 3. The biller is this client's. An unknown one answers like a foreign one.
	biller, err := e.o.Billers.Biller(ctx, invoice.BillerID)
	switch {
	case err != nil && !errors.Is(err, signet.ErrNotFound):
		return nil, &signet.Error{Code: signet.CodeUnavailable, Reason: "biller_store", Cause: err}
	case err != nil || biller.Disabled() || biller.ClientID != bearer.ClientID:
		return nil, forbidden("client_of_another_biller")
	}
	// 4. The act.
	invoice.UpdatedAt = e.o.Now()
	if invoice.ClosedAt != nil {
		invoice.ClosedAt = &invoice.UpdatedAt
	}
	ev := e.event(ctx, signet.EventInvoiceStored, nil)
	ev.Actor, ev.ClientID = bearer.Subject, bearer.ClientID
	ev.Target = biller.Principal() + ":invoice:" + invoice.InvoiceGUID
	if err := e.o.Invoices.PutInvoice(ctx, invoice, ev); err != nil {
		return nil, err
	}
	return &invoice.DTO, nil
}

// readInvoiceBody reads a PUT. ClosedAt is set, to no particular time, when the body says closed.
func readInvoiceBody(r *http.Request) (*signet.Invoice, error) {
	guid, ok := parseGUID(r.PathValue("invoiceGuid"))
	if !ok {
		return nil, signet.NewError(signet.CodeInvalidRequest, "The invoice in the path is no GUID.", "invoice_guid_form")
	}
	var body invoiceBody
	reader := web.JSONBody{Max: maxInvoiceBody}
	raw, err := reader.Read(r)
	if err != nil {
		return nil, err
	}
	if err := reader.Decode(raw, &body); err != nil {
		return nil, err
	}
	dto, biller, due, err := parseInvoice(&body, guid)
	if err != nil {
		return nil, err
	}
	invoice := &signet.Invoice{BillerID: signet.BillerID(biller), InvoiceGUID: guid, DTO: dto, DueAt: due}
	if body.Closed != nil && *body.Closed {
		invoice.ClosedAt = &time.Time{}
	}
	return invoice, nil
}
