package web

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// WriteJSON writes v as application/json with <, > and & escaped, so that the body is harmless even where a browser is
// made to show it. A value that cannot be encoded is a fault of ours and answers 500.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	WriteJSONBytes(w, status, body)
}

// WriteJSONBytes writes a prepared body as application/json.
func WriteJSONBytes(w http.ResponseWriter, status int, body []byte) {
	writeBody(w, status, headerJSON, body)
}

// problem is RFC 9457 §3.1; type is left out, which means about:blank.
type problem struct {
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

// WriteProblem writes problem details (RFC 9457) with the request id. title and detail are public sentences.
func WriteProblem(w http.ResponseWriter, r *http.Request, status int, title, detail string) {
	body, err := json.Marshal(problem{Title: title, Status: status, Detail: detail, RequestID: RequestID(r.Context())})
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"title":"Internal Server Error","status":500}`)
	}
	writeBody(w, status, headerProblem, body)
}

func writeBody(w http.ResponseWriter, status int, contentType []string, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Security-Policy"] = headerDataCSP
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller is gone: there is nobody to tell
}
