package arch

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// clocks and environment are the functions that have one home each. What only wraps them counts too.
var (
	clocks      = []string{"Now", "Since", "Until"}
	environment = []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}
)

// calls looks for the wall clock outside cmd and for the environment outside config. It looks at every mention, not at
// calls alone: time.Now handed over as a value is the clock as well.
func (c *checker) calls(file *File) {
	if file.Test || strings.HasPrefix(c.pkg.Dir, "test/") || c.pkg.Dir == "storage/storagetest" {
		return
	}
	clock, env := importName(file.AST, "time"), importName(file.AST, "os")
	ast.Inspect(file.AST, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		if pkg.Name == clock && slices.Contains(clocks, sel.Sel.Name) && !strings.HasPrefix(c.pkg.Dir, "cmd/") {
			c.find(c.at(sel.Pos()), "clock", "time.%s outside cmd; take now func() time.Time", sel.Sel.Name)
		}
		if pkg.Name == env && slices.Contains(environment, sel.Sel.Name) && c.pkg.Dir != "config" {
			c.find(c.at(sel.Pos()), "environment", "os.%s outside config", sel.Sel.Name)
		}
		return true
	})
}

// importName returns the name under which a file knows a package, "" when it does not import it.
func importName(file *ast.File, importPath string) string {
	for _, spec := range file.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err != nil || name != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return importPath[strings.LastIndexByte(importPath, '/')+1:]
	}
	return ""
}

func (c *checker) inits(file *File) {
	for _, decl := range file.AST.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			c.find(c.at(fn.Pos()), "init", "init() runs before anyone can say no; build it in New")
		}
	}
}

// variables allows package variables that are written once, where they are declared: sentinels, compiled patterns,
// tables, embedded files and interface checks. Everything else is state that two servers in one process would share.
func (c *checker) variables() {
	declared := map[string]bool{}
	for _, file := range c.pkg.Files {
		if file.Test {
			continue
		}
		for _, decl := range file.AST.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				if value, ok := spec.(*ast.ValueSpec); ok {
					c.variable(gen, value, declared)
				}
			}
		}
	}
	for _, file := range c.pkg.Files {
		if !file.Test {
			c.writes(file, declared)
		}
	}
}

func (c *checker) variable(gen *ast.GenDecl, spec *ast.ValueSpec, declared map[string]bool) {
	embedded := hasEmbed(gen.Doc) || hasEmbed(spec.Doc)
	for i, name := range spec.Names {
		if name.Name == "_" {
			continue
		}
		declared[name.Name] = true
		if embedded {
			continue
		}
		if i >= len(spec.Values) {
			c.find(c.at(name.Pos()), "variable", "%s has no value, so something must write it later", name.Name)
			continue
		}
		if what := mutable(spec.Values[i]); what != "" {
			c.find(c.at(name.Pos()), "variable", "%s is %s", name.Name, what)
		}
	}
	if star, ok := spec.Type.(*ast.SelectorExpr); ok {
		if pkg, ok := star.X.(*ast.Ident); ok && (pkg.Name == "sync" || pkg.Name == "atomic") {
			c.find(c.at(spec.Pos()), "variable", "%s.%s is shared state", pkg.Name, star.Sel.Name)
		}
	}
}

func hasEmbed(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	return slices.ContainsFunc(doc.List, func(comment *ast.Comment) bool { return strings.HasPrefix(comment.Text, "//go:embed ") })
}

// mutable names what makes a value state; "" for what may stand.
func mutable(value ast.Expr) string {
	switch v := value.(type) {
	case *ast.CallExpr:
		if fn, ok := v.Fun.(*ast.Ident); ok && (fn.Name == "make" || fn.Name == "new") {
			return "made to be filled later"
		}
	case *ast.CompositeLit:
		if sel, ok := v.Type.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok && (pkg.Name == "sync" || pkg.Name == "atomic") {
				return "a lock or an atomic"
			}
		}
	case *ast.UnaryExpr:
		return mutable(v.X)
	}
	return ""
}

// writes finds what alters package variables inside functions. A local of the same name hides the package's, so
// functions that declare one are not judged for that name.
func (c *checker) writes(file *File, declared map[string]bool) {
	for _, decl := range file.AST.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		locals := localNames(fn)
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			targets, how := altered(n)
			for _, target := range targets {
				if name := rootName(target); declared[name] && !locals[name] {
					c.find(c.at(target.Pos()), "variable", "package variable %s is %s", name, how)
				}
			}
			return true
		})
	}
}

// altered returns what a node writes to, and how.
func altered(n ast.Node) (targets []ast.Expr, how string) {
	switch s := n.(type) {
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE {
			return s.Lhs, "assigned"
		}
	case *ast.IncDecStmt:
		return []ast.Expr{s.X}, "assigned"
	case *ast.UnaryExpr:
		if name, plain := s.X.(*ast.Ident); plain && s.Op == token.AND {
			return []ast.Expr{name}, "handed out by address"
		}
	case *ast.CallExpr:
		if fn, ok := s.Fun.(*ast.Ident); ok && (fn.Name == "delete" || fn.Name == "clear") && len(s.Args) > 0 {
			return s.Args[:1], "emptied"
		}
	}
	return nil, ""
}

func localNames(fn *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch s := n.(type) {
		case *ast.Field:
			for _, name := range s.Names {
				names[name.Name] = true
			}
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				for _, left := range s.Lhs {
					names[rootName(left)] = true
				}
			}
		case *ast.RangeStmt:
			if s.Tok == token.DEFINE {
				names[rootName(s.Key)] = true
				names[rootName(s.Value)] = true
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				names[name.Name] = true
			}
		}
		return true
	})
	return names
}

// rootName returns x of x, x[i], x.f and *x.
func rootName(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.IndexExpr:
		return rootName(e.X)
	case *ast.SelectorExpr:
		return rootName(e.X)
	case *ast.StarExpr:
		return rootName(e.X)
	case *ast.ParenExpr:
		return rootName(e.X)
	}
	return ""
}

// documented asks for a comment on every exported name of the package level and on every exported method of an exported
// type. In a group the group's comment is enough.
func (c *checker) documented(file *File) {
	if file.AST.Name.Name == "main" && !strings.HasPrefix(c.pkg.Dir, "cmd/") {
		return
	}
	for _, decl := range file.AST.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
				c.find(c.at(d.Pos()), "documentation", "%s has no comment", d.Name.Name)
			}
		case *ast.GenDecl:
			if d.Doc == nil {
				c.documentedSpecs(d)
			}
		}
	}
}

func (c *checker) documentedSpecs(decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && s.Comment == nil {
				c.find(c.at(s.Pos()), "documentation", "%s has no comment", s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && s.Doc == nil && s.Comment == nil {
					c.find(c.at(s.Pos()), "documentation", "%s has no comment", name.Name)
				}
			}
		}
	}
}

func exportedReceiver(fn *ast.FuncDecl) bool {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return true
	}
	receiver := fn.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.IndexExpr:
			receiver = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return true
		}
	}
}
