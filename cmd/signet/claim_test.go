package main

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary stand in for a dev server that is killed.
func TestMain(m *testing.M) {
	if os.Getenv("SIGNET_TEST_CLAIM") == "1" {
		h, err := openHome("")
		if err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString(h.dir + "\n")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until it is killed
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestKilledDevIsCleanedUp: the next server removes what a killed one could not, and nothing of one that lives.
func TestKilledDevIsCleanedUp(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	alive, err := openHome("")
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(os.TempDir(), homePrefix+"notes") // somebody's own folder, never claimed
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}

	killed := exec.Command(os.Args[0])
	killed.Env = append(os.Environ(), "SIGNET_TEST_CLAIM=1")
	stdin, err := killed.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := killed.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	left := strings.TrimSpace(line)
	if _, missing := os.Stat(filepath.Join(left, "signet.db")); err != nil || missing != nil {
		t.Errorf("the other server has no folder %q: %v, %v", left, err, missing)
	}
	if err := killed.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()

	next, err := openHome("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s of the killed server is still there: %v", left, err)
	}
	for _, dir := range []string{alive.dir, other, next.dir} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("%s was removed: %v", dir, err)
		}
	}
	for _, h := range []*home{alive, next} {
		if info, err := os.Stat(h.database()); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the database is open to others: %v, %v", info, err)
		}
		if err := h.close(); err != nil {
			t.Error(err)
		}
	}
}
