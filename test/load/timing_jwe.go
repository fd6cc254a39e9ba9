package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// jweWays are encrypted tokens that do not open (JWE-04). Whoever can tell a wrong padding from a right one by its time
// can decrypt what others were sent.
func jweWays() []way {
	return []way{{"random key, wrong padding", 'n', 1}, {"one bit of a right key, wrong padding", 'b', 1}, {"right padding, wrong tag", 't', 1},
		{"control: two tokens", 'c', 2}}
}

// jweShare of the median is what the check of a tag may take, which only a right padding comes to: some 5 µs beside an RSA
// decryption. It tells nobody what is inside. OAEP (RFC 8017 §7.1.2) falls to whoever can tell how the padding itself is
// wrong, and the first two ways must be alike in that.
const jweShare = 0.01

// timeJWEs compares them at introspection, which opens what is encrypted to a key that signet holds.
func (n *node) timeJWEs(ctx context.Context, t *target, s settings) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	record, err := json.Marshal(map[string]string{"id": "timed", "name": "Timed", "audience": "https://timed.example.com",
		"private_key_pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	if err != nil {
		return err
	}
	var made struct {
		JWK struct {
			KeyID string `json:"kid"`
		} `json:"jwk"`
	}
	if err := post(ctx, n.admin+"/admin/v1/resource-servers", n.adminKey, record, &made); err != nil {
		return err
	}
	f := &failing{w: newWorker(0), target: n.base + "/introspect", status: http.StatusOK}
	samples, err := sample(ctx, jweWays(), s.samples, func(ctx context.Context, w way, _ int) error {
		token, err := brokenJWE(&key.PublicKey, made.JWK.KeyID, w.kind)
		if err != nil {
			return err
		}
		body := url.Values{"token": {token}}.Encode()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.target, strings.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth(t.resourceID, t.resourceKey)
		return f.send(request)
	})
	if err != nil {
		return err
	}
	return reportWithin(jweShare, "encrypted token", jweWays(), samples)
}

// brokenJWE encrypts to the key and spoils what the kind says.
func brokenJWE(key *rsa.PublicKey, kid string, kind byte) (string, error) {
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: key, KeyID: kid},
		(&jose.EncrypterOptions{}).WithContentType("JWT"))
	if err != nil {
		return "", err
	}
	sealed, err := encrypter.Encrypt([]byte(text(600)))
	if err != nil {
		return "", err
	}
	compact, err := sealed.CompactSerialize()
	if err != nil {
		return "", err
	}
	parts := strings.Split(compact, ".")
	at := map[byte]int{'n': 1, 'b': 1, 'c': 1, 't': 4}[kind]
	raw, err := base64.RawURLEncoding.DecodeString(parts[at])
	if err != nil {
		return "", err
	}
	if kind == 'b' || kind == 't' {
		raw[len(raw)-1] ^= 1
	} else {
		raw = randomBytes(len(raw))
		raw[0] = 0 // below every modulus: it is decrypted
	}
	parts[at] = base64.RawURLEncoding.EncodeToString(raw)
	return strings.Join(parts, "."), nil
}
