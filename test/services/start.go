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
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
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
	data := filepath.Join(dir, "postgres")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	attr, err := unprivileged(dir, data)
	if err != nil {
		return nil, err
	}
	initdb := exec.CommandContext(ctx, t.initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, data
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return start(ctx, "database system is ready to accept connections", func(port int) *service {
		cmd := exec.Command(t.postgres, "-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
			"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
			"-c", "max_connections=400", "-c", "timezone=UTC")
		if preload := os.Getenv(envPreload); preload != "" {
			cmd.Args = append(cmd.Args, "-c", "shared_preload_libraries="+preload)
		}
		cmd.SysProcAttr, cmd.Dir = attr, data
		// SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
		return &service{cmd: cmd, halt: syscall.SIGINT, env: fmt.Sprintf("%s=postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", envPostgres, port)}
	})
}

// unprivileged gives PostgreSQL, which refuses to run as root, the user postgres or nobody, and its folder.
func unprivileged(dir, data string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return ownGroup(nil), nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr, os.Chown(data, int(uid), int(gid)), os.Chmod(dir, 0o755)); err != nil {
			return nil, err
		}
		return ownGroup(&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}), nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

// ownGroup keeps a Ctrl-C from reaching the server before the tests have ended.
func ownGroup(credential *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential}
}

// startRedis starts a server that keeps nothing on disk and never evicts, as signet requires.
func startRedis(ctx context.Context, t tools, dir string) (*service, error) {
	if t.redis == "" {
		return nil, nil
	}
	return start(ctx, "eady to accept connections", func(port int) *service {
		cmd := exec.Command(t.redis, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
			"--maxmemory-policy", "noeviction", "--daemonize", "no", "--dir", dir)
		cmd.SysProcAttr = ownGroup(nil)
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
