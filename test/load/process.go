package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// process is a child that says on its standard output when it is ready.
type process struct {
	command *exec.Cmd
	answer  string // what stood behind the ready mark
}

// start runs a program and waits for the line that begins with ready.
func start(ctx context.Context, ready, name string, args ...string) (*process, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Env = os.Environ()
	command.Stderr = os.Stderr
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 15 * time.Second
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{command: command}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), ready); ok {
			p.answer = strings.TrimSpace(rest)
			go func() { _, _ = io.Copy(io.Discard, output) }()
			return p, nil
		}
	}
	p.stop()
	return nil, fmt.Errorf("%s ended before it was ready", name)
}

// launch runs a program that says elsewhere when it is ready.
func launch(ctx context.Context, name string, args ...string) (*process, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Stderr = os.Stderr
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 15 * time.Second
	return &process{command: command}, command.Start()
}

func (p *process) pid() int { return p.command.Process.Pid }

func (p *process) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	_ = p.command.Wait()
}

// post sends JSON with an admin key and decodes the answer into out, when given.
func post(ctx context.Context, target, adminKey string, body []byte, out any) error {
	return call(ctx, http.MethodPost, target, adminKey, "", body, out)
}

// call calls the node's admin API; match is the ETag that must stand.
func (n *node) call(ctx context.Context, method, target, match string, body []byte, out any) error {
	return call(ctx, method, target, n.adminKey, match, body, out)
}

func call(ctx context.Context, method, target, adminKey, match string, body []byte, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if match != "" {
		request.Header.Set("If-Match", match)
	}
	if adminKey != "" {
		request.Header.Set("Authorization", "Bearer "+adminKey)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s answered %d: %s", target, response.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
