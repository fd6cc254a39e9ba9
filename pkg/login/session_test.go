package login_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/login"
	"github.com/signet-auth/signet/pkg/signet"
)

func cookieValue(b *browser, name string) string { return b.cookies["__Host-signet_"+name] }

// A login at a browser where the same person is logged in goes on under the same sid, with a new secret.
func TestLoginAgainRenews(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	first, thief := b.session(), b.copy()
	h.clock.Advance(time.Hour)
	b.logIn("ada", password)
	second := b.session()
	if second.ID != first.ID || !second.AuthTime.Equal(h.clock.Now()) || !second.ExpiresAt.Equal(h.clock.Now().Add(24*time.Hour)) {
		t.Errorf("session %+v after %+v", second, first)
	}
	if cookieValue(b, "session") == cookieValue(thief, "session") || thief.session() != nil {
		t.Error("the cookie of before the login still works (session fixation)")
	}
}

// Another person's login ends the session before.
func TestLoginAsAnotherReplaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	bob := h.addUser("bob", password, nil)
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	first, old := b.session(), b.copy()
	h.clock.Advance(time.Second)
	b.logIn("bob", password)
	if s := b.session(); s == nil || s.UserID != bob.ID || s.ID == first.ID {
		t.Errorf("session %+v", s)
	}
	if old.session() != nil {
		t.Error("the first person's session still works")
	}
}

// A wrong password leaves whoever is logged in alone.
func TestRefusalKeepsSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	first := b.session()
	b.logIn("bob", "wrong")
	if s := b.session(); s == nil || s.ID != first.ID {
		t.Errorf("session %+v, want %s", s, first.ID)
	}
}

// ENU-13: 12 hours idle, 24 hours at most; use is written once a minute.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps []time.Duration
		lives bool
	}{
		{"idle, just inside", []time.Duration{12*time.Hour - time.Second}, true},
		{"idle, over", []time.Duration{12 * time.Hour}, false},
		{"used at times", []time.Duration{11 * time.Hour, 11 * time.Hour}, true},
		{"used at times, too old", []time.Duration{11 * time.Hour, 11 * time.Hour, 2 * time.Hour}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			b := h.browser("192.0.2.1")
			b.logIn("ada", password)
			var s *signet.Session
			for _, step := range c.steps {
				h.clock.Advance(step)
				s = b.session()
			}
			if (s != nil) != c.lives {
				t.Errorf("session %+v, want alive: %v", s, c.lives)
			}
		})
	}
}

func TestSessionIsTouchedOnceAMinute(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	start := h.clock.Now()
	for _, c := range []struct{ step, seen time.Duration }{{59 * time.Second, 0}, {time.Second, time.Minute}, {30 * time.Second, time.Minute}} {
		h.clock.Advance(c.step)
		b.session()
		stored, err := h.store.FindSession(t.Context(), h.ring.HashKeys().Candidates(cookieValue(b, "session")))
		h.must(err)
		if got := stored.LastSeenAt.Sub(start); got != c.seen {
			t.Errorf("seen %s after the login, want %s", got, c.seen)
		}
	}
}

// The idle end never lies beyond the absolute one.
func TestIdleEndsWithTheSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	for range 2 {
		h.clock.Advance(11 * time.Hour)
		if s := b.session(); s == nil || s.IdleExpiresAt.After(s.ExpiresAt) {
			t.Errorf("session %+v", s)
		}
	}
}

// lookedUp counts the sessions that are looked for, fails to touch them on demand, and lets something happen before one is
// renewed.
type lookedUp struct {
	login.Sessions
	times  atomic.Int64
	broken atomic.Bool
	before func()
}

func (l *lookedUp) TouchSession(ctx context.Context, id signet.SessionID, seen, idle time.Time) error {
	if l.broken.Load() {
		return signet.Unavailable(errors.New("the store is away"))
	}
	return l.Sessions.TouchSession(ctx, id, seen, idle)
}

func (l *lookedUp) RenewSession(ctx context.Context, session *signet.Session, event signet.Event) error {
	if l.before != nil {
		l.before()
	}
	return l.Sessions.RenewSession(ctx, session, event)
}

// A session whose use cannot be written is good all the same.
func TestSessionThatIsNotTouched(t *testing.T) {
	t.Parallel()
	sessions := &lookedUp{}
	h := newHouse(t, func(o *login.Options) { sessions.Sessions, o.Sessions = o.Sessions, sessions })
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	h.clock.Advance(time.Hour)
	sessions.broken.Store(true)
	if b.session() == nil {
		t.Error("the person is logged out")
	}
}

// A session that ends while its person types the password again, in another tab perhaps, is not the one that goes on.
func TestSessionEndsDuringLogin(t *testing.T) {
	t.Parallel()
	sessions := &lookedUp{}
	h := newHouse(t, func(o *login.Options) { sessions.Sessions, o.Sessions = o.Sessions, sessions })
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	first := b.session().ID
	sessions.before = func() {
		h.must(h.store.EndSession(t.Context(), first, "logout", h.event(signet.EventSessionEnded)))
	}
	h.clock.Advance(time.Second)
	if got := b.logIn("ada", password); got.Code != http.StatusSeeOther {
		t.Fatalf("%d", got.Code)
	}
	if s := b.session(); s == nil || s.ID == first || s.UserID != h.ada.ID {
		t.Errorf("session %+v, before it %s", s, first)
	}
	events := h.events(signet.EventLoginSucceeded)
	if last := events[len(events)-1]; last.Target != "session:"+string(b.session().ID) || last.Reason != "" {
		t.Errorf("event %+v", last)
	}
}

func (l *lookedUp) FindSession(ctx context.Context, hashes []signet.SecretHash) (*signet.Session, error) {
	l.times.Add(1)
	return l.Sessions.FindSession(ctx, hashes)
}

// What is no session cookie of ours never reaches the store, and two of one name are none: either may be planted.
func TestSessionCookieIsRead(t *testing.T) {
	t.Parallel()
	sessions := &lookedUp{}
	h := newHouse(t, func(o *login.Options) { sessions.Sessions, o.Sessions = o.Sessions, sessions })
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	good := cookieValue(b, "session")
	for name, cookies := range map[string][]string{
		"none":             nil,
		"noise":            {"noise"},
		"altered":          {good[:len(good)-1] + "!"},
		"of another kind":  {cookieValue(b, "browser")},
		"unknown":          {signet.NewSecret(signet.SecretSession).Reveal()},
		"two":              {good, signet.NewSecret(signet.SecretSession).Reveal()},
		"without a prefix": nil,
	} {
		t.Run(name, func(t *testing.T) {
			r := (&browser{h: h, address: "192.0.2.1"}).request(http.MethodGet, "/", nil, nil)
			for _, v := range cookies {
				r.AddCookie(&http.Cookie{Name: "__Host-signet_session", Value: v})
			}
			if name == "without a prefix" {
				r.AddCookie(&http.Cookie{Name: "signet_session", Value: good})
			}
			before := sessions.times.Load()
			if s, err := h.login.Session(r); s != nil || err != nil {
				t.Errorf("session %v, error %v", s, err)
			}
			if looked := sessions.times.Load() != before; looked != (name == "unknown") {
				t.Errorf("looked up: %v", looked)
			}
		})
	}
}

// Disabling a person and changing a password end what is there (ENU-14), and a login that was under way with the old
// password does not outlive the change.
func TestUserActsEndSessions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	b.logIn("ada", password)
	h.clock.Advance(time.Second)
	phc, err := h.passwords.Hash(t.Context(), "another good long password")
	h.must(err)
	h.must(h.store.SetPassword(t.Context(), h.ada.ID, phc, h.event(signet.EventPasswordChanged)))
	if b.session() != nil {
		t.Error("the session outlives a password change")
	}
	h.clock.Advance(time.Second)
	if got := b.logIn("ada", password); got.Code != http.StatusOK || b.session() != nil {
		t.Errorf("the old password: %d", got.Code)
	}
	if got := b.logIn("ada", "another good long password"); got.Code != http.StatusSeeOther {
		t.Errorf("the new password: %d", got.Code)
	}
}

// Two changes of a password within a second put the limit ahead of the clock. Who logs in after them is in at once, and the
// third one ends that session too.
func TestPasswordChangedTwiceWithinASecond(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	phc, err := h.passwords.Hash(t.Context(), "another good long password")
	h.must(err)
	b := h.browser("192.0.2.1")
	change := func() {
		h.clock.Advance(10 * time.Millisecond)
		h.must(h.store.SetPassword(t.Context(), h.ada.ID, phc, h.event(signet.EventPasswordChanged)))
		if b.session() != nil {
			t.Error("the session outlives a password change")
		}
	}
	for i := range 3 {
		change()
		h.clock.Advance(10 * time.Millisecond)
		if got := b.logIn("ada", "another good long password"); got.Code != http.StatusSeeOther || b.session() == nil {
			t.Fatalf("after change %d: %d", i+1, got.Code)
		}
		user, err := h.store.User(t.Context(), h.ada.ID)
		h.must(err)
		if session := b.session(); !session.AuthTime.After(user.NotBefore) || session.AuthTime.After(h.clock.Now().Add(signet.MaxAhead)) {
			t.Errorf("authenticated at %s, limit %s, now %s", session.AuthTime, user.NotBefore, h.clock.Now())
		}
	}
	change()
}

// duringLogin is records in which something happens right after the user was read.
type duringLogin struct {
	login.Records
	act func()
}

func (d *duringLogin) UserByLogin(ctx context.Context, name string) (*signet.User, error) {
	user, err := d.Records.UserByLogin(ctx, name)
	if d.act != nil {
		d.act()
	}
	return user, err
}

// A password that is changed while the old one is being compared ends that login too.
func TestPasswordChangedDuringLogin(t *testing.T) {
	t.Parallel()
	records := &duringLogin{}
	h := newHouse(t, func(o *login.Options) { records.Records, o.Records = o.Records, records })
	records.act = func() {
		h.clock.Advance(time.Second)
		h.must(h.store.SetPassword(t.Context(), h.ada.ID, h.passwords.Nobody(), h.event(signet.EventPasswordChanged)))
		h.clock.Advance(time.Second)
	}
	b := h.browser("192.0.2.1")
	got := b.logIn("ada", password)
	if got.Code != http.StatusOK || b.session() != nil || !strings.Contains(got.body, "do not match") {
		t.Errorf("%d:\n%s", got.Code, got.body)
	}
	if e := h.events(signet.EventLoginFailed); len(e) != 1 || e[0].Reason != "user_ended" {
		t.Errorf("events %+v", e)
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser("192.0.2.1")
	r := b.request(http.MethodGet, "/authorize", nil, nil)
	once, twice := h.login.Bind(nil, r), h.login.Bind(nil, r) // with the cookie nothing is written
	if once == "" || once != twice || len(once) != 64 || strings.Contains(cookieValue(b, "browser"), once) {
		t.Errorf("hashes %q and %q", once, twice)
	}
	// What somebody planted, who could guess its hash, binds nothing.
	for _, planted := range []string{"noise", "", cookieValue(b, "browser")[:20], signet.NewSecret(signet.SecretSession).Reveal()} {
		b.cookies["__Host-signet_browser"] = planted
		if got := h.login.Bound(b.request(http.MethodGet, "/", nil, nil)); got != "" {
			t.Errorf("%q is bound to %q", planted, got)
		}
	}
	if other := h.browser("192.0.2.1"); h.login.Bind(nil, other.request(http.MethodGet, "/", nil, nil)) == once {
		t.Error("two browsers have one hash")
	}
}
