package admin

import (
	"errors"
	"net/http"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// codeStale is a write whose If-Match no longer stands, codeNoMatch one that sent none; they stay inside this room.
const (
	codeStale   signet.Code = "stale"
	codeNoMatch signet.Code = "if_match_missing"
)

// answers is the one table from code to status (RFC 9110 §15); what is not in it is a 500 without detail.
func answers(code signet.Code) (status int, title, detail string) {
	switch code {
	case signet.CodeInvalidRequest, signet.CodeInvalidScope:
		return http.StatusBadRequest, "Bad request", "The request is malformed."
	case signet.CodeInvalidToken:
		return http.StatusUnauthorized, "Unauthorized", "An admin API key is required."
	case signet.CodeForbidden:
		return http.StatusForbidden, "Forbidden", ""
	case signet.CodeNotFound:
		return http.StatusNotFound, "Not found", "There is no such record."
	case signet.CodeConflict:
		return http.StatusConflict, "Conflict", "A record of that name exists, or it changed in between."
	case codeStale:
		return http.StatusPreconditionFailed, "Precondition failed", "The record has changed: read it again and repeat the change."
	case codeNoMatch:
		return http.StatusPreconditionRequired, "Precondition required", "Send If-Match with the version that you read."
	case signet.CodeTooLarge:
		return http.StatusRequestEntityTooLarge, "Content too large", "The body is larger than 256 KiB."
	case signet.CodeUnsupportedMedia:
		return http.StatusUnsupportedMediaType, "Unsupported media type", "Send application/json in UTF-8."
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
	if errors.As(err, &known) && known.Message != "" && status != http.StatusInternalServerError {
		detail = known.Message
	}
	web.Note(r.Context(), "error", string(code))
	if reason := signet.ReasonOf(err); reason != "" {
		web.Note(r.Context(), "reason", reason)
	}
	if status >= http.StatusInternalServerError {
		web.Note(r.Context(), "cause", err.Error())
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="signet admin"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	web.WriteProblem(w, r, status, title, detail)
}
