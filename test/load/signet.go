package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5"
)

const (
	benchUser     = "bench"
	benchPassword = "correct horse battery staple"
)

// node is one signet serve with a database of its own.
type node struct {
	base, admin, ops string
	process          *process
	adminKey         string
	card             *card
	close            func()
}

func benchSignet(ctx context.Context, s settings, partner *ecdsa.PrivateKey) ([]result, error) {
	n, err := startSignet(ctx, s)
	if err != nil {
		return nil, err
	}
	defer n.close()
	t, err := n.provision(ctx, partner)
	if err != nil {
		return nil, err
	}
	if err := n.liftInvoiceLimit(ctx, n.card.Billers[1]); err != nil {
		return nil, err
	}
	if err := n.addPINApplications(ctx, s.connections); err != nil {
		return nil, err
	}
	if err := t.settle(ctx, s.only); err != nil {
		return nil, err
	}
	return measure(ctx, s, t, n.process.pid())
}

func startSignet(ctx context.Context, s settings) (*node, error) {
	dir, err := os.MkdirTemp("", "signet-bench-")
	if err != nil {
		return nil, err
	}
	dsn, drop, err := database(ctx, s.postgres)
	if err != nil {
		return nil, err
	}
	addresses := make([]string, 3)
	for i := range addresses {
		if addresses[i], err = freeAddress(); err != nil {
			return nil, err
		}
	}
	n := &node{base: "http://" + addresses[0], admin: "http://" + addresses[1], ops: "http://" + addresses[2]}
	config, err := json.MarshalIndent(map[string]any{ // JSON is YAML
		"issuer": n.base, "listen": addresses[0],
		"behind_proxy": map[string]any{"trusted_proxies": []string{"127.0.0.1/32"}},
		"admin":        map[string]any{"listen": addresses[1]},
		"ops":          map[string]any{"listen": addresses[2]},
		"postgres":     map[string]any{"dsn": dsn},
		"redis":        map[string]any{"addrs": []string{s.redis}, "prefix": "bench:" + text(6) + ":"},
		"keys":         map[string]any{"kek": "bench=" + base64.StdEncoding.EncodeToString(randomBytes(32))},
		"log":          map[string]any{"level": "warn"},
		"rate_limits":  "off", // one address sends everything here
		"accounts":     map[string]any{"resources": []string{apiResource}},
	}, "", " ")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "signet.yaml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	output, err := exec.CommandContext(ctx, s.binary, "admin", "init", "--json", "--config", file).Output()
	if err != nil {
		return nil, fmt.Errorf("admin init: %w", err)
	}
	var first struct {
		AdminKey string `json:"admin_key"`
	}
	if err := json.Unmarshal(output, &first); err != nil {
		return nil, err
	}
	n.adminKey = first.AdminKey
	if n.card, err = seed(ctx, s.binary, file, filepath.Join(dir, "seed")); err != nil {
		return nil, err
	}
	if n.process, err = launch(ctx, s.binary, "serve", "--config", file); err != nil {
		return nil, err
	}
	n.close = func() {
		n.process.stop()
		drop()
		_ = os.RemoveAll(dir)
	}
	if err := awaitReady(ctx, n.ops+"/readyz"); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// provision makes the clients and the user that the operations need.
func (n *node) provision(ctx context.Context, partner *ecdsa.PrivateKey) (*target, error) {
	t := &target{base: n.base, issuer: n.base, partnerKey: partner, redirectURI: "https://rp.test/cb", card: n.card}
	jwks := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: partner.Public(), KeyID: "bench", Algorithm: "ES256", Use: "sig"}}}
	var service, assertion, resource, app struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	clients := []struct {
		out      any
		metadata map[string]any
	}{
		{&service, map[string]any{"client_name": "service", "token_endpoint_auth_method": "client_secret_basic",
			"grant_types": []string{"client_credentials"}, "scope": "payments:read"}},
		{&assertion, map[string]any{"client_name": "partner", "token_endpoint_auth_method": "private_key_jwt",
			"grant_types": []string{"client_credentials"}, "scope": "payments:read", "jwks": jwks}},
		{&resource, map[string]any{"client_name": "resource server", "token_endpoint_auth_method": "client_secret_basic",
			"grant_types": []string{"client_credentials"}, "introspect": true}},
		{&app, map[string]any{"client_name": "app", "token_endpoint_auth_method": "none", "first_party": true,
			"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
			"redirect_uris": []string{t.redirectURI}, "scope": "openid profile email offline_access"}},
	}
	for _, c := range clients {
		body, err := json.Marshal(c.metadata)
		if err != nil {
			return nil, err
		}
		if err := post(ctx, n.admin+"/admin/v1/clients", n.adminKey, body, c.out); err != nil {
			return nil, err
		}
	}
	user, err := json.Marshal(map[string]any{"username": benchUser, "password": benchPassword,
		"name": "Bench", "email": "bench@example.com"})
	if err != nil {
		return nil, err
	}
	if err := post(ctx, n.admin+"/admin/v1/users", n.adminKey, user, nil); err != nil {
		return nil, err
	}
	t.serviceID, t.serviceSecret = service.ID, service.Secret
	t.partnerID = assertion.ID
	t.resourceID, t.resourceKey = resource.ID, resource.Secret
	t.appID = app.ID
	t.login = t.logIn
	return t, nil
}

var hiddenFlow = regexp.MustCompile(`name="flow" value="([^"]+)"`)

// logIn goes through the login form once, so that the worker's cookie jar holds a session.
func (t *target) logIn(ctx context.Context, w *worker) error {
	if w.client.Jar != nil {
		return nil
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	w.client.Jar = jar
	flow, err := t.openFlow(ctx, w)
	if err != nil {
		return err
	}
	values := url.Values{"flow": {flow}, "username": {benchUser}, "password": {benchPassword}}
	submit, err := http.NewRequestWithContext(ctx, http.MethodPost, t.base+"/login", strings.NewReader(values.Encode()))
	if err != nil {
		return err
	}
	submit.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, err = w.send(submit, http.StatusSeeOther)
	return err
}

// seed puts the demo's callers into the stores.
func seed(ctx context.Context, binary, config, dir string) (*card, error) {
	output, err := exec.CommandContext(ctx, binary, "seed", "--json", "--config", config, "--data", dir).Output()
	if err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	var made struct {
		Card string `json:"card"`
	}
	if err := json.Unmarshal(output, &made); err != nil {
		return nil, err
	}
	return readCard(made.Card)
}

// openFlow asks for a code and returns the flow of the login page that comes instead.
func (t *target) openFlow(ctx context.Context, w *worker) (string, error) {
	query := url.Values{"response_type": {"code"}, "client_id": {t.appID}, "redirect_uri": {t.redirectURI}, "scope": {"openid"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.base+"/authorize?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	redirect, err := w.send(request, http.StatusSeeOther)
	if err != nil {
		return "", err
	}
	page, err := http.NewRequestWithContext(ctx, http.MethodGet, absolute(t.base, redirect.header.Get("Location")), nil)
	if err != nil {
		return "", err
	}
	form, err := w.send(page, http.StatusOK)
	if err != nil {
		return "", err
	}
	flow := hiddenFlow.FindSubmatch(form.body)
	if flow == nil {
		return "", errors.New("the login page has no flow")
	}
	return string(flow[1]), nil
}

func absolute(base, location string) string {
	if strings.HasPrefix(location, "/") {
		return base + location
	}
	return location
}

// database makes one for this run, so that no row of before is measured.
func database(ctx context.Context, dsn string) (string, func(), error) {
	name := "bench_" + fmt.Sprintf("%x", randomBytes(6))
	admin := func(sql string) error {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, sql)
		return err
	}
	if err := admin("create database " + name); err != nil {
		return "", nil, err
	}
	at, err := url.Parse(dsn)
	if err != nil {
		return "", nil, err
	}
	at.Path = "/" + name
	return at.String(), func() {
		if err := admin("drop database " + name + " with (force)"); err != nil {
			fmt.Fprintln(os.Stderr, "load:", err)
		}
	}, nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// awaitReady asks until the node says it is ready.
func awaitReady(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", target, ctx.Err())
		case <-tick.C:
		}
	}
}
