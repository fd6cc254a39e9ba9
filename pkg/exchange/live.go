package exchange

import (
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	sourceTimeout  = 2 * time.Second
	maxSourceBody  = 64 << 10
	breakAfter     = 5 // failures in a row
	breakFor       = 30 * time.Second
	guidPlace      = "{invoiceGuid}"
	maxSourceState = 1 << 12
	// maxAsking bounds how many sources are asked at a time: one that never answers costs 2 s of a connection.
	maxAsking = 64

	reasonUnknown = "source_invoice_unknown"
	reasonBusy    = "source_busy"
)

// sources asks billers' systems for invoices. Whoever runs such a system is not trusted: HTTPS only, what
// web.NewOutbound allows, no credentials, 2 s and 64 KiB at most.
type sources struct {
	client *http.Client
	slots  chan struct{}

	mu      sync.Mutex
	broken  map[signet.BillerID]breaker
	running map[string]*asking
}

// breaker opens after failures in a row and stays open for a while; the next failure after that opens it again.
type breaker struct {
	failures int
	until    time.Time
}

// asking is one question that several requests wait for.
type asking struct {
	done chan struct{}
	dto  *signet.InvoiceDTO
	err  error
}

func newSources(o *Options) *sources {
	return &sources{
		client: web.NewOutbound(web.OutboundOptions{Timeout: sourceTimeout, Private: o.AllowPrivateSources, Roots: o.SourceRoots}),
		slots:  make(chan struct{}, maxAsking),
		broken: map[signet.BillerID]breaker{}, running: map[string]*asking{},
	}
}

// ask returns the biller's live copy. Questions for the same invoice at the same time are one. Error: CodeUnavailable;
// the caller falls back to the stored copy.
func (s *sources) ask(ctx context.Context, biller *signet.Biller, guid string, now time.Time) (*signet.InvoiceDTO, error) {
	key := string(biller.ID) + "|" + guid
	s.mu.Lock()
	if b := s.broken[biller.ID]; b.failures >= breakAfter && now.Before(b.until) {
		s.mu.Unlock()
		return nil, sourceFault("source_breaker_open", nil)
	}
	question := s.running[key]
	if question == nil {
		question = &asking{done: make(chan struct{})}
		s.running[key] = question
		// The question outlives the request that asked first: the others wait for it too.
		go s.run(context.WithoutCancel(ctx), question, key, biller, guid, now)
	}
	s.mu.Unlock()
	select {
	case <-question.done:
		return question.dto, question.err
	case <-ctx.Done():
		return nil, sourceFault("source_timeout", ctx.Err())
	}
}

func (s *sources) run(ctx context.Context, question *asking, key string, biller *signet.Biller, guid string, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, sourceTimeout)
	defer cancel()
	question.dto, question.err = s.fetch(ctx, biller, guid)
	s.mu.Lock()
	delete(s.running, key)
	s.note(biller.ID, question.err, now)
	s.mu.Unlock()
	close(question.done)
}

// note counts failures in a row. The caller holds mu.
func (s *sources) note(id signet.BillerID, err error, now time.Time) {
	if err == nil {
		delete(s.broken, id)
		return
	}
	if reason := signet.ReasonOf(err); reason == reasonUnknown || reason == reasonBusy {
		return // the source is well
	}
	if len(s.broken) >= maxSourceState {
		clear(s.broken)
	}
	b := s.broken[id]
	b.failures++
	b.until = now.Add(breakFor)
	s.broken[id] = b
}

func (s *sources) fetch(ctx context.Context, biller *signet.Biller, guid string) (*signet.InvoiceDTO, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return nil, sourceFault(reasonBusy, nil)
	}
	target, err := url.Parse(strings.ReplaceAll(biller.LiveSource, guidPlace, guid))
	if err != nil || target.Scheme != "https" || target.Host == "" || target.User != nil {
		return nil, sourceFault("source_url", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, sourceFault("source_url", err)
	}
	req.Header.Set("Accept", typeJSON)
	req.Header.Set("User-Agent", "signet")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, sourceFault("source_unreachable", err)
	}
	defer func() { _ = res.Body.Close() }()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return nil, sourceFault(reasonUnknown, nil)
	default:
		return nil, sourceFault("source_status", nil)
	}
	media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || media != typeJSON && media != typeTextJSON {
		return nil, sourceFault("source_type", err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxSourceBody+1))
	if err != nil || len(body) > maxSourceBody {
		return nil, sourceFault("source_body", err)
	}
	return readLive(body, biller, guid)
}

// readLive takes what the source answered for this biller's invoice and for no other. Unknown members are ignored, and
// the letter case of the document's is: such systems add to what they send.
func readLive(body []byte, biller *signet.Biller, guid string) (*signet.InvoiceDTO, error) {
	var answer invoiceBody
	if err := (web.JSONBody{Lenient: true}).Decode(body, &answer); err != nil {
		return nil, sourceFault("source_json", err)
	}
	dto, billerGUID, _, err := parseInvoice(&answer, guid)
	if err != nil || billerGUID != string(biller.ID) || answer.InvoiceGUID == nil {
		return nil, sourceFault("source_invoice", err)
	}
	return &dto, nil
}

func sourceFault(reason string, cause error) error {
	return &signet.Error{Code: signet.CodeUnavailable, Reason: reason, Cause: cause}
}
