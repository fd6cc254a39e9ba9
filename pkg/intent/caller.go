package intent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// call is one request on its way through the room.
type call struct {
	w   http.ResponseWriter
	r   *http.Request
	now time.Time
	by  actor
	// retryAfter goes with CodeTooMany, in seconds.
	retryAfter int
}

func (c *call) ctx() context.Context { return c.r.Context() }

// actor is who called, as far as it is known, and what for.
type actor struct {
	subject  string // for events: key:{id}, device:{dcn}:{id}, client:{id}, a user id
	keyID    string // the credential: an API key's id, a device's
	clientID signet.ClientID
	userID   signet.UserID
	// accountID is the account that the caller acts for; "" with a fault that says why there is none.
	accountID string
	fault     string
	account   *signet.Account // set by acting
	// device and dcn are the claims.
	device, dcn string
	// any: may validate intents of every account.
	any bool
}

// defaultWait is what a caller waits whom the other room told to wait and not how long, in seconds.
const defaultWait = 60

// refused is a credential that is not accepted: one answer, whatever was wrong.
func refused(reason string) error {
	return &signet.Error{Code: signet.CodeInvalidToken, Reason: reason}
}

func badRequest(message, reason string) error {
	return signet.NewError(signet.CodeInvalidRequest, message, reason)
}

// authenticate proves the caller, by exactly one credential (KEY-04: of two the rights would be merged, or the wrong one
// would count). Errors: CodeInvalidRequest, CodeInvalidToken, CodeTooMany, CodeUnavailable.
func (i *Intent) authenticate(c *call) error {
	keys, authorizations := c.r.Header.Values("X-Api-Key"), c.r.Header.Values("Authorization")
	switch {
	case len(keys)+len(authorizations) > 1:
		return badRequest("Send exactly one credential: X-Api-Key or Authorization.", "credentials_many")
	case len(keys) == 1:
		return i.proveCaller(c)
	case len(authorizations) == 0:
		return refused("credential_missing")
	}
	value := authorizations[0]
	scheme, rest, _ := strings.Cut(value, " ")
	switch strings.ToLower(scheme) {
	case "bearer", "dpop":
		return i.proveCaller(c)
	case "basic":
		return i.proveDevice(c, basicDevice(strings.TrimLeft(rest, " ")))
	}
	if strings.Contains(value, "|") {
		return i.proveDevice(c, plainDevice(value))
	}
	// An access token without a scheme is for other endpoints (wire.md, 1).
	return refused("credential_scheme")
}

// proveCaller asks the one prover of API keys and access tokens, then for the scope.
func (i *Intent) proveCaller(c *call) error {
	caller, err := i.o.Callers.Caller(c.r)
	if err != nil {
		return c.notProven(err)
	}
	c.by = actor{subject: caller.Subject, userID: caller.UserID}
	if caller.Bearer != nil && !caller.Bearer.Scope.Has(Scope) {
		return refused("scope_missing")
	}
	by := &c.by
	switch {
	case caller.Key != nil:
		by.keyID, by.accountID = caller.Key.ID, caller.Key.AccountID
		by.device = guid(caller.Key.ID)
		by.any = i.mayAny(caller.Key.Role)
	case caller.Client != nil:
		by.clientID, by.accountID = caller.Client.ID, caller.Client.AccountID
		by.device = guid(string(caller.Client.ID))
		by.any = caller.Bearer != nil && caller.Bearer.Scope.Has(ValidateAny)
		by.fault = "The client of this access token acts for no account."
	case caller.UserID != "":
		by.device = guid(string(caller.UserID))
		by.fault = "The account is ambiguous: the person of this access token is not a member of exactly one."
		if len(caller.Members) == 1 {
			by.accountID = caller.Members[0].AccountID
		}
		by.any = slices.ContainsFunc(caller.Members, func(m signet.Member) bool { return i.mayAny(m.Role) })
	default:
		return refused("caller_kind")
	}
	return nil
}

// notProven keeps what is no verdict on the credential and makes everything else the one refusal.
func (c *call) notProven(err error) error {
	switch signet.CodeOf(err) {
	case signet.CodeInvalidRequest, signet.CodeUnavailable, signet.CodeInternal:
		return err
	case signet.CodeTooMany:
		c.retryAfter = signet.RetryAfter(err, defaultWait*time.Second)
		return err
	default:
		return &signet.Error{Code: signet.CodeInvalidToken, Reason: signet.ReasonOf(err), Cause: err}
	}
}

func (i *Intent) mayAny(role string) bool {
	_, global := i.o.Roles.Permissions(role)
	return slices.Contains(global, ValidateAny)
}

// acting finds the account that the caller acts for. Without one, or with one that is disabled, nobody acts.
// Errors: CodeInvalidRequest (the caller has no one account), CodeInvalidToken, CodeUnavailable.
func (i *Intent) acting(c *call) error {
	if c.by.accountID == "" {
		return badRequest(c.by.fault, "account_ambiguous")
	}
	account, err := i.o.Accounts.Account(c.ctx(), c.by.accountID)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return refused("account_unknown")
	case err != nil:
		return err
	case account.Disabled():
		return refused("account_disabled")
	}
	c.by.account = account
	return nil
}

// guid returns a GUID as it is, in lower case, and any other identifier as a GUID derived from it (RFC 9562 §5.8): the
// device claim is a GUID.
func guid(id string) string {
	if lower := strings.ToLower(id); isGUID(lower) {
		return lower
	}
	sum := sha256.Sum256([]byte("signet intent device\x00" + id))
	b := sum[:16]
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	text := hex.EncodeToString(b)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

const guidLen = 36

// isGUID reports whether text is 8-4-4-4-12 hexadecimal digits in lower case.
func isGUID(text string) bool {
	if len(text) != guidLen {
		return false
	}
	for i := range len(text) {
		c := text[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// event is what happened, and who did it.
func (i *Intent) event(c *call, kind signet.EventKind, target, reason string) signet.Event {
	event := web.NewEvent(c.ctx(), kind, c.now)
	event.Actor, event.ClientID, event.UserID, event.KeyID = c.by.subject, c.by.clientID, c.by.userID, c.by.keyID
	event.Target, event.Reason = target, reason
	return event
}

// record queues the event.
func (i *Intent) record(c *call, kind signet.EventKind, target, reason string) {
	i.o.Traffic.Traffic(i.event(c, kind, target, reason))
}
