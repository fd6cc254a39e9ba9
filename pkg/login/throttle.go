package login

import (
	"encoding/hex"
	"net/http"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// Limits of guesses within window. A browser that is known for a name counts alone (limitKnown) and looks at none of
// the others: whatever strangers do to a name or a network, its owner gets in from a browser used before. Strangers
// share the three others.
//
// The name that was typed is counted first, before anything is looked up, and the answer says when there were too many: it
// depends on the text alone, so it tells nothing of who exists. But a user has two names, the user name and the e-mail
// address, which would give twice the guesses. So the user that the name leads to is counted too, by the same limits,
// before the password is looked at. A refusal there must not be seen: that guesses at one name use up those of another
// would tell that both are of one person, who exists. It looks, and takes as long, as a wrong password does. A name that
// leads to nobody is counted at a user of its own, by as many commands.
const (
	window = 15 * time.Minute

	limitKnown       = 10  // one name, or one user, at one known browser
	limitNameNetwork = 10  // one name, or one user, from one /24 or /64
	limitNetwork     = 300 // all names from one /24 or /64 (ENU-04)
	limitName        = 50  // one name, or one user, from everywhere

	// localShare divides the limits while the shared counters are away: every node then counts alone.
	localShare = 3
)

// limitsOfName lists the limits of a guess at a name that was typed, in order.
func (l *Login) limitsOfName(r *http.Request, name string) []web.Limit {
	who := l.counted("login-name", normalName(name))
	if k := l.knownOf(r); k.has(name) {
		return []web.Limit{{Name: "known", Key: "login:known:" + who + ":" + k.Browser, Limit: limitKnown}}
	}
	where := web.Network(web.ClientAddr(r.Context()))
	return []web.Limit{
		{Name: "name_network", Key: "login:name-network:" + who + ":" + where, Limit: limitNameNetwork, Gives: true},
		{Name: "network", Key: "login:network:" + where, Limit: limitNetwork},
		{Name: "name", Key: "login:name:" + who, Limit: limitName},
	}
}

// limitsOfUser lists the limits of a guess at the user that the name led to, nil for nobody, and says where its password
// waits. turn.Known: this browser is the user's, so that a refusal may be seen.
func (l *Login) limitsOfUser(r *http.Request, user *signet.User, name string) (limits []web.Limit, turn Turn) {
	who := l.counted("login-nobody", normalName(name))
	if user != nil {
		who = l.counted("login-user", string(user.ID))
		if k := l.knownOf(r); k.hasUser(user.ID) {
			key := "login:user-known:" + who + ":" + k.Browser
			return []web.Limit{{Name: "known", Key: key, Limit: limitKnown}}, Turn{Known: true, Line: k.Browser}
		}
	}
	where := web.Network(web.ClientAddr(r.Context()))
	return []web.Limit{
		{Name: "user_network", Key: "login:user-network:" + who + ":" + where, Limit: limitNameNetwork},
		{Name: "user", Key: "login:user:" + who, Limit: limitName},
	}, Turn{Line: where}
}

// counted is what stands in a key instead of a name: counters live in a store that people look into.
func (l *Login) counted(kind, name string) string {
	sum := l.HashKeys().Hash(kind + "\x00" + name).Sum
	return hex.EncodeToString(sum[:16])
}

// tooMany says that a guess was refused, and that its browser may know.
type tooMany struct{ wait time.Duration }

// Error names it for the log.
func (*tooMany) Error() string { return "too many guesses" }

// reserve counts a guess before the password is looked at (ENU-05). It returns the limit that refuses it, nil when it may
// go on.
func (l *Login) reserve(r *http.Request, guess *web.Counted, limits []web.Limit) *web.Overrun {
	over := l.guesses.Reserve(r.Context(), guess, limits, l.now())
	if over != nil {
		l.alarm(r, over)
	}
	return over
}

// alarm counts a refusal. The one guess in a window that passes the limit of a network is also recorded: many names from
// one place are somebody with a list (ENU-04). Counters are atomic, so that it is one on all nodes together.
func (l *Login) alarm(r *http.Request, over *web.Overrun) {
	l.Meter.LoginThrottled(over.Limit.Name)
	if over.Limit.Name != web.LimitLocal { // then the note is there
		web.Note(r.Context(), "throttle", "refused")
	}
	if over.Limit.Name != "network" || over.Count != over.Limit.Limit+1 {
		return
	}
	ctx := r.Context()
	event := l.event(r, signet.EventLoginThrottled, "", "")
	event.Target, event.Reason = "network:"+web.Network(web.ClientAddr(ctx)), "network_limit"
	l.Log.WarnContext(ctx, "a network has reached its limit of logins", "request_id", event.RequestID, "network", event.Target)
	if err := l.Events.Record(ctx, event); err != nil {
		// The refusal stands without it.
		l.Log.ErrorContext(ctx, "event not recorded", "request_id", event.RequestID, "kind", event.Kind, "error", err)
	}
}
