package config

import (
	"errors"
	"io/fs"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
)

// Problems is every fault of a configuration at once.
type Problems []string

// Error lists the problems, one a line.
func (p Problems) Error() string {
	return "the configuration has problems:\n  - " + strings.Join(p, "\n  - ")
}

// quoted is what the parser repeats of a value: an anchor or a tag, which a password becomes that begins with * or !.
var quoted = regexp.MustCompile("(anchor )'[^']*'|()`[^`]*`")

// fileProblem says why a file cannot be read, without a part of any value.
func fileProblem(path string, err error) string {
	var missing *fs.PathError
	if errors.As(err, &missing) {
		return path + ": " + missing.Err.Error()
	}
	text := err.Error()
	if hidden := quoted.ReplaceAllString(text, "$1…"); hidden != text {
		text = hidden + " (a value that begins with * or ! needs quotes)"
	}
	return path + ": " + text
}

// unknownKeys compares with the keys of the struct. A mistyped key must never fall silently back to a default.
func unknownKeys(keys []string) Problems {
	known := Keypaths()
	var out Problems
	for _, key := range keys {
		if !isKnown(key, known) {
			out = append(out, key+": unknown key"+meant(Closest(key, known)))
		}
	}
	return out
}

// unknownVariables is the same for the environment, in its spelling.
func unknownVariables(environ []string) Problems {
	known := Keypaths()
	var out Problems
	for _, name := range Settings(environ) {
		key := envKey(name)
		if isKnown(key, known) {
			continue
		}
		near := Closest(key, known)
		if near != "" {
			near = variable(near)
		}
		out = append(out, name+": unknown variable"+meant(near))
	}
	return out
}

func isKnown(key string, known []string) bool {
	return slices.Contains(known, key) || slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, key+".") })
}

func meant(near string) string {
	if near == "" {
		return ""
	}
	return "; did you mean " + near + "?"
}

// variable turns keys.rotate_every into SIGNET_KEYS__ROTATE_EVERY.
func variable(key string) string { return Prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "__")) }

// decodeProblems takes the decoder's error apart and says of each key what it takes. The decoder's own texts speak of Go
// types, and could repeat a value.
func decodeProblems(err error) Problems {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var out Problems
		for _, single := range joined.Unwrap() {
			out = append(out, decodeProblems(single)...)
		}
		return out
	}
	var fault *mapstructure.DecodeError
	if !errors.As(err, &fault) {
		return Problems{"the settings cannot be read"}
	}
	key, _, _ := strings.Cut(fault.Name(), "[")
	return Problems{key + ": " + takes(kindOf(reflect.TypeFor[Config](), key))}
}

// kindOf is the type of the field that a key names, nil when there is none.
func kindOf(t reflect.Type, key string) reflect.Type {
	name, rest, deeper := strings.Cut(key, ".")
	for field := range t.Fields() {
		if field.Tag.Get("koanf") != name {
			continue
		}
		if deeper && field.Type.Kind() == reflect.Struct {
			return kindOf(field.Type, rest)
		}
		return field.Type
	}
	return nil
}

func takes(t reflect.Type) string {
	switch {
	case t == nil:
		return "cannot be read"
	case t == reflect.TypeFor[Duration]():
		return errDuration.Error()
	case t.Kind() == reflect.Struct:
		return "is a group: its settings stand below it, each with a name"
	case t.Kind() == reflect.Slice:
		return "must be a list of texts"
	case t.Kind() == reflect.Bool:
		return "must be true or false"
	case t.Kind() == reflect.Int:
		return "must be a whole number"
	default:
		return "must be one text; put it in quotes"
	}
}
