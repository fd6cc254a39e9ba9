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

// counter is one limit that a guess has to pass.
type counter struct {
	name  string // for alarms
	key   string
	limit int
	// gives is true for a counter that takes its count back when a later one refuses: a network that is shut must not
	// use up what a name has left.
	gives bool
}

// countersFor lists the limits of a guess at name, in order. Keys hold no name: counters live in a store that people
// look into.
func (l *Login) countersFor(r *http.Request, name string) []counter {
	sum := l.HashKeys().Hash("login-name\x00" + normalName(name)).Sum
	who := hex.EncodeToString(sum[:16])
	if k := l.knownOf(r); k.has(name) {
		return []counter{{name: "known", key: "login:known:" + who + ":" + k.Browser, limit: limitKnown}}
	}
	where := web.Network(web.ClientAddr(r.Context()))
	return []counter{
		{name: "name_network", key: "login:name-network:" + who + ":" + where, limit: limitNameNetwork, gives: true},
		{name: "network", key: "login:network:" + where, limit: limitNetwork},
		{name: "name", key: "login:name:" + who, limit: limitName},
	}
}

// reserve counts a guess before the password is looked at, by atomic commands, so that parallel guesses cannot pass
// together (ENU-05). counted is what release takes back. wait is above 0 when it is refused; the answer depends on counters alone, never on whether
// the name exists. While the shared store is away, local buckets decide, and logins go on.
func (l *Login) reserve(r *http.Request, name string) (counted []string, wait time.Duration) {
	ctx := r.Context()
	counters := l.countersFor(r, name)
	var giveBack []string
	for _, c := range counters {
		count, left, err := l.Attempts.Reserve(ctx, c.key, window)
		if err != nil {
			web.Note(ctx, "throttle", "local")
			l.Log.WarnContext(ctx, "shared counters did not answer, counting here alone", "request_id", web.RequestID(ctx), "error", err)
			if wait = l.local.Take(here(counters), l.now()); wait > 0 {
				l.Meter.LoginThrottled("local")
			}
			return nil, wait
		}
		if count > c.limit {
			web.Note(ctx, "throttle", "refused")
			l.release(ctx, giveBack)
			l.alarm(r, c, count)
			return nil, max(left, time.Second)
		}
		counted = append(counted, c.key)
		if c.gives {
			giveBack = append(giveBack, c.key)
		}
	}
	return counted, 0
}

// alarm counts a refusal. The one guess in a window that passes the limit of a network is also recorded: many names from
// one place are somebody with a list (ENU-04). Counters are atomic, so that it is one on all nodes together.
func (l *Login) alarm(r *http.Request, c counter, count int) {
	l.Meter.LoginThrottled(c.name)
	if c.name != "network" || count != c.limit+1 {
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

// releaseWithin is what taking a guess back may cost beyond the login's own time.
const releaseWithin = 250 * time.Millisecond

// release takes a guess back: it was right, or it was never looked at. That the login ran out of time, or that its
// caller has gone, is no reason to count it.
func (l *Login) release(ctx context.Context, counted []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	for _, key := range counted {
		if err := l.Attempts.Release(ctx, key); err != nil {
			web.Note(ctx, "throttle", "not_released")
			return
		}
	}
}

// here is the share of one node of the limits.
func here(counters []counter) []web.Limit {
	limits := make([]web.Limit, len(counters))
	for i, c := range counters {
		limits[i] = web.Limit{Key: c.key, Limit: max(1, c.limit/localShare)}
	}
	return limits
}
