package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Program is the path of the first of these programs that is in the PATH, "" when none is.
func Program(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// RedisProgram is a Redis, or what has taken its place in some distributions; "" when there is none.
func RedisProgram() string { return Program("redis-server", "valkey-server") }

// PostgresProgram looks in the PATH and where Debian, Red Hat and Homebrew keep servers; the newest version wins. "" when it
// is nowhere.
func PostgresProgram(name string) string {
	if path := Program(name); path != "" {
		return path
	}
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/pgsql-*/bin/", "/opt/homebrew/opt/postgresql*/bin/", "/usr/local/opt/postgresql*/bin/"} {
		matches, err := filepath.Glob(pattern + name)
		if err == nil {
			found = append(found, matches...)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b string) int { return Version(a) - Version(b) })
}

// Version reads the first number of a text, 0 when it has none.
func Version(text string) int {
	digits := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	n, err := strconv.Atoi(digits[0])
	if err != nil {
		return 0
	}
	return n
}

// InitDB makes a cluster in a new folder below dir, which PostgreSQL must be able to reach, and returns the folder and what
// a server over it runs as.
func InitDB(ctx context.Context, initdb, dir string) (data string, attr *syscall.SysProcAttr, err error) {
	data = filepath.Join(dir, "postgres")
	if err := os.Mkdir(data, 0o700); err != nil {
		return "", nil, err
	}
	if attr, err = unprivileged(dir, data); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.SysProcAttr, cmd.Dir = attr, data
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return data, attr, nil
}

// unprivileged gives PostgreSQL, which refuses to run as root, the user postgres or nobody, and its folder.
func unprivileged(dir, data string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return OwnGroup(nil), nil
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
		return OwnGroup(&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}), nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

// OwnGroup keeps a Ctrl-C from reaching the server before the tests have ended.
func OwnGroup(credential *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential}
}

// PostgresCommand is a server over the folder that InitDB made, on a loopback port. settings are "name=value". What is
// written is lost with the machine: the data lives as long as the tests.
func PostgresCommand(postgres, data string, attr *syscall.SysProcAttr, port int, settings ...string) *exec.Cmd {
	cmd := exec.Command(postgres, "-D", data, "-p", strconv.Itoa(port))
	for _, setting := range slices.Concat([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "timezone=UTC"}, settings) {
		cmd.Args = append(cmd.Args, "-c", setting)
	}
	cmd.SysProcAttr, cmd.Dir = attr, data
	return cmd
}

// PostgresDSN is that of the superuser of a server on the port.
func PostgresDSN(port int) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
}

// RedisCommand is a server on a loopback port that keeps nothing on disk and never evicts, as signet requires. args go behind
// its command line.
func RedisCommand(redis, dir string, port int, args ...string) *exec.Cmd {
	return exec.Command(redis, slices.Concat([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--maxmemory-policy", "noeviction", "--daemonize", "no", "--dir", dir}, args)...)
}
