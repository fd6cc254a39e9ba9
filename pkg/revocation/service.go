package revocation

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	// trustFor is how long an empty outbox vouches for the fast home: an entry that was committed before, is in it.
	trustFor = time.Second
	// lateness is how much longer than the token an entry lives: clocks differ, and checks grant a leeway.
	lateness = time.Minute
)

// Options are what the service needs. Fast may be nil: then the journal answers every check.
type Options struct {
	Fast    Fast
	Journal Journal
	Now     func() time.Time
	Log     *slog.Logger
}

// Service checks and carries revocations. It is safe for concurrent use.
type Service struct {
	fast    Fast
	journal Journal
	now     func() time.Time
	log     *slog.Logger
	started time.Time

	// drained is when the last look at the outbox began that left nothing in it, in nanoseconds since started; negative
	// before the first one.
	drained atomic.Int64
	// carried is the position up to which this node itself has put every entry. That another node has put one says nothing
	// here: nodes can be cut off from each other with two servers between them that both believe to be the fast home. Run
	// alone uses it.
	carried int64
	// doubted is when the fast home last failed this node, in nanoseconds since started. Only a drain that began after it
	// restores the trust: else a node that has said "revoked" out of the journal, or that took the token back itself and
	// could not push it, could say "active" out of a fast home that came back without the entry.
	doubted atomic.Int64
	// rebuild wakes Run when a check found the fast home without memory. One place is enough: one rebuild at a time.
	rebuild chan struct{}
}

// New checks the options. Nothing runs until Run is called; until then, and while the outbox cannot be read, checks ask
// the journal.
func New(o Options) (*Service, error) {
	if o.Journal == nil || o.Now == nil || o.Log == nil {
		return nil, errors.New("revocation: Journal, Now and Log are required")
	}
	s := &Service{
		fast: o.Fast, journal: o.Journal, now: o.Now, log: o.Log, started: o.Now(),
		rebuild: make(chan struct{}, 1),
	}
	s.drained.Store(-1)
	s.doubted.Store(-1)
	return s, nil
}

// RevokeToken takes one access token back. A token that has expired or is taken back already needs no entry: nil, and
// nothing is written, so that nobody can fill the journal with one token. The journal's store pushes the entry after its
// commit (Push), so the next check on any node that reaches the fast home refuses it.
// Errors: CodeInternal when facts name no token, CodeUnavailable when nothing was written.
func (s *Service) RevokeToken(ctx context.Context, facts signet.TokenFacts, expiresAt time.Time, reason string, event signet.Event) error {
	if facts.TokenID == "" {
		return signet.Internal(errors.New("revocation: a token without id cannot be taken back"))
	}
	now := s.now()
	entry := signet.Revocation{
		Kind: signet.RevokedToken, Subject: string(facts.TokenID),
		At: now, ExpiresAt: expiresAt.Add(lateness), Reason: reason,
	}
	if !now.Before(entry.ExpiresAt) {
		return nil
	}
	if revoked, err := s.Revoked(ctx, facts); err == nil && revoked {
		return nil
	}
	return s.journal.WriteRevocations(ctx, []signet.Revocation{entry}, event)
}

// trusted reports whether every entry committed more than trustFor ago is known to be in the fast home.
func (s *Service) trusted() bool {
	at := s.drained.Load()
	return at > s.doubted.Load() && s.elapsed()-at < int64(trustFor)
}

// doubt ends the trust in the fast home until the outbox has been seen empty anew.
func (s *Service) doubt() { s.doubted.Store(s.elapsed()) }

func (s *Service) elapsed() int64 { return int64(s.now().Sub(s.started)) }
