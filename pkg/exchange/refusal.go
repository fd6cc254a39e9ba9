package exchange

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// refusal is a failed credential: the reason is for the event log only.
func refusal(reason string) error { return signet.NewError(signet.CodeInvalidGrant, refused, reason) }

func tooMany(reason string, wait time.Duration) error {
	return signet.Wait(signet.NewError(signet.CodeTooMany, "Too many requests. Please wait.", reason), wait)
}

// countRefusal counts a failed identity after it was decided, by network and by biller and network. When the network
// has failed too often, over whatever billers, the answer is to slow down.
func (e *Exchange) countRefusal(ctx context.Context, a *attempt, err error) error {
	where := "exchange:network:" + network(ctx)
	if wait, too := e.o.Failures.Refused(ctx, where); too {
		e.alarm(ctx, a)
		return tooMany("too_many_failures", time.Duration(wait)*time.Second)
	}
	e.o.Failures.Failed(ctx, where)
	if a.id.biller != "" {
		e.o.Failures.Failed(ctx, billerKey(ctx, a.id.biller))
	}
	return err
}

func billerKey(ctx context.Context, biller string) string {
	return "exchange:biller:" + biller + "@" + network(ctx)
}

func network(ctx context.Context) string { return web.Network(web.ClientAddr(ctx)) }

// alarmWindow: a network that is shut is recorded once in it.
const alarmWindow = 15 * time.Minute

// alarm records, once a window on all nodes together, that a network is shut for its failures (HMC-16).
func (e *Exchange) alarm(ctx context.Context, a *attempt) {
	key := "exchange:alarm:" + network(ctx)
	if count, _ := e.alarms.add(key, alarmWindow, a.now); count > 1 {
		return
	}
	if count, _, err := e.o.Counter.Reserve(ctx, key, alarmWindow); err == nil && count > 1 {
		return
	}
	ev := e.event(ctx, signet.EventCredentialsThrottled, a)
	ev.Reason, ev.Target = "hmac_failures", "network:"+network(ctx)
	e.record(ctx, ev)
}

// event begins an event with what is known of the identity. The biller is the actor only once it is proven.
func (e *Exchange) event(ctx context.Context, kind signet.EventKind, a *attempt) signet.Event {
	ev := web.NewEvent(ctx, kind, e.o.Now())
	if a == nil {
		return ev
	}
	if a.id.biller != "" {
		ev.Target = signet.PrincipalBiller + a.id.biller
	}
	if a.key != nil {
		ev.Actor, ev.KeyID = a.biller.Principal(), string(a.key.ID)
	}
	if a.req != nil && a.req.Client != nil {
		ev.ClientID = a.req.Client.ID
	}
	return ev
}

// departure counts a request that only an exception in the biller's record let in.
func (e *Exchange) departure(ctx context.Context, a *attempt, which string) {
	ev := e.event(ctx, signet.EventDepartureUsed, a)
	ev.Reason = which
	web.Note(ctx, "departure", which)
	e.o.Events.Traffic(ev)
}

// record writes an alarm. The refusal stands without it.
func (e *Exchange) record(ctx context.Context, ev signet.Event) {
	if err := e.o.Events.Record(context.WithoutCancel(ctx), ev); err != nil {
		e.o.Log.ErrorContext(ctx, "event not recorded", "request_id", ev.RequestID, "kind", ev.Kind, "error", err)
	}
}
