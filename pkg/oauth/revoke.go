package oauth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// revoke is POST /revoke (RFC 7009). A token that is unknown, over, or another client's is answered like one that was
// taken back, and nothing happens to it: the status tells nobody whose token it was. A store that fails is 503: 200
// means that the token is dead.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	x := &exchange{now: s.stamp()}
	raw, err := s.tokenRequest(w, r, x)
	if err == nil {
		err = s.revokeToken(r.Context(), x, raw)
	}
	if err != nil {
		s.noteFault(r.Context(), err)
		writeError(w, s.tokenError(x, err), triedBasic(r))
		return
	}
	noStore(w.Header())
	w.WriteHeader(http.StatusOK)
}

// revokeToken: a refresh token takes its grant with it, and so every token of the family (RFC 7009 §2.1); an access
// token goes alone.
func (s *Server) revokeToken(ctx context.Context, x *exchange, raw string) error {
	if strings.HasPrefix(raw, refreshPrefix) {
		state, err := s.findRefresh(ctx, raw)
		if err != nil || state == nil || state.Token.ClientID != x.client.ID {
			return err
		}
		x.grant = &state.Grant
		ev := s.exchangeEvent(ctx, signet.EventGrantRevoked, x)
		ev.Reason = "revoked_by_client"
		web.Note(ctx, "reason", ev.Reason)
		return s.Grants.RevokeGrant(ctx, x.grant.ID, ev.Reason, ev)
	}
	p, err := s.readAccess(ctx, raw)
	switch {
	case signet.CodeOf(err) == signet.CodeInvalidToken:
		return nil
	case err != nil:
		return err
	}
	if owner, err := s.ownsToken(ctx, x.client, p); err != nil || !owner {
		return err
	}
	ev := s.exchangeEvent(ctx, signet.EventTokenRevoked, x)
	ev.UserID, ev.Target, ev.Reason = p.facts.UserID, string(p.facts.TokenID), "revoked_by_client"
	web.Note(ctx, "reason", ev.Reason)
	return s.Revocation.RevokeToken(ctx, p.facts, time.Unix(p.claims.ExpiresAt, 0).UTC(), ev.Reason, ev)
}

// ownsToken reports whether the client may take the token back: it was issued to it, or it is the client of the biller
// that vouched for it (wire.md, 3).
func (s *Server) ownsToken(ctx context.Context, client *signet.Client, p *presented) (bool, error) {
	if p.claims.ClientID == client.ID {
		return true, nil
	}
	biller, ok := strings.CutPrefix(p.facts.Principal, signet.PrincipalBiller)
	if !ok || s.Billers == nil {
		return false, nil
	}
	record, err := s.Billers.Biller(ctx, signet.BillerID(biller))
	if errors.Is(err, signet.ErrNotFound) {
		return false, nil
	}
	return err == nil && record.ClientID == client.ID, err
}
