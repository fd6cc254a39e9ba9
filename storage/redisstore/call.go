package redisstore

import (
	"context"
	"crypto/sha1" //nolint:gosec // EVALSHA names scripts by SHA-1
	"encoding/hex"
	"errors"

	"github.com/redis/go-redis/v9"
)

var errBreakerOpen = errors.New("redis did not answer lately")

// exec sends the commands in one round trip, under the deadline and behind the breaker. nil means that every command
// was answered, if only by nil: the caller reads each result. Error: CodeUnavailable.
func (s *Store) exec(ctx context.Context, cmds ...redis.Cmder) error {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return s.execWithin(ctx, limited, cmds...)
}

// execWithin is exec under a deadline that the caller of several round trips has set. caller is the context without it.
func (s *Store) execWithin(caller, limited context.Context, cmds ...redis.Cmder) error {
	if !s.opened.Load() {
		return unavailable("redis_not_opened", errNotOpened)
	}
	return s.send(caller, limited, cmds...)
}

// send is execWithin also for the first connections, before which nobody else may call.
func (s *Store) send(caller, limited context.Context, cmds ...redis.Cmder) error {
	if err := caller.Err(); err != nil {
		return unavailable("redis_not_asked", err)
	}
	if !s.breaker.allow(s.elapsed()) {
		return unavailable("redis_breaker_open", errBreakerOpen)
	}
	if len(cmds) == 1 {
		_ = s.client.Process(limited, cmds[0])
	} else {
		pipe := s.client.Pipeline()
		for _, cmd := range cmds {
			_ = pipe.Process(limited, cmd)
		}
		_, _ = pipe.Exec(limited)
	}
	return s.settle(caller, limited, firstError(cmds))
}

// settle tells the breaker how a call ended and gives its error the code.
func (s *Store) settle(caller, limited context.Context, err error) error {
	var reply redis.Error
	switch {
	case err == nil:
		s.breaker.succeeded()
		return nil
	case errors.As(err, &reply):
		// Redis answered, with a refusal (OOM, READONLY, LOADING): it is alive, and quick.
		s.breaker.succeeded()
		return unavailable("redis_refused", err)
	case caller.Err() != nil || timedOut(err) && hurried(caller, limited):
		// The caller went away or had less time than we give Redis. That says nothing of Redis: were it counted, five
		// clients that hang up would cut everybody off.
		return unavailable("redis_not_awaited", err)
	}
	if s.breaker.failed(s.elapsed()) {
		s.log.ErrorContext(caller, "redis does not answer; calls fail at once until it does", "error", err)
	}
	return unavailable("redis_failed", err)
}

// hurried reports whether the deadline was the caller's own. The socket's timer may be ahead of the context's, so the
// context alone does not tell.
func hurried(caller, limited context.Context) bool {
	own, ok := caller.Deadline()
	set, _ := limited.Deadline()
	return ok && own.Equal(set)
}

func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// firstError returns the first failure that is not the answer nil.
func firstError(cmds []redis.Cmder) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

func (s *Store) elapsed() int64 { return int64(s.now().Sub(s.started)) }

// script is a Lua script and its name for EVALSHA.
type script struct {
	source, sha string
}

func newScript(source string) script {
	sum := sha1.Sum([]byte(source)) //nolint:gosec // the protocol's name of the script
	return script{source: source, sha: hex.EncodeToString(sum[:])}
}

// command is the script as one command on keys of one slot.
func (sc script) command(ctx context.Context, name, body string, keys []string, args []any) *redis.Cmd {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, name, body, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	cmd := redis.NewCmd(ctx, append(all, args...)...)
	cmd.SetFirstKeyPos(3)
	return cmd
}

// eval runs a script: one round trip, two when this server does not know the script yet. Error: CodeUnavailable.
func (s *Store) eval(ctx context.Context, sc script, keys []string, args ...any) (*redis.Cmd, error) {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return s.evalWithin(ctx, limited, sc, keys, args...)
}

// evalWithin is eval under a deadline that the caller of several round trips has set (see execWithin).
func (s *Store) evalWithin(caller, limited context.Context, sc script, keys []string, args ...any) (*redis.Cmd, error) {
	cmd := sc.command(limited, "evalsha", sc.sha, keys, args)
	err := s.execWithin(caller, limited, cmd)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		cmd = sc.command(limited, "eval", sc.source, keys, args)
		err = s.execWithin(caller, limited, cmd)
	}
	return cmd, err
}
