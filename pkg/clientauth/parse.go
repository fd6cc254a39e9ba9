package clientauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxAssertion = 16 << 10
	maxMembers   = 64
	// maxDate is the last second of the year 9999: later numbers are no dates.
	maxDate = 253402300799
)

// assertion is a client_assertion taken apart. Parsing never fails: each part keeps its fault, for the list of checks
// to find in its order, and claims are read even then, because sub says whose key and whose error style apply.
type assertion struct {
	formFault, headerFault, claimsFault string

	header           header
	claims           claims
	input, signature []byte
}

type header struct {
	alg string
	typ string // lower case, without "application/"
	kid string
	// named is true when there is a kid, even an empty one.
	named bool
}

type claims struct {
	iss, sub, jti string
	aud           string
	audArray      bool // aud was an array of one string
	audFault      string
	exp, iat, nbf date
}

// date is a NumericDate (RFC 7519 §2).
type date struct {
	present bool
	invalid bool
	text    bool // written as a string of digits
	at      time.Time
}

// parseAssertion takes a compact JWS apart. JSON serialisations, JWE and nested tokens fail by their form.
func parseAssertion(text string) *assertion {
	a := &assertion{}
	// Go's base64 skips line ends; RFC 7515 does not.
	if len(text) > maxAssertion || strings.ContainsAny(text, "\r\n") {
		a.formFault = "assertion_form"
		return a
	}
	head, rest, _ := strings.Cut(text, ".")
	body, tail, found := strings.Cut(rest, ".")
	if !found { // a further dot in tail is no base64 and fails there
		a.formFault = "assertion_form"
		return a
	}
	encoding := base64.RawURLEncoding.Strict()
	rawHeader, err1 := encoding.DecodeString(head)
	rawClaims, err2 := encoding.DecodeString(body)
	signature, err3 := encoding.DecodeString(tail)
	if err1 != nil || err2 != nil || err3 != nil {
		a.formFault = "assertion_form"
		return a
	}
	a.input, a.signature = []byte(text[:len(head)+1+len(body)]), signature
	a.header, a.headerFault = parseHeader(rawHeader)
	a.claims, a.claimsFault = parseClaims(rawClaims)
	return a
}

// parseHeader reads the protected header strictly. crit, and b64 and cty that change how the payload is read, are
// things we would have to understand (RFC 7515 §4.1.11, RFC 7797 §3, RFC 7519 §5.2): refused.
func parseHeader(raw []byte) (h header, fault string) {
	list, ok := members(raw)
	if !ok {
		return h, "assertion_header_json"
	}
	if fault := ambiguous(list, "alg", "typ", "kid", "crit", "b64", "cty", "zip", "enc"); fault != "" {
		return h, "assertion_header_" + fault
	}
	for _, m := range list {
		ok := true
		switch m.name {
		case "alg":
			h.alg, ok = text(m.value)
		case "kid":
			h.kid, ok = text(m.value)
			h.named = true
		case "typ":
			h.typ, ok = text(m.value)
			h.typ = strings.TrimPrefix(strings.ToLower(h.typ), "application/")
			ok = ok && h.typ != ""
		case "crit", "b64", "cty", "zip", "enc":
			return h, "assertion_header_" + m.name
		}
		if !ok {
			return h, "assertion_header_" + m.name
		}
	}
	return h, ""
}

// parseClaims reads the claims that matter; others, scope among them, are ignored.
func parseClaims(raw []byte) (c claims, fault string) {
	list, ok := members(raw)
	if !ok {
		return c, "assertion_claims_json"
	}
	c.audFault = "assertion_aud_missing"
	// Backwards, so that of a repeated member the first is what names the client; it is refused in any case.
	for _, m := range slices.Backward(list) {
		ok := true
		switch m.name {
		case "iss":
			c.iss, ok = text(m.value)
		case "sub":
			c.sub, ok = text(m.value)
		case "jti":
			c.jti, ok = text(m.value)
		case "aud":
			c.aud, c.audArray, c.audFault = audience(m.value)
		case "exp":
			c.exp = parseDate(m.value)
		case "iat":
			c.iat = parseDate(m.value)
		case "nbf":
			c.nbf = parseDate(m.value)
		}
		if !ok && fault == "" {
			fault = "assertion_" + m.name + "_form"
		}
	}
	if repeated := ambiguous(list, "iss", "sub", "aud", "exp", "iat", "nbf", "jti"); repeated != "" {
		fault = "assertion_claims_" + repeated
	}
	return c, fault
}

// audience reads aud: a string, or an array of exactly one.
func audience(raw json.RawMessage) (aud string, array bool, fault string) {
	if aud, ok := text(raw); ok {
		return aud, false, ""
	}
	var list []string
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return "", false, "assertion_aud_form"
	}
	if len(list) != 1 {
		return "", true, "assertion_aud_several"
	}
	return list[0], true, ""
}

// parseDate reads a NumericDate: a JSON number within the years that a date can have, or a string of digits (which
// only some clients may send).
func parseDate(raw json.RawMessage) date {
	d := date{present: true}
	number := string(raw)
	if inner, ok := text(raw); ok {
		d.text, number = true, inner
		if strings.Trim(inner, "0123456789") != "" {
			d.invalid = true
			return d
		}
	}
	if seconds, err := strconv.ParseInt(number, 10, 64); err == nil {
		d.invalid = seconds < 0 || seconds > maxDate
		d.at = time.Unix(seconds, 0).UTC()
		return d
	}
	seconds, err := strconv.ParseFloat(number, 64)
	if err != nil || !(seconds >= 0 && seconds <= maxDate) {
		d.invalid = true
		return d
	}
	whole, part := math.Modf(seconds)
	d.at = time.Unix(int64(whole), int64(part*float64(time.Second))).UTC()
	return d
}

// member is one name and value of a JSON object, in the order of the text.
type member struct {
	name  string
	value json.RawMessage
}

// members splits exactly one JSON object. encoding/json would keep the last of repeated members and fold letter case,
// so that two readers of one assertion could see two different ones (RFC 8725 §2.4).
func members(raw []byte) ([]member, bool) {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return nil, false
	}
	// The text is valid JSON from here on: only its structure must be followed.
	i := skipBlank(raw, 0)
	if raw[i] != '{' {
		return nil, false
	}
	list := make([]member, 0, 8)
	for i = skipBlank(raw, i+1); raw[i] != '}'; {
		end := stringEnd(raw, i)
		name, ok := text(raw[i:end])
		if !ok || len(list) == maxMembers {
			return nil, false
		}
		i = skipBlank(raw, skipBlank(raw, end)+1) // past the colon
		end = valueEnd(raw, i)
		list = append(list, member{name: name, value: raw[i:end]})
		if i = skipBlank(raw, end); raw[i] == ',' {
			i = skipBlank(raw, i+1)
		}
	}
	return list, true
}

func skipBlank(raw []byte, i int) int {
	for raw[i] == ' ' || raw[i] == '\t' || raw[i] == '\n' || raw[i] == '\r' {
		i++
	}
	return i
}

// stringEnd returns the index after the string that starts at i.
func stringEnd(raw []byte, i int) int {
	for i++; raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// valueEnd returns the index after the value that starts at i.
func valueEnd(raw []byte, i int) int {
	depth := 0
	for {
		switch raw[i] {
		case '"':
			i = stringEnd(raw, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		default:
			i++
		}
		if depth == 0 && bytes.IndexByte([]byte(",}] \t\r\n"), raw[i]) >= 0 {
			return i
		}
	}
}

// text returns the value of a JSON string.
func text(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// ambiguous returns "repeated" when a member stands twice, "case" when one differs from a known name by letter case
// alone, else "".
func ambiguous(list []member, known ...string) string {
	for i := range list {
		name := list[i].name
		for j := range i {
			if list[j].name == name {
				return "repeated"
			}
		}
		for _, other := range known {
			if name != other && strings.EqualFold(name, other) {
				return "case"
			}
		}
	}
	return ""
}
