package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// Keys of an old system have no form of ours; these bounds keep a word or a book from being looked up.
const (
	minForeignKey = 16
	maxForeignKey = 256
)

// keyTokenLifetime is how long an API key's short JWT lives (wire.md, 1).
const keyTokenLifetime = 15 * time.Minute

// refusedKey is the cause of a refusal of a key that exists: history names it, the answer does not.
type refusedKey struct{ id string }

// Error implements error.
func (k refusedKey) Error() string { return "API key " + k.id }

// keyOf is the id of the key that err refuses, "" when there is none.
func keyOf(err error) string {
	var known refusedKey
	_ = errors.As(err, &known)
	return known.id
}

// keyForm reports whether text may be an API key, and whether it has our form. A text with our prefix that is no API
// key (a mistyped one, another kind of secret) is never looked up.
func keyForm(text string) (ours, possible bool) {
	if strings.HasPrefix(text, "sgt_") {
		_, ours = signet.ParseSecret(signet.SecretAPIKey, text)
		return ours, ours
	}
	if len(text) < minForeignKey || len(text) > maxForeignKey {
		return false, false
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false, false
		}
	}
	return false, true
}

// find looks a key up by the keyed hash of the whole text and says whether it may be used now; reason is why not. A
// prefix finds nothing, so that there is nothing to measure from one character to the next. Every way through costs
// the same hashes, for a text of no form, an unknown key, and a disabled one.
// Error: CodeUnavailable.
func (a *Account) find(ctx context.Context, raw string) (key *signet.APIKey, reason string, err error) {
	ours, possible := keyForm(raw)
	if len(raw) > maxForeignKey {
		raw = raw[:maxForeignKey]
	}
	hashes := a.o.HashKeys()
	candidates := hashes.Candidates(raw)
	stored := signet.SecretHash{KeyID: hashes.Current}
	if possible {
		key, err = a.o.Keys.APIKeyByHash(ctx, candidates)
		if err != nil && !errors.Is(err, signet.ErrNotFound) {
			return nil, "", err
		}
	}
	if key != nil {
		stored = key.Hash
	}
	// The look-up found a row by its hash; this comparison, in constant time, is what decides.
	proven := hashes.Verify(raw, stored)
	switch {
	case !possible:
		return nil, "key_malformed", nil
	case key == nil || !proven || !ours && !key.Imported:
		return nil, "key_unknown", nil
	case !key.Enabled:
		return key, "key_disabled", nil
	case !key.Live(a.o.Now()):
		return key, "key_expired", nil
	}
	return a.ofLiveAccount(ctx, key)
}

// ofLiveAccount is the last part of find.
func (a *Account) ofLiveAccount(ctx context.Context, key *signet.APIKey) (*signet.APIKey, string, error) {
	owner, err := a.o.Accounts.Account(ctx, key.AccountID)
	switch {
	case errors.Is(err, signet.ErrNotFound), err == nil && owner.Disabled():
		return key, "account_disabled", nil
	case err != nil:
		return nil, "", err
	}
	return key, "", nil
}

// prove proves an API key of the request in ctx.
//
// Failures are counted by network, and the key is looked at first: a key that is right is let in whatever its
// neighbours did, on any node, warm or cold; one that is wrong gets 429 instead of 401 once its network has failed too
// often. With 256 random bits a guess needs no further hindering; the limit spares logs, counters and watchers, and the
// rate of the route's class bounds the look-ups.
func (a *Account) prove(ctx context.Context, raw string) (*signet.APIKey, error) {
	key, reason, err := a.find(ctx, raw)
	if err != nil {
		return nil, err
	}
	address := web.ClientAddr(ctx)
	if reason == "" && !web.AllowedFrom(key.AllowedNetworks, address) {
		reason = "key_network"
	}
	if reason == "" {
		return key, nil
	}
	counted := "api_key@" + web.Network(address)
	if seconds, too := a.o.Failures.Refused(ctx, counted); too {
		return nil, tooMany(seconds)
	}
	a.o.Failures.Failed(ctx, counted)
	if key != nil {
		return nil, denied(reason, refusedKey{key.ID})
	}
	return nil, denied(reason, nil)
}

// ProveAPIKey proves the API key of a token exchange (RFC 8693) by the same code as Caller, and orders a JWT for the
// resources with no more than the key's permissions, for 15 min and never beyond the key's own end.
// Errors: CodeInvalidToken (whatever is wrong with the key; the edge writes what RFC 8693 §2.2.2 wants), CodeInvalidTarget,
// CodeInvalidScope, CodeTooMany (RetryAfter() time.Duration in its chain), CodeUnavailable.
func (a *Account) ProveAPIKey(ctx context.Context, req signet.APIKeyRequest) (*signet.TokenOrder, error) {
	key, err := a.prove(ctx, req.Key)
	if err != nil {
		var client signet.ClientID
		if req.Client != nil {
			client = req.Client.ID
		}
		a.refused(ctx, true, client, err)
		return nil, err
	}
	audience, err := a.targets(req.Resources)
	if err != nil {
		return nil, err
	}
	scope, err := a.scopeOf(key.Role, req.Scope)
	if err != nil {
		return nil, err
	}
	lifetime := keyTokenLifetime
	if key.ExpiresAt != nil {
		// Whole seconds, rounded down: exp must not outlive the key. Below one second nothing is left to issue.
		if lifetime = min(lifetime, key.ExpiresAt.Sub(a.o.Now()).Truncate(time.Second)); lifetime < time.Second {
			return nil, denied("key_expired", refusedKey{key.ID})
		}
	}
	return &signet.TokenOrder{
		GrantType: signet.GrantTokenExchange, Principal: key.Principal(), Subject: key.Principal(),
		Audience: audience, Scope: scope, Lifetime: lifetime,
		Claims: signet.OrderClaims{Account: key.AccountID, Role: key.Role, Permissions: slices.Clone(scope)},
	}, nil
}

// targets are the resources asked for (RFC 8707 §2); each must be one that the operator named for API keys.
func (a *Account) targets(asked []string) ([]string, error) {
	if len(asked) == 0 {
		return nil, signet.NewError(signet.CodeInvalidTarget, "The resource parameter is required.", "resource_missing")
	}
	var out []string
	for _, resource := range asked {
		if !slices.Contains(a.o.Resources, resource) {
			return nil, signet.NewError(signet.CodeInvalidTarget, "The resource is unknown.", "resource_unknown")
		}
		if !slices.Contains(out, resource) {
			out = append(out, resource)
		}
	}
	return out, nil
}

// scopeOf is what was asked for, all within the role's permissions; "" asks for all of them.
func (a *Account) scopeOf(role, asked string) (signet.Scope, error) {
	own, global := a.Permissions(role)
	all := signet.Scope(append(own, global...))
	if asked == "" {
		return all, nil
	}
	scope, err := signet.ParseScope(asked)
	if err != nil {
		return nil, err
	}
	if len(scope) == 0 || !scope.Within(all) {
		return nil, signet.NewError(signet.CodeInvalidScope, "The scope is more than the key's role has.", "scope_beyond_role")
	}
	return scope, nil
}

// APIKeyFacts returns what introspection may tell of a live API key. The networks from which the key may be used are
// not compared: it is the resource server that asks, from its own. Errors: CodeInvalidToken, CodeUnavailable.
func (a *Account) APIKeyFacts(ctx context.Context, raw string) (*signet.APIKeyFacts, error) {
	key, reason, err := a.find(ctx, raw)
	if err != nil {
		return nil, err
	}
	if reason != "" {
		return nil, denied(reason, nil)
	}
	own, global := a.Permissions(key.Role)
	return &signet.APIKeyFacts{Key: key, Permissions: append(own, global...)}, nil
}
