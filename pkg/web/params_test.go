package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
)

func post(body string, change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(body))
	r.Header.Set("Content-Type", formType)
	for _, c := range change {
		c(r)
	}
	return r
}

func get(query string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/authorize", nil)
	r.URL.RawQuery = query
	return r
}

// PRS-01, PRS-07 and the grammar, for query and body alike.
func TestPRS01PRS07Parameters(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name       string
		raw        string
		repeatable []string
		want       string // url.Values.Encode; "-" for refused
	}{
		{"plain", "a=1&b=2", nil, "a=1&b=2"},
		{"empty", "", nil, ""},
		{"escapes", "a=%41+b%2B", nil, "a=A+b%2B"},
		{"value with =", "a=b=c", nil, "a=b%3Dc"},
		{"semicolon is text", "a=1;b=2", nil, "a=1%3Bb%3D2"},
		{"empty pairs", "&&a=1&", nil, "a=1"},
		{"without value means not sent", "a=&b&c=1", nil, "c=1"},
		{"same value twice", "a=1&a=1", nil, "-"},
		{"two values", "a=1&a=2", nil, "-"},
		// an empty first one must not hide the repetition
		{"empty, then a value", "a=&a=2", nil, "-"},
		{"a value, then empty", "a=2&a=", nil, "-"},
		{"empty twice", "a=&a=", nil, "-"},
		{"escaped name is the same name", "a=1&%61=2", nil, "-"},
		{"repeatable", "resource=a&resource=b", []string{"resource"}, "resource=a&resource=b"},
		{"another name stays single", "resource=a&resource=b&a=1&a=2", []string{"resource"}, "-"},
		{"letter case makes another name", "a=1&A=2", nil, "A=2&a=1"},
		{"no name", "=1", nil, "-"},
		{"bad escape", "a=%zz", nil, "-"},
		{"cut escape", "a=%4", nil, "-"},
		{"NUL", "a=x%00y", nil, "-"},
		{"raw NUL", "a=x\x00y", nil, "-"},
		{"NUL in a name", "a%00=1", nil, "-"},
		{"invalid UTF-8", "a=%ff", nil, "-"},
		{"overlong UTF-8", "a=%c0%af", nil, "-"},
		{"lone surrogate", "a=%ed%a0%80", nil, "-"},
		{"direction override is text", "a=%E2%80%AE", nil, "a=%E2%80%AE"},
		{"line break is text", "a=%0d%0ab", nil, "a=%0D%0Ab"},
		{"100 parameters", strings.Repeat("&", 5) + numbered(100), nil, "ok"},
		{"101 parameters", numbered(101), nil, "-"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			fromQuery, queryErr := Query(get(tc.raw), tc.repeatable...)
			fromForm, formErr := Form(post(tc.raw), tc.repeatable...)
			if tc.want == "-" {
				if signet.CodeOf(queryErr) != signet.CodeInvalidRequest || signet.CodeOf(formErr) != signet.CodeInvalidRequest {
					t.Fatalf("errors %v and %v, want invalid_request", queryErr, formErr)
				}
				return
			}
			if queryErr != nil || formErr != nil {
				t.Fatalf("refused: %v, %v", queryErr, formErr)
			}
			if fromQuery.Encode() != fromForm.Encode() {
				t.Errorf("query gives %q, form %q", fromQuery.Encode(), fromForm.Encode())
			}
			if tc.want != "ok" && fromQuery.Encode() != tc.want {
				t.Errorf("%q, want %q", fromQuery.Encode(), tc.want)
			}
		})
	}
}

func numbered(n int) string {
	values := url.Values{}
	for i := range n {
		values.Set("p"+strings.Repeat("x", i), "1")
	}
	return values.Encode()
}

// PRS-02, PRS-04 and what is no form.
func TestPRS02PRS04Form(t *testing.T) {
	t.Parallel()
	header := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = values }
	}
	query := func(q string) func(*http.Request) { return func(r *http.Request) { r.URL.RawQuery = q } }
	chunked := func(r *http.Request) { r.ContentLength = -1 }
	big := "a=" + strings.Repeat("x", maxForm-2)
	cases := []struct {
		name    string
		request *http.Request
		want    signet.Code
	}{
		{"form", post("a=1"), ""},
		{"charset", post("a=1", header("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")), ""},
		{"quoted charset", post("a=1", header("Content-Type", `application/x-www-form-urlencoded;charset="utf-8"`)), ""},
		{"letter case", post("a=1", header("Content-Type", "Application/X-WWW-Form-Urlencoded")), ""},
		{"empty body without type", post("", header("Content-Type")), ""},
		{"split between query and body", post("a=1", query("b=2")), signet.CodeInvalidRequest},
		{"all in the query", post("", query("a=1")), signet.CodeInvalidRequest},
		{"bare question mark", post("a=1", func(r *http.Request) { r.URL.ForceQuery = true }), signet.CodeInvalidRequest},
		{"GET", get("a=1"), signet.CodeInvalidRequest},
		{"multipart", post("a=1", header("Content-Type", "multipart/form-data; boundary=x")), signet.CodeUnsupportedMedia},
		{"json", post("{}", header("Content-Type", "application/json")), signet.CodeUnsupportedMedia},
		{"other charset", post("a=1", header("Content-Type", "application/x-www-form-urlencoded; charset=utf-7")), signet.CodeUnsupportedMedia},
		{"other parameter", post("a=1", header("Content-Type", "application/x-www-form-urlencoded; boundary=x")), signet.CodeUnsupportedMedia},
		{"longer type", post("a=1", header("Content-Type", "application/x-www-form-urlencodedx")), signet.CodeUnsupportedMedia},
		{"two types", post("a=1", header("Content-Type", formType, "application/json")), signet.CodeUnsupportedMedia},
		{"no type", post("a=1", header("Content-Type")), signet.CodeUnsupportedMedia},
		{"compressed", post("a=1", header("Content-Encoding", "gzip")), signet.CodeUnsupportedMedia},
		{"64 KiB", post(big), ""},
		{"64 KiB and one", post(big + "x"), signet.CodeTooLarge},
		{"64 KiB chunked", post(big, chunked), ""},
		{"64 KiB and one chunked", post(big+"x", chunked), signet.CodeTooLarge},
		{"10 MB chunked", post(strings.Repeat("x", 10<<20), chunked), signet.CodeTooLarge},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			values, err := Form(tc.request)
			if signet.CodeOf(err) != tc.want {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if err == nil && len(values) > 1 {
				t.Errorf("values %v", values)
			}
			var e *signet.Error
			if errors.As(err, &e) && strings.ContainsAny(e.Message, "\"\\\r\n") {
				t.Errorf("message %q cannot stand in error_description", e.Message)
			}
		})
	}
	if _, err := Query(get("a=" + strings.Repeat("x", maxURL))); signet.CodeOf(err) != signet.CodeInvalidRequest {
		t.Errorf("a query over 8 KiB gives %v", err)
	}
}

// The name in the message comes from the caller: only a plain one is repeated.
func TestDuplicateMessage(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"client_id=1&client_id=2":                                        "The parameter client_id is sent more than once.",
		"%3Cscript%3E=1&%3Cscript%3E=2":                                  "The parameter name is sent more than once.",
		strings.Repeat("a", 41) + "=1&" + strings.Repeat("a", 41) + "=2": "The parameter name is sent more than once.",
	} {
		_, err := Query(get(raw))
		var e *signet.Error
		if !errors.As(err, &e) || e.Message != want {
			t.Errorf("%q gives %v, want %q", raw, err, want)
		}
	}
}

// FuzzParams holds the parser against net/url: what both accept must mean the same, and whatever is accepted is valid
// UTF-8 without NUL, and single.
func FuzzParams(f *testing.F) {
	for _, seed := range []string{"", "a=1&b=2", "a=%41+b%2B", "a=&a=1", "a;b=1", "=", "%", "a=%00", "a=%c0%af", "resource=a&resource=b", "&&&=&a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		values, err := parseParams(raw, []string{"resource"})
		if err != nil {
			if signet.CodeOf(err) != signet.CodeInvalidRequest {
				t.Fatalf("error %v is not invalid_request", err)
			}
			return
		}
		for name, list := range values {
			if len(list) > 1 && name != "resource" {
				t.Errorf("%q has %d values", name, len(list))
			}
			for _, text := range append([]string{name}, list...) {
				if text == "" || !utf8.ValidString(text) || strings.Contains(text, "\x00") {
					t.Errorf("accepted %q", text)
				}
			}
		}
		if strings.Contains(raw, ";") {
			return // net/url refuses what is plain text to browsers
		}
		reference, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("%q is accepted, net/url says %v", raw, err)
		}
		for name, list := range reference {
			kept := list[:0]
			for _, value := range list {
				if value != "" {
					kept = append(kept, value)
				}
			}
			if strings.Join(kept, "\x00") != strings.Join(values[name], "\x00") {
				t.Errorf("%q: %q, net/url has %q", name, values[name], kept)
			}
		}
	})
}
