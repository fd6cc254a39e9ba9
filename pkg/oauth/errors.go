package oauth

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// Codes that only the authorization endpoint knows (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6).
const (
	codeUnsupportedResponseType signet.Code = "unsupported_response_type"
	codeLoginRequired           signet.Code = "login_required"
	codeConsentRequired         signet.Code = "consent_required"
	codeInteractionRequired     signet.Code = "interaction_required"
	codeRequestNotSupported     signet.Code = "request_not_supported"
	codeRequestURINotSupported  signet.Code = "request_uri_not_supported"
	codeRegistrationUnsupported signet.Code = "registration_not_supported"
	// codeUnproven is unauthorized_client where it speaks of the client's key (wire.md 2), so with 401.
	codeUnproven signet.Code = "unproven_client"
)

// protocolError is an error on the wire (RFC 6749 §5.2): nothing else is ever said of it.
type protocolError struct {
	Status      int
	Name        string // error
	Description string // error_description: printable ASCII without quote and backslash
}

// wireErrors is the one table from codes to protocol errors. What is not in it is server_error.
var wireErrors = map[signet.Code]protocolError{
	signet.CodeInvalidRequest:       {http.StatusBadRequest, "invalid_request", "The request is malformed."},
	signet.CodeInvalidClient:        {http.StatusUnauthorized, "invalid_client", "Client authentication failed."},
	signet.CodeInvalidGrant:         {http.StatusBadRequest, "invalid_grant", descriptionInvalidGrant},
	signet.CodeUsed:                 {http.StatusBadRequest, "invalid_grant", descriptionInvalidGrant},
	signet.CodeRevoked:              {http.StatusBadRequest, "invalid_grant", descriptionInvalidGrant},
	signet.CodeExpired:              {http.StatusBadRequest, "invalid_grant", descriptionInvalidGrant},
	signet.CodeUnauthorizedClient:   {http.StatusBadRequest, "unauthorized_client", "The client is not allowed to use this grant type."},
	signet.CodeUnsupportedGrantType: {http.StatusBadRequest, "unsupported_grant_type", "The grant type is not supported."},
	signet.CodeInvalidScope:         {http.StatusBadRequest, "invalid_scope", "The scope is unknown, malformed or more than may be asked for."},
	signet.CodeInvalidTarget:        {http.StatusBadRequest, "invalid_target", "The resource is unknown or not allowed to this client."},
	signet.CodeInvalidToken:         {http.StatusUnauthorized, "invalid_token", "The access token is not valid."},
	signet.CodeInsufficientScope:    {http.StatusForbidden, "insufficient_scope", "The access token does not cover this resource."},
	signet.CodeAccessDenied:         {http.StatusForbidden, "access_denied", "The request was denied."},
	signet.CodeForbidden:            {http.StatusForbidden, "access_denied", "The request was denied."},
	signet.CodeTooMany:              {http.StatusTooManyRequests, "temporarily_unavailable", "Too many requests. Try again later."},
	signet.CodeTooLarge:             {http.StatusRequestEntityTooLarge, "invalid_request", "The request is too large."},
	signet.CodeUnsupportedMedia:     {http.StatusUnsupportedMediaType, "invalid_request", "The request must be form encoded."},
	signet.CodeUnavailable:          {http.StatusServiceUnavailable, "temporarily_unavailable", "The service is unavailable for a moment. Try again."},

	codeUnsupportedResponseType: {http.StatusBadRequest, "unsupported_response_type", "The response type is not supported."},
	codeLoginRequired:           {http.StatusBadRequest, "login_required", "The user must log in."},
	codeConsentRequired:         {http.StatusBadRequest, "consent_required", "The user must consent."},
	codeInteractionRequired:     {http.StatusBadRequest, "interaction_required", "The user must confirm."},
	codeRequestNotSupported:     {http.StatusBadRequest, "request_not_supported", "Request objects are not supported."},
	codeRequestURINotSupported:  {http.StatusBadRequest, "request_uri_not_supported", "Request URIs are not supported."},
	codeRegistrationUnsupported: {http.StatusBadRequest, "registration_not_supported", "The registration parameter is not supported."},
	codeUnproven:                {http.StatusUnauthorized, "unauthorized_client", "Client authentication failed."},
}

// descriptionInvalidGrant is one sentence for whatever is wrong with a code or refresh token, so that nobody learns
// which check refused a guess.
const descriptionInvalidGrant = "The grant is invalid, expired, revoked or was issued to another client."

var serverError = protocolError{http.StatusInternalServerError, "server_error", "The server could not answer."}

// fositeCodes is the one place where fosite's errors become ours. Hint, debug and description of fosite are dropped:
// they quote input and internals. What is not here is server_error.
var fositeCodes = map[string]signet.Code{
	"invalid_request":            signet.CodeInvalidRequest,
	"invalid_client":             signet.CodeInvalidClient,
	"invalid_grant":              signet.CodeInvalidGrant,
	"unauthorized_client":        signet.CodeUnauthorizedClient,
	"unsupported_grant_type":     signet.CodeUnsupportedGrantType,
	"unsupported_response_type":  codeUnsupportedResponseType,
	"unsupported_response_mode":  signet.CodeInvalidRequest,
	"invalid_scope":              signet.CodeInvalidScope,
	"scope_not_granted":          signet.CodeInvalidGrant,
	"not_found":                  signet.CodeInvalidGrant,
	"inactive_token":             signet.CodeInvalidGrant,
	"token_inactive":             signet.CodeInvalidGrant,
	"invalid_token":              signet.CodeInvalidGrant,
	"token_expired":              signet.CodeInvalidGrant,
	"token_signature_mismatch":   signet.CodeInvalidGrant,
	"invalid_state":              signet.CodeInvalidRequest,
	"insufficient_entropy":       signet.CodeInvalidRequest,
	"access_denied":              signet.CodeAccessDenied,
	"login_required":             codeLoginRequired,
	"consent_required":           codeConsentRequired,
	"interaction_required":       codeInteractionRequired,
	"request_not_supported":      codeRequestNotSupported,
	"request_uri_not_supported":  codeRequestURINotSupported,
	"registration_not_supported": codeRegistrationUnsupported,
	"temporarily_unavailable":    signet.CodeUnavailable,
}

// fromFosite translates what a fosite call returned. An error of our stores or checks that fosite wrapped keeps its own
// code; nil stays nil.
func fromFosite(err error) error {
	if err == nil {
		return nil
	}
	var own *signet.Error
	if errors.As(err, &own) {
		return own
	}
	var theirs *fosite.RFC6749Error
	if errors.As(err, &theirs) {
		if code, ok := fositeCodes[theirs.ErrorField]; ok {
			return &signet.Error{Code: code, Reason: "fosite_" + theirs.ErrorField, Cause: err}
		}
	}
	return signet.Internal(err)
}

// protocolErrorOf says what the wire may know of err.
func protocolErrorOf(err error) protocolError {
	out, ok := wireErrors[signet.CodeOf(err)]
	if !ok {
		return serverError
	}
	var own *signet.Error
	if errors.As(err, &own) && own.Message != "" {
		out.Description = printable(own.Message)
	}
	return out
}

// printable keeps the characters that RFC 6749 §5.2 allows in error_description: %x20-21 / %x23-5B / %x5D-7E.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, text)
}

// errorBody is RFC 6749 §5.2, and not one member more.
type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// retryAfterDefault is told with 503 and 429 when the error knows no better.
const retryAfterDefault = 2 * time.Second

// writeError is the one error exit of the JSON endpoints. basic is true when the client tried HTTP Basic: RFC 6749 §5.2
// wants the scheme named in the answer.
func writeError(w http.ResponseWriter, err error, basic bool) {
	out := protocolErrorOf(err)
	header := w.Header()
	noStore(header)
	if out.Status == http.StatusUnauthorized && basic {
		header.Set("WWW-Authenticate", `Basic realm="signet", charset="UTF-8"`)
	}
	if out.Status == http.StatusServiceUnavailable || out.Status == http.StatusTooManyRequests {
		header.Set("Retry-After", strconv.Itoa(retryAfter(err)))
	}
	web.WriteJSON(w, out.Status, errorBody{Error: out.Name, Description: out.Description})
}

// retryAfter is the Retry-After of an answer to err.
func retryAfter(err error) int { return signet.RetryAfter(err, retryAfterDefault) }

// noStore: RFC 6749 §5.1 asks for both headers; Pragma is for old proxies.
func noStore(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
}
