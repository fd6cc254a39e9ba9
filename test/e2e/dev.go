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
		Merchant       Client `json:"merchant"`     // acts for the account: payment intents
		PaymentPage    Client `json:"payment_page"` // a hosted page: validates intents of every account
	} `json:"clients"`
	Users           []User           `json:"users"`
	ResourceServers []ResourceServer `json:"resource_servers"`
	Billers         []Biller         `json:"billers"`
	Accounts        []Account        `json:"accounts"`
	APIKeys         []APIKey         `json:"api_keys"`
	Devices         []Device         `json:"devices"`
	PINApplications []PINApplication `json:"pin_applications"`
	// RSPrivateKeyFile (PEM, PKCS #8) decrypts what is encrypted to any of ResourceServers: they share one key pair.
	RSPrivateKeyFile string `json:"rs_private_key_file"`
}

// ResourceServer gets encrypted tokens.
type ResourceServer struct {
	ID       string `json:"id"`
	Audience string `json:"audience"`
	KID      string `json:"kid"`
	Alg      string `json:"alg"`
	Enc      string `json:"enc"`
}

// Biller signs identities; the first of the card by scheme v2, the second by v1 with invoice_exchange.
type Biller struct {
	ID                    string    `json:"id"`
	Name                  string    `json:"name"`
	Scheme                string    `json:"scheme"`
	KID                   string    `json:"kid"`
	HMACKey               string    `json:"hmac_key"` // hex of the bytes
	InvoiceExchange       bool      `json:"invoice_exchange"`
	DefaultResourceServer string    `json:"default_resource_server"`
	ResourceServers       []string  `json:"resource_servers"`
	Scope                 string    `json:"scope"`
	ClientID              string    `json:"client_id"` // puts invoices in
	ClientSecret          string    `json:"client_secret"`
	Invoices              []Invoice `json:"invoices"`
}

// Invoice is one bill of a biller's payer.
type Invoice struct {
	InvoiceGUID  string `json:"invoice_guid"`
	CustomerGUID string `json:"customer_guid"` // the payer's user GUID
}

// Account is an organisation's account.
type Account struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	Instance  string `json:"instance"`
	Owner     string `json:"owner"` // username
	OwnerSub  string `json:"owner_sub"`
	IntentKID string `json:"intent_kid"`
	IntentKey string `json:"intent_key"` // hex
}

// APIKey is a key of an account: of its owner, of a terminal, and the document's test key.
type APIKey struct {
	AccountID string `json:"account_id"`
	Name      string `json:"name"`
	Role      string `json:"role"`
	Key       string `json:"key"`
}

// Device is a device credential.
type Device struct {
	AccountID string `json:"account_id"`
	DCN       string `json:"dcn"`
	ID        string `json:"id"`
	Password  string `json:"password"`
}

// PINApplication logs in with an encrypted PIN; the first of the card by pin-v2, the second by aes-256-cbc.
type PINApplication struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Mode     string `json:"mode"`
	PIN      string `json:"pin"`
	KID      string `json:"kid"`
	Key      string `json:"key"` // hex
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
	return StartDevIn(t, nil, args...)
}

// StartDevIn is StartDev with more in the environment.
func StartDevIn(t testing.TB, env []string, args ...string) *Dev {
	t.Helper()
	file := filepath.Join(t.TempDir(), "card.json")
	all := slices.Concat([]string{"dev", "--listen", "127.0.0.1:0", "--card", file}, args)
	d := &Dev{Process: Start(t, env, all...), CardFile: file}
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
