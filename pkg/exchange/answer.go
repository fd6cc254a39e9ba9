package exchange

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// problem is the document's ProblemDetails. type, title and status are those that its old implementation wrote.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

const rfc7231 = "https://tools.ietf.org/html/rfc7231#section-"

// unauthorized is the whole answer to every failed credential: no detail, no id.
var unauthorized = problem{Type: "https://tools.ietf.org/html/rfc7235#section-3.1", Title: "Unauthorized", Status: http.StatusUnauthorized}

// problems is the one table from code to answer; what is not in it is a 500 without detail.
var problems = map[signet.Code]problem{
	signet.CodeInvalidGrant:       unauthorized,
	signet.CodeInvalidClient:      unauthorized,
	signet.CodeUnauthorizedClient: unauthorized,
	signet.CodeInvalidTarget:      unauthorized,
	signet.CodeInvalidScope:       unauthorized,
	signet.CodeInvalidToken:       unauthorized,
	signet.CodeUsed:               unauthorized,
	signet.CodeRevoked:            unauthorized,
	signet.CodeExpired:            unauthorized,
	signet.CodeInvalidRequest:     {Type: rfc7231 + "6.5.1", Title: "Bad Request", Status: http.StatusBadRequest},
	signet.CodeForbidden:          {Type: rfc7231 + "6.5.3", Title: "Forbidden", Status: http.StatusForbidden},
	signet.CodeInsufficientScope:  {Type: rfc7231 + "6.5.3", Title: "Forbidden", Status: http.StatusForbidden},
	signet.CodeNotFound:           {Type: rfc7231 + "6.5.4", Title: "Not Found", Status: http.StatusNotFound},
	signet.CodeConflict:           {Type: rfc7231 + "6.5.8", Title: "Conflict", Status: http.StatusConflict, Detail: "The record changed in between."},
	signet.CodeTooLarge:           {Type: rfc7231 + "6.5.11", Title: "Payload Too Large", Status: http.StatusRequestEntityTooLarge},
	signet.CodeUnsupportedMedia: {Type: rfc7231 + "6.5.13", Title: "Unsupported Media Type", Status: http.StatusUnsupportedMediaType,
		Detail: "Send application/json, text/json or application/*+json in UTF-8."},
	signet.CodeTooMany: {Type: "https://tools.ietf.org/html/rfc6585#section-4", Title: "Too Many Requests", Status: http.StatusTooManyRequests},
	signet.CodeUnavailable: {Type: rfc7231 + "6.6.4", Title: "Service Unavailable", Status: http.StatusServiceUnavailable,
		Detail: "The service is unavailable for a moment. Try again."},
}

var serverFault = problem{Type: rfc7231 + "6.6.1", Title: "Internal Server Error", Status: http.StatusInternalServerError}

// detailed are the codes whose sentence is told: the caller's own input, never the credential.
func detailed(code signet.Code) bool {
	return code == signet.CodeInvalidRequest || code == signet.CodeForbidden || code == signet.CodeInsufficientScope
}

const retryAfterDefault = 2 * time.Second

// writeError is the one error exit of the room's endpoints.
func (e *Exchange) writeError(w http.ResponseWriter, r *http.Request, err error) {
	code := signet.CodeOf(err)
	out, ok := problems[code]
	if !ok {
		out = serverFault
		e.o.Log.ErrorContext(r.Context(), "request failed", "request_id", web.RequestID(r.Context()), "error", err.Error())
	}
	var own *signet.Error
	if errors.As(err, &own) && own.Message != "" && detailed(code) {
		out.Detail = own.Message
	}
	web.Note(r.Context(), "error_code", string(code))
	web.Note(r.Context(), "reason", signet.ReasonOrCode(err))
	if out.Status == http.StatusServiceUnavailable || out.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(signet.RetryAfter(err, retryAfterDefault)))
	}
	e.write(w, r, out.Status, out)
}

// refuseKit writes the kit's own refusals in the document's shape.
func (e *Exchange) refuseKit(w http.ResponseWriter, r *http.Request, status int) {
	out := problem{Type: "about:blank", Title: http.StatusText(status), Status: status}
	for _, known := range problems {
		if known.Status == status && known != unauthorized {
			out = known
		}
	}
	if status == serverFault.Status {
		out = serverFault
	}
	e.write(w, r, status, out)
}

// write answers JSON under the media type that Accept chose.
func (e *Exchange) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		e.o.Log.ErrorContext(r.Context(), "answer not encoded", "request_id", web.RequestID(r.Context()), "error", err)
		status, body = http.StatusInternalServerError, []byte(`{"title":"Internal Server Error","status":500}`)
	}
	writeBytes(w, status, negotiate(r.Header.Values("Accept")), body)
}

func writeBytes(w http.ResponseWriter, status int, media string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller is gone: there is nobody to tell
}

const (
	typeJSON     = "application/json"
	typeTextJSON = "text/json"
	typePlain    = "text/plain"
	charset      = "; charset=utf-8"
)

// negotiate chooses among the document's three media types (RFC 9110 §12.5.1): the highest quality, of equal ones the
// first named; application/json when nothing else is asked for, and for what is not known.
func negotiate(accept []string) string {
	best, quality := typeJSON, 0.0
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(entry)
		if err != nil {
			continue
		}
		q := 1.0
		if text, has := params["q"]; has {
			if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		switch media {
		case "*/*", "application/*":
			media = typeJSON
		case "text/*":
			media = typePlain
		case typeJSON, typeTextJSON, typePlain:
		default:
			continue
		}
		if q > quality {
			best, quality = media, q
		}
	}
	return best + charset
}
