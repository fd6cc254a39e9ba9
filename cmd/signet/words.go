package main

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/config"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/storage/sqlstore"
)

// arguments are those that Use names, no more and no less. What is missing is called by its name: a count says nothing.
func arguments(cmd *cobra.Command, args []string) error {
	names := strings.Fields(cmd.Use)[1:]
	switch {
	case len(args) < len(names):
		text := fmt.Sprintf("%s is missing, as in: %s %s", names[len(args)], cmd.CommandPath(), strings.Join(names, " "))
		if list := sibling(cmd, "list"); list != "" && len(args) == 0 {
			text += " (see " + list + ")"
		}
		return errors.New(text)
	case len(args) > len(names) && cmd.HasSubCommands():
		text := fmt.Sprintf("%s has no command %q", cmd.CommandPath(), args[0])
		var known []string
		for _, child := range cmd.Commands() {
			known = append(known, child.Name())
		}
		if near := config.Closest(args[0], known); near != "" {
			text += "; did you mean " + near + "?"
		}
		return errors.New(text)
	case len(args) > len(names) && len(names) == 0:
		return fmt.Errorf("%s takes flags alone: what is %q?", cmd.CommandPath(), args[0])
	case len(args) > len(names):
		return fmt.Errorf("%s takes %s and flags: what is %q?", cmd.CommandPath(), strings.Join(names, " "), args[len(names)])
	default:
		return nil
	}
}

// sibling is the path of another command of the same group, "" when there is none.
func sibling(cmd *cobra.Command, name string) string {
	if cmd.Parent() == nil {
		return ""
	}
	for _, child := range cmd.Parent().Commands() {
		if child.Name() == name && child != cmd {
			return child.CommandPath()
		}
	}
	return ""
}

// flagError adds the flag that was most likely meant.
func flagError(cmd *cobra.Command, err error) error {
	_, unknown, ok := strings.Cut(err.Error(), "unknown flag: --")
	if !ok {
		return err
	}
	if near := config.Closest(unknown, flagNames(cmd.Flags().FlagUsages())); near != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, near)
	}
	return err
}

var usageNames = regexp.MustCompile(`(?m)^ +(?:-[a-z], )?--([a-z-]+)`)

// flagNames are the flags that a usage text lists.
func flagNames(usages string) (names []string) {
	for _, match := range usageNames.FindAllStringSubmatch(usages, -1) {
		names = append(names, match[1])
	}
	return names
}

// words is what a person reads of an error: its sentences, without the codes and reasons, which are for logs.
func words(err error) string {
	text := err.Error()
	var fault *signet.Error
	if errors.As(err, &fault) {
		plain := fault.Message
		if plain == "" && fault.Cause != nil {
			plain = words(fault.Cause)
		}
		if plain != "" {
			text = strings.Replace(text, fault.Error(), plain, 1)
		}
	}
	var file *fs.PathError
	if errors.As(err, &file) {
		text = strings.Replace(text, file.Error(), file.Path+": "+file.Err.Error(), 1)
	}
	return text
}

// oneLine puts the lines of a driver's message behind one another, each once.
func oneLine(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

// setupError is something that an operator has set up wrong: trying again does not help.
type setupError struct {
	text  string
	cause error
}

func (e *setupError) Error() string { return e.text }
func (e *setupError) Unwrap() error { return e.cause }

func wrongSetup(err error) error { return &setupError{words(err), err} }

// listenError says why an address cannot be listened on.
func listenError(what, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &setupError{fmt.Sprintf("%s: %s is taken by another process: end it, or choose another address", what, address), err}
	case errors.Is(err, syscall.EACCES):
		return &setupError{fmt.Sprintf("%s: this user may not listen on %s: choose a port above 1023, or give the binary CAP_NET_BIND_SERVICE", what, address), err}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return &setupError{fmt.Sprintf("%s: %s is no address of this machine", what, address), err}
	default:
		return &setupError{fmt.Sprintf("%s: %s: %v", what, address, err), err}
	}
}

var sqlStates = regexp.MustCompile(`SQLSTATE ([0-9A-Z]{5})`)

// databaseError says what to do about a database that cannot be used.
func databaseError(err error) error {
	if err == nil {
		return nil
	}
	text := ""
	if state := sqlStates.FindStringSubmatch(err.Error()); state != nil {
		text = map[string]string{
			"3D000": "the database that postgres.dsn names does not exist: create it first (createdb)",
			"28P01": "PostgreSQL refuses the password of postgres.dsn",
			"28000": "PostgreSQL refuses the user of postgres.dsn (pg_hba.conf, or it does not exist)",
			"42501": "the user of postgres.dsn may not create tables: make it the owner of the database",
		}[state[1]]
	}
	switch {
	case text != "":
		return &setupError{"database: " + text, err}
	case errors.Is(err, signet.ErrUnavailable):
		return signet.NewError(signet.CodeUnavailable, "database: "+oneLine(words(err))+". Is PostgreSQL running, and is postgres.dsn right?", "database_away")
	default:
		return fmt.Errorf("database: %w", err)
	}
}

// redisError: a Redis that is away is no error at a start; one that answers and must not be used is the operator's.
func redisError(err error) error {
	text := "redis: " + oneLine(words(err))
	if strings.Contains(text, "maxmemory-policy") {
		text += ": it would forget used assertions and revocations. On the Redis server: redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"
	}
	return &setupError{text, err}
}

// storeError is databaseError for what a deployment has: the database of signet dev is a file.
func (d *deployment) storeError(err error) error {
	if d.sql.Driver == sqlstore.DriverPostgres {
		return databaseError(err)
	}
	return fmt.Errorf("database: %w", err)
}

// keysError: keys that do not open mean the wrong file, or every key in the database is lost.
func (d *deployment) keysError(err error) error {
	if errors.Is(err, signet.ErrUnavailable) {
		return d.storeError(err)
	}
	first, _, _ := strings.Cut(words(err), "\n")
	if d.demo {
		return &setupError{first + ". The file kek and signet.db in the --data folder belong together", err}
	}
	return &setupError{first + ". Put the key-encryption key that this database was sealed with back into keys.kek_file, behind the current one; signet key rewrap then changes over to the current one", err}
}

// hint is the next step after an error, "" when the error says it itself.
func (a *app) hint(called *cobra.Command, err error) string {
	var answer *apiError
	if !errors.As(err, &answer) {
		return ""
	}
	switch code := answer.exitCode(); {
	case code == exitNotFound && strings.Contains(called.Use, " "):
		if list := sibling(called, "list"); list != "" {
			return "See: " + a.aimed(list)
		}
	case code == exitUsage:
		if flags := flagsFor(called, answer.Detail); len(flags) > 0 {
			return "By flags: " + strings.Join(flags, ", ") + ". See: " + called.CommandPath() + " --help"
		}
	}
	return ""
}

// flagsFor are the flags of a command that write the members which an answer names.
func flagsFor(cmd *cobra.Command, detail string) []string {
	named := map[string]bool{}
	for _, word := range strings.FieldsFunc(detail, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		named[word] = true
	}
	var flags []string
	for _, name := range flagNames(cmd.LocalNonPersistentFlags().FlagUsages()) {
		if named[memberOf(name)] || named[strings.ReplaceAll(name, "-", "_")] {
			flags = append(flags, "--"+name)
		}
	}
	return flags
}
