package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/exchange"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// post sends a form to a running server and reads the JSON that comes back; a client without secret is left out.
func (d *devServer) post(t *testing.T, client, secret string, form url.Values) (int, fields) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.card.Issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		req.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(secret))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out fields
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, out
}

// TestDemoBillerBesideItsClient: the HMAC of each demo biller with its own client's secret beside it, and with no other's.
func TestDemoBillerBesideItsClient(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	for i, b := range d.card.Billers {
		f := exchange.Fields{Biller: b.ID, User: b.Invoices[0].CustomerGUID, Timestamp: strconv.FormatInt(time.Now().Unix(), 10)}
		key, err := hex.DecodeString(b.HMACKey)
		if err != nil {
			t.Fatal(err)
		}
		mac, err := exchange.Sign(signet.HMACScheme{}, key, f)
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"grant_type": {signet.GrantHMACIdentity}, "biller_id": {f.Biller}, "user_id": {f.User}, "timestamp": {f.Timestamp}, "hmac": {mac}}
		other := d.card.Billers[1-i]
		if status, got := d.post(t, other.ClientID, other.ClientSecret, form); status == http.StatusOK {
			t.Errorf("%s: another biller's client: %d %s", b.Name, status, got)
		}
		if status, got := d.post(t, b.ClientID, b.ClientSecret, form); status != http.StatusOK || got.text("access_token") == "" {
			t.Errorf("%s: %d %s", b.Name, status, got)
		}
	}
}

// TestPINRefreshByForm: the refresh token of a PIN application works at /token as well, and the networks and the
// certificate of the application hold there as they do at /auth/refresh.
func TestPINRefreshByForm(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	app := d.card.PINApplications[0]
	code, out, errs := command(t, nil, "", "try", "pin", "--username", app.Username, "--card", d.cardFile(t))
	_, token, found := strings.Cut(out, `"refresh_token":"`)
	token, _, closed := strings.Cut(token, `"`)
	if code != exitOK || !found || !closed {
		t.Fatalf("no refresh token: %s %s", out, errs)
	}
	refresh := func() (int, string) {
		t.Helper()
		status, got := d.post(t, "", "", url.Values{"grant_type": {signet.GrantRefreshToken}, "client_id": {app.ID}, "refresh_token": {token}})
		if status == http.StatusOK {
			token = got.text("refresh_token")
		}
		return status, got.text("error")
	}
	fence := func(patch string) {
		t.Helper()
		if code, out, errs := command(t, d.env, patch, "pin-application", "update", app.ID, "--from", "-"); code != exitOK {
			t.Fatalf("%s: %s%s", patch, out, errs)
		}
	}
	for _, step := range []struct {
		patch  string
		status int
	}{
		{`{"allowed_networks": ["192.0.2.0/24"]}`, http.StatusUnauthorized},
		{`{"allowed_networks": ["192.0.2.0/24", "127.0.0.0/8"]}`, http.StatusOK}, // what was refused was not spent
		{`{"allowed_networks": null, "tls_client_certificate": "` + strings.Repeat("A", 43) + `"}`, http.StatusUnauthorized},
		{`{"tls_client_certificate": null}`, http.StatusOK},
	} {
		fence(step.patch)
		if status, reason := refresh(); status != step.status {
			t.Errorf("%s: %d %s, want %d", step.patch, status, reason, step.status)
		}
	}
}

// TestOpenAPIIsTheRouteTable: every route that programs call is described with exactly its methods, and nothing else is.
// Pages and assets are for people, the demo's among them.
func TestOpenAPIIsTheRouteTable(t *testing.T) {
	t.Parallel()
	h, err := openHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := devDeployment("http://127.0.0.1:1", h, &devFlags{jwksMaxAge: time.Minute}, slog.New(slog.DiscardHandler))
	n := &node{issuer: d.issuer, drain: &drain{}}
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	base, err := n.stores(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	public, _, err := n.rooms(d, base)
	if err != nil {
		t.Fatal(err)
	}
	var served []string
	for _, r := range public {
		switch r.Class {
		case web.ClassToken, web.ClassAPI, web.ClassPublicJSON:
			for _, method := range r.Methods {
				served = append(served, method+" "+r.Path)
			}
		case web.ClassPage, web.ClassAsset:
		default:
			t.Errorf("%s has the class %s on the public listener", r.Path, r.Class)
		}
	}
	var file struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(openAPI, &file); err != nil {
		t.Fatal(err)
	}
	var described []string
	for path, members := range file.Paths {
		for method := range members {
			if method != "parameters" { // of all methods of the path
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) || len(served) < 30 {
		t.Errorf("served and not described: %v\ndescribed and not served: %v", without(served, described), without(described, served))
	}
}

// without are the entries of list that other lacks, and those that list has twice.
func without(list, other []string) (rest []string) {
	for i, entry := range list {
		if !slices.Contains(other, entry) || i > 0 && list[i-1] == entry {
			rest = append(rest, fmt.Sprintf("%q", entry))
		}
	}
	return rest
}
