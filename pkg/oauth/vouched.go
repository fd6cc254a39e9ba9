package oauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/signet-auth/signet/pkg/signet"
)

// Tokens that a principal vouches for which is no client and no person: a biller by its HMAC, an API key by itself. A room
// proves the credential and hands over an order; the list of the token endpoint goes on from there.
//
//	room.Prove… ─▶ adopt ─▶ principals ─▶ (fosite) ─▶ mint ─▶ encrypt to the resource server

// vouchedLifetime is the life of such a token when the order does not say (wire.md, 1 and 3).
const vouchedLifetime = 15 * time.Minute

// issuedAccessToken is issued_token_type (RFC 8693 §3): an access token, in whatever form.
const issuedAccessToken = "urn:ietf:params:oauth:token-type:access_token"

// principalOf is the principal that a subject names: "biller:{guid}" of "biller:{guid}:user:{guid}", "key:{id}" of itself,
// "" for people and clients. The principal is no claim of its own: it could differ from sub.
func principalOf(subject string) string {
	if rest, ok := strings.CutPrefix(subject, signet.PrincipalBiller); ok {
		id, _, _ := strings.Cut(rest, ":")
		return signet.PrincipalBiller + id
	}
	if strings.HasPrefix(subject, signet.PrincipalAPIKey) {
		return subject
	}
	return ""
}

// personScope: no machine has what speaks of a person, neither a client for itself nor what a room vouches for (SCO-05).
func personScope(scope signet.Scope) bool { return slices.ContainsFunc(scope, signet.ScopeOfPerson) }

// machineScope refuses a scope parameter that no machine can have, before a credential is looked at: a mark must not be
// consumed for it.
func machineScope(text string) error {
	scope, err := signet.ParseScope(text)
	if err != nil {
		return err
	}
	if personScope(scope) {
		return signet.NewError(signet.CodeInvalidScope, "", "scope_of_a_person")
	}
	return nil
}

// adopt takes over what a room has proven. What does not fit together is a fault of ours: a token never names a principal
// that is not its subject's.
func (x *exchange) adopt(order *signet.TokenOrder) error {
	x.order, x.scope, x.audience = order, order.Scope, order.Audience
	switch {
	case order.Principal == "" || principalOf(order.Subject) != order.Principal:
		return signet.Internal(errors.New("the subject of an order is not its principal's"))
	case len(order.Audience) == 0:
		return signet.Internal(errors.New("an order has no audience"))
	case order.Recipient != nil && !slices.Contains(order.Audience, order.Recipient.Audience):
		return signet.Internal(errors.New("the recipient of an order is not in its audience"))
	case personScope(order.Scope):
		return signet.NewError(signet.CodeInvalidScope, "", "scope_of_a_person")
	case order.Recipient != nil && order.Recipient.Disabled():
		return signet.NewError(signet.CodeInvalidTarget, "", "resource_server_disabled")
	}
	return nil
}

// vouched checks the principal of an order, as principals does with people.
func (s *Server) vouched(ctx context.Context, x *exchange) error {
	if s.Principals == nil {
		return signet.Internal(errors.New("no port finds principals"))
	}
	principal, err := s.Principals.Principal(ctx, x.order.Principal)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return invalidGrant("principal_gone")
	case err != nil:
		return err
	case principal.Disabled:
		return invalidGrant("principal_disabled")
	case beyond(principal.NotBefore, x.now):
		return invalidGrant("principal_not_before")
	}
	x.principal = principal
	return nil
}

// IssueToken mints what a room has proven: the principal, and the client when one took part, are still there; the token is
// encrypted when the order has a recipient. Both the token and a refusal are traffic events here, so the room records
// neither. Errors: CodeInvalidGrant (principal), CodeInvalidClient, CodeInvalidScope, CodeInvalidTarget, CodeUnavailable,
// CodeInternal.
func (s *Server) IssueToken(ctx context.Context, order *signet.TokenOrder) (*signet.IssuedToken, error) {
	x := &exchange{now: s.stamp(), grantType: order.GrantType}
	if err := s.issueVouched(ctx, x, order); err != nil {
		s.refused(ctx, x, err)
		return nil, err
	}
	s.issued(ctx, x)
	return &signet.IssuedToken{Text: x.access.text, ID: x.access.id, IssuedAt: x.access.issuedAt, ExpiresAt: x.access.expiresAt}, nil
}

func (s *Server) issueVouched(ctx context.Context, x *exchange, order *signet.TokenOrder) (err error) {
	if err = x.adopt(order); err != nil {
		return err
	}
	if order.ClientID != "" {
		x.client, err = s.Records.Client(ctx, order.ClientID)
		if errors.Is(err, signet.ErrNotFound) {
			return signet.NewError(signet.CodeInvalidClient, "", "client_gone")
		}
		if err != nil {
			return err
		}
	}
	if err = s.principals(ctx, x); err != nil {
		return err
	}
	return s.mintAll(x)
}

// prepareIdentity is the grant by a biller's signed identity (wire.md, 3). The room verifies it; here is only what the
// form must have.
func (s *Server) prepareIdentity(ctx context.Context, x *exchange) error {
	p := x.params
	missing := func(message, reason string) error { return signet.NewError(signet.CodeInvalidRequest, message, reason) }
	switch {
	case p.Get("biller_id") == "":
		return missing("The biller_id parameter is missing.", "biller_id_missing")
	case (p.Get("invoice_id") == "") == (p.Get("user_id") == ""):
		return missing("Exactly one of invoice_id and user_id is required.", "invoice_or_user")
	}
	if err := machineScope(p.Get("scope")); err != nil {
		return err
	}
	order, err := s.Identities.ProveIdentity(ctx, signet.IdentityRequest{
		BillerID: p.Get("biller_id"), InvoiceID: p.Get("invoice_id"), UserID: p.Get("user_id"), Timestamp: p.Get("timestamp"),
		HMAC: p.Get("hmac"), HMACKeyID: p.Get("hmac_kid"), Client: x.client, Scope: p.Get("scope"), Resources: p["resource"],
	})
	if err != nil {
		return err
	}
	return x.adopt(order)
}

// The token types of RFC 8693 §3 that a requested_token_type may name, and ours of API keys.
const (
	tokenTypeAccess = issuedAccessToken
	tokenTypeJWT    = "urn:ietf:params:oauth:token-type:jwt"
	tokenTypeAPIKey = "urn:signet:params:oauth:token-type:api-key"
)

// prepareAPIKey is token exchange (RFC 8693 §2.1) of an API key, and of nothing else: no impersonation, no delegation.
func (s *Server) prepareAPIKey(ctx context.Context, x *exchange) error {
	p := x.params
	bad := func(message, reason string) error { return signet.NewError(signet.CodeInvalidRequest, message, reason) }
	wanted := p.Get("requested_token_type")
	switch {
	case p.Get("subject_token") == "":
		return bad("The subject_token parameter is missing.", "subject_token_missing")
	case p.Get("subject_token_type") != tokenTypeAPIKey:
		return bad("The subject_token_type is missing or not supported.", "subject_token_type")
	case p.Get("actor_token") != "" || p.Get("actor_token_type") != "":
		return bad("An actor_token is not supported.", "actor_token")
	case wanted != "" && wanted != tokenTypeAccess && wanted != tokenTypeJWT:
		return bad("The requested_token_type is not supported.", "requested_token_type")
	case p.Get("audience") != "":
		return bad("Name the target by resource, not by audience.", "audience_parameter")
	case len(p["resource"]) == 0:
		return bad("The resource parameter is missing.", "resource_missing")
	}
	if err := machineScope(p.Get("scope")); err != nil {
		return err
	}
	order, err := s.APIKeys.ProveAPIKey(ctx, signet.APIKeyRequest{
		Key: p.Get("subject_token"), Client: x.client, Scope: p.Get("scope"), Resources: p["resource"],
	})
	if err != nil {
		return err
	}
	return x.adopt(order)
}

// subjectFault: RFC 8693 §2.2.2 wants invalid_request for a subject token that is invalid for any reason. One answer for
// an unknown key, a disabled one and one of a principal that is gone.
func (x *exchange) subjectFault(err error) error {
	if x.grantType != signet.GrantTokenExchange {
		return err
	}
	switch signet.CodeOf(err) {
	case signet.CodeInvalidGrant, signet.CodeInvalidToken, signet.CodeNotFound, signet.CodeRevoked, signet.CodeExpired:
		return &signet.Error{Code: signet.CodeInvalidRequest, Message: "The subject token is not valid.", Cause: err}
	}
	return err
}

// presentsClient reports whether the request shows anything of a client: then it must prove it. client_id alone is a
// public client's (method none).
func presentsClient(r *http.Request, x *exchange) bool {
	if len(r.Header.Values("Authorization")) > 0 {
		return true
	}
	return slices.ContainsFunc([]string{"client_id", "client_secret", "client_assertion", "client_assertion_type"}, func(name string) bool {
		return len(x.params[name]) > 0
	})
}

// vouchedHandler is the grant in fosite's shape (fosite.TokenEndpointHandler): what it would decide is decided.
type vouchedHandler struct{ grantType string }

// CanSkipClientAuth implements fosite.TokenEndpointHandler: the edge has asked for a client where one is due.
func (vouchedHandler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return true }

// CanHandleTokenEndpointRequest implements fosite.TokenEndpointHandler.
func (h vouchedHandler) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(h.grantType)
}

// HandleTokenEndpointRequest implements fosite.TokenEndpointHandler: nothing goes on without an order that the edge has
// taken over for this very grant.
func (h vouchedHandler) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	if !h.CanHandleTokenEndpointRequest(ctx, r) {
		return fosite.ErrUnknownRequest
	}
	if x := exchangeOf(ctx); x == nil || x.order == nil || x.principal == nil || x.grantType != h.grantType {
		return fosite.ErrInvalidGrant
	}
	return nil
}

// PopulateTokenEndpointResponse implements fosite.TokenEndpointHandler.
func (h vouchedHandler) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, out fosite.AccessResponder) error {
	if !h.CanHandleTokenEndpointRequest(ctx, r) {
		return fosite.ErrUnknownRequest
	}
	x := exchangeOf(ctx)
	if x == nil || x.order == nil || x.access.text == "" {
		return fosite.ErrServerError.WithDebug("no access token was minted")
	}
	out.SetAccessToken(x.access.text)
	out.SetTokenType("bearer")
	out.SetExpiresIn(x.access.expiresAt.Sub(x.access.issuedAt))
	out.SetScopes(r.GetGrantedScopes())
	return nil
}
