package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
)

// memberNames lists the members of a struct, embedded ones too; nil for what is no struct: nothing is known of it.
func memberNames(t reflect.Type) []string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	return appendMembers(make([]string, 0, 16), t)
}

func appendMembers(names []string, t reflect.Type) []string {
	for i := range t.NumField() {
		field := t.Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		embedded := field.Type
		if field.Anonymous && embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		switch {
		case tag == "-":
		case field.Anonymous && tag == "" && embedded.Kind() == reflect.Struct:
			names = appendMembers(names, embedded)
		case !field.IsExported():
		case tag != "":
			names = append(names, tag)
		default:
			names = append(names, field.Name)
		}
	}
	return names
}

// jsonLevel is one open object or array.
type jsonLevel struct {
	object bool
	seen   map[string]struct{} // names so far, folded
}

// scanJSON walks the text before anything is decoded: one object, no name twice, bounded depth. names are the members of
// the outer object, nil for any.
//
// json.Valid goes first, so that the walk needs no grammar: in what is JSON, a string is a name exactly when it is the
// first thing behind the { or , of an object. Every request of the contracts comes through here, and tokens of a
// json.Decoder cost as much as all the rest of some of them.
func scanJSON(body []byte, names []string) error {
	if !json.Valid(body) {
		return notJSON(body)
	}
	if body = bytes.TrimLeft(body, " \t\r\n"); body[0] != '{' {
		return invalid("The body must be one JSON object.", "body_json")
	}
	var levels [maxDepth]jsonLevel
	depth, named := 0, false
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			if depth == maxDepth {
				return invalid("The body is nested too deeply.", "body_depth")
			}
			named = body[i] == '{'
			levels[depth] = jsonLevel{object: named}
			depth++
		case '}', ']':
			depth--
			named = false
		case ',':
			named = levels[depth-1].object
		case '"':
			end := i + stringLength(body[i:])
			if named {
				known := names
				if depth > 1 {
					known = nil
				}
				if err := levels[depth-1].name(body[i:end], known); err != nil {
					return err
				}
			}
			named, i = false, end-1
		}
	}
	return nil
}

// notJSON says what is wrong with a body that is not valid: nothing there, not ended or more behind it, or no JSON.
func notJSON(body []byte) error {
	var value json.RawMessage
	switch err := json.NewDecoder(bytes.NewReader(body)).Decode(&value); {
	case errors.Is(err, io.EOF):
		return invalid(notDescribed, "body_json")
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("The body must be one JSON object.", "body_json")
	default:
		return invalid("The body is not JSON.", "body_json")
	}
}

// stringLength is the length of the JSON string that text begins with, its quotes included.
func stringLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

func (l *jsonLevel) name(quoted []byte, names []string) error {
	name := string(quoted[1 : len(quoted)-1])
	if strings.IndexByte(name, '\\') >= 0 {
		if err := json.Unmarshal(quoted, &name); err != nil {
			return invalid("The body is not JSON.", "body_json")
		}
	}
	folded := foldMember(name)
	if _, repeated := l.seen[folded]; repeated {
		return memberFault("body_repeated_member", "The member %s is repeated.", name)
	}
	if names != nil && !slices.Contains(names, name) {
		return memberFault("body_unknown_member", "The member %s is unknown.", name)
	}
	if l.seen == nil {
		l.seen = make(map[string]struct{}, 8)
	}
	l.seen[folded] = struct{}{}
	return nil
}

// foldMember makes names equal that encoding/json would take for one member: it also folds U+017F to s and U+212A to k.
func foldMember(name string) string {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return strings.ToLower(strings.ToUpper(name))
		}
	}
	return strings.ToLower(name)
}
