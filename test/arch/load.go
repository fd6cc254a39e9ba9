package arch

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Module is the path of the module whose rules these are.
const Module = "github.com/signet-auth/signet"

// File is one parsed Go file.
type File struct {
	Name  string // base name
	AST   *ast.File
	Lines int
	Test  bool
}

// Package is the Go files of one folder.
type Package struct {
	Dir   string // from the module's root, with slashes; "." is the root
	Fset  *token.FileSet
	Files []*File
}

// Root returns the module's folder, found from the working directory upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}

// Load parses every package below root. Folders whose name begins with a dot, node_modules, testdata and third_party
// are not ours to judge.
func Load(root string) ([]*Package, error) {
	byDir := map[string]*Package{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != root && (strings.HasPrefix(base, ".") || slices.Contains([]string{"node_modules", "testdata", "third_party"}, base)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(rel)
		pkg := byDir[dir]
		if pkg == nil {
			pkg = &Package{Dir: dir, Fset: token.NewFileSet()}
			byDir[dir] = pkg
		}
		return pkg.Add(base, source)
	})
	if err != nil {
		return nil, err
	}
	var packages []*Package
	for _, pkg := range byDir {
		packages = append(packages, pkg)
	}
	slices.SortFunc(packages, func(a, b *Package) int { return strings.Compare(a.Dir, b.Dir) })
	return packages, nil
}

// Add parses one file into the package.
func (p *Package) Add(name string, source []byte) error {
	parsed, err := parser.ParseFile(p.Fset, path.Join(p.Dir, name), source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	lines := strings.Count(string(source), "\n")
	p.Files = append(p.Files, &File{Name: name, AST: parsed, Lines: lines, Test: strings.HasSuffix(name, "_test.go")})
	return nil
}

// Check applies every rule and returns the findings, each as "place: rule: what".
func (p *Package) Check() []string {
	c := &checker{pkg: p}
	c.place()
	for _, file := range p.Files {
		c.imports(file)
		c.calls(file)
		c.inits(file)
		if !file.Test {
			c.documented(file)
			c.ceilings(file)
		}
	}
	c.variables()
	return c.findings
}
