package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/pkg/signet"
)

type partnerTrial struct {
	target
	clientID, keyFile, kid, alg, audience, scope, explain string
	lifetime                                              time.Duration
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func (a *app) tryPartner() *cobra.Command {
	var f partnerTrial
	cmd := &cobra.Command{Use: "partner", Short: "Get a token with a signed assertion (document 004), or explain what is wrong with one", Args: arguments,
		Example: "  signet try partner --card card.json\n" +
			"  signet try partner --server https://signet.example --client-id UUID --key-file key.pem --kid KID\n",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.explain != "" {
				return a.explainAssertion(&f)
			}
			return a.flow(&f.target, func(t *trial) error { return f.run(cmd.Context(), t) }, "docs/clients.md tells how to do this in your own program")
		}}
	f.target.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.clientID, "client-id", "", "client id; the card's partner when it is left out")
	flags.StringVar(&f.keyFile, "key-file", "", "private signing key, PEM")
	flags.StringVar(&f.kid, "kid", "", "name of that key in the partner's JWKS")
	flags.StringVar(&f.alg, "alg", "", "RS256, PS256, ES256 or EdDSA; by the key when it is left out")
	flags.StringVar(&f.audience, "audience", "", "aud of the assertion; the issuer when it is left out")
	flags.StringVar(&f.scope, "scope", "", "scope to ask for")
	flags.DurationVar(&f.lifetime, "lifetime", time.Minute, "exp minus iat")
	flags.StringVar(&f.explain, "explain", "", "file with an assertion or the whole body of a request, - for stdin: name every fault of it; nothing is sent")
	return cmd
}

func (f *partnerTrial) run(ctx context.Context, t *trial) error {
	if f.cardFile != "" && f.clientID == "" {
		partner := f.cardOf().Clients.Partner
		f.clientID, f.kid = partner.ClientID, partner.KID
		if f.keyFile == "" {
			f.keyFile = partner.PrivateKeyFile
		}
		if f.scope == "" {
			f.scope = partner.Scope
		}
	}
	if f.clientID == "" || f.keyFile == "" || f.kid == "" {
		return usage("--client-id, --key-file and --kid are needed, or --card FILE of signet dev")
	}
	if f.audience == "" {
		f.audience = f.server
	}
	assertion, err := f.assertion(t)
	if err != nil {
		return err
	}
	form := url.Values{"grant_type": {signet.GrantClientCredentials}, "client_assertion_type": {assertionType}, "client_assertion": {assertion}}
	if f.scope != "" {
		form.Set("scope", f.scope)
	}
	got, err := t.send(ctx, "The assertion proves the client (RFC 7523 §2.2). It is accepted once.", http.MethodPost, "/token", formMedia, form.Encode(), nil)
	if err != nil || got.status >= 300 {
		return err
	}
	return t.showToken(ctx, "The token", got.member("access_token"), "")
}

// assertion makes and shows the client's JWT.
func (f *partnerTrial) assertion(t *trial) (string, error) {
	content, err := os.ReadFile(f.keyFile)
	if err != nil {
		return "", err
	}
	key, err := readPrivateKey(content)
	if err != nil {
		return "", err
	}
	if f.alg == "" {
		f.alg = algOf(key)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(f.alg), Key: key},
		(&jose.SignerOptions{}).WithHeader("kid", f.kid).WithType("JWT"))
	if err != nil {
		return "", usage("the key does not fit --alg %s", f.alg)
	}
	now := time.Now()
	type claims struct {
		Issuer    string `json:"iss"`
		Subject   string `json:"sub"`
		Audience  string `json:"aud"`
		ExpiresAt int64  `json:"exp"`
		NotBefore int64  `json:"nbf"`
		IssuedAt  int64  `json:"iat"`
		ID        string `json:"jti"`
	}
	payload, err := json.Marshal(claims{f.clientID, f.clientID, f.audience, now.Add(f.lifetime).Unix(), now.Unix(), now.Unix(), signet.NewUUID()})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	assertion, err := signed.CompactSerialize()
	if err != nil {
		return "", err
	}
	parts := strings.Split(assertion, ".")
	t.step("What is signed", "kid names the key in the partner's JWKS. iss and sub are the client id, aud is the issuer as one string, jti is new every time.").
		add("header", "%s", decoded(parts[0])).add("claims", "%s", decoded(parts[1])).add("bytes", "%s", parts[0]+"."+parts[1])
	t.step("How it is signed", "With the partner's private key, which never leaves it; the server has the public one.").
		add("alg", "%s", f.alg).add("signature", "%s", parts[2])
	return assertion, nil
}

func algOf(key any) string {
	switch key.(type) {
	case *ecdsa.PrivateKey:
		return "ES256"
	case ed25519.PrivateKey:
		return "EdDSA"
	default:
		return "RS256"
	}
}
