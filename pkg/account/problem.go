package account

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// codeStale is a write whose If-Match no longer stands; it stays inside this room.
const codeStale signet.Code = "stale"

const unauthenticated = "A valid API key or access token is required."

// answers is the one table from code to status (RFC 9110 §15); what is not in it is a 500 without detail.
func answers(code signet.Code) (status int, title, detail string) {
	switch code {
	case signet.CodeInvalidRequest:
		return http.StatusBadRequest, "Bad request", "The request is malformed."
	case signet.CodeInvalidToken:
		return http.StatusUnauthorized, "Unauthorized", unauthenticated
	case signet.CodeForbidden:
		return http.StatusForbidden, "Forbidden", ""
	case signet.CodeNotFound:
		return http.StatusNotFound, "Not found", "There is no such record."
	case signet.CodeConflict:
		return http.StatusConflict, "Conflict", "The record changed in between: read it again and repeat the change."
	case codeStale:
		return http.StatusPreconditionFailed, "Precondition failed", "The record has changed: read it again and repeat the change."
	case signet.CodeTooLarge:
		return http.StatusRequestEntityTooLarge, "Content too large", "The body is too large."
	case signet.CodeUnsupportedMedia:
		return http.StatusUnsupportedMediaType, "Unsupported media type", "Send application/json in UTF-8."
	case signet.CodeTooMany:
		return http.StatusTooManyRequests, "Too many requests", "Too many failed attempts from this network; try again later."
	case signet.CodeUnavailable:
		return http.StatusServiceUnavailable, "Service unavailable", "Try again shortly."
	default:
		return http.StatusInternalServerError, "Internal server error", ""
	}
}

func writeError(w http.ResponseWriter, r *http.Request, err error) {
	code := signet.CodeOf(err)
	status, title, detail := answers(code)
	var known *signet.Error
	if errors.As(err, &known) && known.Message != "" && status < http.StatusInternalServerError {
		detail = known.Message
	}
	web.Note(r.Context(), "error", string(code))
	if reason := signet.ReasonOf(err); reason != "" {
		web.Note(r.Context(), "reason", reason)
	}
	switch status {
	case http.StatusUnauthorized:
		// RFC 6750 §3 wants a parameter. No error code: it would tell a token from a key.
		w.Header().Set("WWW-Authenticate", `Bearer realm="signet"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(signet.RetryAfter(err, time.Second)))
	}
	if status >= http.StatusInternalServerError {
		web.Note(r.Context(), "cause", err.Error())
	}
	web.WriteProblem(w, r, status, title, detail)
}

// denied is the same to callers whatever was wrong with the credential.
func denied(reason string, cause error) error {
	return &signet.Error{Code: signet.CodeInvalidToken, Message: unauthenticated, Reason: reason, Cause: cause}
}

func tooMany(seconds int) error {
	return signet.Wait(&signet.Error{Code: signet.CodeTooMany, Reason: "too_many_failures"}, time.Duration(seconds)*time.Second)
}

func badRequest(reason, message string) error {
	return signet.NewError(signet.CodeInvalidRequest, message, reason)
}

func forbidden(reason, message string) error {
	return signet.NewError(signet.CodeForbidden, message, reason)
}

func conflict(reason, message string, cause error) error {
	return &signet.Error{Code: signet.CodeConflict, Message: message, Reason: reason, Cause: cause}
}

// noAccount is one answer for an unknown account and for one in which the caller has no part.
func noAccount(reason string) error {
	return signet.NewError(signet.CodeNotFound, "There is no such account.", reason)
}
