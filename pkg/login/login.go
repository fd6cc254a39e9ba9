package login

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/templates"
)

// Defaults of a session (design.md, decision 9).
const (
	DefaultSessionIdle = 12 * time.Hour
	DefaultSessionMax  = 24 * time.Hour
)

// Options is what Login needs. Everything is required but the memberships and the two lifetimes.
type Options struct {
	Issuer   string
	Records  Records
	Sessions Sessions
	Consents Consents
	// Memberships are what /account shows; nil: there is no such page.
	Memberships Memberships
	Attempts    Attempts
	Flows       Flows
	Hints       Hints
	Events      Events
	Meter       Meter
	HashKeys    func() signet.HashKeys
	Sealer      Sealer
	Passwords   *Passwords
	Pages       *templates.Pages
	// Secure cookies with the __Host- prefix: everywhere but over plain http in development.
	Secure bool
	Now    func() time.Time
	Log    *slog.Logger
	// SessionIdle ends a session that is not used, SessionMax any session. 0: the defaults.
	SessionIdle time.Duration
	SessionMax  time.Duration
}

// Login serves the pages and knows who sits at a browser. It is safe for concurrent use.
type Login struct {
	Options
	guesses *web.Attempts
}

// New checks the options.
func New(opts Options) (*Login, error) {
	var missing []string
	need := func(name string, present bool) {
		if !present {
			missing = append(missing, name)
		}
	}
	need("Issuer", opts.Issuer != "")
	need("Records", opts.Records != nil)
	need("Sessions", opts.Sessions != nil)
	need("Consents", opts.Consents != nil)
	need("Attempts", opts.Attempts != nil)
	need("Flows", opts.Flows != nil)
	need("Hints", opts.Hints != nil)
	need("Events", opts.Events != nil)
	need("Meter", opts.Meter != nil)
	need("HashKeys", opts.HashKeys != nil)
	need("Sealer", opts.Sealer != nil)
	need("Passwords", opts.Passwords != nil)
	need("Pages", opts.Pages != nil)
	need("Now", opts.Now != nil)
	need("Log", opts.Log != nil)
	if len(missing) > 0 {
		return nil, errors.New("login: missing " + strings.Join(missing, ", "))
	}
	if opts.SessionIdle == 0 {
		opts.SessionIdle = DefaultSessionIdle
	}
	if opts.SessionMax == 0 {
		opts.SessionMax = DefaultSessionMax
	}
	if opts.SessionIdle < 0 || opts.SessionMax < opts.SessionIdle {
		return nil, errors.New("login: SessionMax must be at least SessionIdle, and both positive")
	}
	return &Login{Options: opts, guesses: web.NewAttempts(opts.Attempts, window, localShare, opts.Log)}, nil
}

// Routes returns the pages and their assets.
func (l *Login) Routes() []web.Route {
	route := func(name, method, path string, do page) web.Route {
		return web.Route{Name: name, Methods: []string{method}, Path: path, Class: web.ClassPage, Handler: l.serve(do)}
	}
	routes := []web.Route{
		route("login", http.MethodGet, "/login", l.getLogin),
		route("login-post", http.MethodPost, "/login", l.postLogin),
		route("consent", http.MethodGet, "/consent", l.getConsent),
		route("consent-post", http.MethodPost, "/consent", l.postConsent),
		route("logout", http.MethodGet, "/logout", l.getLogout),
		route("logout-post", http.MethodPost, "/logout", l.postLogout),
		route("logged-out", http.MethodGet, "/logged-out", l.getLoggedOut),
		{Name: "assets", Methods: []string{http.MethodGet}, Path: templates.AssetPrefix + "{name}", Class: web.ClassAsset,
			Handler: templates.Assets().ServeHTTP},
	}
	if l.Memberships != nil {
		routes = append(routes, route("account", http.MethodGet, "/account", l.getAccount),
			route("account-post", http.MethodPost, "/account", l.postAccount))
	}
	return routes
}

// now is the time to the microsecond, which is what stores keep: a time that was written must compare equal when read.
func (l *Login) now() time.Time { return l.Now().UTC().Truncate(time.Microsecond) }

// event begins an audit event of this request.
func (l *Login) event(r *http.Request, kind signet.EventKind, user signet.UserID, client signet.ClientID) signet.Event {
	ev := web.NewEvent(r.Context(), kind, l.now())
	ev.Actor, ev.ClientID, ev.UserID = "anonymous", client, user
	if user != "" {
		ev.Actor = "user:" + string(user)
	}
	return ev
}
