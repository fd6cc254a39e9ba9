package oauth

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// StartGrant begins a token family for a PIN application: the grant, an opaque access token and a refresh token, written
// in one transaction. The room has proven the PIN; client and user are checked here as in every grant.
// Errors: CodeInvalidGrant (client or user may not), CodeUnavailable, CodeInternal.
func (s *Server) StartGrant(ctx context.Context, order *signet.GrantOrder) (*signet.IssuedGrant, error) {
	x := &exchange{now: s.stamp(), grantType: signet.GrantPIN, scope: order.Scope}
	if err := s.startGrant(ctx, x, order); err != nil {
		err = withoutClient(err)
		s.refused(ctx, x, err)
		return nil, err
	}
	s.issued(ctx, x)
	return x.issuedGrant(x.now), nil
}

func (s *Server) startGrant(ctx context.Context, x *exchange, order *signet.GrantOrder) (err error) {
	if s.GrantStarter == nil {
		return signet.Internal(errors.New("no port begins grants"))
	}
	if x.client, err = s.pinClient(ctx, order.ClientID); err != nil {
		return err
	}
	began := x.now
	// Whether the user may is asked below, with everybody else.
	if user, err := s.Records.User(ctx, order.UserID); err == nil {
		began = signet.Begin(x.now, x.client.NotBefore, user.NotBefore)
	}
	x.grant = &signet.Grant{
		ID: signet.NewGrantID(), ClientID: order.ClientID, UserID: order.UserID, Scope: order.Scope, AuthTime: x.now,
		ACR: order.ACR, AMR: order.AMR, Offline: true, CreatedAt: began, ExpiresAt: x.now.Add(order.Lifetime),
	}
	if x.audience, err = s.targets(x); err != nil {
		return err
	}
	x.grant.Audience = x.audience
	if err = s.principals(ctx, x); err != nil {
		return err
	}
	if err = s.mintAll(x); err != nil {
		return err
	}
	x.refreshOut = signet.NewSecret(signet.SecretRefresh)
	rotation, _, ok := s.Keys.RotationKey("")
	if !ok || x.access.row == nil {
		return signet.Internal(errors.New("there is no rotation key, or the access token is not opaque"))
	}
	return s.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := s.GrantStarter.InsertGrant(ctx, x.grant); err != nil {
			return err
		}
		if err := s.AccessTokens.InsertAccessToken(ctx, x.access.row); err != nil {
			return err
		}
		return s.RefreshTokens.InsertRefreshToken(ctx, &signet.RefreshToken{
			Hash: s.Keys.HashKeys().Hash(x.refreshOut.Reveal()), GrantID: x.grant.ID, ClientID: x.client.ID,
			RotationKeyID: rotation, CreatedAt: x.now,
		})
	})
}

// RefreshGrant exchanges a PIN application's refresh token as /token exchanges others: the same list, rotation, grace and
// reuse alarm. The token names its client, so that nothing else has to. Errors: CodeInvalidGrant (whatever was wrong),
// CodeUnavailable, CodeInternal.
func (s *Server) RefreshGrant(ctx context.Context, raw string) (*signet.IssuedGrant, error) {
	x := &exchange{now: s.stamp(), grantType: signet.GrantRefreshToken, params: url.Values{
		"grant_type": {signet.GrantRefreshToken}, "refresh_token": {raw},
	}}
	if err := s.refreshGrant(ctx, x, raw); err != nil {
		err = withoutClient(err)
		s.refused(ctx, x, err)
		return nil, err
	}
	s.issued(ctx, x)
	created := x.now
	if state := x.refresh.state; x.refresh.successor == nil {
		created = state.Token.CreatedAt // not rotated
		if state.Successor != nil {
			created = state.Successor.CreatedAt // once more, in the grace
		}
	}
	return x.issuedGrant(created), nil
}

func (s *Server) refreshGrant(ctx context.Context, x *exchange, raw string) (err error) {
	if x.shown, err = s.findRefresh(ctx, raw); err != nil {
		return err
	}
	if x.shown == nil {
		return invalidGrant("refresh_token_unknown")
	}
	if x.client, err = s.pinClient(ctx, x.shown.Token.ClientID); err != nil {
		return err
	}
	steps, _ := s.stepsOf(signet.GrantRefreshToken)
	return s.fulfil(ctx, x, steps)
}

// pinClient returns the client of a PIN application. No other client's tokens can be had this way: its own proof of
// itself would be passed by.
func (s *Server) pinClient(ctx context.Context, id signet.ClientID) (*signet.Client, error) {
	client, err := s.Records.Client(ctx, id)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return nil, invalidGrant("client_gone")
	case err != nil:
		return nil, err
	case !client.MayUse(signet.GrantPIN):
		return nil, invalidGrant("client_is_no_pin_application")
	}
	return client, nil
}

// withoutClient: where no client proves itself, a disabled one is a refused grant like any other, and so is what ended
// while it was being written.
func withoutClient(err error) error {
	switch signet.CodeOf(err) {
	case signet.CodeInvalidClient, signet.CodeRevoked:
		return &signet.Error{Code: signet.CodeInvalidGrant, Reason: signet.ReasonOf(err), Cause: err}
	}
	return err
}

// issuedGrant is the answer; created is when the refresh token was made.
func (x *exchange) issuedGrant(created time.Time) *signet.IssuedGrant {
	return &signet.IssuedGrant{
		GrantID: x.grant.ID, ClientID: x.client.ID, UserID: x.grant.UserID, AccessToken: x.access.text, RefreshToken: x.refreshOut,
		Scope: x.scope, IssuedAt: x.access.issuedAt, ExpiresAt: x.access.expiresAt,
		RefreshExpiresAt: refreshEnd(x.client, x.grant, created), Now: x.now,
	}
}
