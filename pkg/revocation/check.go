package revocation

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Revoked reports whether any entry takes back a token with these facts. Empty facts are not looked at; the session of
// an offline token is not either. Error: CodeUnavailable when neither the fast home nor the journal can answer: the
// caller must refuse, never call the token active.
func (s *Service) Revoked(ctx context.Context, facts signet.TokenFacts) (bool, error) {
	if facts.Offline {
		facts.SessionID = ""
	}
	var room [maxNames]name
	asked := namesOf(facts, room[:0])
	if len(asked) == 0 {
		return false, nil
	}
	if s.fast != nil && s.trusted() {
		if revoked, answered := s.lookFast(ctx, facts, asked); answered {
			return revoked, nil
		}
	}
	entries, err := s.journal.RevocationsOf(ctx, facts)
	if err != nil {
		return false, signet.Unavailable(err)
	}
	for _, entry := range entries {
		if asked.hold(entry) && applies(entry.Kind, signet.LastSecond(entry.Before), facts.IssuedAt) {
			return true, nil
		}
	}
	return false, nil
}

// lookFast asks the fast home. answered is false when it failed or lost its memory.
func (s *Service) lookFast(ctx context.Context, facts signet.TokenFacts, asked names) (revoked, answered bool) {
	var room [maxNames]string
	keys := room[:0]
	for _, n := range asked {
		keys = append(keys, signet.RevocationKey(n.kind, n.subject))
	}
	found, known, err := s.fast.Look(ctx, keys)
	if err != nil {
		// A caller that hung up says nothing of the fast home, and must not be able to send everybody to the journal.
		if ctx.Err() == nil {
			s.doubt()
		}
		return false, false
	}
	if !known {
		s.doubt()
		select {
		case s.rebuild <- struct{}{}:
		default: // one is due already
		}
		return false, false
	}
	unsure := false
	for i, key := range keys {
		before, ok := found[key]
		switch {
		case !ok:
		case before == 0 && asked[i].kind == signet.RevokedPrincipal:
			// A principal's entry always names a second. A node of the version before these entries does not know that
			// when it drains the outbox or rebuilds the fast home, and leaves it out; believed, the entry would kill
			// whatever the principal gets from then on. The journal knows the second.
			unsure = true
		case applies(asked[i].kind, before, facts.IssuedAt):
			return true, true
		}
	}
	return false, !unsure
}

// applies reports whether an entry takes back a token that was issued then. Client, user and principal entries end what
// was issued up to a second; iat has whole seconds, so a token of that very second goes too. All others end everything.
func applies(kind signet.RevocationKind, before int64, issued time.Time) bool {
	switch kind {
	case signet.RevokedClient, signet.RevokedUser, signet.RevokedPrincipal:
		return before == 0 || issued.Unix() <= before
	default:
		return true
	}
}

const maxNames = 8

// name is one thing that an entry could name.
type name struct {
	kind    signet.RevocationKind
	subject string
}

type names []name

// namesOf appends the facts that are known to room.
func namesOf(f signet.TokenFacts, room names) names {
	all := [maxNames]name{
		{signet.RevokedToken, string(f.TokenID)},
		{signet.RevokedGrant, string(f.GrantID)},
		{signet.RevokedSession, string(f.SessionID)},
		{signet.RevokedClient, string(f.ClientID)},
		{signet.RevokedUser, string(f.UserID)},
		{signet.RevokedKey, string(f.KeyID)},
		{signet.RevokedPrincipal, f.Principal},
		{signet.RevokedCredential, f.Credential},
	}
	for _, n := range all {
		if n.subject != "" {
			room = append(room, n)
		}
	}
	return room
}

// hold reports whether the entry names one of n.
func (n names) hold(entry signet.Revocation) bool {
	for _, one := range n {
		if one.kind == entry.Kind && one.subject == entry.Subject {
			return true
		}
	}
	return false
}
