package oauth

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	// maxParameters bounds names and values of a request together: they travel sealed in URLs of at most 8 KiB.
	maxParameters = 4 << 10
	// maxAgeLimit keeps max_age inside a time.Duration and every calendar: 2^31 seconds, 68 years.
	maxAgeLimit = 1 << 31
	// maxResources bounds the audience of one token.
	maxResources = 16
)

// authorizeRequest is an authorization request of which everything was checked against the client's record.
type authorizeRequest struct {
	Client *signet.Client
	Target answerTarget
	// Scope is what was asked for, less what this client could never use (offline_access without the refresh grant).
	Scope    signet.Scope
	Audience []string
	Nonce    string
	// CodeChallenge is an S256 challenge (RFC 7636 §4.2), "" when none was sent and none is required.
	CodeChallenge string
	Prompt        prompt
	MaxAge        *time.Duration
	// ClaimsJSON is the claims parameter as it was sent, "" when none was.
	ClaimsJSON   string
	ACRRequested bool
	// Subjects are the users that may be answered for; nil: anyone.
	Subjects []signet.UserID
}

// authorizeParameters lists what is read and kept of a request, resource apart, which may repeat. Everything else is
// ignored (RFC 6749 §3.1) and reaches neither the sealed flow nor fosite.
func authorizeParameters() []string {
	return []string{
		"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge",
		"code_challenge_method", "prompt", "max_age", "display", "ui_locales", "claims_locales", "login_hint", "u",
		"id_token_hint", "acr_values", "claims", "request", "request_uri", "registration",
	}
}

// readAuthorize checks a request in this order:
//
//  1. client_id and redirect_uri; until both are proven an error is a page and target is nil (RFC 6749 §4.1.2.1)
//  2. response_mode and state, so that every later error travels as the client asked
//  3. what is not supported: request, request_uri, registration
//  4. each parameter alone, the cheap ones first, the signature of id_token_hint last
//
// From 2 on target is set, beside an error too. Errors: those of the parameters, CodeUnavailable.
func (s *Server) readAuthorize(ctx context.Context, params url.Values) (*authorizeRequest, *answerTarget, error) {
	client, redirectURI, err := s.proveTarget(ctx, params)
	if err != nil {
		return nil, nil, err
	}
	request := &authorizeRequest{Client: client}
	request.Target = answerTarget{Client: client, RedirectURI: redirectURI, Mode: modeQuery}
	for _, check := range []func(*authorizeRequest, url.Values) error{
		readAnswerForm, refuseUnsupported, readResponseType, readPKCE, readScope, readResource, readPrompt, readMaxAge,
		readOpaque, readClaims,
	} {
		if err := check(request, params); err != nil {
			return nil, &request.Target, err
		}
	}
	if err := s.readHint(ctx, request, params); err != nil {
		return nil, &request.Target, err
	}
	return request, &request.Target, nil
}

// proveTarget finds the client and proves that redirect_uri is its own. Unknown and disabled clients look alike.
func (s *Server) proveTarget(ctx context.Context, params url.Values) (*signet.Client, string, error) {
	id := params.Get("client_id")
	if id == "" {
		return nil, "", signet.NewError(signet.CodeInvalidRequest, "The request does not name an application.", "client_id_missing")
	}
	if !validIdentifier(id) {
		return nil, "", signet.NewError(signet.CodeInvalidClient, messageUnknownClient, "client_id_charset")
	}
	client, err := s.Records.Client(ctx, signet.ClientID(id))
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return nil, "", signet.NewError(signet.CodeInvalidClient, messageUnknownClient, "client_unknown")
	case err != nil:
		return nil, "", err
	case client.Disabled():
		return nil, "", signet.NewError(signet.CodeInvalidClient, messageUnknownClient, "client_disabled")
	}
	// Always required: a default would answer requests that nobody at the client wrote (OIDC Core §3.1.2.1).
	redirectURI := params.Get("redirect_uri")
	if redirectURI == "" {
		return nil, "", signet.NewError(signet.CodeInvalidRequest, "The request does not say where to return to.", "redirect_uri_missing")
	}
	if !matchRedirectURI(redirectURI, client) {
		return nil, "", signet.NewError(signet.CodeInvalidRequest,
			"The address to return to is not registered for this application.", "redirect_uri_mismatch")
	}
	return client, redirectURI, nil
}

const messageUnknownClient = "No such application is registered here."

// validIdentifier keeps out what no store should be asked for (PRS-07).
func validIdentifier(id string) bool {
	if len(id) > 255 {
		return false
	}
	for i := range len(id) {
		if id[i] < 0x20 || id[i] > 0x7e {
			return false
		}
	}
	return true
}

// readAnswerForm reads how the answer travels. An unknown mode is answered in the default one of response_type code
// (OAuth 2.0 Multiple Response Types §2.1). state returns byte for byte, or the request is refused and it does not
// return at all: a control character would not survive an HTML form.
func readAnswerForm(request *authorizeRequest, params url.Values) error {
	state := params.Get("state")
	for i := range len(state) {
		if state[i] < 0x20 || state[i] == 0x7f {
			return signet.NewError(signet.CodeInvalidRequest, "The state parameter contains a control character.", "state_charset")
		}
	}
	request.Target.State = state
	switch params.Get("response_mode") {
	case "", "query":
	case "form_post":
		if scheme, _, _ := strings.Cut(request.Target.RedirectURI, ":"); scheme != "https" && scheme != "http" {
			return signet.NewError(signet.CodeInvalidRequest, "A form can only be posted to a web address.", "form_post_scheme")
		}
		request.Target.Mode = modeFormPost
	default:
		return signet.NewError(signet.CodeInvalidRequest, "The response_mode is not supported.", "response_mode")
	}
	total := 0
	for _, name := range authorizeParameters() {
		if value := params.Get(name); value != "" {
			total += len(name) + len(value)
		}
	}
	for _, value := range params["resource"] {
		total += len("resource") + len(value)
	}
	if total > maxParameters {
		return signet.NewError(signet.CodeInvalidRequest, "The request is longer than 4096 bytes.", "request_too_long")
	}
	return nil
}

// refuseUnsupported says no to request objects before anything in them could matter (OIDC Core §6, §3.1.2.6). Ignoring
// one would answer a request that the client did not make.
func refuseUnsupported(_ *authorizeRequest, params url.Values) error {
	switch {
	case params.Get("request") != "":
		return signet.NewError(codeRequestNotSupported, "Request objects are not supported.", "request_object")
	case params.Get("request_uri") != "":
		return signet.NewError(codeRequestURINotSupported, "The request_uri parameter is not supported.", "request_uri")
	case params.Get("registration") != "":
		return signet.NewError(codeRegistrationUnsupported, "The registration parameter is not supported.", "registration")
	}
	return nil
}

// readResponseType accepts code alone (RFC 6749 §4.1.1); nothing with a token in the front channel (RFC 9700 §2.1.2).
func readResponseType(request *authorizeRequest, params url.Values) error {
	switch params.Get("response_type") {
	case "code":
	case "":
		return signet.NewError(signet.CodeInvalidRequest, "The response_type parameter is missing.", "response_type_missing")
	default:
		return signet.NewError(codeUnsupportedResponseType, "The only supported response_type is code.", "response_type")
	}
	client := request.Client
	if !client.MayUse(signet.GrantAuthorizationCode) || len(client.ResponseTypes) > 0 && !slices.Contains(client.ResponseTypes, "code") {
		return signet.NewError(signet.CodeUnauthorizedClient, "The client may not use the authorization code flow.", "grant_not_registered")
	}
	return nil
}

// readPKCE enforces RFC 7636 with S256 alone: a method left out means plain (§4.3), which is refused. A challenge that
// was sent is bound to the code whatever the client's record says (RFC 9700 §4.8.2, downgrade).
func readPKCE(request *authorizeRequest, params url.Values) error {
	challenge, method := params.Get("code_challenge"), params.Get("code_challenge_method")
	if challenge == "" {
		switch {
		case method != "":
			return signet.NewError(signet.CodeInvalidRequest, "The code_challenge parameter is missing.", "pkce_method_alone")
		case request.Client.PKCERequired():
			return signet.NewError(signet.CodeInvalidRequest, "This client must use PKCE: code_challenge is missing.", "pkce_missing")
		}
		return nil
	}
	if method != "S256" {
		return signet.NewError(signet.CodeInvalidRequest, "The code_challenge_method must be S256.", "pkce_method")
	}
	if !validChallenge(challenge) {
		return signet.NewError(signet.CodeInvalidRequest, "The code_challenge must be 43 characters of base64url.", "pkce_challenge")
	}
	request.CodeChallenge = challenge
	return nil
}

// validChallenge accepts the base64url of 32 bytes, without padding and with no stray bits in the last character: the
// one spelling that the token endpoint's comparison could ever meet.
func validChallenge(challenge string) bool {
	if len(challenge) != 43 {
		return false
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range len(challenge) {
		if strings.IndexByte(alphabet, challenge[i]) < 0 {
			return false
		}
	}
	return strings.IndexByte(alphabet, challenge[42])%4 == 0
}

// readScope keeps the request within the client's registration. There is no default scope (RFC 6749 §3.3 leaves the
// choice): a client says what it wants.
func readScope(request *authorizeRequest, params url.Values) error {
	scope, err := signet.ParseScope(params.Get("scope"))
	if err != nil {
		return err
	}
	if len(scope) == 0 {
		return signet.NewError(signet.CodeInvalidScope, "The scope parameter is missing.", "scope_missing")
	}
	if !scope.Within(request.Client.AllowedScope()) {
		return signet.NewError(signet.CodeInvalidScope, "The scope exceeds what this client is registered for.", "scope_not_registered")
	}
	// OIDC Core §11: offline_access is ignored where no refresh token could come of it.
	if !request.Client.MayUse(signet.GrantRefreshToken) {
		scope = slices.DeleteFunc(scope, func(token string) bool { return token == signet.ScopeOfflineAccess })
	}
	request.Scope = scope
	return nil
}

// readResource reads the wanted audiences (RFC 8707 §2.1), each of which the client must be registered for.
func readResource(request *authorizeRequest, params url.Values) error {
	if len(params["resource"]) > maxResources {
		return signet.NewError(signet.CodeInvalidTarget, "The request names too many resources.", "resource_too_many")
	}
	for _, resource := range params["resource"] {
		if resource == "" {
			continue // RFC 6749 §3.1: a parameter without a value counts as left out
		}
		if !slices.Contains(request.Client.Audiences, resource) {
			return signet.NewError(signet.CodeInvalidTarget, "A requested resource is not registered for this client.", "resource_not_registered")
		}
		if !slices.Contains(request.Audience, resource) {
			request.Audience = append(request.Audience, resource)
		}
	}
	return nil
}

func readPrompt(request *authorizeRequest, params url.Values) (err error) {
	request.Prompt, err = parsePrompt(params.Get("prompt"))
	return err
}

// readMaxAge reads max_age, or takes the client's default_max_age (OIDC Registration §2). 0 is a demand, not an absence.
func readMaxAge(request *authorizeRequest, params url.Values) error {
	text := params.Get("max_age")
	if text == "" {
		if request.Client.DefaultMaxAge != nil {
			age := request.Client.DefaultMaxAge.Duration()
			request.MaxAge = &age
		}
		return nil
	}
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err != nil || seconds > maxAgeLimit {
		return signet.NewError(signet.CodeInvalidRequest, "The max_age must be a number of seconds.", "max_age")
	}
	age := time.Duration(seconds) * time.Second
	request.MaxAge = &age
	return nil
}

// readOpaque takes over what is only passed on. nonce counts with openid alone: without it there is no ID token.
func readOpaque(request *authorizeRequest, params url.Values) error {
	if !request.Scope.Has(signet.ScopeOpenID) {
		return nil
	}
	request.Nonce = params.Get("nonce")
	request.ACRRequested = strings.TrimSpace(params.Get("acr_values")) != ""
	return nil
}

// readClaims reads the claims parameter (OIDC Core §5.5). A sub value in it names who may be answered for (§5.5.1). An
// essential acr that signet cannot give is a failed authentication (§5.5.1.1), known before anybody typed a password.
func readClaims(request *authorizeRequest, params url.Values) error {
	raw := params.Get("claims")
	if raw == "" || !request.Scope.Has(signet.ScopeOpenID) {
		return nil
	}
	parsed, err := parseClaimsParameter(raw)
	if err != nil {
		return err
	}
	request.ClaimsJSON = raw
	request.ACRRequested = request.ACRRequested || parsed.acrRequested()
	if acr := parsed.IDToken["acr"]; acr.Essential && len(acr.Values) > 0 && !slices.ContainsFunc(acr.Values, issuedACR) {
		return signet.NewError(signet.CodeAccessDenied, "The requested authentication context is not available.", "acr_unavailable")
	}
	for _, place := range []map[string]claimRequest{parsed.IDToken, parsed.UserInfo} {
		if err := request.narrow(place["sub"].Values); err != nil {
			return err
		}
	}
	return nil
}

func issuedACR(value string) bool { return slices.Contains(acrValues(), value) }

// narrow keeps only those users that are also among values; no values leave all. Nobody left is login_required: no login
// could satisfy the request.
func (request *authorizeRequest) narrow(values []string) error {
	if len(values) == 0 {
		return nil
	}
	var kept []signet.UserID
	for _, value := range values {
		if id := signet.UserID(value); request.Subjects == nil || slices.Contains(request.Subjects, id) {
			kept = append(kept, id)
		}
	}
	if kept == nil {
		return signet.NewError(codeLoginRequired, "The request names different users.", "subjects_disagree")
	}
	request.Subjects = kept
	return nil
}

// readHint lets id_token_hint name the user. It must be an ID token of ours for this very client: another client's
// would let whoever got hold of one steer this login (OID-05).
func (s *Server) readHint(ctx context.Context, request *authorizeRequest, params url.Values) error {
	raw := params.Get("id_token_hint")
	if raw == "" {
		return nil
	}
	hint, err := s.IDTokenHint(ctx, raw)
	if err != nil {
		return err
	}
	if hint.ClientID != request.Client.ID {
		return badHint("hint_other_client", nil)
	}
	return request.narrow([]string{string(hint.UserID)})
}
