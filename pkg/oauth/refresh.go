package oauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// refreshUse is a presented refresh token: what one read told of it, and what will be written.
type refreshUse struct {
	state *signet.RefreshTokenState
	// successor is to be inserted when this call is the first; nil: nothing is written (grace, or no rotation).
	successor *signet.RefreshToken
}

// verdict says what a presented refresh token is (design.md, decision 1).
type verdict int

const (
	verdictFresh     verdict = iota + 1 // unspent: rotate
	verdictGrace                        // spent just now by the same client: the same successor once more
	verdictOvertaken                    // spent just now, and its successor is spent too: refuse, revoke nothing
	verdictReused                       // spent, and the time is over: the family is revoked
)

// judge decides by the row alone.
//
//	unspent ───────────────────────────────▶ fresh
//	spent, grace over (or grace 0) ────────▶ reused
//	spent, in grace, successor unspent ────▶ grace
//	spent, in grace, successor spent ──────▶ overtaken
func judge(state *signet.RefreshTokenState, grace time.Duration, now time.Time) verdict {
	used := state.Token.UsedAt
	switch {
	case used == nil:
		return verdictFresh
	case grace <= 0 || now.Sub(*used) >= grace:
		return verdictReused
	case state.Successor == nil || state.Successor.UsedAt != nil:
		return verdictOvertaken
	default:
		return verdictGrace
	}
}

// err is the refusal that belongs to the verdict, nil when there is none.
func (v verdict) err() error {
	switch v {
	case verdictReused:
		return &signet.Error{Code: signet.CodeUsed, Reason: "refresh_token_reused"}
	case verdictOvertaken:
		return invalidGrant("refresh_token_overtaken")
	default:
		return nil
	}
}

// prepareRefresh reads token, grant and successor in one read and decides, in this order:
//
//	form ─▶ row ─▶ owner ─▶ grant live ─▶ spent? ─▶ scope ─▶ successor
func (s *Server) prepareRefresh(ctx context.Context, x *exchange) error {
	raw := x.params.Get("refresh_token")
	if raw == "" {
		return signet.NewError(signet.CodeInvalidRequest, "The refresh_token parameter is missing.", "refresh_token_missing")
	}
	if _, ok := signet.ParseSecret(signet.SecretRefresh, raw); !ok {
		return invalidGrant("refresh_token_malformed")
	}
	state, err := x.shown, error(nil)
	if state == nil {
		state, err = s.findRefresh(ctx, raw)
	}
	switch {
	case err != nil:
		return err
	case state == nil:
		return invalidGrant("refresh_token_unknown")
	}
	// RFC 6749 §6, §10.4: bound to the client. A stranger's attempt revokes nothing.
	if state.Token.ClientID != x.client.ID || state.Grant.ClientID != x.client.ID {
		return invalidGrant("refresh_token_of_another_client")
	}
	x.grant = &state.Grant
	if !x.grant.Live(x.now) {
		return invalidGrant("grant_ended")
	}
	v := judge(state, x.client.Grace(), x.now)
	if err := v.err(); err != nil {
		return err
	}
	if v == verdictFresh && idledOut(x.client, &state.Token, x.now) {
		return invalidGrant("refresh_token_idle")
	}
	if x.scope, err = narrowed(x.grant.Scope, x.params.Get("scope")); err != nil {
		return err
	}
	x.refresh = &refreshUse{state: state}
	if v == verdictFresh && !x.client.Rotates() {
		x.refreshOut = signet.Secret(raw)
		return nil
	}
	return s.computeSuccessor(x, raw, v)
}

// mayRefresh reports whether the client's tokens can be refreshed: at /token, or by RefreshGrant.
func mayRefresh(client *signet.Client) bool {
	return client.MayUse(signet.GrantRefreshToken) || client.MayUse(signet.GrantPIN)
}

// idleLimit is how long an unspent refresh token of the client lives; 0: as long as its grant.
func idleLimit(client *signet.Client) time.Duration {
	if client.MayUse(signet.GrantPIN) {
		return client.RefreshTokenIdle.Or(signet.PINIdle)
	}
	return client.RefreshTokenIdle.Duration()
}

// idledOut reports whether an unspent refresh token was left alone for too long. Without rotation it is as old as the
// grant, so that the limit is absolute there.
func idledOut(client *signet.Client, token *signet.RefreshToken, now time.Time) bool {
	limit := idleLimit(client)
	return limit > 0 && !now.Before(token.CreatedAt.Add(limit))
}

// refreshEnd is when an unspent refresh token ends: with its grant, or before that when it is left alone.
func refreshEnd(client *signet.Client, grant *signet.Grant, created time.Time) time.Time {
	if limit := idleLimit(client); limit > 0 && created.Add(limit).Before(grant.ExpiresAt) {
		return created.Add(limit)
	}
	return grant.ExpiresAt
}

// narrowed is the scope of the access token: what was asked for, which must be within the grant (RFC 6749 §6). The
// grant keeps its own, so that all of it may be asked for again.
func narrowed(granted signet.Scope, asked string) (signet.Scope, error) {
	scope, err := signet.ParseScope(asked)
	if err != nil {
		return nil, err
	}
	if len(scope) == 0 {
		return granted, nil
	}
	if !scope.Within(granted) {
		return nil, signet.NewError(signet.CodeInvalidScope, "The scope is more than was granted.", "scope_wider_than_grant")
	}
	return scope, nil
}

// computeSuccessor sets the answer: HMAC-SHA-256(rotation key of the row, presented token ‖ grant id). Every call that
// presents the same token computes the same value, so that a lost answer or a race costs nobody the family, and the
// value itself is stored nowhere.
func (s *Server) computeSuccessor(x *exchange, raw string, v verdict) error {
	_, key, ok := s.Keys.RotationKey(x.refresh.state.Token.RotationKeyID)
	if !ok {
		return signet.Internal(errors.New("the rotation key of a refresh token is gone"))
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(raw))
	mac.Write([]byte(x.grant.ID))
	x.refreshOut = signet.FormatSecret(signet.SecretRefresh, mac.Sum(nil))
	hashes := s.Keys.HashKeys()
	if v == verdictGrace {
		if !hashes.Verify(x.refreshOut.Reveal(), x.refresh.state.Successor.Hash) {
			// The stored successor is not what this token leads to (a hashing key that is gone): never hand out a token
			// that is in no table.
			return invalidGrant("refresh_successor_differs")
		}
		return nil
	}
	next, _, ok := s.Keys.RotationKey("")
	if !ok {
		return signet.Internal(errors.New("there is no rotation key"))
	}
	old := &x.refresh.state.Token
	x.refresh.successor = &signet.RefreshToken{
		Hash: hashes.Hash(x.refreshOut.Reveal()), ParentHash: old.Hash, GrantID: old.GrantID, ClientID: old.ClientID,
		Generation: old.Generation + 1, RotationKeyID: next, CreatedAt: x.now,
	}
	return nil
}

// rotate spends the presented token and inserts its successor, inside the transaction. When another call was first the
// row is read once more and judged again: in the grace both calls answer with the same successor.
func (o *Options) rotate(ctx context.Context, x *exchange) error {
	if x.refresh.successor == nil {
		return nil
	}
	old := x.refresh.state.Token.Hash
	rotated, err := o.RefreshTokens.RotateRefreshToken(ctx, old, x.refresh.successor, x.now)
	if err != nil || rotated {
		return vanished(err)
	}
	state, err := o.RefreshTokens.RefreshToken(ctx, []signet.SecretHash{old})
	if err != nil {
		return vanished(err)
	}
	if !state.Grant.Live(x.now) {
		return invalidGrant("grant_ended")
	}
	v := judge(state, x.client.Grace(), x.now)
	if v == verdictFresh {
		// Neither spent nor to be spent: the grant ended in between.
		return invalidGrant("grant_ended")
	}
	return v.err()
}
