package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-auth/signet/config"
	"github.com/signet-auth/signet/pkg/web"
)

// What an operator reads when the admin API cannot be had says what to do next.
func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	answering := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	for _, tc := range []struct {
		name, server string
		code         int
		says         string
	}{
		{"wrong key", answering(func(w http.ResponseWriter, r *http.Request) {
			web.WriteProblem(w, r, http.StatusUnauthorized, "Unauthorized", "An admin API key is required.")
		}), exitFailure, "--admin-key-file"},
		{"public address", answering(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<!doctype html>")
		}), exitUsage, "admin.listen"},
		{"a record that is not there", answering(func(w http.ResponseWriter, r *http.Request) {
			web.WriteProblem(w, r, http.StatusNotFound, "Not found", "There is no such record.")
		}), exitNotFound, "no such record"},
		{"unknown authority", secure.URL, exitUnavailable, "--ca-file"},
		{"nobody", "http://127.0.0.1:1", exitUnavailable, "Is signet running"},
	} {
		code, _, errs := command(t, map[string]string{config.EnvAdminKey: "sgt_adm_x"}, "", "client", "show", "x", "--server", tc.server)
		if code != tc.code || !strings.Contains(errs, tc.says) {
			t.Errorf("%s: exit %d, want %d and %q: %s", tc.name, code, tc.code, tc.says, errs)
		}
	}
}
