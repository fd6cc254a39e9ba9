package exchange

import (
	"context"
	"errors"
	"slices"

	"github.com/signet-auth/signet/pkg/signet"
)

// checkTarget chooses the resource server and the scope. A token is encrypted to one recipient, so one resource at most
// is asked for (RFC 8707 §2).
func (e *Exchange) checkTarget(ctx context.Context, a *attempt) error {
	server, err := e.target(ctx, a)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return signet.NewError(signet.CodeInvalidTarget, "", "resource_unknown")
	case err != nil && signet.CodeOf(err) == signet.CodeInvalidTarget:
		return err
	case err != nil:
		return &signet.Error{Code: signet.CodeUnavailable, Reason: "resource_store", Cause: err}
	case server.Disabled():
		return signet.NewError(signet.CodeInvalidTarget, "", "resource_disabled")
	case server.ID != a.biller.DefaultResourceServer && !slices.Contains(a.biller.ResourceServers, server.ID):
		return signet.NewError(signet.CodeInvalidTarget, "", "resource_not_allowed")
	}
	a.server = server
	a.scope, err = scopeFor(a.req.Scope, a.biller, server)
	return err
}

func (e *Exchange) target(ctx context.Context, a *attempt) (*signet.ResourceServer, error) {
	switch len(a.req.Resources) {
	case 0:
		if a.biller.DefaultResourceServer == "" {
			return nil, signet.NewError(signet.CodeInvalidTarget, "", "resource_missing")
		}
		return e.o.ResourceServers.ResourceServer(ctx, a.biller.DefaultResourceServer)
	case 1:
		return e.o.ResourceServers.ResourceServerByAudience(ctx, a.req.Resources[0])
	default:
		return nil, signet.NewError(signet.CodeInvalidTarget, "A token of this grant is for one resource.", "resource_many")
	}
}

// personal are the scopes of people who logged in: no HMAC stands for a login.
func personal(token string) bool {
	switch token {
	case signet.ScopeOpenID, signet.ScopeProfile, signet.ScopeEmail, signet.ScopePhone, signet.ScopeAddress, signet.ScopeOfflineAccess:
		return true
	}
	return false
}

// scopeFor is what was asked for, or all that biller and resource server both allow; never more. Error: CodeInvalidScope.
func scopeFor(asked string, biller *signet.Biller, server *signet.ResourceServer) (signet.Scope, error) {
	have, err := signet.ParseScope(biller.Scope)
	if err != nil {
		return nil, signet.Internal(err)
	}
	theirs := server.AllowedScope()
	allowed := slices.DeleteFunc(have, func(token string) bool { return personal(token) || !theirs.Has(token) })
	wanted, err := signet.ParseScope(asked)
	if err != nil {
		return nil, err
	}
	if len(wanted) == 0 {
		return allowed, nil
	}
	if !wanted.Within(allowed) {
		return nil, signet.NewError(signet.CodeInvalidScope, "", "scope_not_allowed")
	}
	return wanted, nil
}
