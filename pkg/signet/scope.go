package signet

import (
	"slices"
	"strings"
)

// Scope is an ordered set of scope tokens (RFC 6749 §3.3).
type Scope []string

// The scopes that signet itself understands.
const (
	ScopeOpenID        = "openid"
	ScopeProfile       = "profile"
	ScopeEmail         = "email"
	ScopePhone         = "phone"
	ScopeAddress       = "address"
	ScopeOfflineAccess = "offline_access"
)

// ParseScope splits a space-separated list, drops repetitions and keeps the order. Characters outside
// %x21 / %x23-5B / %x5D-7E (RFC 6749 §3.3) give CodeInvalidScope.
func ParseScope(text string) (Scope, error) {
	var out Scope
	for token := range strings.SplitSeq(text, " ") {
		if token == "" {
			continue
		}
		for i := range len(token) {
			if c := token[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
				return nil, NewError(CodeInvalidScope, "The scope contains a character that is not allowed.", "scope_charset")
			}
		}
		if !slices.Contains(out, token) {
			out = append(out, token)
		}
	}
	return out, nil
}

// ScopeOfPerson reports whether the token speaks of a person: no client for itself, no biller and no API key has it
// (OIDC Core §3.1.3).
func ScopeOfPerson(token string) bool {
	switch token {
	case ScopeOpenID, ScopeProfile, ScopeEmail, ScopePhone, ScopeAddress, ScopeOfflineAccess:
		return true
	}
	return false
}

// Has reports whether the set holds the token.
func (s Scope) Has(token string) bool { return slices.Contains(s, token) }

// Within reports whether every token of s is in other.
func (s Scope) Within(other Scope) bool {
	for _, token := range s {
		if !other.Has(token) {
			return false
		}
	}
	return true
}

// String joins the set with spaces.
func (s Scope) String() string { return strings.Join(s, " ") }
