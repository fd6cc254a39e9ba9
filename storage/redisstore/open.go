package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// startTries is how often Open asks a Redis that is too slow to answer: a busy machine is no outage.
	startTries = 4
	// refusalRepeat is how often the log repeats that the server must not be used.
	refusalRepeat = time.Minute
)

var errNotOpened = errors.New("redis was away when this node started and is not in use yet")

// unfitError says that the server answers and must not be used. It has no Unwrap: the driver takes one layer off what
// fails a new connection, and would take off this one.
type unfitError struct{ cause error }

func (e unfitError) Error() string { return e.cause.Error() }

// open makes the first connections. A server that must not be used refuses the start; one that is away does not, since
// a node that restarts in an outage must come up: then every call fails at once until reopen has succeeded.
//
// Until then means all of them: a mark that was written before the first connection has told Redis's clock could be
// dropped while it still can be replayed.
func (s *Store) open(ctx context.Context) error {
	err := s.start(ctx)
	for try := 1; try < startTries && timedOut(err) && ctx.Err() == nil; try++ {
		err = s.start(ctx)
	}
	if err == nil {
		s.opened.Store(true)
		return nil
	}
	if ctx.Err() != nil || !away(err) {
		return err
	}
	s.log.ErrorContext(ctx, "redis is away: started without it; calls fail until it answers and may be used", "error", err)
	background, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.reopening.Go(func() { s.reopen(background) })
	return nil
}

// reopen does what open could not, as soon as Redis answers.
func (s *Store) reopen(ctx context.Context) {
	tick := time.NewTicker(breakerPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s.start(ctx) == nil { // otherwise the breaker or admit has logged why
			s.opened.Store(true)
			s.log.WarnContext(ctx, "redis answers and is in use from now on")
			return
		}
	}
}

// start makes the first connection to every server that holds a bucket and so runs admit there.
func (s *Store) start(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.send(ctx, limited, redis.NewStatusCmd(limited, "ping")); err != nil {
		return err
	}
	limited, cancel = context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.marks.initialise(ctx, limited); err != nil {
		return err
	}
	if s.mode == ModeSingle {
		return nil
	}
	config := redis.NewMapStringStringCmd(limited, "config", "get", "min-replicas-to-write")
	// CONFIG may be forbidden; then there is nothing to say.
	if err := s.send(ctx, limited, config); err == nil && config.Val()["min-replicas-to-write"] == "0" {
		s.log.WarnContext(ctx, "redis accepts writes without a replica: a master that is cut off can accept a used mark",
			"setting", "min-replicas-to-write", "value", 0)
	}
	return nil
}

// refusal is what was last logged of a server that must not be used.
type refusal struct {
	text string
	at   time.Time
}

// refuse turns a server down, loudly: an operator has to act. The replicas of a group come and go without one.
func (s *Store) refuse(ctx context.Context, cause error) error {
	if errors.Is(cause, errReplica) && s.mode != ModeSingle {
		return cause
	}
	now, text := s.now(), cause.Error()
	if last := s.refused.Load(); last == nil || last.text != text || now.Sub(last.at) >= refusalRepeat {
		s.refused.Store(&refusal{text, now})
		s.log.ErrorContext(ctx, "this redis must not be used", "error", cause)
	}
	return unfitError{cause}
}

// away reports whether a failed start may be mended by waiting. A server that is unfit, and an answer that refuses us
// (a wrong password, a missing right), need an operator; so does a certificate that we do not trust.
func away(err error) bool {
	var (
		unfit       unfitError
		certificate *tls.CertificateVerificationError
		reply       redis.Error
	)
	if errors.As(err, &unfit) || errors.As(err, &certificate) {
		return false
	}
	if !errors.As(err, &reply) {
		return true
	}
	passing := []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY", "BUSY", "MOVED", "ASK", "ERR max number of clients"}
	return slices.ContainsFunc(passing, func(prefix string) bool { return strings.HasPrefix(reply.Error(), prefix) })
}

// opening names the servers in an error of Open.
func opening(o *Options, err error) error {
	return fmt.Errorf("redisstore: open %s at %s: %w", o.Mode, strings.Join(o.Addrs, ","), err)
}
