package exchange

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

// The words of signet.HMACScheme.
const (
	schemeV1     = "v1"
	schemeV2     = "v2"
	schemeCustom = "custom"

	fieldBiller    = "biller"
	fieldInvoice   = "invoice"
	fieldUser      = "user"
	fieldTimestamp = "timestamp"

	formD      = "D"
	formN      = "N"
	formB      = "B"
	formAsSent = "as_sent"
	caseLower  = "lower"
	caseUpper  = "upper"

	encodingAny    = "any"
	encodingHex    = "hex"
	encodingBase64 = "base64"
	keyRaw         = "raw"

	hash256 = "sha256"
	hash384 = "sha384"
	hash512 = "sha512"

	// purposeV2 is the first value that scheme v2 signs.
	purposeV2 = "signet-identity-v2"
)

// Fields are what an identity says, each as it is sent. Exactly one of Invoice and User is set; Timestamp goes with User.
type Fields struct {
	Biller    string
	Invoice   string
	User      string
	Timestamp string
}

// Input returns the bytes that a biller signs under the scheme. Error: CodeInvalidRequest when a GUID cannot be read, or
// not exactly one of invoice and user is named.
func Input(scheme signet.HMACScheme, fields Fields) ([]byte, error) {
	id, ok := parseIdentity(fields)
	if !ok {
		return nil, signet.NewError(signet.CodeInvalidRequest, "The fields are no identity: a biller and an invoice, or a biller, a user and a timestamp.", "identity_form")
	}
	return id.input(scheme), nil
}

// Sign returns the hmac of the fields as it is sent: lower-case hex, or base64 where the scheme says so. key is the
// decoded key (DecodeKey). Errors: those of Input.
func Sign(scheme signet.HMACScheme, key []byte, fields Fields) (string, error) {
	input, err := Input(scheme, fields)
	if err != nil {
		return "", err
	}
	sum := sign(scheme, key, input)
	if scheme.Encoding == encodingBase64 {
		return base64.StdEncoding.EncodeToString(sum), nil
	}
	return hex.EncodeToString(sum), nil
}

// DecodeKey turns the text of a shared key into bytes as the scheme's KeyEncoding says. Error: CodeInvalidRequest, also
// for a key of fewer than 16 bytes: whoever saw one signed link could find it by trying.
func DecodeKey(scheme signet.HMACScheme, text string) ([]byte, error) {
	var key []byte
	var err error
	switch scheme.KeyEncoding {
	case "", keyRaw:
		key = []byte(text)
	case encodingHex:
		key, err = hex.DecodeString(text)
	case encodingBase64:
		key, err = base64.StdEncoding.Strict().DecodeString(text)
	default:
		return nil, schemeFault("key_encoding", "The key encoding must be raw, hex or base64.")
	}
	if err != nil || len(key) < minKey || len(key) > maxKey {
		return nil, schemeFault("key_form", "The key must have 16 to 1024 bytes, written as the scheme's key encoding says.")
	}
	return key, nil
}

const (
	minKey = 16
	maxKey = 1024
)

// identity is what was sent, beside the canonical spellings.
type identity struct {
	sent                  Fields
	biller, invoice, user string
}

// parseIdentity normalises the GUIDs. It does not read the timestamp: how that must look the scheme says.
func parseIdentity(f Fields) (identity, bool) {
	id := identity{sent: f}
	var ok bool
	if id.biller, ok = parseGUID(f.Biller); !ok {
		return id, false
	}
	switch {
	case f.Invoice != "" && f.User == "" && f.Timestamp == "":
		id.invoice, ok = parseGUID(f.Invoice)
	case f.User != "" && f.Invoice == "" && f.Timestamp != "" && len(f.Timestamp) <= maxTimestamp:
		id.user, ok = parseGUID(f.User)
	default:
		ok = false
	}
	return id, ok
}

// maxTimestamp bounds what is hashed before anything is known of the sender.
const maxTimestamp = 64

// input is what is signed.
func (id *identity) input(scheme signet.HMACScheme) []byte {
	switch scheme.Name {
	case schemeV1:
		return id.joined(signet.HMACScheme{Separator: "|"})
	case schemeCustom:
		return id.joined(scheme)
	default:
		return id.named()
	}
}

// named is scheme v2.
func (id *identity) named() []byte {
	out := make([]byte, 0, 192)
	field := func(name, value string) {
		for _, text := range [2]string{name, value} {
			out = strconv.AppendInt(out, int64(len(text)), 10)
			out = append(out, ':')
			out = append(out, text...)
			out = append(out, ',')
		}
	}
	field("purpose", purposeV2)
	field("biller_id", id.biller)
	if id.invoice != "" {
		field("invoice_id", id.invoice)
		return out
	}
	field("user_id", id.user)
	field("timestamp", id.sent.Timestamp)
	return out
}

// joined is scheme v1 and the custom ones.
func (id *identity) joined(scheme signet.HMACScheme) []byte {
	order := scheme.PayerFields
	if id.invoice != "" {
		order = scheme.InvoiceFields
	}
	if len(order) == 0 {
		order = defaultOrder(id.invoice != "")
	}
	parts := make([]string, len(order))
	for i, name := range order {
		parts[i] = id.value(name, scheme)
	}
	return []byte(scheme.Prefix + strings.Join(parts, scheme.Separator) + scheme.Suffix)
}

func defaultOrder(invoice bool) []string {
	if invoice {
		return []string{fieldBiller, fieldInvoice}
	}
	return []string{fieldBiller, fieldUser, fieldTimestamp}
}

func (id *identity) value(name string, scheme signet.HMACScheme) string {
	guid, sent := "", ""
	switch name {
	case fieldBiller:
		guid, sent = id.biller, id.sent.Biller
	case fieldInvoice:
		guid, sent = id.invoice, id.sent.Invoice
	case fieldUser:
		guid, sent = id.user, id.sent.User
	default:
		return id.sent.Timestamp
	}
	if scheme.GUIDForm == formAsSent {
		return sent
	}
	return formatGUID(guid, scheme.GUIDForm, scheme.GUIDCase)
}

// hashOf returns the hash of a scheme; SHA-256 for v1 and v2.
func hashOf(scheme signet.HMACScheme) (func() hash.Hash, int) {
	switch cmp.Or(scheme.Hash, hash256) {
	case hash384:
		return sha512.New384, sha512.Size384
	case hash512:
		return sha512.New, sha512.Size
	default:
		return sha256.New, sha256.Size
	}
}

func sign(scheme signet.HMACScheme, key, input []byte) []byte {
	fresh, _ := hashOf(scheme)
	mac := hmac.New(fresh, key)
	_, _ = mac.Write(input) // a hash never fails
	return mac.Sum(nil)
}

// timestampForm is the one form that a scheme reads.
func timestampForm(scheme signet.HMACScheme) string {
	if scheme.Name == schemeCustom {
		return scheme.Timestamp
	}
	return timeAny
}

// decodeMAC reads a presented hmac of size bytes: hex in any letter case, base64 with padding, or base64url without it.
// The length tells which; 0x prefixes, blanks and left-over bits are refused (HMC-01).
func decodeMAC(scheme signet.HMACScheme, text string) ([]byte, bool) {
	_, size := hashOf(scheme)
	var out []byte
	var err error
	switch {
	case len(text) == hex.EncodedLen(size) && scheme.Encoding != encodingBase64:
		out, err = hex.DecodeString(text)
	case scheme.Encoding == encodingHex:
		return nil, false
	case len(text) == base64.StdEncoding.EncodedLen(size) && !strings.ContainsAny(text, "-_\r\n"):
		out, err = base64.StdEncoding.Strict().DecodeString(text)
	case len(text) == base64.RawURLEncoding.EncodedLen(size) && !strings.ContainsAny(text, "\r\n"):
		out, err = base64.RawURLEncoding.Strict().DecodeString(text)
	default:
		return nil, false
	}
	return out, err == nil && len(out) == size
}
