package main

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/redisstore"
)

// alarms are the metrics that no HTTP status tells.
type alarms struct {
	failures  *prometheus.CounterVec
	throttled *prometheus.CounterVec
}

// LoginFailed implements login.Meter.
func (a *alarms) LoginFailed(outcome string) { a.failures.WithLabelValues(outcome).Inc() }

// LoginThrottled implements login.Meter.
func (a *alarms) LoginThrottled(limit string) { a.throttled.WithLabelValues(limit).Inc() }

// trafficMeter counts traffic events by kind, and the exceptions in records that callers still need, so that an operator
// sees when one can be ended.
type trafficMeter struct {
	events     *prometheus.CounterVec
	departures *prometheus.CounterVec
}

func newTrafficMeter(registry *prometheus.Registry) (*trafficMeter, error) {
	m := &trafficMeter{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_events_total", Help: "Traffic events, by kind.",
		}, []string{"kind"}),
		departures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_departures_used_total", Help: "Requests that only an exception in the caller's record let in, by exception.",
		}, []string{"departure"}),
	}
	return m, errors.Join(registry.Register(m.events), registry.Register(m.departures))
}

// count takes an event. Kinds and departures are words of ours, so that the labels are bounded.
func (m *trafficMeter) count(event signet.Event) {
	m.events.WithLabelValues(string(event.Kind)).Inc()
	if event.Kind == signet.EventDepartureUsed {
		m.departures.WithLabelValues(event.Reason).Inc()
	}
}

// newAlarms registers the metrics; every label starts at 0, so that an alarm on an increase sees the first one too.
func newAlarms(registry *prometheus.Registry, redis *redisstore.Store) (*alarms, error) {
	a := &alarms{
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_login_failures_total", Help: "Logins that were looked at and did not succeed, by outcome.",
		}, []string{"outcome"}),
		throttled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_login_throttled_total", Help: "Guesses at passwords that were refused unseen, by the limit that refused.",
		}, []string{"limit"}),
	}
	for _, outcome := range []string{"unknown_user", "wrong_password", "user_disabled", "no_password", "unreadable_hash", "user_ended", "user_limit", "undecided"} {
		a.failures.WithLabelValues(outcome)
	}
	for _, limit := range []string{"known", "name_network", "network", "name", "user_network", "user", "local"} {
		a.throttled.WithLabelValues(limit)
	}
	err := errors.Join(registry.Register(a.failures), registry.Register(a.throttled))
	if redis != nil {
		err = errors.Join(err, registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "signet_redis_up", Help: "1 while Redis answers this node and may be used.",
		}, func() float64 {
			if redis.Ready(context.Background()) != nil { // bounded by the store's deadline
				return 0
			}
			return 1
		})))
	}
	return a, err
}
