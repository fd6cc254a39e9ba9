package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/signet-auth/signet/test/servers"
)

// tools are the programs found; "" where a variable makes the search needless.
type tools struct {
	initdb, postgres, redis, chromium string
}

// want is one thing that must be there: how to find it, which Debian package has it, what to tell a person.
type want struct {
	what  string
	deb   string
	find  func() string
	store func(*tools, string)
}

// oldestNode is the first major version of Node.js that the client libraries run on.
const oldestNode = 20

func wants() []want {
	var all []want
	if os.Getenv(envPostgres) == "" {
		all = append(all,
			want{"PostgreSQL (initdb)", "postgresql", func() string { return servers.PostgresProgram("initdb") }, func(t *tools, p string) { t.initdb = p }},
			want{"PostgreSQL (postgres)", "postgresql", func() string { return servers.PostgresProgram("postgres") }, func(t *tools, p string) { t.postgres = p }})
	}
	if os.Getenv(envRedis) == "" {
		all = append(all, want{"Redis (redis-server)", "redis-server", servers.RedisProgram, func(t *tools, p string) { t.redis = p }})
	}
	if os.Getenv(envChromium) == "" {
		all = append(all, want{"Chromium", "chromium", func() string {
			return servers.Program("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
		}, func(t *tools, p string) { t.chromium = p }})
	}
	// Debian's own Node.js may be too old, so it is asked for, not installed.
	return append(all, want{fmt.Sprintf("Node.js %d or newer with npm", oldestNode), "", nodeProgram, func(*tools, string) {}})
}

// findTools finds everything, installs what apt-get can, and otherwise says what to install.
func findTools(ctx context.Context) (tools, error) {
	var found tools
	missing := search(wants(), &found)
	var debs []string
	for _, w := range missing {
		if w.deb != "" && !slices.Contains(debs, w.deb) {
			debs = append(debs, w.deb)
		}
	}
	if len(debs) > 0 && os.Geteuid() == 0 && servers.Program("apt-get") != "" {
		if err := install(ctx, debs); err != nil {
			return found, err
		}
		missing = search(missing, &found)
	}
	if len(missing) == 0 {
		return found, nil
	}
	var names []string
	for _, w := range missing {
		names = append(names, w.what)
	}
	text := "these are missing: " + strings.Join(names, ", ") + "."
	if len(debs) > 0 {
		text += "\n  Debian and Ubuntu: sudo apt-get install " + strings.Join(debs, " ") +
			"\n  macOS: brew install postgresql redis, and Google Chrome or Chromium" +
			"\n  or set " + envPostgres + " (a DSN whose user may create databases), " + envRedis + " (host:port), " + envChromium + " (a program)"
	}
	return found, fmt.Errorf("%s", text)
}

func search(all []want, found *tools) (missing []want) {
	for _, w := range all {
		if path := w.find(); path != "" {
			w.store(found, path)
		} else {
			missing = append(missing, w)
		}
	}
	return missing
}

// install runs apt-get. RUNLEVEL=1 keeps the packages from starting servers of their own.
func install(ctx context.Context, debs []string) error {
	fmt.Fprintln(os.Stderr, "services: installing", strings.Join(debs, " "))
	for _, args := range [][]string{{"update", "-q"}, append([]string{"install", "-q", "-y", "--no-install-recommends"}, debs...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}

func nodeProgram() string {
	node := servers.Program("node")
	if node == "" || servers.Program("npm") == "" {
		return ""
	}
	out, err := exec.Command(node, "--version").Output()
	if err != nil || servers.Version(string(out)) < oldestNode {
		return ""
	}
	return node
}
