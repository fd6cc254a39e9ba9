package clientauth

import (
	"context"
	"net/netip"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// stage says how far a request came; it decides the code under assertion_error: document (wire.md, 2).
type stage int

const (
	stageClient stage = iota + 1 // unknown, disabled, not this way, wrong secret
	stageKey                     // no usable key, bad signature
	stageClaims                  // the signature verified, the claims do not hold
	stageStore                   // a store failed: nobody's fault, 503
)

// refusal is one refused authentication.
type refusal struct {
	stage  stage
	reason string // snake_case, for the event log only
	cause  error
	// blameless: the caller may be who it says; its own host of keys was away.
	blameless bool
}

// error is what the caller gets.
func (r *refusal) error(client *signet.Client) error {
	code, message := signet.CodeInvalidClient, refused
	document := client != nil && client.AssertionError == "document"
	switch {
	case r.stage == stageStore:
		code, message = signet.CodeUnavailable, ""
	case document && r.stage == stageKey:
		code = signet.CodeUnauthorizedClient
	case document && r.stage == stageClaims:
		code = signet.CodeInvalidGrant
	}
	return &signet.Error{Code: code, Message: message, Reason: r.reason, Cause: r.cause}
}

// counts reports whether the refusal is a guess. Whoever holds the key guesses nothing: a partner whose clock is wrong
// who sends an assertion twice, or whose host of keys was down, must not be locked out for it.
func (r *refusal) counts() bool {
	return !r.blameless && (r.stage == stageClient || r.stage == stageKey)
}

// countRefusal counts a failure under the keys. The first key is the network alone: when it failed too often, over
// whatever clients, the answer is to slow down.
func (a *Authenticator) countRefusal(ctx context.Context, result *Result, err error, keys ...string) (*Result, error) {
	if wait, too := a.failures.Refused(ctx, keys[0]); too {
		result.RetryAfter = wait
		return result, tooMany()
	}
	for _, key := range keys {
		a.failures.Failed(ctx, key)
	}
	return result, err
}

func tooMany() error {
	return signet.NewError(signet.CodeTooMany, "Too many failed attempts. Please wait.", "too_many_failures")
}

func networkKey(address netip.Addr) string { return "network:" + web.Network(address) }

func clientKey(id signet.ClientID, address netip.Addr) string {
	return "client:" + string(id) + "@" + web.Network(address)
}
