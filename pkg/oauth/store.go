package oauth

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/signet-auth/signet/pkg/signet"
)

// fositeStore is fosite's storage over our ports. Reads are answered from what the edge has already read and checked
// (exchange); writes go through, inside the transaction that token.go opened around NewAccessResponse.
//
// PKCE and OpenID Connect have no stores of their own: challenge, nonce and the rest ride in the code's row and in the
// grant, and nothing is deleted before the code is spent. (fosite deletes its PKCE row before it compares, so that a
// wrong verifier followed by none succeeds.)
type fositeStore struct{ options *Options }

// GetClient implements fosite.ClientManager: the client that the edge has proven, never another.
func (*fositeStore) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	p := proofOf(ctx)
	if p == nil || p.client == nil || string(p.client.ID) != id {
		return nil, fosite.ErrNotFound
	}
	return &provenClient{client: p.client, redirectURI: p.redirectURI}, nil
}

// ClientAssertionJWTValid implements fosite.ClientManager; assertions are pkg/clientauth's.
func (*fositeStore) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrJTIKnown }

// SetClientAssertionJWT implements fosite.ClientManager; assertions are pkg/clientauth's.
func (*fositeStore) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrServerError
}

// CreateAuthorizeCodeSession writes the grant and its code in one transaction.
func (s *fositeStore) CreateAuthorizeCodeSession(ctx context.Context, code string, request fosite.Requester) error {
	sess, ok := request.GetSession().(*session)
	if !ok {
		return fosite.ErrServerError.WithDebug("the session is not ours")
	}
	now := s.options.stamp()
	return s.options.Grants.IssueCode(ctx, &sess.Grant, &signet.AuthorizationCode{
		Hash:              s.options.Keys.HashKeys().Hash(code),
		GrantID:           sess.Grant.ID,
		ClientID:          sess.Grant.ClientID,
		RedirectURI:       sess.RedirectURI,
		CodeChallenge:     sess.CodeChallenge,
		RequestedAuthTime: sess.RequestedAuthTime,
		CreatedAt:         now,
		ExpiresAt:         now.Add(s.options.Lifetimes.Code),
	})
}

// GetAuthorizeCodeSession answers with the row that code.go read and checked.
func (*fositeStore) GetAuthorizeCodeSession(ctx context.Context, code string, _ fosite.Session) (fosite.Requester, error) {
	x := exchangeOf(ctx)
	if x == nil || x.code == nil || x.params.Get("code") != code {
		return nil, fosite.ErrNotFound
	}
	return x.requester(url.Values{"redirect_uri": {x.code.RedirectURI}}), nil
}

// InvalidateAuthorizeCodeSession spends the code. CodeUsed from the store is a replay that came in between; token.go
// sees it after the rollback.
func (s *fositeStore) InvalidateAuthorizeCodeSession(ctx context.Context, _ string) error {
	x := exchangeOf(ctx)
	return vanished(s.options.Grants.UseCode(ctx, x.code.Hash, x.now))
}

// CreateAccessTokenSession writes the row of an opaque token; a JWT has none.
func (s *fositeStore) CreateAccessTokenSession(ctx context.Context, _ string, _ fosite.Requester) error {
	x := exchangeOf(ctx)
	if x == nil || x.access.row == nil {
		return nil
	}
	return s.options.AccessTokens.InsertAccessToken(ctx, x.access.row)
}

// GetAccessTokenSession implements foauth2.AccessTokenStorage; access.go reads access tokens.
func (*fositeStore) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, fosite.ErrNotFound
}

// DeleteAccessTokenSession implements foauth2.AccessTokenStorage.
func (*fositeStore) DeleteAccessTokenSession(context.Context, string) error {
	return fosite.ErrServerError
}

// CreateRefreshTokenSession writes generation 0. A successor was written by RotateRefreshToken.
func (s *fositeStore) CreateRefreshTokenSession(ctx context.Context, _, _ string, _ fosite.Requester) error {
	x := exchangeOf(ctx)
	if x.refresh != nil {
		return nil
	}
	rotation, _, ok := s.options.Keys.RotationKey("")
	if !ok {
		return fosite.ErrServerError.WithDebug("there is no rotation key")
	}
	return s.options.RefreshTokens.InsertRefreshToken(ctx, &signet.RefreshToken{
		Hash:          s.options.Keys.HashKeys().Hash(x.refreshOut.Reveal()),
		GrantID:       x.grant.ID,
		ClientID:      x.client.ID,
		RotationKeyID: rotation,
		CreatedAt:     x.now,
	})
}

// GetRefreshTokenSession answers with the row that refresh.go read and checked, holding the scope that was asked for:
// fosite grants exactly that, so that scope may narrow (RFC 6749 §6; fosite alone ignores the parameter).
func (*fositeStore) GetRefreshTokenSession(ctx context.Context, token string, _ fosite.Session) (fosite.Requester, error) {
	x := exchangeOf(ctx)
	if x == nil || x.refresh == nil || x.params.Get("refresh_token") != token {
		return nil, fosite.ErrNotFound
	}
	return x.requester(url.Values{}), nil
}

// DeleteRefreshTokenSession implements foauth2.RefreshTokenStorage; reuse is handled by refresh.go.
func (*fositeStore) DeleteRefreshTokenSession(context.Context, string) error {
	return fosite.ErrServerError
}

// RotateRefreshToken spends the presented token and writes its successor, by one conditional statement.
func (s *fositeStore) RotateRefreshToken(ctx context.Context, _ string, _ string) error {
	return s.options.rotate(ctx, exchangeOf(ctx))
}

// RevokeRefreshToken implements foauth2.TokenRevocationStorage; grants are taken back by token.go and revoke.go.
func (*fositeStore) RevokeRefreshToken(context.Context, string) error { return fosite.ErrServerError }

// RevokeAccessToken implements foauth2.TokenRevocationStorage.
func (*fositeStore) RevokeAccessToken(context.Context, string) error { return fosite.ErrServerError }

// CreatePKCERequestSession: the challenge is in the code's row already; it must be the one that fosite validated.
func (*fositeStore) CreatePKCERequestSession(_ context.Context, _ string, request fosite.Requester) error {
	sess, ok := request.GetSession().(*session)
	if !ok || sess.CodeChallenge != request.GetRequestForm().Get("code_challenge") {
		return fosite.ErrServerError.WithDebug("the challenge of the code is not that of the request")
	}
	return nil
}

// vanished: a row that was read a moment ago and is gone now ended; it is no fault of ours.
func vanished(err error) error {
	if errors.Is(err, signet.ErrNotFound) {
		return invalidGrant("row_vanished")
	}
	return err
}

// GetPKCERequestSession answers with the challenge in the code's row.
func (*fositeStore) GetPKCERequestSession(ctx context.Context, code string, _ fosite.Session) (fosite.Requester, error) {
	x := exchangeOf(ctx)
	if x == nil || x.code == nil || x.code.CodeChallenge == "" || x.params.Get("code") != code {
		return nil, fosite.ErrNotFound
	}
	return x.requester(url.Values{"code_challenge": {x.code.CodeChallenge}, "code_challenge_method": {"S256"}}), nil
}

// DeletePKCERequestSession keeps the challenge: a refused verifier must not open the way for none.
func (*fositeStore) DeletePKCERequestSession(context.Context, string) error { return nil }

// CreateOpenIDConnectSession implements openid.OpenIDConnectRequestStorage; it is all in the grant.
func (*fositeStore) CreateOpenIDConnectSession(context.Context, string, fosite.Requester) error {
	return nil
}

// GetOpenIDConnectSession says whether the exchange is one of OpenID Connect.
func (*fositeStore) GetOpenIDConnectSession(ctx context.Context, _ string, request fosite.Requester) (fosite.Requester, error) {
	if x := exchangeOf(ctx); x == nil || !x.scope.Has(signet.ScopeOpenID) {
		return nil, fosite.ErrNotFound
	}
	return request, nil
}

// DeleteOpenIDConnectSession implements openid.OpenIDConnectRequestStorage.
func (*fositeStore) DeleteOpenIDConnectSession(context.Context, string) error { return nil }
