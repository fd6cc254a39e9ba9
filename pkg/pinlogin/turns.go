package pinlogin

import (
	"context"
	"errors"
	"sync"

	"github.com/signet-auth/signet/pkg/signet"
)

// maxWaiting is how many attempts may wait at one counter; each costs a connection and no work.
const maxWaiting = 256

// turns lets one attempt at a time through for a key. Only keys that somebody holds or waits for are remembered.
type turns struct {
	mu   sync.Mutex
	held map[string]*turn
}

type turn struct {
	free  chan struct{} // holds one token while nobody has the turn
	users int           // who has it or waits for it
}

func newTurns() *turns { return &turns{held: map[string]*turn{}} }

// enter waits for the turn. leave must be called once. Error: CodeUnavailable, when too many wait or ctx ends.
func (t *turns) enter(ctx context.Context, key string) (leave func(), err error) {
	mine, err := t.join(key)
	if err != nil {
		return nil, err
	}
	select {
	case <-mine.free:
		return func() { mine.free <- struct{}{}; t.part(key, mine) }, nil
	case <-ctx.Done():
		t.part(key, mine)
		return nil, signet.Unavailable(ctx.Err())
	}
}

func (t *turns) join(key string) (*turn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := t.held[key]
	if mine == nil {
		mine = &turn{free: make(chan struct{}, 1)}
		mine.free <- struct{}{}
		t.held[key] = mine
	}
	if mine.users >= maxWaiting {
		return nil, signet.Unavailable(errors.New("too many logins of one application wait"))
	}
	mine.users++
	return mine, nil
}

func (t *turns) part(key string, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(t.held, key)
	}
}
