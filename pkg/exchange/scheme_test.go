package exchange_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/signet-auth/signet/pkg/exchange"
	"github.com/signet-auth/signet/pkg/signet"
)

// The identities of doc.go.
const (
	billerGUID  = "7d0a4d6e-2f53-4b1e-9c11-0a6f5f0f9b01"
	userGUID    = "5b9cf5a2-6a1d-4e0a-8a4c-3f8c2f1f7e02"
	invoiceGUID = "c3b2a190-8f7e-4d6c-9b5a-493827160504"
	stamp       = "1700000000"
	sharedKey   = "0123456789abcdef0123456789abcdef"
)

func payer() exchange.Fields {
	return exchange.Fields{Biller: billerGUID, User: userGUID, Timestamp: stamp}
}

func invoice() exchange.Fields { return exchange.Fields{Biller: billerGUID, Invoice: invoiceGUID} }

// The expected values were computed by another implementation (Python's hmac), so that a biller who follows the text
// gets what signet gets.
func TestSignVectors(t *testing.T) {
	t.Parallel()
	upper := exchange.Fields{Biller: strings.ToUpper(billerGUID), User: "{" + userGUID + "}", Timestamp: stamp}
	cases := []struct {
		name   string
		scheme signet.HMACScheme
		fields exchange.Fields
		input  string
		mac    string
	}{
		{"v2 payer", signet.HMACScheme{}, payer(),
			"7:purpose,18:signet-identity-v2,9:biller_id,36:7d0a4d6e-2f53-4b1e-9c11-0a6f5f0f9b01,7:user_id,36:5b9cf5a2-6a1d-4e0a-8a4c-3f8c2f1f7e02,9:timestamp,10:1700000000,",
			"5ed57138321ae0695d2d6e697f064b157db68d7a4b3cb70712509a2d7acdac27"},
		{"v2 invoice", signet.HMACScheme{Name: "v2"}, invoice(),
			"7:purpose,18:signet-identity-v2,9:biller_id,36:7d0a4d6e-2f53-4b1e-9c11-0a6f5f0f9b01,10:invoice_id,36:c3b2a190-8f7e-4d6c-9b5a-493827160504,",
			"d8606c8030cbd6d1037d3a28d33737eefcd9f889a297a7a28586702ca26b037c"},
		{"v1 payer", signet.HMACScheme{Name: "v1"}, payer(), billerGUID + "|" + userGUID + "|" + stamp,
			"cb7678c16a32fef81120de79339f4dc08c912d27a084e0dbb448b5848d0e1c32"},
		{"v1 payer, other spellings", signet.HMACScheme{Name: "v1"}, upper, billerGUID + "|" + userGUID + "|" + stamp,
			"cb7678c16a32fef81120de79339f4dc08c912d27a084e0dbb448b5848d0e1c32"},
		{"v1 invoice", signet.HMACScheme{Name: "v1"}, invoice(), billerGUID + "|" + invoiceGUID,
			"73e86dd6c0853fe2a080b89f2a92136874af3fe701460343b769715c18bbde56"},
		{"custom", signet.HMACScheme{Name: "custom", PayerFields: []string{"timestamp", "user", "biller"}, Separator: ":", Prefix: "<", Suffix: ">",
			GUIDForm: "N", GUIDCase: "upper"}, payer(),
			"<1700000000:5B9CF5A26A1D4E0A8A4C3F8C2F1F7E02:7D0A4D6E2F534B1E9C110A6F5F0F9B01>", ""},
		{"custom as sent", signet.HMACScheme{Name: "custom", Separator: "|", GUIDForm: "as_sent"}, upper,
			strings.ToUpper(billerGUID) + "|{" + userGUID + "}|" + stamp, ""},
		{"custom braces", signet.HMACScheme{Name: "custom", GUIDForm: "B"}, invoice(), "{" + billerGUID + "}{" + invoiceGUID + "}", ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if err := exchange.CheckScheme(tc.scheme); err != nil {
				t.Fatal(err)
			}
			input, err := exchange.Input(tc.scheme, tc.fields)
			if err != nil || string(input) != tc.input {
				t.Errorf("input %q, %v, want %q", input, err, tc.input)
			}
			mac, err := exchange.Sign(tc.scheme, []byte(sharedKey), tc.fields)
			if err != nil || tc.mac != "" && mac != tc.mac {
				t.Errorf("hmac %s, %v, want %s", mac, err, tc.mac)
			}
		})
	}
}

// TestHMC04FieldBoundaries: no bytes are signed for two identities.
func TestHMC04FieldBoundaries(t *testing.T) {
	t.Parallel()
	bad := map[string]exchange.Fields{
		"nothing":                 {},
		"no biller":               {Invoice: invoiceGUID},
		"both":                    {Biller: billerGUID, Invoice: invoiceGUID, User: userGUID, Timestamp: stamp},
		"user without time":       {Biller: billerGUID, User: userGUID},
		"invoice with time":       {Biller: billerGUID, Invoice: invoiceGUID, Timestamp: stamp},
		"shifted boundary":        {Biller: billerGUID + invoiceGUID[:1], Invoice: invoiceGUID[1:]},
		"bar in a value":          {Biller: billerGUID, User: userGUID + "|", Timestamp: stamp},
		"both values in one":      {Biller: billerGUID + "|" + userGUID, Invoice: stamp},
		"newline":                 {Biller: billerGUID, Invoice: invoiceGUID + "\n"},
		"NUL":                     {Biller: billerGUID, Invoice: invoiceGUID + "\x00"},
		"a timestamp of a novel":  {Biller: billerGUID, User: userGUID, Timestamp: strings.Repeat("1", 65)},
		"invoice as a short text": {Biller: billerGUID, Invoice: "1"},
	}
	for name, fields := range bad {
		for _, scheme := range []string{"v1", "v2"} {
			if input, err := exchange.Input(signet.HMACScheme{Name: scheme}, fields); err == nil {
				t.Errorf("%s under %s signs %q", name, scheme, input)
			}
		}
	}
	// The same values as invoice and as user give other bytes under every scheme.
	for _, scheme := range []string{"v1", "v2"} {
		a, _ := exchange.Sign(signet.HMACScheme{Name: scheme}, []byte(sharedKey), exchange.Fields{Biller: billerGUID, Invoice: userGUID})
		b, _ := exchange.Sign(signet.HMACScheme{Name: scheme}, []byte(sharedKey), payer())
		if a == b {
			t.Errorf("%s signs an invoice like a payer", scheme)
		}
	}
}

func TestCheckScheme(t *testing.T) {
	t.Parallel()
	custom := func(set func(*signet.HMACScheme)) signet.HMACScheme {
		s := signet.HMACScheme{Name: "custom", Separator: "|"}
		set(&s)
		return s
	}
	cases := []struct {
		name   string
		scheme signet.HMACScheme
		want   string // reason; "" is accepted
	}{
		{"default", signet.HMACScheme{}, ""},
		{"v1", signet.HMACScheme{Name: "v1", KeyEncoding: "hex"}, ""},
		{"bare custom", signet.HMACScheme{Name: "custom"}, ""},
		{"order", custom(func(s *signet.HMACScheme) { s.PayerFields = []string{"user", "timestamp", "biller"} }), ""},
		{"as sent with a bar", custom(func(s *signet.HMACScheme) { s.GUIDForm = "as_sent" }), ""},
		{"no separator, fixed GUIDs", custom(func(s *signet.HMACScheme) { s.Separator = "" }), ""},
		{"another name", signet.HMACScheme{Name: "v3"}, "scheme_name"},
		{"v1 with members", signet.HMACScheme{Name: "v1", Separator: ","}, "scheme_members"},
		{"v2 with an order", signet.HMACScheme{PayerFields: []string{"user", "biller", "timestamp"}}, "scheme_members"},
		{"SHA-1", custom(func(s *signet.HMACScheme) { s.Hash = "SHA-1" }), "scheme_hash_weak"},
		{"sha1", custom(func(s *signet.HMACScheme) { s.Hash = "sha1" }), "scheme_hash_weak"},
		{"MD5", custom(func(s *signet.HMACScheme) { s.Hash = "md5" }), "scheme_hash_weak"},
		{"unknown hash", custom(func(s *signet.HMACScheme) { s.Hash = "crc32" }), "scheme_hash"},
		{"GUID form", custom(func(s *signet.HMACScheme) { s.GUIDForm = "X" }), "scheme_guid_form"},
		{"letter case", custom(func(s *signet.HMACScheme) { s.GUIDCase = "Title" }), "scheme_guid_case"},
		{"case of as sent", custom(func(s *signet.HMACScheme) { s.GUIDForm, s.GUIDCase = "as_sent", "upper" }), "scheme_guid_case"},
		{"encoding", custom(func(s *signet.HMACScheme) { s.Encoding = "base32" }), "scheme_encoding"},
		{"timestamp", custom(func(s *signet.HMACScheme) { s.Timestamp = "http-date" }), "scheme_timestamp"},
		{"key encoding", custom(func(s *signet.HMACScheme) { s.KeyEncoding = "pem" }), "key_encoding"},
		{"payer without a time", custom(func(s *signet.HMACScheme) { s.PayerFields = []string{"biller", "user"} }), "scheme_fields"},
		{"payer without a biller", custom(func(s *signet.HMACScheme) { s.PayerFields = []string{"user", "timestamp"} }), "scheme_fields"},
		{"a field twice", custom(func(s *signet.HMACScheme) { s.InvoiceFields = []string{"biller", "biller"} }), "scheme_fields"},
		// A payer and an invoice input of the same fields could coincide.
		{"invoice like a payer", custom(func(s *signet.HMACScheme) { s.InvoiceFields = []string{"biller", "user", "timestamp"} }), "scheme_fields"},
		{"as sent without a separator", custom(func(s *signet.HMACScheme) { s.GUIDForm, s.Separator = "as_sent", "" }), "scheme_ambiguous"},
		{"as sent with a separator that GUIDs hold", custom(func(s *signet.HMACScheme) { s.GUIDForm, s.Separator = "as_sent", "-a" }), "scheme_ambiguous"},
		{"as sent with a separator that times hold", custom(func(s *signet.HMACScheme) { s.GUIDForm, s.Separator = "as_sent", ":" }), "scheme_ambiguous"},
		{"prefix of v2", custom(func(s *signet.HMACScheme) { s.Prefix = "7:purpose,18:" }), "scheme_constant"},
		{"separator of v2", custom(func(s *signet.HMACScheme) { s.Separator = ":purpose," }), "scheme_constant"},
		{"NUL", custom(func(s *signet.HMACScheme) { s.Suffix = "a\x00" }), "scheme_constant"},
		{"long constant", custom(func(s *signet.HMACScheme) { s.Suffix = strings.Repeat("a", 65) }), "scheme_constant"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := exchange.CheckScheme(tc.scheme)
			if reason := signet.ReasonOf(err); reason != tc.want {
				t.Errorf("reason %q, want %q", reason, tc.want)
			}
		})
	}
}

func TestDecodeKey(t *testing.T) {
	t.Parallel()
	plain := []byte(sharedKey)
	for encoding, text := range map[string]string{"": sharedKey, "raw": sharedKey, "hex": hex.EncodeToString(plain),
		"base64": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="} {
		key, err := exchange.DecodeKey(signet.HMACScheme{KeyEncoding: encoding}, text)
		if err != nil || string(key) != sharedKey {
			t.Errorf("%q: %q, %v", encoding, key, err)
		}
	}
	for encoding, text := range map[string]string{"raw": "short", "hex": "zz", "base64": "a", "pem": sharedKey} {
		if key, err := exchange.DecodeKey(signet.HMACScheme{KeyEncoding: encoding}, text); err == nil {
			t.Errorf("%q: %q is a key", encoding, key)
		}
	}
}

// TestFind finds back what Sign made, and tells nothing for a wrong key.
func TestFind(t *testing.T) {
	t.Parallel()
	hexKey := hex.EncodeToString([]byte(sharedKey))
	cases := []struct {
		name   string
		scheme signet.HMACScheme
		fields exchange.Fields
		key    string
	}{
		{"v2", signet.HMACScheme{Name: "v2"}, payer(), sharedKey},
		{"v1 with a hex key", signet.HMACScheme{Name: "v1", KeyEncoding: "hex"}, invoice(), hexKey},
		{"custom", signet.HMACScheme{Name: "custom", PayerFields: []string{"timestamp", "biller", "user"}, Separator: ";", GUIDForm: "N",
			GUIDCase: "upper", Hash: "sha512", Timestamp: "unix"}, payer(), sharedKey},
		{"custom in base64", signet.HMACScheme{Name: "custom", Separator: "", Hash: "sha384", Encoding: "base64"}, invoice(), sharedKey},
		{"zoneless", signet.HMACScheme{Name: "custom", Separator: "|", Timestamp: "zoneless"},
			exchange.Fields{Biller: billerGUID, User: userGUID, Timestamp: "2026-11-24T10:00:00"}, sharedKey},
		{"as sent", signet.HMACScheme{Name: "custom", Separator: "|", GUIDForm: "as_sent"},
			exchange.Fields{Biller: strings.ToUpper(billerGUID), Invoice: "{" + invoiceGUID + "}"}, sharedKey},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			secret, err := exchange.DecodeKey(tc.scheme, tc.key)
			if err != nil {
				t.Fatal(err)
			}
			mac, err := exchange.Sign(tc.scheme, secret, tc.fields)
			if err != nil {
				t.Fatal(err)
			}
			found := exchange.Find(exchange.Captured{Fields: tc.fields, HMAC: mac}, tc.key)
			if len(found) != 1 {
				t.Fatalf("found %d schemes: %+v", len(found), found)
			}
			if err := exchange.CheckScheme(found[0]); err != nil {
				t.Errorf("the scheme found is refused: %v", err)
			}
			if again, _ := exchange.Sign(found[0], secret, tc.fields); found[0].Hash != tc.scheme.Hash || tc.scheme.Encoding == "" && again != mac {
				t.Errorf("found %+v, which gives %s, not %s", found[0], again, mac)
			}
			if found := exchange.Find(exchange.Captured{Fields: tc.fields, HMAC: mac}, sharedKey[1:]+"x"); len(found) != 0 {
				t.Errorf("a wrong key fits %+v", found)
			}
		})
	}
}
