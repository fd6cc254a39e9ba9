package web

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	maxForm   = 64 << 10
	maxParams = 100
	formType  = "application/x-www-form-urlencoded"
)

// Query returns the parameters of the URL: flat, each at most once unless named repeatable (RFC 6749 §3.1), valid
// UTF-8 without NUL, at most 8 KiB together. A parameter without a value is left out, as if it had not been sent
// (RFC 6749 §3.1). Error: CodeInvalidRequest.
func Query(r *http.Request, repeatable ...string) (url.Values, error) {
	if len(r.URL.RawQuery) > maxURL {
		return nil, invalid("The query is too long.", "query_too_long")
	}
	return parseParams(r.URL.RawQuery, repeatable)
}

// Form returns the parameters of a POST body, by the rules of Query and at most 64 KiB. Only
// application/x-www-form-urlencoded is read, in no charset but UTF-8; multipart never is. The URL must carry no
// parameters: what stands there ends in access logs (RFC 6749 §3.2). An empty body needs no Content-Type.
// Errors: CodeInvalidRequest, CodeTooLarge, CodeUnsupportedMedia.
func Form(r *http.Request, repeatable ...string) (url.Values, error) {
	if r.Method != http.MethodPost {
		return nil, invalid("The request must be a POST.", "not_a_post")
	}
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return nil, invalid("Parameters must be sent in the request body, not in the URL.", "query_at_form")
	}
	if r.ContentLength > maxForm {
		return nil, tooLarge()
	}
	if len(r.Header["Content-Encoding"]) > 0 {
		return nil, unsupported()
	}
	types := r.Header["Content-Type"]
	if len(types) > 1 || len(types) == 1 && !isFormType(types[0]) {
		return nil, unsupported()
	}
	body, err := readForm(r)
	if err != nil {
		return nil, err
	}
	if len(types) == 0 && len(body) > 0 {
		return nil, unsupported()
	}
	return parseParams(string(body), repeatable)
}

func readForm(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	body := make([]byte, 0, min(max(r.ContentLength, 511), maxForm)+1)
	for {
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		var limit *http.MaxBytesError
		switch {
		case len(body) > maxForm || errors.As(err, &limit):
			return nil, tooLarge()
		case errors.Is(err, io.EOF):
			return body, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, invalid("The request body did not arrive in time.", "body_timeout")
		case err != nil:
			return nil, invalid("The request body could not be read.", "body_unreadable")
		case len(body) == cap(body):
			body = slices.Grow(body, min(cap(body), maxForm+1-len(body)))
		}
	}
}

// isFormType accepts the form type, alone or with charset UTF-8.
func isFormType(value string) bool {
	if value == formType {
		return true
	}
	media, param, hasParam := strings.Cut(value, ";")
	if !strings.EqualFold(strings.TrimSpace(media), formType) {
		return false
	}
	if !hasParam {
		return true
	}
	name, charset, ok := strings.Cut(strings.TrimSpace(param), "=")
	return ok && strings.EqualFold(name, "charset") && strings.EqualFold(strings.Trim(charset, `"`), "utf-8")
}

// parseParams reads name=value pairs joined by &. It differs from net/url in what it refuses: a repeated name (which of
// the two would the next reader take?), bad escapes, what is no UTF-8, NUL, and more than 100 pairs.
func parseParams(raw string, repeatable []string) (url.Values, error) {
	values := make(url.Values, min(strings.Count(raw, "&")+1, maxParams))
	seen := 0
	var empty []string // names sent without a value: they count as a repetition, and then as nothing
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		if seen++; seen > maxParams {
			return nil, invalid("The request has too many parameters.", "too_many_parameters")
		}
		name, value, _ := strings.Cut(pair, "=")
		name, nameOK := unescape(name)
		value, valueOK := unescape(value)
		if !nameOK || !valueOK || name == "" {
			return nil, invalid("The parameters are not well-formed.", "malformed_parameters")
		}
		if _, dup := values[name]; (dup || slices.Contains(empty, name)) && !slices.Contains(repeatable, name) {
			return nil, invalid("The parameter "+printable(name)+" is sent more than once.", "duplicate_parameter")
		}
		if value == "" {
			empty = append(empty, name)
			continue
		}
		values[name] = append(values[name], value)
	}
	return values, nil
}

func unescape(text string) (string, bool) {
	if strings.ContainsAny(text, "%+") {
		var err error
		if text, err = url.QueryUnescape(text); err != nil {
			return "", false
		}
	}
	return text, utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// printable repeats a name in a message only where it cannot be anything but a parameter's name.
func printable(name string) string {
	if len(name) > 40 {
		return "name"
	}
	for i := range len(name) {
		if c := name[i]; c != '_' && (c < 'a' || c > 'z') {
			return "name"
		}
	}
	return name
}

func invalid(message, reason string) *signet.Error {
	return signet.NewError(signet.CodeInvalidRequest, message, reason)
}

func tooLarge() *signet.Error {
	return signet.NewError(signet.CodeTooLarge, "The request body is too large.", "body_too_large")
}

func unsupported() *signet.Error {
	return signet.NewError(signet.CodeUnsupportedMedia, "The request body must be "+formType+" in UTF-8.", "content_type")
}
