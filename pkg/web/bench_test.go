package web

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// discard is a response writer that costs nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkHotRoute is everything that the kit adds to a request, the log line included.
func BenchmarkHotRoute(b *testing.B) {
	f := newFixture(b, func(o *Options) {
		o.Limits.Off = true
		o.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
		o.Now = time.Now
		o.Routes = append(o.Routes, Route{Name: "hot", Methods: []string{"POST"}, Path: "/hot", Class: ClassToken, CORS: CORSClient,
			Handler: func(http.ResponseWriter, *http.Request) {}})
	})
	r := httptest.NewRequest(http.MethodPost, "/hot", nil)
	w := discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		f.handler.ServeHTTP(w, r)
	}
}
