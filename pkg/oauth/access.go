package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// maxTokenBytes bounds what is parsed as a token.
const maxTokenBytes = 8192

// presented is an access token of ours that somebody showed, in either format.
type presented struct {
	claims accessClaims
	facts  signet.TokenFacts
	scope  signet.Scope
	opaque bool
	made   time.Time // when it was made, if its iat is ahead of that; else zero
	// Set by liveAccess.
	client *signet.Client // nil: none took part
	user   *signet.User   // nil: no person stands behind it
}

func invalidToken(reason string) error { return signet.NewError(signet.CodeInvalidToken, "", reason) }

// readAccess proves that raw is an access token that we made and that has not expired. It says nothing about whether it
// was taken back. Errors: CodeInvalidToken, CodeUnavailable.
func (s *Server) readAccess(ctx context.Context, raw string) (*presented, error) {
	if len(raw) == 0 || len(raw) > maxTokenBytes {
		return nil, invalidToken("token_size")
	}
	var p *presented
	var err error
	switch {
	case strings.HasPrefix(raw, "sgt_"):
		p, err = s.readOpaque(ctx, raw)
	case strings.Count(raw, ".") == jweDots:
		var inner string
		if inner, err = s.openEncrypted(ctx, raw); err == nil {
			p, err = s.readJWT(inner)
		}
	default:
		p, err = s.readJWT(raw)
	}
	if err != nil {
		return nil, err
	}
	// No leeway: the same clocks made the token.
	if s.Now().Unix() >= p.claims.ExpiresAt {
		return nil, invalidToken("token_expired")
	}
	return p, nil
}

func (s *Server) readJWT(raw string) (*presented, error) {
	payload, typ, kid, err := s.Keys.Verify(raw)
	if err != nil {
		if signet.CodeOf(err) == signet.CodeUnavailable {
			return nil, err
		}
		return nil, invalidToken("token_signature")
	}
	// RFC 9068 §4: an ID token is signed by the same keys, but it is no access token.
	if typ != typAccess {
		return nil, invalidToken("token_type")
	}
	p := &presented{}
	if err := json.Unmarshal(payload, &p.claims); err != nil {
		return nil, invalidToken("token_claims")
	}
	c := &p.claims
	// A client is missing only where a biller or an API key vouched.
	principal := principalOf(c.Subject)
	if c.Issuer != s.Issuer || c.ID == "" || c.Subject == "" || c.ClientID == "" && principal == "" || c.GrantID != "" && principal != "" {
		return nil, invalidToken("token_claims")
	}
	p.facts = signet.TokenFacts{
		TokenID: c.ID, GrantID: c.GrantID, SessionID: c.SessionID, ClientID: c.ClientID, KeyID: kid,
		Principal: principal, Credential: c.Credential,
		IssuedAt: time.Unix(c.IssuedAt, 0).UTC(), Offline: c.GrantID != "" && c.SessionID == "",
	}
	if c.GrantID != "" {
		p.facts.UserID = signet.UserID(c.Subject)
		if c.carries() {
			p.facts.Principal = signet.PrincipalAccounts + c.Subject
		}
	}
	p.made, p.scope = c.MadeAt.Time, strings.Fields(c.Scope)
	return p, nil
}

func (s *Server) readOpaque(ctx context.Context, raw string) (*presented, error) {
	if _, ok := signet.ParseSecret(signet.SecretAccess, raw); !ok {
		return nil, invalidToken("token_malformed")
	}
	row, err := s.AccessTokens.AccessToken(ctx, s.Keys.HashKeys().Candidates(raw))
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return nil, invalidToken("token_unknown")
	case err != nil:
		return nil, err
	}
	p := &presented{opaque: true, scope: row.Scope, made: row.MadeAt}
	p.claims = accessClaims{
		Issuer: s.Issuer, Subject: string(row.UserID), Audience: row.Audience, ClientID: row.ClientID,
		Scope: row.Scope.String(), IssuedAt: row.CreatedAt.Unix(), ExpiresAt: row.ExpiresAt.Unix(), ID: row.ID, GrantID: row.GrantID,
		SessionID: row.SessionID, UserInfo: row.UserInfo, ACR: row.ACR, AMR: row.AMR,
	}
	if row.GrantID == "" {
		p.claims.Subject = clientSubject(row.ClientID)
	}
	p.facts = signet.TokenFacts{
		TokenID: row.ID, GrantID: row.GrantID, SessionID: row.SessionID, ClientID: row.ClientID, UserID: row.UserID,
		IssuedAt: row.CreatedAt, Offline: row.GrantID != "" && row.SessionID == "",
	}
	return p, nil
}

// liveAccess is readAccess and everything after it: the client and the user are still there, and nothing was taken back.
// For a JWT it costs no SQL (records are cached) and one round trip. Errors: CodeInvalidToken, CodeUnavailable.
func (s *Server) liveAccess(ctx context.Context, raw string) (*presented, error) {
	p, err := s.readAccess(ctx, raw)
	if err != nil {
		return nil, err
	}
	if p.claims.ClientID != "" {
		if p.client, err = s.Records.Client(ctx, p.claims.ClientID); err != nil {
			return nil, gone(err, "client_gone")
		}
		if p.client.Disabled() || !p.after(p.client.NotBefore) {
			return nil, invalidToken("client_disabled")
		}
		// A scope that the client has lost is lost in its tokens too, as at a refresh (SCO-07). What a biller or an API key
		// vouched for is theirs, not the client's.
		if principalOf(p.claims.Subject) == "" && !p.scope.Within(p.client.AllowedScope()) {
			return nil, invalidToken("scope_no_longer_allowed")
		}
	}
	if err := s.livePrincipal(ctx, p); err != nil {
		return nil, err
	}
	if p.facts.UserID != "" {
		if p.user, err = s.Records.User(ctx, p.facts.UserID); err != nil {
			return nil, gone(err, "user_gone")
		}
		if p.user.Disabled() || !p.after(p.user.NotBefore) {
			return nil, invalidToken("user_disabled")
		}
	}
	revoked, err := s.Revocation.Revoked(ctx, p.facts)
	switch {
	case err != nil:
		return nil, err
	case revoked:
		return nil, invalidToken("token_revoked")
	}
	return p, nil
}

// livePrincipal checks the biller or API key that vouched, or the memberships that the token carries.
func (s *Server) livePrincipal(ctx context.Context, p *presented) error {
	switch principal := p.facts.Principal; {
	case principal == "":
		return nil
	case p.claims.carries():
		if s.Accounts == nil {
			return nil
		}
		return s.liveMemberships(ctx, p)
	case s.Principals == nil:
		return invalidToken("principal_unknown")
	default:
		record, err := s.Principals.Principal(ctx, principal)
		if err != nil {
			return gone(err, "principal_gone")
		}
		if record.Disabled || !p.after(record.NotBefore) {
			return invalidToken("principal_disabled")
		}
		return nil
	}
}

// after reports whether the token was issued after a record's limit: its iat, and where that is ahead the moment at which
// it was made.
func (p *presented) after(limit time.Time) bool {
	return issuedAfter(p.facts.IssuedAt, limit) && (p.made.IsZero() || after(p.made, limit))
}

// issuedAfter compares in whole seconds, as iat is and as the journal does: a token of the second in which the limit fell,
// rounded up, is refused.
func issuedAfter(issued, limit time.Time) bool {
	return limit.IsZero() || issued.Unix() > signet.LastSecond(limit)
}

// gone turns a missing record into an invalid token; a store that cannot answer stays what it is.
func gone(err error, reason string) error {
	if errors.Is(err, signet.ErrNotFound) {
		return invalidToken(reason)
	}
	return err
}
