package main

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signet-auth/signet/pkg/signet"
)

// What operators must be able to end is counted by name; other events are by their kind alone.
func TestTrafficMeter(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	meter, err := newTrafficMeter(registry)
	if err != nil {
		t.Fatal(err)
	}
	meter.count(signet.Event{Kind: signet.EventDepartureUsed, Reason: "assertion_audience"})
	meter.count(signet.Event{Kind: signet.EventDepartureUsed, Reason: "assertion_audience"})
	meter.count(signet.Event{Kind: signet.EventTokenRefused, Reason: "client_disabled"})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			got[family.GetName()+" "+metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
		}
	}
	want := map[string]float64{"signet_departures_used_total assertion_audience": 2, "signet_events_total departure.used": 2,
		"signet_events_total token.refused": 1}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
}
