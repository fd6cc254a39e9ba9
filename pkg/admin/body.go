package admin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	maxBody  = 256 << 10
	maxDepth = 16
	maxPage  = 200
)

func badRequest(reason, format string, args ...any) error {
	return signet.NewError(signet.CodeInvalidRequest, fmt.Sprintf(format, args...), reason)
}

// decode reads one JSON object into target, strictly: JSON media type, UTF-8, no member twice, no unknown member, no
// member in other letter case, bounded depth and size, nothing behind it.
func decode(r *http.Request, target any) error {
	if err := noQuery(r); err != nil {
		return err
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return &signet.Error{Code: signet.CodeUnsupportedMedia, Reason: "content_type"}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || len(body) > maxBody {
		return &signet.Error{Code: signet.CodeTooLarge, Reason: "body_size"}
	}
	if err != nil {
		return &signet.Error{Code: signet.CodeInvalidRequest, Message: "The body could not be read.", Reason: "body_read", Cause: err}
	}
	return decodeBytes(body, target)
}

func decodeBytes(body []byte, target any) error {
	if !utf8.Valid(body) {
		return badRequest("body_utf8", "The body is not valid UTF-8.")
	}
	if err := scan(body); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return badRequest("body_type", "The member %s has the wrong type.", wrong.Field)
		}
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return badRequest("body_unknown_member", "The member %s is unknown.", printable(name))
		}
		return badRequest("body_json", "The body is not the described JSON object.")
	}
	return nil
}

// scan walks the tokens before anything is decoded: encoding/json alone takes the last of two equal members, folds
// letter case, and recurses as deep as its input asks.
func scan(body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var open []level
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return badRequest("body_json", "The body is not JSON.")
		}
		if len(open) == 0 && token != json.Delim('{') {
			return badRequest("body_json", "The body must be one JSON object.")
		}
		if open, err = step(open, token); err != nil {
			return err
		}
		if len(open) == 0 {
			break
		}
	}
	if len(open) > 0 || len(bytes.TrimSpace(body[decoder.InputOffset():])) > 0 {
		return badRequest("body_json", "The body must be one JSON object.")
	}
	return nil
}

// level is one open object or array.
type level struct {
	names map[string]bool // nil in an array
	value bool            // the next token of an object is a value
}

func step(open []level, token json.Token) ([]level, error) {
	if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
		return open[:len(open)-1], nil
	}
	if n := len(open) - 1; n >= 0 && open[n].names != nil {
		if !open[n].value {
			return open, open[n].name(token, n == 0)
		}
		open[n].value = false
	}
	if token == json.Delim('{') || token == json.Delim('[') {
		if len(open) == maxDepth {
			return nil, badRequest("body_depth", "The body is nested too deeply.")
		}
		next := level{}
		if token == json.Delim('{') {
			next.names = map[string]bool{}
		}
		open = append(open, next)
	}
	return open, nil
}

func (l *level) name(token json.Token, top bool) error {
	name, _ := token.(string)
	folded := strings.ToLower(name)
	if l.names[folded] {
		return badRequest("body_repeated_member", "The member %s is repeated.", printable(name))
	}
	if top && folded != name {
		return badRequest("body_unknown_member", "The member %s is unknown.", printable(name))
	}
	l.names[folded], l.value = true, true
	return nil
}

// printable keeps a caller's text harmless in an answer and in a log.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), 64)]
}

// empty accepts no body, or {}, for acts that take no parameters.
func empty(r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	return decode(r, &struct{}{})
}

func noQuery(r *http.Request) error {
	if r.URL.RawQuery != "" {
		return badRequest("query", "This call takes no query parameters.")
	}
	return nil
}

// etag is the version as an entity tag (RFC 9110 §8.8.3).
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// matchVersion reads If-Match; exactly one strong tag, so that every write says what it has read.
func matchVersion(r *http.Request, version int64) error {
	values := r.Header.Values("If-Match")
	if len(values) == 0 {
		return &signet.Error{Code: codeNoMatch, Reason: "if_match_missing"}
	}
	if len(values) != 1 || values[0] != etag(version) {
		return &signet.Error{Code: codeStale, Reason: "if_match_stale"}
	}
	return nil
}

// page reads limit and page_token. The token is the last id of the page before with a keyed hash, bound to the
// listing: a forged or foreign one is refused before any store sees it.
func (a *Admin) page(r *http.Request, listing string) (Page, error) {
	params, err := web.Query(r)
	if err != nil {
		return Page{}, err
	}
	page := Page{Limit: 50}
	for name := range params {
		if name != "limit" && name != "page_token" {
			return Page{}, badRequest("query", "The parameter %s is unknown.", printable(name))
		}
	}
	if text := params.Get("limit"); params.Has("limit") {
		page.Limit, err = strconv.Atoi(text)
		if err != nil || page.Limit < 1 || page.Limit > maxPage {
			return Page{}, badRequest("limit", "The limit must be 1 to %d.", maxPage)
		}
	}
	if params.Has("page_token") {
		id, sum, _ := strings.Cut(params.Get("page_token"), ".")
		after, errID := base64.RawURLEncoding.Strict().DecodeString(id)
		mac, errSum := base64.RawURLEncoding.Strict().DecodeString(sum)
		if errID != nil || errSum != nil || !a.pageTokenValid(listing, string(after), mac) {
			return Page{}, badRequest("page_token", "The page_token is none of ours.")
		}
		page.After = string(after)
	}
	return page, nil
}

// writeList answers {"<name>": […], "next_page_token": "…"}; the token is absent on the last page.
func writeList(c *call, name string, items any, next string) {
	body := map[string]any{name: items}
	if next != "" {
		body["next_page_token"] = next
	}
	web.WriteJSON(c.w, http.StatusOK, body)
}

func pageText(listing, after string) string { return "page:" + listing + ":" + after }

func (a *Admin) pageTokenValid(listing, after string, mac []byte) bool {
	for _, hash := range a.o.HashKeys().Candidates(pageText(listing, after)) {
		if bytes.Equal(hash.Sum[:16], mac) {
			return true
		}
	}
	return false
}

// nextPage returns the token of the following page, "" when the page was not full.
func (a *Admin) nextPage(listing string, page Page, got int, last string) string {
	if got < page.Limit {
		return ""
	}
	hash := a.o.HashKeys().Hash(pageText(listing, last))
	return base64.RawURLEncoding.EncodeToString([]byte(last)) + "." + base64.RawURLEncoding.EncodeToString(hash.Sum[:16])
}
