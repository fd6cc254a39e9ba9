package e2e

import (
	"bufio"
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
)

const serverWithin = 60 * time.Second

// Server is a PostgreSQL or a Redis that a test owns: to stop, to kill, to listen to.
type Server struct {
	t      testing.TB
	make   func() *exec.Cmd
	up     func() bool
	cmd    *exec.Cmd
	output *output
	// Addr is host:port.
	Addr string
}

// Start runs the server, again when it was killed, and waits until it answers. It is ended with the test.
func (s *Server) Start() {
	s.t.Helper()
	s.cmd = s.make()
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
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
	deadline := time.Now().Add(serverWithin)
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for !s.up() {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s does not answer:\n%s", filepath.Base(cmd.Path), s.output)
		}
		<-ticker.C
	}
}

// Output is what the server has said so far, its log.
func (s *Server) Output() string { return s.output.String() }

// Signal reaches the server and its children, parents first so that none is started unseen.
func (s *Server) Signal(sig syscall.Signal) {
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

// StartRedis starts a Redis on a port of its own that keeps nothing on disk. args go behind its command line.
func StartRedis(t testing.TB, args ...string) *Server {
	t.Helper()
	program := find(t, "redis-server", "valkey-server")
	port, dir := strconv.Itoa(FreePort(t)), t.TempDir()
	s := &Server{t: t, output: &output{}, Addr: "127.0.0.1:" + port}
	s.make = func() *exec.Cmd {
		return exec.Command(program, slices.Concat([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
			"--maxmemory", "64mb", "--maxmemory-policy", "noeviction", "--daemonize", "no", "--dir", dir}, args)...)
	}
	s.up = func() bool {
		answer, err := s.ask("PING")
		return err == nil && answer == "+PONG"
	}
	s.Start()
	return s
}

// ask sends one inline command to a Redis and returns the first line of its answer.
func (s *Server) ask(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

// Say sends a Redis one inline command and fails the test when it answers with an error.
func (s *Server) Say(command string) string {
	s.t.Helper()
	answer, err := s.ask(command)
	if err != nil || strings.HasPrefix(answer, "-") {
		s.t.Fatalf("%s: %s %v", command, answer, err)
	}
	return answer
}

// Monitor listens to every command that a Redis is sent from now on, MULTI and scripts inside out. It returns what was
// heard so far.
func (s *Server) Monitor() (heard func() string) {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		s.t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || line != "+OK\r\n" {
		s.t.Fatalf("MONITOR: %q %v", line, err)
	}
	all := &output{}
	go func() { _, _ = reader.WriteTo(all) }() // until the connection is closed
	return all.String
}

// Postgres is a database cluster of a test's own.
type Postgres struct {
	*Server
	// DSN is that of its superuser.
	DSN string
}

// StartPostgres makes a cluster and starts it, not as root. settings are "name=value".
func StartPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	data, attr := dataFolder(t)
	initdb := exec.Command(find(t, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, data
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := strconv.Itoa(FreePort(t))
	p := &Postgres{DSN: fmt.Sprintf("postgres://postgres@127.0.0.1:%s/postgres?sslmode=disable", port)}
	p.Server = &Server{t: t, output: &output{}, Addr: "127.0.0.1:" + port, make: func() *exec.Cmd {
		cmd := exec.Command(find(t, "postgres"), "-D", data, "-p", port)
		for _, setting := range slices.Concat([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "timezone=UTC"}, settings) {
			cmd.Args = append(cmd.Args, "-c", setting)
		}
		cmd.SysProcAttr, cmd.Dir = attr, data
		return cmd
	}, up: func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, p.DSN)
		if err != nil {
			return false
		}
		return conn.Close(ctx) == nil
	}}
	p.Start()
	return p
}

// dataFolder makes an empty folder that the account which PostgreSQL runs as can reach.
func dataFolder(t testing.TB) (string, *syscall.SysProcAttr) {
	t.Helper()
	dir, err := os.MkdirTemp("", "signet-servers-")
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

// Slowlog is what a Redis remembers of commands that were slow.
func (s *Server) Slowlog() string {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write([]byte("SLOWLOG GET -1\r\nQUIT\r\n")); err != nil {
		s.t.Fatal(err)
	}
	all := &output{}
	if _, err := bufio.NewReader(conn).WriteTo(all); err != nil {
		s.t.Fatal(err)
	}
	return all.String()
}
