package exchange

import "strings"

// guidLength is the length of the canonical form: lower case, 8-4-4-4-12.
const guidLength = 36

// parseGUID reads the usual spellings of a GUID, in any letter case: 8-4-4-4-12 (form D), 32 digits (N), D in braces (B).
// It returns the one canonical spelling, which alone is signed, looked up, counted and marked, so that no limit and no
// mark can be passed by spelling a GUID anew (HMC-05). Blanks, full-width digits and urn:uuid: are refused.
func parseGUID(text string) (string, bool) {
	switch len(text) {
	case guidLength + 2:
		if text[0] != '{' || text[guidLength+1] != '}' {
			return "", false
		}
		text = text[1 : guidLength+1]
	case guidLength - 4:
		text = text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
	case guidLength:
	default:
		return "", false
	}
	for i := range guidLength {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (text[i] == '-') || !dash && !hexDigit(text[i]) {
			return "", false
		}
	}
	return strings.ToLower(text), true
}

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// formatGUID writes a canonical GUID in form D, N or B and letter case.
func formatGUID(guid, form, letters string) string {
	if letters == caseUpper {
		guid = strings.ToUpper(guid)
	}
	switch form {
	case formN:
		return strings.ReplaceAll(guid, "-", "")
	case formB:
		return "{" + guid + "}"
	default:
		return guid
	}
}
