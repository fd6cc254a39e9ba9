package exchange

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
)

const maxConstant = 64 // bytes of separator, prefix, suffix

// CheckScheme refuses a scheme that is not one of signet's, is weak, or could sign two different identities as the same
// bytes. Error: CodeInvalidRequest with a sentence that names the fault.
func CheckScheme(scheme signet.HMACScheme) error {
	if !slices.Contains([]string{"", keyRaw, encodingHex, encodingBase64}, scheme.KeyEncoding) {
		return schemeFault("key_encoding", "The key encoding must be raw, hex or base64.")
	}
	switch scheme.Name {
	case "", schemeV1, schemeV2:
		return checkFixed(scheme)
	case schemeCustom:
	default:
		return schemeFault("scheme_name", "The scheme must be v2, v1 or custom.")
	}
	for _, check := range []func(signet.HMACScheme) error{checkWords, checkOrder, checkConstants, checkBoundaries} {
		if err := check(scheme); err != nil {
			return err
		}
	}
	return nil
}

// checkFixed: a member that v1 and v2 do not read must not make anybody believe that it does.
func checkFixed(s signet.HMACScheme) error {
	s.Name, s.KeyEncoding = "", ""
	if len(s.InvoiceFields) > 0 || len(s.PayerFields) > 0 || s.Separator+s.Prefix+s.Suffix+s.GUIDForm+s.GUIDCase+s.Hash+s.Encoding+s.Timestamp != "" {
		return schemeFault("scheme_members", "Only a custom scheme has members of its own; v1 and v2 are fixed.")
	}
	return nil
}

func checkWords(s signet.HMACScheme) error {
	weak := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s.Hash))
	if weak == "sha1" || weak == "md5" {
		return schemeFault("scheme_hash_weak", "SHA-1 and MD5 are refused; use sha256, sha384 or sha512.")
	}
	for _, word := range []struct {
		member, value string
		allowed       []string
	}{
		{"guid_form", s.GUIDForm, []string{formD, formN, formB, formAsSent}},
		{"guid_case", s.GUIDCase, []string{caseLower, caseUpper}},
		{"hash", s.Hash, []string{hash256, hash384, hash512}},
		{"encoding", s.Encoding, []string{encodingAny, encodingHex, encodingBase64}},
		{"timestamp", s.Timestamp, []string{timeAny, timeRFC3339, timeUnix, timeUnixMS, timeZoneless}},
	} {
		if word.value != "" && !slices.Contains(word.allowed, word.value) {
			return schemeFault("scheme_"+word.member, "The member %s must be one of %s.", word.member, strings.Join(word.allowed, ", "))
		}
	}
	if s.GUIDForm == formAsSent && s.GUIDCase != "" {
		return schemeFault("scheme_guid_case", "GUIDs signed as sent have no letter case of the scheme's.")
	}
	return nil
}

// checkOrder: whatever the order, all fields are signed. A scheme without the biller would let one biller's signature
// speak for another that was given the same key; one without the timestamp would sign payers for ever.
func checkOrder(s signet.HMACScheme) error {
	for _, list := range []struct {
		member string
		have   []string
		want   []string
	}{
		{"invoice_fields", s.InvoiceFields, defaultOrder(true)},
		{"payer_fields", s.PayerFields, defaultOrder(false)},
	} {
		have, want := slices.Sorted(slices.Values(list.have)), slices.Sorted(slices.Values(list.want))
		if len(have) > 0 && !slices.Equal(have, want) {
			return schemeFault("scheme_fields", "The member %s must name each of %s once.", list.member, strings.Join(list.want, ", "))
		}
	}
	return nil
}

func checkConstants(s signet.HMACScheme) error {
	for member, value := range map[string]string{"separator": s.Separator, "prefix": s.Prefix, "suffix": s.Suffix} {
		if len(value) > maxConstant || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return schemeFault("scheme_constant", "The member %s must be at most 64 bytes of UTF-8 without NUL.", member)
		}
		// What v2 signs contains this word, and no value of a field can: so nothing signed here is ever read as v2.
		if strings.Contains(value, "purpos") {
			return schemeFault("scheme_constant", "The member %s must not contain the word purpose, which marks scheme v2.", member)
		}
	}
	return nil
}

// checkBoundaries makes sure that the bytes tell which identity was signed.
//
// With at most one field of variable length the lengths of the others give every boundary, whatever the separator; and
// since all GUIDs have one length then, a payer input (one field more, never empty) is always longer than an invoice
// input. With more variable fields the separator must hold a byte that no field can hold: counting it gives the
// boundaries, and tells an invoice input (one) from a payer input (two).
func checkBoundaries(s signet.HMACScheme) error {
	if s.GUIDForm != formAsSent {
		return nil // the timestamp is the one variable field
	}
	foreign := func(c rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF{}-:.+TZ", c) }
	if !strings.ContainsFunc(s.Separator, foreign) {
		return schemeFault("scheme_ambiguous", "GUIDs signed as sent vary in length: the separator must hold a character that no GUID and no timestamp has.")
	}
	return nil
}

func schemeFault(reason, format string, args ...any) error {
	return signet.NewError(signet.CodeInvalidRequest, fmt.Sprintf(format, args...), reason)
}
