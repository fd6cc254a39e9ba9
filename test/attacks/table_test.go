package attacks

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	tableRow  = regexp.MustCompile(`^\| ([A-Z]{3}-[0-9]{2}) \| (.+) \| (.*) \|$`)
	namedTest = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz|Benchmark)[A-Za-z0-9_]+)`")
	aTest     = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Za-z0-9_]+)\(`)
	anID      = regexp.MustCompile(`^Test([A-Z]{3})([0-9]{2})`)
)

// testsIn lists the tests of a package of this module.
func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(dir), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range aTest.FindAllSubmatch(content, -1) {
			found[string(match[1])] = true
		}
	}
	return found
}

// docs/attacks.md names tests that exist, and every test of this package stands in its row.
func TestTableIsTrue(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "attacks.md"))
	if err != nil {
		t.Fatal(err)
	}
	packages, rows := map[string]map[string]bool{}, map[string]string{}
	for line := range strings.Lines(string(content)) {
		match := tableRow.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if match == nil {
			if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| Id") {
				t.Errorf("no row: %s", line)
			}
			continue
		}
		id, tests, reason := match[1], match[2], match[3]
		if _, twice := rows[id]; twice {
			t.Errorf("%s stands twice", id)
		}
		rows[id] = tests
		named := namedTest.FindAllStringSubmatch(tests, -1)
		if len(named) != strings.Count(tests, "`")/2 || len(named) == 0 && reason == "" {
			t.Errorf("%s has neither a test nor a reason: %s", id, line)
		}
		for _, test := range named {
			if packages[test[1]] == nil {
				packages[test[1]] = testsIn(t, test[1])
			}
			if !packages[test[1]][test[2]] {
				t.Errorf("%s: there is no %s in %s", id, test[2], test[1])
			}
		}
	}
	for name := range testsIn(t, "test/attacks") {
		if id := anID.FindStringSubmatch(name); id != nil && !strings.Contains(rows[id[1]+"-"+id[2]], "`test/attacks."+name+"`") {
			t.Errorf("%s is missing in the row %s-%s", name, id[1], id[2])
		}
	}
	if len(rows) < 80 {
		t.Errorf("%d rows", len(rows))
	}
}
