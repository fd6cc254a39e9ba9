package e2e

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signet-auth/signet/test/servers"
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
	program := found(t, "Redis", servers.RedisProgram())
	port, dir := FreePort(t), t.TempDir()
	s := &Server{t: t, output: &output{}, Addr: address(port)}
	s.make = func() *exec.Cmd {
		return servers.RedisCommand(program, dir, port, slices.Concat([]string{"--maxmemory", "64mb"}, args)...)
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
	initdb, postgres := found(t, "PostgreSQL", servers.PostgresProgram("initdb")), found(t, "PostgreSQL", servers.PostgresProgram("postgres"))
	dir, err := os.MkdirTemp("", "signet-servers-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data, attr, err := servers.InitDB(t.Context(), initdb, dir)
	if err != nil {
		t.Fatal(err)
	}
	port := FreePort(t)
	p := &Postgres{DSN: servers.PostgresDSN(port)}
	p.Server = &Server{t: t, output: &output{}, Addr: address(port), make: func() *exec.Cmd {
		return servers.PostgresCommand(postgres, data, attr, port, settings...)
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

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// found is the path of a program that test/services finds or installs.
func found(t testing.TB, what, path string) string {
	t.Helper()
	if path == "" {
		t.Fatalf("%s is not installed: run make test", what)
	}
	return path
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
