package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	// buckets spread the marks over the shards of a Cluster. A mark and the epoch it is judged by share a hash tag, and
	// so a shard, and so one fate. Never change the number: the same mark must find the same bucket on every node.
	buckets = 16

	// A clock may run ahead of ours by this much: the leeway of assertions and proofs, and of signed requests. What was
	// accepted before the memory was lost can claim to be issued that much later than it was.
	leadAssertion = 10 * time.Second
	leadOther     = 60 * time.Second
	// An encrypted PIN may carry a time five minutes ahead of ours (wire.md, 5).
	leadPIN = 5 * time.Minute
)

// claimSource sets a missing or foreign epoch to the run id of this server and the caller's time, and returns the epoch
// that stands then. It never moves an epoch back. KEYS: epoch. ARGV: Unix milliseconds, 1 to move this run's own too.
const claimSource = `
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local at = tonumber(ARGV[1])
local stands = redis.call('GET', KEYS[1])
if stands then
  local owner, since = string.match(stands, '^(%x+) (%d+)$')
  if owner == run and ARGV[2] ~= '1' then return stands end
  if since and tonumber(since) > at then at = tonumber(since) end
end
local epoch = run .. ' ' .. string.format('%.0f', at)
redis.call('SET', KEYS[1], epoch)
return epoch`

// replaceSource puts a new mark in the place of one that is over. KEYS: mark. ARGV: old value, new value, PXAT.
const replaceSource = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1`

// Marks is the home of replay marks in Redis.
type Marks struct {
	s       *Store
	tags    [buckets]string // what stands before a mark's hash
	epochs  [buckets]string
	claim   script
	replace script
}

func newMarks(s *Store) *Marks {
	m := &Marks{s: s, claim: newScript(claimSource), replace: newScript(replaceSource)}
	for i := range buckets {
		m.tags[i] = s.prefix + "{m" + strconv.Itoa(i) + "}:"
		m.epochs[i] = m.tags[i] + "epoch"
	}
	return m
}

// initialise moves the epochs that are missing to now, in all buckets: when the store starts, and when a call finds one
// missing, so that the wait of a bucket does not begin with its first caller. Another node may have been first; then
// nothing is moved. The time is taken after the loss was seen: a time from before the question could lie before the
// last mark that was accepted and lost.
func (m *Marks) initialise(ctx, limited context.Context) error {
	gets := make([]redis.Cmder, buckets)
	for i, key := range m.epochs {
		gets[i] = redis.NewStringCmd(limited, "get", key)
	}
	if err := m.s.send(ctx, limited, gets...); err != nil {
		return err
	}
	now := m.s.now().UnixMilli()
	var claims []redis.Cmder
	for i, get := range gets {
		if get.Err() != nil { // nil: send returned every other error
			claims = append(claims, m.claim.command(limited, "eval", m.claim.source, m.epochs[i:i+1], []any{now, 0}))
		}
	}
	if len(claims) == 0 {
		return nil
	}
	m.s.log.WarnContext(ctx, "replay marks start anew: what was issued before now is refused", "buckets", len(claims))
	return m.s.send(ctx, limited, claims...)
}

// Use accepts a mark once until it expires, in one round trip.
// Errors: CodeUsed (second use, or it is over already), CodeUnavailable (Redis failed: nothing is accepted that is not
// recorded; or, with Reason "marks_memory_lost", Redis forgot what was used before and the mark may be among it).
//
// The epoch is read after the mark is set. Were it read before, a FLUSHALL between the two would let a used mark pass
// on the word of an epoch that is gone.
func (m *Marks) Use(ctx context.Context, mark signet.Mark) error {
	now, expires := m.s.now().UnixMilli(), mark.ExpiresAt.UnixMilli()
	if expires <= now {
		// It cannot be presented any more; storing it would mean nothing, and without a record it could be used often.
		return &signet.Error{Code: signet.CodeUsed, Reason: "mark_expired"}
	}
	bucket, key := m.key(mark)
	value := m.value(expires)
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	set := redis.NewStringCmd(limited, "set", key, value, "nx", "get", "pxat", m.s.keepUntil(expires))
	epoch := redis.NewStringCmd(limited, "get", m.epochs[bucket])
	if err := m.s.execWithin(ctx, limited, set, epoch); err != nil {
		return err
	}

	if errors.Is(epoch.Err(), redis.Nil) {
		// Even if somebody else sets an epoch at once, our SET may have been before the loss: nothing is accepted.
		return memoryLost(m.initialise(ctx, limited))
	}
	since, err := parseEpoch(epoch.Val())
	if err != nil {
		return memoryLost(err)
	}
	// Before "used": a caller that tries the same assertion again after a loss is no replay to be alarmed about.
	if mark.IssuedAt.UnixMilli() <= since+lead(mark.Space).Milliseconds() {
		return memoryLost(nil)
	}

	old, err := set.Result()
	switch {
	case errors.Is(err, redis.Nil):
		return nil
	case old == value:
		return nil // our own first attempt, repeated by the driver after a redirect
	case !over(old, now):
		return &signet.Error{Code: signet.CodeUsed}
	}
	return m.takeOver(ctx, limited, key, old, value, expires)
}

// takeOver uses a mark anew whose earlier use has expired but was not yet collected. One of many callers wins.
func (m *Marks) takeOver(ctx, limited context.Context, key, old, value string, expires int64) error {
	cmd, err := m.s.evalWithin(ctx, limited, m.replace, []string{key}, old, value, m.s.keepUntil(expires))
	if err != nil {
		return err
	}
	if n, err := cmd.Int64(); err != nil || n != 1 {
		return &signet.Error{Code: signet.CodeUsed, Cause: err}
	}
	return nil
}

// key hashes space and key, so that neither their length nor their bytes matter, and picks the bucket.
func (m *Marks) key(mark signet.Mark) (bucket int, key string) {
	var stack [256]byte
	text := append(stack[:0], mark.Space...)
	text = append(text, 0)
	text = append(text, mark.Key...)
	sum := sha256.Sum256(text)
	bucket = int(sum[0]) % buckets
	var out [96]byte
	name := append(out[:0], m.tags[bucket]...)
	return bucket, string(base64.RawURLEncoding.AppendEncode(name, sum[:]))
}

// value is the expiry and the request id.
func (m *Marks) value(expires int64) string {
	var out [64]byte
	text := strconv.AppendInt(out[:0], expires, 10)
	text = append(text, ' ')
	text = append(text, m.s.idStart...)
	text = append(text, '-')
	return string(strconv.AppendUint(text, m.s.idNext.Add(1), 36))
}

// over reports whether a stored mark has expired. What cannot be read has not.
func over(value string, now int64) bool {
	text, _, _ := strings.Cut(value, " ")
	expires, err := strconv.ParseInt(text, 10, 64)
	return err == nil && expires <= now
}

func parseEpoch(text string) (since int64, err error) {
	_, at, _ := strings.Cut(text, " ")
	return strconv.ParseInt(at, 10, 64)
}

func lead(space string) time.Duration {
	switch space {
	case "assertion", "dpop":
		return leadAssertion
	case "pin":
		return leadPIN
	}
	return leadOther
}

func memoryLost(cause error) error { return unavailable("marks_memory_lost", cause) }
