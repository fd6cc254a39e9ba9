package login

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/templates"
)

// Sentences that people read.
const (
	wordsWrong   = "That username and password do not match. Check both and try again. After many attempts, wait 15 minutes."
	wordsMissing = "Enter your username and your password."
	wordsBusy    = "Many people are logging in right now. Try again in a few seconds."
	wordsExpired = "This page has expired. Go back to the application and start again."
	wordsForeign = "This page belongs to no browser. Go back to the application and start again."
	wordsSite    = "The request came from another site, so nothing was done."
	wordsPerson  = "Somebody else has logged in since this page was opened. Go back to the application and start again."
	wordsClient  = "The application that sent you here is not active."
)

// retryBusy is how long a caller is asked to wait when the store or the pool cannot answer.
const retryBusy = 5 * time.Second

// show writes a page, or nothing of it. Error: CodeInternal.
func (l *Login) show(w http.ResponseWriter, status int, render func(io.Writer) error) error {
	var b bytes.Buffer
	if err := render(&b); err != nil {
		return signet.Internal(fmt.Errorf("page not rendered: %w", err))
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	// Back after a logout must ask again, not show what was there (CSR-10).
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser went away
	return nil
}

// fail is the one way out of a handler that cannot go on.
func (l *Login) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := signet.CodeOf(err)
	view := templates.ErrorView{Status: statusOf(code), Code: string(code), ErrorID: web.RequestID(r.Context()), Restart: signet.RestartOf(err)}
	var e *signet.Error
	if errors.As(err, &e) && view.Status < http.StatusInternalServerError {
		view.Message = e.Message
	}
	web.Note(r.Context(), "error", string(code))
	if reason := signet.ReasonOf(err); reason != "" {
		web.Note(r.Context(), "reason", reason)
	}
	if view.Status >= http.StatusInternalServerError {
		l.Log.ErrorContext(r.Context(), "page failed", "request_id", view.ErrorID, "error", err)
	}
	if view.Status == http.StatusServiceUnavailable {
		retryAfter(w, retryBusy)
	}
	if err := l.show(w, view.Status, func(b io.Writer) error { return l.Pages.Error(b, view) }); err != nil {
		l.Log.ErrorContext(r.Context(), "page failed", "request_id", view.ErrorID, "error", err)
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
	}
}

// statusOf is the table from code to HTTP status for pages.
func statusOf(code signet.Code) int {
	switch code {
	case signet.CodeInvalidRequest, signet.CodeInvalidClient, signet.CodeExpired:
		return http.StatusBadRequest
	case signet.CodeForbidden, signet.CodeRevoked:
		return http.StatusForbidden
	case signet.CodeNotFound:
		return http.StatusNotFound
	case signet.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case signet.CodeUnsupportedMedia:
		return http.StatusUnsupportedMediaType
	case signet.CodeTooMany:
		return http.StatusTooManyRequests
	case signet.CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// retryAfter asks the caller to wait: whole seconds, rounded up (RFC 9110 §10.2.3).
func retryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
}

// seeOther redirects with 303, so that a form is never posted on (RFC 9700 §4.12). The location is written as it is:
// a registered URI must not be changed by one byte.
func seeOther(w http.ResponseWriter, location string) error {
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
