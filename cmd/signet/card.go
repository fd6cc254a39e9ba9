package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// card is what a dev server tells its users. Tests and tools rely on the JSON form: members may be added, never changed.
type card struct {
	Issuer string `json:"issuer"`
	Admin  struct {
		APIURL string `json:"api_url"`
		APIKey string `json:"api_key"`
	} `json:"admin"`
	Ops struct {
		URL string `json:"url"`
	} `json:"ops"`
	TLS     *cardTLS    `json:"tls,omitempty"`
	Clients cardClients `json:"clients"`
	Users   []cardUser  `json:"users"`

	ResourceServers []cardResourceServer `json:"resource_servers"`
	Billers         []cardBiller         `json:"billers"`
	Accounts        []cardAccount        `json:"accounts"`
	APIKeys         []cardAPIKey         `json:"api_keys"`
	Devices         []cardDevice         `json:"devices"`
	PINApplications []cardPINApplication `json:"pin_applications"`
	// RSPrivateKeyFile decrypts what is encrypted to any of ResourceServers: they share one key pair.
	RSPrivateKeyFile string `json:"rs_private_key_file"`
}

type cardTLS struct {
	CAFile string `json:"ca_file"`
}

type cardClients struct {
	SPA            cardClient `json:"spa"`
	Mobile         cardClient `json:"mobile"`
	Web            cardClient `json:"web"`
	Service        cardClient `json:"service"`
	Partner        cardClient `json:"partner"`
	PartnerES256   cardClient `json:"partner_es256"`
	ResourceServer cardClient `json:"resource_server"`
	Merchant       cardClient `json:"merchant"`     // acts for the account: payment intents
	PaymentPage    cardClient `json:"payment_page"` // a hosted page: validates intents of every account
}

type cardClient struct {
	ClientID               string   `json:"client_id"`
	ClientSecret           string   `json:"client_secret,omitempty"`
	RedirectURIs           []string `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	Origins                []string `json:"origins,omitempty"`
	PrivateKeyFile         string   `json:"private_key_file,omitempty"`
	KID                    string   `json:"kid,omitempty"`
	Alg                    string   `json:"alg,omitempty"`
	Scope                  string   `json:"scope,omitempty"`
	Audience               string   `json:"audience,omitempty"`
}

type cardUser struct {
	Username    string `json:"username"`
	Password    string `json:"password"`
	Sub         string `json:"sub"`
	Email       string `json:"email"`
	PhoneNumber string `json:"phone_number"`
}

type cardResourceServer struct {
	ID       string `json:"id"`
	Audience string `json:"audience"`
	KID      string `json:"kid"`
	Alg      string `json:"alg"`
	Enc      string `json:"enc"`
}

type cardBiller struct {
	ID                    string        `json:"id"`
	Name                  string        `json:"name"`
	Scheme                string        `json:"scheme"`
	KID                   string        `json:"kid"`
	HMACKey               string        `json:"hmac_key"` // hex of the bytes
	InvoiceExchange       bool          `json:"invoice_exchange"`
	DefaultResourceServer string        `json:"default_resource_server"`
	ResourceServers       []string      `json:"resource_servers"`
	Scope                 string        `json:"scope"`
	ClientID              string        `json:"client_id"` // puts invoices in
	ClientSecret          string        `json:"client_secret"`
	Invoices              []cardInvoice `json:"invoices"`
}

type cardInvoice struct {
	InvoiceGUID  string `json:"invoice_guid"`
	CustomerGUID string `json:"customer_guid"` // the payer's user GUID
}

type cardAccount struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	Instance  string `json:"instance"`
	Owner     string `json:"owner"` // username
	OwnerSub  string `json:"owner_sub"`
	IntentKID string `json:"intent_kid"`
	IntentKey string `json:"intent_key"` // hex
}

type cardAPIKey struct {
	AccountID string `json:"account_id"`
	Name      string `json:"name"`
	Role      string `json:"role"`
	Key       string `json:"key"`
}

type cardDevice struct {
	AccountID string `json:"account_id"`
	DCN       string `json:"dcn"`
	ID        string `json:"id"`
	Password  string `json:"password"`
}

type cardPINApplication struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Mode     string `json:"mode"`
	PIN      string `json:"pin"`
	KID      string `json:"kid"`
	Key      string `json:"key"` // hex
}

// locate fills in what only this run knows.
func (c *card) locate(doors []*door, secure *devTLS) {
	for _, d := range doors {
		at := "http://" + d.listener.Addr().String()
		switch d.name {
		case "admin":
			c.Admin.APIURL = at + "/admin/v1"
		case "ops":
			c.Ops.URL = at
		}
	}
	c.TLS = nil
	if secure != nil {
		c.TLS = &cardTLS{CAFile: secure.caFile}
	}
}

// writeCard writes the JSON card for its owner alone: it holds every secret of the server.
func writeCard(path string, c *card) error {
	content, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeSecret(path, append(content, '\n'))
}

// text is the card for people. Every line to copy works as it stands.
// program calls this binary again, cardFile is where the JSON card is, "" for nowhere.
func (c *card) text(program, cardFile string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	admin := strings.TrimSuffix(c.Admin.APIURL, "/admin/v1")
	curl := "curl -s"
	if c.TLS != nil {
		curl = "curl -s --cacert '" + c.TLS.CAFile + "'"
	}
	line("")
	line("  signet is up, on this machine only. Ctrl-C ends it.")
	line("")
	line("  Demo       %s/demo", c.Issuer)
	line("  Issuer     %s", c.Issuer)
	line("  Admin API  %s", c.Admin.APIURL)
	line("  Health     %s/readyz", c.Ops.URL)
	line("")
	line("  Log in as  (username, password)")
	for _, u := range c.Users {
		line("    %-8s %s", u.Username, u.Password)
	}
	line("")
	line("  Try next")
	line("    1. Log in at %s/demo and look into your tokens.", c.Issuer)
	line("    2. Get a token for a service:")
	line("       %s -u %s:%s -d grant_type=client_credentials -d scope=%s %s/token", curl,
		url.QueryEscape(c.Clients.Service.ClientID), url.QueryEscape(c.Clients.Service.ClientSecret),
		strings.Fields(c.Clients.Service.Scope)[0], c.Issuer)
	line("    3. Read what the server says of itself:")
	line("       %s %s/.well-known/openid-configuration", curl, c.Issuer)
	line("    4. Register a client of your own, in another shell:")
	line("       export SIGNET_SERVER=%s SIGNET_ADMIN_KEY=%s", admin, c.Admin.APIKey)
	line("       %s client create --public --name Mine --redirect-uri http://127.0.0.1/callback --scope 'openid profile'", program)
	if cardFile == "" {
		line("    5. Start it again with --card card.json, and see the flows of the other contracts byte by byte:")
		cardFile = "card.json"
	} else {
		line("    5. See the flows of the other contracts byte by byte:")
	}
	line("       %s try hmac --card %s", program, shellWord(cardFile))
	line("    6. Connect your own app: docs/clients.md")
	if c.TLS != nil {
		line("")
		line("  The certificate is signed by an authority made for this server alone (loopback names only, its key is gone).")
		line("  Trust it in your browser: import %s as an authority.", c.TLS.CAFile)
		line("  Node.js: NODE_EXTRA_CA_CERTS=%s", c.TLS.CAFile)
	}
	line("")
	return b.String()
}
