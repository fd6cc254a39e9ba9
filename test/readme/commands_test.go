package readme

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/signet-auth/signet/test/e2e"
)

// inline is a command in the text.
var inline = regexp.MustCompile("`(signet [^`]*)`")

// documented returns the signet commands of a page: lines of code blocks, fenced or indented, and those in the text.
func documented(p *page) []string {
	var found []string
	code := ""
	for line := range strings.Lines(p.text) {
		if strings.HasPrefix(line, "    ") {
			code += line
		}
	}
	for _, b := range p.blocks {
		code += b.body
	}
	for line := range strings.Lines(strings.ReplaceAll(code, "\\\n", " ")) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "signet ") {
			found = append(found, line)
		}
	}
	for _, match := range inline.FindAllStringSubmatch(strings.ReplaceAll(p.text, "\n", " "), -1) {
		found = append(found, match[1])
	}
	return found
}

// helps remembers what --help said.
type helps struct {
	binary string
	mu     sync.Mutex
	said   map[string]string
}

func (h *helps) of(t *testing.T, words []string) string {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	key := strings.Join(words, " ")
	if said, ok := h.said[key]; ok {
		return said
	}
	out, err := exec.Command(h.binary, append(words, "--help")...).CombinedOutput()
	if err != nil {
		t.Fatalf("signet %s --help: %v\n%s", key, err, out)
	}
	h.said[key] = string(out)
	return string(out)
}

var (
	commandWord = regexp.MustCompile(`^[a-z][a-z-]*$`)
	commandFlag = regexp.MustCompile(`^--[a-z][a-z-]*`)
)

// fault says what of a documented command does not exist; "": all of it does.
func (h *helps) fault(t *testing.T, command string) string {
	t.Helper()
	command, _, _ = strings.Cut(command, " #")
	command, _, _ = strings.Cut(command, " | ")
	words, said := []string{}, h.of(t, nil)
	fields := strings.Fields(command)[1:]
	for len(fields) > 0 && strings.Contains(said, "Available Commands:") && commandWord.MatchString(fields[0]) {
		next := append(words[:len(words):len(words)], fields[0])
		said = h.of(t, next)
		if !strings.Contains(said, "Usage:\n  signet "+strings.Join(next, " ")) {
			return "there is no command " + strings.Join(next, " ")
		}
		words, fields = next, fields[1:]
	}
	for _, field := range fields {
		name := commandFlag.FindString(field)
		if name != "" && !strings.Contains(said, name+" ") && name != "--help" {
			return "signet " + strings.Join(words, " ") + " has no " + name
		}
	}
	return ""
}

// TestDocumentedCommands: every signet command of the README and of docs exists, with its flags.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	h := &helps{binary: e2e.Binary(t), said: map[string]string{}}
	for _, wrong := range []string{"signet biler list", "signet biller craete --name x", "signet biller list --all", "signet try hmac --fnd"} {
		if h.fault(t, wrong) == "" {
			t.Errorf("%q passes", wrong)
		}
	}
	if fault := h.fault(t, "signet biller create --name x --id GUID # why"); fault != "" {
		t.Error(fault)
	}
	seen := 0
	pages := []string{"README.md"}
	if err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".md" {
			path, err = filepath.Rel(root, path)
			pages = append(pages, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, path := range pages {
		for _, command := range documented(readPage(t, path)) {
			seen++
			if fault := h.fault(t, command); fault != "" {
				t.Errorf("%s: %s: %s", path, command, fault)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d commands were found", seen)
	}
}
