package login

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// Names of the cookies, without the prefix.
const (
	cookieSession = "signet_session"
	cookieBrowser = "signet_browser"
	cookieKnown   = "signet_known"
)

// touchEvery is how often the use of a session is written.
const touchEvery = time.Minute

// Session returns the live session of the request's cookie, nil when there is none. Error: CodeUnavailable.
func (l *Login) Session(r *http.Request) (*signet.Session, error) {
	text := l.cookie(r, cookieSession)
	if _, ok := signet.ParseSecret(signet.SecretSession, text); !ok {
		return nil, nil
	}
	session, err := l.Sessions.FindSession(r.Context(), l.HashKeys().Candidates(text))
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	now := l.now()
	if !session.Live(now) {
		return nil, nil
	}
	if now.Sub(session.LastSeenAt) >= touchEvery {
		idle := l.idleEnd(now, session.ExpiresAt)
		if err := l.Sessions.TouchSession(r.Context(), session.ID, now, idle); err != nil {
			// The session is good; only its end was not moved.
			web.Note(r.Context(), "session_touch", "failed")
		} else {
			touched := *session
			touched.LastSeenAt, touched.IdleExpiresAt = now, idle
			session = &touched
		}
	}
	return session, nil
}

func (l *Login) idleEnd(now, end time.Time) time.Time {
	if idle := now.Add(l.SessionIdle); idle.Before(end) {
		return idle
	}
	return end
}

// Bind returns the hash of this browser's binding cookie and sets the cookie when it is missing. The value has 256
// random bits, so its plain hash tells nothing and survives a rotation of the hashing key.
func (l *Login) Bind(w http.ResponseWriter, r *http.Request) string {
	if browser := l.Bound(r); browser != "" {
		return browser
	}
	secret := signet.NewSecret(signet.SecretBrowser).Reveal()
	l.setCookie(w, cookieBrowser, secret, 0)
	return browserHash(secret)
}

// Bound returns the hash of this browser's binding cookie, "" when it has none.
func (l *Login) Bound(r *http.Request) string {
	text := l.cookie(r, cookieBrowser)
	if _, ok := signet.ParseSecret(signet.SecretBrowser, text); !ok {
		return ""
	}
	return browserHash(text)
}

func browserHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// begin makes user the person at this browser and sets the cookie, whose secret is always new (session fixation).
// Somebody else's session at this browser ends in the same transaction; the user's own goes on under the same sid.
// at is when the authentication began. Errors: CodeRevoked when what the user had was taken back since, CodeUnavailable.
func (l *Login) begin(w http.ResponseWriter, r *http.Request, user *signet.User, client signet.ClientID, at time.Time) error {
	existing, err := l.Session(r)
	if err != nil {
		return err
	}
	now := l.now()
	secret := signet.NewSecret(signet.SecretSession).Reveal()
	session := &signet.Session{
		ID: signet.NewSessionID(), Hash: l.HashKeys().Hash(secret), UserID: user.ID, AuthTime: at,
		ACR: signet.ACRPassword, AMR: []string{signet.AMRPassword},
		LastSeenAt: now, CreatedAt: now, ExpiresAt: now.Add(l.SessionMax),
	}
	session.IdleExpiresAt = l.idleEnd(now, session.ExpiresAt)
	if began := signet.Begin(now, user.NotBefore); began.After(now) {
		// user was read after two revocations within a second, the limit of which lies a little ahead of the clock.
		session.AuthTime = began
	}
	event := l.event(r, signet.EventLoginSucceeded, user.ID, client)
	event.Target = "session:" + string(session.ID)
	var previous signet.SessionID
	if existing != nil && existing.UserID == user.ID {
		renewed := *session
		renewed.ID, renewed.CreatedAt = existing.ID, existing.CreatedAt
		event.Target, event.Reason = "session:"+string(existing.ID), "renewed"
		err := l.Sessions.RenewSession(r.Context(), &renewed, event)
		if err == nil {
			l.setCookie(w, cookieSession, secret, 0)
			return nil
		}
		if !errors.Is(err, signet.ErrRevoked) {
			return err
		}
		// It ended while the password was typed, in another tab perhaps: this login is a new one.
		event.Target, event.Reason = "session:"+string(session.ID), ""
	} else if existing != nil {
		previous = existing.ID
	}
	if err := l.Sessions.CreateSession(r.Context(), session, previous, event); err != nil {
		return err
	}
	l.setCookie(w, cookieSession, secret, 0)
	return nil
}

func (l *Login) cookieName(name string) string {
	if l.Secure {
		return "__Host-" + name
	}
	return name
}

// cookie returns the value, "" when there is none or more than one: of two, somebody else may have planted either.
func (l *Login) cookie(r *http.Request, name string) string {
	if found := r.CookiesNamed(l.cookieName(name)); len(found) == 1 {
		return found[0].Value
	}
	return ""
}

// setCookie sets a cookie for age; 0 until the browser closes, negative: gone.
func (l *Login) setCookie(w http.ResponseWriter, name, value string, age time.Duration) {
	c := &http.Cookie{
		Name: l.cookieName(name), Value: value, Path: "/", Secure: l.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	switch {
	case age > 0:
		c.MaxAge = int(age / time.Second)
	case age < 0:
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
