package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/config"
	"github.com/signet-auth/signet/pkg/signet"
)

// The exit codes.
const (
	exitOK = iota
	exitFailure
	exitUsage
	exitNotFound
	exitConflict
	exitUnavailable
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	a := &app{program: os.Args[0], in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: config.Environ(), env: config.Env}
	code := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// programOf is what calls this binary again: go run puts it into a folder that is gone afterwards.
func programOf(arg string) string {
	if arg == "" || strings.Contains(arg, "go-build") {
		return "go run ./cmd/signet"
	}
	return shellWord(arg)
}

// app is one run of the binary: where it reads and writes, and what the flags of every command said.
type app struct {
	program  string // how this binary was called
	in       io.Reader
	out, err io.Writer
	environ  []string
	env      func(name string) string

	started bool // a command began: an error after that is no wrong usage
	json    bool
	config  string
	server  string
	keyFile string
	caFile  string
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	called, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	code := exitCode(err)
	if !a.started {
		code = exitUsage
	}
	if a.json {
		line, _ := json.Marshal(map[string]any{"error": words(err), "exit_code": code})
		fmt.Fprintf(a.err, "%s\n", line)
		return code
	}
	fmt.Fprintf(a.err, "signet: %s\n", visible(words(err)))
	if hint := a.hint(called, err); hint != "" {
		fmt.Fprintf(a.err, "\n%s\n", hint)
	}
	if problems := (config.Problems)(nil); errors.As(err, &problems) && a.config == "" {
		fmt.Fprintf(a.err, "\nNo --config FILE was given. docs/operating.md is the way to a first one, config/example.yaml shows every setting.\n")
	}
	if code == exitUsage && !a.started {
		fmt.Fprintf(a.err, "\nSee: %s --help\n", called.CommandPath())
	}
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "signet",
		Short:         "OAuth 2.0 and OpenID Connect server",
		Long:          "signet is an OAuth 2.0 and OpenID Connect server.\n\nTry it on this machine:  signet dev",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          arguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			a.started = true
		},
	}
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write JSON for programs")
	root.AddCommand(a.serveCommand(), a.devCommand(), a.seedCommand(), a.migrateCommand(), a.adminCommand(), a.clientCommand(),
		a.userCommand(), a.keyCommand(), a.billerCommand(), a.resourceServerCommand(), a.accountCommand(), a.apiKeyCommand(),
		a.deviceCommand(), a.pinApplicationCommand(), a.tryCommand(), a.jwksCommand())
	return root
}

// group is a command that only holds others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("choose a command: %s --help", cmd.CommandPath())
		}}
	cmd.AddCommand(children...)
	return cmd
}

// usageError is a wrong call that only the command itself could notice.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// exitCode is the one table from error to exit code.
func exitCode(err error) int {
	var wrong *usageError
	var problems config.Problems
	var setup *setupError
	var file *fs.PathError
	var answer *apiError
	switch {
	case errors.As(err, &wrong), errors.As(err, &problems), errors.As(err, &setup), errors.As(err, &file):
		return exitUsage
	case errors.As(err, &answer):
		return answer.exitCode()
	}
	switch signet.CodeOf(err) {
	case signet.CodeNotFound:
		return exitNotFound
	case signet.CodeConflict:
		return exitConflict
	case signet.CodeUnavailable:
		return exitUnavailable
	default:
		return exitFailure
	}
}
