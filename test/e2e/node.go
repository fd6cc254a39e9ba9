package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const scriptWithin = 2 * time.Minute

// RunScript runs js/<name> with the card's path as its argument; an exit code other than 0 fails the test. The packages
// it imports are installed by `make test` from js/package-lock.json.
func RunScript(t testing.TB, name, cardFile string) {
	t.Helper()
	RunScriptIn(t, nil, name, cardFile)
}

// RunScriptIn is RunScript with more in the environment.
func RunScriptIn(t testing.TB, env []string, name, cardFile string) {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "test", "e2e", "js")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal("test/e2e/js/node_modules is missing: run make test")
	}
	ctx, cancel := context.WithTimeout(context.Background(), scriptWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", name, cardFile)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("node %s: %v\n%s", name, err, out)
	} else {
		t.Logf("%s", out)
	}
}
