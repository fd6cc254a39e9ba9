package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// The demo of the five contracts. Nothing is ever sent to the audiences.
const (
	demoInvoices         = "invoices" // signet's own invoice API
	demoInvoicesAudience = "https://invoices.example.com"
	demoPayments         = "payments" // a resource server that shares the key with it, as those of document 000 do
	demoPaymentsAudience = "https://payments.example.com"
	demoPaymentScope     = "invoices:read payments:write"
	// demoPublishedKey stands in document 001, for everybody to try.
	demoPublishedKey = "f32c5497297084e5354b47c40d5ccacb109ce483"
)

// contracts seeds what the contracts beside OAuth need, and tells it in the card. shared is the private key of the
// demo's resource servers.
func (s *seeder) contracts(store invoices, shared *rsa.PrivateKey, now time.Time) {
	s.recipients(shared)
	s.billers(store, now)
	s.accounts()
	s.pinApplications()
}

// invoices is where bills are put in.
type invoices interface {
	PutInvoice(ctx context.Context, invoice *signet.Invoice, event signet.Event) error
}

// send posts one record and reads the answer.
func (s *seeder) send(method, path string, in, out any) {
	if s.err == nil {
		s.err = s.api.call(s.ctx, method, path, 0, in, out)
	}
}

// recipients share one RSA key pair: the invoice API, which signet is itself and so holds the private key of, and a
// server that has the same one, from the file that the card names.
func (s *seeder) recipients(shared *rsa.PrivateKey) {
	s.card.RSPrivateKeyFile = s.privateKey("resource_server.pem", shared)
	if s.err != nil {
		return
	}
	der, err := x509.MarshalPKCS8PrivateKey(shared)
	if err != nil {
		s.err = err
		return
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for _, server := range []body{
		{"id": demoInvoices, "name": "Invoice API demo", "audience": demoInvoicesAudience, "scope": "invoices:read", "private_key_pem": private},
		{"id": demoPayments, "name": "Payments API demo", "audience": demoPaymentsAudience, "scope": demoPaymentScope,
			"jwk": publicKey(&shared.PublicKey, "", "enc", signet.AlgRSAOAEP256)},
	} {
		var made struct {
			ID       string `json:"id"`
			Audience string `json:"audience"`
			Alg      string `json:"alg"`
			Enc      string `json:"enc"`
			JWK      struct {
				KeyID string `json:"kid"`
			} `json:"jwk"`
		}
		s.send(http.MethodPost, "/resource-servers", server, &made)
		s.card.ResourceServers = append(s.card.ResourceServers, cardResourceServer{ID: made.ID, Audience: made.Audience, KID: made.JWK.KeyID, Alg: made.Alg, Enc: made.Enc})
	}
}

// billers: one as signet recommends it, one as document 000 describes them.
func (s *seeder) billers(store invoices, now time.Time) {
	s.biller(store, now, "Biller demo", signet.BillerMetadata{DefaultResourceServer: demoPayments, ResourceServers: []string{demoInvoices},
		Scope: demoPaymentScope})
	s.biller(store, now, "Legacy biller demo", signet.BillerMetadata{DefaultResourceServer: demoInvoices, ResourceServers: []string{demoPayments},
		Scope: demoPaymentScope, Scheme: signet.HMACScheme{Name: "v1"}, InvoiceExchange: true})
}

func (s *seeder) biller(store invoices, now time.Time, name string, m signet.BillerMetadata) {
	system := s.client("", signet.ClientMetadata{ClientName: name + " (puts invoices in)", TokenEndpointAuthMethod: signet.AuthSecretBasic,
		// The second grant is for the biller's HMAC beside this client's secret: without it the client could not stand there.
		GrantTypes: []string{signet.GrantClientCredentials, signet.GrantHMACIdentity}, Scope: "invoices:write", Audiences: []string{demoInvoicesAudience}})
	m.Name, m.ClientID = name, signet.ClientID(system.ClientID)
	var made struct {
		ID      string `json:"id"`
		KeyID   string `json:"kid"`
		HMACKey string `json:"hmac_key"`
	}
	s.send(http.MethodPost, "/billers", m, &made)
	scheme := m.Scheme.Name
	if scheme == "" {
		scheme = "v2"
	}
	out := cardBiller{ID: made.ID, Name: name, Scheme: scheme, KID: made.KeyID, HMACKey: made.HMACKey, InvoiceExchange: m.InvoiceExchange,
		DefaultResourceServer: m.DefaultResourceServer, ResourceServers: m.ResourceServers, Scope: m.Scope,
		ClientID: system.ClientID, ClientSecret: system.ClientSecret}
	payer := signet.NewUUID()
	for _, bill := range []struct {
		number, due string
	}{{"2001", "120.50"}, {"2002", "18.00"}} {
		out.Invoices = append(out.Invoices, s.invoice(store, now, made.ID, payer, bill.number, bill.due))
	}
	s.card.Billers = append(s.card.Billers, out)
}

// invoice puts one bill of a demo payer in.
func (s *seeder) invoice(store invoices, now time.Time, biller, payer, number, amount string) cardInvoice {
	guid, due := signet.NewUUID(), now.AddDate(0, 1, 0).UTC().Truncate(24*time.Hour)
	if s.err != nil {
		return cardInvoice{}
	}
	text := func(value string) *string { return &value }
	dto := signet.InvoiceDTO{BillerGUID: &biller, InvoiceGUID: &guid, CustomerGUID: &payer, InvoiceTypeDesc: text("Water"),
		InvoiceNumber: &number, Address1: text("1 Example Street"), City: text("Exampleton"), State: text("EX"), Zip: text("EX1 1EX"),
		AllowPartialPayments: true, BalanceDue: signet.Decimal(amount), TotalAmountDue: signet.Decimal(amount), MinimumAmountDue: "5.00",
		PastDueAmount: "0.00", InvoiceDate: now.UTC().Truncate(24 * time.Hour).Format(time.RFC3339), InvoiceDueDate: due.Format(time.RFC3339)}
	s.err = store.PutInvoice(s.ctx, &signet.Invoice{BillerID: signet.BillerID(biller), InvoiceGUID: guid, DTO: dto, DueAt: due, UpdatedAt: now},
		signet.Event{ID: signet.NewEventID(), Kind: signet.EventInvoiceStored, At: now, Actor: "system", Target: "biller:" + biller + ":invoice:" + guid})
	return cardInvoice{InvoiceGUID: guid, CustomerGUID: payer}
}

// accounts: one organisation that alice owns, with its keys, a device, and the clients of a merchant.
func (s *seeder) accounts() {
	if s.err != nil {
		return
	}
	alice := s.card.Users[0]
	var made struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Type     string `json:"type"`
		Instance string `json:"instance"`
	}
	s.send(http.MethodPost, "/accounts", body{"name": "Corner Shop demo", "type": signet.AccountOrg, "owner": alice.Sub,
		"settings": body{"supported_payment_methods": []body{{"type": "CreditCard", "src": "URL", "attributes": nil}, {"type": "ECheck", "src": "URL", "attributes": nil}}}}, &made)
	path := accounts().at(made.ID)
	var key struct {
		KeyID  string `json:"kid"`
		Secret string `json:"secret"`
	}
	s.send(http.MethodPost, path+"/intent-keys", body{}, &key)
	s.card.Accounts = append(s.card.Accounts, cardAccount{ID: made.ID, Name: made.Name, Type: made.Type, Instance: made.Instance,
		Owner: alice.Username, OwnerSub: alice.Sub, IntentKID: key.KeyID, IntentKey: key.Secret})
	for _, k := range []struct{ name, role, imported string }{{"Owner", "account-owner", ""}, {"Till 1", "merchant-terminal", ""},
		{"Test key of the document", "merchant-terminal", demoPublishedKey}} {
		if k.imported != "" && !s.dev {
			continue // everybody knows it: the server refuses it
		}
		s.apiKey(path, made.ID, k.name, k.role, k.imported)
	}
	var device struct {
		DCN      string `json:"dcn"`
		ID       string `json:"id"`
		Password string `json:"password"`
	}
	s.send(http.MethodPost, path+"/devices", body{"dcn": "1", "name": "Till 1"}, &device)
	s.card.Devices = append(s.card.Devices, cardDevice{AccountID: made.ID, DCN: device.DCN, ID: device.ID, Password: device.Password})
	s.card.Clients.Merchant = s.client("merchant", signet.ClientMetadata{ClientName: "Merchant demo", TokenEndpointAuthMethod: signet.AuthSecretBasic,
		GrantTypes: []string{signet.GrantClientCredentials}, Scope: "intents", AccountID: made.ID})
	s.card.Clients.PaymentPage = s.client("payment-page", signet.ClientMetadata{ClientName: "Hosted payment page demo", TokenEndpointAuthMethod: signet.AuthSecretBasic,
		GrantTypes: []string{signet.GrantClientCredentials}, Scope: "intents intents:validate-any"})
}

func (s *seeder) apiKey(path, account, name, role, imported string) {
	in := body{"name": name, "role": role, "may_manage": role == "account-owner"}
	at := path + "/api-keys"
	if imported != "" {
		in["secret"] = imported
		at = path + "/api-key-imports"
	}
	var made struct {
		Secret string `json:"secret"`
	}
	s.send(http.MethodPost, at, in, &made)
	if imported != "" {
		made.Secret = imported
	}
	s.card.APIKeys = append(s.card.APIKeys, cardAPIKey{AccountID: account, Name: name, Role: role, Key: made.Secret})
}

// pinApplications: one as signet recommends it, one as existing callers of document 003 may be.
func (s *seeder) pinApplications() {
	for _, app := range []struct{ username, mode string }{{"lending", signet.PINv2}, {"lending-legacy", signet.PINCBC256}} {
		var made struct {
			ID    string `json:"id"`
			PIN   string `json:"pin"`
			KeyID string `json:"kid"`
			Key   string `json:"key"`
		}
		s.send(http.MethodPost, "/pin-applications", body{"username": app.username, "mode": app.mode}, &made)
		s.card.PINApplications = append(s.card.PINApplications, cardPINApplication{ID: made.ID, Username: app.username, Mode: app.mode,
			PIN: made.PIN, KID: made.KeyID, Key: made.Key})
	}
}

// catchUp seeds the contracts in a data folder of a server that had none yet.
func (s *seeder) catchUp(store invoices) {
	shared, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		s.err = err
		return
	}
	s.contracts(store, shared, time.Now())
}
