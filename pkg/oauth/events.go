package oauth

import (
	"context"
	"errors"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// event begins an event with what the request knows.
func (s *Server) event(ctx context.Context, kind signet.EventKind, client signet.ClientID) signet.Event {
	ev := web.NewEvent(ctx, kind, s.stamp())
	ev.ClientID = client
	if client != "" {
		ev.Actor = clientSubject(client)
	}
	return ev
}

// event of an exchange also names the person and the grant, as far as they are known.
func (s *Server) exchangeEvent(ctx context.Context, kind signet.EventKind, x *exchange) signet.Event {
	var id signet.ClientID
	switch {
	case x.auth != nil:
		id = x.auth.Client.ID
	case x.client != nil:
		id = x.client.ID
	}
	ev := s.event(ctx, kind, id)
	if x.order != nil {
		ev.Actor, ev.KeyID = x.order.Principal, x.order.Credential
	} else if biller := x.params.Get("biller_id"); x.grantType == signet.GrantHMACIdentity && plainID(biller) {
		// Claimed, not proven: whom somebody tried to pass for.
		ev.Target = signet.PrincipalBiller + biller
		if kid := x.params.Get("hmac_kid"); plainID(kid) {
			ev.KeyID = kid
		}
	}
	if x.grant != nil {
		ev.UserID, ev.Target = x.grant.UserID, string(x.grant.ID)
	}
	return ev
}

// departed counts what only an exception in the client's record let in, so that it can be ended.
func (s *Server) departed(ctx context.Context, x *exchange) {
	for _, member := range x.auth.Departures {
		ev := s.exchangeEvent(ctx, signet.EventDepartureUsed, x)
		ev.Reason = member
		web.Note(ctx, "departure", member)
		s.Events.Traffic(ev)
	}
}

// issued records an answer of the token endpoint.
func (s *Server) issued(ctx context.Context, x *exchange) {
	ev := s.exchangeEvent(ctx, signet.EventTokenIssued, x)
	ev.Reason = x.grantType
	if x.order == nil {
		ev.KeyID = string(x.access.keyID)
	} else {
		web.Note(ctx, "principal", x.order.Principal)
	}
	if ev.Target == "" {
		ev.Target = string(x.access.id)
	}
	web.Note(ctx, "grant_type", x.grantType)
	s.Events.Traffic(ev)
}

// refused records a refusal of the token endpoint. Our own faults are logged by noteFault.
func (s *Server) refused(ctx context.Context, x *exchange, err error) {
	ev := s.exchangeEvent(ctx, signet.EventTokenRefused, x)
	ev.Reason = signet.ReasonOrCode(err)
	s.noteFault(ctx, err)
	s.Events.Traffic(ev)
}

// plainIDLength is that of a GUID. No secret of 256 bits is as short, so that one which was sent in the place of a name
// does not stand in an event (HMC-17).
const plainIDLength = 36

// plainID reports whether text may stand in an event as a name that a caller sent.
func plainID(text string) bool {
	if text == "" || len(text) > plainIDLength {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// noteFault puts the refusal on the request's one log line; faults of ours at error, with their cause.
func (s *Server) noteFault(ctx context.Context, err error) {
	web.Note(ctx, "error_code", string(signet.CodeOf(err)))
	web.Note(ctx, "reason", signet.ReasonOrCode(err))
	if signet.CodeOf(err) == signet.CodeInternal {
		s.Log.ErrorContext(ctx, "request failed", "request_id", web.RequestID(ctx), "error", err.Error())
	}
}

// takeBack revokes the grant when err says that its code or refresh token was used twice, in a transaction of its own
// after everything else was rolled back. The caller hanging up does not stop it: a thief must not be able to probe a
// token without consequence. nil stays nil.
func (s *Server) takeBack(ctx context.Context, x *exchange, err error) error {
	if !errors.Is(err, signet.ErrUsed) || x.grant == nil {
		return err
	}
	kind, reason := signet.EventCodeReplayed, "code_replayed"
	if x.grantType == signet.GrantRefreshToken {
		kind, reason = signet.EventRefreshReused, "refresh_token_reused"
	}
	ev := s.exchangeEvent(ctx, kind, x)
	ev.Reason = reason
	if revokeErr := s.Grants.RevokeGrant(context.WithoutCancel(ctx), x.grant.ID, reason, ev); revokeErr != nil {
		return revokeErr
	}
	return &signet.Error{Code: signet.CodeInvalidGrant, Reason: reason, Cause: err}
}
