package login

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/templates"
)

const purposeConsent = "consent-page"

// paramDenied marks the flow that goes back after a no. It is sealed, and /authorize reads no such name from a request.
const paramDenied = "signet_denied"

// getConsent asks the person at this browser whether the client may have what the flow asks for.
//
//  1. parse  2. the flow of this browser  3. who is logged in  4. write
//
// Nobody logged in: back to the decision, which asks for a login.
func (l *Login) getConsent(w http.ResponseWriter, r *http.Request) {
	params, err := web.Query(r)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	p, err := l.open(r, params.Get("flow"))
	if err != nil {
		l.fail(w, r, err)
		return
	}
	session, user, err := l.person(r)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	if session == nil {
		seeOther(w, p.back())
		return
	}
	scope, err := l.scopeOf(p)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	confirm, err := l.allowedBefore(r, p, user, scope)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	proof, err := l.Sealer.Seal(purposeConsent, []byte(shownTo(p, session)))
	if err != nil {
		l.fail(w, r, signet.Internal(err))
		return
	}
	view := templates.ConsentView{
		Flow: p.sealed, Proof: proof, ClientName: clientName(p.client), ReturnTo: returnTo(p.redirectURI()),
		UserName: userName(user), Confirm: confirm, PolicyURI: p.client.PolicyURI, TOSURI: p.client.TOSURI,
		Scopes: scopeLines(scope, p.flow.Params["claims"]),
	}
	web.FormAction(w, p.redirectURI())
	l.show(w, r, http.StatusOK, func(b io.Writer) error { return l.Pages.Consent(b, view) })
}

// postConsent takes the answer.
//
//  1. from our own page  2. parse, nothing but our fields  3. the flow of this browser
//  4. the person that the page was shown to  5. write with the event  6. back to the decision
//
// What is granted comes from the sealed flow alone, never from the form (CSR-05).
func (l *Login) postConsent(w http.ResponseWriter, r *http.Request) {
	form, err := posted(r)
	if err == nil {
		err = onlyFields(form, "flow", "page", "decision")
	}
	if err != nil {
		l.fail(w, r, err)
		return
	}
	p, err := l.open(r, form.Get("flow"))
	if err != nil {
		l.fail(w, r, err)
		return
	}
	session, user, err := l.person(r)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	if session == nil {
		seeOther(w, p.back())
		return
	}
	shown, err := l.Sealer.Open(purposeConsent, form.Get("page"))
	if err != nil || string(shown) != shownTo(p, session) {
		l.fail(w, r, signet.NewError(signet.CodeForbidden, wordsPerson, "consent_page_of_another_person"))
		return
	}
	web.Note(r.Context(), "user_id", string(user.ID))
	switch form.Get("decision") {
	case "allow":
		err = l.allow(r, p, user)
	case "deny":
		err = l.deny(r, p, user)
	default:
		err = signet.NewError(signet.CodeInvalidRequest, "The form was not complete.", "decision_missing")
	}
	if err != nil {
		l.fail(w, r, err)
		return
	}
	seeOther(w, p.back())
}

// allow writes the consent.
func (l *Login) allow(r *http.Request, p *pending, user *signet.User) error {
	scope, err := l.scopeOf(p)
	if err != nil {
		return err
	}
	now := l.now()
	consent := &signet.Consent{UserID: user.ID, ClientID: p.client.ID, Scope: scope, GrantedAt: now, ConfirmedAt: now}
	event := l.event(r, signet.EventConsentGranted, user.ID, p.client.ID)
	event.Target = "client:" + string(p.client.ID)
	return l.Consents.GrantConsent(r.Context(), consent, event)
}

// deny records the no and seals it into the flow: it is remembered nowhere else, so the next request asks again.
func (l *Login) deny(r *http.Request, p *pending, user *signet.User) error {
	event := l.event(r, signet.EventConsentDenied, user.ID, p.client.ID)
	event.Target = "client:" + string(p.client.ID)
	if err := l.Events.Record(r.Context(), event); err != nil {
		return err
	}
	denied := *p.flow
	denied.Params = map[string]string{paramDenied: "1"}
	maps.Copy(denied.Params, p.flow.Params)
	sealed, err := l.Flows.SealFlow(&denied)
	if err != nil {
		return signet.Internal(err)
	}
	p.sealed = sealed
	return nil
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
func (l *Login) allowedBefore(r *http.Request, p *pending, user *signet.User, scope signet.Scope) (bool, error) {
	if slices.Contains(strings.Fields(p.flow.Params["prompt"]), "consent") {
		return false, nil
	}
	if p.client.FirstParty {
		return true, nil
	}
	consent, err := l.Consents.Consent(r.Context(), user.ID, p.client.ID)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	return scope.Within(consent.Scope), nil
}

// shownTo names the page that was made: this flow, this session, this person.
func shownTo(p *pending, session *signet.Session) string {
	return p.flow.ID + "\n" + string(session.ID) + "\n" + string(session.UserID)
}

func userName(u *signet.User) string {
	if strings.TrimSpace(u.Profile.Name) != "" {
		return u.Profile.Name
	}
	return u.Username
}

// onlyFields refuses a form with a field that its page does not have. Error: CodeInvalidRequest.
func onlyFields(form url.Values, names ...string) error {
	for name := range form {
		if !slices.Contains(names, name) {
			return signet.NewError(signet.CodeInvalidRequest, "The form has a field that the page does not have.", "unknown_field")
		}
	}
	return nil
}
