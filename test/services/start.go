package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/signet-auth/signet/test/servers"
)

const (
	readyWithin = 60 * time.Second
	stopWithin  = 15 * time.Second
	startTries  = 5
)

// service is one running server.
type service struct {
	env    string // the variable that tells tests where it is
	cmd    *exec.Cmd
	halt   syscall.Signal
	exited chan struct{}
}

// stop asks, waits, and then insists.
func (s *service) stop() {
	_ = s.cmd.Process.Signal(s.halt)
	select {
	case <-s.exited:
	case <-time.After(stopWithin):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

// startPostgres makes a cluster in dir and starts it. Durability is off: the data lives as long as the tests.
func startPostgres(ctx context.Context, t tools, dir string) (*service, error) {
	if t.postgres == "" {
		return nil, nil
	}
	data, attr, err := servers.InitDB(ctx, t.initdb, dir)
	if err != nil {
		return nil, err
	}
	settings := []string{"synchronous_commit=off", "full_page_writes=off", "max_connections=400"}
	if preload := os.Getenv(envPreload); preload != "" {
		settings = append(settings, "shared_preload_libraries="+preload)
	}
	return start(ctx, "database system is ready to accept connections", func(port int) *service {
		// SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
		return &service{cmd: servers.PostgresCommand(t.postgres, data, attr, port, settings...), halt: syscall.SIGINT,
			env: envPostgres + "=" + servers.PostgresDSN(port)}
	})
}

// startRedis starts a server that keeps nothing on disk and never evicts, as signet requires.
func startRedis(ctx context.Context, t tools, dir string) (*service, error) {
	if t.redis == "" {
		return nil, nil
	}
	return start(ctx, "eady to accept connections", func(port int) *service {
		cmd := servers.RedisCommand(t.redis, dir, port)
		cmd.SysProcAttr = servers.OwnGroup(nil)
		return &service{cmd: cmd, halt: syscall.SIGTERM, env: fmt.Sprintf("%s=127.0.0.1:%d", envRedis, port)}
	})
}

// start runs the server that prepare makes, on a free port, and waits until its log says ready. Between finding a port
// and using it another process may take it, so that a server which ends early is tried again on another one.
func start(ctx context.Context, ready string, prepare func(port int) *service) (*service, error) {
	var failure error
	for range startTries {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s := prepare(port)
		if failure = s.begin(ctx, ready); failure == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failure
}

func (s *service) begin(ctx context.Context, ready string) error {
	s.cmd.Env = append(os.Environ(), "LC_ALL=C") // the ready line in English
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	s.cmd.Stdout, s.cmd.Stderr = writer, writer
	if err := s.cmd.Start(); err != nil {
		return errors.Join(err, reader.Close(), writer.Close())
	}
	_ = writer.Close() // the server has its own copy
	s.exited = make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(s.exited) }()
	said, isReady := watch(reader, ready)
	timeout := time.NewTimer(readyWithin)
	defer timeout.Stop()
	select {
	case <-isReady:
		return nil
	case <-s.exited:
		return fmt.Errorf("%s ended before it was ready:\n%s", s.cmd.Path, <-said)
	case <-timeout.C:
		s.stop()
		return fmt.Errorf("%s was not ready within %s:\n%s", s.cmd.Path, readyWithin, <-said)
	case <-ctx.Done():
		s.stop()
		return ctx.Err()
	}
}

// watch reads a server's log to its end. It closes isReady at the ready line and sends what was said before that when
// the log ends.
func watch(log io.ReadCloser, ready string) (said <-chan string, isReady <-chan struct{}) {
	text, open := make(chan string, 1), make(chan struct{})
	go func() {
		defer func() { _ = log.Close() }()
		var lines strings.Builder
		seen := false
		for scanner := bufio.NewScanner(log); scanner.Scan(); {
			if seen {
				continue
			}
			lines.WriteString(scanner.Text() + "\n")
			if strings.Contains(scanner.Text(), ready) {
				seen = true
				close(open)
			}
		}
		text <- lines.String()
	}()
	return text, open
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}
