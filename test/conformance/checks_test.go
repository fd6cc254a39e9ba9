package conformance

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// tokens is a token response that passed the checks.
type tokens struct {
	access, refresh, raw string
	claims               map[string]any // of the ID token
}

// number returns a claim that must be a number.
func (m *module) number(claims map[string]any, name string) int64 {
	m.Helper()
	value, ok := claims[name].(float64)
	if !ok || value != math.Trunc(value) {
		m.Fatalf("%s is %v (%T), want whole seconds", name, claims[name], claims[name])
	}
	return int64(value)
}

func mediaType(header http.Header) string {
	name, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return name
}

// code checks a successful authorization response: code, state and iss, nothing else, once each.
func (m *module) code(response, request url.Values) string {
	m.Helper()
	m.members(response, "code", "state", "iss")
	m.echo(response, request)
	code := response.Get("code")
	if code == "" {
		m.Fatalf("no code: %v", response)
	}
	if len(code)*6 < 128 {
		m.Errorf("the code has %d characters, too few for 128 bits", len(code))
	}
	if bits := entropy(code); bits <= 96 {
		m.Errorf("the code has %.0f bits of entropy, want more than 96", bits)
	}
	return code
}

// entropy is the suite's measure: Shannon entropy of a character times the length.
func entropy(text string) float64 {
	counts := map[rune]float64{}
	for _, r := range text {
		counts[r]++
	}
	length, perCharacter := float64(len(text)), 0.0
	for _, n := range counts {
		perCharacter -= n / length * math.Log2(n/length)
	}
	return perCharacter * length
}

// members refuses what is not named, and what came twice.
func (m *module) members(response url.Values, allowed ...string) {
	m.Helper()
	for name, values := range response {
		if !slices.Contains(allowed, name) || len(values) != 1 {
			m.Errorf("the answer has %s %q", name, values)
		}
	}
}

// echo wants state back byte for byte, or none, and the issuer exactly (RFC 9207).
func (m *module) echo(response, request url.Values) {
	m.Helper()
	if response.Get("state") != request.Get("state") || response.Has("state") != request.Has("state") {
		m.Errorf("state %q came back as %q", request.Get("state"), response.Get("state"))
	}
	if response.Get("iss") != m.op.Card.Issuer {
		m.Errorf("iss %q, want %q", response.Get("iss"), m.op.Card.Issuer)
	}
}

// fault checks an error that came to the callback, and that it is one of those wanted.
func (m *module) fault(response, request url.Values, wanted ...string) {
	m.Helper()
	m.members(response, "error", "error_description", "error_uri", "state", "iss")
	m.echo(response, request)
	if !slices.Contains(wanted, response.Get("error")) {
		m.Errorf("error %q, want one of %q", response.Get("error"), wanted)
	}
	m.description(response.Get("error_description"))
}

// tokenFault checks an error of the token endpoint.
func (m *module) tokenFault(got *answer, wanted string) {
	m.Helper()
	if got.status != http.StatusBadRequest || mediaType(got.header) != "application/json" || got.text("error") != wanted {
		m.Fatalf("%v, want 400 and %s in JSON", got, wanted)
	}
	if !strings.Contains(got.header.Get("Cache-Control"), "no-store") { // RFC 6749 §5.2, its example and RFC 9700
		m.Errorf("Cache-Control of the error %q", got.header.Get("Cache-Control"))
	}
	for name := range got.members {
		if !slices.Contains([]string{"error", "error_description", "error_uri"}, name) {
			m.Errorf("the error has a member %s", name)
		}
	}
	m.description(got.text("error_description"))
}

// description: RFC 6749 §5.2, printable ASCII without quote and backslash.
func (m *module) description(text string) {
	m.Helper()
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			m.Errorf("error_description holds %q: %q", c, text)
		}
	}
}

// tokens checks a token response and the ID token in it, as far as they do not depend on the request.
func (m *module) tokens(got *answer, c client) *tokens {
	m.Helper()
	if got.status != http.StatusOK || mediaType(got.header) != "application/json" {
		m.Fatalf("token endpoint: %v", got)
	}
	if !strings.Contains(got.header.Get("Cache-Control"), "no-store") {
		m.Errorf("Cache-Control %q", got.header.Get("Cache-Control"))
	}
	out := &tokens{access: got.text("access_token"), refresh: got.text("refresh_token"), raw: got.text("id_token")}
	if out.access == "" || got.text("token_type") != "Bearer" || out.raw == "" {
		m.Fatalf("token response: %v", got)
	}
	if seconds, ok := got.members["expires_in"].(float64); !ok || seconds <= 0 {
		m.Errorf("expires_in %v", got.members["expires_in"])
	}
	for name := range got.members {
		if !slices.Contains([]string{"access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"}, name) {
			m.Errorf("the token response has a member %s", name)
		}
	}
	out.claims = m.verify(out.raw)
	m.standard(out, c)
	return out
}

// verify opens an ID token with the published key that its header names.
func (m *module) verify(raw string) map[string]any {
	m.Helper()
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		m.Fatalf("the ID token is not RS256, the default: %v", err)
	}
	kid := signed.Signatures[0].Header.KeyID
	found := m.op.keys.Key(kid)
	if kid == "" || len(found) != 1 {
		m.Fatalf("%d published keys have the kid %q of the ID token", len(found), kid)
	}
	payload, err := signed.Verify(found[0])
	if err != nil {
		m.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		m.Fatal(err)
	}
	return claims
}

// standard checks the claims of every ID token. The code flow has the person's claims at userinfo, so none is here.
func (m *module) standard(got *tokens, c client) {
	m.Helper()
	for name := range got.claims {
		if !slices.Contains([]string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash",
			"c_hash", "s_hash", "nbf", "jti", "sid", "txn"}, name) {
			m.Errorf("the ID token has a claim %s", name)
		}
	}
	if got.claims["iss"] != m.op.Card.Issuer || got.claims["sub"] != m.op.user.Sub || got.claims["aud"] != c.id {
		m.Errorf("iss %v, sub %v, aud %v", got.claims["iss"], got.claims["sub"], got.claims["aud"])
	}
	now := time.Now().Unix()
	if issued := m.number(got.claims, "iat"); issued > now+5 || now-issued > 300 {
		m.Errorf("iat %d, now %d", issued, now)
	}
	if expires := m.number(got.claims, "exp"); expires <= now {
		m.Errorf("exp %d, now %d", expires, now)
	}
	if at := m.number(got.claims, "auth_time"); at > now {
		m.Errorf("auth_time %d is in the future", at)
	}
	if acr, there := got.claims["acr"]; there {
		if text, ok := acr.(string); !ok || !slices.Contains(m.op.list(m.T, "acr_values_supported"), text) {
			m.Errorf("acr %v is not advertised", acr)
		}
	}
	if amr, there := got.claims["amr"]; there && !texts(amr) {
		m.Errorf("amr %v", amr)
	}
	if azp, there := got.claims["azp"]; there && azp != c.id {
		m.Errorf("azp %v, want %s", azp, c.id)
	}
	m.advertised(got.claims)
	if want := halfHash(got.access); got.claims["at_hash"] != want {
		m.Errorf("at_hash %v, want %s", got.claims["at_hash"], want)
	}
}

// texts reports whether a claim is a list of words.
func texts(claim any) bool {
	list, ok := claim.([]any)
	for _, entry := range list {
		word, isText := entry.(string)
		ok = ok && isText && word != ""
	}
	return ok && len(list) > 0
}

// advertised wants every claim that a client gets to stand in the metadata, but for those of the token's own form.
func (m *module) advertised(claims map[string]any) {
	m.Helper()
	for name := range claims {
		if !slices.Contains([]string{"jti", "at_hash"}, name) && !slices.Contains(m.op.list(m.T, "claims_supported"), name) {
			m.Errorf("claims_supported lacks %s", name)
		}
	}
}

// halfHash is at_hash, c_hash and s_hash for RS256 (OIDC Core §3.1.3.6).
func halfHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// bound: hashes of what the token came with are right where they are there.
func (m *module) bound(got *tokens, request url.Values, code string) {
	m.Helper()
	for name, of := range map[string]string{"c_hash": code, "s_hash": request.Get("state")} {
		if hash, there := got.claims[name]; there && hash != halfHash(of) {
			m.Errorf("%s %v, want %s", name, hash, halfHash(of))
		}
	}
}

// idToken checks what the request asked of the ID token: its nonce, or none.
func (m *module) idToken(got *tokens, request url.Values) {
	m.Helper()
	nonce, there := got.claims["nonce"]
	if there != request.Has("nonce") || there && nonce != request.Get("nonce") {
		m.Errorf("nonce %q came back as %v", request.Get("nonce"), nonce)
	}
}

// person checks a userinfo answer and returns its claims.
func (m *module) person(got *answer, of *tokens) map[string]any {
	m.Helper()
	if got.status != http.StatusOK || mediaType(got.header) != "application/json" || got.members == nil {
		m.Fatalf("userinfo: %v", got)
	}
	if got.members["sub"] != of.claims["sub"] {
		m.Errorf("userinfo is of %v, the ID token of %v", got.members["sub"], of.claims["sub"])
	}
	for name, value := range got.members {
		ok := true
		switch name {
		case "email_verified", "phone_number_verified":
			_, ok = value.(bool)
		case "updated_at":
			seconds, number := value.(float64)
			ok = number && seconds > 1e9 && seconds <= float64(time.Now().Unix()+60)
		case "address":
			fields, object := value.(map[string]any)
			ok = object && len(fields) > 0
			for _, field := range fields {
				ok = ok && visible(field)
			}
		case "birthdate":
			ok = birthdate(value)
		default:
			ok = visible(value)
		}
		if !ok {
			m.Errorf("userinfo has %s %v", name, value)
		}
	}
	m.advertised(got.members)
	return got.members
}

// visible: a text that says something.
func visible(value any) bool {
	text, isText := value.(string)
	return isText && strings.TrimSpace(text) != "" && text != "null"
}

func birthdate(value any) bool {
	text, _ := value.(string)
	for _, layout := range []string{time.DateOnly, "2006"} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}
