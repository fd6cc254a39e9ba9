package exchange

import (
	"context"
	"errors"
	"net/http"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// invoiceRequest is the document's TokenRequest. A pointer tells null and absent (a failed credential) from a text.
type invoiceRequest struct {
	BillerGUID  *string `json:"billerGuid"`
	InvoiceGUID *string `json:"invoiceGuid"`
	HMAC        *string `json:"hmac"`
}

// payerRequest is the document's PayerUserTokenRequest.
type payerRequest struct {
	BillerGUID *string `json:"billerGuid"`
	UserGUID   *string `json:"userGuid"`
	Timestamp  *string `json:"timestamp"`
	HMAC       *string `json:"hmac"`
}

// tokenResponse is the document's TokenResponse.
type tokenResponse struct {
	Token string `json:"token"`
}

// legacy is one of the two request shapes.
type legacy interface {
	identity() signet.IdentityRequest
	members() string
}

func (r *invoiceRequest) identity() signet.IdentityRequest {
	return signet.IdentityRequest{BillerID: text(r.BillerGUID), InvoiceID: text(r.InvoiceGUID), HMAC: text(r.HMAC), Legacy: true}
}

func (r *invoiceRequest) members() string { return "billerGuid, invoiceGuid and hmac" }

func (r *payerRequest) identity() signet.IdentityRequest {
	return signet.IdentityRequest{BillerID: text(r.BillerGUID), UserID: text(r.UserGUID), Timestamp: text(r.Timestamp), HMAC: text(r.HMAC), Legacy: true}
}

func (r *payerRequest) members() string { return "billerGuid, userGuid, timestamp and hmac" }

func text(member *string) string {
	if member == nil {
		return ""
	}
	return *member
}

// identityBody is what the legacy endpoints read; nothing they need is longer.
func identityBody(lenient bool) web.JSONBody {
	return web.JSONBody{Types: []string{typeJSON, typeTextJSON, "application/*+json"}, Max: 16 << 10, Lenient: lenient}
}

// invoiceToken is POST /api/v1/tokens.
func (e *Exchange) invoiceToken(w http.ResponseWriter, r *http.Request) {
	e.token(w, r, func() legacy { return &invoiceRequest{} })
}

// payerToken is POST /api/v1/payertokens.
func (e *Exchange) payerToken(w http.ResponseWriter, r *http.Request) {
	e.token(w, r, func() legacy { return &payerRequest{} })
}

// token reads the body, proves the identity, has the token minted and writes the document's answer. Authorization is
// not looked at: generated clients send one. shape makes an empty request.
func (e *Exchange) token(w http.ResponseWriter, r *http.Request, shape func() legacy) {
	ctx := r.Context()
	web.Note(ctx, "grant_type", signet.GrantHMACIdentity)
	req, err := e.decode(r, shape)
	var order *signet.TokenOrder
	if err == nil {
		order, err = e.ProveIdentity(ctx, req.identity())
	}
	if err != nil {
		e.refuse(w, r, req, err)
		return
	}
	issued, err := e.o.Issuer.IssueToken(ctx, order)
	if err != nil {
		e.writeError(w, r, err) // the mint has recorded its refusal: a second event would count it twice
		return
	}
	e.write(w, r, http.StatusOK, tokenResponse{Token: issued.Text})
}

// refuse records and writes a refusal of the room itself. What was sent in the place of a GUID is not repeated unless it is one.
func (e *Exchange) refuse(w http.ResponseWriter, r *http.Request, req legacy, err error) {
	ev := e.event(r.Context(), signet.EventTokenRefused, nil)
	ev.Reason = signet.ReasonOrCode(err)
	if req != nil {
		if biller, ok := parseGUID(req.identity().BillerID); ok {
			ev.Target = signet.PrincipalBiller + biller
		}
	}
	e.o.Events.Traffic(ev)
	e.writeError(w, r, err)
}

// decode reads the body strictly. Only a body that would do without strictness makes the biller's record be asked
// whether it may be lenient (wire.md, 3); each use is a departure. A member that is repeated in any letter case is
// refused either way.
func (e *Exchange) decode(r *http.Request, shape func() legacy) (legacy, error) {
	raw, err := identityBody(false).Read(r)
	if err != nil {
		return nil, err
	}
	req := shape()
	strictFault := identityBody(false).Decode(raw, req)
	if strictFault == nil {
		return req, nil
	}
	// One constant body, whatever was wrong with it (HMC-11); the precise reason is in the log.
	fault := &signet.Error{Code: signet.CodeInvalidRequest, Reason: signet.ReasonOrCode(strictFault), Cause: strictFault,
		Message: "The body must be one JSON object with the members " + req.members() + ", each at most once and a string or null."}
	lenient := shape()
	if identityBody(true).Decode(raw, lenient) != nil {
		return nil, fault
	}
	biller, err := e.lenientBiller(r.Context(), lenient.identity().BillerID)
	if err != nil {
		return nil, err
	}
	if biller == nil {
		return nil, fault
	}
	e.departure(r.Context(), &attempt{id: identity{biller: string(biller.ID)}}, "lenient_json")
	return lenient, nil
}

// lenientBiller returns the live biller whose record allows lenient bodies, nil when there is none such.
func (e *Exchange) lenientBiller(ctx context.Context, sent string) (*signet.Biller, error) {
	guid, ok := parseGUID(sent)
	if !ok {
		return nil, nil
	}
	biller, err := e.o.Billers.Biller(ctx, signet.BillerID(guid))
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, &signet.Error{Code: signet.CodeUnavailable, Reason: "biller_store", Cause: err}
	case biller.Disabled() || !biller.LenientJSON:
		return nil, nil
	}
	return biller, nil
}
