package oauth

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

// userClaims are the claims about a person (OIDC Core §5.1), only those that have a value.
type userClaims struct {
	Name                string          `json:"name,omitempty"`
	GivenName           string          `json:"given_name,omitempty"`
	FamilyName          string          `json:"family_name,omitempty"`
	MiddleName          string          `json:"middle_name,omitempty"`
	Nickname            string          `json:"nickname,omitempty"`
	PreferredUsername   string          `json:"preferred_username,omitempty"`
	Profile             string          `json:"profile,omitempty"`
	Picture             string          `json:"picture,omitempty"`
	Website             string          `json:"website,omitempty"`
	Gender              string          `json:"gender,omitempty"`
	Birthdate           string          `json:"birthdate,omitempty"`
	ZoneInfo            string          `json:"zoneinfo,omitempty"`
	Locale              string          `json:"locale,omitempty"`
	UpdatedAt           int64           `json:"updated_at,omitempty"` // seconds
	Email               string          `json:"email,omitempty"`
	EmailVerified       *bool           `json:"email_verified,omitempty"`
	PhoneNumber         string          `json:"phone_number,omitempty"`
	PhoneNumberVerified *bool           `json:"phone_number_verified,omitempty"`
	Address             *signet.Address `json:"address,omitempty"`
}

// claim is one row of the table from scopes to claims (OIDC Core §5.4). always marks the claims that clients with
// id_token_claims: all get with openid alone.
type claim struct {
	name   string
	scope  string
	always bool
	set    func(out *userClaims, u *signet.User)
}

// standardClaims is that table; it is never written to.
var standardClaims = [...]claim{
	{"name", signet.ScopeProfile, false, func(o *userClaims, u *signet.User) { o.Name = u.Profile.Name }},
	{"given_name", signet.ScopeProfile, true, func(o *userClaims, u *signet.User) { o.GivenName = u.Profile.GivenName }},
	{"family_name", signet.ScopeProfile, true, func(o *userClaims, u *signet.User) { o.FamilyName = u.Profile.FamilyName }},
	{"middle_name", signet.ScopeProfile, false, func(o *userClaims, u *signet.User) { o.MiddleName = u.Profile.MiddleName }},
	{"nickname", signet.ScopeProfile, false, func(o *userClaims, u *signet.User) { o.Nickname = u.Profile.Nickname }},
	{"preferred_username", signet.ScopeProfile, true, func(o *userClaims, u *signet.User) { o.PreferredUsername = u.Profile.PreferredUsername }},
	{"profile", signet.ScopeProfile, false, func(o *userClaims, u *signet.User) { o.Profile = u.Profile.ProfileURL }},
	{"picture", signet.ScopeProfile, false, func(o *userClaims, u *signet.User) { o.Picture = u.Profile.Picture }},
	{"website", signet.ScopeProfile, false, func(o *userClaims, u *signet.User) { o.Website = u.Profile.Website }},
	{"gender", signet.ScopeProfile, false, func(o *userClaims, u *signet.User) { o.Gender = u.Profile.Gender }},
	{"birthdate", signet.ScopeProfile, false, func(o *userClaims, u *signet.User) { o.Birthdate = u.Profile.Birthdate }},
	{"zoneinfo", signet.ScopeProfile, false, func(o *userClaims, u *signet.User) { o.ZoneInfo = u.Profile.ZoneInfo }},
	{"locale", signet.ScopeProfile, false, func(o *userClaims, u *signet.User) { o.Locale = u.Profile.Locale }},
	{"updated_at", signet.ScopeProfile, false, func(o *userClaims, u *signet.User) { o.UpdatedAt = max(0, u.UpdatedAt.Unix()) }},
	{"email", signet.ScopeEmail, true, func(o *userClaims, u *signet.User) { o.Email = u.Profile.Email }},
	{"email_verified", signet.ScopeEmail, true, func(o *userClaims, u *signet.User) {
		o.EmailVerified = verified(u.Profile.Email, u.Profile.EmailVerified)
	}},
	{"phone_number", signet.ScopePhone, true, func(o *userClaims, u *signet.User) { o.PhoneNumber = u.Profile.PhoneNumber }},
	{"phone_number_verified", signet.ScopePhone, true, func(o *userClaims, u *signet.User) {
		o.PhoneNumberVerified = verified(u.Profile.PhoneNumber, u.Profile.PhoneNumberVerified)
	}},
	{"address", signet.ScopeAddress, false, func(o *userClaims, u *signet.User) { o.Address = addressOf(u) }},
}

// supportedClaims is claims_supported of the metadata: what may stand in ID tokens, and the claims of people.
func supportedClaims() []string {
	out := []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"}
	for i := range standardClaims {
		out = append(out, standardClaims[i].name)
	}
	return out
}

// verified leaves the flag out where there is nothing that could be verified.
func verified(value string, flag bool) *bool {
	if value == "" {
		return nil
	}
	return &flag
}

func addressOf(u *signet.User) *signet.Address {
	if u.Profile.Address == nil || *u.Profile.Address == (signet.Address{}) {
		return nil
	}
	return u.Profile.Address
}

// selectClaims fills in what want says yes to.
func selectClaims(u *signet.User, want func(*claim) bool) (out userClaims) {
	for i := range standardClaims {
		if c := &standardClaims[i]; want(c) {
			c.set(&out, u)
		}
	}
	return out
}

// named reports whether the claims parameter names c and the client may have it: its scope must be registered, so that
// the parameter never reaches further than scope could (OIDC Core §5.5 lets the server decide).
func named(members map[string]claimRequest, client *signet.Client, c *claim) bool {
	if members == nil {
		return false
	}
	_, ok := members[c.name]
	return ok && client.AllowedScope().Has(c.scope)
}

// idTokenClaims are the claims about the person in an ID token: in the code flow only those asked for by the claims
// parameter (OIDC Core §5.4), or all of the document's for clients marked id_token_claims: all.
func idTokenClaims(client *signet.Client, user *signet.User, scope signet.Scope, requested *claimsRequest) userClaims {
	all := client.IDTokenClaims == "all"
	if !all && len(requested.IDToken) == 0 {
		return userClaims{}
	}
	return selectClaims(user, func(c *claim) bool {
		return all && (c.always || scope.Has(c.scope)) || named(requested.IDToken, client, c)
	})
}

// userInfoNames are the claims that the claims parameter asks for at the UserInfo endpoint and that the client may have.
func userInfoNames(client *signet.Client, requested *claimsRequest) (names []string) {
	for i := range standardClaims {
		if c := &standardClaims[i]; named(requested.UserInfo, client, c) {
			names = append(names, c.name)
		}
	}
	return names
}

// userInfoClaims are the claims at the UserInfo endpoint: by scope, and those of userInfoNames.
func userInfoClaims(client *signet.Client, user *signet.User, scope signet.Scope, names []string) userClaims {
	all := client.IDTokenClaims == "all"
	return selectClaims(user, func(c *claim) bool {
		return scope.Has(c.scope) || all && c.always || slices.Contains(names, c.name) && client.AllowedScope().Has(c.scope)
	})
}

// claimsRequest is the claims request parameter (OIDC Core §5.5). Members that signet does not know are ignored.
type claimsRequest struct {
	UserInfo map[string]claimRequest
	IDToken  map[string]claimRequest
}

// claimRequest is what is asked of one claim. JSON null asks for it voluntarily.
type claimRequest struct {
	Essential bool
	Values    []string // value or values, as far as they are strings
}

// UnmarshalJSON implements json.Unmarshaler. Members are read by their exact names: encoding/json would take "Essential",
// too, which is a member that nobody defined.
func (c *claimRequest) UnmarshalJSON(raw []byte) error {
	var members map[string]json.RawMessage // nil for null
	if err := json.Unmarshal(raw, &members); err != nil {
		return err
	}
	var values []json.RawMessage
	if err := errors.Join(readMember(members, "essential", &c.Essential), readMember(members, "values", &values)); err != nil {
		return err
	}
	for _, value := range append([]json.RawMessage{members["value"]}, values...) {
		var text string
		if len(value) > 0 && json.Unmarshal(value, &text) == nil && text != "" {
			c.Values = append(c.Values, text)
		}
	}
	return nil
}

// readMember reads a member into out, when it is there.
func readMember(members map[string]json.RawMessage, name string, out any) error {
	raw, there := members[name]
	if !there {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// acrRequested reports whether an acr claim was asked for in the ID token.
func (c *claimsRequest) acrRequested() bool {
	_, ok := c.IDToken["acr"]
	return ok
}

// acrValues are the authentication contexts that signet really establishes, for acr_values_supported.
func acrValues() []string { return []string{signet.ACRPassword} }

// Bounds of the claims parameter: a request that names every claim of signet in both places, with values, fits.
const (
	maxClaimsBytes = 4096
	maxClaimsDepth = 6
)

// parseClaimsParameter reads the parameter; "" asks for nothing. It never returns nil without an error. Error:
// CodeInvalidRequest.
func parseClaimsParameter(text string) (*claimsRequest, error) {
	out := &claimsRequest{}
	if text == "" {
		return out, nil
	}
	malformed := signet.NewError(signet.CodeInvalidRequest, "The claims parameter is malformed or too large.", "claims_malformed")
	if len(text) > maxClaimsBytes || jsonDepth(text) > maxClaimsDepth || !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return nil, malformed
	}
	var places map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &places) != nil || readMember(places, "userinfo", &out.UserInfo) != nil || readMember(places, "id_token", &out.IDToken) != nil {
		return nil, malformed
	}
	return out, nil
}

// jsonDepth counts how deep brackets nest outside of strings, before anything recursive sees the text.
func jsonDepth(text string) int {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
