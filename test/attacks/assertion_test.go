package attacks

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/test/e2e"
)

// assertion signs a client assertion with the key of the card; changes go over the claims.
func (w *world) assertion(client e2e.Client, changes map[string]any) string {
	w.t.Helper()
	content, err := os.ReadFile(client.PrivateKeyFile)
	if err != nil {
		w.t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(client.Alg), Key: jose.JSONWebKey{Key: key, KeyID: client.KID}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	now := time.Now()
	claims := map[string]any{"iss": client.ClientID, "sub": client.ClientID, "aud": w.Card.Issuer, "jti": random() + random(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	for name, value := range changes {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		w.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		w.t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return compact
}
