package grid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/test/e2e"
)

const (
	redirectURI      = "https://rp.test/cb"
	apiAudience      = "https://api.example.com"
	invoicesAudience = "https://invoices.example.com"
	password         = "correct horse battery staple"
)

// house is the one server that all worlds live in.
type house struct {
	card         e2e.Card
	worlds, asks atomic.Int32
}

// client is a registered client with what it proves itself by.
type client struct {
	id, secret string
	metadata   map[string]any
	kid        string
	key        *ecdsa.PrivateKey
}

// hmacKey, pinKey: what the caller of a contract holds.
type (
	hmacKey struct{ kid, hex string }
	pinKey  struct{ kid, hex string }
)

// world is everybody who can stand behind a door, each with the others it needs and nobody else's.
type world struct {
	*house
	t    *testing.T
	born time.Time
	// net is where its callers are, away a network that has nothing to do with them.
	net, away string
	// askNet is where introspection comes from; "": from ever another network.
	askNet string

	web, service, partner, system, asker client
	user                                 e2e.User
	biller                               string
	hmac                                 hmacKey
	payer, invoice                       string
	server, resource                     string // the resource server's id; what is asked for by resource, "" for the default
	account, key, keyName                string
	dcn, device, devicePassword          string
	pinID, pinName, pin                  string
	aes                                  pinKey

	// browser is somebody's who stays logged in; nil: every login is a new one.
	browser *e2e.Browser
	// old are tokens of before the change, fresh those that doors made in this round, with what the makers said.
	old, fresh, verdicts map[string]string
}

func (h *house) newWorld(t *testing.T) *world {
	t.Helper()
	n := h.worlds.Add(1)
	w := &world{house: h, t: t, net: fmt.Sprintf("10.%d.%d.7", n/250, n%250+1), away: fmt.Sprintf("172.%d.%d.7", 16+n/250, n%250+1)}
	w.people(n)
	w.clients()
	w.billers()
	w.accounts()
	var app struct{ ID, PIN, KID, Key string }
	w.pinName = fmt.Sprintf("lending-%d", n)
	w.admin(http.MethodPost, "/pin-applications", map[string]any{"username": w.pinName}, &app)
	w.pinID, w.pin, w.aes = app.ID, app.PIN, pinKey{app.KID, app.Key}
	w.born = time.Now()
	return w
}

func (w *world) people(n int32) {
	w.user = e2e.User{Username: fmt.Sprintf("ada-%d", n), Password: password}
	var made struct{ Sub string }
	w.admin(http.MethodPost, "/users", map[string]any{"username": w.user.Username, "password": password, "email": w.user.Username + "@example.com"}, &made)
	w.user.Sub = made.Sub
}

func (w *world) clients() {
	w.web = w.register(map[string]any{"client_name": "Shop", "redirect_uris": []string{redirectURI}, "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"authorization_code", "refresh_token"}, "scope": "openid profile offline_access", "first_party": true})
	w.asker = w.register(map[string]any{"client_name": "Resource server", "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{}, "introspect": true, "audiences": []string{apiAudience}})
	w.partner = client{kid: "p1", key: newKey(w.t)}
	w.partner = w.registerKey(map[string]any{"client_name": "Partner", "token_endpoint_auth_method": "private_key_jwt",
		"token_endpoint_auth_signing_alg": "ES256", "grant_types": []string{"client_credentials"}, "scope": "orders:read",
		"audiences": []string{apiAudience}, "jwks": keySet(w.partner)})
	w.system = w.register(map[string]any{"client_name": "Biller's system", "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"client_credentials"}, "scope": "invoices:write", "audiences": []string{invoicesAudience}})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func keySet(clients ...client) jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	for _, c := range clients {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &c.key.PublicKey, KeyID: c.kid, Use: "sig", Algorithm: "ES256"})
	}
	return set
}

func (w *world) register(metadata map[string]any) client {
	w.t.Helper()
	var made e2e.Client
	w.admin(http.MethodPost, "/clients", metadata, &made)
	return client{id: made.ClientID, secret: made.ClientSecret, metadata: metadata}
}

func (w *world) registerKey(metadata map[string]any) client {
	w.t.Helper()
	made := w.register(metadata)
	made.kid, made.key = w.partner.kid, w.partner.key
	return made
}

// billers: a biller with a resource server of its own, whose key signet holds, so that its tokens can be introspected.
func (w *world) billers() {
	var server struct{ ID string }
	w.admin(http.MethodPost, "/resource-servers", map[string]any{"name": "Payments", "audience": "https://payments.example.com/" + signet.NewUUID(),
		"scope": "payments:write", "alg": "ECDH-ES+A256KW", "generate": true}, &server)
	w.server = server.ID
	var made struct {
		ID  string `json:"id"`
		KID string `json:"kid"`
		Key string `json:"hmac_key"`
	}
	w.admin(http.MethodPost, "/billers", map[string]any{"name": "Water works", "client_id": w.system.id, "default_resource_server": w.server,
		"resource_servers": []string{"invoices"}, "scope": "payments:write invoices:read", "invoice_exchange": true, "invoice_per_minute": 1000}, &made)
	w.biller, w.hmac = made.ID, hmacKey{made.KID, made.Key}
	w.payer, w.invoice = signet.NewUUID(), signet.NewUUID()
}

// accounts: an organisation with another owner, since the last one cannot leave.
func (w *world) accounts() {
	var owner struct{ Sub string }
	w.admin(http.MethodPost, "/users", map[string]any{"username": "owner-" + signet.NewUUID(), "email": signet.NewUUID() + "@example.com"}, &owner)
	var account struct{ ID string }
	w.admin(http.MethodPost, "/accounts", map[string]any{"name": "Corner shop", "type": "org", "owner": owner.Sub}, &account)
	w.account = account.ID
	w.admin(http.MethodPut, "/accounts/"+w.account+"/members/"+w.user.Sub, map[string]any{"role": "account-owner", "accepted": true}, nil)
	w.admin(http.MethodPost, "/accounts/"+w.account+"/intent-keys", map[string]any{}, nil)
	w.keyName = "Till"
	w.key = w.newAPIKey(w.keyName)
	var device struct{ ID, DCN, Password string }
	w.admin(http.MethodPost, "/accounts/"+w.account+"/devices", map[string]any{"dcn": "1", "name": "Till"}, &device)
	w.dcn, w.device, w.devicePassword = device.DCN, device.ID, device.Password
	w.service = w.register(map[string]any{"client_name": "Merchant", "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"client_credentials"}, "scope": "intents", "account_id": w.account})
}

func (w *world) newAPIKey(name string) string {
	w.t.Helper()
	var made struct{ Secret string }
	w.admin(http.MethodPost, "/accounts/"+w.account+"/api-keys", map[string]any{"name": name, "role": "account-owner"}, &made)
	return made.Secret
}

// admin calls the admin API and ends the test unless it succeeds. A PUT of a record first reads its version.
func (w *world) admin(method, path string, in, out any) {
	w.t.Helper()
	header := http.Header{"Authorization": {"Bearer " + w.card.Admin.APIKey}, "X-Forwarded-For": {w.net}}
	if method == http.MethodPut {
		if res, _ := e2e.Send(w.t, http.MethodGet, w.card.Admin.APIURL+path, header, nil); res.Header.Get("ETag") != "" {
			header.Set("If-Match", res.Header.Get("ETag"))
		}
	}
	res, body := e2e.Send(w.t, method, w.card.Admin.APIURL+path, header, in)
	if res.StatusCode >= http.StatusMultipleChoices {
		w.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, body)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(body, out); err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
}
