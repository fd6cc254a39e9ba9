package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write example.yaml and docs/configuration.md anew")

// setting is one field of the struct as the documents show it.
type setting struct {
	key, name, doc, value, example string
	depth                          int
	group                          bool
}

// TestGenerated guards the promise that the comments of the struct are the documentation: neither file can say
// something else than the code.
func TestGenerated(t *testing.T) {
	t.Parallel()
	settings := collect(t)
	for path, want := range map[string]string{
		"example.yaml": exampleYAML(settings),
		filepath.Join("..", "docs", "configuration.md"): configurationMD(settings),
	} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s differs from the struct; run: go test ./config -run Generated -update", path)
		}
	}
}

// TestExampleLoads makes sure that what operators copy is accepted.
func TestExampleLoads(t *testing.T) {
	t.Parallel()
	cfg, err := Load("example.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Issuer = cfg.Issuer
	spell(reflect.ValueOf(&want).Elem())
	if !reflect.DeepEqual(*cfg, want) {
		t.Errorf("example.yaml does not spell the defaults:\n got %+v\nwant %+v", *cfg, want)
	}
}

// spell makes lists that hold nothing what a file makes of [].
func spell(v reflect.Value) {
	for _, value := range v.Fields() {
		switch {
		case value.Kind() == reflect.Struct && value.Type() != reflect.TypeFor[Duration]():
			spell(value)
		case value.Kind() == reflect.Slice && value.IsNil():
			value.Set(reflect.MakeSlice(value.Type(), 0, 0))
		}
	}
}

// TestEveryFieldIsDocumented: a field without a comment would be a setting without documentation.
func TestEveryFieldIsDocumented(t *testing.T) {
	t.Parallel()
	for _, s := range collect(t) {
		if s.doc == "" {
			t.Errorf("%s has no comment", s.key)
		}
	}
}

func collect(t *testing.T) []setting {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{} // "Type.Field"
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		structure, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range structure.Fields.List {
			text := strings.Join(strings.Fields(field.Doc.Text()), " ")
			docs[spec.Name.Name+"."+field.Names[0].Name] = sentence(text, field.Names[0].Name)
		}
		return true
	})
	return walk(reflect.ValueOf(Defaults()), docs, "", 0)
}

// sentence drops the Go name that the comment opens with: the documents show the key beside it.
func sentence(text, name string) string {
	text = strings.TrimLeft(strings.TrimPrefix(text, name), " ;")
	text = strings.TrimPrefix(strings.TrimPrefix(text, "is "), "are ")
	return strings.ToUpper(text[:min(1, len(text))]) + text[min(1, len(text)):]
}

func walk(v reflect.Value, docs map[string]string, prefix string, depth int) []setting {
	var out []setting
	for field, value := range v.Fields() {
		name := field.Tag.Get("koanf")
		s := setting{key: prefix + name, name: name, doc: docs[v.Type().Name()+"."+field.Name],
			example: field.Tag.Get("example"), depth: depth}
		if field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[Duration]() {
			s.group = true
			out = append(out, s)
			out = append(out, walk(value, docs, s.key+".", depth+1)...)
			continue
		}
		switch typed := value.Interface().(type) {
		case Duration:
			s.value = typed.String()
		case []string:
			s.value = "[" + strings.Join(typed, ", ") + "]"
		case string:
			s.value = fmt.Sprintf("%q", typed)
		case Secret:
			s.value = `""`
		default:
			s.value = fmt.Sprint(typed)
		}
		out = append(out, s)
	}
	return out
}

func exampleYAML(settings []setting) string {
	var b strings.Builder
	b.WriteString("# Every setting with its default. Generated from config/config.go; see docs/configuration.md.\n")
	b.WriteString("# The environment goes over this file: keys.rotate_every is SIGNET_KEYS__ROTATE_EVERY.\n")
	for _, s := range settings {
		indent := strings.Repeat("  ", s.depth)
		if s.depth == 0 {
			b.WriteString("\n")
		}
		for _, line := range fold(s.doc, 100-len(indent)) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		switch {
		case s.group:
			fmt.Fprintf(&b, "%s%s:\n", indent, s.name)
		case s.key == "issuer":
			fmt.Fprintf(&b, "%s%s: %s\n", indent, s.name, s.example)
		case s.example != "":
			fmt.Fprintf(&b, "%s# for example: %s\n%s%s: %s\n", indent, s.example, indent, s.name, s.value)
		default:
			fmt.Fprintf(&b, "%s%s: %s\n", indent, s.name, s.value)
		}
	}
	return b.String()
}

func configurationMD(settings []setting) string {
	var b strings.Builder
	b.WriteString("# Configuration\n\n" +
		"Generated from the comments of `config/config.go`; `config/example.yaml` holds the same with every default.\n\n" +
		"`signet serve --config FILE` reads YAML and puts the environment over it: `keys.rotate_every` is\n" +
		"`SIGNET_KEYS__ROTATE_EVERY`, lists are separated by commas. Unknown keys are refused, and every problem is\n" +
		"reported at once. Durations carry their unit (`15m`, `720h`). Secrets are never printed.\n\n" +
		"`SIGNET_SERVER` and `SIGNET_ADMIN_KEY` are for the commands (`--server`) and no settings of the server.\n\n" +
		"| setting | default | meaning |\n|---|---|---|\n")
	for _, s := range settings {
		value := ""
		if !s.group {
			value = "`" + s.value + "`"
		}
		doc := strings.ReplaceAll(s.doc, "|", `\|`)
		if s.example != "" {
			doc += " For example `" + s.example + "`."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.key, value, doc)
	}
	return b.String()
}

func fold(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
