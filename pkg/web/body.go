package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	maxJSON  = 256 << 10
	maxDepth = 16

	notDescribed = "The body is not the described JSON object."
)

// JSONBody says which bodies an endpoint reads. The zero value: application/json, at most 256 KiB, strict.
type JSONBody struct {
	// Types are the media types accepted; "application/*+json" stands for every structured suffix. nil: application/json.
	Types []string
	// Max is the size in bytes; 0: 256 KiB.
	Max int64
	// Lenient ignores unknown members and folds letter case at the top. Members that are equal without letter case are
	// refused all the same: which of the two would the next reader take?
	Lenient bool
}

// Read returns the bytes of a request's JSON body: one of the media types, UTF-8 only, bounded. Nothing is parsed.
// Errors: CodeUnsupportedMedia, CodeTooLarge, CodeInvalidRequest.
func (b JSONBody) Read(r *http.Request) ([]byte, error) {
	values := r.Header.Values("Content-Type")
	if len(values) != 1 || len(r.Header["Content-Encoding"]) > 0 {
		return nil, &signet.Error{Code: signet.CodeUnsupportedMedia, Reason: "content_type"}
	}
	media, params, err := mime.ParseMediaType(values[0])
	if err != nil || !b.accepts(media) || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return nil, &signet.Error{Code: signet.CodeUnsupportedMedia, Reason: "content_type"}
	}
	limit := b.Max
	if limit == 0 {
		limit = maxJSON
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge) || int64(len(body)) > limit:
		return nil, &signet.Error{Code: signet.CodeTooLarge, Reason: "body_size"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, invalid("The request body did not arrive in time.", "body_timeout")
	case err != nil:
		return nil, &signet.Error{Code: signet.CodeInvalidRequest, Message: "The body could not be read.", Reason: "body_read", Cause: err}
	}
	return body, nil
}

func (b JSONBody) accepts(media string) bool {
	if b.Types == nil {
		return media == "application/json"
	}
	return slices.ContainsFunc(b.Types, func(accepted string) bool {
		if before, after, found := strings.Cut(accepted, "*"); found {
			return strings.HasPrefix(media, before) && strings.HasSuffix(media, after) && len(media) > len(before)+len(after)
		}
		return media == accepted
	})
}

// Decode reads one JSON object into target, a pointer to a struct: UTF-8, no member twice whatever its letter case,
// bounded depth, nothing behind it, and unless Lenient no member that the struct does not name in exactly this spelling.
// encoding/json alone would take the last of two equal members, fold letter case and recurse as deep as its input asks.
// Error: CodeInvalidRequest with a sentence that names the member.
func (b JSONBody) Decode(body []byte, target any) error {
	if !utf8.Valid(body) || loneSurrogate(body) {
		return invalid("The body is not valid UTF-8.", "body_utf8")
	}
	var names []string
	if !b.Lenient {
		names = memberNames(reflect.TypeOf(target))
	}
	if err := scanJSON(body, names); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if !b.Lenient {
		decoder.DisallowUnknownFields()
	}
	err := decoder.Decode(target)
	if err == nil {
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return memberFault("body_type", "The member %s has the wrong type.", wrong.Field)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return memberFault("body_unknown_member", "The member %s is unknown.", name)
	}
	return invalid(notDescribed, "body_json")
}

func memberFault(reason, format, name string) error {
	return invalid(fmt.Sprintf(format, Printable(name)), reason)
}

// loneSurrogate reports an escaped UTF-16 half without its partner (RFC 8259 §8.2): encoding/json would silently make
// it U+FFFD, and two different texts would become one.
func loneSurrogate(body []byte) bool {
	for i := 0; i+1 < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		if body[i+1] != 'u' {
			i++
			continue
		}
		unit, ok := escapedUnit(body[i:])
		if !ok {
			return false // no JSON at all; the parser says so
		}
		i += 5
		switch {
		case unit >= 0xDC00 && unit <= 0xDFFF:
			return true
		case unit >= 0xD800 && unit <= 0xDBFF:
			low, ok := escapedUnit(body[i+1:])
			if !ok || low < 0xDC00 || low > 0xDFFF {
				return true
			}
			i += 6
		}
	}
	return false
}

// escapedUnit reads \uXXXX at the start of text.
func escapedUnit(text []byte) (unit uint16, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, c := range text[2:6] {
		var digit byte
		switch {
		case c >= '0' && c <= '9':
			digit = c - '0'
		case c >= 'a' && c <= 'f':
			digit = c - 'a' + 10
		case c >= 'A' && c <= 'F':
			digit = c - 'A' + 10
		default:
			return 0, false
		}
		unit = unit<<4 | uint16(digit)
	}
	return unit, true
}

// Printable keeps a caller's text harmless in an answer and in a log.
func Printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), 64)]
}
