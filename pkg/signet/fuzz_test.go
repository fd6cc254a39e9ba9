package signet_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/signet"
)

// FuzzScope: a list is the set of its words, written again it is read as itself, and no word holds what would be two, or
// end a quoted string (RFC 6749 §3.3).
func FuzzScope(f *testing.F) {
	for _, seed := range []string{"openid profile", "a  a b", " ", "a\tb", "a\u00a0b", `a"b`, `a\b`, "a\x00", "A a", strings.Repeat("a ", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		scope, err := signet.ParseScope(text)
		clean := !strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' })
		if (err == nil) != clean {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			if signet.CodeOf(err) != signet.CodeInvalidScope {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := signet.ParseScope(scope.String())
		if err != nil || !slices.Equal(again, scope) || !again.Within(scope) {
			t.Fatalf("%q is %q, then %q", text, scope, again)
		}
		words := strings.Fields(text)
		for _, word := range words {
			if !scope.Has(word) {
				t.Fatalf("%q lost %q", text, word)
			}
		}
		slices.Sort(words)
		if len(slices.Compact(words)) != len(scope) {
			t.Fatalf("%q has %d words, read as %q", text, len(slices.Compact(words)), scope)
		}
	})
}

// FuzzSecret: a secret has one spelling, and is of one kind.
func FuzzSecret(f *testing.F) {
	kinds := []signet.SecretKind{signet.SecretRefresh, signet.SecretCode, signet.SecretClient, signet.SecretAPIKey, signet.SecretDevice}
	for i, kind := range kinds {
		good := signet.FormatSecret(kind, []byte(strings.Repeat(string(rune('a'+i)), 32))).Reveal()
		f.Add(good)
		f.Add(good[:len(good)-7] + "_" + good[len(good)-6:])
		f.Add(good + "=")
	}
	f.Add("sgt__")
	f.Fuzz(func(t *testing.T, text string) {
		of := 0
		for _, kind := range kinds {
			raw, ok := signet.ParseSecret(kind, text)
			if !ok {
				continue
			}
			of++
			if again := signet.FormatSecret(kind, raw).Reveal(); again != text {
				t.Fatalf("%q is also %q", text, again)
			}
		}
		if of > 1 {
			t.Fatalf("%q is of %d kinds", text, of)
		}
	})
}

// FuzzDecimal: an amount is a JSON number of its own text, without an exponent.
func FuzzDecimal(f *testing.F) {
	for _, seed := range []string{"0", "-0.00", "123456789012345678", "1e3", "+1", ".5", "1.", "01", "--1", "1.2.3", "-", "٣"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		amount, err := signet.ParseDecimal(text)
		if err != nil {
			if signet.CodeOf(err) != signet.CodeInvalidRequest {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		var number json.Number
		if err := json.Unmarshal([]byte(text), &number); err != nil || number.String() != text || string(amount) != text || strings.ContainsAny(text, "eE") {
			t.Fatalf("%q is %q, as JSON %q, %v", text, amount, number, err)
		}
		var decoded signet.Decimal
		if err := json.Unmarshal([]byte(text), &decoded); err != nil || decoded != amount {
			t.Fatalf("%q decodes as %q, %v", text, decoded, err)
		}
	})
}
