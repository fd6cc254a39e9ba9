package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary behave as the program itself.
const asProgram = "SERVICES_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// self runs this program with a clean environment and the given variables.
func self(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = append([]string{asProgram + "=1", "TMPDIR=" + t.TempDir()}, env...)
	return cmd
}

// given are variables that make every service somebody else's.
func given() []string {
	return []string{"PATH=" + os.Getenv("PATH"), envPostgres + "=postgres://elsewhere/", envRedis + "=elsewhere:1", envChromium + "=/elsewhere"}
}

func TestCommandSeesItsServices(t *testing.T) {
	t.Parallel()
	out, err := self(t, given(), "sh", "-c", `echo "$SIGNET_TEST_POSTGRES $SIGNET_TEST_REDIS $SIGNET_TEST_CHROMIUM"`).Output()
	if err != nil || string(out) != "postgres://elsewhere/ elsewhere:1 /elsewhere\n" {
		t.Errorf("the command says %q, %v", out, err)
	}
	var exit *exec.ExitError
	if err := self(t, given(), "sh", "-c", "exit 7").Run(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("a command that exits 7 gives %v", err)
	}
	if err := self(t, given(), "/no/such/command").Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("a command that is not there gives %v", err)
	}
}

// Without the programs, and without apt-get, it says what to install.
func TestSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	out, err := self(t, []string{"PATH=" + t.TempDir(), envPostgres + "=x"}, "true").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitMissing {
		t.Errorf("error %v, want exit code %d", err, exitMissing)
	}
	for _, want := range []string{"Redis (redis-server)", "Node.js 20", "sudo apt-get install redis-server", envRedis} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q does not say %q", out, want)
		}
	}
}

// An interruption ends the command and what the command started, and leaves nothing behind.
func TestInterruption(t *testing.T) {
	t.Parallel()
	cmd := self(t, given(), "sh", "-c", "sleep 300 & echo $!; wait")
	var temp string
	for _, entry := range cmd.Env {
		if dir, ok := strings.CutPrefix(entry, "TMPDIR="); ok {
			temp = dir
		}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("interrupted it gives %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(temp, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for alive(grandchild) {
		if time.Now().After(deadline) {
			t.Fatal("what the command started is still running")
		}
	}
}

// alive reports whether a process runs; one that has ended and is not yet collected does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(stat), ") Z ")
}
