package oauth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ory/fosite"
	foauth2 "github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/hmac"
	"github.com/ory/fosite/token/jwt"
)

// The tests here show the faults of stock fosite v0.49.0 that the edge closes: each asks stock fosite for what signet's
// own test (named beside it) demands, and expects it to fail. When one of them goes red, fosite has changed, and the
// decision to keep or drop our own check is due.

// stockFosite is fosite as its documentation sets it up, on its own memory store.
type stockFosite struct {
	*fosite.Fosite
	store *storage.MemoryStore
	codes foauth2.AuthorizeCodeStrategy
}

type anyClient struct{ *fosite.DefaultClient }

func newStockFosite(config fosite.Config) *stockFosite {
	config.GlobalSecret = []byte("a secret of thirty-two characters")
	config.ClientAuthenticationStrategy = func(_ context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
		return stockClient(form.Get("client_id")), nil
	}
	c := &config
	store := storage.NewMemoryStore()
	for _, id := range []string{"one", "two"} {
		store.Clients[id] = stockClient(id)
	}
	strategy := foauth2.NewHMACSHAStrategyUnPrefixed(&hmac.HMACStrategy{Config: c}, c)
	c.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{}
	code := &foauth2.AuthorizeExplicitGrantHandler{
		AccessTokenStrategy: strategy, RefreshTokenStrategy: strategy, AuthorizeCodeStrategy: strategy,
		CoreStorage: store, TokenRevocationStorage: store, Config: c,
	}
	proofKey := &pkce.Handler{AuthorizeCodeStrategy: strategy, Storage: store, Config: c}
	c.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{code, proofKey}
	c.TokenEndpointHandlers = fosite.TokenEndpointHandlers{
		code, proofKey,
		&foauth2.RefreshTokenGrantHandler{AccessTokenStrategy: strategy, RefreshTokenStrategy: strategy, TokenRevocationStorage: store, Config: c},
	}
	c.TokenIntrospectionHandlers = fosite.TokenIntrospectionHandlers{&foauth2.CoreValidator{CoreStrategy: strategy, CoreStorage: store, Config: c}}
	c.RevocationHandlers = fosite.RevocationHandlers{
		&foauth2.TokenRevocationHandler{TokenRevocationStorage: store, RefreshTokenStrategy: strategy, AccessTokenStrategy: strategy},
	}
	return &stockFosite{Fosite: &fosite.Fosite{Store: store, Config: c}, store: store, codes: strategy}
}

func stockClient(id string) fosite.Client {
	return anyClient{&fosite.DefaultClient{
		ID: id, RedirectURIs: []string{tokenRedirect}, GrantTypes: []string{"authorization_code", "refresh_token"},
		ResponseTypes: []string{"code"}, Scopes: []string{"openid", "offline_access", "read", "write"},
	}}
}

func stockSession() *openid.DefaultSession {
	s := openid.NewDefaultSession()
	s.Subject, s.Claims.Subject, s.Claims.AuthTime = "alice", "alice", time.Now() // fosite's clock
	return s
}

// stockForm is a form request for fosite.
func stockForm(pairs ...string) *http.Request {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (p *stockFosite) code(t *testing.T, scope, challenge string) string {
	t.Helper()
	pairs := []string{"client_id", "one", "redirect_uri", tokenRedirect, "response_type", "code", "scope", scope, "state", "long enough"}
	if challenge != "" {
		pairs = append(pairs, "code_challenge", challenge, "code_challenge_method", "S256")
	}
	request, err := p.NewAuthorizeRequest(t.Context(), stockForm(pairs...))
	ok(t, err)
	for _, token := range strings.Fields(scope) {
		request.GrantScope(token)
	}
	response, err := p.NewAuthorizeResponse(t.Context(), request, stockSession())
	ok(t, err)
	return response.GetCode()
}

func (p *stockFosite) exchange(ctx context.Context, pairs ...string) (fosite.AccessResponder, error) {
	request, err := p.NewAccessRequest(ctx, stockForm(pairs...), stockSession())
	if err != nil {
		return nil, err
	}
	return p.NewAccessResponse(ctx, request)
}

func codePairs(code, verifier string) []string {
	pairs := []string{"grant_type", "authorization_code", "client_id", "one", "code", code, "redirect_uri", tokenRedirect}
	if verifier != "" {
		pairs = append(pairs, "code_verifier", verifier)
	}
	return pairs
}

// A wrong verifier, then none, succeeds: the PKCE row is deleted before it is compared. Ours: TestPKC05.
func TestStockFositePKCEDowngrade(t *testing.T) {
	t.Parallel()
	p := newStockFosite(fosite.Config{})
	code := p.code(t, "read", pairChallenge)
	if _, err := p.exchange(t.Context(), codePairs(code, strings.Repeat("w", 43))...); !errors.Is(err, fosite.ErrInvalidGrant) {
		t.Fatalf("a wrong verifier: %v", err)
	}
	if _, err := p.exchange(t.Context(), codePairs(code, "")...); err != nil {
		t.Errorf("fosite has closed the downgrade: %v", err)
	}
}

// Two exchanges of one code that overlap both succeed: reading and spending are two steps. Ours: TestCOD02.
func TestStockFositeCodeRace(t *testing.T) {
	t.Parallel()
	p := newStockFosite(fosite.Config{})
	code := p.code(t, "read", "")
	var requests []fosite.AccessRequester
	for range 2 {
		request, err := p.NewAccessRequest(t.Context(), stockForm(codePairs(code, "")...), stockSession())
		ok(t, err)
		requests = append(requests, request)
	}
	_, first := p.NewAccessResponse(t.Context(), requests[0])
	_, second := p.NewAccessResponse(t.Context(), requests[1])
	if first != nil {
		t.Fatal(first)
	}
	// The second is not told to be a replay: a server error, and what the first one issued lives on.
	if errors.Is(second, fosite.ErrInvalidGrant) {
		t.Errorf("fosite now answers the loser as a replay: %v", second)
	}
}

// refreshed returns a refresh token of scope.
func (p *stockFosite) refreshToken(t *testing.T, scope string) (access, refresh string) {
	t.Helper()
	response, err := p.exchange(t.Context(), codePairs(p.code(t, scope, ""), "")...)
	ok(t, err)
	refresh, _ = response.GetExtra("refresh_token").(string)
	if refresh == "" {
		t.Fatal("no refresh token")
	}
	return response.GetAccessToken(), refresh
}

// scope at a refresh is ignored both ways. Ours: TestREF08.
func TestStockFositeIgnoresScope(t *testing.T) {
	t.Parallel()
	p := newStockFosite(fosite.Config{})
	_, refresh := p.refreshToken(t, "offline_access read")
	response, err := p.exchange(t.Context(), "grant_type", "refresh_token", "client_id", "one", "refresh_token", refresh, "scope", "read")
	ok(t, err)
	if got := response.GetExtra("scope"); got != "offline_access read" {
		t.Errorf("fosite narrows: %v", got)
	}
	_, refresh = p.refreshToken(t, "offline_access read")
	if _, err := p.exchange(t.Context(), "grant_type", "refresh_token", "client_id", "one", "refresh_token", refresh, "scope", "admin"); err != nil {
		t.Errorf("fosite refuses a wider scope: %v", err)
	}
}

// Two refreshes that overlap both succeed, with two successors. Ours: TestREF02.
func TestStockFositeRefreshRace(t *testing.T) {
	t.Parallel()
	p := newStockFosite(fosite.Config{})
	_, refresh := p.refreshToken(t, "offline_access read")
	var answers []string
	var requests []fosite.AccessRequester
	for range 2 {
		request, err := p.NewAccessRequest(t.Context(), stockForm("grant_type", "refresh_token", "client_id", "one", "refresh_token", refresh), stockSession())
		ok(t, err)
		requests = append(requests, request)
	}
	for _, request := range requests {
		response, err := p.NewAccessResponse(t.Context(), request)
		ok(t, err)
		next, _ := response.GetExtra("refresh_token").(string)
		answers = append(answers, next)
	}
	if answers[0] == answers[1] {
		t.Error("fosite computes one successor")
	}
}

// Somebody else's replay of a spent refresh token ends the family: reuse is handled before the owner is compared.
// Ours: TestREF04.
func TestStockFositeStrangerKillsFamily(t *testing.T) {
	t.Parallel()
	p := newStockFosite(fosite.Config{})
	_, r0 := p.refreshToken(t, "offline_access read")
	response, err := p.exchange(t.Context(), "grant_type", "refresh_token", "client_id", "one", "refresh_token", r0)
	ok(t, err)
	r1, _ := response.GetExtra("refresh_token").(string)
	if _, err := p.exchange(t.Context(), "grant_type", "refresh_token", "client_id", "two", "refresh_token", r0); err == nil {
		t.Fatal("a stranger refreshed")
	}
	if _, err := p.exchange(t.Context(), "grant_type", "refresh_token", "client_id", "one", "refresh_token", r1); err == nil {
		t.Error("fosite compares the owner first")
	}
}

// Any client may introspect any token. Ours: TestINT01.
func TestStockFositeForeignIntrospection(t *testing.T) {
	t.Parallel()
	p := newStockFosite(fosite.Config{})
	access, _ := p.refreshToken(t, "offline_access read")
	r := stockForm("token", access)
	mine, _ := p.refreshToken(t, "offline_access read") // any access token opens the endpoint: TestINT02
	r.Header.Set("Authorization", "Bearer "+mine)
	response, err := p.NewIntrospectionRequest(t.Context(), r, stockSession())
	if err != nil || !response.IsActive() {
		t.Errorf("fosite refuses: %v", err)
	}
}

// failingRevocation is a store that is away.
type failingRevocation struct{ *storage.MemoryStore }

func (failingRevocation) RevokeAccessToken(context.Context, string) error {
	return errors.New("the database is away")
}

func (failingRevocation) RevokeRefreshToken(context.Context, string) error {
	return errors.New("the database is away")
}

// Revocation that failed is answered 200. Ours: TestINT07.
func TestStockFositeRevocationSaysDone(t *testing.T) {
	t.Parallel()
	p := newStockFosite(fosite.Config{})
	access, _ := p.refreshToken(t, "offline_access read")
	config, _ := p.Config.(*fosite.Config)
	strategy, _ := p.codes.(foauth2.CoreStrategy)
	config.RevocationHandlers = fosite.RevocationHandlers{&foauth2.TokenRevocationHandler{
		TokenRevocationStorage: failingRevocation{p.store}, RefreshTokenStrategy: strategy, AccessTokenStrategy: strategy,
	}}
	w := httptest.NewRecorder()
	p.WriteRevocationResponse(t.Context(), w, p.NewRevocationRequest(t.Context(), stockForm("token", access, "client_id", "one")))
	if w.Code != http.StatusOK {
		t.Errorf("fosite answers %d", w.Code)
	}
}

// A parameter sent twice counts once, the first. Ours: TestTokenRequestForm, PRS-01.
func TestStockFositeTakesFirstOfTwo(t *testing.T) {
	t.Parallel()
	p := newStockFosite(fosite.Config{})
	pairs := append(codePairs(p.code(t, "read", ""), ""), "code", "another", "grant_type", "refresh_token")
	if _, err := p.exchange(t.Context(), pairs...); err != nil {
		t.Errorf("fosite refuses duplicates: %v", err)
	}
}

// Its error bodies carry members of its own when it is so configured, and codes that no RFC has. Ours: every want().
func TestStockFositeForeignCodes(t *testing.T) {
	t.Parallel()
	p := newStockFosite(fosite.Config{MinParameterEntropy: 100})
	_, err := p.NewAuthorizeRequest(t.Context(), stockForm("client_id", "one", "redirect_uri", tokenRedirect, "response_type", "code", "state", "short"))
	var theirs *fosite.RFC6749Error
	if !errors.As(err, &theirs) || theirs.ErrorField != "invalid_state" {
		t.Fatalf("%v", err)
	}
	if got := protocolErrorOf(fromFosite(err)); got.Name != "invalid_request" {
		t.Errorf("translated to %s", got.Name)
	}
}

// An ID token passes for an access token: the stateless validator looks at the signature alone. Ours: TestOID08.
func TestStockFositeTakesIDTokens(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ok(t, err)
	config := &fosite.Config{IDTokenIssuer: tokenIssuer}
	signer := &jwt.DefaultSigner{GetPrivateKey: func(context.Context) (any, error) { return key, nil }}
	request := fosite.NewAccessRequest(stockSession())
	request.Client = stockClient("one")
	idToken, err := openid.DefaultStrategy{Signer: signer, Config: config}.GenerateIDToken(t.Context(), time.Hour, request)
	ok(t, err)
	validator := &foauth2.StatelessJWTValidator{Signer: signer, Config: config}
	seen := fosite.NewAccessRequest(&foauth2.JWTSession{})
	if _, err := validator.IntrospectToken(t.Context(), idToken, fosite.AccessToken, seen, nil); err != nil {
		t.Errorf("fosite refuses: %v", err)
	}
}

// Getters of the stock configuration write it at first use, so that two first requests race. Ours is complete.
func TestStockFositeConfigWritesLazily(t *testing.T) {
	t.Parallel()
	ask := func(c fosite.Configurator) {
		c.GetScopeStrategy(t.Context())
		c.GetAudienceStrategy(t.Context())
		c.GetSecretsHasher(t.Context())
		c.GetJWKSFetcherStrategy(t.Context())
	}
	filled := func(c *fosite.Config) (n int) {
		for _, set := range []bool{
			c.ScopeStrategy != nil, c.AudienceMatchingStrategy != nil, c.ClientSecretsHasher != nil, c.JWKSFetcherStrategy != nil,
		} {
			if set {
				n++
			}
		}
		return n
	}
	stock := &fosite.Config{}
	ask(stock)
	if filled(stock) == 0 {
		t.Error("fosite no longer writes its configuration")
	}
	h := newTokenHouse(t)
	ours, _ := h.server.fosite.Config.(*fositeConfig)
	before := filled(&ours.Config)
	ask(ours)
	if after := filled(&ours.Config); after != before {
		t.Errorf("%d strategies before, %d after the first questions", before, after)
	}
}
