package signet

import "time"

// Address is the address claim (OIDC Core §5.1.1).
type Address struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"street_address,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postal_code,omitempty"`
	Country       string `json:"country,omitempty"`
}

// Profile is what signet knows of a person, in the names of OIDC Core §5.1. It is stored and served in this form.
// updated_at is not here: it is User.UpdatedAt. preferred_username is here and need not equal the login name.
type Profile struct {
	Name                string   `json:"name,omitempty"`
	GivenName           string   `json:"given_name,omitempty"`
	FamilyName          string   `json:"family_name,omitempty"`
	MiddleName          string   `json:"middle_name,omitempty"`
	Nickname            string   `json:"nickname,omitempty"`
	PreferredUsername   string   `json:"preferred_username,omitempty"`
	ProfileURL          string   `json:"profile,omitempty"`
	Picture             string   `json:"picture,omitempty"`
	Website             string   `json:"website,omitempty"`
	Gender              string   `json:"gender,omitempty"`
	Birthdate           string   `json:"birthdate,omitempty"`
	ZoneInfo            string   `json:"zoneinfo,omitempty"`
	Locale              string   `json:"locale,omitempty"`
	Email               string   `json:"email,omitempty"`
	EmailVerified       bool     `json:"email_verified,omitempty"`
	PhoneNumber         string   `json:"phone_number,omitempty"`
	PhoneNumberVerified bool     `json:"phone_number_verified,omitempty"`
	Address             *Address `json:"address,omitempty"`
}

// User is a person who can log in. Records handed out by a store are shared between requests: read only.
type User struct {
	ID       UserID
	Username string // login name, unique without letter case
	Profile  Profile
	// PasswordHash is an argon2id PHC string, "" when the user has no password.
	PasswordHash      string
	PasswordChangedAt time.Time
	// NotBefore revokes what was issued for this user at or before it; zero: nothing.
	NotBefore  time.Time
	DisabledAt *time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Version    int64
}

// Disabled reports whether the user may not log in.
func (u *User) Disabled() bool { return u.DisabledAt != nil }
