package arch

import (
	"fmt"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// packages is the map of the house: every package and what of ours it may import outside tests. An unknown package
// fails. "*" is everything.
var packages = map[string][]string{
	"cmd/signet":          {"*"},
	"config":              {},
	"pkg/signet":          {},
	"pkg/web":             {"pkg/signet"},
	"pkg/oauth":           {"pkg/signet", "pkg/web", "templates", "pkg/clientauth", "pkg/proof", "pkg/keys", "pkg/revocation"},
	"pkg/clientauth":      {"pkg/signet", "pkg/web", "pkg/proof"},
	"pkg/keys":            {"pkg/signet", "pkg/web"},
	"pkg/revocation":      {"pkg/signet", "pkg/web"},
	"pkg/login":           {"pkg/signet", "pkg/web", "templates"},
	"pkg/admin":           {"pkg/signet", "pkg/web", "templates"},
	"pkg/proof":           {"pkg/signet", "pkg/web"},
	"pkg/exchange":        {"pkg/signet", "pkg/web"},
	"pkg/intent":          {"pkg/signet", "pkg/web"},
	"pkg/pinlogin":        {"pkg/signet", "pkg/web"},
	"pkg/account":         {"pkg/signet", "pkg/web"},
	"storage/sqlstore":    {"pkg/signet"},
	"storage/redisstore":  {"pkg/signet"},
	"storage/storagetest": {"pkg/signet"},
	"templates":           {},
	"test/arch":           {},
	"test/attacks":        {"test/e2e"},
	"test/conformance":    {"test/e2e"},
	"test/e2e":            {"test/servers"},
	"test/faults":         {"test/e2e"},
	"test/grid":           {"test/e2e"},
	"test/load":           {},
	"test/readme":         {},
	"test/servers":        {},
	"test/services":       {"test/servers"},
	"test/soak":           {"test/e2e"},
}

// vagueNames are package names that say nothing, and so collect everything.
var vagueNames = []string{"util", "utils", "common", "types", "helper", "helpers", "manager", "misc", "base", "shared"}

// homes is the one home, or the few, of every dependency outside tests; an unknown dependency fails. The longest prefix
// of an import path counts.
var homes = map[string][]string{
	"github.com/ory/fosite":                {"pkg/oauth"},
	"gorm.io/":                             {"storage/sqlstore"},
	"github.com/jackc/pgx/":                {"storage/sqlstore", "test/load", "test/e2e", "test/faults"},
	"modernc.org/sqlite":                   {"storage/sqlstore", "test/attacks"},
	"github.com/pressly/goose/":            {"storage/sqlstore"},
	"github.com/redis/go-redis/":           {"storage/redisstore", "test/load", "test/e2e", "test/faults"},
	"github.com/gorilla/mux":               {"pkg/web"},
	"html/template":                        {"templates"},
	"github.com/go-jose/go-jose/v4":        {"pkg/keys", "pkg/clientauth", "pkg/oauth", "pkg/admin", "cmd/signet"},
	"golang.org/x/crypto/argon2":           {"pkg/login", "test/load"},
	"golang.org/x/crypto/chacha20poly1305": {"pkg/keys"},
	"github.com/go-viper/mapstructure/v2":  {"config"},
	"golang.org/x/time/rate":               {"pkg/web"},
	"golang.org/x/sync/singleflight":       {"pkg/clientauth", "pkg/revocation", "storage/sqlstore", "storage/redisstore"},
	"github.com/prometheus/client_golang/": {"pkg/web", "cmd/signet"},
	"github.com/spf13/cobra":               {"cmd/signet"},
	"github.com/knadh/koanf/":              {"config"},
	"golang.org/x/oauth2":                  nil,
	"github.com/coreos/go-oidc/v3/oidc":    nil,
	"golang.org/x/net/html":                nil,
}

// testDependencies may stand in any test: they speak the protocol from the outside.
var testDependencies = []string{
	"github.com/go-jose/go-jose/v4", "golang.org/x/oauth2", "github.com/coreos/go-oidc/v3/oidc", "golang.org/x/net/html",
	"github.com/prometheus/client_golang/",
}

type checker struct {
	pkg      *Package
	findings []string
}

func (c *checker) find(at string, rule, format string, args ...any) {
	c.findings = append(c.findings, at+": "+rule+": "+fmt.Sprintf(format, args...))
}

// at writes a position as file:line, for editors to jump to.
func (c *checker) at(pos token.Pos) string {
	where := c.pkg.Fset.Position(pos)
	return where.Filename + ":" + strconv.Itoa(where.Line)
}

// place checks the package itself: known, well named, with a doc.go that opens it.
func (c *checker) place() {
	dir := c.pkg.Dir
	if _, known := packages[dir]; !known {
		c.find(dir, "package", "unknown package; the map of the house is in test/arch/imports.go")
	}
	if slices.Contains(vagueNames, path.Base(dir)) {
		c.find(dir, "package", "the name says nothing about what is in it")
	}
	for _, file := range c.pkg.Files {
		if file.Name == "doc.go" && file.AST.Doc != nil {
			return
		}
	}
	c.find(dir, "doc.go", "no doc.go with a package comment")
}

func (c *checker) imports(file *File) {
	for _, spec := range file.AST.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		at := c.at(spec.Pos())
		if own, ok := strings.CutPrefix(name, Module+"/"); ok {
			c.edge(at, file, own)
			continue
		}
		c.dependency(at, file, name)
	}
}

// edge checks an import of one of our packages. Tests may use what their package may not (a real store behind a room),
// but never the composition root.
func (c *checker) edge(at string, file *File, target string) {
	if target == "cmd/signet" || strings.HasPrefix(target, "third_party") {
		c.find(at, "import", "nothing imports %s", target)
		return
	}
	if file.Test {
		return
	}
	allowed := packages[c.pkg.Dir]
	if !slices.Contains(allowed, target) && !slices.Contains(allowed, "*") {
		c.find(at, "import", "%s may not import %s", c.pkg.Dir, target)
	}
}

func (c *checker) dependency(at string, file *File, name string) {
	if name == "testing" || strings.HasPrefix(name, "testing/") || name == "net/http/httptest" {
		if !file.Test && c.pkg.Dir != "storage/storagetest" && !strings.HasPrefix(c.pkg.Dir, "test/") {
			c.find(at, "testing", "%s outside tests", name)
		}
		return
	}
	prefix := longest(name)
	if prefix == "" {
		if strings.Contains(strings.SplitN(name, "/", 2)[0], ".") {
			c.find(at, "dependency", "%s has no home in test/arch/imports.go", name)
		}
		return
	}
	if slices.Contains(homes[prefix], c.pkg.Dir) {
		return
	}
	if (file.Test || strings.HasPrefix(c.pkg.Dir, "test/")) && slices.Contains(testDependencies, prefix) {
		return
	}
	c.find(at, "dependency", "the home of %s is %v, not %s", name, homes[prefix], c.pkg.Dir)
}

// longest returns the longest prefix in homes that covers the import path, "" for none.
func longest(name string) string {
	best := ""
	for prefix := range homes {
		covers := name == prefix || strings.HasPrefix(name, strings.TrimSuffix(prefix, "/")+"/")
		if covers && len(prefix) > len(best) {
			best = prefix
		}
	}
	return best
}
