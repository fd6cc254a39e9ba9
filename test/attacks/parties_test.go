package attacks

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signet-auth/signet/test/e2e"
)

const hmacGrant = "urn:signet:params:oauth:grant-type:hmac-identity"

// networks counts the networks that one test has sent from.
type networks struct{ used int }

// next is a client in a network that nobody has failed in: guesses are counted by network (/24).
func (n *networks) next() *http.Client {
	n.used++
	client := newClient()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(2+n.used>>8), byte(n.used), 1)}}
	client.Transport.(*http.Transport).DialContext = dialer.DialContext
	client.Transport.(*http.Transport).DisableKeepAlives = true
	return client
}

// json is a POST of a JSON body to the public listener; a text is sent as it is.
func (w *world) json(path string, body any, headers ...string) answer {
	w.t.Helper()
	text, raw := body.(string)
	if !raw {
		encoded, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(encoded)
	}
	return w.do(w.request(http.MethodPost, path, text, append([]string{"Content-Type", "application/json"}, headers...)...))
}

// edit reads a record of the admin API, changes it and puts it back.
func (w *world) edit(path string, changes map[string]any) {
	w.t.Helper()
	read := w.admin(http.MethodGet, path, nil)
	record := map[string]any{}
	if err := json.Unmarshal([]byte(read.body), &record); err != nil {
		w.t.Fatal(err)
	}
	maps.Copy(record, changes)
	if a := w.admin(http.MethodPut, path, record, "If-Match", read.header.Get("ETag")); a.status != http.StatusOK {
		w.t.Fatalf("%s: %d %s", path, a.status, a.body)
	}
}

// payer is the standard form of an identity of now, signed by scheme v2; at moves its time.
func payer(t *testing.T, biller e2e.Biller, at time.Duration) url.Values {
	t.Helper()
	return stamped(t, biller, strconv.FormatInt(time.Now().Add(at).UnixMilli(), 10))
}

func stamped(t *testing.T, biller e2e.Biller, stamp string) url.Values {
	t.Helper()
	user := biller.Invoices[0].CustomerGUID
	return url.Values{"grant_type": {hmacGrant}, "biller_id": {biller.ID}, "user_id": {user}, "timestamp": {stamp},
		"hmac": {e2e.SignIdentity(t, biller, "user_id", user, stamp)}}
}

// bill is the legacy form of an invoice, for the biller that exchanges invoices.
func bill(t *testing.T, biller e2e.Biller) map[string]any {
	t.Helper()
	guid := biller.Invoices[0].InvoiceGUID
	return map[string]any{"billerGuid": biller.ID, "invoiceGuid": guid, "hmac": e2e.SignV1(t, biller, guid)}
}

// with returns the form with changes: name, value, name, value; an empty value leaves the parameter out.
func with(form url.Values, changes ...string) url.Values {
	out := url.Values{}
	maps.Copy(out, form)
	for i := 0; i+1 < len(changes); i += 2 {
		out.Del(changes[i])
		if changes[i+1] != "" {
			out.Set(changes[i], changes[i+1])
		}
	}
	return out
}

// refused wants a status and an error code of RFC 6749 from the token endpoint.
func (w *world) refused(what string, a answer, status int, code string) {
	w.t.Helper()
	if a.status != status || a.text("error") != code || strings.Contains(a.body, "access_token") {
		w.t.Errorf("%s: %d %s, want %d %s", what, a.status, a.body, status, code)
	}
}

// happy wants a token.
func (w *world) happy(what string, a answer) answer {
	w.t.Helper()
	if a.status != http.StatusOK || a.text("access_token") == "" {
		w.t.Fatalf("%s: %d %s", what, a.status, a.body)
	}
	return a
}

// seal encrypts a PIN as the application of the card does by its mode, pin-v2 or aes-256-cbc.
func seal(t *testing.T, app e2e.PINApplication, pin string, at time.Time) []byte {
	t.Helper()
	key, err := hex.DecodeString(app.Key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	if app.Mode == "pin-v2" {
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		nonce := make([]byte, aead.NonceSize())
		_, _ = rand.Read(nonce)
		return aead.Seal(nonce, nonce, []byte(strconv.FormatInt(at.Unix(), 10)+"|"+pin), []byte(app.Username))
	}
	size := aes.BlockSize - len(pin)%aes.BlockSize
	sealed := []byte(strings.Repeat("\x00", aes.BlockSize) + pin + strings.Repeat(string(rune(size)), size))
	_, _ = rand.Read(sealed[:aes.BlockSize])
	cipher.NewCBCEncrypter(block, sealed[:aes.BlockSize]).CryptBlocks(sealed[aes.BlockSize:], sealed[aes.BlockSize:])
	return sealed
}

// pinLogin is the body of POST /auth.
func pinLogin(app e2e.PINApplication, sealed []byte) map[string]any {
	return map[string]any{"username": app.Username, "password": base64.StdEncoding.EncodeToString(sealed)}
}

// claims reads a JWS without a look at its signature.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWS: %.40s…", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(payload, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// claimsOf reads a JSON object.
func claimsOf(t *testing.T, text string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

// eventually polls for what is written behind the answer.
func (w *world) eventually(what string, seen func() bool) {
	w.t.Helper()
	w.WaitFor(what, seen)
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// newWorldThatTrusts is newWorld with further authorities of TLS servers (a PEM file).
func newWorldThatTrusts(t *testing.T, roots string) *world {
	t.Helper()
	d := &e2e.Dev{CardFile: filepath.Join(t.TempDir(), "card.json")}
	d.Process = e2e.Start(t, []string{"SSL_CERT_FILE=" + roots}, "dev", "--listen", "127.0.0.1:0", "--card", d.CardFile)
	d.WaitFor("the card is written", func() bool {
		content, err := os.ReadFile(d.CardFile)
		return err == nil && json.Unmarshal(content, &d.Card) == nil
	})
	return &world{t: t, Dev: d, http: newClient()}
}
