package oauth

import (
	"context"
	"errors"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// principals is the one check of everybody a token would speak for, used by every grant: client, biller or API key, grant,
// user, scope.
// The session stands in the grant: ending a session revokes its grants except the offline ones, in one transaction.
// Errors: CodeInvalidClient, CodeInvalidGrant, CodeUnavailable.
func (s *Server) principals(ctx context.Context, x *exchange) error {
	if x.client != nil && x.client.Disabled() {
		return signet.NewError(signet.CodeInvalidClient, "", "client_disabled")
	}
	if x.order != nil {
		return s.vouched(ctx, x)
	}
	if x.grant == nil {
		if x.client != nil && beyond(x.client.NotBefore, x.now) {
			return signet.NewError(signet.CodeInvalidClient, "", "client_not_before")
		}
		return nil
	}
	switch {
	case !x.grant.Live(x.now):
		return invalidGrant("grant_ended")
	case !after(x.grant.CreatedAt, x.client.NotBefore):
		return invalidGrant("client_not_before")
	case !x.grant.Scope.Within(x.client.AllowedScope()):
		return invalidGrant("scope_no_longer_allowed")
	}
	user, err := s.Records.User(ctx, x.grant.UserID)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return invalidGrant("user_gone")
	case err != nil:
		return err
	}
	if reason := userFault(user, x.grant.CreatedAt); reason != "" {
		return invalidGrant(reason)
	}
	x.user = user
	x.members, err = s.membersFor(ctx, x)
	return err
}

// userFault says why something that was begun for user at that time no longer counts, "" when it does.
func userFault(user *signet.User, begun time.Time) string {
	switch {
	case user.Disabled():
		return "user_disabled"
	case !after(begun, user.NotBefore):
		return "user_not_before"
	case !after(begun, user.PasswordChangedAt):
		return "password_changed"
	}
	return ""
}

// after reports whether at is later than the limit; the zero limit limits nothing.
func after(at, limit time.Time) bool { return limit.IsZero() || at.After(limit) }

// beyond reports whether a limit lies further ahead than revocations reach: an operator's wish that nothing be valid yet.
func beyond(limit, now time.Time) bool { return limit.After(now.Add(signet.LimitAhead)) }

// validFrom is the iat of what is minted: now, or the first whole second that no revocation of the client, the user, the
// biller or API key, or the memberships that the token carries covers. iat has whole seconds and a revocation takes back
// the second in which it fell, rounded up; without this a login right after a password change would yield a token that is
// dead for its whole life. It is at most two seconds ahead after one revocation, and a second more for each further one
// that fell together with it.
//
// made is zero, or when iat is ahead of the clock the moment of minting itself, which lies after all these limits.
//
// Beyond signet.MaxAhead nothing is minted, for a moment: the next revocation would not reach it.
// Error: CodeUnavailable.
func (x *exchange) validFrom() (from, made time.Time, err error) {
	var limits []time.Time
	if x.client != nil {
		limits = append(limits, x.client.NotBefore)
	}
	if x.user != nil {
		limits = append(limits, x.user.NotBefore)
	}
	if x.principal != nil {
		limits = append(limits, x.principal.NotBefore)
	}
	if x.members != nil {
		limits = append(limits, x.members.ChangedAt)
	}
	from, ok := signet.FirstSecond(x.now, limits...)
	if !ok {
		return from, made, &signet.Error{Code: signet.CodeUnavailable, Reason: "revoked_too_often"}
	}
	if from.After(x.now) {
		made = x.now
		for _, limit := range limits {
			if !made.After(limit) {
				made = limit.Add(time.Microsecond) // the stores' precision
			}
		}
	}
	return from, made, nil
}
