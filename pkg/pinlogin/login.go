package pinlogin

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	maxBody     = 16 << 10
	maxUsername = 254
	// decideWithin bounds all that a login waits for together: each store has a deadline of its own, and one after the
	// other they would add up.
	decideWithin = 3 * time.Second
	// pinWindow is how far the time inside a pin-v2 password may be from ours; markLife is how long its nonce is kept
	// from that time on, so that it is there for as long as the password could pass (wire.md, 5).
	pinWindow = 5 * time.Minute
	markLife  = 10 * time.Minute
	// noPIN is compared when there is no PIN to compare: the work must be done all the same.
	noPIN = "no pin"
)

type loginBody struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// principals is who an application's tokens speak for.
type principals struct {
	app    *signet.PINApplication // nil: there is none of that name
	client *signet.Client
	user   *signet.User
}

// notBefore is not-before-policy: the Unix second up to which this application's tokens are taken back, 0 if never.
func (w *principals) notBefore() int64 {
	return max(signet.LastSecond(w.client.NotBefore), signet.LastSecond(w.user.NotBefore))
}

// attempt is one login on its way through the checks.
type attempt struct {
	r    *http.Request
	body loginBody
	addr netip.Addr
	principals
	counted web.Counted   // what release takes back
	wait    time.Duration // with CodeTooMany
	leave   func()        // ends this attempt's turn
	own     bool          // from a network of the application's own
	// fault is the first thing found wrong, "" so far. It is no answer yet: the work of a comparison comes first.
	fault  string
	opened opened
	issued *signet.IssuedGrant
}

// suspect notes a fault.
func (a *attempt) suspect(reason string) {
	if a.fault == "" {
		a.fault = reason
	}
}

// Token answers POST /auth, and POST /token with a JSON body.
func (p *PINLogin) Token(w http.ResponseWriter, r *http.Request) {
	began := p.o.Now()
	ctx, cancel := context.WithTimeout(r.Context(), decideWithin)
	defer cancel()
	r = r.WithContext(ctx)
	a := &attempt{r: r, addr: web.ClientAddr(ctx), leave: func() {}}
	err := p.login(ctx, a)
	a.leave()
	if err != nil {
		p.refused(a, err)
		p.fail(w, r, err, a.wait)
		return
	}
	p.succeed(w, began, &a.principals, a.issued)
}

// login runs the checks in their order and settles the counters.
func (p *PINLogin) login(ctx context.Context, a *attempt) error {
	for _, check := range []func(context.Context, *attempt) error{
		p.parse,       // 400, 413, 415
		p.find,        // the application, or nobody
		p.reserve,     // 429; counted before anything secret is looked at
		p.state,       // client and user
		p.network,     // allowed_networks, certificate
		p.mode,        // mode_ends
		p.decrypt,     // under each live key
		p.compare,     // one argon2id verification; the first answer to whatever was found wrong above
		p.inTime,      // pin-v2: ±5 min
		p.consume,     // the nonce, last: a stranger or a wrong PIN must not use it up
		p.startGrant,  // tokens
		p.acknowledge, // departures, known network
	} {
		if err := check(ctx, a); err != nil {
			p.settle(ctx, a, err)
			return err
		}
	}
	p.release(ctx, a)
	return nil
}

// denied is every failed credential: one code, and so one answer.
func denied(reason string) error { return &signet.Error{Code: signet.CodeAccessDenied, Reason: reason} }

func (p *PINLogin) parse(_ context.Context, a *attempt) error {
	if err := decode(a.r, &a.body); err != nil {
		return err
	}
	if a.body.Username == "" || a.body.Password == "" {
		return signet.NewError(signet.CodeInvalidRequest, "", "member_missing")
	}
	return nil
}

func decode(r *http.Request, into any) error {
	reader := web.JSONBody{Max: maxBody}
	body, err := reader.Read(r)
	if err != nil {
		return err
	}
	return reader.Decode(body, into)
}

// find looks the application up. A name that none can have is not asked for: a NUL would be a fault of the database.
// The look-up reads the database for every name, known or not (ENU-01), and so a PIN or key that was just changed counts
// at once.
func (p *PINLogin) find(ctx context.Context, a *attempt) error {
	if !validUsername(a.body.Username) {
		a.suspect("unknown_application")
		return nil
	}
	app, err := p.o.Applications.PINApplication(ctx, a.body.Username)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		a.suspect("unknown_application")
		return nil
	case err != nil:
		return err
	}
	a.app = app
	web.Note(ctx, "client_id", string(app.ID))
	return nil
}

func validUsername(name string) bool {
	if name == "" || len(name) > maxUsername || !utf8.ValidString(name) {
		return false
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}

func (p *PINLogin) state(ctx context.Context, a *attempt) error {
	if a.app == nil {
		return nil
	}
	fault, err := p.load(ctx, &a.principals)
	if err == nil && fault != "" {
		a.suspect(fault)
	}
	return err
}

// load reads client and user of an application and says what is wrong with them, "" for nothing.
func (p *PINLogin) load(ctx context.Context, who *principals) (fault string, err error) {
	client, err := p.o.Records.Client(ctx, who.app.ID)
	if err == nil {
		who.client = client
		who.user, err = p.o.Records.User(ctx, who.app.UserID())
	}
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return "application_incomplete", nil
	case err != nil:
		return "", err
	case client.Disabled():
		return "client_disabled", nil
	case who.user.Disabled():
		return "user_disabled", nil
	case !client.MayUse(signet.GrantPIN):
		return "grant_not_registered", nil
	}
	return "", nil
}

func (p *PINLogin) network(_ context.Context, a *attempt) error {
	if a.app != nil {
		if fault := p.transport(a.r, a.app); fault != "" {
			a.suspect(fault)
		}
	}
	return nil
}

// transport says what is wrong with where a request comes from, "" for nothing.
func (p *PINLogin) transport(r *http.Request, app *signet.PINApplication) string {
	if len(app.AllowedNetworks) > 0 {
		if _, ok := allowed(app.AllowedNetworks, web.ClientAddr(r.Context())); !ok {
			return "network_not_allowed"
		}
	}
	if app.TLSClientCertificate == "" {
		return ""
	}
	if p.o.Certificate == nil || p.o.Certificate(r) != app.TLSClientCertificate {
		return "certificate"
	}
	return ""
}

func (p *PINLogin) mode(_ context.Context, a *attempt) error {
	if a.app != nil && a.app.ModeEnds != nil && !p.o.Now().Before(*a.app.ModeEnds) {
		a.suspect("mode_ended")
	}
	return nil
}

// compare verifies the PIN, or does the work of it. From here on a fault is an answer.
func (p *PINLogin) compare(ctx context.Context, a *attempt) error {
	phc, pin := p.o.Passwords.Nobody(), noPIN
	if a.app != nil && a.app.PINHash != "" {
		phc = a.app.PINHash
	}
	if a.opened.pin != "" {
		pin = a.opened.pin
	}
	match, err := p.o.Passwords.Verify(ctx, phc, pin)
	if err != nil && signet.CodeOf(err) != signet.CodeUnavailable {
		// The stored hash cannot be read: an operator must know, the caller must not.
		p.o.Log.ErrorContext(ctx, "stored PIN hash is unreadable", "request_id", web.RequestID(ctx), "error", err)
		a.suspect("unreadable_hash")
		match, err = p.o.Passwords.Verify(ctx, p.o.Passwords.Nobody(), pin)
	}
	switch {
	case err != nil:
		return err
	case a.fault != "":
		return denied(a.fault)
	case !match:
		return denied("wrong_pin")
	}
	return nil
}

func (p *PINLogin) inTime(_ context.Context, a *attempt) error {
	if modeOf(a.app.Mode) != signet.PINv2 {
		return nil
	}
	switch off := p.o.Now().Sub(a.opened.at); {
	case off > pinWindow:
		return denied("password_too_old")
	case off < -pinWindow:
		return denied("password_from_the_future")
	}
	return nil
}

func (p *PINLogin) startGrant(ctx context.Context, a *attempt) (err error) {
	a.issued, err = p.o.Grants.StartGrant(ctx, &signet.GrantOrder{
		ClientID: a.app.ID, UserID: a.app.UserID(), ACR: signet.ACRPIN, AMR: []string{signet.AMRPIN},
		Lifetime: a.app.GrantLifetime.Or(signet.PINGrantLife),
	})
	return err
}

// acknowledge counts the use of a departure and remembers where the application lives.
func (p *PINLogin) acknowledge(ctx context.Context, a *attempt) error {
	web.Note(ctx, "key_id", string(a.opened.key.ID))
	if mode := modeOf(a.app.Mode); !recommended(mode) {
		event := p.event(a.r, signet.EventDepartureUsed, a.app, "pin_mode_"+reasonForm(mode))
		event.KeyID = string(a.opened.key.ID)
		web.Note(ctx, "departure", event.Reason)
		p.o.Events.Traffic(event)
	}
	p.remember(ctx, a)
	return nil
}

// refused writes the event of a refusal. What nobody could decide is no refusal.
func (p *PINLogin) refused(a *attempt, err error) {
	switch answers(signet.CodeOf(err)).status {
	case http.StatusUnauthorized, http.StatusTooManyRequests:
	default:
		return
	}
	event := p.event(a.r, signet.EventPINRefused, a.app, signet.ReasonOf(err))
	if a.opened.key != nil {
		event.KeyID = string(a.opened.key.ID)
	}
	p.o.Events.Traffic(event)
}
