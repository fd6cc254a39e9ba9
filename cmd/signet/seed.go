package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-auth/signet/pkg/signet"
)

// material is the partners' keys. RSA keys take a while: they are made beside everything else.
type material struct {
	sig, enc *rsa.PrivateKey
	shared   *rsa.PrivateKey // of the resource servers that get encrypted tokens
	modern   *ecdsa.PrivateKey
	err      error
}

// material starts to make the partners' keys, unless the data folder holds a card of before.
func (h *home) material() <-chan material {
	out := make(chan material, 1)
	if _, err := os.Stat(h.cardFile()); err == nil {
		return out
	}
	go func() {
		var m material
		others := make(chan error, 2)
		for _, key := range []**rsa.PrivateKey{&m.enc, &m.shared} {
			go func() {
				var err error
				*key, err = rsa.GenerateKey(rand.Reader, 2048)
				others <- err
			}()
		}
		var err1, err2 error
		m.sig, err1 = rsa.GenerateKey(rand.Reader, 2048)
		m.modern, err2 = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		m.err = errors.Join(err1, err2, <-others, <-others)
		out <- m
	}()
	return out
}

func (h *home) cardFile() string { return filepath.Join(h.dir, "card.json") }

// The audience of the demo's resource server. Nothing is ever sent there.
const demoAudience = "https://api.example.com"

// seed makes clients and users through the admin API, so that a seed is judged like everything else, or takes over
// what an earlier run left in the data folder.
func seed(ctx context.Context, n *node, h *home, fresh <-chan material, issuer string) (*card, error) {
	client := localAPI(n.admin)
	content, err := os.ReadFile(h.cardFile())
	if err == nil {
		c := &card{}
		if err := json.Unmarshal(content, c); err != nil {
			return nil, fmt.Errorf("%s: %w", h.cardFile(), err)
		}
		if err := reseed(ctx, client, h, c, issuer); err != nil || c.RSPrivateKeyFile != "" {
			return c, err
		}
		s := &seeder{ctx: ctx, api: client, home: h, card: c, dev: true}
		if s.catchUp(n.store); s.err != nil {
			return nil, fmt.Errorf("seed: %w", s.err)
		}
		return c, writeCard(h.cardFile(), c)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	s := &seeder{ctx: ctx, api: client, home: h, card: &card{Issuer: issuer}, dev: true}
	_, key, err := n.room.FirstKey(ctx, "dev")
	if err != nil {
		return nil, fmt.Errorf("%s holds an unfinished start: remove it (%w)", h.dir, err)
	}
	s.card.Admin.APIKey = key.Reveal()
	if err := s.plant(n, fresh); err != nil {
		return nil, err
	}
	if h.kept {
		return s.card, writeCard(h.cardFile(), s.card)
	}
	return s.card, nil
}

// plant makes all that a card names.
func (s *seeder) plant(n *node, fresh <-chan material) error {
	s.browsers(s.card.Issuer)
	s.machines()
	for _, p := range people() {
		s.user(p)
	}
	m := <-fresh
	s.partners(m)
	s.contracts(n.store, m.shared, time.Now())
	if s.err != nil {
		return fmt.Errorf("seed: %w", s.err)
	}
	return nil
}

// reseed follows a changed issuer: the demo's redirect URIs are made of it.
func reseed(ctx context.Context, client *api, h *home, c *card, issuer string) error {
	if c.Issuer == issuer {
		return nil
	}
	c.Issuer = issuer
	path := "/clients/" + url.PathEscape(c.Clients.SPA.ClientID)
	var stored clientRecord
	if err := client.call(ctx, http.MethodGet, path, 0, nil, &stored); err != nil {
		return err
	}
	m := spaMetadata(issuer)
	if err := client.call(ctx, http.MethodPut, path, stored.Version, m, nil); err != nil {
		return err
	}
	c.Clients.SPA.describe(&m)
	return writeCard(h.cardFile(), c)
}

// seeder stops at the first error and remembers it.
type seeder struct {
	ctx  context.Context
	api  *api
	home *home
	card *card
	dev  bool // what document 001 publishes is there, too
	err  error
}

func (c *cardClient) describe(m *signet.ClientMetadata) {
	c.RedirectURIs, c.PostLogoutRedirectURIs, c.Origins, c.Scope = m.RedirectURIs, m.PostLogoutRedirectURIs, m.Origins, m.Scope
	if len(m.Audiences) > 0 {
		c.Audience = m.Audiences[0]
	}
}

// client registers one client; id "" lets the server make a UUID.
func (s *seeder) client(id string, m signet.ClientMetadata) cardClient {
	if s.err != nil {
		return cardClient{}
	}
	body := struct {
		ClientID string `json:"client_id,omitempty"`
		signet.ClientMetadata
	}{id, m}
	var made clientRecord
	s.err = s.api.call(s.ctx, http.MethodPost, "/clients", 0, body, &made)
	out := cardClient{ClientID: made.ClientID, ClientSecret: made.ClientSecret, Alg: made.TokenEndpointAuthAlg}
	out.describe(&made.ClientMetadata)
	return out
}

const (
	userScope    = "openid profile email phone address offline_access"
	serviceScope = "orders:read orders:write"
)

func codeGrants() []string {
	return []string{signet.GrantAuthorizationCode, signet.GrantRefreshToken}
}

// spaMetadata is the demo, and what people try a single-page app with on the usual ports.
func spaMetadata(issuer string) signet.ClientMetadata {
	return signet.ClientMetadata{
		ClientName: "Signet demo", TokenEndpointAuthMethod: signet.AuthNone, GrantTypes: codeGrants(), Scope: userScope,
		RedirectURIs: []string{issuer + "/demo/callback", issuer + "/demo", "http://127.0.0.1/callback",
			"http://localhost:3000/callback", "http://localhost:5173/callback"},
		PostLogoutRedirectURIs: []string{issuer + "/demo", "http://127.0.0.1/", "http://localhost:3000/", "http://localhost:5173/"},
		Origins:                []string{issuer, "http://127.0.0.1:3000", "http://localhost:3000", "http://127.0.0.1:5173", "http://localhost:5173"},
	}
}

func (s *seeder) browsers(issuer string) {
	s.card.Clients.SPA = s.client("spa", spaMetadata(issuer))
	s.card.Clients.Mobile = s.client("mobile", signet.ClientMetadata{
		ClientName: "Signet mobile demo", ApplicationType: "native", TokenEndpointAuthMethod: signet.AuthNone,
		GrantTypes: codeGrants(), Scope: userScope,
		RedirectURIs:           []string{"com.example.signetdemo://oidc-callback", "http://127.0.0.1/callback", "http://[::1]/callback"},
		PostLogoutRedirectURIs: []string{"com.example.signetdemo://logged-out", "http://127.0.0.1/"},
	})
	s.card.Clients.Web = s.client("web", signet.ClientMetadata{
		ClientName: "Signet web demo", TokenEndpointAuthMethod: signet.AuthSecretBasic, GrantTypes: codeGrants(), Scope: userScope,
		RedirectURIs: []string{"http://127.0.0.1:3000/callback", "http://localhost:3000/callback", "http://127.0.0.1:4000/callback",
			"http://localhost:4000/callback"},
		PostLogoutRedirectURIs: []string{"http://127.0.0.1:3000/", "http://localhost:3000/", "http://127.0.0.1:4000/", "http://localhost:4000/"},
	})
}

func (s *seeder) machines() {
	s.card.Clients.Service = s.client("service", signet.ClientMetadata{
		ClientName: "Signet service demo", TokenEndpointAuthMethod: signet.AuthSecretBasic,
		GrantTypes: []string{signet.GrantClientCredentials}, Scope: serviceScope, Audiences: []string{demoAudience},
	})
	s.card.Clients.ResourceServer = s.client("resource-server", signet.ClientMetadata{
		ClientName: "Signet resource server demo", TokenEndpointAuthMethod: signet.AuthSecretBasic,
		GrantTypes: []string{}, Introspect: true, Audiences: []string{demoAudience},
	})
}

// partners: document 004's, with every departure that its record asks for (wire.md, 2), and the modern one with none.
func (s *seeder) partners(m material) {
	if s.err == nil {
		s.err = m.err
	}
	if s.err != nil {
		return
	}
	sigKID, encKID, modernKID := signet.NewUUID(), signet.NewUUID(), signet.NewUUID()
	partner := s.client("", signet.ClientMetadata{
		ClientName: "Partner demo", TokenEndpointAuthMethod: signet.AuthPrivateKeyJWT, TokenEndpointAuthAlg: "RS256",
		GrantTypes: []string{signet.GrantClientCredentials}, Scope: "profile-search", Audiences: []string{demoAudience},
		JWKS:      s.jwks(publicKey(&m.sig.PublicKey, sigKID, "sig", "RS256"), publicKey(&m.enc.PublicKey, encKID, "enc", "RSA-OAEP-256")),
		Partner:   true,
		TokenType: "bearer", AccessTokenLifetime: 1800, AssertionAudience: "token_endpoint", AssertionMaxLifetime: 3600,
		AssertionError: "document", TokenResponseJTI: "assertion",
	})
	partner.KID, partner.PrivateKeyFile = sigKID, s.privateKey("partner.pem", m.sig)
	s.card.Clients.Partner = partner
	modern := s.client("", signet.ClientMetadata{
		ClientName: "Partner demo (ES256)", TokenEndpointAuthMethod: signet.AuthPrivateKeyJWT, TokenEndpointAuthAlg: "ES256",
		GrantTypes: []string{signet.GrantClientCredentials}, Scope: "profile-search", Audiences: []string{demoAudience},
		JWKS: s.jwks(publicKey(&m.modern.PublicKey, modernKID, "sig", "ES256")),
	})
	modern.KID, modern.PrivateKeyFile = modernKID, s.privateKey("partner_es256.pem", m.modern)
	s.card.Clients.PartnerES256 = modern
}

func publicKey(key crypto.PublicKey, kid, use, alg string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: kid, Use: use, Algorithm: alg}
}

func (s *seeder) jwks(set ...jose.JSONWebKey) json.RawMessage {
	encoded, err := json.Marshal(jose.JSONWebKeySet{Keys: set})
	if s.err == nil {
		s.err = err
	}
	return encoded
}

// privateKey writes a key as PKCS #8 PEM and returns the absolute path.
func (s *seeder) privateKey(name string, key crypto.PrivateKey) string {
	if s.err != nil {
		return ""
	}
	path, err := filepath.Abs(filepath.Join(s.home.dir, name))
	if err != nil {
		s.err = err
		return ""
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.err = err
		return ""
	}
	s.err = writeSecret(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return path
}
