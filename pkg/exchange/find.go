package exchange

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"

	"github.com/signet-auth/signet/pkg/signet"
)

// Captured is one signed request of a biller, as it was sent.
type Captured struct {
	Fields
	HMAC string
}

// Find returns the schemes under which the key gives the captured hmac: at first v2 and v1 where they fit, then custom
// ones over the orders, separators, letter cases, GUID forms, hashes, encodings and key encodings that are in use.
// Every scheme it returns passes CheckScheme. nil: none fits. A custom scheme is returned once for each way to read the
// key that fits, with the first GUID form that does.
func Find(captured Captured, key string) []signet.HMACScheme {
	id, ok := parseIdentity(captured.Fields)
	if !ok {
		return nil
	}
	form := ""
	if id.user != "" {
		var known bool
		if form, known = formOf(captured.Timestamp); !known {
			return nil
		}
	}
	var found []signet.HMACScheme
	for _, readKey := range keyReadings(key) {
		s := search{id: id, captured: captured, key: readKey.bytes, encoding: readKey.encoding, timestamp: form}
		found = append(found, s.run()...)
	}
	return found
}

// formOf names the strictest form of a timestamp.
func formOf(text string) (form string, known bool) {
	for _, form := range []string{timeUnix, timeUnixMS, timeRFC3339, timeZoneless} {
		if _, ok := parseTimestamp(form, text); ok {
			return form, true
		}
	}
	return "", false
}

type keyReading struct {
	encoding string
	bytes    []byte
}

func keyReadings(text string) []keyReading {
	out := []keyReading{{"", []byte(text)}}
	if b, err := hex.DecodeString(text); err == nil && len(b) > 0 {
		out = append(out, keyReading{encodingHex, b})
	}
	if b, err := base64.StdEncoding.Strict().DecodeString(text); err == nil && len(b) > 0 {
		out = append(out, keyReading{encodingBase64, b})
	}
	return out
}

// search is one walk over the combinations with one reading of the key.
type search struct {
	id        identity
	captured  Captured
	key       []byte
	encoding  string
	timestamp string
}

func (s *search) run() []signet.HMACScheme {
	var found []signet.HMACScheme
	for _, name := range []string{schemeV2, schemeV1} {
		scheme := signet.HMACScheme{Name: name, KeyEncoding: s.encoding}
		if _, ok := parseTimestamp(timeAny, s.captured.Timestamp); (ok || s.id.invoice != "") && s.fits(scheme) {
			found = append(found, scheme)
		}
	}
	if len(found) > 0 {
		return found
	}
	seen := map[string]bool{} // inputs tried: forms that give the same bytes are one
	for _, hash := range []string{"", hash384, hash512} {
		for _, guid := range guidForms() {
			for _, separator := range []string{"|", "", ":", ";", ",", "&", "-", "_", ".", "/", " ", "\n", "\r\n", "\t", "+", "#", "~", "||", "::"} {
				for _, order := range orders(s.id.invoice != "") {
					scheme := signet.HMACScheme{Name: schemeCustom, Separator: separator, Hash: hash, GUIDForm: guid.form, GUIDCase: guid.letters,
						Timestamp: s.timestamp, KeyEncoding: s.encoding}
					s.setOrder(&scheme, order)
					input := hash + "\x00" + string(s.id.input(scheme))
					if seen[input] || CheckScheme(scheme) != nil {
						continue
					}
					seen[input] = true
					if s.fits(scheme) {
						found = append(found, scheme)
					}
				}
			}
		}
	}
	return found
}

func (s *search) setOrder(scheme *signet.HMACScheme, order []string) {
	if s.id.invoice != "" {
		scheme.InvoiceFields = order
	} else {
		scheme.PayerFields = order
	}
}

func (s *search) fits(scheme signet.HMACScheme) bool {
	presented, ok := decodeMAC(scheme, s.captured.HMAC)
	return ok && subtle.ConstantTimeCompare(presented, sign(scheme, s.key, s.id.input(scheme))) == 1
}

type guidForm struct{ form, letters string }

func guidForms() []guidForm {
	return []guidForm{{"", ""}, {"", caseUpper}, {formN, ""}, {formN, caseUpper}, {formB, ""}, {formB, caseUpper}, {formAsSent, ""}}
}

// orders lists every order of the fields; nil first, which is the default one.
func orders(invoice bool) [][]string {
	if invoice {
		return [][]string{nil, {fieldInvoice, fieldBiller}}
	}
	b, u, t := fieldBiller, fieldUser, fieldTimestamp
	return [][]string{nil, {b, t, u}, {u, b, t}, {u, t, b}, {t, b, u}, {t, u, b}}
}
