package exchange

import (
	"strconv"
	"time"
)

// The forms of a timestamp (signet.HMACScheme.Timestamp).
const (
	timeAny      = "any"
	timeRFC3339  = "rfc3339"
	timeUnix     = "unix"
	timeUnixMS   = "unix_ms"
	timeZoneless = "zoneless"
)

// parseTimestamp reads one form; any is RFC 3339, Unix seconds or Unix milliseconds. Unix numbers have one textual form
// each: exactly 10 digits are seconds and exactly 13 milliseconds, so that no number can be read as both, and neither 0,
// signs, blanks, exponents nor leading zeros pass (HMC-02). What is signed is the text; what is marked as used is the
// value, so that the spellings RFC 3339 leaves open (fraction, offset) are no second use.
func parseTimestamp(form, text string) (time.Time, bool) {
	if form == "" || form == timeAny {
		form = timeRFC3339
		if digits(text) {
			form = timeUnix
			if len(text) == 13 {
				form = timeUnixMS
			}
		}
	}
	switch form {
	case timeUnix:
		return parseUnix(text, 10, time.Second)
	case timeUnixMS:
		return parseUnix(text, 13, time.Millisecond)
	case timeRFC3339:
		return parseDateTime(text, true)
	case timeZoneless:
		return parseDateTime(text, false)
	default:
		return time.Time{}, false
	}
}

func parseUnix(text string, length int, unit time.Duration) (time.Time, bool) {
	if len(text) != length || !digits(text) || text[0] == '0' {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	if unit == time.Millisecond {
		return time.UnixMilli(n).UTC(), true
	}
	return time.Unix(n, 0).UTC(), true
}

// dateTime is the shape before fraction and zone; 0 stands for a digit. time.Parse alone would also take a comma, a
// one-digit hour and lower-case letters in places.
const dateTime = "0000-00-00T00:00:00"

// parseDateTime reads RFC 3339 with upper-case T and Z and at most 9 digits of fraction; without a zone it is UTC.
func parseDateTime(text string, zoned bool) (time.Time, bool) {
	if !shaped(text, dateTime) {
		return time.Time{}, false
	}
	rest, ok := cutFraction(text[len(dateTime):])
	layout := "2006-01-02T15:04:05"
	if zoned {
		layout = time.RFC3339
		ok = ok && zone(rest)
	} else {
		ok = ok && rest == ""
	}
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(layout, text)
	return at.UTC(), err == nil
}

// cutFraction takes a dot and 1 to 9 digits off the start.
func cutFraction(text string) (rest string, ok bool) {
	if text == "" || text[0] != '.' {
		return text, true
	}
	n := 1
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return text[n:], n > 1 && n <= 10
}

// zone accepts Z and an offset; -00:00 says that the offset is unknown (RFC 3339 §4.3).
func zone(text string) bool {
	if len(text) != len("+00:00") {
		return text == "Z"
	}
	return (shaped(text, "+00:00") || shaped(text, "-00:00")) && text != "-00:00"
}

// shaped reports whether text begins with the shape.
func shaped(text, shape string) bool {
	if len(text) < len(shape) {
		return false
	}
	for i := range len(shape) {
		digit := text[i] >= '0' && text[i] <= '9'
		if shape[i] == '0' && !digit || shape[i] != '0' && text[i] != shape[i] {
			return false
		}
	}
	return true
}

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}
