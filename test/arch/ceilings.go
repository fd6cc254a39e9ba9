package arch

import (
	"go/ast"
	"go/token"
)

// The ceilings.
const (
	maxFileLines  = 400
	maxFuncLines  = 80
	maxCyclomatic = 15
	maxMethods    = 5
)

func (c *checker) ceilings(file *File) {
	if file.Lines > maxFileLines {
		c.find(c.pkg.Dir+"/"+file.Name, "ceiling", "%d lines, at most %d", file.Lines, maxFileLines)
	}
	for _, decl := range file.AST.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		lines := c.pkg.Fset.Position(fn.End()).Line - c.pkg.Fset.Position(fn.Pos()).Line + 1
		if lines > maxFuncLines {
			c.find(c.at(fn.Pos()), "ceiling", "%s has %d lines, at most %d", fn.Name.Name, lines, maxFuncLines)
		}
		if paths := cyclomatic(fn.Body); paths > maxCyclomatic {
			c.find(c.at(fn.Pos()), "ceiling", "%s has cyclomatic complexity %d, at most %d", fn.Name.Name, paths, maxCyclomatic)
		}
	}
	ast.Inspect(file.AST, func(n ast.Node) bool {
		if face, ok := n.(*ast.InterfaceType); ok {
			if methods := c.methods(face, 0); methods > maxMethods {
				c.find(c.at(face.Pos()), "ceiling", "an interface of %d methods, at most %d", methods, maxMethods)
			}
		}
		return true
	})
}

// cyclomatic is 1 and one for each if, for, range, case, select branch, && and ||; function literals count where they
// stand, since they are read there.
func cyclomatic(body ast.Node) int {
	paths := 1
	ast.Inspect(body, func(n ast.Node) bool {
		switch s := n.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			paths++
		case *ast.CaseClause:
			if s.List != nil {
				paths++
			}
		case *ast.CommClause:
			if s.Comm != nil {
				paths++
			}
		case *ast.BinaryExpr:
			if s.Op == token.LAND || s.Op == token.LOR {
				paths++
			}
		}
		return true
	})
	return paths
}

// methods counts the methods of an interface, embedded interfaces of the same package with theirs, so that five small
// ones joined into one are not five.
func (c *checker) methods(face *ast.InterfaceType, depth int) int {
	count := 0
	for _, field := range face.Methods.List {
		switch t := field.Type.(type) {
		case *ast.FuncType:
			count += len(field.Names)
		case *ast.Ident:
			if inner := c.interfaceNamed(t.Name); inner != nil && depth < 8 {
				count += c.methods(inner, depth+1)
			}
		}
	}
	return count
}

func (c *checker) interfaceNamed(name string) *ast.InterfaceType {
	for _, file := range c.pkg.Files {
		for _, decl := range file.AST.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok && t.Name.Name == name {
					face, _ := t.Type.(*ast.InterfaceType)
					return face
				}
			}
		}
	}
	return nil
}
