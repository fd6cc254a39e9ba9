package redisstore

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	resubscribeMin = 50 * time.Millisecond
	resubscribeMax = time.Second
	// silence is how long a subscriber waits before it asks whether the connection still lives.
	silence = 3 * time.Second
)

// publisher sends the newest change number from a goroutine of its own, so that nobody waits for Redis. Numbers that
// are overtaken while one is on its way are left out: a wake-up is all they are good for, the poll reads the table.
type publisher struct {
	s      *Store
	newest atomic.Int64
	wake   chan struct{}
	stop   context.CancelFunc
	ended  sync.WaitGroup
}

func newPublisher(s *Store) *publisher {
	ctx, stop := context.WithCancel(context.Background())
	p := &publisher{s: s, wake: make(chan struct{}, 1), stop: stop}
	p.ended.Go(func() { p.run(ctx) })
	return p
}

func (p *publisher) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
			// An error is left to the poll, which finds the change within 400 ms.
			_ = p.s.exec(ctx, redis.NewIntCmd(ctx, "publish", p.s.channel(), p.newest.Load()))
		}
	}
}

func (p *publisher) close() {
	if p == nil {
		return
	}
	p.stop()
	p.ended.Wait()
}

func (s *Store) channel() string { return s.prefix + "changes" }

// Publish tells the other nodes that change n was committed. It never blocks and may be lost; changes are polled.
func (s *Store) Publish(_ context.Context, n int64) {
	for {
		newest := s.publisher.newest.Load()
		if n <= newest || s.publisher.newest.CompareAndSwap(newest, n) {
			break
		}
	}
	select {
	case s.publisher.wake <- struct{}{}:
	default: // one is due already and will carry n
	}
}

// Subscribe calls wake with every number it hears, this node's own included, until ctx ends, and returns its error.
// It connects again after a failure, waiting 50 ms to 1 s. wake must not block.
func (s *Store) Subscribe(ctx context.Context, wake func(n int64)) error {
	pause := resubscribeMin
	for ctx.Err() == nil {
		heard := s.listen(ctx, wake)
		if heard {
			pause = resubscribeMin
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
		pause = min(2*pause, resubscribeMax)
	}
	return ctx.Err()
}

// listen holds one subscription until it fails. It reports whether anything was heard, the confirmation included.
func (s *Store) listen(ctx context.Context, wake func(n int64)) (heard bool) {
	sub := s.client.Subscribe(ctx, s.channel())
	defer func() { _ = sub.Close() }()
	// A read in progress does not look at the context.
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })()
	asked := false
	for {
		message, err := sub.ReceiveTimeout(ctx, silence)
		switch m := message.(type) {
		case nil:
			// Silence once: ask. Silence after asking, or any other failure: connect anew.
			if asked || !timedOut(err) || sub.Ping(ctx) != nil {
				return heard
			}
			asked = true
			continue
		case *redis.Message:
			if n, err := strconv.ParseInt(m.Payload, 10, 64); err == nil {
				wake(n)
			}
		}
		heard, asked = true, false
	}
}
