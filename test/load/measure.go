package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// clockTick is USER_HZ, 100 on every Linux that Go runs on.
const clockTick = 100.0

// probe reads counters of the server process, the database and Redis.
type probe struct {
	serverPID   int
	postmaster  int
	redisPID    int
	conn        *pgx.Conn
	redis       *redis.Client
	ownBackend  int
	ownCommands int64
}

type counters struct {
	server, database, redis float64 // CPU ms
	statements, commands    int64
}

func newProbe(ctx context.Context, s settings) (*probe, error) {
	conn, err := pgx.Connect(ctx, s.postgres)
	if err != nil {
		return nil, err
	}
	p := &probe{conn: conn, redis: redis.NewClient(&redis.Options{Addr: s.redis, DisableIdentity: true})}
	if err := conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&p.ownBackend); err != nil {
		return nil, err
	}
	if p.postmaster, err = parentOf(p.ownBackend); err != nil {
		return nil, fmt.Errorf("PostgreSQL must run on this machine: %w", err)
	}
	info, err := p.redis.Info(ctx, "server").Result()
	if err != nil {
		return nil, err
	}
	p.redisPID, err = strconv.Atoi(field(info, "process_id:"))
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "create extension if not exists pg_stat_statements"); err != nil {
		return nil, fmt.Errorf("pg_stat_statements must be preloaded to count statements: %w", err)
	}
	return p, nil
}

func (p *probe) close(ctx context.Context) {
	_ = p.conn.Close(ctx)
	_ = p.redis.Close()
}

func (p *probe) read(ctx context.Context) (counters, error) {
	var c counters
	var err error
	if c.server, err = cpuOf(p.serverPID); err != nil {
		return c, err
	}
	if c.redis, err = cpuOf(p.redisPID); err != nil {
		return c, err
	}
	if c.database, err = p.databaseCPU(); err != nil {
		return c, err
	}
	// BEGIN and COMMIT count: pg_stat_statements sees them as utility statements.
	const sql = `select coalesce(sum(calls), 0)::bigint from pg_stat_statements where query not like '%pg_stat_statements%'`
	if err := p.conn.QueryRow(ctx, sql).Scan(&c.statements); err != nil {
		return c, err
	}
	info, err := p.redis.Info(ctx, "stats").Result()
	if err != nil {
		return c, err
	}
	c.commands, err = strconv.ParseInt(field(info, "total_commands_processed:"), 10, 64)
	p.ownCommands++
	c.commands -= p.ownCommands
	return c, err
}

// databaseCPU adds up the postmaster and its children, and what ended children used (cutime, cstime of the postmaster).
func (p *probe) databaseCPU() (float64, error) {
	total, err := cpuOf(p.postmaster)
	if err != nil {
		return 0, err
	}
	children, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range children {
		pid, err := strconv.Atoi(strings.Split(path, "/")[2])
		if err != nil || pid == p.ownBackend {
			continue
		}
		if parent, err := parentOf(pid); err == nil && parent == p.postmaster {
			if ms, err := cpuOf(pid); err == nil {
				total += ms
			}
		}
	}
	return total, nil
}

func statOf(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	text := string(data)
	// The command name stands in parentheses and may hold spaces: fields are counted after the last one.
	return strings.Fields(text[strings.LastIndexByte(text, ')')+1:]), nil
}

func parentOf(pid int) (int, error) {
	f, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(f[1])
}

// cpuOf returns user and system time of a process in ms; those of waited-for children only for the postmaster would
// matter, and its children live as long as the measurement.
func cpuOf(pid int) (float64, error) {
	f, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	user, err := strconv.ParseFloat(f[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(f[12], 64)
	return (user + system) * 1000 / clockTick, err
}

func field(info, name string) string {
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}
