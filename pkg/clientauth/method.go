package clientauth

import (
	"crypto/x509"
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	maxID     = 256
	maxSecret = 1024
	// assertionType is the one client_assertion_type (RFC 7523 §2.2).
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// credential is the one thing that a request presents.
type credential struct {
	method    signet.AuthMethod
	id        signet.ClientID // claimed, not proven
	bodyID    signet.ClientID // the client_id parameter, "" when not sent
	secret    string
	assertion *assertion
	// certificates are those of the connection, the client's own first; nil: it showed none.
	certificates []*x509.Certificate
}

// present finds the one method of a request. A second one is refused whatever it says: two parties may read two
// different clients out of one request (RFC 6749 §2.3).
func present(req Request) (*credential, error) {
	cred, err := presentOne(req)
	if cred != nil {
		cred.certificates = req.Certificates
	}
	return cred, err
}

func presentOne(req Request) (*credential, error) {
	form, err := readForm(req.Params)
	if err != nil {
		return nil, err
	}
	header := len(req.Authorization) > 0
	secret := form["client_secret"] != ""
	asserted := form["client_assertion"] != "" || form["client_assertion_type"] != ""
	certified := len(req.Certificates) > 0
	switch {
	// A certificate beside an assertion is transport (wire.md, 2); beside a secret it is a second method.
	case len(req.Authorization) > 1,
		header && secret, header && asserted, secret && asserted, certified && (header || secret):
		return nil, badRequest("Exactly one client authentication method may be used.", "two_methods")
	case header:
		return presentBasic(req.Authorization[0], form)
	case asserted:
		return presentAssertion(form)
	case form["client_id"] == "":
		return nil, invalid("no_credential")
	case secret:
		if !plausibleSecret(form["client_secret"]) {
			return nil, invalid("secret_form")
		}
		return &credential{method: signet.AuthSecretPost, id: signet.ClientID(form["client_id"]), secret: form["client_secret"]}, nil
	default:
		return &credential{method: signet.AuthNone, id: signet.ClientID(form["client_id"])}, nil
	}
}

// readForm returns the parameters of client authentication. RFC 6749 §3.2: none may be repeated, and one without a
// value counts as not sent.
func readForm(params url.Values) (map[string]string, error) {
	form := make(map[string]string, 4)
	for _, name := range []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		values := params[name]
		if len(values) > 1 {
			return nil, badRequest("A parameter is repeated.", "parameter_repeated")
		}
		if len(values) == 1 {
			form[name] = values[0]
		}
	}
	return form, nil
}

func presentBasic(header string, form map[string]string) (*credential, error) {
	id, secret, reason := parseBasic(header)
	if reason != "" {
		return nil, invalid(reason)
	}
	if other := form["client_id"]; other != "" && other != id {
		return nil, badRequest("The client_id differs from the one in the Authorization header.", "client_id_differs")
	}
	return &credential{method: signet.AuthSecretBasic, id: signet.ClientID(id), secret: secret}, nil
}

func presentAssertion(form map[string]string) (*credential, error) {
	if form["client_assertion_type"] != assertionType {
		return nil, badRequest("The client_assertion_type is missing or not supported.", "assertion_type")
	}
	if form["client_assertion"] == "" {
		return nil, badRequest("The client_assertion is missing.", "assertion_missing")
	}
	parsed := parseAssertion(form["client_assertion"])
	cred := &credential{
		method: signet.AuthPrivateKeyJWT, assertion: parsed,
		id: signet.ClientID(parsed.claims.sub), bodyID: signet.ClientID(form["client_id"]),
	}
	// RFC 7523 §3, rule 2: sub is the client. Without one the assertion is lost, but whose error style applies?
	if cred.id == "" {
		cred.id = cred.bodyID
	}
	if cred.id == "" {
		cred.id = signet.ClientID(parsed.claims.iss)
	}
	return cred, nil
}

// parseBasic reads client_id and client_secret from an Authorization header (RFC 6749 §2.3.1: both form-urlencoded,
// then base64). reason is "" when it could be read.
func parseBasic(header string) (id, secret, reason string) {
	scheme, rest, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", "authorization_scheme"
	}
	// Strict: another spelling of the same bytes is no second name for a client. Go's base64 skips line ends.
	text := strings.Trim(rest, " ")
	if strings.ContainsAny(text, "\r\n") {
		return "", "", "basic_base64"
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", "", "basic_base64"
	}
	first, second, found := strings.Cut(string(raw), ":")
	if !found {
		return "", "", "basic_no_colon"
	}
	id, ok := formDecode(first)
	if !ok || !plausibleID(id) {
		return "", "", "basic_client_id"
	}
	secret, ok = formDecode(second)
	if !ok || !plausibleSecret(secret) {
		return "", "", "basic_secret"
	}
	return id, secret, ""
}

// formDecode undoes form-urlencoding. Encoders differ in which signs they escape, but none escapes a letter or a
// digit: who does, hides a client_id from whatever reads the header before us.
func formDecode(text string) (string, bool) {
	for i := 0; i+2 < len(text); i++ {
		if text[i] != '%' {
			continue
		}
		if c, err := url.QueryUnescape(text[i : i+3]); err == nil && alphanumeric(c[0]) {
			return "", false
		}
	}
	decoded, err := url.QueryUnescape(text)
	return decoded, err == nil
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// plausibleID reports whether text can be a client_id (RFC 6749 appendix A.1: visible ASCII and blank); others are
// never looked up.
func plausibleID(text string) bool {
	if text == "" || len(text) > maxID {
		return false
	}
	for i := range len(text) {
		if text[i] < 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}

func plausibleSecret(text string) bool {
	return text != "" && len(text) <= maxSecret && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}

func badRequest(message, reason string) error {
	return signet.NewError(signet.CodeInvalidRequest, message, reason)
}

func invalid(reason string) error {
	return signet.NewError(signet.CodeInvalidClient, refused, reason)
}
