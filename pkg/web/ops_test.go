package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// metricOf sums the samples of one metric.
func metricOf(t *testing.T, f *fixture, name string) float64 {
	t.Helper()
	families, err := f.opts.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() == name {
			for _, metric := range family.GetMetric() {
				sum += metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func TestOps(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	app := newFixture(t, func(o *Options) { o.Metrics = registry })
	app.do(t, "POST", "/token", "")
	app.do(t, "GET", "/admin/v1/clients/canary", "")
	app.do(t, "GET", "/canary", "")
	var degraded []string
	failure := errors.New("dial tcp db.internal:5432: refused")
	ops, err := OpsRoutes(OpsOptions{Metrics: registry, Ready: func(context.Context) error { return failure },
		Degraded: func(context.Context) []string { return degraded }})
	if err != nil {
		t.Fatal(err)
	}
	// The second handler of one registry shares the metrics of the first.
	f := newFixture(t, func(o *Options) { o.Routes, o.Metrics = ops, registry })
	if response := f.do(t, "GET", "/livez", ""); response.StatusCode != 200 || bodyOf(t, response) != "ok\n" {
		t.Errorf("/livez answers %d", response.StatusCode)
	}
	response := f.do(t, "GET", "/readyz", "")
	if body := bodyOf(t, response); response.StatusCode != 503 || strings.Contains(body, "db.internal") {
		t.Errorf("/readyz answers %d %q", response.StatusCode, body)
	}
	failure = nil
	if response := f.do(t, "GET", "/readyz", ""); response.StatusCode != 200 {
		t.Errorf("/readyz answers %d once ready", response.StatusCode)
	}
	degraded = []string{"redis"}
	if body := bodyOf(t, f.do(t, "GET", "/readyz", "")); body != "ok\ndegraded: redis\n" {
		t.Errorf("/readyz does not say what is degraded: %q", body)
	}
	response = f.do(t, "GET", "/metrics", "")
	body := bodyOf(t, response)
	for _, want := range []string{
		`signet_http_requests_total{route="/token",status="200"} 1`,
		`signet_http_requests_total{route="/admin/v1/clients/{id}",status="200"} 1`,
		`signet_http_requests_total{route="none",status="404"} 1`,
		`signet_http_request_duration_seconds_count{route="/token"} 1`,
		"\ngo_goroutines ", "\nprocess_open_fds ", "\nprocess_resident_memory_bytes ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(body, "canary") {
		t.Error("a caller's path became a label")
	}
	if _, err := OpsRoutes(OpsOptions{}); err == nil {
		t.Error("OpsRoutes without a registry is accepted")
	}
	if got := f.do(t, http.MethodPost, "/metrics", "").StatusCode; got != 405 {
		t.Errorf("POST /metrics answers %d", got)
	}
}
