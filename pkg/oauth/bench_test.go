package oauth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/signet-auth/signet/pkg/clientauth"
	"github.com/signet-auth/signet/pkg/signet"
)

// The benchmarks run whole handlers without a network; what they cost over their signature is the edge and fosite.

// records keeps what the store answered, as its cache does while its poller runs.
type records struct {
	Records
	clients map[signet.ClientID]*signet.Client
}

func (r *records) Client(ctx context.Context, id signet.ClientID) (*signet.Client, error) {
	if c, ok := r.clients[id]; ok {
		return c, nil
	}
	c, err := r.Records.Client(ctx, id)
	if err == nil {
		r.clients[id] = c
	}
	return c, err
}

func newBenchHouse(b *testing.B) *tokenHouse {
	b.Helper()
	h := newTokenHouse(b)
	cached := &records{Records: h.store, clients: map[signet.ClientID]*signet.Client{}}
	h.server.Records = cached
	var err error
	h.server.ClientAuth, err = clientauth.New(clientauth.Options{
		Clients: cached, Marks: h.store.Marks(), Failures: emptySeats{}, Alarms: h.store, HashKeys: h.ring.HashKeys, Issuer: tokenIssuer,
		TokenEndpoints: []string{tokenIssuer + "/token"}, Now: h.clock.now,
	})
	ok(b, err)
	return h
}

func (h *tokenHouse) bench(b *testing.B, handler http.HandlerFunc, path, body string) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		handler(w, formRequest(path, body))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

func BenchmarkClientCredentials(b *testing.B) {
	h := newBenchHouse(b)
	h.bench(b, h.server.token, "/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {string(service)}, "client_secret": {h.secrets[service]}, "scope": {"read"},
	}.Encode())
}

func BenchmarkSignES256(b *testing.B) {
	h := newTokenHouse(b)
	payload := make([]byte, 300)
	for b.Loop() {
		if _, _, err := h.ring.Sign("ES256", "at+jwt", payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadAccess(b *testing.B) {
	h := newTokenHouse(b)
	token := h.post("/token", service, "grant_type", "client_credentials").text("access_token")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.server.readAccess(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyES256(b *testing.B) {
	h := newTokenHouse(b)
	token := h.post("/token", service, "grant_type", "client_credentials").text("access_token")
	for b.Loop() {
		if _, _, _, err := h.ring.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}
