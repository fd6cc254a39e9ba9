package signet

import (
	"errors"
	"time"
)

// Code classifies an error inside signet. The edge translates codes into the protocol's errors in one table per wire
// format; what is unknown there becomes server_error without detail.
type Code string

// The codes. Those with an RFC 6749, 6750, 7591, 8707 or OIDC name mean what the RFC says.
const (
	CodeInvalidRequest       Code = "invalid_request"
	CodeInvalidClient        Code = "invalid_client"
	CodeInvalidGrant         Code = "invalid_grant"
	CodeUnauthorizedClient   Code = "unauthorized_client"
	CodeUnsupportedGrantType Code = "unsupported_grant_type"
	CodeInvalidScope         Code = "invalid_scope"
	CodeInvalidTarget        Code = "invalid_target"
	CodeInvalidToken         Code = "invalid_token"
	CodeInsufficientScope    Code = "insufficient_scope"
	CodeAccessDenied         Code = "access_denied"
	CodeNotFound             Code = "not_found"
	CodeConflict             Code = "conflict"
	CodeForbidden            Code = "forbidden"
	CodeTooMany              Code = "too_many_requests"
	CodeTooLarge             Code = "too_large"
	CodeUnsupportedMedia     Code = "unsupported_media_type"
	CodeUnavailable          Code = "temporarily_unavailable"
	CodeUsed                 Code = "used"    // single use, already spent
	CodeRevoked              Code = "revoked" // taken back
	CodeExpired              Code = "expired"
	CodeInternal             Code = "server_error"
)

// Error is signet's one error type.
type Error struct {
	Code    Code
	Message string // public, one sentence, printable ASCII without quote or backslash (RFC 6749 §5.2); may be empty
	Reason  string // for events and logs, snake_case, never shown to callers; may be empty
	Cause   error  // wrapped; never shown to callers
}

// Error returns code, message, reason and cause, for logs.
func (e *Error) Error() string {
	text := string(e.Code)
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is matches another *Error with the same code, so that errors.Is(err, signet.ErrNotFound) works on wrapped errors.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == "" && t.Reason == ""
}

// Sentinels for errors.Is.
var (
	ErrNotFound    = &Error{Code: CodeNotFound}
	ErrConflict    = &Error{Code: CodeConflict}
	ErrUsed        = &Error{Code: CodeUsed}
	ErrRevoked     = &Error{Code: CodeRevoked}
	ErrExpired     = &Error{Code: CodeExpired}
	ErrUnavailable = &Error{Code: CodeUnavailable}
	ErrTooMany     = &Error{Code: CodeTooMany}
)

// Errorf-like constructors keep call sites short.

// NewError returns an Error with a public message and a reason for the operator.
func NewError(code Code, message, reason string) *Error {
	return &Error{Code: code, Message: message, Reason: reason}
}

// Unavailable wraps the failure of a store or a bounded pool: callers answer 503 with Retry-After.
func Unavailable(cause error) *Error { return &Error{Code: CodeUnavailable, Cause: cause} }

// Internal wraps a fault of ours.
func Internal(cause error) *Error { return &Error{Code: CodeInternal, Cause: cause} }

// CodeOf returns the code of the first *Error in the chain, CodeInternal for any other error, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// ReasonOf returns the reason of the first *Error in the chain that has one.
func ReasonOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Reason != "" {
			return e.Reason
		}
		err = e.Cause
	}
	return ""
}

// ReasonOrCode is the reason of err, or its code when it has none: what an event says of it.
func ReasonOrCode(err error) string {
	if reason := ReasonOf(err); reason != "" {
		return reason
	}
	return string(CodeOf(err))
}

// waiting is a refusal that knows for how long it lasts.
type waiting struct {
	error
	wait time.Duration
}

// RetryAfter is how long to wait.
func (w *waiting) RetryAfter() time.Duration { return w.wait }

// Unwrap gives the refusal.
func (w *waiting) Unwrap() error { return w.error }

// Wait adds to a refusal how long the caller has to wait before it tries again.
func Wait(err error, wait time.Duration) error { return &waiting{err, wait} }

// RetryAfter is the Retry-After of an answer to err (RFC 9110 §10.2.3): whole seconds, rounded up, at least 1. otherwise
// is for an error that knows of no time.
func RetryAfter(err error, otherwise time.Duration) int {
	var hint interface{ RetryAfter() time.Duration }
	if errors.As(err, &hint) {
		otherwise = hint.RetryAfter()
	}
	return max(1, int((otherwise+time.Second-1)/time.Second))
}
