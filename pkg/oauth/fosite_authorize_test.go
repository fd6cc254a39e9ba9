package oauth

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"
)

// The tests of this file run the same request through fosite as it comes and through signet. When one begins to fail on
// fosite's side, fosite was mended; the check on our side stays.

// plainFosite is fosite with its own defaults, over its own memory store, and one client with a JWKS, as its OpenID
// examples set it up.
func plainFosite(t *testing.T) fosite.OAuth2Provider {
	t.Helper()
	store := storage.NewMemoryStore()
	store.Clients["c1"] = &fosite.DefaultOpenIDConnectClient{
		DefaultClient: &fosite.DefaultClient{
			ID: "c1", RedirectURIs: []string{"https://rp.test/cb"}, ResponseTypes: []string{"code"},
			GrantTypes: []string{"authorization_code"}, Scopes: []string{"openid", "email"},
		},
		JSONWebKeysURI: "https://rp.test/jwks",
	}
	config := &fosite.Config{GlobalSecret: []byte(strings.Repeat("k", 32)), IDTokenIssuer: houseIssuer}
	key := compose.NewOAuth2HMACStrategy(config)
	return compose.Compose(config, store, &compose.CommonStrategy{CoreStrategy: key},
		compose.OAuth2AuthorizeExplicitFactory, compose.OAuth2PKCEFactory, compose.OpenIDConnectExplicitFactory)
}

// plainAnswer is what plain fosite redirects to; authTime is when the user logged in.
func plainAnswer(t *testing.T, rawQuery string, authTime time.Time) (url.Values, error) {
	t.Helper()
	provider := plainFosite(t)
	ctx := context.Background()
	r := httptest.NewRequest(http.MethodGet, "/authorize?"+rawQuery, nil)
	asked, err := provider.NewAuthorizeRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, token := range asked.GetRequestedScopes() {
		asked.GrantScope(token)
	}
	session := &openid.DefaultSession{
		Claims:  &jwt.IDTokenClaims{Subject: "u", AuthTime: authTime, RequestedAt: time.Now().UTC()},
		Headers: &jwt.Headers{}, Subject: "u",
	}
	answer, err := provider.NewAuthorizeResponse(ctx, asked, session)
	if err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	provider.WriteAuthorizeResponse(ctx, w, asked, answer)
	location, err := url.Parse(w.Header().Get("Location"))
	must(t, err)
	return location.Query(), nil
}

func TestPlainFositeAtAuthorize(t *testing.T) {
	t.Parallel()
	h := newAuthHouse(t)
	h.settle()
	long := time.Now().Add(-time.Hour)
	ours := func(params url.Values) url.Values { return h.answer(h.authorize("a", params), "https://rp.test/cb?") }

	t.Run("scope in the answer", func(t *testing.T) {
		plain, err := plainAnswer(t, hp(idC1).Encode(), long)
		must(t, err)
		if !plain.Has("scope") || plain.Has("iss") {
			t.Errorf("fosite is mended: %v", plain)
		}
		if got := ours(hp(idC1)); got.Has("scope") || got.Get("iss") != houseIssuer {
			t.Errorf("%v", got)
		}
	})
	t.Run("state is mandatory and long", func(t *testing.T) {
		for _, state := range []string{"", "short"} {
			if _, err := plainAnswer(t, hp(idC1, "state", state).Encode(), long); err == nil {
				t.Errorf("fosite is mended: state %q", state)
			}
			if got := ours(hp(idC1, "state", state)); got.Get("code") == "" || got.Get("state") != state {
				t.Errorf("%v", got)
			}
		}
	})
	t.Run("max_age=0 is ignored", func(t *testing.T) {
		plain, err := plainAnswer(t, hp(idC1, "max_age", "0").Encode(), long)
		if err != nil || plain.Get("code") == "" {
			t.Errorf("fosite is mended: %v %v", plain, err)
		}
		h.flow(h.authorize("a", hp(idC1, "max_age", "0")), "/login")
	})
	t.Run("max_age that is no number is ignored", func(t *testing.T) {
		plain, err := plainAnswer(t, hp(idC1, "max_age", "abc").Encode(), long)
		if err != nil || plain.Get("code") == "" {
			t.Errorf("fosite is mended: %v %v", plain, err)
		}
		h.refused(h.authorize("a", hp(idC1, "max_age", "abc")), "https://rp.test/cb?", "invalid_request")
	})
	t.Run("duplicate parameters", func(t *testing.T) {
		plain, err := plainAnswer(t, hp(idC1).Encode()+"&redirect_uri=https://evil.test/&state=another+state", long)
		if err != nil || plain.Get("code") == "" || plain.Get("state") != "the state" {
			t.Errorf("fosite is mended: %v %v", plain, err)
		}
		h.page(h.get("a", "/authorize?"+hp(idC1).Encode()+"&state=another+state"), http.StatusBadRequest)
	})
	t.Run("unsigned request objects", func(t *testing.T) {
		part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
		object := part(`{"alg":"none","typ":"JWT"}`) + "." + part(`{"state":"state of the object"}`) + "."
		plain, err := plainAnswer(t, hp(idC1, "request", object).Encode(), long)
		if err != nil || plain.Get("state") != "state of the object" {
			t.Errorf("fosite is mended: %v %v", plain, err)
		}
		h.refused(h.authorize("a", hp(idC1, "request", object)), "https://rp.test/cb?", "request_not_supported")
	})
	t.Run("redirect_uri left out", func(t *testing.T) {
		plain, err := plainAnswer(t, hp(idC1, "redirect_uri", "", "scope", "email").Encode(), long)
		if err != nil || plain.Get("code") == "" {
			t.Errorf("fosite is mended: %v %v", plain, err)
		}
		h.page(h.authorize("a", hp(idC1, "redirect_uri", "", "scope", "email")), http.StatusBadRequest)
	})
	t.Run("PKCE is optional by default", func(t *testing.T) {
		plain, err := plainAnswer(t, hp(idC1, "code_challenge", "", "code_challenge_method", "").Encode(), long)
		if err != nil || plain.Get("code") == "" {
			t.Errorf("fosite is mended: %v %v", plain, err)
		}
		h.refused(h.authorize("a", hp(idC1, "code_challenge", "", "code_challenge_method", "")), "https://rp.test/cb?", "invalid_request")
	})
	t.Run("a challenge of any form", func(t *testing.T) {
		plain, err := plainAnswer(t, hp(idC1, "code_challenge", "x").Encode(), long)
		if err != nil || plain.Get("code") == "" {
			t.Errorf("fosite is mended: %v %v", plain, err)
		}
		h.refused(h.authorize("a", hp(idC1, "code_challenge", "x")), "https://rp.test/cb?", "invalid_request")
	})
}
