package readme

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The first two commands of the README, in this order.
const (
	devCommand  = "go run ./cmd/signet dev"
	testCommand = "make test"
)

const root = "../.."

// commands returns the README's commands: the lines of its code blocks, indented or fenced, without prompt and comment.
func commands(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	fenced := false
	for line := range strings.Lines(string(content)) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if !fenced && !strings.HasPrefix(line, "    ") {
			continue
		}
		line, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "$ "), " #")
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			found = append(found, line)
		}
	}
	return found
}

func TestFirstCommands(t *testing.T) {
	t.Parallel()
	found := commands(t)
	if len(found) < 2 || found[0] != devCommand || found[1] != testCommand {
		t.Fatalf("the README's commands begin with %q, want %q and %q", found[:min(2, len(found))], devCommand, testCommand)
	}
}

// TestDevCommand runs the first command as it is written, on a free port, until it answers.
func TestDevCommand(t *testing.T) {
	t.Parallel()
	found := commands(t)
	if len(found) == 0 {
		t.Fatal("the README has no commands")
	}
	port := freePort(t)
	words := append(strings.Fields(found[0]), "--listen", fmt.Sprintf("127.0.0.1:%d", port))
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = root
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "SIGNET_") { // dev refuses production settings
			cmd.Env = append(cmd.Env, entry)
		}
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run and the server that it starts
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	stop := func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-exited
		}
	}
	address := fmt.Sprintf("http://127.0.0.1:%d/.well-known/openid-configuration", port)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(5 * time.Minute) // go run builds first
	defer deadline.Stop()
	client := &http.Client{Timeout: 2 * time.Second}
	for {
		response, err := client.Get(address)
		if err == nil {
			_ = response.Body.Close()
			stop()
			if response.StatusCode != http.StatusOK {
				t.Errorf("%s answers %d", address, response.StatusCode)
			}
			return
		}
		select {
		case <-ticker.C:
		case err := <-exited:
			t.Fatalf("%s ended: %v\n%s", found[0], err, &output)
		case <-deadline.C:
			stop()
			t.Fatalf("%s does not answer\n%s", found[0], &output)
		}
	}
}

// TestMakeTargets: every `make TARGET` of the README is a target. make test cannot be run here: it runs this test.
func TestMakeTargets(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, command := range commands(t) {
		target, ok := strings.CutPrefix(command, "make ")
		if !ok {
			continue
		}
		seen++
		cmd := exec.Command("make", "--dry-run", target)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("make %s: %v\n%s", target, err, out)
		}
	}
	if seen == 0 {
		t.Error("the README names no make target")
	}
}

func freePort(t *testing.T) int {
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
