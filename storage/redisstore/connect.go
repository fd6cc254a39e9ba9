package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

var errReplica = errors.New("this is a replica: its answers may be old")

// admit looks at every new connection before it is used: may this server be used at all, and is its memory the one
// that the epochs speak of? Another run id means a restart (perhaps from an old file) or a replica that was promoted
// and may have missed the last writes; then the epochs move here, on this very connection, so that no command can reach
// the new server before.
//
// They also move when this node itself comes from another run, whatever the epochs say: other nodes may have moved them
// long ago, while this one went on writing to a master that was cut off, and what it wrote there is not here.
func (s *Store) admit(ctx context.Context, conn *redis.Conn) error {
	epochs := s.epochKeys()
	gets := make([]*redis.StringCmd, len(epochs))
	pipe := conn.Pipeline()
	info := pipe.Info(ctx, "server", "replication", "memory")
	for i, key := range epochs {
		gets[i] = pipe.Get(ctx, key)
	}
	_, _ = pipe.Exec(ctx) // each answer is read below
	if info.Err() != nil {
		return fmt.Errorf("INFO: %w", info.Err())
	}
	server := parseInfo(info.Val())
	if s.mode == ModeSentinel && server["redis_mode"] == "sentinel" {
		return nil // the driver asks a Sentinel who the master is; it holds no keys
	}
	if err := server.usable(); err != nil {
		return s.refuse(ctx, err)
	}
	s.refused.Store(nil)
	s.noteClock(server)
	run := server["run_id"]
	for i, get := range gets {
		if elsewhere(get.Err()) {
			continue // another node of the Cluster holds this slot, and is asked when we connect to it
		}
		if err := get.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("GET epoch: %w", err)
		}
		last := s.runs[i].Load()
		switched := last != nil && *last != run
		if sameRun(get.Val(), run) && !switched {
			s.runs[i].CompareAndSwap(nil, &run)
			continue
		}
		if err := s.moveEpoch(ctx, conn, epochs[i], i < buckets, switched); err != nil {
			return err
		}
		// Only now: a connection that comes meanwhile must move too, and not rely on a move that may still fail.
		s.runs[i].Store(&run)
	}
	return nil
}

// epochKeys are the marks' epochs and, last, the revocations'.
func (s *Store) epochKeys() []string {
	return append(append(make([]string, 0, buckets+1), s.marks.epochs[:]...), s.revocations.epoch)
}

// moveEpoch claims a marks epoch for this server from now on, or forgets the revocations' epoch; with force, even one
// that is this run's already.
func (s *Store) moveEpoch(ctx context.Context, conn *redis.Conn, key string, isMark, force bool) error {
	forced := 0
	if force {
		forced = 1
	}
	source, args := forgetSource, []any{forced}
	if isMark {
		source, args = claimSource, []any{s.now().UnixMilli(), forced}
	}
	if err := conn.Eval(ctx, source, []string{key}, args...).Err(); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("move epoch: %w", err)
	}
	return nil
}

// noteClock remembers the largest lead of a Redis clock (see keepUntil).
func (s *Store) noteClock(server serverInfo) {
	micros, err := strconv.ParseInt(server["server_time_usec"], 10, 64)
	if err != nil {
		return
	}
	lead := micros/1000 - s.now().UnixMilli()
	for {
		known := s.clockLead.Load()
		if lead <= known || s.clockLead.CompareAndSwap(known, lead) {
			return
		}
	}
}

// serverInfo is the answer of INFO.
type serverInfo map[string]string

func parseInfo(text string) serverInfo {
	info := serverInfo{}
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\r"), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// usable refuses what would break the promises of this package. An answer that is missing refuses too.
func (i serverInfo) usable() error {
	if role := i["role"]; role == "slave" {
		return errReplica
	} else if role != "master" {
		return fmt.Errorf("unknown role %q in INFO replication", role)
	}
	if i["run_id"] == "" {
		return errors.New("no run_id in INFO server")
	}
	// Eviction would drop single marks and revocations without a trace.
	if policy := i["maxmemory_policy"]; policy != "noeviction" {
		return fmt.Errorf("maxmemory-policy is %q, it must be noeviction", policy)
	}
	// SET with NX and GET together came with 7.0.
	major, _, _ := strings.Cut(i["redis_version"], ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		return fmt.Errorf("version is %q, it must be 7.0 or later", i["redis_version"])
	}
	return nil
}

// sameRun reports whether an epoch was set by this run of the server.
func sameRun(epoch, runID string) bool {
	rest, ok := strings.CutPrefix(epoch, runID)
	return ok && strings.HasPrefix(rest, " ")
}

func elsewhere(err error) bool {
	return redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK")
}
