package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/signet-auth/signet/config"
	"github.com/signet-auth/signet/pkg/signet"
)

// TestXSS05Visible: a stored name with escape sequences must not steer the terminal that lists it.
func TestXSS05Visible(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "Zoë's Café 😀", "Zoë's Café 😀"},
		{"escape sequence", "\x1b[2J\x1b]0;owned\x07", `\x1b[2J\x1b]0;owned\x07`},
		{"C1 control", "a\u009bb", `a\x9bb`},
		{"carriage return", "real\rfake", `real\x0dfake`},
		{"tab", "a\tb", `a\x09b`},
		{"override", "a\u202eb", `a\u{202e}b`},
		{"zero width", "a\u200bb", `a\u{200b}b`},
		{"line separator", "a\u2028b", `a\u{2028}b`},
		{"invalid UTF-8", "a\xffb", `a\u{fffd}b`},
		{"lines of a message stay", "a\nb", "a\nb"},
	} {
		if got := visible(tc.in); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want int
	}{
		{usage("x"), exitUsage},
		{config.Problems{"x"}, exitUsage},
		{&apiError{Status: 404, Title: "Not found"}, exitNotFound},
		{&apiError{Status: 404}, exitUsage}, // the address of something else
		{&setupError{text: "x", cause: signet.ErrUnavailable}, exitUsage},
		{&apiError{Status: 409}, exitConflict},
		{&apiError{Status: 412}, exitConflict},
		{&apiError{Status: 400}, exitUsage},
		{&apiError{Status: 401}, exitFailure},
		{&apiError{Status: 500}, exitFailure},
		{&apiError{Status: 503}, exitUnavailable},
		{fmt.Errorf("database: %w", signet.Unavailable(errors.New("x"))), exitUnavailable},
		{fmt.Errorf("x: %w", signet.ErrNotFound), exitNotFound},
		{signet.ErrConflict, exitConflict},
		{errors.New("x"), exitFailure},
	} {
		if got := exitCode(tc.err); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.err, got, tc.want)
		}
	}
}
