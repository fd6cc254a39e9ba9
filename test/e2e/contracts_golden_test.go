package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/contracts/*.golden anew")

// placeholder stands for what differs by run.
type placeholder struct {
	pattern *regexp.Regexp
	text    string
}

// placeholders are applied in this order.
func placeholders() []placeholder {
	list := [][2]string{
		{`eyJ[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+`, `<jwe>`},
		{`eyJ[\w-]+\.[\w-]+\.[\w-]+`, `<jws>`},
		{`sgt_[\w-]+`, `<secret>`},
		{`"key:[\w-]{22,36}"`, `"key:<id>"`},
		{`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`, `<uuid>`},
		{`\b[0-9a-f]{64}\b`, `<hmac>`},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`, `<time>`},
		{`"(iat|exp)":"\d{10}"`, `"$1":"<unix>"`},
		{`"(iat|exp|nbf|auth_time|not-before-policy)":\d{10}`, `"$1":<unix>`},
		{`"execTime":(0\.\d+|[1-9][\d.]*)`, `"execTime":<seconds>`},
		{`"request_id":"[^"]+"`, `"request_id":"<id>"`},
		{`"jti":"[^"]+"`, `"jti":"<id>"`},
		{`"timestamp":"\d{10,13}"`, `"timestamp":"<unix>"`},
	}
	out := make([]placeholder, 0, len(list))
	for _, entry := range list {
		out = append(out, placeholder{regexp.MustCompile(entry[0]), entry[1]})
	}
	return out
}

// normal is the answer as a golden file has it: status, the headers that callers look at, and the whole body.
func (r *reply) normal(issuer string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", r.status)
	for _, name := range []string{"Content-Type", "Cache-Control", "WWW-Authenticate", "Signet-Source"} {
		for _, value := range r.header.Values(name) {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	body := string(r.body)
	if issuer != "" {
		body = strings.ReplaceAll(body, issuer, "<issuer>")
	}
	for _, p := range placeholders() {
		body = p.pattern.ReplaceAllString(body, p.text)
	}
	return b.String() + "\n" + body + "\n"
}

// golden compares the answer with its file, the same on both stands.
func (r *reply) golden(s *stand, name string) *reply {
	r.t.Helper()
	compareGolden(r.t, name, r.normal(s.card.Issuer))
	return r
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "contracts", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as it was:\n%s\nwant:\n%s", path, got, want)
	}
}
