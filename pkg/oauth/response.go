package oauth

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/templates"
)

// answerMode is a response_mode (OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode §2). fragment is not
// offered: nothing but code exists, and a fragment would hide it from the client's server.
type answerMode string

const (
	modeQuery    answerMode = "query"
	modeFormPost answerMode = "form_post"
)

// answerModes lists the modes for the metadata.
func answerModes() []string { return []string{string(modeQuery), string(modeFormPost)} }

// answerTarget is where an authorization response goes. It exists only for a proven client and redirect URI.
type answerTarget struct {
	Client      *signet.Client
	RedirectURI string
	Mode        answerMode
	State       string // "" when the request had none: then none is returned
}

// answerCode sends code to the client: code, state, iss and nothing else. scope in particular stays out, which fosite
// would add.
func (s *Server) answerCode(w http.ResponseWriter, r *http.Request, target *answerTarget, code string) {
	s.answer(w, r, target, []templates.Field{{Name: "code", Value: code}})
}

// answerError sends an error to the client (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6).
func (s *Server) answerError(w http.ResponseWriter, r *http.Request, target *answerTarget, err error) {
	noteRefusal(r, err)
	out := protocolErrorOf(err)
	s.answer(w, r, target, []templates.Field{
		{Name: "error", Value: out.Name}, {Name: "error_description", Value: out.Description},
	})
}

// answer adds state and iss (RFC 9207 §2: also with errors) and sends the fields the way the request asked for.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, target *answerTarget, fields []templates.Field) {
	if target.State != "" {
		fields = append(fields, templates.Field{Name: "state", Value: target.State})
	}
	fields = append(fields, templates.Field{Name: "iss", Value: s.Issuer})
	if target.Mode != modeFormPost {
		seeOther(w, appendQuery(target.RedirectURI, fields))
		return
	}
	var page bytes.Buffer
	view := templates.FormPostView{Action: target.RedirectURI, ClientName: target.Client.ClientName, Fields: fields}
	if err := s.Pages.FormPost(&page, view); err != nil {
		s.errorPage(w, r, signet.Internal(err))
		return
	}
	web.FormAction(w, target.RedirectURI)
	writePage(w, http.StatusOK, page.Bytes())
}

// appendQuery adds fields to a URI without touching a byte of it: a query that was registered survives (RFC 6749
// §3.1.2). QueryEscape leaves no CR, LF or separator behind (PRS-10).
func appendQuery(uri string, fields []templates.Field) string {
	var b strings.Builder
	b.WriteString(uri)
	separator := byte('?')
	if at := strings.IndexByte(uri, '?'); at >= 0 {
		separator = '&'
		if last := uri[len(uri)-1]; last == '?' || last == '&' {
			separator = 0
		}
	}
	for _, field := range fields {
		if separator != 0 {
			b.WriteByte(separator)
		}
		separator = '&'
		b.WriteString(url.QueryEscape(field.Name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(field.Value))
	}
	return b.String()
}

// seeOther is a 303 (RFC 9700 §4.12: a 307 would repeat a POST, with what was typed, at the client). http.Redirect is
// not used: it resolves and cleans the location, and writes a body that quotes it.
func seeOther(w http.ResponseWriter, location string) {
	noStore(w.Header())
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

// errorPage tells the person, because nobody else can be told: the client or its redirect URI is not proven, or the
// fault is ours. It never redirects.
func (s *Server) errorPage(w http.ResponseWriter, r *http.Request, err error) {
	noteRefusal(r, err)
	out := protocolErrorOf(err)
	status := pageStatus(err)
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter(err)))
	}
	var page bytes.Buffer
	view := templates.ErrorView{Status: status, Message: out.Description, Code: out.Name, ErrorID: web.RequestID(r.Context()), Restart: signet.RestartOf(err)}
	if s.Pages.Error(&page, view) != nil {
		page.Reset()
		status = http.StatusInternalServerError
	}
	writePage(w, status, page.Bytes())
}

// pageStatus is 400 for whatever is wrong with the request itself; a 401 would promise a challenge that no page has.
func pageStatus(err error) int {
	switch out := protocolErrorOf(err); out.Status {
	case http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable:
		return out.Status
	default:
		return http.StatusBadRequest
	}
}

func writePage(w http.ResponseWriter, status int, page []byte) {
	noStore(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page) // the browser went away: nobody is left to tell
}

// noteRefusal puts the reason on the request's event line, ours as well as the caller's.
func noteRefusal(r *http.Request, err error) {
	web.Note(r.Context(), "error", string(signet.CodeOf(err)))
	if reason := signet.ReasonOf(err); reason != "" {
		web.Note(r.Context(), "reason", reason)
	}
	if code := signet.CodeOf(err); code == signet.CodeInternal || code == signet.CodeUnavailable {
		web.Note(r.Context(), "cause", err.Error())
	}
}
