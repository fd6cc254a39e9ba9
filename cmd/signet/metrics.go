package main

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

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
	for _, outcome := range []string{"unknown_user", "wrong_password", "user_disabled", "no_password", "unreadable_hash", "user_ended", "undecided"} {
		a.failures.WithLabelValues(outcome)
	}
	for _, limit := range []string{"known", "name_network", "network", "name", "local"} {
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
