package grid

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/pinlogin"
	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/test/e2e"
)

// ok is the verdict of a door that let its caller in.
const ok = "ok"

// answer is what a door said.
type answer struct {
	status  int
	members map[string]any
}

// verdict is ok, or the status with the error that the answer names in its own contract's form.
func (a answer) verdict() string {
	if a.status < http.StatusMultipleChoices {
		return ok
	}
	for _, member := range []string{"error", "title", "Message"} {
		if text := a.text(member); text != "" {
			return strconv.Itoa(a.status) + " " + text
		}
	}
	return strconv.Itoa(a.status)
}

func (a answer) text(names ...string) string {
	var value any = a.members
	for _, name := range names {
		object, isObject := value.(map[string]any)
		if !isObject {
			return ""
		}
		value = object[name]
	}
	text, _ := value.(string)
	return text
}

func (w *world) send(from, method, path string, header http.Header, body any) answer {
	w.t.Helper()
	all := http.Header{"X-Forwarded-For": {from}}
	maps.Copy(all, header)
	res, content := e2e.Send(w.t, method, w.card.Issuer+path, all, body)
	out := answer{status: res.StatusCode}
	if json.Unmarshal(content, &out.members) != nil {
		var list []any
		if json.Unmarshal(content, &list) == nil {
			out.members = map[string]any{"list": list}
		}
	}
	return out
}

// form posts as the client, by the way that it is registered with; a client without an id sends nothing of itself.
func (w *world) form(from, path string, c client, form url.Values) answer {
	w.t.Helper()
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	switch {
	case c.key != nil:
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", w.assertion(c))
	case c.id != "":
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.id)+":"+url.QueryEscape(c.secret))))
	}
	return w.send(from, http.MethodPost, path, header, form.Encode())
}

// assertion is RFC 7523 §3's.
func (w *world) assertion(c client) string {
	w.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: c.key, KeyID: c.kid}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	now := time.Now()
	claims, err := json.Marshal(map[string]any{"iss": c.id, "sub": c.id, "aud": w.card.Issuer, "jti": signet.NewUUID(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	if err != nil {
		w.t.Fatal(err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		w.t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return compact
}

// logIn opens a browser, or takes the one that is open, does what the pages ask and returns the form that redeems the code.
func (w *world) logIn(from string) (redeem url.Values, verdict string) {
	w.t.Helper()
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails
	verifier := hex.EncodeToString(seed[:])
	sum := sha256.Sum256([]byte(verifier))
	browser := w.browser
	if browser == nil {
		browser = e2e.NewBrowser(w.t)
		browser.From(from)
	}
	page := browser.Get(w.card.Issuer + "/authorize?" + url.Values{"response_type": {"code"}, "client_id": {w.web.id}, "redirect_uri": {redirectURI},
		"scope": {"openid profile offline_access"}, "state": {"s"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
		"code_challenge_method": {"S256"}}.Encode())
	if page.Has("password") {
		page = page.Click("login", map[string]string{"username": w.user.Username, "password": w.user.Password})
		if page.Has("password") {
			return nil, "login " + strconv.Itoa(page.Status)
		}
	}
	if page.Location == nil {
		return nil, "page " + strconv.Itoa(page.Status)
	}
	code := page.Location.Query().Get("code")
	if code == "" {
		return nil, "callback " + page.Location.Query().Get("error")
	}
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}, ok
}

// identity signs for the payer or the invoice, and sends it to the grant.
func (w *world) identity(from, name, resource string) answer {
	w.t.Helper()
	form := url.Values{"grant_type": {signet.GrantHMACIdentity}, "biller_id": {w.biller}}
	value, stamp := w.invoice, ""
	if name == "user_id" {
		value, stamp = w.payer, time.Now().UTC().Format(time.RFC3339Nano)
		form.Set("timestamp", stamp)
	}
	form.Set(name, value)
	form.Set("hmac", e2e.SignIdentity(w.t, e2e.Biller{ID: w.biller, HMACKey: w.hmac.hex}, name, value, stamp))
	if resource != "" {
		form.Set("resource", resource)
	}
	return w.form(from, "/token", client{}, form)
}

// legacy is document 000's request for the same.
func (w *world) legacy(from, path, member, name string) answer {
	w.t.Helper()
	body, value, stamp := map[string]any{"billerGuid": w.biller}, w.invoice, ""
	if name == "user_id" {
		value, stamp = w.payer, time.Now().UTC().Format(time.RFC3339Nano)
		body["timestamp"] = stamp
	}
	body[member] = value
	body["hmac"] = e2e.SignIdentity(w.t, e2e.Biller{ID: w.biller, HMACKey: w.hmac.hex}, name, value, stamp)
	return w.send(from, http.MethodPost, path, nil, body)
}

// pinLogin is document 003's.
func (w *world) pinLogin(from, path string) answer {
	w.t.Helper()
	key, err := hex.DecodeString(w.aes.hex)
	if err != nil {
		w.t.Fatal(err)
	}
	secret, err := pinlogin.Encrypt(signet.PINv2, key, w.pinName, w.pin, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.send(from, http.MethodPost, path, nil, map[string]any{"username": w.pinName, "password": secret})
}

func (w *world) introspect(token string) string {
	w.t.Helper()
	from := w.askNet
	if from == "" {
		// A disabled one would soon have failed too often from one network.
		n := w.asks.Add(1)
		from = fmt.Sprintf("100.%d.%d.7", 64+n/250, n%250+1)
	}
	got := w.form(from, "/introspect", w.asker, url.Values{"token": {token}})
	if active, _ := got.members["active"].(bool); got.verdict() == ok && !active {
		return "inactive"
	}
	return got.verdict()
}

func (w *world) createIntent(header http.Header) answer {
	w.t.Helper()
	return w.send(w.net, http.MethodPost, "/payment/api/jwt/create", header, map[string]any{"Audience": "PaymentPage", "Subject": "HPP1"})
}

// validate says what is wrong with the intent, or ok.
func (w *world) validate(header http.Header, intent string) string {
	w.t.Helper()
	got := w.send(w.net, http.MethodPost, "/payment/api/jwt/validate", header, map[string]any{"Token": intent})
	if valid, _ := got.members["Valid"].(bool); got.verdict() == ok && !valid {
		return "200 " + got.text("Message")
	}
	return got.verdict()
}

// memberships is ok when the account is among them.
func (w *world) memberships(header http.Header) string {
	w.t.Helper()
	got := w.send(w.net, http.MethodGet, "/api/account-memberships", header, nil)
	if got.verdict() != ok {
		return got.verdict()
	}
	list, _ := got.members["list"].([]any)
	for _, entry := range list {
		if object, isObject := entry.(map[string]any); isObject && object["accountId"] == w.account {
			return ok
		}
	}
	return "200 none"
}

func (w *world) permission(header http.Header) string {
	w.t.Helper()
	got := w.send(w.net, http.MethodPost, "/api/permissions/check", header, map[string]any{"permission": "accounts:read", "accountId": w.account})
	if allowed, _ := got.members["allowed"].(bool); got.verdict() == ok && !allowed {
		return "200 not allowed"
	}
	return got.verdict()
}

func (w *world) putInvoice(token string) string {
	w.t.Helper()
	now := time.Now().UTC()
	return w.send(w.net, http.MethodPut, "/api/v1/invoices/"+w.invoice, bearer(token), map[string]any{"billerGuid": w.biller, "invoiceGuid": w.invoice,
		"customerGuid": w.payer, "allowPartialPayments": true, "balanceDue": json.Number("12.50"), "totalAmountDue": json.Number("12.50"),
		"minimumAmountDue": json.Number("5.00"), "pastDueAmount": json.Number("0.00"), "invoiceDate": now.Format(time.RFC3339),
		"invoiceDueDate": now.AddDate(0, 1, 0).Format(time.RFC3339)}).verdict()
}

func (w *world) getInvoice(token string) string {
	w.t.Helper()
	return w.send(w.net, http.MethodGet, "/api/v1/invoices/"+w.invoice, bearer(token), nil).verdict()
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func (w *world) apiKey() http.Header { return http.Header{"X-Api-Key": {w.key}} }

func (w *world) deviceBar() http.Header {
	return http.Header{"Authorization": {w.dcn + ":" + w.device + "|" + w.devicePassword}}
}

func (w *world) deviceBasic() http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(w.dcn+w.device+":"+w.devicePassword))}}
}
