package login

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// Limits of guesses within window. A browser that is known for a name counts alone (limitKnown) and looks at none of
// the others: whatever strangers do to a name or a network, its owner gets in from a browser used before. Strangers
// share the three others.
const (
	window = 15 * time.Minute

	limitKnown       = 10  // one name at one known browser
	limitNameNetwork = 10  // one name from one /24 or /64
	limitNetwork     = 300 // all names from one /24 or /64 (ENU-04)
	limitName        = 50  // one name from everywhere

	// localShare divides the limits while the shared counters are away: every node then counts alone.
	localShare = 3
)

// countersFor lists the limits of a guess at name, in order. Keys hold no name: counters live in a store that people
// look into.
func (l *Login) countersFor(r *http.Request, name string) []web.Limit {
	sum := l.HashKeys().Hash("login-name\x00" + normalName(name)).Sum
	who := hex.EncodeToString(sum[:16])
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

// reserve counts a guess before the password is looked at, by atomic commands, so that parallel guesses cannot pass
// together (ENU-05). counted is what release takes back. wait is above 0 when it is refused; the answer depends on counters
// alone, never on whether the name exists. While the shared store is away, local buckets decide, and logins go on.
func (l *Login) reserve(r *http.Request, name string) (counted []string, wait time.Duration) {
	ctx := r.Context()
	counters := l.countersFor(r, name)
	counted, over, err := web.ReserveAll(ctx, l.Attempts, counters, window)
	switch {
	case err != nil:
		web.Note(ctx, "throttle", "local")
		l.Log.WarnContext(ctx, "shared counters did not answer, counting here alone", "request_id", web.RequestID(ctx), "error", err)
		if wait = l.local.Take(counters, l.now()); wait > 0 {
			l.Meter.LoginThrottled("local")
		}
		return nil, wait
	case over != nil:
		web.Note(ctx, "throttle", "refused")
		l.alarm(r, over)
		return nil, over.Wait
	}
	return counted, 0
}

// alarm counts a refusal. The one guess in a window that passes the limit of a network is also recorded: many names from
// one place are somebody with a list (ENU-04). Counters are atomic, so that it is one on all nodes together.
func (l *Login) alarm(r *http.Request, over *web.Overrun) {
	l.Meter.LoginThrottled(over.Limit.Name)
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

// release takes a guess back: it was right, or it was never looked at.
func (l *Login) release(ctx context.Context, counted []string) {
	web.ReleaseAll(ctx, l.Attempts, counted)
}
