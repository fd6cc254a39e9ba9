package readme

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is one fenced code block of a page. Its info string is a language, and for some one word more: "run" is executed,
// "output" is what the run block before it printed.
type block struct {
	lang, kind string
	body       string // without the fences, with its last line end
	line       int    // of the opening fence
	start, end int    // of body in the page
}

// page is a Markdown file with its blocks.
type page struct {
	path, text string
	blocks     []block
}

func readPage(t *testing.T, path string) *page {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	p := &page{path: path, text: string(content)}
	offset, number, open := 0, 0, false
	var now block
	for line := range strings.Lines(p.text) {
		number++
		// A fence may stand in a list, indented.
		fence := strings.HasPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case fence && !open:
			info := strings.Fields(strings.Trim(line, "` \n"))
			now = block{line: number, start: offset + len(line)}
			if len(info) > 0 {
				now.lang = info[0]
			}
			if len(info) > 1 {
				now.kind = info[1]
			}
			open = true
		case fence:
			now.end = offset
			now.body = p.text[now.start:now.end]
			p.blocks = append(p.blocks, now)
			open = false
		}
		offset += len(line)
	}
	if open {
		t.Fatalf("%s:%d: the block does not end", path, now.line)
	}
	return p
}

// example is a run block and what the page says that it prints; nil: nothing is said.
type example struct {
	run    block
	output *block
}

// examples pairs run blocks with the output block that follows next.
func (p *page) examples(t *testing.T) []example {
	t.Helper()
	var found []example
	for i, b := range p.blocks {
		switch b.kind {
		case "":
		case "run":
			e := example{run: b}
			if i+1 < len(p.blocks) && p.blocks[i+1].kind == "output" {
				e.output = &p.blocks[i+1]
			}
			found = append(found, e)
		case "output":
			if i == 0 || p.blocks[i-1].kind != "run" {
				t.Errorf("%s:%d: an output without a run block before it", p.path, b.line)
			}
		default:
			t.Errorf("%s:%d: a block of kind %q", p.path, b.line, b.kind)
		}
	}
	return found
}

// varying is what differs between two runs, with the word that stands for it in a comparison and, where it would fill the
// page, what is shown in its place.
var varying = []struct {
	form       *regexp.Regexp
	word, show string
}{
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*)*…?`), "TOKEN", "eyJ…"},
	{regexp.MustCompile(`\bsgt_([a-z]+)_[A-Za-z0-9_-]*…?`), "sgt_${1}_SECRET", "sgt_${1}_…"},
	{regexp.MustCompile(`"(hmac|jti|request_id|cred)":"[^"]*"`), `"$1":"VARIES"`, ""},
	{regexp.MustCompile(`\bkey:[A-Za-z0-9_-]{22}`), "key:ID", ""},
	{regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "UUID", ""},
	{regexp.MustCompile(`\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME", ""},
	{regexp.MustCompile(`\b1\d{9}\b`), "SECONDS", ""},
	{regexp.MustCompile(`"execTime":[0-9.]+`), `"execTime":SECONDS`, ""},
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), "ISSUER", ""},
}

// normal is text with everything that varies replaced.
func normal(text string) string {
	for _, v := range varying {
		text = v.form.ReplaceAllString(text, v.word)
	}
	return strings.TrimSpace(text)
}

// shown is text as a page shows it: tokens and secrets cut.
func shown(text string) string {
	for _, v := range varying {
		if v.show != "" {
			text = v.form.ReplaceAllString(text, v.show)
		}
	}
	return strings.TrimSpace(text) + "\n"
}

func TestNormal(t *testing.T) {
	t.Parallel()
	same := [][2]string{
		{`{"access_token":"eyJhbGci.eyJpc3Mi.c2ln","expires_in":900}`, `{"access_token":"eyJ…","expires_in":900}`},
		{`"secret":"sgt_ak_abc-_1"`, `"secret":"sgt_ak_…"`},
		{`{"iat":1795518409}`, `{"iat":1700000000}`},
		{"at 2026-11-24T11:06:49.176Z\n", "at 2025-01-01T00:00:00Z"},
	}
	for _, pair := range same {
		if normal(pair[0]) != normal(pair[1]) || normal(shown(pair[0])) != normal(pair[1]) {
			t.Errorf("%q and %q are not the same", pair[0], pair[1])
		}
	}
	different := [][2]string{
		{`{"expires_in":900}`, `{"expires_in":1800}`},
		{"5ed57138321ae069", "5ed57138321ae068"},
		{`"token_type":"bearer"`, `"token_type":"Bearer"`},
		{`"eyJ…"`, `"sgt_ak_…"`},
	}
	for _, pair := range different {
		if normal(pair[0]) == normal(pair[1]) {
			t.Errorf("%q and %q are the same", pair[0], pair[1])
		}
	}
}
