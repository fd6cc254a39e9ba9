package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-auth/signet/config"
)

// output collects what a command prints; tests read it while the command still runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// command runs one command and returns exit code and output.
func command(t *testing.T, env map[string]string, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr output
	a := &app{in: strings.NewReader(stdin), out: &stdout, err: &stderr, env: func(name string) string { return env[name] }}
	for name, value := range env {
		a.environ = append(a.environ, name+"="+value)
	}
	code = a.run(t.Context(), args)
	return code, stdout.String(), stderr.String()
}

// devServer is a running signet dev.
type devServer struct {
	card card
	out  *output
	env  map[string]string
	stop func() int
}

func startDev(t *testing.T, args ...string) *devServer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "card.json")
	ctx, cancel := context.WithCancel(context.Background())
	d := &devServer{out: &output{}}
	a := &app{in: strings.NewReader(""), out: d.out, err: d.out, env: func(string) string { return "" }}
	done := make(chan int, 1)
	go func() {
		done <- a.run(ctx, append([]string{"dev", "--listen", "127.0.0.1:0", "--card", file}, args...))
	}()
	d.stop = sync.OnceValue(func() int { cancel(); return <-done })
	t.Cleanup(func() { d.stop() })
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		content, err := os.ReadFile(file)
		if err == nil {
			if err := json.Unmarshal(content, &d.card); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(file)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode of the card: %v, %v", info.Mode(), err)
			}
			d.env = map[string]string{config.EnvServer: d.card.Admin.APIURL, config.EnvAdminKey: d.card.Admin.APIKey}
			return d
		}
		select {
		case code := <-done:
			t.Fatalf("dev ended with %d: %s", code, d.out)
		case <-deadline.C:
			t.Fatalf("no card: %s", d.out)
		case <-tick.C:
		}
	}
}

func get(t *testing.T, target string) (int, string) {
	t.Helper()
	res, err := http.Get(target)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func (d *devServer) token(t *testing.T, id, secret string, params ...string) map[string]any {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	req, err := http.NewRequest(http.MethodPost, d.card.Issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDevComesUpAndLeavesNothing(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	for _, path := range []string{"/demo", "/demo/callback", "/demo/app.js", "/demo/oidc.js", "/demo/demo.css", "/.well-known/openid-configuration", "/.well-known/jwks.json"} {
		if status, _ := get(t, d.card.Issuer+path); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := get(t, d.card.Ops.URL+"/readyz"); status != 200 {
		t.Errorf("readyz: %d", status)
	}
	if answer := d.token(t, "service", d.card.Clients.Service.ClientSecret, "scope", "orders:read"); answer["access_token"] == nil {
		t.Errorf("token: %v", answer)
	}
	if answer := d.token(t, "service", d.card.Clients.Web.ClientSecret); answer["error"] != "invalid_client" {
		t.Errorf("another client's secret: %v", answer)
	}
	key := d.card.Clients.Partner.PrivateKeyFile
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the partner's key: %v, %v", info, err)
	}
	if code := d.stop(); code != exitOK {
		t.Errorf("exit code %d: %s", code, d.out)
	}
	if _, err := os.Stat(filepath.Dir(key)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder %s is left behind: %v", filepath.Dir(key), err)
	}
}

// TestADM02ListenersAreApart: no spelling of an admin path is served in public, nor the reverse.
func TestADM02ListenersAreApart(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	adminBase := strings.TrimSuffix(d.card.Admin.APIURL, "/admin/v1")
	for _, path := range []string{"/admin/v1/me", "//admin/v1/me", "/Admin/v1/me", "/%61dmin/v1/me", "/admin;x/v1/me", "/x/../admin/v1/me",
		"/demo/../admin/v1/clients", "/metrics", "/readyz", "/livez"} {
		req, err := http.NewRequest(http.MethodGet, d.card.Issuer, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = path
		req.Host = strings.TrimPrefix(adminBase, "http://")
		req.Header.Set("Authorization", "Bearer "+d.card.Admin.APIKey)
		req.Header.Set("X-Original-URL", "/admin/v1/me")
		req.Header.Set("X-HTTP-Method-Override", "GET")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 404 && res.StatusCode != 400 {
			t.Errorf("public listener, %s: %d", path, res.StatusCode)
		}
	}
	for _, path := range []string{"/authorize", "/login", "/demo", "/metrics"} {
		if status, _ := get(t, adminBase+path); status != 404 {
			t.Errorf("admin listener, %s: %d", path, status)
		}
	}
}

// TestADM01AdminTokens: a token opens the admin API only when its audience is the admin API and an admin marked its
// client.
func TestADM01AdminTokens(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	create := func(body string) (id, secret string) {
		t.Helper()
		code, out, errs := command(t, d.env, body, "client", "create", "--json", "--from", "-")
		if code != exitOK {
			t.Fatalf("create: %s", errs)
		}
		var made clientRecord
		if err := json.Unmarshal([]byte(out), &made); err != nil {
			t.Fatal(err)
		}
		return made.ClientID, made.ClientSecret
	}
	audience := d.card.Issuer + "/admin/v1"
	operator, operatorSecret := create(`{"client_name":"Op","grant_types":["client_credentials"],"admin":true,"audiences":["https://api.example.com","` + audience + `"]}`)
	stranger, strangerSecret := create(`{"client_name":"No","grant_types":["client_credentials"],"audiences":["` + audience + `"]}`)
	me := func(answer map[string]any) int {
		t.Helper()
		raw, ok := answer["access_token"].(string)
		if !ok {
			t.Fatalf("no token: %v", answer)
		}
		req, err := http.NewRequest(http.MethodGet, d.card.Admin.APIURL+"/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+raw)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	good := d.token(t, operator, operatorSecret, "resource", audience)
	if status := me(good); status != 200 {
		t.Errorf("the operator's token: %d", status)
	}
	if status := me(d.token(t, operator, operatorSecret)); status != 401 {
		t.Errorf("the operator's token for another audience: %d", status)
	}
	if status := me(d.token(t, stranger, strangerSecret, "resource", audience)); status != 401 {
		t.Errorf("a client without admin: %d", status)
	}
	if status := me(d.token(t, "service", d.card.Clients.Service.ClientSecret)); status != 401 {
		t.Errorf("the demo's service: %d", status)
	}
	if code, _, errs := command(t, d.env, "", "client", "disable", operator); code != exitOK {
		t.Fatal(errs)
	}
	if status := me(good); status != 401 {
		t.Errorf("a disabled operator's token: %d", status)
	}
}

func TestDevDataIsKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first := startDev(t, "--data", dir)
	before := first.token(t, "service", first.card.Clients.Service.ClientSecret)
	if code := first.stop(); code != exitOK {
		t.Fatalf("exit %d: %s", code, first.out)
	}
	for _, name := range []string{"kek", "card.json", "partner.pem", "partner_es256.pem"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	// Its port is held, so that the second start must take another.
	held, err := net.Listen("tcp", strings.TrimPrefix(first.card.Issuer, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	second := startDev(t, "--data", dir)
	if code, _, errs := command(t, nil, "", "dev", "--listen", "127.0.0.1:0", "--data", dir); code != exitUsage || !strings.Contains(errs, "is in use by another signet dev") {
		t.Errorf("a third server over the same folder: exit %d, %s", code, errs)
	}
	if second.card.Clients.Service.ClientSecret != first.card.Clients.Service.ClientSecret || second.card.Users[0] != first.card.Users[0] ||
		second.card.Admin.APIKey != first.card.Admin.APIKey {
		t.Error("a restart made new secrets")
	}
	after := second.token(t, "service", second.card.Clients.Service.ClientSecret)
	if before["access_token"] == nil || after["access_token"] == nil {
		t.Errorf("tokens: %v, %v", before, after)
	}
	// The demo follows the issuer to its new port.
	code, out, errs := command(t, second.env, "", "client", "show", "spa", "--json")
	if code != exitOK || !strings.Contains(out, second.card.Issuer+"/demo/callback") || strings.Contains(out, first.card.Issuer) {
		t.Errorf("exit %d %s: %s", code, errs, out)
	}
	if second.card.Clients.SPA.RedirectURIs[0] != second.card.Issuer+"/demo/callback" {
		t.Errorf("the card's redirect URIs are of before: %v", second.card.Clients.SPA.RedirectURIs)
	}
}

func TestDevRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"production settings", map[string]string{"SIGNET_POSTGRES__DSN": "postgres://x"}, nil, "SIGNET_POSTGRES__DSN"},
		{"configuration file", nil, []string{"--config", "signet.yaml"}, "unknown flag"},
		{"every interface", nil, []string{"--listen", ":8080"}, "loopback"},
		{"admin beyond loopback", nil, []string{"--admin-listen", "0.0.0.0:8081"}, "loopback"},
		{"card into nowhere", nil, []string{"--card", "/nowhere/card.json"}, "--card /nowhere/card.json: its folder is not there"},
		{"argument", nil, []string{"x"}, "what is \"x\"?"},
		{"max age", nil, []string{"--jwks-max-age", "1h"}, "jwks-max-age"},
	} {
		code, _, errs := command(t, tc.env, "", append([]string{"dev"}, tc.args...)...)
		if code != exitUsage || !strings.Contains(errs, tc.want) {
			t.Errorf("%s: exit %d, %s", tc.name, code, errs)
		}
	}
}

func TestDevTLS(t *testing.T) {
	t.Parallel()
	d := startDev(t, "--tls")
	if !strings.HasPrefix(d.card.Issuer, "https://127.0.0.1:") || d.card.TLS == nil {
		t.Fatalf("issuer %s, tls %v", d.card.Issuer, d.card.TLS)
	}
	policy, err := clientTLS(d.card.TLS.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: policy, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(d.card.Issuer + "/demo")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 200 || res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("status %d, HTTP/%d, HSTS %q", res.StatusCode, res.ProtoMajor, res.Header.Get("Strict-Transport-Security"))
	}
}

// TestDrain: a request in flight is finished while readiness is off already and new connections are refused.
func TestDrain(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	host := strings.TrimPrefix(d.card.Issuer, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := "grant_type=client_credentials&client_id=service&client_secret=x"
	head := "POST /token HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	// The handler asks for the body: the request is in flight.
	answer := bufio.NewReader(conn)
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	ended := make(chan int, 1)
	go func() { ended <- d.stop() }()
	within := time.NewTimer(5 * time.Second)
	defer within.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if status, _ := get(t, d.card.Ops.URL+"/readyz"); status == 503 {
			break
		}
		select {
		case <-within.C:
			t.Fatal("readiness stayed on")
		case <-tick.C:
		}
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(answer)
	if err != nil || !strings.Contains(string(rest), "HTTP/1.1 401") {
		t.Errorf("the request in flight was answered %q, %v", rest, err)
	}
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d: %s", code, d.out)
	}
	if _, err := net.Dial("tcp", host); err == nil {
		t.Error("the listener is open still")
	}
}
