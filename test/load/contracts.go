package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// card is what `signet seed` leaves: one caller of every contract.
type card struct {
	Billers         []biller         `json:"billers"` // scheme v2, then v1 with invoices
	Accounts        []cardAccount    `json:"accounts"`
	APIKeys         []cardAPIKey     `json:"api_keys"`
	PINApplications []pinApplication `json:"pin_applications"`
}

type biller struct {
	ID       string `json:"id"`
	HMACKey  string `json:"hmac_key"` // hex
	Invoices []struct {
		GUID string `json:"invoice_guid"`
	} `json:"invoices"`
}

type cardAccount struct {
	ID string `json:"id"`
}

type cardAPIKey struct {
	Key string `json:"key"`
}

type pinApplication struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	PIN      string `json:"pin"`
	Key      string `json:"key"` // hex
}

const (
	// apiResource is what an API key is exchanged for; benchPermission is one that its role has everywhere.
	apiResource     = "https://api.example.com"
	benchPermission = "payment-requests:read"
	// invoicesPerMinute is as many exchanges of one invoice as a record can allow.
	invoicesPerMinute = 10_000
	// settleWithin is the time after which a Redis found empty is trusted with identities again, and some more.
	settleWithin = 90 * time.Second

	grantIdentity = "urn:signet:params:oauth:grant-type:hmac-identity"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAPIKey    = "urn:signet:params:oauth:token-type:api-key"
)

func readCard(file string) (*card, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &card{}
	if err := json.Unmarshal(content, c); err != nil {
		return nil, err
	}
	return c, c.check()
}

func (c *card) check() error {
	if len(c.Billers) < 2 || len(c.Billers[1].Invoices) == 0 || len(c.Accounts) == 0 || len(c.APIKeys) == 0 || len(c.PINApplications) == 0 {
		return errors.New("the card lacks what bench needs")
	}
	return nil
}

// madeUp is a card for the floor, which looks nothing up.
func madeUp() *card {
	c := &card{}
	key := strings.Repeat("00", 32)
	for range 2 {
		c.Billers = append(c.Billers, biller{ID: newGUID(), HMACKey: key})
	}
	c.Billers[1].Invoices = append(c.Billers[1].Invoices, struct {
		GUID string `json:"invoice_guid"`
	}{newGUID()})
	c.Accounts = []cardAccount{{ID: newGUID()}}
	c.APIKeys = []cardAPIKey{{Key: "sgt_key_" + text(32)}}
	c.PINApplications = []pinApplication{{Username: "app", PIN: "1234", Key: key}}
	return c
}

// liftInvoiceLimit lets the v1 biller's invoices be exchanged as often as a record can say.
func (n *node) liftInvoiceLimit(ctx context.Context, b biller) error {
	at := n.admin + "/admin/v1/billers/" + b.ID
	var record map[string]any
	if err := n.call(ctx, http.MethodGet, at, "", nil, &record); err != nil {
		return err
	}
	record["invoice_per_minute"] = invoicesPerMinute
	body, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return n.call(ctx, http.MethodPut, at, fmt.Sprintf(`"%v"`, record["version"]), body, nil)
}

// addPINApplications makes one for each connection: logins of one application wait for each other.
func (n *node) addPINApplications(ctx context.Context, connections int) error {
	n.card.PINApplications = nil
	for i := range connections {
		body, err := json.Marshal(map[string]any{"username": fmt.Sprintf("bench-%d", i), "mode": "pin-v2"})
		if err != nil {
			return err
		}
		var made pinApplication
		if err := post(ctx, n.admin+"/admin/v1/pin-applications", n.adminKey, body, &made); err != nil {
			return err
		}
		n.card.PINApplications = append(n.card.PINApplications, made)
	}
	return nil
}

func (t *target) contractOperations() []operation {
	const identity, warm = "0 SQL, 1 round trip", "0 SQL"
	return []operation{
		{name: "identity v2, POST /api/v1/payertokens", budget: identity, do: t.payerToken},
		{name: "identity v2, grant at /token", budget: identity, do: t.payerGrant},
		{name: "identity v1, invoice", budget: identity, do: t.invoiceToken},
		{name: "permission check, API key", budget: warm, do: t.permissionCheck},
		{name: "account memberships, API key", budget: warm, do: t.memberships},
		{name: "API key to JWT", budget: warm, do: t.exchangeKey},
		{name: "intent create, HS256, API key", budget: warm, do: t.createIntent},
		{name: "intent validate, HS256, API key", budget: warm, prepare: t.prepareIntent, do: t.validateIntent},
		{name: "PIN login, pin-v2", budget: "1 hash", do: t.pinLogin},
	}
}

// settle waits until identities are accepted: what was signed before a Redis was found empty could have been used.
func (t *target) settle(ctx context.Context, only *regexp.Regexp) error {
	if !slices.ContainsFunc(t.contractOperations(), func(o operation) bool { return strings.HasPrefix(o.name, "identity v2") && only.MatchString(o.name) }) {
		return nil
	}
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	end := time.Now().Add(settleWithin)
	w := newWorker(0)
	defer w.client.CloseIdleConnections()
	for {
		err := t.payerToken(ctx, w, t.base)
		if err == nil || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// payer is a fresh identity under scheme v2: another person each time, since each is accepted once.
func (b biller) payer() (user, stamp, mac string) {
	user, stamp = newGUID(), strconv.FormatInt(time.Now().UnixMilli(), 10)
	return user, stamp, b.signV2(user, stamp)
}

func (b biller) signV2(user, stamp string) string {
	var input strings.Builder
	for _, field := range []string{"purpose", "signet-identity-v2", "biller_id", b.ID, "user_id", user, "timestamp", stamp} {
		fmt.Fprintf(&input, "%d:%s,", len(field), field)
	}
	return b.hmac(input.String())
}

func (b biller) hmac(input string) string {
	key, err := hex.DecodeString(b.HMACKey)
	if err != nil {
		panic(err) // the card's, or our own
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(input))
	return hex.EncodeToString(mac.Sum(nil))
}

func (t *target) payerToken(ctx context.Context, w *worker, base string) error {
	b := t.card.Billers[0]
	user, stamp, mac := b.payer()
	_, err := w.json(ctx, base+"/api/v1/payertokens", nil, map[string]string{"billerGuid": b.ID, "userGuid": user, "timestamp": stamp, "hmac": mac})
	return err
}

func (t *target) payerGrant(ctx context.Context, w *worker, base string) error {
	b := t.card.Billers[0]
	user, stamp, mac := b.payer()
	_, err := w.form(ctx, base+"/token", url.Values{"grant_type": {grantIdentity}, "biller_id": {b.ID}, "user_id": {user}, "timestamp": {stamp}, "hmac": {mac}}, "", "")
	return err
}

func (t *target) invoiceToken(ctx context.Context, w *worker, base string) error {
	b := t.card.Billers[1]
	w.turn++
	guid := b.Invoices[(w.number+w.turn)%len(b.Invoices)].GUID
	_, err := w.json(ctx, base+"/api/v1/tokens", nil, map[string]string{"billerGuid": b.ID, "invoiceGuid": guid, "hmac": b.hmac(b.ID + "|" + guid)})
	return err
}

func (t *target) apiKey() http.Header { return http.Header{"X-Api-Key": {t.card.APIKeys[0].Key}} }

func (t *target) permissionCheck(ctx context.Context, w *worker, base string) error {
	body, err := w.json(ctx, base+"/api/permissions/check", t.apiKey(), map[string]string{"permission": benchPermission, "accountId": t.card.Accounts[0].ID})
	if err == nil && !strings.Contains(string(body), `"allowed":true`) {
		return fmt.Errorf("not allowed: %s", body)
	}
	return err
}

func (t *target) memberships(ctx context.Context, w *worker, base string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/account-memberships", nil)
	if err != nil {
		return err
	}
	request.Header = t.apiKey()
	_, err = w.send(request, http.StatusOK)
	return err
}

func (t *target) exchangeKey(ctx context.Context, w *worker, base string) error {
	_, err := w.form(ctx, base+"/token", url.Values{"grant_type": {grantExchange}, "subject_token": {t.card.APIKeys[0].Key},
		"subject_token_type": {typeAPIKey}, "resource": {apiResource}}, "", "")
	return err
}

func (t *target) createIntent(ctx context.Context, w *worker, base string) error {
	body, err := w.json(ctx, base+"/payment/api/jwt/create", t.apiKey(), map[string]string{"Audience": "PaymentPage", "Subject": "HPP21040500682801"})
	if err != nil {
		return err
	}
	var made struct{ Token string }
	if err := json.Unmarshal(body, &made); err != nil {
		return err
	}
	w.state["intent"] = made.Token
	return nil
}

func (t *target) prepareIntent(ctx context.Context, w *worker, base string, _ int) error {
	return t.createIntent(ctx, w, base)
}

func (t *target) validateIntent(ctx context.Context, w *worker, base string) error {
	body, err := w.json(ctx, base+"/payment/api/jwt/validate", t.apiKey(), map[string]string{"Token": w.state["intent"]})
	if err == nil && !strings.Contains(string(body), `"Valid":true`) {
		return fmt.Errorf("not valid: %s", body)
	}
	return err
}

func (t *target) pinLogin(ctx context.Context, w *worker, base string) error {
	app := t.card.PINApplications[w.number%len(t.card.PINApplications)]
	sealed, err := app.seal(app.PIN)
	if err != nil {
		return err
	}
	_, err = w.json(ctx, base+"/auth", nil, map[string]string{"username": app.Username, "password": sealed})
	return err
}

// seal encrypts a PIN in mode pin-v2.
func (a pinApplication) seal(pin string) (string, error) {
	key, err := hex.DecodeString(a.Key)
	if err != nil {
		return "", err
	}
	aead, err := newGCM(key)
	if err != nil {
		return "", err
	}
	nonce := randomBytes(aead.NonceSize())
	plain := strconv.FormatInt(time.Now().Unix(), 10) + "|" + pin
	return base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, []byte(plain), []byte(a.Username))), nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// newGUID is a random UUID (RFC 9562 §5.4).
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
