package login

import (
	"encoding/json"
	"slices"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/templates"
)

// scopeWords says what the scopes that signet understands mean to a person.
func scopeWords(scope string) (templates.ScopeLine, bool) {
	switch scope {
	case signet.ScopeOpenID:
		return templates.ScopeLine{Title: "Know who you are", Detail: "An identifier, and when you logged in."}, true
	case signet.ScopeProfile:
		return templates.ScopeLine{Title: "See your profile", Detail: "Name, picture, birthday, gender, language, time zone."}, true
	case signet.ScopeEmail:
		return templates.ScopeLine{Title: "See your email address"}, true
	case signet.ScopePhone:
		return templates.ScopeLine{Title: "See your phone number"}, true
	case signet.ScopeAddress:
		return templates.ScopeLine{Title: "See your postal address"}, true
	case signet.ScopeOfflineAccess:
		return templates.ScopeLine{Title: "Keep access while you are away", Detail: "Also after you log out, until you take it back."}, true
	}
	return templates.ScopeLine{}, false
}

// scopeLines returns a line for everything that is asked for: each scope, and each standard claim that is named by the
// claims parameter alone (OIDC Core §5.5), so that nothing is given that the page did not show.
func scopeLines(scope signet.Scope, claims string) []templates.ScopeLine {
	asked := slices.Clone(scope)
	for _, implied := range scopesOfClaims(claims) {
		if !asked.Has(implied) {
			asked = append(asked, implied)
		}
	}
	lines := make([]templates.ScopeLine, 0, len(asked))
	for _, s := range asked {
		line, ok := scopeWords(s)
		if !ok {
			line = templates.ScopeLine{Title: "Use “" + templates.Plain(s, 60) + "” for you", Detail: "A permission of the application's own."}
		}
		lines = append(lines, line)
	}
	return lines
}

// scopesOfClaims returns the scopes to which the claims of a claims parameter belong.
func scopesOfClaims(claims string) []string {
	var request struct {
		UserInfo map[string]json.RawMessage `json:"userinfo"`
		IDToken  map[string]json.RawMessage `json:"id_token"`
	}
	if claims == "" || json.Unmarshal([]byte(claims), &request) != nil {
		return nil
	}
	var out []string
	for _, scope := range []string{signet.ScopeProfile, signet.ScopeEmail, signet.ScopePhone, signet.ScopeAddress} {
		for _, claim := range claimsOfScope(scope) {
			_, a := request.UserInfo[claim]
			_, b := request.IDToken[claim]
			if a || b {
				out = append(out, scope)
				break
			}
		}
	}
	return out
}

// claimsOfScope is OIDC Core §5.4.
func claimsOfScope(scope string) []string {
	switch scope {
	case signet.ScopeProfile:
		return []string{
			"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
			"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
		}
	case signet.ScopeEmail:
		return []string{"email", "email_verified"}
	case signet.ScopePhone:
		return []string{"phone_number", "phone_number_verified"}
	case signet.ScopeAddress:
		return []string{"address"}
	}
	return nil
}
