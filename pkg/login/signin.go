package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/templates"
)

// maxName is the longest login name: an e-mail address has at most 254 characters (RFC 5321 §4.5.3.1.3).
const maxName = 254

// getLogin shows the login form of a flow.
//
//  1. parse  2. open the flow of this browser  3. write
func (l *Login) getLogin(w http.ResponseWriter, r *http.Request) {
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
	// Document 001's guide calls the hint u.
	hint := p.flow.Params["login_hint"]
	if hint == "" {
		hint = p.flow.Params["u"]
	}
	if len(hint) > maxName {
		hint = ""
	}
	l.showLogin(w, r, p, http.StatusOK, hint, "")
}

// decideWithin bounds all that a login waits for together, counters, records, a worker, the session: each has a deadline
// of its own, and one after the other they would add up (EXH-02). Nobody waits longer for "try again".
const decideWithin = 2 * time.Second

// postLogin checks a password.
//
//  1. from our own page  2. parse  3. the flow of this browser  4. count the guess  5. the password
//  6. session and event in one transaction  7. back to the decision
//
// A wrong password, an unknown user, a disabled one and one without a password get the same answer after the same work
// (ENU-01). It is 200: 401 would need a challenge that browsers know (RFC 9110 §15.5.2).
func (l *Login) postLogin(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), decideWithin)
	defer cancel()
	r = r.WithContext(ctx)
	form, err := posted(r)
	if err != nil {
		l.fail(w, r, err)
		return
	}
	p, err := l.open(r, form.Get("flow"))
	if err != nil {
		l.fail(w, r, err)
		return
	}
	name, password := form.Get("username"), form.Get("password")
	if len(name) > maxName || len(password) > MaxPassword {
		l.fail(w, r, signet.NewError(signet.CodeInvalidRequest, "The username or the password is too long.", "credential_length"))
		return
	}
	if normalName(name) == "" || password == "" {
		l.showLogin(w, r, p, http.StatusOK, name, wordsMissing)
		return
	}
	guess, wait := l.reserve(r, name)
	if wait > 0 {
		web.Note(r.Context(), "reason", "throttled")
		retryAfter(w, wait)
		l.showLogin(w, r, p, http.StatusTooManyRequests, name, wordsThrottled(wait))
		return
	}
	// The authentication counts from before the user is read: what is taken back while the hash is computed, a password
	// changed for instance, comes after it and ends it.
	at := l.now()
	user, reason, err := l.authenticate(r.Context(), name, password)
	if err != nil {
		l.release(r.Context(), guess)
		l.notAuthenticated(w, r, p, name, err)
		return
	}
	if reason != "" {
		l.refuse(w, r, p, name, user, reason)
		return
	}
	switch err := l.begin(w, r, user, p.client.ID, at); {
	case errors.Is(err, signet.ErrRevoked):
		l.refuse(w, r, p, name, user, "user_ended")
		return
	case err != nil:
		l.fail(w, r, err)
		return
	}
	l.release(r.Context(), guess)
	l.remember(w, r, user, name)
	web.Note(r.Context(), "user_id", string(user.ID))
	seeOther(w, p.back())
}

// authenticate looks a user up and compares the password. reason is "" when the person is who they say; user may be nil
// beside a reason. Error: CodeUnavailable.
func (l *Login) authenticate(ctx context.Context, name, password string) (user *signet.User, reason string, err error) {
	user, err = l.Records.UserByLogin(ctx, normalName(name))
	if err != nil && !errors.Is(err, signet.ErrNotFound) {
		return nil, "", err
	}
	phc := l.Passwords.Nobody()
	switch {
	case err != nil:
		user, reason = nil, "unknown_user"
	case user.PasswordHash == "":
		reason = "no_password"
	default:
		phc = user.PasswordHash
	}
	match, err := l.Passwords.Verify(ctx, phc, password)
	if err != nil && signet.CodeOf(err) != signet.CodeUnavailable {
		// The stored hash cannot be read: an operator must know, the person at the browser must not, and the work is done
		// all the same.
		l.Log.ErrorContext(ctx, "stored password hash is unreadable", "user_id", user.ID, "error", err)
		reason = "unreadable_hash"
		match, err = l.Passwords.Verify(ctx, l.Passwords.Nobody(), password)
	}
	switch {
	case err != nil:
		return nil, "", err
	case reason != "":
		return user, reason, nil
	case !match:
		return user, "wrong_password", nil
	case user.Disabled():
		return user, "user_disabled", nil
	}
	return user, "", nil
}

// notAuthenticated answers when nobody could tell whether the password is right.
func (l *Login) notAuthenticated(w http.ResponseWriter, r *http.Request, p *pending, name string, err error) {
	if signet.CodeOf(err) != signet.CodeUnavailable {
		l.fail(w, r, err)
		return
	}
	l.Meter.LoginFailed("undecided")
	web.Note(r.Context(), "error", string(signet.CodeUnavailable))
	l.Log.WarnContext(r.Context(), "login not decided", "request_id", web.RequestID(r.Context()), "error", err)
	retryAfter(w, retryBusy)
	l.showLogin(w, r, p, http.StatusServiceUnavailable, name, wordsBusy)
}

// refuse records a failed login and shows the form again. The name that was typed is not recorded: people type
// passwords into that field.
func (l *Login) refuse(w http.ResponseWriter, r *http.Request, p *pending, name string, user *signet.User, reason string) {
	l.Meter.LoginFailed(reason)
	event := l.event(r, signet.EventLoginFailed, "", p.client.ID)
	if user != nil {
		event.UserID = user.ID
	}
	event.Reason = reason
	if err := l.Events.Record(r.Context(), event); err != nil {
		l.fail(w, r, err)
		return
	}
	web.Note(r.Context(), "reason", reason)
	l.showLogin(w, r, p, http.StatusOK, name, wordsWrong)
}

func (l *Login) showLogin(w http.ResponseWriter, r *http.Request, p *pending, status int, name, problem string) {
	web.FormAction(w, p.redirectURI())
	view := templates.LoginView{
		Flow: p.sealed, ClientName: clientName(p.client), ReturnTo: returnTo(p.redirectURI()), Username: name,
		Problem: problem, PolicyURI: p.client.PolicyURI, TOSURI: p.client.TOSURI,
	}
	l.show(w, r, status, func(b io.Writer) error { return l.Pages.Login(b, view) })
}

func wordsThrottled(wait time.Duration) string {
	minutes := int((wait + time.Minute - 1) / time.Minute)
	if minutes <= 1 {
		return "Too many attempts. Wait a minute, then try again."
	}
	return fmt.Sprintf("Too many attempts. Wait %d minutes, then try again.", minutes)
}
