package oauth

import (
	"context"
	"crypto/sha512"
	"hash"
	"net/http"
	"net/url"

	"github.com/ory/fosite"
	foauth2 "github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"
	"github.com/ory/fosite/token/hmac"

	"github.com/signet-auth/signet/pkg/keys"
	"github.com/signet-auth/signet/pkg/signet"
)

// fositeConfig answers fosite's questions. Every field of fosite.Config that its getters would fill in at first use is
// set by newFosite (two first requests at once would race); what depends on the client or on key rotation is answered
// from the proof in the context or from the ring.
type fositeConfig struct {
	fosite.Config
	keys *keys.Ring
}

// GetEnforcePKCE is per client: false only for a confidential client registered with require_pkce false. A challenge
// once sent is enforced whatever this says (code.go).
func (*fositeConfig) GetEnforcePKCE(ctx context.Context) bool {
	p := proofOf(ctx)
	return p == nil || p.client == nil || p.client.PKCERequired()
}

// GetRefreshTokenScopes tells fosite whether a refresh token is issued: no scope needed when the edge decided so, else
// one that nobody can have.
func (*fositeConfig) GetRefreshTokenScopes(ctx context.Context) []string {
	if x := exchangeOf(ctx); x != nil && x.refreshable() {
		return nil
	}
	return []string{"\x00"}
}

// GetGlobalSecret is the current key of authorization codes.
func (c *fositeConfig) GetGlobalSecret(context.Context) ([]byte, error) {
	current, _ := c.keys.CodeKeys()
	return current, nil
}

// GetRotatedGlobalSecrets are the older keys, under which codes made before a rotation still verify.
func (c *fositeConfig) GetRotatedGlobalSecrets(context.Context) ([][]byte, error) {
	_, older := c.keys.CodeKeys()
	return older, nil
}

// newFosite builds fosite with the handlers that signet keeps, and the strategy of codes that they use.
func newFosite(o *Options) (*fosite.Fosite, *codeStrategy) {
	config := &fositeConfig{keys: o.Keys, Config: fosite.Config{
		AccessTokenLifespan:         o.Lifetimes.AccessToken,
		RefreshTokenLifespan:        o.Lifetimes.Refresh,
		AuthorizeCodeLifespan:       o.Lifetimes.Code,
		IDTokenLifespan:             o.Lifetimes.IDToken,
		IDTokenIssuer:               o.Issuer,
		AccessTokenIssuer:           o.Issuer,
		TokenEntropy:                32,
		MinParameterEntropy:         1, // state and nonce never reach fosite as sent
		ScopeStrategy:               fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:    fosite.ExactAudienceMatchingStrategy,
		EnforcePKCEForPublicClients: true,
		OmitRedirectScopeParam:      true,
		SanitationWhiteList:         []string{"code", "redirect_uri"},
		RedirectSecureChecker:       func(context.Context, *url.URL) bool { return true }, // redirect.go has matched it
		HMACHasher:                  func() hash.Hash { return sha512.New512_256() },
		ClientSecretsHasher:         noHasher{},
		ClientAuthenticationStrategy: func(ctx context.Context, _ *http.Request, _ url.Values) (fosite.Client, error) {
			// The one prover of clients is pkg/clientauth; fosite is told the result.
			p := proofOf(ctx)
			if p == nil || p.client == nil {
				return nil, fosite.ErrInvalidClient
			}
			return &provenClient{client: p.client}, nil
		},
	}}
	store := &fositeStore{options: o}
	enigma := &hmac.HMACStrategy{Config: config}
	codes := &codeStrategy{HMACSHAStrategyUnPrefixed: foauth2.NewHMACSHAStrategyUnPrefixed(enigma, config)}
	access, refresh := accessStrategy{}, refreshStrategy{}
	idTokens := &openid.IDTokenHandleHelper{IDTokenStrategy: idTokenStrategy{}}

	code := &foauth2.AuthorizeExplicitGrantHandler{
		AccessTokenStrategy: access, RefreshTokenStrategy: refresh, AuthorizeCodeStrategy: codes,
		CoreStorage: store, TokenRevocationStorage: store, Config: config,
	}
	oidc := &openid.OpenIDConnectExplicitHandler{
		OpenIDConnectRequestStorage:   store,
		OpenIDConnectRequestValidator: openid.NewOpenIDConnectRequestValidator(nil, config),
		Config:                        config, IDTokenHandleHelper: idTokens,
	}
	pkceHandler := &pkce.Handler{AuthorizeCodeStrategy: codes, Storage: store, Config: config}
	config.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{code, oidc, pkceHandler}
	config.TokenEndpointHandlers = fosite.TokenEndpointHandlers{
		code, oidc, pkceHandler,
		&foauth2.RefreshTokenGrantHandler{AccessTokenStrategy: access, RefreshTokenStrategy: refresh, TokenRevocationStorage: store, Config: config},
		&openid.OpenIDConnectRefreshHandler{IDTokenHandleHelper: idTokens, Config: config},
		&foauth2.ClientCredentialsGrantHandler{
			HandleHelper: &foauth2.HandleHelper{AccessTokenStrategy: access, AccessTokenStorage: store, Config: config},
			Config:       config,
		},
		vouchedHandler{signet.GrantHMACIdentity}, vouchedHandler{signet.GrantTokenExchange},
	}
	return &fosite.Fosite{Store: store, Config: config}, codes
}

// fositeRequest is the synthetic request: exactly the named values of an already validated form, and nothing that the
// caller sent besides.
func fositeRequest(ctx context.Context, params url.Values, names ...string) *http.Request {
	form := make(url.Values, len(names))
	for _, name := range names {
		if value, ok := params[name]; ok {
			form[name] = value
		}
	}
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: http.Header{}, Form: form, PostForm: form}
	return r.WithContext(ctx)
}

// GetJWKSFetcherStrategy: fosite fetches nothing for us. Its own getter would make a cache and a fetcher at first use.
func (*fositeConfig) GetJWKSFetcherStrategy(context.Context) fosite.JWKSFetcherStrategy { return nil }

// noHasher stands where fosite would otherwise make a bcrypt hasher at first use. No path of ours leads to it.
type noHasher struct{}

func (noHasher) Compare(context.Context, []byte, []byte) error { return fosite.ErrInvalidClient }

func (noHasher) Hash(context.Context, []byte) ([]byte, error) { return nil, fosite.ErrServerError }
