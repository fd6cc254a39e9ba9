package oauth

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// introspection is RFC 7662 §2.2, only its standard members, those of RFC 9470 §6.2, and those of the contracts that
// have their own. The zero value is all that anybody learns of a token that is unknown, expired, taken back, or not
// theirs to ask about.
type introspection struct {
	Active    bool            `json:"active"`
	Scope     string          `json:"scope,omitempty"`
	ClientID  signet.ClientID `json:"client_id,omitempty"`
	Username  string          `json:"username,omitempty"`
	TokenType string          `json:"token_type,omitempty"`
	ExpiresAt int64           `json:"exp,omitempty"`
	IssuedAt  int64           `json:"iat,omitempty"`
	Subject   string          `json:"sub,omitempty"`
	Audience  audience        `json:"aud,omitempty"`
	Issuer    string          `json:"iss,omitempty"`
	ID        signet.TokenID  `json:"jti,omitempty"`
	// ACR and AMR tell how the person or application was authenticated: a PIN is a weak factor.
	ACR string   `json:"acr,omitempty"`
	AMR []string `json:"amr,omitempty"`
	// Confirmation tells a resource server which certificate to ask for (RFC 8705 §3.2).
	Confirmation *confirmation `json:"cnf,omitempty"`
	signet.OrderClaims
}

// introspect is POST /introspect (RFC 7662).
//
//	parse ─▶ authenticate ─▶ may the client ask? ─▶ live? ─▶ answer
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	x := &exchange{now: s.stamp()}
	raw, err := s.tokenRequest(w, r, x)
	if err == nil && x.client.Public() {
		// RFC 7662 §2.1: the caller must prove itself, else anybody could scan for tokens.
		err = signet.NewError(signet.CodeInvalidClient, "", "public_client_introspects")
	}
	var answer introspection
	if err == nil {
		answer, err = s.introspectToken(r.Context(), x, raw)
	}
	ev := s.exchangeEvent(r.Context(), signet.EventTokenIntrospected, x)
	ev.Target, ev.Reason = string(answer.ID), "active"
	if err != nil {
		ev.Reason = signet.ReasonOrCode(err)
		s.noteFault(r.Context(), err)
	} else if !answer.Active {
		ev.Reason = "inactive"
	}
	s.Events.Traffic(ev)
	if err != nil {
		writeError(w, s.tokenError(x, err), triedBasic(r))
		return
	}
	noStore(w.Header())
	web.WriteJSON(w, http.StatusOK, &answer)
}

// tokenRequest is what /introspect and /revoke share: the form, the client, the token. token_type_hint is read by
// nobody: a token says by its own form what it is.
func (s *Server) tokenRequest(w http.ResponseWriter, r *http.Request, x *exchange) (raw string, err error) {
	if x.params, err = web.Form(r); err != nil {
		return "", err
	}
	if raw = x.params.Get("token"); raw == "" {
		return "", signet.NewError(signet.CodeInvalidRequest, "The token parameter is missing.", "token_missing")
	}
	if err = s.authenticate(w, r, x); err != nil {
		return "", err
	}
	if x.client.Disabled() {
		return "", signet.NewError(signet.CodeInvalidClient, "", "client_disabled")
	}
	return raw, nil
}

// introspectToken answers for a token of any kind. A store that cannot answer is an error, never an active token.
func (s *Server) introspectToken(ctx context.Context, x *exchange, raw string) (introspection, error) {
	if strings.HasPrefix(raw, refreshPrefix) {
		return s.introspectRefresh(ctx, x, raw)
	}
	if s.mayBeAPIKey(raw) {
		return s.introspectAPIKey(ctx, x, raw)
	}
	p, err := s.liveAccess(ctx, raw)
	switch {
	case signet.CodeOf(err) == signet.CodeInvalidToken:
		return introspection{}, nil
	case err != nil:
		return introspection{}, err
	case !mayIntrospect(x.client, p.claims.ClientID):
		return introspection{}, nil
	}
	c := &p.claims
	answer := introspection{
		Active: true, Scope: c.Scope, ClientID: c.ClientID, TokenType: tokenType(p.client),
		ExpiresAt: c.ExpiresAt, IssuedAt: c.IssuedAt, Subject: c.Subject, Audience: c.Audience, Issuer: s.Issuer, ID: c.ID,
		ACR: c.ACR, AMR: c.AMR, OrderClaims: c.OrderClaims, Confirmation: c.Confirmation,
	}
	if p.user != nil {
		answer.Username = p.user.Username
	}
	return answer, nil
}

// mayBeAPIKey reports whether raw can be nothing but an API key: one of our form, or of an old system's. Tokens have
// their own forms.
func (s *Server) mayBeAPIKey(raw string) bool {
	if s.APIKeys == nil || len(raw) > maxTokenBytes {
		return false
	}
	if strings.HasPrefix(raw, "sgt_") {
		return strings.HasPrefix(raw, "sgt_"+string(signet.SecretAPIKey)+"_")
	}
	dots := strings.Count(raw, ".")
	return !strings.HasPrefix(raw, "eyJ") || dots != 2 && dots != jweDots
}

// introspectAPIKey answers resource servers about an API key. Nobody else may ask: a key belongs to no client.
func (s *Server) introspectAPIKey(ctx context.Context, x *exchange, raw string) (introspection, error) {
	if !x.client.Introspect {
		return introspection{}, nil
	}
	facts, err := s.APIKeys.APIKeyFacts(ctx, raw)
	switch code := signet.CodeOf(err); {
	case code == signet.CodeUnavailable || code == signet.CodeInternal || code == signet.CodeTooMany:
		return introspection{}, err
	case err != nil:
		return introspection{}, nil
	}
	key := facts.Key
	answer := introspection{
		Active: true, Scope: signet.Scope(facts.Permissions).String(), Subject: key.Principal(), Issuer: s.Issuer,
		OrderClaims: signet.OrderClaims{Account: key.AccountID, Role: key.Role},
	}
	if key.ExpiresAt != nil {
		answer.ExpiresAt = key.ExpiresAt.Unix()
	}
	return answer, nil
}

// mayIntrospect: a registered resource server asks about every token, any other client about its own alone.
func mayIntrospect(client *signet.Client, owner signet.ClientID) bool {
	return client.Introspect || client.ID == owner
}

const refreshPrefix = "sgt_" + string(signet.SecretRefresh) + "_"

// introspectRefresh: a refresh token is active when it would be accepted at /token now and has not been spent.
func (s *Server) introspectRefresh(ctx context.Context, x *exchange, raw string) (introspection, error) {
	state, err := s.findRefresh(ctx, raw)
	if err != nil || state == nil {
		return introspection{}, err
	}
	owner, err := s.Records.Client(ctx, state.Token.ClientID)
	if errors.Is(err, signet.ErrNotFound) {
		return introspection{}, nil
	}
	if err != nil {
		return introspection{}, err
	}
	if !mayIntrospect(x.client, owner.ID) || state.Token.UsedAt != nil || !mayRefresh(owner) || idledOut(owner, &state.Token, x.now) {
		return introspection{}, nil
	}
	probe := &exchange{now: x.now, client: owner, grant: &state.Grant}
	if err := s.principals(ctx, probe); err != nil {
		if code := signet.CodeOf(err); code == signet.CodeInvalidGrant || code == signet.CodeInvalidClient {
			return introspection{}, nil
		}
		return introspection{}, err
	}
	g := &state.Grant
	return introspection{
		Active: true, Scope: g.Scope.String(), ClientID: owner.ID, Username: probe.user.Username,
		ExpiresAt: refreshEnd(owner, g, state.Token.CreatedAt).Unix(), IssuedAt: state.Token.CreatedAt.Unix(), Subject: string(g.UserID), Issuer: s.Issuer,
		ACR: g.ACR, AMR: g.AMR,
	}, nil
}

// findRefresh returns the row of a refresh token, nil when there is none.
func (s *Server) findRefresh(ctx context.Context, raw string) (*signet.RefreshTokenState, error) {
	if _, ok := signet.ParseSecret(signet.SecretRefresh, raw); !ok {
		return nil, nil
	}
	state, err := s.RefreshTokens.RefreshToken(ctx, s.Keys.HashKeys().Candidates(raw))
	if errors.Is(err, signet.ErrNotFound) {
		return nil, nil
	}
	return state, err
}
