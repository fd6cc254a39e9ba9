package e2e

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Card is the JSON card of signet dev.
type Card struct {
	Issuer string `json:"issuer"`
	Admin  struct {
		APIURL string `json:"api_url"`
		APIKey string `json:"api_key"`
	} `json:"admin"`
	Ops struct {
		URL string `json:"url"`
	} `json:"ops"`
	TLS struct {
		CAFile string `json:"ca_file"`
	} `json:"tls"`
	Clients struct {
		SPA            Client `json:"spa"`
		Mobile         Client `json:"mobile"`
		Web            Client `json:"web"`
		Service        Client `json:"service"`
		Partner        Client `json:"partner"`
		PartnerES256   Client `json:"partner_es256"`
		ResourceServer Client `json:"resource_server"`
	} `json:"clients"`
	Users []User `json:"users"`
}

// Client is one client of the card.
type Client struct {
	ClientID               string   `json:"client_id"`
	ClientSecret           string   `json:"client_secret"`
	RedirectURIs           []string `json:"redirect_uris"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris"`
	Origins                []string `json:"origins"`
	PrivateKeyFile         string   `json:"private_key_file"`
	KID                    string   `json:"kid"`
	Alg                    string   `json:"alg"`
	Scope                  string   `json:"scope"`
	Audience               string   `json:"audience"`
}

// User is one user of the card.
type User struct {
	Username    string `json:"username"`
	Password    string `json:"password"`
	Sub         string `json:"sub"`
	Email       string `json:"email"`
	PhoneNumber string `json:"phone_number"`
}

// Dev is a running signet dev.
type Dev struct {
	*Process
	Card     Card
	CardFile string
}

// StartDev runs signet dev on free ports and waits until it answers.
func StartDev(t testing.TB, args ...string) *Dev {
	t.Helper()
	file := filepath.Join(t.TempDir(), "card.json")
	all := slices.Concat([]string{"dev", "--listen", "127.0.0.1:0", "--card", file}, args)
	d := &Dev{Process: Start(t, nil, all...), CardFile: file}
	d.WaitFor("the card is written", func() bool {
		content, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(content, &d.Card) == nil
	})
	return d
}

// Roots is what a client must trust to reach signet dev --tls.
func (d *Dev) Roots(t testing.TB) *x509.CertPool {
	t.Helper()
	content, err := os.ReadFile(d.Card.TLS.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		t.Fatalf("%s holds no certificate", d.Card.TLS.CAFile)
	}
	return roots
}
