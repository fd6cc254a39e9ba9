package main

import (
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
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/config"
)

// tryCommand runs the flows of the contracts against a server and shows every byte: what is signed or encrypted and how,
// the request, the answer, and what is in the token.
func (a *app) tryCommand() *cobra.Command {
	return group("try", "Run a caller's flow against a server and show every byte of it",
		a.tryHMAC(), a.tryPayer(), a.tryIntent(), a.tryPIN(), a.tryAPIKey(), a.tryPartner())
}

// target is the server that is tried, and the card that credentials come from when no flag gives them.
type target struct {
	server, cardFile, caFile string

	card   *card // nil without --card
	client *http.Client
}

func (t *target) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.server, "server", "", "issuer URL of the server; that of the card when it is left out")
	cmd.Flags().StringVar(&t.cardFile, "card", "", "JSON card of signet dev (its --card file, or card.json in its --data folder): credentials for what no flag gives")
	cmd.Flags().StringVar(&t.caFile, "ca-file", "", "PEM roots for an https server")
}

// open reads the card and makes the connection.
func (t *target) open() error {
	if err := t.readCard(); err != nil {
		return err
	}
	t.server = strings.TrimSuffix(t.server, "/")
	u, err := url.Parse(t.server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usage("which server? Give --server URL, or --card FILE of signet dev")
	}
	if u.Scheme == "http" && !config.Loopback(net.JoinHostPort(u.Hostname(), "1")) {
		return usage("http would send the credential over the network in the clear: use https")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	if t.caFile != "" {
		roots := x509.NewCertPool()
		content, err := os.ReadFile(t.caFile)
		if err != nil {
			return err
		}
		if !roots.AppendCertsFromPEM(content) {
			return errors.New("--ca-file holds no certificate")
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	t.client = &http.Client{Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return nil
}

// readCard takes what no flag gave from the card.
func (t *target) readCard() error {
	if t.cardFile == "" {
		return nil
	}
	content, err := os.ReadFile(t.cardFile)
	if err != nil {
		return err
	}
	t.card = &card{}
	if json.Unmarshal(content, t.card) != nil {
		return usage("--card is no card of signet dev")
	}
	if t.server == "" {
		t.server = t.card.Issuer
	}
	if t.caFile == "" && t.card.TLS != nil {
		t.caFile = t.card.TLS.CAFile
	}
	return nil
}

// fact is one named value of a step, as it is: bytes on the wire, or a decoded part of them.
type fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// step is one step of a flow with its explanation.
type step struct {
	Title string `json:"title"`
	Why   string `json:"why"`
	Facts []fact `json:"facts"`
}

func (s *step) add(name, format string, args ...any) *step {
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	s.Facts = append(s.Facts, fact{name, text})
	return s
}

// trial collects the steps of one flow.
type trial struct {
	target *target
	steps  []*step
	failed string // what the server answered instead of a success
}

func (t *trial) step(title, why string) *step {
	s := &step{Title: title, Why: why}
	t.steps = append(t.steps, s)
	return s
}

// answer is what a server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// member reads one member of a JSON answer as text, "" when it is not there.
func (a *answer) member(path ...string) string {
	raw := json.RawMessage(a.body)
	for _, name := range path {
		record, err := readFields(raw)
		if err != nil {
			return ""
		}
		raw = record[name]
	}
	return fields{"": raw}.text("")
}

// send sends a request, shows it and its answer, and remembers a refusal. The body and the headers are shown as they go
// out: this is the caller's own credential on the caller's own screen.
func (t *trial) send(ctx context.Context, why, method, path, media, content string, header http.Header) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, t.target.server+path, strings.NewReader(content))
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header.Clone()
	}
	req.Header.Set("User-Agent", "signet-try")
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	out := t.step("Request", why).add("line", "%s %s", method, t.target.server+path)
	for _, name := range headerNames(req.Header) {
		for _, value := range req.Header[name] {
			out.add("header", "%s: %s", name, value)
		}
	}
	if content != "" {
		out.add("body", "%s", content)
	}
	res, err := t.target.client.Do(req)
	if err != nil {
		return nil, &silence{server: t.target.server, cause: err, issuer: true}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	in := t.step("Answer", "").add("status", "%s", res.Status)
	for _, name := range []string{"Content-Type", "Retry-After", "Www-Authenticate", "Signet-Source", "Age", "Etag"} {
		if value := res.Header.Get(name); value != "" {
			in.add("header", "%s: %s", name, value)
		}
	}
	if len(body) > 0 {
		in.add("body", "%s", string(body))
	}
	if res.StatusCode >= 300 {
		t.failed = fmt.Sprintf("%s %s answered %s", method, path, res.Status)
	}
	return &answer{res.StatusCode, res.Header, body}, nil
}

func headerNames(h http.Header) []string {
	var names []string
	for name := range h {
		if name != "User-Agent" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// flow runs fn and prints its steps, also those before an error: that is what the command is for.
func (a *app) flow(t *target, fn func(*trial) error, next string) error {
	if err := t.open(); err != nil {
		return err
	}
	run := &trial{target: t}
	err := fn(run)
	if printErr := a.print(map[string]any{"steps": run.steps, "ok": err == nil && run.failed == ""}, func() { a.showSteps(run.steps) }); printErr != nil {
		return printErr
	}
	if err == nil && run.failed != "" {
		err = errors.New(run.failed)
	}
	if err != nil {
		return err
	}
	a.next("%s", next)
	return nil
}

func (a *app) showSteps(steps []*step) {
	for i, s := range steps {
		a.say("%d. %s", i+1, visible(s.Title))
		if s.Why != "" {
			a.say("   %s", visible(s.Why))
		}
		for _, f := range s.Facts {
			lines := strings.Split(visible(f.Value), "\n")
			a.say("   %-14s %s", f.Name, lines[0])
			for _, rest := range lines[1:] {
				a.say("   %-14s %s", "", rest)
			}
		}
		a.say("")
	}
}

// oneOf returns the only record that fits, or the first when nothing was asked for.
func oneOf[T any](records []T, asked string, fits func(T) bool) (T, error) {
	var none T
	for _, record := range records {
		if asked == "" || fits(record) {
			return record, nil
		}
	}
	if asked == "" {
		return none, usage("the credential is missing: give it by flags, or --card FILE of signet dev")
	}
	return none, usage("the card has no %q", asked)
}

// cardOf returns the lists of the card, empty without one.
func (t *target) cardOf() *card {
	if t.card == nil {
		return &card{}
	}
	return t.card
}
