package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	// putBatch bounds what one call writes, so that it stays within its deadline.
	putBatch = 200
	// rebuildTime bounds a rebuild; one that takes longer is not trusted.
	rebuildTime = 10 * time.Minute
)

// putSource writes entries. What stands and has not expired is merged with, never put back: nodes write in any order,
// and an older not-before must not free tokens that a newer one took back. KEYS: entries. ARGV: now, what Redis keeps
// longer, then per entry Before in seconds (0: whenever issued) and expiry in milliseconds.
const putSource = `
local now, longer = tonumber(ARGV[1]), tonumber(ARGV[2])
for i = 1, #KEYS do
  local before, expires = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  local b, e = string.match(redis.call('GET', KEYS[i]) or '', '^(%d+) (%d+)$')
  if e and tonumber(e) > now then
    b, e = tonumber(b), tonumber(e)
    if b == 0 or before == 0 then before = 0 else before = math.max(before, b) end
    expires = math.max(expires, e)
  end
  redis.call('SET', KEYS[i], string.format('%.0f %.0f', before, expires), 'PXAT', string.format('%.0f', expires + longer))
end
return #KEYS`

// forgetSource drops an epoch that another run of the server set. KEYS: epoch. ARGV: 1 to drop this run's own too.
const forgetSource = `
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local epoch = redis.call('GET', KEYS[1])
if epoch and (ARGV[1] == '1' or string.sub(epoch, 1, #run + 1) ~= run .. ' ') then return redis.call('DEL', KEYS[1]) end
return 0`

// beginSource notes that a rebuild began in this memory. KEYS: note. ARGV: lifetime. Returns the run id.
const beginSource = `
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')`

// finishSource sets the epoch when the memory is still the one in which the rebuild began. KEYS: note, epoch.
// ARGV: run id, build id.
const finishSource = `
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if run ~= ARGV[1] or redis.call('DEL', KEYS[1]) == 0 then return 0 end
redis.call('SET', KEYS[2], run .. ' ' .. ARGV[2])
return 1`

// Revocations is the fast home of revocation state. All its keys share one hash tag: in a Cluster they lie on one shard
// with their epoch, so that no part of them can be lost alone, and one MGET sees them as they stand at one moment.
type Revocations struct {
	s      *Store
	tag    string
	epoch  string
	put    script
	begin  script
	finish script
}

func newRevocations(s *Store) *Revocations {
	tag := s.prefix + "{r}:"
	return &Revocations{
		s: s, tag: tag, epoch: tag + "epoch",
		put: newScript(putSource), begin: newScript(beginSource), finish: newScript(finishSource),
	}
}

// Look asks for the epoch and the keys in one command. known is false when the epoch is missing: the answers mean
// nothing. found holds the Before of what is revoked, in Unix seconds; 0: whenever issued. Error: CodeUnavailable.
func (r *Revocations) Look(ctx context.Context, keys []string) (found map[string]int64, known bool, err error) {
	args := make([]any, 0, 2+len(keys))
	args = append(args, "mget", r.epoch)
	for _, key := range keys {
		args = append(args, r.tag+key)
	}
	cmd := redis.NewSliceCmd(ctx, args...)
	if err := r.s.exec(ctx, cmd); err != nil {
		return nil, false, err
	}
	values := cmd.Val()
	if len(values) != 1+len(keys) {
		return nil, false, unavailable("redis_refused", fmt.Errorf("MGET answered %d of %d values", len(values), 1+len(keys)))
	}
	if values[0] == nil {
		return nil, false, nil
	}
	now := r.s.now().UnixMilli()
	for i, key := range keys {
		text, ok := values[1+i].(string)
		if !ok {
			continue
		}
		if before, live := parseEntry(text, now); live {
			if found == nil {
				found = make(map[string]int64, len(keys))
			}
			found[key] = before
		}
	}
	return found, true, nil
}

// parseEntry reads a value. One that cannot be read revokes everything: it was written to revoke something.
func parseEntry(text string, now int64) (before int64, live bool) {
	first, second, _ := strings.Cut(text, " ")
	before, errBefore := strconv.ParseInt(first, 10, 64)
	expires, errExpires := strconv.ParseInt(second, 10, 64)
	if errBefore != nil || errExpires != nil {
		return 0, true
	}
	return before, expires > now
}

// Put writes entries. When Redis answers but refuses them (OOM), it also forgets the epoch: others would go on reading
// a state without these entries and call a revoked token active. Error: CodeUnavailable.
func (r *Revocations) Put(ctx context.Context, entries []signet.Revocation) error {
	for len(entries) > 0 {
		n := min(len(entries), putBatch)
		if err := r.putSome(ctx, entries[:n]); err != nil {
			if signet.ReasonOf(err) == "redis_refused" {
				return errors.Join(err, r.s.exec(ctx, redis.NewIntCmd(ctx, "del", r.epoch)))
			}
			return err
		}
		entries = entries[n:]
	}
	return nil
}

func (r *Revocations) putSome(ctx context.Context, entries []signet.Revocation) error {
	keys := make([]string, len(entries))
	args := make([]any, 2, 2+2*len(entries))
	args[0], args[1] = r.s.now().UnixMilli(), r.s.keepUntil(0)
	for i, entry := range entries {
		keys[i] = r.tag + signet.RevocationKey(entry.Kind, entry.Subject)
		args = append(args, lastSecond(entry), entry.ExpiresAt.UnixMilli())
	}
	_, err := r.s.eval(ctx, r.put, keys, args...)
	return err
}

// lastSecond is what the entry's key holds: only entries of a client, a user or a principal name a second.
func lastSecond(entry signet.Revocation) int64 {
	switch entry.Kind {
	case signet.RevokedClient, signet.RevokedUser, signet.RevokedPrincipal:
		return signet.LastSecond(entry.Before)
	default:
		return 0
	}
}

// Rebuild writes what load returns and makes the state known again, unless the memory was lost since the call began.
// Several nodes may rebuild at once. Errors: what load returned, or CodeUnavailable.
func (r *Revocations) Rebuild(ctx context.Context, load func(ctx context.Context) ([]signet.Revocation, error)) error {
	id := signet.NewID()
	note := r.tag + "rebuild:" + id
	cmd, err := r.s.eval(ctx, r.begin, []string{note}, rebuildTime.Milliseconds())
	if err != nil {
		return err
	}
	run, err := cmd.Text()
	if err != nil {
		return unavailable("redis_refused", err)
	}
	entries, err := load(ctx)
	if err != nil {
		return err
	}
	if err := r.Put(ctx, entries); err != nil {
		return err
	}
	cmd, err = r.s.eval(ctx, r.finish, []string{note, r.epoch}, run, id)
	if err != nil {
		return err
	}
	if n, err := cmd.Int64(); err != nil || n != 1 {
		return unavailable("revocations_lost_again", err)
	}
	return nil
}
