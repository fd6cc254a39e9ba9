package web

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

type scanned struct {
	Name   string          `json:"name"`
	Kind   *string         `json:"kind"`
	Nested json.RawMessage `json:"nested"`
	scannedMore
}

type scannedMore struct {
	More string `json:"more,omitempty"`
	Skip string `json:"-"`
}

func TestStrictBodies(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct{ name, body, strict, lenient string }{
		{"an object", `{"name":"a","kind":null,"more":"b"}`, "", ""},
		{"nothing in it", `{}`, "", ""},
		{"white space around", " \r\n\t{ \"name\" : \"a\" } \n", "", ""},
		{"an unknown member", `{"name":"a","other":1}`, "body_unknown_member", ""},
		{"an unknown member behind a nested object", `{"nested":{"x":{}},"other":1}`, "body_unknown_member", ""},
		{"a member of the embedded struct that is no member", `{"Skip":"a"}`, "body_unknown_member", ""},
		{"a field's own name", `{"Name":"a"}`, "body_unknown_member", ""},
		{"another letter case", `{"NAME":"a"}`, "body_unknown_member", ""},
		{"twice", `{"name":"a","name":"b"}`, "body_repeated_member", "body_repeated_member"},
		{"twice, spelled otherwise", `{"name":"a","n\u0061me":"b"}`, "body_repeated_member", "body_repeated_member"},
		{"twice in two letter cases", `{"name":"a","nAmE":"b"}`, "body_repeated_member", "body_repeated_member"},
		{"twice by a letter that folds", `{"kind":"a","\u212aind":"b"}`, "body_repeated_member", "body_repeated_member"},
		{"twice by an old s", `{"nested":{"s":1,"\u017f":2}}`, "body_repeated_member", "body_repeated_member"},
		{"twice, a quote between", `{"name":"a\"","name":"b"}`, "body_repeated_member", "body_repeated_member"},
		{"twice, a backslash between", `{"name":"\\","name":"b"}`, "body_repeated_member", "body_repeated_member"},
		{"twice further in", `{"nested":[{"a":1,"A":2}]}`, "body_repeated_member", "body_repeated_member"},
		{"once in each of two objects", `{"nested":[{"a":1},{"a":2}]}`, "", ""},
		{"a value that looks like a name", `{"name":"kind","kind":"name"}`, "", ""},
		{"values in an array are no names", `{"nested":["a","a",{"b":["b","b"]},"a"]}`, "", ""},
		{"structure inside of strings", `{"name":"{\"name\":[","kind":"},\\"}`, "", ""},
		{"as deep as may be", `{"nested":` + deep(15) + `}`, "", ""},
		{"deeper", `{"nested":` + deep(16) + `}`, "body_depth", "body_depth"},
		{"an array", `["name"]`, "body_json", "body_json"},
		{"a text", `"name"`, "body_json", "body_json"},
		{"two objects", `{"name":"a"}{"name":"a"}`, "body_json", "body_json"},
		{"text behind", `{"name":"a"} x`, "body_json", "body_json"},
		{"not ended", `{"name":"a"`, "body_json", "body_json"},
		{"nothing", ``, "body_json", "body_json"},
		{"a comma too many", `{"name":"a",}`, "body_json", "body_json"},
		{"another type", `{"name":1}`, "body_type", "body_type"},
		{"half of a pair", `{"name":"\ud800"}`, "body_utf8", "body_utf8"},
		{"no UTF-8", "{\"name\":\"\xff\"}", "body_utf8", "body_utf8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for lenient, want := range map[bool]string{false: c.strict, true: c.lenient} {
				err := JSONBody{Lenient: lenient}.Decode([]byte(c.body), &scanned{})
				if got := signet.ReasonOf(err); got != want {
					t.Errorf("lenient %v: reason %q, want %q (%v)", lenient, got, want, err)
				}
			}
		})
	}
}

// What is let through has every name once, however it is spelled: found by a walk of another kind.
func FuzzStrictBodies(f *testing.F) {
	for _, body := range []string{`{"name":"a","kind":null}`, `{"a":[{"b":1},{"b":{"c":"\\\""}}]}`, `{"a":1,"\u0041":2}`, `{"":{"":""}}`, `{"a":"b","b":",{\""}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if scanJSON(body, nil) != nil {
			return
		}
		decoder := json.NewDecoder(strings.NewReader(string(body)))
		decoder.UseNumber()
		if !once(t, decoder, 0) {
			t.Errorf("let through: %q", body)
		}
	})
}

func once(t *testing.T, decoder *json.Decoder, depth int) bool {
	token, err := decoder.Token()
	if err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	open, nested := token.(json.Delim)
	if !nested {
		return true
	}
	seen := map[string]bool{}
	for decoder.More() {
		if open == '{' {
			token, err := decoder.Token()
			if err != nil {
				t.Fatalf("not JSON: %v", err)
			}
			name := strings.ToLower(strings.ToUpper(token.(string)))
			if seen[name] {
				return false
			}
			seen[name] = true
		}
		if !once(t, decoder, depth+1) {
			return false
		}
	}
	_, err = decoder.Token()
	return err == nil && depth < maxDepth
}

func BenchmarkStrictBody(b *testing.B) {
	body := []byte(`{"name":"c65335cc-3492-4c3a-91a4-e7e1a2e712b6","kind":"1764000000000","more":"00112233445566778899aabbccddeeff"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := (JSONBody{}).Decode(body, &scanned{}); err != nil {
			b.Fatal(err)
		}
	}
}
