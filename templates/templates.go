package templates

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
)

//go:embed html/*.html
var sources embed.FS

// Lengths of what is shown, in characters. A host is never cut: what is cut off could be the part that matters.
const (
	nameLength    = 64
	messageLength = 300
	codeLength    = 80
)

// Pages renders the pages. It is safe for concurrent use.
type Pages struct {
	links         links
	login         *template.Template
	consent       *template.Template
	logoutConfirm *template.Template
	loggedOut     *template.Template
	account       *template.Template
	loginFirst    *template.Template
	errorPage     *template.Template
	formPost      *template.Template
}

// links are the paths of the assets.
type links struct{ Style, Icon, FormPost string }

// page is what a template sees.
type page[V any] struct {
	Links links
	View  V
}

// New parses the embedded templates.
func New() (*Pages, error) {
	files, err := loadAssets()
	if err != nil {
		return nil, err
	}
	p := &Pages{links: links{
		Style: files.path("signet.css"), Icon: files.path("icon.svg"), FormPost: files.path("form-post.js"),
	}}
	for name, target := range map[string]**template.Template{
		"login": &p.login, "consent": &p.consent, "logout_confirm": &p.logoutConfirm,
		"logged_out": &p.loggedOut, "account": &p.account, "login_first": &p.loginFirst, "error": &p.errorPage, "form_post": &p.formPost,
	} {
		parsed, err := template.New("layout.html").Option("missingkey=error").
			ParseFS(sources, "html/layout.html", "html/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
		*target = parsed
	}
	return p, nil
}

// render writes the whole page or nothing: a template that fails half way must not leave half a form behind.
func render[V any](w io.Writer, t *template.Template, l links, view V) error {
	var b bytes.Buffer
	if err := t.Execute(&b, page[V]{Links: l, View: view}); err != nil {
		return fmt.Errorf("render %s: %w", t.Name(), err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Login renders the login form (ids username, password, login; error when there is a problem).
func (p *Pages) Login(w io.Writer, v LoginView) error {
	v.ClientName, v.ReturnTo = Plain(v.ClientName, nameLength), Plain(v.ReturnTo, 0)
	v.Username, v.Problem = Plain(v.Username, 0), Plain(v.Problem, messageLength)
	return render(w, p.login, p.links, struct {
		LoginView
		ClientLinks []link
	}{v, clientLinks(v.PolicyURI, v.TOSURI)})
}

// Consent renders the question of consent (ids consent-allow, consent-deny).
func (p *Pages) Consent(w io.Writer, v ConsentView) error {
	v.ClientName, v.ReturnTo = Plain(v.ClientName, nameLength), Plain(v.ReturnTo, 0)
	v.UserName = Plain(v.UserName, nameLength)
	lines := make([]ScopeLine, len(v.Scopes))
	for i, s := range v.Scopes {
		lines[i] = ScopeLine{Title: Plain(s.Title, codeLength), Detail: Plain(s.Detail, messageLength)}
	}
	v.Scopes = lines
	return render(w, p.consent, p.links, struct {
		ConsentView
		ClientLinks []link
	}{v, clientLinks(v.PolicyURI, v.TOSURI)})
}

// LogoutConfirm renders the question before a logout (id logout-confirm).
func (p *Pages) LogoutConfirm(w io.Writer, v LogoutConfirmView) error {
	v.ClientName, v.ReturnTo = Plain(v.ClientName, nameLength), Plain(v.ReturnTo, 0)
	v.UserName = Plain(v.UserName, nameLength)
	return render(w, p.logoutConfirm, p.links, v)
}

// LoggedOut renders the page that says nobody is logged in (id logged-out).
func (p *Pages) LoggedOut(w io.Writer, v LoggedOutView) error {
	return render(w, p.loggedOut, p.links, v)
}

// Account renders the accounts of a person (ids account, pending, member; accept-, decline- and leave- with the account's
// id; error when there is a problem).
func (p *Pages) Account(w io.Writer, v AccountView) error {
	v.UserName, v.Problem, v.About = Plain(v.UserName, nameLength), Plain(v.Problem, messageLength), Plain(v.About, nameLength)
	clean := func(in []AccountLine) []AccountLine {
		out := make([]AccountLine, len(in))
		for i, line := range in {
			line.Name = cmp.Or(Plain(line.Name, nameLength), line.ID) // a name of hidden characters alone is none
			line.Type, line.Role = Plain(line.Type, codeLength), Plain(line.Role, codeLength)
			out[i] = line
		}
		return out
	}
	v.Pending, v.Member = clean(v.Pending), clean(v.Member)
	return render(w, p.account, p.links, v)
}

// LoginFirst renders the page for whoever is not logged in and came from no application (id login-first).
func (p *Pages) LoginFirst(w io.Writer, v LoginFirstView) error {
	return render(w, p.loginFirst, p.links, v)
}

// Error renders the error page (id error; restart when the request can be begun anew); the caller has written the status.
func (p *Pages) Error(w io.Writer, v ErrorView) error {
	title, message := wordsFor(v.Status)
	if v.Title != "" {
		title = v.Title
	}
	if v.Message != "" {
		message = v.Message
	}
	var details []Field
	for _, d := range []Field{{"Error code", Plain(v.Code, codeLength)}, {"Reference", Plain(v.ErrorID, codeLength)}} {
		if d.Value != "" {
			details = append(details, d)
		}
	}
	restart := link{Text: "Start again"}
	if v.Status == http.StatusForbidden {
		restart.Text = "Continue here"
	}
	if strings.HasPrefix(v.Restart, "/") && !strings.HasPrefix(v.Restart, "//") && !strings.Contains(v.Restart, `\`) {
		restart.URL = v.Restart
	}
	return render(w, p.errorPage, p.links, struct {
		Title, Message string
		Details        []Field
		Restart        link
	}{Plain(title, codeLength), Plain(message, messageLength), details, restart})
}

// FormPost renders the page that posts the answer back to the client: by script, or by its button (id continue).
// Names and values are sent as they are. An action that is not http or https is an error.
func (p *Pages) FormPost(w io.Writer, v FormPostView) error {
	u, err := url.Parse(v.Action)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return errors.New("form_post: the action is no http or https URL")
	}
	v.ClientName = Plain(v.ClientName, nameLength)
	return render(w, p.formPost, p.links, v)
}

// clientLinks returns the client's policy and terms, each only when it is an https URL: what a client says of itself
// must not become a script or a download (RFC 7591 §5).
func clientLinks(policy, tos string) []link {
	var out []link
	for _, l := range []link{{policy, "Privacy policy"}, {tos, "Terms of service"}} {
		if u, err := url.Parse(l.URL); err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil &&
			!strings.ContainsFunc(l.URL, hidden) {
			out = append(out, l)
		}
	}
	return out
}
