package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/proof"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// exchange is one token request on its way through the list in redeem.
type exchange struct {
	now       time.Time
	params    url.Values
	auth      *clientauth.Result
	client    *signet.Client // nil until it is proven, and when none took part
	grantType string

	grant *signet.Grant // nil: the client acts for itself, or order is set
	user  *signet.User  // nil with grant
	// members is what the user's token carries of memberships; nil: nothing.
	members *signet.Memberships
	// order is what a room has proven of a principal that is no client and no person (vouched.go), and principal its state.
	order     *signet.TokenOrder
	principal *signet.Principal
	scope     signet.Scope
	audience  []string

	code    *signet.AuthorizationCode // authorization_code only
	refresh *refreshUse               // refresh_token only
	shown   *signet.RefreshTokenState // the refresh token, when it was read already

	access     accessToken
	idToken    string
	refreshOut signet.Secret // "" when none is issued
}

// token is POST /token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	x := &exchange{now: s.stamp()}
	if err := s.redeem(w, r, x); err != nil {
		s.refused(r.Context(), x, err)
		writeError(w, s.tokenError(x, err), triedBasic(r))
		return
	}
	s.issued(r.Context(), x)
	noStore(w.Header())
	web.WriteJSON(w, http.StatusOK, s.tokenAnswer(x))
}

// redeem is the numbered list of the token endpoint. What consumes something (a code, a generation of refresh tokens)
// is in the last step; an assertion's jti is consumed at the end of step 2.
func (s *Server) redeem(w http.ResponseWriter, r *http.Request, x *exchange) error {
	// 1. Parse once: flat, form encoded, bounded. A JSON body is refused with 415.
	var err error
	if x.params, err = web.Form(r, "resource"); err != nil {
		return err
	}
	if x.grantType = x.params.Get("grant_type"); x.grantType == "" {
		return signet.NewError(signet.CodeInvalidRequest, "The grant_type parameter is missing.", "grant_type_missing")
	}
	steps, known := s.stepsOf(x.grantType)
	// 2. Which client is this? Where another credential proves the request, a client may prove itself besides.
	if steps.clientOptional && !presentsClient(r, x) {
		web.RestrictOrigin(w, r, nil) // no client, no origin that may read the answer
	} else if err := s.authenticate(w, r, x); err != nil {
		return err
	}
	// 3. May it use the grant?
	switch {
	case !known:
		return signet.NewError(signet.CodeUnsupportedGrantType, "", "grant_type_unknown")
	case x.client != nil && !x.client.MayUse(x.grantType):
		return s.notRegistered(r.Context(), x)
	}
	return x.subjectFault(s.fulfil(r.Context(), x, steps))
}

// fulfil is the rest of the list, the same for every way in: steps 4 to 7 of /token and of RefreshGrant.
func (s *Server) fulfil(ctx context.Context, x *exchange, steps grantSteps) (err error) {
	// 4. Our own checks of the code, the refresh token, the credential, the scope and the resource. A replay found here
	// takes the grant back.
	if err := steps.prepare(ctx, x); err != nil {
		return s.takeBack(ctx, x, err)
	}
	if x.audience, err = s.targets(x); err != nil {
		return err
	}
	// 5. Everyone whom the token would speak for is still there, and may.
	if err := s.principals(ctx, x); err != nil {
		return err
	}
	// 6. fosite's checks, never inside the transaction.
	ctx = withProof(ctx, &edgeProof{client: x.client, exchange: x})
	request, err := s.fosite.NewAccessRequest(ctx, fositeRequest(ctx, x.params, steps.names...), &session{})
	if err != nil {
		return fromFosite(err)
	}
	for _, scope := range x.scope {
		request.GrantScope(scope)
	}
	// 7. Mint, then consume and record in one transaction.
	if err := s.mintAll(x); err != nil {
		return err
	}
	return s.takeBack(ctx, x, s.commit(ctx, x, request))
}

// grantSteps is a row of the table of grants.
type grantSteps struct {
	// prepare makes our own checks.
	prepare func(context.Context, *exchange) error
	// names are the parameters that fosite gets to see.
	names []string
	// clientOptional: the grant's own credential proves the request.
	clientOptional bool
}

// stepsOf is the table of grants. GrantPIN is not in it: no caller can name it.
func (s *Server) stepsOf(grantType string) (steps grantSteps, known bool) {
	switch {
	case grantType == signet.GrantAuthorizationCode:
		return grantSteps{prepare: s.prepareCode, names: []string{"grant_type", "code", "redirect_uri", "code_verifier"}}, true
	case grantType == signet.GrantRefreshToken:
		return grantSteps{prepare: s.prepareRefresh, names: []string{"grant_type", "refresh_token"}}, true
	case grantType == signet.GrantClientCredentials:
		return grantSteps{prepare: s.prepareClient, names: []string{"grant_type"}}, true
	case grantType == signet.GrantHMACIdentity && s.Identities != nil:
		return grantSteps{prepare: s.prepareIdentity, names: []string{"grant_type"}, clientOptional: true}, true
	case grantType == signet.GrantTokenExchange && s.APIKeys != nil:
		return grantSteps{prepare: s.prepareAPIKey, names: []string{"grant_type"}, clientOptional: true}, true
	}
	return grantSteps{}, false
}

// notRegistered refuses a grant that the client may not use. A client that could refresh when its token was issued, and
// has lost the grant type since, is told what happened to the token: it is over.
func (s *Server) notRegistered(ctx context.Context, x *exchange) error {
	if x.grantType == signet.GrantRefreshToken {
		state, err := s.findRefresh(ctx, x.params.Get("refresh_token"))
		if err != nil {
			return err
		}
		if state != nil && state.Token.ClientID == x.client.ID {
			return invalidGrant("grant_type_lost")
		}
	}
	return signet.NewError(signet.CodeUnauthorizedClient, "", "grant_type_not_registered")
}

// authenticate proves the client and, as soon as it is known, narrows CORS to its origins: on refusals too.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, x *exchange) error {
	certificates, err := proof.OfRequest(r)
	if err != nil {
		return err
	}
	result, err := s.ClientAuth.Authenticate(r.Context(), clientauth.Request{
		Params: x.params, Authorization: r.Header.Values("Authorization"), Address: web.ClientAddr(r.Context()), Certificates: certificates,
	})
	if result != nil && result.Client != nil {
		web.RestrictOrigin(w, r, result.Client.Origins)
		web.Note(r.Context(), "client_id", string(result.Client.ID))
		x.auth = result
	}
	if err != nil {
		if result != nil && result.RetryAfter > 0 {
			err = signet.Wait(err, time.Duration(result.RetryAfter)*time.Second)
		}
		return err
	}
	x.client = result.Client
	s.departed(r.Context(), x)
	return nil
}

// prepareClient: a public client has nothing that proves it (RFC 6749 §4.4); scopes of people make no sense without one.
func (s *Server) prepareClient(_ context.Context, x *exchange) error {
	if x.client.Public() {
		return signet.NewError(signet.CodeUnauthorizedClient, "", "public_client_credentials")
	}
	asked, err := signet.ParseScope(x.params.Get("scope"))
	if err != nil {
		return err
	}
	allowed := ownScope(x.client)
	if len(asked) == 0 {
		x.scope = allowed // RFC 6749 §3.3: the default is all that the client may have for itself
		return nil
	}
	if !asked.Within(allowed) {
		return signet.NewError(signet.CodeInvalidScope, "", "scope_not_registered")
	}
	x.scope = asked
	return nil
}

// ownScope is the registered scope without those that speak of a person.
func ownScope(client *signet.Client) signet.Scope {
	return slices.DeleteFunc(client.AllowedScope(), signet.ScopeOfPerson)
}

// targets resolves the resource parameter (RFC 8707 §2): each must be registered for the client, and within what was
// granted. Without one the token is for what was granted, else for the client's first audience, else for signet itself.
func (s *Server) targets(x *exchange) ([]string, error) {
	if x.order != nil {
		return x.order.Audience, nil // the room has resolved it
	}
	registered := x.client.Audiences
	if len(registered) == 0 {
		registered = []string{s.Issuer}
	}
	granted := registered
	if x.grant != nil && len(x.grant.Audience) > 0 {
		granted = x.grant.Audience
	}
	asked := x.params["resource"]
	if len(asked) == 0 {
		asked = granted
		if x.grant == nil || len(x.grant.Audience) == 0 {
			asked = registered[:1]
		}
	}
	var out []string
	for _, resource := range asked {
		// A grant for signet itself stays one when resources are registered for its client later.
		own := x.grant != nil && resource == s.Issuer
		if !own && !slices.Contains(registered, resource) || !slices.Contains(granted, resource) {
			return nil, signet.NewError(signet.CodeInvalidTarget, "", "resource_not_allowed")
		}
		if !slices.Contains(out, resource) {
			out = append(out, resource)
		}
	}
	return out, nil
}

// refreshable reports whether the answer carries a refresh token.
func (x *exchange) refreshable() bool {
	if x.grant == nil || !mayRefresh(x.client) {
		return false
	}
	return x.refresh != nil || x.client.RefreshAlways() || x.grant.Scope.Has(signet.ScopeOfflineAccess)
}

// mintAll makes the tokens before the transaction begins: no row is locked while RSA signs.
func (s *Server) mintAll(x *exchange) error {
	from, made, err := x.validFrom()
	if err != nil {
		return err
	}
	o := &order{
		client: x.client, grant: x.grant, user: x.user, scope: x.scope, audience: x.audience, now: from, made: made,
		members: x.members, vouched: x.order,
	}
	if x.auth != nil {
		o.thumbprint = x.auth.CertThumbprint
	}
	if x.order != nil {
		o.lifetime = x.order.Lifetime
		if o.lifetime <= 0 {
			o.lifetime = vouchedLifetime
		}
	} else {
		o.lifetime = s.Lifetimes.access(x.client, x.grant != nil)
	}
	if x.access, err = s.mint.access(o); err != nil {
		return err
	}
	if x.grant != nil && x.scope.Has(signet.ScopeOpenID) {
		o.lifetime = x.client.IDTokenLifetime.Or(s.Lifetimes.IDToken)
		nonce := ""
		if x.code != nil {
			nonce = x.grant.Nonce
		}
		if x.idToken, err = s.mint.id(o, x.access.text, nonce); err != nil {
			return err
		}
	}
	if x.code != nil && x.refreshable() {
		x.refreshOut = signet.NewSecret(signet.SecretRefresh)
	}
	return nil
}

// commit runs fosite's second half. A transaction is opened only when something is written: client_credentials with a
// JWT touches no database at all.
func (s *Server) commit(ctx context.Context, x *exchange, request fosite.AccessRequester) error {
	request.SetID(string(x.access.id)) // else fosite draws a UUID that nobody reads
	run := func(ctx context.Context) error {
		response, err := s.fosite.NewAccessResponse(ctx, request)
		if err != nil {
			return fromFosite(err)
		}
		if response.GetAccessToken() != x.access.text {
			return signet.Internal(errors.New("fosite answered with another access token"))
		}
		return nil
	}
	writes := x.code != nil || x.access.row != nil || x.refresh != nil && x.refresh.successor != nil
	if !writes {
		return run(ctx)
	}
	return s.Tx.InTx(ctx, run)
}

// requester is a stored request in fosite's shape: what was granted, with form as the parameters that its handlers
// compare with.
func (x *exchange) requester(form url.Values) *fosite.Request {
	return &fosite.Request{
		ID: string(x.grant.ID), RequestedAt: x.now, Client: &provenClient{client: x.client},
		RequestedScope: fosite.Arguments(x.scope), GrantedScope: fosite.Arguments(x.scope),
		Form: form, Session: newSession(*x.grant),
	}
}

// tokenError bends an error to what the client's document wants (wire.md 2): the scope it cannot have is a malformed
// request, and unauthorized_client says that no usable key signed. Everything else is the table's.
func (s *Server) tokenError(x *exchange, err error) error {
	if x.auth == nil || x.auth.Client.AssertionError != "document" {
		return err
	}
	switch code := signet.CodeOf(err); {
	case code == signet.CodeInvalidScope:
		return &signet.Error{Code: signet.CodeInvalidRequest, Message: "The scope is not supported.", Cause: err}
	case code == signet.CodeUnauthorizedClient && x.client == nil:
		return &signet.Error{Code: codeUnproven, Cause: err}
	}
	return err
}

// triedBasic reports whether the client used the Authorization header (RFC 6749 §5.2).
func triedBasic(r *http.Request) bool {
	for _, value := range r.Header.Values("Authorization") {
		if len(value) >= 6 && strings.EqualFold(value[:6], "basic ") || strings.EqualFold(value, "basic") {
			return true
		}
	}
	return false
}
