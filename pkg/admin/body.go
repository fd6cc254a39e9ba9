package admin

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const maxPage = 200

func badRequest(reason, format string, args ...any) error {
	return signet.NewError(signet.CodeInvalidRequest, fmt.Sprintf(format, args...), reason)
}

// decode reads one JSON object into target, as web.JSONBody does strictly.
func decode(r *http.Request, target any) error {
	if err := noQuery(r); err != nil {
		return err
	}
	var form web.JSONBody
	body, err := form.Read(r)
	if err != nil {
		return err
	}
	return form.Decode(body, target)
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
			return Page{}, badRequest("query", "The parameter %s is unknown.", web.Printable(name))
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
