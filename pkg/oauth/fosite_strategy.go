package oauth

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/ory/fosite"
	foauth2 "github.com/ory/fosite/handler/oauth2"

	"github.com/signet-auth/signet/pkg/signet"
)

// codeStrategy makes authorization codes: 256 random bits and their HMAC by fosite, behind our prefix. The HMAC lets a
// forged or mistyped code be refused without asking a store, so it does the work of a checksum.
type codeStrategy struct {
	*foauth2.HMACSHAStrategyUnPrefixed
}

const (
	codePrefix = "sgt_" + string(signet.SecretCode) + "_"
	codeHalf   = 43 // 32 bytes in base64url
	codeLength = len(codePrefix) + codeHalf + 1 + codeHalf
)

// GenerateAuthorizeCode implements foauth2.AuthorizeCodeStrategy.
func (s *codeStrategy) GenerateAuthorizeCode(ctx context.Context, r fosite.Requester) (token, signature string, err error) {
	token, _, err = s.HMACSHAStrategyUnPrefixed.GenerateAuthorizeCode(ctx, r)
	if err != nil {
		return "", "", err
	}
	token = codePrefix + token
	return token, token, nil
}

// AuthorizeCodeSignature gives the whole code: fositeStore keeps a keyed hash of all of it, so that no two texts name
// one row (fosite's own signature is the part after the dot, and its decoder skips line breaks and stray bits).
func (*codeStrategy) AuthorizeCodeSignature(_ context.Context, token string) string { return token }

// ValidateAuthorizeCode checks form and HMAC. The lifetime is checked by code.go against the injected clock.
func (s *codeStrategy) ValidateAuthorizeCode(ctx context.Context, _ fosite.Requester, token string) error {
	if !wellFormedCode(token) {
		return fosite.ErrInvalidTokenFormat
	}
	return s.Enigma.Validate(ctx, token[len(codePrefix):])
}

// wellFormedCode accepts the one spelling that GenerateAuthorizeCode writes.
func wellFormedCode(token string) bool {
	if len(token) != codeLength || !strings.HasPrefix(token, codePrefix) {
		return false
	}
	random, mac, ok := strings.Cut(token[len(codePrefix):], ".")
	return ok && strictBase64(random) && strictBase64(mac)
}

func strictBase64(text string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(text) == codeHalf && len(raw) == 32
}

// The strategies below hand over what the mint made for this exchange before the transaction began: signing with RSA
// takes most of a millisecond, and no row should be locked meanwhile.

type accessStrategy struct{}

// AccessTokenSignature implements foauth2.AccessTokenStrategy.
func (accessStrategy) AccessTokenSignature(context.Context, string) string { return "" }

// GenerateAccessToken implements foauth2.AccessTokenStrategy.
func (accessStrategy) GenerateAccessToken(ctx context.Context, _ fosite.Requester) (token, signature string, err error) {
	x := exchangeOf(ctx)
	if x == nil || x.access.text == "" {
		return "", "", fosite.ErrServerError.WithDebug("no access token was minted")
	}
	return x.access.text, string(x.access.id), nil
}

// ValidateAccessToken implements foauth2.AccessTokenStrategy; access.go reads access tokens, fosite never does.
func (accessStrategy) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return fosite.ErrServerError
}

type refreshStrategy struct{}

// RefreshTokenSignature implements foauth2.RefreshTokenStrategy.
func (refreshStrategy) RefreshTokenSignature(_ context.Context, token string) string { return token }

// GenerateRefreshToken implements foauth2.RefreshTokenStrategy: a random one for a code, the computed successor for a
// refresh token (decision 1).
func (refreshStrategy) GenerateRefreshToken(ctx context.Context, _ fosite.Requester) (token, signature string, err error) {
	x := exchangeOf(ctx)
	if x == nil || x.refreshOut == "" {
		return "", "", fosite.ErrServerError.WithDebug("no refresh token was made")
	}
	// fosite stores a refresh token only if its signature is not empty.
	return x.refreshOut.Reveal(), "refresh", nil
}

// ValidateRefreshToken implements foauth2.RefreshTokenStrategy; refresh.go has validated it.
func (refreshStrategy) ValidateRefreshToken(ctx context.Context, _ fosite.Requester, _ string) error {
	if x := exchangeOf(ctx); x == nil || x.refresh == nil {
		return fosite.ErrInvalidGrant
	}
	return nil
}

type idTokenStrategy struct{}

// GenerateIDToken implements openid.OpenIDConnectTokenStrategy.
func (idTokenStrategy) GenerateIDToken(ctx context.Context, _ time.Duration, _ fosite.Requester) (string, error) {
	x := exchangeOf(ctx)
	if x == nil || x.idToken == "" {
		return "", fosite.ErrServerError.WithDebug("no ID token was minted")
	}
	return x.idToken, nil
}
