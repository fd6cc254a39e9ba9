package redisstore

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"
)

func TestPublishSubscribe(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	sender := openAt(t, srv.addr, time.Now, prefix("p:"))
	hearer := openAt(t, srv.addr, time.Now, prefix("p:"))
	stranger := openAt(t, srv.addr, time.Now, prefix("q:"))

	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan int64, 1000)
	ended := make(chan error, 1)
	go func() { ended <- hearer.Subscribe(ctx, func(n int64) { heard <- n }) }()
	var next int64
	// hears publishes until the newest number arrives: messages sent before the subscription stands are lost.
	hears := func(what string) {
		t.Helper()
		waitUntil(t, what, func() bool {
			stranger.Publish(t.Context(), 1<<40+next)
			next++
			sender.Publish(t.Context(), next)
			select {
			case n := <-heard:
				if n > next {
					t.Fatalf("heard %d from another prefix", n)
				}
				return true
			case <-time.After(20 * time.Millisecond):
				return false
			}
		})
	}
	hears("a change is heard")
	srv.do("CLIENT", "KILL", "TYPE", "pubsub")
	hears("a change is heard after the connection broke")
	srv.kill()
	// With Redis away publishing costs nobody anything.
	if took := timed(func() {
		for range 1000 {
			sender.Publish(t.Context(), 1)
		}
	}); took > 100*time.Millisecond {
		t.Errorf("1000 publications without Redis took %v", took)
	}
	srv.start()
	hears("a change is heard after a restart")
	srv.signal(syscall.SIGSTOP)
	if took := timed(func() { sender.Publish(t.Context(), next) }); took > 50*time.Millisecond {
		t.Errorf("publishing to a hanging Redis took %v", took)
	}
	srv.signal(syscall.SIGCONT)
	hears("a change is heard after a hang")

	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Subscribe ended with %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("Subscribe does not end with its context")
	}
}
