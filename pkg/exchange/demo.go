package exchange

import (
	"errors"
	"net/http"

	"github.com/signet-auth/signet/pkg/signet"
)

// signInvoice is POST /test and signPayer POST /payertest: the body comes back with hmac filled in, under the demo
// biller's newest key and own scheme, so that a new caller can see what a right request looks like. They exist in signet
// dev alone, where the keys are demo keys.
func (e *Exchange) signInvoice(w http.ResponseWriter, r *http.Request) {
	var req invoiceRequest
	if err := e.demo(r, &req, &req.HMAC); err != nil {
		e.writeError(w, r, err)
		return
	}
	e.write(w, r, http.StatusOK, req)
}

func (e *Exchange) signPayer(w http.ResponseWriter, r *http.Request) {
	var req payerRequest
	if err := e.demo(r, &req, &req.HMAC); err != nil {
		e.writeError(w, r, err)
		return
	}
	e.write(w, r, http.StatusOK, req)
}

func (e *Exchange) demo(r *http.Request, req legacy, fill **string) error {
	raw, err := identityBody(false).Read(r)
	if err != nil {
		return err
	}
	if err := identityBody(false).Decode(raw, req); err != nil {
		return err
	}
	sent := req.identity()
	guid, ok := parseGUID(sent.BillerID)
	if !ok || !e.o.Demo(signet.BillerID(guid)) {
		return &signet.Error{Code: signet.CodeNotFound, Reason: "no_demo_biller"}
	}
	biller, err := e.o.Billers.Biller(r.Context(), signet.BillerID(guid))
	if err != nil {
		if errors.Is(err, signet.ErrNotFound) {
			return err
		}
		return &signet.Error{Code: signet.CodeUnavailable, Reason: "biller_store", Cause: err}
	}
	key := newestKey(biller, e)
	if key == nil {
		return &signet.Error{Code: signet.CodeNotFound, Reason: "no_demo_key"}
	}
	secret, err := e.o.Keys.OpenRecord(key)
	if err != nil {
		return &signet.Error{Code: signet.CodeUnavailable, Reason: "hmac_key_sealed", Cause: err}
	}
	mac, err := Sign(biller.Scheme, secret, Fields{Biller: sent.BillerID, Invoice: sent.InvoiceID, User: sent.UserID, Timestamp: sent.Timestamp})
	if err != nil {
		return err
	}
	*fill = &mac
	return nil
}

func newestKey(biller *signet.Biller, e *Exchange) *signet.SealedKey {
	var newest *signet.SealedKey
	now := e.o.Now()
	for i := range biller.Keys {
		key := &biller.Keys[i]
		if key.Use == signet.KeyHMAC && key.Live(now) && (newest == nil || key.CreatedAt.After(newest.CreatedAt)) {
			newest = key
		}
	}
	return newest
}
