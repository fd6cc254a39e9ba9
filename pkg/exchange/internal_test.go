package exchange

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

const canonical = "7d0a4d6e-2f53-4b1e-9c11-0a6f5f0f9b01"

// TestHMC05GUIDSpellings: what is read becomes one spelling; what is not read is no GUID.
func TestHMC05GUIDSpellings(t *testing.T) {
	t.Parallel()
	for _, text := range []string{canonical, strings.ToUpper(canonical), "{" + canonical + "}", strings.ReplaceAll(canonical, "-", ""),
		"7D0a4d6e2f534B1e9c110A6f5f0f9b01", "{7D0A4D6E-2F53-4B1E-9C11-0A6F5F0F9B01}"} {
		if got, ok := parseGUID(text); !ok || got != canonical {
			t.Errorf("%q is %q, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", canonical + " ", " " + canonical, canonical + "\n", "urn:uuid:" + canonical, "(" + canonical + ")", "{" + canonical,
		canonical + "}", "{" + canonical + ")", "[" + canonical + "]", canonical[:35], canonical + "0", "7d0a4d6e-2f53-4b1e-9c11-0a6f5f0f9b0g",
		"7d0a4d6e-2f534-b1e-9c11-0a6f5f0f9b01", "7d0a4d6e02f53-4b1e-9c11-0a6f5f0f9b01", "７d0a4d6e-2f53-4b1e-9c11-0a6f5f0f9b",
		"{7d0a4d6e2f534b1e9c110a6f5f0f9b0122}", "7d0a4d6e-2f53-4b1e-9c11-0a6f5f0f9b0\x00", strings.Repeat("-", 36), strings.Repeat("-", 32)} {
		if got, ok := parseGUID(text); ok {
			t.Errorf("%q is %q", text, got)
		}
	}
}

// TestHMC02TimestampForms: each number has one textual form, and no text has two meanings.
func TestHMC02TimestampForms(t *testing.T) {
	t.Parallel()
	at := time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)
	good := []struct {
		form, text string
		want       time.Time
	}{
		{"", "1700000000", at}, {"any", "1700000000000", at}, {"any", "1700000000123", at.Add(123 * time.Millisecond)},
		{"unix", "1700000000", at}, {"unix_ms", "1700000000000", at},
		{"any", "2023-11-14T22:13:20Z", at}, {"rfc3339", "2023-11-14T23:13:20+01:00", at}, {"rfc3339", "2023-11-14T22:13:20.0000000Z", at},
		{"rfc3339", "2023-11-14T22:13:20.5Z", at.Add(time.Second / 2)}, {"zoneless", "2023-11-14T22:13:20", at}, {"zoneless", "2023-11-14T22:13:20.000", at},
	}
	for _, tc := range good {
		if got, ok := parseTimestamp(tc.form, tc.text); !ok || !got.Equal(tc.want) {
			t.Errorf("%s %q: %v, %v", tc.form, tc.text, got, ok)
		}
	}
	for _, text := range []string{"", "0", "-1", "1", "+1700000000", " 1700000000", "1700000000 ", "01700000000", "0700000000", "1.7e9", "1700000000.0",
		"17e8", "1000000000000000000", "170000000000", "17000000000", "0x6553f100", "１７００００００００", "1700000000\n", "NaN", "Inf",
		"2023-11-14t22:13:20Z", "2023-11-14T22:13:20z", "2023-11-14 22:13:20Z", "2023-11-14T22:13:20", "2023-11-14T22:13:20,5Z", "2023-11-14T22:13:20.Z",
		"2023-11-14T22:13:20.1234567890Z", "2023-11-14T22:13:20-00:00", "2023-11-14T22:13:20+0100", "2023-11-14T22:13Z", "2023-1-14T22:13:20Z",
		"2023-11-14T2:13:20Z", "2023-13-14T22:13:20Z", "2023-02-30T22:13:20Z", "2023-11-14T24:00:00Z", "2023-11-14T22:13:60Z", "12023-11-14T22:13:20Z",
		"2023-11-14T22:13:20ZZ", "2023-11-14T22:13:20+01:00Z", "2023-11-14", "Tue, 14 Nov 2023 22:13:20 GMT"} {
		if got, ok := parseTimestamp(timeAny, text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	for form, texts := range map[string][]string{"unix": {"1700000000000", "2023-11-14T22:13:20Z"}, "unix_ms": {"1700000000"},
		"rfc3339": {"1700000000", "2023-11-14T22:13:20"}, "zoneless": {"2023-11-14T22:13:20Z", "1700000000"}, "other": {"1700000000"}} {
		for _, text := range texts {
			if got, ok := parseTimestamp(form, text); ok {
				t.Errorf("form %s reads %q as %v", form, text, got)
			}
		}
	}
}

// TestHMC01Encodings: the textual forms of an hmac.
func TestHMC01Encodings(t *testing.T) {
	t.Parallel()
	sum := sign(signet.HMACScheme{}, []byte("k"), []byte("input"))
	text := hex.EncodeToString(sum)
	b64 := base64.StdEncoding.EncodeToString(sum)
	type set struct {
		scheme signet.HMACScheme
		good   []string
		bad    []string
	}
	anyBad := []string{"", text[:63], text + "0", "0x" + text[2:], "0x" + text, " " + text[1:], text[:62], text[:32], b64[:43] + "!", b64 + "=", b64[:42] + "\n=",
		"[" + text[1:], strings.Repeat("z", 64), b64[:len(b64)-2] + "Z=", strings.Repeat("=", 44)}
	for _, s := range []set{
		{signet.HMACScheme{}, []string{text, strings.ToUpper(text), b64, base64.RawURLEncoding.EncodeToString(sum)}, anyBad},
		{signet.HMACScheme{Name: "custom", Encoding: "hex"}, []string{text}, []string{b64}},
		{signet.HMACScheme{Name: "custom", Encoding: "base64"}, []string{b64}, []string{text}},
	} {
		for _, good := range s.good {
			if got, ok := decodeMAC(s.scheme, good); !ok || string(got) != string(sum) {
				t.Errorf("%+v: %q is not read", s.scheme, good)
			}
		}
		for _, bad := range s.bad {
			if _, ok := decodeMAC(s.scheme, bad); ok {
				t.Errorf("%+v: %q is read", s.scheme, bad)
			}
		}
	}
}

func TestNegotiate(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{"": typeJSON, "*/*": typeJSON, "text/html": typeJSON, "text/plain": typePlain, "text/json": typeTextJSON,
		"text/plain, application/json, text/json": typePlain, "text/plain;q=0.5, text/json": typeTextJSON, "text/*": typePlain,
		"application/json;q=0.1, text/json;q=0.2": typeTextJSON, "garbage;;;": typeJSON, "text/plain;q=2": typeJSON, "text/plain;q=NaN": typeJSON,
		"text/plain;q=0": typeJSON} {
		if got := negotiate([]string{accept}); got != want+charset {
			t.Errorf("%q: %s", accept, got)
		}
	}
}
