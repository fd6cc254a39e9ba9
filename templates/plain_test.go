package templates_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/signet-auth/signet/templates"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in, want string
		limit          int
	}{
		{"plain", "Aurora Notes", "Aurora Notes", 0},
		{"other scripts stay", "日本語 עברית العربية Ελλάδα", "日本語 עברית العربية Ελλάδα", 0},
		{"emoji stays", "Notes 🎵", "Notes 🎵", 0},
		{"right-to-left override (XSS-02)", "sig\u202etengis", "sigtengis", 0},
		{"isolates and marks", "a\u2066b\u2069c\u200ed\u200fe\u061cf", "abcdef", 0},
		{"zero width", "sig\u200bn\u200ce\u200dt\ufeff\u2060", "signet", 0},
		{"controls and ANSI", "a\x1b[31mb\x00c\x7f\u009b", "a[31mbc", 0},
		{"tags and variation selectors", "a\U000e0041\ufe0fb\U000e0100", "ab", 0},
		{"fillers", "a\u3164b\u115fc\u2800d\uffa0e\u00adf\u034fg", "abcdefg", 0},
		{"white space is folded", "  a \n\t b\u2028c\u00a0d\u3000e ", "a b c d e", 0},
		{"accents stay, towers fall", "e\u0301\u0302\u0303\u0304x", "e\u0301\u0302x", 0},
		{"no accent without a letter", "\u0301a", "a", 0},
		{"private use", "a\ue000b\U000f0000c", "abc", 0},
		{"not UTF-8", "a\xff\xfeb", "ab", 0},
		{"cut", "abcdef", "abc…", 3},
		{"not cut", "abc", "abc", 3},
		{"nothing left", "\u202e \u200b", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := templates.Plain(c.in, c.limit); got != c.want {
				t.Errorf("Plain(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
			}
		})
	}
}

func FuzzPlain(f *testing.F) {
	f.Add(hostile)
	f.Add("a\xc3\u0301")
	f.Fuzz(func(t *testing.T, text string) {
		got := templates.Plain(text, 20)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 21 || strings.ContainsAny(got, "\u202e\u200b\n\r\x00\x1b\u2028") {
			t.Errorf("Plain(%q) = %q", text, got)
		}
		if again := templates.Plain(strings.TrimSuffix(got, "…"), 0); again != strings.TrimSuffix(got, "…") {
			t.Errorf("cleaning %q twice gives %q", got, again)
		}
	})
}
