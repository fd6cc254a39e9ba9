package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signet-auth/signet/test/e2e"
)

const (
	serverWithin = 60 * time.Second
	pollEvery    = 20 * time.Millisecond
)

// eventually polls until what is asked holds; the test fails when it does not within the time.
func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		<-ticker.C
	}
}

// server is a process that a test owns.
type server struct {
	t    testing.TB
	make func() *exec.Cmd
	up   func() bool
	cmd  *exec.Cmd
}

// start runs the server and waits until it answers. It is ended with the test.
func (s *server) start() {
	s.t.Helper()
	s.cmd = s.make()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, exited := s.cmd, make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	s.t.Cleanup(func() {
		for _, pid := range family(cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		_ = cmd.Process.Signal(syscall.SIGINT) // PostgreSQL: fast shutdown
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-exited
		}
	})
	eventually(s.t, serverWithin, filepath.Base(cmd.Path)+" answers", s.up)
}

// signal reaches the server and its children, parents first so that none is started unseen.
func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	for _, pid := range family(s.cmd.Process.Pid) {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			s.t.Fatal(err)
		}
	}
}

// family lists a process and its children: from /proc, since a small image has no ps, or else from ps.
func family(pid int) []int {
	all := []int{pid}
	child := func(pidText, parentText string) {
		id, idErr := strconv.Atoi(pidText)
		if idErr == nil && parentText == strconv.Itoa(pid) {
			all = append(all, id)
		}
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err == nil && len(stats) > 0 {
		for _, file := range stats {
			content, err := os.ReadFile(file)
			if err != nil {
				continue // it has ended
			}
			// pid (name) state ppid …; the name may hold anything, parentheses too.
			after := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
			if len(after) > 1 {
				child(filepath.Base(filepath.Dir(file)), after[1])
			}
		}
		return all
	}
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return all
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			child(fields[0], fields[1])
		}
	}
	return all
}

// startRedis starts a Redis on a port of its own that keeps nothing on disk.
func startRedis(t testing.TB, policy string) (*server, string) {
	t.Helper()
	program := find(t, "redis-server", "valkey-server")
	port, dir := strconv.Itoa(e2e.FreePort(t)), t.TempDir()
	addr := "127.0.0.1:" + port
	s := &server{t: t, make: func() *exec.Cmd {
		return exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
			"--maxmemory", "64mb", "--maxmemory-policy", policy, "--daemonize", "no", "--dir", dir)
	}, up: func() bool {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		answer := make([]byte, 7)
		_, writeErr := conn.Write([]byte("PING\r\n"))
		n, readErr := conn.Read(answer)
		return writeErr == nil && readErr == nil && string(answer[:n]) == "+PONG\r\n"
	}}
	s.start()
	return s, addr
}

// postgres is a database cluster of a test's own.
type postgres struct {
	*server
	dsn string
}

// startPostgres makes a cluster of its own and starts it, not as root.
func startPostgres(t testing.TB) *postgres {
	t.Helper()
	data, attr := dataFolder(t)
	initdb := exec.Command(find(t, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, data
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := strconv.Itoa(e2e.FreePort(t))
	p := &postgres{dsn: fmt.Sprintf("postgres://postgres@127.0.0.1:%s/postgres?sslmode=disable", port)}
	p.server = &server{t: t, make: func() *exec.Cmd {
		cmd := exec.Command(find(t, "postgres"), "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1",
			"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "timezone=UTC")
		cmd.SysProcAttr, cmd.Dir = attr, data
		return cmd
	}, up: func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, p.dsn)
		if err != nil {
			return false
		}
		return conn.Close(ctx) == nil
	}}
	p.start()
	return p
}

// dataFolder makes an empty folder that the account which PostgreSQL runs as can reach.
func dataFolder(t testing.TB) (string, *syscall.SysProcAttr) {
	t.Helper()
	dir, err := os.MkdirTemp("", "signet-faults-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(data, 0o700)); err != nil {
		t.Fatal(err)
	}
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return data, attr
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(account.Uid)
		gid, gidErr := strconv.Atoi(account.Gid)
		if err := errors.Join(uidErr, gidErr, os.Chown(data, uid, gid)); err != nil {
			t.Fatal(err)
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return data, attr
	}
	t.Fatal("PostgreSQL does not run as root, and there is no user postgres or nobody")
	return "", nil
}

// find looks for a program where test/services finds or installs it.
func find(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		var found []string
		for _, folder := range []string{"/usr/lib/postgresql/*/bin/", "/usr/pgsql-*/bin/", "/opt/homebrew/opt/postgresql*/bin/", "/usr/local/opt/postgresql*/bin/"} {
			matches, err := filepath.Glob(folder + name)
			if err == nil {
				found = append(found, matches...)
			}
		}
		if len(found) > 0 {
			slices.Sort(found)
			return found[len(found)-1]
		}
	}
	t.Fatalf("%s is not installed: run make test", names[0])
	return ""
}

// query runs one statement on the database and returns its rows as text. It is asked only while the database is well.
func query(t testing.TB, dsn, sql string, args ...any) [][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var all [][]string
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = fmt.Sprint(v)
		}
		all = append(all, row)
	}
	if rows.Err() != nil {
		t.Fatalf("%s: %v", sql, rows.Err())
	}
	return all
}
