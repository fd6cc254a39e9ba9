package oauth

import (
	"context"
	"slices"

	"github.com/signet-auth/signet/pkg/signet"
)

// Bounds of the claim accounts (wire.md, 1). The second keeps a token with long role names below maxTokenBytes.
const (
	maxAccounts      = 50
	maxAccountsBytes = 4096
)

// accountClaim is one accepted membership.
type accountClaim struct {
	ID   string `json:"id"`
	Role string `json:"role"`
}

// membershipClaims are what a user's access token says of accounts; nothing at all for a user without any.
type membershipClaims struct {
	Accounts []accountClaim `json:"accounts,omitempty"`
	// AccountsTruncated: there are too many; ask /api/permissions/check.
	AccountsTruncated bool `json:"accounts_truncated,omitempty"`
}

// carries reports whether the token says anything of memberships: then it ends when they change.
func (c *membershipClaims) carries() bool { return len(c.Accounts) > 0 || c.AccountsTruncated }

// membersFor returns the user's memberships when the token of this exchange is to carry them: a JWT of a person who has
// any that count. Error: CodeUnavailable.
func (s *Server) membersFor(ctx context.Context, x *exchange) (*signet.Memberships, error) {
	if s.Accounts == nil || x.user.ID.Application() || opaqueFor(x.client) {
		return nil, nil
	}
	members, err := s.Accounts.Memberships(ctx, x.user.ID)
	if err != nil {
		return nil, err
	}
	if claims := carried(members); !claims.carries() {
		return nil, nil
	}
	return members, nil
}

// liveMemberships checks that nothing the token carries was changed or ended. Error: CodeInvalidToken, CodeUnavailable.
func (s *Server) liveMemberships(ctx context.Context, p *presented) error {
	members, err := s.Accounts.Memberships(ctx, p.facts.UserID)
	if err != nil {
		return err
	}
	if !p.after(members.ChangedAt) {
		return invalidToken("memberships_changed")
	}
	if holds(members, p.claims.Accounts) {
		return nil
	}
	// Issued after the last change that is known here, and yet it says more. Either this node's record is the old one, or
	// that of the node which issued it was: for a second after somebody was thrown out, a refresh there would give them a
	// token that carries the membership and that no revocation covers. The database knows.
	if members, err = s.Accounts.Memberships(signet.FromTruth(ctx), p.facts.UserID); err != nil {
		return err
	}
	if !p.after(members.ChangedAt) || !holds(members, p.claims.Accounts) {
		return invalidToken("memberships_changed")
	}
	return nil
}

// holds reports whether each of the memberships that a token carries counts.
func holds(members *signet.Memberships, carried []accountClaim) bool {
	for _, claim := range carried {
		if !slices.ContainsFunc(members.Members, func(m signet.Member) bool {
			return m.AccountID == claim.ID && m.Role == claim.Role && m.AcceptedAt != nil && !m.AccountDisabled
		}) {
			return false
		}
	}
	return true
}

// carried selects what counts: accepted, in an account that is not disabled.
func carried(members *signet.Memberships) (claims membershipClaims) {
	size := 0
	for i := range members.Members {
		m := &members.Members[i]
		if m.AcceptedAt == nil || m.AccountDisabled {
			continue
		}
		if size += len(m.AccountID) + len(m.Role) + len(`{"id":"","role":""},`); len(claims.Accounts) == maxAccounts || size > maxAccountsBytes {
			return membershipClaims{AccountsTruncated: true}
		}
		claims.Accounts = append(claims.Accounts, accountClaim{ID: m.AccountID, Role: m.Role})
	}
	return claims
}
