package main

import (
	"crypto/rand"
	"encoding/base32"
	"net/http"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

// person is a user of the demo before it is registered.
type person struct {
	Username string `json:"username"`
	signet.Profile
	Password string `json:"password"`
}

// people carry every standard claim (OIDC Core §5.1), so that each scope has something to show. Names and addresses
// are from the ranges set apart for examples (RFC 2606; fictional telephone numbers of Ofcom).
func people() []person {
	return []person{
		{Username: "alice", Password: newPassword(), Profile: signet.Profile{
			Name: "Alice Maria Example", GivenName: "Alice", MiddleName: "Maria", FamilyName: "Example", Nickname: "Ali",
			PreferredUsername: "alice", ProfileURL: "https://people.example.com/alice", Picture: "https://people.example.com/alice.png",
			Website: "https://alice.example.com", Gender: "female", Birthdate: "1988-04-17", ZoneInfo: "Europe/London", Locale: "en-GB",
			Email: "alice@example.com", EmailVerified: true, PhoneNumber: "+441632960001", PhoneNumberVerified: true,
			Address: &signet.Address{Formatted: "1 Example Street\nExampleton\nEX1 1EX\nUnited Kingdom", StreetAddress: "1 Example Street",
				Locality: "Exampleton", Region: "Exampleshire", PostalCode: "EX1 1EX", Country: "United Kingdom"},
		}},
		{Username: "bob", Password: newPassword(), Profile: signet.Profile{
			Name: "Bob Johann Sample", GivenName: "Bob", MiddleName: "Johann", FamilyName: "Sample", Nickname: "Bobby",
			PreferredUsername: "bob", ProfileURL: "https://people.example.org/bob", Picture: "https://people.example.org/bob.png",
			Website: "https://bob.example.org", Gender: "male", Birthdate: "1975-11-02", ZoneInfo: "Europe/Berlin", Locale: "de-DE",
			Email: "bob@example.org", EmailVerified: true, PhoneNumber: "+441632960002", PhoneNumberVerified: true,
			Address: &signet.Address{Formatted: "Beispielweg 2\n12345 Musterstadt\nDeutschland", StreetAddress: "Beispielweg 2",
				Locality: "Musterstadt", Region: "Musterland", PostalCode: "12345", Country: "Deutschland"},
		}},
	}
}

// newPassword returns 80 random bits in four groups that a person can type.
func newPassword() string {
	var raw [10]byte
	_, _ = rand.Read(raw[:])
	text := strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))
	return text[0:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:16]
}

func (s *seeder) user(p person) {
	if s.err != nil {
		return
	}
	var made userRecord
	s.err = s.api.call(s.ctx, http.MethodPost, "/users", 0, p, &made)
	s.card.Users = append(s.card.Users, cardUser{Username: p.Username, Password: p.Password, Sub: made.Sub,
		Email: p.Email, PhoneNumber: p.PhoneNumber})
}
