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
//  1. parse  2. the flow of this browser  3. write
func (l *Login) getLogin(w http.ResponseWriter, r *http.Request) error {
	p, _, err := l.open(r)
	if err != nil {
		return err
	}
	// Document 001's guide calls the hint u.
	hint := p.flow.Params["login_hint"]
	if hint == "" {
		hint = p.flow.Params["u"]
	}
	if len(hint) > maxName {
		hint = ""
	}
	return l.showLogin(w, p, http.StatusOK, hint, "")
}

// decideWithin bounds all that a login waits for together, counters, records, a worker, the session: each has a deadline
// of its own, and one after the other they would add up (EXH-02). Nobody waits longer for "try again".
const decideWithin = 2 * time.Second

// postLogin checks a password.
//
//  1. from our own page  2. the flow of this browser  3. count the guess at the name  4. find the user
//  5. count the guess at the user  6. the password  7. session and event in one transaction  8. back to the decision
//
// A wrong password, an unknown user, a disabled one and one without a password get the same answer after the same work
// (ENU-01). It is 200: 401 would need a challenge that browsers know (RFC 9110 §15.5.2).
func (l *Login) postLogin(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), decideWithin)
	defer cancel()
	r = r.WithContext(ctx)
	p, form, err := l.open(r)
	if err != nil {
		return err
	}
	name, password := form.Get("username"), form.Get("password")
	if len(name) > maxName || len(password) > MaxPassword {
		return signet.NewError(signet.CodeInvalidRequest, "The username or the password is too long.", "credential_length")
	}
	if normalName(name) == "" || password == "" {
		return l.showLogin(w, p, http.StatusOK, name, wordsMissing)
	}
	guess := &web.Counted{}
	if over := l.reserve(r, guess, l.limitsOfName(r, name)); over != nil {
		return l.throttled(w, r, p, name, over.Wait)
	}
	// The authentication counts from before the user is read: what is taken back while the hash is computed, a password
	// changed for instance, comes after it and ends it.
	at := l.now()
	user, reason, err := l.authenticate(r, guess, name, password)
	var over *tooMany
	switch {
	case errors.As(err, &over):
		return l.throttled(w, r, p, name, over.wait)
	case err != nil:
		l.guesses.Release(ctx, guess)
		return l.notAuthenticated(w, r, p, name, err)
	case reason != "":
		return l.refuse(w, r, p, name, user, reason)
	}
	switch err := l.begin(w, r, user, p.client.ID, at); {
	case errors.Is(err, signet.ErrRevoked):
		return l.refuse(w, r, p, name, user, "user_ended")
	case err != nil:
		return err
	}
	l.guesses.Release(ctx, guess)
	l.remember(w, r, user, name)
	web.Note(ctx, "user_id", string(user.ID))
	return seeOther(w, p.back())
}

// authenticate looks a user up and compares the password. reason is "" when the person is who they say; user may be nil
// beside a reason. Whatever the user is, or whether there is one, the same is asked of the stores and the same is
// computed. Errors: tooMany, CodeUnavailable.
func (l *Login) authenticate(r *http.Request, guess *web.Counted, name, password string) (user *signet.User, reason string, err error) {
	ctx := r.Context()
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
	limits, turn := l.limitsOfUser(r, user, name)
	for _, limit := range limits { // each of them, also after one that refuses: the number of commands says nothing
		switch over := l.reserve(r, guess, []web.Limit{limit}); {
		case over != nil && turn.Known:
			return user, "", &tooMany{over.Wait}
		case over != nil:
			reason, phc = "user_limit", l.Passwords.Nobody()
		}
	}
	match, err := l.Passwords.VerifyInTurn(ctx, turn, phc, password)
	if err != nil && signet.CodeOf(err) != signet.CodeUnavailable {
		// The stored hash cannot be read: an operator must know, the person at the browser must not, and the work is done
		// all the same.
		l.Log.ErrorContext(ctx, "stored password hash is unreadable", "user_id", user.ID, "error", err)
		reason = "unreadable_hash"
		match, err = l.Passwords.VerifyInTurn(ctx, turn, l.Passwords.Nobody(), password)
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

// throttled answers a guess that was not looked at.
func (l *Login) throttled(w http.ResponseWriter, r *http.Request, p *pending, name string, wait time.Duration) error {
	web.Note(r.Context(), "reason", "throttled")
	retryAfter(w, wait)
	return l.showLogin(w, p, http.StatusTooManyRequests, name, wordsThrottled(wait))
}

// notAuthenticated answers when nobody could tell whether the password is right.
func (l *Login) notAuthenticated(w http.ResponseWriter, r *http.Request, p *pending, name string, err error) error {
	if signet.CodeOf(err) != signet.CodeUnavailable {
		return err
	}
	l.Meter.LoginFailed("undecided")
	web.Note(r.Context(), "error", string(signet.CodeUnavailable))
	l.Log.WarnContext(r.Context(), "login not decided", "request_id", web.RequestID(r.Context()), "error", err)
	retryAfter(w, retryBusy)
	return l.showLogin(w, p, http.StatusServiceUnavailable, name, wordsBusy)
}

// refuse records a failed login and shows the form again. The name that was typed is not recorded: people type
// passwords into that field.
func (l *Login) refuse(w http.ResponseWriter, r *http.Request, p *pending, name string, user *signet.User, reason string) error {
	l.Meter.LoginFailed(reason)
	event := l.event(r, signet.EventLoginFailed, "", p.client.ID)
	if user != nil {
		event.UserID = user.ID
	}
	event.Reason = reason
	if err := l.Events.Record(r.Context(), event); err != nil {
		return err
	}
	web.Note(r.Context(), "reason", reason)
	return l.showLogin(w, p, http.StatusOK, name, wordsWrong)
}

func (l *Login) showLogin(w http.ResponseWriter, p *pending, status int, name, problem string) error {
	web.FormAction(w, p.redirectURI())
	view := templates.LoginView{
		Flow: p.sealed, ClientName: clientName(p.client), ReturnTo: returnTo(p.redirectURI()), Username: name,
		Problem: problem, PolicyURI: p.client.PolicyURI, TOSURI: p.client.TOSURI,
	}
	return l.show(w, status, func(b io.Writer) error { return l.Pages.Login(b, view) })
}

func wordsThrottled(wait time.Duration) string {
	minutes := int((wait + time.Minute - 1) / time.Minute)
	if minutes <= 1 {
		return "Too many attempts. Wait a minute, then try again."
	}
	return fmt.Sprintf("Too many attempts. Wait %d minutes, then try again.", minutes)
}
