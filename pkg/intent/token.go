package intent

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	algHS256 = "HS256"
	// typHS256 and typES256 are the typ headers. The ring signs other tokens too, ID tokens with typ JWT among them: an
	// intent of the ring has a typ of its own (RFC 8725 §3.11).
	typHS256 = "JWT"
	typES256 = "intent+jwt"
	// headerHS256 is the document's header, and the one spelling that is made.
	headerHS256 = `{"typ":"JWT","alg":"HS256"}`

	// maxToken is the longest token that is read or made: as long as the ring reads, and long enough for the payment
	// methods that an account may have (16 KiB).
	maxToken = 32 << 10
	// minKey is the least length of an HS256 key (RFC 7518 §3.2).
	minKey = 32
	// maxDate is the last second of the year 9999.
	maxDate = 253402300799
)

// claims is a token's payload; members stand in the order of the document's tokens.
type claims struct {
	Issuer    string   `json:"iss"`
	IssuedAt  date     `json:"iat"`
	ExpiresAt date     `json:"exp"`
	Audience  string   `json:"aud"`
	Subject   string   `json:"sub"`
	Instance  string   `json:"inst"`
	Device    string   `json:"device"`
	DCN       string   `json:"dcn"`
	Methods   []method `json:"supportedPaymentMethods"`
}

// method is one of an account's supported payment methods.
type method struct {
	Type       string      `json:"type"`
	Src        string      `json:"src"`
	Attributes []attribute `json:"attributes"` // nil is null
}

type attribute struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// date is Unix seconds: written as a decimal string, as the document does, and read as a number too (RFC 7519 §2).
type date int64

var errDate = errors.New("intent: no date")

// MarshalJSON writes the seconds in quotes.
func (d date) MarshalJSON() ([]byte, error) {
	return append(strconv.AppendInt([]byte{'"'}, int64(d), 10), '"'), nil
}

// UnmarshalJSON reads one spelling of a number, with or without quotes: no sign, fraction, exponent or leading zero.
func (d *date) UnmarshalJSON(text []byte) error {
	digits := string(text)
	if len(digits) > 1 && digits[0] == '"' {
		digits = digits[1 : len(digits)-1]
	}
	if len(digits) == 0 || len(digits) > 12 || digits[0] == '0' {
		return errDate
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return errDate
		}
	}
	seconds, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || seconds > maxDate {
		return errDate
	}
	*d = date(seconds)
	return nil
}

// header is what a token's header may hold; kid only where the ring signed.
type header struct {
	Typ string          `json:"typ"`
	Alg string          `json:"alg"`
	Kid json.RawMessage `json:"kid"`
}

// compact is a token taken apart. Nothing in it is true until its signature was verified.
type compact struct {
	header    header
	input     string // what is signed (RFC 7515 §5.1)
	payload   []byte
	signature []byte
	claims    claims
}

var errForm = errors.New("intent: not the form of an intent")

// parse takes a compact JWS apart, strictly: three parts, one spelling of base64url, a header of typ and alg, the claims
// of an intent and no others, nothing repeated. A JWE, a JSON serialisation, any other token of ours has another form.
// What is read is what the signature covers: nothing of a part is skipped or corrected.
func parse(token string) (*compact, error) {
	// Go's base64 skips line ends; a second spelling of a token must not exist.
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return nil, errForm
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errForm
	}
	encoding := base64.RawURLEncoding.Strict()
	head, err := encoding.DecodeString(parts[0])
	if err != nil {
		return nil, errForm
	}
	c := &compact{input: token[:len(parts[0])+1+len(parts[1])]}
	if c.payload, err = encoding.DecodeString(parts[1]); err != nil {
		return nil, errForm
	}
	if c.signature, err = encoding.DecodeString(parts[2]); err != nil || len(c.signature) == 0 {
		return nil, errForm
	}
	var strict web.JSONBody
	if err := strict.Decode(head, &c.header); err != nil {
		return nil, errForm
	}
	if err := strict.Decode(c.payload, &c.claims); err != nil {
		return nil, errForm
	}
	return c, nil
}

// signHS256 returns the payload as a token under the key.
func signHS256(key, payload []byte) string {
	encoding := base64.RawURLEncoding
	text := make([]byte, 0, encoding.EncodedLen(len(headerHS256)+len(payload)+sha256.Size)+8)
	text = encoding.AppendEncode(text, []byte(headerHS256))
	text = append(text, '.')
	text = encoding.AppendEncode(text, payload)
	sum := mac(key, string(text))
	text = append(text, '.')
	text = encoding.AppendEncode(text, sum)
	return string(text)
}

func mac(key []byte, input string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(input))
	return h.Sum(nil)
}

// algOf is the algorithm of an account's intents: the account's, never the token's choice (RFC 8725 §3.1).
func algOf(account *signet.Account) string {
	if account.Settings.IntentAlg == "" {
		return algHS256
	}
	return account.Settings.IntentAlg
}
