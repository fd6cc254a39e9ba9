package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// binaryEnv hands the built binary from Main to the tests of the same process.
const binaryEnv = "SIGNET_TEST_BINARY"

// Main builds signet once, runs the tests and removes it. Call it from TestMain.
func Main(m *testing.M) int { return MainBuilt(m) }

// MainBuilt is Main with flags of go build, such as -race.
func MainBuilt(m *testing.M, flags ...string) int {
	dir, err := os.MkdirTemp("", "signet-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "signet")
	root, err := moduleRoot()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", slices.Concat([]string{"build", "-o", binary}, flags, []string{"./cmd/signet"})...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build %v ./cmd/signet: %v\n%s", flags, err, out)
		return 1
	}
	if err := os.Setenv(binaryEnv, binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Binary returns the path of the binary that Main built.
func Binary(t testing.TB) string {
	t.Helper()
	binary := os.Getenv(binaryEnv)
	if binary == "" {
		t.Fatal("TestMain must call e2e.Main")
	}
	return binary
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}

// Service returns the value of one of the SIGNET_TEST_ variables; a missing one fails the test, since a test that is
// skipped where it cannot run is a test that nobody runs.
func Service(t testing.TB, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		t.Fatalf("%s is not set: run make test", variable)
	}
	return value
}
