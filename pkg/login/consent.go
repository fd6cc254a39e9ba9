package login

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/templates"
)

const purposeConsent = "consent-page"

// asked is a pending request and the person who is asked about it.
type asked struct {
	*pending
	session *signet.Session // nil: nobody is logged in, so the decision must be taken again and will ask for a login
	user    *signet.User
}

// openAsked is open, and who is logged in. Errors: those of open.
func (l *Login) openAsked(r *http.Request, fields ...string) (*asked, url.Values, error) {
	p, values, err := l.open(r, fields...)
	if err != nil {
		return nil, nil, err
	}
	session, user, err := l.person(r)
	return &asked{pending: p, session: session, user: user}, values, err
}

// getConsent asks the person at this browser whether the client may have what the flow asks for.
//
//  1. parse  2. the flow of this browser  3. who is logged in  4. write
func (l *Login) getConsent(w http.ResponseWriter, r *http.Request) error {
	p, _, err := l.openAsked(r)
	if err != nil {
		return err
	}
	if p.session == nil {
		return seeOther(w, p.back())
	}
	scope, err := l.scopeOf(p.pending)
	if err != nil {
		return err
	}
	confirm, err := l.allowedBefore(r, p, scope)
	if err != nil {
		return err
	}
	proof, err := l.Sealer.Seal(purposeConsent, []byte(p.shownTo()))
	if err != nil {
		return err
	}
	view := templates.ConsentView{
		Flow: p.sealed, Proof: proof, ClientName: clientName(p.client), ReturnTo: returnTo(p.redirectURI()),
		UserName: userName(p.user), Confirm: confirm, PolicyURI: p.client.PolicyURI, TOSURI: p.client.TOSURI,
		Scopes: scopeLines(scope, p.flow.Params["claims"]),
	}
	web.FormAction(w, p.redirectURI())
	return l.show(w, http.StatusOK, func(b io.Writer) error { return l.Pages.Consent(b, view) })
}

// postConsent takes the answer.
//
//  1. from our own page, nothing but our fields  2. the flow of this browser  3. who is logged in
//  4. the person that the page was shown to  5. write with the event  6. back to the decision
//
// What is granted comes from the sealed flow alone, never from the form (CSR-05).
func (l *Login) postConsent(w http.ResponseWriter, r *http.Request) error {
	p, form, err := l.openAsked(r, "flow", "page", "decision")
	if err != nil {
		return err
	}
	if p.session == nil {
		return seeOther(w, p.back())
	}
	shown, err := l.Sealer.Open(purposeConsent, form.Get("page"))
	if err != nil || string(shown) != p.shownTo() {
		return signet.NewError(signet.CodeForbidden, wordsPerson, "consent_page_of_another_person")
	}
	web.Note(r.Context(), "user_id", string(p.user.ID))
	switch form.Get("decision") {
	case "allow":
		err = l.allow(r, p)
	case "deny":
		err = l.deny(r, p)
	default:
		err = signet.NewError(signet.CodeInvalidRequest, "The form was not complete.", "decision_missing")
	}
	if err != nil {
		return err
	}
	return seeOther(w, p.back())
}

// allow writes the consent.
func (l *Login) allow(r *http.Request, p *asked) error {
	scope, err := l.scopeOf(p.pending)
	if err != nil {
		return err
	}
	now := l.now()
	consent := &signet.Consent{UserID: p.user.ID, ClientID: p.client.ID, Scope: scope, GrantedAt: now, ConfirmedAt: now}
	event := l.event(r, signet.EventConsentGranted, p.user.ID, p.client.ID)
	event.Target = "client:" + string(p.client.ID)
	return l.Consents.GrantConsent(r.Context(), consent, event)
}

// deny records the no and seals it into the flow: it is remembered nowhere else, so the next request asks again.
func (l *Login) deny(r *http.Request, p *asked) error {
	event := l.event(r, signet.EventConsentDenied, p.user.ID, p.client.ID)
	event.Target = "client:" + string(p.client.ID)
	if err := l.Events.Record(r.Context(), event); err != nil {
		return err
	}
	denied := *p.flow
	denied.Denied = true
	sealed, err := l.Flows.SealFlow(&denied)
	p.sealed = sealed
	return err
}

// person returns who is logged in at this browser, nil when nobody is. Errors: CodeUnavailable.
func (l *Login) person(r *http.Request) (*signet.Session, *signet.User, error) {
	session, err := l.Session(r)
	if err != nil || session == nil {
		return nil, nil, err
	}
	user, err := l.Records.User(r.Context(), session.UserID)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case user.Disabled():
		return nil, nil, nil
	}
	return session, user, nil
}

// scopeOf is what the flow asks for, less what the client has lost since.
func (l *Login) scopeOf(p *pending) (signet.Scope, error) {
	asked, err := signet.ParseScope(p.flow.Params["scope"])
	if err != nil {
		return nil, signet.NewError(signet.CodeInvalidRequest, wordsExpired, "flow_scope")
	}
	allowed := p.client.AllowedScope()
	return slices.DeleteFunc(asked, func(s string) bool { return !allowed.Has(s) }), nil
}

// allowedBefore reports whether only a click is wanted, because everything asked for was allowed before.
func (l *Login) allowedBefore(r *http.Request, p *asked, scope signet.Scope) (bool, error) {
	if slices.Contains(strings.Fields(p.flow.Params["prompt"]), "consent") {
		return false, nil
	}
	if p.client.FirstParty {
		return true, nil
	}
	consent, err := l.Consents.Consent(r.Context(), p.user.ID, p.client.ID)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	return scope.Within(consent.Scope), nil
}

// shownTo names the page that was made: this flow, this session, this person.
func (p *asked) shownTo() string {
	return p.flow.ID + "\n" + string(p.session.ID) + "\n" + string(p.session.UserID)
}

func userName(u *signet.User) string {
	if strings.TrimSpace(u.Profile.Name) != "" {
		return u.Profile.Name
	}
	return u.Username
}
