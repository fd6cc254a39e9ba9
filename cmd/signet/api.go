package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/config"
	"github.com/signet-auth/signet/pkg/admin"
	"github.com/signet-auth/signet/pkg/signet"
)

// api speaks to the admin API: of a running server, or of the same handlers in this process.
type api struct {
	base string // without a slash at the end
	key  signet.Secret
	http *http.Client
}

// apiError is an answer that is no success.
type apiError struct {
	Status int
	Title  string `json:"title"`
	Detail string `json:"detail"`

	server string
}

// Error says what the server said, and for what an operator cannot guess from that, what to do next.
func (e *apiError) Error() string {
	text := e.Title
	if text == "" {
		text = http.StatusText(e.Status)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	switch {
	case e.Status == http.StatusUnauthorized:
		return fmt.Sprintf("%s does not accept this admin key. Check %s or --admin-key-file; without a key that works, --config FILE goes to the stores directly",
			e.server, config.EnvAdminKey)
	case e.Status == http.StatusNotFound && e.Title == "":
		return e.server + " answers, but has no admin API there. Is it the public address? The admin API has its own (admin.listen)"
	}
	return text
}

// silence is a server that cannot be reached.
type silence struct {
	server string
	cause  error
	issuer bool // it is the public address of a server, not its admin API
}

// Error leaves out the request, which says nothing to an operator.
func (e *silence) Error() string {
	cause := e.cause
	var request *url.Error
	if errors.As(cause, &request) {
		cause = request.Err
	}
	var wrongName x509.HostnameError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(cause, &unknown):
		return fmt.Sprintf("the certificate of %s is not trusted: %v. Give its roots with --ca-file", e.server, cause)
	case errors.As(cause, &wrongName):
		return fmt.Sprintf("the certificate of %s is for another name: %v", e.server, cause)
	}
	if e.issuer {
		return fmt.Sprintf("no answer from %s: %v. Is signet running, and is this its issuer (--server)?", e.server, cause)
	}
	return fmt.Sprintf("no answer from %s: %v. Is signet running, and is this its admin API (--server or %s)?", e.server, cause, config.EnvServer)
}

func (e *silence) Unwrap() error { return signet.Unavailable(e.cause) }

func (e *apiError) exitCode() int {
	switch e.Status {
	case http.StatusNotFound:
		if e.Title == "" {
			return exitUsage // no admin API there
		}
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	case http.StatusBadRequest:
		return exitUsage
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return exitUnavailable
	default:
		return exitFailure
	}
}

const maxAnswer = 16 << 20

// call sends in as JSON (nil: no body) and reads the answer into out (nil: dropped). version > 0 is sent as If-Match.
func (c *api) call(ctx context.Context, method, path string, version int64, in, out any) error {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/admin/v1"+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	}
	if version > 0 {
		req.Header.Set("If-Match", fmt.Sprintf(`"%d"`, version))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return &silence{server: c.base, cause: err}
	}
	defer res.Body.Close()
	content, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return signet.Unavailable(err)
	}
	if res.StatusCode >= 300 {
		answer := &apiError{Status: res.StatusCode}
		_ = json.Unmarshal(content, answer) // without a problem body the status speaks
		answer.Status, answer.server = res.StatusCode, c.base
		return answer
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(content, out)
}

// all follows the pages of a listing; name is the member that holds the records.
func (c *api) all(ctx context.Context, path, name string, add func(json.RawMessage) error) error {
	token := ""
	for {
		query := "?limit=200"
		if token != "" {
			query += "&page_token=" + url.QueryEscape(token)
		}
		var page map[string]json.RawMessage
		if err := c.call(ctx, http.MethodGet, path+query, 0, nil, &page); err != nil {
			return err
		}
		var records []json.RawMessage
		if err := json.Unmarshal(page[name], &records); err != nil {
			return err
		}
		for _, record := range records {
			if err := add(record); err != nil {
				return err
			}
		}
		token = ""
		if raw, ok := page["next_page_token"]; ok {
			if err := json.Unmarshal(raw, &token); err != nil {
				return err
			}
		}
		if token == "" {
			return nil
		}
	}
}

// inProcess is a transport that calls a handler, so that commands with --config and the seed of dev go through the
// very checks that a caller over HTTP meets.
type inProcess struct{ handler http.Handler }

// RoundTrip serves the request as an operator of this process.
func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	in := req.Clone(admin.AsOperator(req.Context()))
	in.RequestURI = req.URL.RequestURI()
	in.Host = req.URL.Host
	in.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	in.RemoteAddr = "127.0.0.1:0"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &recorder{header: http.Header{}}
	t.handler.ServeHTTP(w, in)
	return &http.Response{StatusCode: max(w.status, http.StatusOK), Header: w.header, Body: io.NopCloser(&w.body),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req}, nil
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func localAPI(handler http.Handler) *api {
	return &api{base: "http://local", http: &http.Client{Transport: inProcess{handler}}}
}

// targetFlags adds the flags that say where the admin API is.
func (a *app) targetFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&a.server, "server", "", "URL of the admin API (or "+config.EnvServer+"; the key comes by "+config.EnvAdminKey+")")
	flags.StringVar(&a.keyFile, "admin-key-file", "", "file that holds the admin key, instead of "+config.EnvAdminKey)
	flags.StringVar(&a.caFile, "ca-file", "", "PEM roots for an https admin API")
	flags.StringVar(&a.config, "config", "", "configuration file: work on its stores directly")
}

// withAPI runs fn against the admin API that the flags name.
func (a *app) withAPI(ctx context.Context, fn func(*api) error) error {
	if a.config != "" {
		if a.server != "" {
			return usage("give --server or --config, not both")
		}
		return a.withStores(ctx, func(n *node) error { return fn(localAPI(n.admin)) })
	}
	client, err := a.remote()
	if err != nil {
		return err
	}
	return fn(client)
}

func (a *app) remote() (*api, error) {
	server := a.server
	if server == "" {
		server = a.env(config.EnvServer)
	}
	if server == "" {
		return nil, usage("where is the admin API? Give --server or %s (signet dev prints both lines), or --config FILE", config.EnvServer)
	}
	u, err := url.Parse(strings.TrimSuffix(server, "/"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usage("--server is no http or https URL")
	}
	if u.Scheme == "http" && !config.Loopback(net.JoinHostPort(u.Hostname(), "1")) {
		return nil, usage("http would send the admin key over the network in the clear: use https")
	}
	key := a.env(config.EnvAdminKey)
	if a.keyFile != "" {
		content, err := os.ReadFile(a.keyFile)
		if err != nil {
			return nil, err
		}
		key = strings.TrimSpace(string(content))
	}
	if key == "" {
		return nil, usage("the admin key is missing: set %s or give --admin-key-file", config.EnvAdminKey)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	if a.caFile != "" {
		roots := x509.NewCertPool()
		pem, err := os.ReadFile(a.caFile)
		if err != nil {
			return nil, err
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("--ca-file holds no certificate")
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second,
		// The key must not follow a redirect to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &api{base: u.Scheme + "://" + u.Host, key: signet.Secret(key), http: client}, nil
}
