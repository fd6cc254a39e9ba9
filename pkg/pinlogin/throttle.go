package pinlogin

import (
	"context"
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// Limits of wrong PINs within window. From a network of its own an application counts alone (limitOwn) and looks at none
// of the others: whatever strangers do to its name or elsewhere, it gets in. Strangers share the three others.
const (
	window = 15 * time.Minute

	limitOwn         = 5   // one name from a network of its own
	limitNameNetwork = 5   // one name from one /24 or /64
	limitNetwork     = 100 // all names from one /24 or /64 (PIN-04: one PIN, many names)
	limitName        = 50  // one name from everywhere (PIN-04: one name, many networks)

	// knownFor is how long an address counts as the application's own after a login from it.
	knownFor = 30 * 24 * time.Hour
	// A range shorter than these is much of the Internet, and no network of anybody's own.
	ownBits4, ownBits6 = 8, 20
	// localShare divides the limits while the shared counters are away: every node then counts alone.
	localShare = 3
)

// counters lists the limits of an attempt, in order. Keys hold no name: counters live in a store that people look into.
func (p *PINLogin) counters(ctx context.Context, a *attempt) []web.Limit {
	who := p.who(a.body.Username)
	if place, ok := a.ownPlace(); ok {
		a.own = true
		return []web.Limit{{Name: "own", Key: "pin:own:" + who + ":" + place, Limit: limitOwn}}
	}
	near := web.Neighbourhood(a.addr, 32, 64)
	// Asked for names that do not exist, too: the work is the same.
	if count, _, err := p.o.Attempts.Count(ctx, knownKey(who, near)); err == nil && count > 0 {
		a.own = true
		return []web.Limit{{Name: "own", Key: "pin:own:" + who + ":" + near, Limit: limitOwn}}
	}
	where := web.Network(a.addr)
	return []web.Limit{
		{Name: "name_network", Key: "pin:name-network:" + who + ":" + where, Limit: limitNameNetwork, Gives: true},
		{Name: "network", Key: "pin:network:" + where, Limit: limitNetwork},
		{Name: "name", Key: "pin:name:" + who, Limit: limitName},
	}
}

// who is a user name in counters.
func (p *PINLogin) who(name string) string {
	sum := p.o.Keys.HashKeys().Hash("pin-login\x00" + name).Sum
	return hex.EncodeToString(sum[:16])
}

func knownKey(who, near string) string { return "pin:known:" + who + ":" + near }

// ownPlace is the part of the application's allowed networks that an attempt comes from: the range, or in a wide one the
// /24 or /64, so that one bad host does not shut a whole company out.
func (a *attempt) ownPlace() (string, bool) {
	if a.app == nil {
		return "", false
	}
	prefix, ok := allowed(a.app.AllowedNetworks, a.addr)
	if !ok {
		return "", false
	}
	least, near := ownBits6, 64
	if prefix.Addr().Is4() {
		least, near = ownBits4, 24
	}
	if prefix.Bits() < least {
		return "", false
	}
	if prefix.Bits() < near {
		return web.Network(a.addr), true
	}
	return prefix.String(), true
}

// allowed returns the narrowest of the ranges that holds the address.
func allowed(networks []string, addr netip.Addr) (found netip.Prefix, ok bool) {
	addr = addr.Unmap().WithZone("")
	for _, text := range networks {
		prefix, err := netip.ParsePrefix(text)
		if err == nil && prefix.Contains(addr) && (!ok || prefix.Bits() > found.Bits()) {
			found, ok = prefix, true
		}
	}
	return found, ok
}

// reserve counts an attempt before anything secret is looked at, by atomic commands, so that parallel attempts cannot
// pass together. The answer depends on counters alone, never on whether the name exists. While the shared store is away
// local buckets decide, and logins go on.
//
// Attempts at one counter wait for each other on this node: an application that starts many instances at once has no
// wrong PIN, and must not be refused for what is only in flight.
func (p *PINLogin) reserve(ctx context.Context, a *attempt) error {
	counters := p.counters(ctx, a)
	leave, err := p.turns.enter(ctx, counters[0].Key)
	if err != nil {
		return err
	}
	a.leave = leave
	over := p.attempts.Reserve(ctx, &a.counted, counters, p.o.Now())
	if over == nil {
		return nil
	}
	if over.Limit.Name != web.LimitLocal { // then the note is there
		web.Note(ctx, "throttle", over.Limit.Name)
	}
	a.wait = over.Wait
	p.alarm(ctx, a, over)
	return throttled(over.Limit.Name)
}

func throttled(counter string) error {
	return &signet.Error{Code: signet.CodeTooMany, Reason: "throttled_" + counter}
}

// alarm records the one attempt in a window that passes a limit: counters are atomic, so that it is one on all nodes
// together.
func (p *PINLogin) alarm(ctx context.Context, a *attempt, over *web.Overrun) {
	if over.Count != over.Limit.Limit+1 {
		return
	}
	event := p.event(a.r, signet.EventCredentialsThrottled, a.app, "pin_"+over.Limit.Name)
	event.Target = "network:" + web.Network(a.addr)
	p.o.Log.WarnContext(ctx, "wrong PINs have reached a limit", "request_id", event.RequestID, "limit", over.Limit.Name, "network", event.Target)
	if err := p.o.Events.Record(ctx, event); err != nil {
		// The refusal stands without it.
		p.o.Log.ErrorContext(ctx, "event not recorded", "request_id", event.RequestID, "kind", event.Kind, "error", err)
	}
}

// settle takes the count of an attempt back that nobody decided: a full pool, a store that is away. A refusal stays.
func (p *PINLogin) settle(ctx context.Context, a *attempt, err error) {
	if status := answers(signet.CodeOf(err)).status; status >= 500 {
		p.release(ctx, a)
	}
}

// release takes an attempt back: it was right, or it was never looked at.
func (p *PINLogin) release(ctx context.Context, a *attempt) {
	p.attempts.Release(ctx, &a.counted)
}

// remember marks an address as the application's own after a login from it. Failing to remember is no failure of the
// login: the next one is counted with strangers.
func (p *PINLogin) remember(ctx context.Context, a *attempt) {
	if a.own || !a.addr.IsValid() {
		return
	}
	key := knownKey(p.who(a.body.Username), web.Neighbourhood(a.addr, 32, 64))
	if _, _, err := p.o.Attempts.Reserve(ctx, key, knownFor); err != nil {
		web.Note(ctx, "throttle", "not_remembered")
	}
}
