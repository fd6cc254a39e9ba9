package attacks

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/test/e2e"
)

// useContracts does everything that the contracts' secrets are needed for, well and badly, and returns the secrets.
func (w *world) useContracts() canaries {
	w.t.Helper()
	c := canaries{}
	w.useBillers(c)
	w.usePINs(c)
	w.useKeys(c)
	w.useIntents(c)
	return c
}

func (w *world) useBillers(c canaries) {
	w.t.Helper()
	v2, v1 := w.Card.Billers[0], w.Card.Billers[1]
	// A shared key in every form in which it may be written down.
	shared := "shared-" + random() + random()
	given := w.admin(http.MethodPost, "/billers/"+v2.ID+"/keys", map[string]any{"hmac_key": shared, "key_encoding": "raw", "kid": "canary"})
	if given.status >= 300 {
		w.t.Fatalf("%d %s", given.status, given.body)
	}
	c.add("a shared HMAC key", shared)
	for i, biller := range []e2e.Biller{v2, v1} {
		key, err := hex.DecodeString(biller.HMACKey)
		if err != nil {
			w.t.Fatal(err)
		}
		c.add("HMAC key in hex "+biller.Scheme, biller.HMACKey)
		c.add("HMAC key in base64 "+biller.Scheme, base64.StdEncoding.EncodeToString(key))
		c.add("HMAC key "+biller.Scheme, string(key))
		c.add("biller's client secret "+biller.Scheme, w.Card.Billers[i].ClientSecret)
	}
	form := payer(w.t, v2, 0)
	c.add("an hmac", form.Get("hmac"))
	c.add("the identity's token", w.happy("identity", w.post("/token", e2e.Client{}, form)).text("access_token"))
	w.post("/token", e2e.Client{}, form) // replay
	wrong := strings.Repeat("d", 40) + random()
	c.add("a wrong hmac", wrong)
	w.post("/token", e2e.Client{}, with(form, "hmac", wrong))
	w.post("/token", e2e.Client{}, with(form, "biller_id", wrong))
	w.get("/token?" + form.Encode())
	person, invoice := e2e.Payer(w.t, v1), bill(w.t, v1)
	c.add("a legacy hmac", person["hmac"].(string))
	c.add("an invoice's hmac", invoice["hmac"].(string))
	c.add("the payer's token", w.json("/api/v1/payertokens", person).text("token"))
	token := w.json("/api/v1/tokens", invoice).text("token")
	c.add("the bill's token", token)
	w.json("/api/v1/payertokens", person) // replay
	w.json("/api/v1/payertokens", `{"hmac":"`+person["hmac"].(string)+`","hmac":1}`)
	w.json("/payertest", map[string]any{"billerGuid": v1.ID, "userGuid": person["userGuid"], "timestamp": person["timestamp"]})
	guid := v1.Invoices[0].InvoiceGUID
	w.get("/api/v1/invoices/"+guid, "Authorization", token)
	w.get("/api/v1/invoices/"+token, "Authorization", "Bearer "+token+"x")
	w.get("/api/v1/invoices/"+guid+"?token="+token, "Authorization", "Basic "+token)
	parsed, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		w.t.Fatal(err)
	}
	inner, err := parsed.Decrypt(w.resource().key)
	if err != nil {
		w.t.Fatal(err)
	}
	c.add("what is inside a bill's token", string(inner))
	c.add("the text of a bill's token", strings.Split(token, ".")[3])
	w.introspect(token)
	w.introspect(string(inner))
	pem, err := os.ReadFile(w.Card.RSPrivateKeyFile)
	if err != nil {
		w.t.Fatal(err)
	}
	c.add("the invoice API's private key", strings.Split(string(pem), "\n")[5])
}

func (w *world) usePINs(c canaries) {
	w.t.Helper()
	for _, app := range w.Card.PINApplications {
		app.PIN = "pin-" + random()
		if a := w.admin(http.MethodPut, "/pin-applications/"+app.ID+"/pin", map[string]any{"pin": app.PIN}); a.status != http.StatusOK {
			w.t.Fatalf("%d %s", a.status, a.body)
		}
		key, err := hex.DecodeString(app.Key)
		if err != nil {
			w.t.Fatal(err)
		}
		c.add("the PIN of "+app.Mode, app.PIN)
		c.add("the PIN's key in hex of "+app.Mode, app.Key)
		c.add("the PIN's key of "+app.Mode, string(key))
		sealed := seal(w.t, app, app.PIN, time.Now())
		c.add("the encrypted PIN of "+app.Mode, base64.StdEncoding.EncodeToString(sealed))
		c.add("the bytes of the encrypted PIN of "+app.Mode, string(sealed))
		a := w.json("/auth", pinLogin(app, sealed))
		c.add("the PIN's access token of "+app.Mode, access(w.t, a))
		data := claimsOf(w.t, a.body)["data"].(map[string]any)
		c.add("the PIN's refresh token of "+app.Mode, data["refresh_token"].(string))
		w.json("/auth", pinLogin(app, sealed)) // replay
		w.json("/auth", map[string]any{"username": app.PIN, "password": app.PIN})
		w.json("/auth?password="+app.PIN, `{"username":"`+app.Username+`","password":"`+app.PIN+`","password":1}`)
		again := w.json("/auth/refresh", map[string]any{"refreshToken": data["refresh_token"]})
		c.add("the second access token of "+app.Mode, access(w.t, again))
		w.json("/token/refresh", map[string]any{"refresh_Token": data["refresh_token"]})
	}
}

func (w *world) useKeys(c canaries) {
	w.t.Helper()
	account := w.Card.Accounts[0].ID
	for _, key := range w.Card.APIKeys {
		c.add("the API key "+key.Name, key.Key)
		w.get(probe, "X-Api-Key", key.Key)
		w.get(probe+"?X-Api-Key="+key.Key, "X-Api-Key", key.Key+"x")
		w.introspect(key.Key)
	}
	made := w.request(http.MethodPost, "/api/accounts/"+account+"/api-keys", `{"name":"canary","role":"merchant-terminal"}`, "X-Api-Key", w.Card.APIKeys[0].Key, "Content-Type", "application/json")
	c.add("a fresh API key", w.do(made).text("secret"))
	old := "old-" + random() + random()
	if a := w.admin(http.MethodPost, "/accounts/"+account+"/api-key-imports", map[string]any{"name": "imported", "role": "merchant-terminal", "secret": old}); a.status >= 300 {
		w.t.Fatalf("%d %s", a.status, a.body)
	}
	c.add("an imported API key", old)
	exchange := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {old}, "subject_token_type": {"urn:signet:params:oauth:token-type:api-key"}, "resource": {"https://api.example.com"}}
	c.add("an exchanged key", w.happy("exchange", w.post("/token", e2e.Client{}, exchange)).text("access_token"))
	w.post("/token", e2e.Client{}, with(exchange, "subject_token", old+"x"))
	w.get("/api/accounts/" + old)
}

func (w *world) useIntents(c canaries) {
	w.t.Helper()
	account, d := w.Card.Accounts[0], w.Card.Devices[0]
	key, err := hex.DecodeString(account.IntentKey)
	if err != nil {
		w.t.Fatal(err)
	}
	c.add("the intents' key in hex", account.IntentKey)
	c.add("the intents' key", string(key))
	c.add("the device's password", d.Password)
	token := w.json(createIntent, order, "Authorization", w.device()).text("Token")
	c.add("an intent", token)
	w.json(createIntent, order, "Authorization", basicOf(d.DCN+d.ID, d.Password))
	w.json(createIntent, order, "Authorization", w.device()+"x")
	w.validate(token)
	w.validate(token + "x")
	w.json(validateIntent, `{"Token":"`+token+`","Token":1}`, "Authorization", w.device())
}

// After everything was used, well and badly, no secret of the contracts stands in the log, in what the server counts, in
// the events or in the database.
func TestHMC17(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, "--verbose", "--data", dir)
	w.WaitFor("the card is printed", func() bool { return strings.Contains(w.Output(), "client create --public") })
	said := len(w.Output())
	c := w.useContracts()
	log := w.Output()[said:]
	if strings.Count(log, "msg=request") < 50 || !strings.Contains(log, w.Card.Billers[0].ID) {
		t.Fatalf("the log does not tell of the requests:\n%s", log)
	}
	c.hunt(t, "the log", []byte(log))
	c.hunt(t, "the metrics", []byte(w.visit("GET", w.Card.Ops.URL+"/metrics").body))
	c.hunt(t, "the audit events", []byte(w.admin(http.MethodGet, "/events?limit=200", nil).body))
	for _, path := range []string{"/billers", "/pin-applications", "/accounts", "/accounts/" + w.Card.Accounts[0].ID + "/api-keys", "/accounts/" + w.Card.Accounts[0].ID + "/devices", "/resource-servers", "/clients"} {
		a := w.admin(http.MethodGet, path, nil)
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		c.hunt(t, path, []byte(a.body))
	}
	w.eventually("what happened is written", func() bool { return len(w.rows(dir)["traffic_events"]) > 20 })
	for table, rows := range w.rows(dir) {
		for _, row := range rows {
			c.hunt(t, "table "+table, []byte(row))
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "signet.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c.hunt(t, filepath.Base(file), content)
	}
}
