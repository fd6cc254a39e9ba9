package e2e

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	readyWithin = 30 * time.Second
	stopWithin  = 20 * time.Second
	pollEvery   = 25 * time.Millisecond
	// shownOutput is how much of what a process said is shown when a test failed: the end of a long one.
	shownOutput = 256 << 10
)

// Process is a running signet.
type Process struct {
	t      testing.TB
	cmd    *exec.Cmd
	output *output
	exited chan struct{}
	err    error
}

// output collects what a process says.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String returns everything said so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Start runs the binary. The process is stopped at the end of the test, and what it said is shown if the test failed.
func Start(t testing.TB, env []string, args ...string) *Process {
	t.Helper()
	return start(t, Binary(t), env, args...)
}

func start(t testing.TB, binary string, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(binary, args...), output: &output{}, exited: make(chan struct{})}
	p.cmd.Env = append(clean(os.Environ()), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.exited) }()
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			said := p.Output()
			t.Logf("signet %s said at last:\n%s", strings.Join(args, " "), said[max(0, len(said)-shownOutput):])
		}
	})
	return p
}

// clean drops settings of the environment that would reach the server.
func clean(environ []string) []string {
	var kept []string
	for _, entry := range environ {
		if !strings.HasPrefix(entry, "SIGNET_") {
			kept = append(kept, entry)
		}
	}
	return kept
}

// Output returns what the process has said so far.
func (p *Process) Output() string { return p.output.String() }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitCode returns the exit code of a process that has ended; -1 when a signal ended it.
func (p *Process) ExitCode() int {
	<-p.exited
	return p.cmd.ProcessState.ExitCode()
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal.
func (p *Process) Signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
}

// Kill ends the process at once, as a power cut would.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Stop asks the process to end and returns its exit code; a second call returns the same. Use it to check a clean
// shutdown: 0.
func (p *Process) Stop() int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill()
		<-p.exited
		p.t.Errorf("signet did not stop within %s", stopWithin)
	}
	return p.cmd.ProcessState.ExitCode()
}

// WaitFor polls until ready returns true; the test fails when the process ends first or time runs out.
func (p *Process) WaitFor(what string, ready func() bool) {
	p.t.Helper()
	p.waitFor(readyWithin, pollEvery, what, ready)
}

func (p *Process) waitFor(within, pace time.Duration, what string, ready func() bool) {
	p.t.Helper()
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for !ready() {
		select {
		case <-ticker.C:
		case <-p.exited:
			p.t.Fatalf("signet ended (%v) before %s:\n%s", p.err, what, p.output)
		case <-deadline.C:
			p.t.Fatalf("not within %s: %s\n%s", within, what, p.output)
		}
	}
}

// Answers reports whether a GET of the URL gives 200.
func Answers(url string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// FreePort returns a loopback port that nobody listens on at the moment.
func FreePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

// Run runs a command of the binary to its end and returns what it printed; it must succeed.
func Run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := runOnce(t, args...)
	if err != nil {
		t.Fatalf("signet %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// runOnce is Run for commands that may fail.
func runOnce(t testing.TB, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	cmd.Env = clean(os.Environ())
	out, err := cmd.CombinedOutput()
	return string(out), err
}
