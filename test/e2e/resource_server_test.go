package e2e

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A resource server that has jose (npm) alone.
func TestResourceServerWithJose(t *testing.T) {
	t.Parallel()
	RunScript(t, "resource_server.mjs", StartDev(t).CardFile)
}

// recipient is a resource server written with the standard library and go-jose alone.
type recipient struct {
	issuer, audience string
	private          any
	alg              jose.KeyAlgorithm
	enc              jose.ContentEncryption
	keys             jose.JSONWebKeySet
}

// open decrypts, then verifies what is inside: decryption proves nothing about who made a token.
func (r *recipient) open(token string, now time.Time) (map[string]any, error) {
	sealed, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{r.alg}, []jose.ContentEncryption{r.enc})
	if err != nil {
		return nil, err
	}
	if sealed.Header.ExtraHeaders[jose.HeaderContentType] != "JWT" {
		return nil, errors.New("no nested JWT")
	}
	inner, err := sealed.Decrypt(r.private)
	if err != nil {
		return nil, err
	}
	signed, err := jose.ParseSignedCompact(string(inner), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	header := signed.Signatures[0].Protected
	keys := r.keys.Key(header.KeyID)
	if len(keys) != 1 || header.ExtraHeaders[jose.HeaderType] != "at+jwt" {
		return nil, errors.New("unknown key or type")
	}
	payload, err := signed.Verify(keys[0])
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, err
	}
	expires, _ := claims["exp"].(float64)
	if claims["iss"] != r.issuer || claims["aud"] != r.audience || now.Unix() >= int64(expires) {
		return nil, errors.New("iss, aud or exp")
	}
	return claims, nil
}

func TestResourceServerInGo(t *testing.T) {
	t.Parallel()
	dev := StartDev(t)
	biller := dev.Card.Billers[0]
	server := dev.Card.ResourceServers[slices.IndexFunc(dev.Card.ResourceServers, func(s ResourceServer) bool { return s.ID == biller.DefaultResourceServer })]
	r := &recipient{issuer: dev.Card.Issuer, audience: server.Audience, alg: jose.KeyAlgorithm(server.Alg), enc: jose.ContentEncryption(server.Enc)}
	content, err := os.ReadFile(dev.Card.RSPrivateKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	if r.private, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(dev.Card.Issuer + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&r.keys); err != nil {
		t.Fatal(err)
	}

	user, stamp := biller.Invoices[0].CustomerGUID, strconv.FormatInt(time.Now().Unix(), 10)
	body, err := json.Marshal(map[string]string{"billerGuid": biller.ID, "userGuid": user, "timestamp": stamp,
		"hmac": SignIdentity(t, biller, "user_id", user, stamp)})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(dev.Card.Issuer+"/api/v1/payertokens", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var made struct{ Token string }
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", answer.StatusCode, err)
	}
	claims, err := r.open(made.Token, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if want := "biller:" + biller.ID + ":user:" + user; claims["sub"] != want || claims["user_guid"] != user {
		t.Errorf("claims %v, want sub %s", claims, want)
	}
	if _, err := r.open(made.Token, time.Now().Add(15*time.Minute)); err == nil {
		t.Error("a token is accepted after its end")
	}
	other := *r
	other.audience = "https://other.example"
	if _, err := other.open(made.Token, time.Now()); err == nil {
		t.Error("a token for another audience is accepted")
	}
	parts := strings.Split(made.Token, ".")
	parts[3] = strings.Repeat("A", len(parts[3]))
	if _, err := r.open(strings.Join(parts, "."), time.Now()); err == nil {
		t.Error("an altered token is accepted")
	}
}
