package exchange

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	scopeRead  = "invoices:read"
	scopeWrite = "invoices:write"

	sourceHeader = "Signet-Source"
	sourceLive   = "live"
	sourceStored = "stored"
)

// getInvoice is GET /api/v1/invoices/{invoiceGuid}.
func (e *Exchange) getInvoice(w http.ResponseWriter, r *http.Request) {
	got, err := e.readInvoice(r)
	if err != nil {
		e.refuseBearer(w, r, err)
		return
	}
	w.Header().Set(sourceHeader, got.source)
	w.Header().Set("Age", strconv.FormatInt(int64(got.age/time.Second), 10))
	e.write(w, r, http.StatusOK, got.dto)
}

// refuseBearer names the scheme where a token is missing or wrong (RFC 6750 §3).
func (e *Exchange) refuseBearer(w http.ResponseWriter, r *http.Request, err error) {
	if signet.CodeOf(err) == signet.CodeInvalidToken {
		w.Header().Set("WWW-Authenticate", `Bearer realm="signet", error="invalid_token"`)
	}
	e.writeError(w, r, err)
}

// copyOf is an invoice and where it came from.
type copyOf struct {
	dto    signet.InvoiceDTO
	source string
	age    time.Duration
}

// readInvoice authenticates, authorises and reads.
func (e *Exchange) readInvoice(r *http.Request) (*copyOf, error) {
	ctx := r.Context()
	// 1. The token: live, and for this API.
	bearer, err := e.bearer(r)
	if err != nil {
		return nil, err
	}
	// 2. The request.
	guid, ok := parseGUID(r.PathValue("invoiceGuid"))
	if !ok {
		return nil, signet.NewError(signet.CodeNotFound, "", "invoice_guid_form")
	}
	refresh, err := wantsRefresh(r)
	if err != nil {
		return nil, err
	}
	// 3. What the token itself allows, before any invoice is looked for.
	if err := e.mayRead(bearer, guid); err != nil {
		return nil, err
	}
	biller, err := e.o.Billers.Biller(ctx, signet.BillerID(bearer.Claims.BillerGUID))
	if err != nil || biller.Disabled() {
		return nil, billerGone(err)
	}
	// 4. The stored copy, and that it is this payer's. Nobody makes signet ask a biller for what signet does not know.
	got, err := e.stored(ctx, biller, guid)
	if err != nil {
		return nil, err
	}
	if err := mine(bearer, got); err != nil {
		return nil, err
	}
	// 5. The live copy, where it is asked for and answers.
	if !refresh || biller.LiveSource == "" {
		return got, nil
	}
	dto, err := e.sources.ask(ctx, biller, guid, e.o.Now())
	if err != nil {
		web.Note(ctx, "live_source", signet.ReasonOrCode(err))
		return got, nil
	}
	got = &copyOf{dto: *dto, source: sourceLive}
	return got, mine(bearer, got)
}

// mine refuses a payer another's invoice.
func mine(b *signet.Bearer, got *copyOf) error {
	if payer := b.Claims.UserGUID; payer != "" && !sameGUID(got.dto.CustomerGUID, payer) {
		return forbidden("invoice_of_another_payer")
	}
	return nil
}

// bearer proves the caller of the invoice API. The token is sent bare or behind Bearer (wire.md, 1 and 3).
func (e *Exchange) bearer(r *http.Request) (*signet.Bearer, error) {
	ctx := r.Context()
	values := r.Header.Values("Authorization")
	if len(values) != 1 || values[0] == "" {
		return nil, signet.NewError(signet.CodeInvalidToken, "", "credential_missing")
	}
	raw := values[0]
	if scheme, rest, found := strings.Cut(raw, " "); found {
		if !strings.EqualFold(scheme, "Bearer") {
			return nil, signet.NewError(signet.CodeInvalidToken, "", "credential_scheme")
		}
		raw = rest
	}
	bearer, err := e.o.Bearers.Bearer(ctx, raw)
	if err != nil {
		return nil, err
	}
	web.Note(ctx, "actor", bearer.Subject)
	server, err := e.o.ResourceServers.ResourceServer(ctx, e.o.InvoiceResource)
	switch {
	case err != nil && !errors.Is(err, signet.ErrNotFound):
		return nil, &signet.Error{Code: signet.CodeUnavailable, Reason: "resource_store", Cause: err}
	case err != nil || server.Disabled():
		return nil, signet.NewError(signet.CodeInvalidToken, "", "invoice_api_disabled")
	}
	if !slices.Contains(bearer.Audience, server.Audience) && (!bearer.Machine || !slices.Contains(bearer.Audience, e.o.IssuerURL)) {
		return nil, signet.NewError(signet.CodeInvalidToken, "", "token_audience")
	}
	return bearer, nil
}

// mayRead: a token for an invoice reads that invoice. A token for a payer reads the invoices whose customerGuid is the
// payer, and only when the biller's record gave it the scope invoices:read. No other token reads any.
func (e *Exchange) mayRead(b *signet.Bearer, guid string) error {
	claims := b.Claims
	switch {
	case claims.BillerGUID == "" || b.Principal != signet.PrincipalBiller+claims.BillerGUID:
		return forbidden("token_without_biller")
	case claims.InvoiceGUID != "":
		if claims.InvoiceGUID != guid {
			return forbidden("token_for_another_invoice")
		}
		return nil
	case claims.UserGUID == "" || !b.Scope.Has(scopeRead):
		return forbidden("token_scope")
	}
	return nil
}

func forbidden(reason string) error { return signet.NewError(signet.CodeForbidden, "", reason) }

// billerGone: the biller of a live token is no more, or its store is away.
func billerGone(err error) error {
	if err != nil && !errors.Is(err, signet.ErrNotFound) {
		return &signet.Error{Code: signet.CodeUnavailable, Reason: "biller_store", Cause: err}
	}
	return signet.NewError(signet.CodeInvalidToken, "", "biller_disabled")
}

func sameGUID(member *string, guid string) bool {
	if member == nil {
		return false
	}
	canonical, ok := parseGUID(*member)
	return ok && canonical == guid
}

// wantsRefresh reads shouldRTRefresh: name and value in any letter case, as the old stack bound them.
func wantsRefresh(r *http.Request) (bool, error) {
	params, err := web.Query(r)
	if err != nil {
		return false, err
	}
	value, seen := "", false
	for name, values := range params {
		if !strings.EqualFold(name, "shouldRTRefresh") {
			continue
		}
		if seen {
			return false, signet.NewError(signet.CodeInvalidRequest, "The parameter shouldRTRefresh is sent more than once.", "duplicate_parameter")
		}
		value, seen = values[0], true
	}
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, signet.NewError(signet.CodeInvalidRequest, "The parameter shouldRTRefresh must be true or false.", "refresh_form")
}

// stored returns the copy that the biller's system put in.
func (e *Exchange) stored(ctx context.Context, biller *signet.Biller, guid string) (*copyOf, error) {
	invoice, err := e.o.Invoices.Invoice(ctx, biller.ID, guid)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return nil, signet.NewError(signet.CodeNotFound, "", "invoice_unknown")
	case err != nil:
		return nil, &signet.Error{Code: signet.CodeUnavailable, Reason: "invoice_store", Cause: err}
	}
	return &copyOf{dto: invoice.DTO, source: sourceStored, age: max(0, e.o.Now().Sub(invoice.UpdatedAt))}, nil
}
