package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// The variables that tests read.
const (
	envPostgres = "SIGNET_TEST_POSTGRES"
	envRedis    = "SIGNET_TEST_REDIS"
	envChromium = "SIGNET_TEST_CHROMIUM"
	// envPreload names what PostgreSQL loads at its start: the bench counts statements by pg_stat_statements.
	envPreload = "SIGNET_TEST_POSTGRES_PRELOAD"
)

const (
	exitUsage   = 2
	exitMissing = 3
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: services COMMAND ARG…")
		os.Exit(exitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run starts what is needed, runs the command and returns its exit code.
func run(ctx context.Context, command []string) int {
	found, err := findTools(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "services:", err)
		return exitMissing
	}
	dir, err := os.MkdirTemp("", "signet-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "services:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var services []*service
	defer func() {
		for _, s := range services {
			s.stop()
		}
	}()
	env := os.Environ()
	for _, start := range []func(context.Context, tools, string) (*service, error){startPostgres, startRedis} {
		s, err := start(ctx, found, dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, "services:", err)
			return 1
		}
		if s != nil {
			services = append(services, s)
			env = append(env, s.env)
			fmt.Fprintln(os.Stderr, "services:", s.env)
		}
	}
	if found.chromium != "" {
		env = append(env, envChromium+"="+found.chromium)
	}
	return runCommand(ctx, command, env)
}

// runCommand runs the command in its own process group, so that a signal reaches whatever it started.
func runCommand(ctx context.Context, command, env []string) int {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if cmd.Process != nil {
		// Whatever the command left running belongs to it. ESRCH when nothing is left.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "services: interrupted")
		return 130
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "services:", err)
		return 1
	}
	return 0
}
