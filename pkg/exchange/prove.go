package exchange

import (
	"context"
	"crypto/subtle"
	"errors"
	"strconv"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	// refused is the public sentence of every failed identity, whatever was wrong.
	refused = "The signed identity is not valid."

	defaultLifetime = 15 * time.Minute
	invoiceLifetime = 15 * time.Minute // the most for an invoice (wire.md, 3)
	defaultPast     = 300 * time.Second
	defaultAhead    = 60 * time.Second
	// maxAhead is the lead for which the replay memory stays closed after a loss: a request dated further ahead could be
	// sent again then.
	maxAhead = 60 * time.Second
	// maxRepeats of a payer request, for billers with payer_repeats_until.
	maxRepeats = 5

	markSpace = "hmac"
)

// attempt is one identity on its way through the list.
type attempt struct {
	req    *signet.IdentityRequest
	id     identity
	now    time.Time
	biller *signet.Biller
	key    *signet.SealedKey
	scheme signet.HMACScheme
	own    bool // proven by the biller's own scheme, not by v2
	at     time.Time
	server *signet.ResourceServer
	scope  signet.Scope
}

// ProveIdentity checks a biller's signed identity, of the grant or of a legacy endpoint, and says what token it is worth.
// These are all the checks there are, in their order; what consumes comes last.
//
// Errors: CodeInvalidGrant for every failed credential; for a credential that holds CodeInvalidClient (the biller's
// client must prove itself beside it), CodeUnauthorizedClient (it was another client), CodeInvalidScope,
// CodeInvalidTarget; CodeTooMany (errors.As to interface{ RetryAfter() time.Duration } tells how long), CodeUnavailable.
func (e *Exchange) ProveIdentity(ctx context.Context, req signet.IdentityRequest) (*signet.TokenOrder, error) {
	a := &attempt{req: &req, now: e.o.Now()}
	// 1. Form: GUIDs that can be read, exactly one of invoice and user, a timestamp beside the user.
	var ok bool
	a.id, ok = parseIdentity(Fields{Biller: req.BillerID, Invoice: req.InvoiceID, User: req.UserID, Timestamp: req.Timestamp})
	if !ok {
		return nil, e.countRefusal(ctx, a, refusal("identity_form"))
	}
	web.Note(ctx, "biller", a.id.biller)
	// 2. This biller from this network has not failed too often. The network alone is looked at only after a failure, so
	// that a neighbour who guesses cannot lock out whoever has the key.
	if wait, too := e.o.Failures.Refused(ctx, billerKey(ctx, a.id.biller)); too {
		e.alarm(ctx, a)
		return nil, tooMany("too_many_failures", time.Duration(wait)*time.Second)
	}
	// 3. The biller, and its signature over exactly this. Whatever is missing, a decoy is worked with in its place.
	if err := e.proveBiller(ctx, a); err != nil {
		if signet.CodeOf(err) == signet.CodeInvalidGrant {
			err = e.countRefusal(ctx, a, err)
		}
		return nil, err
	}
	// From here on the biller is proven: no failure is a guess, and none is counted.
	for _, check := range [...]func(context.Context, *attempt) error{
		e.checkClient,  // 4. the client beside it
		e.checkTime,    // 5. the window
		e.checkInvoice, // 6. the invoice, and that the biller exchanges invoices at all
		e.checkTarget,  // 7. resource server and scope
		e.consume,      // 8. replay mark, or the invoice's rate
	} {
		if err := check(ctx, a); err != nil {
			return nil, err
		}
	}
	return a.order(), nil
}

// order is what a proven identity is worth.
func (a *attempt) order() *signet.TokenOrder {
	o := &signet.TokenOrder{
		GrantType: signet.GrantHMACIdentity, Principal: a.biller.Principal(), Credential: a.key.Credential(),
		Audience: []string{a.server.Audience}, Scope: a.scope, Lifetime: defaultLifetime, AMR: []string{"hmac"},
		Claims:    signet.OrderClaims{BillerGUID: a.id.biller, InvoiceGUID: a.id.invoice, UserGUID: a.id.user},
		Recipient: a.server,
	}
	if a.biller.TokenLifetime > 0 {
		o.Lifetime = a.biller.TokenLifetime.Duration()
	}
	o.Subject = o.Principal + ":user:" + a.id.user
	if a.id.invoice != "" {
		o.Subject = o.Principal + ":invoice:" + a.id.invoice
		o.Lifetime = min(o.Lifetime, invoiceLifetime)
	}
	return o
}

// proveBiller finds the biller and compares the HMAC. Errors: CodeInvalidGrant, CodeUnavailable.
func (e *Exchange) proveBiller(ctx context.Context, a *attempt) error {
	reason := "hmac_wrong"
	biller, err := e.o.Billers.Biller(ctx, signet.BillerID(a.id.biller))
	switch {
	case errors.Is(err, signet.ErrNotFound):
		biller, reason = e.decoys.biller, "biller_unknown"
	case err != nil:
		return &signet.Error{Code: signet.CodeUnavailable, Reason: "biller_store", Cause: err}
	case biller.Disabled():
		biller, reason = e.decoys.biller, "biller_disabled"
	}
	a.biller = biller
	if err := e.compare(ctx, a); err != nil {
		return err
	}
	if a.key == nil {
		return refusal(reason)
	}
	web.Note(ctx, "key_id", string(a.key.ID))
	if a.own && !a.req.Legacy {
		e.departure(ctx, a, "grant_scheme")
	}
	return nil
}

// compare looks for the live key and the scheme that give the presented HMAC: always two keys, at the grant under two
// schemes, without stopping at a match, in constant time on decoded bytes (HMC-01).
func (e *Exchange) compare(ctx context.Context, a *attempt) error {
	schemes := a.schemes()
	var fault error
	for _, key := range e.candidates(a) {
		secret, err := e.o.Keys.OpenRecord(key.sealed)
		if err != nil {
			fault, secret = err, nil
		}
		for _, s := range schemes {
			presented, ok := decodeMAC(s.scheme, a.req.HMAC)
			sum := sign(s.scheme, secret, a.id.input(s.scheme))
			if !ok {
				presented = make([]byte, len(sum))
			}
			same := subtle.ConstantTimeCompare(presented, sum) == 1
			if same && ok && err == nil && key.real && s.real && a.key == nil {
				a.key, a.scheme, a.own = key.sealed, s.scheme, s.own
			}
		}
	}
	if a.key == nil && fault != nil {
		e.o.Log.ErrorContext(ctx, "an HMAC key does not open", "request_id", web.RequestID(ctx), "biller", a.id.biller, "error", fault)
		return &signet.Error{Code: signet.CodeUnavailable, Reason: "hmac_key_sealed", Cause: fault}
	}
	return nil
}

// tried is one scheme to compare under; one that is not real is there for the time it takes.
type tried struct {
	scheme    signet.HMACScheme
	own, real bool
}

// schemes: the legacy endpoints verify the biller's own scheme, the grant v2 and where the record says so its own too.
func (a *attempt) schemes() []tried {
	own := tried{scheme: a.biller.Scheme, own: true, real: true}
	fixed := own.scheme.Name == "" || own.scheme.Name == schemeV2
	if a.req.Legacy {
		return []tried{own}
	}
	own.real = a.biller.GrantScheme && !fixed
	return []tried{{scheme: signet.HMACScheme{Name: schemeV2}, real: true}, own}
}

type candidate struct {
	sealed *signet.SealedKey
	real   bool
}

// candidates are the live keys, only the named one where hmac_kid names one, filled up with decoys.
func (e *Exchange) candidates(a *attempt) []candidate {
	out := make([]candidate, 0, maxLiveKeys)
	for i := range a.biller.Keys {
		key := &a.biller.Keys[i]
		if key.Use != signet.KeyHMAC || !key.Live(a.now) || a.req.HMACKeyID != "" && string(key.ID) != a.req.HMACKeyID {
			continue
		}
		out = append(out, candidate{sealed: key, real: true})
	}
	for i := len(out); i < maxLiveKeys; i++ {
		out = append(out, candidate{sealed: &e.decoys.keys[i]})
	}
	return out
}

// checkClient: a client that proved itself beside the HMAC must be the biller's (HMC-08).
func (e *Exchange) checkClient(_ context.Context, a *attempt) error {
	switch {
	case a.req.Client == nil && a.biller.RequireClient:
		return signet.NewError(signet.CodeInvalidClient, "", "biller_requires_client")
	case a.req.Client != nil && (a.biller.ClientID == "" || a.req.Client.ID != a.biller.ClientID):
		return signet.NewError(signet.CodeUnauthorizedClient, "", "client_of_another_biller")
	}
	return nil
}

// checkTime reads the timestamp in the one form of the scheme that was signed.
func (e *Exchange) checkTime(_ context.Context, a *attempt) error {
	if a.id.user == "" {
		return nil
	}
	at, ok := parseTimestamp(timestampForm(a.scheme), a.req.Timestamp)
	if !ok {
		return refusal("timestamp_form")
	}
	past, ahead := a.window()
	if at.Before(a.now.Add(-past)) || at.After(a.now.Add(ahead)) {
		return refusal("timestamp_window")
	}
	a.at = at
	return nil
}

func (a *attempt) window() (past, ahead time.Duration) {
	past, ahead = defaultPast, defaultAhead
	if a.biller.TimestampPast > 0 {
		past = a.biller.TimestampPast.Duration()
	}
	if a.biller.TimestampAhead > 0 {
		ahead = min(a.biller.TimestampAhead.Duration(), maxAhead)
	}
	return past, ahead
}

// consume is the last check.
func (e *Exchange) consume(ctx context.Context, a *attempt) error {
	if a.id.invoice != "" {
		return e.countInvoice(ctx, a)
	}
	err := e.o.Marks.Use(ctx, a.mark(0))
	until := a.biller.PayerRepeatsUntil
	if errors.Is(err, signet.ErrUsed) && until != nil && a.now.Before(*until) {
		// Each repeat has a mark of its own: one that is free is taken by the same atomic command.
		for n := 1; n <= maxRepeats && errors.Is(err, signet.ErrUsed); n++ {
			err = e.o.Marks.Use(ctx, a.mark(n))
		}
		if err == nil {
			e.departure(ctx, a, "payer_repeats_until")
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, signet.ErrUsed):
		ev := e.event(ctx, signet.EventIdentityReplayed, a)
		ev.Reason = "hmac_replayed"
		e.record(ctx, ev)
		return refusal("hmac_replayed")
	default:
		return &signet.Error{Code: signet.CodeUnavailable, Reason: "replay_marks", Cause: err}
	}
}

// mark names the identity by its values and not by its spelling or its hmac, so that neither another scheme, another key
// nor another way to write the same time is a second request. Grant and legacy endpoint share it.
func (a *attempt) mark(repeat int) signet.Mark {
	past, _ := a.window()
	key := a.id.biller + "|" + a.id.user + "|" + strconv.FormatInt(a.at.Unix(), 10) + "." + strconv.Itoa(a.at.Nanosecond())
	if repeat > 0 {
		key += "#" + strconv.Itoa(repeat)
	}
	// One second more than the window: the last moment at which it could be sent is inside.
	return signet.Mark{Space: markSpace, Key: key, IssuedAt: a.at, ExpiresAt: a.at.Add(past + time.Second)}
}
