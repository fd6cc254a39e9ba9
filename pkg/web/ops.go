package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// OpsOptions is what OpsRoutes needs; Metrics and Ready are required.
type OpsOptions struct {
	Metrics *prometheus.Registry
	// Ready returns nil while the process wants traffic: its stores answer and it is not draining.
	Ready func(ctx context.Context) error
	// Degraded names what is away while the process goes on without it; nil: nothing ever is.
	Degraded func(ctx context.Context) []string
}

// OpsRoutes returns /livez, /readyz and /metrics, for the operations listener only. It adds the metrics of the process
// (go_goroutines, process_open_fds, …) to the registry: by them an attack with connections shows.
func OpsRoutes(opts OpsOptions) ([]Route, error) {
	if opts.Metrics == nil || opts.Ready == nil {
		return nil, errors.New("web: OpsRoutes needs Metrics and Ready")
	}
	if err := errors.Join(opts.Metrics.Register(collectors.NewGoCollector()),
		opts.Metrics.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))); err != nil {
		return nil, err
	}
	get := []string{http.MethodGet}
	metrics := promhttp.HandlerFor(opts.Metrics, promhttp.HandlerOpts{})
	return []Route{
		{Name: "livez", Methods: get, Path: "/livez", Class: ClassOps, Handler: func(w http.ResponseWriter, _ *http.Request) {
			writeBody(w, http.StatusOK, headerText, []byte("ok\n"))
		}},
		{Name: "readyz", Methods: get, Path: "/readyz", Class: ClassOps, Handler: func(w http.ResponseWriter, r *http.Request) {
			if err := opts.Ready(r.Context()); err != nil {
				Note(r.Context(), "not_ready", err.Error()) // names hosts: for the log, not for the caller
				writeBody(w, http.StatusServiceUnavailable, headerText, []byte("not ready\n"))
				return
			}
			body := "ok\n"
			if opts.Degraded != nil {
				if away := opts.Degraded(r.Context()); len(away) > 0 {
					body += "degraded: " + strings.Join(away, ", ") + "\n"
				}
			}
			writeBody(w, http.StatusOK, headerText, []byte(body))
		}},
		{Name: "metrics", Methods: get, Path: "/metrics", Class: ClassOps, Handler: metrics.ServeHTTP},
	}, nil
}

var headerText = []string{"text/plain; charset=utf-8"}

// requestMetrics are shared by all handlers of one registry.
type requestMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	limited  *prometheus.CounterVec
	panics   prometheus.Counter
}

func newRequestMetrics(registry *prometheus.Registry) (*requestMetrics, error) {
	m := &requestMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_http_requests_total", Help: "Requests by route template and status.",
		}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "signet_http_request_duration_seconds", Help: "Time from the request's headers to the end of the answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_http_rate_limited_total", Help: "Requests answered 429 by the rate limit of their class.",
		}, []string{"class"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "signet_http_panics_total", Help: "Panics recovered in handlers.",
		}),
	}
	if err := errors.Join(register(registry, &m.requests), register(registry, &m.duration),
		register(registry, &m.limited), register(registry, &m.panics)); err != nil {
		return nil, err
	}
	return m, nil
}

// register adds a collector, or takes over the one that another handler added to the same registry.
func register[T prometheus.Collector](registry *prometheus.Registry, collector *T) error {
	err := registry.Register(*collector)
	var taken prometheus.AlreadyRegisteredError
	if !errors.As(err, &taken) {
		return err
	}
	existing, ok := taken.ExistingCollector.(T)
	if !ok {
		return err
	}
	*collector = existing
	return nil
}

// meter is the metrics of one route.
type meter struct {
	requests *prometheus.CounterVec
	duration prometheus.Observer
}

func (m *requestMetrics) meter(route string) meter {
	return meter{
		requests: m.requests.MustCurryWith(prometheus.Labels{"route": route}),
		duration: m.duration.WithLabelValues(route),
	}
}

func (m meter) observe(status int, took time.Duration) {
	m.requests.WithLabelValues(strconv.Itoa(status)).Inc()
	m.duration.Observe(took.Seconds())
}
