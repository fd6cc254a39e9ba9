package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"text/tabwriter"
	"unicode"
)

// print writes v as JSON when --json was given, else what human writes.
func (a *app) print(v any, human func()) error {
	if !a.json {
		human()
		return nil
	}
	encoder := json.NewEncoder(a.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// say writes one line for people.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.out, format+"\n", args...)
}

// next prints the next step, for people only: its commands go where this one went.
func (a *app) next(format string, args ...any) {
	a.step("%s", a.aimed(fmt.Sprintf(format, args...)))
}

// step prints a next step as it stands.
func (a *app) step(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.out, "\nNext: "+format+"\n", args...)
	}
}

// aimable are the commands that take the flags of a target, in a text.
var aimable = regexp.MustCompile(`\bsignet (serve|migrate|admin|client|user|key|biller|resource-server|account|apikey|device|pin-application)\b`)

// aimed adds to the commands in a text the flags that this one was given for its target: without them they would go to
// another server, or nowhere.
func (a *app) aimed(text string) string {
	flags := ""
	switch {
	case a.config != "":
		flags = " --config " + shellWord(a.config)
	case a.server != "":
		flags = " --server " + shellWord(a.server)
		if a.keyFile != "" {
			flags += " --admin-key-file " + shellWord(a.keyFile)
		}
		if a.caFile != "" {
			flags += " --ca-file " + shellWord(a.caFile)
		}
	}
	return aimable.ReplaceAllStringFunc(text, func(command string) string { return command + flags })
}

var plainWords = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// shellWord quotes what a shell would take apart.
func shellWord(text string) string {
	if plainWords.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// table writes rows in columns. Cells come from records that others wrote: they are made visible first.
func (a *app) table(header []string, rows [][]string) {
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = visible(cell)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush() // a broken pipe: nobody reads
}

// visible writes control and formatting characters as \xNN or \u{NNNN}: a stored name with escape sequences must not
// steer the terminal of the operator who lists it. Line breaks are kept for messages of several lines.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n':
			b.WriteRune(r)
		case r < 0x20 || r >= 0x7f && r <= 0xa0:
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r), r == unicode.ReplacementChar:
			fmt.Fprintf(&b, `\u{%04x}`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
