package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// description is the OpenAPI document that the server serves.
type description struct {
	paths   map[string]map[string]any // by template and lower-case method
	schemas map[string]any
}

func readDescription(t *testing.T, issuer string) *description {
	t.Helper()
	res, content := Send(t, http.MethodGet, issuer+"/openapi.json", nil, nil)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("/openapi.json: %d", res.StatusCode)
	}
	var file struct {
		Paths      map[string]map[string]any `json:"paths"`
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	return &description{file.Paths, file.Components.Schemas}
}

// operation finds what describes a call; "" and nil when nothing does.
func (d *description) operation(method, path string) (template string, operation map[string]any) {
	segments := strings.Split(path, "/")
	for template, operations := range d.paths {
		parts := strings.Split(template, "/")
		fits := len(parts) == len(segments)
		for i := 0; fits && i < len(parts); i++ {
			fits = parts[i] == segments[i] || strings.HasPrefix(parts[i], "{") && segments[i] != ""
		}
		if fits {
			found, _ := operations[strings.ToLower(method)].(map[string]any)
			return template, found
		}
	}
	return "", nil
}

// check holds an answer to what is described for its path, method, status and content type.
func (d *description) check(t *testing.T, s *stand, r *reply, method, path string) {
	t.Helper()
	address, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	route := s.unmounted(address.EscapedPath())
	_, operation := d.operation(method, route)
	if operation == nil {
		t.Errorf("%s: not described", r.what)
		return
	}
	responses, _ := operation["responses"].(map[string]any)
	response, ok := responses[strconv.Itoa(r.status)].(map[string]any)
	if !ok {
		t.Errorf("%s: status %d is not described: %s", r.what, r.status, r.body)
		return
	}
	contents, _ := response["content"].(map[string]any)
	if len(contents) == 0 {
		if len(r.body) > 0 {
			t.Errorf("%s: status %d is described without a body: %s", r.what, r.status, r.body)
		}
		return
	}
	media, _, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	content, ok := contents[media].(map[string]any)
	if err != nil || !ok {
		t.Errorf("%s: status %d with content type %q is not described", r.what, r.status, r.header.Get("Content-Type"))
		return
	}
	schema, _ := content["schema"].(map[string]any)
	var value any = string(r.body)
	if !plainText(schema, media) {
		if err := json.Unmarshal(r.body, &value); err != nil {
			t.Errorf("%s: no JSON: %s", r.what, r.body)
			return
		}
	}
	if fault := d.fault(schema, value, "$"); fault != "" {
		t.Errorf("%s: the answer is not as described: %s: %s", r.what, fault, r.body)
	}
}

// plainText tells a text as it stands from JSON that a caller wanted under the name text/plain.
func plainText(schema map[string]any, media string) bool {
	return media == "text/plain" && schema["type"] == "string"
}

// unmounted takes the prefix of a mount away.
func (s *stand) unmounted(path string) string {
	for _, prefixes := range s.mounts {
		for _, prefix := range prefixes {
			if rest, ok := strings.CutPrefix(path, prefix+"/"); ok {
				return "/" + rest
			}
		}
	}
	return path
}

// fault says what of a value is not as the schema has it, "" for nothing. It knows what the description uses.
func (d *description) fault(schema map[string]any, value any, at string) string {
	if reference, ok := schema["$ref"].(string); ok {
		target, ok := d.schemas[strings.TrimPrefix(reference, "#/components/schemas/")].(map[string]any)
		if !ok {
			return at + ": " + reference + " leads nowhere"
		}
		return d.fault(target, value, at)
	}
	if value == nil && schema["nullable"] == true {
		return ""
	}
	if options, ok := schema["enum"].([]any); ok && !slices.Contains(options, value) {
		return fmt.Sprintf("%s: %v is none of %v", at, value, options)
	}
	if fault := d.combined(schema, value, at); fault != "" {
		return fault
	}
	switch schema["type"] {
	case nil:
		return ""
	case "object":
		return d.objectFault(schema, value, at)
	case "array":
		return d.arrayFault(schema, value, at)
	default:
		return scalarFault(schema, value, at)
	}
}

func (d *description) combined(schema map[string]any, value any, at string) string {
	all, _ := schema["allOf"].([]any)
	for _, part := range all {
		if fault := d.fault(part.(map[string]any), value, at); fault != "" {
			return fault
		}
	}
	one, ok := schema["oneOf"].([]any)
	if !ok {
		return ""
	}
	fits, faults := 0, []string(nil)
	for _, part := range one {
		fault := d.fault(part.(map[string]any), value, at)
		if fault == "" {
			fits++
		}
		faults = append(faults, fault)
	}
	if fits != 1 {
		return fmt.Sprintf("%s: %d of oneOf fit: %s", at, fits, strings.Join(faults, "; "))
	}
	return ""
}

func (d *description) objectFault(schema map[string]any, value any, at string) string {
	members, ok := value.(map[string]any)
	if !ok {
		return fmt.Sprintf("%s: %v is no object", at, value)
	}
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, there := members[name.(string)]; !there {
			return fmt.Sprintf("%s: %s is missing", at, name)
		}
	}
	for name, member := range members {
		property, known := properties[name].(map[string]any)
		if !known {
			if schema["additionalProperties"] == false {
				return fmt.Sprintf("%s: %s is not described", at, name)
			}
			property, _ = schema["additionalProperties"].(map[string]any)
		}
		if fault := d.fault(property, member, at+"."+name); fault != "" {
			return fault
		}
	}
	return ""
}

func (d *description) arrayFault(schema map[string]any, value any, at string) string {
	list, ok := value.([]any)
	if !ok {
		return fmt.Sprintf("%s: %v is no array", at, value)
	}
	items, _ := schema["items"].(map[string]any)
	for i, item := range list {
		if fault := d.fault(items, item, fmt.Sprintf("%s[%d]", at, i)); fault != "" {
			return fault
		}
	}
	return ""
}

func scalarFault(schema map[string]any, value any, at string) string {
	ok := false
	switch schema["type"] {
	case "string":
		_, ok = value.(string)
	case "boolean":
		_, ok = value.(bool)
	case "number":
		_, ok = value.(float64)
	case "integer":
		var number float64
		number, ok = value.(float64)
		ok = ok && number == math.Trunc(number)
	}
	if !ok {
		return fmt.Sprintf("%s: %v is no %v", at, value, schema["type"])
	}
	return ""
}

// describedMethods: what is described is served and nothing else is. What wire.md names and the description leaves out
// must not be there, either: an endpoint is described when it begins to answer.
func (s *stand) describedMethods(t *testing.T) {
	all := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	for template, operations := range s.api.paths {
		path := template
		for _, name := range []string{"{invoiceGuid}", "{accountId}", "{userId}", "{name}"} {
			path = strings.Replace(path, name, "11111111-2222-4333-8444-555555555555", 1)
		}
		demo := s.name != "dev" && (template == "/test" || template == "/payertest")
		for _, method := range all {
			_, described := operations[strings.ToLower(method)]
			status := s.ask(t, method, path, nil, nil).status
			switch {
			case demo:
				if status != http.StatusNotFound {
					t.Errorf("%s %s: %d, want 404 outside signet dev", method, template, status)
				}
			case described && (status == http.StatusMethodNotAllowed || status == http.StatusNotFound):
				t.Errorf("%s %s is described and answers %d", method, template, status)
			case !described && status != http.StatusMethodNotAllowed:
				t.Errorf("%s %s is not described and answers %d", method, template, status)
			}
		}
	}
	for _, path := range []string{"/par", "/register", "/register/x", "/device_authorization", "/status/x", "/metrics", "/livez", "/readyz"} {
		if template, _ := s.api.operation(http.MethodGet, path); template != "" {
			continue
		}
		if status := s.ask(t, http.MethodPost, path, nil, nil).status; status != http.StatusNotFound {
			t.Errorf("%s answers %d and is not described", path, status)
		}
	}
}

// The validator itself sees what is wrong.
func TestDescriptionFaults(t *testing.T) {
	t.Parallel()
	d := &description{schemas: map[string]any{"Name": map[string]any{"type": "string"}}}
	schema := map[string]any{"type": "object", "required": []any{"a"}, "additionalProperties": false, "properties": map[string]any{
		"a": map[string]any{"$ref": "#/components/schemas/Name"},
		"n": map[string]any{"type": "integer", "nullable": true},
		"l": map[string]any{"type": "array", "items": map[string]any{"enum": []any{"x", "y"}}},
		"o": map[string]any{"oneOf": []any{map[string]any{"type": "string"}, map[string]any{"type": "boolean"}}},
		"r": map[string]any{"$ref": "#/components/schemas/Gone"},
	}}
	for name, c := range map[string]struct {
		body string
		fits bool
	}{
		"all":              {`{"a":"","n":null,"l":["x"],"o":true}`, true},
		"missing":          {`{}`, false},
		"unknown":          {`{"a":"","z":1}`, false},
		"type":             {`{"a":1}`, false},
		"null":             {`{"a":null}`, false},
		"fraction":         {`{"a":"","n":1.5}`, false},
		"enum":             {`{"a":"","l":["z"]}`, false},
		"one of none":      {`{"a":"","o":7}`, false},
		"dead reference":   {`{"a":"","r":1}`, false},
		"array for object": {`[]`, false},
	} {
		var value any
		if err := json.Unmarshal([]byte(c.body), &value); err != nil {
			t.Fatal(err)
		}
		if fault := d.fault(schema, value, "$"); (fault == "") != c.fits {
			t.Errorf("%s: %q", name, fault)
		}
	}
}
