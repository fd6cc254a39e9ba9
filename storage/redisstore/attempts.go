package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// reserveSource counts one attempt. A window begins with its first attempt and ends when it said then, whatever comes.
// KEYS: counter. ARGV: now, window, what Redis keeps longer; all milliseconds. Returns count and remaining time.
const reserveSource = `
local now, window, longer = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local count, ends = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
count, ends = tonumber(count or 0), tonumber(ends or 0)
if ends <= now then count, ends = 0, now + window end
count = count + 1
redis.call('SET', KEYS[1], string.format('%.0f %.0f', count, ends), 'PX', string.format('%.0f', ends - now + longer))
return {count, ends - now}`

// releaseSource takes one attempt back within its window. KEYS: counter. ARGV: now.
const releaseSource = `
local count, ends = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
if not ends or tonumber(ends) <= tonumber(ARGV[1]) or tonumber(count) < 1 then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', tonumber(count) - 1) .. ' ' .. ends, 'KEEPTTL')
return 1`

// Attempts counts in fixed windows, shared by all nodes.
type Attempts struct {
	s       *Store
	reserve script
	release script
}

func newAttempts(s *Store) *Attempts {
	return &Attempts{s: s, reserve: newScript(reserveSource), release: newScript(releaseSource)}
}

// Reserve counts one attempt and returns the count within the window, this one included, and how long the window still
// lasts. 64 parallel calls get 64 different numbers. Error: CodeUnavailable.
func (a *Attempts) Reserve(ctx context.Context, key string, window time.Duration) (count int, wait time.Duration, err error) {
	cmd, err := a.s.eval(ctx, a.reserve, []string{a.key(key)},
		a.s.now().UnixMilli(), window.Milliseconds(), keepLonger.Milliseconds())
	if err != nil {
		return 0, 0, err
	}
	pair, err := cmd.Int64Slice()
	if err != nil || len(pair) != 2 {
		return 0, 0, unavailable("redis_refused", fmt.Errorf("reserve answered %v: %w", pair, err))
	}
	return int(pair[0]), time.Duration(pair[1]) * time.Millisecond, nil
}

// Release takes one attempt back. A window that is over, or has none, is left alone. Error: CodeUnavailable.
func (a *Attempts) Release(ctx context.Context, key string) error {
	_, err := a.s.eval(ctx, a.release, []string{a.key(key)}, a.s.now().UnixMilli())
	return err
}

// Count returns what Reserve counted in the window that is open now; 0 and 0 when none is. Error: CodeUnavailable.
func (a *Attempts) Count(ctx context.Context, key string) (count int, wait time.Duration, err error) {
	get := redis.NewStringCmd(ctx, "get", a.key(key))
	if err := a.s.exec(ctx, get); err != nil {
		return 0, 0, err
	}
	if errors.Is(get.Err(), redis.Nil) {
		return 0, 0, nil
	}
	first, second, _ := strings.Cut(get.Val(), " ")
	n, errCount := strconv.Atoi(first)
	ends, errEnds := strconv.ParseInt(second, 10, 64)
	if err := errors.Join(errCount, errEnds); err != nil {
		return 0, 0, unavailable("redis_refused", err)
	}
	left := time.Duration(ends-a.s.now().UnixMilli()) * time.Millisecond
	if left <= 0 {
		return 0, 0, nil
	}
	return n, left, nil
}

// key hashes: callers' keys hold addresses and login names, of any length and bytes.
func (a *Attempts) key(key string) string {
	sum := sha256.Sum256([]byte(key))
	return a.s.prefix + "a:" + base64.RawURLEncoding.EncodeToString(sum[:])
}
