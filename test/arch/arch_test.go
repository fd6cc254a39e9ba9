package arch

import (
	"fmt"
	"go/token"
	"strings"
	"testing"
)

func TestHouse(t *testing.T) {
	t.Parallel()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	found, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("only %d packages were read from %s", len(found), root)
	}
	for _, pkg := range found {
		for _, finding := range pkg.Check() {
			t.Error(finding)
		}
	}
}

// many returns a function body of n lines and, when branches, one if a line.
func many(n int, branches bool) string {
	line := "\t_ = 0\n"
	if branches {
		line = "\tif true {\n\t\t_ = 0\n\t}\n"
	}
	return strings.Repeat(line, n)
}

func TestRulesGoRed(t *testing.T) {
	t.Parallel()
	const doc = "// Package p is here.\npackage p\n"
	cases := []struct {
		name   string
		dir    string
		file   string // default code.go
		source string
		want   string // a part of the one finding; "" means none
	}{
		{"clean", "pkg/web", "", "package p\n", ""},
		{"unknown package", "pkg/extras", "", "package p\n", "package: unknown package"},
		{"vague name", "pkg/util", "", "package p\n", "the name says nothing"},
		{"no doc.go", "pkg/login", "nodoc", "package p\n", "doc.go: no doc.go"},
		{"domain imports a room", "pkg/signet", "", imports(Module + "/pkg/web"), "import: pkg/signet may not import pkg/web"},
		{"room imports a room", "pkg/login", "", imports(Module + "/pkg/oauth"), "import: pkg/login may not import pkg/oauth"},
		{"room imports storage", "pkg/oauth", "", imports(Module + "/storage/sqlstore"), "may not import storage/sqlstore"},
		{"room imports config", "pkg/oauth", "", imports(Module + "/config"), "may not import config"},
		{"keys may not see pages", "pkg/keys", "", imports(Module + "/templates"), "may not import templates"},
		{"oauth may use keys", "pkg/oauth", "", imports(Module + "/pkg/keys"), ""},
		{"nothing imports the root", "test/e2e", "", imports(Module + "/cmd/signet"), "nothing imports cmd/signet"},
		{"a test may use a real store", "pkg/oauth", "x_test.go", imports(Module + "/storage/sqlstore"), ""},
		{"fosite elsewhere", "pkg/login", "", imports("github.com/ory/fosite"), "dependency: the home of github.com/ory/fosite"},
		{"a package of fosite elsewhere", "pkg/login", "", imports("github.com/ory/fosite/handler/oauth2"), "dependency: the home of"},
		{"fosite in a foreign test", "pkg/login", "x_test.go", imports("github.com/ory/fosite"), "dependency: the home of"},
		{"gorm in a room", "pkg/oauth", "", imports("gorm.io/gorm"), "dependency: the home of gorm.io/gorm"},
		{"redis in a room", "pkg/revocation", "", imports("github.com/redis/go-redis/v9"), "dependency: the home of"},
		{"mux in a room", "pkg/login", "", imports("github.com/gorilla/mux"), "dependency: the home of"},
		{"html/template in a room", "pkg/login", "", imports("html/template"), "dependency: the home of html/template"},
		{"unknown dependency", "pkg/login", "", imports("example.com/left/pad"), "has no home"},
		{"a longer name is another module", "pkg/oauth", "", imports("github.com/ory/fositex"), "has no home"},
		{"a client library outside tests", "pkg/login", "", imports("golang.org/x/oauth2"), "dependency: the home of"},
		{"a client library in a test", "pkg/oauth", "x_test.go", imports("golang.org/x/oauth2"), ""},
		{"testing outside tests", "pkg/web", "", imports("testing"), "testing: testing outside tests"},
		{"httptest outside tests", "pkg/web", "", imports("net/http/httptest"), "testing: net/http/httptest outside tests"},
		{"testing in the store suite", "storage/storagetest", "", imports("testing"), ""},
		{"clock", "pkg/web", "", "package p\nimport \"time\"\nfunc f() { time.Now() }\n", "clock: time.Now"},
		{"clock as a value", "pkg/web", "", "package p\nimport \"time\"\nfunc f() any { return time.Now }\n", "clock: time.Now"},
		{"clock under another name", "pkg/web", "", "package p\nimport t \"time\"\nfunc f(x t.Time) { t.Since(x) }\n", "clock: time.Since"},
		{"clock in cmd", "cmd/signet", "", "package p\nimport \"time\"\nfunc f() { time.Now() }\n", ""},
		{"environment", "pkg/web", "", "package p\nimport \"os\"\nfunc f() { os.Getenv(\"A\") }\n", "environment: os.Getenv"},
		{"environment in cmd", "cmd/signet", "", "package p\nimport \"os\"\nfunc f() { os.LookupEnv(\"A\") }\n", "environment: os.LookupEnv"},
		{"environment in config", "config", "", "package p\nimport \"os\"\nfunc f() { os.Getenv(\"A\") }\n", ""},
		{"init", "pkg/web", "", "package p\nfunc init() {}\n", "init: init()"},
		{"init method", "pkg/web", "", "package p\ntype t int\nfunc (t) init() {}\n", ""},
		{"variable without value", "pkg/web", "", "package p\nvar x int\n", "variable: x has no value"},
		{"map to be filled", "pkg/web", "", "package p\nvar x = make(map[string]int)\n", "variable: x is made to be filled"},
		{"lock", "pkg/web", "", "package p\nimport \"sync\"\nvar x = sync.Mutex{}\n", "variable: x is a lock"},
		{"pointer to a lock", "pkg/web", "", "package p\nimport \"sync\"\nvar x = &sync.Mutex{}\n", "variable: x is a lock"},
		{"assigned", "pkg/web", "", "package p\nvar x = 1\nfunc f() { x = 2 }\n", "variable: package variable x is assigned"},
		{"counted", "pkg/web", "", "package p\nvar x = 1\nfunc f() { x++ }\n", "variable: package variable x is assigned"},
		{"table filled later", "pkg/web", "", "package p\nvar x = map[int]int{}\nfunc f() { x[1] = 2 }\n", "variable: package variable x is assigned"},
		{"field set", "pkg/web", "", "package p\nvar x = struct{ a int }{}\nfunc f() { x.a = 2 }\n", "variable: package variable x is assigned"},
		{"address given away", "pkg/web", "", "package p\nvar x = 1\nfunc f() *int { return &x }\n", "handed out by address"},
		{"table emptied", "pkg/web", "", "package p\nvar x = map[int]int{}\nfunc f() { delete(x, 1) }\n", "variable: package variable x is emptied"},
		{"local of the same name", "pkg/web", "", "package p\nvar x = 1\nfunc f() { x := 2; x++; _ = x }\n", ""},
		{"sentinel, pattern, table", "pkg/web", "", "package p\nimport (\"errors\"; \"regexp\")\nvar (\n\terrA = errors.New(\"a\")\n\tre = regexp.MustCompile(\"a\")\n\ttable = map[int]int{1: 2}\n)\nvar _ error = errA\n", ""},
		{"embedded file", "pkg/web", "", "package p\nimport _ \"embed\"\n//go:embed a.txt\nvar a string\n", ""},
		{"undocumented function", "pkg/web", "", "package p\nfunc F() {}\n", "documentation: F has no comment"},
		{"undocumented type", "pkg/web", "", "package p\ntype T int\n", "documentation: T has no comment"},
		{"undocumented constant", "pkg/web", "", "package p\nconst C = 1\n", "documentation: C has no comment"},
		{"undocumented method", "pkg/web", "", "package p\n// T is.\ntype T int\nfunc (*T) M() {}\n", "documentation: M has no comment"},
		{"method of an unexported type", "pkg/web", "", "package p\ntype t int\nfunc (t) M() {}\n", ""},
		{"documented group", "pkg/web", "", "package p\n// These are.\nconst (\n\tA = 1\n\tB = 2\n)\n", ""},
		{"long file", "pkg/web", "", "package p\n" + strings.Repeat("\n", 400), "ceiling: 401 lines"},
		{"long function", "pkg/web", "", "package p\nfunc f() {\n" + many(80, false) + "}\n", "ceiling: f has 82 lines"},
		{"branching function", "pkg/web", "", "package p\nfunc f() {\n" + many(15, true) + "}\n", "ceiling: f has cyclomatic complexity 16"},
		{"conditions count", "pkg/web", "", "package p\nfunc f(a bool) bool { return " + strings.Repeat("a && ", 15) + "a }\n", "cyclomatic complexity 16"},
		{"function at the ceiling", "pkg/web", "", "package p\nfunc f() {\n" + many(14, true) + "}\n", ""},
		{"wide interface", "pkg/web", "", "package p\ntype i interface { A(); B(); C(); D(); E(); F() }\n", "ceiling: an interface of 6 methods"},
		{"wide by embedding", "pkg/web", "", "package p\ntype j interface { A(); B(); C() }\ntype i interface { j; D(); E(); F() }\n", "ceiling: an interface of 6 methods"},
		{"tests may be long", "pkg/web", "x_test.go", "package p\n" + strings.Repeat("\n", 900), ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			pkg := &Package{Dir: tc.dir, Fset: token.NewFileSet()}
			file := tc.file
			if file == "" || file == "nodoc" {
				file = "code.go"
			}
			if err := pkg.Add(file, []byte(tc.source)); err != nil {
				t.Fatal(err)
			}
			if tc.file != "nodoc" {
				if err := pkg.Add("doc.go", []byte(doc)); err != nil {
					t.Fatal(err)
				}
			}
			if fault := expect(pkg.Check(), tc.want); fault != "" {
				t.Error(fault)
			}
		})
	}
}

// expect wants the finding among the others, or no finding at all.
func expect(findings []string, want string) string {
	if want == "" {
		if len(findings) > 0 {
			return fmt.Sprintf("findings on clean source: %q", findings)
		}
		return ""
	}
	if !strings.Contains(strings.Join(findings, "\n"), want) {
		return fmt.Sprintf("findings %q, want one with %q", findings, want)
	}
	return ""
}

func imports(path string) string { return fmt.Sprintf("package p\nimport _ %q\n", path) }
