package templates

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plain returns text as it may be shown: without characters that hide, reorder or imitate (controls, zero-width,
// bidirectional overrides, fillers, private use), white space folded, at most limit characters (0: no limit). It does
// not escape; html/template does.
func Plain(text string, limit int) string {
	var b strings.Builder
	count, marks, space := 0, 0, false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case r == utf8.RuneError || hidden(r):
			continue
		case unicode.In(r, unicode.Mn, unicode.Me):
			// Two marks on a letter are a language; a tower of them covers the line above.
			if marks++; marks > 2 || count == 0 {
				continue
			}
		default:
			marks = 0
		}
		if space && count > 0 {
			b.WriteByte(' ')
			count++
		}
		space = false
		if limit > 0 && count >= limit {
			return strings.TrimRight(b.String(), " ") + "…"
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}

// hidden reports whether a character shows nothing or changes how others are shown.
func hidden(r rune) bool {
	if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Variation_Selector) {
		return true
	}
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2800, 0x3164, 0xffa0: // joiner, fillers, inherent vowels, blank braille
		return true
	}
	return !unicode.IsPrint(r) && !unicode.IsSpace(r)
}
