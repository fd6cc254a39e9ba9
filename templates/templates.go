package templates

import (
	"errors"
	"io"
	"net/http"
)

// Pages renders the pages.
type Pages struct{}

// New parses the embedded templates.
func New() (*Pages, error) { return &Pages{}, nil }

// ErrorView is the page for a request that cannot be sent back to its client.
type ErrorView struct {
	Status  int
	Title   string // "" gives a title by status
	Message string // one sentence for the person
	Code    string // protocol error code, for the developer; may be empty
	ErrorID string // request id that support can look up; may be empty
}

// Field is one name and value of a form.
type Field struct{ Name, Value string }

// FormPostView sends an authorization response by form_post (OAuth 2.0 Form Post Response Mode §2).
type FormPostView struct {
	Action     string // the redirect URI, already matched by the caller
	ClientName string
	Fields     []Field
}

// Error renders the error page; the caller has written the status.
func (*Pages) Error(w io.Writer, v ErrorView) error { return errors.New("not yet") }

// FormPost renders the page that posts the answer back to the client.
func (*Pages) FormPost(w io.Writer, v FormPostView) error { return errors.New("not yet") }

// Assets serves the embedded files under /assets/.
func Assets() http.Handler { return http.NotFoundHandler() }
