package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// maxSealedFlow leaves room for the path and the host in a URL line of 8 KiB.
const maxSealedFlow = 7 << 10

// authorizeRoutes are the endpoints that browsers and anonymous readers call.
func (s *Server) authorizeRoutes() []web.Route {
	get := []string{http.MethodGet}
	return []web.Route{
		{Name: "authorize", Methods: []string{http.MethodGet, http.MethodPost}, Path: "/authorize", Class: web.ClassPage, Handler: s.authorize},
		{Name: "openid-configuration", Methods: get, Path: "/.well-known/openid-configuration", Class: web.ClassPublicJSON, CORS: web.CORSPublic, Handler: s.serveMetadata},
		{Name: "oauth-authorization-server", Methods: get, Path: "/.well-known/oauth-authorization-server", Class: web.ClassPublicJSON, CORS: web.CORSPublic, Handler: s.serveMetadata},
		{Name: "jwks", Methods: get, Path: "/.well-known/jwks.json", Class: web.ClassPublicJSON, CORS: web.CORSPublic, Handler: s.serveJWKS},
	}
}

// authorize is the authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2).
//
//	POST parameters ─▶ validate ─▶ 303 GET ?flow=unbound
//	GET parameters  ─▶ new flow ─────────────┐
//	GET ?flow=      ─▶ open, of this browser ─┴▶ validate ─▶ bind ─▶ decide ─▶ 303 /login, /consent or the client
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		s.authorizePost(w, r)
		return
	}
	params, err := web.Query(r, "resource")
	if err != nil {
		// Which of two client_ids, or of two of anything, is meant? Nobody may guess, so nobody is redirected (PRS-01).
		s.errorPage(w, r, err)
		return
	}
	flow, params, err := s.openRequest(r, params)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	request, target, err := s.readAuthorize(r.Context(), params)
	if err != nil {
		s.refuse(w, r, target, err)
		return
	}
	s.bind(w, r, flow)
	s.proceed(w, r, flow, request)
}

// authorizePost takes the parameters from a form (OIDC Core §3.1.2.1: must be supported) and turns them into a GET. A
// form may come from any site, and SameSite=Lax cookies do not come with it: no cookie is read here, and the session is
// found at the GET (design.md, decision 9).
func (s *Server) authorizePost(w http.ResponseWriter, r *http.Request) {
	params, err := web.Form(r, "resource")
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	_, target, err := s.readAuthorize(r.Context(), params)
	if err != nil {
		s.refuse(w, r, target, err)
		return
	}
	s.visit(w, r, target, "/authorize", s.newFlow(params))
}

// refuse answers the client where it is known, the person where it is not.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, target *answerTarget, err error) {
	if target == nil {
		s.errorPage(w, r, err)
		return
	}
	s.answerError(w, r, target, err)
}

// newFlow keeps what is known of params. Its time has the precision of the stores, so that it compares with auth_time.
func (s *Server) newFlow(params url.Values) *signet.Flow {
	flow := &signet.Flow{
		ID: signet.NewID(), Purpose: signet.FlowAuthorize, CreatedAt: s.stamp(),
		ClientID: signet.ClientID(params.Get("client_id")), Params: map[string]string{},
	}
	for _, name := range authorizeParameters() {
		if value := params.Get(name); value != "" {
			flow.Params[name] = value
		}
	}
	if resources := params["resource"]; len(resources) > 0 {
		flow.Extra = map[string][]string{"resource": resources}
	}
	return flow
}

// openRequest returns the flow of a request with its parameters: a new one for raw parameters, the sealed one for flow.
// Errors: those of OpenFlow.
func (s *Server) openRequest(r *http.Request, params url.Values) (*signet.Flow, url.Values, error) {
	sealed := params.Get("flow")
	if sealed == "" {
		return s.newFlow(params), params, nil
	}
	flow, err := s.Flows.OpenFlow(sealed, signet.FlowAuthorize, s.Browser.Bound(r))
	if err != nil {
		return nil, nil, err
	}
	opened := make(url.Values, len(flow.Params)+1)
	for name, value := range flow.Params {
		opened.Set(name, value)
	}
	if resources := flow.Extra["resource"]; len(resources) > 0 {
		opened["resource"] = resources
	}
	return flow, opened, nil
}

// bind gives a valid flow to this browser, from now on. That holds for one from a POST, and one begun anew, too: were its
// first time kept, somebody could have a flow sealed in advance, and a login that happened meanwhile, for whatever reason,
// would pass as one in this flow.
func (s *Server) bind(w http.ResponseWriter, r *http.Request, flow *signet.Flow) {
	if flow.Browser != "" {
		return
	}
	flow.Browser, flow.CreatedAt, flow.Denied = s.Browser.Bind(w, r), s.stamp(), false
}

// proceed decides about a valid request and does it.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, flow *signet.Flow, request *authorizeRequest) {
	target := &request.Target
	known, err := s.gather(r, flow, request)
	if err != nil {
		s.answerError(w, r, target, err)
		return
	}
	next := decide(known)
	if next.Step == stepIssue {
		code, err := s.issueCode(r.Context(), request, known)
		if err == nil {
			web.Note(r.Context(), "step", "issue")
			s.answerCode(w, r, target, code)
			return
		}
		if !errors.Is(err, signet.ErrRevoked) {
			s.answerError(w, r, target, err)
			return
		}
		// The session ended between the look and the write: nobody is logged in, so decide again on that.
		known.Session = nil
		next = decide(known)
	}
	web.Note(r.Context(), "reason", next.Reason)
	switch next.Step {
	case stepLogin:
		web.Note(r.Context(), "step", "login")
		s.visit(w, r, target, "/login", flow)
	case stepConsent:
		web.Note(r.Context(), "step", "consent")
		s.visit(w, r, target, "/consent", flow)
	default:
		s.answerError(w, r, target, &signet.Error{Code: next.Code, Reason: next.Reason})
	}
}

// gather collects the facts, and asks for no more than the decision can need. Error: CodeUnavailable.
func (s *Server) gather(r *http.Request, flow *signet.Flow, request *authorizeRequest) (*facts, error) {
	client := request.Client
	known := &facts{
		Prompt: request.Prompt, MaxAge: request.MaxAge, Scope: request.Scope, Subjects: request.Subjects,
		CreatedAt: flow.CreatedAt, Denied: flow.Denied, Now: s.Now(),
		FirstParty: client.FirstParty, Unproven: identityUnproven(client, request.Target.RedirectURI),
	}
	web.Note(r.Context(), "client_id", string(client.ID))
	session, err := s.Browser.Session(r)
	if err != nil || session == nil || known.Denied {
		return known, err
	}
	known.Session = session
	web.Note(r.Context(), "user_id", string(session.UserID))
	if known.User, err = found(s.Records.User(r.Context(), session.UserID)); err != nil {
		return nil, err
	}
	if client.FirstParty && !known.Unproven && !request.Prompt.has(promptConsent) {
		return known, nil
	}
	known.Consent, err = found(s.Records.Consent(r.Context(), session.UserID, client.ID))
	return known, err
}

// found turns "no such record" into nil without an error.
func found[T any](record *T, err error) (*T, error) {
	if errors.Is(err, signet.ErrNotFound) {
		return nil, nil
	}
	return record, err
}

// visit sends the browser to one of our pages with the sealed flow.
func (s *Server) visit(w http.ResponseWriter, r *http.Request, target *answerTarget, path string, flow *signet.Flow) {
	sealed, err := s.Flows.SealFlow(flow)
	if err == nil && len(sealed) > maxSealedFlow {
		err = signet.NewError(signet.CodeInvalidRequest, "The request is longer than 4096 bytes.", "flow_too_long")
	}
	if err != nil {
		s.answerError(w, r, target, err)
		return
	}
	seeOther(w, path+"?flow="+url.QueryEscape(sealed))
}

// issueCode has fosite make a code for what was decided; its store adapter writes grant and code in one transaction.
// Errors: CodeRevoked when the session has ended, CodeUnavailable, CodeInternal.
func (s *Server) issueCode(ctx context.Context, request *authorizeRequest, known *facts) (string, error) {
	form := url.Values{
		"client_id": {string(request.Client.ID)}, "redirect_uri": {request.Target.RedirectURI}, "response_type": {"code"},
		"scope": {request.Scope.String()},
		// fosite demands a state; the real one, or none, is written by response.go.
		"state": {"state"},
	}
	if request.CodeChallenge != "" {
		form.Set("code_challenge", request.CodeChallenge)
		form.Set("code_challenge_method", "S256")
	}
	ctx = withProof(ctx, &edgeProof{client: request.Client, redirectURI: request.Target.RedirectURI})
	asked, err := s.fosite.NewAuthorizeRequest(ctx, fositeRequest(ctx, form,
		"client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method"))
	if err != nil {
		return "", fromFosite(err)
	}
	for _, token := range request.Scope {
		asked.GrantScope(token)
	}
	carried := newSession(s.newGrant(request, known))
	carried.RedirectURI = request.Target.RedirectURI
	carried.CodeChallenge = request.CodeChallenge
	carried.RequestedAuthTime = request.MaxAge != nil || request.Client.RequireAuthTime
	answer, err := s.fosite.NewAuthorizeResponse(ctx, asked, carried)
	if err != nil {
		return "", fromFosite(err)
	}
	code := answer.GetCode()
	if code == "" {
		return "", signet.Internal(errors.New("fosite gave no code"))
	}
	return code, nil
}

// newGrant is one login or one consent at one client: what everything issued from the code will rest on.
func (s *Server) newGrant(request *authorizeRequest, known *facts) signet.Grant {
	client, now := request.Client, s.stamp()
	began := signet.Begin(now, client.NotBefore, known.User.NotBefore)
	audience := request.Audience
	switch {
	case len(audience) > 0:
	case len(client.Audiences) > 0:
		audience = client.Audiences[:1]
	default:
		audience = []string{s.Issuer}
	}
	return signet.Grant{
		ID: signet.NewGrantID(), ClientID: client.ID, UserID: known.Session.UserID, SessionID: known.Session.ID,
		Scope: request.Scope, Audience: audience, AuthTime: known.Session.AuthTime, ACR: known.Session.ACR, AMR: known.Session.AMR,
		Nonce: request.Nonce, Claims: request.ClaimsJSON, ACRRequested: request.ACRRequested,
		Offline: request.Scope.Has(signet.ScopeOfflineAccess) || client.RefreshAlways() && client.MayUse(signet.GrantRefreshToken),
		// The consent was looked at before: one that was taken back since is found by the write itself.
		Consented: !client.FirstParty,
		CreatedAt: began, ExpiresAt: now.Add(client.RefreshTokenLifetime.Or(s.Lifetimes.Refresh)),
	}
}
