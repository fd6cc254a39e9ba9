package pinlogin

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// Options is what the room needs. All fields but Certificate are required.
type Options struct {
	Applications  Applications
	Records       Records
	Keys          Keys
	Passwords     Passwords
	Marks         Marks
	Spent         Spent
	Grants        Grants
	RefreshTokens RefreshTokens
	Attempts      Attempts
	Events        Events
	// Certificate returns the SHA-256 thumbprint (base64url) of the client certificate that came with a request, "" for
	// none. nil: there is no mutual TLS, and applications that need it are refused.
	Certificate func(r *http.Request) string
	Now         func() time.Time
	Log         *slog.Logger
}

// PINLogin is the room.
type PINLogin struct {
	o        Options
	attempts *web.Attempts
	turns    *turns
	// noKey is the AES key of nobody: an unknown application costs the work of a known one.
	noKey []byte
}

// New checks the options.
func New(o Options) (*PINLogin, error) {
	if o.Applications == nil || o.Records == nil || o.Keys == nil || o.Passwords == nil || o.Marks == nil || o.Spent == nil ||
		o.Grants == nil || o.RefreshTokens == nil || o.Attempts == nil || o.Events == nil || o.Now == nil || o.Log == nil {
		return nil, errors.New("pinlogin: a required option is missing")
	}
	p := &PINLogin{o: o, attempts: web.NewAttempts(o.Attempts, window, localShare, o.Log), turns: newTurns(), noKey: make([]byte, 32)}
	_, _ = rand.Read(p.noKey) // never fails: it ends the process instead
	return p, nil
}

// Routes returns the routes of the room. No page of another origin may call them: no CORS.
func (p *PINLogin) Routes() []web.Route {
	route := func(name, path string, h http.HandlerFunc) web.Route {
		return web.Route{Name: name, Methods: []string{http.MethodPost}, Path: path, Class: web.ClassAPI, CORS: web.CORSNone,
			Handler: h, Refuse: refuse}
	}
	return []web.Route{
		route("pin-auth", "/auth", p.Token),
		route("pin-auth-refresh", "/auth/refresh", p.refresh),
		route("pin-token-refresh", "/token/refresh", p.refresh),
	}
}

// event starts an event of a request.
func (p *PINLogin) event(r *http.Request, kind signet.EventKind, app *signet.PINApplication, reason string) signet.Event {
	event := web.NewEvent(r.Context(), kind, p.o.Now())
	event.Actor, event.Reason = "anonymous", reason
	if app != nil {
		event.Actor, event.ClientID, event.UserID = "client:"+string(app.ID), app.ID, app.UserID()
		event.Target = signet.OwnerPINApplication + string(app.ID)
	}
	return event
}
