package signet

import (
	"strings"
	"time"
)

// BillerID is a biller's GUID, lower case, 8-4-4-4-12.
type BillerID string

// HMACScheme says which bytes a biller signs, and how (wire.md, 3). The zero value is scheme v2.
type HMACScheme struct {
	// Name is "v2" (default), "v1" or "custom". The members below are read for custom alone.
	Name string `json:"name,omitempty"`
	// InvoiceFields and PayerFields name the order: "biller", "invoice"; "biller", "user", "timestamp".
	InvoiceFields []string `json:"invoice_fields,omitempty"`
	PayerFields   []string `json:"payer_fields,omitempty"`
	Separator     string   `json:"separator,omitempty"`
	Prefix        string   `json:"prefix,omitempty"`
	Suffix        string   `json:"suffix,omitempty"`
	GUIDForm      string   `json:"guid_form,omitempty"` // "D" (default), "N", "B", "as_sent"
	GUIDCase      string   `json:"guid_case,omitempty"` // "lower" (default), "upper"
	Hash          string   `json:"hash,omitempty"`      // "sha256" (default), "sha384", "sha512"
	Encoding      string   `json:"encoding,omitempty"`  // "any" (default: hex or base64), "hex", "base64"
	// Timestamp is the one form read: "any" (default; RFC 3339, Unix seconds or milliseconds), "rfc3339", "unix",
	// "unix_ms", "zoneless" (RFC 3339 without zone, UTC).
	Timestamp string `json:"timestamp,omitempty"`
	// KeyEncoding is how the text of a shared key becomes bytes when the operator adds it: "raw" (default; the bytes of
	// the text), "hex", "base64". It is read for every scheme; a stored key is bytes already.
	KeyEncoding string `json:"key_encoding,omitempty"`
}

// BillerMetadata is what an operator says of a biller. It is the admin API's wire form and the stored form alike.
type BillerMetadata struct {
	Name string `json:"name"`
	// ClientID is the one client that may prove itself beside the HMAC, and put invoices in. RequireClient demands it.
	ClientID      ClientID `json:"client_id,omitempty"`
	RequireClient bool     `json:"require_client,omitempty"`
	// DefaultResourceServer gets the tokens of the legacy form; ResourceServers may be named by resource.
	DefaultResourceServer string   `json:"default_resource_server"`
	ResourceServers       []string `json:"resource_servers,omitempty"`
	// Scope is all that its tokens may carry, space separated.
	Scope string `json:"scope,omitempty"`
	// Scheme is what the legacy endpoints verify. The grant verifies v2, and with GrantScheme this one too.
	Scheme      HMACScheme `json:"scheme,omitzero"`
	GrantScheme bool       `json:"grant_scheme,omitempty"`
	// TokenLifetime: 0 is 15 min. An invoice token never lives longer than 15 min.
	TokenLifetime Seconds `json:"token_lifetime,omitempty"`
	// TimestampPast and TimestampAhead bound a timestamp; 0 is 300 and 60.
	TimestampPast  Seconds `json:"timestamp_past,omitempty"`
	TimestampAhead Seconds `json:"timestamp_ahead,omitempty"`
	// PayerRepeatsUntil lets a migrating biller send a payer request up to 5 times more inside its window, until that date.
	PayerRepeatsUntil *time.Time `json:"payer_repeats_until,omitempty"`
	// InvoiceExchange switches POST /api/v1/tokens and the grant by invoice_id on: such a request has no timestamp.
	InvoiceExchange bool `json:"invoice_exchange,omitempty"`
	// InvoicePerMinute bounds the exchanges of one invoice; 0 is 30.
	InvoicePerMinute int `json:"invoice_per_minute,omitempty"`
	// LenientJSON ignores unknown members and folds letter case, as the old stack did.
	LenientJSON bool `json:"lenient_json,omitempty"`
	// LiveSource is the biller's HTTPS URL that shouldRTRefresh asks, with {invoiceGuid} in it.
	LiveSource string `json:"live_source,omitempty"`
}

// Biller is one whose signed identities are exchanged. Records handed out by a store are shared: read only.
type Biller struct {
	ID BillerID
	BillerMetadata
	// Keys are its HMAC keys (KeyHMAC), two live ones at most.
	Keys []SealedKey
	// NotBefore revokes what was issued for this biller at or before it; zero: nothing.
	NotBefore  time.Time
	DisabledAt *time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Version    int64
}

// Disabled reports whether the biller may not act.
func (b *Biller) Disabled() bool { return b.DisabledAt != nil }

// Principal names the biller in tokens and revocations.
func (b *Biller) Principal() string { return PrincipalBiller + string(b.ID) }

// Decimal is an exact decimal number as it stands in JSON: digits, at most one dot, an optional minus. It is never made
// a float.
type Decimal string

// MarshalJSON writes the number as it is.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if d == "" {
		return []byte("0"), nil
	}
	return []byte(d), nil
}

// UnmarshalJSON reads a JSON number without an exponent, at most 18 digits: no string, no null.
func (d *Decimal) UnmarshalJSON(text []byte) error {
	out, err := ParseDecimal(string(text))
	if err != nil {
		return err
	}
	*d = out
	return nil
}

// ParseDecimal reads an exact decimal: an optional minus, digits without a leading zero, at most one dot with digits
// behind it, 18 digits together. No exponent: 1e400 is no amount. Error: CodeInvalidRequest.
func ParseDecimal(text string) (Decimal, error) {
	whole, fraction, dot := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	bad := len(whole)+len(fraction) > maxDecimal || !allDigits(whole) || whole[0] == '0' && len(whole) > 1 || dot && !allDigits(fraction)
	if bad {
		return "", NewError(CodeInvalidRequest, "The amount is no decimal number.", "decimal_form")
	}
	return Decimal(text), nil
}

const maxDecimal = 18

func allDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// InvoiceDTO is the document's InvoiceDto: all 19 members, always present; unknown strings are null.
type InvoiceDTO struct {
	BillerGUID            *string `json:"billerGuid"`
	InvoiceGUID           *string `json:"invoiceGuid"`
	CustomerGUID          *string `json:"customerGuid"`
	InvoiceTypeDesc       *string `json:"invoiceTypeDesc"`
	InvoiceFormatFilename *string `json:"invoiceFormatFilename"`
	NotifyMeURL           *string `json:"notifyMeUrl"`
	InvoiceNumber         *string `json:"invoiceNumber"`
	Address1              *string `json:"address1"`
	Address2              *string `json:"address2"`
	City                  *string `json:"city"`
	State                 *string `json:"state"`
	Zip                   *string `json:"zip"`
	AllowPartialPayments  bool    `json:"allowPartialPayments"`
	BalanceDue            Decimal `json:"balanceDue"`
	TotalAmountDue        Decimal `json:"totalAmountDue"`
	MinimumAmountDue      Decimal `json:"minimumAmountDue"`
	PastDueAmount         Decimal `json:"pastDueAmount"`
	InvoiceDate           string  `json:"invoiceDate"`    // date-time as it was put
	InvoiceDueDate        string  `json:"invoiceDueDate"` // date-time as it was put
}

// Invoice is what a biller's system put in.
type Invoice struct {
	BillerID    BillerID
	InvoiceGUID string // lower case, 8-4-4-4-12
	DTO         InvoiceDTO
	DueAt       time.Time
	ClosedAt    *time.Time
	UpdatedAt   time.Time
	Version     int64
}
