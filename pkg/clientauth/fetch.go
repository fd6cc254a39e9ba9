package clientauth

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	// fetchTimeout bounds a fetch as a whole: waiting for its turn, name, connection, body.
	fetchTimeout = 2 * time.Second
	// setLifetime is how long a fetched set is believed; Cache-Control can shorten it, not below fetchPause.
	setLifetime = 5 * time.Minute
	// fetchPause stands between two fetches for one client, whatever the reason: no caller can make signet ask more often.
	fetchPause = time.Minute
	// lastGoodFor is how long the last good set is used while fetching fails, from when it was fetched.
	lastGoodFor = 24 * time.Hour
	// staleAlarmEvery is how often a client's last good set is an event.
	staleAlarmEvery = time.Hour

	// maxFetches run at a time, maxHostFetches of them at one host: a slow host holds up its own clients alone.
	maxFetches     = 32
	maxHostFetches = 4
)

// KeySetOptions say how the sets of clients with jwks_uri are fetched. The zero value is right for production.
type KeySetOptions struct {
	// Loopback allows hosts on this machine, over http too (signet dev).
	Loopback bool
	// Roots verify the hosts; nil: the system's.
	Roots *x509.CertPool
}

// CheckKeySetURI says whether a jwks_uri can be fetched: an https URL without user or fragment. With loopback http is
// allowed for this machine. Where the name leads is looked at when it is fetched. Error: CodeInvalidRequest.
func CheckKeySetURI(text string, loopback bool) error {
	target, err := url.Parse(text)
	if err != nil || target.Host == "" || target.Hostname() == "" || target.User != nil || target.Fragment != "" || len(text) > 2048 {
		return badRequest("The jwks_uri is no https URL.", "jwks_uri")
	}
	if target.Scheme == "https" || loopback && target.Scheme == "http" && loopbackHost(target.Hostname()) {
		return nil
	}
	return badRequest("The jwks_uri is no https URL.", "jwks_uri")
}

func loopbackHost(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback() || host == "localhost"
}

// fetcher knows the sets that clients host themselves. Their hosts are not trusted: see web.NewOutbound.
//
//	fresh and has the key ─▶ use it
//	asked less than a minute ago ─▶ what is known (nothing, a fresh set, or the last good one)
//	else ─▶ one fetch for all who wait ─▶ good: a fresh set · failed: the last good one for 24 h, with an event
type fetcher struct {
	client   *http.Client
	loopback bool
	now      func() time.Time
	alarms   Alarms
	slots    chan struct{}

	mu      sync.Mutex
	remotes map[signet.ClientID]*remote
	hosts   map[string]*hostSlots
}

// remote is what is known of one client's set. The fetcher's mu guards it.
type remote struct {
	uri        string
	set        *keySet // the last good one; nil: none
	goodAt     time.Time
	freshUntil time.Time
	triedAt    time.Time // zero: never
	failed     bool      // the last try
	alarmedAt  time.Time
	running    chan struct{} // closed when the fetch is over; nil: none runs
}

// hostSlots are the places at one host; users are the fetches that hold or await one.
type hostSlots struct {
	slots chan struct{}
	users int
}

func newFetcher(o KeySetOptions, alarms Alarms, now func() time.Time) *fetcher {
	return &fetcher{
		client:   web.NewOutbound(web.OutboundOptions{Timeout: fetchTimeout, Loopback: o.Loopback, Roots: o.Roots}),
		loopback: o.Loopback, now: now, alarms: alarms, slots: make(chan struct{}, maxFetches),
		remotes: map[signet.ClientID]*remote{}, hosts: map[string]*hostSlots{},
	}
}

// of returns the set to look for a key in; reason when there is none.
func (f *fetcher) of(ctx context.Context, client *signet.Client, h header) (*keySet, string) {
	now := f.now()
	f.mu.Lock()
	r := f.remote(client)
	if r.fresh(now) && r.set.has(h) {
		set := r.set
		f.mu.Unlock()
		return set, ""
	}
	if r.running == nil && r.mayTry(now) {
		r.triedAt, r.running = now, make(chan struct{})
		// The fetch outlives the request that was first: others wait for it too.
		go f.run(context.WithoutCancel(ctx), client.ID, r)
	}
	running := r.running
	f.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return nil, "assertion_jwks_timeout"
		}
	}
	// The clock went on while the set was fetched: judged by the time before, it would be one of the future.
	return f.known(ctx, client, r, f.now())
}

// known is what holds after the fetch, or without one.
func (f *fetcher) known(ctx context.Context, client *signet.Client, r *remote, now time.Time) (*keySet, string) {
	f.mu.Lock()
	set, usable := r.set, r.fresh(now)
	lastGood := !usable && set != nil && r.failed && now.Before(r.goodAt.Add(lastGoodFor))
	alarm := lastGood && !now.Before(r.alarmedAt.Add(staleAlarmEvery))
	if alarm {
		r.alarmedAt = now
	}
	f.mu.Unlock()
	if alarm {
		// The set is used whether or not the alarm could be written; then it says so in the request's line.
		if err := f.alarms.Record(ctx, signet.Event{
			ID: signet.NewEventID(), Kind: signet.EventClientJWKSStale, At: now, Actor: "system", ClientID: client.ID,
			Target: r.uri, Reason: "last_good_set_used",
		}); err != nil {
			web.Note(ctx, "jwks_alarm", err.Error())
		}
	}
	if usable || lastGood {
		return set, ""
	}
	return nil, "assertion_jwks_unavailable"
}

// remote finds or makes the client's entry. A record with another URL starts anew. The caller holds mu.
func (f *fetcher) remote(client *signet.Client) *remote {
	r := f.remotes[client.ID]
	if r != nil && r.uri == client.JWKSURI {
		return r
	}
	if r == nil && len(f.remotes) >= maxSets {
		for id := range f.remotes { // any one; the order of a map is random
			delete(f.remotes, id)
			break
		}
	}
	r = &remote{uri: client.JWKSURI}
	f.remotes[client.ID] = r
	return r
}

// fresh is false too when the clock went back behind the fetch: then nothing is known of the set's age.
func (r *remote) fresh(now time.Time) bool {
	return r.set != nil && !now.Before(r.goodAt) && now.Before(r.freshUntil)
}

func (r *remote) mayTry(now time.Time) bool {
	return r.triedAt.IsZero() || now.Before(r.triedAt) || !now.Before(r.triedAt.Add(fetchPause))
}

// run makes one fetch and tells those who wait.
func (f *fetcher) run(ctx context.Context, id signet.ClientID, r *remote) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	set, lifetime, err := f.fetch(ctx, r.uri)
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { close(r.running); r.running = nil }()
	r.failed = err != nil
	if errors.Is(err, errBusy) {
		r.triedAt = time.Time{} // nobody was asked
	}
	if err != nil {
		return
	}
	r.set, r.goodAt, r.freshUntil, r.alarmedAt = set, now, now.Add(lifetime), time.Time{}
}

// errBusy: there was no place before the time was over.
var errBusy = errors.New("clientauth: too many key sets are being fetched")

// fetch gets one set. The host's place is taken first, so that whoever waits for a slow host holds no other place.
func (f *fetcher) fetch(ctx context.Context, uri string) (*keySet, time.Duration, error) {
	if err := CheckKeySetURI(uri, f.loopback); err != nil {
		return nil, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, 0, err
	}
	leave, err := f.enter(ctx, req.URL.Host)
	if err != nil {
		return nil, 0, err
	}
	defer leave()
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	req.Header.Set("Accept-Encoding", "identity") // a few bytes could unpack to gigabytes
	req.Header.Set("User-Agent", "signet")
	res, err := f.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = res.Body.Close() }()
	encoding := res.Header.Get("Content-Encoding")
	if res.StatusCode != http.StatusOK || encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, 0, errors.New("clientauth: the key set's host answered with something else")
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxSetBytes+1))
	if err != nil {
		return nil, 0, err
	}
	keys, ok := parseSet(body)
	if !ok {
		return nil, 0, errors.New("clientauth: what was fetched is no key set, or too large")
	}
	return &keySet{keys: keys}, lifetimeOf(res.Header), nil
}

// enter waits for a place at the host and then for one of all. Error: errBusy.
func (f *fetcher) enter(ctx context.Context, host string) (leave func(), err error) {
	f.mu.Lock()
	h := f.hosts[host]
	if h == nil {
		h = &hostSlots{slots: make(chan struct{}, maxHostFetches)}
		f.hosts[host] = h
	}
	h.users++
	f.mu.Unlock()
	gone := func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(f.hosts, host)
		}
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		gone()
		return nil, errBusy
	}
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		<-h.slots
		gone()
		return nil, errBusy
	}
	return func() { <-f.slots; <-h.slots; gone() }, nil
}

// lifetimeOf reads Cache-Control (RFC 9111 §5.2.2): a host that is about to change its keys can shorten the wait.
func lifetimeOf(h http.Header) time.Duration {
	lifetime := setLifetime
	for part := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "=")
		switch name {
		case "no-store", "no-cache":
			lifetime = 0
		case "max-age":
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				lifetime = min(lifetime, time.Duration(seconds)*time.Second)
			}
		}
	}
	return max(lifetime, fetchPause)
}
